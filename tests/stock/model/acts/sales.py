"""Somebody orders, changes their mind, or gets what they ordered."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from domain import fulfillment, orders, stock
from domain.fulfillment import NewShipment, NewShipmentLine
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.orders import NewOrder, NewOrderLine, OrderCancelReason
from domain.stock import NewPriority
from tests.stock.model.acts.base import Act, Seen, decimal, json, some, variants
from tests.stock.model.acts.holds import given_up, open_holds
from tests.stock.model.exact import Many
from tests.stock.model.kept import LOOSE, NOTHING, Line, No, Order, OrderLine, Waiting, Wish, day
from tests.stock.model.placing import place_wishes
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World


@dataclass(frozen=True)
class PlaceOrder(Act):
    """An order is placed: from anywhere or one place, by ids or SKUs, by some channel, perhaps out of a hold."""

    lines: tuple[tuple[int, Many], ...]
    location: int | None = None
    hold: int | None = None
    by_sku: bool = False
    channel: int | None = None
    """The sales channel; the default one, of which no rules are."""

    document = """mutation P($input: OrderPlaceInput!, $key: String) {
      orderPlace(input: $input, idempotencyKey: $key) { order { id lines { id } } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        lines = [
            (row, some(chance, model, row, 5))
            for row in variants(chance, model)
            for _ in range(2 if chance.random() < 0.15 else 1)
        ]
        holds = open_holds(chance, model)
        return cls(
            tuple(lines),
            chance.randrange(len(model.world.locations)) if chance.random() < 0.2 else None,
            chance.choice(holds) if holds and chance.random() < 0.3 else None,
            chance.random() < 0.2,
            chance.randrange(len(model.world.channels)) if chance.random() < 0.5 else None,
        )

    def new(self, world: World) -> NewOrder:
        """What is told."""
        lines = [
            NewOrderLine(decimal(many), sku=world.skus[row])
            if self.by_sku
            else NewOrderLine(decimal(many), world.variant_ids[row])
            for row, many in self.lines
        ]
        return NewOrder(
            lines,
            channel_id=None if self.channel is None else world.channels[self.channel],
            location_id=None if self.location is None else world.location_ids[self.location],
            reservation_id=None if self.hold is None else world.made["hold", self.hold, 0],
        )

    def possible(self, world: World) -> bool:
        return self.hold is None or ("hold", self.hold, 0) in world.made

    async def run(self, work: Work, world: World) -> tuple[ID, list[ID]]:
        order = await orders.place(work, self.new(world))
        rows = await work.raw.fetch("SELECT id FROM order_lines WHERE order_id = $1 ORDER BY position", order[4:])
        return order, [ID("oln_" + row["id"]) for row in rows]

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> tuple[ID, list[ID]]:
        return payload["order"]["id"], [each["id"] for each in payload["order"]["lines"]]

    def keep(self, world: World, number: int, result: tuple[ID, list[ID]]) -> None:
        world.made["order", number, 0] = result[0]
        world.made.update({("line", number, n): row for n, row in enumerate(result[1])})

    def replay(self, model: Model, seen: Seen) -> None:
        if self.location is not None and model.world.locations[self.location].transit:
            raise No("INVALID")
        held: dict[Place, Many] = {}
        if self.hold is not None:
            held = given_up(model, self.hold, "CONSUMED", seen)
        wishes = [Wish(n, row, many, self.location) for n, (row, many) in enumerate(self.lines)]
        parts, waiting = place_wishes(
            model,
            wishes,
            seen.places,
            seen.now,
            held=held,
            may_wait=True,
            channel=self.channel,
        )
        model.orders[seen.number] = Order(tuple(OrderLine(row, many) for row, many in self.lines))
        left = dict(held)
        for wish, place, many in parts:
            model.allocate((seen.number, wish.position), place, many, seen.now, bound=wish.location is not None)
            left[place] = left.get(place, NOTHING) - many
        model.serve({place: NOTHING for place in held if left[place] > 0})
        for wish, many, taken in waiting:
            model.waiting[seen.number, wish.position] = Waiting(
                wish.variant, many, seen.now, wish.location, self.channel, taken
            )


def _an_order(chance: random.Random, model: Model) -> int | None:
    """An order that is not done with; now and then one that is, too."""
    left = [
        number
        for number, order in model.orders.items()
        if not (order.cancelled or all(line.shipped == line.quantity for line in order.lines)) or chance.random() < 0.01
    ]
    return chance.choice(left) if left else None


@dataclass(frozen=True)
class Cancel(Act):
    """An order is called off."""

    order: int

    document = """mutation C($id: ID!, $key: String) {
      orderCancel(id: $id, reason: CUSTOMER, idempotencyKey: $key) { order { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        order = _an_order(chance, model)
        return None if order is None else cls(order)

    def possible(self, world: World) -> bool:
        return ("order", self.order, 0) in world.made

    async def run(self, work: Work, world: World) -> None:
        await orders.cancel(work, world.made["order", self.order, 0], reason=OrderCancelReason.CUSTOMER)

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": world.made["order", self.order, 0]}

    def replay(self, model: Model, seen: Seen) -> None:
        order = model.orders[self.order]
        if order.cancelled or order.has_begun:
            raise No("NOT_ALLOWED_NOW")
        model.orders[self.order] = replace(order, cancelled=True)
        for line in [line for line in model.waiting if line[0] == self.order]:
            del model.waiting[line]
        freed = model.allocated_to(self.order)
        for line, place, many in freed:
            model.deallocate(line, place, many)
        model.serve({place: NOTHING for _, place, _ in freed})


@dataclass(frozen=True)
class Ship(Act):
    """What is allocated leaves: all of it, what is at one place, or so much of some lines."""

    order: int
    lines: tuple[tuple[int, Many], ...] | None = None
    location: int | None = None

    document = """mutation H($id: ID!, $input: OrderShipInput, $key: String) {
      orderShip(id: $id, input: $input, idempotencyKey: $key) { shipments { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        order = _an_order(chance, model)
        if order is None:
            return None
        lines = None
        if chance.random() < 0.35:
            positions = range(len(model.orders[order].lines))
            chosen = chance.sample(positions, chance.randint(1, len(positions)))
            rows = model.orders[order].lines
            lines = tuple((n, some(chance, model, rows[n].variant, 3)) for n in chosen)
        return cls(order, lines, chance.randrange(len(model.world.locations)) if chance.random() < 0.2 else None)

    def new(self, world: World) -> NewShipment:
        """What is told."""
        lines = None
        if self.lines is not None:
            lines = [NewShipmentLine(world.made["line", self.order, n], decimal(many)) for n, many in self.lines]
        return NewShipment(lines, None if self.location is None else world.location_ids[self.location])

    def possible(self, world: World) -> bool:
        return ("order", self.order, 0) in world.made

    async def run(self, work: Work, world: World) -> None:
        await fulfillment.ship(work, world.made["order", self.order, 0], self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": world.made["order", self.order, 0], "input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        order = model.orders[self.order]
        if order.cancelled:
            raise No("NOT_ALLOWED_NOW")
        here = [each for each in model.allocated_to(self.order) if self.location in (None, each[1][1])]
        leaving = here
        if self.lines is not None:
            leaving = []
            for n, many in self.lines:
                mine = [each for each in here if each[0] == (self.order, n)]
                if many > sum((part for _, _, part in mine), NOTHING):
                    raise No("INVALID")
                for line, place, part in mine:
                    taken = min(part, many)
                    many -= taken  # noqa: PLW2901  what is left of it
                    leaving.append((line, place, taken))
            leaving = [each for each in leaving if each[2]]
        if not leaving:
            raise No("NOTHING_TO_SHIP")
        for line, place, many in leaving:
            self._leave(model, line, place, many, seen.now)

    def _leave(self, model: Model, line: Line, place: Place, many: Many, now: datetime) -> None:
        today = day(now)
        if sum((each for _, each in model.matching(place, LOOSE, sellable_on=today)), NOTHING) < many:
            raise No("NOT_FOR_SALE")
        model.take_out(place, LOOSE, many, sellable_on=today)
        model.draw(place, many, "SHIPMENT", "COGS", now, now)
        model.deallocate(line, place, many)
        order = model.orders[self.order]
        lines = list(order.lines)
        lines[line[1]] = replace(lines[line[1]], shipped=lines[line[1]].shipped + many)
        model.orders[self.order] = replace(order, lines=tuple(lines))


@dataclass(frozen=True)
class Prioritize(Act):
    """A line that waits is served sooner, or later."""

    order: int
    position: int
    priority: int

    document = """mutation B($input: StockBackorderPrioritizeInput!, $key: String) {
      stockBackorderPrioritize(input: $input, idempotencyKey: $key) { backorder { id } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        if not model.waiting:
            return None
        order, position = chance.choice(sorted(model.waiting))
        return cls(order, position, chance.choice([0, 50, 100, 200]))

    def new(self, world: World) -> NewPriority:
        """What is told."""
        return NewPriority(world.made["line", self.order, self.position], self.priority)

    def possible(self, world: World) -> bool:
        return ("line", self.order, self.position) in world.made

    async def run(self, work: Work, world: World) -> None:
        await stock.prioritize(work, self.new(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def replay(self, model: Model, seen: Seen) -> None:
        line = self.order, self.position
        if line not in model.waiting:
            raise No("NOT_FOUND")
        model.waiting[line] = replace(model.waiting[line], priority=self.priority)
