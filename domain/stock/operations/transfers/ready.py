"""A transfer is made ready, or called off before anything left."""

from domain.kernel.errors import Refusals
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.events import StockTransferCancelled, StockTransferReady
from domain.stock.operations.allocate import allocate, deallocate
from domain.stock.operations.transfers.life import StockTransferAction, after
from domain.stock.operations.transfers.locking import locked_transfer, write_transfer
from domain.stock.placement import Demand


async def ready_transfer(work: Work, transfer_id: str) -> ID:
    """The goods are allocated where they are, all of them. Returns the transfer's id.

    Refused with NotFound, with NotAllowedNow unless it is being prepared, and with InsufficientStock when the origin
    has less available than is to move: a transfer does not wait, and takes from nowhere else.
    """
    transfer = await locked_transfer(work, transfer_id)
    status = after(transfer.status, StockTransferAction.READY)
    demands = [
        Demand(line.variant_id, line.quantity, (), line.sku, transfer.origin_id, line.id, transfer.id)
        for line in transfer.lines
    ]
    try:
        await allocate(work, demands)
    except Refusals as short:
        for refusal in short.refusals:
            refusal.path = ("id",)
        raise
    await write_transfer(work, transfer, status)
    work.announce(StockTransferReady(transfer.id))
    return transfer.id


async def cancel_transfer(work: Work, transfer_id: str) -> ID:
    """The transfer is called off, and what was allocated to it is available again. Returns its id.

    Refused with NotFound, and with NotAllowedNow once the goods have left or it has ended.
    """
    transfer = await locked_transfer(work, transfer_id)
    status = after(transfer.status, StockTransferAction.CANCEL)
    await deallocate(work, [transfer.id])
    await write_transfer(work, transfer, status, cancelled_at=work.now)
    work.announce(StockTransferCancelled(transfer.id))
    return transfer.id
