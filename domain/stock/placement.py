"""Which places serve a demand: a pure choice over levels that are locked.

Locations are taken by priority, the smallest first, then by id; a demand is split only when no single one suffices.
Nothing is taken from goods in transit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from domain.kernel.errors import Refusals
from domain.kernel.ids import ID
from domain.kernel.money import format_quantity
from domain.stock.errors import InsufficientStock
from domain.stock.locked import Level, Levels, Place
from domain.stock.tables import LocationKind


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


@dataclass(frozen=True, slots=True)
class Part:
    """What one level gives to one demand."""

    demand: Demand
    level: Level
    quantity: Decimal


def place(
    levels: Levels, demands: Collection[Demand], held: Mapping[Place, Decimal] = MappingProxyType({})
) -> tuple[list[Part], list[Demand]]:
    """The parts that serve the demands, and the demands that cannot be served in full.

    Demands are served in their order, those that name a place before those that do not mind. What was held for them is
    used first, wherever it is. Nothing is changed on the levels.
    """
    free: dict[Place, Decimal] = {}
    mine = dict(held)
    parts: list[Part] = []
    short: list[Demand] = []
    for demand in sorted(demands, key=lambda each: each.location_id is None):
        candidates = _candidates(levels, demand)
        for level in candidates:
            free.setdefault(level.place, level.available)
        chosen = _choose(candidates, free, mine, demand)
        if not chosen:
            short.append(demand)
        for part in chosen:
            free[part.level.place] -= part.quantity
            if part.level.place in mine:
                mine[part.level.place] = max(mine[part.level.place] - part.quantity, Decimal(0))
        parts += chosen
    return parts, short


def shortages(levels: Levels, demands: Collection[Demand], short: Sequence[Demand]) -> Refusals:
    """The refusals for demands that cannot be served: one per variant, with all that was asked for of it."""
    refusals: dict[ID, InsufficientStock] = {}
    for demand in short:
        if demand.variant_id in refusals:
            continue
        same = [each for each in demands if each.variant_id == demand.variant_id]
        reachable = {level.place: level.available for each in same for level in _candidates(levels, each)}
        requested, available = sum((each.quantity for each in same), Decimal(0)), sum(reachable.values(), Decimal(0))
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


def _choose(
    candidates: Sequence[Level], free: Mapping[Place, Decimal], held: Mapping[Place, Decimal], demand: Demand
) -> list[Part]:
    """The parts that serve a demand in full, or nothing."""
    taken: dict[Place, Decimal] = {}
    rest = demand.quantity
    for level in candidates:
        part = min(held.get(level.place, Decimal(0)), free[level.place], rest)
        if part > 0:
            taken[level.place] = part
            rest -= part
    left = {level.place: free[level.place] - taken.get(level.place, Decimal(0)) for level in candidates}
    # A place that is taken from already comes first: then nothing is split that need not be.
    asked = sorted(candidates, key=lambda level: level.place not in taken)
    single = next((level for level in asked if left[level.place] >= rest), None)
    for level in candidates if single is None else [single]:
        part = min(left[level.place], rest)
        if part > 0:
            taken[level.place] = taken.get(level.place, Decimal(0)) + part
            rest -= part
    return [] if rest else [Part(demand, level, taken[level.place]) for level in candidates if level.place in taken]
