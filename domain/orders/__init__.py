"""Orders: who wants what, for how much, and how far it has come."""

from domain.orders import rules as _rules  # noqa: F401  for the sentences and invariants it declares
from domain.orders.events import OrderCancelled, OrderPaid, OrderPlaced
from domain.orders.lifecycle import ORDER, OrderAction, available_actions
from domain.orders.operations import (
    LockedOrder,
    NewOrder,
    NewOrderLine,
    OrderPayment,
    cancel,
    locked,
    note_shipped,
    place,
    place_each,
    place_many,
    record_payment,
    record_payments,
)
from domain.orders.queries import number_of, order_number, orders
from domain.orders.tables import (
    MOST_LINES,
    FulfillmentStatus,
    Order,
    OrderAddress,
    OrderCancelReason,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)

__all__ = [
    "MOST_LINES",
    "ORDER",
    "FulfillmentStatus",
    "LockedOrder",
    "NewOrder",
    "NewOrderLine",
    "Order",
    "OrderAction",
    "OrderAddress",
    "OrderCancelReason",
    "OrderCancelled",
    "OrderLine",
    "OrderPaid",
    "OrderPayment",
    "OrderPlaced",
    "OrderStatus",
    "PaymentStatus",
    "available_actions",
    "cancel",
    "locked",
    "note_shipped",
    "number_of",
    "order_number",
    "orders",
    "place",
    "place_each",
    "place_many",
    "record_payment",
    "record_payments",
]
