"""What the reference model found, each as small as it gets."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.database import driver_of
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.work import SYSTEM, begin
from domain.stock import (
    CountedLine,
    CountRecord,
    CountStart,
    Handed,
    NewAdjustment,
    NewAdjustmentLine,
    NewReceipt,
    NewReceiptLine,
    StockAdjustmentReason,
    StockCountKind,
)
from tests.support import shop
from tests.support.api import Api
from tests.support.shelves import RECALL, bins, lot_of, lying, received
from tests.support.shop import (
    ADJUST,
    PLACE,
    POLICY,
    RECEIVE,
    SHIP,
    act,
    dollars,
    done,
    invariants_hold,
    ordered,
    posted,
)
from tests.support.transfers import ARRIVE, arrived, dispatched

REVALUE = """mutation W($input: StockRevalueInput!) {
  stockRevalue(input: $input) { levels { id } userErrors { code message } } }"""


def ago(**since: float) -> str:
    """An instant so long ago."""
    return (datetime.now(UTC) - timedelta(**since)).isoformat()


def adjusted(place: str, *lines: dict[str, Any], reason: str = "DAMAGE", **extra: Any) -> dict[str, Any]:
    """The input of an adjustment."""
    return {"input": {"locationId": place, "reason": reason, "lines": list(lines), **extra}}


async def test_goods_kept_by_lots_may_be_told_late(fresh_api: Api) -> None:
    """A correction of costs moves quantities between layers, and names no lot: it brings nothing in."""
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    await done(fresh_api, POLICY, {"input": {"variantId": row, "tracksLots": True}})

    def lot(cost: str, **extra: Any) -> dict[str, Any]:
        given = shop.receipt(place, [(row, 2, cost)], **extra)
        given["lines"][0]["lot"] = {"number": "L1"}
        return {"input": given}

    await done(fresh_api, RECEIVE, lot("9.00", receivedAt=ago(hours=1)))
    await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -1}))
    payload = await done(fresh_api, RECEIVE, lot("1.00", receivedAt=ago(hours=2)))
    assert ("5110", "-8.00") in posted(payload)[-1]
    assert (await shop.level(fresh_api, row))["value"]["amount"] == "19.00"
    await invariants_hold(fresh_api)


async def test_what_lies_loose_is_there_once_however_many_lines_look(fresh_api: Api) -> None:
    place = await shop.location(fresh_api)
    row, aside = await shop.stocked(fresh_api, 4, place=place), (await bins(fresh_api, place, "A"))[0]
    given = shop.receipt(place, [(row, 4, "4.00")])
    given["lines"][0]["binId"] = aside
    await done(fresh_api, RECEIVE, {"input": given})
    lines = {"variantId": row, "delta": -5}, {"variantId": row, "delta": -1, "binId": aside}
    await done(fresh_api, ADJUST, adjusted(place, *lines))
    assert (await shop.level(fresh_api, row))["onHand"] == "2"
    await invariants_hold(fresh_api)


async def test_who_waits_is_served_by_what_is_left_of_a_gain_and_a_loss(fresh_api: Api) -> None:
    """Goods went from one bin to another, and one was lost: no more is promised than is there."""
    place = await shop.location(fresh_api)
    row, aside = await shop.stocked(fresh_api, 5, place=place), (await bins(fresh_api, place, "A"))[0]
    await done(fresh_api, POLICY, {"input": {"variantId": row, "backorders": "ALLOW"}})
    kept = {"channelId": await shop.default_channel(fresh_api), "variantId": row, "buffer": 5}
    await done(fresh_api, shop.CHANNEL_RULE, {"input": kept})
    waiting = await done(fresh_api, PLACE, {"input": ordered([(row, 9)])})
    assert waiting["order"]["lines"][0]["allocated"] == "0"
    await done(fresh_api, shop.CHANNEL_RULE, {"input": {**kept, "buffer": None}})  # from now on it may have them
    lines = {"variantId": row, "delta": -5}, {"variantId": row, "delta": 4, "binId": aside}
    await done(fresh_api, ADJUST, adjusted(place, *lines, reason="CORRECTION"))
    assert await shop.figures(fresh_api, row, place) == ("4", "4", "0", "0")
    await invariants_hold(fresh_api)


async def test_two_lines_of_one_variant_may_both_wait(fresh_api: Api) -> None:
    row = await shop.stocked(fresh_api, 2)
    await done(fresh_api, POLICY, {"input": {"variantId": row, "backorders": "ALLOW"}})
    order = (await done(fresh_api, PLACE, {"input": ordered([(row, 5), (row, 2)])}))["order"]
    assert [line["allocated"] for line in order["lines"]] == ["2", "0"]
    await invariants_hold(fresh_api)


async def test_an_average_that_was_written_off_may_be_told_late(fresh_api: Api) -> None:
    """The goods that came late were cheap; by them less was there than was written off: it stays as it was told."""
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    await done(fresh_api, POLICY, {"input": {"variantId": row, "costMethod": "MOVING_AVERAGE"}})
    await done(fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 10, "10.00")], receivedAt=ago(hours=2))})
    await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -1}))
    down = {"locationId": place, "reason": "Prices fell", "lines": [{"variantId": row, "unitCost": dollars("0.00")}]}
    await done(fresh_api, REVALUE, {"input": down})
    late = shop.receipt(place, [(row, 90, "0.00")], receivedAt=ago(hours=3))
    payload = await act(fresh_api, RECEIVE, {"input": late})
    assert payload["userErrors"] == []
    assert (await shop.level(fresh_api, row))["onHand"] == "99"
    await invariants_hold(fresh_api)


async def test_what_left_is_costed_anew_in_the_order_in_which_it_happened(fresh_api: Api) -> None:
    """A loss that happened early and was told last comes before what was sold until it was told."""
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    await done(fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 10, "2.00")], receivedAt=ago(hours=2))})
    order = (await done(fresh_api, PLACE, {"input": ordered([(row, 3)])}))["order"]["id"]
    await done(fresh_api, SHIP, {"id": order})
    await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -4}, effectiveAt=ago(hours=1)))
    payload = await done(
        fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 5, "1.00")], receivedAt=ago(hours=4))}
    )
    # The four that were lost, and one of the three that were sold, cost one less.
    corrected = dict(posted(payload)[-1])
    assert corrected["5110"] == "-4.00"
    assert corrected["5010"] == "-1.00"
    assert "5190" not in corrected
    await invariants_hold(fresh_api)


async def test_who_began_before_others_and_took_goods_after_them_bears_its_part(fresh_api: Api) -> None:
    """A loss begins, goods come in meanwhile, and it takes of them: it left after they came, whatever its instant."""
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    lost = [NewAdjustmentLine(ID(row), Quantity(Decimal(-3)))]
    async with fresh_api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        since = work.now + timedelta(milliseconds=1)
        await asyncio.sleep(0.05)
        await done(fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 5, "2.00")])})
        await stock.adjust(work, NewAdjustment(ID(place), StockAdjustmentReason.DAMAGE, lost))
    late = shop.receipt(place, [(row, 5, "1.00")], receivedAt=since.isoformat())
    corrected = posted(await done(fresh_api, RECEIVE, {"input": late}))[-1]
    assert set(corrected) == {("5110", "-3.00"), ("1200", "3.00")}
    await invariants_hold(fresh_api)


@pytest.mark.parametrize("reason", ["DAMAGE", "SHRINKAGE"])
async def test_goods_that_left_in_another_order_than_that_of_their_age_stay_gone(fresh_api: Api, reason: str) -> None:
    """A delivery begins, and comes to its turn after younger goods came in and were lost in part. What comes late takes
    the place of the youngest that is gone, and of nothing else: whoever lost them, and however many bear it.
    """
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    lines = [NewReceiptLine(ID(row), Quantity(Decimal(5)), Money(Decimal("4.00"), CurrencyCode("USD")))]
    async with fresh_api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await asyncio.sleep(0.05)
        await done(fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 5, "2.00")])})
        await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -3}))
        await stock.receive(work, NewReceipt(ID(place), lines))
    await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -1}, reason=reason))
    assert (await shop.level(fresh_api, row))["value"]["amount"] == "20.00"
    late = shop.receipt(place, [(row, 1, "1.00")], receivedAt=ago(hours=1))
    corrected = posted(await done(fresh_api, RECEIVE, {"input": late}))[-1]
    assert set(corrected) == {("5110", "-1.00"), ("1200", "1.00")}
    assert (await shop.level(fresh_api, row))["value"]["amount"] == "22.00"
    await invariants_hold(fresh_api)


async def test_what_left_of_older_goods_bears_nothing_of_a_late_receipt(fresh_api: Api) -> None:
    """Some are sold; older ones arrive from elsewhere, and are lost. What comes late is younger than these."""
    here, place, row = await shop.location(fresh_api), await shop.location(fresh_api), await shop.variant(fresh_api)
    await done(fresh_api, RECEIVE, {"input": shop.receipt(here, [(row, 2, "3.00")], receivedAt=ago(hours=9))})
    made = await dispatched(fresh_api, here, place, [(row, 2)])
    await done(fresh_api, RECEIVE, {"input": shop.receipt(place, [(row, 2, "2.00")], receivedAt=ago(hours=1))})
    order = (await done(fresh_api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"]
    await done(fresh_api, SHIP, {"id": order})
    await done(fresh_api, ARRIVE, arrived(made, 2))
    await done(fresh_api, ADJUST, adjusted(place, {"variantId": row, "delta": -2}))
    late = shop.receipt(place, [(row, 2, "1.00")], receivedAt=ago(hours=2))
    corrected = posted(await done(fresh_api, RECEIVE, {"input": late}))[-1]
    assert set(corrected) == {("5010", "-2.00"), ("1200", "2.00")}
    await invariants_hold(fresh_api)


async def test_who_comes_to_wait_while_others_are_served_is_not_passed_over(fresh_api: Api) -> None:
    """An adjustment serves who waits for one variant and lets somebody wait for another; a receipt of both, which waits
    for it, sees both.
    """
    here, there = await shop.location(fresh_api), await shop.location(fresh_api)
    scarce, lost = await shop.variant(fresh_api), await shop.stocked(fresh_api, 5, place=here)
    for row in (scarce, lost):
        await done(fresh_api, POLICY, {"input": {"variantId": row, "backorders": "ALLOW"}})
    await done(fresh_api, PLACE, {"input": ordered([(scarce, 2)])})
    promised = (await done(fresh_api, PLACE, {"input": ordered([(lost, 5)])}))["order"]["id"]
    differences = [
        NewAdjustmentLine(ID(scarce), Quantity(Decimal(8)), Money(Decimal(4), CurrencyCode("USD"))),
        NewAdjustmentLine(ID(lost), Quantity(Decimal(-5))),
    ]
    database = fresh_api.services.database
    async with database.connection() as watching, database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            await stock.adjust(work, NewAdjustment(ID(here), StockAdjustmentReason.CORRECTION, differences))
            more = {"input": shop.receipt(there, [(scarce, 7, "4.00"), (lost, 6, "4.00")])}
            receipt = asyncio.create_task(done(fresh_api, RECEIVE, more))
            blocked = f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {driver_of(connection).get_server_pid()} ="
            blocked += " ANY(pg_blocking_pids(pid)))"
            async with asyncio.timeout(20):
                while not (await watching.exec_driver_sql(blocked)).scalar_one():
                    assert not receipt.done()
                    await watching.rollback()
        await receipt
    assert await shop.figures(fresh_api, lost, there) == ("6", "5", "0", "1")
    await done(fresh_api, SHIP, {"id": promised})
    await invariants_hold(fresh_api)


async def test_a_transfer_is_closed_of_which_one_line_has_arrived_before(fresh_api: Api) -> None:
    here, there = await shop.location(fresh_api), await shop.location(fresh_api)
    whole, short = [await shop.stocked(fresh_api, 2, place=here) for _ in range(2)]
    made = await dispatched(fresh_api, here, there, [(whole, 2), (short, 2)])
    lines = [each["id"] for each in made["lines"]]
    first = {"lines": [{"lineId": lines[0], "quantity": 2}]}
    await done(fresh_api, ARRIVE, {"id": made["id"], "input": first})
    last = {"lines": [{"lineId": lines[1], "quantity": 1}], "closes": True}
    closed = (await done(fresh_api, ARRIVE, {"id": made["id"], "input": last}))["stockTransfer"]
    assert [(each["received"], each["lost"]) for each in closed["lines"]] == [("2", "0"), ("1", "1")]
    assert closed["status"] == "RECEIVED"
    await invariants_hold(fresh_api)


async def test_nothing_is_handed_over_of_goods_in_transit(fresh_api: Api) -> None:
    """Goods lie beside a transfer's, and are older: what left by their cost would have been of the transfer's lot."""
    here, there = await shop.location(fresh_api), await shop.location(fresh_api)
    row = await shop.variant(fresh_api)
    await done(fresh_api, POLICY, {"input": {"variantId": row, "tracksLots": True}})
    await received(fresh_api, here, row, 2, lot="SENT")
    made = await dispatched(fresh_api, here, there, [(row, 2)])
    road = made["transit"]["id"]
    beside = shop.receipt(road, [(row, 2, "4.00")], receivedAt=ago(hours=1))
    beside["lines"][0]["lot"] = {"number": "BESIDE"}
    await done(fresh_api, RECEIVE, {"input": beside})
    before = await shop.state(fresh_api)
    handed = [Handed(ID(row), Decimal(1), ("input", "lines", 0), "SKU")]
    with pytest.raises(Invalid, match="in transit") as refusal:
        async with fresh_api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            await stock.hand_over(work, ID(road), handed, source=new_id("pos"))
    assert refusal.value.path == ("input", "locationId")
    assert await shop.state(fresh_api) == before
    await done(fresh_api, ARRIVE, arrived(made, 2))
    assert await lying(fresh_api, row, there) == {(None, "SENT", None, "2")}
    await invariants_hold(fresh_api)


async def test_what_a_count_finds_of_a_recalled_lot_is_on_hold(fresh_api: Api) -> None:
    place, row = await shop.location(fresh_api), await shop.variant(fresh_api)
    await received(fresh_api, place, row, 5, lot="L1")
    await done(fresh_api, RECALL, {"id": await lot_of(fresh_api, row, "L1")})
    async with fresh_api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        count = await stock.start_count(work, CountStart(ID(place), StockCountKind.CYCLE, variant_ids=[ID(row)]))
        line = await work.raw.fetchval("SELECT id FROM stock_count_lines WHERE count_id = $1", count[4:])
        await stock.record_count(work, count, CountRecord([CountedLine(ID(f"cnl_{line}"), Quantity(Decimal(7)))]))
        await stock.submit_count(work, count)
        await stock.approve_count(work, count)
    assert await lying(fresh_api, row, place) == {(None, "L1", "ON_HOLD", "7")}
    await invariants_hold(fresh_api)


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
async def test_goods_told_late_in_transit_leave_what_is_on_the_road_as_it_was(fresh_api: Api, method: str) -> None:
    """A cheap load has arrived, a dear one is on its way: their costs are their own, whatever lay beside them."""
    here, there = await shop.location(fresh_api), await shop.location(fresh_api)
    row = await shop.variant(fresh_api)
    await done(fresh_api, POLICY, {"input": {"variantId": row, "costMethod": method}})
    loads = []
    for cost in ("1.00", "100.00"):
        await done(fresh_api, RECEIVE, {"input": shop.receipt(here, [(row, 10, cost)])})
        loads.append(await dispatched(fresh_api, here, there, [(row, 10)]))
    await done(fresh_api, ARRIVE, arrived(loads[0], 10))
    road = loads[0]["transit"]["id"]
    late = shop.receipt(road, [(row, 1, "0.00")], receivedAt=ago(hours=1))
    await done(fresh_api, RECEIVE, {"input": late})
    found = await shop.level(fresh_api, row, road)
    assert (found["onHand"], found["value"]["amount"]) == ("11", "1000.00")
    await done(fresh_api, ARRIVE, arrived(loads[1], 10))
    assert (await shop.level(fresh_api, row, there))["value"]["amount"] == "1010.00"
    await invariants_hold(fresh_api)


async def test_a_loss_told_late_leaves_alone_what_left_of_older_goods_that_came_later(fresh_api: Api) -> None:
    """They are older by their cost, and came by a transfer after it: what they were taken for took nothing of it."""
    here, elsewhere = await shop.location(fresh_api), await shop.location(fresh_api)
    row = await shop.variant(fresh_api)
    mine = shop.receipt(here, [(row, 5, "2.00")], receivedAt=ago(days=1))
    await done(fresh_api, RECEIVE, {"input": mine})
    older = shop.receipt(elsewhere, [(row, 2, "1.00")], receivedAt=ago(days=2))
    await done(fresh_api, RECEIVE, {"input": older})
    await done(fresh_api, ARRIVE, arrived(await dispatched(fresh_api, elsewhere, here, [(row, 2)]), 2))
    order = (await done(fresh_api, PLACE, {"input": ordered([(row, 1)], locationId=here)}))["order"]
    await done(fresh_api, SHIP, {"id": order["id"]})
    await done(fresh_api, ADJUST, adjusted(here, {"variantId": row, "delta": -1}))
    late = adjusted(here, {"variantId": row, "delta": -1}, reason="SHRINKAGE", effectiveAt=ago(hours=1))
    payload = await done(fresh_api, ADJUST, late)
    assert [lines for lines in posted(payload) if lines] == [[("5100", "2.00"), ("1200", "-2.00")]]
    found = await shop.level(fresh_api, row, here)
    assert (found["onHand"], found["value"]["amount"]) == ("4", "8.00")
    await invariants_hold(fresh_api)
