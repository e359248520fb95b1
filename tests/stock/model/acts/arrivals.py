"""Goods come in, or are announced."""

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import NewIncoming, NewIncomingLine, NewLot, NewReceipt, NewReceiptLine, UnavailableState
from tests.stock.model.acts.base import Act, Seen, bin_id, content, decimal, json, some, variants
from tests.stock.model.coming import come
from tests.stock.model.exact import Many, rounded, worth
from tests.stock.model.kept import Coming, Content, Incoming, No, day
from tests.stock.model.oversold import beyond, owed, pay
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World


@dataclass(frozen=True)
class Arriving:
    """A line of a receipt."""

    variant: int
    quantity: Many
    unit_cost: Fraction
    """In the cents of the receipt's currency."""
    content: Content
    announced: tuple[int, int] | None = None


@dataclass(frozen=True)
class Receive(Act):
    """Goods come in, perhaps told late, perhaps at a foreign cost."""

    location: int
    lines: tuple[Arriving, ...]
    currency: str = "USD"
    received_at: datetime | None = None

    document = """mutation R($input: StockReceiveInput!, $key: String) {
      stockReceive(input: $input, idempotencyKey: $key) { receipt { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        location = chance.randrange(len(model.world.locations))
        lines = []
        for variant in variants(chance, model):
            for _ in range(2 if chance.random() < 0.1 else 1):
                place = variant, location
                announced = [
                    key for key, each in model.incoming.items() if each.place == place and chance.random() < 0.5
                ]
                lines.append(
                    Arriving(
                        variant,
                        some(chance, model, variant, 9),
                        Fraction(chance.choice([0, 1, 33, 100, 150, 1000, 33333]), chance.choice([1, 1, 1, 3, 7])),
                        content(chance, model, place, brings=True),
                        announced[0] if announced else None,
                    )
                )
        received_at = None
        if chance.random() < 0.35:
            received_at = now - timedelta(seconds=chance.randint(1, 1800), microseconds=chance.randint(1, 999_999))
        return cls(location, tuple(lines), "EUR" if chance.random() < 0.2 else "USD", received_at)

    def new(self, world: World) -> NewReceipt:
        """What is told."""
        lines = [
            NewReceiptLine(
                world.variant_ids[each.variant],
                decimal(each.quantity),
                Money(_said(each.unit_cost), CurrencyCode(self.currency)),
                None if each.announced is None else world.made["incoming", *each.announced],
                bin_id(world, (each.variant, self.location), each.content),
                None if (lot := world.lot(each.variant, each.content.lot)) is None else NewLot(lot.name),
                None if each.content.state is None else UnavailableState(each.content.state),
            )
            for each in self.lines
        ]
        return NewReceipt(world.location_ids[self.location], lines, received_at=self.received_at)

    def possible(self, world: World) -> bool:
        return all(each.announced is None or ("incoming", *each.announced) in world.made for each in self.lines)

    async def run(self, work: Work, world: World) -> None:
        await stock.receive(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        at = self.received_at or seen.now
        if any((each.variant, each.content.lot) in model.recalled for each in self.lines):
            raise No("INVALID")
        rate = model.world.euro(day(at)) if self.currency == "EUR" else Fraction(1)
        for each in self.lines:
            place = each.variant, self.location
            model.versions.setdefault(place, 0)
            if each.announced is not None:
                outstanding = max(model.incoming[each.announced].outstanding - each.quantity, Many(0))
                model.incoming[each.announced] = replace(model.incoming[each.announced], outstanding=outstanding)
        coming: list[Coming] = []
        sellable: dict[Place, Many] = {}
        for each in self.lines:
            place, cost = (each.variant, self.location), Fraction(_said(each.unit_cost)) * 100
            value = rounded(worth(each.quantity, cost) * rate)
            lies = model.as_it_comes(place, each.content, day(seen.now))
            coming.append(Coming(place, each.quantity, value, lies, "RECEIPT", "RECEIVED_NOT_BILLED", at))
            if not lies.state:
                sellable[place] = sellable.get(place, Many(0)) + each.quantity
        debts = owed(model, sellable)
        model.serve(beyond(sellable, debts))
        come(model, coming, seen.now)
        pay(model, debts, seen.now)


def _said(cents: Fraction) -> Decimal:
    """A unit cost as it can be said: in units of the currency, with six decimals."""
    return Decimal(int(cents * 10_000)).scaleb(-6)


@dataclass(frozen=True)
class Expect(Act):
    """Goods are announced."""

    location: int
    due_on: date
    lines: tuple[tuple[int, Many], ...]

    document = """mutation E($input: StockExpectInput!, $key: String) {
      stockExpect(input: $input, idempotencyKey: $key) { incoming { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        lines = tuple((row, some(chance, model, row, 9)) for row in variants(chance, model))
        return cls(
            chance.randrange(len(model.world.locations)), day(now) + timedelta(days=chance.randint(-1, 5)), lines
        )

    def new(self, world: World) -> NewIncoming:
        """What is told."""
        lines = [NewIncomingLine(world.variant_ids[row], decimal(many)) for row, many in self.lines]
        return NewIncoming(world.location_ids[self.location], self.due_on, lines)

    async def run(self, work: Work, world: World) -> list[ID]:
        return await stock.expect(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> list[ID]:
        return [each["id"] for each in payload["incoming"]]

    def keep(self, world: World, number: int, result: list[ID]) -> None:
        world.made.update({("incoming", number, n): row for n, row in enumerate(result)})

    def replay(self, model: Model, seen: Seen) -> None:
        for n, (row, many) in enumerate(self.lines):
            if not many:
                raise No("INVALID")
            model.incoming[seen.number, n] = Incoming((row, self.location), many, self.due_on)
