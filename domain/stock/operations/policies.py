"""How the stock of a variant is kept: which cost leaves, whether by lots, and what happens when it runs out."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from domain import catalog, ledger
from domain.catalog import Sellable
from domain.kernel import bulk
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound, Refusal, Refusals, StaleVersion
from domain.kernel.ids import ID, new_id
from domain.kernel.money import Quantity, format_quantity
from domain.kernel.work import Work
from domain.stock.events import StockPolicyChanged
from domain.stock.locked import Levels
from domain.stock.operations.inputs import Path
from domain.stock.tables import BackorderPolicy, CostMethod, StockPolicy


@dataclass(frozen=True)
class StockPolicyChanges:
    """How the stock of one variant is kept from now on; what is left out stays as it is."""

    variant_id: ID
    """The variant."""
    cost_method: CostMethod | Absent = ABSENT
    """Which cost goods take along when they leave; changes only while nothing is on hand anywhere. FIFO at first."""
    tracks_lots: bool | Absent = ABSENT
    """Whether every unit that comes in must name its lot; true only while all that is on hand belongs to one."""
    backorders: BackorderPolicy | Absent = ABSENT
    """Whether more may be ordered than is available. DENY at first. Who waits already goes on waiting."""
    backorder_limit: Quantity | Absent | None = ABSENT
    """How much may be waited for in all, in the variant's unit; needed with LIMIT, and only there."""
    preorder_on: date | Absent | None = ABSENT
    """The day it is expected to be there, today or later; needed with PREORDER, and only there."""
    expected_version: int | Absent | None = ABSENT
    """The version the caller has seen, 0 where there was no policy: else refused with STALE_VERSION."""


_LOCK = """
SELECT id, cost_method, tracks_lots, backorders, backorder_limit, preorder_on, version FROM stock_policies
WHERE variant_id = $1 FOR NO KEY UPDATE
"""
_BY_LOTS = """
SELECT coalesce(sum(quantity), 0) FROM stock_contents WHERE variant_id = $1 AND lot_id IS NOT NULL AND live
"""


async def set_policy(work: Work, changes: StockPolicyChanges) -> ID:
    """The variant's stock is kept so from now on; the policy is made on first use. Returns its id. A call that changes
    nothing changes nothing.

    Refused with NotAllowedNow when the cost method would change while something is on hand, or lots would be demanded
    while something on hand belongs to none; with StaleVersion, NotFound, and Invalid for what does not fit together.
    """
    sellable = (await catalog.sellables(work, [changes.variant_id])).get(changes.variant_id)
    if sellable is None:
        raise NotFound("There is no such variant.", path=("input", "variantId"))
    levels = await Levels.lock_everywhere(work, sellable.id)
    row = await work.raw.fetchrow(_LOCK, sellable.id[4:])
    present = _present(row)
    version = row["version"] if row is not None else 0
    if isinstance(changes.expected_version, int) and changes.expected_version != version:
        raise StaleVersion(
            f"The policy is at version {version} by now, not {changes.expected_version}. Read it again.",
            path=("input", "expectedVersion"),
        )
    wanted = _wanted(present, changes)
    Refusals.raise_if_any(await _faults(work, sellable, wanted, present))
    await _refuse_while_on_hand(work, levels, sellable, wanted, present)
    if row is not None and wanted == present:
        return ID("spo_" + row["id"])
    return await _write(work, sellable.id, wanted, None if row is None else ID("spo_" + row["id"]), version + 1)


def _present(row: Any) -> dict[str, Any]:
    """The policy as it is; without a row, as every variant is kept that has none."""
    if row is None:
        return {
            "cost_method": CostMethod.FIFO,
            "tracks_lots": False,
            "backorders": BackorderPolicy.DENY,
            "backorder_limit": None,
            "preorder_on": None,
        }
    return {
        "cost_method": CostMethod(row["cost_method"]),
        "tracks_lots": row["tracks_lots"],
        "backorders": BackorderPolicy(row["backorders"]),
        "backorder_limit": row["backorder_limit"],
        "preorder_on": row["preorder_on"],
    }


def _wanted(present: dict[str, Any], changes: StockPolicyChanges) -> dict[str, Any]:
    """The policy as it shall be. A limit or a day that no longer belongs to it goes by itself."""
    mentioned = given(replace(changes, expected_version=ABSENT))
    del mentioned["variant_id"]
    wanted = present | mentioned
    if "backorders" in mentioned:
        if wanted["backorders"] != BackorderPolicy.LIMIT and "backorder_limit" not in mentioned:
            wanted["backorder_limit"] = None
        if wanted["backorders"] != BackorderPolicy.PREORDER and "preorder_on" not in mentioned:
            wanted["preorder_on"] = None
    return wanted


async def _faults(work: Work, sellable: Sellable, wanted: dict[str, Any], present: dict[str, Any]) -> list[Refusal]:
    """What does not fit together."""
    faults: list[Refusal] = []
    there: Path = ("input", "backorderLimit")
    limit = wanted["backorder_limit"]
    if wanted["backorders"] == BackorderPolicy.LIMIT and limit is None:
        faults.append(Invalid("Say how much may be waited for in all.", path=there))
    elif wanted["backorders"] != BackorderPolicy.LIMIT and limit is not None:
        faults.append(Invalid("A limit is for backorders of kind LIMIT only.", path=there))
    elif limit is not None and limit <= 0:
        faults.append(Invalid("The limit must be more than zero: to let nobody wait, say DENY.", path=there))
    elif limit is not None and (fault := sellable.quantity_fault(limit)):
        faults.append(Invalid(fault, path=there))
    there, day = ("input", "preorderOn"), wanted["preorder_on"]
    if wanted["backorders"] == BackorderPolicy.PREORDER and day is None:
        faults.append(Invalid("Say on which day it is expected.", path=there))
    elif wanted["backorders"] != BackorderPolicy.PREORDER and day is not None:
        faults.append(Invalid("A day is for backorders of kind PREORDER only.", path=there))
    elif day is not None and day != present["preorder_on"] and day < (await ledger.books(work)).today:
        faults.append(Invalid("That day is over: say one that is still to come.", path=there))
    return faults


async def _refuse_while_on_hand(
    work: Work, levels: Levels, sellable: Sellable, wanted: dict[str, Any], present: dict[str, Any]
) -> None:
    """Some of it can only change while goods do not stand in its way. All levels of the variant are locked."""
    on_hand = sum((level.on_hand for level in levels), Decimal(0))
    refusals: list[Refusal] = []
    if wanted["cost_method"] != present["cost_method"] and on_hand:
        sentence = (
            f"Costs of {sellable.sku} are kept by {present['cost_method']}, and {format_quantity(on_hand)} are on hand:"
            " change that when nothing is left."
        )
        refusals.append(NotAllowedNow(sentence, path=("input", "costMethod")))
    if wanted["tracks_lots"] and not present["tracks_lots"] and on_hand:
        loose = on_hand - await work.raw.fetchval(_BY_LOTS, sellable.id[4:])
        if loose:
            sentence = (
                f"Of {sellable.sku}, {format_quantity(loose)} on hand belong to no lot: adjust them out, and in again"
                " with their lots, or sell them first."
            )
            refusals.append(NotAllowedNow(sentence, path=("input", "tracksLots")))
    Refusals.raise_if_any(refusals)


async def _write(work: Work, variant: ID, wanted: dict[str, Any], known: ID | None, version: int) -> ID:
    policy = known or new_id("spo")
    values = {"id": policy, **wanted, "version": version, "updated_at": work.now}
    if known is None:
        await bulk.insert(work, StockPolicy, [{**values, "variant_id": variant, "created_at": work.now}])
    else:
        await bulk.update(work, StockPolicy, [values])
    limit, day = wanted["backorder_limit"], wanted["preorder_on"]
    work.announce(
        StockPolicyChanged(
            policy,
            variant=variant,
            cost_method=wanted["cost_method"],
            tracks_lots=wanted["tracks_lots"],
            backorders=wanted["backorders"],
            backorder_limit=None if limit is None else format_quantity(limit),
            preorder_on=None if day is None else day.isoformat(),
        )
    )
    return policy
