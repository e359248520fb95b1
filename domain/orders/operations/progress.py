"""How far orders have come: money arrives for them, and goods leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import payments
from domain.kernel.errors import Invalid, NotAllowedNow
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, format_amount
from domain.kernel.work import Work
from domain.orders.events import OrderPaid
from domain.orders.lifecycle import ORDER, SETTLED, OrderStep
from domain.orders.operations.locking import LockedOrder, locked
from domain.orders.tables import FulfillmentStatus, OrderStatus, PaymentStatus
from domain.payments import Arrival, NewPayment


@dataclass(frozen=True)
class OrderPayment:
    """Money that arrived for an order."""

    order_id: str
    payment: NewPayment
    received_at: datetime | None = None
    """When it arrived; now, when left out."""


async def record_payment(work: Work, order_id: str, payment: NewPayment) -> ID:
    """The payment is in the books, and the order paid by so much. Returns the payment's id.

    More than the order comes to is taken, and shows as OVERPAID. Refused with NotFound, with NotAllowedNow for a
    cancelled order, and with Invalid for an amount that cannot be.
    """
    return (await record_payments(work, [OrderPayment(order_id, payment)]))[0]


async def record_payments(work: Work, arrivals: Sequence[OrderPayment]) -> list[ID]:
    """Record payments of orders in one act, all or none. Returns the payments' ids in the order given."""
    orders = await locked(work, [(each.order_id, ("orderId",)) for each in arrivals])
    for each in arrivals:
        order, amount = orders[ID(each.order_id)], each.payment.amount
        if order.status == OrderStatus.CANCELLED:
            raise NotAllowedNow("This order is cancelled: nothing is to be paid for it.", path=("orderId",))
        if amount.currency != order.currency:
            raise Invalid(f"This order is in {order.currency}.", path=("input", "amount", "currency"))
    recorded = await payments.record(
        work,
        [
            Arrival(
                ID(each.order_id),
                each.payment,
                channel=orders[ID(each.order_id)].channel_id,
                received_at=each.received_at,
            )
            for each in arrivals
        ],
    )
    by_order: dict[ID, list[ID]] = {}
    for each, payment in zip(arrivals, recorded, strict=True):
        orders[ID(each.order_id)].paid += each.payment.amount.amount
        by_order.setdefault(ID(each.order_id), []).append(payment)
    for order in orders.values():
        order.payment_status = payment_status(order.total, order.paid)
    await _save(work, list(orders.values()))
    for order in orders.values():
        paid = format_amount(Money(order.paid, CurrencyCode(order.currency)))
        status = order.payment_status
        work.announce(OrderPaid(order.id, payments=by_order[order.id], paid=paid, payment_status=status))
    return recorded


def payment_status(total: Decimal, paid: Decimal) -> PaymentStatus:
    """How far an order of that total is paid."""
    if paid > total:
        return PaymentStatus.OVERPAID
    if paid == total:
        return PaymentStatus.PAID
    return PaymentStatus.PARTIALLY_PAID if paid else PaymentStatus.UNPAID


_SHIP_LINES = """
UPDATE order_lines AS line SET shipped = line.shipped + given.quantity
FROM unnest($1::uuid[], $2::numeric[]) AS given(id, quantity) WHERE line.id = given.id
"""
_WHOLE = "SELECT order_id, bool_and(shipped = quantity) AS whole FROM order_lines WHERE order_id = ANY($1) GROUP BY 1"


async def note_shipped(work: Work, orders: Sequence[LockedOrder], quantities: Mapping[ID, Decimal]) -> None:
    """So much of these lines has left: the orders' statuses follow. Said by fulfillment, which has them locked and
    announces it.
    """
    await work.raw.execute(_SHIP_LINES, [line[4:] for line in quantities], list(quantities.values()))
    records = await work.raw.fetch(_WHOLE, [order.id[4:] for order in orders])
    whole = {"ord_" + record["order_id"]: record["whole"] for record in records}
    for order in orders:
        fulfilled = FulfillmentStatus.FULFILLED if whole[order.id] else FulfillmentStatus.PARTIALLY_FULFILLED
        order.fulfillment_status = fulfilled
    await _save(work, orders)


_SAVE = """
UPDATE orders AS sales SET status = given.status, payment_status = given.payment_status,
  fulfillment_status = given.fulfillment_status, paid = given.paid, updated_at = $6, version = sales.version + 1
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[])
  AS given(id, status, payment_status, fulfillment_status, paid)
WHERE sales.id = given.id
"""


async def _save(work: Work, orders: Sequence[LockedOrder]) -> None:
    """Write how far orders have come. What is paid and fulfilled is complete."""
    for order in orders:
        fulfilled = order.fulfillment_status == FulfillmentStatus.FULFILLED
        if order.status == OrderStatus.OPEN and fulfilled and order.payment_status in SETTLED:
            order.status = ORDER.after(order.status, OrderStep.COMPLETE)
    await work.raw.execute(
        _SAVE,
        [order.id[4:] for order in orders],
        [order.status.value for order in orders],
        [order.payment_status.value for order in orders],
        [order.fulfillment_status.value for order in orders],
        [order.paid for order in orders],
        work.now,
    )
