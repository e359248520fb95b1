"""Stock is held for a while."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock import NewReservation, NewReservationLine
from tests.stock.model.acts.base import Act, Seen, decimal, json, some, variants
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Hold, No, Wish
from tests.stock.model.placing import place_wishes
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World


@dataclass(frozen=True)
class Reserve(Act):
    """Stock is held: all of it or nothing."""

    lines: tuple[tuple[int, Many, int | None], ...]
    """Variant, quantity and, where it must be there, the location."""
    seconds: int

    document = """mutation V($input: StockReserveInput!, $key: String) {
      stockReserve(input: $input, idempotencyKey: $key) { reservation { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        named = chance.random() < 0.3
        there = chance.randrange(len(model.world.locations))
        lines = tuple(
            (row, some(chance, model, row, 5), there if named and chance.random() < 0.8 else None)
            for row in variants(chance, model)
        )
        return cls(lines, chance.choice([1, 20, 120, 600]))

    def new(self, world: World) -> NewReservation:
        """What is told."""
        lines = [
            NewReservationLine(
                world.variant_ids[row], decimal(many), None if there is None else world.location_ids[there]
            )
            for row, many, there in self.lines
        ]
        return NewReservation(lines, self.seconds)

    async def run(self, work: Work, world: World) -> ID:
        return await stock.reserve(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> ID:
        return payload["reservation"]["id"]

    def keep(self, world: World, number: int, result: ID) -> None:
        world.made["hold", number, 0] = result

    def replay(self, model: Model, seen: Seen) -> None:
        if any(there is not None and model.world.locations[there].transit for _, _, there in self.lines):
            raise No("INVALID")
        wishes = [Wish(n, row, many, there) for n, (row, many, there) in enumerate(self.lines)]
        parts, _ = place_wishes(model, wishes, seen.places, seen.now, held={}, may_wait=False)
        model.holds[seen.number] = Hold(seen.now + timedelta(seconds=self.seconds))
        model.reserve(seen.number, parts)


def given_up(model: Model, hold: int, outcome: str, seen: Seen) -> dict[Place, Many]:
    """A hold ends: what it held is free. Refused where it has ended already."""
    found = model.holds[hold]
    if found.outcome is not None or (seen.ended_hold and model.may_be_swept(hold)):
        raise No("NOT_ALLOWED_NOW")
    model.holds[hold] = replace(found, outcome=outcome)
    return model.set_free(hold)


@dataclass(frozen=True)
class Release(Act):
    """A hold is given up."""

    hold: int

    document = """mutation L($id: ID!, $key: String) {
      stockRelease(reservationId: $id, idempotencyKey: $key) { reservation { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        holds = open_holds(chance, model)
        return cls(chance.choice(holds)) if holds else None

    def possible(self, world: World) -> bool:
        return ("hold", self.hold, 0) in world.made

    async def run(self, work: Work, world: World) -> None:
        await stock.release(work, world.made["hold", self.hold, 0])

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": world.made["hold", self.hold, 0]}

    def replay(self, model: Model, seen: Seen) -> None:
        freed = given_up(model, self.hold, "RELEASED", seen)
        model.serve(dict.fromkeys(freed, NOTHING))


def open_holds(chance: random.Random, model: Model) -> list[int]:
    """The holds that have not ended; now and then one that has, too."""
    return [hold for hold, each in model.holds.items() if each.outcome is None or chance.random() < 0.02]


@dataclass(frozen=True)
class Sweep(Act):
    """Holds whose time is over give way."""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        return cls()

    async def run(self, work: Work, world: World) -> None:
        await stock.sweep(work)

    def replay(self, model: Model, seen: Seen) -> None:
        model.free_expired(seen.places, seen.now)
        still = {key[1] for held in model.held.values() for key in held}
        for hold, each in model.holds.items():
            if each.expires_at <= seen.now and each.outcome is None and hold not in still:
                model.holds[hold] = replace(each, swept=True)
        model.serve(dict.fromkeys(seen.places, NOTHING))
