"""Counts: what is on the shelf is counted while stock goes on moving, and the differences are booked."""

import asyncio
from typing import Any

import pytest

from domain.kernel.ids import new_id
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    EFFECTS,
    ERRORS,
    PLACE,
    POLICY,
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
    likeness,
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

COUNT = """count { id number kind isBlind status reference submittedAt approvedAt cancelledAt version availableActions
  location { id } lines(first: 250) { totalCount nodes { id position variant { id } bin { id path } lot { id number }
    expected counted difference countedAt countedBy rounds unitCost { amount currency } } } }"""
START = f"""mutation S($input: StockCountStartInput!, $dryRun: Boolean! = false, $key: String) {{
  stockCountStart(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
RECORD = f"""mutation R($id: ID!, $input: StockCountRecordInput!, $key: String) {{
  stockCountRecord(id: $id, input: $input, idempotencyKey: $key) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
SUBMIT = f"""mutation B($id: ID!, $zero: Boolean! = false) {{
  stockCountSubmit(id: $id, uncountedAreZero: $zero) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
RECOUNT = f"""mutation A($id: ID!, $lines: [ID!]!) {{
  stockCountRecount(id: $id, lineIds: $lines) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
APPROVE = f"""mutation P($id: ID!, $dryRun: Boolean! = false, $key: String) {{
  stockCountApprove(id: $id, dryRun: $dryRun, idempotencyKey: $key) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
CANCEL = f"""mutation C($id: ID!) {{ stockCountCancel(id: $id) {{ {COUNT} {EFFECTS} {ERRORS} }} }}"""
READ = f"query Q($by: StockCountKey!) {{ count: stockCount(by: $by) {COUNT.removeprefix('count ')} }}"


async def started(api: Api, place: str, *rows: str, **extra: Any) -> dict[str, Any]:
    """A cycle count of these variants; without any, a full one."""
    what = {"kind": "CYCLE", "variantIds": list(rows)} if rows else {"kind": "FULL"}
    return (await done(api, START, {"input": {"locationId": place, **what, **extra}}))["count"]


def lines_of(count: dict[str, Any]) -> list[dict[str, Any]]:
    return count["lines"]["nodes"]


def seen(count: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the lines say: expected, counted, difference, rounds."""
    return [(each["expected"], each["counted"], each["difference"], each["rounds"]) for each in lines_of(count)]


def record(count: dict[str, Any], *quantities: Any) -> dict[str, Any]:
    """The variables that record so many of each line, in order; None: not counted."""
    pairs = zip(lines_of(count), quantities, strict=False)
    given = [{"lineId": line["id"], "quantity": many} for line, many in pairs if many is not None]
    return {"id": count["id"], "input": {"lines": given}}


async def counted(api: Api, count: dict[str, Any], *quantities: Any) -> dict[str, Any]:
    return (await done(api, RECORD, record(count, *quantities)))["count"]


async def submitted(api: Api, count: dict[str, Any]) -> dict[str, Any]:
    return (await done(api, SUBMIT, {"id": count["id"]}))["count"]


async def approved(api: Api, count: dict[str, Any]) -> dict[str, Any]:
    return await done(api, APPROVE, {"id": count["id"]})


async def bins_at(api: Api, place: str, *paths: str) -> list[str]:
    """The ids of fresh bins, made behind the API's back; larger places come before what is in them."""
    made: dict[str, str] = {}
    for path in paths:
        above, _, code = path.rpartition("/")
        made[path] = new_id("bin")
        values = (made[path][4:], place[4:], made[above][4:] if above else None, code, path)
        async with api.services.database.connection() as connection:
            await connection.exec_driver_sql(
                "INSERT INTO bins (id, location_id, parent_id, kind, code, path, created_at)"
                " VALUES ($1, $2, $3, 'BIN', $4, $5, now())",
                values,
            )
            await connection.commit()
    return list(made.values())


def placed(place: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The input of a receipt at four dollars each."""
    return {"locationId": place, "lines": [{"unitCost": dollars("4.00"), **line} for line in lines]}


# --- starting -------------------------------------------------------------------------------------------------------


async def test_a_count_keeps_what_the_books_say(api: Api) -> None:
    place = await location(api)
    mug, flour = await stocked(api, 10, place=place), await variant(api, unit="KG")
    given = {"locationId": place, "kind": "CYCLE", "variantIds": [mug, flour, mug], "reference": " May "}
    payload = await done(api, START, {"input": given})
    count = payload["count"]
    assert count["number"].startswith("CT-")
    assert (count["kind"], count["isBlind"], count["status"], count["reference"]) == ("CYCLE", False, "OPEN", "May")
    assert (count["location"]["id"], count["version"]) == (place, 1)
    assert count["availableActions"] == ["RECORD", "SUBMIT", "RECOUNT", "CANCEL"]
    assert {each["variant"]["id"]: each["expected"] for each in lines_of(count)} == {mug: "10", flour: "0"}
    assert [each["position"] for each in lines_of(count)] == [1, 2]
    assert announced(payload) == [("stock_count.started", 1)]
    assert payload["effects"]["events"]["nodes"][0]["data"] == {"location": place, "kind": "CYCLE"}
    assert moved(payload) == posted(payload) == []
    for by in ({"id": count["id"]}, {"number": count["number"].lower()}, {"number": count["number"][3:]}):
        assert (await api.data(READ, {"by": by}))["count"] == count
    assert (await api.data(READ, {"by": {"number": "CT-1"}}))["count"] is None


async def test_a_full_count_is_of_everything_that_is_there(api: Api) -> None:
    place = await location(api)
    mug, plate = await stocked(api, 10, place=place), await stocked(api, 2, place=place)
    gone = await stocked(api, 1, place=place)
    loss = {"locationId": place, "reason": "DAMAGE", "lines": [{"variantId": gone, "delta": -1}]}
    await done(api, ADJUST, {"input": loss})
    await stocked(api, 5)  # elsewhere
    count = await started(api, place)
    assert {each["variant"]["id"]: each["expected"] for each in lines_of(count)} == {mug: "10", plate: "2"}
    empty = await started(api, await location(api))
    assert lines_of(empty) == []
    assert (await approved(api, await submitted(api, empty)))["count"]["status"] == "APPROVED"


async def test_each_bin_and_lot_has_a_line_and_what_lies_loose_has_one(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    zone, near, far, elsewhere = await bins_at(api, place, "A", "A/01", "A/02", "AB")
    goods = [
        {"variantId": mug, "quantity": 1, "binId": far, "lot": {"number": "L2"}},
        {"variantId": mug, "quantity": 2, "binId": far, "lot": {"number": "L1"}},
        {"variantId": mug, "quantity": 3, "binId": near},
        {"variantId": mug, "quantity": 4, "binId": near, "state": "DAMAGED"},
        {"variantId": mug, "quantity": 5},
        {"variantId": mug, "quantity": 6, "state": "ON_HOLD"},
        {"variantId": mug, "quantity": 7, "binId": elsewhere},
    ]
    await done(api, RECEIVE, {"input": placed(place, goods)})

    def told(count: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (each["bin"] and each["bin"]["path"], each["lot"] and each["lot"]["number"], each["expected"])
            for each in lines_of(count)
        ]

    count = await started(api, place, mug)
    shelves = [("A/01", None, "7"), ("A/02", "L1", "2"), ("A/02", "L2", "1")]
    assert told(count) == [(None, None, "11"), *shelves, ("AB", None, "7")]
    await done(api, CANCEL, {"id": count["id"]})
    of_zone = {"locationId": place, "kind": "CYCLE", "binIds": [zone]}
    count = (await done(api, START, {"input": of_zone}))["count"]
    assert told(count) == shelves
    other = {"locationId": place, "kind": "CYCLE", "binIds": [elsewhere, elsewhere], "variantIds": [mug]}
    assert told((await done(api, START, {"input": other}))["count"]) == [("AB", None, "7")]
    none = {"locationId": place, "kind": "CYCLE", "binIds": [zone], "variantIds": [await variant(api)]}
    assert told((await done(api, START, {"input": none}))["count"]) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"variantIds": []}, [("INVALID", "input.variantIds")]),
        ({"variantIds": None}, [("INVALID", "input.variantIds")]),
        ({"kind": "FULL"}, [("INVALID", "input.variantIds")]),
        ({"kind": "FULL", "variantIds": None, "binIds": ["bin_1"]}, [("INVALID", "input.binIds")]),
        ({"binIds": []}, [("INVALID", "input.binIds")]),
        ({"binIds": ["bin_1", f"bin_{'0' * 32}"]}, [("NOT_FOUND", f"input.binIds.{n}") for n in (0, 1)]),
        ({"variantIds": wrong_ids("var")}, [("NOT_FOUND", f"input.variantIds.{n}") for n in range(6)]),
        ({"locationId": f"loc_{'0' * 32}"}, [("NOT_FOUND", "input.locationId")]),
        ({"reference": " "}, [("INVALID", "input.reference")]),
    ],
)
async def test_a_refused_start_leaves_nothing(api: Api, change: dict[str, Any], expected: list[Any]) -> None:
    given = {"locationId": await location(api), "kind": "CYCLE", "variantIds": [await variant(api)], **change}
    assert await refused(api, START, {"input": given}) == expected


async def test_a_bin_of_another_location_is_none_here(api: Api) -> None:
    (bin_id,) = await bins_at(api, await location(api), "A")
    given = {"locationId": await location(api), "kind": "CYCLE", "binIds": [bin_id]}
    assert await refused(api, START, {"input": given}) == [("NOT_FOUND", "input.binIds.0")]


async def test_what_another_count_is_at_is_not_counted_twice(api: Api) -> None:
    place, mug, plate = await location(api), await variant(api), await variant(api)
    first = await started(api, place, mug)
    given = {"locationId": place, "kind": "CYCLE", "variantIds": [plate, mug]}
    assert await refused(api, START, {"input": given}) == [("NOT_ALLOWED_NOW", "input.variantIds")]
    message = (await act(api, START, {"input": given}))["userErrors"][0]["message"]
    assert first["number"] in message
    await started(api, await location(api), mug)  # at another place it is another count
    other = await started(api, place, plate)
    found = {"id": other["id"], "input": {"found": [{"variantId": mug, "quantity": 1}]}}
    assert await refused(api, RECORD, found) == [("NOT_ALLOWED_NOW", "input.found")]
    await submitted(api, await counted(api, first, 0))
    assert await refused(api, START, {"input": given}) == [("NOT_ALLOWED_NOW", "input.variantIds")]
    await done(api, CANCEL, {"id": first["id"]})
    await done(api, CANCEL, {"id": other["id"]})
    await started(api, place, plate, mug)


async def test_of_ten_counts_of_the_same_that_start_at_once_one_does(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    given = {"input": {"locationId": place, "kind": "CYCLE", "variantIds": [mug]}}
    payloads = await asyncio.gather(*(act(api, START, given) for _ in range(10)))
    assert sorted(len(each["userErrors"]) for each in payloads) == [0] + [1] * 9


# --- recording ------------------------------------------------------------------------------------------------------


async def test_what_was_counted_is_written_down_and_a_recount_overwrites_it(api: Api) -> None:
    place = await location(api)
    count = await started(api, place, await stocked(api, 10, place=place))
    assert seen(count) == [("10", None, None, 0)]
    payload = await done(api, RECORD, record(count, 8))
    assert seen(payload["count"]) == [("10", "8", "-2", 1)]
    assert (payload["count"]["status"], payload["count"]["version"]) == ("OPEN", 2)
    assert announced(payload) == [("stock_count.recorded", 2)]
    assert payload["effects"]["events"]["nodes"][0]["data"] == {"location": place, "lines": 1}
    (line,) = lines_of(payload["count"])
    assert line["countedAt"] is not None
    assert line["countedBy"].startswith("app_")
    assert seen(await counted(api, count, "11")) == [("10", "11", "1", 2)]
    count = (await done(api, RECOUNT, {"id": count["id"], "lines": [line["id"]]}))["count"]
    assert seen(count) == [("10", None, None, 2)]
    assert lines_of(count)[0]["countedAt"] is None


async def test_what_moves_between_the_start_and_the_counting_is_no_difference(api: Api) -> None:
    place = await location(api, priority=0)
    mug = await stocked(api, 10, place=place)
    count = await started(api, place, mug)
    order = (await done(api, PLACE, {"input": ordered([(mug, 3)], locationId=place)}))["order"]
    await done(api, SHIP, {"id": order["id"]})
    await done(api, RECEIVE, {"input": receipt(place, [(mug, 5, "4.00")])})
    assert seen(await counted(api, count, 12)) == [("12", "12", "0", 1)]
    payload = await approved(api, await submitted(api, count))
    assert moved(payload) == posted(payload) == []
    assert announced(payload) == [("stock_count.approved", 4)]


async def test_what_was_found_becomes_a_line(api: Api) -> None:
    place, mug, plate, bowl = await location(api), await variant(api), await variant(api), await variant(api)
    (shelf,) = await bins_at(api, place, "S")
    count = await started(api, place, mug)
    found = [
        {"variantId": plate, "quantity": 3, "binId": shelf, "unitCost": dollars("2.50")},
        {"variantId": bowl, "quantity": 1, "unitCost": dollars("1")},
        {"variantId": mug, "quantity": 2, "unitCost": dollars("5.00")},  # it has a line already
    ]
    given = {"id": count["id"], "input": {"found": found}}
    count = (await done(api, RECORD, given))["count"]
    assert [(each["variant"]["id"], each["counted"], each["difference"]) for each in lines_of(count)] == [
        (mug, "2", "2"),
        (plate, "3", "3"),
        (bowl, "1", "1"),
    ]
    assert lines_of(count)[1]["bin"] == {"id": shelf, "path": "S"}
    assert lines_of(count)[1]["unitCost"] == {"amount": "2.50", "currency": "USD"}
    assert [each["rounds"] for each in lines_of((await done(api, RECORD, given))["count"])] == [2, 2, 2]
    payload = await approved(api, await submitted(api, count))
    assert sorted(moved(payload)) == [("1", "1.00"), ("2", "10.00"), ("3", "7.50")]
    contents = "query Q($id: ID!) { node(id: $id) { ... on StockLevel { contents { quantity bin { id } } } } }"
    there = await api.data(contents, {"id": (await level(api, plate))["id"]})
    assert there["node"]["contents"] == [{"quantity": "3", "bin": {"id": shelf}}]


async def test_goods_that_came_before_they_were_found_are_expected_there(api: Api) -> None:
    place, mug, plate = await location(api), await variant(api), await variant(api)
    count = await started(api, place, mug)
    await done(api, RECEIVE, {"input": receipt(place, [(plate, 4, "4.00")])})
    given = {"id": count["id"], "input": {"found": [{"variantId": plate, "quantity": 4}]}}
    assert seen((await done(api, RECORD, given))["count"])[1] == ("4", "4", "0", 1)


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"lines": []}, "INVALID", "input.lines"),
        ({"lines": None}, "INVALID", "input.lines"),
        ({"lines": [{"quantity": -1}]}, "INVALID", "input.lines.0.quantity"),
        ({"lines": [{"quantity": "0.5"}]}, "INVALID", "input.lines.0.quantity"),
        ({"lines": [{}, {}]}, "INVALID", "input.lines.1"),
        ({"lines": [{"unitCost": dollars("-1")}]}, "INVALID", "input.lines.0.unitCost.amount"),
        ({"lines": [{"unitCost": {"amount": "1", "currency": "EUR"}}]}, "INVALID", "input.lines.0.unitCost.currency"),
        ({"lines": [{"lineId": f"cnl_{'0' * 32}"}]}, "NOT_FOUND", "input.lines.0.lineId"),
        ({"found": [{}]}, "INVALID", "input.found.0"),
        ({"lines": None, "found": [{}, {}]}, "INVALID", "input.found.1"),
        ({"found": [{"quantity": 0}]}, "INVALID", "input.found.0.quantity"),
        ({"found": [{"variantId": f"var_{'0' * 32}"}]}, "NOT_FOUND", "input.found.0.variantId"),
        ({"found": [{"binId": f"bin_{'0' * 32}"}]}, "NOT_FOUND", "input.found.0.binId"),
        ({"found": [{"lotId": f"lot_{'0' * 32}"}]}, "NOT_FOUND", "input.found.0.lotId"),
    ],
)
async def test_a_refused_record_leaves_everything(api: Api, change: dict[str, Any], code: str, path: str) -> None:
    place, mug = await location(api), await variant(api)
    count = await started(api, place, mug)
    given: dict[str, Any] = {"lines": [{}], **change}
    for name, default in (
        ("lines", {"lineId": lines_of(count)[0]["id"], "quantity": 1}),
        ("found", {"variantId": mug, "quantity": 1}),
    ):
        given[name] = given.get(name) and [{**default, **each} for each in given[name]]
    assert await refused(api, RECORD, {"id": count["id"], "input": given}) == [(code, path)]


async def test_a_line_of_another_count_is_none_of_this_one(api: Api) -> None:
    place = await location(api)
    one, two = await started(api, place, await variant(api)), await started(api, place, await variant(api))
    given = {**record(two, 1), "id": one["id"]}
    assert await refused(api, RECORD, given) == [("NOT_FOUND", "input.lines.0.lineId")]
    theirs = [lines_of(two)[0]["id"], *wrong_ids("cnl")]
    expected = [("NOT_FOUND", f"lineIds.{n}") for n in range(len(theirs))]
    assert await refused(api, RECOUNT, {"id": one["id"], "lines": theirs}) == expected
    assert await refused(api, RECOUNT, {"id": one["id"], "lines": []}) == [("INVALID", "lineIds")]


@pytest.mark.parametrize("name", ["RECORD", "SUBMIT", "RECOUNT", "APPROVE", "CANCEL"])
async def test_no_such_count(api: Api, name: str) -> None:
    rest = {"input": {"lines": [{"lineId": "x", "quantity": 1}]}, "lines": ["x"]}
    for wrong in wrong_ids("cnt"):
        given = {"id": wrong, **{key: each for key, each in rest.items() if f"${key}:" in globals()[name]}}
        assert await refused(api, globals()[name], given) == [("NOT_FOUND", "id")]


async def test_many_record_at_once_and_none_is_lost(api: Api) -> None:
    place = await location(api)
    rows = [await stocked(api, 5, place=place) for _ in range(8)]
    count = await started(api, place, *rows)
    each = [record(count, *[None] * n, 4) for n in range(8)]
    await asyncio.gather(*(done(api, RECORD, given) for given in each))
    found = (await api.data(READ, {"by": {"id": count["id"]}}))["count"]
    assert seen(found) == [("5", "4", "-1", 1)] * 8
    assert found["version"] == 9


# --- blind counts ---------------------------------------------------------------------------------------------------


async def test_nobody_sees_what_the_books_say_while_a_blind_count_is_open(api: Api) -> None:
    place = await location(api)
    count = await started(api, place, await stocked(api, 10, place=place), isBlind=True)
    assert seen(count) == [(None, None, None, 0)]
    assert seen(await counted(api, count, 8)) == [(None, "8", None, 1)]
    node = "query Q($id: ID!) { node(id: $id) { ... on StockCountLine { expected difference counted } } }"
    asked = {"id": lines_of(count)[0]["id"]}
    assert (await api.data(node, asked))["node"] == {"expected": None, "difference": None, "counted": "8"}
    assert seen(await submitted(api, count)) == [("10", "8", "-2", 1)]
    again = (await done(api, RECOUNT, {"id": count["id"], "lines": [lines_of(count)[0]["id"]]}))["count"]
    assert seen(again) == [(None, None, None, 1)]
    payload = await approved(api, await submitted(api, await counted(api, count, 9)))
    assert seen(payload["count"]) == [("10", "9", "-1", 2)]


# --- submitting and approving ---------------------------------------------------------------------------------------


async def test_the_differences_are_booked_one_adjustment_per_line(api: Api) -> None:
    place = await location(api)
    less, more, same = [await stocked(api, 10, place=place) for _ in range(3)]
    count = await started(api, place, less, more, same)
    by = {each["variant"]["id"]: each["id"] for each in lines_of(count)}
    lines = [{"lineId": by[row], "quantity": many} for row, many in ((less, 7), (more, 12), (same, 10))]
    count = (await done(api, RECORD, {"id": count["id"], "input": {"lines": lines}}))["count"]
    count = await submitted(api, count)
    assert (count["status"], count["availableActions"]) == ("SUBMITTED", ["RECOUNT", "APPROVE", "CANCEL"])
    assert count["submittedAt"] is not None
    payload = await approved(api, count)
    count = payload["count"]
    assert (count["status"], count["version"], count["availableActions"]) == ("APPROVED", 4, [])
    assert count["approvedAt"] is not None
    moves = payload["effects"]["stockMovements"]["nodes"]
    assert sorted((each["quantity"], each["value"]["amount"], each["variant"]["id"]) for each in moves) == sorted(
        [("-3", "-12.00", less), ("2", "8.00", more)]
    )
    assert {(each["kind"], each["reason"], each["source"]) for each in moves} == {("ADJUSTMENT", "COUNT", count["id"])}
    assert posted(payload) == [[("1200", "8.00"), ("5190", "-8.00"), ("5190", "12.00"), ("1200", "-12.00")]]
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert entry["source"] == count["id"]
    assert sorted(announced(payload)) == [
        ("journal_entry.posted", 1),
        ("stock.adjusted", 2),
        ("stock.adjusted", 2),
        ("stock_count.approved", 4),
    ]
    assert [(await figures(api, row, place))[0] for row in (less, more, same)] == ["7", "12", "10"]


async def test_what_is_uncounted_is_none_only_where_that_is_said(api: Api) -> None:
    place = await location(api)
    one, two = await stocked(api, 10, place=place), await stocked(api, 4, place=place)
    count = await counted(api, await started(api, place, one, two), 10)
    assert await refused(api, SUBMIT, {"id": count["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    await done(api, RECEIVE, {"input": receipt(place, [(two, 1, "4.00")])})
    count = (await done(api, SUBMIT, {"id": count["id"], "zero": True}))["count"]
    assert [(each["counted"], each["difference"]) for each in lines_of(count)] == [("10", "0"), ("0", "-5")]
    await approved(api, count)
    assert (await figures(api, two, place))[0] == "0"


async def test_a_loss_is_taken_from_where_it_was_counted(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    shelf, other = await bins_at(api, place, "A", "B")
    goods = [
        {"variantId": mug, "quantity": 5, "binId": shelf, "lot": {"number": "L1", "expiresOn": "2040-01-01"}},
        {"variantId": mug, "quantity": 5, "binId": shelf},
        {"variantId": mug, "quantity": 5, "binId": other, "state": "DAMAGED"},
        {"variantId": mug, "quantity": 5},
    ]
    await done(api, RECEIVE, {"input": placed(place, goods)})
    count = await counted(api, await started(api, place, mug), 4, 2, 6, 3)
    assert [each["difference"] for each in lines_of(count)] == ["-1", "-3", "1", "-2"]
    await approved(api, await submitted(api, count))
    query = """query Q($id: ID!) { node(id: $id) { ... on StockLevel { onHand unavailable
      contents { quantity state bin { path } lot { number } } } } }"""
    found = (await api.data(query, {"id": (await level(api, mug))["id"]}))["node"]
    contents = {
        (each["bin"]["path"], each["lot"] and each["lot"]["number"], each["state"]): each["quantity"]
        for each in found["contents"]
    }
    assert contents == {("A", None, None): "2", ("A", "L1", None): "6", ("B", None, "DAMAGED"): "3"}
    assert (found["onHand"], found["unavailable"]) == ("15", "3")
    await invariants_hold(api)


async def test_a_difference_is_booked_on_top_of_what_moved_since(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    count = await submitted(api, await counted(api, await started(api, place, mug), 8))
    await done(api, RECEIVE, {"input": receipt(place, [(mug, 5, "4.00")])})
    loss = {"locationId": place, "reason": "DAMAGE", "lines": [{"variantId": mug, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    payload = await approved(api, count)
    assert moved(payload) == [("-2", "-8.00")]
    assert (await figures(api, mug, place))[0] == "10"  # 8 + 5 - 3


async def test_no_more_is_booked_as_missing_than_is_left_there(api: Api) -> None:
    place = await location(api)
    mug, plate = await stocked(api, 10, place=place), await stocked(api, 10, place=place)
    count = await submitted(api, await counted(api, await started(api, place, mug, plate), 2, 9))
    loss = {"locationId": place, "reason": "DAMAGE", "lines": [{"variantId": mug, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    assert await refused(api, APPROVE, {"id": count["id"]}) == [("INSUFFICIENT_STOCK", "id")]
    (error,) = (await act(api, APPROVE, {"id": count["id"]}))["userErrors"]
    assert error["message"].startswith("Line 1 lacks 8 of ")
    assert (error["variant"]["id"], error["requested"], error["available"]) == (mug, "8", "7")
    await done(api, RECOUNT, {"id": count["id"], "lines": [lines_of(count)[0]["id"]]})
    await approved(api, await submitted(api, await counted(api, count, 2)))
    assert [(await figures(api, row, place))[0] for row in (mug, plate)] == ["2", "9"]


async def test_what_was_found_and_nobody_knows_the_cost_of_is_refused_until_it_is_said(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    count = await submitted(api, await counted(api, await started(api, place, mug), 3))
    assert await refused(api, APPROVE, {"id": count["id"]}) == [("COST_UNKNOWN", "id")]
    (line,) = lines_of(count)
    await done(api, RECOUNT, {"id": count["id"], "lines": [line["id"]]})
    given = {"lines": [{"lineId": line["id"], "quantity": 3, "unitCost": dollars("1.25")}]}
    await done(api, RECORD, {"id": count["id"], "input": given})
    assert moved(await approved(api, await submitted(api, count))) == [("3", "3.75")]


async def test_a_variant_that_is_kept_by_lots_is_counted_by_them(api: Api) -> None:
    place, milk = await location(api), await variant(api)
    await done(api, POLICY, {"input": {"variantId": milk, "tracksLots": True}})
    count = await started(api, place, milk)
    assert await refused(api, RECORD, record(count, 1)) == [("INVALID", "input.lines.0.quantity")]
    found = {"id": count["id"], "input": {"found": [{"variantId": milk, "quantity": 1}]}}
    assert await refused(api, RECORD, found) == [("INVALID", "input.found.0.lotId")]
    elsewhere = await location(api)
    lot = {"variantId": milk, "quantity": 1, "lot": {"number": "M1"}}
    await done(api, RECEIVE, {"input": placed(elsewhere, [lot])})
    (there,) = lines_of(await started(api, elsewhere))
    found["input"]["found"][0]["lotId"] = there["lot"]["id"]
    count = (await done(api, RECORD, found))["count"]
    await approved(api, await submitted(api, await counted(api, count, 0)))
    assert (await figures(api, milk, place))[0] == "1"


async def test_a_count_below_what_was_promised_is_booked(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 5, place=place)
    await done(api, PLACE, {"input": ordered([(mug, 4)])})
    count = await submitted(api, await counted(api, await started(api, place, mug), 3))
    payload = await approved(api, count)
    assert (await figures(api, mug, place)) == ("3", "3", "0", "0")
    assert "stock_discrepancy.opened" in [kind for kind, _ in announced(payload)]


NEXT = {
    "OPEN": {"RECORD", "SUBMIT", "RECOUNT", "CANCEL"},
    "SUBMITTED": {"RECOUNT", "APPROVE", "CANCEL"},
    "APPROVED": set(),
    "CANCELLED": set(),
}


@pytest.mark.parametrize("status", NEXT)
async def test_every_act_in_every_state(api: Api, status: str) -> None:
    place = await location(api)
    mug = await stocked(api, 5, place=place)
    for name in ("RECORD", "SUBMIT", "RECOUNT", "APPROVE", "CANCEL"):
        count = await counted(api, await started(api, place, mug), 5)
        if status in ("SUBMITTED", "APPROVED"):
            count = await submitted(api, count)
        if status in ("APPROVED", "CANCELLED"):
            count = (await done(api, {"APPROVED": APPROVE, "CANCELLED": CANCEL}[status], {"id": count["id"]}))["count"]
        assert count["status"] == status
        assert set(count["availableActions"]) == NEXT[status]
        given = {**record(count, 5), "lines": [lines_of(count)[0]["id"]]}
        given = {key: each for key, each in given.items() if f"${key}:" in globals()[name]}
        if name in NEXT[status]:
            await done(api, globals()[name], given)
        else:
            assert await refused(api, globals()[name], given) == [("NOT_ALLOWED_NOW", "id")]
        await act(api, CANCEL, {"id": count["id"]})  # so that the next one may begin


async def test_of_two_approvals_at_once_one_books(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    count = await submitted(api, await counted(api, await started(api, place, mug), 7))
    payloads = await asyncio.gather(*(act(api, APPROVE, {"id": count["id"]}) for _ in range(8)))
    assert sorted([each["code"] for each in payload["userErrors"]] for payload in payloads) == [
        [],
        *[["NOT_ALLOWED_NOW"]] * 7,
    ]
    assert (await figures(api, mug, place))[0] == "7"


async def test_stock_goes_on_moving_while_it_is_counted(api: Api) -> None:
    """What was there, what came and went, and the difference that was shown: nothing else, and nothing twice."""
    place = await location(api, priority=0)
    mug = await stocked(api, 40, place=place)
    count = await started(api, place, mug)
    sold = received = 0
    stop = asyncio.Event()

    async def sell() -> None:
        nonlocal sold
        while not stop.is_set():
            payload = await act(api, PLACE, {"input": ordered([(mug, 1)], locationId=place)})
            if not payload["userErrors"]:
                await done(api, SHIP, {"id": payload["order"]["id"]})
                sold += 1

    async def restock() -> None:
        nonlocal received
        while not stop.is_set():
            await done(api, RECEIVE, {"input": receipt(place, [(mug, 2, "4.00")])})
            received += 2

    async def count_it() -> None:
        for _ in range(4):
            await asyncio.sleep(0.05)
            shelf = int((await figures(api, mug, place))[0]) - 3
            await counted(api, count, shelf)
        await submitted(api, count)
        await asyncio.sleep(0.2)
        await approved(api, count)

    workers = [asyncio.ensure_future(each) for each in (sell(), sell(), restock())]
    await count_it()
    stop.set()
    await asyncio.gather(*workers)
    found = (await api.data(READ, {"by": {"id": count["id"]}}))["count"]
    (line,) = lines_of(found)
    assert sold > 0 < received
    on_hand = int((await figures(api, mug, place))[0])
    assert on_hand == 40 - sold + received + int(line["difference"])
    await invariants_hold(api)


# --- as all acts are ------------------------------------------------------------------------------------------------


async def test_a_dry_run_of_an_approval_answers_like_it_and_leaves_nothing(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    count = await submitted(api, await counted(api, await started(api, place, mug), 7))
    before = await state(api)
    tried = await done(api, APPROVE, {"id": count["id"], "dryRun": True})
    assert await state(api) == before
    payload = await approved(api, count)
    for each in (tried, payload):
        each["count"].pop("approvedAt")
    assert likeness(tried) == likeness(payload)


async def test_an_approval_that_is_sent_20_times_at_once_books_once(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    count = await submitted(api, await counted(api, await started(api, place, mug), 7))
    payload = await sent_at_once(api, APPROVE, {"id": count["id"]})
    assert moved(payload) == [("-3", "-12.00")]
    assert (await figures(api, mug, place))[0] == "7"


async def test_whoever_may_only_read_stock_counts_none(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    count = await started(api, place, mug)
    given = {"input": {"locationId": place, "kind": "FULL"}}
    await forbidden(api, START, given, ["stock:write"])
    await forbidden(api, RECORD, record(count, 1), ["stock:write"])
    for each in (SUBMIT, APPROVE, CANCEL):
        await forbidden(api, each, {"id": count["id"]}, ["stock:write"])
    await forbidden(api, RECOUNT, {"id": count["id"], "lines": []}, ["stock:write"])
    await forbidden(api, "query { stockCounts { nodes { id } } }", {}, ["stock:read", "stock:write"])
    costs = "query { stockCounts { nodes { lines { nodes { unitCost { amount } } } } } }"
    await forbidden(api, costs, {}, ["costs:read", "costs:write"])


async def test_counts_are_listed_and_filtered(fresh_api: Api) -> None:
    api, place = fresh_api, await location(fresh_api)
    other = await location(api)
    counts = [await started(api, where, await variant(api)) for where in (place, other, place)]
    await done(api, CANCEL, {"id": counts[2]["id"]})
    query = """query Q($filter: StockCountFilter, $sort: [StockCountSort!]) {
      stockCounts(filter: $filter, sort: $sort) { totalCount nodes { id } } }"""

    async def listed(**given: Any) -> list[int]:
        nodes = (await api.data(query, given))["stockCounts"]["nodes"]
        return [[each["id"] for each in counts].index(node["id"]) for node in nodes]

    assert await listed() == [0, 1, 2]
    assert await listed(sort=["CREATED_AT_DESC"]) == [2, 1, 0]
    assert await listed(filter={"status": {"in": ["OPEN"]}}) == [0, 1]
    assert await listed(filter={"locationId": {"in": [place]}, "status": {"notIn": ["OPEN"]}}) == [2]
    assert await listed(filter={"id": {"in": [counts[1]["id"], "x"]}}) == [1]


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
