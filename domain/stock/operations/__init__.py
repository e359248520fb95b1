"""What can be done with stock, one file per verb."""

from domain.stock.operations.adjust import (
    NewAdjustment,
    NewAdjustmentLine,
    NewCount,
    NewCountLine,
    adjust,
    set_quantities,
)
from domain.stock.operations.allocate import (
    Allocation,
    Held,
    Issue,
    allocate,
    deallocate,
    draw,
    lock_allocations,
    ship,
)
from domain.stock.operations.inputs import existing_locations
from domain.stock.operations.locations import NewLocation, bring_in_locations, create_location
from domain.stock.operations.lots import NewLot
from domain.stock.operations.policies import StockPolicyChanges, set_policy
from domain.stock.operations.prioritize import NewPriority, prioritize
from domain.stock.operations.receive import (
    NewIncoming,
    NewIncomingLine,
    NewReceipt,
    NewReceiptLine,
    Received,
    expect,
    receive,
    receive_many,
)
from domain.stock.operations.replenish import ReplenishmentChanges, set_replenishment
from domain.stock.operations.reserve import NewReservation, NewReservationLine, release, reserve, sweep
from domain.stock.operations.revalue import NewRevaluation, NewRevaluationLine, revalue

__all__ = [
    "Allocation",
    "Held",
    "Issue",
    "NewAdjustment",
    "NewAdjustmentLine",
    "NewCount",
    "NewCountLine",
    "NewIncoming",
    "NewIncomingLine",
    "NewLocation",
    "NewLot",
    "NewPriority",
    "NewReceipt",
    "NewReceiptLine",
    "NewReservation",
    "NewReservationLine",
    "NewRevaluation",
    "NewRevaluationLine",
    "Received",
    "ReplenishmentChanges",
    "StockPolicyChanges",
    "adjust",
    "allocate",
    "bring_in_locations",
    "create_location",
    "deallocate",
    "draw",
    "existing_locations",
    "expect",
    "lock_allocations",
    "prioritize",
    "receive",
    "receive_many",
    "release",
    "reserve",
    "revalue",
    "set_policy",
    "set_quantities",
    "set_replenishment",
    "ship",
    "sweep",
]
