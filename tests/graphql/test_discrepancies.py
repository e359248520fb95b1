"""Cases: what other systems count differently is listed, never booked by itself, and settled by somebody."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    EFFECTS,
    ERRORS,
    PLACE,
    POLICY,
    RECEIVE,
    act,
    announced,
    dollars,
    done,
    figures,
    forbidden,
    invariants_hold,
    location,
    moved,
    ordered,
    posted,
    receipt,
    refused,
    state,
    stocked,
    variant,
    wrong_ids,
)

CASE = """id status kind quantity expected reported system source takenAt openedAt seenAt settledAt resolution note
  version
  variant { id sku } location { id }"""
RECONCILE = f"""mutation R($input: StockReconcileInput!, $dryRun: Boolean! = false) {{
  stockReconcile(input: $input, dryRun: $dryRun) {{ discrepancies {{ {CASE} }} {EFFECTS} {ERRORS} }} }}"""
SETTLE = f"""mutation S($id: ID!, $input: StockDiscrepancySettleInput!) {{
  stockDiscrepancySettle(id: $id, input: $input) {{ discrepancy {{ {CASE} }} {EFFECTS} {ERRORS} }} }}"""
LIST = f"""query Q($filter: StockDiscrepancyFilter, $sort: [StockDiscrepancySort!]) {{
  stockDiscrepancies(first: 250, filter: $filter, sort: $sort) {{ nodes {{ {CASE} }} }} }}"""


def snapshot(place: str, lines: list[tuple[str, Any]], system: str = "3pl", **extra: Any) -> dict[str, Any]:
    """The variables of a snapshot: variants and what is reported of them."""
    given = [{"variantId": row, "quantity": many} for row, many in lines]
    return {"input": {"locationId": place, "system": system, "lines": given, **extra}}


async def reported(api: Api, place: str, lines: list[tuple[str, Any]], **extra: Any) -> list[dict[str, Any]]:
    return (await done(api, RECONCILE, snapshot(place, lines, **extra)))["discrepancies"]


async def settled(api: Api, case: dict[str, Any], resolution: str, **extra: Any) -> dict[str, Any]:
    return await done(api, SETTLE, {"id": case["id"], "input": {"resolution": resolution, **extra}})


# --- what others count ----------------------------------------------------------------------------------------------


async def test_a_difference_is_a_case_and_stock_is_left_alone(api: Api) -> None:
    place = await location(api, kind="THIRD_PARTY")
    less, more, same, unknown = [await stocked(api, 10, place=place) for _ in range(3)] + [await variant(api)]
    lines = [(less, 7), (same, "10"), (more, "12"), (unknown, 0)]
    payload = await done(api, RECONCILE, snapshot(place, lines, system=" 3pl "))
    one, two = payload["discrepancies"]
    assert (one["variant"]["id"], one["quantity"], one["expected"], one["reported"]) == (less, "3", "10", "7")
    assert (two["variant"]["id"], two["quantity"], two["expected"], two["reported"]) == (more, "2", "10", "12")
    for case in (one, two):
        assert (case["status"], case["kind"], case["system"], case["version"]) == ("OPEN", "EXTERNAL", "3pl", 1)
        assert case["openedAt"] == case["seenAt"]
        assert case["settledAt"] is case["resolution"] is case["note"] is case["source"] is None
    assert announced(payload) == [("stock_discrepancy.opened", 1)] * 2
    assert payload["effects"]["events"]["nodes"][0]["data"] == {
        "kind": "EXTERNAL",
        "variant": less,
        "location": place,
        "quantity": "3",
    }
    assert moved(payload) == posted(payload) == []
    assert [(await figures(api, row, place))[0] for row in (less, more, same)] == ["10"] * 3


async def test_what_differs_still_is_the_same_case_and_grows_older(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (first,) = await reported(api, place, [(mug, 7)])
    payload = await done(api, RECONCILE, snapshot(place, [(mug, 6)]))
    (again,) = payload["discrepancies"]
    assert (again["id"], again["openedAt"], again["version"]) == (first["id"], first["openedAt"], 2)
    assert (again["quantity"], again["expected"], again["reported"]) == ("4", "10", "6")
    assert again["seenAt"] > first["seenAt"]
    assert announced(payload) == [("stock_discrepancy.updated", 2)]
    (other,) = await reported(api, place, [(mug, 6)], system="marketplace")
    assert other["id"] != first["id"]
    (elsewhere,) = await reported(api, await location(api), [(mug, 6)])
    assert elsewhere["id"] not in (first["id"], other["id"])
    assert await reported(api, place, [(await variant(api), 0)]) == []  # what is not named is not compared
    await settled(api, again, "DISMISSED")
    (fresh,) = await reported(api, place, [(mug, 6)])
    assert fresh["id"] != first["id"]
    assert fresh["openedAt"] > first["openedAt"]


async def test_what_agrees_by_now_is_settled(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 7)])
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": mug, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    payload = await done(api, RECONCILE, snapshot(place, [(mug, 7)]))
    (agreed,) = payload["discrepancies"]
    assert (agreed["id"], agreed["status"], agreed["resolution"]) == (case["id"], "SETTLED", "AGREED")
    assert (agreed["quantity"], agreed["version"]) == ("3", 2)
    assert agreed["settledAt"] is not None
    assert announced(payload) == [("stock_discrepancy.settled", 2)]
    assert payload["effects"]["events"]["nodes"][0]["data"]["resolution"] == "AGREED"
    assert await reported(api, place, [(mug, 7)]) == []


async def test_figures_are_compared_as_they_were_when_the_snapshot_was_taken(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    now = datetime.now(UTC)
    for days, many in ((10, 5), (5, 3), (1, 2)):
        goods = receipt(place, [(mug, many, "4.00")], receivedAt=(now - timedelta(days=days)).isoformat())
        await done(api, RECEIVE, {"input": goods})
    for days, there in ((11, 0), (7, 5), (3, 8)):
        taken = (now - timedelta(days=days)).isoformat()
        assert await reported(api, place, [(mug, there)], takenAt=taken) == []
        (case,) = await reported(api, place, [(mug, there + 1)], takenAt=taken)
        assert (case["expected"], case["reported"]) == (str(there), str(there + 1))
        await settled(api, case, "DISMISSED")
    assert await reported(api, place, [(mug, 10)]) == []


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


async def test_the_latest_word_of_a_system_stays(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 12)])
    before = await state(api)
    for older, said in ((3, ago(hours=1)), (0, ago(hours=1)), (10, ago(minutes=0.01)), (9, ago(days=3))):
        assert await reported(api, place, [(mug, older)], takenAt=said) == [case]  # 0: they agreed then
    assert await state(api) == before
    assert moved(await settled(api, case, "ADJUSTED")) == [("2", "8.00")]
    assert await reported(api, place, [(mug, 12)], takenAt=ago(hours=1)) == []  # that is booked by now
    assert (await figures(api, mug, place))[0] == "12"


async def test_a_snapshot_is_older_than_what_its_own_system_said_of_the_same_goods_alone(api: Api) -> None:
    place = await location(api)
    mug, cup = [await stocked(api, 10, place=place) for _ in range(2)]
    earlier, latest = ago(hours=2), ago(hours=1)
    (case,) = await reported(api, place, [(mug, 4)], takenAt=latest)
    assert datetime.fromisoformat(case["takenAt"]) == datetime.fromisoformat(latest)
    both = await reported(api, place, [(mug, 5), (cup, 5)], takenAt=earlier)
    assert [each["reported"] for each in both] == ["4", "5"]
    (again,) = await reported(api, place, [(mug, 6)], takenAt=latest)  # the same instant, put right
    assert (again["id"], again["reported"], again["version"]) == (case["id"], "6", 2)
    (other,) = await reported(api, place, [(mug, 7)], takenAt=earlier, system="marketplace")
    assert other["reported"] == "7"
    (agreed,) = await reported(api, place, [(mug, 0)], takenAt=ago(minutes=30))
    assert agreed["resolution"] == "AGREED"
    assert await reported(api, place, [(mug, 3)], takenAt=ago(minutes=45)) == []


async def test_the_database_insists_on_the_latest_word(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    (case,) = await reported(api, place, [(mug, 4)])
    earlier = f"UPDATE stock_discrepancies SET taken_at = taken_at - interval '1 second' WHERE id = '{case['id'][4:]}'"
    with pytest.raises(IntegrityError, match="latest snapshot"):
        async with api.services.database.connection() as connection:
            await connection.exec_driver_sql(earlier)


async def test_less_than_nothing_is_taken_as_it_is_reported(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 2, place=place)
    (case,) = await reported(api, place, [(mug, -3)])
    assert (case["expected"], case["reported"], case["quantity"]) == ("2", "-3", "5")
    payload = await settled(api, case, "ADJUSTED")
    assert moved(payload) == [("-2", "-8.00")]
    assert (await figures(api, mug, place))[0] == "0"
    (case,) = await reported(api, place, [(mug, "-3")])
    assert moved(await settled(api, case, "ADJUSTED")) == []


async def test_variants_are_named_by_their_sku_too(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 2, place=place)
    sku = (await reported(api, place, [(mug, 1)]))[0]["variant"]["sku"]
    given = {"locationId": place, "system": "3pl", "lines": [{"sku": sku.lower(), "quantity": 2}]}
    (case,) = (await done(api, RECONCILE, {"input": given}))["discrepancies"]
    assert (case["variant"]["id"], case["resolution"]) == (mug, "AGREED")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"lines": []}, [("INVALID", "input.lines")]),
        ({"lines": [{"sku": "x"}]}, [("INVALID", "input.lines.0")]),
        ({"lines": [{"variantId": None}]}, [("INVALID", "input.lines.0")]),
        ({"lines": [{"variantId": None, "sku": "nothing"}]}, [("NOT_FOUND", "input.lines.0.sku")]),
        ({"lines": [{}, {}]}, [("INVALID", "input.lines.1.variantId")]),
        ({"lines": [{"quantity": "-0.5"}]}, [("INVALID", "input.lines.0.quantity")]),
        ({"system": " "}, [("INVALID", "input.system")]),
        ({"system": "x" * 256}, [("INVALID", "input.system")]),
        ({"takenAt": "2099-01-01T00:00:00Z"}, [("INVALID", "input.takenAt")]),
        ({"takenAt": "1969-12-31T23:59:59Z"}, [("INVALID", "input.takenAt")]),
        ({"locationId": f"loc_{'0' * 32}"}, [("NOT_FOUND", "input.locationId")]),
    ],
)
async def test_a_refused_snapshot_leaves_nothing(api: Api, change: dict[str, Any], expected: list[Any]) -> None:
    mug = await variant(api)
    given = {"locationId": await location(api), "system": "3pl", "lines": [{}], **change}
    given["lines"] = [{"variantId": mug, "quantity": 1, **each} for each in given["lines"]]
    assert await refused(api, RECONCILE, {"input": given}) == expected


async def test_of_ten_snapshots_at_once_one_opens_the_case(api: Api) -> None:
    place = await location(api)
    rows = [await stocked(api, 5, place=place) for _ in range(3)]
    tries = [snapshot(place, [(row, 4) for row in (rows if n % 2 else rows[::-1])]) for n in range(10)]
    payloads = await asyncio.gather(*(done(api, RECONCILE, each) for each in tries))
    assert len({case["id"] for each in payloads for case in each["discrepancies"]}) == 3
    found = (await api.data(LIST, {"filter": {"variantId": {"in": rows}}}))["stockDiscrepancies"]["nodes"]
    assert [case["version"] for case in found] == [10] * 3


async def test_a_dry_run_of_a_snapshot_leaves_nothing(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 5, place=place)
    before = await state(api)
    tried = await done(api, RECONCILE, {**snapshot(place, [(mug, 4)]), "dryRun": True})
    assert [case["quantity"] for case in tried["discrepancies"]] == ["1"]
    assert await state(api) == before


# --- settling -------------------------------------------------------------------------------------------------------


async def test_the_books_are_brought_in_line_by_the_difference_of_the_case(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 7)])
    await done(api, RECEIVE, {"input": receipt(place, [(mug, 5, "4.00")])})  # it moves on meanwhile
    payload = await settled(api, case, "ADJUSTED", note=" they were right ")
    closed = payload["discrepancy"]
    assert (closed["status"], closed["resolution"], closed["note"]) == ("SETTLED", "ADJUSTED", "they were right")
    assert closed["settledAt"] is not None
    (move,) = payload["effects"]["stockMovements"]["nodes"]
    assert (move["quantity"], move["kind"], move["reason"], move["source"]) == (
        "-3",
        "ADJUSTMENT",
        "CORRECTION",
        case["id"],
    )
    assert posted(payload) == [[("5190", "12.00"), ("1200", "-12.00")]]
    assert sorted(announced(payload)) == [
        ("journal_entry.posted", 1),
        ("stock.adjusted", 3),
        ("stock_discrepancy.settled", 2),
    ]
    assert (await figures(api, mug, place))[0] == "12"
    assert await reported(api, place, [(mug, 12)]) == []


async def test_more_takes_the_cost_that_is_said_or_known(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    (case,) = await reported(api, place, [(mug, 4)])
    given = {"id": case["id"], "input": {"resolution": "ADJUSTED"}}
    assert await refused(api, SETTLE, given) == [("COST_UNKNOWN", "input.unitCost")]
    given["input"]["unitCost"] = {"amount": "1", "currency": "EUR"}
    assert await refused(api, SETTLE, given) == [("INVALID", "input.unitCost.currency")]
    payload = await settled(api, case, "ADJUSTED", unitCost=dollars("1.25"))
    assert moved(payload) == [("4", "5.00")]


async def test_more_of_a_variant_that_is_kept_by_lots_names_one(api: Api) -> None:
    place, milk = await location(api), await variant(api)
    await done(api, POLICY, {"input": {"variantId": milk, "tracksLots": True}})
    (case,) = await reported(api, place, [(milk, 4)])
    cost = {"resolution": "ADJUSTED", "unitCost": dollars("1.25")}
    assert await refused(api, SETTLE, {"id": case["id"], "input": cost}) == [("INVALID", "input.lotId")]
    wrong = {**cost, "lotId": f"lot_{'0' * 32}"}
    assert await refused(api, SETTLE, {"id": case["id"], "input": wrong}) == [("NOT_FOUND", "input.lotId")]


async def test_a_case_is_let_be_and_settled_once(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 7)])
    payload = await settled(api, case, "DISMISSED")
    assert (payload["discrepancy"]["resolution"], payload["discrepancy"]["note"]) == ("DISMISSED", None)
    assert moved(payload) == []
    assert announced(payload) == [("stock_discrepancy.settled", 2)]
    assert (await figures(api, mug, place))[0] == "10"
    for resolution in ("ADJUSTED", "DISMISSED"):
        again = {"id": case["id"], "input": {"resolution": resolution}}
        assert await refused(api, SETTLE, again) == [("NOT_ALLOWED_NOW", "id")]


async def test_of_eight_that_settle_a_case_at_once_one_does(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 7)])
    given = {"id": case["id"], "input": {"resolution": "ADJUSTED"}}
    payloads = await asyncio.gather(*(act(api, SETTLE, given) for _ in range(8)))
    codes = sorted([each["code"] for each in payload["userErrors"]] for payload in payloads)
    assert codes == [[], *[["NOT_ALLOWED_NOW"]] * 7]
    assert (await figures(api, mug, place))[0] == "7"


async def test_no_more_goes_than_is_there(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 10, place=place)
    (case,) = await reported(api, place, [(mug, 1)])
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": mug, "delta": -5}]}
    await done(api, ADJUST, {"input": loss})
    given = {"id": case["id"], "input": {"resolution": "ADJUSTED"}}
    assert await refused(api, SETTLE, given) == [("INSUFFICIENT_STOCK", "input.resolution")]
    (error,) = (await act(api, SETTLE, given))["userErrors"]
    assert (error["requested"], error["available"], error["variant"]["id"]) == ("9", "5", mug)


async def test_a_shortfall_is_settled_without_booking_anything(api: Api) -> None:
    place = await location(api)
    mug = await stocked(api, 5, place=place)
    await done(api, PLACE, {"input": ordered([(mug, 4)])})
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": mug, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    found = await api.data(LIST, {"filter": {"variantId": {"in": [mug]}, "status": {"in": ["OPEN"]}}})
    (case,) = found["stockDiscrepancies"]["nodes"]
    assert case["kind"] == "SHORTFALL"
    payload = await settled(api, case, "ADJUSTED", note="the customers were told")
    assert payload["discrepancy"]["resolution"] == "ADJUSTED"
    assert moved(payload) == []


async def test_no_such_case(api: Api) -> None:
    for wrong in wrong_ids("sdc"):
        given = {"id": wrong, "input": {"resolution": "DISMISSED"}}
        assert await refused(api, SETTLE, given) == [("NOT_FOUND", "id")]
    place, mug = await location(api), await variant(api)
    (case,) = await reported(api, place, [(mug, 1)])
    empty = {"id": case["id"], "input": {"resolution": "DISMISSED", "note": " "}}
    assert await refused(api, SETTLE, empty) == [("INVALID", "input.note")]


async def test_whoever_may_only_read_stock_settles_nothing(api: Api) -> None:
    place, mug = await location(api), await variant(api)
    (case,) = await reported(api, place, [(mug, 1)])
    await forbidden(api, RECONCILE, snapshot(place, [(mug, 1)]), ["stock:write"])
    await forbidden(api, SETTLE, {"id": case["id"], "input": {"resolution": "DISMISSED"}}, ["stock:write"])


async def test_cases_are_listed_sorted_and_filtered(fresh_api: Api) -> None:
    api, place = fresh_api, await location(fresh_api)
    mug, plate = await stocked(api, 5, place=place), await stocked(api, 5, place=place)
    await done(api, PLACE, {"input": ordered([(plate, 4)])})
    (one,) = await reported(api, place, [(mug, 1)])
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": plate, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    (three,) = await reported(api, place, [(mug, 2)], system="other")
    await settled(api, one, "DISMISSED")

    async def listed(**given: Any) -> list[str]:
        nodes = (await api.data(LIST, given))["stockDiscrepancies"]["nodes"]
        return [each["system"] or each["kind"] for each in nodes]

    assert await listed() == ["3pl", "SHORTFALL", "other"]
    assert await listed(sort=["OPENED_AT_DESC"]) == ["other", "SHORTFALL", "3pl"]
    assert await listed(filter={"status": {"in": ["OPEN"]}}) == ["SHORTFALL", "other"]
    assert await listed(filter={"kind": {"in": ["EXTERNAL"]}, "status": {"notIn": ["OPEN"]}}) == ["3pl"]
    assert await listed(filter={"variantId": {"in": [plate]}}) == ["SHORTFALL"]
    assert await listed(filter={"openedAt": {"after": three["openedAt"]}}) == []


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
