"""Taking numbers without gaps, and proving that there are none.

Whoever takes a number holds its series until the end of the act, and everybody else who wants one waits. So numbers are
not taken where they are asked for: the act keeps them for its very end, and says them in one statement with its events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import bulk
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.ledger.numbers import DocumentKind, DocumentNumber, document_number

GAPS_SHOWN = 100
"""Missing numbers that are named per series."""

_TAKEN = "ledger.numbers"
_OF = "SELECT document, kind, year, n FROM document_numbers WHERE document = ANY($1)"
# Numbers are unique and above zero: where there are as many as the last one says, none is missing.
_SERIES = """
SELECT kind, year, told.first, greatest(last, told.highest) AS last, told.many, missing.gaps
FROM number_series AS series
CROSS JOIN LATERAL (
  SELECT min(n) AS first, max(n) AS highest, count(*) AS many FROM document_numbers AS given
  WHERE given.kind = series.kind AND given.year = series.year
) AS told
LEFT JOIN LATERAL (
  SELECT array_agg(n ORDER BY n) AS gaps FROM (
    SELECT place.n FROM generate_series(1, greatest(last, told.highest)) AS place(n)
    WHERE NOT EXISTS (
      SELECT FROM document_numbers AS given
      WHERE given.kind = series.kind AND given.year = series.year AND given.n = place.n)
    ORDER BY place.n LIMIT $3
  ) AS gap
) AS missing ON told.many < greatest(last, told.highest)
WHERE last > 0 AND ($1::text IS NULL OR kind = $1) AND ($2::int IS NULL OR year >= $2) ORDER BY kind, year
"""


@dataclass(frozen=True)
class Series:
    """What became of the numbers of one kind and year."""

    kind: DocumentKind
    year: int
    first: int | None
    """The first number that stands; None where none does."""
    last: int
    """The last number that was given."""
    count: int
    """How many stand."""
    gaps: Sequence[int]
    """Numbers that are missing, the first of them: always none, unless somebody took the database's guards down."""


def number(work: Work, kind: DocumentKind, documents: Sequence[ID], *, on: date) -> None:
    """These documents have the next numbers of their kind, in this order, when the act is done.

    `on` is the day that they bear: they are numbered in its calendar year, since that is what people read in a number,
    and a fiscal year that starts at another day has none of its own. Nothing is said to the database before the end of
    the act. Refused then with Invalid for a document that has a number, and for a year that has not begun.
    """
    rows: list[dict[str, Any]] = work.remembered.setdefault(_TAKEN, [])
    rows += [
        {"kind": kind, "year": on.year, "document": document, "recorded_at": work.now, "act": work.act}
        for document in documents
    ]
    work.last[_TAKEN] = _take


async def _take(work: Work) -> None:
    """Series are locked in one order, whatever order they were asked for in: so nobody waits in a circle."""
    rows = sorted(work.remembered.pop(_TAKEN), key=lambda row: (row["kind"], row["year"]))
    await bulk.insert_later(work, DocumentNumber, rows)


async def numbers_of(connection: AsyncConnection, documents: Sequence[ID]) -> dict[ID, str]:
    """The numbers of these documents as people read them; those without one are left out."""
    rows = await (await raw(connection)).fetch(_OF, list(documents))
    return {ID(row["document"]): document_number(DocumentKind(row["kind"]), row["year"], row["n"]) for row in rows}


async def number_series(
    connection: AsyncConnection, *, kind: DocumentKind | None = None, since: int | None = None
) -> list[Series]:
    """Every series of a kind from a year on, or all there are; by kind and year."""
    rows = await (await raw(connection)).fetch(_SERIES, kind, since, GAPS_SHOWN)
    return [
        Series(DocumentKind(row["kind"]), row["year"], row["first"], row["last"], row["many"], row["gaps"] or ())
        for row in rows
    ]
