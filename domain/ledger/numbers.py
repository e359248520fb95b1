"""The numbers of documents that may have no gap: invoices, credit notes, Z reports. One series for each kind and year.

The database gives them: whoever inserts a document's number says everything but the number. A trigger locks the row of
the series, looks at the last number that stands, and takes the next. Nobody gives it a number, and nobody but the
trigger moves the row, so there is no way to leave one out or to have one twice.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Integer, PrimaryKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.grants import APPEND_ONLY, BOOKS, READ_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, one_of


class DocumentKind(StrEnum):
    """What sort of document has a number without gaps."""

    INVOICE = "INVOICE"
    """A bill: INV-2026-000001."""
    CREDIT_NOTE = "CREDIT_NOTE"
    """What takes a bill back, or a part of it: CN-2026-000001."""
    Z_REPORT = "Z_REPORT"
    """The end of a till's day: Z-2026-000001."""


PRINTED = {DocumentKind.INVOICE: "INV", DocumentKind.CREDIT_NOTE: "CN", DocumentKind.Z_REPORT: "Z"}
"""What the numbers of each kind begin with."""


def document_number(kind: DocumentKind, year: int, n: int) -> str:
    """A document's number as people read it."""
    return f"{PRINTED[kind]}-{year}-{n:06d}"


_A_YEAR = "year BETWEEN 1900 AND 9999"


class NumberSeries(Row):
    """A series of numbers and how far it has come. Its row is the lock that all who take a number of it wait for.

    Updated in place (HOT), hence the fill factor.
    """

    __tablename__ = "number_series"
    __table_args__ = (
        PrimaryKeyConstraint("kind", "year"),
        one_of("kind", DocumentKind),
        CheckConstraint(_A_YEAR, name="year_known"),
        CheckConstraint("last >= 0", name="last_counted"),
        {"info": READ_ONLY | BOOKS, "postgresql_with": {"fillfactor": 50}},
    )

    kind: Mapped[DocumentKind] = mapped_column(Choice(DocumentKind))
    year: Mapped[int] = mapped_column(Integer)
    last: Mapped[int] = mapped_column(Integer)
    """The last number given."""


class DocumentNumber(Row):
    """The number of a document: from 1 in each series, in the order of commits."""

    __tablename__ = "document_numbers"
    __table_args__ = (
        PrimaryKeyConstraint("kind", "year", "n"),
        one_of("kind", DocumentKind),
        CheckConstraint(_A_YEAR, name="year_known"),
        CheckConstraint("n > 0", name="n_counted"),
        CheckConstraint("document ~ '^[a-z]{3}_[0-9a-f]{32}$'", name="document_form"),
        Index("uq_document_numbers_document", "document", unique=True),
        {"info": APPEND_ONLY | BOOKS},
    )

    kind: Mapped[DocumentKind] = mapped_column(Choice(DocumentKind))
    year: Mapped[int] = mapped_column(Integer)
    """The calendar year of the document's own day."""
    n: Mapped[int] = mapped_column(Integer)
    document: Mapped[str] = mapped_column(Text(collation="C"))
    """The id of the document, with its prefix: rows of several rooms above."""
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


explain("uq_document_numbers_document", "This document has its number already.")
explain("document_number_given", "The next number is taken from its series: it cannot be chosen.")
explain("document_number_next", "This series of numbers was tampered with: it gives no more until that is put right.")
explain("document_number_year", "A series of numbers begins with its year, not before.")

invariant(
    "document numbers have no gaps",
    "The numbers of every series run from 1 to its last one, and none is missing.",
    """
    SELECT kind, year, last, told.first, told.highest, told.many FROM number_series AS series
    FULL JOIN (
      SELECT kind, year, min(n) AS first, max(n) AS highest, count(*) AS many FROM document_numbers GROUP BY 1, 2
    ) AS told USING (kind, year)
    WHERE (coalesce(told.many, 0), coalesce(told.highest, 0)) IS DISTINCT FROM (last::bigint, last)
    """,
)
