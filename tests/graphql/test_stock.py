"""Stock as its callers see it: locations, receipts, announced goods, adjustments, counts and holds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.housekeeping import Housekeeping
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    CANCEL,
    EFFECTS,
    ERRORS,
    EXPECT,
    PLACE,
    RECEIVE,
    RELEASE,
    RESERVE,
    SET,
    SHIP,
    a_few_of_everything,
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

LOCATE = f"""mutation L($input: LocationCreateInput!, $dryRun: Boolean! = false) {{
  locationCreate(input: $input, dryRun: $dryRun) {{
    location {{ id name kind priority version externalIds {{ system id }} }} {EFFECTS} {ERRORS} }} }}"""
ANNOUNCE = f"""mutation E($input: StockExpectInput!, $dryRun: Boolean! = false) {{
  stockExpect(input: $input, dryRun: $dryRun) {{
    incoming {{ id quantity outstanding dueOn reference variant {{ id }} location {{ id }} }}
    {EFFECTS} {ERRORS} }} }}"""


@dataclass(frozen=True)
class Shelf:
    """What refusals need to be refused: a place with ten mugs worth 40.00, and other things to name."""

    here: str
    there: str
    mug: str
    flour: str
    fresh: str
    incoming: str
    """Ten announced units of `fresh`."""


@pytest.fixture(scope="module")
async def shelf(api: Api) -> Shelf:
    here, there = await location(api), await location(api)
    flour, fresh = await variant(api, unit="KG"), await variant(api)
    mug = await stocked(api, 10, place=here)
    await done(api, RECEIVE, {"input": receipt(here, [(flour, "2.5", "1.20")])})
    given = {"locationId": here, "dueOn": "2030-01-01", "lines": [{"variantId": fresh, "quantity": 10}]}
    (incoming,) = (await done(api, EXPECT, {"input": given}))["incoming"]
    return Shelf(here, there, mug, flour, fresh, incoming["id"])


Given = Callable[[Shelf], dict[str, Any]]


# --- locations ------------------------------------------------------------------------------------------------------


async def test_a_location_is_created_and_found(api: Api) -> None:
    given = {"name": "  North Dock ", "kind": "STORE", "priority": 0, "externalId": {"system": "erp", "id": "7"}}
    payload = await done(api, LOCATE, {"input": given})
    dock = payload["location"]
    assert dock == {
        "id": dock["id"],
        "name": "North Dock",
        "kind": "STORE",
        "priority": 0,
        "version": 1,
        "externalIds": [{"system": "erp", "id": "7"}],
    }
    (event,) = payload["effects"]["events"]["nodes"]
    assert event == {"type": "location.created", "subject": dock["id"], "version": 1, "data": {}}
    query = """query Q($id: ID!) {
      byId: location(by: {id: $id}) { id } byName: location(by: {name: " NORTH dock"}) { id }
      byExternal: location(by: {external: {system: "erp", id: "7"}}) { id }
      unknown: location(by: {name: "South Dock"}) { id } node(id: $id) { __typename id } }"""
    found = await api.data(query, {"id": dock["id"]})
    assert found["byId"] == found["byName"] == found["byExternal"] == {"id": dock["id"]}
    assert (found["unknown"], found["node"]) == (None, {"__typename": "Location", "id": dock["id"]})


async def test_a_location_that_says_no_priority_has_100(api: Api) -> None:
    made = await done(api, LOCATE, {"input": {"name": "Somewhere", "kind": "VIRTUAL"}})
    assert (made["location"]["priority"], made["location"]["externalIds"]) == (100, [])


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "TAKEN place"}, "name"),
        ({"priority": -1}, "priority"),
        ({"externalId": {"system": "wms", "id": "taken"}}, "externalId"),
        ({"externalId": {"system": "", "id": "1"}}, "externalId.system"),
        ({"externalId": {"system": "x" * 65, "id": "1"}}, "externalId.system"),
        ({"externalId": {"system": "wms", "id": "x" * 256}}, "externalId.id"),
    ],
)
async def test_a_refused_location_leaves_nothing(api: Api, given: dict[str, Any], path: str) -> None:
    taken = {"name": "Taken Place", "kind": "STORE", "externalId": {"system": "wms", "id": "taken"}}
    await act(api, LOCATE, {"input": taken})  # the first time it is created, then it is refused itself
    variables = {"input": {"name": "Free Place", "kind": "STORE", **given}}
    assert await refused(api, LOCATE, variables) == [("INVALID", f"input.{path}")]


async def test_of_parallel_locations_with_one_name_one_is_created(api: Api) -> None:
    tries = [{"name": f"{'TWIN' if n % 2 else 'twin'} dock", "kind": "STORE"} for n in range(10)]
    payloads = await asyncio.gather(*(act(api, LOCATE, {"input": each}) for each in tries))
    refusals = [[(e["code"], e["path"]) for e in each["userErrors"]] for each in payloads if not each["location"]]
    assert refusals == [[("INVALID", ["input", "name"])]] * 9


# --- receipts -------------------------------------------------------------------------------------------------------


async def test_goods_come_in(api: Api) -> None:
    here, mug = await location(api), await variant(api)
    given = receipt(here, [(mug, 10, "2.50"), (mug, "3", "1.0005")], reference=" DN 1 ")
    payload = await done(api, RECEIVE, {"input": given})
    (found,) = payload["levels"]
    assert (found["onHand"], found["available"], found["value"]["amount"], found["version"]) == ("13", "13", "28.00", 1)
    moves = payload["effects"]["stockMovements"]["nodes"]
    assert [(each["value"]["amount"], each["source"], each["kind"], each["reason"]) for each in moves] == [
        ("25.00", payload["receipt"]["id"], "RECEIPT", None),
        ("3.00", payload["receipt"]["id"], "RECEIPT", None),  # 3.0015
    ]
    assert payload["receipt"]["reference"] == "DN 1"
    assert posted(payload) == [[("1200", "28.00"), ("2050", "-28.00")]]
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert entry["source"] == payload["receipt"]["id"]
    events = {each["type"]: each for each in payload["effects"]["events"]["nodes"]}
    assert {kind: each["version"] for kind, each in events.items()} == {
        "stock_receipt.created": 1,
        "journal_entry.posted": 1,
        "stock.received": 1,
    }
    assert events["stock_receipt.created"]["data"] == {"location": here}
    assert events["stock.received"]["subject"] == found["id"]
    assert events["stock.received"]["data"] == {
        "variant": mug,
        "location": here,
        "on_hand": "13",
        "allocated": "0",
        "reserved": "0",
        "unavailable": "0",
        "value": "28.00",
    }


async def test_a_receipt_answers_with_each_level_once_in_the_order_of_its_lines(api: Api) -> None:
    here, one, two = await location(api), await variant(api), await variant(api)
    payload = await done(api, RECEIVE, {"input": receipt(here, [(two, 1, "1"), (one, 2, "2"), (two, 3, "3")])})
    assert [(each["variant"]["id"], each["onHand"], each["value"]["amount"]) for each in payload["levels"]] == [
        (two, "4", "10.00"),
        (one, "2", "4.00"),
    ]
    assert moved(payload) == [("1", "1.00"), ("2", "4.00"), ("3", "9.00")]
    again = await done(api, RECEIVE, {"input": receipt(here, [(one, 1, "1")])})
    assert [(each["onHand"], each["version"]) for each in again["levels"]] == [("3", 2)]


@pytest.mark.parametrize(
    ("unit", "quantity", "cost", "value"),
    [
        (None, 7, "0.333333", "2.33"),  # 2.333331
        (None, 1, "0.005", "0.01"),  # half a cent goes up
        ("KG", "0.125", "0.2", "0.03"),  # 0.025
        ("KG", "1.250", "3.999999", "5.00"),  # 4.99999875
        (None, 1, "0.004999", "0.00"),
        (None, 100, "0", "0.00"),
    ],
)
async def test_a_line_is_worth_quantity_times_cost_rounded_once(
    api: Api, shelf: Shelf, unit: str | None, quantity: Any, cost: str, value: str
) -> None:
    row = await variant(api, unit=unit)
    payload = await done(api, RECEIVE, {"input": receipt(shelf.here, [(row, quantity, cost)])})
    assert [each for _, each in moved(payload)] == [value]
    assert payload["levels"][0]["value"] == {"amount": value, "currency": "USD"}
    assert posted(payload) == ([[("1200", value), ("2050", f"-{value}")]] if value != "0.00" else [])


async def test_a_receipt_is_found_by_its_id_with_its_external_id_and_its_movements(api: Api, shelf: Shelf) -> None:
    given = receipt(shelf.there, [(await variant(api), 1, "1")], externalId={"system": "wms", "id": "R-1"})
    made = (await done(api, RECEIVE, {"input": given}))["receipt"]["id"]
    query = """query Q($id: ID!, $source: String!) {
      node(id: $id) { ... on StockReceipt { location { id } reference externalIds { system id } } }
      stockMovements(filter: {source: {eq: $source}}) { nodes { quantity } } }"""
    found = await api.data(query, {"id": made, "source": made})
    external = [{"system": "wms", "id": "R-1"}]
    assert found["node"] == {"location": {"id": shelf.there}, "reference": None, "externalIds": external}
    assert found["stockMovements"]["nodes"] == [{"quantity": "1"}]
    assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", "input.externalId")]


def cost(amount: str, currency: str = "USD") -> dict[str, Any]:
    """A change of the receipt's only line."""
    return {"unitCost": {"amount": amount, "currency": currency}}


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"quantity": 0}, "INVALID", "quantity"),
        ({"quantity": "-1"}, "INVALID", "quantity"),
        ({"quantity": "0.5"}, "INVALID", "quantity"),
        ({"quantity": "1.000001"}, "INVALID", "quantity"),
        (cost("-0.01"), "INVALID", "unitCost.amount"),
        (cost("1", "EUR"), "INVALID", "unitCost.currency"),
        ({"incomingId": "inc_" + "0" * 32}, "NOT_FOUND", "incomingId"),
        ({"incomingId": ""}, "NOT_FOUND", "incomingId"),
    ],
)
async def test_a_refused_line_of_a_receipt_leaves_nothing(
    api: Api, shelf: Shelf, change: dict[str, Any], code: str, path: str
) -> None:
    given = receipt(shelf.here, [(shelf.mug, 1, "1")])
    given["lines"][0] |= change
    assert await refused(api, RECEIVE, {"input": given}) == [(code, f"input.lines.0.{path}")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"reference": " "}, "reference"),
        ({"reference": "x" * 256}, "reference"),
        ({"reference": "two\nlines"}, "reference"),
        ({"externalId": {"system": "", "id": "1"}}, "externalId.system"),
        ({"lines": []}, "lines"),
    ],
)
async def test_a_refused_receipt_leaves_nothing(api: Api, shelf: Shelf, change: dict[str, Any], path: str) -> None:
    given = receipt(shelf.here, [(shelf.mug, 1, "1")]) | change
    assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", f"input.{path}")]


async def test_all_offences_of_a_receipt_are_named_at_once(api: Api, shelf: Shelf) -> None:
    lines = [(shelf.mug, 0, "1"), (shelf.flour, "0.0005", "1"), (shelf.mug, 1, "1"), ("var_x", 1, "1")]
    assert await refused(api, RECEIVE, {"input": receipt(shelf.here, lines)}) == [
        ("INVALID", "input.lines.0.quantity"),
        ("INVALID", "input.lines.1.quantity"),
        ("NOT_FOUND", "input.lines.3.variantId"),
    ]


def one_line(place: str, row: str, **line: Any) -> dict[str, Any]:
    return {"locationId": place, "lines": [{"variantId": row, **line}]}


ACTS: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "receive": (RECEIVE, lambda place, row: receipt(place, [(row, 1, "1")])),
    "expect": (EXPECT, lambda place, row: {**one_line(place, row, quantity=1), "dueOn": "2030-01-01"}),
    "adjust": (ADJUST, lambda place, row: {**one_line(place, row, delta=1), "reason": "FOUND"}),
    "set": (SET, lambda place, row: {**one_line(place, row, quantity=1, expectedQuantity=0), "reason": "COUNT"}),
    "reserve": (RESERVE, lambda place, row: {"lines": [{"variantId": row, "quantity": 1, "locationId": place}]}),
}


@pytest.mark.parametrize("name", sorted(ACTS))
async def test_whoever_names_no_such_place_or_variant_is_told_so(api: Api, shelf: Shelf, name: str) -> None:
    mutation, given = ACTS[name]
    place_path = "input.lines.0.locationId" if name == "reserve" else "input.locationId"
    for each in wrong_ids("loc"):
        assert await refused(api, mutation, {"input": given(each, shelf.mug)}) == [("NOT_FOUND", place_path)]
    for each in wrong_ids("var"):
        variables = {"input": given(shelf.here, each)}
        assert await refused(api, mutation, variables) == [("NOT_FOUND", "input.lines.0.variantId")]


@pytest.mark.parametrize("name", sorted(ACTS))
async def test_an_act_has_lines(api: Api, shelf: Shelf, name: str) -> None:
    mutation, given = ACTS[name]
    variables = {"input": given(shelf.here, shelf.mug) | {"lines": []}}
    assert await refused(api, mutation, variables) == [("INVALID", "input.lines")]


@pytest.mark.parametrize(
    "quantity", ["1234567890123456", "1e3", "NaN", "", " 1", "0.0000001", "\u0661", True, "1,5", [], {"amount": "1"}]
)
async def test_what_is_no_quantity_is_a_fault_in_the_request(api: Api, shelf: Shelf, quantity: Any) -> None:
    before = await state(api)
    answer = await api.post(RECEIVE, {"input": receipt(shelf.here, [(shelf.mug, quantity, "1")])})
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["BAD_REQUEST"]
    assert await state(api) == before


@pytest.mark.parametrize("number", [2.5, "2.5", "2.50"])
async def test_a_quantity_is_a_number_or_a_numeric_string(api: Api, shelf: Shelf, number: Any) -> None:
    payload = await done(api, RECEIVE, {"input": receipt(shelf.there, [(shelf.flour, number, "1")]), "dryRun": True})
    assert payload["levels"][0]["onHand"] == "2.5"


# --- announced goods ------------------------------------------------------------------------------------------------

INCOMING = "query Q($id: ID!) { node(id: $id) { ... on IncomingStock { quantity outstanding } } }"


async def test_goods_are_announced_and_what_comes_in_lowers_what_is_outstanding(api: Api) -> None:
    here, one, two = await location(api), await variant(api), await variant(api, unit="KG")
    lines = [{"variantId": one, "quantity": 10}, {"variantId": two, "quantity": "2.125"}]
    given = {"locationId": here, "dueOn": "2031-02-28", "lines": lines, "reference": "PO 7"}
    payload = await done(api, ANNOUNCE, {"input": given})
    first, second = payload["incoming"]
    assert first == {
        "id": first["id"],
        "variant": {"id": one},
        "location": {"id": here},
        "quantity": "10",
        "outstanding": "10",
        "dueOn": "2031-02-28",
        "reference": "PO 7",
    }
    assert (second["variant"]["id"], second["quantity"]) == (two, "2.125")
    assert [(each["type"], each["subject"], each["data"]) for each in payload["effects"]["events"]["nodes"]] == [
        (
            "incoming_stock.announced",
            each["id"],
            {"variant": row, "location": here, "quantity": quantity, "due_on": "2031-02-28"},
        )
        for each, row, quantity in ((first, one, "10"), (second, two, "2.125"))
    ]
    assert (posted(payload), moved(payload)) == ([], [])

    async def outstanding_after(*quantities: int) -> str:
        given = receipt(here, [(one, each, "1") for each in quantities])
        for line in given["lines"]:
            line["incomingId"] = first["id"]
        await done(api, RECEIVE, {"input": given})
        return (await api.data(INCOMING, {"id": first["id"]}))["node"]["outstanding"]

    assert await outstanding_after(4) == "6"
    assert await outstanding_after(2, 1) == "3"  # both lines of one receipt count
    assert await outstanding_after(5) == "0"  # more than announced is welcome
    assert (await api.data(INCOMING, {"id": first["id"]}))["node"]["quantity"] == "10"
    assert (await level(api, one))["onHand"] == "12"


async def test_goods_come_in_as_what_was_announced_where_it_was_announced(api: Api, shelf: Shelf) -> None:
    for place, row in ((shelf.here, shelf.mug), (shelf.there, shelf.fresh)):
        given = receipt(place, [(row, 1, "1")])
        given["lines"][0]["incomingId"] = shelf.incoming
        assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", "input.lines.0.incomingId")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"reference": ""}, "reference"),
        ({"lines": [{"quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [{"quantity": "1.5"}]}, "lines.0.quantity"),
        ({"lines": [{"quantity": -2}]}, "lines.0.quantity"),
    ],
)
async def test_refused_announcements_leave_nothing(api: Api, shelf: Shelf, change: dict[str, Any], path: str) -> None:
    lines = [{"variantId": shelf.mug, "quantity": 1, **each} for each in change.get("lines", [{}])]
    given = {"locationId": shelf.here, "dueOn": "2030-01-01"} | change | {"lines": lines}
    assert await refused(api, ANNOUNCE, {"input": given}) == [("INVALID", f"input.{path}")]


@pytest.mark.parametrize("day", ["2030-02-30", "2030-1-1", "01.01.2030", "", 20300101])
async def test_a_day_that_there_is_not_is_a_fault_in_the_request(api: Api, shelf: Shelf, day: Any) -> None:
    answer = await api.post(ANNOUNCE, {"input": {**one_line(shelf.here, shelf.mug, quantity=1), "dueOn": day}})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


# --- adjustments ----------------------------------------------------------------------------------------------------


def adjustment(place: str, reason: str, *lines: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    given = [{"variantId": row, "delta": delta, **extra} for row, delta in lines]
    return {"input": {"locationId": place, "reason": reason, "lines": given}}


@pytest.mark.parametrize(
    ("reason", "account"),
    [
        ("SHRINKAGE", "5100"),
        ("THEFT", "5100"),
        ("DAMAGE", "5110"),
        ("EXPIRED", "5110"),
        ("SAMPLE", "5120"),
        ("FOUND", "5190"),
        ("COUNT", "5190"),
        ("CORRECTION", "5190"),
    ],
)
async def test_each_reason_has_an_account_that_bears_the_difference(
    api: Api, shelf: Shelf, reason: str, account: str
) -> None:
    row = await stocked(api, 10, "4.00", place=shelf.here)
    lost = await done(api, ADJUST, adjustment(shelf.here, reason, (row, -2)))
    assert posted(lost) == [[(account, "8.00"), ("1200", "-8.00")]]
    (move,) = lost["effects"]["stockMovements"]["nodes"]
    assert (move["quantity"], move["value"]["amount"]) == ("-2", "-8.00")
    assert (move["kind"], move["reason"], move["source"]) == ("ADJUSTMENT", reason, None)
    assert sorted(announced(lost)) == [("journal_entry.posted", 1), ("stock.adjusted", 2)]
    won = await done(api, ADJUST, adjustment(shelf.here, reason, (row, 1)))
    assert posted(won) == [[("1200", "4.00"), (account, "-4.00")]]
    (found,) = won["levels"]
    assert (found["onHand"], found["value"]["amount"], found["version"]) == ("9", "36.00", 3)


async def test_gains_and_losses_of_one_act_are_one_entry(api: Api, shelf: Shelf) -> None:
    more, less = await variant(api), await stocked(api, 2, "4.00", place=shelf.here)
    variables = adjustment(shelf.here, "COUNT", (less, -1), (more, 2))
    variables["input"]["lines"][1]["unitCost"] = dollars("1.50")
    payload = await done(api, ADJUST, variables)
    assert posted(payload) == [[("1200", "3.00"), ("5190", "-3.00"), ("5190", "4.00"), ("1200", "-4.00")]]
    assert [(each["variant"]["id"], each["onHand"]) for each in payload["levels"]] == [(less, "1"), (more, "2")]


async def test_what_is_found_costs_what_the_caller_says_else_the_average_there_else_the_last_cost(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    assert await refused(api, ADJUST, adjustment(here, "FOUND", (row, 3))) == [
        ("COST_UNKNOWN", "input.lines.0.unitCost")
    ]
    await done(api, RECEIVE, {"input": receipt(there, [(row, 9, "100")])})
    await done(api, RECEIVE, {"input": receipt(there, [(row, 2, "4.005")])})  # 8.01
    last = await done(api, ADJUST, adjustment(here, "FOUND", (row, 3)))
    assert moved(last) == [("3", "12.02")]  # 12.015
    said = await done(api, ADJUST, adjustment(here, "FOUND", (row, 3), unitCost=dollars("0.123456")))
    assert moved(said) == [("3", "0.37")]  # 0.370368
    average = await done(api, ADJUST, adjustment(here, "FOUND", (row, 5)))
    assert moved(average) == [("5", "10.33")]  # five sixths of 12.39
    assert (await level(api, row, here))["value"]["amount"] == "22.72"


async def test_a_last_cost_without_an_end_loses_nothing_before_it_is_rounded(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    await done(api, RECEIVE, {"input": receipt(there, [(row, 6, "44.908333")])})  # 269.45: a sixth of it has no end
    found = await done(api, ADJUST, adjustment(here, "FOUND", (row, 9)))
    assert moved(found) == [("9", "404.18")]  # 404.175


async def test_what_is_found_of_goods_that_were_free_is_free(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 2, "0", place=shelf.here)
    payload = await done(api, ADJUST, adjustment(shelf.here, "FOUND", (row, 1)))
    assert (moved(payload), posted(payload), announced(payload)) == ([("1", "0.00")], [], [("stock.adjusted", 2)])


async def test_a_loss_takes_the_oldest_goods_first(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 2, "1.00", place=shelf.here)
    await done(api, RECEIVE, {"input": receipt(shelf.here, [(row, 3, "2.00"), (row, 3, "5.00")])})
    payload = await done(api, ADJUST, adjustment(shelf.here, "DAMAGE", (row, -6)))
    assert moved(payload) == [("-2", "-2.00"), ("-3", "-6.00"), ("-1", "-5.00")]
    assert posted(payload) == [[("5110", "13.00"), ("1200", "-13.00")]]
    assert (await level(api, row))["value"]["amount"] == "10.00"


async def test_the_last_unit_takes_the_cents_that_are_left(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 3, "3.333333", place=shelf.here)  # 10.00 in all
    values = []
    for _ in range(3):
        values += moved(await done(api, ADJUST, adjustment(shelf.here, "SAMPLE", (row, -1))))
    assert values == [("-1", "-3.33"), ("-1", "-3.34"), ("-1", "-3.33")]
    assert (await level(api, row))["value"]["amount"] == "0.00"


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        (lambda s: adjustment(s.here, "COUNT", (s.mug, 0)), "INVALID", "delta"),
        (lambda s: adjustment(s.here, "COUNT", (s.mug, "0.5")), "INVALID", "delta"),
        (lambda s: adjustment(s.here, "COUNT", (s.flour, "-0.0001")), "INVALID", "delta"),
        (lambda s: adjustment(s.here, "COUNT", (s.mug, -1), unitCost=dollars("1")), "INVALID", "unitCost"),
        (lambda s: adjustment(s.here, "COUNT", (s.mug, 1), unitCost=dollars("-1")), "INVALID", "unitCost.amount"),
        (lambda s: adjustment(s.here, "COUNT", (s.mug, 1), **cost("1", "EUR")), "INVALID", "unitCost.currency"),
        (lambda s: adjustment(s.here, "COUNT", (s.fresh, 1)), "COST_UNKNOWN", "unitCost"),
    ],
)
async def test_a_refused_adjustment_leaves_everything(
    api: Api, shelf: Shelf, given: Given, code: str, path: str
) -> None:
    assert await refused(api, ADJUST, given(shelf)) == [(code, f"input.lines.0.{path}")]


async def test_a_variant_is_adjusted_and_counted_once_in_an_act(api: Api, shelf: Shelf) -> None:
    twice = adjustment(shelf.here, "COUNT", (shelf.mug, 1), (shelf.flour, 1), (shelf.mug, 1))
    assert await refused(api, ADJUST, twice) == [("INVALID", "input.lines.2.variantId")]
    lines = [{"variantId": shelf.mug, "quantity": 1, "expectedQuantity": 10}] * 2
    counted = {"input": {"locationId": shelf.here, "reason": "COUNT", "lines": lines}}
    assert await refused(api, SET, counted) == [("INVALID", "input.lines.1.variantId")]


async def test_no_more_is_lost_than_is_there(api: Api, shelf: Shelf) -> None:
    variables = adjustment(shelf.here, "THEFT", (shelf.flour, -1), (shelf.mug, -11), (shelf.fresh, -1))
    before = await state(api)
    errors = (await act(api, ADJUST, variables))["userErrors"]
    assert [(each["code"], each["path"][2:], each["variant"]["id"]) for each in errors] == [
        ("INSUFFICIENT_STOCK", ["1", "delta"], shelf.mug),
        ("INSUFFICIENT_STOCK", ["2", "delta"], shelf.fresh),
    ]
    assert [(each["requested"], each["available"]) for each in errors] == [("11", "10"), ("1", "0")]
    assert await state(api) == before


# --- counts ---------------------------------------------------------------------------------------------------------


def count(place: str, row: str, quantity: Any, expected: Any, reason: str = "COUNT") -> dict[str, Any]:
    line = {"variantId": row, "quantity": quantity, "expectedQuantity": expected}
    return {"input": {"locationId": place, "reason": reason, "lines": [line]}}


async def test_the_books_are_set_to_what_was_counted(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 10, "4.00", place=shelf.here)
    fewer = await done(api, SET, count(shelf.here, row, 7, 10, "THEFT"))
    assert posted(fewer) == [[("5100", "12.00"), ("1200", "-12.00")]]
    assert (moved(fewer), fewer["levels"][0]["version"]) == ([("-3", "-12.00")], 2)
    more = await done(api, SET, count(shelf.here, row, "9", "7.0"))
    assert (moved(more), posted(more)) == ([("2", "8.00")], [[("1200", "8.00"), ("5190", "-8.00")]])
    before = await state(api)
    same = await done(api, SET, count(shelf.here, row, 9, 9))
    assert (same["levels"][0]["version"], moved(same), posted(same), announced(same)) == (3, [], [], [])
    assert await state(api) == before
    none = await done(api, SET, count(shelf.here, row, 0, 9))
    assert (none["levels"][0]["onHand"], none["levels"][0]["value"]["amount"]) == ("0", "0.00")


async def test_a_stale_count_is_told_what_is_there_now(api: Api, shelf: Shelf) -> None:
    before = await state(api)
    lines = [
        {"variantId": shelf.mug, "quantity": 3, "expectedQuantity": "9"},
        {"variantId": shelf.flour, "quantity": "1.5", "expectedQuantity": "2.50"},
        {"variantId": shelf.fresh, "quantity": 0, "expectedQuantity": 1},
    ]
    payload = await act(api, SET, {"input": {"locationId": shelf.here, "reason": "COUNT", "lines": lines}})
    assert [
        (each["code"], ".".join(each["path"]), each["variant"]["id"], each["present"]) for each in payload["userErrors"]
    ] == [
        ("STALE_QUANTITY", "input.lines.0.expectedQuantity", shelf.mug, "10"),
        ("STALE_QUANTITY", "input.lines.2.expectedQuantity", shelf.fresh, "0"),
    ]
    assert await state(api) == before


@pytest.mark.parametrize("quantity", [-1, "0.5"])
async def test_what_cannot_be_counted_is_refused(api: Api, shelf: Shelf, quantity: Any) -> None:
    variables = count(shelf.here, shelf.mug, quantity, 10)
    assert await refused(api, SET, variables) == [("INVALID", "input.lines.0.quantity")]


async def test_of_30_counts_that_saw_the_same_one_is_booked(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 50, place=shelf.here)
    payloads = await asyncio.gather(*(act(api, SET, count(shelf.here, row, n, 50)) for n in range(30)))
    refusals = [each["userErrors"][0] for each in payloads if each["userErrors"]]
    (booked,) = [each["levels"][0]["onHand"] for each in payloads if not each["userErrors"]]
    assert [(each["code"], each["present"]) for each in refusals] == [("STALE_QUANTITY", booked)] * 29
    assert (await level(api, row))["onHand"] == booked


async def test_no_difference_of_60_at_once_is_lost(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 100, place=shelf.here)
    variables = [adjustment(shelf.here, "COUNT", (row, -1 if n % 2 else 2)) for n in range(60)]
    await asyncio.gather(*(done(api, ADJUST, each) for each in variables))
    found = await level(api, row)
    assert (found["onHand"], found["version"]) == ("130", 61)


# --- where it is taken from -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """A variant at places of different priority: 3 at `second`, 6 at `third`, 4 at `last`, 50 on the road."""

    row: str
    road: str
    second: str
    third: str
    last: str
    empty: str

    def name(self, place: str) -> str:
        return next(name for name, each in vars(self).items() if each == place)


@pytest.fixture(scope="module")
async def spread(api: Api) -> Spread:
    last = await location(api, priority=5)
    second, third = await location(api, priority=1), await location(api, priority=1)
    road, empty, row = await location(api, kind="TRANSIT", priority=0), await location(api), await variant(api)
    for place, quantity in ((third, 6), (last, 4), (road, 50), (second, 3)):
        await done(api, RECEIVE, {"input": receipt(place, [(row, quantity, "1")])})
    return Spread(row, road, second, third, last, empty)


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ([(3, None)], [("second", "3")]),
        ([(4, None)], [("third", "4")]),  # the first that suffices alone, though it is not the first
        ([(6, None)], [("third", "6")]),
        ([(7, None)], [("second", "3"), ("third", "4")]),  # none does
        ([(13, None)], [("second", "3"), ("third", "6"), ("last", "4")]),
        ([(4, "last")], [("last", "4")]),
        ([(2, "last"), (3, "last")], None),
        ([(7, "third")], None),  # a place that is named is the only one
        ([(1, "empty")], None),
        ([(14, None)], None),  # and nothing of what is on the road
        ([(2, None), (2, None)], [("second", "2"), ("third", "2")]),
        ([(6, "third"), (7, None)], [("third", "6"), ("second", "3"), ("last", "4")]),
        ([(6, "third"), (8, None)], None),
    ],
)
async def test_places_serve_by_priority_and_age_and_split_only_if_no_single_one_suffices(
    api: Api, spread: Spread, lines: list[tuple[int, str | None]], parts: list[tuple[str, str]] | None
) -> None:
    given = [
        {"variantId": spread.row, "quantity": quantity, "locationId": place and getattr(spread, place)}
        for quantity, place in lines
    ]
    payload = await act(api, RESERVE, {"input": {"lines": given}, "dryRun": True})
    if parts is None:
        assert [each["code"] for each in payload["userErrors"]] == ["INSUFFICIENT_STOCK"]
        assert await refused(api, RESERVE, {"input": {"lines": given}}) == [
            ("INSUFFICIENT_STOCK", f"input.lines.{len(lines) - 1}.quantity")
        ]
    else:
        held = payload["reservation"]["lines"]
        assert [(spread.name(each["location"]["id"]), each["quantity"]) for each in held] == parts


async def test_nothing_is_held_on_the_road_even_where_it_is_named(api: Api, spread: Spread) -> None:
    line = {"variantId": spread.row, "quantity": 1, "locationId": spread.road}
    payload = await act(api, RESERVE, {"input": {"lines": [line]}, "dryRun": True})
    assert payload["reservation"] is None


async def test_who_is_short_is_told_by_how_much_once_per_variant(api: Api, shelf: Shelf, spread: Spread) -> None:
    lines = [(shelf.mug, 6), (spread.row, 9), (shelf.mug, 5), (spread.row, 5), (shelf.mug, 1)]
    before = await state(api)
    payload = await act(api, RESERVE, {"input": ordered(lines)})
    assert [
        (each["variant"]["id"], each["path"][2], each["requested"], each["available"]) for each in payload["userErrors"]
    ] == [(shelf.mug, "2", "12", "10"), (spread.row, "3", "14", "13")]
    assert await state(api) == before


# --- holds ----------------------------------------------------------------------------------------------------------

HOLD = """query Q($id: ID!) { node(id: $id) { ... on StockReservation {
  status reference expiresAt createdAt closedAt lines { quantity held } } } }"""


async def hold(api: Api, row: str, quantity: Any, **extra: Any) -> str:
    """The id of a hold."""
    return (await done(api, RESERVE, {"input": ordered([(row, quantity)], **extra)}))["reservation"]["id"]


async def looked_at(api: Api, reservation: str) -> dict[str, Any]:
    return (await api.data(HOLD, {"id": reservation}))["node"]


async def tidy(api: Api) -> None:
    """Keep house once."""
    await Housekeeping(api.services.database, seconds=0, wake=lambda: None).tidy()


async def test_stock_is_held_and_given_up_once(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 5, place=shelf.here)
    payload = await done(api, RESERVE, {"input": ordered([(row, 3)], reference=" cart 7 ")})
    made = payload["reservation"]
    assert (made["status"], made["reference"]) == ("ACTIVE", "cart 7")
    assert made["lines"] == [{"variant": {"id": row}, "location": {"id": shelf.here}, "quantity": "3", "held": "3"}]
    assert (announced(payload), moved(payload), posted(payload)) == ([("stock.reserved", 2)], [], [])
    assert payload["effects"]["events"]["nodes"][0]["data"]["reserved"] == "3"
    assert await figures(api, row) == ("5", "0", "3", "2")
    found = await looked_at(api, made["id"])
    expires, created = (datetime.fromisoformat(found[name]) for name in ("expiresAt", "createdAt"))
    assert (expires - created, found["closedAt"]) == (timedelta(minutes=15), None)

    freed = await done(api, RELEASE, {"id": made["id"]})
    assert freed["reservation"] == {"id": made["id"], "status": "RELEASED", "lines": [{"held": "0"}]}
    assert announced(freed) == [("stock.released", 3)]
    assert await figures(api, row) == ("5", "0", "0", "5")
    assert (await looked_at(api, made["id"]))["closedAt"] is not None
    assert await refused(api, RELEASE, {"id": made["id"]}) == [("NOT_ALLOWED_NOW", "reservationId")]
    for each in wrong_ids("rsv"):
        assert await refused(api, RELEASE, {"id": each}) == [("NOT_FOUND", "reservationId")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"expiresInSeconds": 0}, "expiresInSeconds"),
        ({"expiresInSeconds": -1}, "expiresInSeconds"),
        ({"expiresInSeconds": 30 * 24 * 3600 + 1}, "expiresInSeconds"),
        ({"reference": ""}, "reference"),
        ({"quantity": 0}, "lines.0.quantity"),
        ({"quantity": "0.5"}, "lines.0.quantity"),
        ({"quantity": -1}, "lines.0.quantity"),
    ],
)
async def test_a_refused_hold_holds_nothing(api: Api, shelf: Shelf, change: dict[str, Any], path: str) -> None:
    extra = {name: each for name, each in change.items() if name != "quantity"}
    given = ordered([(shelf.mug, change.get("quantity", 1))], **extra)
    assert await refused(api, RESERVE, {"input": given}) == [("INVALID", f"input.{path}")]


async def test_a_hold_lasts_30_days_at_most(api: Api, shelf: Shelf) -> None:
    given = ordered([(shelf.mug, 1)], expiresInSeconds=30 * 24 * 3600)
    made = (await done(api, RESERVE, {"input": given, "dryRun": True}))["reservation"]
    assert made["status"] == "ACTIVE"


async def test_of_60_parallel_holds_of_one_on_20_exactly_20_succeed(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 20, place=shelf.here)
    payloads = await asyncio.gather(*(act(api, RESERVE, {"input": ordered([(row, 1)])}) for _ in range(60)))
    codes = [each["userErrors"][0]["code"] for each in payloads if each["userErrors"]]
    assert codes == ["INSUFFICIENT_STOCK"] * 40
    assert await figures(api, row) == ("20", "0", "20", "0")
    holds = [each["reservation"]["id"] for each in payloads if each["reservation"]]
    twice = await asyncio.gather(*(act(api, RELEASE, {"id": each}) for each in holds * 2))
    assert sum(not each["userErrors"] for each in twice) == 20
    assert await figures(api, row) == ("20", "0", "0", "20")


async def test_holds_whose_time_is_over_give_way_once_to_whoever_needs_the_stock(api: Api, shelf: Shelf) -> None:
    rows = [await stocked(api, 5, place=shelf.here) for _ in range(5)]
    sold, held, lost, released, idle = rows
    holds = {row: await hold(api, row, 5, expiresInSeconds=1) for row in rows}
    await asyncio.sleep(1.1)
    assert (await looked_at(api, holds[idle]))["status"] == "EXPIRED"
    assert await figures(api, idle) == ("5", "0", "5", "0")  # nobody needed it yet

    placed = await asyncio.gather(*(act(api, PLACE, {"input": ordered([(sold, 1)])}) for _ in range(8)))
    assert sum(not each["userErrors"] for each in placed) == 5
    assert await figures(api, sold) == ("5", "5", "0", "0")
    await hold(api, held, 4)
    assert await figures(api, held) == ("5", "0", "4", "1")
    # A loss is no shortfall where nobody waits for what was held.
    payload = await done(api, ADJUST, adjustment(shelf.here, "THEFT", (lost, -2)))
    assert sorted(announced(payload)) == [("journal_entry.posted", 1), ("stock.adjusted", 3)]
    assert await figures(api, lost) == ("3", "0", "0", "3")
    await done(api, RELEASE, {"id": holds[released]})
    assert await figures(api, released) == ("5", "0", "0", "5")
    # What has given way already gives nothing more.
    await done(api, RELEASE, {"id": holds[sold]})
    assert await figures(api, sold) == ("5", "5", "0", "0")

    await asyncio.gather(*(tidy(api) for _ in range(3)))
    assert [await figures(api, each) for each in rows] == [
        ("5", "5", "0", "0"),
        ("5", "0", "4", "1"),
        ("3", "0", "0", "3"),
        ("5", "0", "0", "5"),
        ("5", "0", "0", "5"),
    ]
    ends = {row: await looked_at(api, each) for row, each in holds.items()}
    assert [ends[row]["status"] for row in rows] == ["RELEASED", "EXPIRED", "EXPIRED", "RELEASED", "EXPIRED"]
    assert all(each["closedAt"] is not None and each["lines"][0]["held"] == "0" for each in ends.values())
    assert await refused(api, RELEASE, {"id": holds[idle]}) == [("NOT_ALLOWED_NOW", "reservationId")]
    log = "query Q($id: ID!) { events(subject: $id) { nodes { type data } } }"
    (*_, last) = (await api.data(log, {"id": (await level(api, idle))["id"]}))["events"]["nodes"]
    assert (last["type"], last["data"]["reserved"]) == ("stock.released", "0")


# --- less than was promised -----------------------------------------------------------------------------------------

WAITING = """query Q($variant: ID!) { availability(variantId: $variant) { available backordered availableToPromise
  terms { kind quantity source } } }"""
CASE = """query Q($id: ID!) { node(id: $id) { ... on StockDiscrepancy {
  kind quantity variant { id } location { id } } } }"""
LINES = "query Q($id: ID!) { order(by: {id: $id}) { version lines { quantity allocated shipped } } }"


async def allocated(api: Api, order: str) -> list[str]:
    return [each["allocated"] for each in (await api.data(LINES, {"id": order}))["order"]["lines"]]


async def placed(api: Api, *lines: tuple[str, Any], **extra: Any) -> str:
    """The id of an order."""
    return (await done(api, PLACE, {"input": ordered(lines, **extra)}))["order"]["id"]


async def lose(api: Api, place: str, row: str, quantity: int) -> list[dict[str, Any]]:
    """Lose some, and return the cases that were opened for it."""
    payload = await done(api, ADJUST, adjustment(place, "SHRINKAGE", (row, -quantity)))
    opened = [each for each in payload["effects"]["events"]["nodes"] if each["type"] == "stock_discrepancy.opened"]
    for each in opened:
        told = {"kind": "SHORTFALL", "variant": row, "location": place, "quantity": each["data"]["quantity"]}
        assert each["data"] == told
    return [(await api.data(CASE, {"id": each["subject"]}))["node"] for each in opened]


async def test_a_loss_takes_first_the_youngest_holds_then_the_youngest_allocations(api: Api) -> None:
    here, there = await location(api, priority=50), await location(api, priority=40)
    row = await stocked(api, 10, place=here)
    older, younger = await placed(api, (row, 4)), await placed(api, (row, 3))
    first, second = await hold(api, row, 1), await hold(api, row, 2)

    async def held() -> list[str]:
        return [(await looked_at(api, each))["lines"][0]["held"] for each in (first, second)]

    case = {"kind": "SHORTFALL", "variant": {"id": row}, "location": {"id": here}}
    assert await lose(api, here, row, 1) == [case | {"quantity": "1"}]
    assert (await held(), await figures(api, row)) == (["1", "1"], ("9", "7", "2", "0"))
    assert await lose(api, here, row, 3) == [case | {"quantity": "3"}]
    assert (await held(), await figures(api, row)) == (["0", "0"], ("6", "6", "0", "0"))
    assert (await allocated(api, older), await allocated(api, younger)) == (["4"], ["2"])
    assert await lose(api, here, row, 3) == [case | {"quantity": "3"}]
    assert (await allocated(api, older), await allocated(api, younger)) == (["3"], ["0"])
    waiting = (await api.data(WAITING, {"variant": row}))["availability"]
    assert (waiting["available"], waiting["backordered"], waiting["availableToPromise"]) == ("0", "4", "-4")
    assert {(each["source"], each["quantity"]) for each in waiting["terms"] if each["kind"] == "BACKORDERED"} == {
        (older, "-1"),
        (younger, "-3"),
    }
    await invariants_hold(api)

    # What comes in goes to those who wait, the oldest first, wherever it comes in, and to nobody else.
    assert await refused(api, PLACE, {"input": ordered([(row, 1)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    await done(api, RECEIVE, {"input": receipt(here, [(row, 2, "4.00")])})
    assert (await allocated(api, older), await allocated(api, younger)) == (["4"], ["1"])
    assert await figures(api, row) == ("5", "5", "0", "0")
    await done(api, RECEIVE, {"input": receipt(there, [(row, 1, "4.00")])})
    found = await done(api, ADJUST, adjustment(there, "FOUND", (row, 3)))
    assert [each["data"]["allocated"] for each in found["effects"]["events"]["nodes"] if "stock." in each["type"]] == [
        "2"
    ]
    assert (await figures(api, row, there), await allocated(api, younger)) == (("4", "2", "0", "2"), ["3"])
    assert (await api.data(WAITING, {"variant": row}))["availability"]["backordered"] == "0"
    shipped = (await done(api, SHIP, {"id": younger}))["shipments"]
    assert {each["location"]["id"]: each["lines"][0]["quantity"] for each in shipped} == {here: "1", there: "2"}


async def test_within_an_order_the_later_line_gives_way_first(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 4, place=shelf.here)
    order = await placed(api, (row, 2), (row, 2))
    await lose(api, shelf.here, row, 3)
    assert await allocated(api, order) == ["1", "0"]
    await done(api, RECEIVE, {"input": receipt(shelf.here, [(row, 2, "1")])})
    assert await allocated(api, order) == ["2", "1"]


async def test_a_count_below_what_was_promised_is_booked_too(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 4, place=shelf.here)
    order = await placed(api, (row, 3))
    payload = await done(api, SET, count(shelf.here, row, 1, 4))
    assert (moved(payload), await allocated(api, order)) == ([("-3", "-12.00")], ["1"])
    assert ("stock_discrepancy.opened", 1) in announced(payload)
    await done(api, CANCEL, {"id": order})
    waiting = (await api.data(WAITING, {"variant": row}))["availability"]
    assert (waiting["backordered"], waiting["availableToPromise"]) == ("0", "1")


async def test_a_loss_of_what_nobody_was_promised_opens_no_case(api: Api, shelf: Shelf) -> None:
    row = await stocked(api, 5, place=shelf.here)
    order = await placed(api, (row, 3))
    assert (await lose(api, shelf.here, row, 2), await allocated(api, order)) == ([], ["3"])


async def test_goods_on_the_road_serve_nobody_who_waits(api: Api, shelf: Shelf, spread: Spread) -> None:
    row = await stocked(api, 2, place=shelf.here)
    order = await placed(api, (row, 2))
    await lose(api, shelf.here, row, 1)
    await done(api, RECEIVE, {"input": receipt(spread.road, [(row, 5, "1")])})
    assert await figures(api, row, spread.road) == ("5", "0", "0", "5")
    assert await allocated(api, order) == ["1"]


# --- dry runs, keys, scopes -----------------------------------------------------------------------------------------


DRY: dict[str, tuple[str, Given]] = {
    "locate": (LOCATE, lambda s: {"input": {"name": "Dry dock", "kind": "WAREHOUSE"}}),
    "receive": (RECEIVE, lambda s: {"input": receipt(s.there, [(s.mug, 3, "1.25"), (s.flour, "0.5", "2")])}),
    "expect": (ANNOUNCE, lambda s: {"input": {**one_line(s.here, s.mug, quantity=4), "dueOn": "2030-01-01"}}),
    "adjust": (ADJUST, lambda s: adjustment(s.here, "DAMAGE", (s.mug, -1), (s.flour, "0.125"))),
    "set": (SET, lambda s: count(s.there, s.flour, "0.25", "0.5")),
    "reserve": (RESERVE, lambda s: {"input": ordered([(s.mug, 2)])}),
}


@pytest.mark.parametrize("name", DRY)  # in this order: each of them is done
async def test_a_dry_run_answers_like_the_act_and_leaves_nothing(api: Api, shelf: Shelf, name: str) -> None:
    mutation, given = DRY[name]
    before = await state(api)
    dry = await done(api, mutation, {**given(shelf), "dryRun": True})
    assert await state(api) == before
    assert likeness(dry) == likeness(await done(api, mutation, given(shelf)))
    assert await state(api) != before


async def test_a_dry_run_is_refused_as_the_act_would_be(api: Api, shelf: Shelf) -> None:
    variables = adjustment(shelf.here, "DAMAGE", (shelf.mug, -1000)) | {"dryRun": True}
    assert await refused(api, ADJUST, variables) == [("INSUFFICIENT_STOCK", "input.lines.0.delta")]


async def test_a_receipt_that_is_sent_20_times_at_once_comes_in_once(api: Api, shelf: Shelf) -> None:
    row = await variant(api)
    payload = await sent_at_once(api, RECEIVE, {"input": receipt(shelf.here, [(row, 7, "2.00")])})
    assert (moved(payload), posted(payload)) == ([("7", "14.00")], [[("1200", "14.00"), ("2050", "-14.00")]])
    found = await level(api, row)
    assert (found["onHand"], found["version"]) == ("7", 1)


async def test_a_key_is_bound_to_its_input(api: Api, shelf: Shelf) -> None:
    row = await variant(api)
    one = {"input": receipt(shelf.here, [(row, "7", "2.00")]), "key": "goods"}
    await done(api, RECEIVE, one)
    other = {"input": receipt(shelf.here, [(row, 8, "2.00")]), "key": "goods"}
    assert await refused(api, RECEIVE, other) == [("IDEMPOTENCY_KEY_REUSED", "idempotencyKey")]
    same = {"input": receipt(shelf.here, [(row, 7.0, "2")]), "key": "goods"}  # the same in other words
    assert (await done(api, RECEIVE, same))["levels"][0]["onHand"] == "7"


@pytest.mark.parametrize("name", [*DRY, "release"])
async def test_whoever_may_only_read_stock_changes_none(api: Api, shelf: Shelf, name: str) -> None:
    mutation, given = (RELEASE, lambda _: {"id": "rsv_x"}) if name == "release" else DRY[name]
    await forbidden(api, mutation, given(shelf), ["stock:write"])


STOCK_LISTS = [
    "locations",
    "stockLevels",
    "stockMovements",
    "stockReceipts",
    "stockReservations",
    "incomingStock",
    "stockDiscrepancies",
]


@pytest.mark.parametrize(
    "selection",
    [
        *(f"{name} {{ totalCount }}" for name in STOCK_LISTS),
        'location(by: {name: "x"}) { id }',
        "availability(variantId: $id) { available }",
        "variant(by: {id: $id}) { stockLevels { id } }",
        "variant(by: {id: $id}) { availability { available } }",
    ],
)
async def test_stock_is_read_with_its_scope_only(api: Api, shelf: Shelf, selection: str) -> None:
    head, given = ("query Q($id: ID!)", {"id": shelf.mug}) if "$id" in selection else ("", {})
    await forbidden(api, f"{head} {{ {selection} }}", given, ["stock:read", "stock:write"])
    answer = await api.post(f"{head} {{ {selection} }}", given, scopes=["stock:read", "products:read"])
    assert "errors" not in answer


async def test_every_noun_of_stock_is_a_node_for_those_who_may_see_it(fresh_api: Api) -> None:
    api = fresh_api
    await a_few_of_everything(api)
    for name in STOCK_LISTS:
        nodes = (await api.data(f"{{ {name} {{ nodes {{ __typename id }} }} }}"))[name]["nodes"]
        assert len(nodes) >= 3
        query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
        ids = [each["id"] for each in nodes]
        assert (await api.data(query, {"ids": ids}))["nodes"] == nodes
        await forbidden(
            api, "query Q($id: ID!) { node(id: $id) { id } }", {"id": ids[0]}, ["stock:read", "stock:write"]
        )
    await invariants_hold(api)


async def test_what_stock_costs_is_for_those_who_may_know(api: Api, shelf: Shelf) -> None:
    for name in ("stockLevels", "stockMovements"):
        document = f"{{ {name}(first: 1) {{ nodes {{ id value {{ amount }} }} }} }}"
        await forbidden(api, document, {}, ["costs:read"])
        answer = await api.post(document, scopes=["stock:read", "costs:read"])
        assert "errors" not in answer
    # What a mutation may not tell it does not do.
    await forbidden(api, RECEIVE, {"input": receipt(shelf.here, [(shelf.mug, 1, "1")])}, ["costs:read"])


SAID = """mutation R($input: StockReceiveInput!) { stockReceive(input: $input) {
  effects { events { nodes { id type cursor data } } } userErrors { code } } }"""


async def test_events_of_stock_tell_values_only_to_those_who_may_know_costs(api: Api, shelf: Shelf) -> None:
    row = await variant(api)
    blind = ["stock:read", "stock:write", "events:read", "orders:write"]
    seeing = [*blind, "costs:read"]
    for each in (blind, seeing):
        await api.token(each)
    (before,) = (await api.data("{ events(first: 250) { nodes { cursor } } }"))["events"]["nodes"][-1:]
    for scopes, tells in ((blind, False), (seeing, True)):
        given = {"input": receipt(shelf.here, [(row, 1, "2.00")])}
        effects = (await done(api, SAID, given, scopes=scopes))["effects"]["events"]["nodes"]
        (event,) = [each for each in effects if each["type"] == "stock.received"]
        assert ("value" in event["data"]) is tells
    await done(api, RELEASE, {"id": await hold(api, row, 1)})
    await done(api, SHIP, {"id": await placed(api, (row, 1))})
    await done(api, ADJUST, adjustment(shelf.here, "DAMAGE", (row, -1)))
    subject = (await level(api, row))["id"]
    log = "query Q($id: ID!) { events(subject: $id) { nodes { id type data } } }"
    kinds = ["received", "received", "reserved", "released", "allocated", "shipped", "adjusted"]
    for scopes, values in ((blind, [None] * 7), (seeing, ["2.00", "4.00", "4.00", "4.00", "4.00", "2.00", "0.00"])):
        nodes = (await api.data(log, {"id": subject}, scopes=scopes))["events"]["nodes"]
        assert [each["type"] for each in nodes] == [f"stock.{kind}" for kind in kinds]
        assert [each["data"].get("value") for each in nodes] == values
        single = "query Q($id: ID!) { node(id: $id) { ... on Event { data } } }"
        found = [(await api.data(single, {"id": each["id"]}, scopes=scopes))["node"]["data"] for each in nodes]
        assert found == [each["data"] for each in nodes]
        feed = 'subscription S($after: String) { eventFeed(types: ["stock.received"], after: $after) { data } }'
        async with api.subscribed(feed, {"after": before["cursor"]}, scopes=scopes) as messages:
            message = await anext(messages)
            assert ("value" in message["payload"]["data"]["eventFeed"]["data"]) is (scopes is seeing)


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_locations_are_listed_sorted_filtered_and_searched(fresh_api: Api) -> None:
    api = fresh_api
    made: dict[str, str] = {}
    for name, kind, priority in [
        ("Werk Süd", "WAREHOUSE", 7),
        ("dock 2", "STORE", 3),
        ("Dock 1", "TRANSIT", 3),
        ("Ärger", "STORE", None),
    ]:
        given = {"name": name, "kind": kind, "priority": priority}
        made[name] = (await done(api, LOCATE, {"input": given}))["location"]["id"]
    query = """query Q($first: Int, $after: String, $filter: LocationFilter, $search: String, $sort: [LocationSort!]) {
      locations(first: $first, after: $after, filter: $filter, search: $search, sort: $sort) {
        nodes { name createdAt } totalCount pageInfo { endCursor hasNextPage } } }"""

    async def names(**arguments: Any) -> list[str]:
        return [each["name"] for each in (await api.data(query, arguments))["locations"]["nodes"]]

    by_priority = ["dock 2", "Dock 1", "Werk Süd", "Ärger"]
    assert await names() == by_priority
    assert await names(sort=["PRIORITY_DESC"]) == by_priority[::-1]
    assert await names(sort=["CREATED_AT_ASC"]) == list(made)
    assert await names(sort=["NAME_ASC"]) == ["Dock 1", "dock 2", "Werk Süd", "Ärger"]
    assert await names(search="DOCK") == ["dock 2", "Dock 1"]
    assert await names(search=" ärg") == ["Ärger"]
    assert await names(search="%") == []
    assert await names(filter={"kind": {"in": ["STORE"]}}) == ["dock 2", "Ärger"]
    assert await names(filter={"kind": {"notIn": ["STORE", "TRANSIT"]}}) == ["Werk Süd"]
    assert await names(filter={"name": {"eq": "DOCK 1"}}) == ["Dock 1"]
    assert await names(filter={"name": {"startsWith": "werk"}}) == ["Werk Süd"]
    assert await names(filter={"id": {"in": [made["Ärger"], "loc_x", "var_" + "0" * 32]}}) == ["Ärger"]
    first = (await api.data(query, {"first": 3}))["locations"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (4, True)
    assert await names(first=3, after=first["pageInfo"]["endCursor"]) == ["Ärger"]
    born = first["nodes"][0]["createdAt"]
    assert await names(filter={"createdAt": {"after": born}}, sort=["CREATED_AT_ASC"]) == ["Dock 1", "Ärger"]


async def test_levels_and_movements_are_listed_sorted_and_filtered(fresh_api: Api) -> None:
    api = fresh_api
    here, there = await location(api), await location(api)
    one, two = await stocked(api, 5, "1.00", place=here), await stocked(api, 6, "2.00", place=here)
    await done(api, RECEIVE, {"input": receipt(there, [(one, 7, "1.00")])})
    order = await placed(api, (two, 2))
    await done(api, SHIP, {"id": order})
    await done(api, ADJUST, adjustment(there, "DAMAGE", (one, -3)))

    async def listed(name: str, kind: str, figure: str, **arguments: Any) -> list[str]:
        query = f"""query Q($filter: {kind}Filter, $sort: [{kind}Sort!]) {{
          {name}(filter: $filter, sort: $sort) {{ nodes {{ {figure} }} totalCount }} }}"""
        found = (await api.data(query, arguments))[name]
        assert found["totalCount"] == len(found["nodes"])
        return [each[figure] for each in found["nodes"]]

    async def levels(**arguments: Any) -> list[str]:
        return await listed("stockLevels", "StockLevel", "onHand", **arguments)

    assert await levels() == ["5", "4", "4"]
    assert await levels(sort=["CREATED_AT_DESC"]) == ["4", "4", "5"]
    assert await levels(filter={"variantId": {"in": [two]}}) == ["4"]
    assert await levels(filter={"locationId": {"in": [there]}, "variantId": {"in": [one, two]}}) == ["4"]
    assert await levels(filter={"any": [{"locationId": {"in": [there]}}, {"variantId": {"in": [one]}}]}) == ["5", "4"]
    assert await levels(filter={"variantId": {"in": [here, ""]}}) == []
    assert await levels(filter={"variantId": {"in": []}}) == []

    async def moves(**arguments: Any) -> list[str]:
        return await listed("stockMovements", "StockMovement", "quantity", **arguments)

    assert await moves() == ["5", "6", "7", "-2", "-3"]
    assert await moves(sort=["RECORDED_AT_DESC"]) == ["-3", "-2", "7", "6", "5"]
    assert await moves(sort=["EFFECTIVE_AT_ASC"]) == ["5", "6", "7", "-2", "-3"]
    assert await moves(filter={"kind": {"in": ["SHIPMENT", "ADJUSTMENT"]}}) == ["-2", "-3"]
    assert await moves(filter={"kind": {"notIn": ["RECEIPT"]}, "locationId": {"in": [here]}}) == ["-2"]
    assert await moves(filter={"source": {"eq": order}}) == ["-2"]
    assert await moves(filter={"source": {"startsWith": "rct_"}, "variantId": {"in": [one]}}) == ["5", "7"]
    assert await moves(filter={"source": {"in": [order, "nothing"]}}) == ["-2"]
    query = "query Q($id: String!) { stockMovements(filter: {source: {eq: $id}}) { nodes { recordedAt effectiveAt } } }"
    (shipped,) = (await api.data(query, {"id": order}))["stockMovements"]["nodes"]
    assert shipped["recordedAt"] == shipped["effectiveAt"]
    assert await moves(filter={"recordedAt": {"after": shipped["recordedAt"]}}) == ["-3"]
    assert await moves(filter={"effectiveAt": {"before": shipped["effectiveAt"]}}) == ["5", "6", "7"]


async def test_a_movement_says_who_did_it(api: Api, shelf: Shelf) -> None:
    me = (await api.data("{ viewer { id } }"))["viewer"]["id"]
    made = (await done(api, RECEIVE, {"input": receipt(shelf.there, [(shelf.fresh, 1, "1")])}))["receipt"]["id"]
    query = """query Q($id: String!) { stockMovements(filter: {source: {eq: $id}}) {
      nodes { actor variant { id } location { id } } } }"""
    found = (await api.data(query, {"id": made}))["stockMovements"]["nodes"]
    assert found == [{"actor": me, "variant": {"id": shelf.fresh}, "location": {"id": shelf.there}}]


async def test_the_other_lists_of_stock_show_what_there_is(fresh_api: Api) -> None:
    api = fresh_api
    await a_few_of_everything(api)
    found = await api.data("""{
      stockReceipts(sort: [RECEIVED_AT_DESC]) { nodes { reference receivedAt } }
      stockReservations { nodes { status lines { quantity held } } }
      incomingStock { nodes { quantity outstanding dueOn variant { id } } }
      stockDiscrepancies { nodes { kind quantity } } }""")
    instants = [each["receivedAt"] for each in found["stockReceipts"]["nodes"]]
    assert instants == sorted(instants, reverse=True)
    hold_of_one = {"status": "ACTIVE", "lines": [{"quantity": "1", "held": "0"}]}  # lost with the goods
    assert found["stockReservations"]["nodes"] == [hold_of_one] * 3
    assert [(each["outstanding"], each["dueOn"]) for each in found["incomingStock"]["nodes"]] == [
        ("5", "2030-01-01")
    ] * 3
    assert found["stockDiscrepancies"]["nodes"] == [{"kind": "SHORTFALL", "quantity": "1"}] * 3
    query = "query Q($in: [ID!]!) { incomingStock(filter: {variantId: {in: $in}}) { totalCount } }"
    ids = [each["variant"]["id"] for each in found["incomingStock"]["nodes"]]
    assert (await api.data(query, {"in": ids[:2]}))["incomingStock"]["totalCount"] == 2


async def test_a_catalog_page_with_stock_costs_the_same_statements_at_10_and_at_100_rows(fresh_api: Api) -> None:
    api = fresh_api
    places = [await location(api, priority=n) for n in range(3)]
    query = """{ products(first: 100) { totalCount nodes { name variants { sku price(currency: USD) { amount }
      stockLevels(first: 5) { onHand available value { amount } location { name } } } } } }"""

    async def make(many: int) -> None:
        rows = await asyncio.gather(*(variant(api) for _ in range(many)))
        for place in places:
            await done(api, RECEIVE, {"input": receipt(place, [(row, 2, "1.50") for row in rows])})

    async def measured() -> tuple[int, int]:
        async with api.counted() as statements:
            found = (await api.data(query))["products"]
        for product in found["nodes"]:
            (only,) = product["variants"]
            assert [each["value"]["amount"] for each in only["stockLevels"]] == ["3.00"] * 3
        return found["totalCount"], number_of(statements)

    await make(10)
    await measured()  # a process asks about some things once
    few, few_statements = await measured()
    await make(90)
    many, many_statements = await measured()
    assert (few, many) == (10, 100)
    assert few_statements == many_statements


# --- the limits of what fits ----------------------------------------------------------------------------------------

INPUT = """{ __type(name: "StockReceiveLineInput") { inputFields { name type { ofType { name } } } } }"""


async def test_quantities_are_given_as_the_scalar_that_they_are_answered_in(api: Api) -> None:
    fields = (await api.data(INPUT))["__type"]["inputFields"]
    kinds = {each["name"]: each["type"]["ofType"] for each in fields}
    assert kinds["quantity"] == {"name": "Quantity"}


async def test_what_does_not_fit_is_refused(api: Api, shelf: Shelf) -> None:
    full = await stocked(api, 999_999_999, "1", place=shelf.here)
    before = await state(api)
    for mutation, variables in (
        (RECEIVE, {"input": receipt(shelf.here, [(shelf.mug, "1234567890", "1")])}),  # ten digits before the point
        (RECEIVE, {"input": receipt(shelf.here, [(full, 1, "1")])}),  # and in a sum
        (ADJUST, adjustment(shelf.here, "FOUND", (full, 1))),
        (SET, count(shelf.here, full, "1000000000", "999999999")),
        (RECEIVE, {"input": receipt(shelf.there, [(shelf.mug, 999_999_999, "999999999999")])}),  # worth 21 digits
    ):
        assert "INTERNAL" not in str(await api.post(mutation, variables))
        assert await state(api) == before


async def test_a_count_of_goods_of_unknown_cost_names_an_argument_that_there_is(api: Api, shelf: Shelf) -> None:
    payload = await act(api, SET, count(shelf.here, await variant(api), 1, 0))
    fields = await api.data('{ __type(name: "StockSetLineInput") { inputFields { name } } }')
    (error,) = payload["userErrors"]
    assert error["code"] == "COST_UNKNOWN"
    assert error["path"][-1] in {each["name"] for each in fields["__type"]["inputFields"]}


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
