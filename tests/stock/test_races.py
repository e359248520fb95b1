"""Many at once want the same stock: never oversold, never stuck, and each race is lost without its lock."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain import fulfillment, orders, stock
from domain.fulfillment import NewShipment
from domain.kernel.database import Database
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.work import SYSTEM, Work, begin
from domain.orders import NewOrder, NewOrderLine
from domain.stock import costs, locked
from domain.stock.locked import Level
from domain.stock.tables import Place
from tests.support import shop
from tests.support.api import Api
from tests.support.collisions import deadlocks_counted
from tests.support.shop import (
    ADJUST,
    CANCEL,
    PLACE,
    RELEASE,
    RESERVE,
    SET,
    SHIP,
    act,
    done,
    invariants_hold,
    level,
    ordered,
    stocked,
)

UNLOCKED = " FOR NO KEY UPDATE OF level"


def _without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_locks(monkeypatch, UNLOCKED, "")


def _with_locks(monkeypatch: pytest.MonkeyPatch, part: str, instead: str) -> None:
    """Levels are locked by statements in which something else stands for a part."""
    places, variants = locked._LOCK_PLACES, locked._LOCK_VARIANTS
    assert part in places
    assert part in variants.text
    monkeypatch.setattr(locked, "_LOCK_PLACES", places.replace(part, instead))
    monkeypatch.setattr(locked, "_LOCK_VARIANTS", replace(variants, text=variants.text.replace(part, instead)))


async def _two_hundred_for_fifty(api: Api) -> None:
    row = await stocked(api, 50)
    before = await shop.state(api)
    payloads = await asyncio.gather(*(act(api, PLACE, {"input": ordered([(row, 1)])}) for _ in range(200)))
    placed = [payload["order"] for payload in payloads if payload["order"]]
    refused = [payload["userErrors"] for payload in payloads if not payload["order"]]
    assert (len(placed), len(refused)) == (50, 150)
    for (error,) in refused:
        assert (error["code"], error["variant"], error["requested"]) == ("INSUFFICIENT_STOCK", {"id": row}, "1")
        assert error["available"] == "0"
        assert error["path"] == ["input", "lines", "0", "quantity"]
    found = await level(api, row)
    assert (found["onHand"], found["allocated"], found["available"]) == ("50", "50", "0")
    # What was refused left nothing: exactly what fifty orders make is there, and nothing moved or was posted.
    after = await shop.state(api)
    grown = {name: len(rows) - len(before[name]) for name, rows in after.items() if len(rows) != len(before[name])}
    fifty = {"orders": 50, "order_lines": 50, "stock_allocations": 50, "events": 100, "event_heads": 50}
    assert grown == fifty
    await invariants_hold(api)


async def test_two_hundred_orders_of_one_for_a_stock_of_fifty(fresh_api: Api) -> None:
    await _two_hundred_for_fifty(fresh_api)


async def test_without_the_lock_fifty_are_sold_more_than_once(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_lock(monkeypatch)
    with pytest.raises(AssertionError):
        await _two_hundred_for_fifty(fresh_api)


async def test_two_hundred_holds_of_one_for_a_stock_of_fifty(fresh_api: Api) -> None:
    row = await stocked(fresh_api, 50)
    held = {"lines": [{"variantId": row, "quantity": 1}]}
    payloads = await asyncio.gather(*(act(fresh_api, RESERVE, {"input": held}) for _ in range(200)))
    assert sum(payload["reservation"] is not None for payload in payloads) == 50
    assert (await level(fresh_api, row))["reserved"] == "50"
    await invariants_hold(fresh_api)


async def test_sixty_losses_of_one_out_of_a_stock_of_thirty(fresh_api: Api) -> None:
    """Half of the stock is promised: promises give way, and still no more is lost than is there."""
    place = await shop.location(fresh_api)
    row = await stocked(fresh_api, 30, place=place)
    await done(fresh_api, PLACE, {"input": ordered([(row, 15)])})
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": row, "delta": -1}]}
    payloads = await asyncio.gather(*(act(fresh_api, ADJUST, {"input": loss}) for _ in range(60)))
    codes = Counter(error["code"] for payload in payloads for error in payload["userErrors"])
    assert codes == {"INSUFFICIENT_STOCK": 30}
    assert await shop.figures(fresh_api, row, place) == ("0", "0", "0", "0")
    await invariants_hold(fresh_api)


async def test_of_a_hundred_counts_with_one_expectation_one_is_right(fresh_api: Api) -> None:
    place = await shop.location(fresh_api)
    row = await stocked(fresh_api, 10, place=place)

    def count(n: int) -> dict[str, Any]:
        line = {"variantId": row, "quantity": 20 + n, "expectedQuantity": 10}
        return {"input": {"locationId": place, "reason": "COUNT", "lines": [line]}}

    payloads = await asyncio.gather(*(act(fresh_api, SET, count(n)) for n in range(100)))
    (won,) = [n for n, payload in enumerate(payloads) if not payload["userErrors"]]
    for payload in payloads:
        for error in payload["userErrors"]:
            assert (error["code"], error["present"], error["variant"]["id"]) == ("STALE_QUANTITY", str(20 + won), row)
    assert (await level(fresh_api, row))["onHand"] == str(20 + won)
    await invariants_hold(fresh_api)


async def test_of_twenty_shipments_and_cancellations_of_an_order_one_happens(fresh_api: Api) -> None:
    row = await stocked(fresh_api, 100)
    for _ in range(5):
        order = (await done(fresh_api, PLACE, {"input": ordered([(row, 3)])}))["order"]["id"]
        acts = [act(fresh_api, verb, {"id": order}) for verb in [SHIP, CANCEL] * 10]
        payloads = await asyncio.gather(*acts)
        assert sum(not payload["userErrors"] for payload in payloads) == 1
        codes = {error["code"] for payload in payloads for error in payload["userErrors"]}
        assert codes <= {"NOT_ALLOWED_NOW", "NOTHING_TO_SHIP"}
    await invariants_hold(fresh_api)


async def test_a_hold_is_freed_once_whoever_comes_first(fresh_api: Api) -> None:
    row = await stocked(fresh_api, 10)
    held = {"lines": [{"variantId": row, "quantity": 10}]}
    for _ in range(5):
        hold = (await done(fresh_api, RESERVE, {"input": held}))["reservation"]["id"]
        releases = [act(fresh_api, RELEASE, {"id": hold}) for _ in range(10)]
        orders_ = [act(fresh_api, PLACE, {"input": ordered([(row, 1)], reservationId=hold)}) for _ in range(5)]
        payloads = await asyncio.gather(*releases, *orders_)
        assert sum(not payload["userErrors"] for payload in payloads) == 1
        for payload in payloads:
            if payload.get("order"):
                await done(fresh_api, CANCEL, {"id": payload["order"]["id"]})
        found = await level(fresh_api, row)
        assert (found["reserved"], found["available"]) == ("0", "10")
    await invariants_hold(fresh_api)


# --- everything at once ---------------------------------------------------------------------------------------------


class _Storm:
    """Random acts on a few hot variants, each with its lines in an order of its own."""

    def __init__(self, api: Api, rows: Sequence[str], places: Sequence[str], seed: int) -> None:
        self.api, self.rows, self.places = api, list(rows), list(places)
        self.chance = random.Random(seed)
        self.open: list[str] = []
        self.holds: list[str] = []
        self.outcomes: Counter[str] = Counter()

    async def run(self, writers: int, acts: int) -> None:
        await asyncio.gather(*(self._writer(acts) for _ in range(writers)))

    async def _writer(self, acts: int) -> None:
        for _ in range(acts):
            verb = self.chance.choice([self.order, self.order, self.order, self.end, self.adjust, self.hold, self.free])
            payload = await verb()
            if payload is not None:
                codes = [error["code"] for error in payload["userErrors"]] or ["done"]
                self.outcomes.update(f"{verb.__name__} {code}" for code in set(codes))

    def some(self) -> list[dict[str, Any]]:
        chosen = self.chance.sample(self.rows, 5)
        return [{"variantId": row, "quantity": self.chance.randint(1, 3)} for row in chosen]

    async def order(self) -> dict[str, Any]:
        payload = await act(self.api, PLACE, {"input": {"lines": self.some()}})
        if payload["order"]:
            self.open.append(payload["order"]["id"])
        return payload

    async def end(self) -> dict[str, Any] | None:
        if not self.open:
            return None
        order = self.open.pop(self.chance.randrange(len(self.open)))
        return await act(self.api, self.chance.choice([SHIP, CANCEL]), {"id": order})

    async def adjust(self) -> dict[str, Any]:
        # Losses may be larger than what is free: then promises give way.
        lines = [
            {"variantId": row, "delta": delta}
            for row in self.chance.sample(self.rows, 5)
            if (delta := self.chance.randint(-4, 5))
        ]
        reason, place = self.chance.choice(["DAMAGE", "FOUND", "COUNT"]), self.chance.choice(self.places)
        return await act(self.api, ADJUST, {"input": {"locationId": place, "reason": reason, "lines": lines}})

    async def hold(self) -> dict[str, Any]:
        seconds = self.chance.choice([1, 60])
        payload = await act(self.api, RESERVE, {"input": {"lines": self.some(), "expiresInSeconds": seconds}})
        if payload["reservation"]:
            self.holds.append(payload["reservation"]["id"])
        return payload

    async def free(self) -> dict[str, Any] | None:
        if not self.holds:
            return None
        hold = self.holds.pop(self.chance.randrange(len(self.holds)))
        if self.chance.random() < 0.5:
            return await act(self.api, RELEASE, {"id": hold})
        return await act(self.api, PLACE, {"input": {"lines": self.some(), "reservationId": hold}})


async def _storm(api: Api, monkeypatch: pytest.MonkeyPatch, *, writers: int, acts: int, seed: int) -> Counter[str]:
    """The outcomes of a storm, and whatever deadlock came up in it: acts that collide begin anew, so they are counted
    where that is decided.
    """
    collisions = deadlocks_counted(monkeypatch)
    places = [await shop.location(api, priority=n) for n in range(2)]
    rows = []
    for _ in range(10):
        row = await stocked(api, 30, place=places[0])
        more = shop.receipt(places[1], [(row, 20, "5.55")])
        await done(api, shop.RECEIVE, {"input": more})
        rows.append(row)
    storm = _Storm(api, rows, places, seed)
    await storm.run(writers, acts)
    for row in rows:
        found = (await api.data(shop.LEVELS, {"variants": [row]}))["stockLevels"]["nodes"]
        assert all(float(each["available"]) >= 0 for each in found)
    await invariants_hold(api)
    assert not collisions, collisions
    return storm.outcomes


async def test_sixty_four_at_once_on_ten_hot_variants(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = await _storm(fresh_api, monkeypatch, writers=64, acts=6, seed=20_261_124)
    for verb in ("order", "end", "adjust", "hold", "free"):
        assert outcomes[f"{verb} done"] > 0, f"no {verb} came through: {outcomes}"
    assert outcomes["order INSUFFICIENT_STOCK"] > 0, f"nobody wanted what was gone: {outcomes}"


async def test_without_an_order_of_locks_they_deadlock(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each act takes its locks in an order of its own.
    _with_locks(monkeypatch, "ORDER BY level.variant_id, level.location_id", "ORDER BY random()")
    collisions = deadlocks_counted(monkeypatch)
    # Few writers and fewer acts: each deadlock costs a second, and an act that met three of them gives up.
    with pytest.raises(AssertionError):
        await _storm(fresh_api, monkeypatch, writers=8, acts=4, seed=20_261_124)
    assert collisions


# --- lock, then look ------------------------------------------------------------------------------------------------


async def _two_layers(api: Api) -> tuple[ID, list[ID]]:
    """A variant with two layers of one piece each, at 1 and at 9 dollars, and two orders of one piece."""
    place = await shop.location(api)
    row = await stocked(api, 1, "1.00", place=place)
    await done(api, shop.RECEIVE, {"input": shop.receipt(place, [(row, 1, "9.00")])})
    placed = [(await done(api, PLACE, {"input": ordered([(row, 1)])}))["order"]["id"] for _ in range(2)]
    return ID(row), placed


async def _ship_while_another_does(database: Database, placed: Sequence[ID]) -> None:
    """The second shipment waits for the level while the first has consumed a layer and not yet committed."""

    async def second() -> None:
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            waiting.set_result(await work.raw.fetchval("SELECT pg_backend_pid()"))
            await fulfillment.ship(work, placed[1], NewShipment())

    waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with database.connection() as watching, database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            await fulfillment.ship(work, placed[0], NewShipment())
            task = asyncio.create_task(second())
            pid = await waiting
            async with asyncio.timeout(20):
                blocked = False
                while not blocked and not task.done():
                    query = f"SELECT cardinality(pg_blocking_pids({pid})) > 0"
                    blocked = (await watching.exec_driver_sql(query)).scalar_one()
                    await watching.rollback()
        await task


async def test_layers_are_read_after_the_lock(fresh_api: Api) -> None:
    row, placed = await _two_layers(fresh_api)
    await _ship_while_another_does(fresh_api.services.database, placed)
    query = "query Q($f: StockMovementFilter) { stockMovements(filter: $f) { nodes { value { amount } } } }"
    filters = {"f": {"variantId": {"in": [row]}, "kind": {"in": ["SHIPMENT"]}}}
    moved = (await fresh_api.data(query, filters))["stockMovements"]["nodes"]
    assert [each["value"]["amount"] for each in moved] == ["-1.00", "-9.00"]
    await invariants_hold(fresh_api)


async def test_read_in_the_statement_that_locks_they_are_those_of_before(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement that locks and reads sees the locked row as it is now, and the layers as they were."""
    seen: dict[Place, list[costs.Layer]] = {}
    layers = """SELECT array_agg(ROW(layer.id, layer.quantity, layer.value_amount) ORDER BY founded_at, layer.id)
      FROM cost_layers AS layer WHERE layer.variant_id = level.variant_id AND layer.location_id = level.location_id
        AND layer.live"""
    one = locked._LOCK_PLACES.replace("level.reorder_point\n", f"level.reorder_point, ({layers}) AS layers\n", 1)
    assert one != locked._LOCK_PLACES
    monkeypatch.setattr(locked, "_LOCK_PLACES", one)
    read = locked.level_of

    def reading(record: Any) -> Level:
        found = read(record)
        seen[found.place] = [
            costs.Layer.founded(ID(f"mov_{row[0]}"), row[1], row[2]) for row in record.get("layers") or ()
        ]
        return found

    monkeypatch.setattr(locked, "level_of", reading)

    async def as_seen(_work: Work, places: Sequence[Place]) -> dict[Place, list[costs.Layer]]:
        return {place: seen[place] for place in places}

    monkeypatch.setattr(costs, "live_layers", as_seen)
    _, placed = await _two_layers(fresh_api)
    with pytest.raises(stock.InsufficientStock):
        await _ship_while_another_does(fresh_api.services.database, placed)


async def test_an_act_that_finds_an_allocation_elsewhere_begins_anew(fresh_api: Api) -> None:
    """A receipt elsewhere serves a waiting line while its order is being called off: nothing of it stays behind."""
    places = [await shop.location(fresh_api, priority=n) for n in range(2)]
    row = await stocked(fresh_api, 5, place=places[0])
    for _ in range(10):
        order = (await done(fresh_api, PLACE, {"input": ordered([(row, 5)])}))["order"]["id"]
        loss = {"locationId": places[0], "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -5}]}
        await done(fresh_api, ADJUST, {"input": loss})
        more = shop.receipt(places[1], [(row, 5, "4.00")])
        payloads = await asyncio.gather(
            act(fresh_api, CANCEL, {"id": order}), act(fresh_api, shop.RECEIVE, {"input": more})
        )
        assert [payload["userErrors"] for payload in payloads] == [[], []]
        found = (await fresh_api.data(shop.LEVELS, {"variants": [row]}))["stockLevels"]["nodes"]
        assert {each["allocated"] for each in found} == {"0"}
        await invariants_hold(fresh_api)
        back = {"locationId": places[1], "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -5}]}
        await done(fresh_api, ADJUST, {"input": back})
        await done(fresh_api, shop.RECEIVE, {"input": shop.receipt(places[0], [(row, 5, "4.00")])})


async def test_opposite_orders_of_places_that_are_new_do_not_deadlock(fresh_api: Api) -> None:
    """Receipts make missing levels before they lock any, in one order: two that name the same ones never both wait."""
    for _ in range(4):
        place = await shop.location(fresh_api)
        rows = [await shop.variant(fresh_api) for _ in range(6)]
        inputs = [
            shop.receipt(place, [(row, 1, "1.00") for row in random.Random(n).sample(rows, 6)]) for n in range(12)
        ]
        payloads = await asyncio.gather(*(act(fresh_api, shop.RECEIVE, {"input": each}) for each in inputs))
        assert all(payload["userErrors"] == [] for payload in payloads)
    await invariants_hold(fresh_api)


async def test_many_orders_of_one_act_share_what_is_there(database: Database, api: Api) -> None:
    """Orders placed together are served in their order, and all of them are refused when one is short."""
    row = ID(await stocked(api, 5))
    before = await shop.state(api)

    def wanting(quantity: int) -> NewOrder:
        return NewOrder(lines=[NewOrderLine(quantity=Quantity(Decimal(quantity)), variant_id=row)])

    with pytest.raises(Exception, match="Only 5 of"):
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            await orders.place_many(work, [wanting(2), wanting(2), wanting(2)])
    assert await shop.state(api) == before
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        placed = await orders.place_many(work, [wanting(2), wanting(3)])
    assert len(placed) == 2
    await invariants_hold(api)
