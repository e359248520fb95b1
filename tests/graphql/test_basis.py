"""What a process knows of the books from one act to the next is as good as asked: what changes is noticed at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import asyncpg
import pytest

from tests.graphql.test_chart import UPDATE, create
from tests.graphql.test_closing import CLOSE, LOCK
from tests.http.test_websocket import revoked
from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import ACTIVATE, BUDGET, POST, credit, debit, entry, money
from tests.support.server import Server

Change = Callable[[Api], Awaitable[Any]]
MANY = 12
ON = f"{int(books.today()[:4]) - 1}-03-15"
"""A day whose month can be closed."""


@pytest.fixture(autouse=True)
async def _invariants_hold(fresh_api: Api) -> AsyncIterator[None]:
    yield
    await shop.invariants_hold(fresh_api)


async def wave(api: Api, *codes: str) -> list[dict[str, Any]]:
    """The payloads of entries that come at the same moment."""
    first, second = codes or ("6010", "1020")
    given = entry(debit(first, "5.00"), credit(second, "5.00"), on=ON)
    return await asyncio.gather(*(shop.act(api, POST, {"input": given}) for _ in range(MANY)))


async def learned(api: Api, *codes: str) -> None:
    """The process knows what such entries rest on."""
    await api.token()
    for payload in await wave(api, *codes):
        assert payload["userErrors"] == []


def codes_of(payloads: Collection[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {tuple(each["code"] for each in payload["userErrors"]) for payload in payloads}


async def test_what_is_known_is_not_asked_again(fresh_api: Api) -> None:
    await learned(fresh_api)
    async with fresh_api.counted() as statements:
        await learned(fresh_api)
    assert any(each.startswith("WITH opened") for each in statements)
    assert not any("posting_basis" in each for each in statements if not each.startswith("WITH opened"))


async def month_is(api: Api, *acts: str) -> None:
    found = await api.data("{ accountingPeriods(first: 100) { nodes { id startsOn } } }")
    (month,) = [each["id"] for each in found["accountingPeriods"]["nodes"] if each["startsOn"] == f"{ON[:7]}-01"]
    for document in acts:
        await shop.done(api, document, {"id": month})


async def closed(api: Api) -> None:
    await month_is(api, CLOSE)


async def locked(api: Api) -> None:
    await month_is(api, CLOSE, LOCK)


async def demanding(api: Api) -> None:
    given = {"id": await books.account_id(api, "6010"), "input": {"requiredDimensions": ["PROJECT"]}}
    await shop.done(api, UPDATE, given)


async def called_otherwise(api: Api) -> None:
    await shop.done(api, UPDATE, {"id": await books.account_id(api, "6010"), "input": {"code": "6999"}})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (closed, "PERIOD_CLOSED"),
        (locked, "PERIOD_LOCKED"),
        (demanding, "DIMENSION_MISSING"),
        (called_otherwise, "NOT_FOUND"),
    ],
)
async def test_what_has_changed_is_noticed_at_once(fresh_api: Api, change: Change, code: str) -> None:
    await learned(fresh_api)
    await change(fresh_api)
    before = await shop.state(fresh_api)
    assert codes_of(await wave(fresh_api)) == {(code,)}
    assert await shop.state(fresh_api) == before


async def test_a_code_that_is_another_accounts_by_now_is_that_accounts(fresh_api: Api) -> None:
    await learned(fresh_api)
    old = await books.account_id(fresh_api, "6010")
    await called_otherwise(fresh_api)
    assert (await create(fresh_api, "6010", "6000"))["userErrors"] == []
    new = await books.account_id(fresh_api, "6010")
    assert codes_of(await wave(fresh_api)) == {()}
    rows = (await fresh_api.data("{ trialBalance { rows { account { id } debit { amount } } } }"))["trialBalance"][
        "rows"
    ]
    assert {each["account"]["id"]: each["debit"]["amount"] for each in rows if each["account"]["id"] in {old, new}} == {
        old: "60.00",
        new: "60.00",
    }


async def test_a_budget_is_kept_from_the_moment_it_is_active(fresh_api: Api) -> None:
    await learned(fresh_api)
    lines = [{"accountCode": "6010", "month": f"{ON[:4]}-01-01", "amount": money("80.00")}]
    given = {"name": "Plan", "startsOn": f"{ON[:4]}-01-01", "control": "WARN", "lines": lines}
    budget = (await shop.done(fresh_api, BUDGET, {"input": given}))["budget"]["id"]
    await shop.done(fresh_api, ACTIVATE, {"id": budget})
    told = [each["type"] for payload in await wave(fresh_api) for each in payload["effects"]["events"]["nodes"]]
    assert told.count("budget.exceeded") == MANY - 4  # 60 of 80 were spent, and four more entries fit


async def test_who_has_no_token_any_more_posts_nothing(fresh_api: Api) -> None:
    await learned(fresh_api)
    token = await fresh_api.token()
    await revoked(fresh_api, token)
    before = await shop.state(fresh_api)
    given = {"input": entry(debit("6010", "5.00"), credit("1020", "5.00"), on=ON)}
    wrong = {"input": entry(debit("6010", "5.00"), credit("1020", "6.00"), on=ON)}
    answers = await asyncio.gather(*(fresh_api.post(POST, each) for each in [given] * MANY + [wrong] * MANY))
    assert {each["errors"][0]["extensions"]["code"] for each in answers} == {"UNAUTHENTICATED"}
    assert await shop.state(fresh_api) == before


TWO = """mutation Two($input: JournalEntryPostInput!) {
  a: journalEntryPost(input: $input) { journalEntry { id } userErrors { code } }
  b: journalEntryPost(input: $input) { journalEntry { id } userErrors { code } }
}"""


@contextlib.asynccontextmanager
async def busy_pool(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """No connection gets free in time, for a while."""
    pool = api.services.database.connections
    monkeypatch.setattr(pool, "_patience", 0.6)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(pool.size - pool.used):
            await held.enter_async_context(pool.use())
        release = asyncio.get_running_loop().call_later(0.8, lambda: asyncio.ensure_future(held.aclose()))
        yield
        release.cancel()


async def test_who_has_no_token_any_more_posts_nothing_beside_an_outage_either(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learned(fresh_api)
    await revoked(fresh_api, await fresh_api.token())
    before = await shop.state(fresh_api)
    given = {"input": entry(debit("6010", "5.00"), credit("1020", "5.00"), on=ON)}
    async with busy_pool(fresh_api, monkeypatch):
        answers = await asyncio.gather(*(fresh_api.post(TWO, given) for _ in range(MANY)))
    assert {each["errors"][0]["extensions"]["code"] for each in answers} <= {"UNAUTHENTICATED", "OVERLOADED"}
    assert not any(each.get("data") for each in answers)
    assert await shop.state(fresh_api) == before


async def test_who_is_known_is_served_after_a_short_outage(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await learned(fresh_api)
    given = {"input": entry(debit("6010", "5.00"), credit("1020", "5.00"), on=ON)}
    async with busy_pool(fresh_api, monkeypatch):
        answers = await asyncio.gather(*(fresh_api.post(POST, given) for _ in range(8)))
    assert [each["data"]["journalEntryPost"]["userErrors"] for each in answers] == [[]] * 8


async def test_nothing_more_is_begun_where_nobody_knows_what_was_done(
    fresh_api: Api, server: Server, fresh_name: str
) -> None:
    await learned(fresh_api)
    given = {"input": entry(debit("6010", "5.00"), credit("1020", "5.00"), on=ON)}
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    killer = await asyncpg.connect(server.app_url(fresh_name))  # others do not see what the application waits for
    count = "SELECT count(*) FROM journal_entries"
    before = await killer.fetchval(count)
    waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with owner.transaction():
        period = "(SELECT id FROM accounting_periods WHERE $1::text::date BETWEEN starts_on AND ends_on)::text"
        await owner.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({period}, 0))", ON)
        stuck = [asyncio.create_task(fresh_api.post(TWO, given)) for _ in range(8)]
        while not await killer.fetchval(f"SELECT count(*) {waiting} AND query LIKE 'WITH opened%'"):
            await asyncio.sleep(0.05)
        await killer.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
    answers = await asyncio.gather(*stuck)
    after = await killer.fetchval(count)
    await owner.close()
    await killer.close()
    posted = 0
    for answer in answers:
        codes = [each["extensions"]["code"] for each in answer.get("errors", ())]
        made = [name for name in "ab" if (answer["data"] or {}).get(name)]
        posted += len(made)
        assert (codes, made) in [(["UNAVAILABLE"] * 2, []), (["UNAVAILABLE"], ["b"]), ([], ["a", "b"])]
    assert any((answer.get("errors") or []) and not (answer["data"] or {}).get("b") for answer in answers)
    assert after == before + posted


async def test_changes_by_hand_are_noticed_too(fresh_api: Api, server: Server, fresh_name: str) -> None:
    await learned(fresh_api)
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    before = await owner.fetchval("SELECT mark FROM posting_basis")
    for statement in (
        "UPDATE business SET time_zone = 'Asia/Tokyo'",
        "UPDATE accounts SET name = name WHERE code = '6010'",
        "UPDATE accounting_periods SET state = state WHERE false",
        "UPDATE budgets SET status = status WHERE false",
    ):
        await owner.execute(statement)
        after = await owner.fetchval("SELECT mark FROM posting_basis")
        assert after != before, statement
        before = after
    await owner.close()


async def test_entries_and_changes_of_the_chart_at_the_same_moment(fresh_api: Api) -> None:
    """Whatever the order in which they happen: no entry is on an account that it did not name, and none is lost."""
    await learned(fresh_api)

    async def change() -> None:
        for turn in range(6):
            old, new = ("6010", "6998") if turn % 2 == 0 else ("6998", "6010")
            await shop.done(fresh_api, UPDATE, {"id": await books.account_id(fresh_api, old), "input": {"code": new}})

    async def post() -> int:
        posted = 0
        for _ in range(4):
            posted += [each["userErrors"] for each in await wave(fresh_api)].count([])
        return posted

    posted, _ = await asyncio.gather(post(), change())
    rows = (await fresh_api.data("{ trialBalance { rows { account { code } debit { amount } } } }"))["trialBalance"]
    (amount,) = [each["debit"]["amount"] for each in rows["rows"] if each["account"]["code"] == "6010"]
    assert amount == f"{5 * (MANY + posted)}.00"
