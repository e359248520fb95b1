"""Goods that move within a location: how much from which bin, lot and state to which."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.contents import Content
from domain.stock.events import StockRelocated
from domain.stock.locked import Level, Levels, Move
from domain.stock.operations.backorders import fill_backorders, give_way, lock_queues
from domain.stock.operations.reserve import free_expired
from domain.stock.tables import Place, StockMovementKind


@dataclass(frozen=True, slots=True)
class Step:
    """How much goes from one content of a place to another of the same lot."""

    level: Level
    quantity: Decimal
    source: Content
    target: Content
    reason: str | None = None
    document: ID | None = None
    """The document that it is done for."""

    @property
    def withdrawn(self) -> Decimal:
        """How much less can be sold by it, or with a minus how much more."""
        return self.quantity * ((self.target.state is not None) - (self.source.state is not None))


def withdrawn(steps: Collection[Step]) -> dict[Place, Decimal]:
    """How much less can be sold at each place, or with a minus how much more."""
    found: dict[Place, Decimal] = {}
    for step in steps:
        found[step.level.place] = found.get(step.level.place, Decimal(0)) + step.withdrawn
    return found


def shortfall(levels: Levels, less: Mapping[Place, Decimal]) -> dict[Place, Decimal]:
    """By how much more is promised at each place than could be sold there with so much less."""
    short = {place: quantity - levels.by_place[place].available for place, quantity in less.items() if quantity > 0}
    return {place: quantity for place, quantity in short.items() if quantity > 0}


async def set_aside(work: Work, levels: Levels, steps: Sequence[Step]) -> None:
    """Goods come into a state, whether they are promised or not: what is promised beyond what is left gives way, as for
    a loss; what is left of expired holds goes to those who wait. The levels are locked.
    """
    less = withdrawn(steps)
    freed: Collection[Place] = ()
    if short := shortfall(levels, less):
        freed = await free_expired(work, levels, short)
    if short := shortfall(levels, less):
        if freed:
            await lock_queues(work, {variant for variant, _ in (*freed, *short)})
        await give_way(work, levels, short)
    if freed:
        await fill_backorders(work, levels, {place: -less[place] for place in freed})
    await take(work, levels, steps)


_LAYERS = """
SELECT place.variant_id, place.location_id, layer.id
FROM unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
CROSS JOIN LATERAL (
  SELECT id FROM cost_layers
  WHERE variant_id = place.variant_id AND location_id = place.location_id AND live ORDER BY founded_at, id LIMIT 1
) AS layer
"""


async def take(work: Work, levels: Levels, steps: Sequence[Step]) -> None:
    """The steps are movements: two each, out of and into one layer of the place, so that costs stay as they are."""
    if not steps:
        return
    places = list(dict.fromkeys(step.level.place for step in steps))
    records = await work.raw.fetch(_LAYERS, [place[0][4:] for place in places], [place[1][4:] for place in places])
    layers = {
        (ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])): ID("mov_" + record["id"])
        for record in records
    }
    moves = [
        Move(
            step.level,
            quantity,
            Decimal(0),
            StockMovementKind.RELOCATION,
            layer_id=layers[step.level.place],
            content=content,
            reason=step.reason,
            source=step.document,
        )
        for step in steps
        for quantity, content in ((-step.quantity, step.source), (step.quantity, step.target))
    ]
    await levels.move(moves, StockRelocated)
