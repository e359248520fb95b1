"""The live feed: every committed event once and in order, whatever happens on the way."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import GraphQLError

from api.graphql.live import tail as tail_module
from api.http.websocket import _Connection
from domain.kernel import events
from domain.kernel.events import Announced
from tests.support.api import Api
from tests.support.server import Server

FEED = """subscription F($after: String, $types: [String!]) {
  eventFeed(after: $after, types: $types) { cursor type subject version } }"""
CREATE = """mutation C($sku: String!, $dryRun: Boolean! = false) {
  productCreate(input: {name: $sku, variants: [{sku: $sku}]}, dryRun: $dryRun) {
    product { id } userErrors { code } effects { events { nodes { cursor } } } } }"""
RENAME = """mutation R($id: ID!, $name: String!) {
  productUpdate(id: $id, input: {name: $name}) { product { version } userErrors { code } } }"""


async def create(api: Api, sku: str) -> dict[str, Any]:
    payload = (await api.data(CREATE, {"sku": sku}))["productCreate"]
    assert payload["userErrors"] == []
    return payload


async def written(api: Api) -> list[dict[str, Any]]:
    """The whole log as the query shows it."""
    found: list[dict[str, Any]] = []
    after = None
    query = """query E($after: String) { events(after: $after, first: 250) {
      nodes { cursor type subject version } pageInfo { hasNextPage endCursor } } }"""
    while True:
        page = (await api.data(query, {"after": after}))["events"]
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


@asynccontextmanager
async def feed(api: Api, after: str | None = None, types: list[str] | None = None) -> AsyncIterator[Any]:
    """A subscription that surely follows by now. Gives a function that takes the next events."""
    before = api.services.tail.followers
    async with api.subscribed(FEED, {"after": after, "types": types}) as messages:
        async with asyncio.timeout(40):
            while api.services.tail.followers == before:
                await asyncio.sleep(0.002)

        async def take(count: int) -> list[dict[str, Any]]:
            async with asyncio.timeout(40):
                return [(await anext(messages))["payload"]["data"]["eventFeed"] for _ in range(count)]

        yield take


async def until_read(api: Api) -> None:
    """Wait until the tail has read all that is committed. Writers in other tests' databases delay it: be patient."""
    last = (await written(api))[-1]["cursor"]
    async with asyncio.timeout(40):
        while api.services.tail._cursor != last:
            await asyncio.sleep(0.002)


async def write(api: Api, writers: int, acts: int) -> int:
    """Parallel writers on a few common products and on new ones. Returns how many events that made."""
    name = f"{random.getrandbits(40):x}"
    shared = [(await create(api, f"{name}-{number}"))["product"]["id"] for number in range(3)]

    async def act(writer: int) -> None:
        for number in range(acts):
            if number % 4 == 3:
                await create(api, f"{name}-{writer}-{number}")
            else:
                variables = {"id": random.choice(shared), "name": f"{name} {writer} {number}"}
                payload = (await api.data(RENAME, variables))["productUpdate"]
                assert payload["userErrors"] == []

    await asyncio.gather(*(act(writer) for writer in range(writers)))
    return len(shared) + writers * acts


async def test_eight_parallel_writers_are_heard_once_and_in_order(api: Api) -> None:
    await api.token()
    await until_read(api)
    before = len(await written(api))
    async with feed(api) as take, feed(api, types=["product.created"]) as take_created:
        count = await write(api, writers=8, acts=12)
        heard = await take(count)
        log = (await written(api))[before:]
        assert heard == log
        assert len({each["cursor"] for each in heard}) == count
        versions: dict[str, list[int]] = defaultdict(list)
        for each in heard:
            versions[each["subject"]].append(each["version"])
        assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())
        created = [each for each in log if each["type"] == "product.created"]
        assert await take_created(len(created)) == created


async def test_resuming_anywhere_leaves_no_gap_and_repeats_nothing(api: Api) -> None:
    await write(api, writers=4, acts=5)
    known = await written(api)
    writing = asyncio.create_task(write(api, writers=4, acts=10))
    cuts = [0, len(known) - 1, *random.sample(range(len(known)), 10)]

    async def resumed(cut: int) -> list[dict[str, Any]]:
        await asyncio.sleep(random.random() / 10)
        messages = []
        async with api.subscribed(FEED, {"after": known[cut]["cursor"]}) as stream:
            expected = len(known) + 43 - cut - 1
            async with asyncio.timeout(40):
                while len(messages) < expected:
                    messages.append((await anext(stream))["payload"]["data"]["eventFeed"])
        return messages

    heard = await asyncio.gather(*(resumed(cut) for cut in cuts))
    assert await writing == 43
    log = await written(api)
    for cut, messages in zip(cuts, heard, strict=True):
        assert messages == log[cut + 1 :]


async def test_who_knows_more_than_the_tail_hears_nothing_twice(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a load balancer: the cursor comes from another process, which read further than this one's tail."""
    await create(api, "AHEAD-0")
    await until_read(api)
    tail = api.services.tail
    before = tail._position, tail._cursor

    async def unmoved(_: object) -> Any:
        return before

    monkeypatch.setattr(tail_module.events, "read", _nothing)
    monkeypatch.setattr(tail_module.events, "end", unmoved)
    cursors = [(await create(api, f"AHEAD-{n}"))["effects"]["events"]["nodes"][0]["cursor"] for n in (1, 2, 3)]
    following = tail.follow(after=cursors[1])
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.05)
    monkeypatch.undo()
    assert (await asyncio.wait_for(first, 40)).cursor == cursors[2]
    await following.aclose()


async def _nothing(*_: Any, **__: Any) -> list[Announced]:
    return []


async def test_who_comes_while_the_tail_looks_for_the_end_misses_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail, looks, end = api.services.tail, asyncio.Event(), asyncio.Event()
    where_it_ends = events.end

    async def late(connection: Any) -> Any:
        looks.set()
        await end.wait()
        return await where_it_ends(connection)

    monkeypatch.setattr(events, "end", late)
    async with asyncio.timeout(40):
        await looks.wait()
        following = tail.follow()
        first = asyncio.ensure_future(anext(following))
        while not tail.followers:
            await asyncio.sleep(0)
        made = (await create(api, "while the tail looks"))["product"]["id"]
        end.set()
        assert (await first).subject == made
    await following.aclose()


@pytest.mark.parametrize("cursor", ["", "evt_nothing", "evt_" + "0" * 32, "prd_" + "0" * 32, "1"])
async def test_an_unknown_cursor_is_invalid(api: Api, cursor: str) -> None:
    async with api.subscribed(FEED, {"after": cursor}) as messages:
        message = await asyncio.wait_for(anext(messages), 40)
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "CURSOR_INVALID"
    assert api.services.tail.followers == 0


async def test_a_slow_subscriber_is_told_where_to_resume(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "WAITING", 5)
    send = _Connection._send

    async def slow(self: _Connection, message: dict[str, Any]) -> None:
        if message["type"] == "next":
            await asyncio.sleep(0.1)
        await send(self, message)

    monkeypatch.setattr(_Connection, "_send", slow)
    heard: list[str] = []
    async with api.subscribed(FEED) as messages:
        while api.services.tail.followers == 0:
            await asyncio.sleep(0.002)
        cursors = [(await create(api, f"SLOW-{n}"))["effects"]["events"]["nodes"][0]["cursor"] for n in range(30)]
        async with asyncio.timeout(40):
            while (message := await anext(messages))["type"] == "next":
                heard.append(message["payload"]["data"]["eventFeed"]["cursor"])
    [error] = message["payload"]
    assert error["extensions"]["code"] == "SUBSCRIBER_TOO_SLOW"
    assert 0 < len(heard) < 30
    assert error["extensions"]["resumeAfter"] == heard[-1]
    monkeypatch.undo()
    async with feed(api, after=heard[-1]) as take:
        assert heard + [each["cursor"] for each in await take(30 - len(heard))] == cursors


async def test_a_subscriber_who_never_read_can_resume_all_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "WAITING", 3)
    await until_read(api)
    following = api.services.tail.follow()
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.01)
    cursors = [(await create(api, f"NEVER-{n}"))["effects"]["events"]["nodes"][0]["cursor"] for n in range(8)]
    await until_read(api)
    heard = [(await first).cursor]
    with pytest.raises(GraphQLError) as ended:
        await _drain(following, heard)
    assert heard == cursors[: len(heard)]
    assert ended.value.extensions == {"code": "SUBSCRIBER_TOO_SLOW", "resumeAfter": heard[-1]}


async def _drain(following: AsyncIterator[Announced], into: list[str]) -> None:
    async for event in following:
        into.append(event.cursor)  # noqa: PERF401  what came before the error counts


async def test_dry_runs_and_refusals_are_not_heard(api: Api) -> None:
    await create(api, "TAKEN")
    await until_read(api)
    async with feed(api) as take:
        dry = (await api.data(CREATE, {"sku": "DRY", "dryRun": True}))["productCreate"]
        assert len(dry["effects"]["events"]["nodes"]) == 1
        refused = (await api.data(CREATE, {"sku": "TAKEN"}))["productCreate"]
        assert refused["userErrors"]
        real = await create(api, "REAL")
        [event] = await take(1)
        assert event["subject"] == real["product"]["id"]


async def test_the_tail_survives_the_loss_of_its_connection(server: Server, fresh_name: str, fresh_api: Api) -> None:
    api = fresh_api
    await api.token()
    await until_read(api)
    async with feed(api) as take:
        subjects = [(await create(api, f"BEFORE-{n}"))["product"]["id"] for n in range(3)]
        assert [each["subject"] for each in await take(3)] == subjects
        await server.disconnect_app(fresh_name)
        subjects = [(await create(api, f"AFTER-{n}"))["product"]["id"] for n in range(5)]
        assert [each["subject"] for each in await take(5)] == subjects
    assert (await api.client.get("/health/ready")).status_code == 200
