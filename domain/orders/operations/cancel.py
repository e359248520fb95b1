"""An order is called off."""

from domain import stock
from domain.kernel.errors import NotAllowedNow
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.orders.events import OrderCancelled
from domain.orders.lifecycle import ORDER, OrderStep
from domain.orders.operations.locking import locked
from domain.orders.tables import FulfillmentStatus, OrderCancelReason

_CANCEL = """
UPDATE orders SET status = $2, cancel_reason = $3, cancelled_at = $4, updated_at = $4, version = version + 1
WHERE id = $1
"""


async def cancel(work: Work, order_id: str, *, reason: OrderCancelReason) -> ID:
    """The order is called off, and its stock is free again. What was paid stays with us until it is refunded.

    Refused with NotFound, and with NotAllowedNow once something has left or the order has ended.
    """
    (order,) = (await locked(work, [(order_id, ("id",))])).values()
    status = ORDER.after(order.status, OrderStep.CANCEL, path=("id",))
    if order.fulfillment_status != FulfillmentStatus.UNFULFILLED:
        raise NotAllowedNow("Some of this order has left already: it can only come back as a return.", path=("id",))
    await stock.deallocate(work, [order.id])
    await work.raw.execute(_CANCEL, order.id[4:], status.value, reason.value, work.now)
    work.announce(OrderCancelled(order.id, reason=reason))
    return order.id
