"""Currencies of lines, parents of accounts and days of periods: direct SQL cannot bend these either."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from types import NoneType
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from tests.ledger.test_guards import ENTRY, GOOD, cheat
from tests.support import books
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT $1, line.n, (SELECT id FROM accounts WHERE code = line.code), $2::date,
  '{currency}', line.debit, line.credit, '{base}', line.debit * {rate}, line.credit * {rate}
FROM (VALUES (1, '5010', 5, 0), (2, '5100', 0, 5)) AS line(n, code, debit, credit)
"""
CHILD = """
INSERT INTO accounts (id, code, name, type, parent_id, created_at)
SELECT uuid7(), $1, 'Child', type, id, now() FROM accounts WHERE code = $2
"""


@pytest.fixture
async def other(url: str) -> AsyncIterator[Connection]:
    """Somebody else with the same role."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def post(sql: Connection, currency: str, base: str, rate: str) -> None:
    async with sql.transaction():
        made = await sql.fetchrow(ENTRY.format(manual=False).replace("'USD'", f"'{currency}'"))
        assert made is not None
        await sql.execute(LINES.format(currency=currency, base=base, rate=rate), made["id"], made["posted_on"])
        await sql.execute(books.ANNOUNCED)


async def test_an_honest_entry_in_another_currency_is_accepted(sql: Connection) -> None:
    await post(sql, "EUR", "USD", "1.2")


@pytest.mark.parametrize(
    ("currency", "base", "rate"),
    [("USD", "EUR", "1"), ("EUR", "EUR", "1"), ("USD", "USD", "2"), ("USD", "USD", "0")],
)
async def test_base_amounts_are_in_the_currency_of_the_business(
    sql: Connection, currency: str, base: str, rate: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await post(sql, currency, base, rate)
    assert refused.value.constraint_name == "journal_entry_own_transaction"
    assert await sql.fetchval("SELECT count(*) FROM journal_entries") == 0


async def test_an_account_with_lines_gets_no_children(sql: Connection) -> None:
    await cheat(sql, GOOD)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(CHILD, "5010-1", "5010")
    assert refused.value.constraint_name == "account_parent_without_lines"
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(
            "UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE code = '5010') WHERE code = '1020'"
        )
    assert refused.value.constraint_name == "account_parent_without_lines"


async def both_hold(sql: Connection) -> bool:
    """Whether 5010 has lines and children at once."""
    return await sql.fetchval(
        "SELECT EXISTS (SELECT FROM journal_lines AS line JOIN accounts AS child ON child.parent_id = line.account_id)"
    )


async def refused_behind_a_posting(sql: Connection, other: Connection, statement: str, *values: str) -> str | None:
    """What refuses a statement that came while somebody posted, and waited for that."""
    posting = sql.transaction()
    await posting.start()
    await cheat(sql, GOOD)
    coming = asyncio.create_task(other.execute(statement, *values))
    await asyncio.sleep(0.3)
    assert not coming.done(), "it waits for the one who posts"
    await posting.commit()
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await asyncio.wait_for(coming, 10)
    return refused.value.constraint_name


async def test_a_child_that_comes_while_somebody_posts(sql: Connection, other: Connection) -> None:
    assert await refused_behind_a_posting(sql, other, CHILD, "5010-1", "5010") == "account_parent_without_lines"
    assert not await both_hold(sql)


async def test_somebody_who_posts_while_a_child_comes(sql: Connection, other: Connection) -> None:
    adding = sql.transaction()
    await adding.start()
    await sql.execute(CHILD, "5010-1", "5010")
    posting = asyncio.create_task(cheat(other, GOOD))
    await asyncio.sleep(0.3)
    await adding.commit()
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await asyncio.wait_for(posting, 10)
    assert refused.value.constraint_name == "journal_line_leaf"
    assert not await both_hold(sql)


async def test_posting_and_adding_at_once_never_do_both(sql: Connection, other: Connection) -> None:
    for number in range(10):
        async with sql.transaction():
            for code in (f"R{number}", f"S{number}"):
                await sql.execute(CHILD, code, "5000")

        async def post_it(number: int = number) -> None:
            with suppress(asyncpg.CheckViolationError):
                await cheat(sql, f"(1, 'R{number}', 5, 0), (2, 'S{number}', 0, 5)")

        async def add(number: int = number) -> None:
            with suppress(asyncpg.CheckViolationError):
                await other.execute(CHILD, f"R{number}-1", f"R{number}")

        await asyncio.gather(*((post_it(), add()) if number % 2 else (add(), post_it())))
        assert not await both_hold(sql)


@pytest.mark.parametrize("change", ["starts_on = starts_on - 1", "ends_on = ends_on + 1", "ends_on = starts_on"])
async def test_the_days_of_a_period_stay(sql: Connection, change: str) -> None:
    before = await sql.fetch("SELECT * FROM accounting_periods ORDER BY starts_on")
    outermost = "SELECT {}(starts_on) FROM accounting_periods"
    which = f"starts_on = ({outermost.format('min' if 'starts_on =' in change else 'max')})"
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)) as refused:
        await sql.execute(f"UPDATE accounting_periods SET {change} WHERE {which}")
    if isinstance(refused.value, asyncpg.CheckViolationError):
        assert refused.value.constraint_name == "accounting_period_days"
    assert await sql.fetch("SELECT * FROM accounting_periods ORDER BY starts_on") == before


async def test_the_state_of_a_period_can_change(sql: Connection) -> None:
    assert await sql.execute("UPDATE accounting_periods SET state = 'SOFT_CLOSED'") != "UPDATE 0"


CHANGES = [
    "UPDATE accounts SET type = 'ASSET' WHERE code = '5010'",
    "UPDATE accounts SET currency = 'EUR' WHERE code = '5010'",
    "DELETE FROM accounts WHERE code = '5010'",
]


@pytest.fixture
async def owner(server: Server, fresh_name: str) -> AsyncIterator[Connection]:
    """The owner of the tables, who may change anything that no guard refuses."""
    connection = await asyncpg.connect(server.owner_url(fresh_name))
    yield connection
    await connection.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_an_account_that_changes_while_somebody_posts(sql: Connection, owner: Connection, change: str) -> None:
    assert await refused_behind_a_posting(sql, owner, change) == "account_in_use"


@pytest.mark.parametrize(("change", "lines"), list(zip(CHANGES, (2, 0, 0), strict=True)))
async def test_somebody_who_posts_while_an_account_changes(
    sql: Connection, owner: Connection, change: str, lines: int
) -> None:
    changing = owner.transaction()
    await changing.start()
    await owner.execute(change)
    posting = asyncio.create_task(cheat(sql, GOOD))
    await asyncio.sleep(0.3)
    assert not posting.done(), "it waits for the one who changes the account"
    await changing.commit()
    await asyncio.wait([posting], timeout=10)
    assert isinstance(posting.exception(), (asyncpg.IntegrityConstraintViolationError, NoneType))
    assert await owner.fetchval("SELECT count(*) FROM journal_lines") == lines


@pytest.mark.parametrize("change", CHANGES[:2])
async def test_who_changes_an_account_in_use_waits_for_nobody(sql: Connection, owner: Connection, change: str) -> None:
    await cheat(sql, GOOD)
    async with sql.transaction():
        await cheat(sql, GOOD)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await asyncio.wait_for(owner.execute(change), 10)
        assert refused.value.constraint_name == "account_in_use"


async def test_lines_without_an_entry_are_refused_before_there_is_a_business(
    sql: Connection, owner: Connection
) -> None:
    async with owner.transaction():
        await owner.execute("ALTER TABLE business DISABLE TRIGGER USER")
        await owner.execute("DELETE FROM business")
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await sql.execute(LINES.format(currency="USD", base="USD", rate="1"), uuid4(), date.today())  # noqa: DTZ011
    assert refused.value.constraint_name == "fk_journal_lines_entry_id"
