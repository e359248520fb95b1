"""What can be asked of orders."""

from sqlalchemy import ColumnElement, select

from domain import customers
from domain.kernel import listing
from domain.kernel.numbering import number_behind
from domain.orders.tables import FulfillmentStatus, Order, OrderLine, OrderStatus, PaymentStatus

_order, _line = Order.__table__.c, OrderLine.__table__.c


def order_number(number: int) -> str:
    """An order's number as people read it."""
    return f"SO-{number}"


def number_of(text: str) -> int:
    """The number behind what people read; 0, which no order has, for anything else."""
    return number_behind(text, "SO")


def search_orders(search: str) -> ColumnElement[bool]:
    """Orders found by their number, by how their email starts, or by their customer. Each part has its own index."""
    buyers = select(customers.Customer.__table__.c.id).where(customers.customers.search(search))  # type: ignore[misc]
    by_number = select(_order.id).where(_order.number == number_of(search))
    by_email = select(_order.id).where(listing.starts_folded(_order.email_folded, search))
    by_customer = select(_order.id).where(_order.customer_id.in_(buyers))
    return _order.id.in_(by_number.union(by_email, by_customer))


def _some_line(test: ColumnElement[bool]) -> ColumnElement[bool]:
    return _order.id.in_(select(_line.order_id).where(test))


orders = listing.Listing(
    Order,
    filters={
        "id": listing.identity(_order.id),
        "status": listing.choice(_order.status, OrderStatus),
        "payment_status": listing.choice(_order.payment_status, PaymentStatus),
        "fulfillment_status": listing.choice(_order.fulfillment_status, FulfillmentStatus),
        "customer_id": listing.identity(_order.customer_id),
        "channel_id": listing.identity(_order.channel_id),
        "variant_id": listing.Filter(_line.variant_id, "ID", within=_some_line),
        "email": listing.folded(_order.email_folded),
        "placed_at": listing.instant(_order.placed_at),
    },
    sorts={"PLACED_AT": _order.placed_at, "NUMBER": _order.number},
    search=search_orders,
)
