"""Transfers through the API: goods leave, are on the road, and arrive with their cost, their age and their lots."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.ids import ID, new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from domain.stock import Handed
from tests.support.api import Api
from tests.support.shelves import lot_of, lying, outlived, received, tracked_variant
from tests.support.shop import (
    ADJUST,
    AVAILABILITY,
    LEVELS,
    PLACE,
    POLICY,
    RECEIVE,
    RESERVE,
    SHIP,
    act,
    announced,
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
    variant,
    wrong_ids,
)
from tests.support.transfers import (
    ARRIVE,
    CALL_OFF,
    CREATE,
    DISPATCH,
    READY,
    arrived,
    dispatched,
    drafted,
    going,
    made_ready,
)

MISSING = "trl_" + "0" * 32


@dataclass(frozen=True)
class Way:
    """A mug, ten of them at `here` in two layers (4 at 1.00, then 6 at 2.00), none at `there`."""

    here: str
    there: str
    mug: str


@pytest.fixture
async def way(api: Api) -> Way:
    here, there, mug = await location(api), await location(api, kind="STORE"), await variant(api)
    await done(api, RECEIVE, {"input": receipt(here, [(mug, 4, "1.00")])})
    await done(api, RECEIVE, {"input": receipt(here, [(mug, 6, "2.00")])})
    return Way(here, there, mug)


async def totals(api: Api, row: str) -> tuple[str, str, list[tuple[str, str]]]:
    """On hand and value of a variant over all locations, and both by location."""
    found = (await api.data(LEVELS, {"variants": [row]}))["stockLevels"]["nodes"]
    parts = sorted((each["onHand"], each["value"]["amount"]) for each in found if each["onHand"] != "0")
    whole = sum(float(each["onHand"]) for each in found), sum(float(each["value"]["amount"]) for each in found)
    return f"{whole[0]:g}", f"{whole[1]:.2f}", parts


async def movements(api: Api, row: str, place: str) -> list[tuple[str, str, str]]:
    """Kind, quantity and value of what moved there."""
    query = """query Q($f: StockMovementFilter) { stockMovements(first: 250, filter: $f) {
      nodes { kind quantity value { amount } } } }"""
    given = {"f": {"variantId": {"in": [row]}, "locationId": {"in": [place]}}}
    found = (await api.data(query, given))["stockMovements"]["nodes"]
    return [(each["kind"], each["quantity"], each["value"]["amount"]) for each in found]


async def cases(api: Api, transfer: dict[str, Any]) -> list[dict[str, Any]]:
    """What was opened for a person because of a transfer."""
    query = """query Q($id: String!) { stockDiscrepancies(filter: {source: {eq: $id}}) {
      nodes { kind quantity expected reported location { id } variant { id } } } }"""
    return (await api.data(query, {"id": transfer["id"]}))["stockDiscrepancies"]["nodes"]


async def keep(api: Api, row: str, **how: Any) -> None:
    """The stock of a variant is kept so."""
    await done(api, POLICY, {"input": {"variantId": row, **how}})


# --- the whole way --------------------------------------------------------------------------------------------------


async def test_goods_go_from_one_place_to_another(api: Api, way: Way) -> None:
    given = going(way.here, way.there, [(way.mug, 5)], reference=" Van 7 ", expectedOn="2031-05-01")
    payload = await done(api, CREATE, {"input": given})
    made = payload["stockTransfer"]
    assert made["number"].startswith("TR-")
    assert (made["status"], made["version"], made["reference"], made["expectedOn"]) == (
        "DRAFT",
        1,
        "Van 7",
        "2031-05-01",
    )
    assert (made["origin"]["id"], made["destination"]["id"]) == (way.here, way.there)
    assert made["transit"]["kind"] == "TRANSIT"
    assert made["availableActions"] == ["READY", "CANCEL"]
    assert [(each["quantity"], each["allocated"], each["inTransit"]) for each in made["lines"]] == [("5", "0", "0")]
    assert ("stock_transfer.created", 1) in announced(payload)
    assert await figures(api, way.mug) == ("10", "0", "0", "10")

    payload = await done(api, READY, {"id": made["id"]})
    assert payload["stockTransfer"]["status"] == "READY"
    assert payload["stockTransfer"]["lines"][0]["allocated"] == "5"
    assert payload["stockTransfer"]["availableActions"] == ["DISPATCH", "CANCEL"]
    assert announced(payload) == [("stock_transfer.ready", 2), ("stock.allocated", 3)]
    assert await figures(api, way.mug) == ("10", "5", "0", "5")

    payload = await done(api, DISPATCH, {"id": made["id"]})
    sent = payload["stockTransfer"]
    assert (sent["status"], sent["availableActions"]) == ("DISPATCHED", ["RECEIVE", "CLOSE"])
    assert sent["dispatchedAt"] is not None
    (line,) = sent["lines"]
    assert (line["allocated"], line["dispatched"], line["received"], line["inTransit"]) == ("0", "5", "0", "5")
    # Out by layers, the oldest first, and onto the road as the same layers.
    assert moved(payload) == [("-4", "-4.00"), ("4", "4.00"), ("-1", "-2.00"), ("1", "2.00")]
    assert {each["source"] for each in payload["effects"]["stockMovements"]["nodes"]} == {made["id"]}
    assert {each["kind"] for each in payload["effects"]["stockMovements"]["nodes"]} == {"TRANSFER"}
    assert posted(payload) == [[("1200", "6.00"), ("1200", "-6.00")]]
    assert await figures(api, way.mug, way.here) == ("5", "0", "0", "5")
    assert await totals(api, way.mug) == ("10", "16.00", [("5", "10.00"), ("5", "6.00")])

    payload = await done(api, ARRIVE, arrived(made, 4))
    (line,) = payload["stockTransfer"]["lines"]
    assert (line["received"], line["lost"], line["inTransit"]) == ("4", "0", "1")
    assert (payload["stockTransfer"]["status"], payload["stockTransfer"]["receivedAt"]) == ("PARTIALLY_RECEIVED", None)
    assert moved(payload) == [("-4", "-4.00"), ("4", "4.00")]
    assert posted(payload) == [[("1200", "4.00"), ("1200", "-4.00")]]

    payload = await done(api, ARRIVE, {"id": made["id"]})
    assert (payload["stockTransfer"]["status"], payload["stockTransfer"]["version"]) == ("RECEIVED", 5)
    assert payload["stockTransfer"]["receivedAt"] is not None
    assert payload["stockTransfer"]["availableActions"] == []
    (received,) = [each for each in payload["effects"]["events"]["nodes"] if each["type"] == "stock_transfer.received"]
    assert (received["subject"], received["version"], received["data"]) == (made["id"], 5, {"status": "RECEIVED"})
    assert await totals(api, way.mug) == ("10", "16.00", [("5", "10.00"), ("5", "6.00")])
    assert await figures(api, way.mug, way.there) == ("5", "0", "0", "5")
    assert await cases(api, made) == []


async def test_nothing_is_spent_until_something_is_lost(api: Api, way: Way) -> None:
    async def balances() -> dict[str, str]:
        found = (await api.data("{ trialBalance { rows { account { code } debit { amount } credit { amount } } } }"))[
            "trialBalance"
        ]["rows"]
        return {each["account"]["code"]: each["debit"]["amount"] + "/" + each["credit"]["amount"] for each in found}

    before = await balances()
    made = await dispatched(api, way.here, way.there, [(way.mug, 7)])
    await done(api, ARRIVE, arrived(made, 6))
    assert await balances() == before
    await done(api, ARRIVE, arrived(made, closes=True))
    after = await balances()
    assert {code for code in after if after[code] != before.get(code)} == {"1200", "5100"}


async def test_goods_keep_their_age(api: Api, way: Way) -> None:
    """What came in earlier leaves earlier, wherever it has been since."""
    await done(api, RECEIVE, {"input": receipt(way.there, [(way.mug, 5, "9.00")])})
    made = await dispatched(api, way.here, way.there, [(way.mug, 6)])
    await done(api, ARRIVE, {"id": made["id"]})
    # They arrived last, but are older than what was there: 4 at 1.00, then 2 at 2.00, then those at 9.00.
    order = (await done(api, PLACE, {"input": ordered([(way.mug, 7)], locationId=way.there)}))["order"]
    payload = await done(api, SHIP, {"id": order["id"]})
    assert moved(payload) == [("-4", "-4.00"), ("-2", "-4.00"), ("-1", "-9.00")]


async def test_partial_arrivals_take_the_same_cents_as_one(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    await done(api, RECEIVE, {"input": receipt(here, [(row, 3, "0.333333")])})  # one dollar for three
    made = await dispatched(api, here, there, [(row, 3)])
    values = [moved(await done(api, ARRIVE, arrived(made, 1)))[1][1] for _ in range(3)]
    assert values == ["0.33", "0.34", "0.33"]
    assert await totals(api, row) == ("3", "1.00", [("3", "1.00")])


async def test_goods_without_value_move_and_post_nothing(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    await done(api, RECEIVE, {"input": receipt(here, [(row, 3, "0")])})
    made = await made_ready(api, here, there, [(row, 3)])
    sent = await done(api, DISPATCH, {"id": made["id"]})
    came = await done(api, ARRIVE, arrived(made, 2, closes=True))
    assert (posted(sent), posted(came)) == ([], [])
    assert moved(came) == [("-2", "0.00"), ("2", "0.00"), ("-1", "0.00")]
    assert await figures(api, row, there) == ("2", "0", "0", "2")


async def test_two_transfers_of_one_variant_do_not_mix_on_the_road(api: Api, way: Way) -> None:
    first = await dispatched(api, way.here, way.there, [(way.mug, 4)])
    second = await dispatched(api, way.here, way.there, [(way.mug, 4)])
    assert moved(await done(api, ARRIVE, {"id": second["id"]})) == [("-4", "-8.00"), ("4", "8.00")]
    assert moved(await done(api, ARRIVE, {"id": first["id"]})) == [("-4", "-4.00"), ("4", "4.00")]


async def test_what_does_not_leave_is_free_and_goes_to_those_who_wait(api: Api, way: Way) -> None:
    other = await variant(api)
    await done(api, RECEIVE, {"input": receipt(way.here, [(other, 3, "1.00")])})
    made = await made_ready(api, way.here, way.there, [(way.mug, 8), (other, 3)])
    first, second = made["lines"]
    payload = await done(
        api, DISPATCH, {"id": made["id"], "input": {"lines": [{"lineId": first["id"], "quantity": 6}]}}
    )
    lines = payload["stockTransfer"]["lines"]
    assert [(each["quantity"], each["allocated"], each["dispatched"]) for each in lines] == [
        ("8", "0", "6"),
        ("3", "0", "0"),
    ]
    assert await figures(api, way.mug, way.here) == ("4", "0", "0", "4")
    assert await figures(api, other) == ("3", "0", "0", "3")
    kinds = {each["type"]: each for each in payload["effects"]["events"]["nodes"]}
    assert kinds["stock.released"]["data"]["variant"] == other
    assert kinds["stock_transfer.dispatched"]["data"] == {"origin": way.here, "destination": way.there}
    assert second["id"] == lines[1]["id"]


async def test_what_does_not_leave_is_not_promised_twice(api: Api) -> None:
    """Freed goods serve those who wait, but no more of them than stay behind."""
    here, there, row = await location(api), await location(api), await variant(api)
    await done(api, RECEIVE, {"input": receipt(here, [(row, 10, "1.00")])})
    await keep(api, row, backorders="ALLOW")
    made = await made_ready(api, here, there, [(row, 4)])
    whole = (await done(api, PLACE, {"input": ordered([(row, 6)])}))["order"]
    late = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]
    line = {"lineId": made["lines"][0]["id"], "quantity": 2}
    await done(api, DISPATCH, {"id": made["id"], "input": {"lines": [line]}})
    assert await figures(api, row, here) == ("8", "8", "0", "0")
    found = await api.data(
        "query Q($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { lines { allocated } } } }",
        {"ids": [whole["id"], late["id"]]},
    )
    assert [each["lines"][0]["allocated"] for each in found["nodes"]] == ["6", "2"]
    await invariants_hold(api)


async def test_arrivals_serve_those_who_wait(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    await keep(api, row, backorders="ALLOW")
    await done(api, RECEIVE, {"input": receipt(here, [(row, 5, "1.00")])})
    made = await dispatched(api, here, there, [(row, 5)])
    order = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]
    assert order["lines"][0]["allocated"] == "0"
    await done(api, ARRIVE, arrived(made, 2))
    assert await figures(api, row, there) == ("2", "2", "0", "0")
    await done(api, ARRIVE, {"id": made["id"]})
    assert await figures(api, row, there) == ("5", "3", "0", "2")


# --- lots, bins, averages -------------------------------------------------------------------------------------------


async def _with_lots(api: Api, way: Way) -> tuple[str, dict[str, str]]:
    """A variant kept by lots: 3 of L-LATE, then 4 of L-SOON at `here`; and the lots' ids."""
    row = await variant(api)
    await keep(api, row, tracksLots=True)
    for number, many, day, cost in (("L-LATE", 3, "2032-01-01", "1.00"), ("L-SOON", 4, "2031-01-01", "2.00")):
        given = receipt(way.here, [(row, many, cost)])
        given["lines"][0]["lot"] = {"number": number, "expiresOn": day}
        await done(api, RECEIVE, {"input": given})
    query = "query Q($v: [ID!]) { lots(filter: {variantId: {in: $v}}) { nodes { id number } } }"
    found = (await api.data(query, {"v": [row]}))["lots"]["nodes"]
    return row, {each["number"]: each["id"] for each in found}


async def _contents(api: Api, row: str, place: str) -> list[tuple[str | None, str | None, str]]:
    query = """query Q($v: [ID!], $l: [ID!]) {
      stockLevels(filter: {variantId: {in: $v}, locationId: {in: $l}}) {
        nodes { contents { bin { path } lot { number } quantity } } } }"""
    (found,) = (await api.data(query, {"v": [row], "l": [place]}))["stockLevels"]["nodes"]
    return sorted(
        ((each["bin"] or {}).get("path"), (each["lot"] or {}).get("number"), each["quantity"])
        for each in found["contents"]
    )


async def test_lots_survive(api: Api, way: Way) -> None:
    row, _ = await _with_lots(api, way)
    made = await dispatched(api, way.here, way.there, [(row, 5)])
    # What expires first leaves first; costs leave in the order in which they came.
    assert await _contents(api, row, way.here) == [(None, "L-LATE", "2")]
    assert await _contents(api, row, made["transit"]["id"]) == [(None, "L-LATE", "1"), (None, "L-SOON", "4")]
    await done(api, ARRIVE, arrived(made, 2))
    assert await _contents(api, row, way.there) == [(None, "L-SOON", "2")]
    await done(api, ARRIVE, {"id": made["id"]})
    assert await _contents(api, row, way.there) == [(None, "L-LATE", "1"), (None, "L-SOON", "4")]
    assert await totals(api, row) == ("7", "11.00", [("2", "4.00"), ("5", "7.00")])
    await invariants_hold(api)


async def test_the_lot_that_arrived_can_be_named(api: Api, way: Way) -> None:
    row, lots = await _with_lots(api, way)
    made = await dispatched(api, way.here, way.there, [(row, 7)])
    await done(api, ARRIVE, arrived(made, 2, lotId=lots["L-LATE"]))
    assert await _contents(api, row, way.there) == [(None, "L-LATE", "2")]
    given = [
        {"lineId": made["lines"][0]["id"], "quantity": 3},
        {"lineId": made["lines"][0]["id"], "quantity": 1, "lotId": lots["L-LATE"]},
    ]
    # The lot that is named is not taken by the line that names none, whichever comes first.
    payload = await done(api, ARRIVE, {"id": made["id"], "input": {"lines": given}})
    assert await _contents(api, row, way.there) == [(None, "L-LATE", "3"), (None, "L-SOON", "3")]
    assert payload["stockTransfer"]["lines"][0]["inTransit"] == "1"
    await done(api, ARRIVE, arrived(made, closes=True))
    await invariants_hold(api)


async def test_more_of_a_lot_than_was_sent(api: Api, way: Way) -> None:
    row, lots = await _with_lots(api, way)
    made = await dispatched(api, way.here, way.there, [(row, 7)])
    # Nobody knows which lot the eighth is of.
    assert await refused(api, ARRIVE, arrived(made, 8)) == [("INVALID", "input.lines.0.lotId")]
    payload = await done(api, ARRIVE, arrived(made, 4, lotId=lots["L-LATE"]))
    assert payload["stockTransfer"]["lines"][0]["received"] == "3"
    assert await _contents(api, row, way.there) == [(None, "L-LATE", "4")]
    payload = await done(api, ARRIVE, arrived(made, 3, lotId=lots["L-SOON"], closes=True))
    assert payload["stockTransfer"]["lines"][0]["lost"] == "1"
    assert [(each["quantity"], each["expected"], each["reported"]) for each in await cases(api, made)] == [
        ("1", "7", "4"),
        ("1", "7", "6"),
    ]
    await invariants_hold(api)


async def test_only_goods_past_their_date_are_left(api: Api, way: Way) -> None:
    row = await variant(api)
    given = receipt(way.here, [(row, 3, "1.00")])
    given["lines"][0]["lot"] = {"number": "OLD", "expiresOn": "2099-01-01"}
    await done(api, RECEIVE, {"input": given})
    await outlived(api, row, "OLD")
    made = await made_ready(api, way.here, way.there, [(row, 3)])
    assert await refused(api, DISPATCH, {"id": made["id"]}) == [("NOT_FOR_SALE", "id")]


async def test_arrivals_are_put_into_bins(api: Api, way: Way) -> None:
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        ids = [
            "bin_"
            + await work.raw.fetchval(
                "INSERT INTO bins (id, location_id, kind, code, path, created_at)"
                " VALUES (uuid7(), $1, 'BIN', $2, $2, now()) RETURNING id",
                place[4:],
                code,
            )
            for place, code in ((way.there, "A1"), (way.there, "B2"), (way.here, "C3"))
        ]
    made = await dispatched(api, way.here, way.there, [(way.mug, 6)])
    line = made["lines"][0]["id"]
    assert await refused(api, ARRIVE, arrived(made, 1, binId=ids[2])) == [("NOT_FOUND", "input.lines.0.binId")]
    assert await refused(api, ARRIVE, arrived(made, 1, binId="")) == [("NOT_FOUND", "input.lines.0.binId")]
    lines = [{"lineId": line, "quantity": 2, "binId": each} for each in ids[:2]] + [{"lineId": line, "quantity": 1}]
    await done(api, ARRIVE, {"id": made["id"], "input": {"lines": lines}})
    assert await _contents(api, way.mug, way.there) == [("A1", None, "2"), ("B2", None, "2")]
    assert await figures(api, way.mug, way.there) == ("5", "0", "0", "5")


async def test_averages_survive(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api)
    await keep(api, row, costMethod="MOVING_AVERAGE")
    for place, many, cost in ((here, 4, "1.00"), (here, 6, "2.00"), (there, 5, "4.00")):
        await done(api, RECEIVE, {"input": receipt(place, [(row, many, cost)])})
    made = await made_ready(api, here, there, [(row, 5)])
    assert moved(await done(api, DISPATCH, {"id": made["id"]})) == [("-5", "-8.00"), ("5", "8.00")]
    await done(api, ARRIVE, arrived(made, 2))
    await done(api, ARRIVE, {"id": made["id"]})
    assert await totals(api, row) == ("15", "36.00", [("10", "28.00"), ("5", "8.00")])
    order = (await done(api, PLACE, {"input": ordered([(row, 1)], locationId=there)}))["order"]
    assert moved(await done(api, SHIP, {"id": order["id"]})) == [("-1", "-2.80")]
    await invariants_hold(api)


async def test_a_lot_that_is_recalled_on_the_road_arrives_on_hold(api: Api, way: Way) -> None:
    """A recall reaches what is on the road; it serves nobody where it arrives, and what is more of it is like it."""
    row, lots = await _with_lots(api, way)
    await keep(api, row, backorders="ALLOW")
    made = await dispatched(api, way.here, way.there, [(row, 4)])
    recall = 'mutation R($id: ID!) { lotRecall(id: $id, reason: "glass") { userErrors { code } } }'
    await done(api, recall, {"id": lots["L-SOON"]})
    assert (await level(api, row, made["transit"]["id"]))["unavailable"] == "4"
    await done(api, PLACE, {"input": ordered([(row, 5)])})
    await done(api, ARRIVE, arrived(made, 3))
    found = await level(api, row, way.there)
    assert (found["onHand"], found["unavailable"], found["allocated"]) == ("3", "3", "0")
    await done(api, ARRIVE, arrived(made, 2))
    found = await level(api, row, way.there)
    assert (found["onHand"], found["unavailable"], found["allocated"]) == ("5", "5", "0")
    await invariants_hold(api)


async def test_arrivals_settle_what_was_handed_over_before(api: Api, way: Way) -> None:
    till = "mutation L($id: ID!) { locationUpdate(id: $id, input: {allowsOversell: true}) { userErrors { code } } }"
    await done(api, till, {"id": way.there})
    made = await dispatched(api, way.here, way.there, [(way.mug, 5)])
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        handed = [Handed(ID(way.mug), Decimal(2), ("input", "lines", 0), "SKU")]
        await stock.hand_over(work, ID(way.there), handed, source=new_id("pos"))
    payload = await done(api, ARRIVE, arrived(made, 3))
    assert moved(payload) == [("-3", "-3.00"), ("3", "3.00"), ("-2", "-2.00")]
    assert await figures(api, way.mug, way.there) == ("1", "0", "0", "1")
    await invariants_hold(api)


# --- what differs ---------------------------------------------------------------------------------------------------


async def test_what_does_not_arrive_is_lost(api: Api, way: Way) -> None:
    made = await dispatched(api, way.here, way.there, [(way.mug, 6)])
    payload = await done(api, ARRIVE, arrived(made, 3, closes=True))
    (line,) = payload["stockTransfer"]["lines"]
    assert payload["stockTransfer"]["status"] == "RECEIVED"
    assert (line["received"], line["lost"], line["inTransit"]) == ("3", "3", "0")
    assert posted(payload) == [[("1200", "3.00"), ("1200", "-3.00")], [("5100", "5.00"), ("1200", "-5.00")]]
    assert moved(payload) == [("-3", "-3.00"), ("3", "3.00"), ("-1", "-1.00"), ("-2", "-4.00")]
    reasons = [each["reason"] for each in payload["effects"]["stockMovements"]["nodes"]]
    assert reasons == [None, None, "LOST_IN_TRANSIT", "LOST_IN_TRANSIT"]
    assert await cases(api, made) == [
        {
            "kind": "TRANSFER",
            "quantity": "3",
            "expected": "6",
            "reported": "3",
            "location": {"id": way.there},
            "variant": {"id": way.mug},
        }
    ]
    assert await totals(api, way.mug) == ("7", "11.00", [("3", "3.00"), ("4", "8.00")])


async def test_nothing_at_all_arrives(api: Api, way: Way) -> None:
    made = await dispatched(api, way.here, way.there, [(way.mug, 6)])
    payload = await done(api, ARRIVE, arrived(made, closes=True))
    assert payload["stockTransfer"]["lines"][0]["lost"] == "6"
    assert posted(payload) == [[("5100", "8.00"), ("1200", "-8.00")]]
    assert (await cases(api, made))[0]["reported"] == "0"


async def test_more_arrives_than_was_sent(api: Api, way: Way) -> None:
    made = await dispatched(api, way.here, way.there, [(way.mug, 8)])  # 4 at 1.00, 4 at 2.00
    payload = await done(api, ARRIVE, arrived(made, 10))
    assert payload["stockTransfer"]["status"] == "RECEIVED"
    assert payload["stockTransfer"]["lines"][0]["received"] == "8"
    assert posted(payload) == [[("1200", "12.00"), ("1200", "-12.00")], [("1200", "3.00"), ("5190", "-3.00")]]
    found = payload["effects"]["stockMovements"]["nodes"][-1]
    assert (found["kind"], found["reason"], found["quantity"], found["source"]) == (
        "ADJUSTMENT",
        "FOUND",
        "2",
        made["id"],
    )
    assert await figures(api, way.mug, way.there) == ("10", "0", "0", "10")
    (case,) = await cases(api, made)
    assert (case["kind"], case["quantity"], case["expected"], case["reported"]) == ("TRANSFER", "2", "8", "10")


async def test_what_is_more_costs_an_exact_share_of_what_was_sent(api: Api, way: Way) -> None:
    odd = await variant(api)
    await done(api, RECEIVE, {"input": receipt(way.here, [(odd, 6, "44.908333")])})  # 269.45: a sixth of it has no end
    made = await made_ready(api, way.here, way.there, [(odd, 6)])
    await done(api, DISPATCH, {"id": made["id"]})
    payload = await done(api, ARRIVE, arrived(made, 15))
    assert ("9", "404.18") in moved(payload)  # 404.175


async def test_goods_arrive_that_nobody_sent(api: Api, way: Way) -> None:
    odd = await variant(api)
    await done(api, RECEIVE, {"input": receipt(way.here, [(odd, 2, "7.00")])})
    made = await made_ready(api, way.here, way.there, [(way.mug, 1), (odd, 2)])
    one = {"lines": [{"lineId": made["lines"][0]["id"], "quantity": 1}]}
    await done(api, DISPATCH, {"id": made["id"], "input": one})
    payload = await done(api, ARRIVE, arrived(made, None, 2))
    # Worth what they cost when they last came in; the transfer is on the road still.
    assert moved(payload) == [("2", "14.00")]
    assert payload["stockTransfer"]["status"] == "PARTIALLY_RECEIVED"
    assert [(each["received"], each["inTransit"]) for each in payload["stockTransfer"]["lines"]] == [
        ("0", "1"),
        ("0", "0"),
    ]


async def test_a_loss_at_the_origin_takes_from_a_transfer_and_it_does_not_wait(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 9)])
    loss = {"locationId": way.here, "reason": "THEFT", "lines": [{"variantId": way.mug, "delta": -6}]}
    await done(api, ADJUST, {"input": loss})
    assert await figures(api, way.mug) == ("4", "4", "0", "0")
    # Nothing that comes in anywhere is bound to it, not even at the origin: somebody must decide.
    await done(api, RECEIVE, {"input": receipt(way.there, [(way.mug, 5, "1.00")])})
    await done(api, RECEIVE, {"input": receipt(way.here, [(way.mug, 5, "1.00")])})
    assert await figures(api, way.mug, way.there) == ("5", "0", "0", "5")
    assert await figures(api, way.mug, way.here) == ("9", "4", "0", "5")
    line = {"lineId": made["lines"][0]["id"], "quantity": 9}
    payload = await act(api, DISPATCH, {"id": made["id"], "input": {"lines": [line]}})
    (error,) = payload["userErrors"]
    assert (error["code"], error["requested"], error["available"]) == ("INSUFFICIENT_STOCK", "9", "4")
    assert error["path"] == ["input", "lines", "0", "quantity"]
    sent = (await done(api, DISPATCH, {"id": made["id"]}))["stockTransfer"]
    assert sent["lines"][0]["dispatched"] == "4"
    assert await figures(api, way.mug, way.here) == ("5", "0", "0", "5")
    await invariants_hold(api)


async def test_a_transfer_of_which_nothing_is_left_can_only_be_called_off(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 9)])
    loss = {"locationId": way.here, "reason": "THEFT", "lines": [{"variantId": way.mug, "delta": -10}]}
    await done(api, ADJUST, {"input": loss})
    assert await refused(api, DISPATCH, {"id": made["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    payload = await done(api, CALL_OFF, {"id": made["id"]})
    assert payload["stockTransfer"]["status"] == "CANCELLED"


# --- goods on the road belong to their transfers --------------------------------------------------------------------


async def test_nobody_else_moves_what_is_on_the_road(api: Api, way: Way) -> None:
    made = await dispatched(api, way.here, way.there, [(way.mug, 6)])
    road = made["transit"]["id"]
    loss = {"locationId": road, "reason": "THEFT", "lines": [{"variantId": way.mug, "delta": -1}]}
    assert await refused(api, ADJUST, {"input": loss}) == [("NOT_ALLOWED_NOW", "")]
    for mutation, given in (
        (RESERVE, {"lines": [{"variantId": way.mug, "quantity": 1, "locationId": road}]}),
        (PLACE, ordered([(way.mug, 1)], locationId=road)),
    ):
        (reason,) = await refused(api, mutation, {"input": given})
        assert reason[0] == "INVALID"
    # What lies there beside it is nobody's, and may be moved while it is the oldest.
    other = await variant(api)
    await done(api, RECEIVE, {"input": receipt(road, [(other, 3, "1.00")])})
    await done(
        api,
        ADJUST,
        {"input": {"locationId": road, "reason": "THEFT", "lines": [{"variantId": other, "delta": -3}]}},
    )
    await done(api, ARRIVE, {"id": made["id"]})


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
async def test_what_lies_beside_a_transfer_is_anybodys_however_old_the_transfer_is(
    api: Api, way: Way, method: str
) -> None:
    odd = await variant(api)
    await done(api, POLICY, {"input": {"variantId": odd, "costMethod": method}})
    await done(api, RECEIVE, {"input": receipt(way.here, [(odd, 2, "7.00")])})
    made = await made_ready(api, way.here, way.there, [(odd, 2)])
    await done(api, DISPATCH, {"id": made["id"]})
    road = made["transit"]["id"]
    await done(api, RECEIVE, {"input": receipt(road, [(odd, 2, "1.00")])})
    await done(api, RECEIVE, {"input": receipt(road, [(odd, 2, "3.00")])})

    def loss(quantity: int) -> dict[str, Any]:
        lines = [{"variantId": odd, "delta": -quantity}]
        return {"input": {"locationId": road, "reason": "THEFT", "lines": lines}}

    assert await refused(api, ADJUST, loss(5)) == [("NOT_ALLOWED_NOW", "")]
    lost = moved(await done(api, ADJUST, loss(4)))
    assert lost == ([("-2", "-2.00"), ("-2", "-6.00")] if method == "FIFO" else [("-4", "-8.00")])
    assert moved(await done(api, ARRIVE, arrived(made, 2)))[-1] == ("2", "14.00")


async def test_a_lot_on_the_road_is_its_transfers_although_another_lies_beside_it(api: Api, way: Way) -> None:
    odd = await tracked_variant(api)
    await received(api, way.here, odd, 2, lot="SENT")
    made = await made_ready(api, way.here, way.there, [(odd, 2)])
    await done(api, DISPATCH, {"id": made["id"]})
    road = made["transit"]["id"]
    await received(api, road, odd, 2, lot="BESIDE")

    async def loss(number: str) -> dict[str, Any]:
        line = {"variantId": odd, "delta": -1, "lotId": await lot_of(api, odd, number)}
        return {"input": {"locationId": road, "reason": "THEFT", "lines": [line]}}

    assert await refused(api, ADJUST, await loss("SENT")) == [("NOT_ALLOWED_NOW", "")]
    assert moved(await done(api, ADJUST, await loss("BESIDE"))) == [("-1", "-4.00")]
    assert (await done(api, ARRIVE, arrived(made, 2)))["stockTransfer"]["status"] == "RECEIVED"
    assert {lot for _, lot, _, _ in await lying(api, odd, way.there)} == {"SENT"}


async def test_what_is_on_the_road_is_promised_where_it_goes_from_its_day_on(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 6)], expectedOn="2031-05-10")

    async def asked(place: str | None = None, on: str | None = None) -> dict[str, Any]:
        given = {"variant": way.mug, "locations": place and [place], "on": on}
        return (await api.data(AVAILABILITY, given))["availability"]

    ready = await asked(way.here)
    assert (ready["onHand"], ready["allocated"], ready["availableToPromise"]) == ("10", "6", "4")
    assert [(each["kind"], each["source"]) for each in ready["terms"]] == [
        ("ON_HAND", None),
        ("ALLOCATED", made["id"]),
    ]
    await done(api, DISPATCH, {"id": made["id"]})
    everywhere = await asked()
    assert (everywhere["onHand"], everywhere["available"], everywhere["incoming"]) == ("4", "4", "6")
    there = await asked(way.there)
    assert there["terms"] == [
        {
            "kind": "INCOMING",
            "quantity": "6",
            "source": made["id"],
            "on": "2031-05-10",
            "note": made["number"],
            "location": {"id": way.there},
        }
    ]
    assert (await asked(way.there, "2031-05-09"))["availableToPromise"] == "0"
    assert (await asked(way.there, "2031-05-10"))["availableToPromise"] == "6"
    query = """query Q($id: ID!, $on: Date) { availability(variantId: $id, on: $on) {
      nextChange { quantity source on } } }"""
    for day, coming in (
        ("2031-05-09", {"quantity": "6", "source": made["id"], "on": "2031-05-10"}),
        ("2031-05-10", None),
        (None, {"quantity": "6", "source": made["id"], "on": "2031-05-10"}),
    ):
        found = await api.data(query, {"id": way.mug, "on": day})
        assert found["availability"]["nextChange"] == coming
    await done(api, ARRIVE, arrived(made, 2))
    assert (await asked(way.there))["incoming"] == "4"
    await done(api, ARRIVE, arrived(made, closes=True))
    assert (await asked())["incoming"] == "0"
    undated = await dispatched(api, way.here, way.there, [(way.mug, 1)])
    assert (await asked(way.there))["incoming"] == "1"
    assert (await asked(way.there, "2099-01-01"))["incoming"] == "0"
    await done(api, ARRIVE, {"id": undated["id"]})


async def test_goods_for_a_transfer_are_nobody_elses(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 8)])
    assert await refused(api, PLACE, {"input": ordered([(way.mug, 3)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    other = await drafted(api, way.here, way.there, [(way.mug, 3)])
    payload = await act(api, READY, {"id": other["id"]})
    (error,) = payload["userErrors"]
    assert (error["code"], error["path"], error["requested"], error["available"]) == (
        "INSUFFICIENT_STOCK",
        ["id"],
        "3",
        "2",
    )
    await done(api, CALL_OFF, {"id": made["id"]})
    assert await figures(api, way.mug) == ("10", "0", "0", "10")
    await done(api, READY, {"id": other["id"]})


async def test_a_transfer_takes_from_its_origin_alone_and_does_not_wait(api: Api, way: Way) -> None:
    await keep(api, way.mug, backorders="ALLOW")
    elsewhere = await location(api)
    await done(api, RECEIVE, {"input": receipt(elsewhere, [(way.mug, 50, "1.00")])})
    made = await drafted(api, way.here, way.there, [(way.mug, 11)])
    assert await refused(api, READY, {"id": made["id"]}) == [("INSUFFICIENT_STOCK", "id")]


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"originId": ""}, "NOT_FOUND", "originId"),
        ({"destinationId": "loc_" + "0" * 32}, "NOT_FOUND", "destinationId"),
        ({"destinationId": "here"}, "INVALID", "destinationId"),
        ({"destinationId": "road"}, "INVALID", "destinationId"),
        ({"originId": "road"}, "INVALID", "originId"),
        ({"lines": []}, "INVALID", "lines"),
        ({"lines": [("mug", 0)]}, "INVALID", "lines.0.quantity"),
        ({"lines": [("mug", -1)]}, "INVALID", "lines.0.quantity"),
        ({"lines": [("mug", "0.5")]}, "INVALID", "lines.0.quantity"),
        ({"lines": [("mug", 1), ("mug", 2)]}, "INVALID", "lines.1.variantId"),
        ({"lines": [("var_" + "0" * 32, 1)]}, "NOT_FOUND", "lines.0.variantId"),
        ({"lines": [("", 1)]}, "NOT_FOUND", "lines.0.variantId"),
        ({"lines": [("mug", 1)] * 501}, "INVALID", "lines"),
        ({"reference": ""}, "INVALID", "reference"),
        ({"reference": "x" * 256}, "INVALID", "reference"),
    ],
)
async def test_a_refused_transfer_leaves_nothing(
    api: Api, way: Way, change: dict[str, Any], code: str, path: str
) -> None:
    road = await location(api, kind="TRANSIT")
    names = {"here": way.here, "mug": way.mug, "road": road}
    given = going(way.here, way.there, [(way.mug, 1)])
    for name, value in change.items():
        given[name] = names.get(value, value) if isinstance(value, str) else value
    if "lines" in change:
        given["lines"] = [{"variantId": names.get(row, row), "quantity": many} for row, many in change["lines"]]
    assert await refused(api, CREATE, {"input": given}) == [(code, f"input.{path}")]


@pytest.mark.parametrize("mutation", [READY, DISPATCH, ARRIVE, CALL_OFF])
async def test_an_id_that_names_no_transfer(api: Api, mutation: str) -> None:
    for wrong in wrong_ids("trf"):
        assert await refused(api, mutation, {"id": wrong}) == [("NOT_FOUND", "id")]


@pytest.mark.parametrize(
    ("lines", "code", "path"),
    [
        ([], "INVALID", ""),
        ([(0, 0)], "INVALID", ".0.quantity"),
        ([(0, -1)], "INVALID", ".0.quantity"),
        ([(0, "0.5")], "INVALID", ".0.quantity"),
        ([(0, 1), (0, 1)], "INVALID", ".1.lineId"),
        ([(MISSING, 1)], "NOT_FOUND", ".0.lineId"),
        ([("", 1)], "NOT_FOUND", ".0.lineId"),
        ([("other", 1)], "NOT_FOUND", ".0.lineId"),
    ],
)
async def test_a_refused_line_leaves_nothing(
    api: Api, way: Way, lines: Sequence[tuple[Any, Any]], code: str, path: str
) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 5)])
    other = await made_ready(api, way.here, way.there, [(way.mug, 1)])
    names = {0: made["lines"][0]["id"], "other": other["lines"][0]["id"]}
    given = [{"lineId": names.get(row, row), "quantity": many} for row, many in lines]
    variables = {"id": made["id"], "input": {"lines": given}}
    assert await refused(api, DISPATCH, variables) == [(code, f"input.lines{path}")]
    await done(api, DISPATCH, {"id": made["id"]})
    assert await refused(api, ARRIVE, variables) == [(code, f"input.lines{path}")]


async def test_dispatching_more_than_is_allocated_is_refused(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 5)])
    variables = {"id": made["id"], "input": {"lines": [{"lineId": made["lines"][0]["id"], "quantity": 6}]}}
    assert await refused(api, DISPATCH, variables) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]


async def test_closing_says_what_arrived(api: Api, way: Way) -> None:
    made = await dispatched(api, way.here, way.there, [(way.mug, 5)])
    given = {"id": made["id"], "input": {"closes": True}}
    assert await refused(api, ARRIVE, given) == [("INVALID", "input.lines")]


async def _in_state(api: Api, way: Way, wanted: str) -> dict[str, Any]:
    """A transfer of two mugs in this state."""
    lines = [(way.mug, 2)]
    if wanted == "DRAFT":
        return await drafted(api, way.here, way.there, lines)
    if wanted in ("READY", "CANCELLED"):
        made = await made_ready(api, way.here, way.there, lines)
        return made if wanted == "READY" else (await done(api, CALL_OFF, {"id": made["id"]}))["stockTransfer"]
    made = await dispatched(api, way.here, way.there, lines)
    if wanted == "DISPATCHED":
        return made
    return (await done(api, ARRIVE, arrived(made, 1 if wanted == "PARTIALLY_RECEIVED" else 2)))["stockTransfer"]


POSSIBLE = {
    "DRAFT": ["READY", "CANCEL"],
    "READY": ["DISPATCH", "CANCEL"],
    "DISPATCHED": ["RECEIVE", "CLOSE"],
    "PARTIALLY_RECEIVED": ["RECEIVE", "CLOSE"],
    "RECEIVED": [],
    "CANCELLED": [],
}
LEADS_TO = {
    "READY": "READY",
    "DISPATCH": "DISPATCHED",
    "RECEIVE": "RECEIVED",
    "CLOSE": "RECEIVED",
    "CANCEL": "CANCELLED",
}
"""What each act, done to all of a transfer, makes of it."""
DOORS = {"READY": READY, "DISPATCH": DISPATCH, "RECEIVE": ARRIVE, "CLOSE": ARRIVE, "CANCEL": CALL_OFF}


@pytest.mark.parametrize("action", DOORS)
@pytest.mark.parametrize("wanted", POSSIBLE)
async def test_every_act_in_every_state(api: Api, way: Way, wanted: str, action: str) -> None:
    made = await _in_state(api, way, wanted)
    assert (made["status"], made["availableActions"]) == (wanted, POSSIBLE[wanted])
    variables = arrived(made, closes=True) if action == "CLOSE" else {"id": made["id"]}
    if action in POSSIBLE[wanted]:
        payload = await done(api, DOORS[action], variables)
        assert payload["stockTransfer"]["status"] == LEADS_TO[action]
        assert payload["stockTransfer"]["version"] == made["version"] + 1
    else:
        assert await refused(api, DOORS[action], variables) == [("NOT_ALLOWED_NOW", "id")]


async def test_calling_off_a_draft_frees_nothing(api: Api, way: Way) -> None:
    made = await drafted(api, way.here, way.there, [(way.mug, 5)])
    payload = await done(api, CALL_OFF, {"id": made["id"]})
    assert announced(payload) == [("stock_transfer.cancelled", 2)]
    assert payload["stockTransfer"]["cancelledAt"] is not None


# --- dry runs, keys, scopes -----------------------------------------------------------------------------------------


async def test_dry_runs_answer_alike_and_leave_nothing(api: Api, way: Way) -> None:
    made = await drafted(api, way.here, way.there, [(way.mug, 5)])
    for mutation, variables in (
        (READY, {"id": made["id"]}),
        (DISPATCH, {"id": made["id"]}),
        (ARRIVE, arrived(made, 6)),
    ):
        before = await state(api)
        dry = await done(api, mutation, variables | {"dryRun": True})
        assert await state(api) == before
        wet = await done(api, mutation, variables)
        for payload in (dry, wet):
            for name in ("dispatchedAt", "receivedAt"):
                payload["stockTransfer"].pop(name)
        assert likeness(dry) == likeness(wet)


async def test_one_key_one_effect(api: Api, way: Way) -> None:
    await sent_at_once(api, CREATE, {"input": going(way.here, way.there, [(way.mug, 1)])})
    made = await drafted(api, way.here, way.there, [(way.mug, 5)])
    await sent_at_once(api, READY, {"id": made["id"]})
    await sent_at_once(api, DISPATCH, {"id": made["id"]})
    await sent_at_once(api, ARRIVE, arrived(made, 3))
    assert await figures(api, way.mug, way.there) == ("3", "0", "0", "3")
    await sent_at_once(api, ARRIVE, arrived(made, closes=True))


async def test_without_the_scope_nothing_happens(api: Api, way: Way) -> None:
    made = await made_ready(api, way.here, way.there, [(way.mug, 1)])
    documents = {
        name: f"mutation T($id: ID!) {{ stockTransfer{name}(id: $id) {{ userErrors {{ code }} }} }}"
        for name in ("Ready", "Dispatch", "Receive", "Cancel")
    }
    for document in documents.values():
        await forbidden(api, document, {"id": made["id"]}, [Scope.STOCK_WRITE])
    create = """mutation T($input: StockTransferCreateInput!) {
      stockTransferCreate(input: $input) { userErrors { code } } }"""
    await forbidden(api, create, {"input": going(way.here, way.there, [(way.mug, 1)])}, [Scope.STOCK_WRITE])
    read = "query Q($id: ID!) { stockTransfer(by: {id: $id}) { id } }"
    await forbidden(api, read, {"id": made["id"]}, [Scope.STOCK_READ, Scope.STOCK_WRITE])


# --- finding them ---------------------------------------------------------------------------------------------------


async def test_transfers_are_found(api: Api, way: Way) -> None:
    made = await drafted(api, way.here, way.there, [(way.mug, 5)])
    sent = await dispatched(api, way.here, way.there, [(way.mug, 1)])
    number = made["number"]
    query = """query Q($id: ID!, $number: String!, $digits: String!) {
      byId: stockTransfer(by: {id: $id}) { id } byNumber: stockTransfer(by: {number: $number}) { id }
      byDigits: stockTransfer(by: {number: $digits}) { id } unknown: stockTransfer(by: {number: "TR-1"}) { id }
      odd: stockTransfer(by: {number: "🦆"}) { id } node(id: $id) { __typename id } }"""
    variables = {"id": made["id"], "number": f" {number.lower()} ", "digits": number.removeprefix("TR-")}
    found = await api.data(query, variables)
    assert found["byId"] == found["byNumber"] == found["byDigits"] == {"id": made["id"]}
    assert (found["unknown"], found["odd"]) == (None, None)
    assert found["node"] == {"__typename": "StockTransfer", "id": made["id"]}

    async def listed(**filters: Any) -> list[str]:
        document = """query Q($f: StockTransferFilter) { stockTransfers(first: 250, filter: $f, sort: [NUMBER_DESC]) {
          nodes { id } } }"""
        nodes = (await api.data(document, {"f": {"originId": {"in": [way.here]}, **filters}}))["stockTransfers"]
        return [each["id"] for each in nodes["nodes"]]

    assert await listed() == [sent["id"], made["id"]]
    assert await listed(status={"in": ["DISPATCHED"]}) == [sent["id"]]
    assert await listed(destinationId={"in": [way.there]}) == [sent["id"], made["id"]]
    assert await listed(destinationId={"in": [way.here]}) == []
    assert await listed(id={"in": [made["id"]]}) == [made["id"]]
    assert await listed(createdAt={"after": "2099-01-01T00:00:00Z"}) == []


# --- the road -------------------------------------------------------------------------------------------------------


async def test_the_first_transfers_make_one_road(fresh_api: Api) -> None:
    here, there = await location(fresh_api), await location(fresh_api)
    rows = [await variant(fresh_api) for _ in range(6)]
    made = await asyncio.gather(*(drafted(fresh_api, here, there, [(row, 1)]) for row in rows))
    assert {each["transit"]["name"] for each in made} == {"In transit"}
    assert len({each["transit"]["id"] for each in made}) == 1
    found = (await fresh_api.data("{ locations(filter: {kind: {in: [TRANSIT]}}) { nodes { name } } }"))["locations"]
    assert found["nodes"] == [{"name": "In transit"}]


async def test_a_road_of_another_name_where_that_is_taken(fresh_api: Api) -> None:
    create = """mutation L($name: String!) { locationCreate(input: {name: $name, kind: STORE}) {
      location { id } userErrors { message } } }"""
    here = (await done(fresh_api, create, {"name": "IN TRANSIT"}))["location"]["id"]
    there = (await done(fresh_api, create, {"name": "In transit 2"}))["location"]["id"]
    made = await drafted(fresh_api, here, there, [(await variant(fresh_api), 1)])
    assert made["transit"]["name"] == "In transit 3"


async def test_a_road_that_is_there_is_used(fresh_api: Api) -> None:
    road = await location(fresh_api, kind="TRANSIT")
    await location(fresh_api, kind="TRANSIT")
    made = await drafted(
        fresh_api, await location(fresh_api), await location(fresh_api), [(await variant(fresh_api), 1)]
    )
    assert made["transit"]["id"] == road


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
