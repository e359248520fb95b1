"""Where stock is, how much of it, what it is worth, who has a claim on it, and every movement that made it so."""

from domain.stock.tables.arrivals import (
    IncomingStock,
    StockReceipt,
)
from domain.stock.tables.claims import (
    ReservationStatus,
    StockAllocation,
    StockBackorder,
    StockChannelRule,
    StockPool,
    StockReservation,
    StockReservationLine,
)
from domain.stock.tables.counts import (
    StockCount,
    StockCountKind,
    StockCountLine,
    StockCountStatus,
)
from domain.stock.tables.discrepancies import (
    DiscrepancyKind,
    DiscrepancyResolution,
    DiscrepancyStatus,
    StockDiscrepancy,
)
from domain.stock.tables.goods import (
    BackorderPolicy,
    CostMethod,
    Lot,
    StockPolicy,
)
from domain.stock.tables.movements import (
    CostLayer,
    Place,
    StockAdjustmentReason,
    StockContent,
    StockLevel,
    StockMonth,
    StockMovement,
    StockMovementKind,
    UnavailableState,
)
from domain.stock.tables.places import (
    Bin,
    BinKind,
    Location,
    LocationKind,
)
from domain.stock.tables.revaluations import (
    StockRevaluation,
    StockRevaluationLine,
    StockRevaluationStatus,
)
from domain.stock.tables.transfers import (
    StockTransfer,
    StockTransferLine,
    StockTransferStatus,
)

__all__ = [
    "BackorderPolicy",
    "Bin",
    "BinKind",
    "CostLayer",
    "CostMethod",
    "DiscrepancyKind",
    "DiscrepancyResolution",
    "DiscrepancyStatus",
    "IncomingStock",
    "Location",
    "LocationKind",
    "Lot",
    "Place",
    "ReservationStatus",
    "StockAdjustmentReason",
    "StockAllocation",
    "StockBackorder",
    "StockChannelRule",
    "StockContent",
    "StockCount",
    "StockCountKind",
    "StockCountLine",
    "StockCountStatus",
    "StockDiscrepancy",
    "StockLevel",
    "StockMonth",
    "StockMovement",
    "StockMovementKind",
    "StockPolicy",
    "StockPool",
    "StockReceipt",
    "StockReservation",
    "StockReservationLine",
    "StockRevaluation",
    "StockRevaluationLine",
    "StockRevaluationStatus",
    "StockTransfer",
    "StockTransferLine",
    "StockTransferStatus",
    "UnavailableState",
]
