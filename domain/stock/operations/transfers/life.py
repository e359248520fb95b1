"""The life of a transfer (INV-09)."""

from enum import StrEnum

from domain.kernel.lifecycle import Lifecycle
from domain.stock.tables import StockTransferStatus


class StockTransferAction(StrEnum):
    """What can be done with a transfer."""

    READY = "READY"
    """Allocate the goods where they are (`stockTransferReady`)."""
    DISPATCH = "DISPATCH"
    """Send what is allocated (`stockTransferDispatch`)."""
    RECEIVE = "RECEIVE"
    """Take in what has arrived (`stockTransferReceive`)."""
    CLOSE = "CLOSE"
    """Take in the last of it, or book the rest as lost (`stockTransferReceive` with `closes`)."""
    CANCEL = "CANCEL"
    """Call it off (`stockTransferCancel`): possible while nothing has left."""


_ON_THE_ROAD = (StockTransferStatus.DISPATCHED, StockTransferStatus.PARTIALLY_RECEIVED)

TRANSFER = Lifecycle(
    noun="transfer",
    initial=(StockTransferStatus.DRAFT,),
    actions={
        StockTransferAction.READY: ((StockTransferStatus.DRAFT,), StockTransferStatus.READY),
        StockTransferAction.DISPATCH: ((StockTransferStatus.READY,), StockTransferStatus.DISPATCHED),
        StockTransferAction.RECEIVE: (_ON_THE_ROAD, StockTransferStatus.PARTIALLY_RECEIVED),
        StockTransferAction.CLOSE: (_ON_THE_ROAD, StockTransferStatus.RECEIVED),
        StockTransferAction.CANCEL: (
            (StockTransferStatus.DRAFT, StockTransferStatus.READY),
            StockTransferStatus.CANCELLED,
        ),
    },
)


def transfer_actions(status: StockTransferStatus) -> list[StockTransferAction]:
    """What can be done with a transfer in this state."""
    return TRANSFER.available(status)


def after(status: StockTransferStatus, action: StockTransferAction) -> StockTransferStatus:
    """The state that the act leads to. Refused with NotAllowedNow, about the transfer's id."""
    return TRANSFER.after(status, action, path=("id",))
