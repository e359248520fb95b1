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
from domain.stock.operations.bins import BinPath, NewBin, NewBins, create_bins
from domain.stock.operations.inputs import existing_locations
from domain.stock.operations.locations import NewLocation, bring_in_locations, create_location
from domain.stock.operations.lots import LotNumber, NewLot
from domain.stock.operations.recall import expire_lots, recall_lot
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
from domain.stock.operations.relocate import NewRelocation, NewRelocationLine, relocate
from domain.stock.operations.reserve import NewReservation, NewReservationLine, release, reserve, sweep
from domain.stock.operations.revalue import NewRevaluation, NewRevaluationLine, revalue

__all__ = [
    "Allocation",
    "BinPath",
    "Held",
    "Issue",
    "LotNumber",
    "NewAdjustment",
    "NewAdjustmentLine",
    "NewBin",
    "NewBins",
    "NewCount",
    "NewCountLine",
    "NewIncoming",
    "NewIncomingLine",
    "NewLocation",
    "NewLot",
    "NewReceipt",
    "NewReceiptLine",
    "NewRelocation",
    "NewRelocationLine",
    "NewReservation",
    "NewReservationLine",
    "NewRevaluation",
    "NewRevaluationLine",
    "Received",
    "adjust",
    "allocate",
    "bring_in_locations",
    "create_bins",
    "create_location",
    "deallocate",
    "draw",
    "existing_locations",
    "expect",
    "expire_lots",
    "lock_allocations",
    "recall_lot",
    "receive",
    "receive_many",
    "release",
    "relocate",
    "reserve",
    "revalue",
    "set_quantities",
    "ship",
    "sweep",
]
