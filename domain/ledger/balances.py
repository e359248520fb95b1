"""What accounts come to: between two days, as it was known at an instant.

Summed from three parts that never overlap, in one statement and one snapshot: the sums by day that the sealing writer
keeps; the entries that it has not come to yet, which are those behind the last sealed one in the event log; and, where
only what was known at an instant counts, the entries that were recorded in the month of that instant. So a balance
costs the days and accounts there are, not the lines, and nobody who posts waits for anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.kernel.bulk import as_json
from domain.kernel.ids import ID
from domain.ledger.tables import AccountingDimension
from domain.ledger.tables.dimensions import COLUMNS, NONE


@dataclass(frozen=True)
class Span:
    """The entries that a sum is of."""

    until: date
    """Up to and including this day."""
    since: date | None = None
    """From this day on; from the beginning, when left out."""
    known_at: datetime | None = None
    """Only what was recorded by then; everything, when left out."""
    about: Mapping[AccountingDimension, Sequence[ID | None]] = field(default_factory=dict)
    """Only lines that name one of these in each of the dimensions; None stands for lines that name none."""

    @property
    def before(self) -> "Span":
        """All the days before it, of the same lines."""
        until = self.since - timedelta(days=1) if self.since and self.since > date.min else date.min
        return replace(self, since=None, until=until)


@dataclass(frozen=True)
class Turnover:
    """What the lines of one account come to, in the currency of the books. The entries that carried the result of a
    year to retained earnings are kept apart.
    """

    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    closing_debit: Decimal = Decimal(0)
    closing_credit: Decimal = Decimal(0)

    @property
    def debits(self) -> Decimal:
        """Those of all entries."""
        return self.debit + self.closing_debit

    @property
    def credits(self) -> Decimal:
        """Those of all entries."""
        return self.credit + self.closing_credit

    @property
    def balance(self) -> Decimal:
        """Debits less credits, of all entries."""
        return self.debits - self.credits

    @property
    def result(self) -> Decimal:
        """Debits less credits, without the entries that closed a year."""
        return self.debit - self.credit


UNSEALED = """
  SELECT substr(subject, 5)::uuid AS id FROM (
    SELECT coalesce(last.epoch, 0) AS epoch, coalesce(last.order_key, '0') AS order_key, coalesce(last.seq, 0) AS seq
    FROM (SELECT) AS always
    LEFT JOIN LATERAL (
      SELECT epoch, order_key, seq FROM events WHERE id = (
        SELECT event_id FROM journal_seals ORDER BY position DESC LIMIT 1)) AS last ON true
  ) AS sealed
  CROSS JOIN LATERAL (
    SELECT subject FROM events WHERE type = 'journal_entry.posted'
      AND (epoch, order_key, seq) > (sealed.epoch, sealed.order_key, sealed.seq)
    ORDER BY epoch, order_key, seq OFFSET 0
  ) AS waiting
"""
"""The entries that are posted and not sealed yet: the log is sealed in its order.

Nobody tells the planner how few they are: it takes a third of the log for them and would read all lines there are. So
what follows from them is looked up entry by entry, behind an OFFSET 0.
"""

SPAN_COLUMNS = ", ".join(f"{column} uuid[]" for column in COLUMNS.values())
"""In SQL: the columns of a span that say what lines are about."""


def narrowed(of: str) -> str:
    """In SQL: the condition that a line, or a sum of lines, is about what a span asks for."""
    return " AND ".join(
        f"(span.{column} IS NULL OR coalesce({of}.{column}, '{NONE}') = ANY(span.{column}))"
        for column in COLUMNS.values()
    )


_SUMS = f"""
WITH span AS (
  SELECT * FROM json_to_recordset($1::json)
    AS span(n int, since date, until date, known timestamptz, {SPAN_COLUMNS})
),
unsealed AS ({UNSEALED}),
part AS (
  SELECT span.n, account_id, closing, sum(debit_base) AS debit, sum(credit_base) AS credit
  FROM span JOIN journal_days AS day ON posted_on BETWEEN since AND until AND {narrowed("day")}
    AND (known IS NULL OR recorded_month < date_trunc('month', known AT TIME ZONE 'UTC')::date)
  WHERE $2::uuid[] IS NULL OR account_id = ANY($2) GROUP BY 1, 2, 3
  UNION ALL
  SELECT span.n, line.account_id, entry.kind = 'CLOSING', sum(debit_base), sum(credit_base)
  FROM span CROSS JOIN LATERAL (
    SELECT * FROM journal_entries
    WHERE recorded_at >= date_trunc('month', known AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AND recorded_at <= known
    OFFSET 0
  ) AS entry
  JOIN LATERAL (SELECT * FROM journal_lines WHERE entry_id = entry.id OFFSET 0) AS line ON {narrowed("line")}
  WHERE known IS NOT NULL AND entry.posted_on BETWEEN since AND until
    AND ($2::uuid[] IS NULL OR account_id = ANY($2)) GROUP BY 1, 2, 3
  UNION ALL
  SELECT span.n, line.account_id, entry.kind = 'CLOSING', sum(debit_base), sum(credit_base)
  FROM unsealed CROSS JOIN LATERAL (SELECT * FROM journal_entries WHERE id = unsealed.id OFFSET 0) AS entry
  JOIN span ON posted_on BETWEEN since AND until
    AND (known IS NULL OR recorded_at < date_trunc('month', known AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
  JOIN LATERAL (SELECT * FROM journal_lines WHERE entry_id = entry.id OFFSET 0) AS line ON {narrowed("line")}
  WHERE $2::uuid[] IS NULL OR account_id = ANY($2) GROUP BY 1, 2, 3
)
SELECT n, account_id,
  coalesce(sum(debit) FILTER (WHERE NOT closing), 0) AS debit,
  coalesce(sum(credit) FILTER (WHERE NOT closing), 0) AS credit,
  coalesce(sum(debit) FILTER (WHERE closing), 0) AS closing_debit,
  coalesce(sum(credit) FILTER (WHERE closing), 0) AS closing_credit
FROM part GROUP BY n, account_id
"""  # noqa: S608  the query within is ours


async def turnovers(
    driver: Any, spans: Sequence[Span], *, accounts: Sequence[ID] | None = None
) -> list[dict[ID, Turnover]]:
    """For each span what the lines of each account come to; accounts without lines in it are left out."""
    asked = [
        {"n": n, "since": each.since or date.min, "until": each.until, "known": each.known_at, **about_of(each)}
        for n, each in enumerate(spans)
    ]
    rows = await driver.fetch(_SUMS, as_json(asked), None if accounts is None else [each[4:] for each in accounts])
    found: list[dict[ID, Turnover]] = [{} for _ in spans]
    for row in rows:
        found[row["n"]][ID("acc_" + row["account_id"])] = Turnover(
            row["debit"], row["credit"], row["closing_debit"], row["closing_credit"]
        )
    return found


def about_of(span: Span) -> dict[str, list[str]]:
    """What a span's lines are about, as a statement takes it."""
    return {
        COLUMNS[dimension]: [NONE if each is None else each[4:] for each in values]
        for dimension, values in span.about.items()
    }
