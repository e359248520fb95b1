"""The goods of a transfer leave: out of the origin, and onto the road."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from domain import ledger
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Quantity, format_quantity
from domain.kernel.work import Work
from domain.stock import postings
from domain.stock.contents import Content
from domain.stock.errors import InsufficientStock
from domain.stock.events import StockReleased, StockTransferDispatched, StockTransferred
from domain.stock.locked import Levels, Move
from domain.stock.operations import inputs
from domain.stock.operations.allocate import Allocation, Issue, draw
from domain.stock.operations.backorders import serve_waiting
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.transfers.life import StockTransferAction, after
from domain.stock.operations.transfers.locking import (
    LockedLine,
    LockedTransfer,
    locked_transfer,
    write_lines,
    write_transfer,
)
from domain.stock.tables import Place, StockMovementKind


@dataclass(frozen=True)
class NewDispatchLine:
    """How much of one line leaves."""

    line_id: ID
    """The line."""
    quantity: Quantity
    """How many, in the variant's unit; at most what is allocated to it."""


@dataclass(frozen=True)
class NewDispatch:
    """What leaves."""

    lines: list[NewDispatchLine] | None = None
    """The lines and quantities; all that is allocated, when left out. What does not leave is free again."""


async def dispatch_transfer(work: Work, transfer_id: str, new: NewDispatch) -> ID:
    """What is allocated has left the origin and is on the road, each part with its lot, its cost and its age. The rest
    of what was allocated is free again. Returns the transfer's id.

    Refused with NotFound; with NotAllowedNow unless it is ready, or when nothing is allocated to it any more; with
    InsufficientStock for more than is allocated; with NotForSale where only goods past their date are left; and with
    Invalid for lines that cannot be.
    """
    transfer = await locked_transfer(work, transfer_id)
    status = after(transfer.status, StockTransferAction.DISPATCH)
    if new.lines is not None:
        await _check(work, transfer, new.lines)
    named = transfer.lines if new.lines is None else _named(transfer, new.lines)
    places = [*map(transfer.leaving, transfer.lines), *map(transfer.on_the_road, named)]
    levels = await Levels.lock(work, places, create=True)
    allocated = await _allocated(work, transfer)
    leaving = _leaving(transfer, new, allocated)
    issues = [
        Issue(Allocation(line.id, transfer.id, transfer.leaving(line), allocated[line.id]), leaving[line.id])
        for line in transfer.lines
        if line.id in leaving
    ]
    await draw(work, levels, issues)
    await _free(work, transfer, levels, allocated, leaving)
    await _send(work, transfer, levels, issues)
    for line in transfer.lines:
        line.dispatched = leaving.get(line.id, Decimal(0))
    await write_lines(work, [line for line in transfer.lines if line.dispatched])
    await write_transfer(work, transfer, status, dispatched_at=work.now)
    work.announce(StockTransferDispatched(transfer.id, origin=transfer.origin_id, destination=transfer.destination_id))
    return transfer.id


# --- what leaves ----------------------------------------------------------------------------------------------------


async def _check(work: Work, transfer: LockedTransfer, lines: Sequence[NewDispatchLine]) -> None:
    there: Path = ("input", "lines")
    inputs.counted(lines, path=there)
    by_id = {line.id: line for line in transfer.lines}
    refusals: list[Refusal] = []
    seen: set[ID] = set()
    for n, line in enumerate(lines):
        if line.line_id not in by_id:
            refusals.append(NotFound("This transfer has no such line.", path=(*there, n, "lineId")))
        elif line.line_id in seen:
            refusals.append(Invalid("This line is named twice: say it once.", path=(*there, n, "lineId")))
        seen.add(line.line_id)
    Refusals.raise_if_any(refusals)
    wanted = [Wanted(by_id[line.line_id].variant_id, line.quantity, (*there, n)) for n, line in enumerate(lines)]
    await inputs.known_variants(work, wanted, least=Decimal(0))


def _named(transfer: LockedTransfer, lines: Sequence[NewDispatchLine]) -> list[LockedLine]:
    named = {line.line_id for line in lines}
    return [line for line in transfer.lines if line.id in named]


_ALLOCATED = "SELECT source, quantity FROM stock_allocations WHERE document = $1"


async def _allocated(work: Work, transfer: LockedTransfer) -> dict[ID, Decimal]:
    """What is allocated to each line. The levels are locked: a loss before may have taken some of it."""
    return {record["source"]: record["quantity"] for record in await work.raw.fetch(_ALLOCATED, transfer.id)}


def _leaving(transfer: LockedTransfer, new: NewDispatch, allocated: Mapping[ID, Decimal]) -> dict[ID, Decimal]:
    """How much of each line leaves."""
    if not allocated:
        sentence = "Nothing is allocated to this transfer any more: the goods were lost meanwhile. Cancel it."
        raise NotAllowedNow(sentence, path=("id",))
    if new.lines is None:
        return dict(allocated)
    by_id = {line.id: line for line in transfer.lines}
    refusals: list[Refusal] = []
    for n, line in enumerate(new.lines):
        available = allocated.get(line.line_id, Decimal(0))
        if line.quantity > available:
            mine = by_id[line.line_id]
            refusals.append(
                InsufficientStock(
                    f"Only {format_quantity(available)} of {mine.sku} are allocated to this transfer.",
                    path=("input", "lines", n, "quantity"),
                    variant=mine.variant_id,
                    requested=line.quantity,
                    available=available,
                )
            )
    Refusals.raise_if_any(refusals)
    return {line.line_id: line.quantity for line in new.lines}


async def _free(
    work: Work,
    transfer: LockedTransfer,
    levels: Levels,
    allocated: Mapping[ID, Decimal],
    leaving: Mapping[ID, Decimal],
) -> None:
    """Nothing is allocated to the transfer any more. What does not leave goes to those who wait for it: claims for
    what leaves fall only afterwards, or it would seem to be there for them.
    """
    await work.raw.execute("DELETE FROM stock_allocations WHERE document = $1", transfer.id)
    freed: set[Place] = set()
    for line in transfer.lines:
        rest = allocated.get(line.id, Decimal(0)) - leaving.get(line.id, Decimal(0))
        if rest:
            levels.by_place[transfer.leaving(line)].claim(allocated=-rest)
            freed.add(transfer.leaving(line))
    await serve_waiting(work, levels, freed)
    levels.save(StockReleased)


# --- onto the road --------------------------------------------------------------------------------------------------


async def _send(work: Work, transfer: LockedTransfer, levels: Levels, issues: Sequence[Issue]) -> None:
    """Movements out of the origin and onto the road, and the entry that says that value moved within inventory."""
    kept = await ledger.books(work)
    value = sum((issue.cost for issue in issues), Decimal(0))
    lines = postings.moved(value, origin=transfer.origin_id, destination=transfer.transit_id)
    drafts = [ledger.Draft("Stock transfer dispatched", transfer.id, lines)] if value else []
    entries = await ledger.open_entries(work, drafts, kept)
    entry = entries[0] if entries else None
    ages = await _ages(work, [part.layer_id for issue in issues for part in issue.parts])
    make = partial(Move, kind=StockMovementKind.TRANSFER, entry_id=entry, source=transfer.id)
    moves: list[Move] = []
    for issue in issues:
        origin = levels.by_place[issue.allocation.place]
        road = levels.by_place[origin.place[0], transfer.transit_id]
        origin.claim(allocated=-issue.quantity)
        for part in issue.parts:
            age, lot = ages[part.layer_id], Content(lot_id=part.content.lot_id)
            moves += [
                make(origin, -part.quantity, -part.value, layer_id=part.layer_id, content=part.content),
                # Each part founds a layer of its own there, averaged or not: whoever arrives takes its own goods.
                make(road, part.quantity, part.value, content=lot, founded_at=age),
            ]
    await levels.move(moves, StockTransferred)
    await ledger.write_lines(work, [(entry, lines) for entry in entries], kept)


async def _ages(work: Work, layers: Sequence[ID]) -> dict[ID, datetime]:
    """When the goods of layers came in: what is transferred keeps its age."""
    records = await work.raw.fetch(
        "SELECT id, founded_at FROM cost_layers WHERE id = ANY($1)", sorted({each[4:] for each in layers})
    )
    return {ID("mov_" + record["id"]): record["founded_at"] for record in records}
