"""When more should be ordered: told once when what is available falls to the point, and not at every sale below it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    CANCEL,
    PLACE,
    RECEIVE,
    RESERVE,
    SHIP,
    act,
    announced,
    crowd,
    done,
    forbidden,
    invariants_hold,
    level,
    location,
    number_of,
    ordered,
    receipt,
    refused,
    state,
    stocked,
    variant,
    wrong_ids,
)

LEVEL = "id version onHand available reorderPoint safetyStock minQuantity maxQuantity variant { id } location { id }"
SET = f"""mutation S($input: StockReplenishmentSetInput!, $dryRun: Boolean! = false) {{
  stockReplenishmentSet(input: $input, dryRun: $dryRun) {{ level {{ {LEVEL} }}
    effects {{ events {{ nodes {{ type subject version data }} }} }} userErrors {{ code message path }} }} }}"""
EVENTS = """query E($subject: ID!) { events(subject: $subject, first: 250) {
  nodes { type version data } } }"""
CHANGED = """subscription S($in: [ID!]) { stockChanged(variantIds: $in, snapshot: false) {
  level { version available reorderPoint } } }"""
REACHED = "stock_reorder_point.reached"


async def ruled(api: Api, row: str, place: str, **rule: Any) -> dict[str, Any]:
    return await done(api, SET, {"input": {"variantId": row, "locationId": place, **rule}})


async def told(api: Api, level_id: str) -> list[tuple[str, int]]:
    """The types and versions of all events of a level."""
    found = (await api.data(EVENTS, {"subject": level_id}))["events"]["nodes"]
    return [(each["type"], each["version"]) for each in found]


async def reached(api: Api, level_id: str) -> int:
    return sum(kind == REACHED for kind, _ in await told(api, level_id))


async def test_a_rule_is_set_in_parts_and_taken_away_in_parts(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 10, place=place)
    payload = await ruled(api, row, place, reorderPoint=3, safetyStock=1, minQuantity=2, maxQuantity=20)
    found = payload["level"]
    assert (found["reorderPoint"], found["safetyStock"], found["minQuantity"], found["maxQuantity"]) == (
        *("3", "1", "2", "20"),
    )
    assert announced(payload) == [("stock_rule.changed", found["version"])]
    payload = await ruled(api, row, place, safetyStock=None, maxQuantity="2")
    found = payload["level"]
    assert [found[name] for name in ("reorderPoint", "safetyStock", "minQuantity", "maxQuantity")] == [
        *("3", None, "2", "2"),
    ]
    payload = await ruled(api, row, place, reorderPoint=3)
    assert (payload["level"]["version"], announced(payload)) == (found["version"], [])
    assert (await ruled(api, row, place))["level"] == found
    await invariants_hold(api)


async def test_a_place_where_there_never_was_any_may_have_a_rule(api: Api) -> None:
    row, place = await variant(api), await location(api)
    payload = await ruled(api, row, place, reorderPoint=5)
    made = payload["level"]
    assert (made["variant"]["id"], made["location"]["id"], made["onHand"]) == (row, place, "0")
    # Nothing is there, so it is time to order.
    assert announced(payload) == [("stock_rule.changed", 1), (REACHED, 2)]
    assert made["version"] == 2
    await done(api, RECEIVE, {"input": receipt(place, [(row, 6, "1.00")])})
    await done(api, PLACE, {"input": ordered([(row, 1)])})
    assert [kind for kind, _ in await told(api, made["id"])] == [
        "stock_rule.changed",
        REACHED,
        "stock.received",
        "stock.allocated",
        REACHED,
    ]
    await invariants_hold(api)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"reorderPoint": -1}, "reorderPoint"),
        ({"safetyStock": "-0.5"}, "safetyStock"),
        ({"minQuantity": -2}, "minQuantity"),
        ({"maxQuantity": -2}, "maxQuantity"),
        ({"reorderPoint": "1.5"}, "reorderPoint"),
        ({"minQuantity": 5, "maxQuantity": 4}, "maxQuantity"),
        ({"maxQuantity": 2}, "maxQuantity"),
        ({"minQuantity": 31}, "maxQuantity"),
    ],
)
async def test_what_cannot_be_is_refused(api: Api, rule: dict[str, Any], path: str) -> None:
    place = await location(api)
    row = await stocked(api, 1, place=place)
    await ruled(api, row, place, minQuantity=3, maxQuantity=30)
    given = {"input": {"variantId": row, "locationId": place, **rule}}
    assert await refused(api, SET, given) == [("INVALID", f"input.{path}")]


@pytest.mark.parametrize("wrong", wrong_ids("var"))
async def test_of_an_unknown_variant_or_place_nothing_can_be_said(api: Api, wrong: str) -> None:
    row, place = await variant(api), await location(api)
    for rule in ({}, {"reorderPoint": 1}):
        given = {"variantId": wrong, "locationId": place, **rule}
        assert await refused(api, SET, {"input": given}) == [("NOT_FOUND", "input.variantId")]
        given = {"variantId": row, "locationId": wrong.replace("var", "loc"), **rule}
        assert await refused(api, SET, {"input": given}) == [("NOT_FOUND", "input.locationId")]


async def test_a_dry_run_and_who_may_not_change_nothing(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 1, place=place)
    given = {"input": {"variantId": row, "locationId": place, "reorderPoint": 9}}
    before = await state(api)
    payload = await done(api, SET, {**given, "dryRun": True})
    assert [kind for kind, _ in announced(payload)] == ["stock_rule.changed", REACHED]
    assert await state(api) == before
    await forbidden(api, SET, given, ["stock:write"])


async def test_every_way_down_is_told_once_and_every_way_up_and_down_again_once_more(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 10, place=place)
    found = (await ruled(api, row, place, reorderPoint=5))["level"]["id"]
    assert await reached(api, found) == 0
    order = (await done(api, PLACE, {"input": ordered([(row, 4)])}))["order"]["id"]
    assert await reached(api, found) == 0
    await done(api, SHIP, {"id": order})  # what was bound leaves: nothing less is available
    assert await reached(api, found) == 0
    cart = await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}})
    assert announced(cart)[-1][0] == REACHED
    more = (await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"]
    loss = {"locationId": place, "reason": "THEFT", "lines": [{"variantId": row, "delta": -1}]}
    await done(api, ADJUST, {"input": loss})
    assert await reached(api, found) == 1
    await done(api, CANCEL, {"id": more})  # back to 4: still below
    assert await reached(api, found) == 1
    await done(api, RECEIVE, {"input": receipt(place, [(row, 2, "1.00")])})
    await done(api, ADJUST, {"input": loss})
    assert await reached(api, found) == 2
    # The point comes to meet what is there.
    await ruled(api, row, place, reorderPoint=4)
    assert await reached(api, found) == 2
    await ruled(api, row, place, reorderPoint=5)
    assert await reached(api, found) == 3
    await ruled(api, row, place, reorderPoint=9)
    assert await reached(api, found) == 3
    await ruled(api, row, place, reorderPoint=None)
    await done(api, ADJUST, {"input": loss})
    assert await reached(api, found) == 3
    versions = [version for _, version in await told(api, found)]
    assert versions == list(range(1, len(versions) + 1))
    await invariants_hold(api)


async def test_a_reorder_point_tells_the_figures_right_then(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 10, place=place)
    found = (await ruled(api, row, place, reorderPoint=8))["level"]["id"]
    await done(api, PLACE, {"input": ordered([(row, 3)])})
    event = (await api.data(EVENTS, {"subject": found}))["events"]["nodes"][-1]
    assert event["type"] == REACHED
    assert (event["data"]["on_hand"], event["data"]["allocated"], event["data"]["variant"]) == ("10", "3", row)


async def _next(messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        return (await anext(messages))["payload"]["data"]["stockChanged"]["level"]


async def test_fifty_sales_at_once_across_the_point_tell_it_once(fresh_api: Api) -> None:
    api = fresh_api
    place = await location(api)
    row = await stocked(api, 60, place=place)
    found = (await ruled(api, row, place, reorderPoint=35))["level"]
    async with api.subscribed(CHANGED, {"in": [row]}) as messages:
        await asyncio.sleep(0.3)  # it follows the log from here
        payloads = await crowd(act(api, PLACE, {"input": ordered([(row, 1)])}) for _ in range(50))
        assert [each["userErrors"] for each in payloads] == [[]] * 50
        seen = [await _next(messages) for _ in range(51)]
    assert [each["version"] for each in seen] == list(range(found["version"] + 1, found["version"] + 52))
    assert {each["reorderPoint"] for each in seen} == {"35"}
    assert await reached(api, found["id"]) == 1
    kinds = [kind for kind, _ in await told(api, found["id"])]
    crossing = kinds.index(REACHED)
    assert kinds[:crossing].count("stock.allocated") == 25  # 60 less 25 is the point
    assert (await level(api, row))["version"] == found["version"] + 51

    await done(api, RECEIVE, {"input": receipt(place, [(row, 40, "1.00")])})
    await crowd(act(api, PLACE, {"input": ordered([(row, 1)])}) for _ in range(50))
    assert await reached(api, found["id"]) == 2
    await invariants_hold(api)


async def test_rules_are_listed_in_as_many_statements_for_one_level_as_for_many(fresh_api: Api) -> None:
    api = fresh_api
    query = f"query Q($first: Int!) {{ stockLevels(first: $first) {{ nodes {{ {LEVEL} }} }} }}"
    for n in range(12):
        place = await location(api)
        await ruled(api, await stocked(api, 3, place=place), place, reorderPoint=n)

    async def counted(first: int) -> int:
        async with api.counted() as statements:
            found = (await api.data(query, {"first": first}))["stockLevels"]["nodes"]
        assert [each["reorderPoint"] for each in found] == [str(n) for n in range(first)]
        return number_of(statements)

    await counted(1)
    assert await counted(1) == await counted(12)


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
