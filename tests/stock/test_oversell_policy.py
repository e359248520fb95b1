"""Goods are handed over that the books do not know of: refused, or let go with a case that is booked later (INV-16)."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.database import Database
from domain.kernel.errors import NotFound, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.work import SYSTEM, begin
from domain.stock import Handed, HandedOver, InsufficientStock
from tests.graphql.test_backorders import claims
from tests.graphql.test_policies import kept
from tests.support.api import Api
from tests.support.shelves import outlived
from tests.support.shop import (
    ADJUST,
    PLACE,
    RECEIVE,
    RELEASE,
    RESERVE,
    SHIP,
    act,
    done,
    figures,
    forbidden,
    invariants_hold,
    level,
    location,
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

UPDATE = """mutation U($id: ID!, $input: LocationUpdateInput!, $dryRun: Boolean! = false, $key: String) {
  locationUpdate(id: $id, input: $input, dryRun: $dryRun, idempotencyKey: $key) {
    location { id name priority allowsOversell version externalIds { system id } }
    effects { events { nodes { type subject version data } } } userErrors { code message path } } }"""
CASES = """query Q($source: String!) { stockDiscrepancies(filter: {source: {eq: $source}}) { nodes {
  id kind quantity expected reported settledAt resolution version variant { id } location { id } } } }"""
MOVED = """query Q($source: String!) { stockMovements(filter: {source: {eq: $source}}) { nodes {
  kind quantity value { amount } } } }"""


async def updated(api: Api, place: str, **changes: Any) -> dict[str, Any]:
    return await done(api, UPDATE, {"id": place, "input": changes})


async def shop(api: Api, *, allows: bool = True) -> str:
    """The id of a fresh store, where more may be handed over than the books know of."""
    place = await location(api, kind="STORE")
    if allows:
        await updated(api, place, allowsOversell=True)
    return place


def document() -> ID:
    """The id of a sale that nobody has made yet."""
    return new_id("pos")


async def hand_over(
    database: Database, place: str, lines: Sequence[tuple[str, Any]], *, source: str | None = None
) -> HandedOver:
    """What a till does."""
    handed = [Handed(ID(row), Decimal(many), ("input", "lines", n), f"SKU-{n}") for n, (row, many) in enumerate(lines)]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        return await stock.hand_over(work, ID(place), handed, source=ID(source or document()))


async def cases(api: Api, source: str) -> list[dict[str, Any]]:
    return (await api.data(CASES, {"source": source}))["stockDiscrepancies"]["nodes"]


async def missing(api: Api, source: str) -> list[tuple[str, str, str, str | None]]:
    """What cases are about: missing, booked, handed over, and how they ended."""
    found = await cases(api, source)
    return [(each["quantity"], each["expected"], each["reported"], each["resolution"]) for each in found]


async def moved(api: Api, source: str) -> list[tuple[str, str, str]]:
    found = (await api.data(MOVED, {"source": source}))["stockMovements"]["nodes"]
    return [(each["kind"], each["quantity"], each["value"]["amount"]) for each in found]


# --- the location ---------------------------------------------------------------------------------------------------


async def test_a_location_is_changed_in_what_is_said_of_it(api: Api) -> None:
    place = await location(api, priority=7)
    name = f"Till {place}"
    payload = await updated(api, place, name=f"  {name} ", allowsOversell=True)
    found = payload["location"]
    assert (found["name"], found["priority"], found["allowsOversell"], found["version"]) == (name, 7, True, 2)
    (event,) = payload["effects"]["events"]["nodes"]
    assert (event["type"], event["subject"], event["version"]) == ("location.updated", place, 2)
    assert event["data"] == {"fields": ["name", "allows_oversell"]}
    again = await updated(api, place, name=name, allowsOversell=True, priority=7, expectedVersion=2)
    assert (again["location"], again["effects"]["events"]["nodes"]) == (found, [])
    called = await updated(api, place, externalId={"system": "pos", "id": place}, priority=0)
    assert called["location"]["externalIds"] == [{"system": "pos", "id": place}]
    assert called["effects"]["events"]["nodes"][0]["data"] == {"fields": ["priority", "external_id"]}
    await updated(api, place, externalId={"system": "wms", "id": place})
    other = await updated(api, place, externalId={"system": "pos", "id": f"{place}!"})
    assert [each["id"] for each in other["location"]["externalIds"]] == [f"{place}!", place]
    same = await updated(api, place, externalId={"system": "pos", "id": f"{place}!"})
    assert same["effects"]["events"]["nodes"] == []
    await invariants_hold(api)


async def test_what_a_location_cannot_be_is_refused(api: Api) -> None:
    place, other = await location(api), await location(api)
    taken = (await updated(api, other, externalId={"system": "pos", "id": other}))["location"]["name"]
    for changes, path in (
        ({"name": " "}, "name"),
        ({"name": taken.upper()}, "name"),
        ({"name": None}, "name"),
        ({"priority": -1}, "priority"),
        ({"allowsOversell": None}, "allowsOversell"),
        ({"externalId": None}, "externalId"),
        ({"externalId": {"system": "pos", "id": other}}, "externalId"),
        ({"externalId": {"system": "", "id": "x"}}, "externalId.system"),
    ):
        given = {"id": place, "input": changes}
        assert await refused(api, UPDATE, given) == [("INVALID", f"input.{path}")], changes
    road = {"id": await location(api, kind="TRANSIT"), "input": {"allowsOversell": True}}
    assert await refused(api, UPDATE, road) == [("INVALID", "input.allowsOversell")]
    stale = {"id": place, "input": {"priority": 3, "expectedVersion": 2}}
    assert await refused(api, UPDATE, stale) == [("STALE_VERSION", "input.expectedVersion")]
    await forbidden(api, UPDATE, {"id": place, "input": {"priority": 3}}, ["stock:write"])
    before = await state(api)
    await done(api, UPDATE, {"id": place, "input": {"priority": 3}, "dryRun": True})
    assert await state(api) == before


@pytest.mark.parametrize("wrong", wrong_ids("loc"))
async def test_an_unknown_location_is_not_changed(api: Api, wrong: str) -> None:
    assert await refused(api, UPDATE, {"id": wrong, "input": {"priority": 1}}) == [("NOT_FOUND", "id")]


async def test_a_location_is_changed_once_however_often_it_is_sent_and_by_one_of_many(api: Api) -> None:
    place = await location(api)
    assert (await sent_at_once(api, UPDATE, {"id": place, "input": {"priority": 1}}))["location"]["version"] == 2
    acts = [act(api, UPDATE, {"id": place, "input": {"priority": n, "expectedVersion": 2}}) for n in range(10, 30)]
    payloads = await asyncio.gather(*acts)
    assert sum(not each["userErrors"] for each in payloads) == 1
    assert {error["code"] for each in payloads for error in each["userErrors"]} == {"STALE_VERSION"}


# --- handing over ---------------------------------------------------------------------------------------------------


async def test_what_is_there_leaves_at_its_cost(api: Api, database: Database) -> None:
    place, sale = await shop(api, allows=False), document()
    row = await stocked(api, 3, "2.00", place=place)
    await done(api, RECEIVE, {"input": receipt(place, [(row, 3, "5.00")])})
    other = await stocked(api, 1, "0.00", place=place)
    found = await hand_over(database, place, [(row, 2), (other, 1), (row, 2)], source=sale)
    assert (found.costs, found.cases) == ([Decimal(4), Decimal(0), Decimal(7)], [])
    assert await moved(api, sale) == [
        ("SHIPMENT", "-2", "-4.00"),
        ("SHIPMENT", "-1", "0.00"),
        ("SHIPMENT", "-1", "-2.00"),
        ("SHIPMENT", "-1", "-5.00"),
    ]
    assert await figures(api, row) == ("2", "0", "0", "2")
    query = """query Q($source: String!) { journalEntries(filter: {source: {eq: $source}}) { nodes {
      description source lines { account { code } debit { amount } credit { amount } } } } }"""
    entries = (await api.data(query, {"source": sale}))["journalEntries"]["nodes"]
    assert posted({"effects": {"journalEntries": {"nodes": entries}}}) == [[("5010", "11.00"), ("1200", "-11.00")]]
    await invariants_hold(api)


HAND_OVER = """mutation H($input: StockHandOverInput!, $dryRun: Boolean! = false, $key: String) {
  stockHandOver(input: $input, dryRun: $dryRun, idempotencyKey: $key) {
    levels { id onHand available } discrepancies { id kind quantity expected reported source }
    effects { events { nodes { type subject version data } }
      stockMovements { nodes { kind quantity value { amount } source } }
      journalEntries { nodes { lines { account { code } debit { amount } credit { amount } } } } }
    userErrors { code message path
      ... on InsufficientStock { variant { id } requested available } } } }"""


def taken(place: str, *lines: tuple[str, Any]) -> dict[str, Any]:
    """What a customer takes along."""
    return {"input": {"locationId": place, "lines": [{"variantId": row, "quantity": many} for row, many in lines]}}


async def test_a_till_of_ones_own_hands_over_what_is_there(api: Api) -> None:
    place = await shop(api, allows=False)
    row = await stocked(api, 3, "2.00", place=place)
    payload = await done(api, HAND_OVER, taken(place, (row, 1), (row, 1)))
    assert [(each["onHand"], each["available"]) for each in payload["levels"]] == [("1", "1")]
    assert payload["discrepancies"] == []
    assert posted(payload) == [[("5010", "4.00"), ("1200", "-4.00")]]
    assert {each["source"][:4] for each in payload["effects"]["stockMovements"]["nodes"]} == {"act_"}
    short = await act(api, HAND_OVER, taken(place, (row, 2)))
    assert [(each["code"], each["path"], each["available"]) for each in short["userErrors"]] == [
        ("INSUFFICIENT_STOCK", ["input", "lines", "0", "quantity"], "1")
    ]
    road = await location(api, kind="TRANSIT")
    before = await state(api)
    for wrong, reason in (
        (taken(place), ("INVALID", "input.lines")),
        (taken(place, (row, 0)), ("INVALID", "input.lines.0.quantity")),
        (taken(place, ("var_" + "0" * 32, 1)), ("NOT_FOUND", "input.lines.0.variantId")),
        (taken("loc_" + "0" * 32, (row, 1)), ("NOT_FOUND", "input.locationId")),
        (taken(road, (row, 1)), ("INVALID", "input.locationId")),
    ):
        assert await refused(api, HAND_OVER, wrong) == [reason]
    await forbidden(api, HAND_OVER, taken(place, (row, 1)), ["stock:write"])
    await done(api, HAND_OVER, {**taken(place, (row, 1)), "dryRun": True})
    assert await state(api) == before
    assert (await level(api, row, place))["onHand"] == "1"
    await invariants_hold(api)


async def test_what_a_till_hands_over_beyond_the_books_is_a_case_until_it_comes(api: Api) -> None:
    place = await shop(api)
    row = await stocked(api, 2, "3.00", place=place)
    payload = await done(api, HAND_OVER, taken(place, (row, 5)))
    (case,) = payload["discrepancies"]
    assert (case["kind"], case["quantity"], case["expected"], case["reported"]) == ("OVERSOLD", "3", "2", "5")
    assert await figures(api, row) == ("0", "0", "0", "0")
    await done(api, RECEIVE, {"input": receipt(place, [(row, 4, "4.00")])})
    assert await figures(api, row) == ("1", "0", "0", "1")
    assert await missing(api, case["source"]) == [("3", "5", "5", "ADJUSTED")]
    await invariants_hold(api)


async def test_of_twenty_customers_at_once_as_many_are_served_as_there_are_goods(api: Api) -> None:
    place = await shop(api, allows=False)
    row = await stocked(api, 7, place=place)
    payloads = await asyncio.gather(*(act(api, HAND_OVER, taken(place, (row, 1))) for _ in range(20)))
    assert sum(not each["userErrors"] for each in payloads) == 7
    assert {error["code"] for each in payloads for error in each["userErrors"]} == {"INSUFFICIENT_STOCK"}
    assert await figures(api, row) == ("0", "0", "0", "0")
    same = await stocked(api, 9, place=place)
    once = await sent_at_once(api, HAND_OVER, taken(place, (same, 2)))
    assert once["levels"][0]["onHand"] == "7"
    await invariants_hold(api)


async def test_by_default_no_more_is_handed_over_than_is_available(api: Api, database: Database) -> None:
    place = await shop(api, allows=False)
    row, never = await stocked(api, 5, place=place), await variant(api)
    await done(api, PLACE, {"input": ordered([(row, 3)])})
    before = await state(api)
    with pytest.raises(Refusals) as refusal:
        await hand_over(database, place, [(row, 2), (row, 1), (never, 1)])
    short, nowhere = refusal.value.refusals
    assert isinstance(short, InsufficientStock)
    assert isinstance(nowhere, InsufficientStock)
    assert (short.path, short.requested, short.available) == (("input", "lines", 0, "quantity"), 3, 2)
    assert (nowhere.path, nowhere.requested, nowhere.available) == (("input", "lines", 2, "quantity"), 1, 0)
    for wrong in ("", "loc_" + "0" * 32, "var_" + "0" * 32):
        with pytest.raises(NotFound):
            await hand_over(database, wrong, [(row, 1)])
    assert await state(api) == before


async def test_where_it_is_allowed_what_is_missing_becomes_a_case_and_only_what_is_there_moves(
    api: Api, database: Database
) -> None:
    place, sale = await shop(api), document()
    row, never = await stocked(api, 2, "3.00", place=place), await variant(api)
    found = await hand_over(database, place, [(row, 5), (never, 1)], source=sale)
    assert found.costs == [Decimal(6), Decimal(0)]
    assert sorted(await missing(api, sale)) == [("1", "0", "1", None), ("3", "2", "5", None)]
    assert {each["id"] for each in await cases(api, sale)} == set(found.cases)
    assert {each["kind"] for each in await cases(api, sale)} == {"OVERSOLD"}
    assert await figures(api, row) == ("0", "0", "0", "0")
    assert await moved(api, sale) == [("SHIPMENT", "-2", "-6.00")]
    await invariants_hold(api)


async def test_what_is_missing_is_booked_as_soon_as_it_comes_at_what_it_costs_then(
    api: Api, database: Database
) -> None:
    place, sale = await shop(api), document()
    row = await stocked(api, 2, "3.00", place=place)
    await hand_over(database, place, [(row, 5)], source=sale)
    payload = await done(api, RECEIVE, {"input": receipt(place, [(row, 1, "4.00")])})
    kinds = [each["type"] for each in payload["effects"]["events"]["nodes"]]
    assert [each for each in kinds if each.startswith("stock")][1:] == [
        "stock.received",
        "stock.shipped",
        "stock_discrepancy.updated",
    ]
    assert await missing(api, sale) == [("2", "3", "5", None)]
    assert await figures(api, row) == ("0", "0", "0", "0")
    payload = await done(api, RECEIVE, {"input": receipt(place, [(row, 9, "5.00")])})
    assert payload["effects"]["events"]["nodes"][-1]["type"] == "stock_discrepancy.settled"
    assert await missing(api, sale) == [("2", "5", "5", "ADJUSTED")]
    (case,) = await cases(api, sale)
    assert (case["version"], case["settledAt"] is not None) == (3, True)
    assert await moved(api, sale) == [
        ("SHIPMENT", "-2", "-6.00"),
        ("SHIPMENT", "-1", "-4.00"),
        ("SHIPMENT", "-2", "-10.00"),
    ]
    assert await figures(api, row) == ("7", "0", "0", "7")
    assert (await level(api, row))["value"]["amount"] == "35.00"
    await done(api, RECEIVE, {"input": receipt(place, [(row, 1, "5.00")])})
    assert await figures(api, row) == ("8", "0", "0", "8")
    await invariants_hold(api)


async def test_who_has_the_goods_comes_before_who_waits_for_them_and_the_oldest_case_first(
    api: Api, database: Database
) -> None:
    place, first, second = await shop(api), document(), document()
    row = await variant(api)
    await kept(api, row, backorders="ALLOW")
    waiting = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]
    await hand_over(database, place, [(row, 2)], source=first)
    await hand_over(database, place, [(row, 2)], source=second)
    given = {"locationId": place, "reason": "FOUND"}
    line = {"variantId": row, "delta": 3, "unitCost": {"amount": "1.50", "currency": "USD"}}
    payload = await done(api, ADJUST, {"input": {**given, "lines": [line]}})
    assert (await missing(api, first), await missing(api, second)) == (
        [("2", "2", "2", "ADJUSTED")],
        [("1", "1", "2", None)],
    )
    assert await claims(api, waiting["id"]) == [("0", "3")]
    assert posted(payload)[1:] == [[("5010", "3.00"), ("1200", "-3.00")], [("5010", "1.50"), ("1200", "-1.50")]]
    await done(api, RECEIVE, {"input": receipt(place, [(row, 3, "1.00")])})
    assert await missing(api, second) == [("1", "2", "2", "ADJUSTED")]
    assert await claims(api, waiting["id"]) == [("2", "1")]
    # Goods elsewhere are not those that were handed over here.
    third = document()
    await hand_over(database, place, [(row, 4)], source=third)
    elsewhere = await location(api)
    await done(api, RECEIVE, {"input": receipt(elsewhere, [(row, 9, "1.00")])})
    assert (await missing(api, third))[0][3] is None
    await invariants_hold(api)


async def test_what_is_promised_to_others_gives_way_to_who_holds_it_in_his_hand(api: Api, database: Database) -> None:
    place, sale = await shop(api), document()
    row = await stocked(api, 5, place=place)
    order = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]
    hold = (await done(api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}}))["reservation"]
    found = await hand_over(database, place, [(row, 4)], source=sale)
    assert (found.costs, found.cases) == ([Decimal(16)], [])
    assert await claims(api, order["id"]) == [("1", "2")]
    assert await figures(api, row) == ("1", "1", "0", "0")
    await done(api, RELEASE, {"id": hold["id"]})
    await done(api, RECEIVE, {"input": receipt(place, [(row, 2, "4.00")])})
    await done(api, SHIP, {"id": order["id"]})
    assert await figures(api, row) == ("0", "0", "0", "0")
    await invariants_hold(api)


async def test_what_must_not_be_sold_stays_and_what_comes_unfit_books_nothing(api: Api, database: Database) -> None:
    place, sale = await shop(api), document()
    row = await variant(api)
    broken = receipt(place, [(row, 4, "1.00")])
    broken["lines"][0]["state"] = "DAMAGED"
    await done(api, RECEIVE, {"input": broken})
    await hand_over(database, place, [(row, 1)], source=sale)
    await done(api, RECEIVE, {"input": broken})
    assert await missing(api, sale) == [("1", "0", "1", None)]
    assert (await level(api, row))["onHand"] == "8"
    old = receipt(place, [(row, 3, "1.00")])
    old["lines"][0]["lot"] = {"number": "old", "expiresOn": "2001-01-01"}
    await done(api, RECEIVE, {"input": old})
    assert await missing(api, sale) == [("1", "0", "1", None)]
    await done(api, RECEIVE, {"input": receipt(place, [(row, 1, "1.00")])})
    assert await missing(api, sale) == [("1", "1", "1", "ADJUSTED")]
    await invariants_hold(api)


async def test_goods_past_their_date_are_not_handed_over(api: Api, database: Database) -> None:
    place = await shop(api, allows=False)
    row = await variant(api)
    old = receipt(place, [(row, 3, "1.00")])
    old["lines"][0]["lot"] = {"number": "old", "expiresOn": "2099-01-01"}
    await done(api, RECEIVE, {"input": old})
    await outlived(api, row, "old")
    with pytest.raises(Refusals, match="past its date"):
        await hand_over(database, place, [(row, 1)])


async def test_what_is_kept_by_average_and_by_lots_is_booked_alike(api: Api, database: Database) -> None:
    place, sale = await shop(api), document()
    row = await variant(api)
    await kept(api, row, costMethod="MOVING_AVERAGE", tracksLots=True)
    await hand_over(database, place, [(row, 3)], source=sale)
    lots = receipt(place, [(row, 1, "1.00"), (row, 4, "2.00")])
    for n, line in enumerate(lots["lines"]):
        line["lot"] = {"number": f"L-{n}", "expiresOn": f"299{n}-01-01"}
    await done(api, RECEIVE, {"input": lots})
    assert sum(Decimal(value) for _, _, value in await moved(api, sale)) == Decimal("-5.40")  # three of 9.00 for five
    assert await missing(api, sale) == [("3", "3", "3", "ADJUSTED")]
    assert (await level(api, row))["value"]["amount"] == "3.60"
    await invariants_hold(api)


async def test_a_gain_and_a_loss_in_one_adjustment_promise_no_more_than_is_left(api: Api, database: Database) -> None:
    place, sale = await shop(api), document()
    row = await variant(api)
    await hand_over(database, place, [(row, 2)], source=sale)
    unit = {"unitCost": {"amount": "1.00", "currency": "USD"}}
    broken = receipt(place, [(row, 2, "1.00")])
    broken["lines"][0]["state"] = "DAMAGED"
    await done(api, RECEIVE, {"input": broken})
    lines = [
        {"variantId": row, "delta": 1, **unit},
        {"variantId": row, "delta": -1, "state": "DAMAGED"},
        {"variantId": row, "delta": 3, "state": "ON_HOLD", **unit},
    ]
    await done(api, ADJUST, {"input": {"locationId": place, "reason": "COUNT", "lines": lines}})
    assert await missing(api, sale) == [("1", "1", "2", None)]
    await invariants_hold(api)


# --- races ----------------------------------------------------------------------------------------------------------


async def test_tills_and_deliveries_at_once_leave_nothing_unbooked(fresh_api: Api, fresh_database: Database) -> None:
    api = fresh_api
    place = await shop(api)
    rows = [await variant(api), await stocked(api, 4, place=place)]
    sales = [document() for _ in range(24)]

    async def delivery(n: int) -> None:
        lines = [(row, 2, "1.37") for row in (rows if n % 2 else rows[::-1])]
        await done(api, RECEIVE, {"input": receipt(place, lines)})

    async def till(n: int) -> None:
        lines = [(row, 1 + n % 2) for row in (rows if n % 3 else rows[::-1])]
        await hand_over(fresh_database, place, lines, source=sales[n])

    await asyncio.gather(*(till(n) for n in range(24)), *(delivery(n) for n in range(12)))
    handed = sum(1 + n % 2 for n in range(24))
    for row, there in zip(rows, (24, 28), strict=True):
        assert (await level(api, row))["onHand"] == str(max(there - handed, 0))
    open_cases = [each for sale in sales for each in await cases(api, sale) if each["settledAt"] is None]
    assert sum(Decimal(each["quantity"]) for each in open_cases) == max(handed - 24, 0) + max(handed - 28, 0)
    await delivery(0)
    await delivery(1)
    await delivery(2)
    await delivery(3)
    await delivery(4)
    await delivery(5)
    assert [each for sale in sales for each in await cases(api, sale) if each["settledAt"] is None] == []
    for sale in sales:
        assert sum(Decimal(many) for _, many, _ in await moved(api, sale)) == -2 * (1 + sales.index(sale) % 2)
    await invariants_hold(api)


async def test_where_it_is_not_allowed_fifty_at_once_get_what_is_there(
    fresh_api: Api, fresh_database: Database
) -> None:
    api = fresh_api
    place = await shop(api, allows=False)
    row = await stocked(api, 12, place=place)

    async def till() -> bool:
        try:
            await hand_over(fresh_database, place, [(row, 1)])
        except Refusals:
            return False
        return True

    async def order() -> bool:
        return not (await act(api, PLACE, {"input": ordered([(row, 1)])}))["userErrors"]

    outcomes = await asyncio.gather(*(till() if n % 2 else order() for n in range(50)))
    assert sum(outcomes) == 12
    assert (await level(api, row))["available"] == "0"
    await invariants_hold(api)


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)


@pytest.mark.parametrize("allows", [False, True])
async def test_what_an_expired_hold_held_is_the_customers_first_then_theirs_who_wait(
    api: Api, database: Database, allows: bool
) -> None:
    place = await shop(api, allows=allows)
    row = await stocked(api, 7, place=place)
    await kept(api, row, backorders="ALLOW")
    await done(api, RESERVE, {"input": ordered([(row, 7)], expiresInSeconds=1)})
    behind = (await done(api, PLACE, {"input": ordered([(row, 6)])}))["order"]
    await asyncio.sleep(1.1)
    await hand_over(database, place, [(row, 3)])
    assert await claims(api, behind["id"]) == [("4", "2")]
    assert await figures(api, row) == ("4", "4", "0", "0")
    await invariants_hold(api)
