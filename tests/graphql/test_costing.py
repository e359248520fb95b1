"""What goods cost: late receipts, moving average, foreign currencies, new values, and what was so at any instant."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from domain.kernel.scopes import Scope
from tests.support import shop
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    EFFECTS,
    ERRORS,
    PLACE,
    RECEIVE,
    SHIP,
    dollars,
    done,
    invariants_hold,
    moved,
    number_of,
    ordered,
    posted,
    receipt,
    refused,
)
from tests.support.transfers import dispatched

NOW = datetime.now(UTC)
RATES = """mutation R($input: ExchangeRatesSetInput!) { exchangeRatesSet(input: $input) {
  rates { id currency on rate source } userErrors { code message path } } }"""
REVALUE = f"""mutation V($input: StockRevalueInput!, $dryRun: Boolean! = false, $key: String) {{
  stockRevalue(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    levels {{ id onHand value {{ amount }} }} {EFFECTS} {ERRORS} }} }}"""
POLICY = """mutation P($input: StockPolicySetInput!) {
  stockPolicySet(input: $input) { policy { id } userErrors { message } } }"""
AT = """query Q($row: [ID!], $asOf: DateTime, $knownAt: DateTime) {
  stockLevels(filter: {variantId: {in: $row}}) { nodes {
    onHand onHandAt(asOf: $asOf, knownAt: $knownAt)
    value { amount } valueAt(asOf: $asOf, knownAt: $knownAt) { amount } } } }"""
VALUATION = """query Q($places: [ID!], $asOf: DateTime, $knownAt: DateTime) {
  stockValuation(locationIds: $places, asOf: $asOf, knownAt: $knownAt) {
    total { amount } rows { location { id } value { amount } } } }"""
MOVED = """query Q($row: [ID!]) { stockMovements(first: 250, filter: {variantId: {in: $row}}) { nodes {
  quantity value { amount } effectiveAt recordedAt } } }"""


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


async def averaged(api: Api, *rows: str) -> None:
    """These variants are kept by moving average from now on."""
    for row in rows:
        await done(api, POLICY, {"input": {"variantId": row, "costMethod": "MOVING_AVERAGE"}})


async def come(api: Api, place: str, row: str, quantity: Any, cost: str, **extra: Any) -> dict[str, Any]:
    return await done(api, RECEIVE, {"input": receipt(place, [(row, quantity, cost)], **extra)})


async def leave(api: Api, row: str, quantity: Any) -> dict[str, Any]:
    order = (await done(api, PLACE, {"input": ordered([(row, quantity)])}))["order"]
    return await done(api, SHIP, {"id": order["id"]})


async def worth(api: Api, row: str) -> str:
    return (await shop.level(api, row))["value"]["amount"]


# --- late receipts --------------------------------------------------------------------------------------------------


async def test_what_left_since_a_late_receipt_costs_what_it_would_have(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 10, "5.00", receivedAt=ago(10))
    await leave(api, row, 6)  # six at 5.00
    payload = await come(api, place, row, 4, "3.00", receivedAt=ago(20))
    # Told at once, 4 at 3.00 and 2 at 5.00 had left: 8.00 less, and eight at 5.00 were here.
    assert posted(payload) == [
        [("1200", "12.00"), ("2050", "-12.00")],
        [("5010", "-8.00"), ("1200", "8.00")],
    ]
    assert moved(payload) == [("4", "12.00"), ("-4", "-12.00"), ("4", "20.00")]
    assert (await shop.level(api, row))["onHand"] == "8"
    assert await worth(api, row) == "40.00"
    await invariants_hold(api)


async def test_a_late_receipt_that_nothing_left_since_changes_no_cost(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 10, "5.00", receivedAt=ago(10))
    payload = await come(api, place, row, 4, "3.00", receivedAt=ago(20))
    assert moved(payload) == [("4", "12.00")]
    # It is the oldest all the same.
    assert moved(await leave(api, row, 5)) == [("-4", "-12.00"), ("-1", "-5.00")]


@pytest.mark.parametrize("by_average", [False, True])
async def test_goods_told_late_cost_the_same_statements_for_one_place_and_for_twelve(
    api: Api, by_average: bool
) -> None:
    async def statements(many: int) -> int:
        place, rows = await shop.location(api), [await shop.variant(api) for _ in range(many)]
        if by_average:
            await averaged(api, *rows)
        await done(api, RECEIVE, {"input": receipt(place, [(row, 10, "5.00") for row in rows], receivedAt=ago(10))})
        for row in rows:
            await leave(api, row, 6)
        late = receipt(place, [(row, 4, "3.00") for row in rows], receivedAt=ago(20))
        async with api.counted() as sent:
            await done(api, RECEIVE, {"input": late})
        assert {await worth(api, row) for row in rows} == ({"35.43"} if by_average else {"40.00"})
        return number_of(sent)

    await statements(1)
    assert await statements(1) == await statements(12)
    await invariants_hold(api)


async def test_each_account_bears_its_part_of_a_late_receipt(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 10, "5.00", receivedAt=ago(10))
    await leave(api, row, 3)
    loss = {"locationId": place, "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -2}]}
    await done(api, ADJUST, {"input": loss})
    payload = await come(api, place, row, 4, "2.50", receivedAt=ago(20))
    # Three shipped and one broken would have come from it: 2.50 less each.
    assert posted(payload)[1] == [("5010", "-7.50"), ("1200", "7.50"), ("5110", "-2.50"), ("1200", "2.50")]
    await invariants_hold(api)


async def test_a_receipt_cannot_come_in_tomorrow(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    given = receipt(place, [(row, 1, "1.00")], receivedAt=ago(-1))
    assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", "input.receivedAt")]


async def test_moving_average_is_reckoned_when_goods_come_in(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await averaged(api, row)
    await come(api, place, row, 10, "5.00")
    await come(api, place, row, 10, "8.00")
    assert moved(await leave(api, row, 3)) == [("-3", "-19.50")]
    assert moved(await leave(api, row, 1)) == [("-1", "-6.50")]
    await come(api, place, row, 4, "1.00")
    assert moved(await leave(api, row, 20)) == [("-20", "-108.00")]
    assert await worth(api, row) == "0.00"
    await come(api, place, row, 3, "1.00")
    await come(api, place, row, 4, "1.001")
    assert moved(await leave(api, row, 7)) == [("-7", "-7.00")]
    await invariants_hold(api)


async def test_moving_average_is_replayed_after_a_late_receipt(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await averaged(api, row)
    await come(api, place, row, 10, "5.00", receivedAt=ago(10))
    await leave(api, row, 4)  # 20.00 then
    payload = await come(api, place, row, 10, "3.00", receivedAt=ago(20))
    # Told at once the average had been 4.00: sixteen at 4.00 are left, and the four cost 16.00.
    assert posted(payload)[1] == [("5010", "-4.00"), ("1200", "4.00")]
    assert await worth(api, row) == "64.00"
    payload = await come(api, place, row, 20, "4.00", receivedAt=ago(30))
    assert await worth(api, row) == "144.00"  # the average stays 4.00 through and through
    assert len(posted(payload)) == 1, "nothing had to be corrected again"
    await invariants_hold(api)


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
@pytest.mark.parametrize("seed", range(6))
async def test_told_in_any_order_goods_come_to_cost_the_same(api: Api, method: str, seed: int) -> None:
    """The same receipts and losses, told in order and shuffled, end with the same value to the cent, and the accounts
    have borne the same.
    """
    dice = random.Random(seed)
    place = await shop.location(api)
    rows = [await shop.variant(api) for _ in range(2)]
    if method == "MOVING_AVERAGE":
        await averaged(api, *rows)
    goods = [(dice.randint(5, 40), f"{dice.randint(1, 999) / 100:.2f}", 60 - n) for n in range(6)]
    losses = [(dice.randint(1, 12), 40.5 - n, dice.choice(["DAMAGE", "SHRINKAGE"])) for n in range(5)]
    in_order: list[tuple[Any, ...]] = sorted(
        [*goods, *losses], key=lambda each: -float(each[2 if isinstance(each[2], int) else 1])
    )
    late = set(dice.sample(range(1, 6), 3))  # the first stays first, so that there is enough for every loss
    shuffled = [each for each in in_order if each not in goods or goods.index(each) not in late]
    shuffled += [goods[n] for n in sorted(late, key=lambda _: dice.random())]
    if sum(each[0] for n, each in enumerate(goods) if n not in late) < sum(each[0] for each in losses):
        pytest.skip("not enough without the late ones")
    for row, told in zip(rows, (in_order, shuffled), strict=True):
        for each in told:
            if each in goods:
                await come(api, place, row, each[0], each[1], receivedAt=ago(each[2]))
            else:
                line = {"variantId": row, "delta": -each[0]}
                given = {"locationId": place, "reason": each[2], "lines": [line], "effectiveAt": ago(each[1])}
                await done(api, ADJUST, {"input": given})
    first, second = [await shop.level(api, row) for row in rows]
    assert first["onHand"] == second["onHand"]
    assert first["value"] == second["value"]
    await invariants_hold(api)


async def test_a_late_gain_costs_what_left_since_anew(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 5, "5.00", receivedAt=ago(10))
    await leave(api, row, 2)
    line = {"variantId": row, "delta": 1, "unitCost": dollars("1.00")}
    given = {"locationId": place, "reason": "FOUND", "lines": [line], "effectiveAt": ago(20)}
    payload = await done(api, ADJUST, {"input": given})
    assert posted(payload)[1] == [("5010", "-4.00"), ("1200", "4.00")]
    assert await worth(api, row) == "20.00"


# --- losses told late -------------------------------------------------------------------------------------------------


async def lose(
    api: Api, place: str, row: str, quantity: int, days: float, *, reason: str = "SHRINKAGE", **line: Any
) -> dict[str, Any]:
    """A loss that happened days ago and is told now."""
    lines = [{"variantId": row, "delta": -quantity, **line}]
    return await done(
        api, ADJUST, {"input": {"locationId": place, "reason": reason, "lines": lines, "effectiveAt": ago(days)}}
    )


async def test_no_more_can_have_been_lost_than_was_there_ever_since(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 3, "5.00", receivedAt=ago(10))
    await lose(api, place, row, 2, 6)
    await come(api, place, row, 10, "5.00", receivedAt=ago(4))

    def lost(*deltas: int, days: float) -> dict[str, Any]:
        """A line for each: losses are looked for in all states, gains come in damaged."""
        lines = [{"variantId": row, "delta": delta, **({"state": "DAMAGED"} if delta > 0 else {})} for delta in deltas]
        return {"input": {"locationId": place, "reason": "DAMAGE", "lines": lines, "effectiveAt": ago(days)}}

    before = await shop.state(api)
    for days, most, day in ((11, 0, 11), (8, 1, 6), (5, 1, 5)):
        payload = await shop.act(api, ADJUST, lost(-2, days=days))
        (error,) = payload["userErrors"]
        named = (NOW - timedelta(days=day)).date().isoformat()
        assert (error["code"], error["path"]) == ("INSUFFICIENT_STOCK", ["input", "lines", "0", "delta"])
        assert (error["requested"], error["available"]) == ("2", str(most))
        assert f"On {named} only {most} of" in error["message"]
    assert await shop.state(api) == before
    # What is found by the same act counts.
    assert await refused(api, ADJUST, lost(1, -3, days=5)) == [("INSUFFICIENT_STOCK", "input.lines.1.delta")]
    await done(api, ADJUST, lost(1, -2, days=5))
    await lose(api, place, row, 10, 3)
    assert (await shop.level(api, row))["onHand"] == "0"
    await invariants_hold(api)


async def test_how_much_was_there_ever_since_is_one_question_for_all_lines(api: Api) -> None:
    place, rows = await shop.location(api), [await shop.variant(api) for _ in range(13)]
    await done(api, RECEIVE, {"input": receipt(place, [(row, 9, "5.00") for row in rows], receivedAt=ago(9))})

    async def statements(mine: list[str]) -> int:
        lines = [{"variantId": row, "delta": -1} for row in mine]
        given = {"locationId": place, "reason": "DAMAGE", "lines": lines, "effectiveAt": ago(5)}
        async with api.counted() as sent:
            await done(api, ADJUST, {"input": given})
        return number_of(sent)

    await statements(rows[:1])
    assert await statements(rows[:1]) == await statements(rows[1:])


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
async def test_a_loss_told_late_takes_what_was_there(api: Api, method: str) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    if method == "MOVING_AVERAGE":
        await averaged(api, row)
    await come(api, place, row, 10, "1.00", receivedAt=ago(10))
    await come(api, place, row, 10, "3.00", receivedAt=ago(8))
    sold = Decimal(moved(await leave(api, row, 5))[0][1])
    assert sold == (Decimal("-5.00") if method == "FIFO" else Decimal("-10.00"))
    payload = await lose(api, place, row, 10, 9)
    # Told at once, ten at 1.00 were lost, and five at 3.00 sold.
    assert moved(payload)[0] == ("-10", "-10.00") or moved(payload)[-1] == ("-10", "-10.00")
    more = Decimal(15) + sold
    assert sorted(posted(payload)) == sorted(
        [[("5100", "10.00"), ("1200", "-10.00")], [("5010", f"{more:.2f}"), ("1200", f"{-more:.2f}")]]
    )
    assert await worth(api, row) == "15.00"
    (then,) = (await api.data(AT, {"row": [row], "asOf": ago(8.5)}))["stockLevels"]["nodes"]
    assert (then["onHandAt"], then["valueAt"]["amount"]) == ("0", "0.00")
    assert moved(await leave(api, row, 2)) == [("-2", "-6.00")]
    await invariants_hold(api)


@pytest.mark.parametrize("by_average", [False, True])
async def test_losses_told_late_cost_the_same_statements_for_one_place_and_for_twelve(
    api: Api, by_average: bool
) -> None:
    async def statements(many: int) -> int:
        place, rows = await shop.location(api), [await shop.variant(api) for _ in range(many)]
        if by_average:
            await averaged(api, *rows)
        await done(api, RECEIVE, {"input": receipt(place, [(row, 10, "1.00") for row in rows], receivedAt=ago(10))})
        await done(api, RECEIVE, {"input": receipt(place, [(row, 10, "3.00") for row in rows], receivedAt=ago(8))})
        for row in rows:
            await leave(api, row, 5)
        lines = [{"variantId": row, "delta": -10} for row in rows]
        late = {"locationId": place, "reason": "THEFT", "lines": lines, "effectiveAt": ago(9)}
        async with api.counted() as sent:
            await done(api, ADJUST, {"input": late})
        assert {await worth(api, row) for row in rows} == {"15.00"}
        return number_of(sent)

    await statements(1)
    assert await statements(1) == await statements(12)
    await invariants_hold(api)


async def test_each_account_bears_its_part_of_what_a_loss_told_late_took(api: Api) -> None:
    """Some were sold, some given away, and some went elsewhere: these keep the cost they left with."""
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 6, "1.00", receivedAt=ago(10))
    await come(api, place, row, 9, "3.00", receivedAt=ago(8))
    await leave(api, row, 2)
    given = {"locationId": place, "reason": "SAMPLE", "lines": [{"variantId": row, "delta": -1}]}
    await done(api, ADJUST, {"input": given})
    await dispatched(api, place, await shop.location(api), [(row, 2)])
    payload = await lose(api, place, row, 4, 9)
    # Four at 1.00 were lost. Two at 1.00 were sold, as it was; one given away and two sent at 3.00.
    assert sorted(posted(payload)) == sorted(
        [
            [("5100", "4.00"), ("1200", "-4.00")],
            [("5120", "2.00"), ("1200", "-2.00"), ("5190", "4.00"), ("1200", "-4.00")],
        ]
    )
    levels = (await api.data(AT, {"row": [row]}))["stockLevels"]["nodes"]
    assert {(each["onHand"], each["value"]["amount"]) for each in levels} == {("6", "18.00"), ("2", "2.00")}
    await invariants_hold(api)


async def test_lines_of_one_loss_take_one_after_the_other(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 3, "3.33", receivedAt=ago(10))
    broken = receipt(place, [(row, 3, "5.00")], receivedAt=ago(8))
    broken["lines"][0]["state"] = "DAMAGED"
    await done(api, RECEIVE, {"input": broken})
    await leave(api, row, 2)
    lines = [{"variantId": row, "delta": -1}, {"variantId": row, "delta": -2, "state": "DAMAGED"}]
    given = {"locationId": place, "reason": "DAMAGE", "lines": lines, "effectiveAt": ago(7)}
    payload = await done(api, ADJUST, {"input": given})
    # The two that were sold were of the others.
    assert sorted(moved(payload)) == [("-1", "-3.33"), ("-2", "-10.00"), ("-2", "-6.66"), ("2", "6.66")]
    await invariants_hold(api)


async def test_what_comes_late_after_a_loss_told_late_is_taken_by_who_was_made_to_take_younger_goods(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 10, "1.00", receivedAt=ago(10))
    await come(api, place, row, 10, "3.00", receivedAt=ago(7))
    await leave(api, row, 5)
    await lose(api, place, row, 10, 9)
    payload = await come(api, place, row, 5, "2.00", receivedAt=ago(8))
    # What was sold has cost 1.00, then 3.00, and 2.00 by now.
    assert posted(payload)[1] == [("5010", "-5.00"), ("1200", "5.00")]
    assert await worth(api, row) == "30.00"
    await invariants_hold(api)


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
async def test_a_loss_before_goods_came_in_takes_none_of_them(api: Api, method: str) -> None:
    """Nothing left since, and nobody bears anything but the loss."""
    place, row = await shop.location(api), await shop.variant(api)
    if method == "MOVING_AVERAGE":
        await averaged(api, row)
    await come(api, place, row, 4, "1.00", receivedAt=ago(10))
    await come(api, place, row, 4, "3.00", receivedAt=ago(8))
    payload = await lose(api, place, row, 3, 9)
    assert ("-3", "-3.00") in moved(payload)
    assert ("5100", "3.00") in posted(payload)[0] + posted(payload)[-1]
    assert await worth(api, row) == "13.00"
    left = [("-1", "-1.00"), ("-1", "-3.00")] if method == "FIFO" else [("-2", "-5.20")]
    assert moved(await leave(api, row, 2)) == left
    await invariants_hold(api)


@pytest.mark.parametrize("method", ["FIFO", "MOVING_AVERAGE"])
@pytest.mark.parametrize("seed", range(10))
async def test_told_in_any_order_losses_come_to_cost_the_same(api: Api, method: str, seed: int) -> None:
    """The same receipts and losses, told in the order in which they happened and in others, end with the same layers,
    and each account has borne the same. What would have taken more than was there is told again later.
    """
    dice = random.Random(seed)
    place, rows = await shop.location(api), [await shop.variant(api) for _ in range(3)]
    if method == "MOVING_AVERAGE":
        await averaged(api, *rows)
    happened: list[tuple[int, str, float]] = []
    there = 0
    for n in range(14):
        quantity = dice.randint(1, 12)
        if quantity > there or dice.random() < 0.4:
            happened.append((quantity, f"{dice.randint(1, 999) / 100:.2f}", 60 - n))
        else:
            quantity *= -1
            happened.append((quantity, dice.choice(["DAMAGE", "SHRINKAGE", "SAMPLE"]), 60 - n))
        there += quantity
    found: list[tuple[Any, ...]] = []
    for row in rows:
        order = happened if row == rows[0] else dice.sample(happened, len(happened))
        borne: dict[str, Decimal] = {}
        while order:
            quantity, what, day = order[0]
            if quantity > 0:
                payload = await come(api, place, row, quantity, what, receivedAt=ago(day))
            else:
                line = {"variantId": row, "delta": quantity}
                given = {"locationId": place, "reason": what, "lines": [line], "effectiveAt": ago(day)}
                payload = await shop.act(api, ADJUST, {"input": given})
                if payload["userErrors"]:
                    assert payload["userErrors"][0]["code"] == "INSUFFICIENT_STOCK"
                    order = [*order[1:], order[0]]
                    continue
            order = order[1:]
            for account, amount in (line for entry in posted(payload) for line in entry):
                borne[account] = borne.get(account, Decimal(0)) + Decimal(amount)
        level = await shop.level(api, row)
        found.append((level["onHand"], level["value"], {key: each for key, each in borne.items() if each}))
        if method == "FIFO" and there > 1:  # half a cent of an average may fall on another draw
            line = {"variantId": row, "delta": -(there // 2)}
            taken = await done(api, ADJUST, {"input": {"locationId": place, "reason": "DAMAGE", "lines": [line]}})
            found[-1] = (*found[-1], moved(taken))
    assert found[1] == found[0]
    assert found[2] == found[0]
    await invariants_hold(api)


# --- foreign currencies ---------------------------------------------------------------------------------------------


async def test_a_foreign_cost_is_fixed_at_the_rate_of_its_day(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    euros = {"amount": "10.00", "currency": "EUR"}
    given = {"locationId": place, "lines": [{"variantId": row, "quantity": 3, "unitCost": euros}]}
    assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", "input.lines.0.unitCost.currency")]
    rates = [
        {"currency": "EUR", "on": (NOW - timedelta(days=30)).date().isoformat(), "rate": "1.1"},
        {
            "currency": "EUR",
            "on": (NOW - timedelta(days=3)).date().isoformat(),
            "rate": "12345.678901",
            "per": 10000,
            "source": "ECB",
        },
    ]
    assert len((await done(api, RATES, {"input": {"rates": rates}}))["rates"]) == 2
    assert await refused(api, RATES, {"input": {"rates": rates[:1]}}) == [("INVALID", "input.rates.0.on")]
    lines = """lines { account { code } debit { amount currency } credit { amount currency }
      debitBase { amount currency } creditBase { amount currency } }"""
    query = RECEIVE.replace("lines { account { code } debit { amount } credit { amount } }", lines)
    payload = await done(api, query, {"input": given})
    assert payload["levels"][0]["value"] == dollars("37.04")
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    debit, credit = entry["lines"]
    assert debit["debit"] == {"amount": "30.00", "currency": "EUR"}
    assert debit["debitBase"] == dollars("37.04")
    assert (credit["account"]["code"], credit["credit"]["amount"], credit["creditBase"]["amount"]) == (
        "2050",
        "30.00",
        "37.04",
    )
    earlier = await done(api, RECEIVE, {"input": {**given, "receivedAt": ago(10)}})
    assert moved(earlier)[0] == ("3", "33.00")
    await invariants_hold(api)


async def test_one_receipt_is_in_one_currency(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    costs = [dollars("1.00"), {"amount": "1.00", "currency": "EUR"}]
    lines = [{"variantId": row, "quantity": 1, "unitCost": cost} for cost in costs]
    errors = await refused(api, RECEIVE, {"input": {"locationId": place, "lines": lines}})
    assert errors == [("INVALID", "input.lines.1.unitCost.currency")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"currency": "USD"}, "currency"),
        ({"rate": "0"}, "rate"),
        ({"rate": "-1"}, "rate"),
        ({"per": 3}, "per"),
    ],
)
async def test_what_is_no_rate_is_refused(api: Api, change: dict[str, str], path: str) -> None:
    given = {"currency": "GBP", "on": "2026-01-01", "rate": "1.3"} | change
    assert await refused(api, RATES, {"input": {"rates": [given]}}) == [("INVALID", f"input.rates.0.{path}")]


# --- another value --------------------------------------------------------------------------------------------------


def value(place: str, *lines: tuple[str, str]) -> dict[str, Any]:
    given = [{"variantId": row, "unitCost": dollars(cost)} for row, cost in lines]
    return {"input": {"locationId": place, "reason": "The price fell", "lines": given}}


async def test_goods_are_worth_less_from_now_on_and_no_quantity_moves(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 3, "5.00")
    await come(api, place, row, 4, "8.00")
    payload = await done(api, REVALUE, value(place, (row, "2.005")))
    assert payload["levels"][0] == {**payload["levels"][0], "onHand": "7", "value": {"amount": "14.04"}}
    assert moved(payload) == [("0", "-8.98"), ("0", "-23.98")]
    assert posted(payload) == [[("5180", "32.96"), ("1200", "-32.96")]]
    assert moved(await leave(api, row, 7)) == [("-3", "-6.02"), ("-4", "-8.02")]
    assert await worth(api, row) == "0.00"
    await invariants_hold(api)


async def test_goods_are_worth_more_too_and_the_same_again_is_nothing(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    await come(api, place, row, 2, "0")
    payload = await done(api, REVALUE, value(place, (row, "1.50")))
    assert posted(payload) == [[("1200", "3.00"), ("5180", "-3.00")]]
    again = await done(api, REVALUE, value(place, (row, "1.50")))
    assert (moved(again), posted(again)) == ([], [])


async def test_what_is_not_there_cannot_be_worth_less(api: Api) -> None:
    place, row = await shop.location(api), await shop.stocked(api, 1)
    nothing = await refused(api, REVALUE, value(place, (row, "1.00")))
    assert nothing == [("NOTHING_THERE", "input.lines.0.variantId")]
    await shop.forbidden(api, REVALUE, value(place, (row, "1.00")), [Scope.COSTS_READ])


# --- history --------------------------------------------------------------------------------------------------------


def cut(nodes: Sequence[dict[str, Any]], as_of: datetime | None, known_at: datetime | None) -> tuple[Decimal, Decimal]:
    """A replay: the sums of the movements that had happened, and had been written, by then."""
    counted = [
        each
        for each in nodes
        if (as_of is None or datetime.fromisoformat(each["effectiveAt"]) <= as_of)
        and (known_at is None or datetime.fromisoformat(each["recordedAt"]) <= known_at)
    ]
    quantity = sum((Decimal(each["quantity"]) for each in counted), Decimal(0))
    return quantity, sum((Decimal(each["value"]["amount"]) for each in counted), Decimal(0))


async def test_what_was_there_at_any_instant_equals_a_replay(fresh_api: Api) -> None:
    api, dice = fresh_api, random.Random(4)
    place, row = await shop.location(api), await shop.variant(api)
    for day in sorted((dice.uniform(0, 200) for _ in range(12)), reverse=True):
        await come(api, place, row, dice.randint(5, 9), f"{dice.randint(100, 900) / 100:.2f}", receivedAt=ago(day))
    for _ in range(6):
        line = {"variantId": row, "delta": -dice.randint(1, 5)}
        given = {"locationId": place, "reason": "SAMPLE", "lines": [line], "effectiveAt": ago(dice.uniform(0, 150))}
        await done(api, ADJUST, {"input": given})
    await come(api, place, row, 7, "3.33", receivedAt=ago(190))
    nodes = (await api.data(MOVED, {"row": [row]}))["stockMovements"]["nodes"]
    instants = [None, *(datetime.fromisoformat(each["effectiveAt"]) for each in nodes)]
    instants += [NOW - timedelta(days=dice.uniform(-1, 220)) for _ in range(12)]
    known = [None, *(datetime.fromisoformat(each["recordedAt"]) for each in nodes[::4]), NOW - timedelta(days=1)]
    for as_of in instants:
        for known_at in known:
            asked = {"row": [row], "asOf": as_of and as_of.isoformat(), "knownAt": known_at and known_at.isoformat()}
            (found,) = (await api.data(AT, asked))["stockLevels"]["nodes"]
            told = Decimal(found["onHandAt"]), Decimal(found["valueAt"]["amount"])
            assert told == cut(nodes, as_of, known_at), (as_of, known_at)
    (found,) = (await api.data(AT, {"row": [row]}))["stockLevels"]["nodes"]
    assert (found["onHandAt"], found["valueAt"]) == (found["onHand"], found["value"])
    asked = {"places": [place], "asOf": ago(100)}
    valuation = (await api.data(VALUATION, asked))["stockValuation"]
    expected = cut(nodes, NOW - timedelta(days=100), None)[1].quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert valuation["total"]["amount"] == f"{expected:.2f}"
    assert valuation["rows"] == [{"location": {"id": place}, "value": valuation["total"]}]


async def test_the_value_of_the_past_is_for_those_who_may_see_costs(api: Api) -> None:
    await shop.forbidden(api, VALUATION, {}, [Scope.COSTS_READ])
    await shop.forbidden(api, "query Q { stockLevels { nodes { valueAt { amount } } } }", {}, [Scope.COSTS_READ])
