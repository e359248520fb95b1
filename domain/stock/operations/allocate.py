"""Stock is bound to the lines of documents, set free again, and leaves."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain import ledger
from domain.kernel.errors import Apart, Overtaken
from domain.kernel.ids import ID
from domain.kernel.money import currency_digits
from domain.kernel.work import Work
from domain.stock import contents, costs
from domain.stock.contents import Part as Picked
from domain.stock.errors import NotForSale
from domain.stock.events import StockAllocated, StockReleased, StockShipped
from domain.stock.locked import Levels, Move
from domain.stock.operations.backorders import (
    NewAllocation,
    forget_waiting,
    lower_allocations,
    serve_waiting,
    write_allocations,
)
from domain.stock.operations.inputs import Path
from domain.stock.operations.reserve import lock_and_place
from domain.stock.operations.waiting import wait
from domain.stock.placement import Demand, Part
from domain.stock.tables import Place, StockMovementKind


async def allocate(
    work: Work,
    demands: Collection[Demand],
    *,
    reservation_id: str | None = None,
    path: Path = (),
    may_wait: bool = False,
) -> None:
    """The stock is bound to the demands' lines, in full. A reservation becomes part of it: its stock is used first, and
    what is left of it goes to those who wait. With `may_wait` lines of variants whose policy allows it take what is
    there and wait for the rest.

    Refused with InsufficientStock for every variant that is short, and as `release` is for the reservation, whose
    argument is at `path`.
    """
    placed = await lock_and_place(work, demands, reservation_id=reservation_id, path=path, may_wait=may_wait)
    _bind(placed.levels, placed.parts)
    await _write(work, placed.parts)
    if placed.spare:
        await serve_waiting(work, placed.levels, placed.spare)
        placed.levels.save(StockAllocated)
    await wait(work, placed.waiting)


async def allocate_each(work: Work, demands: Collection[Demand]) -> AsyncIterator[ID]:
    """The stock is bound to the lines of several documents, in full, each by an act of its own: their ids come in turn,
    as the demands name them, each once its stock is bound. Whoever asks for the next one has ended the act.

    Refused with InsufficientStock, as if all were one, and with Apart where a channel's own stock would be used or
    expired holds have to give way.
    """
    placed = await lock_and_place(work, demands)
    if placed.any_expired or any(part.pooled for part in placed.parts):
        raise Apart  # what others lose or get by it would be told before the act that takes it
    of_document: dict[str, list[Part]] = {each.document: [] for each in demands}
    for part in placed.parts:
        of_document[part.demand.document].append(part)
    for document, parts in of_document.items():
        _bind(placed.levels, parts)
        yield ID(document)
    await _write(work, placed.parts)


def _bind(levels: Levels, parts: Collection[Part]) -> None:
    for part in parts:
        part.level.claim(allocated=part.quantity)
    levels.save(StockAllocated)


async def _write(work: Work, parts: Collection[Part]) -> None:
    rows = [
        NewAllocation(
            part.demand.source,
            part.demand.document,
            part.level.place,
            part.quantity,
            work.now,
            bound=part.demand.location_id is not None,
        )
        for part in parts
    ]
    await write_allocations(work, rows)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a line has a right to at one place."""

    source: ID
    document: ID
    place: Place
    quantity: Decimal


@dataclass
class Held:
    """The allocations of documents, and the locked levels they are at."""

    levels: Levels
    allocations: list[Allocation]


_OF_DOCUMENTS = """
SELECT source, document, variant_id, location_id, quantity FROM stock_allocations
WHERE document = ANY($1) ORDER BY document, source, location_id
"""


async def lock_allocations(work: Work, documents: Collection[ID]) -> Held:
    """The allocations of documents, as they are once their levels are locked. The documents are locked already."""
    places = {each.place for each in await _allocations(work, documents)}
    return await _look(work, await Levels.lock(work, places), documents)


async def _look(work: Work, levels: Levels, documents: Collection[ID]) -> Held:
    found = await _allocations(work, documents)
    if any(each.place not in levels.by_place for each in found):
        # A receipt elsewhere has served one of the lines meanwhile. Its level cannot be locked now without breaking
        # the order of locks, so the act begins anew, as after a deadlock.
        raise Overtaken("an allocation came to be at another place meanwhile")
    return Held(levels, found)


async def _allocations(work: Work, documents: Collection[ID]) -> list[Allocation]:
    records = await work.raw.fetch(_OF_DOCUMENTS, list(documents))
    return [
        Allocation(
            record["source"],
            record["document"],
            (ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])),
            record["quantity"],
        )
        for record in records
    ]


async def deallocate(work: Work, documents: Collection[ID]) -> None:
    """What is bound to documents is available again, and they wait for nothing more. The documents are locked."""
    held = await lock_allocations(work, documents)
    await forget_waiting(work, documents, freeing={each.place[0] for each in held.allocations})
    held = await _look(work, held.levels, documents)
    for each in held.allocations:
        held.levels.by_place[each.place].claim(allocated=-each.quantity)
    await work.raw.execute("DELETE FROM stock_allocations WHERE document = ANY($1)", list(documents))
    await serve_waiting(work, held.levels, {each.place for each in held.allocations})
    held.levels.save(StockReleased)


@dataclass
class Issue:
    """A part of an allocation that leaves, and what it costs."""

    allocation: Allocation
    quantity: Decimal
    parts: list[Picked] = field(default_factory=list)
    """What of it is taken from which layer, bin and lot."""
    entry_id: ID | None = None
    """The entry that its value is posted by."""
    effective_at: datetime | None = None
    """When it left; now, when left out."""

    @property
    def cost(self) -> Decimal:
        """What it is worth, in base currency."""
        return sum((each.value for each in self.parts), Decimal(0))


async def draw(work: Work, levels: Levels, issues: Sequence[Issue]) -> None:
    """Find what the issues take and what it costs, in the order given: the cost of the oldest goods, and of the goods
    themselves those that expire first. Refused with NotForSale where what is left there may not leave.
    """
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    places = {each.allocation.place for each in issues}
    layers = await costs.live_layers(work, places)
    lying = await contents.contents_of(work, [levels.by_place[place] for place in sorted(places)])
    for each in issues:
        place = each.allocation.place
        picks = contents.pick(contents.for_sale(lying[place], kept.today), each.quantity)
        if sum((picked.quantity for picked in picks), Decimal(0)) < each.quantity:
            raise NotForSale(
                "What is left there is past its date. Release it, or send it from elsewhere.", path=("id",)
            )
        each.parts = contents.parts(costs.draw(layers[place], each.quantity, digits), picks, digits)


async def ship(work: Work, levels: Levels, issues: Sequence[Issue]) -> None:
    """The issues have left: what was drawn is written as movements of their documents, and their allocations fall.

    Comes between opening the entries and writing their lines, as the books demand.
    """
    await lower_allocations(
        work, [(each.allocation.source, each.allocation.place[1], each.quantity) for each in issues]
    )
    moves: list[Move] = []
    for each in issues:
        level = levels.by_place[each.allocation.place]
        level.claim(allocated=-each.quantity)
        moves += [
            Move(
                level,
                -part.quantity,
                -part.value,
                StockMovementKind.SHIPMENT,
                layer_id=part.layer_id,
                content=part.content,
                entry_id=each.entry_id,
                source=each.allocation.document,
                effective_at=each.effective_at,
            )
            for part in each.parts
        ]
    await levels.move(moves, StockShipped)
