"""A count of what is at a location begins, and somebody walks along the shelves."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any, Self

from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock import CountedLine, CountRecord, CountStart, FoundLine, StockCountKind
from tests.stock.model.acts.base import Act, Seen, bin_id, content, decimal, dollars, json, lot_id, some, variants
from tests.stock.model.acts.counts import NOT_DONE, OfCount, a_count, in_state, line_counted, stepped
from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Content, Count, CountLine, No, Spot
from tests.stock.model.reference import Model
from tests.stock.model.world import Place, World

MOST = 4
"""Counts at once, about: what one is at, no other may be."""


Told = tuple[ID, ID, ID | None, ID | None]
"""The ids of a line, of its variant, its bin and its lot."""


def _refuse_counted_elsewhere(model: Model, location: int, spots: set[Spot], but: int | None = None) -> None:
    for number, each in model.counts.items():
        is_there = number != but and each.location == location and each.status in NOT_DONE
        if is_there and spots & {line.spot for line in each.lines}:
            raise No("NOT_ALLOWED_NOW")


@dataclass(frozen=True)
class StartCount(Act):
    """Everything at a location is to be counted, or some variants, or what is in some bins."""

    location: int
    blind: bool
    variants: tuple[int, ...] | None = None
    bins: tuple[int, ...] | None = None

    document = """mutation N($input: StockCountStartInput!, $key: String) {
      stockCountStart(input: $input, idempotencyKey: $key) {
        count { id lines(first: 250) { nodes { id variant { id } bin { id } lot { id } } } } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        if len([each for each in model.counts.values() if each.status in NOT_DONE]) > MOST and chance.random() < 0.8:
            return None
        location = chance.randrange(len(model.world.locations))
        bins = range(len(model.world.locations[location].bins))
        blind, how = chance.random() < 0.5, chance.random()
        if how < 0.3:
            return cls(location, blind)
        some_bins = tuple(chance.sample(bins, chance.randint(1, len(bins)))) if bins and how > 0.7 else None
        named = tuple(variants(chance, model, 2)) if some_bins is None or how > 0.9 else None
        return cls(location, blind, named, some_bins)

    def new(self, world: World) -> CountStart:
        """What is told."""
        everything = self.variants is None and self.bins is None
        return CountStart(
            world.location_ids[self.location],
            StockCountKind.FULL if everything else StockCountKind.CYCLE,
            self.blind,
            None if self.variants is None else [world.variant_ids[row] for row in self.variants],
            None if self.bins is None else [world.bin_ids[self.location][n] for n in self.bins],
        )

    async def run(self, work: Work, world: World) -> tuple[ID, list[Told]]:
        count = await stock.start_count(work, self.new(world))
        return count, await _lines_of(work, count)

    def variables(self, world: World) -> dict[str, Any]:
        return {"input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> tuple[ID, list[Told]]:
        return payload["count"]["id"], _lines_in(payload)

    def keep(self, world: World, number: int, result: tuple[ID, list[Told]]) -> None:
        world.made["count", number, 0] = result[0]
        _keep_lines(world, number, self.location, result[1])

    def replay(self, model: Model, seen: Seen) -> None:
        if self.bins is None and self.variants is not None:
            places = {(row, self.location) for row in self.variants}
            for place in places:
                model.versions.setdefault(place, 0)
        else:
            # What there is was looked up before it was locked: what came in just then may be left out, nothing else.
            places = {place for place in seen.places if place[1] == self.location}
            self._refuse_overlooking(model, places)
        spots = {
            (place[0], Content(each.bin, each.lot))
            for place in places
            for each, _ in model.lying(place)
            if self.bins is None or each.bin in self.bins
        }
        if self.bins is None and self.variants is not None:
            spots |= {(row, Content()) for row in self.variants if row not in {spot[0] for spot in spots}}
        _refuse_counted_elsewhere(model, self.location, spots)
        lines = [
            CountLine(row, where, model.in_spot((row, self.location), where))
            for row, where in sorted(spots, key=lambda spot: self._on_the_way(model, *spot))
        ]
        model.counts[seen.number] = Count(self.location, tuple(lines))

    def _refuse_overlooking(self, model: Model, places: set[Place]) -> None:
        for place, version in model.versions.items():
            if place[1] != self.location or (self.variants is not None and place[0] not in self.variants):
                continue
            there = [each for each, _ in model.lying(place) if self.bins is None or each.bin in self.bins]
            if there and place not in places and model.began_with.get(place) == version:
                raise No(f"{place} was overlooked")

    def _on_the_way(self, model: Model, variant: int, where: Content) -> tuple[str, str, str]:
        """What lies loose comes first, then bin by bin; in each by SKU, and by lot."""
        lot = model.world.lot(variant, where.lot)
        path = "" if where.bin is None else model.world.locations[self.location].bins[where.bin]
        return path, model.world.skus[variant], "" if lot is None else lot.name


async def _lines_of(work: Work, count: ID) -> list[Told]:
    query = "SELECT id, variant_id, bin_id, lot_id FROM stock_count_lines WHERE count_id = $1"
    return [
        (
            ID("cnl_" + row["id"]),
            ID("var_" + row["variant_id"]),
            None if row["bin_id"] is None else ID("bin_" + row["bin_id"]),
            None if row["lot_id"] is None else ID("lot_" + row["lot_id"]),
        )
        for row in await work.raw.fetch(query, count[4:])
    ]


def _lines_in(payload: dict[str, Any]) -> list[Told]:
    return [
        (each["id"], each["variant"]["id"], each["bin"] and each["bin"]["id"], each["lot"] and each["lot"]["id"])
        for each in payload["count"]["lines"]["nodes"]
    ]


def _keep_lines(world: World, count: int, location: int, lines: Sequence[Told]) -> None:
    for line, variant, in_bin, of_lot in lines:
        row = world.variant_ids.index(variant)
        bin_number = None if in_bin is None else world.bin_ids[location].index(in_bin)
        lot = None if of_lot is None else world.lot_ids[row].index(of_lot)
        world.count_lines[count, row, bin_number, lot] = line


@dataclass(frozen=True)
class Found:
    """What was found where no line expects it."""

    variant: int
    quantity: Many
    content: Content
    unit_cost: Fraction | None = None


@dataclass(frozen=True)
class RecordCount(OfCount):
    """Some lines were counted, and something may have been found beside them."""

    location: int
    lines: tuple[tuple[Spot, Many, Fraction | None], ...]
    """What a line counts, how many are there, and what one costs, in cents."""
    found: tuple[Found, ...] = ()

    document = """mutation N($id: ID!, $input: StockCountRecordInput!, $key: String) {
      stockCountRecord(id: $id, input: $input, idempotencyKey: $key) {
        count { id lines(first: 250) { nodes { id variant { id } bin { id } lot { id } } } } userErrors { code } } }"""

    @classmethod
    def draw(cls, chance: random.Random, model: Model, now: datetime) -> Self | None:
        number = a_count(chance, model, "OPEN")
        if number is None:
            return None
        count = model.counts[number]
        lines = [
            (line.spot, cls._counted(chance, model, line, (line.variant, count.location)), _cost(chance))
            for line in count.lines
            if chance.random() < (0.8 if line.counted is None else 0.2)
        ]
        found: list[Found] = []
        if not lines or chance.random() < 0.2:
            for variant in variants(chance, model, 2):
                where = replace(content(chance, model, (variant, count.location), brings=True), state=None)
                found.append(Found(variant, some(chance, model, variant, 4), where, _cost(chance)))
        return cls(number, count.location, tuple(lines), tuple(found))

    @staticmethod
    def _counted(chance: random.Random, model: Model, line: CountLine, place: Place) -> Many:
        """As many as the books say for the most part; else a few more, or fewer."""
        books, how = model.in_spot(place, line.content), chance.random()
        if how < 0.4:
            return books
        few = some(chance, model, line.variant, 3)
        return books + few if how < 0.65 else max(books - few, NOTHING)

    def new(self, world: World) -> CountRecord:
        """What is told."""
        lines = [
            CountedLine(world.count_lines[self.line(spot)], decimal(many), _money(cost))
            for spot, many, cost in self.lines
        ]
        found = [
            FoundLine(
                world.variant_ids[each.variant],
                decimal(each.quantity),
                bin_id(world, (each.variant, self.location), each.content),
                lot_id(world, (each.variant, self.location), each.content),
                _money(each.unit_cost),
            )
            for each in self.found
        ]
        return CountRecord(lines, found)

    def possible(self, world: World) -> bool:
        known = all(self.line(spot) in world.count_lines for spot, _, _ in self.lines)
        return known and super().possible(world)

    async def run(self, work: Work, world: World) -> list[Told]:
        await stock.record_count(work, self.id(world), self.new(world))
        return await _lines_of(work, self.id(world))

    def variables(self, world: World) -> dict[str, Any]:
        return {"id": self.id(world), "input": json(self.new(world))}

    def result(self, payload: dict[str, Any]) -> list[Told]:
        return _lines_in(payload)

    def keep(self, world: World, number: int, result: list[Told]) -> None:
        _keep_lines(world, self.count, self.location, result)

    def replay(self, model: Model, seen: Seen) -> None:
        count = in_state(model, self.count, "OPEN")
        tracked = [each.tracked for each in model.world.variants]
        for each in self.found:
            if (tracked[each.variant] and each.content.lot is None) or model.cannot_join(each.variant, each.content):
                raise No("INVALID")
        known = {line.spot: n for n, line in enumerate(count.lines)}
        lines = list(count.lines)
        fresh = [each for each in self.found if (each.variant, each.content) not in known]
        for each in fresh:
            model.versions.setdefault((each.variant, self.location), 0)
            known[each.variant, each.content] = len(lines)
            lines.append(CountLine(each.variant, each.content, self._books(model, each)))
        counted = [(known[spot], many, cost) for spot, many, cost in self.lines]
        counted += [(known[each.variant, each.content], each.quantity, each.unit_cost) for each in self.found]
        if len({n for n, _, _ in counted}) < len(counted):
            raise No("INVALID")
        for (row, where), many, _ in self.lines:
            if tracked[row] and where.lot is None and many > model.in_spot((row, self.location), where):
                raise No("INVALID")
        spots = {(each.variant, each.content) for each in fresh}
        _refuse_counted_elsewhere(model, self.location, spots, but=self.count)
        for n, many, cost in counted:
            lines[n] = line_counted(lines[n], many, self._books(model, lines[n]))
            lines[n] = replace(lines[n], unit_cost=lines[n].unit_cost if cost is None else cost)
        model.counts[self.count] = stepped(count, lines=tuple(lines))

    def _books(self, model: Model, line: CountLine | Found) -> Many:
        return model.in_spot((line.variant, self.location), line.content)


def _cost(chance: random.Random) -> Fraction | None:
    return Fraction(chance.choice([0, 80, 201])) if chance.random() < 0.2 else None


def _money(cost: Fraction | None) -> Money | None:
    return None if cost is None else Money(dollars(cost), CurrencyCode("USD"))
