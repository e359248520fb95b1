"""Acts that arrive at the same moment: committed together, each an act of its own all the same."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from api.graphql.engine.run import Result, Run
from tests.support.api import Api
from tests.support.server import Server
from tests.support.shop import (
    EFFECTS,
    ERRORS,
    PLACE,
    act,
    announced,
    dollars,
    done,
    invariants_hold,
    level,
    ordered,
    state,
    stocked,
)

POST = f"""mutation P($input: JournalEntryPostInput!) {{
  journalEntryPost(input: $input) {{ journalEntry {{ id number }} {EFFECTS} {ERRORS} }} }}"""


@pytest.fixture
async def fresh_owner(server: Server, fresh_name: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The test's own database, as the owner of its tables."""
    connection = await asyncpg.connect(server.owner_url(fresh_name))
    yield connection
    await connection.close()


def commits() -> tuple[float, float]:
    """How many transactions there were of such acts, and how many acts in them."""
    name = "waterline_acts_committed_together"
    return REGISTRY.get_sample_value(f"{name}_count") or 0, REGISTRY.get_sample_value(f"{name}_sum") or 0


async def at_once(api: Api, mutation: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payloads of acts that arrive at the same moment."""
    await api.token()
    return await asyncio.gather(*(act(api, mutation, {"input": each}) for each in inputs))


def entry(debit: str = "5.00", credit: str = "5.00", **other: Any) -> dict[str, Any]:
    lines = [
        {"accountCode": "6010", "debit": dollars(debit)},
        {"accountCode": "1020", "credit": dollars(credit)},
    ]
    return {"on": "2026-01-15", "description": "Rent", "lines": lines} | other


async def test_orders_share_commits_and_nothing_else(fresh_api: Api) -> None:
    api = fresh_api
    rows = [await stocked(api, 50) for _ in range(3)]
    before, acts = commits()
    payloads = await at_once(api, PLACE, [ordered([(rows[n % 3], 1), (rows[(n + 1) % 3], 2)]) for n in range(24)])
    after, done_by_then = commits()
    assert done_by_then - acts == 24
    assert after - before < 20  # the first ones go alone
    seen = []
    for payload in payloads:
        assert payload["userErrors"] == []
        assert [(each["quantity"], each["allocated"]) for each in payload["order"]["lines"]] == [("1", "1"), ("2", "2")]
        assert sorted(kind for kind, _ in announced(payload)) == [
            "order.placed",
            "stock.allocated",
            "stock.allocated",
        ]
        events = payload["effects"]["events"]["nodes"]
        assert [each["subject"] for each in events if each["type"] == "order.placed"] == [payload["order"]["id"]]
        seen += [
            (each["subject"], each["version"], each["data"]["allocated"]) for each in events if each["version"] > 1
        ]
    # Each act raised its levels by one version, by what it took itself.
    for row in rows:
        found = await level(api, row)
        mine = sorted((version, int(allocated)) for subject, version, allocated in seen if subject == found["id"])
        assert [version for version, _ in mine] == list(range(2, 18))
        steps = [later - earlier for (_, earlier), (_, later) in zip([(1, 0), *mine], mine, strict=False)]
        assert sorted(steps) == [1] * 8 + [2] * 8
        assert (found["version"], found["allocated"]) == (17, "24")
    await invariants_hold(api)


async def test_what_is_refused_is_refused_for_itself(fresh_api: Api) -> None:
    api = fresh_api
    row, scarce = await stocked(api, 100), await stocked(api, 3)
    inputs = [ordered([(row, 1)]) for _ in range(12)]
    inputs[4] = {"lines": [{"sku": "NO-SUCH", "quantity": "1"}]}
    inputs[7] = ordered([(row, 1), (scarce, 4)])
    inputs[9] = {"lines": []}
    payloads = await at_once(api, PLACE, inputs)
    refusals = {n: each["userErrors"] for n, each in enumerate(payloads) if each["userErrors"]}
    assert {n: [(each["code"], each["path"]) for each in errors] for n, errors in refusals.items()} == {
        4: [("NOT_FOUND", ["input", "lines", "0", "sku"])],
        7: [("INSUFFICIENT_STOCK", ["input", "lines", "1", "quantity"])],
        9: [("INVALID", ["input", "lines"])],
    }
    assert all(payloads[n]["order"] is None and payloads[n]["effects"] is None for n in refusals)
    assert (await level(api, row))["allocated"] == "9"
    assert (await level(api, scarce))["allocated"] == "0"
    await invariants_hold(api)


async def test_the_last_pieces_are_sold_once(fresh_api: Api) -> None:
    row = await stocked(fresh_api, 5)
    payloads = await at_once(fresh_api, PLACE, [ordered([(row, 1)]) for _ in range(20)])
    codes = [[each["code"] for each in payload["userErrors"]] for payload in payloads]
    assert sorted(codes) == [[]] * 5 + [["INSUFFICIENT_STOCK"]] * 15
    assert (await level(fresh_api, row))["available"] == "0"
    await invariants_hold(fresh_api)


async def test_all_are_refused_and_nothing_is_left(fresh_api: Api) -> None:
    row = await stocked(fresh_api, 1)
    before = await state(fresh_api)
    payloads = await at_once(fresh_api, PLACE, [ordered([(row, 2)]) for _ in range(10)])
    assert {each["code"] for payload in payloads for each in payload["userErrors"]} == {"INSUFFICIENT_STOCK"}
    assert await state(fresh_api) == before


async def test_entries_share_commits_and_nothing_else(fresh_api: Api) -> None:
    inputs = [entry() for _ in range(16)]
    inputs[5] = entry("5.00", "6.00")
    inputs[11] = entry(reverseOn="2026-02-01")  # not plain: by itself
    before, _ = commits()
    payloads = await at_once(fresh_api, POST, inputs)
    after, _ = commits()
    assert after - before < 16
    assert [each["code"] for each in payloads[5]["userErrors"]] == ["UNBALANCED"]
    posted = [payload for n, payload in enumerate(payloads) if n != 5]
    for payload in posted:
        own = payload["effects"]["journalEntries"]["nodes"]
        assert len(own) == 1 + (payload is payloads[11])
        assert payload["journalEntry"]["id"] in [
            each["subject"] for each in payload["effects"]["events"]["nodes"] if each["type"] == "journal_entry.posted"
        ]
    assert len({payload["journalEntry"]["number"] for payload in posted}) == 15
    await invariants_hold(fresh_api)


SHOWN = "id number description on lines { debit { amount } credit { amount } account { code } }"
ENTRY = f"query($id: ID!) {{ node(id: $id) {{ ... on JournalEntry {{ {SHOWN} }} }} }}"


async def test_payloads_are_read_together(fresh_api: Api) -> None:
    mutation = f"""mutation P($input: JournalEntryPostInput!) {{
      journalEntryPost(input: $input) {{ journalEntry {{ {SHOWN} }} {EFFECTS} {ERRORS} }} }}"""
    inputs = [entry(f"{n + 1}.00", f"{n + 1}.00") | {"description": f"Rent {n}"} for n in range(24)]
    await fresh_api.token()
    before, _ = commits()
    async with fresh_api.counted() as statements:
        payloads = await at_once(fresh_api, mutation, inputs)
    after, _ = commits()
    read = [each for each in statements if each.startswith("WITH") and "journal_entries.id AS c" in each]
    assert len(read) <= after - before < 20
    for n, payload in enumerate(payloads):
        assert payload["userErrors"] == []
        shown = payload["journalEntry"]
        assert shown["description"] == f"Rent {n}"
        assert [each["debit"]["amount"] for each in shown["lines"]] == [f"{n + 1}.00", "0.00"]
        assert [each["subject"] for each in payload["effects"]["events"]["nodes"]] == [shown["id"]]
        assert len(payload["effects"]["journalEntries"]["nodes"]) == 1
        again = await fresh_api.data(ENTRY, {"id": shown["id"]})
        assert again["node"] == shown


async def test_payloads_that_are_asked_for_differently_are_read_differently(fresh_api: Api) -> None:
    mutation = f"""mutation P($input: JournalEntryPostInput!, $first: Int!) {{ journalEntryPost(input: $input) {{
      effects {{ events(first: $first) {{ nodes {{ type }} totalCount }} }} {ERRORS} }} }}"""
    await fresh_api.token()
    answers = await asyncio.gather(
        *(fresh_api.post(mutation, {"input": entry(), "first": n % 2}) for n in range(12)),
    )
    seen = [each["data"]["journalEntryPost"]["effects"]["events"] for each in answers]
    assert [(len(each["nodes"]), each["totalCount"]) for each in seen] == [(n % 2, 1) for n in range(12)]


async def test_a_payload_is_read_by_itself_where_reading_several_fails(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0

    async def fail(_run: Run, _layout: object, *, proving: bool) -> None:
        nonlocal failed
        failed += 1
        _run.failures[1] = RuntimeError("no")

    async def read_each(run: Run, values: Sequence[Any]) -> list[Result] | None:
        with monkeypatch.context() as patched:
            patched.setattr(run, "_fetch", fail.__get__(run))
            return await together(run, values)

    together = Run.read_each
    monkeypatch.setattr(Run, "read_each", read_each)
    payloads = await at_once(fresh_api, POST, [entry() for _ in range(12)])
    assert failed
    assert len({each["journalEntry"]["id"] for each in payloads}) == 12
    assert all(len(each["effects"]["events"]["nodes"]) == 1 for each in payloads)


async def test_keys_are_kept_one_by_one(fresh_api: Api) -> None:
    api = fresh_api
    row = await stocked(api, 100)
    await api.token()
    given = [{"input": ordered([(row, n % 3 + 1)]), "key": f"key {n}"} for n in range(12)]
    given[6] = {"input": ordered([(row, 1000)]), "key": "key 6"}
    before, _ = commits()
    first = await asyncio.gather(*(api.post(PLACE, each) for each in given))
    after, _ = commits()
    assert after - before < 12 + 12  # those that met the refused one went alone as well
    placed = {n: each["data"]["orderPlace"]["order"] for n, each in enumerate(first)}
    assert placed.pop(6) is None
    assert len({each["id"] for each in placed.values()}) == 11

    # Half of them again, among new ones, and one with another input.
    again = [given[n] if n % 2 else {"input": ordered([(row, 1)]), "key": f"new {n}"} for n in range(12)]
    again[3] = {"input": ordered([(row, 7)]), "key": "key 3"}
    second = await asyncio.gather(*(api.post(PLACE, each) for each in again))
    for n, answer in enumerate(second):
        payload, replayed = answer["data"]["orderPlace"], answer.get("extensions", {}).get("idempotentReplay", False)
        if n == 3:
            assert [each["code"] for each in payload["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
        else:
            assert payload["userErrors"] == []
            assert (replayed, payload["order"]["id"] in {each["id"] for each in placed.values()}) == (n % 2 == 1,) * 2
            assert not replayed or payload == first[n]["data"]["orderPlace"]
    wanted = sum(n % 3 + 1 for n in range(12) if n != 6) + 6
    assert (await level(api, row))["allocated"] == str(wanted)
    await invariants_hold(api)


async def test_who_waits_for_a_lock_holds_nobody_up_for_long(
    fresh_api: Api, fresh_owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    api = fresh_api
    held, free = await stocked(api, 10), await stocked(api, 10)
    async with fresh_owner.transaction():
        await fresh_owner.execute("SELECT FROM stock_levels WHERE variant_id = $1 FOR UPDATE", held[4:])
        stuck = [asyncio.create_task(done(api, PLACE, {"input": ordered([(held, 1)])})) for _ in range(3)]
        await asyncio.sleep(0.2)
        for _ in range(3):
            await asyncio.wait_for(done(api, PLACE, {"input": ordered([(free, 1)])}), timeout=10)
        assert not any(each.done() for each in stuck)
    await asyncio.gather(*stuck)
    assert (await level(api, held))["allocated"] == "3"
    await invariants_hold(api)


async def test_a_lost_connection_is_told_to_all_whose_act_it_was(
    fresh_api: Api, fresh_owner: "asyncpg.Connection[asyncpg.Record]", server: Server, fresh_name: str
) -> None:
    api = fresh_api
    row = await stocked(api, 10)
    seer = await asyncpg.connect(server.app_url(fresh_name))  # others do not see what the application waits for
    await api.token()
    waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with fresh_owner.transaction():
        await fresh_owner.execute("SELECT FROM stock_levels WHERE variant_id = $1 FOR UPDATE", row[4:])
        stuck = [asyncio.create_task(api.post(PLACE, {"input": ordered([(row, 1)])})) for _ in range(5)]
        while await seer.fetchval(f"SELECT count(*) {waiting}") < 2:  # one went alone, several together
            await asyncio.sleep(0.1)
        await seer.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
    await seer.close()
    answers = await asyncio.gather(*stuck)
    lost = [each["errors"][0]["extensions"]["code"] for each in answers if "errors" in each]
    assert len(lost) >= 2
    assert set(lost) == {"UNAVAILABLE"}
    assert (await level(api, row))["allocated"] == str(5 - len(lost))
    assert (await done(api, PLACE, {"input": ordered([(row, 1)])}))["order"]["status"] == "OPEN"
    await invariants_hold(api)
