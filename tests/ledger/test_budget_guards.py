"""What a budget refuses is refused by the database: to whoever posts, and whatever others post at the same moment."""

import asyncio
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.graphql.test_budgets import ACTIVATE, active, created, planned, post, spend
from tests.ledger.test_guards import ENTRY, LINES
from tests.support import books, shop
from tests.support.api import Api

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BOTH_WAYS = ("6010", "6030"), ("6030", "6010")


def lines_of(*codes: str) -> str:
    """Ten on each of these accounts, paid by the bank."""
    debits = [f"({n}, '{code}', 10, 0)" for n, code in enumerate(codes, 1)]
    return ", ".join([*debits, f"({len(codes) + 1}, '1020', 0, {10 * len(codes)})"])


async def write(sql: Connection, *codes: str, manual: bool = True) -> None:
    """An entry of today, with the event that announces it."""
    made = await sql.fetchrow(
        ENTRY.format(manual=manual).replace("starts_on, now(), now()", "current_date, now(), now()")
    )
    assert made is not None
    await sql.execute(LINES.format(values=lines_of(*codes), day="$2::date"), made["id"], made["posted_on"])
    await sql.execute(books.ANNOUNCED)


async def spent(sql: Connection, code: str) -> Any:
    query = """SELECT coalesce(sum(debit_base - credit_base), 0)::int FROM journal_lines
      WHERE account_id = (SELECT id FROM accounts WHERE code = $1)"""
    return await sql.fetchval(query, code)


async def test_nobody_spends_more_than_is_allowed(fresh_api: Api, sql: Connection) -> None:
    await active(fresh_api, planned("6010", 1, "25.00"), control="REFUSE")
    for _ in range(2):
        async with sql.transaction():
            await write(sql, "6010")
    for sealing in (False, True):
        if sealing:
            await shop.sealed(fresh_api)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            async with sql.transaction():
                await write(sql, "6010")
        assert refused.value.constraint_name == "journal_entry_budget"
        assert await spent(sql, "6010") == 20
    async with sql.transaction():
        await write(sql, "6010", manual=False)
    await shop.invariants_hold(fresh_api)


async def test_two_entries_of_one_transaction_count_each_other(fresh_api: Api, sql: Connection) -> None:
    await active(fresh_api, planned("6010", 1, "15.00"), control="REFUSE")
    posting = sql.transaction()
    await posting.start()
    await write(sql, "6010")
    await write(sql, "6010")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await posting.commit()
    assert refused.value.constraint_name == "journal_entry_budget"
    assert await spent(sql, "6010") == 0


async def test_a_warning_refuses_nothing(fresh_api: Api, sql: Connection) -> None:
    await active(fresh_api, planned("6010", 1, "5.00"), control="WARN")
    async with sql.transaction():
        await write(sql, "6010")


async def test_transactions_at_once_never_spend_the_same_rest(fresh_api: Api, url: str, sql: Connection) -> None:
    """Eight ask for 10 of 35, of two accounts, in both orders: three fit."""
    await active(fresh_api, planned("6010", 1, "35.00"), planned("6030", 1, "35.00"), control="REFUSE")

    async def one(number: int) -> str:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await write(connection, *BOTH_WAYS[number % 2])
                await asyncio.sleep(0.05)
        except asyncpg.CheckViolationError as refused:
            return str(refused.constraint_name)
        finally:
            await connection.close()
        return "posted"

    outcomes = await asyncio.gather(*(one(number) for number in range(8)))
    assert sorted(outcomes) == ["journal_entry_budget"] * 5 + ["posted"] * 3
    assert [await spent(sql, code) for code in ("6010", "6030")] == [30, 30]


async def test_a_budget_waits_for_those_who_are_posting(fresh_api: Api, sql: Connection) -> None:
    """Who posts while it is activated has been seen by it, and by whoever spends after it."""
    made = await created(fresh_api, planned("6010", 1, "15.00"), control="REFUSE")
    posting = sql.transaction()
    await posting.start()
    await write(sql, "6010")
    await sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
    activating = asyncio.create_task(shop.done(fresh_api, ACTIVATE, {"id": made}))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(activating), 0.5)
    assert not activating.done(), "it waits for the one who posts"
    await posting.commit()
    await activating
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        async with sql.transaction():
            await write(sql, "6010")
    assert refused.value.constraint_name == "journal_entry_budget"


async def test_who_posts_meets_the_version_that_counts_at_the_end(fresh_api: Api, sql: Connection) -> None:
    made = await active(fresh_api, planned("6010", 1, "20.00"), control="REFUSE")
    revise = """mutation R($id: ID!, $input: BudgetReviseInput!) {
      budgetRevise(id: $id, input: $input) { userErrors { code message path } } }"""
    revision = {"expectedVersion": 1, "reason": "Less", "lines": [planned("6010", 1, "9.00")]}
    posting = sql.transaction()
    await posting.start()
    await write(sql, "6010")
    await shop.done(fresh_api, revise, {"id": made, "input": revision})
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await posting.commit()
    assert refused.value.constraint_name == "journal_entry_budget"


async def test_what_the_operation_misses_is_told_as_a_refusal(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await active(fresh_api, planned("6010", 1, "15.00"), control="REFUSE")
    await post(fresh_api, spend("6010", "10.00"))

    async def nothing(*_: Any, **__: Any) -> None:
        return

    monkeypatch.setattr("domain.ledger.by_hand.hold_against", nothing)
    refused = await shop.refused(fresh_api, books.POST, {"input": spend("6010", "10.00")})
    assert refused == [("BUDGET_EXCEEDED", "input.lines")]
