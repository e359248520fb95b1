"""The books are brought in line with the shelf: by a difference, or to what was counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import ledger
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.errors import CostUnknown, InsufficientStock, StaleQuantity
from domain.stock.events import StockAdjusted
from domain.stock.locked import Level, Levels, Move
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders, give_way
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.reserve import free_expired
from domain.stock.tables import StockAdjustmentReason, StockMovementKind


@dataclass(frozen=True)
class NewAdjustmentLine:
    """By how much the stock of one variant differs from the books."""

    variant_id: ID
    """The variant."""
    delta: Quantity
    """How many more, or with a minus how many fewer, in the variant's unit; not zero."""
    unit_cost: Money | None = None
    """What one more costs, in the currency of the books; the average there, else the last cost, when left out."""


@dataclass(frozen=True)
class NewAdjustment:
    """Differences found at one location, for one reason."""

    location_id: ID
    """Where."""
    reason: StockAdjustmentReason
    """Why. Each reason posts to an account of its own."""
    lines: list[NewAdjustmentLine]
    """The variants, each once; at most 10,000."""


@dataclass(frozen=True)
class NewCountLine:
    """What was counted of one variant."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """What is on hand, in the variant's unit."""
    expected_quantity: Quantity
    """What the caller saw on hand: refused with STALE_QUANTITY when that has changed since."""


@dataclass(frozen=True)
class NewCount:
    """What was counted at one location."""

    location_id: ID
    """Where."""
    reason: StockAdjustmentReason
    """Why the books may have been wrong. Each reason posts to an account of its own."""
    lines: list[NewCountLine]
    """The variants, each once; at most 10,000."""


@dataclass(frozen=True, slots=True)
class _Change:
    level: Level
    delta: Decimal
    unit_cost: Money | None
    path: Path
    """Where a missing cost is to be blamed on."""
    sku: str


async def adjust(work: Work, new: NewAdjustment) -> list[ID]:
    """What is on hand differs by the deltas from now on, and the account of the reason bears it. Returns the levels.

    More takes the unit cost given, else the average there, else the variant's last cost. A loss of what was promised
    is booked all the same: the youngest holds and allocations give way, and a discrepancy is opened. Refused with
    InsufficientStock when more would leave than is on hand, with CostUnknown, NotFound and Invalid.
    """
    there = ("input", "lines")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    inputs.refuse_twice([line.variant_id for line in new.lines], path=there)
    wanted = [Wanted(line.variant_id, line.delta, (*there, n), "delta") for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted)
    Refusals.raise_if_any(_faults(new.lines, await ledger.books(work)))
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines}, create=True)
    changes = [
        _Change(
            levels.by_place[line.variant_id, location],
            line.delta,
            line.unit_cost,
            (*there, n, "unitCost"),
            variants[line.variant_id].sku,
        )
        for n, line in enumerate(new.lines)
    ]
    await _apply(work, levels, changes, reason=new.reason)
    return [change.level.id for change in changes]


async def set_quantities(work: Work, new: NewCount) -> list[ID]:
    """What is on hand is what was counted, and the account of the reason bears the difference. Returns the levels.

    Refused with StaleQuantity, which tells the present figure, when that is not the expected one; else as `adjust`.
    """
    there = ("input", "lines")
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    inputs.refuse_twice([line.variant_id for line in new.lines], path=there)
    wanted = [Wanted(line.variant_id, line.quantity, (*there, n)) for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted)
    Refusals.raise_if_any(
        [
            Invalid("Less than nothing cannot be on hand.", path=(*there, n, "quantity"))
            for n, line in enumerate(new.lines)
            if line.quantity < 0
        ]
    )
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines}, create=True)
    refusals: list[Refusal] = []
    changes: list[_Change] = []
    for n, line in enumerate(new.lines):
        level, sku = levels.by_place[line.variant_id, location], variants[line.variant_id].sku
        if level.on_hand != line.expected_quantity:
            present, expected = format_quantity(level.on_hand), format_quantity(line.expected_quantity)
            sentence = f"{present} of {sku} are on hand by now, not {expected}. Look again, then decide."
            path = (*there, n, "expectedQuantity")
            refusals.append(StaleQuantity(sentence, path=path, variant=line.variant_id, present=level.on_hand))
        elif line.quantity != level.on_hand:
            changes.append(_Change(level, line.quantity - level.on_hand, None, (*there, n, "quantity"), sku))
    Refusals.raise_if_any(refusals)
    await _apply(work, levels, changes, reason=new.reason)
    return [levels.by_place[line.variant_id, location].id for line in new.lines]


def _faults(lines: Sequence[NewAdjustmentLine], kept: ledger.Books) -> list[Refusal]:
    faults: list[Refusal | None] = []
    for n, line in enumerate(lines):
        path = ("input", "lines", n)
        if not line.delta:
            faults.append(Invalid("Say how many more or fewer: zero changes nothing.", path=(*path, "delta")))
        if line.unit_cost is not None:
            if line.delta < 0:
                sentence = "What leaves takes its cost from the books: a unit cost is for what is more."
                faults.append(Invalid(sentence, path=(*path, "unitCost")))
            faults.append(inputs.unit_cost_fault(line.unit_cost, kept, path=(*path, "unitCost")))
    return [fault for fault in faults if fault is not None]


async def _apply(work: Work, levels: Levels, changes: Sequence[_Change], *, reason: StockAdjustmentReason) -> None:
    losses = [change for change in changes if change.delta < 0]
    gains = [change for change in changes if change.delta > 0]
    Refusals.raise_if_any(
        [
            InsufficientStock(
                f"Only {format_quantity(change.level.on_hand)} of {change.sku} are on hand.",
                path=(*change.path[:-1], "delta"),
                variant=change.level.place[0],
                requested=-change.delta,
                available=change.level.on_hand,
            )
            for change in losses
            if change.level.on_hand + change.delta < 0
        ]
    )
    await _make_room(work, levels, losses)
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    gained = await _gained_values(work, gains, digits)
    layers = await costs.live_layers(work, [change.level.place for change in losses]) if losses else {}
    draws = [costs.draw(layers[change.level.place], -change.delta, digits) for change in losses]
    lost = sum((each.value for drawn in draws for each in drawn), Decimal(0))
    lines = postings.adjustment(reason, gained=sum(gained, Decimal(0)), lost=lost)
    drafts = [ledger.Draft(f"Stock adjusted: {reason.lower()}", None, lines)] if lost or any(gained) else []
    entries = await ledger.open_entries(work, drafts, kept)
    entry = entries[0] if entries else None
    kind = StockMovementKind.ADJUSTMENT
    moves = [
        Move(change.level, change.delta, value, kind, entry_id=entry, reason=reason)
        for change, value in zip(gains, gained, strict=True)
    ]
    moves += [
        Move(change.level, -each.quantity, -each.value, kind, layer_id=each.layer_id, entry_id=entry, reason=reason)
        for change, drawn in zip(losses, draws, strict=True)
        for each in drawn
    ]
    await fill_backorders(work, levels, {change.level.place: change.delta for change in gains})
    await levels.move(moves, StockAdjusted)
    if entry is not None:
        await ledger.write_lines(work, [(entry, lines)], kept)


async def _make_room(work: Work, levels: Levels, losses: Sequence[_Change]) -> None:
    """Where less is left than was promised, promises give way: first those whose time is over anyway."""

    def missing() -> dict[tuple[ID, ID], Decimal]:
        rest = {change.level.place: -change.level.available - change.delta for change in losses}
        return {place: quantity for place, quantity in rest.items() if quantity > 0}

    if missing():
        await free_expired(work, levels, missing())
    if short := missing():
        await give_way(work, levels, short)


async def _gained_values(work: Work, gains: Sequence[_Change], digits: int) -> list[Decimal]:
    asking = [each.level.place[0] for each in gains if each.unit_cost is None and not each.level.on_hand]
    last = await costs.last_costs(work, asking)
    values: list[Decimal] = []
    refusals: list[Refusal] = []
    for change in gains:
        level = change.level
        if change.unit_cost is not None:
            values.append(costs.worth(change.delta, change.unit_cost.amount, digits))
        elif level.on_hand:
            values.append(costs.proportion(level.value, change.delta, level.on_hand, digits))
        elif level.place[0] in last:
            values.append(costs.worth(change.delta, last[level.place[0]], digits))
        else:
            sentence = f"Nothing tells what {change.sku} costs: receive it, or adjust it, with its unit cost."
            refusals.append(CostUnknown(sentence, path=change.path))
    Refusals.raise_if_any(refusals)
    return values
