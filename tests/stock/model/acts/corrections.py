"""The books are brought in line with the shelf."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import (
    NewAdjustment,
    NewAdjustmentLine,
    NewCount,
    NewCountLine,
    StockAdjustmentReason,
    UnavailableState,
)
from tests.stock.model.acts.base import Act, Seen, bin_id, content, decimal, dollars, json, lot_id, some, variants
from tests.stock.model.coming import come, last_cost
from tests.stock.model.exact import Cents, Many, share, worth
from tests.stock.model.going import lose
from tests.stock.model.kept import LOOSE, NOTHING, Coming, Content, No, day
from tests.stock.model.oversold import beyond, owed, pay
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World

ACCOUNTS = {
    "SHRINKAGE": "SHRINKAGE",
    "THEFT": "SHRINKAGE",
    "DAMAGE": "DAMAGE",
    "EXPIRED": "DAMAGE",
    "SAMPLE": "SAMPLES",
    "FOUND": "STOCK_CORRECTION",
    "COUNT": "STOCK_CORRECTION",
    "LOST_IN_TRANSIT": "SHRINKAGE",
    "CORRECTION": "STOCK_CORRECTION",
}


@dataclass(frozen=True)
class Difference:
    """How much more or, with a minus, less is there."""

    place: Place
    delta: Many
    content: Content
    unit_cost: Fraction | None = None
    """In cents."""
    exactly: bool = False
    """Whether less is in that very bin and lot, or in none and of none, and nowhere else."""


def booked(model: Model, differences: Sequence[Difference], reason: str, at: datetime, seen: Seen) -> None:
    """The differences are booked, or refused."""
    role, now = ACCOUNTS[reason], seen.now
    losses = [each for each in differences if each.delta < 0]
    gains = [
        replace(each, content=model.as_it_comes(each.place, each.content, day(now)))
        for each in differences
        if each.delta > 0
    ]
    gained = [_worth(model, each, seen) for each in gains]  # by what is there now
    missing: dict[Place, Many] = {}
    before = {each.place: model.figures(each.place) for each in differences}
    for each in losses:
        there = model.matching(each.place, each.content, exactly=each.exactly)
        if sum((many for _, many in there), NOTHING) < -each.delta:
            raise No("INSUFFICIENT_STOCK")
        unsellable = model.take_out(each.place, each.content, -each.delta, exactly=each.exactly)
        missing[each.place] = missing.get(each.place, NOTHING) - each.delta - unsellable
    for place in {each.place for each in losses}:
        more = sum((each.delta for each in differences if each.place == place), NOTHING)
        if at < now and any(many + more < 0 for many in model.on_hand_since(place, at)):
            raise No("INSUFFICIENT_STOCK")
    if None in gained:
        raise No("COST_UNKNOWN")
    short = {place for place, many in missing.items() if many > before[place].available}
    model.free_expired(short, now)
    for place in sorted(short):
        claimed = model.figures(place)
        rest = missing[place] - (
            before[place].on_hand - claimed.allocated - claimed.reserved - before[place].unavailable
        )
        if rest > 0:
            model.give_way(place, rest)
    for place in {each.place for each in losses}:
        model.leave_loads(place)
    gone: dict[Place, Many] = {}
    for each in losses:
        gone[each.place] = gone.get(each.place, NOTHING) - each.delta
    for place, many in gone.items():
        lose(model, place, many, role, at, now)
    sellable = {each.place: NOTHING for each in gains if not each.content.state}
    for each in gains:
        if not each.content.state:
            sellable[each.place] += each.delta
    debts = owed(model, sellable)
    model.serve(beyond(sellable, debts))
    coming = [
        Coming(each.place, each.delta, value or 0, each.content, "ADJUSTMENT", role, at)
        for each, value in zip(gains, gained, strict=True)
    ]
    come(model, coming, now)
    pay(model, debts, now)


def _worth(model: Model, gain: Difference, seen: Seen) -> Cents | None:
    """What more of it is worth: as said, else the average there, else the last cost; None where nothing tells."""
    there = model.figures(gain.place)
    if gain.unit_cost is not None:
        return worth(gain.delta, gain.unit_cost)
    if there.on_hand:
        return share(there.value, gain.delta, there.on_hand)
    last = last_cost(model, gain.place[0], seen.last_costs.get(gain.place[0]))
    return None if last is None else worth(gain.delta, last)


@dataclass(frozen=True)
class Adjust(Act):
    """By how much the shelf differs from the books, perhaps since a while ago."""

    location: int
    reason: str
    lines: tuple[Difference, ...]
    effective_at: datetime | None = None

    document = """mutation A($input: StockAdjustInput!, $key: String) {
      stockAdjust(input: $input, idempotencyKey: $key) { levels { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        location = chance.randrange(len(model.world.locations))
        lines: dict[tuple[int, Content], Difference] = {}
        for variant in variants(chance, model):
            for _ in range(2 if chance.random() < 0.2 else 1):
                place = variant, location
                more = chance.random() < 0.45
                where = content(chance, model, place, brings=more)
                there = model.lying(place)
                if not more and there and chance.random() < 0.5:
                    where = chance.choice(there)[0]
                delta = some(chance, model, variant, 6)
                cost = Fraction(chance.choice([0, 99, 125, 1001])) if more and chance.random() < 0.5 else None
                lines[variant, where] = Difference(place, delta if more else -delta, where, cost)
        effective_at = None
        if chance.random() < 0.2:
            effective_at = now - timedelta(seconds=chance.randint(1, 1800), microseconds=chance.randint(1, 999_999))
        return cls(location, chance.choice(list(ACCOUNTS)), tuple(lines.values()), effective_at)

    def new(self, world: World) -> NewAdjustment:
        """What is told."""
        lines = [
            NewAdjustmentLine(
                world.variant_ids[each.place[0]],
                decimal(each.delta),
                None if each.unit_cost is None else Money(dollars(each.unit_cost), CurrencyCode("USD")),
                bin_id(world, each.place, each.content),
                lot_id(world, each.place, each.content),
                None if each.content.state is None else UnavailableState(each.content.state),
            )
            for each in self.lines
        ]
        reason = StockAdjustmentReason(self.reason)
        return NewAdjustment(world.location_ids[self.location], reason, lines, self.effective_at)

    async def run(self, work: Work, world: World) -> None:
        await stock.adjust(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        for each in self.lines:
            if model.world.variants[each.place[0]].tracked and each.delta > 0 and each.content.lot is None:
                raise No("INVALID")
            if each.delta > 0 and model.cannot_join(each.place[0], each.content):
                raise No("INVALID")
        for each in self.lines:
            model.versions.setdefault(each.place, 0)
        booked(model, self.lines, self.reason, self.effective_at or seen.now, seen)


@dataclass(frozen=True)
class Counted:
    """What was counted, and what the caller saw."""

    variant: int
    quantity: Many
    expected: Many
    content: Content


@dataclass(frozen=True)
class SetQuantities(Act):
    """What is there is what was counted."""

    location: int
    reason: str
    lines: tuple[Counted, ...]

    document = """mutation S($input: StockSetInput!, $key: String) {
      stockSet(input: $input, idempotencyKey: $key) { levels { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        location = chance.randrange(len(model.world.locations))
        lines = []
        for variant in variants(chance, model, 2):
            place = variant, location
            there = model.lying(place)
            where = LOOSE
            if model.world.variants[variant].tracked or chance.random() < 0.3:
                where = chance.choice(there)[0] if there else content(chance, model, place, brings=True)
            expected = _present(model, place, where)
            if chance.random() < 0.05:
                expected += 1
            many = some(chance, model, variant, 12) if chance.random() < 0.9 else NOTHING
            lines.append(Counted(variant, many, expected, where))
        return cls(location, chance.choice(["COUNT", "FOUND", "SHRINKAGE"]), tuple(lines))

    def new(self, world: World) -> NewCount:
        """What is told."""
        lines = [
            NewCountLine(
                world.variant_ids[each.variant],
                decimal(each.quantity),
                decimal(each.expected),
                bin_id(world, (each.variant, self.location), each.content),
                lot_id(world, (each.variant, self.location), each.content),
                None if each.content.state is None else UnavailableState(each.content.state),
            )
            for each in self.lines
        ]
        return NewCount(world.location_ids[self.location], StockAdjustmentReason(self.reason), lines)

    async def run(self, work: Work, world: World) -> None:
        await stock.set_quantities(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        differences: list[Difference] = []
        tracked = [each for each in self.lines if model.world.variants[each.variant].tracked]
        if any(each.quantity > each.expected and each.content.lot is None for each in tracked):
            raise No("INVALID")
        if any(each.quantity > each.expected and model.cannot_join(each.variant, each.content) for each in self.lines):
            raise No("INVALID")
        for each in self.lines:
            place = each.variant, self.location
            model.versions.setdefault(place, 0)
            found = _present(model, place, each.content)
            if found != each.expected:
                raise No("STALE_QUANTITY")
            if found != each.quantity:
                differences.append(Difference(place, each.quantity - found, each.content))
        booked(model, differences, self.reason, seen.now, seen)


def _present(model: Model, place: Place, where: Content) -> Many:
    if where == LOOSE:
        return model.figures(place).on_hand
    return sum((many for _, many in model.matching(place, where)), NOTHING)
