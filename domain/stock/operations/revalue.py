"""What is there is worth more or less from now on: no quantity moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import catalog, ledger
from domain.kernel import words
from domain.kernel.errors import Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Money, currency_digits
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.costs import Layer
from domain.stock.errors import NothingThere
from domain.stock.events import StockRevalued
from domain.stock.locked import Level, Levels, Move
from domain.stock.operations import inputs
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.tables import StockMovementKind

LONGEST_REASON = 64


@dataclass(frozen=True)
class NewRevaluationLine:
    """What one unit of a variant is worth from now on."""

    variant_id: ID
    """The variant."""
    unit_cost: Money
    """What one is worth, in the currency of the books; up to six decimals."""


@dataclass(frozen=True)
class NewRevaluation:
    """What the goods at one location are worth from now on."""

    location_id: ID
    """Where."""
    reason: str
    """Why, such as a price that fell; at most 64 characters. It stays on the movements for ever."""
    lines: list[NewRevaluationLine]
    """The variants, each once; at most 10,000."""


@dataclass(frozen=True)
class Revalued:
    """What a revaluation came to."""

    levels: list[ID]
    entry_id: ID | None
    """Its entry in the books; None where nothing was worth anything else."""


async def revalue(work: Work, new: NewRevaluation) -> list[ID]:
    """What is on hand is worth its quantity times the unit cost, and the difference is in the books: an expense, or
    less of it. Goods of all ages cost the same then. Returns the levels.

    Refused with NothingThere where nothing is on hand; with NotFound and Invalid.
    """
    checked = await check_revaluation(work, new)
    revalued = await change_values(work, checked, at=line_path)
    return revalued.levels


async def check_revaluation(work: Work, new: NewRevaluation) -> NewRevaluation:
    """What was wanted, as it can be done. Refused with NotFound and Invalid."""
    there = ("input", "lines")
    reason = words.line(new.reason, path=("input", "reason"), longest=LONGEST_REASON)
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=there)
    inputs.refuse_twice([line.variant_id for line in new.lines], path=there)
    await inputs.known_variants(
        work, [Wanted(line.variant_id, Decimal(0), (*there, n)) for n, line in enumerate(new.lines)]
    )
    kept = await ledger.books(work)
    faults = [
        inputs.unit_cost_fault(line.unit_cost, kept, path=(*there, n, "unitCost")) for n, line in enumerate(new.lines)
    ]
    Refusals.raise_if_any([fault for fault in faults if fault is not None])
    return NewRevaluation(location, reason, new.lines)


def line_path(n: int) -> Path:
    """Where the input names the variant of a line."""
    return ("input", "lines", n, "variantId")


async def change_values(
    work: Work, wanted: NewRevaluation, *, at: Callable[[int], Path], source: ID | None = None
) -> Revalued:
    """The value of what is on hand changes, under the locks of its levels, and the difference is posted.

    `wanted` was checked. `at`: the path that a refusal of a line names. Refused with NothingThere.
    """
    kept = await ledger.books(work)
    levels = await Levels.lock(work, {(line.variant_id, wanted.location_id) for line in wanted.lines})
    there = {place[0] for place, level in levels.by_place.items() if level.on_hand}
    await refuse_nothing(work, wanted.lines, there, at=at)
    found = [levels.by_place[line.variant_id, wanted.location_id] for line in wanted.lines]
    layers = await costs.live_layers(work, [level.place for level in found])
    digits = currency_digits(kept.currency)
    changes = [
        (level, layer, change)
        for level, line in zip(found, wanted.lines, strict=True)
        for layer, change in _changes(layers[level.place], level.on_hand, line.unit_cost.amount, digits)
    ]
    entry = await _post(work, levels, changes, wanted, kept, source=source)
    return Revalued([level.id for level in found], entry)


async def refuse_nothing(
    work: Work, lines: Sequence[NewRevaluationLine], there: set[ID], *, at: Callable[[int], Path]
) -> None:
    """Refuse lines of variants that are not among those which are `there`, with one NothingThere for each."""
    missing = [(n, line.variant_id) for n, line in enumerate(lines) if line.variant_id not in there]
    if not missing:
        return
    variants = await catalog.sellables(work, [row for _, row in missing])
    refusals: list[Refusal] = [
        NothingThere(
            f"Nothing of {variants[row].sku} is on hand there, so nothing can be worth more or less.", path=at(n)
        )
        for n, row in missing
    ]
    Refusals.raise_if_any(refusals)


def _changes(layers: Sequence[Layer], on_hand: Decimal, unit_cost: Decimal, digits: int) -> list[tuple[Layer, Decimal]]:
    """By how much each layer's value changes: together they are worth the whole, rounded once."""
    whole = costs.worth(on_hand, unit_cost, digits)
    changes: list[tuple[Layer, Decimal]] = []
    seen, given = Decimal(0), Decimal(0)
    for layer in layers:
        seen += layer.quantity
        share = costs.proportion(whole, seen, on_hand, digits) - given
        given += share
        if share != layer.value:
            changes.append((layer, share - layer.value))
    return changes


async def _post(
    work: Work,
    levels: Levels,
    changes: Sequence[tuple[Level, Layer, Decimal]],
    wanted: NewRevaluation,
    kept: ledger.Books,
    *,
    source: ID | None,
) -> ID | None:
    if not changes:
        return None
    gained = sum((change for _, _, change in changes if change > 0), Decimal(0))
    lost = -sum((change for _, _, change in changes if change < 0), Decimal(0))
    lines = ledger.about(postings.revaluation(gained=gained, lost=lost), location=wanted.location_id)
    (entry,) = await ledger.open_entries(work, [ledger.Draft("Stock revalued", source, lines)], kept)
    await levels.move(
        [
            Move(
                level,
                Decimal(0),
                change,
                StockMovementKind.REVALUATION,
                layer_id=layer.id,
                entry_id=entry,
                reason=wanted.reason,
                source=source,
            )
            for level, layer, change in changes
        ],
        StockRevalued,
    )
    await ledger.write_lines(work, [(entry, lines)], kept)
    return entry
