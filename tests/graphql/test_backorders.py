"""What is not there may be ordered where the policy says so: who waits, for how much, and who is served first."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.errors import Overtaken
from domain.kernel.work import SYSTEM, begin
from domain.stock.operations import waiting as waiting_room
from tests.graphql.test_policies import kept
from tests.support.api import Api
from tests.support.collisions import deadlocks_counted
from tests.support.shop import (
    ADJUST,
    AVAILABILITY,
    CANCEL,
    LEVELS,
    PLACE,
    POOL,
    RECEIVE,
    RELEASE,
    RESERVE,
    SHIP,
    act,
    crowd,
    default_channel,
    done,
    figures,
    forbidden,
    invariants_hold,
    location,
    number_of,
    ordered,
    posted,
    receipt,
    refused,
    state,
    stocked,
    variant,
    wrong_ids,
)

WAITING = """query Q($in: [ID!], $first: Int, $after: String) {
  stockBackorders(first: $first, after: $after, filter: {variantId: {in: $in}}) { totalCount pageInfo { endCursor }
    nodes { id source document variant { id } location { id } quantity priority queuedAt expectedOn } } }"""
PRIORITIZE = """mutation P($input: StockBackorderPrioritizeInput!, $dryRun: Boolean! = false) {
  stockBackorderPrioritize(input: $input, dryRun: $dryRun) { backorder { id source priority }
    effects { events { nodes { type subject version data } } } userErrors { code message path } } }"""


async def waiting(api: Api, *rows: str) -> list[dict[str, Any]]:
    return (await api.data(WAITING, {"in": list(rows)}))["stockBackorders"]["nodes"]


async def placed(api: Api, *lines: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    return (await done(api, PLACE, {"input": ordered(lines, **extra)}))["order"]


async def order(api: Api, order_id: str) -> dict[str, Any]:
    query = """query O($id: ID!) { order(by: {id: $id}) { id status fulfillmentStatus availableActions
      lines { id quantity allocated backordered shipped } } }"""
    return (await api.data(query, {"id": order_id}))["order"]


async def claims(api: Api, order_id: str) -> list[tuple[str, str]]:
    """What is allocated to each line of an order, and what it waits for."""
    return [(each["allocated"], each["backordered"]) for each in (await order(api, order_id))["lines"]]


async def came(api: Api, place: str, row: str, many: Any, cost: str = "4.00") -> dict[str, Any]:
    return await done(api, RECEIVE, {"input": receipt(place, [(row, many, cost)])})


async def unstocked(api: Api, **how: Any) -> str:
    """The id of a fresh variant that is kept so, and is nowhere."""
    row = await variant(api)
    await kept(api, row, **how)
    return row


async def test_what_is_there_is_taken_and_the_rest_is_waited_for(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 3, place=place)
    await kept(api, row, backorders="ALLOW")
    first = await placed(api, (row, 5))
    assert [(each["allocated"], each["backordered"]) for each in first["lines"]] == [("3", "2")]
    second = await placed(api, (row, 4))
    assert [(each["allocated"], each["backordered"]) for each in second["lines"]] == [("0", "4")]
    assert await figures(api, row) == ("3", "3", "0", "0")
    found = await waiting(api, row)
    assert [(each["source"], each["document"], each["quantity"], each["priority"]) for each in found] == [
        (first["lines"][0]["id"], first["id"], "2", 100),
        (second["lines"][0]["id"], second["id"], "4", 100),
    ]
    assert [each["variant"] for each in found] == [{"id": row}] * 2
    assert [each["expectedOn"] for each in found] == [None, None]
    await invariants_hold(api)


async def test_a_variant_that_never_came_in_may_be_waited_for(api: Api) -> None:
    row = await unstocked(api, backorders="PREORDER", preorderOn="2999-06-01")
    made = await placed(api, (row, 2))
    assert await claims(api, made["id"]) == [("0", "2")]
    (found,) = await waiting(api, row)
    assert found["expectedOn"] == "2999-06-01"
    assert await refused(api, SHIP, {"id": made["id"]}) == [("NOTHING_TO_SHIP", "id")]
    await came(api, await location(api), row, 5)
    assert await claims(api, made["id"]) == [("2", "0")]
    assert await waiting(api, row) == []
    # It is out now, and still a preorder: what is there is sold first.
    more = await placed(api, (row, 4))
    assert await claims(api, more["id"]) == [("3", "1")]
    await invariants_hold(api)


async def test_a_line_that_may_wait_does_not_let_another_wait_that_may_not(api: Api) -> None:
    allowed, denied = await unstocked(api, backorders="ALLOW"), await stocked(api, 1)
    wanted = {"input": ordered([(allowed, 2), (denied, 2)])}
    payload = await act(api, PLACE, wanted)
    assert [each["variant"]["id"] for each in payload["userErrors"]] == [denied]
    assert await refused(api, PLACE, wanted) == [("INSUFFICIENT_STOCK", "input.lines.1.quantity")]
    made = await placed(api, (allowed, 2), (denied, 1))
    assert await claims(api, made["id"]) == [("0", "2"), ("1", "0")]


async def test_two_lines_of_one_variant_wait_between_them_for_what_is_short(api: Api) -> None:
    row = await stocked(api, 5)
    await kept(api, row, backorders="ALLOW")
    made = await placed(api, (row, 10), (row, 5))  # the second alone could be served, were it not for the first
    assert await claims(api, made["id"]) == [("5", "5"), ("0", "5")]
    limited = await stocked(api, 5)
    await kept(api, limited, backorders="LIMIT", backorderLimit=9)
    assert await refused(api, PLACE, {"input": ordered([(limited, 10), (limited, 5)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    await kept(api, limited, backorderLimit=10)
    made = await placed(api, (limited, 10), (limited, 5))
    assert await claims(api, made["id"]) == [("5", "5"), ("0", "5")]
    await invariants_hold(api)


async def test_no_more_is_waited_for_than_the_limit(api: Api) -> None:
    row = await stocked(api, 2)
    await kept(api, row, backorders="LIMIT", backorderLimit=5)
    await placed(api, (row, 5))  # waits for 3
    over = {"input": ordered([(row, 3)])}
    assert await refused(api, PLACE, over) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    last = await placed(api, (row, 2))
    assert await refused(api, PLACE, {"input": ordered([(row, 1)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    await done(api, CANCEL, {"id": last["id"]})
    await placed(api, (row, 1))
    # A lower limit takes nothing from those who wait; nobody more may.
    await kept(api, row, backorderLimit=1)
    assert sum(Decimal(each["quantity"]) for each in await waiting(api, row)) == 4
    assert await refused(api, PLACE, {"input": ordered([(row, 1)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    await kept(api, row, backorders="DENY")
    assert len(await waiting(api, row)) == 2


async def _fifty_for_a_limit(api: Api, *, there: int, limit: int) -> None:
    row = await stocked(api, there) if there else await variant(api)
    await kept(api, row, backorders="LIMIT", backorderLimit=limit)
    wanted = [{"input": ordered([(row, 1 + n % 3)])} for n in range(50)]
    payloads = await crowd(act(api, PLACE, each) for each in wanted)
    waited = sum(Decimal(each["quantity"]) for each in await waiting(api, row))
    sold = sum(1 + n % 3 for n, each in enumerate(payloads) if not each["userErrors"])
    assert {error["code"] for each in payloads for error in each["userErrors"]} == {"INSUFFICIENT_STOCK"}
    assert waited == sold - there
    assert waited <= limit
    assert waited > limit - 3, "there was room for one more"
    if there:
        assert await figures(api, row) == (str(there), str(there), "0", "0")


async def test_fifty_orders_at_once_never_wait_for_more_than_the_limit(fresh_api: Api) -> None:
    await _fifty_for_a_limit(fresh_api, there=10, limit=17)
    await _fifty_for_a_limit(fresh_api, there=0, limit=17)
    await invariants_hold(fresh_api)


async def _several_times(api: Api) -> None:
    for _ in range(5):
        await _fifty_for_a_limit(api, there=0, limit=17)


async def test_without_the_lock_of_the_policy_they_wait_for_more(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domain.stock.operations import waiting as module  # noqa: PLC0415

    monkeypatch.setattr(module, "_POLICIES", module._POLICIES.replace(" FOR NO KEY UPDATE", ""))
    with pytest.raises(AssertionError, match="assert "):
        await _several_times(fresh_api)


async def test_what_comes_in_goes_to_the_most_urgent_then_to_the_oldest(api: Api) -> None:
    place, row = await location(api), await unstocked(api, backorders="ALLOW")
    orders = [await placed(api, (row, 2)) for _ in range(4)]
    urgent = orders[2]["lines"][0]["id"]
    payload = await done(api, PRIORITIZE, {"input": {"source": urgent, "priority": 1}})
    assert (payload["backorder"]["source"], payload["backorder"]["priority"]) == (urgent, 1)
    (event,) = payload["effects"]["events"]["nodes"]
    assert (event["type"], event["subject"]) == ("stock_backorder.prioritized", payload["backorder"]["id"])
    assert event["data"] == {"source": urgent, "document": orders[2]["id"], "variant": row, "priority": 1}
    again = await done(api, PRIORITIZE, {"input": {"source": urgent, "priority": 1}})
    assert again["effects"]["events"]["nodes"] == []
    later = orders[0]["lines"][0]["id"]
    await done(api, PRIORITIZE, {"input": {"source": later, "priority": 101}})
    for expected in (["0", "0", "1", "0"], ["0", "1", "2", "0"], ["0", "2", "2", "1"], ["1", "2", "2", "2"]):
        await came(api, place, row, 1 if expected == ["0", "0", "1", "0"] else 2)
        assert [(await claims(api, each["id"]))[0][0] for each in orders] == expected
    assert [each["source"] for each in await waiting(api, row)] == [later]
    await invariants_hold(api)


@pytest.mark.parametrize("wrong", wrong_ids("oln"))
async def test_what_waits_for_nothing_cannot_be_urgent(api: Api, wrong: str) -> None:
    given = {"input": {"source": wrong, "priority": 1}}
    assert await refused(api, PRIORITIZE, given) == [("NOT_FOUND", "input.source")]


@pytest.mark.parametrize("priority", [-1, 1_000_001])
async def test_a_priority_has_its_bounds(api: Api, priority: int) -> None:
    row = await unstocked(api, backorders="ALLOW")
    line = (await placed(api, (row, 1)))["lines"][0]["id"]
    given = {"input": {"source": line, "priority": priority}}
    assert await refused(api, PRIORITIZE, given) == [("INVALID", "input.priority")]
    await forbidden(api, PRIORITIZE, {"input": {"source": line, "priority": 3}}, ["stock:write"])
    before = await state(api)
    await done(api, PRIORITIZE, {"input": {"source": line, "priority": 3}, "dryRun": True})
    assert await state(api) == before


async def test_whatever_becomes_free_goes_to_who_waits(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 4, place=place)
    await kept(api, row, backorders="ALLOW")
    first, second, third = [await placed(api, (row, 2)) for _ in range(3)]
    held = await stocked(api, 2)
    await kept(api, held, backorders="ALLOW")
    hold = await done(api, RESERVE, {"input": {"lines": [{"variantId": held, "quantity": 2}]}})
    behind = await placed(api, (held, 1))
    assert await claims(api, third["id"]) == [("0", "2")]
    await done(api, CANCEL, {"id": first["id"]})
    assert await claims(api, third["id"]) == [("2", "0")]
    found = {"locationId": place, "reason": "FOUND", "lines": [{"variantId": row, "delta": 1}]}
    fourth = await placed(api, (row, 3))
    await done(api, ADJUST, {"input": found})
    assert await claims(api, fourth["id"]) == [("1", "2")]
    # Who waits and calls off waits no longer, and what was bound is free.
    await done(api, CANCEL, {"id": fourth["id"]})
    assert await waiting(api, row) == []
    assert await figures(api, row) == ("5", "4", "0", "1")
    await done(api, RELEASE, {"id": hold["reservation"]["id"]})
    assert await claims(api, behind["id"]) == [("1", "0")]
    assert await claims(api, second["id"]) == [("2", "0")]
    await invariants_hold(api)


@dataclass
class Cart:
    """All of a variant that may be waited for is held, and an order waits for five of it."""

    row: str
    place: str
    hold: str
    behind: str


async def cart(api: Api, many: int, *, seconds: int = 900) -> Cart:
    place = await location(api)
    row = await stocked(api, many, place=place)
    await kept(api, row, backorders="ALLOW")
    held = await done(api, RESERVE, {"input": ordered([(row, many)], expiresInSeconds=seconds)})
    behind = await placed(api, (row, 5))
    assert await claims(api, behind["id"]) == [("0", "5")]
    return Cart(row, place, held["reservation"]["id"], behind["id"])


async def test_what_an_order_does_not_need_of_its_hold_goes_to_who_waits(api: Api) -> None:
    given = await cart(api, 10)
    mine = await placed(api, (given.row, 3), reservationId=given.hold)
    assert await claims(api, mine["id"]) == [("3", "0")]
    assert await claims(api, given.behind) == [("5", "0")]
    assert await figures(api, given.row) == ("10", "8", "0", "2")
    await invariants_hold(api)


async def test_what_was_held_elsewhere_goes_to_who_waits(api: Api) -> None:
    """The order takes its goods from another place alone, and so needs nothing of what was held for it."""
    given, elsewhere = await cart(api, 4), await location(api)
    mine = await placed(api, (given.row, 2), locationId=elsewhere, reservationId=given.hold)
    assert await claims(api, mine["id"]) == [("0", "2")]  # it waits there
    assert await claims(api, given.behind) == [("4", "1")]
    assert await figures(api, given.row, given.place) == ("4", "4", "0", "0")
    await invariants_hold(api)


async def test_what_an_expired_hold_held_goes_to_who_waits_before_anybody_new(api: Api) -> None:
    ordering, holding, enough = (
        await cart(api, 5, seconds=1),
        await cart(api, 5, seconds=1),
        await cart(api, 7, seconds=1),
    )
    await asyncio.sleep(1.1)
    newcomer = await placed(api, (ordering.row, 5))
    assert await claims(api, newcomer["id"]) == [("0", "5")]
    assert await claims(api, ordering.behind) == [("5", "0")]
    assert await refused(api, RESERVE, {"input": ordered([(holding.row, 2)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    assert await claims(api, holding.behind) == [("0", "5")]  # undone with the rest
    # What those who wait do not need is the newcomer's.
    await done(api, RESERVE, {"input": ordered([(enough.row, 2)])})
    assert await claims(api, enough.behind) == [("5", "0")]
    assert await figures(api, enough.row) == ("7", "5", "2", "0")
    await invariants_hold(api)


async def test_a_pool_is_filled_with_what_those_who_wait_leave_of_an_expired_hold(api: Api) -> None:
    given, of = await cart(api, 8, seconds=1), await default_channel(api)
    await asyncio.sleep(1.1)
    pool = {"variantId": given.row, "locationId": given.place, "channelId": of, "quantity": 4}
    assert (await act(api, POOL, {"input": pool}))["userErrors"]
    assert await figures(api, given.row) == ("8", "0", "8", "0")
    await done(api, POOL, {"input": {**pool, "quantity": 2}})
    assert await claims(api, given.behind) == [("5", "0")]
    assert await figures(api, given.row) == ("8", "5", "2", "1")
    await invariants_hold(api)


async def test_an_order_comes_before_who_waits_by_its_own_hold_but_not_by_anothers(api: Api) -> None:
    """Of two expired holds one is the order's own: that is its, and the other one goes to who waits."""
    place = await location(api)
    row = await stocked(api, 6, place=place)
    await kept(api, row, backorders="ALLOW")
    mine, _ = [await done(api, RESERVE, {"input": ordered([(row, 3)], expiresInSeconds=1)}) for _ in range(2)]
    behind = await placed(api, (row, 2))
    await asyncio.sleep(1.1)
    made = await placed(api, (row, 5), reservationId=mine["reservation"]["id"])
    assert await claims(api, behind["id"]) == [("2", "0")]
    assert await claims(api, made["id"]) == [("4", "1")]
    await invariants_hold(api)


async def test_a_sweep_serves_those_who_wait_where_others_freed_what_was_held(api: Api) -> None:
    """A loss makes an expired hold give way, of which it needs but a part."""
    given = await cart(api, 5, seconds=1)
    await asyncio.sleep(1.1)
    loss = {"locationId": given.place, "reason": "THEFT", "lines": [{"variantId": given.row, "delta": -2}]}
    await done(api, ADJUST, {"input": loss})
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        while await stock.sweep(work):
            pass
    assert await claims(api, given.behind) == [("3", "2")]
    await invariants_hold(api)


async def test_carts_that_expire_and_orders_at_once_leave_nobody_waiting_beside_goods(fresh_api: Api) -> None:
    """Whoever comes first frees what expired holds held, and others consume theirs: whatever the order, nothing is left
    over while somebody waits.
    """
    api = fresh_api
    rows = [await stocked(api, 30) for _ in range(2)]
    for row in rows:
        await kept(api, row, backorders="ALLOW")
    over = [
        await done(api, RESERVE, {"input": ordered([(row, 3) for row in rows], expiresInSeconds=1)}) for _ in range(5)
    ]
    live = [await done(api, RESERVE, {"input": ordered([(row, 3) for row in rows])}) for _ in range(5)]
    for row in rows:
        await placed(api, (row, 12))
    await asyncio.sleep(1.1)
    acts = [
        *(act(api, PLACE, {"input": ordered([(rows[0], 1), (rows[1], 2)])}) for _ in range(10)),
        *(act(api, PLACE, {"input": ordered([(rows[1], 2), (rows[0], 1)])}) for _ in range(10)),
        *(
            act(api, PLACE, {"input": ordered([(rows[n % 2], 1)], reservationId=each["reservation"]["id"])})
            for n, each in enumerate([*over, *live])
        ),
    ]
    payloads = await asyncio.gather(*acts)
    assert not any(each["userErrors"] for each in payloads)
    assert len(await waiting(api, *rows)) > 0
    for row in rows:
        assert (await figures(api, row))[2:] == ("0", "0")
    await invariants_hold(api)


async def test_what_cannot_be_sold_serves_nobody_who_waits(api: Api) -> None:
    place, row = await location(api), await unstocked(api, backorders="ALLOW")
    made = await placed(api, (row, 2))
    held_back = receipt(place, [(row, 5, "1.00")])
    held_back["lines"][0]["state"] = "QUALITY_CONTROL"
    await done(api, RECEIVE, {"input": held_back})
    assert await claims(api, made["id"]) == [("0", "2")]
    await came(api, await location(api, kind="TRANSIT"), row, 5)
    assert await claims(api, made["id"]) == [("0", "2")]
    await invariants_hold(api)


async def test_from_the_order_to_the_door(api: Api) -> None:
    """Placed while half of it is there, shipped in two parts, and paid at what the goods cost when they came."""
    place = await location(api)
    row = await stocked(api, 1, "4.00", place=place)
    await kept(api, row, backorders="ALLOW")
    made = await placed(api, (row, 3))
    first = await done(api, SHIP, {"id": made["id"]})
    assert first["order"]["fulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert ("1200", "-4.00") in posted(first)[0]
    assert await claims(api, made["id"]) == [("0", "2")]
    assert await refused(api, SHIP, {"id": made["id"]}) == [("NOTHING_TO_SHIP", "id")]
    await came(api, place, row, 5, "7.00")
    last = await done(api, SHIP, {"id": made["id"]})
    assert last["order"]["fulfillmentStatus"] == "FULFILLED"
    assert ("1200", "-14.00") in posted(last)[0]
    found = await order(api, made["id"])
    assert [(each["allocated"], each["backordered"], each["shipped"]) for each in found["lines"]] == [("0", "0", "3")]
    assert await figures(api, row) == ("3", "0", "0", "3")
    await invariants_hold(api)


async def test_who_takes_goods_from_one_place_waits_for_them_there(api: Api) -> None:
    here, elsewhere = await location(api), await location(api)
    row = await stocked(api, 1, place=here)
    await came(api, elsewhere, row, 4)
    await kept(api, row, backorders="ALLOW")
    bound = await placed(api, (row, 3), locationId=here)
    assert await claims(api, bound["id"]) == [("1", "2")]
    assert [each["location"] for each in await waiting(api, row)] == [{"id": here}]
    assert await figures(api, row, elsewhere) == ("4", "0", "0", "4")
    free = await placed(api, (row, 5))
    assert await claims(api, free["id"]) == [("4", "1")]
    assert [each["location"] for each in await waiting(api, row)] == [{"id": here}, None]
    # Whoever waits longer is passed over where the goods are of no use to him.
    await came(api, elsewhere, row, 3)
    assert await claims(api, bound["id"]) == [("1", "2")]
    assert await claims(api, free["id"]) == [("5", "0")]
    await came(api, here, row, 3)
    assert await claims(api, bound["id"]) == [("3", "0")]
    assert await figures(api, row, here) == ("4", "3", "0", "1")
    assert await waiting(api, row) == []
    await invariants_hold(api)


async def test_who_loses_goods_at_the_one_place_waits_for_them_there(api: Api) -> None:
    here, elsewhere = await location(api), await location(api)
    row = await stocked(api, 2, place=here)
    bound = await placed(api, (row, 2), locationId=here)
    loss = {"locationId": here, "reason": "SHRINKAGE", "lines": [{"variantId": row, "delta": -1}]}
    await done(api, ADJUST, {"input": loss})
    assert await claims(api, bound["id"]) == [("1", "1")]
    (found,) = await waiting(api, row)
    assert found["location"] == {"id": here}
    await came(api, elsewhere, row, 5)
    assert await claims(api, bound["id"]) == [("1", "1")]
    await came(api, here, row, 1)
    assert await claims(api, bound["id"]) == [("2", "0")]
    await invariants_hold(api)


async def test_what_is_waited_for_at_one_place_cannot_be_promised_there(api: Api) -> None:
    here, elsewhere = await location(api), await location(api)
    row = await unstocked(api, backorders="ALLOW")
    await placed(api, (row, 2), locationId=here)
    await placed(api, (row, 4))
    for places, terms in (
        ([here], [("BACKORDERED", "-2", {"id": here})]),
        ([elsewhere], []),
        (None, [("BACKORDERED", "-2", {"id": here}), ("BACKORDERED", "-4", None)]),
    ):
        found = (await api.data(AVAILABILITY, {"variant": row, "locations": places}))["availability"]
        assert [(each["kind"], each["quantity"], each["location"]) for each in found["terms"]] == terms
        assert Decimal(found["availableToPromise"]) == sum(Decimal(quantity) for _, quantity, _ in terms)


async def test_nobody_waits_for_goods_in_transit(api: Api) -> None:
    row = await unstocked(api, backorders="ALLOW")
    road = await location(api, kind="TRANSIT")
    wanted = {"input": ordered([(row, 1)], locationId=road)}
    assert await refused(api, PLACE, wanted) == [("INVALID", "input.locationId")]


async def test_orders_for_two_stores_and_what_comes_in_at_both_at_once(fresh_api: Api) -> None:
    """Orders that take goods from one store alone, others that do not mind, and receipts: each store serves its own
    first come first served, and nobody waits while there is something that he may have.
    """
    api = fresh_api
    stores = [await location(api) for _ in range(2)]
    row = await unstocked(api, backorders="ALLOW")

    async def one(n: int) -> None:
        if n % 4 == 3:
            await came(api, stores[n // 4 % 2], row, 3, "1.00")
        else:
            bound = {} if n % 4 == 2 else {"locationId": stores[n % 2]}
            await placed(api, (row, 1 + n % 3), **bound)

    await crowd(one(n) for n in range(48))
    left = await waiting(api, row)
    for place in stores:
        on_hand, allocated, _, available = await figures(api, row, place)
        assert (on_hand, Decimal(allocated) + Decimal(available)) == ("18", 18)
        if Decimal(available):
            assert all(each["location"] not in (None, {"id": place}) for each in left)
    await invariants_hold(api)


async def test_nobody_waits_for_what_comes_in_at_the_same_moment_at_a_new_place(fresh_api: Api) -> None:
    """Orders that find nothing and goods that come in where there never were any: in the end nobody waits in vain."""
    api = fresh_api
    for _ in range(4):
        row = await unstocked(api, backorders="ALLOW")
        places = [await location(api) for _ in range(5)]
        payloads = await asyncio.gather(
            *(act(api, PLACE, {"input": ordered([(row, 2)])}) for _ in range(10)),
            *(act(api, RECEIVE, {"input": receipt(place, [(row, 3, "1.00")])}) for place in places),
        )
        assert [each["userErrors"] for each in payloads] == [[]] * 15
        found = (await api.data(LEVELS, {"variants": [row]}))["stockLevels"]["nodes"]
        assert sum(Decimal(each["onHand"]) for each in found) == 15
        assert {each["available"] for each in found} == {"0"}
        assert sum(Decimal(each["quantity"]) for each in await waiting(api, row)) == 5
    await invariants_hold(api)


@pytest.mark.parametrize(("times", "code"), [(5, None), (1_000, "OVERLOADED")])
async def test_whoever_is_overtaken_again_and_again_is_served_or_told_so(
    api: Api, monkeypatch: pytest.MonkeyPatch, times: int, code: str | None
) -> None:
    row = await unstocked(api, backorders="ALLOW")
    left, look = iter(range(times)), waiting_room._most_waited_for

    async def overtaken(*arguments: Any) -> Any:
        if next(left, None) is not None:
            raise Overtaken
        return await look(*arguments)

    monkeypatch.setattr(waiting_room, "_most_waited_for", overtaken)
    before = await state(api)
    answer = await api.post(PLACE, {"input": ordered([(row, 2)])})
    assert [each["extensions"]["code"] for each in answer.get("errors", [])] == ([code] if code else [])
    assert (await state(api) == before) == (code is not None)


async def test_a_storm_of_orders_receipts_and_cancellations_leaves_nobody_waiting_in_vain(fresh_api: Api) -> None:
    api = fresh_api
    places = [await location(api, priority=n) for n in range(2)]
    row = await stocked(api, 6, place=places[0])
    await came(api, places[1], row, 6)
    await kept(api, row, backorders="LIMIT", backorderLimit=20)

    async def life(n: int) -> None:
        payload = await act(api, PLACE, {"input": ordered([(row, 1 + n % 4)])})
        if payload["order"] and n % 3 == 0:
            await done(api, CANCEL, {"id": payload["order"]["id"]})
        elif payload["order"] and n % 3 == 1:
            await act(api, SHIP, {"id": payload["order"]["id"]})
        elif n % 2:
            await came(api, places[n % 4 // 2], row, 2)

    await crowd(life(n) for n in range(50))
    waits = sum(Decimal(each["quantity"]) for each in await waiting(api, row))
    found = (await api.data(LEVELS, {"variants": [row]}))["stockLevels"]["nodes"]
    assert waits <= 20
    assert not waits or {each["available"] for each in found} == {"0"}
    await invariants_hold(api)


async def test_cancellations_losses_and_gains_at_two_places_do_not_wait_for_each_other_in_a_ring(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backorders belong to no place, so acts at different places meet at them: they lock them in one order."""
    api, collisions = fresh_api, deadlocks_counted(monkeypatch)
    places = [await location(api, priority=n) for n in range(2)]
    rows = []
    for _ in range(3):
        row = await stocked(api, 8, place=places[0])
        await came(api, places[1], row, 8)
        await kept(api, row, backorders="ALLOW")
        rows.append(row)

    async def order(n: int) -> str:
        turned = rows[n % 3 :] + rows[: n % 3]
        return (await placed(api, *((row, 1 + n % 2) for row in turned), locationId=places[n % 2]))["id"]

    orders = [await order(n) for n in range(24)]

    async def life(n: int) -> None:
        if n % 2:
            await act(api, CANCEL, {"id": orders[n // 2]})
            return
        signs = (-2, 3, 1) if n % 4 else (2, -3, -1)
        lines = [{"variantId": row, "delta": delta} for row, delta in zip(rows, signs, strict=True)]
        await act(api, ADJUST, {"input": {"locationId": places[n // 2 % 2], "reason": "COUNT", "lines": lines}})

    await crowd(life(n) for n in range(48))
    assert not collisions
    await invariants_hold(api)


async def test_backorders_are_paged_the_longest_waiting_first(fresh_api: Api) -> None:
    api = fresh_api
    row = await unstocked(api, backorders="ALLOW")
    lines = [(await placed(api, (row, 1)))["lines"][0]["id"] for _ in range(5)]
    seen: list[str] = []
    after = None
    while len(seen) < 5:
        page = (await api.data(WAITING, {"in": [row], "first": 2, "after": after}))["stockBackorders"]
        assert page["totalCount"] == 5
        seen += [each["source"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == lines
    query = "query Q($line: String!) { stockBackorders(filter: {source: {eq: $line}}) { nodes { source } } }"
    assert (await api.data(query, {"line": lines[3]}))["stockBackorders"]["nodes"] == [{"source": lines[3]}]


async def test_lines_show_what_they_wait_for_in_as_many_statements_for_one_as_for_many(api: Api) -> None:
    row = await unstocked(api, backorders="ALLOW")
    few, many = await placed(api, (row, 1)), await placed(api, *((row, 1) for _ in range(40)))

    async def counted(order_id: str) -> int:
        async with api.counted() as statements:
            assert {each["backordered"] for each in (await order(api, order_id))["lines"]} == {"1"}
        return number_of(statements)

    await counted(few["id"])
    assert await counted(few["id"]) == await counted(many["id"])


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
