"""Bins and states: where within a location goods lie, and which of them cannot be sold."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.shelves import BINS, RELOCATE, bins, lying, moving, received
from tests.support.shop import (
    ADJUST,
    CANCEL,
    PLACE,
    RECEIVE,
    RESERVE,
    SET,
    SHIP,
    act,
    announced,
    done,
    figures,
    forbidden,
    invariants_hold,
    level,
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

TREE = """query Q($id: ID!) { location(by: {id: $id}) { bins { nodes { path kind parent { path }
  children { nodes { path } } } totalCount } } }"""


def making(place: str, *given: Any) -> dict[str, Any]:
    """The variables that make bins: of a path, or of a path and a kind."""
    lines = [each if isinstance(each, dict) else {"path": each} for each in given]
    return {"input": {"locationId": place, "bins": lines}}


# --- bins -----------------------------------------------------------------------------------------------------------


async def test_bins_are_made_with_the_larger_places_along_their_paths(api: Api) -> None:
    here = await location(api)
    payload = await done(api, BINS, making(here, " A/12/03 ", "A/12/04", {"path": "B", "kind": "SHELF"}))
    assert [(each["path"], each["code"], each["kind"], each["parent"]) for each in payload["bins"]] == [
        ("A/12/03", "03", "BAY", {"path": "A/12"}),
        ("A/12/04", "04", "BAY", {"path": "A/12"}),
        ("B", "B", "SHELF", None),
    ]
    assert all(each["location"] == {"id": here} for each in payload["bins"])
    events = payload["effects"]["events"]["nodes"]
    assert [(each["type"], each["data"]) for each in events] == [("bin.created", {"location": here})] * 5
    assert (posted(payload), moved(payload)) == ([], [])
    found = (await api.data(TREE, {"id": here}))["location"]["bins"]
    assert found["totalCount"] == 5
    assert [(each["path"], each["kind"], each["parent"]) for each in found["nodes"]] == [
        ("A", "ZONE", None),
        ("A/12", "AISLE", {"path": "A"}),
        ("A/12/03", "BAY", {"path": "A/12"}),
        ("A/12/04", "BAY", {"path": "A/12"}),
        ("B", "SHELF", None),
    ]
    assert [[child["path"] for child in each["children"]["nodes"]] for each in found["nodes"]] == [
        ["A/12"],
        ["A/12/03", "A/12/04"],
        [],
        [],
        [],
    ]
    await invariants_hold(api)


async def test_what_is_there_is_built_upon_and_keeps_its_name(api: Api) -> None:
    here = await location(api)
    await bins(api, here, "Nord/Regal")
    payload = await done(api, BINS, making(here, "NORD/regal/x", "nord/REGAL/y/1/2/3/4/5"))
    assert [(each["path"], each["kind"]) for each in payload["bins"]] == [
        ("Nord/Regal/x", "BAY"),
        ("Nord/Regal/y/1/2/3/4/5", "BIN"),
    ]
    kinds = {each["path"]: each["kind"] for each in (await api.data(TREE, {"id": here}))["location"]["bins"]["nodes"]}
    assert kinds["Nord/Regal/y/1"] == "SHELF"
    assert kinds["Nord/Regal/y/1/2"] == "BIN"


async def test_a_larger_place_may_be_named_behind_what_is_in_it(api: Api) -> None:
    here = await location(api)
    payload = await done(api, BINS, making(here, "C/1", {"path": "c", "kind": "SHELF"}))
    assert [(each["path"], each["kind"]) for each in payload["bins"]] == [("C/1", "AISLE"), ("C", "SHELF")]
    assert len(payload["effects"]["events"]["nodes"]) == 2


async def test_a_bin_is_found_by_its_id_or_its_path(api: Api) -> None:
    here, there = await location(api), await location(api)
    (mine,), (other,) = await bins(api, here, "Q/7"), await bins(api, there, "Q/7")
    query = """query Q($id: ID!, $here: ID!, $path: String!) { byId: bin(by: {id: $id}) { id }
      byPath: bin(by: {path: {locationId: $here, path: $path}}) { id } node(id: $id) { __typename } }"""
    found = await api.data(query, {"id": mine, "here": here, "path": " q/7 "})
    assert found == {"byId": {"id": mine}, "byPath": {"id": mine}, "node": {"__typename": "Bin"}}
    assert (await api.data(query, {"id": other, "here": here, "path": "Q/8"}))["byPath"] is None
    for each in wrong_ids("loc"):
        assert (await api.data(query, {"id": each, "here": each, "path": "Q/7"}))["byPath"] is None


@pytest.mark.parametrize(
    "path", ["", " ", "/", "/A", "A/", "A//B", "A B", "A/B C", "x" * 33, "a\tb", "/".join("12345678"), "two\nlines"]
)
async def test_what_is_no_path_is_refused(api: Api, path: str) -> None:
    here = await location(api)
    path = "/".join("123456789") if path.startswith("1/") else path
    assert await refused(api, BINS, making(here, "ok", path)) == [("INVALID", "input.bins.1.path")]


async def test_all_offences_are_named_at_once_and_nothing_is_made(api: Api) -> None:
    here = await location(api)
    await bins(api, here, "D/1")
    twice = making(here, "E/1", "e/1", "A//B")
    assert await refused(api, BINS, twice) == [("INVALID", "input.bins.1.path"), ("INVALID", "input.bins.2.path")]
    taken = making(here, "d", "E/1", "D/1")
    assert await refused(api, BINS, taken) == [("INVALID", "input.bins.0.path"), ("INVALID", "input.bins.2.path")]
    assert await refused(api, BINS, making(here)) == [("INVALID", "input.bins")]
    for each in wrong_ids("loc"):
        assert await refused(api, BINS, making(each, "E/1")) == [("NOT_FOUND", "input.locationId")]


async def test_ten_thousand_bins_are_made_at_once_by_a_few_statements(fresh_api: Api) -> None:
    here, few = await location(fresh_api), await location(fresh_api)
    paths = [f"{zone}/{aisle}/{bay}" for zone in range(10) for aisle in range(10) for bay in range(100)]
    dry = (
        """mutation B($input: BinsCreateInput!) { binsCreate(input: $input) { bins { id } userErrors { message } } }"""
    )
    counts = []
    for place, mine in ((few, paths[:1]), (here, paths)):
        async with fresh_api.counted() as statements:
            made = await done(fresh_api, dry, making(place, *mine))
        assert len(made["bins"]) == len(mine)
        counts.append(number_of(statements))
    assert counts[0] == counts[1]
    assert (await fresh_api.data(TREE, {"id": here}))["location"]["bins"]["totalCount"] == 10_110


async def test_who_makes_the_same_larger_place_at_once_finds_it_made(api: Api) -> None:
    here = await location(api)
    await asyncio.gather(*(done(api, BINS, making(here, f"{'Z' if n % 2 else 'z'}/{n}")) for n in range(12)))
    found = (await api.data(TREE, {"id": here}))["location"]["bins"]
    assert found["totalCount"] == 13
    tries = await asyncio.gather(*(act(api, BINS, making(here, "Y/1")) for _ in range(10)))
    codes = [each["userErrors"][0]["code"] for each in tries if each["userErrors"]]
    assert codes == ["INVALID"] * 9
    await invariants_hold(api)


async def test_bins_that_are_sent_20_times_are_made_once_and_a_dry_run_makes_none(api: Api) -> None:
    here = await location(api)
    before = await state(api)
    await done(api, BINS, making(here, "T/1") | {"dryRun": True})
    assert await state(api) == before
    await sent_at_once(api, BINS, making(here, "T/1"))
    assert (await api.data(TREE, {"id": here}))["location"]["bins"]["totalCount"] == 2


# --- what lies in them ----------------------------------------------------------------------------------------------


async def test_goods_are_put_into_a_bin_when_they_come_in(api: Api) -> None:
    here, row = await location(api), await variant(api)
    (shelf,) = await bins(api, here, "A/1")
    await received(api, here, row, 5, binId=shelf)
    await received(api, here, row, 3)
    await received(api, here, row, 2, binId=shelf, state="QUALITY_CONTROL")
    found = await level(api, row)
    assert (found["onHand"], found["unavailable"], found["available"]) == ("10", "2", "8")
    assert await lying(api, row) == {("A/1", None, None, "5"), ("A/1", None, "QUALITY_CONTROL", "2")}
    query = """query Q($id: ID!) { bin(by: {id: $id}) { contents { totalCount nodes { id quantity state
      variant { id } location { id } level { id onHand } bin { id } lot { id } } } } }"""
    contents = (await api.data(query, {"id": shelf}))["bin"]["contents"]
    assert contents["totalCount"] == 2
    same = {"variant": {"id": row}, "location": {"id": here}, "level": {"id": found["id"], "onHand": "10"}}
    for each in contents["nodes"]:
        assert each | same | {"bin": {"id": shelf}, "lot": None} == each
    await invariants_hold(api)


@pytest.mark.parametrize("kind", ["receive", "adjust", "set", "relocate from", "relocate to"])
async def test_a_bin_is_named_that_is_at_the_location(api: Api, kind: str) -> None:
    here, there = await location(api), await location(api)
    row = await stocked(api, 5, place=here)
    (elsewhere,) = await bins(api, there, "A")
    goods = receipt(here, [(row, 1, "1")])
    for each in (elsewhere, *wrong_ids("bin")):
        match kind:
            case "receive":
                goods["lines"][0]["binId"] = each
                mutation, variables, field = RECEIVE, {"input": goods}, "binId"
            case "adjust":
                line = {"variantId": row, "delta": -1, "binId": each}
                given = {"locationId": here, "reason": "DAMAGE", "lines": [line]}
                mutation, variables, field = ADJUST, {"input": given}, "binId"
            case "set":
                line = {"variantId": row, "quantity": 1, "expectedQuantity": 0, "binId": each}
                given = {"locationId": here, "reason": "COUNT", "lines": [line]}
                mutation, variables, field = SET, {"input": given}, "binId"
            case _:
                field = "fromBinId" if kind.endswith("from") else "toBinId"
                mutation, variables = RELOCATE, moving(here, row, 1, **{"toState": "DAMAGED", field: each})
        assert await refused(api, mutation, variables) == [("NOT_FOUND", f"input.lines.0.{field}")]


async def test_a_loss_from_a_bin_is_missing_there_and_else_what_may_not_be_sold_is_missed_last(api: Api) -> None:
    here, row = await location(api), await variant(api)
    one, two = await bins(api, here, "A", "B")
    await received(api, here, row, 4, binId=one)
    await received(api, here, row, 4, binId=two)
    await received(api, here, row, 4, binId=two, state="DAMAGED")

    def lost(quantity: int, **line: Any) -> dict[str, Any]:
        given = [{"variantId": row, "delta": -quantity, **line}]
        return {"input": {"locationId": here, "reason": "SHRINKAGE", "lines": given}}

    await done(api, ADJUST, lost(3, binId=two))
    assert await lying(api, row) == {("A", None, None, "4"), ("B", None, None, "1"), ("B", None, "DAMAGED", "4")}
    await done(api, ADJUST, lost(2, binId=two))  # what may be sold first
    assert await lying(api, row) == {("A", None, None, "4"), ("B", None, "DAMAGED", "3")}
    assert await refused(api, ADJUST, lost(4, binId=two)) == [("INSUFFICIENT_STOCK", "input.lines.0.delta")]
    assert await refused(api, ADJUST, lost(1, state="ON_HOLD")) == [("INSUFFICIENT_STOCK", "input.lines.0.delta")]
    await done(api, ADJUST, lost(1, state="DAMAGED"))
    payload = await done(api, ADJUST, lost(5))
    assert posted(payload) == [[("5100", "20.00"), ("1200", "-20.00")]]
    assert await lying(api, row) == {("B", None, "DAMAGED", "1")}
    assert await figures(api, row) == ("1", "0", "0", "0")
    await invariants_hold(api)


async def test_a_loss_of_damaged_goods_takes_nothing_from_those_who_were_promised_others(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 3)
    await received(api, here, row, 2, state="DAMAGED")
    await done(api, PLACE, {"input": ordered([(row, 3)])})
    line = {"variantId": row, "delta": -2, "state": "DAMAGED"}
    payload = await done(api, ADJUST, {"input": {"locationId": here, "reason": "DAMAGE", "lines": [line]}})
    assert not any(kind == "stock_discrepancy.opened" for kind, _ in announced(payload))
    assert await figures(api, row) == ("3", "3", "0", "0")


async def test_one_bin_is_counted_and_the_rest_stays(api: Api) -> None:
    here, row = await location(api), await variant(api)
    one, two = await bins(api, here, "A", "B")
    await received(api, here, row, 4, binId=one)
    await received(api, here, row, 6, binId=two)

    def counted(place: str, quantity: int, expected: int) -> dict[str, Any]:
        line = {"variantId": row, "quantity": quantity, "expectedQuantity": expected, "binId": place}
        return {"input": {"locationId": here, "reason": "COUNT", "lines": [line]}}

    before = await state(api)
    payload = await act(api, SET, counted(one, 3, 10))
    assert [(each["code"], each["present"]) for each in payload["userErrors"]] == [("STALE_QUANTITY", "4")]
    assert await state(api) == before
    await done(api, SET, counted(one, 3, 4))
    await done(api, SET, counted(two, 8, 6))
    assert await lying(api, row) == {("A", None, None, "3"), ("B", None, None, "8")}
    both = counted(one, 1, 3)
    both["input"]["lines"] += counted(two, 9, 8)["input"]["lines"]
    await done(api, SET, both)
    assert (await lying(api, row), await figures(api, row)) == (
        {("A", None, None, "1"), ("B", None, None, "9")},
        ("10", "0", "0", "10"),
    )
    await invariants_hold(api)


async def test_more_is_found_in_a_bin_and_in_a_state(api: Api) -> None:
    here = await location(api)
    row = await stocked(api, 2, place=here)
    (shelf,) = await bins(api, here, "A")
    lines = [
        {"variantId": row, "delta": 3, "binId": shelf},
        {"variantId": row, "delta": 1, "binId": shelf, "state": "DAMAGED"},
    ]
    payload = await done(api, ADJUST, {"input": {"locationId": here, "reason": "FOUND", "lines": lines}})
    assert moved(payload) == [("3", "12.00"), ("1", "4.00")]
    assert await lying(api, row) == {("A", None, None, "3"), ("A", None, "DAMAGED", "1")}
    assert await figures(api, row) == ("6", "0", "0", "5")


# --- goods that move within a location ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hall:
    """A location with two bins and ten of a variant, lying loose."""

    here: str
    row: str
    one: str
    two: str


@pytest.fixture
async def hall(api: Api) -> Hall:
    here = await location(api)
    one, two = await bins(api, here, "A", "B")
    return Hall(here, await stocked(api, 10, "4.00", place=here), one, two)


async def test_goods_go_into_a_bin_to_another_and_out_again(api: Api, hall: Hall) -> None:
    payload = await done(api, RELOCATE, moving(hall.here, hall.row, 6, toBinId=hall.one))
    assert (moved(payload), posted(payload)) == ([("-6", "0.00"), ("6", "0.00")], [])
    assert announced(payload) == [("stock.relocated", 2)]
    assert {each["kind"] for each in payload["effects"]["stockMovements"]["nodes"]} == {"RELOCATION"}
    (found,) = payload["levels"]
    assert (found["onHand"], found["available"], found["version"]) == ("10", "10", 2)
    await done(api, RELOCATE, moving(hall.here, hall.row, 2, fromBinId=hall.one, toBinId=hall.two))
    assert await lying(api, hall.row) == {("A", None, None, "4"), ("B", None, None, "2")}
    # From wherever it lies, loose goods first; what is there already stays.
    await done(api, RELOCATE, moving(hall.here, hall.row, 5, toBinId=hall.two))
    assert await lying(api, hall.row) == {("A", None, None, "3"), ("B", None, None, "7")}
    await done(api, RELOCATE, moving(hall.here, hall.row, 3, fromBinId=hall.one, toBinId=None))
    assert await lying(api, hall.row) == {("B", None, None, "7")}
    assert (await level(api, hall.row))["value"]["amount"] == "40.00"
    await invariants_hold(api)


async def test_goods_come_into_a_state_and_out_of_it(api: Api, hall: Hall) -> None:
    await done(api, RELOCATE, moving(hall.here, hall.row, 6, toBinId=hall.one))
    given = moving(hall.here, hall.row, 4, fromBinId=hall.one, toState="DAMAGED")
    given["input"]["reason"] = " fell off "
    payload = await done(api, RELOCATE, given)
    (found,) = payload["levels"]
    assert (found["onHand"], found["unavailable"], found["available"]) == ("10", "4", "6")
    assert {each["reason"] for each in payload["effects"]["stockMovements"]["nodes"]} == {"fell off"}
    assert payload["effects"]["events"]["nodes"][0]["data"]["unavailable"] == "4"
    assert await lying(api, hall.row) == {("A", None, None, "2"), ("A", None, "DAMAGED", "4")}
    # It keeps its state where none is said, and its bin where none is said.
    await done(api, RELOCATE, moving(hall.here, hall.row, 1, fromState="DAMAGED", toBinId=hall.two))
    await done(api, RELOCATE, moving(hall.here, hall.row, 1, fromState="DAMAGED", toState="ON_HOLD"))
    assert await lying(api, hall.row) == {
        ("A", None, None, "2"),
        ("A", None, "DAMAGED", "2"),
        ("A", None, "ON_HOLD", "1"),
        ("B", None, "DAMAGED", "1"),
    }
    assert await figures(api, hall.row) == ("10", "0", "0", "6")
    await done(api, RELOCATE, moving(hall.here, hall.row, 3, fromState="DAMAGED", toState=None))
    assert await figures(api, hall.row) == ("10", "0", "0", "9")
    await invariants_hold(api)


async def test_lines_are_done_in_their_order_and_each_level_is_told_once(api: Api, hall: Hall) -> None:
    other = await stocked(api, 3, place=hall.here)
    lines = [
        *moving(hall.here, hall.row, 7, toBinId=hall.one)["input"]["lines"],
        *moving(hall.here, other, 3, toState="SAFETY")["input"]["lines"],
        *moving(hall.here, hall.row, 3, toBinId=hall.two)["input"]["lines"],
    ]
    payload = await done(api, RELOCATE, {"input": {"locationId": hall.here, "lines": lines}})
    assert announced(payload) == [("stock.relocated", 2), ("stock.relocated", 2)]
    assert [each["available"] for each in payload["levels"]] == ["10", "0"]
    assert await lying(api, hall.row) == {("A", None, None, "7"), ("B", None, None, "3")}
    short = [*lines, *moving(hall.here, hall.row, 8, fromBinId=hall.one, toBinId=hall.two)["input"]["lines"]]
    assert await refused(api, RELOCATE, {"input": {"locationId": hall.here, "lines": short[3:]}}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]


@pytest.mark.parametrize(
    ("line", "code", "path"),
    [
        ({"toState": "DAMAGED", "quantity": 0}, "INVALID", "lines.0.quantity"),
        ({"toState": "DAMAGED", "quantity": -1}, "INVALID", "lines.0.quantity"),
        ({"toState": "DAMAGED", "quantity": "0.5"}, "INVALID", "lines.0.quantity"),
        ({"toState": "DAMAGED", "quantity": 11}, "INSUFFICIENT_STOCK", "lines.0.quantity"),
        ({"fromState": "DAMAGED", "toState": None}, "INSUFFICIENT_STOCK", "lines.0.quantity"),
        ({"toState": None}, "INVALID", "lines.0"),
        ({"fromState": "DAMAGED"}, "INVALID", "lines.0"),
        ({"fromState": "DAMAGED", "toState": "DAMAGED"}, "INVALID", "lines.0"),
        ({}, "INVALID", "lines.0"),
        ({"toState": "DAMAGED", "reason": ""}, "INVALID", "reason"),
        ({"toState": "DAMAGED", "reason": "x" * 65}, "INVALID", "reason"),
    ],
)
async def test_a_refused_relocation_leaves_everything(
    api: Api, hall: Hall, line: dict[str, Any], code: str, path: str
) -> None:
    own = {name: value for name, value in line.items() if name not in ("quantity", "reason")}
    given = moving(hall.here, hall.row, line.get("quantity", 1), **own)
    given["input"]["reason"] = line.get("reason")
    assert await refused(api, RELOCATE, given) == [(code, f"input.{path}")]


async def test_a_relocation_names_what_there_is(api: Api, hall: Hall) -> None:
    for each in wrong_ids("loc"):
        assert await refused(api, RELOCATE, moving(each, hall.row, 1, toState="DAMAGED")) == [
            ("NOT_FOUND", "input.locationId")
        ]
    for each in wrong_ids("var"):
        assert await refused(api, RELOCATE, moving(hall.here, each, 1, toState="DAMAGED")) == [
            ("NOT_FOUND", "input.lines.0.variantId")
        ]
    for each in wrong_ids("lot"):
        assert await refused(api, RELOCATE, moving(hall.here, hall.row, 1, toState="DAMAGED", fromLotId=each)) == [
            ("NOT_FOUND", "input.lines.0.fromLotId")
        ]
    assert await refused(api, RELOCATE, {"input": {"locationId": hall.here, "lines": []}}) == [
        ("INVALID", "input.lines")
    ]
    stranger = await variant(api)
    assert await refused(api, RELOCATE, moving(hall.here, stranger, 1, toState="DAMAGED")) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]


async def test_what_is_promised_does_not_come_into_a_state(api: Api, hall: Hall) -> None:
    await done(api, PLACE, {"input": ordered([(hall.row, 4)])})
    await done(api, RESERVE, {"input": ordered([(hall.row, 3)])})
    before = await state(api)
    payload = await act(api, RELOCATE, moving(hall.here, hall.row, 4, toState="QUALITY_CONTROL"))
    (error,) = payload["userErrors"]
    assert (error["code"], error["requested"], error["available"]) == ("INSUFFICIENT_STOCK", "4", "3")
    assert error["path"] == ["input", "lines", "0", "quantity"]
    assert await state(api) == before
    await done(api, RELOCATE, moving(hall.here, hall.row, 3, toState="QUALITY_CONTROL"))
    assert await figures(api, hall.row) == ("10", "4", "3", "0")
    # What comes out by one line may go in by another: only the difference counts.
    lines = [
        *moving(hall.here, hall.row, 2, fromState="QUALITY_CONTROL", toState=None)["input"]["lines"],
        *moving(hall.here, hall.row, 2, toState="DAMAGED")["input"]["lines"],
    ]
    await done(api, RELOCATE, {"input": {"locationId": hall.here, "lines": lines}})
    assert await lying(api, hall.row) == {(None, None, "QUALITY_CONTROL", "1"), (None, None, "DAMAGED", "2")}
    await invariants_hold(api)


async def test_holds_whose_time_is_over_give_way_to_a_state(api: Api, hall: Hall) -> None:
    await done(api, RESERVE, {"input": ordered([(hall.row, 9)], expiresInSeconds=1)})
    await asyncio.sleep(1.1)
    await done(api, RELOCATE, moving(hall.here, hall.row, 5, toState="ON_HOLD"))
    assert await figures(api, hall.row) == ("10", "0", "0", "5")


async def test_unavailable_goods_are_promised_to_nobody_and_come_to_those_who_wait(api: Api, hall: Hall) -> None:
    await done(api, RELOCATE, moving(hall.here, hall.row, 6, toState="QUALITY_CONTROL"))
    order = (await done(api, PLACE, {"input": ordered([(hall.row, 4)])}))["order"]
    for mutation in (PLACE, RESERVE):
        assert await refused(api, mutation, {"input": ordered([(hall.row, 1)])}) == [
            ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
        ]
    line = {"variantId": hall.row, "delta": -3, "state": None}
    await done(api, ADJUST, {"input": {"locationId": hall.here, "reason": "THEFT", "lines": [line]}})
    assert await figures(api, hall.row) == ("7", "1", "0", "0")  # three wait now
    payload = await done(api, RELOCATE, moving(hall.here, hall.row, 5, fromState="QUALITY_CONTROL", toState=None))
    assert payload["effects"]["events"]["nodes"][0]["data"]["allocated"] == "4"
    assert await figures(api, hall.row) == ("7", "4", "0", "2")
    await done(api, SHIP, {"id": order["id"]})
    await invariants_hold(api)


async def test_a_shipment_leaves_what_cannot_be_sold(api: Api, hall: Hall) -> None:
    await done(api, RELOCATE, moving(hall.here, hall.row, 4, toBinId=hall.one))
    await done(api, RELOCATE, moving(hall.here, hall.row, 3, fromBinId=hall.one, toState="DAMAGED"))
    order = (await done(api, PLACE, {"input": ordered([(hall.row, 7)])}))["order"]
    await done(api, SHIP, {"id": order["id"]})
    assert await lying(api, hall.row) == {("A", None, "DAMAGED", "3")}
    called_off = await stocked(api, 2, place=hall.here)
    await done(api, RELOCATE, moving(hall.here, called_off, 1, toState="DAMAGED"))
    other = (await done(api, PLACE, {"input": ordered([(called_off, 1)])}))["order"]
    await done(api, CANCEL, {"id": other["id"]})
    assert await figures(api, called_off) == ("2", "0", "0", "1")
    await invariants_hold(api)


async def test_a_relocation_sent_20_times_moves_once_and_a_dry_one_not_at_all(api: Api, hall: Hall) -> None:
    before = await state(api)
    dry = await done(api, RELOCATE, moving(hall.here, hall.row, 4, toState="DAMAGED") | {"dryRun": True})
    assert dry["levels"][0]["unavailable"] == "4"
    assert await state(api) == before
    await sent_at_once(api, RELOCATE, moving(hall.here, hall.row, 4, toState="DAMAGED"))
    assert await figures(api, hall.row) == ("10", "0", "0", "6")


async def test_a_relocation_costs_the_same_statements_for_1_and_for_300_lines(api: Api) -> None:
    here = await location(api)
    (shelf,) = await bins(api, here, "A")
    rows = [await variant(api) for _ in range(300)]
    await done(api, RECEIVE, {"input": receipt(here, [(row, 2, "1.00") for row in rows])})
    plain = "mutation M($input: StockRelocateInput!) { stockRelocate(input: $input) { userErrors { message } } }"
    counts = []
    for mine in (rows[:1], rows[:1], rows):
        lines = [{"variantId": row, "quantity": 1, "toBinId": shelf} for row in mine]
        if len(mine) > 1:
            lines[0] |= {"fromBinId": shelf, "toBinId": None}
        async with api.counted() as statements:
            await done(api, plain, {"input": {"locationId": here, "lines": lines}})
        counts.append(number_of(statements))
    assert counts[1] == counts[2]
    await invariants_hold(api)


# --- lists and scopes -----------------------------------------------------------------------------------------------


async def test_contents_are_listed_and_narrowed(fresh_api: Api) -> None:
    api = fresh_api
    here, there = await location(api), await location(api)
    one, two = await bins(api, here, "A", "B")
    row, other = await variant(api), await variant(api)
    await received(api, here, row, 1, binId=one)
    await received(api, here, row, 2, binId=two, state="DAMAGED")
    await received(api, here, other, 3, binId=one, lot="L")
    await received(api, there, other, 4, lot="L", state="ON_HOLD")
    gone = await variant(api)
    await received(api, there, gone, 5, state="DAMAGED")
    await done(api, RELOCATE, moving(there, gone, 5, fromState="DAMAGED", toState=None))
    query = """query Q($filter: StockContentFilter, $sort: [StockContentSort!], $first: Int, $after: String) {
      stockContents(filter: $filter, sort: $sort, first: $first, after: $after) {
        nodes { id quantity } totalCount pageInfo { endCursor hasNextPage } } }"""

    async def listed(**arguments: Any) -> list[str]:
        found = (await api.data(query, arguments))["stockContents"]
        return [each["quantity"] for each in found["nodes"]]

    assert await listed() == ["1", "2", "3", "4"]
    assert await listed(sort=["ID_DESC"]) == ["4", "3", "2", "1"]
    assert await listed(filter={"binId": {"in": [one]}}) == ["1", "3"]
    assert await listed(filter={"variantId": {"in": [row]}}) == ["1", "2"]
    assert await listed(filter={"locationId": {"in": [there]}}) == ["4"]
    assert await listed(filter={"state": {"in": ["DAMAGED", "ON_HOLD"]}}) == ["2", "4"]
    assert await listed(filter={"state": {"in": ["DAMAGED"]}, "locationId": {"in": [here]}}) == ["2"]
    first = (await api.data(query, {"first": 3}))["stockContents"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (4, True)
    assert await listed(first=3, after=first["pageInfo"]["endCursor"]) == ["4"]
    node = "query Q($id: ID!) { node(id: $id) { ... on StockContent { quantity } } }"
    assert (await api.data(node, {"id": first["nodes"][0]["id"]}))["node"] == {"quantity": "1"}
    await invariants_hold(api)


@pytest.mark.parametrize(
    "document",
    [
        "{ stockContents { totalCount } }",
        '{ bin(by: {id: "bin_x"}) { id } }',
        '{ lot(by: {id: "lot_x"}) { id } }',
        "{ lots { totalCount } }",
    ],
)
async def test_who_may_not_read_stock_sees_no_shelf(api: Api, document: str) -> None:
    await forbidden(api, document, {}, ["stock:read", "stock:write"])


async def test_who_may_not_change_stock_moves_nothing(api: Api, hall: Hall) -> None:
    await forbidden(api, BINS, making(hall.here, "N"), ["stock:write"])
    await forbidden(api, RELOCATE, moving(hall.here, hall.row, 1, toState="DAMAGED"), ["stock:write"])


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
