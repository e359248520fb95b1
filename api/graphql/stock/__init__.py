"""Locations, stock levels and movements, holds, what can be promised and why: one file per noun."""

import api.graphql.stock.adjustments
import api.graphql.stock.handing_over
import api.graphql.stock.history
import api.graphql.stock.refusals
import api.graphql.stock.relocations
from api.graphql.stock.arrivals import IncomingStock, StockReceipt
from api.graphql.stock.availability import Availability
from api.graphql.stock.cases import StockDiscrepancy
from api.graphql.stock.claims import StockReservation
from api.graphql.stock.counts import StockCount, StockCountLine
from api.graphql.stock.levels import StockContent, StockLevel, StockMovement
from api.graphql.stock.lots import Lot
from api.graphql.stock.places import Bin, Location
from api.graphql.stock.policies import StockBackorder, StockPolicy
from api.graphql.stock.revaluations import StockRevaluation
from api.graphql.stock.sharing import StockChannelRule, StockPool
from api.graphql.stock.transfers import StockTransfer

__all__ = [
    "Availability",
    "Bin",
    "IncomingStock",
    "Location",
    "Lot",
    "StockBackorder",
    "StockChannelRule",
    "StockContent",
    "StockCount",
    "StockCountLine",
    "StockDiscrepancy",
    "StockLevel",
    "StockMovement",
    "StockPolicy",
    "StockPool",
    "StockReceipt",
    "StockReservation",
    "StockRevaluation",
    "StockTransfer",
]
