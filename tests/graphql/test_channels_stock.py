"""What of the stock is for which sales channel: set, kept while hundreds order at once, and given back."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from domain import business
from domain.business import ChannelKind, NewSalesChannel
from domain.kernel.ids import new_id
from domain.kernel.money import CurrencyCode
from domain.kernel.work import SYSTEM, begin
from tests.graphql.test_availability import asked
from tests.graphql.test_backorders import claims
from tests.graphql.test_policies import kept
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    CANCEL,
    EXPECT,
    PLACE,
    RECEIVE,
    RELEASE,
    RESERVE,
    SHIP,
    act,
    announced,
    crowd,
    done,
    figures,
    forbidden,
    invariants_hold,
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

RULE = "id buffer cap channel { id } variant { id }"
POOL_OF = "id held channel { id } variant { id } location { id }"
_EFFECTS = "effects { events { nodes { type subject version data } } } userErrors { code message path"
SET_RULE = f"""mutation R($input: StockChannelRuleSetInput!, $dryRun: Boolean! = false) {{
  stockChannelRuleSet(input: $input, dryRun: $dryRun) {{ rule {{ {RULE} }} {_EFFECTS} }} }} }}"""
SET_POOL = f"""mutation P($input: StockPoolSetInput!, $dryRun: Boolean! = false) {{
  stockPoolSet(input: $input, dryRun: $dryRun) {{ pool {{ {POOL_OF} }} {_EFFECTS}
    ... on InsufficientStock {{ variant {{ id }} requested available }} }} }} }}"""
POOLS = f"""query Q($in: [ID!]) {{ stockPools(filter: {{variantId: {{in: $in}}}}) {{ nodes {{ {POOL_OF} }} }} }}"""
RULES = f"""query Q($in: [ID!]) {{ stockChannelRules(filter: {{channelId: {{in: $in}}}}) {{ nodes {{ {RULE} }} }} }}"""


async def channel(api: Api) -> str:
    """The id of a fresh sales channel."""
    new = NewSalesChannel(new_id("chn"), ChannelKind.MARKETPLACE, CurrencyCode("USD"), "en-US")
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        return (await business.open_channel(work, new)).id


async def pooled(api: Api, of: str, row: str, place: str, quantity: Any) -> dict[str, Any]:
    given = {"channelId": of, "variantId": row, "locationId": place, "quantity": quantity}
    return await done(api, SET_POOL, {"input": given})


async def ruled(api: Api, of: str, row: str | None = None, **rule: Any) -> dict[str, Any]:
    return await done(api, SET_RULE, {"input": {"channelId": of, "variantId": row, **rule}})


async def held(api: Api, row: str) -> dict[str, str]:
    """What the pools of a variant hold, by channel; with one place it is all of it."""
    return {
        each["channel"]["id"]: each["held"] for each in (await api.data(POOLS, {"in": [row]}))["stockPools"]["nodes"]
    }


def by(of: str | None, row: str, many: Any, **extra: Any) -> dict[str, Any]:
    return {"input": ordered([(row, many)], channelId=of, **extra)}


async def test_a_pool_takes_from_what_is_available_and_gives_it_back(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 10, place=place)
    payload = await pooled(api, of, row, place, 4)
    made = payload["pool"]
    assert (made["held"], made["channel"], made["variant"], made["location"]) == (
        *("4", {"id": of}, {"id": row}, {"id": place}),
    )
    assert announced(payload) == [("stock.reserved", 2)]
    assert await figures(api, row) == ("10", "0", "4", "6")
    more = await pooled(api, of, row, place, 10)
    assert (more["pool"]["id"], more["pool"]["held"]) == (made["id"], "10")
    less = await pooled(api, of, row, place, "1")
    assert announced(less) == [("stock.released", 4)]
    assert await figures(api, row) == ("10", "0", "1", "9")
    same = await pooled(api, of, row, place, 1)
    assert (announced(same), same["pool"]) == ([], less["pool"])
    empty = await pooled(api, of, row, place, 0)
    assert (empty["pool"]["held"], await figures(api, row)) == ("0", ("10", "0", "0", "10"))
    never = await pooled(api, await channel(api), row, place, 0)
    assert (never["pool"], announced(never)) == (None, [])
    await invariants_hold(api)


async def test_no_more_is_pooled_than_is_available(api: Api) -> None:
    place, of, other = await location(api), await channel(api), await channel(api)
    row = await stocked(api, 10, place=place)
    await pooled(api, of, row, place, 3)
    await done(api, PLACE, by(None, row, 2))
    given = {"channelId": other, "variantId": row, "locationId": place, "quantity": 6}
    payload = await act(api, SET_POOL, {"input": given})
    (error,) = payload["userErrors"]
    assert (error["code"], error["requested"], error["available"]) == ("INSUFFICIENT_STOCK", "6", "5")
    assert await refused(api, SET_POOL, {"input": given}) == [("INSUFFICIENT_STOCK", "input.quantity")]
    given["channelId"] = of
    given["quantity"] = 9
    (error,) = (await act(api, SET_POOL, {"input": given}))["userErrors"]
    assert error["available"] == "8"  # what it holds, and what is free
    await pooled(api, of, row, place, 8)
    # A hold whose time is over gives way to a pool.
    await pooled(api, of, row, place, 0)
    await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 8}], "expiresInSeconds": 1}})
    await asyncio.sleep(1.1)
    await pooled(api, of, row, place, 8)
    assert await figures(api, row) == ("10", "2", "8", "0")
    await invariants_hold(api)


async def test_what_cannot_be_is_refused(api: Api) -> None:
    place, of, row = await location(api), await channel(api), await variant(api)
    given = {"channelId": of, "variantId": row, "locationId": place, "quantity": 1}
    for quantity in (-1, "0.5"):
        assert await refused(api, SET_POOL, {"input": {**given, "quantity": quantity}}) == [
            ("INVALID", "input.quantity")
        ]
    assert await refused(api, SET_POOL, {"input": given}) == [("INSUFFICIENT_STOCK", "input.quantity")]
    road = await location(api, kind="TRANSIT")
    assert await refused(api, SET_POOL, {"input": {**given, "locationId": road}}) == [("INVALID", "input.locationId")]
    for rule in ({"buffer": -1}, {"cap": -1}, {"buffer": "0.5"}, {"cap": "0.5"}):
        (name,) = rule
        assert await refused(api, SET_RULE, {"input": {"channelId": of, "variantId": row, **rule}}) == [
            ("INVALID", f"input.{name}")
        ]


@pytest.mark.parametrize("wrong", wrong_ids("chn"))
async def test_what_is_unknown_is_refused(api: Api, wrong: str) -> None:
    place, of, row = await location(api), await channel(api), await variant(api)
    known = {"channelId": of, "variantId": row, "locationId": place}
    for name, prefix in (("channelId", "chn"), ("variantId", "var"), ("locationId", "loc")):
        given = {**known, name: wrong.replace("chn", prefix)}
        assert await refused(api, SET_POOL, {"input": {**given, "quantity": 0}}) == [("NOT_FOUND", f"input.{name}")]
        del given["locationId"]
        if name != "locationId":
            assert await refused(api, SET_RULE, {"input": {**given, "cap": 1}}) == [("NOT_FOUND", f"input.{name}")]


async def test_rules_are_set_replaced_and_taken_away(api: Api) -> None:
    of, row = await channel(api), await variant(api)
    payload = await ruled(api, of, row, buffer=2, cap="5")
    made = payload["rule"]
    assert made == {"id": made["id"], "buffer": "2", "cap": "5", "channel": {"id": of}, "variant": {"id": row}}
    (event,) = payload["effects"]["events"]["nodes"]
    assert (event["type"], event["data"]) == (
        "stock_channel_rule.set",
        {"channel": of, "variant": row, "buffer": "2", "cap": "5"},
    )
    again = await ruled(api, of, row, cap=5, buffer=2)
    assert (again["rule"], announced(again)) == (made, [])
    assert (await ruled(api, of, row, cap=0))["rule"] == {**made, "buffer": "0", "cap": "0"}
    everything = await ruled(api, of, buffer=1)
    assert (everything["rule"]["variant"], everything["rule"]["cap"]) == (None, None)
    found = (await api.data(RULES, {"in": [of]}))["stockChannelRules"]["nodes"]
    assert [each["id"] for each in found] == [made["id"], everything["rule"]["id"]]
    gone = await ruled(api, of, row, buffer=0)
    assert (gone["rule"], announced(gone)) == (None, [("stock_channel_rule.removed", 3)])
    gone = await ruled(api, of, row)
    assert (gone["rule"], announced(gone)) == (None, [])
    found = (await api.data(RULES, {"in": [of]}))["stockChannelRules"]["nodes"]
    assert [each["id"] for each in found] == [everything["rule"]["id"]]


async def test_a_dry_run_and_who_may_not_change_nothing(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 5, place=place)
    pool = {"input": {"channelId": of, "variantId": row, "locationId": place, "quantity": 2}}
    rule = {"input": {"channelId": of, "buffer": 2}}
    before = await state(api)
    assert (await done(api, SET_POOL, {**pool, "dryRun": True}))["pool"]["held"] == "2"
    assert (await done(api, SET_RULE, {**rule, "dryRun": True}))["rule"]["buffer"] == "2"
    assert await state(api) == before
    await forbidden(api, SET_POOL, pool, ["stock:write"])
    await forbidden(api, SET_RULE, rule, ["stock:write"])


async def test_a_channel_takes_from_its_pool_first_and_nobody_else_does(api: Api) -> None:
    place, of, other = await location(api), await channel(api), await channel(api)
    row = await stocked(api, 10, place=place)
    await pooled(api, of, row, place, 4)
    assert await refused(api, PLACE, by(other, row, 7)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    order = (await done(api, PLACE, by(of, row, 3)))["order"]
    assert (await held(api, row), await figures(api, row)) == ({of: "1"}, ("10", "3", "1", "6"))
    await done(api, PLACE, by(other, row, 6))
    assert await refused(api, PLACE, by(None, row, 1)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    (error,) = (await act(api, PLACE, by(of, row, 2)))["userErrors"]
    assert error["available"] == "1"
    await done(api, PLACE, by(of, row, 1))
    assert (await held(api, row), await figures(api, row)) == ({of: "0"}, ("10", "10", "0", "0"))
    # What is called off is there for everybody: a pool is filled by hand.
    await done(api, CANCEL, {"id": order["id"]})
    assert (await held(api, row), await figures(api, row)) == ({of: "0"}, ("10", "7", "0", "3"))
    await invariants_hold(api)


async def test_pools_at_several_places_serve_one_order(api: Api) -> None:
    places, of = [await location(api, priority=n) for n in range(3)], await channel(api)
    row = await variant(api)
    for place in places:
        await done(api, RECEIVE, {"input": receipt(place, [(row, 5, "1.00")])})
    await pooled(api, of, row, places[1], 3)
    await pooled(api, of, row, places[2], 2)
    order = (await done(api, PLACE, by(of, row, 6)))["order"]
    query = "query O($id: ID!) { order(by: {id: $id}) { lines { allocated } } }"
    assert (await api.data(query, {"id": order["id"]}))["order"]["lines"] == [{"allocated": "6"}]
    found = (await api.data(POOLS, {"in": [row]}))["stockPools"]["nodes"]
    assert [each["held"] for each in found] == ["0", "0"]
    # The one that was lacking comes from a place that is taken from anyway.
    assert await figures(api, row, places[0]) == ("5", "0", "0", "5")
    assert await figures(api, row, places[1]) == ("5", "4", "0", "1")
    await invariants_hold(api)


async def test_buffers_and_caps_are_kept_and_pools_come_on_top(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 20, place=place)
    await ruled(api, of, buffer=12)
    await ruled(api, of, row, buffer=5, cap=4)
    assert await refused(api, PLACE, by(of, row, 5)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    twice = {"input": ordered([(row, 3), (row, 2)], channelId=of)}
    assert await refused(api, PLACE, twice) == [("INSUFFICIENT_STOCK", "input.lines.1.quantity")]
    await pooled(api, of, row, place, 3)
    (error,) = (await act(api, PLACE, by(of, row, 8)))["userErrors"]
    assert error["available"] == "7"
    await done(api, PLACE, by(of, row, 7))  # 13 are left for everybody
    await ruled(api, of, row, buffer=5)
    assert await refused(api, PLACE, by(of, row, 9)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    await done(api, PLACE, by(of, row, 8))
    assert await refused(api, PLACE, by(of, row, 1)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    await ruled(api, of, row)  # now the one for all variants is kept
    assert await refused(api, PLACE, by(of, row, 1)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    await done(api, PLACE, by(None, row, 5))
    await invariants_hold(api)


async def test_a_hold_is_an_orders_own_whatever_its_channel_is_offered(api: Api) -> None:
    of, row = await channel(api), await stocked(api, 10)
    await ruled(api, of, row, buffer=5)
    cart = await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 8}]}})
    hold = cart["reservation"]["id"]
    assert await refused(api, PLACE, by(of, row, 9, reservationId=hold)) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    await done(api, PLACE, by(of, row, 8, reservationId=hold))
    assert await figures(api, row) == ("10", "8", "0", "2")


async def test_where_a_channel_is_offered_less_it_waits_for_the_rest(api: Api) -> None:
    of, row = await channel(api), await stocked(api, 10)
    await kept(api, row, backorders="ALLOW")
    await ruled(api, of, row, buffer=7)
    order = (await done(api, PLACE, by(of, row, 5)))["order"]
    assert [(each["allocated"], each["backordered"]) for each in order["lines"]] == [("3", "2")]
    await invariants_hold(api)


async def waits(api: Api, of: str | None, row: str, many: Any, **extra: Any) -> str:
    """The id of an order that comes by a channel."""
    return (await done(api, PLACE, by(of, row, many, **extra)))["order"]["id"]


async def came(api: Api, place: str, row: str, many: Any) -> None:
    await done(api, RECEIVE, {"input": receipt(place, [(row, many, "4.00")])})


async def test_who_waits_is_not_served_with_what_is_kept_from_his_channel(api: Api) -> None:
    of, place = await channel(api), await location(api)
    row = await stocked(api, 10, place=place)
    await kept(api, row, backorders="ALLOW")
    await ruled(api, of, row, buffer=5)
    mine = await waits(api, of, row, 8)
    assert await claims(api, mine) == [("5", "3")]
    cart = await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}})
    await done(api, RELEASE, {"id": cart["reservation"]["id"]})
    assert await claims(api, mine) == [("5", "3")]
    await came(api, place, row, 2)
    assert await claims(api, mine) == [("7", "1")]
    assert await figures(api, row) == ("12", "7", "0", "5")
    # Others are offered what is kept from it, also while it waits for more urgently.
    other = await waits(api, None, row, 7)
    assert await claims(api, other) == [("5", "2")]
    await came(api, place, row, 2)
    assert (await claims(api, mine), await claims(api, other)) == ([("7", "1")], [("7", "0")])
    await came(api, place, row, 5)
    assert await claims(api, mine) == [("7", "1")]
    await came(api, place, row, 1)
    assert await claims(api, mine) == [("8", "0")]
    assert await figures(api, row) == ("20", "15", "0", "5")
    await invariants_hold(api)


async def test_an_order_that_waits_has_no_more_than_its_cap_of_all_lines(api: Api) -> None:
    of, place = await channel(api), await location(api)
    row = await stocked(api, 10, place=place)
    await kept(api, row, backorders="ALLOW")
    await ruled(api, of, row, cap=2)
    two = {"input": {**ordered([(row, 3), (row, 2)]), "channelId": of}}
    mine = (await done(api, PLACE, two))["order"]["id"]
    assert await claims(api, mine) == [("2", "1"), ("0", "2")]
    await came(api, place, row, 1)
    await done(api, SHIP, {"id": mine})  # what has left counts, too
    await came(api, place, row, 1)
    assert await claims(api, mine) == [("0", "1"), ("0", "2")]
    await ruled(api, of, row, cap=4)
    await came(api, place, row, 1)
    assert await claims(api, mine) == [("1", "0"), ("1", "1")]
    await came(api, place, row, 1)
    assert await claims(api, mine) == [("1", "0"), ("1", "1")]
    await ruled(api, of, row)
    await came(api, place, row, 1)
    assert await claims(api, mine) == [("1", "0"), ("2", "0")]
    await invariants_hold(api)


async def test_what_is_kept_from_who_waits_may_lie_anywhere(api: Api) -> None:
    """The buffer is at one place, and goods come in at another: all of them are offered. Who takes his goods from one
    place alone is offered what is beyond the buffer there.
    """
    of, here, there = await channel(api), await location(api), await location(api)
    row = await stocked(api, 4, place=there)
    await kept(api, row, backorders="ALLOW")
    await ruled(api, of, row, buffer=4)
    anywhere = await waits(api, of, row, 3)
    bound = await waits(api, of, row, 2, locationId=here)
    assert (await claims(api, anywhere), await claims(api, bound)) == ([("0", "3")], [("0", "2")])
    await came(api, here, row, 2)
    assert (await claims(api, anywhere), await claims(api, bound)) == ([("2", "1")], [("0", "2")])
    await came(api, here, row, 6)
    assert (await claims(api, anywhere), await claims(api, bound)) == ([("3", "0")], [("1", "1")])
    assert await figures(api, row, here) == ("8", "4", "0", "4")
    await invariants_hold(api)


async def test_what_was_promised_and_lost_comes_back_whatever_the_channel_is_offered(api: Api) -> None:
    of, place = await channel(api), await location(api)
    row = await stocked(api, 5, place=place)
    mine = await waits(api, of, row, 5)
    await ruled(api, of, row, buffer=9, cap=1)
    loss = {"locationId": place, "reason": "THEFT", "lines": [{"variantId": row, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    assert await claims(api, mine) == [("2", "3")]
    await came(api, place, row, 3)
    assert await claims(api, mine) == [("5", "0")]
    # Where it waited already, it is offered anew what it lost.
    await kept(api, row, backorders="ALLOW")
    await ruled(api, of, row, cap=4)
    await came(api, place, row, 4)
    behind = await waits(api, of, row, 6)
    assert await claims(api, behind) == [("4", "2")]
    await done(api, ADJUST, {"input": loss})
    assert await claims(api, behind) == [("1", "5")]
    await came(api, place, row, 9)
    assert await claims(api, behind) == [("4", "2")]
    await invariants_hold(api)


async def test_rules_cost_who_serves_those_who_wait_nothing_where_there_are_none(api: Api) -> None:
    of, place = await channel(api), await location(api)

    async def statements(by_channel: str | None) -> int:
        row = await stocked(api, 1, place=place)
        await kept(api, row, backorders="ALLOW")
        await waits(api, by_channel, row, 4)
        async with api.counted() as count:
            await came(api, place, row, 1)
        return number_of(count)

    await statements(None)
    plain = await statements(None)
    assert await statements(of) == plain
    await ruled(api, of, buffer=1)
    assert await statements(of) == plain + 2  # its rules, and what is available elsewhere


async def test_what_a_pool_gives_back_goes_to_who_waits(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 5, place=place)
    await kept(api, row, backorders="ALLOW")
    await pooled(api, of, row, place, 4)
    order = (await done(api, PLACE, by(None, row, 3)))["order"]
    assert [(each["allocated"], each["backordered"]) for each in order["lines"]] == [("1", "2")]
    await pooled(api, of, row, place, 1)
    assert await figures(api, row) == ("5", "3", "1", "1")
    await invariants_hold(api)


async def test_pools_give_way_last_when_less_is_there_than_was_promised(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 10, place=place)
    await pooled(api, of, row, place, 4)
    await done(api, PLACE, by(None, row, 5))
    loss = {"locationId": place, "reason": "THEFT", "lines": [{"variantId": row, "delta": -8}]}
    await done(api, ADJUST, {"input": loss})
    assert (await held(api, row), await figures(api, row)) == ({of: "2"}, ("2", "0", "2", "0"))
    await invariants_hold(api)


# --- what a channel may promise -------------------------------------------------------------------------------------


async def test_every_state_that_keeps_goods_from_sale_is_a_term(api: Api) -> None:
    place, row = await location(api), await variant(api)
    for many, why in ((5, None), (2, "DAMAGED"), (3, "SAFETY"), (1, "DAMAGED")):
        given = receipt(place, [(row, many, "1.00")])
        given["lines"][0]["state"] = why
        await done(api, RECEIVE, {"input": given})
    found = await asked(api, row)
    assert [(each["kind"], each["quantity"], each["note"]) for each in found["terms"]] == [
        ("ON_HAND", "11", None),
        ("UNAVAILABLE", "-3", "DAMAGED"),
        ("UNAVAILABLE", "-3", "SAFETY"),
    ]
    assert (found["unavailable"], found["available"]) == ("6", "5")


async def test_a_channel_is_told_what_it_may_take_and_why(api: Api) -> None:
    near, far = await location(api, priority=1), await location(api, priority=2)
    ours, theirs = await channel(api), await channel(api)
    row = await variant(api)
    await done(api, RECEIVE, {"input": receipt(near, [(row, 20, "1.00")])})
    await done(api, RECEIVE, {"input": receipt(far, [(row, 10, "1.00")])})
    mine = (await pooled(api, ours, row, near, 4))["pool"]["id"]
    other = (await pooled(api, theirs, row, far, 3))["pool"]["id"]
    rule = (await ruled(api, ours, row, buffer=5, cap=12))["rule"]["id"]
    coming = {"locationId": far, "dueOn": "2040-01-01", "lines": [{"variantId": row, "quantity": 6}]}
    await done(api, EXPECT, {"input": coming})

    async def told(**arguments: Any) -> tuple[list[tuple[str, str, str | None]], str, str, str]:
        found = await asked(api, row, **arguments)
        terms = [
            (each["kind"], each["quantity"], each["source"]) for each in found["terms"] if each["kind"] != "ON_HAND"
        ]
        terms = [each for each in terms if each[0] != "INCOMING"]
        return terms, found["reserved"], found["available"], found["availableToPromise"]

    apart = [("RESERVED", "-4", mine), ("RESERVED", "-3", other)]
    terms, *figures_told = await told()
    assert (sorted(terms), figures_told) == (sorted(apart), ["7", "23", "29"])
    # 23 for everybody, of which 5 are kept away and 12 offered; and its own four.
    assert await told(channel=ours) == (
        [("RESERVED", "-3", other), ("BUFFER", "-5", rule), ("CAP", "-6", rule)],
        *("3", "16", "22"),
    )
    assert await told(channel=theirs) == ([("RESERVED", "-4", mine)], "4", "26", "32")
    assert await told(channel=ours, locations=[far]) == (
        [("RESERVED", "-3", other), ("BUFFER", "-5", rule)],
        *("3", "2", "8"),
    )
    assert await told(channel=ours, locations=[near]) == ([("BUFFER", "-5", rule)], "0", "15", "15")
    # Combined is the sum of the parts, as long as no rule keeps anything away.
    parts = [await asked(api, row, channel=theirs, locations=[place]) for place in (near, far)]
    both = await asked(api, row, channel=theirs, locations=[near, far])
    for name in ("onHand", "allocated", "reserved", "unavailable", "available", "incoming", "availableToPromise"):
        assert Decimal(both[name]) == sum(Decimal(each[name]) for each in parts)
    # The note of a pool is its channel.
    (note,) = [each["note"] for each in (await asked(api, row, channel=ours))["terms"] if each["source"] == other]
    names = (await api.data("{ channels(first: 250) { nodes { id name } } }"))["channels"]["nodes"]
    assert {"id": theirs, "name": note} in names
    # What is told can be had, and no more.
    assert await refused(api, PLACE, by(ours, row, 17)) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    await done(api, PLACE, by(ours, row, 16))
    assert (await told(channel=ours))[2:] == ("6", "12")
    await done(api, PLACE, by(ours, row, 6))
    assert (await told(channel=ours))[2] == "0"
    await invariants_hold(api)


async def test_a_buffer_takes_no_more_than_there_is(api: Api) -> None:
    of, row = await channel(api), await stocked(api, 3)
    rule = (await ruled(api, of, buffer=7, cap=0))["rule"]["id"]
    found = await asked(api, row, channel=of)
    assert [(each["kind"], each["quantity"], each["source"]) for each in found["terms"]][1:] == [("BUFFER", "-3", rule)]
    assert found["available"] == "0"
    assert (await asked(api, await variant(api), channel=of))["terms"] == []


async def test_an_availability_takes_one_statement_and_one_more_for_a_channel(api: Api) -> None:
    place, of = await location(api), await channel(api)
    row = await stocked(api, 9, place=place)
    await pooled(api, of, row, place, 2)
    query = """query Q($variant: ID!, $channel: ID) { availability(variantId: $variant, channelId: $channel) {
      available terms { kind quantity source note } nextChange { on } } }"""

    async def counted(channel: str | None) -> int:
        async with api.counted() as statements:
            await api.data(query, {"variant": row, "channel": channel})
        return number_of(statements)

    await counted(of)
    without, with_one = await counted(None), await counted(of)
    assert with_one == without + 2, "whether there is such a channel, and its rule"
    await ruled(api, of, row, buffer=1, cap=3)
    for _ in range(5):
        await pooled(api, await channel(api), row, place, 1)
    assert (await counted(None), await counted(of)) == (without, with_one)


async def test_variants_tell_what_a_channel_is_offered_of_all_of_them_at_once(api: Api) -> None:
    """The field of a variant says what the query says, and costs as many statements for many variants as for one."""
    place, of, other = await location(api), await channel(api), await channel(api)
    rows = [await stocked(api, 9, place=place) for _ in range(3)]
    for row in rows:
        await pooled(api, of, row, place, 2)
    await pooled(api, other, rows[0], place, 3)
    await ruled(api, of, rows[1], buffer=4)
    query = """query Q($variants: [ID!]!, $channel: ID) { nodes(ids: $variants) { ... on ProductVariant {
      availability(channelId: $channel) { available terms { kind quantity source on note location { id } } } } } }"""

    async def offered(channel: str | None, *variants: str) -> tuple[list[Any], int]:
        async with api.counted() as statements:
            found = (await api.data(query, {"variants": list(variants), "channel": channel}))["nodes"]
        return [each["availability"] for each in found], number_of(statements)

    mine, many_statements = await offered(of, *rows)
    assert [each["available"] for each in mine] == ["6", "5", "9"]
    for row, each in zip(rows, mine, strict=True):
        assert each["terms"] == (await asked(api, row, channel=of))["terms"]
    assert [each["available"] for each in (await offered(None, *rows))[0]] == ["4", "7", "7"]
    _, few_statements = await offered(of, rows[0])
    assert few_statements == many_statements
    for wrong in wrong_ids("chn"):
        assert (await offered(wrong, *rows))[0] == [None, None, None]


# --- races ----------------------------------------------------------------------------------------------------------


async def _sold(api: Api, orders: Sequence[tuple[str | None, str, int]]) -> Counter[str | None]:
    """How much of all that was ordered at once each channel got."""
    payloads = await crowd(act(api, PLACE, by(of, row, many)) for of, row, many in orders)
    codes = {error["code"] for each in payloads for error in each["userErrors"]}
    assert codes <= {"INSUFFICIENT_STOCK"}
    sold: Counter[str | None] = Counter()
    for (of, _, many), payload in zip(orders, payloads, strict=True):
        sold[of] += many * (not payload["userErrors"])
    return sold


async def test_two_hundred_orders_of_two_channels_get_what_is_theirs(fresh_api: Api) -> None:
    api = fresh_api
    place, ours, theirs = await location(api), await channel(api), await channel(api)
    row = await stocked(api, 50, place=place)
    await pooled(api, ours, row, place, 20)
    await pooled(api, theirs, row, place, 15)
    sold = await _sold(api, [((ours, theirs)[n % 2], row, 1) for n in range(200)])
    assert sold.total() == 50
    assert 20 <= sold[ours] <= 35
    assert 15 <= sold[theirs] <= 30
    assert (await held(api, row), await figures(api, row)) == ({ours: "0", theirs: "0"}, ("50", "50", "0", "0"))
    await invariants_hold(api)


async def test_two_hundred_orders_leave_a_channels_buffer_and_the_other_pool(fresh_api: Api) -> None:
    api = fresh_api
    place, ours, theirs = await location(api), await channel(api), await channel(api)
    row = await stocked(api, 60, place=place)
    await pooled(api, ours, row, place, 10)
    await pooled(api, theirs, row, place, 12)
    await ruled(api, ours, row, buffer=8, cap=3)
    sold = await _sold(api, [(ours, row, 1 + n % 2) for n in range(200)])
    # Its pool, and what is there for everybody but eight: an order of two may have found but one.
    assert sold[ours] == 10 + 38 - 8
    assert await held(api, row) == {ours: "0", theirs: "12"}
    assert await figures(api, row) == ("60", "40", "12", "8")
    sold = await _sold(api, [(theirs, row, 1) for _ in range(40)] + [(ours, row, 1) for _ in range(20)])
    assert (sold[theirs], sold[ours]) == (20, 0)
    await invariants_hold(api)


async def test_pools_are_changed_while_hundreds_order(fresh_api: Api) -> None:
    api = fresh_api
    places = [await location(api, priority=n) for n in range(2)]
    of = [await channel(api) for _ in range(3)]
    rows = []
    for _ in range(2):
        row = await stocked(api, 40, place=places[0])
        await done(api, RECEIVE, {"input": receipt(places[1], [(row, 40, "2.00")])})
        rows.append(row)

    async def pool(n: int) -> None:
        given = {"channelId": of[n % 3], "variantId": rows[n % 2], "locationId": places[n // 2 % 2]}
        payload = await act(api, SET_POOL, {"input": {**given, "quantity": n * 7 % 30}})
        assert {each["code"] for each in payload["userErrors"]} <= {"INSUFFICIENT_STOCK"}

    async def order(n: int) -> None:
        lines = [(row, 1 + n % 3) for row in (rows if n % 2 else rows[::-1])]
        payload = await act(api, PLACE, {"input": ordered(lines, channelId=[*of, None][n % 4])})
        assert {each["code"] for each in payload["userErrors"]} <= {"INSUFFICIENT_STOCK"}
        if payload["order"] and n % 5 == 0:
            await done(api, CANCEL, {"id": payload["order"]["id"]})

    await crowd(pool(n) if n % 4 == 3 else order(n) for n in range(160))
    for row in rows:
        pools = (await api.data(POOLS, {"in": [row]}))["stockPools"]["nodes"]
        reserved = [Decimal((await figures(api, row, place))[2]) for place in places]
        assert sum(Decimal(each["held"]) for each in pools) == sum(reserved)
    await invariants_hold(api)


async def test_of_many_that_set_a_rule_at_once_one_is_there_in_the_end(api: Api) -> None:
    of, row = await channel(api), await variant(api)
    inputs = [{"channelId": of, "variantId": row, "buffer": n % 5} for n in range(40)]
    payloads = await crowd(act(api, SET_RULE, {"input": each}) for each in inputs)
    assert [each["userErrors"] for each in payloads] == [[]] * 40
    assert len((await api.data(RULES, {"in": [of]}))["stockChannelRules"]["nodes"]) <= 1
    await invariants_hold(api)


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
