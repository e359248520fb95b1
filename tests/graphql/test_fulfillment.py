"""Shipping as its callers see it: what leaves, what it costs, what it earns, and how the books tell it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from api.housekeeping import Housekeeping
from domain import business
from domain.business import ChannelKind, NewSalesChannel
from domain.kernel.ids import new_id
from domain.kernel.money import CurrencyCode
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    CANCEL,
    PAY,
    PLACE,
    RECEIVE,
    SHIP,
    act,
    announced,
    dollars,
    done,
    figures,
    forbidden,
    invariants_hold,
    level,
    location,
    moved,
    ordered,
    posted,
    receipt,
    refused,
    sent_at_once,
    state,
    stocked,
    variant,
    wrong_ids,
)


@dataclass(frozen=True)
class Two:
    """Two places, the first of which allocation takes first."""

    near: str
    far: str


@pytest.fixture(scope="module")
async def two(api: Api) -> Two:
    return Two(await location(api, priority=1), await location(api, priority=2))


async def placed(api: Api, *lines: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    """A fresh order."""
    return (await done(api, PLACE, {"input": ordered(lines, **extra)}))["order"]


async def ship(api: Api, order: dict[str, Any], *quantities: Any, **extra: Any) -> dict[str, Any]:
    """The payload of a shipment: of all that is allocated, or of so many of each line."""
    lines = [
        {"orderLineId": line["id"], "quantity": quantity}
        for line, quantity in zip(order["lines"], quantities, strict=False)
        if quantity
    ]
    given = extra | ({"lines": lines} if quantities else {})
    return await done(api, SHIP, {"id": order["id"], "input": given or None})


async def received(api: Api, place: str, *lines: tuple[str, Any, str]) -> None:
    await done(api, RECEIVE, {"input": receipt(place, lines)})


def revenues(payload: dict[str, Any]) -> list[str]:
    return [each["revenue"]["amount"] for each in payload["shipments"]]


# --- what leaves ----------------------------------------------------------------------------------------------------


async def test_all_that_is_allocated_leaves_with_its_cost_and_its_revenue(api: Api, two: Two) -> None:
    mug, tea = await stocked(api, 10, "5.00", price="12.50", place=two.near), await variant(api, price="3.00")
    await received(api, two.near, (tea, 4, "1.25"))
    order = await placed(api, (mug, 2), (tea, 3))
    payload = await ship(api, order, tracking=" 1Z 999 ")
    (parcel,) = payload["shipments"]
    assert (parcel["tracking"], parcel["location"]["id"], parcel["revenue"]["amount"]) == ("1Z 999", two.near, "34.00")
    assert parcel["number"].startswith("SH-")
    assert {each["orderLine"]["id"]: (each["quantity"], each["revenue"]["amount"]) for each in parcel["lines"]} == {
        order["lines"][0]["id"]: ("2", "25.00"),
        order["lines"][1]["id"]: ("3", "9.00"),
    }
    assert sorted(moved(payload)) == [("-2", "-10.00"), ("-3", "-3.75")]
    moves = payload["effects"]["stockMovements"]["nodes"]
    assert {(each["kind"], each["source"], each["reason"]) for each in moves} == {("SHIPMENT", order["id"], None)}
    assert posted(payload) == [[("5010", "13.75"), ("1200", "-13.75"), ("1150", "34.00"), ("4010", "-34.00")]]
    assert payload["effects"]["journalEntries"]["nodes"][0]["source"] == order["id"]
    assert sorted(announced(payload)) == [
        ("journal_entry.posted", 1),
        ("order.shipped", 2),
        ("stock.shipped", 3),
        ("stock.shipped", 3),
    ]
    (event,) = [each for each in payload["effects"]["events"]["nodes"] if each["type"] == "order.shipped"]
    assert (event["subject"], event["data"]) == (
        order["id"],
        {"shipments": [parcel["id"]], "fulfillment_status": "FULFILLED"},
    )
    assert payload["order"] == order | {
        "fulfillmentStatus": "FULFILLED",
        "version": 2,
        "availableActions": ["RECORD_PAYMENT"],
        "lines": [each | {"allocated": "0", "shipped": each["quantity"]} for each in order["lines"]],
    }
    assert await figures(api, mug) == ("8", "0", "0", "8")
    assert (await level(api, mug))["value"]["amount"] == "40.00"
    assert await refused(api, SHIP, {"id": order["id"]}) == [("NOTHING_TO_SHIP", "id")]
    query = """query Q($id: ID!, $order: ID!) {
      node(id: $id) { ... on Shipment { number order { id } shippedAt recordedAt } }
      order(by: {id: $order}) { shipments { nodes { id } totalCount } } }"""
    found = await api.data(query, {"id": parcel["id"], "order": order["id"]})
    assert found["order"]["shipments"] == {"nodes": [{"id": parcel["id"]}], "totalCount": 1}
    assert (found["node"]["number"], found["node"]["order"]["id"]) == (parcel["number"], order["id"])
    assert found["node"]["shippedAt"] == found["node"]["recordedAt"]


async def test_an_order_leaves_line_by_line_and_the_rest_later(api: Api, two: Two) -> None:
    mug, tea = [await stocked(api, 10, "1.00", place=two.near) for _ in range(2)]
    order = await placed(api, (mug, 3), (tea, 2))
    first = await ship(api, order, 1, 2)
    assert [each["shipped"] for each in first["order"]["lines"]] == ["1", "2"]
    assert [each["allocated"] for each in first["order"]["lines"]] == ["2", "0"]
    assert first["order"]["fulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert first["order"]["availableActions"] == ["SHIP", "RECORD_PAYMENT"]
    second = await ship(api, order)
    assert [each["shipped"] for each in second["order"]["lines"]] == ["3", "2"]
    assert (second["order"]["fulfillmentStatus"], second["order"]["version"]) == ("FULFILLED", 3)
    assert (revenues(first), revenues(second)) == (["30.00"], ["20.00"])
    assert first["shipments"][0]["number"] < second["shipments"][0]["number"]


async def test_an_order_that_is_split_leaves_each_place_by_itself(api: Api, two: Two) -> None:
    row = await variant(api, price="10.00")
    await received(api, two.near, (row, 2, "1.00"))
    await received(api, two.far, (row, 3, "4.00"))
    order = await placed(api, (row, 5))
    before = await state(api)
    everything = await done(api, SHIP, {"id": order["id"], "dryRun": True})
    assert {each["location"]["id"]: each["revenue"]["amount"] for each in everything["shipments"]} == {
        two.near: "20.00",
        two.far: "30.00",
    }
    assert sorted(posted(everything)) == [
        [("5010", "12.00"), ("1200", "-12.00"), ("1150", "30.00"), ("4010", "-30.00")],
        [("5010", "2.00"), ("1200", "-2.00"), ("1150", "20.00"), ("4010", "-20.00")],
    ]
    assert sorted(announced(everything)) == [
        ("journal_entry.posted", 1),
        ("journal_entry.posted", 1),
        ("order.shipped", 2),
        ("stock.shipped", 3),
        ("stock.shipped", 3),
    ]
    assert await state(api) == before
    far = await ship(api, order, locationId=two.far)
    assert (revenues(far), far["order"]["lines"][0]["shipped"]) == (["30.00"], "3")
    assert await refused(api, SHIP, {"id": order["id"], "input": {"locationId": two.far}}) == [
        ("NOTHING_TO_SHIP", "id")
    ]
    one = await ship(api, order, 1, locationId=two.near)
    assert (revenues(one), await figures(api, row, two.near)) == (["10.00"], ("1", "1", "0", "0"))
    assert (await ship(api, order))["order"]["fulfillmentStatus"] == "FULFILLED"


async def test_a_part_of_a_split_line_is_taken_from_its_places_in_turn(api: Api, two: Two) -> None:
    row = await variant(api)
    await received(api, two.near, (row, 2, "1.00"))
    await received(api, two.far, (row, 3, "1.00"))
    order = await placed(api, (row, 5))
    payload = await ship(api, order, 3)
    quantities = [(each["location"]["id"], each["lines"][0]["quantity"]) for each in payload["shipments"]]
    assert sorted(quantity for _, quantity in quantities) == ["1", "2"]
    assert payload["order"]["lines"][0]["allocated"] == "2"


@dataclass(frozen=True)
class Order:
    id: str
    line: str
    foreign: str
    """A line of another order."""


@pytest.fixture(scope="module")
async def three_mugs(api: Api, two: Two) -> Order:
    """An order of three, all allocated at `near`."""
    row = await stocked(api, 10, place=two.near)
    order, other = await placed(api, (row, 3)), await placed(api, (row, 1))
    return Order(order["id"], order["lines"][0]["id"], other["lines"][0]["id"])


@pytest.mark.parametrize(
    ("lines", "code", "path"),
    [
        ([("line", 0)], "INVALID", "0.quantity"),
        ([("line", "-1")], "INVALID", "0.quantity"),
        ([("line", 4)], "INVALID", "0.quantity"),
        ([("line", "999999999")], "INVALID", "0.quantity"),
        ([("line", 1), ("line", 1)], "INVALID", "1.orderLineId"),
        ([("foreign", 1)], "NOT_FOUND", "0.orderLineId"),
        ([("", 1)], "NOT_FOUND", "0.orderLineId"),
        ([("oln_" + "0" * 32, 1)], "NOT_FOUND", "0.orderLineId"),
        ([("id", 1)], "NOT_FOUND", "0.orderLineId"),
    ],
)
async def test_a_refused_shipment_leaves_everything(
    api: Api, three_mugs: Order, lines: list[tuple[str, Any]], code: str, path: str
) -> None:
    given = [{"orderLineId": getattr(three_mugs, name, name), "quantity": quantity} for name, quantity in lines]
    variables = {"id": three_mugs.id, "input": {"lines": given}}
    assert await refused(api, SHIP, variables) == [(code, f"input.lines.{path}")]


async def test_all_offences_of_a_shipment_are_named_at_once(api: Api, three_mugs: Order) -> None:
    lines = [(three_mugs.foreign, 1), (three_mugs.line, 4), (three_mugs.line, 1)]
    given = {"lines": [{"orderLineId": row, "quantity": quantity} for row, quantity in lines]}
    assert await refused(api, SHIP, {"id": three_mugs.id, "input": given}) == [
        ("NOT_FOUND", "input.lines.0.orderLineId"),
        ("INVALID", "input.lines.1.quantity"),
        ("INVALID", "input.lines.2.orderLineId"),
    ]


@pytest.mark.parametrize("tracking", ["", " ", "x" * 256, "two\nlines"])
async def test_a_tracking_number_is_a_line_of_text(api: Api, three_mugs: Order, tracking: str) -> None:
    variables = {"id": three_mugs.id, "input": {"tracking": tracking}}
    assert await refused(api, SHIP, variables) == [("INVALID", "input.tracking")]


async def test_a_line_is_not_allocated_where_it_is_not(api: Api, two: Two, three_mugs: Order) -> None:
    line = {"orderLineId": three_mugs.line, "quantity": 1}
    variables = {"id": three_mugs.id, "input": {"lines": [line], "locationId": two.far}}
    assert await refused(api, SHIP, variables) == [("INVALID", "input.lines.0.quantity")]


async def test_of_20_who_ship_the_same_at_once_one_does(api: Api, two: Two) -> None:
    row = await stocked(api, 5, place=two.near)
    order = await placed(api, (row, 3))
    payloads = await asyncio.gather(*(act(api, SHIP, {"id": order["id"]}) for _ in range(20)))
    codes = [each["userErrors"][0]["code"] for each in payloads if each["userErrors"]]
    assert codes == ["NOTHING_TO_SHIP"] * 19
    assert await figures(api, row) == ("2", "0", "0", "2")


async def test_a_shipment_that_is_sent_20_times_at_once_leaves_once(api: Api, two: Two) -> None:
    row = await stocked(api, 5, place=two.near)
    order = await placed(api, (row, 4))
    given = {"lines": [{"orderLineId": order["lines"][0]["id"], "quantity": 2}]}
    payload = await sent_at_once(api, SHIP, {"id": order["id"], "input": given})
    assert (moved(payload), payload["order"]["version"]) == ([("-2", "-8.00")], 2)
    assert await figures(api, row) == ("3", "2", "0", "1")


async def test_a_dry_shipment_answers_like_the_act_and_leaves_everything(api: Api, two: Two) -> None:
    row = await stocked(api, 5, place=two.near)
    order = await placed(api, (row, 4))
    before = await state(api)
    dry = await done(api, SHIP, {"id": order["id"], "dryRun": True})
    assert await state(api) == before
    real = await ship(api, order)
    assert dry["order"] == real["order"]
    assert (moved(dry), posted(dry), announced(dry)) == (moved(real), posted(real), announced(real))
    assert (revenues(dry), dry["shipments"][0]["lines"]) == (revenues(real), real["shipments"][0]["lines"])


# --- channels that ship only what is paid ---------------------------------------------------------------------------


async def test_a_channel_may_demand_payment_first(api: Api, two: Two) -> None:
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        made = await business.open_channel(
            work,
            NewSalesChannel(
                name=new_id("nam"),
                kind=ChannelKind.PHONE,
                currency=CurrencyCode("USD"),
                locale="en-US",
                requires_payment=True,
            ),
        )
    row = await stocked(api, 10, place=two.near)
    order = await placed(api, (row, 2), channelId=made.id)
    for amount in ("19.99", "0.01"):
        assert await refused(api, SHIP, {"id": order["id"]}) == [("PAYMENT_REQUIRED", "id")]
        await done(api, PAY, {"id": order["id"], "input": {"amount": dollars(amount), "method": "CASH"}})
    assert (await ship(api, order))["order"]["status"] == "COMPLETED"
    free = {"lines": [{"variantId": row, "quantity": 1, "unitPrice": dollars("0")}], "channelId": made.id}
    gift = (await done(api, PLACE, {"input": free}))["order"]
    assert (await ship(api, gift))["order"]["status"] == "COMPLETED"  # nothing is to be paid


# --- what it costs --------------------------------------------------------------------------------------------------


async def test_the_oldest_goods_leave_first_and_each_layer_says_what_it_gave(api: Api, two: Two) -> None:
    row = await variant(api)
    for quantity, cost in ((2, "1.00"), (3, "2.00"), (5, "3.00")):
        await received(api, two.near, (row, quantity, cost))
    first = await ship(api, await placed(api, (row, 4)))
    assert moved(first) == [("-2", "-2.00"), ("-2", "-4.00")]
    second = await ship(api, await placed(api, (row, 4)))
    assert moved(second) == [("-1", "-2.00"), ("-3", "-9.00")]
    assert (await level(api, row))["value"]["amount"] == "6.00"


async def test_two_lines_of_one_variant_draw_one_after_the_other(api: Api, two: Two) -> None:
    row = await stocked(api, 3, "1.00", place=two.near)
    await received(api, two.near, (row, 3, "2.00"))
    payload = await ship(api, await placed(api, (row, 2), (row, 2)))
    assert moved(payload) == [("-2", "-2.00"), ("-1", "-1.00"), ("-1", "-2.00")]
    assert posted(payload)[0][0] == ("5010", "5.00")


async def test_the_last_unit_costs_the_cents_that_are_left(api: Api, two: Two) -> None:
    row = await stocked(api, 7, "1.428571", place=two.near)  # 10.00 in all
    order = await placed(api, (row, 7))
    costs = [moved(await ship(api, order, 1))[0][1] for _ in range(7)]
    # What all that has left costs grows by tenths of sevenths: 1.43, 2.86, 4.29, 5.71, 7.14, 8.57, 10.00.
    assert costs == ["-1.43", "-1.43", "-1.43", "-1.42", "-1.43", "-1.43", "-1.43"]
    assert (await level(api, row))["value"]["amount"] == "0.00"


async def test_each_place_has_cost_layers_of_its_own(api: Api, two: Two) -> None:
    row = await variant(api)
    await received(api, two.far, (row, 5, "9.00"))
    await received(api, two.near, (row, 5, "1.00"))
    assert moved(await ship(api, await placed(api, (row, 1)))) == [("-1", "-1.00")]


async def test_goods_that_were_free_earn_revenue_without_cost(api: Api, two: Two) -> None:
    row = await stocked(api, 2, "0", price="3.00", place=two.near)
    payload = await ship(api, await placed(api, (row, 1)))
    assert (moved(payload), posted(payload)) == ([("-1", "0.00")], [[("1150", "3.00"), ("4010", "-3.00")]])


async def test_goods_that_are_given_away_cost_what_they_cost(api: Api, two: Two) -> None:
    row = await stocked(api, 2, "4.00", place=two.near)
    free = {"lines": [{"variantId": row, "quantity": 1, "unitPrice": dollars("0")}]}
    payload = await ship(api, (await done(api, PLACE, {"input": free}))["order"])
    assert posted(payload) == [[("5010", "4.00"), ("1200", "-4.00")]]
    assert (revenues(payload), payload["order"]["status"]) == (["0.00"], "COMPLETED")


async def test_free_goods_that_are_given_away_post_nothing(api: Api, two: Two) -> None:
    row = await stocked(api, 2, "0", price="0.00", place=two.near)
    payload = await ship(api, await placed(api, (row, 1)))
    assert (moved(payload), posted(payload)) == ([("-1", "0.00")], [])
    assert sorted(announced(payload)) == [("order.shipped", 2), ("stock.shipped", 3)]


# --- what it earns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "parts", "expected"),
    [
        (3, "3.333333", None, [1, 1, 1], ["3.33", "3.34", "3.33"]),  # 10.00: 3.333, 6.667, 10.00
        (3, "0.333333", None, [1, 2], ["0.33", "0.67"]),  # 1.00
        (7, "10.00", "0.01", [2, 2, 2, 1], ["20.00", "19.99", "20.00", "10.00"]),  # 69.99: 19.997, 39.994, 59.991
        (6, "0.003333", None, [1] * 6, ["0.00", "0.01", "0.00", "0.00", "0.01", "0.00"]),  # 0.02: .0033, .0067, .01, …
    ],
)
async def test_the_revenue_of_parts_sums_to_the_line_to_the_cent(
    api: Api, two: Two, quantity: int, price: str, discount: str | None, parts: list[int], expected: list[str]
) -> None:
    row = await stocked(api, 10, "1.00", place=two.near)
    line = {
        "variantId": row,
        "quantity": quantity,
        "unitPrice": dollars(price),
        "discount": discount and dollars(discount),
    }
    order = (await done(api, PLACE, {"input": {"lines": [line]}}))["order"]
    earned = [revenues(await ship(api, order, part))[0] for part in parts]
    assert earned == expected


async def test_delivery_is_earned_with_the_first_parcel(api: Api, two: Two) -> None:
    orders = []
    for _ in range(2):
        row = await variant(api, price="10.00")
        await received(api, two.near, (row, 2, "1.00"))
        await received(api, two.far, (row, 3, "1.00"))
        orders.append(await placed(api, (row, 5), shipping=dollars("4.90")))
    apart, together = orders
    first = await ship(api, apart, 1, locationId=two.far)
    assert revenues(first) == ["14.90"]
    assert first["shipments"][0]["lines"][0]["revenue"]["amount"] == "10.00"
    assert posted(first) == [[("5010", "1.00"), ("1200", "-1.00"), ("1150", "14.90"), ("4010", "-14.90")]]
    assert revenues(await ship(api, apart)) == ["20.00", "20.00"]
    assert sorted(revenues(await ship(api, together))) in (["20.00", "34.90"], ["24.90", "30.00"])


# --- stock that was promised and is not there -----------------------------------------------------------------------


async def test_what_is_left_ships_and_the_rest_when_it_comes(api: Api, two: Two) -> None:
    row = await stocked(api, 4, "2.00", place=two.near)
    order = await placed(api, (row, 4))
    loss = {"locationId": two.near, "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    line = {"orderLineId": order["lines"][0]["id"], "quantity": 2}
    assert await refused(api, SHIP, {"id": order["id"], "input": {"lines": [line]}}) == [
        ("INVALID", "input.lines.0.quantity")
    ]
    first = await ship(api, order)
    assert (moved(first), first["order"]["fulfillmentStatus"]) == ([("-1", "-2.00")], "PARTIALLY_FULFILLED")
    assert await refused(api, SHIP, {"id": order["id"]}) == [("NOTHING_TO_SHIP", "id")]
    await received(api, two.far, (row, 5, "3.00"))
    assert await figures(api, row, two.far) == ("5", "3", "0", "2")
    rest = await ship(api, order)
    assert (moved(rest), rest["order"]["fulfillmentStatus"]) == ([("-3", "-9.00")], "FULFILLED")
    assert revenues(first) + revenues(rest) == ["10.00", "30.00"]


async def test_an_order_of_which_nothing_is_left_waits_or_is_called_off(api: Api, two: Two) -> None:
    row = await stocked(api, 2, place=two.near)
    order = await placed(api, (row, 2))
    loss = {"locationId": two.near, "reason": "THEFT", "lines": [{"variantId": row, "delta": -2}]}
    await done(api, ADJUST, {"input": loss})
    assert await refused(api, SHIP, {"id": order["id"]}) == [("NOTHING_TO_SHIP", "id")]
    assert (await done(api, CANCEL, {"id": order["id"], "reason": "INVENTORY"}))["order"]["status"] == "CANCELLED"
    await received(api, two.near, (row, 2, "1.00"))
    assert await figures(api, row) == ("2", "0", "0", "2")  # it waits no more


# --- the journal's order --------------------------------------------------------------------------------------------

POSITIONS = "{ journalEntries(first: 250) { nodes { id position lines { account { code } } } } }"


async def test_the_journal_has_an_order_without_gaps_once_it_is_sealed(fresh_api: Api) -> None:
    api = fresh_api
    place = await location(api)
    row = await stocked(api, 50, "2.00", place=place)

    async def positions() -> list[int | None]:
        return [each["position"] for each in (await api.data(POSITIONS))["journalEntries"]["nodes"]]

    async def seal() -> None:
        await Housekeeping(api.services.database, seconds=0, wake=lambda: None).tidy()

    assert await positions() == [None]
    await seal()
    orders = await asyncio.gather(*(placed(api, (row, 1)) for _ in range(12)))
    await asyncio.gather(*(ship(api, each) for each in orders), *(seal() for _ in range(4)))
    assert await refused(api, SHIP, {"id": orders[0]["id"]}) == [("NOTHING_TO_SHIP", "id")]  # a try takes no place
    await asyncio.gather(*(seal() for _ in range(4)))
    found = await positions()
    assert sorted(each for each in found if each is not None) == list(range(1, 14))
    assert found[0] == 1
    await seal()
    assert await positions() == found
    await invariants_hold(api)


# --- who may ship, and see what was shipped -------------------------------------------------------------------------


async def test_shipping_needs_its_scope(api: Api, three_mugs: Order) -> None:
    await forbidden(api, SHIP, {"id": three_mugs.id}, ["orders:write"])


@pytest.mark.parametrize(
    ("selection", "lacking"),
    [
        ("shipments { totalCount }", ["orders:read", "orders:write"]),
        ("shipments { nodes { location { name } } }", ["stock:read", "stock:write"]),
    ],
)
async def test_shipments_are_read_by_those_who_may(api: Api, selection: str, lacking: list[str]) -> None:
    await forbidden(api, f"{{ {selection} }}", {}, lacking)
    document = "{ shipments { nodes { number revenue { amount } lines { quantity orderLine { sku } } } } }"
    assert "errors" not in await api.post(document, scopes=["orders:read"])


async def test_shipments_are_listed_sorted_and_filtered(fresh_api: Api) -> None:
    api = fresh_api
    row = await stocked(api, 50)
    shipped = [await ship(api, await placed(api, (row, 1))) for _ in range(3)]
    numbers = [each["shipments"][0]["number"] for each in shipped]
    query = """query Q($first: Int, $after: String, $filter: ShipmentFilter, $sort: [ShipmentSort!]) {
      shipments(first: $first, after: $after, filter: $filter, sort: $sort) {
        nodes { id number shippedAt } totalCount pageInfo { endCursor } } }"""

    async def listed(**arguments: Any) -> list[str]:
        return [each["number"] for each in (await api.data(query, arguments))["shipments"]["nodes"]]

    assert await listed() == numbers
    assert await listed(sort=["NUMBER_DESC"]) == await listed(sort=["SHIPPED_AT_DESC"]) == numbers[::-1]
    page = (await api.data(query, {"first": 1}))["shipments"]
    assert (page["totalCount"], await listed(after=page["pageInfo"]["endCursor"])) == (3, numbers[1:])
    (first,) = page["nodes"]
    assert await listed(filter={"id": {"in": [first["id"], "shp_x"]}}) == numbers[:1]
    assert await listed(filter={"shippedAt": {"after": first["shippedAt"]}}) == numbers[1:]
    node = "query Q($id: ID!) { node(id: $id) { __typename id } }"
    assert (await api.data(node, {"id": first["id"]}))["node"] == {"__typename": "Shipment", "id": first["id"]}


# --- known to be wrong ----------------------------------------------------------------------------------------------


async def test_goods_that_are_counted_in_pieces_leave_in_pieces(api: Api, three_mugs: Order) -> None:
    line = {"orderLineId": three_mugs.line, "quantity": "0.5"}
    payload = await act(api, SHIP, {"id": three_mugs.id, "input": {"lines": [line]}, "dryRun": True})
    assert [each["code"] for each in payload["userErrors"]] == ["INVALID"]


async def test_the_place_that_goods_leave_from_exists(api: Api, three_mugs: Order) -> None:
    for each in wrong_ids("loc"):
        variables = {"id": three_mugs.id, "input": {"locationId": each}}
        assert await refused(api, SHIP, variables) == [("NOT_FOUND", "input.locationId")]


async def test_a_shipment_that_names_lines_names_at_least_one(api: Api, three_mugs: Order) -> None:
    assert await refused(api, SHIP, {"id": three_mugs.id, "input": {"lines": []}}) == [("INVALID", "input.lines")]


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
