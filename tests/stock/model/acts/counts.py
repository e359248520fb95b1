"""What was counted at a location is submitted, counted again, approved or given up."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.work import Work
from tests.stock.model.acts.base import Act, Seen
from tests.stock.model.acts.corrections import Difference, booked
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Count, CountLine, No, Spot
from tests.stock.model.reference import Model
from tests.stock.model.world import SpotKey, World

NOT_DONE = "OPEN", "SUBMITTED"


def a_count(chance: random.Random, model: Model, *states: str) -> int | None:
    """A count in one of these states; now and then another one."""
    found = [n for n, each in model.counts.items() if each.status in states or chance.random() < 0.02]
    return chance.choice(found) if found else None


def in_state(model: Model, number: int, *states: str) -> Count:
    """The count. Refused unless it is in one of these states."""
    found = model.counts[number]
    if found.status not in states:
        raise No("NOT_ALLOWED_NOW")
    return found


def stepped(count: Count, **changes: Any) -> Count:
    """It reads so, and is one version on."""
    return replace(count, version=count.version + 1, **changes)


@dataclass(frozen=True)
class OfCount(Act):
    """Something is done about a count."""

    count: int

    def possible(self, world: World) -> bool:
        return ("count", self.count, 0) in world.made

    def id(self, world: World) -> ID:
        """The count's id."""
        return world.made["count", self.count, 0]

    def line(self, spot: Spot) -> SpotKey:
        """What the line of a spot is called."""
        return self.count, spot[0], spot[1].bin, spot[1].lot

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world)}


def line_counted(line: CountLine, many: Many, books: Many) -> CountLine:
    """So many were counted, when the books said so many."""
    return replace(line, counted=many, books=books, rounds=line.rounds + 1)


@dataclass(frozen=True)
class SubmitCount(OfCount):
    """All of it is counted."""

    uncounted_are_zero: bool

    document = """mutation N($id: ID!, $zero: Boolean!, $key: String) {
      stockCountSubmit(id: $id, uncountedAreZero: $zero, idempotencyKey: $key) { count { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_count(chance, model, "OPEN")
        return None if number is None else cls(number, chance.random() < 0.3)

    async def run(self, work: Work, world: World) -> None:
        await stock.submit_count(work, self.id(world), uncounted_are_zero=self.uncounted_are_zero)

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "zero": self.uncounted_are_zero}

    def replay(self, model: Model, seen: Seen) -> None:
        count = in_state(model, self.count, "OPEN")
        if any(line.counted is None for line in count.lines) and not self.uncounted_are_zero:
            raise No("NOT_ALLOWED_NOW")
        lines = [
            line_counted(line, NOTHING, model.in_spot((line.variant, count.location), line.content))
            if line.counted is None
            else line
            for line in count.lines
        ]
        model.counts[self.count] = stepped(count, lines=tuple(lines), status="SUBMITTED")


@dataclass(frozen=True)
class Recount(OfCount):
    """Some lines are to be counted again."""

    lines: tuple[Spot, ...]

    document = """mutation N($id: ID!, $lines: [ID!]!, $key: String) {
      stockCountRecount(id: $id, lineIds: $lines, idempotencyKey: $key) { count { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_count(chance, model, *NOT_DONE)
        lines = [] if number is None else [each.spot for each in model.counts[number].lines if chance.random() < 0.5]
        return None if number is None or not lines else cls(number, tuple(lines))

    def possible(self, world: World) -> bool:
        return super().possible(world) and all(self.line(spot) in world.count_lines for spot in self.lines)

    def _ids(self, world: World) -> list[ID]:
        return [world.count_lines[self.line(spot)] for spot in self.lines]

    async def run(self, work: Work, world: World) -> None:
        await stock.recount(work, self.id(world), self._ids(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "lines": self._ids(world)}

    def replay(self, model: Model, seen: Seen) -> None:
        count = in_state(model, self.count, *NOT_DONE)
        lines = [replace(line, counted=None, books=None) if line.spot in self.lines else line for line in count.lines]
        model.counts[self.count] = stepped(count, lines=tuple(lines), status="OPEN")


@dataclass(frozen=True)
class ApproveCount(OfCount):
    """The differences are booked, on top of whatever moved since."""

    document = """mutation N($id: ID!, $key: String) {
      stockCountApprove(id: $id, idempotencyKey: $key) { count { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_count(chance, model, "SUBMITTED")
        return None if number is None else cls(number)

    async def run(self, work: Work, world: World) -> None:
        await stock.approve_count(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        count = in_state(model, self.count, "SUBMITTED")
        differences = [
            Difference(
                (line.variant, count.location),
                line.difference,
                replace(line.content, state="ON_HOLD" if model.cannot_join(line.variant, line.content) else None),
                line.unit_cost,
                exactly=True,
            )
            for line in count.lines
            if line.difference
        ]
        booked(model, differences, "COUNT", seen.now, seen)
        model.counts[self.count] = stepped(count, status="APPROVED")


@dataclass(frozen=True)
class CancelCount(OfCount):
    """The count is given up, and nothing is booked."""

    document = """mutation N($id: ID!, $key: String) {
      stockCountCancel(id: $id, idempotencyKey: $key) { count { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_count(chance, model, *NOT_DONE)
        return None if number is None else cls(number)

    async def run(self, work: Work, world: World) -> None:
        await stock.cancel_count(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        count = in_state(model, self.count, *NOT_DONE)
        model.counts[self.count] = stepped(count, status="CANCELLED")
