"""What can be done with orders, one file per verb."""

from domain.orders.operations.cancel import cancel
from domain.orders.operations.locking import LockedOrder, locked
from domain.orders.operations.place import NewOrder, NewOrderLine, place, place_each, place_many
from domain.orders.operations.progress import OrderPayment, note_shipped, record_payment, record_payments

__all__ = [
    "LockedOrder",
    "NewOrder",
    "NewOrderLine",
    "OrderPayment",
    "cancel",
    "locked",
    "note_shipped",
    "place",
    "place_each",
    "place_many",
    "record_payment",
    "record_payments",
]
