"""Goods that move from one location to another, and are on the road meanwhile."""

from domain.stock.operations.transfers.create import NewTransfer, NewTransferLine, create_transfer
from domain.stock.operations.transfers.dispatch import NewDispatch, NewDispatchLine, dispatch_transfer
from domain.stock.operations.transfers.life import StockTransferAction, transfer_actions
from domain.stock.operations.transfers.ready import cancel_transfer, ready_transfer
from domain.stock.operations.transfers.receive import NewArrival, NewArrivalLine, receive_transfer

__all__ = [
    "NewArrival",
    "NewArrivalLine",
    "NewDispatch",
    "NewDispatchLine",
    "NewTransfer",
    "NewTransferLine",
    "StockTransferAction",
    "cancel_transfer",
    "create_transfer",
    "dispatch_transfer",
    "ready_transfer",
    "receive_transfer",
    "transfer_actions",
]
