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
from domain.stock.operations.inputs import existing_locations
from domain.stock.operations.locations import NewLocation, bring_in_locations, create_location
from domain.stock.operations.lots import NewLot
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
from domain.stock.operations.reserve import NewReservation, NewReservationLine, release, reserve, sweep
from domain.stock.operations.settle import CaseSettlement, DiscrepancySettlement, settle_case

__all__ = [
    "Allocation",
    "CaseSettlement",
    "CountRecord",
    "CountStart",
    "CountedLine",
    "DiscrepancySettlement",
    "FoundLine",
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
    "NewReceipt",
    "NewReceiptLine",
    "NewReservation",
    "NewReservationLine",
    "Received",
    "ReportedLine",
    "Snapshot",
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
    "lock_allocations",
    "receive",
    "receive_many",
    "reconcile",
    "record_count",
    "recount",
    "release",
    "reserve",
    "set_quantities",
    "settle_case",
    "ship",
    "start_count",
    "submit_count",
    "sweep",
]
