"""A case is settled: the books are brought in line, or somebody lets it be."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from asyncpg import Record

from domain import catalog, ledger
from domain.kernel import words
from domain.kernel.errors import NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id
from domain.kernel.money import Money, format_quantity
from domain.kernel.work import Work
from domain.stock.errors import InsufficientStock
from domain.stock.events import StockDiscrepancySettled
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.adjust import Change, apply_changes
from domain.stock.operations.shelves import Shelved, contents_named
from domain.stock.tables import DiscrepancyKind, StockAdjustmentReason


class DiscrepancySettlement(StrEnum):
    """How somebody settles a case."""

    ADJUSTED = "ADJUSTED"
    """Our books were wrong. For what another system counted they are brought in line by this; otherwise it says that
    somebody has put them right."""
    DISMISSED = "DISMISSED"
    """Let it be: nothing is booked."""


@dataclass(frozen=True)
class CaseSettlement:
    """How a case ends."""

    resolution: DiscrepancySettlement
    """Whether our books are brought in line, or left as they are."""
    note: str | None = None
    """Why, for whoever looks at it later."""
    unit_cost: Money | None = None
    """What one costs that the books did not know of; the average there, else the last cost, when left out."""
    lot_id: ID | None = None
    """The lot that the books are wrong about; demanded for more of a variant that is kept by lots."""


_LOCK = """
SELECT id, kind, variant_id, location_id, expected, reported, settled_at FROM stock_discrepancies
WHERE id = $1 FOR NO KEY UPDATE
"""
_SETTLE = """
UPDATE stock_discrepancies SET settled_at = $2, resolution = $3, note = $4, version = version + 1 WHERE id = $1
"""


async def settle_case(work: Work, case_id: str, settlement: CaseSettlement) -> ID:
    """The case is closed. ADJUSTED, for what another system counted, changes what is on hand by the difference that
    the case is about, whatever moved since. Returns the case's id.

    Refused with NotAllowedNow when it is settled already, with InsufficientStock when fewer are on hand by now than
    are to go, with CostUnknown, NotFound and Invalid.
    """
    record = await work.raw.fetchrow(_LOCK, case_id[4:]) if is_id(case_id, "sdc") else None
    if record is None:
        raise NotFound("There is no such case.", path=("id",))
    if record["settled_at"] is not None:
        raise NotAllowedNow("This case is settled already.", path=("id",))
    note = None if settlement.note is None else words.line(settlement.note, path=("input", "note"))
    case = ID(case_id)
    if settlement.resolution == DiscrepancySettlement.ADJUSTED and record["kind"] == DiscrepancyKind.EXTERNAL:
        await _bring_in_line(work, case, record, settlement)
    await work.raw.execute(_SETTLE, case[4:], work.now, settlement.resolution.value, note)
    work.announce(
        StockDiscrepancySettled(
            case,
            kind=record["kind"],
            variant=ID("var_" + record["variant_id"]),
            location=ID("loc_" + record["location_id"]),
            resolution=settlement.resolution,
        )
    )
    return case


async def _bring_in_line(work: Work, case: ID, record: Record, settlement: CaseSettlement) -> None:
    variant, location = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
    # Who says that less than nothing is there has sold more than there was: nothing is there.
    delta = max(record["reported"], Decimal(0)) - record["expected"]
    if not delta:
        return
    if settlement.unit_cost is not None:
        kept = await ledger.books(work)
        fault = inputs.unit_cost_fault(settlement.unit_cost, kept, path=("input", "unitCost"), quantity=delta)
        if fault is not None:
            raise fault
    shelved = Shelved(variant, location, ("input",), lot_id=settlement.lot_id, brings=delta > 0)
    (content,) = await contents_named(work, [shelved])
    sku = (await catalog.sellables(work, [variant]))[variant].sku
    levels = await Levels.lock(work, {(variant, location)}, create=True)
    level = levels.by_place[variant, location]
    if level.on_hand + delta < 0:
        there, gone = format_quantity(level.on_hand), format_quantity(-delta)
        raise InsufficientStock(
            f"Only {there} of {sku} are on hand by now, and {gone} are to go: compare anew, or dismiss the case.",
            path=("input", "resolution"),
            variant=variant,
            requested=-delta,
            available=level.on_hand,
        )
    change = Change(level, delta, settlement.unit_cost, ("input",), "unitCost", sku, content)
    if delta < 0:
        change.unit_cost, change.named = None, "resolution"
    await apply_changes(work, levels, [change], reason=StockAdjustmentReason.CORRECTION, source=case)
