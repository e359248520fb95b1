"""One proposes that goods be worth more or less, and another approves or rejects it."""

from dataclasses import dataclass

from domain.kernel import bulk
from domain.kernel.errors import NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock.errors import OwnProposal
from domain.stock.events import StockRevaluationApproved, StockRevaluationProposed, StockRevaluationRejected
from domain.stock.operations.revalue import (
    NewRevaluation,
    NewRevaluationLine,
    change_values,
    check_revaluation,
    line_path,
    refuse_nothing,
)
from domain.stock.revaluing import REVALUATION, StockRevaluationAction
from domain.stock.tables import StockRevaluation, StockRevaluationLine, StockRevaluationStatus


@dataclass(frozen=True, slots=True)
class LockedRevaluation:
    """A revaluation as it is now. Nobody else decides about it until this act ends."""

    id: ID
    location_id: ID
    reason: str
    status: StockRevaluationStatus
    proposed_by: str | None


_THERE = "SELECT variant_id FROM stock_levels WHERE location_id = $1 AND variant_id = ANY($2) AND on_hand > 0"


async def propose_revaluation(work: Work, new: NewRevaluation) -> ID:
    """A revaluation waits for somebody else to decide about it: nothing is worth more or less yet. Returns its id.

    Refused with NothingThere where nothing is on hand; with NotFound and Invalid.
    """
    checked = await check_revaluation(work, new)
    variants = [line.variant_id[4:] for line in checked.lines]
    records = await work.raw.fetch(_THERE, checked.location_id[4:], variants)
    there = {ID("var_" + record["variant_id"]) for record in records}
    await refuse_nothing(work, checked.lines, there, at=line_path)
    made = {
        "id": new_id("srv"),
        "location_id": checked.location_id,
        "reason": checked.reason,
        "proposed_by": work.actor.id,
        "created_at": work.now,
        "updated_at": work.now,
    }
    await bulk.insert(work, StockRevaluation, [made])
    await bulk.insert(
        work,
        StockRevaluationLine,
        [
            {
                "id": new_id("srl"),
                "revaluation_id": made["id"],
                "position": n,
                "variant_id": line.variant_id,
                "unit_cost_amount": line.unit_cost.amount,
                "unit_cost_currency": line.unit_cost.currency,
            }
            for n, line in enumerate(checked.lines, 1)
        ],
    )
    work.announce(StockRevaluationProposed(made["id"], location=checked.location_id, reason=checked.reason))
    return made["id"]


async def approve_revaluation(work: Work, revaluation_id: str) -> ID:
    """What is on hand by now is worth what was proposed, and the difference is in the books. Returns its id.

    Refused with OwnProposal for whoever proposed it; with NothingThere where nothing is on hand any more; with
    NotFound; and with NotAllowedNow once it is decided.
    """
    revaluation = await _locked(work, revaluation_id)
    status = REVALUATION.after(revaluation.status, StockRevaluationAction.APPROVE, path=("id",))
    if work.actor.id is not None and work.actor.id == revaluation.proposed_by:
        raise OwnProposal("Whoever proposed a revaluation does not approve it: let somebody else look.", path=("id",))
    wanted = NewRevaluation(revaluation.location_id, revaluation.reason, await _lines(work, revaluation))
    revalued = await change_values(work, wanted, at=lambda _: ("id",), source=revaluation.id)
    await _write_step(work, revaluation, status, revalued.entry_id)
    work.announce(StockRevaluationApproved(revaluation.id, location=revaluation.location_id))
    return revaluation.id


async def reject_revaluation(work: Work, revaluation_id: str) -> ID:
    """A proposal is turned down: nothing comes of it. Whoever made it may do so, too. Returns its id.

    Refused with NotFound, and with NotAllowedNow once it is decided.
    """
    revaluation = await _locked(work, revaluation_id)
    status = REVALUATION.after(revaluation.status, StockRevaluationAction.REJECT, path=("id",))
    await _write_step(work, revaluation, status, None)
    work.announce(StockRevaluationRejected(revaluation.id, location=revaluation.location_id))
    return revaluation.id


_LOCK = "SELECT id, location_id, reason, status, proposed_by FROM stock_revaluations WHERE id = $1 FOR NO KEY UPDATE"


async def _locked(work: Work, revaluation_id: str) -> LockedRevaluation:
    record = await work.raw.fetchrow(_LOCK, revaluation_id[4:]) if is_id(revaluation_id, "srv") else None
    if record is None:
        raise NotFound("There is no such revaluation.", path=("id",))
    return LockedRevaluation(
        ID(revaluation_id),
        ID("loc_" + record["location_id"]),
        record["reason"],
        StockRevaluationStatus(record["status"]),
        record["proposed_by"],
    )


_LINES = """
SELECT variant_id, unit_cost_amount, unit_cost_currency FROM stock_revaluation_lines
WHERE revaluation_id = $1 ORDER BY position
"""


async def _lines(work: Work, revaluation: LockedRevaluation) -> list[NewRevaluationLine]:
    records = await work.raw.fetch(_LINES, revaluation.id[4:])
    return [
        NewRevaluationLine(
            ID("var_" + record["variant_id"]),
            Money(record["unit_cost_amount"], CurrencyCode(record["unit_cost_currency"])),
        )
        for record in records
    ]


_STEP = """
UPDATE stock_revaluations
SET status = $2, entry_id = $3, decided_by = $4, decided_at = $5, version = version + 1, updated_at = $5
WHERE id = $1
"""


async def _write_step(
    work: Work, revaluation: LockedRevaluation, status: StockRevaluationStatus, entry: ID | None
) -> None:
    posted = None if entry is None else entry[4:]
    await work.raw.execute(_STEP, revaluation.id[4:], status.value, posted, work.actor.id, work.now)
