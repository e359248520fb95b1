"""Which places serve a demand: a pure choice over levels that are locked.

Locations are taken by priority, the smallest first, then by id; a demand is split only when no single one suffices.
Nothing is taken from goods in transit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from domain.kernel.errors import Refusals
from domain.kernel.ids import ID
from domain.kernel.money import format_quantity
from domain.stock.errors import InsufficientStock
from domain.stock.locked import Level, Levels
from domain.stock.shares import Shares
from domain.stock.tables import LocationKind, Place

_NONE = Decimal(0)
NO_SHARES = Shares()
"""No channel has anything for itself, and none is kept from anything."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A quantity that somebody wants, from anywhere or from one place."""

    variant_id: ID
    quantity: Decimal
    path: tuple[str | int, ...]
    """Where in the input it was said."""
    sku: str
    location_id: ID | None = None
    source: str = ""
    """The line that wants it."""
    document: str = ""
    """What the line belongs to."""
    channel_id: ID | None = None
    """The sales channel it comes by: its pools may be taken from, and its rules are kept."""
    ruled: bool = False
    """Whether its channel has buffers or caps at all."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one level gives to one demand."""

    demand: Demand
    level: Level
    quantity: Decimal
    pooled: Decimal = _NONE
    """How much of it comes out of its channel's pool there."""


def place(
    levels: Levels,
    demands: Collection[Demand],
    held: Mapping[Place, Decimal] = MappingProxyType({}),
    shares: Shares = NO_SHARES,
    patient: Collection[Demand] = (),
) -> tuple[list[Part], dict[Demand, Decimal]]:
    """The parts that serve the demands, and what is missing of those that cannot be served in full.

    Demands are served in their order, those that name a place before those that do not mind. What was held for them is
    used first, wherever it is, then their channel's pools. A demand is served in full or not at all, except for the
    `patient` ones: they take what there is. Nothing is changed on the levels.
    """
    room = _Room(levels, dict(held), Shares(dict(shares.pools), shares.rules))
    parts: list[Part] = []
    short: dict[Demand, Decimal] = {}
    for demand in sorted(demands, key=lambda each: each.location_id is None):
        chosen = room.choose(demand)
        rest = demand.quantity - sum((part.quantity for part in chosen), _NONE)
        if rest:
            short[demand] = rest
        if not rest or demand in patient:
            room.take(chosen)
            parts += chosen
    return parts, short


def offered(parts: Collection[Part], held: Mapping[Place, Decimal]) -> dict[tuple[str, ID], Decimal]:
    """How much of what their channel is offered documents have taken of variants: all but what came out of pools, and
    what was held for them.
    """
    taken: dict[tuple[str, ID], Decimal] = {}
    own = dict(held)
    for part in parts:
        place, common = part.level.place, part.quantity - part.pooled
        mine = min(own.get(place, _NONE), common)
        if mine:
            own[place] -= mine
        key = part.demand.document, part.demand.variant_id
        taken[key] = taken.get(key, _NONE) + common - mine
    return taken


def shortages(
    levels: Levels, demands: Collection[Demand], short: Collection[Demand], shares: Shares = NO_SHARES
) -> Refusals:
    """The refusals for demands that cannot be served: one per variant, with all that was asked for of it."""
    refusals: dict[ID, InsufficientStock] = {}
    for demand in short:
        if demand.variant_id in refusals:
            continue
        same = [each for each in demands if each.variant_id == demand.variant_id]
        reachable = {level.place: level for each in same for level in _candidates(levels, each)}
        requested = sum((each.quantity for each in same), Decimal(0))
        common = sum((level.available for level in reachable.values()), Decimal(0))
        available = shares.rule(demand.channel_id, demand.variant_id).offers(common)
        available += sum((shares.pooled(demand.channel_id, place) for place in reachable), Decimal(0))
        refusals[demand.variant_id] = InsufficientStock(
            f"Only {format_quantity(available)} of {demand.sku} are available, and {format_quantity(requested)} were"
            " asked for.",
            path=(*demand.path, "quantity"),
            variant=demand.variant_id,
            requested=requested,
            available=available,
        )
    return Refusals(list(refusals.values()))


def _candidates(levels: Levels, demand: Demand) -> list[Level]:
    """The levels that may serve a demand, in the order in which they are asked."""
    if demand.location_id is not None:
        level = levels.by_place.get((demand.variant_id, demand.location_id))
        reachable = [level] if level is not None else []
    else:
        reachable = levels.of_variant(demand.variant_id)
    return [level for level in reachable if level.kind != LocationKind.TRANSIT]


@dataclass
class _Room:
    """What is still to be had at the levels while demands are placed one after the other."""

    levels: Levels
    held: dict[Place, Decimal]
    """What was held for the demands, wherever it is; it is available by now."""
    shares: Shares
    taken: dict[Place, Decimal] = field(default_factory=dict)
    """What earlier demands take of what is available to everybody."""
    offered: dict[tuple[str, ID], Decimal] = field(default_factory=dict)
    """How much of what their channel offers documents have taken of variants."""

    def free(self, level: Level) -> Decimal:
        taken = self.taken.get(level.place)
        return level.available if taken is None else level.available - taken

    def choose(self, demand: Demand) -> list[Part]:
        """The parts that serve a demand, as far as it can be served."""
        candidates = _candidates(self.levels, demand)
        if not self.held and not self.shares:
            return self._choose_freely(demand, candidates)
        free = {level.place: self.free(level) for level in candidates}
        held = {place: min(self.held.get(place, Decimal(0)), there) for place, there in free.items()}
        mine, common = sum(held.values(), Decimal(0)), sum(free.values(), Decimal(0))
        rule = self.shares.rule(demand.channel_id, demand.variant_id)
        offered = rule.offers(common - mine, self.offered.get((demand.document, demand.variant_id), Decimal(0)))
        pooled = {level.place: self.shares.pooled(demand.channel_id, level.place) for level in candidates}
        chosen = _Chosen(demand.quantity, mine + offered)
        for level in candidates:
            chosen.take(level.place, held[level.place])
        for level in candidates:
            chosen.take_pooled(level.place, pooled[level.place])
        # A place that is taken from already comes first: then nothing is split that need not be.
        asked = sorted(candidates, key=lambda level: level.place not in chosen.quantities)
        single = next((level for level in asked if chosen.left(level.place, free) >= chosen.rest), None)
        for level in candidates if single is None else [single]:
            chosen.take(level.place, chosen.left(level.place, free))
        return [
            Part(demand, level, chosen.quantities[level.place], chosen.pooled.get(level.place, Decimal(0)))
            for level in candidates
            if level.place in chosen.quantities
        ]

    def _choose_freely(self, demand: Demand, candidates: Sequence[Level]) -> list[Part]:
        """What `choose` comes to where all that is available is everybody's, as it nearly always is: the first place
        that suffices, else all in turn. A third of the work.
        """
        parts: list[Part] = []
        rest = demand.quantity
        for level in candidates:
            if 0 < rest <= self.free(level):
                return [Part(demand, level, rest)]
        for level in candidates:
            part = min(self.free(level), rest)
            if part > 0:
                parts.append(Part(demand, level, part))
                rest -= part
        return parts

    def take(self, parts: Sequence[Part]) -> None:
        """What one demand takes is no longer there for the next."""
        if not self.held and not self.shares:
            for part in parts:
                place = part.level.place
                self.taken[place] = self.taken.get(place, _NONE) + part.quantity
            return
        for part in parts:
            place, common = part.level.place, part.quantity - part.pooled
            self.taken[place] = self.taken.get(place, Decimal(0)) + common
            mine = min(self.held.get(place, Decimal(0)), common)
            if mine:
                self.held[place] -= mine
            key = part.demand.document, part.demand.variant_id
            self.offered[key] = self.offered.get(key, Decimal(0)) + common - mine
            if part.pooled and part.demand.channel_id is not None:
                self.shares.pools[part.demand.channel_id, place] -= part.pooled


@dataclass
class _Chosen:
    """What one demand takes from where, so far."""

    rest: Decimal
    """What it lacks."""
    offered: Decimal
    """What it may still take of what is available to everybody."""
    quantities: dict[Place, Decimal] = field(default_factory=dict)
    pooled: dict[Place, Decimal] = field(default_factory=dict)

    def left(self, place: Place, free: Mapping[Place, Decimal]) -> Decimal:
        """What it could still take at a place."""
        mine = self.quantities.get(place, Decimal(0)) - self.pooled.get(place, Decimal(0))
        return min(free[place] - mine, self.offered)

    def take(self, place: Place, most: Decimal) -> None:
        part = min(most, self.rest, self.offered)
        if part > 0:
            self.quantities[place] = self.quantities.get(place, Decimal(0)) + part
            self.rest -= part
            self.offered -= part

    def take_pooled(self, place: Place, most: Decimal) -> None:
        part = min(most, self.rest)
        if part > 0:
            self.quantities[place] = self.quantities.get(place, Decimal(0)) + part
            self.pooled[place] = part
            self.rest -= part
