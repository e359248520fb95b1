"""Every attempt to cheat the books by direct SQL is refused by the database."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TypeAlias

import asyncpg
import pytest

from domain import ledger
from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, begin
from domain.ledger.tables import Role
from tests.support import books, shop
from tests.support.api import Api
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(params=["app", "owner"])
async def sql(request: pytest.FixtureRequest, server: Server, database_name: str) -> AsyncIterator[Connection]:
    """The module's database, as the application's role and as the owner of the tables."""
    url = server.app_url(database_name) if request.param == "app" else server.owner_url(database_name)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def entry(database: Database) -> str:
    """An entry of an older transaction, as 32 hexadecimal digits."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        lines = [ledger.Posting(Role.COGS, debit=Decimal(10)), ledger.Posting(Role.SHRINKAGE, credit=Decimal(10))]
        (posted,) = await ledger.post(work, [ledger.Draft("An older entry", None, lines)])
    return posted.removeprefix("jen_")


ENTRY = """
INSERT INTO journal_entries (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act)
SELECT uuid7(), starts_on, now(), now(), 'Cheat', 'USD', {manual}, id, uuid7() FROM accounting_periods
WHERE current_date BETWEEN starts_on AND ends_on RETURNING id, posted_on
"""
LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT $1, line.n, (SELECT id FROM accounts WHERE code = line.code), {day},
  'USD', line.debit, line.credit, 'USD', line.debit, line.credit
FROM (VALUES {values}) AS line(n, code, debit, credit)
"""
GOOD = "(1, '5010', 5, 0), (2, '5100', 0, 5)"


async def cheat(
    sql: Connection, values: str, *, manual: bool = False, day: str = "$2::date", announced: str = books.ANNOUNCED
) -> None:
    async with sql.transaction():
        made = await sql.fetchrow(ENTRY.format(manual=manual))
        assert made is not None
        await sql.execute(LINES.format(values=values, day=day), made["id"], made["posted_on"])
        await sql.execute(announced)


async def test_an_honest_entry_is_accepted(sql: Connection) -> None:
    await cheat(sql, GOOD)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("(1, '5010', 5, 0), (2, '5100', 0, 4)", "journal_entry_balanced"),
        ("(1, '5010', 5, 0)", "journal_entry_two_lines"),
        ("(1, '5000', 5, 0), (2, '5100', 0, 5)", "journal_line_leaf"),
        ("(2, '5010', 5, 0), (3, '5100', 0, 5)", "journal_entry_own_transaction"),
        ("(1, '5010', 5, 0), (2, '5100', 5, 0)", "journal_entry_balanced"),
        ("(1, '5010', -5, 0), (2, '5100', 0, -5)", "ck_journal_lines"),
        ("(1, '5010', 5, 5), (2, '5100', 5, 5)", "ck_journal_lines"),
        ("(1, '5010', 0, 0), (2, '5100', 0, 0)", "ck_journal_lines"),
    ],
)
async def test_crooked_lines_are_refused(sql: Connection, values: str, constraint: str) -> None:
    before = await sql.fetchval("SELECT count(*) FROM journal_entries")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, values)
    assert (refused.value.constraint_name or "").startswith(constraint)
    assert await sql.fetchval("SELECT count(*) FROM journal_entries") == before


async def test_an_entry_by_hand_cannot_touch_a_control_account(sql: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, "(1, '1100', 5, 0), (2, '5100', 0, 5)", manual=True)
    assert refused.value.constraint_name == "journal_line_control"


async def test_lines_carry_the_day_of_their_entry(sql: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, GOOD, day="$2::date + 1")
    assert refused.value.constraint_name == "journal_entry_own_transaction"


async def test_an_entry_without_lines_cannot_be_committed(sql: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        async with sql.transaction():
            await sql.fetchrow(ENTRY.format(manual=False))
    assert refused.value.constraint_name == "journal_entry_two_lines"


ANNOUNCED_OTHERWISE = {
    "not at all": "SELECT",
    "by an older transaction": books.ANNOUNCED.replace("epoch, 1, xid", "epoch, 1, '3'::xid8"),
    "by one to come": books.ANNOUNCED.replace("epoch, 1, xid", "epoch, 1, '4000000000'::xid8"),
    "in an older epoch": books.ANNOUNCED.replace("''), epoch, 1", "''), epoch - 1, 1"),
    "as something else": books.ANNOUNCED.replace("journal_entry.posted", "journal_entry.reversed"),
    "as another entry": books.ANNOUNCED.replace("replace(id::text", "replace(uuid7()::text"),
}


@pytest.mark.parametrize("how", ANNOUNCED_OTHERWISE)
async def test_an_entry_that_the_log_does_not_tell_of_cannot_be_committed(sql: Connection, how: str) -> None:
    """It would never be sealed, and stand in no statement that is summed of what is."""
    before = await sql.fetchval("SELECT count(*) FROM journal_entries")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, GOOD, announced=ANNOUNCED_OTHERWISE[how])
    assert refused.value.constraint_name == "journal_entry_announced"
    assert await sql.fetchval("SELECT count(*) FROM journal_entries") == before


async def test_an_entry_that_is_announced_is_sealed(fresh_api: Api, server: Server, fresh_name: str) -> None:
    connection = await asyncpg.connect(server.app_url(fresh_name))
    await cheat(connection, GOOD)
    await connection.close()
    await shop.sealed(fresh_api)
    await shop.invariants_hold(fresh_api)


async def test_nothing_is_added_to_an_older_entry(sql: Connection, entry: str) -> None:
    later = "(3, '5010', 5, 0), (4, '5100', 0, 5)"
    day = "(SELECT posted_on FROM journal_entries WHERE id = $1 AND $2::date IS NOT NULL)"
    today = await sql.fetchval("SELECT current_date")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(LINES.format(values=later, day=day), entry, today)
    assert refused.value.constraint_name == "journal_entry_own_transaction"


async def test_the_transaction_of_an_entry_cannot_be_forged(sql: Connection) -> None:
    forged = ENTRY.replace("act)\nSELECT", "act, xid)\nSELECT").replace("uuid7() FROM", "uuid7(), '3'::xid8 FROM")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.fetchrow(forged.format(manual=False))
    assert refused.value.constraint_name == "journal_entry_own_transaction"


@pytest.mark.parametrize("table", ["journal_entries", "journal_lines"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET currency = 'EUR'",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "UPDATE {table} SET currency = currency WHERE false",
    ],
)
async def test_entries_and_lines_are_permanent(sql: Connection, entry: str, table: str, statement: str) -> None:
    before = await sql.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute(statement.format(table=table))
    assert await sql.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") == before


@pytest.mark.parametrize("state", ["LOCKED"])
async def test_nothing_is_posted_into_a_locked_period(server: Server, fresh_name: str, state: str) -> None:
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    await owner.execute("UPDATE accounting_periods SET state = $1", state)
    for url in (server.app_url(fresh_name), server.owner_url(fresh_name)):
        connection = await asyncpg.connect(url)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await cheat(connection, GOOD)
        assert refused.value.constraint_name == "journal_entry_period_locked"
        await connection.close()
    await owner.close()


async def test_an_older_snapshot_cannot_post(sql: Connection) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        async with sql.transaction(isolation="repeatable_read"):
            await sql.fetchrow(ENTRY.format(manual=False))


async def test_the_application_cannot_take_the_guards_down(server: Server, database_name: str) -> None:
    connection = await asyncpg.connect(server.app_url(database_name))
    for statement in (
        "ALTER TABLE journal_lines DISABLE TRIGGER ALL",
        "DROP TRIGGER journal_lines_guard ON journal_lines",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION guard_journal_lines() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
