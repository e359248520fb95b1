"""Goods go from one location to another."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock import NewArrival, NewArrivalLine, NewDispatch, NewDispatchLine, NewTransfer, NewTransferLine
from tests.stock.model import costs
from tests.stock.model.acts.base import Act, Seen, decimal, json, some, variants
from tests.stock.model.acts.corrections import Difference, booked
from tests.stock.model.costs import Draw, Layer, Load
from tests.stock.model.exact import Many
from tests.stock.model.kept import LOOSE, NOTHING, Case, Content, No, Transfer, TransferLine, Wish, day
from tests.stock.model.oversold import Debt, beyond, owed, pay
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
        origin, destination = (chance.randrange(len(model.world.locations)) for _ in range(2))
        lines = tuple((row, some(chance, model, row, 4)) for row in variants(chance, model))
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


def _a_transfer(chance: random.Random, model: Model, *states: str) -> int | None:
    """A transfer in one of these states; now and then another one."""
    found = [n for n, each in model.transfers.items() if each.status in states or chance.random() < 0.02]
    return chance.choice(found) if found else None


def _after(model: Model, number: int, states: Sequence[str], status: str) -> Transfer:
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
        found = _a_transfer(chance, model, "DRAFT")
        return None if found is None else cls(found)

    async def run(self, work: Work, world: World) -> None:
        await stock.ready_transfer(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        found = _after(model, self.transfer, ("DRAFT",), "READY")
        wishes = [Wish(n, line.variant, line.quantity, found.origin) for n, line in enumerate(found.lines)]
        parts, _ = place_wishes(model, wishes, seen.places, seen.now, held={}, may_wait=False)
        for wish, place, many in parts:
            model.allocate((self.transfer, wish.position), place, many, seen.now)


@dataclass(frozen=True)
class CancelTransfer(OfTransfer):
    """It is called off before anything left."""

    document = """mutation T($id: ID!, $key: String) {
      stockTransferCancel(id: $id, idempotencyKey: $key) { stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        found = _a_transfer(chance, model, "DRAFT", "READY")
        return None if found is None else cls(found)

    async def run(self, work: Work, world: World) -> None:
        await stock.cancel_transfer(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        _after(model, self.transfer, ("DRAFT", "READY"), "CANCELLED")
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
        found = _a_transfer(chance, model, "READY")
        if found is None:
            return None
        lines = None
        if chance.random() < 0.4:
            rows = model.transfers[found].lines
            chosen = chance.sample(range(len(rows)), chance.randint(1, len(rows)))
            lines = tuple((n, some(chance, model, rows[n].variant, 3)) for n in chosen)
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
        found = _after(model, self.transfer, ("READY",), "DISPATCHED")
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
            _move(model, place, content, -part.quantity, -part.value, now)
            _move(model, road, Content(lot=content.lot), part.quantity, part.value, now)
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


def _move(model: Model, place: Place, content: Content, quantity: Many, value: int, now: datetime) -> None:
    """So much more lies so; less, with a minus. Layers are the caller's."""
    model.put(place, content, quantity)
    model.tell(place, "TRANSFER", "STOCK_CORRECTION", quantity, value, now, now)


@dataclass(frozen=True)
class Arrived:
    """How much of a line has arrived, the bin it is put into, and its lot where that is said."""

    line: int
    variant: int
    quantity: Many
    bin: int | None = None
    lot: int | None = None


@dataclass(frozen=True)
class Off:
    """A part that comes off the road."""

    line: int
    place: Place
    """On the road."""
    load: Load
    part: Draw
    content: Content
    """As it lay on the road."""
    bin: int | None = None


@dataclass(frozen=True)
class ReceiveTransfer(OfTransfer):
    """What is on the road arrives: all of it, less or more; what never will is lost."""

    destination: int
    lines: tuple[Arrived, ...] | None = None
    closes: bool = False

    document = """mutation T($id: ID!, $input: StockTransferReceiveInput, $key: String) {
      stockTransferReceive(id: $id, input: $input, idempotencyKey: $key) {
        stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = _a_transfer(chance, model, *ON_THE_ROAD)
        if number is None:
            return None
        if chance.random() < 0.25:
            return cls(number, model.transfers[number].destination)
        found = model.transfers[number]
        lines: dict[tuple[int, int | None, int | None], Arrived] = {}
        for n in chance.sample(range(len(found.lines)), chance.randint(0, len(found.lines))):
            for _ in range(2 if chance.random() < 0.2 else 1):
                lots = range(len(model.world.variants[found.lines[n].variant].lots))
                bins = range(len(model.world.locations[found.destination].bins))
                bin_number = chance.choice(bins) if bins and chance.random() < 0.3 else None
                lot = chance.choice(lots) if lots and chance.random() < 0.4 else None
                many = some(chance, model, found.lines[n].variant, 4)
                lines[n, bin_number, lot] = Arrived(n, found.lines[n].variant, many, bin_number, lot)
        closes = not lines or chance.random() < 0.4
        return cls(number, found.destination, tuple(lines.values()), closes)

    def new(self, world: World) -> NewArrival:
        """What is told."""
        if self.lines is None:
            return NewArrival(closes=self.closes)
        lines = [
            NewArrivalLine(
                world.made["transfer line", self.transfer, each.line],
                decimal(each.quantity),
                None if each.bin is None else world.bin_ids[self.destination][each.bin],
                None if each.lot is None else world.lot_ids[each.variant][each.lot],
            )
            for each in self.lines
        ]
        return NewArrival(lines, self.closes)

    async def run(self, work: Work, world: World) -> None:
        await stock.receive_transfer(work, self.id(world), self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        found = _after(model, self.transfer, ON_THE_ROAD, "RECEIVED")
        rows = found.lines
        arriving = self.lines
        if arriving is None:
            there = [(n, line) for n, line in enumerate(rows) if line.in_transit]
            arriving = tuple(Arrived(n, line.variant, line.in_transit) for n, line in there)
        touched = {each.line for each in arriving}
        touched |= {n for n, line in enumerate(rows) if self.closes and line.in_transit}
        for n in touched:
            model.versions.setdefault((rows[n].variant, found.destination), 0)
            model.versions.setdefault((rows[n].variant, model.world.road), 0)
        lying = {n: dict(model.lying((rows[n].variant, model.world.road))) for n in touched}
        sent = {n: _loads(model, (rows[n].variant, model.world.road), self.transfer) for n in touched}
        lines, more, arrived = list(rows), [], []
        for each in sorted(arriving, key=lambda each: each.lot is None):
            taken = self._off(model, each.line, each.variant, each.lot, each.quantity, lying[each.line], each.bin)
            arrived += taken
            many = sum((one.part.quantity for one in taken), NOTHING)
            lines[each.line] = replace(lines[each.line], received=lines[each.line].received + many)
            if many < each.quantity:
                more.append((each, each.quantity - many))
        lost: list[Off] = []
        for n, line in enumerate(lines):
            if self.closes and line.in_transit:
                lost += self._off(model, n, line.variant, None, line.in_transit, lying[n], None)
                lines[n] = replace(line, lost=line.lost + line.in_transit)
        debts = self._move_in(model, arrived, [(each.variant, found.destination) for each, _ in more], seen.now)
        for one in lost:
            cost = one.part.value
            model.put(one.place, one.content, -one.part.quantity)
            model.tell(one.place, "ADJUSTMENT", "SHRINKAGE", -one.part.quantity, -cost, seen.now, seen.now)
            model.post("SHRINKAGE", cost)
            model.post("INVENTORY", -cost)
        pay(model, debts, seen.now)
        self._find_more(model, more, sent, arrived, seen)
        self._open_cases(model, lines, lost, more)
        done = not any(line.in_transit for line in lines)
        model.transfers[self.transfer] = replace(
            found, status="RECEIVED" if done else "PARTIALLY_RECEIVED", lines=tuple(lines)
        )

    def _off(
        self,
        model: Model,
        line: int,
        variant: int,
        lot: int | None,
        quantity: Many,
        lying: dict[Content, Many],
        bin_number: int | None,
    ) -> list[Off]:
        """Take so many off the road, as many as there are, and what lies of their lots with them. Nothing is told."""
        place = variant, model.world.road
        loads = [each for each in _loads(model, place, self.transfer) if lot in (None, _load(each).lot)]
        quantity = min(quantity, sum((each.left for each in loads), NOTHING))
        after, draws = costs.drawn(tuple(loads), quantity)
        others = [each for each in model.layers.get(place, ()) if each not in loads]
        model.layers[place] = costs.in_order([*others, *after])
        taken: list[Off] = []
        for draw in draws:
            load = _load(draw.layer)
            mine = sorted(lying.items(), key=lambda item, lot=load.lot: item[0].lot != lot)
            for part, content in costs.parts([draw], picked(mine, draw.quantity)):
                lying[content] -= part.quantity
                taken.append(Off(line, place, load, part, content, bin_number))
        return taken

    def _move_in(self, model: Model, arrived: Sequence[Off], later: Sequence[Place], now: datetime) -> list[Debt]:
        coming: dict[Place, Many] = {}
        for one in arrived:
            place = one.place[0], self.destination
            if not one.content.state:
                coming[place] = coming.get(place, NOTHING) + one.part.quantity
        debts = owed(model, coming)
        if arrived:
            model.serve(dict.fromkeys(later, NOTHING) | beyond(coming, debts))
        for one in arrived:
            place = one.place[0], self.destination
            _move(model, one.place, one.content, -one.part.quantity, -one.part.value, now)
            _move(model, place, replace(one.content, bin=one.bin), one.part.quantity, one.part.value, now)
            live = [each for each in model.layers.get(place, ()) if each.left]
            if model.world.variants[place[0]].averaged and live:
                others = [each for each in model.layers[place] if each != live[0]]
                joined = live[0].anew(one.part.quantity, one.part.value)
                model.layers[place] = costs.in_order([*others, joined])
            else:
                model.found(place, one.part, age=one.part.layer.founded_at)
        return debts

    def _find_more(
        self,
        model: Model,
        more: Sequence[tuple[Arrived, Many]],
        sent: dict[int, list[Layer]],
        arrived: Sequence[Off],
        seen: Seen,
    ) -> None:
        """What arrived beside what was sent is found there, of the lot that was sent where it was one alone."""
        found: list[Difference] = []
        for each, many in more:
            loads = [_load(layer) for layer in sent[each.line]]
            lots = {load.lot for load in loads}
            lot = each.lot if each.lot is not None or len(lots) != 1 else next(iter(lots))
            alike = (one.content.state for one in arrived if one.line == each.line and one.load.lot == lot)
            state = next(alike, None)
            if (lot is None and model.world.variants[each.variant].tracked) or model.cannot_join(
                each.variant, Content(lot=lot, state=state)
            ):
                raise No("INVALID")
            same = [load for load in loads if lot in (None, load.lot)] or loads
            cost = None
            if same:
                cost = Fraction(sum(load.worth for load in same)) / sum((load.sent for load in same), NOTHING)
            found.append(Difference((each.variant, self.destination), many, Content(each.bin, lot, state), cost))
        if found:
            booked(model, found, "FOUND", seen.now, seen)

    def _open_cases(
        self,
        model: Model,
        lines: Sequence[TransferLine],
        lost: Sequence[Off],
        more: Sequence[tuple[Arrived, Many]],
    ) -> None:
        for n, line in enumerate(lines):
            place = line.variant, self.destination
            missing = sum((one.part.quantity for one in lost if one.line == n), NOTHING)
            if missing:
                model.open_case(Case("TRANSFER", place, missing, line.dispatched, line.received))
        for n, line in enumerate(lines):
            place = line.variant, self.destination
            many = sum((rest for each, rest in more if each.line == n), NOTHING)
            if many:
                model.open_case(Case("TRANSFER", place, many, line.dispatched, line.received + many))


def _load(layer: Layer) -> Load:
    assert layer.load is not None
    return layer.load


def _loads(model: Model, place: Place, transfer: int) -> list[Layer]:
    """What a transfer has on the road: what expires first, and then the oldest, arrives first."""

    def rank(layer: Layer) -> tuple[date, datetime, int]:
        lot = model.world.lot(place[0], _load(layer).lot)
        return (lot is not None and lot.expires_on) or date.max, *layer.age

    mine = [each for each in model.layers.get(place, ()) if each.load is not None and each.load.transfer == transfer]
    return sorted(mine, key=rank)
