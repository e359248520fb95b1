"""The life of an order (ORD-02)."""

from enum import StrEnum

from domain.kernel.lifecycle import Lifecycle
from domain.orders.tables import FulfillmentStatus, OrderStatus, PaymentStatus


class OrderStep(StrEnum):
    """What moves an order's status."""

    CANCEL = "CANCEL"
    COMPLETE = "COMPLETE"


ORDER = Lifecycle(
    noun="order",
    initial=(OrderStatus.OPEN,),
    actions={
        OrderStep.CANCEL: ((OrderStatus.OPEN,), OrderStatus.CANCELLED),
        OrderStep.COMPLETE: ((OrderStatus.OPEN,), OrderStatus.COMPLETED),
    },
)


class OrderAction(StrEnum):
    """What can be done with an order."""

    SHIP = "SHIP"
    """Send what is allocated (`orderShip`)."""
    RECORD_PAYMENT = "RECORD_PAYMENT"
    """Write down money that arrived (`paymentRecord`)."""
    CANCEL = "CANCEL"
    """Call it off (`orderCancel`): possible while nothing has left."""


SETTLED = (PaymentStatus.PAID, PaymentStatus.OVERPAID)
"""Nothing more is to be paid."""


def available_actions(
    status: OrderStatus, payment_status: PaymentStatus, fulfillment_status: FulfillmentStatus
) -> list[OrderAction]:
    """What can be done with an order now."""
    if status != OrderStatus.OPEN:
        return []
    possible = {
        OrderAction.SHIP: fulfillment_status != FulfillmentStatus.FULFILLED,
        OrderAction.RECORD_PAYMENT: payment_status not in SETTLED,
        OrderAction.CANCEL: fulfillment_status == FulfillmentStatus.UNFULFILLED,
    }
    return [action for action, now in possible.items() if now]
