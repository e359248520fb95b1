"""Many at once move, sell, recall and put aside what lies in bins and lots: what cannot be sold is never sold."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import stock
from domain.kernel.database import Database
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.work import SYSTEM, Work, begin
from domain.stock import NewLot, NewReceipt, NewReceiptLine, locked
from domain.stock.operations import lots, recall
from tests.support.api import Api
from tests.support.collisions import deadlocks_counted
from tests.support.shelves import RECALL, RELOCATE, bins, lot_of, lying, moving, outlived, received
from tests.support.shop import (
    ADJUST,
    CANCEL,
    PLACE,
    RESERVE,
    SHIP,
    act,
    done,
    figures,
    invariants_hold,
    level,
    location,
    ordered,
    stocked,
    variant,
)

TODAY = datetime.now(UTC).date()


def day(n: int) -> str:
    """So many days from today."""
    return (TODAY + timedelta(days=n)).isoformat()


async def _goods_that_two_want(api: Api) -> None:
    """Thirty orders and holds, and thirty who put one aside, want the twenty that are there."""
    here = await location(api)
    row = await stocked(api, 20, place=here)
    one = {"input": ordered([(row, 1)])}
    wanted = [act(api, mutation, one) for mutation in (PLACE, RESERVE) for _ in range(15)]
    aside = [act(api, RELOCATE, moving(here, row, 1, toState="QUALITY_CONTROL")) for _ in range(30)]
    payloads = await asyncio.gather(*(each for pair in zip(wanted, aside, strict=True) for each in pair))
    refusals = [each["userErrors"][0]["code"] for each in payloads if each["userErrors"]]
    assert refusals == ["INSUFFICIENT_STOCK"] * 40
    found = await level(api, row)
    assert (found["onHand"], found["available"]) == ("20", "0")
    await invariants_hold(api)


async def test_what_is_put_aside_is_promised_to_nobody_and_what_is_promised_is_not_put_aside(fresh_api: Api) -> None:
    await _goods_that_two_want(fresh_api)


async def test_without_the_lock_of_the_level_one_of_them_is_wrong(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, places, variants = " FOR NO KEY UPDATE OF level", locked._LOCK_PLACES, locked._LOCK_VARIANTS
    assert lock in places
    assert lock in variants.text
    monkeypatch.setattr(locked, "_LOCK_PLACES", places.replace(lock, ""))
    monkeypatch.setattr(locked, "_LOCK_VARIANTS", replace(variants, text=variants.text.replace(lock, "")))
    with pytest.raises(AssertionError):
        await _goods_that_two_want(fresh_api)


async def test_of_parallel_moves_out_of_a_bin_no_more_leave_than_lie_there(fresh_api: Api) -> None:
    here, row = await location(fresh_api), await variant(fresh_api)
    one, two = await bins(fresh_api, here, "A", "B")
    await received(fresh_api, here, row, 10, binId=one)
    given = moving(here, row, 1, fromBinId=one, toBinId=two)
    payloads = await asyncio.gather(*(act(fresh_api, RELOCATE, given) for _ in range(25)))
    assert sum(not each["userErrors"] for each in payloads) == 10
    assert await lying(fresh_api, row) == {("B", None, None, "10")}
    await invariants_hold(fresh_api)


async def test_parallel_shippers_take_what_expires_first(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    shelves = await bins(api, here, "A", "B")
    for number, last in (("LATE", 90), ("SOON", 5), ("NEXT", 20)):
        for shelf in shelves:
            await received(api, here, row, 5, lot=(number, day(last)), binId=shelf)
    await received(api, here, row, 50, lot=("HELD", day(1)), state="ON_HOLD")
    orders = [(await done(api, PLACE, {"input": ordered([(row, 1)])}))["order"]["id"] for _ in range(25)]
    await asyncio.gather(*(done(api, SHIP, {"id": each}) for each in orders))
    left: Counter[str | None] = Counter()
    for _, number, state, quantity in await lying(api, row):
        left[number if state is None else state] += int(quantity)
    assert left == {"LATE": 5, "ON_HOLD": 50}
    await invariants_hold(api)


# --- recalls --------------------------------------------------------------------------------------------------------


async def _waits(database: Database, first: Callable[[Work], Awaitable[Any]], second: Callable[[], Any]) -> Any:
    """Do the first act, begin the second, which must wait for it, and commit the first. Returns what became of the
    second.
    """
    async with database.connection() as connection, database.connection() as watching:
        async with begin(connection, actor=SYSTEM) as work:
            await first(work)
            pid = await work.raw.fetchval("SELECT pg_backend_pid()")
            task = asyncio.ensure_future(second())
            async with asyncio.timeout(20):
                blocking = False
                while not blocking and not task.done():
                    query = f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {pid} = ANY(pg_blocking_pids(pid)))"
                    blocking = (await watching.exec_driver_sql(query)).scalar_one()
                    await watching.rollback()
        return await task


def _receipt(here: str, row: str) -> NewReceipt:
    cost = Money(Decimal(4), CurrencyCode("USD"))
    return NewReceipt(ID(here), [NewReceiptLine(ID(row), Quantity(Decimal(3)), cost, lot=NewLot("BAD"))])


async def _recall_behind_a_receipt(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot="BAD")
    lot = await lot_of(api, row, "BAD")
    other = await location(api)  # of which the recall knows nothing when it begins

    async def comes_in(work: Work) -> None:
        await stock.receive(work, _receipt(other, row))

    payload = await _waits(api.services.database, comes_in, lambda: act(api, RECALL, {"id": lot}))
    assert payload["userErrors"] == []
    assert await lying(api, row) == {(None, "BAD", "ON_HOLD", "5"), (None, "BAD", "ON_HOLD", "3")}
    await invariants_hold(api)


async def test_a_recall_waits_for_what_is_coming_in_and_recalls_it_too(fresh_api: Api) -> None:
    await _recall_behind_a_receipt(fresh_api)


async def test_without_the_lock_of_the_lot_some_of_it_stays_for_sale(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = lots._KNOWN.replace(" FOR SHARE OF lots", "")
    assert unlocked != lots._KNOWN
    monkeypatch.setattr(lots, "_KNOWN", unlocked)
    with pytest.raises(AssertionError):
        await _recall_behind_a_receipt(fresh_api)


async def test_what_comes_in_behind_a_recall_is_refused(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot="BAD")
    lot = await lot_of(api, row, "BAD")

    async def recalled(work: Work) -> None:
        await stock.recall_lot(work, lot, "Glass in it")

    line = {"variantId": row, "delta": 1, "lotId": lot}
    found = {"input": {"locationId": here, "reason": "FOUND", "lines": [line]}}
    payload = await _waits(api.services.database, recalled, lambda: act(api, ADJUST, found))
    assert [each["code"] for each in payload["userErrors"]] == ["INVALID"]
    assert await lying(api, row) == {(None, "BAD", "ON_HOLD", "5")}


async def test_a_shipment_behind_a_recall_sends_nothing_of_it(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot=("BAD", day(5)))
    await received(api, here, row, 2, lot=("GOOD", day(9)))
    order = (await done(api, PLACE, {"input": ordered([(row, 4)])}))["order"]["id"]
    lot = await lot_of(api, row, "BAD")

    async def recalled(work: Work) -> None:
        await stock.recall_lot(work, lot, "Glass in it")

    payload = await _waits(api.services.database, recalled, lambda: act(api, SHIP, {"id": order}))
    assert payload["userErrors"] == []
    assert payload["order"]["lines"][0]["shipped"] == "2"
    assert await lying(api, row) == {(None, "BAD", "ON_HOLD", "5")}
    await invariants_hold(api)


async def test_a_recall_begins_anew_where_some_of_the_lot_came_elsewhere_meanwhile(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fresh_api
    row = await variant(api)
    for _ in range(2):
        await received(api, await location(api), row, 5, lot="BAD")
    looked = recall._places
    times = 0

    async def late(work: Work, lot: ID) -> list[Any]:
        nonlocal times
        times += 1
        found = await looked(work, lot)
        return found[:1] if times == 1 else found  # the second place was not there yet

    monkeypatch.setattr(recall, "_places", late)
    await done(api, RECALL, {"id": await lot_of(api, row, "BAD")})
    assert times == 4
    found = await api.data("{ stockContents { nodes { state quantity } } }")
    assert found["stockContents"]["nodes"] == [{"state": "ON_HOLD", "quantity": "5"}] * 2
    await invariants_hold(api)


async def test_sweeps_beside_sales_put_what_has_expired_aside_once(fresh_api: Api) -> None:
    api = fresh_api
    here = await location(api)
    rows = [await variant(api) for _ in range(6)]
    orders = []
    for row in rows:
        await received(api, here, row, 4, lot=("OLD", day(3)))
        await outlived(api, row, "OLD")
        await received(api, here, row, 6, lot=("NEW", day(9)))
        orders += [(await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"] for _ in range(4)]

    async def swept() -> int:
        async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            return await stock.expire_lots(work)

    sent = [act(api, SHIP, {"id": each}) for each in orders]
    await asyncio.gather(*(swept() for _ in range(3)), *sent)
    assert await swept() == 0
    for row in rows:
        contents = await lying(api, row)
        assert (None, "OLD", "EXPIRED", "4") in contents
        assert not any(number == "OLD" and state is None for _, number, state, _ in contents)
        assert (await figures(api, row))[3] == "0"
    await invariants_hold(api)


# --- everything at once ---------------------------------------------------------------------------------------------


class _Storm:
    """Random acts on a few hot variants in bins and lots, each with its lines in an order of its own."""

    def __init__(self, api: Api, here: str, shelves: Sequence[str], rows: Sequence[str], seed: int) -> None:
        self.api, self.here, self.shelves, self.rows = api, here, shelves, rows
        self.chance = random.Random(seed)
        self.open: list[str] = []
        self.recalled: set[tuple[str, str]] = set()
        self.outcomes: Counter[str] = Counter()

    async def run(self, writers: int, acts: int) -> None:
        await asyncio.gather(*(self._writer(acts) for _ in range(writers)))

    async def _writer(self, acts: int) -> None:
        for _ in range(acts):
            verbs = (self.order, self.order, self.end, self.end, self.move, self.move, self.receive, self.lose)
            verb = self.chance.choice((*verbs, self.recall))
            payload = await verb()
            if payload is not None:
                codes = [error["code"] for error in payload["userErrors"]] or ["done"]
                self.outcomes.update(f"{verb.__name__} {code}" for code in set(codes))

    async def order(self) -> dict[str, Any]:
        lines = [(row, self.chance.randint(1, 3)) for row in self.chance.sample(self.rows, 3)]
        payload = await act(self.api, PLACE, {"input": ordered(lines)})
        if payload["order"]:
            self.open.append(payload["order"]["id"])
        return payload

    async def end(self) -> dict[str, Any] | None:
        if not self.open:
            return None
        order = self.open.pop(self.chance.randrange(len(self.open)))
        return await act(self.api, self.chance.choice((SHIP, SHIP, CANCEL)), {"id": order})

    async def move(self) -> dict[str, Any]:
        lines = []
        for row in self.chance.sample(self.rows, 3):
            line = {"variantId": row, "quantity": self.chance.randint(1, 2)}
            ways: tuple[dict[str, Any], ...] = (
                {"toBinId": self.chance.choice(self.shelves)},
                {"toState": self.chance.choice(("DAMAGED", "QUALITY_CONTROL"))},
                {"fromState": "QUALITY_CONTROL", "toState": None},
            )
            lines.append(line | self.chance.choice(ways))
        return await act(self.api, RELOCATE, {"input": {"locationId": self.here, "lines": lines}})

    async def receive(self) -> dict[str, Any]:
        row, number = self.chance.choice(self.rows), self.chance.choice("ABC")
        line = {
            "variantId": row,
            "quantity": self.chance.randint(1, 4),
            "unitCost": {"amount": "1.25", "currency": "USD"},
            "lot": {"number": number},
            "binId": self.chance.choice((None, *self.shelves)),
        }
        mutation = """mutation R($input: StockReceiveInput!) { stockReceive(input: $input) {
          receipt { id } userErrors { code } } }"""
        return await act(self.api, mutation, {"input": {"locationId": self.here, "lines": [line]}})

    async def lose(self) -> dict[str, Any]:
        lines = [{"variantId": row, "delta": -self.chance.randint(1, 2)} for row in self.chance.sample(self.rows, 2)]
        return await act(self.api, ADJUST, {"input": {"locationId": self.here, "reason": "THEFT", "lines": lines}})

    async def recall(self) -> dict[str, Any]:
        row, number = self.chance.choice(self.rows), self.chance.choice("AB")
        payload = await act(self.api, RECALL, {"id": await lot_of(self.api, row, number)})
        if not payload["userErrors"]:
            self.recalled.add((row, number))
        return payload


async def test_thirty_two_at_once_on_eight_hot_variants_in_bins_and_lots(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fresh_api
    collisions = deadlocks_counted(monkeypatch)
    here = await location(api)
    shelves = await bins(api, here, "A/1", "A/2", "B/1")
    rows = [await variant(api) for _ in range(8)]
    for row in rows:
        for number, last in (("A", 30), ("B", 60), ("C", 90)):
            await received(api, here, row, 8, lot=(number, day(last)), binId=shelves[last % 3])
    storm = _Storm(api, here, shelves, rows, 20_261_130)
    await storm.run(writers=32, acts=6)
    await invariants_hold(api)
    assert storm.recalled
    for row, number in storm.recalled:
        left = {state for _, lot, state, _ in await lying(api, row) if lot == number}
        assert None not in left
    for verb in ("order", "end", "move", "receive", "lose", "recall"):
        assert storm.outcomes[f"{verb} done"] > 0, f"no {verb} came through: {storm.outcomes}"
    assert not collisions, collisions
