"""The life of an order (ORD-02)."""

from enum import StrEnum

from domain.kernel.lifecycle import Lifecycle
from domain.orders.tables import FulfillmentStatus, OrderStatus, PaymentStatus


class OrderStep(StrEnum):
    """What moves an order's status."""

    PLACE = "PLACE"
    HOLD = "HOLD"
    RESUME = "RESUME"
    CANCEL = "CANCEL"
    COMPLETE = "COMPLETE"


# Orders are placed outright today; drafts and holds have their places.
ORDER = Lifecycle(
    noun="order",
    initial=(OrderStatus.DRAFT, OrderStatus.OPEN),
    actions={
        OrderStep.PLACE: ((OrderStatus.DRAFT,), OrderStatus.OPEN),
        OrderStep.HOLD: ((OrderStatus.OPEN,), OrderStatus.ON_HOLD),
        OrderStep.RESUME: ((OrderStatus.ON_HOLD,), OrderStatus.OPEN),
        OrderStep.CANCEL: ((OrderStatus.DRAFT, OrderStatus.OPEN, OrderStatus.ON_HOLD), OrderStatus.CANCELLED),
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
