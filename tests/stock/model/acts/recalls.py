"""A lot must not be sold any more."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from domain import stock
from domain.kernel.work import Work
from tests.stock.model.acts.base import Act, Seen
from tests.stock.model.kept import NOTHING, Content, No
from tests.stock.model.reference import Model
from tests.stock.model.world import World

SELDOM = 0.3
"""A lot is recalled for good, and there are few of them."""


@dataclass(frozen=True)
class Recall(Act):
    """What could be sold of a lot, at any location, is on hold."""

    variant: int
    lot: int

    document = """mutation L($id: ID!, $key: String) {
      lotRecall(id: $id, reason: "Glass", idempotencyKey: $key) { lot { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        lots = [(row, lot) for row, each in enumerate(model.world.variants) for lot in range(len(each.lots))]
        return cls(*chance.choice(lots)) if chance.random() < SELDOM else None

    async def run(self, work: Work, world: World) -> None:
        await stock.recall_lot(work, world.lot_ids[self.variant][self.lot], "Glass")

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": world.lot_ids[self.variant][self.lot]}

    def replay(self, model: Model, seen: Seen) -> None:
        if (self.variant, self.lot) in model.recalled:
            raise No("NOT_ALLOWED_NOW")
        model.recalled |= {(self.variant, self.lot)}
        aside = {
            place: [(each, many) for each, many in model.lying(place) if each.lot == self.lot and each.state is None]
            for place in sorted(model.versions)
            if place[0] == self.variant
        }
        less = {place: sum((many for _, many in mine), NOTHING) for place, mine in aside.items() if mine}
        short = [place for place, many in less.items() if many > model.available(place)]
        freed = model.free_expired(short, seen.now)
        for place, many in less.items():
            rest = many - model.available(place)
            if rest > 0:
                model.give_way(place, rest)
        for place, mine in aside.items():
            model.rearrange(place, [(each, Content(each.bin, each.lot, "ON_HOLD"), many) for each, many in mine])
        model.serve(dict.fromkeys(freed, NOTHING))
