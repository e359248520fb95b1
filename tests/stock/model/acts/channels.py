"""What of the stock is for which sales channel."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from domain import stock
from domain.kernel.work import Work
from domain.stock import NewChannelRule, NewPool
from tests.stock.model.acts.base import Act, Seen, decimal, json, some
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, No, Pool, Rule
from tests.stock.model.reference import Model
from tests.stock.model.world import World


@dataclass(frozen=True)
class SetRule(Act):
    """A channel is offered less of a variant, or of every one that has no rule of its own; or all of it again."""

    channel: int
    variant: int | None
    buffer: Many | None = None
    cap: Many | None = None

    document = """mutation C($input: StockChannelRuleSetInput!, $key: String) {
      stockChannelRuleSet(input: $input, idempotencyKey: $key) { rule { id } userErrors { code } } }"""
    unversioned: ClassVar[bool] = True

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        channel = chance.randrange(len(model.world.channels))
        variant = chance.randrange(len(model.world.variants)) if chance.random() < 0.8 else None

        def few(most: int) -> Many | None:
            if chance.random() < 0.5:
                return None
            return Many(chance.randint(0, most)) if variant is None else some(chance, model, variant, most)

        return cls(channel, variant, few(3), few(4))

    def new(self, world: World) -> NewChannelRule:
        """What is told."""
        return NewChannelRule(
            world.channels[self.channel],
            None if self.variant is None else world.variant_ids[self.variant],
            None if self.buffer is None else decimal(self.buffer),
            None if self.cap is None else decimal(self.cap),
        )

    async def run(self, work: Work, world: World) -> None:
        await stock.set_channel_rule(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        key = self.channel, self.variant
        rule = Rule(self.buffer or NOTHING, self.cap) if self.buffer or self.cap is not None else None
        model.rules[key] = (*model.rules.get(key, (None,)), rule)


@dataclass(frozen=True)
class SetPool(Act):
    """So much of what is at a place is for one channel alone from now on."""

    channel: int
    variant: int
    location: int
    quantity: Many

    document = """mutation P($input: StockPoolSetInput!, $key: String) {
      stockPoolSet(input: $input, idempotencyKey: $key) { pool { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        variant = chance.randrange(len(model.world.variants))
        return cls(
            chance.randrange(len(model.world.channels)),
            variant,
            chance.randrange(len(model.world.locations)),
            some(chance, model, variant, 4) if chance.random() < 0.75 else NOTHING,
        )

    def new(self, world: World) -> NewPool:
        """What is told."""
        place = world.variant_ids[self.variant], world.location_ids[self.location]
        return NewPool(world.channels[self.channel], *place, decimal(self.quantity))

    async def run(self, work: Work, world: World) -> None:
        await stock.set_pool(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        place = self.variant, self.location
        model.versions.setdefault(place, 0)
        if model.world.locations[self.location].transit and self.quantity:
            raise No("INVALID")
        pools = model.pools.get(place, {})
        pool = pools.get(self.channel, Pool(model.turn, NOTHING))
        more = self.quantity - pool.held
        if more > model.available(place):
            model.serve(dict.fromkeys(model.free_expired([place], seen.now), NOTHING))
            if more > model.available(place):
                raise No("INSUFFICIENT_STOCK")
        if more or self.channel in pools:
            model.turn += self.channel not in pools
            model.pools[place] = {**pools, self.channel: Pool(pool.number, self.quantity)}
        if more < 0:
            model.serve({place: NOTHING})
