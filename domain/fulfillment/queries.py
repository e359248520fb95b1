"""What can be asked of fulfillment."""

from sqlalchemy import cast, func, select

from domain import orders, stock
from domain.fulfillment.tables import Shipment
from domain.kernel import listing

_shipment, _order, _movement = (row.__table__.c for row in (Shipment, orders.Order, stock.StockMovement))

shipments = listing.Listing(
    Shipment,
    filters={"id": listing.identity(_shipment.id), "shipped_at": listing.instant(_shipment.shipped_at)},
    sorts={"SHIPPED_AT": _shipment.shipped_at, "NUMBER": _shipment.number},
)


def shipment_number(number: int) -> str:
    """A shipment's number as people read it."""
    return f"SH-{number}"


_sent = cast(func.substr(_movement.source, 5), _order.id.type)
"""The order that goods were sent for: shipments name it as the source of their movements."""
_of_a_lot = _movement.kind == stock.StockMovementKind.SHIPMENT, _movement.lot_id.is_not(None)

orders_of_lots = select(_movement.lot_id, _sent.label("order_id")).where(*_of_a_lot).distinct().subquery("lot_orders")
"""The orders that goods of each lot were sent for, each pair once."""
customers_of_lots = (
    select(_movement.lot_id, _order.customer_id)
    .where(*_of_a_lot, _order.id == _sent, _order.customer_id.is_not(None))
    .distinct()
    .subquery("lot_customers")
)
"""The customers that goods of each lot were sent to, each pair once."""
