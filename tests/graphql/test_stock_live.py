"""Live stock and live orders: everything once, in order, with the figures of its moment, whenever somebody joins."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain import catalog, stock
from domain.kernel import events
from domain.kernel.events import Announced
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.graphql.test_live import until_read
from tests.http import test_sse
from tests.http.test_websocket import followers
from tests.support.api import Api
from tests.support.server import Server
from tests.support.shop import (
    ADJUST,
    CANCEL,
    LEVEL,
    LEVELS,
    PAY,
    PLACE,
    RECEIVE,
    RELEASE,
    RESERVE,
    SET,
    SHIP,
    act,
    dollars,
    done,
    invariants_hold,
    level,
    location,
    ordered,
    receipt,
    stocked,
    variant,
)

WATCH = f"""subscription W($variants: [ID!], $skus: [String!], $locations: [ID!], $after: String,
    $snapshot: Boolean! = true) {{
  stockChanged(variantIds: $variants, skus: $skus, locationIds: $locations, after: $after, snapshot: $snapshot) {{
    cursor kind at level {{ {LEVEL} }} }} }}"""
WATCH_ORDERS = """subscription O($ids: [ID!], $after: String) { orderChanged(ids: $ids, after: $after) {
  cursor kind at version order { id version status paymentStatus fulfillmentStatus } } }"""

Message = dict[str, Any]
Take = Callable[[int], Awaitable[list[Message]]]
watchers = Counter[str]()
"""How many are watching just now, by the API's address."""


@asynccontextmanager
async def watching(api: Api, query: str = WATCH, **variables: Any) -> AsyncIterator[Take]:
    """A function that takes the next messages. When the block is left, the server has noticed."""
    heard: asyncio.Queue[Message] = asyncio.Queue()

    async def listen(messages: AsyncIterator[Message]) -> None:
        async for message in messages:
            heard.put_nowait(message)

    async def take(count: int) -> list[Message]:
        found: list[Message] = []
        async with asyncio.timeout(40):
            while len(found) < count:
                message = await heard.get()
                assert message["type"] == "next", message
                assert "errors" not in message["payload"], message
                found += message["payload"]["data"].values()
        return found

    watchers[api.url] += 1
    try:
        async with api.subscribed(query, variables) as messages:
            # All the time: a client that lets messages lie does not answer pings, and is cut off after a while.
            listening = asyncio.create_task(listen(messages))
            try:
                yield take
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    finally:
        watchers[api.url] -= 1
    async with asyncio.timeout(40):
        while api.services.tail.followers > watchers[api.url]:
            await asyncio.sleep(0.002)


@asynccontextmanager
async def log_held_back(server: Server, name: str) -> AsyncIterator[None]:
    """A transaction that has begun to write: nothing that is committed meanwhile can be read from the log."""
    connection = await asyncpg.connect(server.app_url(name))
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT pg_current_xact_id()::text")
            yield
    finally:
        await connection.close()


async def levels(api: Api, rows: Sequence[str]) -> dict[str, Message]:
    """The levels of variants as the database has them, by id."""
    found = (await api.data(LEVELS, {"variants": rows, "locations": None}))["stockLevels"]["nodes"]
    return {each["id"]: each for each in found}


async def logged(api: Api, types: Sequence[str], versions: dict[str, int]) -> list[Announced]:
    """All events of these subjects, once they can be read up to these versions."""
    async with asyncio.timeout(40):
        while True:
            async with api.services.database.snapshot() as connection:
                found = await events.read(connection, limit=100_000, types=types)
            mine = [event for event in found if event.subject in versions]
            if len(mine) == sum(versions.values()):
                return mine
            await asyncio.sleep(0.005)


async def changes(api: Api, rows: Sequence[str]) -> list[Announced]:
    """All events of the levels of variants, once they can be read."""
    versions = {each["id"]: each["version"] for each in (await levels(api, rows)).values()}
    return await logged(api, [each.type for each in stock.LEVEL_CHANGES], versions)


async def readable(api: Api, row: str, place: str | None = None) -> None:
    """Wait until the last event of a level can be read."""
    there = await level(api, row, place)
    await logged(api, [each.type for each in stock.LEVEL_CHANGES], {there["id"]: there["version"]})


def said(message: Message) -> tuple[Any, ...]:
    """A message, to be compared with an event: what it must have taken from it."""
    there = message["level"]
    quantities = (there[name] for name in ("onHand", "allocated", "reserved", "unavailable"))
    value, place = there["value"], (there["variant"]["id"], there["location"]["id"])
    when = datetime.fromisoformat(message["at"])
    return message["cursor"], when, there["id"], there["version"], place, *quantities, Decimal(value["amount"])


def meant(event: Announced) -> tuple[Any, ...]:
    """An event, to be compared with a message."""
    data = event.data
    quantities = (data[name] for name in ("on_hand", "allocated", "reserved", "unavailable"))
    place = (data["variant"], data["location"])
    return event.cursor, event.at, event.subject, event.version, place, *quantities, Decimal(data["value"])


def versions(messages: Sequence[Message]) -> dict[str, list[int]]:
    """The versions that were told of each level, in the order they were told."""
    found: dict[str, list[int]] = defaultdict(list)
    for each in messages:
        found[each["level"]["id"]].append(each["level"]["version"])
    return found


def kinds(messages: Sequence[Message]) -> list[str]:
    return [each["kind"] for each in messages]


def places(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(each["level"]["variant"]["id"], each["level"]["location"]["id"]) for each in messages]


async def receive(api: Api, place: str, *rows: str, many: int = 1) -> None:
    await done(api, RECEIVE, {"input": receipt(place, [(row, many, "1.25") for row in rows])})


async def busy(api: Api, rows: Sequence[str], sites: Sequence[str], *, acts: int, unborn: Sequence[str] = ()) -> None:
    """Eight writers at once who receive, adjust, hold, free, order, ship and cancel the same few variants."""
    waiting = list(unborn)

    async def once() -> None:
        row, place, both = random.choice(rows), random.choice(sites), random.sample(rows, 2)
        match random.randrange(6):
            case 0:
                await receive(api, place, *both, *([waiting.pop()] if waiting else []), many=2)
            case 1:
                lines = [{"variantId": each, "delta": random.choice([-2, -1, 1])} for each in both]
                await done(api, ADJUST, {"input": {"locationId": place, "reason": "CORRECTION", "lines": lines}})
            case 2 | 3:
                lines = [{"variantId": each, "quantity": 1} for each in both]
                held = (await done(api, RESERVE, {"input": {"lines": lines}}))["reservation"]["id"]
                if random.random() < 0.7:
                    await done(api, RELEASE, {"id": held})
            case chosen:
                order = (await done(api, PLACE, {"input": ordered([(row, 1), (row, 2), (both[0], 1)])}))["order"]["id"]
                await done(api, SHIP if chosen == 4 else CANCEL, {"id": order})

    async def writer() -> None:
        for _ in range(acts):
            await once()

    await asyncio.gather(*(writer() for _ in range(8)))


async def shelves(api: Api, variants: int = 3, sites: int = 2) -> tuple[list[str], list[str]]:
    """Variants of which there are plenty at every one of these locations, as the log knows already."""
    rows, found = [await variant(api) for _ in range(variants)], [await location(api) for _ in range(sites)]
    for place in found:
        await receive(api, place, *rows, many=1_000)
    await changes(api, rows)
    return rows, found


# --- what is told ---------------------------------------------------------------------------------------------------


async def test_each_level_comes_once_as_it_is_and_then_every_change_as_it_has_just_become(api: Api) -> None:
    here, there = await location(api, priority=1), await location(api, priority=2)
    mug, hat = await stocked(api, 10, place=here), await stocked(api, 10, "2.50", place=here)
    await receive(api, there, mug, many=4)
    known = await changes(api, [mug, hat])
    before = await levels(api, [mug, hat])
    heard: list[Message] = []

    async with watching(api, variants=[mug, hat]) as take:
        first = await take(3)
        assert kinds(first) == ["SNAPSHOT"] * 3
        assert [each["level"] for each in first] == [before[key] for key in sorted(before)]
        assert len({each["cursor"] for each in first}) == len({each["at"] for each in first}) == 1

        async def after(mutation: str, variables: Message, *changed: tuple[str, str]) -> Message:
            payload, messages = await done(api, mutation, variables), await take(len(changed))
            assert sorted(places(messages)) == sorted(changed)
            now = await levels(api, [mug, hat])
            assert [each["level"] for each in messages] == [now[each["level"]["id"]] for each in messages]
            heard.extend(messages)
            return payload

        await after(RECEIVE, {"input": receipt(here, [(mug, 1, "4.99"), (mug, 2, "0.0005")])}, (mug, here))
        shrunk = {"locationId": here, "reason": "SHRINKAGE", "lines": [{"variantId": hat, "delta": -3}]}
        await after(ADJUST, {"input": shrunk}, (hat, here))
        counted = {"variantId": mug, "quantity": 5, "expectedQuantity": 4}
        await after(SET, {"input": {"locationId": there, "reason": "COUNT", "lines": [counted]}}, (mug, there))
        hold = {"lines": [{"variantId": mug, "quantity": 14}]}
        held = await after(RESERVE, {"input": hold}, (mug, here), (mug, there))
        await after(RELEASE, {"id": held["reservation"]["id"]}, (mug, here), (mug, there))
        wanted = ordered([(mug, 2), (hat, 1), (mug, 3)])
        order = (await after(PLACE, {"input": wanted}, (mug, here), (hat, here)))["order"]["id"]
        await after(SHIP, {"id": order}, (mug, here), (hat, here))
        order = (await after(PLACE, {"input": ordered([(hat, 1)])}, (hat, here)))["order"]["id"]
        await after(CANCEL, {"id": order}, (hat, here))
        await after(RESERVE, {"input": {"lines": [{"variantId": hat, "quantity": 2}]}}, (hat, here))
        order = (await after(PLACE, {"input": ordered([(hat, 3)])}, (hat, here)))["order"]["id"]
        lost = {"locationId": here, "reason": "DAMAGE", "lines": [{"variantId": hat, "delta": -6}]}
        await after(ADJUST, {"input": lost}, (hat, here))  # what was promised gives way
        await after(RECEIVE, {"input": receipt(here, [(hat, 4, "3.00")])}, (hat, here))  # and is promised again
        assert (await level(api, hat))["allocated"] == "3"
        await after(CANCEL, {"id": order}, (hat, here))
    assert kinds(heard) == ["CHANGED"] * len(heard)
    assert [said(each) for each in heard] == [meant(each) for each in (await changes(api, [mug, hat]))[len(known) :]]
    await invariants_hold(api)


async def test_what_is_told_late_has_the_figures_of_its_moment_and_what_hangs_on_it_is_of_now(
    api: Api, server: Server, database_name: str
) -> None:
    here = await location(api)
    row = await stocked(api, 5, place=here)
    product = (await api.data("query Q($v: ID!) { variant(by: {id: $v}) { product { id } } }", {"v": row}))["variant"]
    rename = """mutation U($id: ID!, $input: ProductUpdateInput!) {
      productUpdate(id: $id, input: $input) { product { id } userErrors { message } } }"""
    await readable(api, row)
    async with watching(api, variants=[row]) as take:
        await take(1)
        async with log_held_back(server, database_name):
            for many in (1, 2, 3):
                await receive(api, here, row, many=many)
            new = {"updateVariants": [{"id": row, "sku": "LATE-1"}]}
            await done(api, rename, {"id": product["product"]["id"], "input": new})
            assert (await level(api, row))["onHand"] == "11"
        heard = [each["level"] for each in await take(3)]
    assert [(each["version"], each["onHand"], each["variant"]["sku"]) for each in heard] == [
        (2, "6", "LATE-1"),
        (3, "8", "LATE-1"),
        (4, "11", "LATE-1"),
    ]


async def test_new_levels_appear_as_changes(api: Api) -> None:
    row, here = await variant(api), await location(api)
    async with watching(api, variants=[row]) as of_variant, watching(api, locations=[here]) as at_location:
        await followers(api, 2)
        await receive(api, here, row)
        for take in (of_variant, at_location):
            (change,) = await take(1)
            assert (change["kind"], change["level"]) == ("CHANGED", await level(api, row))
            assert change["level"]["version"] == 1


async def test_dry_runs_and_refusals_are_not_heard(api: Api) -> None:
    here = await location(api)
    row = await stocked(api, 5, place=here)
    await readable(api, row)
    async with watching(api, variants=[row]) as take:
        await take(1)
        given = {"input": receipt(here, [(row, 1, "1.00")])}
        assert (await done(api, RECEIVE, given | {"dryRun": True}))["levels"][0]["version"] == 2
        await done(api, PLACE, {"input": ordered([(row, 5)]), "dryRun": True})
        lost = {"locationId": here, "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -6}]}
        for mutation, variables in (
            (PLACE, {"input": ordered([(row, 6)])}),
            (RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 6}]}}),
            (ADJUST, {"input": lost}),
            (RECEIVE, {"input": receipt(here, [(row, 0, "1.00")])}),
        ):
            assert (await act(api, mutation, variables))["userErrors"] != []
        same = {"variantId": row, "quantity": 5, "expectedQuantity": 5}
        await done(api, SET, {"input": {"locationId": here, "reason": "COUNT", "lines": [same]}})
        await done(api, RECEIVE, given | {"key": f"once {row}"})
        await done(api, RECEIVE, given | {"key": f"once {row}"})
        await receive(api, here, row, many=3)
        assert [(each["level"]["version"], each["level"]["onHand"]) for each in await take(2)] == [(2, "6"), (3, "9")]


async def test_the_same_is_heard_by_server_sent_events(api: Api) -> None:
    rows, sites = await shelves(api, variants=2, sites=1)
    for method in ("GET", "POST"):
        before = await levels(api, rows)
        async with test_sse.asked(api, method, WATCH, {"variants": rows}) as response:
            assert response.status_code == 200
            stream = test_sse.events(response)
            found: list[Message] = []
            async with asyncio.timeout(40):
                while len(found) < 4:
                    name, answer = await anext(stream)
                    assert name == "next"
                    found.append(answer["data"]["stockChanged"])
                    if len(found) == 2:
                        await receive(api, sites[0], *rows)
        assert kinds(found) == ["SNAPSHOT"] * 2 + ["CHANGED"] * 2
        assert {each["level"]["id"]: each["level"] for each in found[:2]} == before
        assert {each["level"]["id"]: each["level"] for each in found[2:]} == await levels(api, rows)
        await followers(api, 0)


# --- which levels ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def world(api: Api) -> dict[str, str]:
    """Two variants at two locations, by short names; and ids of nothing."""
    rows, sites = await shelves(api, variants=2)
    nothing = {"no variant": new_id("var"), "no location": new_id("loc"), "no id": "var_1"}
    return dict(zip(("mug", "hat", "here", "there"), rows + sites, strict=True)) | nothing


@pytest.mark.parametrize(
    ("variants", "skus", "locations", "matched"),
    [
        (["mug"], None, ["here", "there"], "mug/here mug/there"),
        (["mug", "hat"], None, None, "mug/here mug/there hat/here hat/there"),
        (None, None, ["there"], "mug/there hat/there"),
        (["hat"], None, ["here"], "hat/here"),
        (["hat", "hat"], None, ["here", "here"], "hat/here"),
        (None, ["hat"], None, "hat/here hat/there"),
        (None, ["hat", "no such sku", ""], ["there"], "hat/there"),
        (["mug"], ["hat"], ["here"], "mug/here hat/here"),
        (["mug"], ["mug"], None, "mug/here mug/there"),
        (["mug"], [], None, "mug/here mug/there"),
        ([], ["mug"], ["here"], "mug/here"),
        (["no variant", "mug", "no id", "here"], None, ["no location", "mug", "here"], "mug/here"),
    ],
)
async def test_only_what_matches_is_told_at_first_and_later(
    api: Api,
    world: dict[str, str],
    variants: list[str] | None,
    skus: list[str] | None,
    locations: list[str] | None,
    matched: str,
) -> None:
    given = {
        "variants": None if variants is None else [world[each] for each in variants],
        "locations": None if locations is None else [world[each] for each in locations],
    }
    if skus is not None:
        real = {name: (await level(api, world[name], world["here"]))["variant"]["sku"] for name in ("mug", "hat")}
        given["skus"] = [f" {real[each].title()} " if each in real else each for each in skus]
    wanted = sorted((world[row], world[place]) for row, _, place in (each.partition("/") for each in matched.split()))
    async with watching(api, WATCH, **given) as take:
        told = await take(len(wanted))
        assert kinds(told) == ["SNAPSHOT"] * len(wanted)
        for _ in range(2):
            for place in ("there", "here"):
                await receive(api, world[place], world["mug"], world["hat"])
            told += await take(len(wanted))
    for n in range(3):
        assert sorted(places(told[n * len(wanted) :][: len(wanted)])) == wanted
    assert all(seen == list(range(seen[0], seen[0] + 3)) for seen in versions(told).values())
    await changes(api, [world["mug"], world["hat"]])


@pytest.mark.parametrize("sku", ["ΟΔΟΣ", "İZMIR", "Ärmel", "ǅ"])
async def test_a_sku_is_found_by_its_own_letters_whatever_the_script(api: Api, sku: str) -> None:
    query = """mutation P($sku: String!) { productCreate(input: {name: $sku, variants: [{sku: $sku}]}) {
      product { variants { id } } userErrors { message } } }"""
    row = (await done(api, query, {"sku": sku}))["product"]["variants"][0]["id"]
    await receive(api, await location(api), row)
    await readable(api, row)
    async with watching(api, skus=[sku]) as take:
        assert [each["level"]["variant"] for each in await take(1)] == [{"id": row, "sku": sku}]


async def test_nobody_and_nowhere_match_nothing(fresh_api: Api) -> None:
    api = fresh_api
    row = await stocked(api, 5)
    there = (await level(api, row))["location"]["id"]
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(api.subscribed(WATCH, given))
            for given in (
                {"variants": []},
                {"skus": []},
                {"locations": []},
                {"variants": [], "skus": [], "locations": [there]},
                {"variants": [new_id("var"), "var_", "", there]},
                {"skus": ["no such sku", "%", row]},
                {"variants": [row], "locations": [new_id("loc"), row]},
                {"skus": [], "snapshot": False},
            )
        ]
        await followers(api, len(streams))
        await receive(api, there, row)
        await until_read(api)
        await api.services.tail.stop()
        async with asyncio.timeout(40):
            assert [[each async for each in stream] for stream in streams] == [[]] * len(streams)


async def test_without_a_snapshot_only_changes_are_told(api: Api) -> None:
    rows, sites = await shelves(api, variants=2)
    async with watching(api, variants=rows, snapshot=False) as take:
        await followers(api, 1)
        await receive(api, sites[1], rows[0])
        (only,) = await take(1)
    assert (only["kind"], only["level"]) == ("CHANGED", await level(api, rows[0], sites[1]))


async def test_who_waits_keeps_no_connection(fresh_api: Api) -> None:
    api = fresh_api
    row = await stocked(api, 5)
    cursor = (await changes(api, [row]))[-1].cursor
    pool = api.services.database.connections
    waiting = ({}, {"snapshot": False}, {"variants": []}, {"skus": ["no such sku"], "after": cursor})
    async with AsyncExitStack() as stack:
        for given in waiting * (pool.size // 2):
            await stack.enter_async_context(watching(api, WATCH, **given))
        await followers(api, len(waiting) * (pool.size // 2))
        async with asyncio.timeout(40):
            while pool.used != 1:  # the tail's own
                await asyncio.sleep(0.005)
        assert (await level(api, row))["version"] == 1


async def test_a_snapshot_of_more_than_a_thousand_levels_is_refused(fresh_api: Api) -> None:
    api, here = fresh_api, await location(fresh_api)
    penny = Money(Decimal("0.01"), CurrencyCode("USD"))

    async def stock_up(count: int) -> list[ID]:
        """So many variants more, each at that one location."""
        async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            news = [catalog.NewVariant(sku=new_id("sku")) for _ in range(count)]
            made = [catalog.NewProduct("Thing", news[n : n + 250]) for n in range(0, count, 250)]
            await catalog.create_many(work, made)
            skus = [each.sku for each in news]
            found = [each.id for each in (await catalog.sellables_by_sku(work, skus)).values()]
            lines = [stock.NewReceiptLine(each, Quantity(Decimal(1)), penny) for each in found]
            await stock.receive(work, stock.NewReceipt(ID(here), lines))
            return found

    rows = await stock_up(1_000)
    await until_read(api)
    async with watching(api) as take:
        told = await take(1_000)
        assert kinds(told) == ["SNAPSHOT"] * 1_000
        assert {each["level"]["variant"]["id"] for each in told} == set(rows)
        await receive(api, here, rows[7])
        assert [places([each]) for each in await take(1)] == [[(rows[7], here)]]
    await stock_up(1)
    for given in ({}, {"locations": [here]}, {"variants": None, "skus": None}):
        async with api.subscribed(WATCH, given) as messages:
            message = await asyncio.wait_for(anext(messages), 40)
        assert message["type"] == "error"
        (error,) = message["payload"]
        assert error["message"].startswith("These are more than 1,000 levels. Name variants or locations")
        assert error["extensions"] == {"code": "TOO_COSTLY", "limit": 1_000}
    await followers(api, 0)
    async with watching(api, variants=rows) as take, watching(api, snapshot=False) as unseen:
        assert len(versions(await take(1_000))) == 1_000
        await followers(api, 2)
        await receive(api, here, rows[7], rows[8])
        assert sorted(places(await unseen(2))) == sorted([(rows[7], here), (rows[8], here)])
    async with watching(api, variants=rows) as take:
        await take(1)  # and leave in the middle
    pool = api.services.database.connections
    async with asyncio.timeout(40):
        while pool.used != 1:  # the tail's own
            await asyncio.sleep(0.005)


# --- resuming -------------------------------------------------------------------------------------------------------


async def test_resuming_anywhere_among_eight_writers_leaves_no_gap_and_repeats_nothing(api: Api) -> None:
    rows, sites = await shelves(api)
    async with watching(api, variants=rows) as take:
        first = await take(6)
        assert kinds(first) == ["SNAPSHOT"] * 6
        await busy(api, rows, sites, acts=3)
        known = await changes(api, rows)
        heard = await take(len(known) - 6)
        cuts = [5, 6, len(known) - 1, *random.sample(range(6, len(known)), 6)]

        async def write_on() -> list[Announced]:
            await busy(api, rows, sites, acts=8)
            return await changes(api, rows)

        written = asyncio.create_task(write_on())

        async def resumed(cut: int) -> tuple[list[Message], list[Announced]]:
            """What was heard behind an event, and what should have been; the first cut is that of the snapshot."""
            await asyncio.sleep(random.random() / 3)
            filters: dict[str, Any] = random.choice([{}, {"variants": rows[:2]}, {"locations": sites[:1]}])
            cursor = first[0]["cursor"] if cut < 6 else known[cut].cursor
            async with watching(api, WATCH, **{"variants": rows, "after": cursor} | filters) as take_on:
                expected = [
                    event
                    for event in (await written)[cut + 1 :]
                    if event.data["variant"] in filters.get("variants", rows)
                    and event.data["location"] in filters.get("locations", sites)
                ]
                return await take_on(len(expected)), expected

        for messages, expected in await asyncio.gather(*map(resumed, cuts)):
            assert [said(each) for each in messages] == [meant(event) for event in expected]
            assert kinds(messages) == ["CHANGED"] * len(messages)
        log = await written
        heard += await take(len(log) - len(known))
    assert [said(each) for each in heard] == [meant(event) for event in log[6:]]
    assert all(seen == list(range(1, len(seen) + 1)) for seen in versions(first + heard).values())
    assert {each["level"]["id"]: each["level"] for each in heard} == await levels(api, rows)
    await invariants_hold(api)


async def test_resuming_across_a_restore_leaves_no_gap_and_repeats_nothing(
    server: Server, fresh_name: str, fresh_api: Api
) -> None:
    api = fresh_api
    rows, (site,) = await shelves(api, variants=2, sites=1)
    async with watching(api) as take:
        told = await take(2)
        for n in range(4):
            if n == 2:
                owner = await asyncpg.connect(server.owner_url(fresh_name))
                assert await events.raise_epoch(owner, always=True)
                await owner.close()
            await receive(api, site, *rows)
            told += await take(2)
    log = (await changes(api, rows))[2:]
    assert {event.position.epoch for event in log} == {1, 2}
    assert [said(each) for each in told[2:]] == [meant(event) for event in log]
    for n, message in enumerate(told[1:]):
        async with watching(api, after=message["cursor"]) as take:
            await followers(api, 1)
            assert [said(each) for each in await take(len(log) - n)] == [meant(event) for event in log[n:]]
    async with watching(api) as take:
        assert {each["level"]["id"]: each["level"] for each in await take(2)} == await levels(api, rows)


@pytest.mark.parametrize("query", [WATCH, WATCH_ORDERS])
@pytest.mark.parametrize("cursor", ["", "evt_nothing", "evt_" + "0" * 32, "slv_" + "0" * 32, "1"])
async def test_an_unknown_cursor_is_invalid(api: Api, query: str, cursor: str) -> None:
    async with api.subscribed(query, {"after": cursor}) as messages:
        message = await asyncio.wait_for(anext(messages), 40)
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "CURSOR_INVALID")
    await followers(api, 0)


# --- a snapshot and a log that lags behind it -----------------------------------------------------------------------


async def nothing_ahead(*_: Any) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("corrected", [True, False], ids=["as it is", "rows shown as they are"])
async def test_a_level_ahead_of_the_log_is_shown_as_the_log_left_it(
    api: Api, server: Server, database_name: str, monkeypatch: pytest.MonkeyPatch, corrected: bool
) -> None:
    here = await location(api)
    row, calm = await stocked(api, 5, place=here), await stocked(api, 5, place=here)
    for each in (row, calm):
        await receive(api, here, each, many=2)
        await readable(api, each)
    if not corrected:
        monkeypatch.setattr(events, "as_read", nothing_ahead)
    async with AsyncExitStack() as stack:
        async with log_held_back(server, database_name):
            await receive(api, here, row)
            await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 4}]}})
            assert [(await level(api, each))["version"] for each in (row, calm)] == [4, 2]
            take = await stack.enter_async_context(watching(api, variants=[row, calm]))
            told = await take(2)
        told += await take(2)
    assert kinds(told) == ["SNAPSHOT", "SNAPSHOT", "CHANGED", "CHANGED"]
    heard = {each: [message for message in told if message["level"]["variant"]["id"] == each] for each in (row, calm)}
    assert [each["level"]["version"] for each in heard[calm]] == [2]
    assert ([each["level"]["version"] for each in heard[row]] == [2, 3, 4]) is corrected
    if corrected:
        assert [(each["level"]["onHand"], each["level"]["reserved"]) for each in heard[row]] == [
            ("7", "0"),
            ("8", "0"),
            ("8", "4"),
        ]
        assert [each["level"]["value"]["amount"] for each in heard[row]] == ["22.50", "23.75", "23.75"]
    assert heard[row][-1]["level"] == await level(api, row)


async def test_a_level_that_the_log_does_not_know_yet_comes_as_a_change(
    api: Api, server: Server, database_name: str
) -> None:
    here = await location(api)
    known, new = await stocked(api, 5, place=here), await variant(api)
    await readable(api, known)
    async with AsyncExitStack() as stack:
        async with log_held_back(server, database_name):
            await receive(api, here, new, known)
            take = await stack.enter_async_context(watching(api, locations=[here]))
            told = await take(1)
        told += await take(2)
    (first, *later) = told
    assert (first["kind"], first["level"]["variant"]["id"], first["level"]["version"]) == ("SNAPSHOT", known, 1)
    assert {(*places([each])[0], each["level"]["version"], each["kind"]) for each in later} == {
        (new, here, 1, "CHANGED"),
        (known, here, 2, "CHANGED"),
    }


@pytest.mark.parametrize("held", [False, True], ids=["log read", "log held back"])
async def test_a_level_that_was_only_counted_as_empty_begins_at_no_version(
    api: Api, server: Server, database_name: str, held: bool
) -> None:
    row, here = await variant(api), await location(api)
    none = {"variantId": row, "quantity": 0, "expectedQuantity": 0}
    await done(api, SET, {"input": {"locationId": here, "reason": "COUNT", "lines": [none]}})
    assert (await level(api, row))["version"] == 0
    async with AsyncExitStack() as stack:
        if held:
            async with log_held_back(server, database_name):
                await receive(api, here, row)
                take = await stack.enter_async_context(watching(api, variants=[row]))
                await followers(api, 1)
            told = await take(1)
        else:
            take = await stack.enter_async_context(watching(api, variants=[row]))
            told = await take(1)
            assert (told[0]["kind"], told[0]["level"]["onHand"]) == ("SNAPSHOT", "0")
            await receive(api, here, row)
            told += await take(1)
    assert [each["level"]["version"] for each in told] == ([1] if held else [0, 1])
    assert (told[-1]["kind"], told[-1]["level"]) == ("CHANGED", await level(api, row))


async def test_whoever_joins_among_writers_and_open_transactions_is_told_each_version_once(
    api: Api, server: Server, database_name: str
) -> None:
    rows, sites = await shelves(api)
    unborn = [await variant(api) for _ in range(12)]
    everything = rows + unborn

    async def write() -> list[Announced]:
        await busy(api, rows, sites, acts=10, unborn=unborn)
        return await changes(api, everything)

    written = asyncio.create_task(write())

    async def hold_back() -> None:
        while not written.done():
            async with log_held_back(server, database_name):
                await asyncio.sleep(random.random() / 10)
            await asyncio.sleep(random.random() / 100)

    async def joined() -> list[Message]:
        """Everything up to the last version of every level."""
        await asyncio.sleep(random.random())
        async with watching(api, variants=everything) as take:
            last = {event.subject: event.version for event in await written}
            messages: list[Message] = []
            while {level: seen[-1] for level, seen in versions(messages).items()} != last:
                messages += await take(1)
            return messages

    found, _ = await asyncio.gather(asyncio.gather(*(joined() for _ in range(8))), hold_back())
    log = {(event.subject, event.version): meant(event)[2:] for event in await written}
    present = await levels(api, everything)
    for messages in found:
        told = kinds(messages)
        assert told == sorted(told, reverse=True), "snapshots come first"
        assert all(seen == list(range(seen[0], seen[-1] + 1)) for seen in versions(messages).values())
        for message in messages:
            assert said(message)[2:] == log[message["level"]["id"], message["level"]["version"]]
        shown = {each["level"]["id"] for each in messages if each["kind"] == "SNAPSHOT"}
        assert all(seen[0] == 1 for key, seen in versions(messages).items() if key not in shown)
        assert {each["level"]["id"]: each["level"] for each in messages} == present


# --- who may watch --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "scopes", "lacking"),
    [
        ("{ stockChanged { cursor } }", set(Scope) - {Scope.STOCK_READ, Scope.STOCK_WRITE}, "stock:read"),
        ("{ stockChanged { level { id } } }", [Scope.EVENTS_READ], "stock:read"),
        ("{ stockChanged { level { value { amount } } } }", [Scope.STOCK_READ], "costs:read"),
        (
            "{ stockChanged { level { ... on StockLevel { v: value { currency } } } } }",
            [Scope.STOCK_WRITE],
            "costs:read",
        ),
        ("{ stockChanged { level { variant { sku } location { name } } } }", [Scope.STOCK_READ], "products:read"),
        ("{ orderChanged { cursor } }", set(Scope) - {Scope.ORDERS_READ, Scope.ORDERS_WRITE}, "orders:read"),
        ("{ orderChanged { order { customer { name } } } }", [Scope.ORDERS_READ], "customers:read"),
    ],
)
async def test_whoever_lacks_a_scope_watches_nothing(api: Api, query: str, scopes: Any, lacking: str) -> None:
    async with api.subscribed(f"subscription {query}", scopes=scopes) as messages:
        message = await asyncio.wait_for(anext(messages), 40)
    assert message["type"] == "error"
    (error,) = message["payload"]
    assert (error["extensions"]["code"], error["message"]) == ("FORBIDDEN", f"This token lacks the scope {lacking}.")
    assert api.services.tail.followers == 0


async def test_stock_can_be_watched_without_its_costs_or_its_products(api: Api) -> None:
    row = await stocked(api, 5)
    await readable(api, row)
    query = "subscription S($v: [ID!]) { stockChanged(variantIds: $v) { level { onHand location { name } } } }"
    async with api.subscribed(query, {"v": [row]}, scopes=[Scope.STOCK_READ]) as messages:
        message = await asyncio.wait_for(anext(messages), 40)
    name = (await level(api, row))["location"]["name"]
    assert message["payload"] == {"data": {"stockChanged": {"level": {"onHand": "5", "location": {"name": name}}}}}
    await followers(api, 0)


# --- orders ---------------------------------------------------------------------------------------------------------


ORDER_KINDS = {
    "order.placed": "PLACED",
    "order.paid": "PAID",
    "order.shipped": "SHIPPED",
    "order.cancelled": "CANCELLED",
}


async def place(api: Api, *lines: tuple[str, int]) -> Message:
    return (await done(api, PLACE, {"input": ordered(lines)}))["order"]


async def pay(api: Api, order: str, amount: str) -> None:
    await done(api, PAY, {"id": order, "input": {"amount": dollars(amount), "method": "CARD"}})


async def test_everything_that_happens_to_orders_is_told_with_the_order(api: Api) -> None:
    mug, hat = await stocked(api, 9), await stocked(api, 9)
    async with watching(api, WATCH_ORDERS) as take:
        await followers(api, 1)
        order, other = await place(api, (mug, 2), (hat, 1)), await place(api, (mug, 1))
        heard = await take(2)
        line = {"orderLineId": order["lines"][0]["id"], "quantity": 1}
        for mutation, variables in (
            (PAY, {"id": order["id"], "input": {"amount": dollars("10.00"), "method": "CASH"}}),
            (SHIP, {"id": order["id"], "input": {"lines": [line]}}),
            (CANCEL, {"id": other["id"]}),
            (PAY, {"id": order["id"], "input": {"amount": dollars("20.00"), "method": "CARD"}}),
            (SHIP, {"id": order["id"]}),
            (PAY, {"id": order["id"], "input": {"amount": dollars("0.01"), "method": "CARD"}}),
        ):
            await done(api, mutation, variables)
            heard += await take(1)
    assert [(each["order"]["id"], each["kind"], each["version"]) for each in heard] == [
        (order["id"], "PLACED", 1),
        (other["id"], "PLACED", 1),
        (order["id"], "PAID", 2),
        (order["id"], "SHIPPED", 3),
        (other["id"], "CANCELLED", 2),
        (order["id"], "PAID", 4),
        (order["id"], "SHIPPED", 5),
        (order["id"], "PAID", 6),
    ]
    told = [each["order"] for each in heard]
    assert [each["version"] for each in told] == [each["version"] for each in heard]
    assert [(each["status"], each["paymentStatus"], each["fulfillmentStatus"]) for each in told[2:]] == [
        ("OPEN", "PARTIALLY_PAID", "UNFULFILLED"),
        ("OPEN", "PARTIALLY_PAID", "PARTIALLY_FULFILLED"),
        ("CANCELLED", "UNPAID", "UNFULFILLED"),
        ("OPEN", "PAID", "PARTIALLY_FULFILLED"),
        ("COMPLETED", "PAID", "FULFILLED"),
        ("COMPLETED", "OVERPAID", "FULFILLED"),
    ]


async def test_only_the_orders_asked_for_are_told(api: Api) -> None:
    row = await stocked(api, 9)
    mine, other = await place(api, (row, 1)), await place(api, (row, 1))
    await logged(api, list(ORDER_KINDS), {mine["id"]: 1, other["id"]: 1})
    async with watching(api, WATCH_ORDERS, ids=[mine["id"], new_id("ord"), "", row, mine["id"]]) as take:
        await followers(api, 1)
        for order in (other, mine):
            await pay(api, order["id"], "1.00")
        await place(api, (row, 1))
        for order in (other, mine):
            await done(api, CANCEL, {"id": order["id"]})
        heard = await take(2)
    assert [(each["order"]["id"], each["kind"], each["version"]) for each in heard] == [
        (mine["id"], "PAID", 2),
        (mine["id"], "CANCELLED", 3),
    ]


async def test_no_orders_asked_for_are_no_orders_told(fresh_api: Api) -> None:
    api, row = fresh_api, await stocked(fresh_api, 9)
    async with (
        api.subscribed(WATCH_ORDERS, {"ids": []}) as nobodys,
        api.subscribed(WATCH_ORDERS, {"ids": [new_id("ord"), "ord_"]}) as unknown,
    ):
        await followers(api, 2)
        await pay(api, (await place(api, (row, 1)))["id"], "10.00")
        await until_read(api)
        await api.services.tail.stop()
        async with asyncio.timeout(40):
            assert [[each async for each in stream] for stream in (nobodys, unknown)] == [[], []]


async def test_dry_runs_and_refusals_of_orders_are_not_heard(api: Api) -> None:
    row = await stocked(api, 2)
    order = (await place(api, (row, 1)))["id"]
    await logged(api, list(ORDER_KINDS), {order: 1})
    async with watching(api, WATCH_ORDERS) as take:
        await followers(api, 1)
        await done(api, PLACE, {"input": ordered([(row, 1)]), "dryRun": True})
        await done(api, SHIP, {"id": order, "dryRun": True})
        assert (await act(api, PLACE, {"input": ordered([(row, 9)])}))["userErrors"] != []
        nothing = {"amount": dollars("0.00"), "method": "CARD"}
        assert (await act(api, PAY, {"id": order, "input": nothing}))["userErrors"] != []
        await done(api, SHIP, {"id": order})
        assert (await act(api, CANCEL, {"id": order}))["userErrors"] != []
        await pay(api, order, "10.00")
        assert [(each["order"]["id"], each["version"], each["kind"]) for each in await take(2)] == [
            (order, 2, "SHIPPED"),
            (order, 3, "PAID"),
        ]


async def test_an_order_told_late_has_the_version_of_its_moment_and_is_shown_as_it_is_now(
    api: Api, server: Server, database_name: str
) -> None:
    row = await stocked(api, 2)
    async with watching(api, WATCH_ORDERS) as take:
        await followers(api, 1)
        async with log_held_back(server, database_name):
            order = (await place(api, (row, 1)))["id"]
            await pay(api, order, "4.00")
            await done(api, CANCEL, {"id": order})
        heard = await take(3)
    assert [(each["kind"], each["version"]) for each in heard] == [("PLACED", 1), ("PAID", 2), ("CANCELLED", 3)]
    now = {"id": order, "version": 3, "status": "CANCELLED"}
    assert [each["order"] for each in heard] == [
        now | {"paymentStatus": "PARTIALLY_PAID", "fulfillmentStatus": "UNFULFILLED"}
    ] * 3


async def test_resuming_orders_anywhere_leaves_no_gap_and_repeats_nothing(api: Api) -> None:
    row = await stocked(api, 1_000)
    shared = [(await place(api, (row, 2)))["id"] for _ in range(3)]
    orders: list[str] = list(shared)

    async def writer(acts: int) -> None:
        for n in range(acts):
            await pay(api, random.choice(shared), "0.01")
            if n % 2:
                orders.append((await place(api, (row, 1)))["id"])
                await done(api, random.choice([CANCEL, SHIP]), {"id": orders[-1]})

    async def write(acts: int) -> list[Announced]:
        await asyncio.gather(*(writer(acts) for _ in range(8)))
        query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id version } } }"
        found = (await api.data(query, {"ids": orders}))["nodes"]
        return await logged(api, list(ORDER_KINDS), {each["id"]: each["version"] for each in found})

    known = await write(2)
    assert {event.version for event in known if event.subject in orders} >= {1, 2, 3}
    cuts = [0, len(known) - 1, *random.sample(range(len(known)), 6)]
    written = asyncio.create_task(write(6))

    async def resumed(cut: int) -> tuple[list[Message], list[Announced]]:
        await asyncio.sleep(random.random() / 3)
        ids = random.choice([None, shared])
        async with watching(api, WATCH_ORDERS, after=known[cut].cursor, ids=ids) as take:
            expected = [event for event in (await written)[cut + 1 :] if ids is None or event.subject in ids]
            return await take(len(expected)), expected

    for messages, expected in await asyncio.gather(*map(resumed, cuts)):
        assert [
            (each["cursor"], each["kind"], datetime.fromisoformat(each["at"]), each["version"], each["order"]["id"])
            for each in messages
        ] == [(event.cursor, ORDER_KINDS[event.type], event.at, event.version, event.subject) for event in expected]
    by_order: dict[str, list[int]] = defaultdict(list)
    for event in await written:
        by_order[event.subject].append(event.version)
    assert all(seen == list(range(1, len(seen) + 1)) for seen in by_order.values())
