"""Orders as their callers see them: placing, paying, calling off, and finding them again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from domain import business
from domain.business import ChannelKind, NewSalesChannel
from domain.kernel.ids import new_id
from domain.kernel.money import CurrencyCode
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api
from tests.support.shop import (
    CANCEL,
    EFFECTS,
    ERRORS,
    ORDER,
    PAY,
    PLACE,
    RECEIVE,
    RESERVE,
    SHIP,
    act,
    announced,
    dollars,
    done,
    figures,
    forbidden,
    invariants_hold,
    level,
    likeness,
    location,
    moved,
    number_of,
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

DETAILS = f"""query Q($id: ID!) {{ order(by: {{id: $id}}) {{ {ORDER}
  channel {{ id }} placedAt createdAt cancelledAt cancelReason externalIds {{ system id }}
  customer {{ id name }} payments {{ amount {{ amount }} method }}
  shippingAddress {{ name company line1 line2 city region postalCode countryCode phone }}
  lines {{ variant {{ id }} tax {{ amount currency }} }} }} }}"""
CUSTOMER = """mutation C($input: CustomerCreateInput!) {
  customerCreate(input: $input) { customer { id } userErrors { message } } }"""
PRODUCT = """mutation P($input: ProductCreateInput!) {
  productCreate(input: $input) { product { id variants { id } } userErrors { message } } }"""
HARBOR = {"line1": "1 Harbor St", "city": "Boston", "region": "MA", "postalCode": "02110", "countryCode": "US"}


@dataclass(frozen=True)
class Store:
    """What orders may name: a mug at 12.50 and flour at 1.99 a kilogram, in plenty, and all that cannot be sold."""

    here: str
    mug: str
    flour: str
    draft: str
    archived: str
    leftover: str
    unpriced: str
    foreign: str
    """Priced in euros."""
    customer: str
    euros: str
    """A channel that sells in euros."""


async def channel(api: Api, **changes: Any) -> str:
    """The id of a fresh channel."""
    given: dict[str, Any] = {"kind": ChannelKind.PHONE, "currency": CurrencyCode("USD"), "locale": "en-US", **changes}
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        made = await business.open_channel(work, NewSalesChannel(name=new_id("nam"), **given))
    return made.id


async def customer(api: Api, name: str, email: str | None = None) -> str:
    return (await done(api, CUSTOMER, {"input": {"name": name, "email": email}}))["customer"]["id"]


@pytest.fixture(scope="module")
async def store(api: Api) -> Store:
    here = await location(api)
    flour = await variant(api, price="1.99", unit="KG")
    leftover, draft = await variant(api, status="DISCONTINUED"), await variant(api, status="DRAFT")
    archived, unpriced = await variant(api, status="ARCHIVED"), await variant(api, price=None)
    euro = {"name": "Euro", "variants": [{"sku": "EURO-1", "price": {"amount": "9.00", "currency": "EUR"}}]}
    foreign = (await done(api, PRODUCT, {"input": euro}))["product"]["variants"][0]["id"]
    everything = [flour, leftover, draft, archived, unpriced, foreign]
    await done(api, RECEIVE, {"input": receipt(here, [(each, 1000, "1.00") for each in everything])})
    return Store(
        here=here,
        mug=await stocked(api, 10_000, "5.00", price="12.50", place=here),
        flour=flour,
        draft=draft,
        archived=archived,
        leftover=leftover,
        unpriced=unpriced,
        foreign=foreign,
        customer=await customer(api, "Ada Quay", "Ada@Quay.example"),
        euros=await channel(api, currency=CurrencyCode("EUR")),
    )


Given = Callable[[Store], dict[str, Any]]


async def placed(api: Api, *lines: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    """A fresh order."""
    return (await done(api, PLACE, {"input": ordered(lines, **extra)}))["order"]


async def details(api: Api, order: str) -> dict[str, Any]:
    return (await api.data(DETAILS, {"id": order}))["order"]


def payment(amount: str, currency: str = "USD", **extra: Any) -> dict[str, Any]:
    return {"amount": {"amount": amount, "currency": currency}, "method": "CARD", **extra}


async def paid(api: Api, order: str, amount: str) -> dict[str, Any]:
    """The payload of a payment."""
    return await done(api, PAY, {"id": order, "input": payment(amount)})


async def test_an_order_from_end_to_end(api: Api) -> None:
    mug = await stocked(api, 10, "5.00", price="12.50")
    order = (await done(api, PLACE, {"input": ordered([(mug, 3)])}))["order"]
    assert (order["status"], order["total"]["amount"], order["lines"][0]["allocated"]) == ("OPEN", "37.50", "3")
    assert order["availableActions"] == ["SHIP", "RECORD_PAYMENT", "CANCEL"]
    settled = await paid(api, order["id"], "37.50")
    assert (settled["order"]["paymentStatus"], settled["order"]["status"]) == ("PAID", "OPEN")
    shipped = (await done(api, SHIP, {"id": order["id"]}))["order"]
    assert (shipped["fulfillmentStatus"], shipped["status"], shipped["version"]) == ("FULFILLED", "COMPLETED", 3)
    assert shipped["availableActions"] == []
    second = (await done(api, PLACE, {"input": ordered([(mug, 7)])}))["order"]
    errors = (await act(api, PLACE, {"input": ordered([(mug, 1)])}))["userErrors"]
    assert [(each["code"], each["variant"]["id"], each["requested"], each["available"]) for each in errors] == [
        ("INSUFFICIENT_STOCK", mug, "1", "0")
    ]
    cancelled = (await done(api, CANCEL, {"id": second["id"]}))["order"]
    assert (cancelled["status"], cancelled["lines"][0]["allocated"]) == ("CANCELLED", "0")
    await invariants_hold(api)


# --- placing --------------------------------------------------------------------------------------------------------


async def test_an_order_is_placed_by_id_and_by_sku_and_read_back(api: Api, store: Store) -> None:
    made = {"name": "Tea", "variants": [{"sku": "Tea-Green", "name": "Green", "price": dollars("3.10")}]}
    tea = (await done(api, PRODUCT, {"input": made}))["product"]["variants"][0]["id"]
    await done(api, RECEIVE, {"input": receipt(store.here, [(tea, 5, "1")])})
    lines = [{"variantId": store.mug, "quantity": "2.0"}, {"sku": " TEA-green", "quantity": 3}]
    given = {
        "lines": lines,
        "customerId": store.customer,
        "externalId": {"system": "shop", "id": "1001"},
        "shippingAddress": {**HARBOR, "name": " Ada "},
        "currency": "USD",
    }
    payload = await done(api, PLACE, {"input": given})
    order = payload["order"]
    assert [
        (each["name"], each["quantity"], each["unitPrice"]["amount"], each["total"]["amount"], each["shipped"])
        for each in order["lines"]
    ] == [(order["lines"][0]["name"], "2", "12.50", "25.00", "0"), ("Tea, Green", "3", "3.10", "9.30", "0")]
    assert [each["sku"] for each in order["lines"]][1] == "Tea-Green"
    assert (order["subtotal"], order["total"], order["paid"]) == (
        {"amount": "34.30"},
        {"amount": "34.30"},
        {"amount": "0.00"},
    )
    assert (order["status"], order["paymentStatus"], order["fulfillmentStatus"], order["version"]) == (
        "OPEN",
        "UNPAID",
        "UNFULFILLED",
        1,
    )
    assert (moved(payload), posted(payload)) == ([], [])
    events = payload["effects"]["events"]["nodes"]
    assert sorted(each["type"] for each in events) == ["order.placed", "stock.allocated", "stock.allocated"]
    (event,) = [each for each in events if each["type"] == "order.placed"]
    found = await details(api, order["id"])
    assert (event["subject"], event["version"]) == (order["id"], 1)
    assert event["data"] == {
        "channel": found["channel"]["id"],
        "customer": store.customer,
        "total": "34.30",
        "currency": "USD",
    }
    assert (found["customer"], found["email"]) == ({"id": store.customer, "name": "Ada Quay"}, "Ada@Quay.example")
    assert found["shippingAddress"] == dict.fromkeys(found["shippingAddress"]) | HARBOR | {"name": "Ada"}
    assert found["externalIds"] == [{"system": "shop", "id": "1001"}]
    assert found["placedAt"] == found["createdAt"]
    assert (found["payments"], found["cancelledAt"], found["cancelReason"]) == ([], None, None)
    assert [(each["variant"]["id"], each["tax"]) for each in found["lines"]] == [
        (store.mug, {"amount": "0.00", "currency": "USD"}),
        (tea, {"amount": "0.00", "currency": "USD"}),
    ]
    query = """query Q($id: ID!, $number: String!) {
      node(id: $id) { __typename id } byNumber: order(by: {number: $number}) { id }
      byExternal: order(by: {external: {system: "shop", id: "1001"}}) { id }
      unknown: order(by: {external: {system: "other", id: "1001"}}) { id } }"""
    number = order["number"]
    assert number.startswith("SO-")
    for text in (number, number.lower(), f" {number[3:]} "):
        answer = await api.data(query, {"id": order["id"], "number": text})
        assert answer["byNumber"] == answer["byExternal"] == {"id": order["id"]}
        assert (answer["unknown"], answer["node"]) == (None, {"__typename": "Order", "id": order["id"]})
    again = {"input": ordered([(store.mug, 1)], externalId={"system": "shop", "id": "1001"})}
    assert await refused(api, PLACE, again) == [("INVALID", "input.externalId")]


async def test_an_order_keeps_the_words_and_prices_of_its_day(api: Api, store: Store) -> None:
    made = {"name": "Kettle", "variants": [{"sku": "KETTLE", "price": dollars("30.00")}]}
    product = (await done(api, PRODUCT, {"input": made}))["product"]
    kettle = product["variants"][0]["id"]
    await done(api, RECEIVE, {"input": receipt(store.here, [(kettle, 5, "1")])})
    order = await placed(api, (kettle, 1), shippingAddress=HARBOR)
    changes = {"name": "Boiler", "updateVariants": [{"id": kettle, "sku": "BOILER", "price": dollars("99.00")}]}
    update = """mutation U($id: ID!, $input: ProductUpdateInput!) {
      productUpdate(id: $id, input: $input) { product { name } userErrors { message } } }"""
    await done(api, update, {"id": product["id"], "input": changes})
    (line,) = (await details(api, order["id"]))["lines"]
    assert (line["sku"], line["name"], line["unitPrice"]["amount"]) == ("KETTLE", "Kettle", "30.00")


@pytest.mark.parametrize("text", ["", "SO-", "SO-0", "SO-" + "9" * 18, "9" * 40, "SO-²", "XX-100001", "🦆"])
async def test_no_order_has_such_a_number(api: Api, text: str) -> None:
    query = "query Q($text: String!) { order(by: {number: $text}) { id } }"
    assert await api.data(query, {"text": text}) == {"order": None}


@pytest.mark.parametrize("wrong", wrong_ids("ord"))
async def test_an_unknown_order_is_null_in_a_query_and_not_found_in_a_mutation(api: Api, wrong: str) -> None:
    assert await api.data("query Q($id: ID!) { order(by: {id: $id}) { id } node(id: $id) { id } }", {"id": wrong}) == {
        "order": None,
        "node": None,
    }
    assert await refused(api, CANCEL, {"id": wrong}) == [("NOT_FOUND", "id")]
    assert await refused(api, PAY, {"id": wrong, "input": payment("1.00")}) == [("NOT_FOUND", "orderId")]
    assert await refused(api, SHIP, {"id": wrong}) == [("NOT_FOUND", "id")]


@pytest.mark.parametrize(
    ("lines", "shipping", "amounts"),
    [
        ([("mug", 3, None, None)], "4.99", ("37.50", "0.00", "4.99", "42.49")),
        ([("mug", 3, "0.333333", None)], None, ("1.00", "0.00", "0.00", "1.00")),  # 0.999999
        ([("mug", 1, "0.005", None)], None, ("0.01", "0.00", "0.00", "0.01")),  # half a cent goes up
        ([("mug", 1, "0.004999", None)], None, ("0.00", "0.00", "0.00", "0.00")),
        ([("flour", "0.125", None, None)], None, ("0.25", "0.00", "0.00", "0.25")),  # 0.24875
        ([("flour", "0.125", None, "0.05"), ("flour", "0.125", None, None)], None, ("0.50", "0.05", "0.00", "0.45")),
        ([("mug", 2, None, "25.00")], "5", ("25.00", "25.00", "5.00", "5.00")),
        ([("mug", 2, "0", None)], "0", ("0.00", "0.00", "0.00", "0.00")),
        ([("unpriced", 2, "7.25", "0.50"), ("leftover", 1, None, None)], None, ("24.50", "0.50", "0.00", "24.00")),
        ([("foreign", 1, "8.00", None)], None, ("8.00", "0.00", "0.00", "8.00")),
    ],
)
async def test_a_line_is_rounded_once_and_the_order_is_the_sum(
    api: Api,
    store: Store,
    lines: list[tuple[str, Any, str | None, str | None]],
    shipping: str | None,
    amounts: tuple[str, str, str, str],
) -> None:
    given = [
        {
            "variantId": getattr(store, name),
            "quantity": quantity,
            "unitPrice": price and dollars(price),
            "discount": discount and dollars(discount),
        }
        for name, quantity, price, discount in lines
    ]
    order = (await done(api, PLACE, {"input": {"lines": given, "shipping": shipping and dollars(shipping)}}))["order"]
    assert tuple(order[each]["amount"] for each in ("subtotal", "discount", "shipping", "total")) == amounts
    assert order["tax"]["amount"] == "0.00"
    for name in ("subtotal", "discount"):
        assert sum(Decimal(each[name]["amount"]) for each in order["lines"]) == Decimal(order[name]["amount"])
    assert order["paymentStatus"] == ("PAID" if amounts[3] == "0.00" else "UNPAID")
    assert ("RECORD_PAYMENT" in order["availableActions"]) is (amounts[3] != "0.00")


async def test_a_unit_price_keeps_its_six_decimals(api: Api, store: Store) -> None:
    line = {"variantId": store.mug, "quantity": 1000, "unitPrice": dollars("0.012345")}
    order = (await done(api, PLACE, {"input": {"lines": [line]}}))["order"]
    assert (order["lines"][0]["unitPrice"]["amount"], order["total"]["amount"]) == ("0.012345", "12.35")  # 12.345


async def test_an_order_has_up_to_500_lines(api: Api, store: Store) -> None:
    given = {"input": ordered([(store.mug, 1)] * 500), "dryRun": True}
    order = (await done(api, PLACE, given))["order"]
    assert (len(order["lines"]), order["total"]["amount"]) == (500, "6250.00")


def priced(row: str, **changes: Any) -> dict[str, Any]:
    """An order of two, with a change of its line."""
    return {"lines": [{"variantId": row, "quantity": 2, **changes}]}


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        (lambda s: {"lines": []}, "INVALID", "lines"),
        (lambda s: ordered([(s.mug, 1)] * 501), "INVALID", "lines"),
        (lambda s: {"lines": [{"quantity": 1}]}, "INVALID", "lines.0"),
        (lambda s: priced(s.mug, sku="KETTLE"), "INVALID", "lines.0"),
        (lambda s: {"lines": [{"sku": "no such", "quantity": 1}]}, "NOT_FOUND", "lines.0.sku"),
        (lambda s: {"lines": [{"sku": "", "quantity": 1}]}, "NOT_FOUND", "lines.0.sku"),
        (lambda s: priced(s.mug, quantity=0), "INVALID", "lines.0.quantity"),
        (lambda s: priced(s.mug, quantity="-1"), "INVALID", "lines.0.quantity"),
        (lambda s: priced(s.mug, quantity="0.5"), "INVALID", "lines.0.quantity"),
        (lambda s: priced(s.flour, quantity="0.0005"), "INVALID", "lines.0.quantity"),
        (lambda s: priced(s.mug, unitPrice=euros("1")), "INVALID", "lines.0.unitPrice.currency"),
        (lambda s: priced(s.mug, unitPrice=dollars("-0.01")), "INVALID", "lines.0.unitPrice.amount"),
        (lambda s: priced(s.mug, discount=euros("1")), "INVALID", "lines.0.discount.currency"),
        (lambda s: priced(s.mug, discount=dollars("-1")), "INVALID", "lines.0.discount.amount"),
        (lambda s: priced(s.mug, discount=dollars("0.001")), "INVALID", "lines.0.discount.amount"),
        (lambda s: priced(s.mug, discount=dollars("25.01")), "INVALID", "lines.0.discount.amount"),
        (lambda s: priced(s.mug) | {"shipping": euros("1")}, "INVALID", "shipping.currency"),
        (lambda s: priced(s.mug) | {"shipping": dollars("-1")}, "INVALID", "shipping.amount"),
        (lambda s: priced(s.mug) | {"shipping": dollars("1.001")}, "INVALID", "shipping.amount"),
        (lambda s: priced(s.unpriced), "NO_PRICE", "lines.0"),
        (lambda s: priced(s.foreign), "NO_PRICE", "lines.0"),
        (lambda s: priced(s.draft), "NOT_ALLOWED_NOW", "lines.0.variantId"),
        (lambda s: priced(s.archived), "NOT_ALLOWED_NOW", "lines.0.variantId"),
        (lambda s: priced(s.mug) | {"currency": "EUR"}, "INVALID", "currency"),
        (lambda s: priced(s.mug) | {"channelId": s.euros}, "INVALID", "currency"),
        (lambda s: priced(s.mug) | {"email": "nobody"}, "INVALID", "email"),
        (lambda s: priced(s.mug) | {"email": ""}, "INVALID", "email"),
        (lambda s: priced(s.mug) | {"shippingAddress": {**HARBOR, "line1": " "}}, "INVALID", "shippingAddress.line1"),
        (
            lambda s: priced(s.mug) | {"shippingAddress": {**HARBOR, "city": "x" * 256}},
            "INVALID",
            "shippingAddress.city",
        ),
        (lambda s: priced(s.mug) | {"externalId": {"system": "", "id": "1"}}, "INVALID", "externalId.system"),
        (lambda s: priced(s.mug) | {"externalId": {"system": "shop", "id": ""}}, "INVALID", "externalId.id"),
        (lambda s: priced(s.mug, quantity=10_001), "INSUFFICIENT_STOCK", "lines.0.quantity"),
    ],
)
async def test_a_refused_order_leaves_nothing(api: Api, store: Store, given: Given, code: str, path: str) -> None:
    assert await refused(api, PLACE, {"input": given(store)}) == [(code, f"input.{path}")]


@pytest.mark.parametrize(
    ("name", "prefix"), [("customerId", "cus"), ("channelId", "chn"), ("locationId", "loc"), ("reservationId", "rsv")]
)
async def test_whatever_an_order_names_exists(api: Api, store: Store, name: str, prefix: str) -> None:
    for each in wrong_ids(prefix)[name == "reservationId" :]:
        variables = {"input": ordered([(store.mug, 1)], **{name: each})}
        assert await refused(api, PLACE, variables) == [("NOT_FOUND", f"input.{name}")]


async def test_a_variant_that_an_order_names_exists(api: Api) -> None:
    for each in wrong_ids("var"):
        variables = {"input": ordered([(each, 1)])}
        assert await refused(api, PLACE, variables) == [("NOT_FOUND", "input.lines.0.variantId")]


async def test_all_offences_of_an_order_are_named_at_once(api: Api, store: Store) -> None:
    lines = [(store.draft, 1), (store.mug, 0), (store.mug, 1), (store.flour, "0.0001"), ("var_x", 1)]
    assert await refused(api, PLACE, {"input": ordered(lines)}) == [
        ("NOT_ALLOWED_NOW", "input.lines.0.variantId"),
        ("INVALID", "input.lines.1.quantity"),
        ("INVALID", "input.lines.3.quantity"),
        ("NOT_FOUND", "input.lines.4.variantId"),
    ]
    prices = [(store.unpriced, 1), (store.mug, 1), (store.foreign, 1)]
    assert await refused(api, PLACE, {"input": ordered(prices)}) == [
        ("NO_PRICE", "input.lines.0"),
        ("NO_PRICE", "input.lines.2"),
    ]


async def test_an_order_is_served_in_full_or_not_at_all(api: Api, store: Store) -> None:
    few, none = await stocked(api, 3, place=store.here), await variant(api)
    before = await state(api)
    payload = await act(api, PLACE, {"input": ordered([(few, 2), (store.mug, 1), (few, 2), (none, 1)])})
    assert [
        (each["code"], each["path"][2], each["variant"]["id"], each["requested"], each["available"])
        for each in payload["userErrors"]
    ] == [("INSUFFICIENT_STOCK", "2", few, "4", "3"), ("INSUFFICIENT_STOCK", "3", none, "1", "0")]
    assert await state(api) == before


@pytest.mark.parametrize("amount", ["1.0000001", "1234567890123456789", "1,5", ""])
async def test_what_is_no_amount_is_a_fault_in_the_request(api: Api, store: Store, amount: Any) -> None:
    before = await state(api)
    given = priced(store.mug, unitPrice={"amount": amount, "currency": "USD"})
    answer = await api.post(PLACE, {"input": given})
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["BAD_REQUEST"]
    assert await state(api) == before


@pytest.mark.parametrize(
    "change",
    [
        {"unitPrice": dollars("12.50")},  # even where it is the price anyway
        {"discount": dollars("0.00")},
        {"shipping": dollars("0.00")},
        {"unitPrice": dollars("99")},
    ],
)
async def test_prices_are_said_by_those_who_may(api: Api, store: Store, change: dict[str, Any]) -> None:
    given = priced(store.mug) | change if "shipping" in change else priced(store.mug, **change)
    await forbidden(api, PLACE, {"input": given}, ["prices:override"])


async def test_an_order_without_prices_of_its_own_needs_no_override(api: Api, store: Store) -> None:
    document = """mutation P($input: OrderPlaceInput!) {
      orderPlace(input: $input) { order { total { amount } } userErrors { code } } }"""
    given = priced(store.mug, unitPrice=None, discount=None) | {"shipping": None}
    payload = await done(api, document, {"input": given}, scopes=["orders:write"])
    assert payload["order"]["total"]["amount"] == "25.00"


# --- where it is taken from -----------------------------------------------------------------------------------------


async def test_an_order_takes_from_one_place_if_it_can_and_from_the_named_one_alone(api: Api) -> None:
    near, far, road = [
        await location(api, priority=n, kind=kind) for n, kind in ((1, "STORE"), (2, "STORE"), (0, "TRANSIT"))
    ]
    row = await variant(api)
    for place, quantity in ((road, 9), (far, 5), (near, 3)):
        await done(api, RECEIVE, {"input": receipt(place, [(row, quantity, "1")])})

    async def taken(*lines: int, **extra: Any) -> dict[str, str]:
        payload = await done(api, PLACE, {"input": ordered([(row, each) for each in lines], **extra), "dryRun": True})
        events = [each["data"] for each in payload["effects"]["events"]["nodes"] if each["type"] == "stock.allocated"]
        return {"near" if each["location"] == near else "far": each["allocated"] for each in events}

    assert await taken(3) == {"near": "3"}
    assert await taken(4) == {"far": "4"}
    assert await taken(3, 1) == {"near": "3", "far": "1"}
    assert await taken(6) == {"near": "3", "far": "3"}
    assert await taken(1, locationId=far) == {"far": "1"}
    for quantity, place in ((4, near), (6, far), (9, None)):
        variables = {"input": ordered([(row, quantity)], locationId=place)}
        assert await refused(api, PLACE, variables) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]


async def test_a_hold_becomes_an_order_and_what_is_left_of_it_is_free(api: Api, store: Store) -> None:
    row, other = await stocked(api, 5, place=store.here), await stocked(api, 5, place=store.here)
    held = (await done(api, RESERVE, {"input": ordered([(row, 4), (other, 2)])}))["reservation"]["id"]
    assert await refused(api, PLACE, {"input": ordered([(row, 2)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    payload = await done(api, PLACE, {"input": ordered([(row, 3)], reservationId=held)})
    levels = [each["data"] for each in payload["effects"]["events"]["nodes"] if each["type"].startswith("stock.")]
    assert {each["variant"]: (each["allocated"], each["reserved"]) for each in levels} == {
        row: ("3", "0"),
        other: ("0", "0"),
    }
    assert (await figures(api, row), await figures(api, other)) == (("5", "3", "0", "2"), ("5", "0", "0", "5"))
    query = "query Q($id: ID!) { node(id: $id) { ... on StockReservation { status lines { held } } } }"
    found = (await api.data(query, {"id": held}))["node"]
    assert found == {"status": "CONSUMED", "lines": [{"held": "0"}, {"held": "0"}]}
    again = {"input": ordered([(row, 1)], reservationId=held)}
    assert await refused(api, PLACE, again) == [("NOT_ALLOWED_NOW", "input.reservationId")]


async def test_a_refused_order_leaves_its_hold(api: Api, store: Store) -> None:
    row = await stocked(api, 5, place=store.here)
    held = (await done(api, RESERVE, {"input": ordered([(row, 4)])}))["reservation"]["id"]
    variables = {"input": ordered([(row, 6)], reservationId=held)}
    assert await refused(api, PLACE, variables) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
    assert (await placed(api, (row, 5), reservationId=held))["lines"][0]["allocated"] == "5"


async def test_of_two_orders_that_bring_the_same_hold_one_gets_it(api: Api, store: Store) -> None:
    row = await stocked(api, 4, place=store.here)
    held = (await done(api, RESERVE, {"input": ordered([(row, 4)])}))["reservation"]["id"]
    tries = [{"input": ordered([(row, 2)], reservationId=held)}] * 6
    payloads = await asyncio.gather(*(act(api, PLACE, each) for each in tries))
    codes = [each["userErrors"][0]["code"] for each in payloads if each["userErrors"]]
    assert codes == ["NOT_ALLOWED_NOW"] * 5
    assert await figures(api, row) == ("4", "2", "0", "2")


async def test_of_40_parallel_orders_for_15_exactly_15_are_placed(api: Api, store: Store) -> None:
    row, other = await stocked(api, 15, place=store.here), await stocked(api, 100, place=store.here)
    # Half name the variants in the other order, and none waits for ever.
    tries = [ordered([(row, 1), (other, 1)][:: -1 if n % 2 else 1]) for n in range(40)]
    payloads = await asyncio.gather(*(act(api, PLACE, {"input": each}) for each in tries))
    codes = [each["userErrors"][0]["code"] for each in payloads if each["userErrors"]]
    assert codes == ["INSUFFICIENT_STOCK"] * 25
    assert (await figures(api, row), await figures(api, other)) == (("15", "15", "0", "0"), ("100", "15", "0", "85"))
    assert len({each["order"]["number"] for each in payloads if each["order"]}) == 15


# --- calling off ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["CUSTOMER", "INVENTORY", "DECLINED", "FRAUD", "STAFF", "OTHER"])
async def test_a_cancelled_order_gives_its_stock_back(api: Api, store: Store, reason: str) -> None:
    row = await stocked(api, 5, place=store.here)
    order = await placed(api, (row, 2), (row, 1))
    payload = await done(api, CANCEL, {"id": order["id"], "reason": reason})
    assert payload["order"] == order | {
        "status": "CANCELLED",
        "version": 2,
        "availableActions": [],
        "lines": [each | {"allocated": "0"} for each in order["lines"]],
    }
    assert sorted(announced(payload)) == [("order.cancelled", 2), ("stock.released", 3)]
    (event,) = [each for each in payload["effects"]["events"]["nodes"] if each["type"] == "order.cancelled"]
    assert (event["subject"], event["data"]) == (order["id"], {"reason": reason})
    assert (moved(payload), posted(payload), await figures(api, row)) == ([], [], ("5", "0", "0", "5"))
    found = await details(api, order["id"])
    assert (found["cancelReason"], found["cancelledAt"] is not None) == (reason, True)
    assert await refused(api, CANCEL, {"id": order["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    assert await refused(api, SHIP, {"id": order["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    assert await refused(api, PAY, {"id": order["id"], "input": payment("1.00")}) == [("NOT_ALLOWED_NOW", "orderId")]


async def test_what_was_paid_for_a_cancelled_order_stays_until_it_is_refunded(api: Api, store: Store) -> None:
    order = await placed(api, (store.mug, 1))
    await paid(api, order["id"], "12.50")
    payload = await done(api, CANCEL, {"id": order["id"]})
    assert (payload["order"]["paymentStatus"], payload["order"]["paid"]["amount"]) == ("PAID", "12.50")
    assert posted(payload) == []


async def test_what_has_left_cannot_be_called_off(api: Api, store: Store) -> None:
    begun = await placed(api, (store.mug, 2))
    line = {"orderLineId": begun["lines"][0]["id"], "quantity": 1}
    await done(api, SHIP, {"id": begun["id"], "input": {"lines": [line]}})
    assert await refused(api, CANCEL, {"id": begun["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    complete = await placed(api, (store.mug, 1))
    await done(api, SHIP, {"id": complete["id"]})
    assert await refused(api, CANCEL, {"id": complete["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    await paid(api, complete["id"], "12.50")
    assert await refused(api, CANCEL, {"id": complete["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    assert await refused(api, SHIP, {"id": complete["id"]}) == [("NOT_ALLOWED_NOW", "id")]


async def test_of_ten_who_cancel_and_ship_at_once_one_has_its_way(api: Api, store: Store) -> None:
    row = await stocked(api, 3, place=store.here)
    order = (await placed(api, (row, 3)))["id"]
    payloads = await asyncio.gather(*(act(api, CANCEL if n % 2 else SHIP, {"id": order}) for n in range(10)))
    assert sum(not each["userErrors"] for each in payloads) == 1
    assert {each["userErrors"][0]["code"] for each in payloads if each["userErrors"]} <= {
        "NOT_ALLOWED_NOW",
        "NOTHING_TO_SHIP",
    }
    found = await details(api, order)
    assert found["version"] == 2
    assert await figures(api, row) == (("3", "0", "0", "3") if found["status"] == "CANCELLED" else ("0", "0", "0", "0"))


# --- money ----------------------------------------------------------------------------------------------------------


async def test_money_arrives_in_parts_exactly_and_beyond(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 2)))["id"]
    given = {"amount": dollars("10.00"), "method": "BANK_TRANSFER", "reference": " TX 9 "}
    payload = await done(api, PAY, {"id": order, "input": given})
    made = payload["payment"]
    assert (made["method"], made["reference"], made["amount"], made["order"]) == (
        "BANK_TRANSFER",
        "TX 9",
        {"amount": "10.00"},
        {"id": order},
    )
    assert posted(payload) == [[("1050", "10.00"), ("2100", "-10.00")]]
    assert payload["effects"]["journalEntries"]["nodes"][0]["source"] == made["id"]
    events = {each["type"]: each for each in payload["effects"]["events"]["nodes"]}
    said = events["payment.recorded"]["data"]
    assert (said["document"], Decimal(said["amount"]), said["currency"]) == (order, 10, "USD")
    said = events["order.paid"]["data"]
    assert (said["payments"], Decimal(said["paid"]), said["payment_status"]) == ([made["id"]], 10, "PARTIALLY_PAID")
    assert sorted(announced(payload)) == [("journal_entry.posted", 1), ("order.paid", 2), ("payment.recorded", 1)]
    steps = [payload["order"]]
    steps += [(await paid(api, order, amount))["order"] for amount in ("15.00", "0.01")]
    assert [(each["paymentStatus"], each["paid"]["amount"], each["version"]) for each in steps] == [
        ("PARTIALLY_PAID", "10.00", 2),
        ("PAID", "25.00", 3),
        ("OVERPAID", "25.01", 4),
    ]
    assert ["RECORD_PAYMENT" in each["availableActions"] for each in steps] == [True, False, False]
    shipped = (await done(api, SHIP, {"id": order}))["order"]
    assert (shipped["status"], shipped["paymentStatus"]) == ("COMPLETED", "OVERPAID")
    late = (await paid(api, order, "1.00"))["order"]
    assert (late["status"], late["paymentStatus"], late["paid"]["amount"]) == ("COMPLETED", "OVERPAID", "26.01")
    found = await details(api, order)
    assert [each["amount"]["amount"] for each in found["payments"]] == ["10.00", "15.00", "0.01", "1.00"]


async def test_what_is_fulfilled_completes_with_its_last_payment(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 2)))["id"]
    shipped = (await done(api, SHIP, {"id": order}))["order"]
    assert (shipped["status"], shipped["availableActions"]) == ("OPEN", ["RECORD_PAYMENT"])
    steps = [(await paid(api, order, each))["order"] for each in ("24.99", "0.01")]
    assert [(each["status"], each["paymentStatus"]) for each in steps] == [
        ("OPEN", "PARTIALLY_PAID"),
        ("COMPLETED", "PAID"),
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (payment("0"), "amount.amount"),
        (payment("-1.00"), "amount.amount"),
        (payment("0.001"), "amount.amount"),
        (payment("1.00", "EUR"), "amount.currency"),
        (payment("1.00", reference=""), "reference"),
        (payment("1.00", reference="x" * 256), "reference"),
    ],
)
async def test_a_refused_payment_leaves_nothing(api: Api, store: Store, given: dict[str, Any], path: str) -> None:
    order = (await placed(api, (store.mug, 1)))["id"]
    assert await refused(api, PAY, {"id": order, "input": given}) == [("INVALID", f"input.{path}")]


async def test_20_parallel_payments_all_count(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 2)))["id"]
    await asyncio.gather(*(paid(api, order, "1.25") for _ in range(20)))
    found = await details(api, order)
    assert (found["paid"]["amount"], found["paymentStatus"], found["version"]) == ("25.00", "PAID", 21)


# --- dry runs, keys, scopes -----------------------------------------------------------------------------------------


DRY_CANCEL = f"""mutation C($id: ID!, $dryRun: Boolean! = false) {{
  orderCancel(id: $id, reason: STAFF, dryRun: $dryRun) {{ order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"""
DRY_PAY = f"""mutation Y($id: ID!, $input: PaymentRecordInput!, $dryRun: Boolean! = false) {{
  paymentRecord(orderId: $id, input: $input, dryRun: $dryRun) {{
    payment {{ method amount {{ amount }} }} order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"""


async def test_a_dry_run_answers_like_the_act_and_leaves_nothing(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 2)))["id"]
    given = ordered([(store.mug, 2), (store.flour, "1.5")], customerId=store.customer, shippingAddress=HARBOR)
    for mutation, variables in (
        (PLACE, {"input": given}),
        (DRY_PAY, {"id": order, "input": payment("5.00")}),
        (DRY_CANCEL, {"id": order}),
    ):
        before = await state(api)
        dry = await done(api, mutation, {**variables, "dryRun": True})
        assert await state(api) == before
        assert likeness(dry) == likeness(await done(api, mutation, variables))
        assert await state(api) != before


async def test_an_order_that_is_sent_20_times_at_once_is_placed_once(api: Api, store: Store) -> None:
    row = await stocked(api, 30, place=store.here)
    order = (await sent_at_once(api, PLACE, {"input": ordered([(row, 2)])}))["order"]
    assert await figures(api, row) == ("30", "2", "0", "28")
    payload = await sent_at_once(api, PAY, {"id": order["id"], "input": payment("20.00")})
    assert (payload["order"]["paid"]["amount"], payload["order"]["version"]) == ("20.00", 2)
    assert len((await details(api, order["id"]))["payments"]) == 1


async def test_of_20_orders_at_once_with_one_external_id_one_is_placed(api: Api, store: Store) -> None:
    row = await stocked(api, 30, place=store.here)
    given = {"input": ordered([(row, 1)], externalId={"system": "shop", "id": "twin"})}
    payloads = await asyncio.gather(*(act(api, PLACE, given) for _ in range(20)))
    refusals = [[(e["code"], e["path"]) for e in each["userErrors"]] for each in payloads if each["userErrors"]]
    assert refusals == [[("INVALID", ["input", "externalId"])]] * 19
    assert await figures(api, row) == ("30", "1", "0", "29")


async def test_orders_and_payments_are_made_by_those_who_may(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 1)))["id"]
    await forbidden(api, PLACE, {"input": ordered([(store.mug, 1)])}, ["orders:write"])
    await forbidden(api, CANCEL, {"id": order}, ["orders:write"])
    await forbidden(api, PAY, {"id": order, "input": payment("1.00")}, ["payments:write"])


@pytest.mark.parametrize(
    ("selection", "lacking"),
    [
        ("orders { totalCount }", ["orders:read", "orders:write"]),
        ("order(by: {id: $id}) { id }", ["orders:read", "orders:write"]),
        ("node(id: $id) { id }", ["orders:read", "orders:write"]),
        ("order(by: {id: $id}) { customer { id } }", ["customers:read", "customers:write"]),
        ("order(by: {id: $id}) { shippingAddress { city } }", ["customers:read", "customers:write"]),
        ("order(by: {id: $id}) { lines { variant { sku } } }", ["products:read", "products:write"]),
        ("order(by: {id: $id}) { payments { id } }", ["payments:read", "payments:write"]),
        ("payments { totalCount }", ["payments:read", "payments:write"]),
        ("payments { nodes { order { id } } }", ["orders:read", "orders:write"]),
        ("customers { nodes { orders { totalCount } } }", ["orders:read", "orders:write"]),
    ],
)
async def test_orders_and_what_hangs_on_them_are_read_by_those_who_may(
    api: Api, store: Store, selection: str, lacking: list[str]
) -> None:
    order = (await placed(api, (store.mug, 1), customerId=store.customer, shippingAddress=HARBOR))["id"]
    head, given = ("query Q($id: ID!)", {"id": order}) if "$id" in selection else ("", {})
    await forbidden(api, f"{head} {{ {selection} }}", given, lacking)
    assert "errors" not in await api.post(f"{head} {{ {selection} }}", given)


async def test_who_may_read_orders_alone_reads_the_whole_order(api: Api, store: Store) -> None:
    order = (await placed(api, (store.mug, 2)))["id"]
    document = "query Q($id: ID!) { order(by: {id: $id}) { total { amount } lines { quantity allocated shipped } } }"
    found = (await api.data(document, {"id": order}, scopes=["orders:read"]))["order"]
    assert found == {"total": {"amount": "25.00"}, "lines": [{"quantity": "2", "allocated": "2", "shipped": "0"}]}


# --- lists ----------------------------------------------------------------------------------------------------------

LIST = """query List($first: Int, $after: String, $filter: OrderFilter, $search: String, $sort: [OrderSort!]) {
  orders(first: $first, after: $after, filter: $filter, search: $search, sort: $sort) {
    nodes { id number placedAt } totalCount pageInfo { endCursor hasNextPage } } }"""


async def test_orders_are_listed_sorted_filtered_and_searched(fresh_api: Api) -> None:
    api = fresh_api
    place = await location(api)
    mug, tea = await stocked(api, 50, place=place), await stocked(api, 50, place=place)
    ada = await customer(api, "Ada Quay", "ada@quay.example")
    bo = await customer(api, "Bo Äste")
    phone = await channel(api)
    made = [
        await placed(api, (mug, 1), customerId=ada),
        await placed(api, (tea, 1), (mug, 1), customerId=bo, email="Bo@Elsewhere.example"),
        await placed(api, (tea, 2), channelId=phone),
        await placed(api, (mug, 2), customerId=ada, email="Desk@Quay.example"),
        await placed(api, (tea, 1), email="desk2@quay.example"),
    ]
    ids = [each["id"] for each in made]
    await paid(api, ids[0], "10.00")
    await done(api, SHIP, {"id": ids[0]})  # completed
    await paid(api, ids[1], "1.00")
    await done(api, CANCEL, {"id": ids[2]})
    await done(
        api, SHIP, {"id": ids[3], "input": {"lines": [{"orderLineId": made[3]["lines"][0]["id"], "quantity": 1}]}}
    )
    await paid(api, ids[4], "11.00")

    async def numbers(**arguments: Any) -> list[int]:
        found = (await api.data(LIST, arguments))["orders"]
        assert found["totalCount"] == len(found["nodes"]) or "first" in arguments
        return [ids.index(each["id"]) for each in found["nodes"]]

    assert await numbers() == [0, 1, 2, 3, 4]
    assert await numbers(sort=["PLACED_AT_DESC"]) == await numbers(sort=["NUMBER_DESC"]) == [4, 3, 2, 1, 0]
    page = (await api.data(LIST, {"first": 2, "sort": ["NUMBER_ASC"]}))["orders"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (5, True)
    assert await numbers(first=2, after=page["pageInfo"]["endCursor"], sort=["NUMBER_ASC"]) == [2, 3]

    for given, expected in (
        ({"status": {"in": ["OPEN"]}}, [1, 3, 4]),
        ({"status": {"notIn": ["OPEN", "CANCELLED"]}}, [0]),
        ({"paymentStatus": {"in": ["UNPAID"]}}, [2, 3]),
        ({"paymentStatus": {"in": ["PARTIALLY_PAID", "OVERPAID"]}}, [1, 4]),
        ({"fulfillmentStatus": {"in": ["PARTIALLY_FULFILLED"]}}, [3]),
        ({"fulfillmentStatus": {"notIn": ["UNFULFILLED"]}}, [0, 3]),
        ({"customerId": {"in": [ada]}}, [0, 3]),
        ({"customerId": {"in": [ada, bo]}, "variantId": {"in": [tea]}}, [1]),
        ({"channelId": {"in": [phone]}}, [2]),
        ({"variantId": {"in": [tea]}}, [1, 2, 4]),
        ({"variantId": {"in": ["var_x", ids[0]]}}, []),
        ({"email": {"eq": "ADA@quay.example"}}, [0]),
        ({"email": {"startsWith": "DESK"}}, [3, 4]),
        ({"email": {"in": ["desk@quay.example", "bo@ELSEWHERE.example"]}}, [1, 3]),
        ({"placedAt": {"after": page["nodes"][1]["placedAt"]}}, [2, 3, 4]),
        ({"placedAt": {"before": page["nodes"][1]["placedAt"]}}, [0]),
        ({"id": {"in": ids[1:3]}}, [1, 2]),
        ({"any": [{"status": {"in": ["CANCELLED"]}}, {"email": {"startsWith": "desk2"}}]}, [2, 4]),
    ):
        assert await numbers(filter=given) == expected, given

    for text, expected in (
        (made[2]["number"], [2]),
        (made[2]["number"][3:], [2]),
        ("desk", [3, 4]),
        ("ADA", [0, 3]),  # by the customer's name, and by the start of an email
        ("äste bo", [1]),
        ("quay ada", [0, 3]),
        ("bo@", [1]),
        ("nobody", []),
        ("%", []),
    ):
        assert await numbers(search=text) == expected, text
    assert await numbers(search="desk", filter={"variantId": {"in": [mug]}}) == [3]

    query = """query Q($id: ID!) { customer(by: {id: $id}) {
      orders(sort: [PLACED_AT_DESC]) { nodes { id } totalCount } } }"""
    found = (await api.data(query, {"id": ada}))["customer"]["orders"]
    assert found == {"nodes": [{"id": ids[3]}, {"id": ids[0]}], "totalCount": 2}
    await invariants_hold(api)


async def test_payments_are_listed_sorted_and_filtered(fresh_api: Api) -> None:
    api = fresh_api
    mug = await stocked(api, 50)
    first, second = (await placed(api, (mug, 1)))["id"], (await placed(api, (mug, 1)))["id"]
    for order, amount in ((first, "1.00"), (second, "2.00"), (first, "3.00")):
        await paid(api, order, amount)
    query = """query Q($filter: PaymentFilter, $sort: [PaymentSort!]) { payments(filter: $filter, sort: $sort) {
      nodes { id amount { amount } document receivedAt recordedAt order { id } } totalCount } }"""

    async def listed(**arguments: Any) -> list[dict[str, Any]]:
        return (await api.data(query, arguments))["payments"]["nodes"]

    async def amounts(**arguments: Any) -> list[str]:
        return [each["amount"]["amount"] for each in await listed(**arguments)]

    found = await listed()
    assert [(each["document"], each["order"]["id"]) for each in found] == [
        (each, each) for each in (first, second, first)
    ]
    assert all(each["receivedAt"] == each["recordedAt"] for each in found)
    assert await amounts(sort=["RECEIVED_AT_DESC"]) == ["3.00", "2.00", "1.00"]
    assert await amounts(filter={"document": {"eq": first}}) == ["1.00", "3.00"]
    assert await amounts(filter={"document": {"in": [second, "ord_x"]}}) == ["2.00"]
    assert await amounts(filter={"id": {"in": [found[2]["id"]]}}) == ["3.00"]
    assert await amounts(filter={"receivedAt": {"after": found[0]["receivedAt"]}}) == ["2.00", "3.00"]
    node = "query Q($id: ID!) { node(id: $id) { ... on Payment { amount { amount currency } method } } }"
    assert (await api.data(node, {"id": found[0]["id"]}))["node"] == {"amount": dollars("1.00"), "method": "CARD"}


async def test_a_list_of_orders_costs_the_same_statements_at_10_and_at_100_rows(fresh_api: Api) -> None:
    api = fresh_api
    rows = await asyncio.gather(*(stocked(api, 500, price="2.00") for _ in range(5)))
    people = await asyncio.gather(*(customer(api, f"Buyer {n}") for n in range(5)))
    query = """{ orders(first: 100) { nodes {
      number total { amount } customer { name } payments { amount { amount } } shipments(first: 5) { nodes { number } }
      lines { quantity variant { sku } total { amount } allocated } } } }"""

    async def make(numbers: range) -> None:
        await asyncio.gather(
            *(placed(api, (rows[n % 5], 2), (rows[(n + 1) % 5], 1), customerId=people[n % 5]) for n in numbers)
        )

    async def measured() -> tuple[int, int]:
        async with api.counted() as statements:
            nodes = (await api.data(query))["orders"]["nodes"]
        for each in nodes:
            assert each["customer"]["name"].startswith("Buyer")
            assert [(line["total"]["amount"], line["allocated"]) for line in each["lines"]] == [
                ("4.00", "2"),
                ("2.00", "1"),
            ]
        return len(nodes), number_of(statements)

    await make(range(10))
    await measured()  # a process asks about some things once
    few, few_statements = await measured()
    await make(range(10, 100))
    many, many_statements = await measured()
    assert (few, many) == (10, 100)
    assert few_statements == many_statements


# --- known to be wrong ----------------------------------------------------------------------------------------------


async def test_an_empty_reservation_id_names_nothing(api: Api, store: Store) -> None:
    variables = {"input": ordered([(store.mug, 1)], reservationId=""), "dryRun": True}
    payload = await act(api, PLACE, variables)
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [
        ("NOT_FOUND", ["input", "reservationId"])
    ]


async def test_nothing_is_sold_on_the_road_even_where_it_is_named(api: Api) -> None:
    road = await location(api, kind="TRANSIT")
    row = await stocked(api, 5, place=road)
    payload = await act(api, PLACE, {"input": ordered([(row, 1)], locationId=road), "dryRun": True})
    assert payload["order"] is None


async def test_the_stock_of_a_hold_is_used_first(api: Api) -> None:
    near, far, row = await location(api, priority=1), await location(api, priority=2), await variant(api)
    await done(api, RECEIVE, {"input": receipt(near, [(row, 3, "1")])})
    held = (await done(api, RESERVE, {"input": ordered([(row, 3)])}))["reservation"]["id"]
    await done(api, RECEIVE, {"input": receipt(far, [(row, 10, "1")])})
    await placed(api, (row, 5), reservationId=held)
    assert ((await level(api, row, near))["allocated"], (await level(api, row, far))["allocated"]) == ("3", "2")


@pytest.mark.parametrize("sku", ["ΣΑΣ", "İznik"])
async def test_an_order_finds_a_sku_wherever_the_catalog_does(api: Api, store: Store, sku: str) -> None:
    made = {"name": "Far", "variants": [{"sku": sku, "price": dollars("1.00")}]}
    row = (await done(api, PRODUCT, {"input": made}))["product"]["variants"][0]["id"]
    await done(api, RECEIVE, {"input": receipt(store.here, [(row, 5, "1")])})
    found = await api.data("query Q($sku: String!) { variant(by: {sku: $sku}) { id } }", {"sku": sku})
    assert found["variant"] == {"id": row}
    payload = await act(api, PLACE, {"input": {"lines": [{"sku": sku, "quantity": 1}]}})
    assert payload["userErrors"] == []


async def test_a_line_is_of_the_variant_it_names_even_where_a_sku_reads_like_an_id(api: Api, store: Store) -> None:
    twin = {"name": "Twin", "variants": [{"sku": store.mug, "price": dollars("77.00")}]}
    row = (await done(api, PRODUCT, {"input": twin}))["product"]["variants"][0]["id"]
    await done(api, RECEIVE, {"input": receipt(store.here, [(row, 5, "1")])})
    lines = [{"variantId": store.mug, "quantity": 1}, {"sku": store.mug, "quantity": 1}]
    order = (await done(api, PLACE, {"input": {"lines": lines}, "dryRun": True}))["order"]
    assert [each["unitPrice"]["amount"] for each in order["lines"]] == ["12.50", "77.00"]


async def test_an_order_that_does_not_fit_is_refused(api: Api, store: Store) -> None:
    given = priced(store.mug, quantity=10_000, unitPrice=dollars("999999999999"))
    answer = await api.post(PLACE, {"input": given})
    assert "INTERNAL" not in str(answer)


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
