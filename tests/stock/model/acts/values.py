"""What is there is worth more or less from now on."""

import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import NewRevaluation, NewRevaluationLine
from tests.stock.model.acts.base import Act, Seen, json, variants
from tests.stock.model.exact import share, worth
from tests.stock.model.kept import NOTHING, No
from tests.stock.model.reference import Model
from tests.stock.model.world import World


@dataclass(frozen=True)
class Revalue(Act):
    """All that is at a place is worth the same from now on, however old it is."""

    location: int
    lines: tuple[tuple[int, Fraction], ...]
    """Variant, and what one is worth, in cents."""

    document = """mutation W($input: StockRevalueInput!, $key: String) {
      stockRevalue(input: $input, idempotencyKey: $key) { levels { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        lines = tuple((row, Fraction(chance.choice([0, 77, 250, 1234]))) for row in variants(chance, model, 2))
        return cls(chance.randrange(len(model.world.locations)), lines)

    def new(self, world: World) -> NewRevaluation:
        """What is told."""
        lines = [
            NewRevaluationLine(world.variant_ids[row], Money(Decimal(cost.numerator) / 100, CurrencyCode("USD")))
            for row, cost in self.lines
        ]
        return NewRevaluation(world.location_ids[self.location], "Prices fell", lines)

    async def run(self, work: Work, world: World) -> None:
        await stock.revalue(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        for row, _ in self.lines:
            if not model.figures((row, self.location)).on_hand:
                raise No("NOTHING_THERE")
        for row, cost in self.lines:
            place = row, self.location
            on_hand = model.figures(place).on_hand
            whole, begun, passed = worth(on_hand, cost), NOTHING, 0
            layers = list(model.layers[place])
            for n, layer in enumerate(layers):
                if not layer.left:
                    continue
                begun += layer.left
                value = share(whole, begun, on_hand) - passed
                passed += value
                change = value - layer.value
                if change:
                    layers[n] = layer.anew(NOTHING, change)
                    model.tell(place, "REVALUATION", "STOCK_REVALUATION", NOTHING, change, seen.now, seen.now)
                    model.post("INVENTORY", change)
                    model.post("STOCK_REVALUATION", -change)
            model.layers[place] = tuple(layers)
