"""Books with a long past: ten million lines of two years, and what a statement over them costs.

They are what as many acts of posting would have left: entries and lines, the event of each with its head, and then, by
the sealing writer's own code, the place and digest of each and the sums by day. Only the posting itself is short: rows
come by the batch, without triggers and without the indexes that nothing here needs meanwhile, as a restore writes them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta

import asyncpg

from bench.database import Server
from domain import ledger
from domain.kernel.database import Database, driver_of
from domain.kernel.errors import Trouble
from domain.kernel.work import SYSTEM, begin

LINES, LINES_OF_ENTRY = 10_000_000, 4
"""Lines in all, and of each entry."""
BATCHES, SEALED = 50, 20_000
"""Batches in which entries are posted, and entries that are sealed in one act: days are summed once for all of them."""

_ACCOUNTS = """
SELECT array_agg(id ORDER BY code) FROM accounts AS account
WHERE NOT is_control AND NOT keeps_items AND required_dimensions = '{}'
  AND NOT EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = account.id)
"""
# Every entry has a debit on each of two accounts and a credit on each of two others, by the dice of its number.
_ENTRIES = """
WITH made AS (
  INSERT INTO journal_entries
    (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act, kind)
  SELECT uuidv7(), day, day, day, 'A long past', base_currency, true, period.id, uuidv7(), 'ORDINARY'
  FROM business, generate_series(1, $1) AS n
  CROSS JOIN LATERAL (SELECT ($2::date + (n % $3)::int) AS day) AS days
  JOIN accounting_periods AS period ON day BETWEEN starts_on AND ends_on
  RETURNING id, number, posted_on, recorded_at, act
), heads AS (
  INSERT INTO event_heads (subject, epoch, version, order_key)
  SELECT 'jen_' || replace(id::text, '-', ''), epoch, 1, pg_current_xact_id() FROM made, event_epoch
), announced AS (
  INSERT INTO events (id, epoch, order_key, type, subject, version, act, at, data)
  SELECT uuidv7(), epoch, pg_current_xact_id(), 'journal_entry.posted', 'jen_' || replace(id::text, '-', ''), 1, act,
    recorded_at, '{"source": null}'
  FROM made, event_epoch
)
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT made.id, side.n, ($4::uuid[])[1 + (made.number * side.n + side.n) % cardinality($4::uuid[])], posted_on,
  base_currency, debit, credit, base_currency, debit, credit
FROM made, business, (VALUES (1, 7.5, 0), (2, 2.25, 0), (3, 0, 4.5), (4, 0, 5.25)) AS side(n, debit, credit)
"""
_SPARED = """
SELECT indexname, indexdef FROM pg_indexes AS named WHERE schemaname = 'public'
  AND tablename IN ('journal_entries', 'journal_lines')
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = named.indexname)
"""
_DIFFERENT = """
SELECT account_id, sum(debit_base), sum(credit_base) FROM journal_lines GROUP BY 1
EXCEPT SELECT account_id, sum(debit_base), sum(credit_base) FROM journal_days GROUP BY 1
"""


_TURN = "SELECT pg_advisory_lock(hashtextextended('ledger.seal', 0))"
"""Of the whole session: the sealing writer's own lock, so that nobody seals beside it by the thousand."""


async def write(server: Server, *, tick: Callable[[int], None] = lambda _: None) -> date:
    """Ten million lines stand in the books of the last two years, all of them sealed. Returns the first of their days.

    Raises Trouble when what is kept of each day is not what the lines come to.
    """
    connection = await asyncpg.connect(server.superuser_url)
    first = await connection.fetchval("SELECT max(starts_on) FROM accounting_periods WHERE starts_on <= current_date")
    first = (first - timedelta(days=600)).replace(day=1)
    days = (date.today() - first).days  # noqa: DTZ011  a bench's own day
    try:
        accounts = await connection.fetchval(_ACCOUNTS)
        many = LINES // LINES_OF_ENTRY // BATCHES
        async with _as_a_restore(connection):
            for _ in range(BATCHES):
                await connection.execute(_ENTRIES, many, first, days, accounts, timeout=600)
                tick(many * LINES_OF_ENTRY // 2)
        await connection.execute("ANALYZE journal_entries, journal_lines, events", timeout=1_800)
        await _seal(server.app_url, tick)
        await connection.execute("VACUUM (ANALYZE)", timeout=1_800)
        if await connection.fetch(_DIFFERENT, timeout=600):
            raise Trouble("What is kept of each day is not what the lines come to.", "Does `make test` pass?")
    finally:
        await connection.close()
    return first


@asynccontextmanager
async def _as_a_restore(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """No trigger runs while the block lasts, and some indexes come only behind it."""
    spared = await connection.fetch(_SPARED)
    for index in spared:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    await connection.execute("SET session_replication_role = replica")
    yield
    await connection.execute("RESET session_replication_role")
    for index in spared:
        await connection.execute(index["indexdef"], timeout=1_800)


async def _seal(app_url: str, tick: Callable[[int], None]) -> None:
    """Every entry has its place. The server that is measured keeps house meanwhile: it leaves this turn alone."""
    database = Database(app_url, pool=1)
    try:
        async with database.connection() as connection:
            await driver_of(connection).execute(_TURN)
            sealed = 1
            while sealed:
                async with begin(connection, actor=SYSTEM) as work:
                    sealed = await ledger.seal(work, at_once=SEALED)
                tick(sealed * LINES_OF_ENTRY // 2)
            if await ledger.unsealed(connection):
                raise Trouble("Some entries are not sealed.", "Is there a transaction that does not end?")
    finally:
        await database.close()
