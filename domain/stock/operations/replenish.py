"""When more of a variant should be ordered for a place, and how much."""

from dataclasses import dataclass
from decimal import Decimal

from domain.kernel import bulk
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.work import Work
from domain.stock.events import StockRuleChanged
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.inputs import Wanted
from domain.stock.tables import StockLevel


@dataclass(frozen=True)
class ReplenishmentChanges:
    """When more of a variant should be ordered for a place; what is left out stays, and null takes it away."""

    variant_id: ID
    """The variant."""
    location_id: ID
    """The place."""
    reorder_point: Quantity | Absent | None = ABSENT
    """More should be ordered when what is available there falls to this: then `stock_reorder_point.reached` is told."""
    safety_stock: Quantity | Absent | None = ABSENT
    """What should always be there, for the unforeseen."""
    min_quantity: Quantity | Absent | None = ABSENT
    """At least so much should be there."""
    max_quantity: Quantity | Absent | None = ABSENT
    """It is ordered up to this; at least the smallest quantity."""


_NAMES = {
    "reorder_point": "reorderPoint",
    "safety_stock": "safetyStock",
    "min_quantity": "minQuantity",
    "max_quantity": "maxQuantity",
}
_PRESENT = "SELECT reorder_point, safety_stock, min_quantity, max_quantity FROM stock_levels WHERE id = $1"


async def set_replenishment(work: Work, changes: ReplenishmentChanges) -> ID:
    """More is ordered at this point, and so much, from now on. Returns the level, which is made where it is missing.

    A point that what is available has fallen to already counts as reached now. A call that changes nothing changes
    nothing. Refused with NotFound and Invalid for what is unknown or cannot be.
    """
    location = await inputs.existing_location(work, changes.location_id, path=("input", "locationId"))
    mentioned = {name: value for name, value in given(changes).items() if name in _NAMES}
    wanted = [
        Wanted(changes.variant_id, value or Decimal(0), ("input",), _NAMES[name]) for name, value in mentioned.items()
    ]
    await inputs.known_variants(work, wanted or [Wanted(changes.variant_id, Decimal(0), ("input",))])
    levels = await Levels.lock(work, [(changes.variant_id, location)], create=True)
    level = levels.by_place[changes.variant_id, location]
    row = await work.raw.fetchrow(_PRESENT, level.id[4:])
    assert row is not None
    present = dict(row)
    rule = present | mentioned
    Refusals.raise_if_any(_faults(rule))
    if rule == present:
        return level.id
    await bulk.update(work, StockLevel, [{"id": level.id, **rule}])
    level.reorder_point = rule["reorder_point"]
    level.claim()  # it is touched, though nothing more is claimed
    levels.save(StockRuleChanged)
    return level.id


def _faults(rule: dict[str, Decimal | None]) -> list[Refusal]:
    faults: list[Refusal] = [
        Invalid("Less than nothing cannot be there.", path=("input", _NAMES[name]))
        for name, value in rule.items()
        if value is not None and value < 0
    ]
    least, most = rule["min_quantity"], rule["max_quantity"]
    if not faults and least is not None and most is not None and most < least:
        faults.append(Invalid("The largest quantity is at least the smallest.", path=("input", "maxQuantity")))
    return faults
