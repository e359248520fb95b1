"""Somebody counts what is at a location: a count is started, submitted, counted again, approved or given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import catalog
from domain.kernel import bulk, words
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import format_quantity
from domain.kernel.work import Work
from domain.stock.contents import Content
from domain.stock.counting import COUNT, StockCountAction
from domain.stock.errors import InsufficientStock
from domain.stock.events import (
    StockCountApproved,
    StockCountCancelled,
    StockCountRecounted,
    StockCountStarted,
    StockCountSubmitted,
)
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.adjust import Change, apply_changes
from domain.stock.operations.count_lines import (
    Counted,
    CountLine,
    Spot,
    add_lines,
    different_lines,
    in_walking_order,
    lying,
    named_lines,
    refuse_counted_elsewhere,
    uncounted_lines,
    write_counted,
    write_uncounted,
)
from domain.stock.operations.shelves import states_of
from domain.stock.tables import StockAdjustmentReason, StockCount, StockCountKind, StockCountStatus, UnavailableState


@dataclass(frozen=True)
class CountStart:
    """What is to be counted at a location."""

    location_id: ID
    """Where."""
    kind: StockCountKind
    """Whether everything there is counted, or some of it."""
    is_blind: bool = False
    """Whether nobody sees what the books say while it is being counted."""
    variant_ids: list[ID] | None = None
    """The variants to count, wherever they lie there. A cycle count names these, bins, or both."""
    bin_ids: list[ID] | None = None
    """The bins to count, with all within them; together with variants, only these in them."""
    reference: str | None = None
    """What it is called on paper."""


@dataclass(slots=True)
class LockedCount:
    """A count as it is now. Nobody else changes it until this act ends."""

    id: ID
    location_id: ID
    status: StockCountStatus


async def start_count(work: Work, new: CountStart) -> ID:
    """What the books say is kept as it is now, a line for each bin and lot. Returns the count's id.

    Stock goes on moving while it is counted. Refused with NotAllowedNow for what another count is at, with NotFound and
    Invalid.
    """
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    _check_kind(new)
    reference = None if new.reference is None else words.line(new.reference, path=("input", "reference"))
    variants = None if new.variant_ids is None else await _variants(work, new.variant_ids)
    bins = None if new.bin_ids is None else await _bins(work, location, new.bin_ids)
    wanted = await _variants_to_count(work, location, variants, bins)
    # A variant that was never here gets its level now: it is the lock by which two counts of it see each other.
    levels = await Levels.lock(work, {(variant, location) for variant in wanted}, create=True)
    expected = await lying(work, levels)
    if bins is not None:
        expected = {spot: quantity for spot, quantity in expected.items() if spot.bin_id in bins}
    elif variants is not None:
        there = {spot.variant_id for spot in expected}
        expected |= {Spot(variant): Decimal(0) for variant in variants if variant not in there}
    count = {
        "id": new_id("cnt"),
        "location_id": location,
        "kind": new.kind,
        "is_blind": new.is_blind,
        "status": StockCountStatus.OPEN,
        "reference": reference,
        "created_at": work.now,
        "updated_at": work.now,
    }
    there_too = ("input", "variantIds" if variants is not None else "binIds" if bins is not None else "locationId")
    await refuse_counted_elsewhere(work, count["id"], location, list(expected), path=there_too)
    await bulk.insert(work, StockCount, [count])
    await add_lines(work, count["id"], await in_walking_order(work, expected), path=there_too)
    work.announce(StockCountStarted(count["id"], location=location, kind=new.kind))
    return count["id"]


def _check_kind(new: CountStart) -> None:
    if new.kind == StockCountKind.FULL and (new.variant_ids is not None or new.bin_ids is not None):
        name = "variantIds" if new.variant_ids is not None else "binIds"
        raise Invalid("A full count is of everything there: name neither variants nor bins.", path=("input", name))
    if new.kind == StockCountKind.CYCLE and not new.variant_ids and not new.bin_ids:
        raise Invalid("Name the variants or the bins to count.", path=("input", "variantIds"))
    for name, named in (("variantIds", new.variant_ids), ("binIds", new.bin_ids)):
        if named is not None and not 0 < len(named) <= inputs.MOST_LINES:
            raise Invalid(f"Name 1 to {inputs.MOST_LINES:,} of them.", path=("input", name))


async def _variants(work: Work, ids: Sequence[ID]) -> list[ID]:
    known = await catalog.sellables(work, ids)
    Refusals.raise_if_any(
        [
            NotFound("There is no such variant.", path=("input", "variantIds", n))
            for n, each in enumerate(ids)
            if each not in known
        ]
    )
    return list(dict.fromkeys(ids))


_BINS = """
SELECT wanted.id AS wanted, inner_bin.id FROM bins AS wanted JOIN bins AS inner_bin
  ON inner_bin.location_id = wanted.location_id AND (inner_bin.id = wanted.id
    OR inner_bin.path_folded > wanted.path_folded || '/' AND inner_bin.path_folded < wanted.path_folded || '0')
WHERE wanted.id = ANY($1) AND wanted.location_id = $2
"""
"""With what is within them: the path of a bin begins with that of the larger one and a stroke, behind which comes 0."""


async def _bins(work: Work, location: ID, ids: Sequence[ID]) -> set[ID]:
    records = await work.raw.fetch(_BINS, [each[4:] for each in ids if is_id(each, "bin")], location[4:])
    known = {"bin_" + record["wanted"] for record in records}
    Refusals.raise_if_any(
        [
            NotFound("There is no such bin at this location.", path=("input", "binIds", n))
            for n, each in enumerate(ids)
            if each not in known
        ]
    )
    return {ID("bin_" + record["id"]) for record in records}


_IN_BINS = "SELECT DISTINCT variant_id FROM stock_contents WHERE bin_id = ANY($1) AND live"
_EVERYTHING = "SELECT variant_id FROM stock_levels WHERE location_id = $1 AND on_hand > 0"


async def _variants_to_count(
    work: Work, location: ID, variants: Sequence[ID] | None, bins: set[ID] | None
) -> Sequence[ID]:
    if bins is not None:
        found = await work.raw.fetch(_IN_BINS, sorted(each[4:] for each in bins))
    elif variants is not None:
        return variants
    else:
        found = await work.raw.fetch(_EVERYTHING, location[4:])
    there = [ID("var_" + record["variant_id"]) for record in found]
    return there if variants is None else [each for each in there if each in set(variants)]


_LOCK = "SELECT id, location_id, status FROM stock_counts WHERE id = $1 FOR NO KEY UPDATE"


async def locked_count(work: Work, count_id: str) -> LockedCount:
    """The count of that id, locked. Refused with NotFound when there is none."""
    record = await work.raw.fetchrow(_LOCK, count_id[4:]) if is_id(count_id, "cnt") else None
    if record is None:
        raise NotFound("There is no such count.", path=("id",))
    return LockedCount(ID(count_id), ID("loc_" + record["location_id"]), StockCountStatus(record["status"]))


_STEP = """
UPDATE stock_counts SET status = $2, version = version + 1, updated_at = $3,
  submitted_at = CASE $2 WHEN 'OPEN' THEN NULL WHEN 'SUBMITTED' THEN $3 ELSE submitted_at END,
  approved_at = CASE $2 WHEN 'APPROVED' THEN $3 END, cancelled_at = CASE $2 WHEN 'CANCELLED' THEN $3 END
WHERE id = $1
"""


def step(count: LockedCount, action: StockCountAction) -> StockCountStatus:
    """The status that an act leads to. Refused with NotAllowedNow."""
    return COUNT.after(count.status, action, path=("id",))


async def write_step(work: Work, count: LockedCount, status: StockCountStatus) -> None:
    """The count is in that status, and one version on."""
    await work.raw.execute(_STEP, count.id[4:], status.value, work.now)


async def submit_count(work: Work, count_id: str, *, uncounted_are_zero: bool = False) -> ID:
    """All of it is counted; with `uncounted_are_zero` what nobody counted is not there. Returns the count's id.

    Refused with NotFound, and with NotAllowedNow while lines are uncounted or when it is submitted already.
    """
    count = await locked_count(work, count_id)
    status = step(count, StockCountAction.SUBMIT)
    uncounted = await uncounted_lines(work, count.id)
    if uncounted and not uncounted_are_zero:
        many = f"{len(uncounted):,} lines are" if len(uncounted) > 1 else f"Line {uncounted[0].position} is"
        raise NotAllowedNow(f"{many} not counted yet: count them, or say that uncounted means none.", path=("id",))
    if uncounted:
        levels = await Levels.lock(work, {(line.spot.variant_id, count.location_id) for line in uncounted})
        await write_counted(work, [Counted(line, Decimal(0)) for line in uncounted], await lying(work, levels))
    await write_step(work, count, status)
    work.announce(StockCountSubmitted(count.id, location=count.location_id))
    return count.id


async def recount(work: Work, count_id: str, line_ids: Sequence[str]) -> ID:
    """The lines are to be counted again, and the count is open. Returns its id.

    Refused with NotFound, with Invalid when no line is named, and with NotAllowedNow once it is approved or given up.
    """
    count = await locked_count(work, count_id)
    status = step(count, StockCountAction.RECOUNT)
    inputs.counted(line_ids, path=("lineIds",))
    lines = await named_lines(work, count.id, [ID(each) for each in line_ids if is_id(each, "cnl")])
    Refusals.raise_if_any(
        [
            NotFound("There is no such line in this count.", path=("lineIds", n))
            for n, each in enumerate(line_ids)
            if each not in lines
        ]
    )
    await write_uncounted(work, lines.values())
    await write_step(work, count, status)
    work.announce(StockCountRecounted(count.id, location=count.location_id, lines=len(lines)))
    return count.id


async def approve_count(work: Work, count_id: str) -> ID:
    """Every difference is booked, on top of whatever moved since: an adjustment per line. What is more of a lot that
    was recalled is on hold, and of one that is past its last day EXPIRED. Returns the count's id.

    Refused with InsufficientStock when more is missing at a line than the books say is left there by now, with
    CostUnknown when nothing tells what found goods cost, with NotFound, and with NotAllowedNow unless it is submitted.
    """
    count = await locked_count(work, count_id)
    status = step(count, StockCountAction.APPROVE)
    lines = await different_lines(work, count.id)
    if lines:
        gained = {line.spot.lot_id for line in lines if line.spot.lot_id is not None and line.difference > 0}
        states = await states_of(work, count.location_id, gained)
        levels = await Levels.lock(work, {(line.spot.variant_id, count.location_id) for line in lines}, create=True)
        changes = await _changes(work, levels, count, lines, states)
        await apply_changes(work, levels, changes, reason=StockAdjustmentReason.COUNT, source=count.id)
    await write_step(work, count, status)
    work.announce(StockCountApproved(count.id, location=count.location_id, differences=len(lines)))
    return count.id


async def _changes(
    work: Work, levels: Levels, count: LockedCount, lines: Sequence[CountLine], states: Mapping[ID, UnavailableState]
) -> list[Change]:
    variants = await catalog.sellables(work, {line.spot.variant_id for line in lines})
    present = await lying(work, levels)
    refusals: list[Refusal] = []
    changes: list[Change] = []
    for line in lines:
        sku, left = variants[line.spot.variant_id].sku, present.get(line.spot, Decimal(0))
        if left + line.difference < 0:
            sentence = (
                f"Line {line.position} lacks {format_quantity(-line.difference)} of {sku}, and the books say that only"
                f" {format_quantity(left)} are left there by now: count it again."
            )
            refusal = InsufficientStock(
                sentence, path=("id",), variant=line.spot.variant_id, requested=-line.difference, available=left
            )
            refusals.append(refusal)
        changes.append(
            Change(
                levels.by_place[line.spot.variant_id, count.location_id],
                line.difference,
                line.unit_cost,
                (),
                "id",
                sku,
                Content(
                    line.spot.bin_id,
                    line.spot.lot_id,
                    None if line.spot.lot_id is None else states.get(line.spot.lot_id),
                ),
                exact=True,
            )
        )
    Refusals.raise_if_any(refusals)
    return changes


async def cancel_count(work: Work, count_id: str) -> ID:
    """The count is given up: nothing is booked. Returns its id. Refused with NotFound and NotAllowedNow."""
    count = await locked_count(work, count_id)
    await write_step(work, count, step(count, StockCountAction.CANCEL))
    work.announce(StockCountCancelled(count.id, location=count.location_id))
    return count.id
