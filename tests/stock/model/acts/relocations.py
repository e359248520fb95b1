"""Goods move within their location."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from domain import stock
from domain.kernel.absent import ABSENT, Absent
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock import NewRelocation, NewRelocationLine, UnavailableState
from tests.stock.model.acts.base import STATES, Act, Seen, bin_id, content, decimal, json, lot_id, some, variants
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Content, No, day
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World

STAYS = "stays"
"""In its bin, or in its state."""


@dataclass(frozen=True)
class Relocated:
    """How much of one variant moves, from where to where."""

    variant: int
    quantity: Many
    source: Content
    bin: int | str | None
    """The number of the bin it goes to, None for no bin; or it stays."""
    state: str | None
    """The state it comes into, None for what may be sold; or it stays."""

    @property
    def changes_nothing(self) -> bool:
        """Whether all of it would go where it is."""
        stays = self.bin == STAYS or (self.source.bin is not None and self.bin == self.source.bin)
        return stays and self.state in (STAYS, self.source.state)

    def target(self, source: Content) -> Content:
        """Where what lies so goes."""
        there = source.bin if isinstance(self.bin, str) else self.bin
        return Content(there, source.lot, source.state if self.state == STAYS else self.state)


Step = tuple[Content, Content, Many]
"""From where to where, and how much."""


@dataclass(frozen=True)
class Relocate(Act):
    """Goods go to another bin, or come into or out of a state."""

    location: int
    lines: tuple[Relocated, ...]

    document = """mutation M($input: StockRelocateInput!, $key: String) {
      stockRelocate(input: $input, idempotencyKey: $key) { levels { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        location = chance.randrange(len(model.world.locations))
        bins: list[int | str | None] = [None, *range(len(model.world.locations[location].bins))]
        lines: list[Relocated] = []
        for variant in variants(chance, model):
            for _ in range(2 if chance.random() < 0.2 else 1):
                place = variant, location
                there = model.lying(place)
                source = content(chance, model, place, brings=False)
                if there and chance.random() < 0.7:
                    source = chance.choice(there)[0]
                target = chance.choice(bins) if chance.random() < 0.6 else STAYS
                state = chance.choice([None, None, *STATES]) if chance.random() < 0.6 else STAYS
                line = Relocated(variant, some(chance, model, variant, 4), source, target, state)
                if not line.changes_nothing or chance.random() < 0.1:
                    lines.append(line)
        return cls(location, tuple(lines)) if lines else None

    def new(self, world: World) -> NewRelocation:
        """What is told."""
        lines = [
            NewRelocationLine(
                world.variant_ids[each.variant],
                decimal(each.quantity),
                bin_id(world, place, each.source),
                lot_id(world, place, each.source),
                None if each.source.state is None else UnavailableState(each.source.state),
                self._bin(world, each),
                _state(each),
            )
            for each in self.lines
            for place in [(each.variant, self.location)]
        ]
        return NewRelocation(world.location_ids[self.location], lines)

    def _bin(self, world: World, line: Relocated) -> ID | Absent | None:
        if isinstance(line.bin, str):
            return ABSENT
        return None if line.bin is None else world.bin_ids[self.location][line.bin]

    async def run(self, work: Work, world: World) -> None:
        await stock.relocate(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        if any(line.changes_nothing for line in self.lines):
            raise No("INVALID")
        steps = self._steps(model, day(seen.now))
        less = {
            place: sum((many * withdrawn(source, target) for source, target, many in mine), NOTHING)
            for place, mine in steps.items()
        }
        short = [place for place, many in less.items() if many > 0 and many > model.available(place)]
        model.free_expired(short, seen.now)
        if any(less[place] > model.available(place) for place in short):
            raise No("INSUFFICIENT_STOCK")
        more = {place: -many for place, many in less.items() if many < 0 or place in short}
        if more:
            model.serve(more)
        for place, mine in steps.items():
            model.rearrange(place, mine)

    def _steps(self, model: Model, today: date) -> dict[Place, list[Step]]:
        """What each line moves of what lies as it says, behind the lines before it."""
        steps: dict[Place, list[Step]] = {}
        left: dict[Place, dict[Content, Many]] = {}
        codes: set[str] = set()
        for line in self.lines:
            place = line.variant, self.location
            there = left.setdefault(place, dict(model.lying(place)))
            alike = [each for each in there if _as_said(each, line) and line.target(each) != each]
            movable = [
                each
                for each in alike
                if each.state is None or line.state is not None or model.is_good_on(place[0], each.lot, today)
            ]
            if sum((there[each] for each in alike), NOTHING) < line.quantity:
                codes.add("INSUFFICIENT_STOCK")
            elif sum((there[each] for each in movable), NOTHING) < line.quantity:
                codes.add("NOT_FOR_SALE")
            else:
                steps.setdefault(place, []).extend(_taken(line, movable, there))
        if codes:
            raise No(*codes)
        return steps


def withdrawn(source: Content, target: Content) -> int:
    """Whether one that goes from here to there is one less that can be sold, with a minus one more."""
    return (target.state is not None) - (source.state is not None)


def _as_said(lying: Content, line: Relocated) -> bool:
    wanted = line.source
    return lying.state == wanted.state and wanted.bin in (None, lying.bin) and wanted.lot in (None, lying.lot)


def _taken(line: Relocated, movable: Sequence[Content], there: dict[Content, Many]) -> list[Step]:
    steps: list[Step] = []
    rest = line.quantity
    for each in movable:
        part = min(there[each], rest)
        if part:
            there[each] -= part
            rest -= part
            steps.append((each, line.target(each), part))
    return steps


def _state(line: Relocated) -> UnavailableState | Absent | None:
    if line.state == STAYS:
        return ABSENT
    return None if line.state is None else UnavailableState(line.state)
