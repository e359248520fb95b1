"""Freight of transfers: what the way cost is part of what goods cost once they arrive, and no expense before."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.errors import Refusal
from domain.kernel.ids import ID, new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from domain.stock import Handed
from domain.stock.contents import LOOSE, Part
from domain.stock.operations.transfers.unload import Taken, with_freight
from tests.support.api import Api
from tests.support.shelves import received, tracked_variant
from tests.support.shop import (
    PLACE,
    POLICY,
    RECEIVE,
    SHIP,
    done,
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
    state,
    variant,
)
from tests.support.transfers import ARRIVE, arrived, dispatched

FREIGHT = "query Q($id: ID!) { stockTransfer(by: {id: $id}) { freight { amount currency } } }"


async def places(api: Api) -> tuple[str, str]:
    return await location(api), await location(api, kind="STORE")


async def goods(api: Api, place: str, *received: tuple[Any, str], average: bool = False) -> str:
    """The id of a fresh variant, of which so many came in at such costs, one receipt after the other."""
    row = await variant(api)
    if average:
        await done(api, POLICY, {"input": {"variantId": row, "costMethod": "MOVING_AVERAGE"}})
    for many, cost in received:
        await done(api, RECEIVE, {"input": receipt(place, [(row, many, cost)])})
    return row


async def sold(api: Api, row: str, many: Any, place: str) -> dict[str, Any]:
    order = (await done(api, PLACE, {"input": ordered([(row, many)], locationId=place)}))["order"]
    return await done(api, SHIP, {"id": order["id"]})


async def worth(api: Api, row: str, place: str) -> str:
    return (await level(api, row, place))["value"]["amount"]


async def freight_of(api: Api, transfer: dict[str, Any]) -> str | None:
    found = (await api.data(FREIGHT, {"id": transfer["id"]}))["stockTransfer"]["freight"]
    return None if found is None else found["amount"]


def into(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """The quantities and values that came to the destination."""
    return [each for each in moved(payload) if not each[0].startswith("-")]


async def test_freight_is_spread_by_value_over_layers_and_sold_with_them(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (4, "1.00"), (6, "2.00"))
    made = await dispatched(api, here, there, [(mug, 10)])
    assert await freight_of(api, made) is None
    payload = await done(api, ARRIVE, arrived(made, 10, freight="1.01"))
    assert moved(payload) == [("-4", "-4.00"), ("4", "4.25"), ("-6", "-12.00"), ("6", "12.76")]
    assert posted(payload) == [[("1200", "16.00"), ("1200", "-16.00"), ("1200", "1.01"), ("5170", "-1.01")]]
    assert await freight_of(api, made) == "1.01"
    assert await worth(api, mug, there) == "17.01"
    payload = await sold(api, mug, 3, there)
    assert ("5010", "3.19") in posted(payload)[0]
    assert moved(payload) == [("-3", "-3.19")]
    assert moved(await sold(api, mug, 7, there)) == [("-1", "-1.06"), ("-6", "-12.76")]
    assert await worth(api, mug, there) == "0.00"
    await invariants_hold(api)


async def test_freight_is_spread_over_several_lines_to_the_cent(api: Api) -> None:
    here, there = await places(api)
    rows = [await goods(api, here, (3, "1.00")) for _ in range(3)]
    made = await dispatched(api, here, there, [(row, 1) for row in rows])
    payload = await done(api, ARRIVE, {"id": made["id"], "input": {"freight": {"amount": "1", "currency": "USD"}}})
    assert into(payload) == [("1", "1.33"), ("1", "1.34"), ("1", "1.33")]
    assert [await worth(api, row, there) for row in rows] == ["1.33", "1.34", "1.33"]
    assert payload["stockTransfer"]["status"] == "RECEIVED"
    await invariants_hold(api)


async def test_what_is_worth_nothing_beside_what_is_bears_no_freight(api: Api) -> None:
    here, there = await places(api)
    gift, mug = await goods(api, here, (5, "0")), await goods(api, here, (5, "2.00"))
    made = await dispatched(api, here, there, [(gift, 5), (mug, 5)])
    assert into(await done(api, ARRIVE, arrived(made, 5, 5, freight="0.50"))) == [("5", "0.00"), ("5", "10.50")]
    await invariants_hold(api)


async def test_freight_is_spread_by_quantity_where_nothing_has_a_value(api: Api) -> None:
    here, there = await places(api)
    one, two = await goods(api, here, (1, "0")), await goods(api, here, (2, "0"))
    made = await dispatched(api, here, there, [(one, 1), (two, 2)])
    payload = await done(api, ARRIVE, arrived(made, 1, 2, freight="1.00"))
    assert into(payload) == [("1", "0.33"), ("2", "0.67")]
    assert posted(payload) == [[("1200", "1.00"), ("5170", "-1.00")]]
    assert moved(await sold(api, two, 1, there)) == [("-1", "-0.34")]
    assert moved(await sold(api, two, 1, there)) == [("-1", "-0.33")]
    await invariants_hold(api)


async def test_each_partial_arrival_has_freight_of_its_own(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (7, "1.00"))
    made = await dispatched(api, here, there, [(mug, 7)])
    assert into(await done(api, ARRIVE, arrived(made, 3, freight="0.10"))) == [("3", "3.10")]
    assert into(await done(api, ARRIVE, arrived(made, 1))) == [("1", "1.00")]
    payload = await done(api, ARRIVE, arrived(made, 2, freight="0.05", closes=True))
    assert moved(payload) == [("-2", "-2.00"), ("2", "2.05"), ("-1", "-1.00")]
    lost = [("5100", "1.00"), ("1200", "-1.00")]  # what is lost on the way had no freight
    assert posted(payload)[1] == lost
    assert await freight_of(api, made) == "0.15"
    assert await worth(api, mug, there) == "6.15"
    await invariants_hold(api)


async def test_freight_is_part_of_a_moving_average(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (4, "1.00"), average=True)
    await done(api, RECEIVE, {"input": receipt(there, [(mug, 4, "3.00")])})
    made = await dispatched(api, here, there, [(mug, 4)])
    assert into(await done(api, ARRIVE, arrived(made, 4, freight="0.80"))) == [("4", "4.80")]
    assert moved(await sold(api, mug, 1, there)) == [("-1", "-2.10")]  # 16.80 over 8
    assert moved(await sold(api, mug, 7, there)) == [("-7", "-14.70")]
    await invariants_hold(api)


@pytest.mark.parametrize(("average", "more", "left"), [(False, "3.80", "4.40"), (True, "1.27", "6.93")])
async def test_a_receipt_that_is_told_late_knows_of_freight(api: Api, average: bool, more: str, left: str) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (4, "1.00"), average=average)
    made = await dispatched(api, here, there, [(mug, 4)])
    await done(api, ARRIVE, arrived(made, 4, freight="0.40"))
    assert moved(await sold(api, mug, 2, there)) == [("-2", "-2.20")]
    ago = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    payload = await done(api, RECEIVE, {"input": receipt(there, [(mug, 2, "3.00")], receivedAt=ago)})
    # First in, first out the two at 3.00 would have gone; by average 6 of them at 10.40 were there, and two left.
    assert posted(payload)[1] == [("5010", more), ("1200", f"-{more}")]
    assert await worth(api, mug, there) == left
    await sold(api, mug, 4, there)
    assert await worth(api, mug, there) == "0.00"
    await invariants_hold(api)


async def test_freight_is_for_what_was_on_the_road_and_not_for_what_is_more(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (5, "2.00"))
    made = await dispatched(api, here, there, [(mug, 2)])
    payload = await done(api, ARRIVE, arrived(made, 3, freight="0.60"))
    assert into(payload) == [("2", "4.60"), ("1", "2.00")]
    assert posted(payload)[1] == [("1200", "2.00"), ("5190", "-2.00")]
    await invariants_hold(api)


async def test_freight_is_spread_over_bins_and_lots(api: Api) -> None:
    here, there = await places(api)
    row = await tracked_variant(api)
    for number in ("F-1", "F-2"):
        await received(api, here, row, 2, lot=number)
    made = await dispatched(api, here, there, [(row, 4)])
    payload = await done(api, ARRIVE, {"id": made["id"], "input": {"freight": {"amount": "0.03", "currency": "USD"}}})
    assert sum(Decimal(value) for _, value in moved(payload)) == Decimal("0.03")
    assert len(into(payload)) == 2
    await invariants_hold(api)


async def test_what_was_handed_over_before_costs_its_freight_too(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (5, "1.00"))
    till = "mutation L($id: ID!) { locationUpdate(id: $id, input: {allowsOversell: true}) { userErrors { code } } }"
    await done(api, till, {"id": there})
    made = await dispatched(api, here, there, [(mug, 4)])
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        handed = [Handed(ID(mug), Decimal(2), ("input", "lines", 0), "SKU")]
        await stock.hand_over(work, ID(there), handed, source=new_id("pos"))
    payload = await done(api, ARRIVE, arrived(made, 4, freight="0.40"))
    assert moved(payload) == [("-4", "-4.00"), ("4", "4.40"), ("-2", "-2.20")]
    assert await worth(api, mug, there) == "2.20"
    await invariants_hold(api)


async def test_found_goods_cost_what_came_in_last_with_its_freight(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (2, "1.00"))
    made = await dispatched(api, here, there, [(mug, 2)])
    await done(api, ARRIVE, arrived(made, 2, freight="0.50"))
    await sold(api, mug, 2, there)
    adjust = """mutation A($input: StockAdjustInput!) { stockAdjust(input: $input) {
      levels { value { amount } } userErrors { code } } }"""
    found = {"locationId": there, "reason": "FOUND", "lines": [{"variantId": mug, "delta": 2}]}
    payload = await done(api, adjust, {"input": found})
    assert payload["levels"][0]["value"]["amount"] == "2.50"
    await invariants_hold(api)


# --- what cannot be -------------------------------------------------------------------------------------------------


async def test_freight_that_cannot_be_leaves_nothing(api: Api) -> None:
    here, there = await places(api)
    mug, plate = await goods(api, here, (5, "2.00")), await goods(api, here, (5, "2.00"))
    made = await dispatched(api, here, there, [(mug, 2), (plate, 2)])

    async def errors(*quantities: Any, amount: str = "1.00", currency: str = "USD", closes: bool = False) -> Any:
        given = arrived(made, *quantities, closes=closes)
        given["input"]["freight"] = {"amount": amount, "currency": currency}
        return await refused(api, ARRIVE, given)

    for amount in ("0", "0.00", "-1.00", "0.001"):
        assert await errors(2, amount=amount) == [("INVALID", "input.freight.amount")], amount
    for currency in ("EUR", "JPY"):
        assert await errors(2, currency=currency) == [("INVALID", "input.freight.currency")], currency
    assert await errors(closes=True) == [("NOTHING_ARRIVES", "input.freight")]
    await done(api, ARRIVE, arrived(made, 2, freight="1"))
    assert await errors(1) == [("NOTHING_ARRIVES", "input.freight")]  # all of this line has arrived: it is more
    assert await freight_of(api, made) == "1.00"
    await done(api, ARRIVE, arrived(made, None, 2))
    assert await errors(None, 1) == [("NOT_ALLOWED_NOW", "id")]
    await invariants_hold(api)


async def test_a_dry_run_answers_alike_and_leaves_nothing(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (5, "2.00"))
    made = await dispatched(api, here, there, [(mug, 2)])
    before = await state(api)
    tried = await done(api, ARRIVE, {**arrived(made, 2, freight="1.00"), "dryRun": True})
    assert await state(api) == before
    payload = await done(api, ARRIVE, arrived(made, 2, freight="1.00"))
    for each in (tried, payload):
        each["stockTransfer"].pop("receivedAt")
    assert likeness(tried) == likeness(payload)


async def test_freight_is_a_cost_that_not_everybody_sees(api: Api) -> None:
    here, there = await places(api)
    mug = await goods(api, here, (5, "2.00"))
    made = await dispatched(api, here, there, [(mug, 2)])
    await done(api, ARRIVE, arrived(made, 2, freight="1.00"))
    await forbidden(api, FREIGHT, {"id": made["id"]}, [Scope.COSTS_READ])


# --- arithmetic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_no_spread_leaves_a_cent_or_takes_one_too_many(seed: int) -> None:
    chance = random.Random(seed)
    none: Any = None
    digits = chance.choice((0, 2, 3))
    coin = Decimal(1).scaleb(-digits)
    taken = [
        Taken(none, none, Part(new_id("mov"), LOOSE, Decimal(chance.randint(1, 9)), chance.randint(0, 300) * coin))
        for _ in range(chance.randint(1, 40))
    ]
    if seed % 5 == 0:
        taken = [replace(each, part=replace(each.part, value=Decimal(0))) for each in taken]
    freight = chance.randint(1, 5000) * coin
    spread = with_freight(taken, freight, digits)
    assert sum((each.freight for each in spread), Decimal(0)) == freight
    whole = sum((each.part.value or 0 for each in taken), Decimal(0))
    many = sum((each.part.quantity for each in taken), Decimal(0))
    for each in spread:
        fair = freight * each.part.value / whole if whole else freight * each.part.quantity / many
        assert each.freight >= 0
        assert abs(each.freight - fair) <= coin


def test_freight_of_nothing_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        with_freight([], Decimal(1), 2)
    assert type(refusal.value) is stock.NothingArrives


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
