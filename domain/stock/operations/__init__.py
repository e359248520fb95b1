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
from domain.stock.operations.counts import (
    CountStart,
    approve_count,
    cancel_count,
    recount,
    start_count,
    submit_count,
)
from domain.stock.operations.hand_over import Handed, HandedOver, hand_over
from domain.stock.operations.inputs import existing_locations
from domain.stock.operations.locations import (
    LocationChanges,
    NewLocation,
    bring_in_locations,
    create_location,
    update_location,
)
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
from domain.stock.operations.reconcile import ReportedLine, Snapshot, reconcile
from domain.stock.operations.record_count import CountedLine, CountRecord, FoundLine, record_count
from domain.stock.operations.replenish import ReplenishmentChanges, set_replenishment
from domain.stock.operations.reserve import NewReservation, NewReservationLine, release, reserve, sweep
from domain.stock.operations.revalue import NewRevaluation, NewRevaluationLine, revalue
from domain.stock.operations.settle import CaseSettlement, DiscrepancySettlement, settle_case
from domain.stock.operations.sharing import NewChannelRule, NewPool, set_channel_rule, set_pool

__all__ = [
    "Allocation",
    "CaseSettlement",
    "CountRecord",
    "CountStart",
    "CountedLine",
    "DiscrepancySettlement",
    "FoundLine",
    "Handed",
    "HandedOver",
    "Held",
    "Issue",
    "LocationChanges",
    "NewAdjustment",
    "NewAdjustmentLine",
    "NewChannelRule",
    "NewCount",
    "NewCountLine",
    "NewIncoming",
    "NewIncomingLine",
    "NewLocation",
    "NewLot",
    "NewPool",
    "NewPriority",
    "NewReceipt",
    "NewReceiptLine",
    "NewReservation",
    "NewReservationLine",
    "NewRevaluation",
    "NewRevaluationLine",
    "Received",
    "ReplenishmentChanges",
    "ReportedLine",
    "Snapshot",
    "StockPolicyChanges",
    "adjust",
    "allocate",
    "approve_count",
    "bring_in_locations",
    "cancel_count",
    "create_location",
    "deallocate",
    "draw",
    "existing_locations",
    "expect",
    "hand_over",
    "lock_allocations",
    "prioritize",
    "receive",
    "receive_many",
    "reconcile",
    "record_count",
    "recount",
    "release",
    "reserve",
    "revalue",
    "set_channel_rule",
    "set_policy",
    "set_pool",
    "set_quantities",
    "set_replenishment",
    "settle_case",
    "ship",
    "start_count",
    "submit_count",
    "sweep",
    "update_location",
]
