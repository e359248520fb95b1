"""Places with a long past: movements by the hundred thousand, written as an importer would, and what they may not slow.

They are written by SQL, four statements per batch as the books demand (entries, movements, lines, events), so that
making a million of them takes a minute; the triggers see each of them like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

LATER, LATE_RUNS = 100_000, 3
"""Movements behind a late receipt, and at how many such places it is timed."""
MOVEMENTS, PLACES = 1_000_000, 1_000
"""Movements in the past that is asked for, and at how many places they are."""
BATCH = 10_000

_ACCOUNT = "SELECT id FROM accounts WHERE role = $1"
_PERIOD = "SELECT id FROM accounting_periods WHERE current_date BETWEEN starts_on AND ends_on"
_LEVELS = """
INSERT INTO stock_levels (id, variant_id, location_id, value_currency, created_at)
SELECT uuid7(), variant_id, $2, base_currency, now()
FROM business CROSS JOIN unnest($1::uuid[]) AS wanted(variant_id)
ON CONFLICT DO NOTHING
"""
_ENTRY = """
INSERT INTO journal_entries
  (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act)
SELECT $1, current_date, now(), now(), 'A long past', base_currency, false, $2, uuid7() FROM business
"""
# Half of a batch comes in, one unit at a time; the other half takes the same units away. Each pair is a minute later.
_MOVE = """
INSERT INTO stock_movements (id, variant_id, location_id, layer_id, quantity, value_amount, value_currency, account_id,
  entry_id, kind, effective_at, recorded_at, act)
SELECT uuid7(), pair.variant_id, $2, CASE WHEN $6 THEN pair.layer_id END, CASE WHEN $6 THEN -1 ELSE 1 END,
  CASE WHEN $6 THEN -pair.value ELSE pair.value END, (SELECT base_currency FROM business), $3, $4,
  CASE WHEN $6 THEN 'SHIPMENT' ELSE 'RECEIPT' END, pair.at + CASE WHEN $6 THEN interval '30 seconds' ELSE '0' END,
  now(), $5
FROM unnest($1::uuid[], $7::uuid[], $8::numeric[], $9::timestamptz[]) AS pair(variant_id, layer_id, value, at)
"""
_FOUNDED = """
SELECT id, variant_id, value_amount, founded_at FROM cost_layers
WHERE location_id = $1 AND live AND id IN (SELECT id FROM stock_movements WHERE act = $2) ORDER BY founded_at, id
"""
_LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT $1, line.n, line.account_id, current_date, base_currency, line.debit, line.credit, base_currency, line.debit,
  line.credit
FROM business, (
  VALUES (1, $2::uuid, $4::numeric, 0::numeric), (2, $3::uuid, 0, $4)) AS line(n, account_id, debit, credit)
"""
_ANNOUNCED = """
WITH head AS (
  INSERT INTO event_heads (subject, epoch, version, order_key)
  SELECT 'jen_' || replace($1::uuid::text, '-', ''), epoch, 1, pg_current_xact_id() FROM event_epoch RETURNING *
)
INSERT INTO events (id, epoch, order_key, type, subject, version, act, at, data)
SELECT uuid7(), epoch, order_key, 'journal_entry.posted', subject, version, $2, now(), '{"source": null}' FROM head
"""


@dataclass(frozen=True)
class Past:
    """A location where much has happened."""

    location: str
    variants: list[str]
    began: datetime
    """When the first movement was."""


async def write(
    owner_url: str, location: str, variants: list[str], movements: int, *, tick: Callable[[int], None] = lambda _: None
) -> Past:
    """So many movements at a location, spread over these variants: what came in has left again. Ids are hexadecimal."""
    connection = await asyncpg.connect(owner_url)
    # Two years, whatever their number is: so many months have their sums, and one of them is read in full.
    began, step = datetime.now(UTC) - timedelta(days=730), timedelta(days=729) / (movements // 2)
    try:
        await connection.execute(_LEVELS, variants, location)
        for start in range(0, movements // 2, BATCH // 2):
            pairs = range(start, min(start + BATCH // 2, movements // 2))
            rows = [(variants[n % len(variants)], None, 1 + n % 7, began + n * step) for n in pairs]
            async with connection.transaction():
                act = await _move(connection, location, rows, leaves=False)
                founded = await connection.fetch(_FOUNDED, location, act)
                leaving = [(row["variant_id"], row["id"], row["value_amount"], row["founded_at"]) for row in founded]
                await _move(connection, location, leaving, leaves=True)
            tick(2 * len(pairs))
        await connection.execute("VACUUM (ANALYZE) stock_movements, stock_months, cost_layers", timeout=1_800)
    finally:
        await connection.close()
    return Past(location, variants, began)


async def _move(
    connection: "asyncpg.Connection[asyncpg.Record]", location: str, rows: Sequence[tuple[object, ...]], *, leaves: bool
) -> str:
    """One act: an entry, its movements, its lines. Returns the act's id."""
    entry, act = await connection.fetchrow("SELECT uuid7(), uuid7()")  # type: ignore[misc]  one row
    inventory = await connection.fetchval(_ACCOUNT, "INVENTORY")
    other = await connection.fetchval(_ACCOUNT, "COGS" if leaves else "RECEIVED_NOT_BILLED")
    await connection.execute(_ENTRY, entry, await connection.fetchval(_PERIOD))
    variants, layers, values, instants = (list(column) for column in zip(*rows, strict=True))
    await connection.execute(
        _MOVE, variants, location, inventory, entry, act, leaves, layers, values, instants, timeout=600
    )
    debit, credit = (other, inventory) if leaves else (inventory, other)
    await connection.execute(_LINES, entry, debit, credit, sum(values))  # type: ignore[arg-type]  numbers all
    await connection.execute(_ANNOUNCED, entry, act)
    return act
