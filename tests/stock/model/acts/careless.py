"""Somebody writes and does not look. By honest acts alone, which do, nobody would notice that a CHECK is gone."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import asyncpg

from domain.kernel.errors import NotAllowedNow
from domain.kernel.ids import ID
from domain.kernel.work import Work
from tests.stock.model.acts.base import Act, Seen
from tests.stock.model.kept import No
from tests.stock.model.reference import Model
from tests.stock.model.world import CaseKey, Place, World

STATEMENTS = {
    "claims": """UPDATE stock_levels SET reserved = on_hand - allocated - unavailable + 1
      WHERE variant_id = $1 AND location_id = $2""",
    "pool": "UPDATE stock_pools SET held = -1 WHERE variant_id = $1 AND location_id = $2",
    "hold": "UPDATE stock_reservation_lines SET held = quantity + 1 WHERE reservation_id = $1",
    "case": "UPDATE stock_discrepancies SET quantity = 0 WHERE id = $1",
    "transfer": "UPDATE stock_transfer_lines SET received = dispatched + 1 WHERE transfer_id = $1",
    "count": "UPDATE stock_count_lines SET counted = -1, counted_at = now() WHERE count_id = $1",
}
"""By what is overwritten."""


@dataclass(frozen=True)
class Overwrite(Act):
    """More is written than can be, as the application's role: the database refuses it."""

    what: str
    place: Place | None = None
    made: tuple[str, int] | None = None
    """A hold, a transfer or a count, and the act that made it."""
    case: CaseKey | None = None

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        counts = [number for number, each in model.counts.items() if each.lines]
        drawn = {
            "claims": [cls("claims", place=place) for place in model.versions],
            "pool": [cls("pool", place=place) for place, pools in model.pools.items() if pools],
            "hold": [cls("hold", made=("hold", number)) for number in model.holds],
            "case": [cls("case", case=key) for key in model.cases],
            "transfer": [cls("transfer", made=("transfer", number)) for number in model.transfers],
            "count": [cls("count", made=("count", number)) for number in counts],
        }
        some = chance.choice(list(drawn.values()))
        return chance.choice(some) if some else None

    def _ids(self, world: World) -> list[ID]:
        if self.place is not None:
            return [world.variant_ids[self.place[0]], world.location_ids[self.place[1]]]
        if self.case is not None:
            return [world.cases[self.case]]
        assert self.made is not None
        return [world.made[*self.made, 0]]

    def possible(self, world: World) -> bool:
        return (self.case is None or self.case in world.cases) and (self.made is None or (*self.made, 0) in world.made)

    async def run(self, work: Work, world: World) -> None:
        try:
            await work.raw.execute(STATEMENTS[self.what], *(each[4:] for each in self._ids(world)))
        except asyncpg.CheckViolationError as error:
            raise NotAllowedNow(f"The database refuses it: {error.constraint_name}.") from None

    def replay(self, model: Model, seen: Seen) -> None:
        missing = {
            "claims": self.place not in model.versions,
            "pool": self.place is None or not model.pools.get(self.place),
            "count": self.made is not None and self.made[0] == "count" and not model.counts[self.made[1]].lines,
        }
        if not missing.get(self.what):  # where there is nothing to overwrite, nothing is done
            raise No("NOT_ALLOWED_NOW")
