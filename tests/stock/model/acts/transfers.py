"""Goods go from one location to another."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock import NewDispatch, NewDispatchLine, NewTransfer, NewTransferLine
from tests.stock.model import costs
from tests.stock.model.acts.base import Act, Seen, decimal, json, some, variants
from tests.stock.model.costs import Draw, Load
from tests.stock.model.exact import Many
from tests.stock.model.kept import LOOSE, NOTHING, Content, No, Transfer, TransferLine, Wish, day
from tests.stock.model.placing import place_wishes
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World

ON_THE_ROAD = "DISPATCHED", "PARTIALLY_RECEIVED"


@dataclass(frozen=True)
class CreateTransfer(Act):
    """Goods are to go elsewhere; nothing is bound to it yet."""

    origin: int
    destination: int
    lines: tuple[tuple[int, Many], ...]
    expected_on: date | None = None

    document = """mutation T($input: StockTransferCreateInput!, $key: String) {
      stockTransferCreate(input: $input, idempotencyKey: $key) {
        stockTransfer { id lines { id } } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        locations = range(len(model.world.locations))
        origin, destination = (chance.choice(locations) for _ in range(2))
        if chance.random() < 0.9:
            origin, destination = chance.sample([n for n in locations if n != model.world.road], 2)
        there = [row for row in range(len(model.world.variants)) if model.available((row, origin)) >= 1]
        if not there or chance.random() < 0.1:
            there = variants(chance, model)
        lines = tuple((row, some(chance, model, row, 4)) for row in there[: chance.randint(1, 3)])
        expected = day(now) + timedelta(days=chance.randint(-1, 3)) if chance.random() < 0.5 else None
        return cls(origin, destination, lines, expected)

    def new(self, world: World) -> NewTransfer:
        """What is told."""
        lines = [NewTransferLine(world.variant_ids[row], decimal(many)) for row, many in self.lines]
        ends = world.location_ids[self.origin], world.location_ids[self.destination]
        return NewTransfer(*ends, lines, expected_on=self.expected_on)

    async def run(self, work: Work, world: World) -> tuple[ID, list[ID]]:
        transfer = await stock.create_transfer(work, self.new(world))
        query = "SELECT id FROM stock_transfer_lines WHERE transfer_id = $1 ORDER BY position"
        rows = await work.raw.fetch(query, transfer[4:])
        return transfer, [ID("trl_" + row["id"]) for row in rows]

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> tuple[ID, list[ID]]:
        made = payload["stockTransfer"]
        return made["id"], [each["id"] for each in made["lines"]]

    def keep(self, world: World, number: int, result: tuple[ID, list[ID]]) -> None:
        world.made["transfer", number, 0] = result[0]
        world.made.update({("transfer line", number, n): row for n, row in enumerate(result[1])})

    def replay(self, model: Model, seen: Seen) -> None:
        ends = {self.origin, self.destination}
        if len(ends) == 1 or any(model.world.locations[each].transit for each in ends):
            raise No("INVALID")
        lines = tuple(TransferLine(row, many) for row, many in self.lines)
        model.transfers[seen.number] = Transfer(self.origin, self.destination, self.expected_on, lines)


def a_transfer(chance: random.Random, model: Model, *states: str) -> int | None:
    """A transfer in one of these states; now and then another one."""
    found = [n for n, each in model.transfers.items() if each.status in states or chance.random() < 0.02]
    return chance.choice(found) if found else None


def step(model: Model, number: int, states: Sequence[str], status: str) -> Transfer:
    """The transfer comes into that state. Refused unless it is in one of these."""
    found = model.transfers[number]
    if found.status not in states:
        raise No("NOT_ALLOWED_NOW")
    model.transfers[number] = replace(found, status=status)
    return found


@dataclass(frozen=True)
class OfTransfer(Act):
    """Something is done about a transfer."""

    transfer: int

    def possible(self, world: World) -> bool:
        return ("transfer", self.transfer, 0) in world.made

    def id(self, world: World) -> ID:
        """The transfer's id."""
        return world.made["transfer", self.transfer, 0]

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world)}


@dataclass(frozen=True)
class ReadyTransfer(OfTransfer):
    """The goods are allocated where they are."""

    document = """mutation T($id: ID!, $key: String) {
      stockTransferReady(id: $id, idempotencyKey: $key) { stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        found = a_transfer(chance, model, "DRAFT")
        return None if found is None else cls(found)

    async def run(self, work: Work, world: World) -> None:
        await stock.ready_transfer(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        found = step(model, self.transfer, ("DRAFT",), "READY")
        wishes = [Wish(n, line.variant, line.quantity, found.origin) for n, line in enumerate(found.lines)]
        parts, _ = place_wishes(model, wishes, seen.places, seen.now, held={}, may_wait=False)
        for wish, place, many in parts:
            model.allocate((self.transfer, wish.position), place, many, seen.now, bound=True)


@dataclass(frozen=True)
class CancelTransfer(OfTransfer):
    """It is called off before anything left."""

    document = """mutation T($id: ID!, $key: String) {
      stockTransferCancel(id: $id, idempotencyKey: $key) { stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        found = a_transfer(chance, model, "DRAFT", "READY")
        return None if found is None else cls(found)

    async def run(self, work: Work, world: World) -> None:
        await stock.cancel_transfer(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        step(model, self.transfer, ("DRAFT", "READY"), "CANCELLED")
        freed = model.allocated_to(self.transfer)
        for line, place, many in freed:
            model.deallocate(line, place, many)
        model.serve({place: NOTHING for _, place, _ in freed})


@dataclass(frozen=True)
class DispatchTransfer(OfTransfer):
    """What is allocated leaves, or so much of some lines."""

    lines: tuple[tuple[int, Many], ...] | None = None

    document = """mutation T($id: ID!, $input: StockTransferDispatchInput, $key: String) {
      stockTransferDispatch(id: $id, input: $input, idempotencyKey: $key) {
        stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        found = a_transfer(chance, model, "READY")
        if found is None:
            return None
        lines = None
        if chance.random() < 0.4:
            rows = model.transfers[found].lines
            chosen = chance.sample(range(len(rows)), chance.randint(1, len(rows)))
            most = [int(max(rows[n].quantity, 1)) if chance.random() < 0.9 else 4 for n in chosen]
            lines = tuple((n, some(chance, model, rows[n].variant, each)) for n, each in zip(chosen, most, strict=True))
        return cls(found, lines)

    def new(self, world: World) -> NewDispatch:
        """What is told."""
        if self.lines is None:
            return NewDispatch()
        lines = [
            NewDispatchLine(world.made["transfer line", self.transfer, n], decimal(many)) for n, many in self.lines
        ]
        return NewDispatch(lines)

    async def run(self, work: Work, world: World) -> None:
        await stock.dispatch_transfer(work, self.id(world), self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        found = step(model, self.transfer, ("READY",), "DISPATCHED")
        allocated = {line[1]: (place, many) for line, place, many in model.allocated_to(self.transfer)}
        if not allocated:
            raise No("NOT_ALLOWED_NOW")
        leaving = {n: many for n, (_, many) in allocated.items()} if self.lines is None else dict(self.lines)
        if any(n not in allocated or many > allocated[n][1] for n, many in leaving.items()):
            raise No("INSUFFICIENT_STOCK")
        today = day(seen.now)
        picked = {n: _picked(model, (found.lines[n].variant, found.origin), leaving[n], today) for n in leaving}
        freed: set[Place] = set()
        for n, (place, many) in allocated.items():
            rest = many - leaving.get(n, NOTHING)
            if rest:
                model.deallocate((self.transfer, n), place, rest)
                freed.add(place)
        model.serve(dict.fromkeys(freed, NOTHING))
        lines = list(found.lines)
        for n in sorted(leaving):
            model.deallocate((self.transfer, n), allocated[n][0], leaving[n])
            self._send(model, allocated[n][0], leaving[n], picked[n], seen.now)
            lines[n] = replace(lines[n], dispatched=leaving[n])
        model.transfers[self.transfer] = replace(model.transfers[self.transfer], lines=tuple(lines))

    def _send(
        self, model: Model, place: Place, quantity: Many, picks: Sequence[tuple[Content, Many]], now: datetime
    ) -> None:
        """Out of the origin, and onto the road: each part is a load, and as old as it was."""
        road = place[0], model.world.road
        model.layers[place], draws = costs.drawn(model.layers[place], quantity)
        for part, content in costs.parts(draws, picks):
            leave(model, place, content, part, now)
            come_in(model, road, Content(lot=content.lot), part, now)
            load = Load(self.transfer, content.lot, part.quantity, part.value)
            model.found(road, part, age=part.layer.founded_at, load=load)


def _picked(model: Model, place: Place, quantity: Many, today: date) -> list[tuple[Content, Many]]:
    """Where so many of what may leave are taken from. Refused where there is less."""
    picks = picked(model.matching(place, LOOSE, sellable_on=today), quantity)
    if sum((many for _, many in picks), NOTHING) < quantity:
        raise No("NOT_FOR_SALE")
    return picks


def picked(there: Sequence[tuple[Content, Many]], quantity: Many) -> list[tuple[Content, Many]]:
    """So many of what lies there, in its order; fewer where there are fewer."""
    picks: list[tuple[Content, Many]] = []
    for content, many in there:
        part = min(many, quantity)
        quantity -= part
        picks.append((content, part))
    return [each for each in picks if each[1]]


def leave(model: Model, place: Place, content: Content, part: Draw, now: datetime) -> None:
    """So much less lies so. Layers are the caller's."""
    model.put(place, content, -part.quantity)
    age = part.layer.founded_at
    model.tell(place, "TRANSFER", "STOCK_CORRECTION", -part.quantity, -part.value, now, now, age)


def come_in(model: Model, place: Place, content: Content, part: Draw, now: datetime) -> None:
    """So much more lies so. Layers are the caller's."""
    model.put(place, content, part.quantity)
    model.tell(place, "TRANSFER", "STOCK_CORRECTION", part.quantity, part.value, now, now)
