"""Many at once move the same goods: each step of a transfer happens once, nothing is promised twice, nothing is stuck,
and whatever is done, transfers change neither how much there is in all nor what it is worth.
"""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from domain.stock.operations.transfers import locking
from tests.support import shop
from tests.support.api import Api
from tests.support.collisions import deadlocks_counted
from tests.support.shop import (
    ADJUST,
    PLACE,
    POLICY,
    RECEIVE,
    RESERVE,
    act,
    done,
    invariants_hold,
    level,
    ordered,
    receipt,
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


async def _places(api: Api, row: str, quantity: int) -> tuple[str, str]:
    """Two locations, and so many of a variant at the first."""
    here, there = await shop.location(api), await shop.location(api)
    await done(api, RECEIVE, {"input": receipt(here, [(row, quantity, "2.00")])})
    return here, there


def _codes(payloads: list[dict[str, Any]]) -> Counter[str]:
    return Counter(error["code"] for payload in payloads for error in payload["userErrors"])


async def test_every_step_happens_once(fresh_api: Api) -> None:
    row = await shop.variant(fresh_api)
    here, there = await _places(fresh_api, row, 10)
    made = await drafted(fresh_api, here, there, [(row, 6)])
    for mutation in (READY, DISPATCH):
        payloads = await asyncio.gather(*(act(fresh_api, mutation, {"id": made["id"]}) for _ in range(20)))
        assert sum(not payload["userErrors"] for payload in payloads) == 1
        assert _codes(payloads) == {"NOT_ALLOWED_NOW": 19}
    assert (await level(fresh_api, row, here))["onHand"] == "4"
    payloads = await asyncio.gather(*(act(fresh_api, ARRIVE, {"id": made["id"]}) for _ in range(20)))
    assert sum(not payload["userErrors"] for payload in payloads) == 1
    assert _codes(payloads) == {"NOT_ALLOWED_NOW": 19}
    assert (await level(fresh_api, row, there))["onHand"] == "6"
    await invariants_hold(fresh_api)


async def _arrivals_of_one_each(fresh_api: Api) -> None:
    row = await shop.variant(fresh_api)
    here, there = await _places(fresh_api, row, 8)
    sent = await dispatched(fresh_api, here, there, [(row, 8)])
    payloads = await asyncio.gather(*(act(fresh_api, ARRIVE, arrived(sent, 1)) for _ in range(12)))
    assert sum(not payload["userErrors"] for payload in payloads) == 8
    assert _codes(payloads) == {"NOT_ALLOWED_NOW": 4}
    found = await level(fresh_api, row, there)
    assert (found["onHand"], found["value"]["amount"]) == ("8", "16.00")
    await invariants_hold(fresh_api)


async def test_parallel_arrivals_of_one_each_take_each_unit_once(fresh_api: Api) -> None:
    await _arrivals_of_one_each(fresh_api)


async def test_without_the_lock_units_arrive_that_were_never_sent(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert " FOR NO KEY UPDATE" in locking._LOCK
    monkeypatch.setattr(locking, "_LOCK", locking._LOCK.replace(" FOR NO KEY UPDATE", ""))
    with pytest.raises(AssertionError):
        await _arrivals_of_one_each(fresh_api)


async def test_a_transfer_is_sent_or_called_off(fresh_api: Api) -> None:
    row = await shop.variant(fresh_api)
    here, there = await _places(fresh_api, row, 50)
    for _ in range(5):
        made = await made_ready(fresh_api, here, there, [(row, 3)])
        payloads = await asyncio.gather(
            *(act(fresh_api, verb, {"id": made["id"]}) for verb in [DISPATCH, CALL_OFF] * 8)
        )
        assert sum(not payload["userErrors"] for payload in payloads) == 1
        assert _codes(payloads) == {"NOT_ALLOWED_NOW": 15}
    await invariants_hold(fresh_api)


async def test_k_units_go_to_exactly_k_of_all_who_want_one(fresh_api: Api) -> None:
    """Orders, holds, transfers and losses of one unit each want the same thirty: thirty get one."""
    row = await shop.variant(fresh_api)
    here, there = await _places(fresh_api, row, 30)
    made = [await drafted(fresh_api, here, there, [(row, 1)]) for _ in range(20)]
    wants = [act(fresh_api, READY, {"id": each["id"]}) for each in made]
    wants += [act(fresh_api, PLACE, {"input": ordered([(row, 1)])}) for _ in range(20)]
    wants += [act(fresh_api, RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}}) for _ in range(20)]
    random.Random(7).shuffle(wants)
    payloads = await asyncio.gather(*wants)
    assert sum(not payload["userErrors"] for payload in payloads) == 30
    assert _codes(payloads) == {"INSUFFICIENT_STOCK": 30}
    found = await level(fresh_api, row, here)
    assert (found["available"], int(found["allocated"]) + int(found["reserved"])) == ("0", 30)
    await invariants_hold(fresh_api)


async def test_losses_among_transfers_and_orders_never_promise_more_than_is_there(fresh_api: Api) -> None:
    row = await shop.variant(fresh_api)
    here, there = await _places(fresh_api, row, 30)
    made = [await made_ready(fresh_api, here, there, [(row, 1)]) for _ in range(15)]
    loss = {"locationId": here, "reason": "THEFT", "lines": [{"variantId": row, "delta": -2}]}
    wants = [act(fresh_api, DISPATCH, {"id": each["id"]}) for each in made]
    wants += [act(fresh_api, PLACE, {"input": ordered([(row, 1)])}) for _ in range(15)]
    wants += [act(fresh_api, ADJUST, {"input": loss}) for _ in range(8)]
    random.Random(8).shuffle(wants)
    payloads = await asyncio.gather(*wants)
    assert set(_codes(payloads)) <= {"INSUFFICIENT_STOCK", "NOT_ALLOWED_NOW"}
    sent = sum(payload.get("stockTransfer") is not None for payload in payloads)
    lost = sum(bool(payload.get("levels")) for payload in payloads) * 2  # a refused one names none
    assert (await level(fresh_api, row, here))["onHand"] == str(30 - sent - lost)
    await invariants_hold(fresh_api)


async def test_opposite_transfers_with_shuffled_lines_do_not_deadlock(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    collisions = deadlocks_counted(monkeypatch)
    here, there = await shop.location(fresh_api), await shop.location(fresh_api)
    rows = [await shop.variant(fresh_api) for _ in range(6)]
    for place in (here, there):
        await done(fresh_api, RECEIVE, {"input": receipt(place, [(row, 40, "1.25") for row in rows])})

    async def go(n: int) -> None:
        chance = random.Random(n)
        ends = (here, there) if n % 2 else (there, here)
        lines = [(row, 1) for row in chance.sample(rows, 6)]
        made = await drafted(fresh_api, *ends, lines)
        await done(fresh_api, READY, {"id": made["id"]})
        await done(fresh_api, DISPATCH, {"id": made["id"]})
        shuffled = [{"lineId": line["id"], "quantity": 1} for line in chance.sample(made["lines"], 6)]
        await done(fresh_api, ARRIVE, {"id": made["id"], "input": {"lines": shuffled}})

    await asyncio.gather(*(go(n) for n in range(24)))
    assert not collisions, collisions
    for place in (here, there):
        assert (await level(fresh_api, rows[0], place))["onHand"] == "40"
    await invariants_hold(fresh_api)


# --- whatever is done -----------------------------------------------------------------------------------------------


async def _totals(api: Api) -> dict[str, tuple[Decimal, Decimal]]:
    """On hand and value of every variant over all locations."""
    async with api.services.database.snapshot() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT variant_id::text AS variant, sum(on_hand) AS on_hand, sum(value_amount) AS value"
            " FROM stock_levels GROUP BY 1"
        )
        return {row.variant: (row.on_hand, row.value) for row in rows}


class _Hauliers:
    """Random steps of random transfers, none of which loses or finds anything."""

    def __init__(self, api: Api, rows: list[str], places: list[str], seed: int) -> None:
        self.api, self.rows, self.places, self.chance = api, rows, places, random.Random(seed)
        self.known: dict[str, dict[str, Any]] = {}
        self.outcomes: Counter[str] = Counter()

    async def step(self) -> None:
        verb = self.chance.choice([self.create, self.ready, self.dispatch, self.receive, self.receive, self.cancel])
        if verb == self.create or self.known:
            payload = await verb()
            if payload["stockTransfer"]:
                self.known[payload["stockTransfer"]["id"]] = payload["stockTransfer"]
            codes = [error["code"] for error in payload["userErrors"]] or ["done"]
            self.outcomes.update(f"{verb.__name__} {code}" for code in codes)

    def some(self, action: str) -> dict[str, Any]:
        """A transfer to which it can be done; now and then any other."""
        fitting = [each for each in self.known.values() if action in each["availableActions"]]
        return self.chance.choice(fitting if fitting and self.chance.random() < 0.8 else list(self.known.values()))

    async def create(self) -> dict[str, Any]:
        origin, destination = self.chance.sample(self.places, 2)
        lines = [(row, self.chance.randint(1, 9)) for row in self.chance.sample(self.rows, self.chance.randint(1, 3))]
        return await act(self.api, CREATE, {"input": going(origin, destination, lines)})

    async def ready(self) -> dict[str, Any]:
        return await act(self.api, READY, {"id": self.some("READY")["id"]})

    async def dispatch(self) -> dict[str, Any]:
        chosen = self.some("DISPATCH")
        some = [{"lineId": line["id"], "quantity": self.chance.randint(1, 9)} for line in chosen["lines"]]
        given = self.chance.choice([None, {"lines": some}])
        return await act(self.api, DISPATCH, {"id": chosen["id"], "input": given})

    async def receive(self) -> dict[str, Any]:
        """One unit, or all there is: more than is on the road would be found."""
        chosen = self.some("RECEIVE")
        parts = [1 if float(line["inTransit"]) >= 1 else None for line in chosen["lines"]]
        if any(parts) and self.chance.random() < 0.6:
            return await act(self.api, ARRIVE, arrived(chosen, *parts))
        return await act(self.api, ARRIVE, {"id": chosen["id"]})

    async def cancel(self) -> dict[str, Any]:
        return await act(self.api, CALL_OFF, {"id": self.some("CANCEL")["id"]})


@pytest.mark.parametrize("seed", range(3))
async def test_totals_do_not_change_whatever_transfers_do(fresh_api: Api, seed: int) -> None:
    places = [await shop.location(fresh_api) for _ in range(3)]
    rows = [await shop.variant(fresh_api) for _ in range(4)]
    for row in rows[:2]:
        await done(fresh_api, POLICY, {"input": {"variantId": row, "costMethod": "MOVING_AVERAGE"}})
    for n, cost in enumerate(("0.333333", "1.005", "7.77", "0")):
        goods = [(row, 7 + n, cost) for row in rows]
        await done(fresh_api, RECEIVE, {"input": receipt(places[n % 3], goods)})
    before = await _totals(fresh_api)
    hauliers = _Hauliers(fresh_api, rows, places, seed)
    for _ in range(120):
        await hauliers.step()
    assert await _totals(fresh_api) == before
    for verb in ("create", "ready", "dispatch", "receive", "cancel"):
        assert hauliers.outcomes[f"{verb} done"] > 0, hauliers.outcomes
    await invariants_hold(fresh_api)
