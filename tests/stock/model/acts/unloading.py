"""Goods on the road arrive, or are lost."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import NewArrival, NewArrivalLine
from tests.stock.model import costs
from tests.stock.model.acts.base import Seen, decimal, dollars, json, some
from tests.stock.model.acts.corrections import Difference, booked
from tests.stock.model.acts.transfers import ON_THE_ROAD, OfTransfer, a_transfer, come_in, leave, picked, step
from tests.stock.model.costs import Draw, Layer, Load
from tests.stock.model.exact import Cents, Many, share
from tests.stock.model.kept import NOTHING, Case, Content, No, TransferLine, day
from tests.stock.model.oversold import Debt, beyond, owed, pay
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World


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
    freight: Cents = 0
    """What the way adds to its value."""


@dataclass(frozen=True)
class ReceiveTransfer(OfTransfer):
    """What is on the road arrives: all of it, less or more; what never will is lost."""

    destination: int
    lines: tuple[Arrived, ...] | None = None
    closes: bool = False
    freight: Cents = 0
    """What the way of these goods cost."""

    document = """mutation T($id: ID!, $input: StockTransferReceiveInput, $key: String) {
      stockTransferReceive(id: $id, input: $input, idempotencyKey: $key) {
        stockTransfer { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_transfer(chance, model, *ON_THE_ROAD)
        if number is None:
            return None
        if chance.random() < 0.25:
            return cls(number, model.transfers[number].destination, freight=_freight(chance))
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
        return cls(number, found.destination, tuple(lines.values()), closes, _freight(chance))

    def new(self, world: World) -> NewArrival:
        """What is told."""
        freight = Money(dollars(Fraction(self.freight)), CurrencyCode("USD")) if self.freight else None
        if self.lines is None:
            return NewArrival(closes=self.closes, freight=freight)
        lines = [
            NewArrivalLine(
                world.made["transfer line", self.transfer, each.line],
                decimal(each.quantity),
                None if each.bin is None else world.bin_ids[self.destination][each.bin],
                None if each.lot is None else world.lot_ids[each.variant][each.lot],
            )
            for each in self.lines
        ]
        return NewArrival(lines, self.closes, freight)

    async def run(self, work: Work, world: World) -> None:
        await stock.receive_transfer(work, self.id(world), self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        found = step(model, self.transfer, ON_THE_ROAD, "RECEIVED")
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
        if self.freight:
            arrived = _with_freight(arrived, self.freight)
            model.post("INVENTORY", self.freight)
            model.post("FREIGHT_ABSORBED", -self.freight)
        lost: list[Off] = []
        for n, line in enumerate(lines):
            if self.closes and line.in_transit:
                lost += self._off(model, n, line.variant, None, line.in_transit, lying[n], None)
                lines[n] = replace(line, lost=line.lost + line.in_transit)
        debts = self._move_in(model, arrived, [(each.variant, found.destination) for each, _ in more], seen.now)
        for one in lost:
            cost = one.part.value
            model.put(one.place, one.content, -one.part.quantity)
            age = one.part.layer.founded_at
            model.tell(one.place, "ADJUSTMENT", "SHRINKAGE", -one.part.quantity, -cost, seen.now, seen.now, age)
            model.post("SHRINKAGE", cost)
            model.post("INVENTORY", -cost)
        pay(model, debts, seen.now)
        self._find_more(model, more, sent, arrived, seen)
        self._open_cases(model, lines, lost, more)
        done = not any(line.in_transit for line in lines)
        model.transfers[self.transfer] = replace(
            found,
            status="RECEIVED" if done else "PARTIALLY_RECEIVED",
            lines=tuple(lines),
            freight=found.freight + self.freight,
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
        lies = {id(one): model.as_it_comes((one.place[0], self.destination), one.content, day(now)) for one in arrived}
        for one in arrived:
            place = one.place[0], self.destination
            if not lies[id(one)].state:
                coming[place] = coming.get(place, NOTHING) + one.part.quantity
        debts = owed(model, coming)
        if arrived:
            model.serve(dict.fromkeys(later, NOTHING) | beyond(coming, debts))
        for one in arrived:
            place = one.place[0], self.destination
            leave(model, one.place, one.content, one.part, now)
            into = replace(one.part, value=one.part.value + one.freight)
            come_in(model, place, replace(lies[id(one)], bin=one.bin), into, now)
            live = [each for each in model.layers.get(place, ()) if each.left]
            if model.world.variants[place[0]].averaged and live:
                others = [each for each in model.layers[place] if each != live[0]]
                joined = live[0].anew(into.quantity, into.value)
                model.layers[place] = costs.in_order([*others, joined])
            else:
                model.found(place, into, age=into.layer.founded_at)
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


def _freight(chance: random.Random) -> Cents:
    return chance.choice([1, 7, 100, 333, 1999]) if chance.random() < 0.35 else 0


def _with_freight(arrived: Sequence[Off], freight: Cents) -> list[Off]:
    """Freight is shared by value, or by quantity where nothing is worth anything, as a running sum."""
    if not arrived:
        raise No("NOTHING_ARRIVES")
    by_value = any(one.part.value for one in arrived)
    weights = [Many(one.part.value) if by_value else one.part.quantity for one in arrived]
    whole, begun, passed = sum(weights, NOTHING), NOTHING, 0
    found: list[Off] = []
    for one, weight in zip(arrived, weights, strict=True):
        begun += weight
        mine = share(freight, begun, whole) - passed
        passed += mine
        found.append(replace(one, freight=mine))
    return found


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
