"""Goods are a customer's at once."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from domain import stock
from domain.kernel.ids import new_id
from domain.kernel.work import Work
from domain.stock import Handed
from tests.stock.model.acts.base import Act, Seen, decimal, some, variants
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Case, No
from tests.stock.model.oversold import for_sale, leave
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World


@dataclass(frozen=True)
class HandOver(Act):
    """A customer takes goods along; at some places more of them than the books know of."""

    location: int
    lines: tuple[tuple[int, Many], ...]

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        shops = [n for n, each in enumerate(model.world.locations) if not each.transit or chance.random() < 0.1]
        lines = [
            (row, some(chance, model, row, 4))
            for row in variants(chance, model)
            for _ in range(2 if chance.random() < 0.15 else 1)
        ]
        return cls(chance.choice(shops), tuple(lines))

    async def run(self, work: Work, world: World) -> None:
        lines = [
            Handed(world.variant_ids[row], decimal(many), ("input", "lines", n), world.skus[row])
            for n, (row, many) in enumerate(self.lines)
        ]
        await stock.hand_over(work, world.location_ids[self.location], lines, source=new_id("pos"))

    def replay(self, model: Model, seen: Seen) -> None:
        if model.world.locations[self.location].transit:
            raise No("INVALID")
        wanted: dict[Place, Many] = {}
        for row, many in self.lines:
            wanted[row, self.location] = wanted.get((row, self.location), NOTHING) + many
        oversells = model.world.locations[self.location].oversells
        if oversells:
            for place in wanted:
                model.versions.setdefault(place, 0)
        freed: set[Place] = set()
        if any(many > model.available(place) for place, many in wanted.items()):
            freed = model.free_expired([place for place in wanted if place in model.versions], seen.now)
        if not oversells:
            codes = {
                "INSUFFICIENT_STOCK" if many > model.available(place) else "NOT_FOR_SALE"
                for place, many in wanted.items()
                if many > min(model.available(place), for_sale(model, place, seen.now))
            }
            if codes:
                raise No(*codes)
        for place, many in wanted.items():
            rest = min(many, for_sale(model, place, seen.now)) - model.available(place)
            if rest > 0:
                model.give_way(place, rest)
        left = dict.fromkeys(wanted, NOTHING)
        for row, many in self.lines:
            place = row, self.location
            part = min(many, for_sale(model, place, seen.now))
            if part:
                leave(model, place, part, seen.now)
                left[place] += part
        model.serve(dict.fromkeys(freed, NOTHING))  # what the customer did not take along
        for place, many in wanted.items():
            if many > left[place]:
                model.open_case(Case("OVERSOLD", place, many - left[place], left[place], many))
