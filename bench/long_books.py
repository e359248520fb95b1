"""Books with a long past: ten million lines of two years, and what a statement over them costs.

They are written by SQL with the guards off, as a restore would, and summed by day with the statement of the sealing
writer's trigger: a statement reads the sums, so it must not matter how many lines there are.
"""

from collections.abc import Callable
from datetime import date, timedelta

import asyncpg

LINES, LINES_OF_ENTRY = 10_000_000, 4
BATCHES = 50

_ACCOUNTS = """
SELECT array_agg(id ORDER BY code) FROM accounts AS account
WHERE NOT is_control AND NOT EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = account.id)
"""
# Every entry has a debit on each of two accounts and a credit on each of two others, by the dice of its number.
_ENTRIES = """
WITH made AS (
  INSERT INTO journal_entries
    (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act, kind)
  SELECT uuid7(), day, day, day, 'A long past', base_currency, false, period.id, uuid7(), 'ORDINARY'
  FROM business, generate_series(1, $1) AS n
  CROSS JOIN LATERAL (SELECT ($2::date + (n % $3)::int) AS day) AS days
  JOIN accounting_periods AS period ON day BETWEEN starts_on AND ends_on
  RETURNING id, number, posted_on
)
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT made.id, side.n, ($4::uuid[])[1 + (made.number * side.n + side.n) % cardinality($4::uuid[])], posted_on,
  base_currency, debit, credit, base_currency, debit, credit
FROM made, business, (VALUES (1, 7.5, 0), (2, 2.25, 0), (3, 0, 4.5), (4, 0, 5.25)) AS side(n, debit, credit)
"""
_DAYS = """
INSERT INTO journal_days AS day (
  posted_on, account_id, recorded_month, closing, currency, debit, credit, debit_base, credit_base)
SELECT line.posted_on, account_id, date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date, kind = 'CLOSING',
  line.currency, sum(debit), sum(credit), sum(debit_base), sum(credit_base)
FROM journal_lines AS line JOIN journal_entries AS entry ON entry.id = entry_id
WHERE entry.description = 'A long past' GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (posted_on, account_id, recorded_month, closing, currency) DO UPDATE
SET debit = day.debit + excluded.debit, credit = day.credit + excluded.credit,
  debit_base = day.debit_base + excluded.debit_base, credit_base = day.credit_base + excluded.credit_base
"""
_GUARDED = ("journal_entries", "journal_lines", "journal_days")


async def write(owner_url: str, *, tick: Callable[[int], None] = lambda _: None) -> date:
    """Ten million lines stand in the books of the last two years. Returns the first of their days."""
    connection = await asyncpg.connect(owner_url)
    first = await connection.fetchval("SELECT max(starts_on) FROM accounting_periods WHERE starts_on <= current_date")
    first = (first - timedelta(days=600)).replace(day=1)
    days = (date.today() - first).days  # noqa: DTZ011  a bench's own day
    try:
        accounts = await connection.fetchval(_ACCOUNTS)
        for table in _GUARDED:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        many = LINES // LINES_OF_ENTRY // BATCHES
        for _ in range(BATCHES):
            await connection.execute(_ENTRIES, many, first, days, accounts, timeout=600)
            tick(many * LINES_OF_ENTRY)
        await connection.execute(_DAYS, timeout=1_800)
        for table in _GUARDED:
            await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        await connection.execute("VACUUM (ANALYZE) journal_entries, journal_lines, journal_days", timeout=1_800)
    finally:
        await connection.close()
    return first
