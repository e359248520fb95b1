"""What was counted is written down, what nobody expected there included."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import catalog, ledger
from domain.catalog import Sellable
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id
from domain.kernel.money import Money, Quantity
from domain.kernel.work import Work
from domain.stock.counting import StockCountAction
from domain.stock.events import StockCountRecorded
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.count_lines import (
    Counted,
    CountLine,
    Spot,
    add_lines,
    last_position,
    lines_at,
    lying,
    named_lines,
    refuse_counted_elsewhere,
    write_counted,
)
from domain.stock.operations.counts import LockedCount, locked_count, step, write_step
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.shelves import Shelved, contents_named


@dataclass(frozen=True)
class CountedLine:
    """What was counted of one line."""

    line_id: ID
    """The line."""
    quantity: Quantity
    """How many are there, in the variant's unit; zero for none."""
    unit_cost: Money | None = None
    """What one costs, in the currency of the books, should there be more than the books say; else as `stockAdjust`."""


@dataclass(frozen=True)
class FoundLine:
    """Something that was found where no line expects it."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many are there, in the variant's unit; more than zero."""
    bin_id: ID | None = None
    """The bin it lies in; loose, when left out."""
    lot_id: ID | None = None
    """The lot it belongs to; demanded where the variant is kept by lots."""
    unit_cost: Money | None = None
    """What one costs, in the currency of the books; the average there, else the last cost, when left out."""


@dataclass(frozen=True)
class CountRecord:
    """What somebody counted."""

    lines: list[CountedLine] | None = None
    """The lines that were counted, each once; at most 10,000. A line that was counted before is counted anew."""
    found: list[FoundLine] | None = None
    """What was found where no line expects it: it becomes a line."""


async def record_count(work: Work, count_id: str, record: CountRecord) -> ID:
    """The lines are counted, and what was found has lines too. What moved in the books since the count began is netted
    out. Returns the count's id.

    Refused with NotAllowedNow unless the count is open, and for what another count is at; with NotFound and Invalid.
    """
    count = await locked_count(work, count_id)
    status = step(count, StockCountAction.RECORD)
    lines, found = record.lines or [], record.found or []
    inputs.counted([*lines, *found], path=("input", "lines"))
    kept = await ledger.books(work)
    costs = [(each, ("input", "lines", n)) for n, each in enumerate(lines)]
    costs += [(each, ("input", "found", n)) for n, each in enumerate(found)]
    faults = [
        inputs.unit_cost_fault(each.unit_cost, kept, path=(*path, "unitCost"), quantity=each.quantity)
        for each, path in costs
        if each.unit_cost is not None
    ]
    Refusals.raise_if_any([fault for fault in faults if fault is not None])
    counted = await _named(work, count, lines)
    spots = await _spots(work, count, found)
    known = await lines_at(work, count.id, spots) if spots else {}
    fresh = [spot for spot in spots if spot not in known]
    _refuse_twice([each.line for each in counted], spots, known)
    variants = {each.line.spot.variant_id for each in counted} | {spot.variant_id for spot in spots}
    places = {(variant, count.location_id) for variant in variants}
    levels = await Levels.lock(work, places, create=bool(fresh))
    present = await lying(work, levels)
    await _refuse_without_lot(work, counted, present)
    if fresh:
        await refuse_counted_elsewhere(work, count.id, count.location_id, fresh, path=("input", "found"))
        expected = {spot: present.get(spot, Decimal(0)) for spot in fresh}
        after = await last_position(work, count.id)
        made = await add_lines(work, count.id, expected, after=after, path=("input", "found"))
        known |= {line.spot: line for line in made}
    counted += [Counted(known[spot], each.quantity, each.unit_cost) for spot, each in zip(spots, found, strict=True)]
    await write_counted(work, counted, present)
    await write_step(work, count, status)
    work.announce(StockCountRecorded(count.id, location=count.location_id, lines=len(counted)))
    return count.id


async def _named(work: Work, count: LockedCount, lines: Sequence[CountedLine]) -> list[Counted]:
    """The lines that were counted. Refused with NotFound and Invalid."""
    known = await named_lines(work, count.id, [line.line_id for line in lines if is_id(line.line_id, "cnl")])
    variants = await catalog.sellables(work, {line.spot.variant_id for line in known.values()})
    refusals: list[Refusal] = []
    for n, line in enumerate(lines):
        path = ("input", "lines", n)
        if line.line_id not in known:
            refusals.append(NotFound("There is no such line in this count.", path=(*path, "lineId")))
        elif fault := _quantity_fault(line.quantity, variants[known[line.line_id].spot.variant_id], path=path):
            refusals.append(fault)
    Refusals.raise_if_any(refusals)
    return [Counted(known[line.line_id], line.quantity, line.unit_cost) for line in lines]


def _quantity_fault(quantity: Decimal, variant: Sellable, *, path: Path) -> Refusal | None:
    if quantity < 0:
        return Invalid("Less than nothing cannot be there.", path=(*path, "quantity"))
    fault = variant.quantity_fault(quantity)
    return None if fault is None else Invalid(fault, path=(*path, "quantity"))


async def _spots(work: Work, count: LockedCount, found: Sequence[FoundLine]) -> list[Spot]:
    """Where something was found. Refused with NotFound and Invalid."""
    if not found:
        return []
    paths: list[Path] = [("input", "found", n) for n in range(len(found))]
    wanted = [Wanted(each.variant_id, each.quantity, path) for each, path in zip(found, paths, strict=True)]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    shelved = [
        Shelved(
            each.variant_id,
            count.location_id,
            path,
            each.bin_id,
            lot_id=each.lot_id,
            brings=True,
        )
        for each, path in zip(found, paths, strict=True)
    ]
    contents = await contents_named(work, shelved)
    return [
        Spot(each.variant_id, content.bin_id, content.lot_id) for each, content in zip(found, contents, strict=True)
    ]


def _refuse_twice(lines: Sequence[CountLine], spots: Sequence[Spot], known: Mapping[Spot, CountLine]) -> None:
    seen: set[ID | Spot] = set()
    named: list[tuple[ID | Spot, Path]] = [(line.id, ("input", "lines", n)) for n, line in enumerate(lines)]
    named += [(known[spot].id if spot in known else spot, ("input", "found", n)) for n, spot in enumerate(spots)]
    for each, path in named:
        if each in seen:
            raise Invalid("This was counted twice: say it in one line.", path=path)
        seen.add(each)


_TRACKED = "SELECT variant_id FROM stock_policies WHERE variant_id = ANY($1) AND tracks_lots"


async def _refuse_without_lot(work: Work, counted: Collection[Counted], present: Mapping[Spot, Decimal]) -> None:
    """Of a variant that is kept by lots no more can be there than the books say, without its lot."""
    more = {
        each.line.spot.variant_id: n
        for n, each in enumerate(counted)
        if each.line.spot.lot_id is None and each.quantity > present.get(each.line.spot, Decimal(0))
    }
    if more:
        tracked = await work.raw.fetch(_TRACKED, [variant[4:] for variant in more])
        Refusals.raise_if_any(
            [
                Invalid(
                    "This variant is kept by lots: count none here, and name what was found of which lot as `found`.",
                    path=("input", "lines", more[ID("var_" + record["variant_id"])], "quantity"),
                )
                for record in tracked
            ]
        )
