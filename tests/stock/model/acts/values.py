"""What is there is worth more or less from now on, at once or when somebody else has looked at it."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import SYSTEM, Actor, Work
from domain.stock import NewRevaluation, NewRevaluationLine
from tests.stock.model.acts.base import Act, Seen, json, variants
from tests.stock.model.exact import share, worth
from tests.stock.model.kept import NOTHING, No, Proposal
from tests.stock.model.reference import Model
from tests.stock.model.world import World

Lines = tuple[tuple[int, Fraction], ...]
"""Variants, and what one is worth, in cents."""


@dataclass(frozen=True)
class Revalue(Act):
    """All that is at a place is worth the same from now on, however old it is."""

    location: int
    lines: Lines

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

    async def run(self, work: Work, world: World) -> Any:
        await stock.revalue(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        revalued(model, self.location, self.lines, seen.now)


def _refuse_nothing(model: Model, location: int, lines: Lines) -> None:
    if not all(model.figures((row, location)).on_hand for row, _ in lines):
        raise No("NOTHING_THERE")


def revalued(model: Model, location: int, lines: Lines, now: datetime) -> None:
    """What is there by now is worth so much by the unit, or it is refused."""
    _refuse_nothing(model, location, lines)
    for row, cost in lines:
        place = row, location
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
                model.tell(place, "REVALUATION", "STOCK_REVALUATION", NOTHING, change, now, now)
                model.post("INVENTORY", change)
                model.post("STOCK_REVALUATION", -change)
        model.layers[place] = tuple(layers)


PEOPLE = SYSTEM, Actor(new_id("usr")), Actor(new_id("usr"))
"""Who proposes and decides: Waterline itself may do both."""


@dataclass(frozen=True)
class ProposeRevaluation(Revalue):
    """Somebody else is to say whether it is worth that: nothing is until then."""

    by: int = 0
    """One of `PEOPLE`."""

    document = """mutation W($input: StockRevalueInput!, $key: String) {
      stockRevaluationPropose(input: $input, idempotencyKey: $key) {
        revaluation { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        wanted = Revalue.draw(chance, model, now)
        return None if wanted is None else cls(wanted.location, wanted.lines, chance.randrange(len(PEOPLE)))

    @property
    def actor(self) -> Actor:
        return PEOPLE[self.by]

    async def run(self, work: Work, world: World) -> ID:
        return await stock.propose_revaluation(work, self.new(world))

    def result(self, payload: dict[str, Any]) -> ID:
        return payload["revaluation"]["id"]

    def keep(self, world: World, number: int, result: ID) -> None:
        world.made["proposal", number, 0] = result

    def replay(self, model: Model, seen: Seen) -> None:
        _refuse_nothing(model, self.location, self.lines)
        model.proposals[seen.number] = Proposal(self.location, self.lines, seen.actor)


@dataclass(frozen=True)
class OfProposal(Act):
    """Somebody decides about a proposal."""

    proposal: int
    by: int

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        found = [n for n, each in model.proposals.items() if each.status == "PROPOSED" or chance.random() < 0.02]
        return cls(chance.choice(found), chance.randrange(len(PEOPLE))) if found else None

    @property
    def actor(self) -> Actor:
        return PEOPLE[self.by]

    def possible(self, world: World) -> bool:
        return ("proposal", self.proposal, 0) in world.made

    def id(self, world: World) -> ID:
        """The proposal's id."""
        return world.made["proposal", self.proposal, 0]

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world)}

    def decided(self, model: Model, seen: Seen, status: str) -> Proposal:
        """The proposal as it was. Refused where somebody has decided already, or its own author approves it."""
        found = model.proposals[self.proposal]
        if found.status != "PROPOSED":
            raise No("NOT_ALLOWED_NOW")
        if status == "APPROVED" and seen.actor is not None and seen.actor == found.proposed_by:
            raise No("OWN_PROPOSAL")
        decided = replace(found, status=status, decided_by=seen.actor, version=found.version + 1)
        model.proposals[self.proposal] = decided
        return found


@dataclass(frozen=True)
class ApproveRevaluation(OfProposal):
    """It is worth that, as much of it as is there by now."""

    document = """mutation W($id: ID!, $key: String) {
      stockRevaluationApprove(id: $id, idempotencyKey: $key) { revaluation { id } userErrors { code } } }"""

    async def run(self, work: Work, world: World) -> None:
        await stock.approve_revaluation(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        found = self.decided(model, seen, "APPROVED")
        revalued(model, found.location, found.lines, seen.now)


@dataclass(frozen=True)
class RejectRevaluation(OfProposal):
    """Nothing comes of it."""

    document = """mutation W($id: ID!, $key: String) {
      stockRevaluationReject(id: $id, idempotencyKey: $key) { revaluation { id } userErrors { code } } }"""

    async def run(self, work: Work, world: World) -> None:
        await stock.reject_revaluation(work, self.id(world))

    def replay(self, model: Model, seen: Seen) -> None:
        self.decided(model, seen, "REJECTED")
