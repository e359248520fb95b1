"""A shop in which every list has something, every state occurs and most of what may be null is null somewhere."""

import asyncio
import itertools
from typing import Any

from api import demo
from tests.support import books, shelves, transfers
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    CANCEL,
    CHANNEL_RULE,
    COUNT_RECORD,
    COUNT_START,
    EXPECT,
    PAY,
    PLACE,
    POLICY,
    POOL,
    RECEIVE,
    RELEASE,
    RESERVE,
    SETTLE,
    SHIP,
    a_few_of_everything,
    count,
    default_channel,
    differing,
    dollars,
    done,
    location,
    numbered,
    ordered,
    receipt,
    revalued,
    sealed,
)

_PRODUCT = """mutation P($input: ProductCreateInput!) {
  productCreate(input: $input) { product { id variants { id } } userErrors { message } } }"""
_CUSTOMER = """mutation C($input: CustomerCreateInput!) {
  customerCreate(input: $input) { customer { id } userErrors { message } } }"""
_LOCATION = """mutation L($input: LocationCreateInput!) {
  locationCreate(input: $input) { location { id } userErrors { message } } }"""
_POST = """mutation J($input: JournalEntryPostInput!) {
  journalEntryPost(input: $input) { journalEntry { id on } userErrors { message } } }"""
_CLOSE = """mutation Close($on: Date!) {
  fiscalYearClose(startsOn: $on) { fiscalYear { id } userErrors { message } } }"""
_REVERSE = """mutation R($id: ID!, $on: Date) {
  journalEntryReverse(id: $id, on: $on) { journalEntry { id } userErrors { message } } }"""
_REPLENISH = """mutation R($input: StockReplenishmentSetInput!) {
  stockReplenishmentSet(input: $input) { level { id } userErrors { message } } }"""
_OPEN = """mutation O($input: OpeningBalancesPostInput!) {
  openingBalancesPost(input: $input) { journalEntry { id } userErrors { message } } }"""
_numbers = itertools.count(1)


async def fill(api: Api) -> None:
    """The demo shop, a few of everything, and what neither of them has."""
    await demo.seed(api.services.database)
    cart = await _hold_that_ends_at_once(api)
    await a_few_of_everything(api)
    variants = await _products(api)
    people = await _people(api)
    near, far = await _places(api)
    for place, cost in ((near, "3.10"), (far, "2.005"), (near, "4")):
        goods = [(row, 12 if n % 2 else "7.5", cost) for n, row in enumerate(variants)]
        external = {"system": "wms", "id": f"R{next(_numbers)}"}
        await done(api, RECEIVE, {"input": receipt(place, goods, externalId=external)})
    await _orders(api, variants, people, near)
    await _holds(api, variants, far)
    await _waiting(api)
    await _shared(api, variants, near)
    await transfers.one_of_each(api)
    await _counts(api)
    await shelves.some_of_each(api)
    await _books(api)
    await books.recurring_of_each_kind(api)
    await books.budgets_of_each_kind(api)
    await cart


async def _hold_that_ends_at_once(api: Api) -> "asyncio.Future[None]":
    """A hold that is expired as soon as what is returned is done."""
    row = (await api.data('{ variant(by: {sku: "MAP"}) { id } }'))["variant"]["id"]
    given = {"lines": [{"variantId": row, "quantity": 1}], "expiresInSeconds": 1, "reference": "cart 0"}
    await done(api, RESERVE, {"input": given})
    return asyncio.ensure_future(asyncio.sleep(1.5))


async def _products(api: Api) -> list[str]:
    """Two on sale in pieces and kilograms; and one of each other state, without whatever can be left out."""
    loose = {
        "name": "Loose tea",
        "description": "By weight.",
        "externalId": {"system": "shopify", "id": "tea"},
        "variants": [
            {"sku": f"TEA-{n}", "name": name, "price": price, "unit": "KG", "barcode": barcode}
            for n, (name, price, barcode) in enumerate(
                (
                    ("Green", {"amount": "31.40", "currency": "USD"}, None),
                    ("Black", {"amount": "0.02", "currency": "USD"}, "4006381333931"),
                    ("Röyal 🦆", {"amount": "2900", "currency": "JPY"}, None),
                    ("Sample", None, None),
                )
            )
        ],
    }
    tea = (await done(api, _PRODUCT, {"input": loose}))["product"]
    chair = {"name": "Chair", "variants": [{"sku": "chair", "price": dollars("89.99")}]}
    seat = (await done(api, _PRODUCT, {"input": chair}))["product"]
    for status in ("DRAFT", "DISCONTINUED", "ARCHIVED"):
        odd = {"name": f"Odd {status.lower()}", "status": status, "variants": [{"sku": f"ODD-{status}"}]}
        await done(api, _PRODUCT, {"input": odd})
    return [tea["variants"][1]["id"], seat["variants"][0]["id"], tea["variants"][0]["id"]]


async def _people(api: Api) -> list[str]:
    """Customers with no, one and three addresses."""
    here = {"line1": "1 Quay", "countryCode": "DE"}
    there = {
        "line1": "2 Quay",
        "line2": "back door",
        "countryCode": "FR",
        "name": "Zoë",
        "company": "Quay & Co",
        "city": "Brest",
        "region": "BRE",
        "postalCode": "29200",
        "phone": "+33 2",
    }
    wanted = (
        {"name": "Nobody Inparticular"},
        {"name": "Zoë Ångström", "email": "Zoe@Example.com", "phone": "1", "addresses": [here, there, here]},
        {"name": "the firm", "email": "firm@example.com", "addresses": [there]},
    )
    made = []
    for each in wanted:
        external = {"system": "crm", "id": f"C{next(_numbers)}"}
        made.append((await done(api, _CUSTOMER, {"input": {**each, "externalId": external}}))["customer"]["id"])
    return made


async def _places(api: Api) -> tuple[str, str]:
    near = await location(api, priority=1, kind="STORE")
    given = {"name": "Far away", "kind": "THIRD_PARTY", "priority": 900, "externalId": {"system": "wms", "id": "FAR"}}
    far = (await done(api, _LOCATION, {"input": given}))["location"]["id"]
    await location(api, kind="TRANSIT")
    return near, far


async def _orders(api: Api, variants: list[str], people: list[str], near: str) -> None:
    """Orders that are shipped in parts, paid in parts, too much or not at all, given away, called off, or nobody's."""
    tea, seat, green = variants
    address = {"line1": "9 Pier", "countryCode": "NL", "city": "Delft"}
    split = ordered([(seat, 20), (tea, "1.25")], customerId=people[1], shippingAddress=address)
    order = (await done(api, PLACE, {"input": split}))["order"]
    await done(api, PAY, {"id": order["id"], "input": {"amount": dollars("5.00"), "method": "CASH"}})
    part = {"lines": [{"orderLineId": order["lines"][0]["id"], "quantity": 3}], "locationId": near, "tracking": "1Z 9"}
    await done(api, SHIP, {"id": order["id"], "input": part})
    rest = {"lines": [{"orderLineId": order["lines"][0]["id"], "quantity": 15}]}
    await done(api, SHIP, {"id": order["id"], "input": rest})

    nobodys = (await done(api, PLACE, {"input": ordered([(tea, 2)])}))["order"]
    paid = {"amount": dollars("50.00"), "method": "GIFT_CARD", "reference": "G-1"}
    await done(api, PAY, {"id": nobodys["id"], "input": paid})
    await done(api, PAY, {"id": nobodys["id"], "input": paid | {"reference": None}})

    gift = [{"variantId": seat, "quantity": 1, "unitPrice": dollars("80"), "discount": dollars("8.00")}]
    extra = {"shipping": dollars("4.90"), "email": "Gift@Example.com", "externalId": {"system": "amazon", "id": "A-1"}}
    await done(api, PLACE, {"input": {"lines": gift, "customerId": people[2], **extra}})
    off = (await done(api, PLACE, {"input": ordered([(green, "0.5"), (tea, 1)], customerId=people[1])}))["order"]
    await done(api, CANCEL, {"id": off["id"], "reason": "FRAUD"})


async def _holds(api: Api, variants: list[str], far: str) -> None:
    """Holds that last, one that was given up, one that became an order; and goods to come."""
    tea, seat, green = variants
    two = {"lines": [{"variantId": tea, "quantity": 1}, {"variantId": green, "quantity": "0.25", "locationId": far}]}
    await done(api, RESERVE, {"input": {**two, "expiresInSeconds": 86_400, "reference": "cart 1"}})
    given_up = (await done(api, RESERVE, {"input": two}))["reservation"]["id"]
    await done(api, RELEASE, {"id": given_up})
    became = (await done(api, RESERVE, {"input": {"lines": [{"variantId": seat, "quantity": 2}]}}))["reservation"]["id"]
    await done(api, PLACE, {"input": ordered([(seat, 2)], reservationId=became)})
    for day in ("2030-06-01", "2031-06-01"):
        coming = {"locationId": far, "dueOn": day, "lines": [{"variantId": tea, "quantity": 4}], "reference": "PO 9"}
        await done(api, EXPECT, {"input": coming})


async def _waiting(api: Api) -> None:
    """An order that was promised more than is there by now."""
    place = await location(api, priority=5)
    lamp = {"name": "Lamp", "variants": [{"sku": "lamp-1", "price": dollars("9.00")}]}
    row = (await done(api, _PRODUCT, {"input": lamp}))["product"]["variants"][0]["id"]
    await done(api, RECEIVE, {"input": receipt(place, [(row, 6, "1.25")])})
    await done(api, PLACE, {"input": ordered([(row, 5)])})
    loss = [{"variantId": row, "delta": -4}]
    await done(api, ADJUST, {"input": {"locationId": place, "reason": "THEFT", "lines": loss}})


async def _shared(api: Api, variants: list[str], near: str) -> None:
    """Policies of each kind, with who waits by them; pools, rules and reorder points, full and empty."""
    tea, seat, green = variants
    channel = await default_channel(api)
    novel = {"name": "Novelty", "variants": [{"sku": f"NEW-{n}", "price": dollars("5")} for n in range(3)]}
    rows = [each["id"] for each in (await done(api, _PRODUCT, {"input": novel}))["product"]["variants"]]
    await done(api, POLICY, {"input": {"variantId": rows[0], "backorders": "PREORDER", "preorderOn": "2999-01-01"}})
    await done(api, POLICY, {"input": {"variantId": rows[1], "costMethod": "MOVING_AVERAGE", "tracksLots": True}})
    await done(api, POLICY, {"input": {"variantId": rows[2], "backorders": "ALLOW"}})
    await done(api, PLACE, {"input": ordered([(rows[0], 2), (rows[2], 1)])})
    await done(api, PLACE, {"input": ordered([(rows[0], 1)], locationId=near)})
    for row, quantity in ((tea, "0.5"), (green, 1), (green, 0)):
        pool = {"channelId": channel, "variantId": row, "locationId": near, "quantity": quantity}
        await done(api, POOL, {"input": pool})
    await done(api, CHANNEL_RULE, {"input": {"channelId": channel, "cap": 900}})
    await done(api, CHANNEL_RULE, {"input": {"channelId": channel, "variantId": seat, "buffer": 1, "cap": 800}})
    rule = {"variantId": seat, "locationId": near, "reorderPoint": 4, "safetyStock": 1, "minQuantity": 2}
    await done(api, _REPLENISH, {"input": {**rule, "maxQuantity": 40}})
    await done(api, _REPLENISH, {"input": {"variantId": rows[2], "locationId": near, "reorderPoint": 1}})


async def _counts(api: Api) -> None:
    """Counts and revaluations in every state, a count blind; and cases with another system, open and settled."""
    place = await location(api, priority=6, kind="THIRD_PARTY")
    rope = {"name": "Rope", "variants": [{"sku": f"rope-{n}", "price": dollars("3.00")} for n in range(4)]}
    rows = [each["id"] for each in (await done(api, _PRODUCT, {"input": rope}))["product"]["variants"]]
    await done(api, RECEIVE, {"input": receipt(place, [(row, 30, "1.10") for row in rows])})
    await count(api, place, rows[0], 28, reference="shelf 1")
    await count(api, place, rows[1], 31, until="SUBMITTED", isBlind=True)
    await count(api, place, rows[2], 30, until="CANCELLED")
    open_ones = {"locationId": place, "kind": "CYCLE", "variantIds": rows[2:], "isBlind": True}
    blind = (await done(api, COUNT_START, {"input": open_ones}))["count"]
    line = {"lineId": blind["lines"]["nodes"][0]["id"], "quantity": 29, "unitCost": dollars("1.15")}
    await done(api, COUNT_RECORD, {"id": blind["id"], "input": {"lines": [line]}})
    await done(api, COUNT_START, {"input": {**open_ones, "variantIds": rows[:1], "isBlind": False}})
    await differing(api, place, rows[0], 27)
    await differing(api, place, rows[1], -2, system="marketplace")
    for row, resolution, note in ((rows[2], "ADJUSTED", None), (rows[3], "DISMISSED", "they count boxes")):
        case = await differing(api, place, row, 33)
        await done(api, SETTLE, {"id": case, "input": {"resolution": resolution, "note": note}})
    await differing(api, place, rows[3], 33)
    for cost, until in (("1.40", "APPROVED"), ("1.40", "APPROVED"), ("0.90", "REJECTED"), ("0.95", "PROPOSED")):
        await revalued(api, place, (rows[0], cost), (rows[1], "1.1055"), until=until)


async def _books(api: Api) -> None:
    """Entries by hand, one of them taken back. All but the last have their place in the journal."""
    day = (await api.data("{ trialBalance { asOf } }"))["trialBalance"]["asOf"]
    posted = []
    for amount, code in (("120.00", "6010"), ("7.35", "6030"), ("900.00", "1500")):
        sides: tuple[dict[str, Any], ...] = (
            {"accountCode": code, "debit": dollars(amount)},
            {"accountCode": "1020", "credit": dollars(amount)},
        )
        given = {"on": day, "description": f"By hand {amount}", "lines": list(sides)}
        posted.append((await done(api, _POST, {"input": given}))["journalEntry"]["id"])
    await done(api, _REVERSE, {"id": posted[1]})
    about = {}
    for dimension in ("BRAND", "DEPARTMENT", "PROJECT"):
        value = {"dimension": dimension, "code": "MAIN", "name": f"Main {dimension.lower()}"}
        made = (await done(api, books.VALUE, {"input": value}))["dimensionValue"]
        about[f"{dimension.lower()}Id"] = made["id"]
    for currency, rate in (("USD", None), ("EUR", "1.08")):
        lines = [
            books.debit("6090", "45.10", currency, **about, channelId=await default_channel(api)),
            books.credit("2010", "45.10", currency, opens={"party": "Paper & Sons", "document": f"B-{currency}"}),
        ]
        await done(api, books.POST, {"input": books.entry(*lines, on=day, exchangeRate=rate)})
    opening = {"on": day, "lines": [books.debit("1010", "80.00"), books.credit("3010", "80.00")]}
    await done(api, _OPEN, {"input": opening})
    await done(api, _CLOSE, {"on": f"{int(day[:4]) - 2}-01-01"})
    await numbered(api)
    await sealed(api)
    await done(api, _REVERSE, {"id": posted[2]})
