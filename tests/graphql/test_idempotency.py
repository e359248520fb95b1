"""The same request twice, the effect once: as clients that repeat themselves see it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.kernel import idempotency
from domain.kernel.database import Database
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api, serving
from tests.support.server import Server

Owner = Any
"""The connection of the owner of the tables."""

CREATE = """
mutation Create($input: ProductCreateInput!, $key: String, $dryRun: Boolean! = false) {
  productCreate(input: $input, idempotencyKey: $key, dryRun: $dryRun) {
    product { id name version variants { id sku } }
    effects { events { nodes { id type subject version } } }
    userErrors { code message path }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $input: ProductUpdateInput!, $key: String) {
  productUpdate(id: $id, input: $input, idempotencyKey: $key) { product { id name version } userErrors { code } }
}
"""


def tee(**changes: Any) -> dict[str, Any]:
    """A product nobody has yet."""
    return {"name": "Tee", "variants": [{"sku": new_id("sku")}], **changes}


async def create(api: Api, product: dict[str, Any], key: str | None, **extra: Any) -> dict[str, Any]:
    """The whole answer to a creation."""
    dry_run = extra.pop("dry_run", False)
    return await api.post(CREATE, {"input": product, "key": key, "dryRun": dry_run}, **extra)


def payload_of(answer: dict[str, Any]) -> dict[str, Any]:
    assert "errors" not in answer, answer["errors"]
    return next(iter(answer["data"].values()))


def replayed(answer: dict[str, Any]) -> bool:
    return answer.get("extensions", {}).get("idempotentReplay", False)


def refused(answer: dict[str, Any]) -> list[tuple[str, list[str]]]:
    payload = payload_of(answer)
    assert payload["product"] is None
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def products_with(owner: Owner, sku: str) -> int:
    return await owner.fetchval("SELECT count(*) FROM product_variants WHERE sku = $1", sku)


async def kept(owner: Owner, key: str) -> int:
    return await owner.fetchval("SELECT count(*) FROM idempotency_keys WHERE key = $1", key)


@asynccontextmanager
async def nobody_writes_variants(owner: Owner, *, nor_reads: bool = False) -> AsyncIterator[None]:
    """Acts that write variants wait meanwhile; reading goes on, unless said otherwise."""
    async with owner.transaction():
        await owner.execute(f"LOCK TABLE product_variants IN {'ACCESS EXCLUSIVE' if nor_reads else 'SHARE'} MODE")
        yield


async def waiting(owner: Owner, number: int) -> None:
    """Until so many sessions wait for a lock in this database."""
    query = """
        SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()
    """
    for _ in range(500):
        await owner.execute("SELECT pg_stat_clear_snapshot()")
        if await owner.fetchval(query) == number:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{await owner.fetchval(query)} sessions wait, not {number}")


async def test_fifty_requests_at_once_have_one_effect_and_block_nobody_else(api: Api, owner: Owner) -> None:
    product, key = tee(), new_id("key")
    await api.token()
    async with nobody_writes_variants(owner):
        sent = [asyncio.create_task(create(api, product, key)) for _ in range(50)]
        await waiting(owner, 1)
        await asyncio.sleep(0.3)  # all fifty have arrived by now
        started = time.perf_counter()
        assert len((await api.data("{ units { nodes { code } } }"))["units"]["nodes"]) == 14
        assert time.perf_counter() - started < 1
        pool = api.services.database.connections
        assert pool.used <= 3  # the act, the tail, and perhaps one that just read
    answers = await asyncio.gather(*sent)
    payload = payload_of(answers[0])
    assert payload["userErrors"] == []
    assert all(answer["data"] == answers[0]["data"] for answer in answers)
    assert sorted(map(replayed, answers)) == [False] + [True] * 49
    assert await products_with(owner, product["variants"][0]["sku"]) == 1
    subject = payload["product"]["id"]
    assert await owner.fetchval("SELECT count(*) FROM events WHERE subject = $1", subject) == 1
    assert [event["subject"] for event in payload["effects"]["events"]["nodes"]] == [subject]
    assert api.services.turns._locks == {}


async def test_two_processes_that_get_the_same_request_at_once_have_one_effect(
    api: Api, server: Server, database_name: str, owner: Owner
) -> None:
    product, key = tee(), new_id("key")
    await api.token()
    async with serving(server.app_url(database_name)) as other:
        other.tokens = api.tokens
        async with nobody_writes_variants(owner):
            sent = [asyncio.create_task(create(each, product, key)) for each in [api, other] * 5]
            await waiting(owner, 2)  # one for the table, one of the other process for the key
        answers = await asyncio.gather(*sent)
    assert all(answer["data"] == answers[0]["data"] for answer in answers)
    assert payload_of(answers[0])["userErrors"] == []
    assert sorted(map(replayed, answers)) == [False] + [True] * 9
    assert await products_with(owner, product["variants"][0]["sku"]) == 1


async def test_a_refusal_in_one_process_lets_the_waiting_one_try(
    api: Api, server: Server, database_name: str, owner: Owner
) -> None:
    taken = tee()
    assert payload_of(await create(api, taken, None))["userErrors"] == []
    key = new_id("key")
    async with serving(server.app_url(database_name)) as other:
        other.tokens = api.tokens
        async with nobody_writes_variants(owner, nor_reads=True):
            sent = [asyncio.create_task(create(each, taken, key)) for each in (api, other)]
            await waiting(owner, 2)  # one for the table, the other for the key
        answers = await asyncio.gather(*sent)
    assert [refused(answer) for answer in answers] == [[("INVALID", ["input", "variants", "0", "sku"])]] * 2
    assert await kept(owner, key) == 0


async def test_a_key_with_another_input_is_refused_and_changes_nothing(api: Api, owner: Owner) -> None:
    key, other = new_id("key"), tee()
    first = await create(api, tee(), key)
    assert refused(await create(api, other, key)) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    assert await products_with(owner, other["variants"][0]["sku"]) == 0
    assert payload_of(first)["userErrors"] == []


async def test_leaving_a_field_out_and_emptying_it_are_two_inputs(api: Api) -> None:
    product = payload_of(await create(api, tee(description="Soft"), None))["product"]["id"]
    key = new_id("key")
    first = await api.post(UPDATE, {"id": product, "input": {"name": "Shirt"}, "key": key})
    assert payload_of(first)["product"]["version"] == 2
    again = await api.post(UPDATE, {"id": product, "input": {"name": "Shirt", "description": None}, "key": key})
    assert payload_of(again) == {"product": None, "userErrors": [{"code": "IDEMPOTENCY_KEY_REUSED"}]}


async def test_a_refusal_keeps_nothing_so_the_key_may_be_tried_again(api: Api, owner: Owner) -> None:
    product, key = tee(), new_id("key")
    holder = payload_of(await create(api, product, None))["product"]
    assert refused(await create(api, product, key)) == [("INVALID", ["input", "variants", "0", "sku"])]
    assert await kept(owner, key) == 0
    freed = {"updateVariants": [{"id": holder["variants"][0]["id"], "sku": new_id("sku")}]}
    assert payload_of(await api.post(UPDATE, {"id": holder["id"], "input": freed}))["userErrors"] == []
    answer = await create(api, product, key)
    assert payload_of(answer)["userErrors"] == []
    assert not replayed(answer)
    assert await kept(owner, key) == 1


async def test_a_dry_run_ignores_the_key(api: Api, owner: Owner) -> None:
    product, key = tee(), new_id("key")
    dry = await create(api, product, key, dry_run=True)
    assert payload_of(dry)["product"]["name"] == "Tee"
    assert await kept(owner, key) == 0
    assert await products_with(owner, product["variants"][0]["sku"]) == 0
    earnest = await create(api, tee(), key)
    assert payload_of(earnest)["userErrors"] == []
    dry = await create(api, product, key, dry_run=True)
    assert payload_of(dry)["userErrors"] == []
    assert not replayed(dry)


async def test_the_key_of_another_actor_is_another_key(api: Api) -> None:
    key = new_id("key")
    mine, theirs = await create(api, tee(), key), await create(api, tee(), key, scopes=[*Scope][:-1])
    assert payload_of(mine)["userErrors"] == payload_of(theirs)["userErrors"] == []
    assert payload_of(mine)["product"]["id"] != payload_of(theirs)["product"]["id"]
    assert not replayed(theirs)


async def test_the_key_of_another_mutation_is_another_key(api: Api) -> None:
    product, key = payload_of(await create(api, tee(status="DRAFT"), None))["product"]["id"], new_id("key")
    move = "mutation Move($id: ID!, $key: String) { %s(id: $id, idempotencyKey: $key) { product { status version } } }"
    for name, status, version in (("productActivate", "ACTIVE", 2), ("productDiscontinue", "DISCONTINUED", 3)):
        answer = await api.post(move % name, {"id": product, "key": key})
        assert payload_of(answer)["product"] == {"status": status, "version": version}
        assert not replayed(answer)
    answer = await api.post(move % "productActivate", {"id": product, "key": key})
    assert payload_of(answer)["product"] == {"status": "DISCONTINUED", "version": 3}  # read anew, not done again
    assert replayed(answer)


async def test_a_replay_shows_the_noun_as_it_is_now_and_the_events_of_the_first_act(api: Api) -> None:
    product, key = tee(), new_id("key")
    first = payload_of(await create(api, product, key))
    await api.data(UPDATE, {"id": first["product"]["id"], "input": {"name": "Shirt"}})
    answer = await create(api, product, key)
    assert replayed(answer)
    assert payload_of(answer)["product"] == first["product"] | {"name": "Shirt", "version": 2}
    assert payload_of(answer)["effects"] == first["effects"]


# --- the same input in other words ----------------------------------------------------------------------------------


async def test_how_the_document_spells_the_input_does_not_count(api: Api) -> None:
    sku, key = new_id("sku"), new_id("key")
    spellings = [
        (
            """mutation A($input: ProductCreateInput!, $key: String) { productCreate(input: $input,
                 idempotencyKey: $key) { product { id } userErrors { code } } }""",
            {
                "input": {"name": "Tee", "variants": [{"sku": sku, "price": {"amount": "12.5", "currency": "EUR"}}]},
                "key": key,
            },
        ),
        (
            """mutation B { made: productCreate(dryRun: false, idempotencyKey: "KEY", input: {variants: [
                 {price: {currency: EUR, amount: "12.50"}, sku: "SKU"}], name: "Tee"}) {
                 product { id } userErrors { code } } }""".replace("KEY", key).replace("SKU", sku),
            {},
        ),
        (
            """mutation C($sku: String!, $key: String, $none: String) { productCreate(idempotencyKey: $key, input: {
                 name: "Tee", slug: $none, description: null, variants: [{sku: $sku, name: null, barcode: $none,
                 price: {amount: "12.500", currency: EUR}}]}) { product { id } userErrors { code } } }""",
            {"sku": sku, "key": key, "none": None},
        ),
    ]
    answers = [await api.post(document, variables) for document, variables in spellings]
    assert [payload_of(answer) for answer in answers] == [payload_of(answers[0])] * 3
    assert payload_of(answers[0])["userErrors"] == []
    assert [replayed(answer) for answer in answers] == [False, True, True]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("k" * 256, id="too long"),
    ],
)
async def test_an_impossible_key_is_refused_by_name(api: Api, owner: Owner, key: str) -> None:
    product = tee()
    assert refused(await create(api, product, key)) == [("INVALID", ["idempotencyKey"])]
    assert await products_with(owner, product["variants"][0]["sku"]) == 0


@pytest.mark.parametrize("key", ["k" * 255, "🦆" * 255, " ", "'; --"])
async def test_any_other_text_is_a_key(api: Api, key: str) -> None:
    product = tee()
    first, second = await create(api, product, key), await create(api, product, key)
    assert payload_of(first)["userErrors"] == []
    assert (replayed(first), replayed(second)) == (False, True)
    assert first["data"] == second["data"]


# --- time -----------------------------------------------------------------------------------------------------------


async def test_a_duplicate_gives_up_when_another_process_holds_the_key_for_too_long(
    api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.3)
    product, key = tee(), new_id("key")
    actor = (await api.data("{ viewer { id } }"))["viewer"]["id"]
    holding = owner.transaction()
    await holding.start()
    await owner.execute("INSERT INTO idempotency_keys VALUES ($1, 'product_create', $2, '', NULL, now())", actor, key)
    started = time.perf_counter()
    assert refused(await create(api, product, key)) == [("IDEMPOTENCY_IN_PROGRESS", ["idempotencyKey"])]
    assert 0.3 <= time.perf_counter() - started < 2
    await holding.rollback()
    answer = await create(api, product, key)
    assert payload_of(answer)["userErrors"] == []
    assert not replayed(answer)


async def test_a_duplicate_in_the_same_process_gives_up_too_but_the_first_one_does_not(
    api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.3)
    product, key = tee(), new_id("key")
    await api.token()
    async with nobody_writes_variants(owner):
        first = asyncio.create_task(create(api, product, key))
        await waiting(owner, 1)
        assert refused(await create(api, product, key)) == [("IDEMPOTENCY_IN_PROGRESS", ["idempotencyKey"])]
        assert not first.done()  # its own waits are not bounded by those of the key
    assert payload_of(await first)["userErrors"] == []
    assert replayed(await create(api, product, key))
    assert api.services.turns._locks == {}


async def test_a_key_is_kept_for_seven_days_and_free_again_after(api: Api, owner: Owner) -> None:
    product, other, key = tee(), tee(), new_id("key")
    assert payload_of(await create(api, product, key))["userErrors"] == []
    age = "UPDATE idempotency_keys SET created_at = now() - $2::text::interval WHERE key = $1"
    await owner.execute(age, key, "6 days 23:59")
    assert replayed(await create(api, product, key))
    await owner.execute(age, key, "7 days 00:01")
    answer = await create(api, other, key)
    assert payload_of(answer)["userErrors"] == []
    assert not replayed(answer)
    assert replayed(await create(api, other, key))
    assert refused(await create(api, product, key)) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


async def test_sweeping_forgets_the_old_keys_only(api: Api, owner: Owner, database: Database) -> None:
    old, young = new_id("key"), new_id("key")
    for key in (old, young):
        assert payload_of(await create(api, tee(), key))["userErrors"] == []
    await owner.execute("UPDATE idempotency_keys SET created_at = now() - interval '8 days' WHERE key = $1", old)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert await idempotency.sweep(work) == 1
    assert (await kept(owner, old), await kept(owner, young)) == (0, 1)
