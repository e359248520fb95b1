"""What an act is."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, ClassVar, Self

from strawberry.utils.str_converters import to_camel_case

from domain.kernel.absent import ABSENT
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.work import SYSTEM, Actor, Work
from tests.stock.model.exact import Many
from tests.stock.model.kept import Content, Rule, RuleKey
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World

STATES = ("QUALITY_CONTROL", "DAMAGED", "ON_HOLD", "SAFETY", "EXPIRED")


@dataclass(frozen=True)
class Seen:
    """What is known of an act that was done."""

    number: int
    now: datetime
    places: frozenset[Place]
    """The levels that it locked."""
    last_costs: Mapping[int, Fraction] = field(default_factory=dict)
    """What it was told that variants had cost last, in cents."""
    rules: Mapping[RuleKey, Rule] = field(default_factory=dict)
    """What it was told of what its channel is not offered."""
    actor: str | None = None
    """Who did it; None: Waterline itself."""
    ended_hold: bool = False
    """Whether it was refused because of a hold that had ended: a sweep may have ended it at any time."""


@dataclass(frozen=True)
class Act(ABC):
    """One thing that somebody does. Says by numbers what it is about, so that it can be done again elsewhere."""

    document: ClassVar[str | None] = None
    """The mutation that does it, where there is one: with the variables `key` and those of `variables`."""
    unversioned: ClassVar[bool] = False
    """Whether it changes something of which no version tells when it did."""

    @classmethod
    @abstractmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        """Such an act, at random; None where there is nothing to do it to. The model is as the shop is by now; acts
        that are drawn together are done together, so most will find something else.
        """

    @abstractmethod
    async def run(self, work: Work, world: World) -> Any:
        """Do it to the shop. Returns what `keep` wants."""

    @abstractmethod
    def replay(self, model: Model, seen: Seen) -> None:
        """Do it to the model, or raise `No`."""

    def possible(self, world: World) -> bool:
        """Whether what it refers to was made."""
        return True

    @property
    def actor(self) -> Actor:
        """Who does it, where it does not come by GraphQL."""
        return SYSTEM

    def variables(self, world: World) -> dict[str, Any]:
        """The variables of its mutation."""
        raise NotImplementedError

    def result(self, payload: dict[str, Any]) -> Any:
        """What `run` would have returned, out of the mutation's payload."""
        return None

    def keep(self, world: World, number: int, result: Any) -> None:  # noqa: B027
        """Note the ids of what it made."""


def decimal(quantity: Many) -> Quantity:
    """A quantity as the shop takes it."""
    return Quantity(Decimal(quantity.numerator) / Decimal(quantity.denominator))


def dollars(cents: Fraction) -> Decimal:
    """An amount in units of the currency."""
    return Decimal(cents.numerator) / Decimal(cents.denominator * 100)


def some(chance: random.Random, model: Model, variant: int, most: int) -> Many:
    """A quantity of a variant: few, whole where its unit is."""
    if model.world.variants[variant].decimals:
        return Many(chance.randint(1, most * 1000), 1000)
    return Many(chance.randint(1, most))


def variants(chance: random.Random, model: Model, most: int = 3) -> list[int]:
    """A few variants, in an order of their own."""
    rows = range(len(model.world.variants))
    return chance.sample(rows, chance.randint(1, min(most, len(rows))))


def content(chance: random.Random, model: Model, place: Place, *, brings: bool) -> Content:
    """Where something lies: loose for the most part; in a lot where it must."""
    kept, location = model.world.variants[place[0]], model.world.locations[place[1]]
    lots = range(len(kept.lots))
    lot = chance.choice(lots) if lots and ((kept.tracked and brings) or chance.random() < 0.2) else None
    some_bin = chance.choice(range(len(location.bins))) if location.bins and chance.random() < 0.25 else None
    return Content(some_bin, lot, chance.choice(STATES) if chance.random() < 0.1 else None)


def json(value: Any) -> Any:
    """An input of the domain as a variable of GraphQL: what is left out is not sent."""
    if is_dataclass(value) and not isinstance(value, type):
        given = {each.name: (getattr(value, each.name), each.default) for each in fields(value)}
        return {
            to_camel_case(name): json(each)
            for name, (each, default) in given.items()
            if each is not ABSENT and (each is not None or default is ABSENT)
        }
    if isinstance(value, list):
        return [json(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, (datetime, date)) else value


def bin_id(world: World, place: Place, content: Content) -> ID | None:
    """The id of a bin."""
    return None if content.bin is None else world.bin_ids[place[1]][content.bin]


def lot_id(world: World, place: Place, content: Content) -> ID | None:
    """The id of a lot."""
    return None if content.lot is None else world.lot_ids[place[0]][content.lot]
