"""Open items, dimensions, sums by day, seals and the opening: direct SQL cannot bend these either."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
import pytest

from tests.ledger.test_guards import ENTRY
from tests.support import books, shop
from tests.support.api import Api
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LINES = """
INSERT INTO journal_lines (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base,
  credit_base, item_id, brand_id, project_id)
SELECT $1, line.n, (SELECT id FROM accounts WHERE code = line.code), $2::date, '{currency}', line.debit,
  line.credit, 'USD', line.debit, line.credit, line.item::uuid, line.brand::uuid, line.project::uuid
FROM (VALUES {values}) AS line(n, code, debit, credit, item, brand, project)
"""
ITEM = """
INSERT INTO open_items (id, account_id, party, currency, is_debit, opened_on, due_on, entry_id, created_at)
SELECT uuid7(), account_id, 'Nobody', 'USD', false, opened_on, due_on, entry_id, now() FROM open_items LIMIT 1
"""


@dataclass(frozen=True)
class Known:
    """Ids of what stands in the books, as Postgres writes them."""

    item: str
    project: str


@pytest.fixture(scope="module")
async def known(api: Api) -> Known:
    """A bill of 10 that is owed, a project, a bank account in euros."""
    made = await shop.done(api, books.POST, {"input": books.bill("Paper & Sons", "10.00")})
    value = {"dimension": "PROJECT", "code": "P", "name": "P"}
    project = (await shop.done(api, books.VALUE, {"input": value}))["dimensionValue"]["id"]
    parent = await books.account_id(api, "1000")
    new = {"code": "1030", "name": "Bank in euros", "parentId": parent, "currency": "EUR"}
    await shop.done(api, books.ACCOUNT, {"input": new})
    await shop.sealed(api)
    return Known(made["journalEntry"]["lines"][1]["openItem"]["id"][4:], project[4:])


@pytest.fixture(params=["app", "owner"])
async def sql(
    request: pytest.FixtureRequest, server: Server, database_name: str, known: Known
) -> AsyncIterator[Connection]:
    """The module's database, as the application's role and as the owner of the tables."""
    assert known
    url = server.app_url(database_name) if request.param == "app" else server.owner_url(database_name)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def cheat(sql: Connection, values: str, *, currency: str = "USD", manual: bool = True, earlier: int = 0) -> None:
    async with sql.transaction():
        text = ENTRY.format(manual=manual).replace("'USD'", f"'{currency}'")
        text = text.replace("starts_on, now(), now()", f"current_date - {earlier}, now(), now()")
        text = text.replace("WHERE current_date", f"WHERE current_date - {earlier}")
        made = await sql.fetchrow(text)
        assert made is not None
        await sql.execute(LINES.format(values=values, currency=currency), made["id"], made["posted_on"])
        await sql.execute(books.ANNOUNCED)


BAD_LINES = {
    "an item on an account without": "(1, '6010', 5, 0, '{item}', NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)",
    "no item where they are kept": "(1, '2010', 5, 0, NULL, NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)",
    "an item of another account": "(1, '1100', 5, 0, '{item}', NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)",
    "more than is open": "(1, '2010', 11, 0, '{item}', NULL, NULL), (2, '1020', 0, 11, NULL, NULL, NULL)",
    "a brand that is a project": "(1, '6010', 5, 0, NULL, '{project}', NULL), (2, '1020', 0, 5, NULL, NULL, NULL)",
    "a project that is none": "(1, '6010', 5, 0, NULL, NULL, '{item}'), (2, '1020', 0, 5, NULL, NULL, NULL)",
    "dollars on an account in euros": "(1, '1030', 5, 0, NULL, NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)",
}
CONSTRAINTS = {
    "an item on an account without": "journal_line_item",
    "no item where they are kept": "journal_line_control",
    "an item of another account": "journal_line_item",
    "more than is open": "ck_open_items_not_beyond_zero",
    "a brand that is a project": "journal_line_dimension",
    "a project that is none": "journal_line_dimension",
    "dollars on an account in euros": "journal_line_account_currency",
}


async def state(sql: Connection) -> list[asyncpg.Record]:
    return [
        *await sql.fetch("SELECT id, balance, balance_base, status, account_id FROM open_items ORDER BY id"),
        *await sql.fetch("SELECT count(*) FROM journal_entries"),
        *await sql.fetch("SELECT sum(debit), count(*) FROM journal_days"),
        *await sql.fetch("SELECT position, digest FROM journal_seals ORDER BY position"),
        *await sql.fetch("SELECT * FROM opening_balances"),
    ]


@pytest.mark.parametrize("name", BAD_LINES)
async def test_lines_that_name_the_wrong_thing_are_refused(sql: Connection, known: Known, name: str) -> None:
    before = await state(sql)
    values = BAD_LINES[name]
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, values.format(item=known.item, project=known.project))
    assert refused.value.constraint_name == CONSTRAINTS[name]
    assert await state(sql) == before


async def test_an_honest_entry_hides_no_crooked_one_of_its_statement(sql: Connection, known: Known) -> None:
    """Each entry is looked at for itself, that of an account which demands a dimension like any other."""
    before = await state(sql)
    values = f"(1, '6010', 5, 0, NULL, NULL, '{known.project}'), (2, '1020', 0, {{credit}}, NULL, NULL, NULL)"
    running = sql.transaction()
    await running.start()
    await sql.execute("UPDATE accounts SET required_dimensions = ARRAY['PROJECT'] WHERE code = '6010'")
    honest, crooked = [await sql.fetchrow(ENTRY.format(manual=True)) for _ in range(2)]
    assert honest is not None
    assert crooked is not None
    both = [LINES.format(values=values.format(credit=credit), currency="USD") for credit in (5, 4)]
    first, second = both[0].replace("$1,", "$1::uuid,"), both[1].split("SELECT", 1)[1].replace("$1,", "$3::uuid,")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(f"{first} UNION ALL SELECT {second}", honest["id"], honest["posted_on"], crooked["id"])
    await running.rollback()
    assert refused.value.constraint_name == "journal_entry_balanced"
    assert await state(sql) == before


async def test_an_item_is_not_settled_before_it_began(sql: Connection, known: Known) -> None:
    before = await state(sql)
    values = f"(1, '2010', 1, 0, '{known.item}', NULL, NULL), (2, '1020', 0, 1, NULL, NULL, NULL)"
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await cheat(sql, values, earlier=20)
    assert refused.value.constraint_name == "journal_line_item"
    assert await state(sql) == before


async def test_an_item_begins_with_a_line_of_the_entry_that_founds_it(sql: Connection) -> None:
    before = await state(sql)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(ITEM)
    assert refused.value.constraint_name == "open_item_founded"
    assert await state(sql) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE open_items SET balance = 0, balance_base = 0",
        "UPDATE open_items SET is_debit = NOT is_debit",
        "UPDATE open_items SET account_id = account_id",
        "DELETE FROM open_items",
        "TRUNCATE open_items CASCADE",
        "DELETE FROM dimension_values",
        "UPDATE journal_days SET debit = debit + 1, credit = credit + 1",
        "DELETE FROM journal_days",
        "TRUNCATE journal_days",
        "INSERT INTO journal_days SELECT posted_on + 1, account_id, recorded_month, closing, currency, debit FROM"
        " journal_days LIMIT 1",
        "UPDATE journal_seals SET digest = digest",
        "DELETE FROM journal_seals",
        "TRUNCATE journal_seals",
        "DELETE FROM opening_balances",
    ],
)
async def test_what_follows_from_lines_is_changed_by_lines_alone(sql: Connection, statement: str) -> None:
    before = await state(sql)
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.NotNullViolationError)):
        await sql.execute(statement)
    assert await state(sql) == before


async def test_a_closed_month_takes_adjusting_entries_alone(server: Server, fresh_name: str) -> None:
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    await owner.execute("UPDATE accounting_periods SET state = 'SOFT_CLOSED'")
    values = "(1, '6010', 5, 0, NULL, NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)"
    for url in (server.app_url(fresh_name), server.owner_url(fresh_name)):
        connection = await asyncpg.connect(url)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await cheat(connection, values)
        assert refused.value.constraint_name == "journal_entry_period_closed"
        await connection.close()
    await owner.close()


async def test_the_opening_is_completed_at_nothing_and_for_good(server: Server, fresh_name: str) -> None:
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    opening = (
        ENTRY.format(manual=False)
        .replace("manual,", "manual, kind,")
        .replace("'USD', False", "'USD', False, 'OPENING'")
    )
    values = "(1, '1020', 5, 0, NULL, NULL, NULL), (2, '3900', 0, 5, NULL, NULL, NULL)"
    back = "(1, '3900', 5, 0, NULL, NULL, NULL), (2, '1020', 0, 5, NULL, NULL, NULL)"

    async def post(connection: Connection, lines: str) -> None:
        async with connection.transaction():
            made = await connection.fetchrow(opening)
            assert made is not None
            await connection.execute(LINES.format(values=lines, currency="USD"), *made.values())
            await connection.execute(books.ANNOUNCED)

    await owner.execute("INSERT INTO opening_balances (id, started_at) VALUES (uuid7(), now())")
    await post(owner, values)
    for url in (server.app_url(fresh_name), server.owner_url(fresh_name)):
        connection = await asyncpg.connect(url)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await connection.execute("UPDATE opening_balances SET completed_at = now()")
        assert refused.value.constraint_name == "opening_balances_left"
        await connection.close()
    await post(owner, back)
    await owner.execute("UPDATE opening_balances SET completed_at = now()")
    for url in (server.app_url(fresh_name), server.owner_url(fresh_name)):
        connection = await asyncpg.connect(url)
        for attempt in (
            post(connection, values),
            connection.execute("UPDATE opening_balances SET completed_at = NULL"),
        ):
            with pytest.raises(asyncpg.CheckViolationError) as refused:
                await attempt
            assert refused.value.constraint_name == "journal_entry_opening_completed"
        await connection.close()
    await owner.close()
