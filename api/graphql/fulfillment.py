"""What left the building."""

from datetime import datetime
from typing import Annotated

from api.graphql.customers import Customer
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation
from api.graphql.kit.views import Connection, Node, amount, derived, extends, many, one, pages, view
from api.graphql.orders import Order, OrderId, OrderLine
from api.graphql.stock import Location
from domain import customers, fulfillment, orders
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(fulfillment.NewShipment, "OrderShipInput")
input_name(fulfillment.NewShipmentLine, "OrderShipLineInput")

_shipment = fulfillment.Shipment.__table__.c


@view(fulfillment.ShipmentLine)
@access(Scope.ORDERS_READ)
class ShipmentLine:
    """How much of one order line left with a shipment."""

    order_line: OrderLine = one()
    """The line."""
    quantity: Quantity
    """How many left."""
    revenue: Money = amount("revenue")
    """Its share of the line's total."""


@view(fulfillment.Shipment)
@access(Scope.ORDERS_READ)
class Shipment(Node):
    """Goods of one order that left one location together."""

    number: str = derived(fulfillment.shipment_number, needs=["number"])
    """Its number, for people."""
    order: Order = one()
    """The order."""
    location: Location = one()
    """Where it left from."""
    tracking: str | None
    """The carrier's number for it."""
    revenue: Money = amount("revenue")
    """What was earned by it, before tax."""
    lines: list[ShipmentLine] = many(fulfillment.ShipmentLine.__table__.c.order_line_id)
    """What left."""
    shipped_at: datetime
    """When it left."""
    recorded_at: datetime
    """When that was written."""


@extends("Query")
class FulfillmentQueries:
    shipments: Connection[Shipment] = pages(fulfillment.shipments)
    """What left: by default the oldest first."""


@extends("Order")
class OrderFulfillment:
    shipments: Connection[Shipment] = pages(fulfillment.shipments, by=_shipment.order_id)
    """What has left of it: by default the oldest first."""


@extends("Lot")
class LotOrders:
    orders: Connection[Order] = pages(
        orders.orders,
        by=fulfillment.orders_of_lots.c.lot_id,
        on=fulfillment.orders_of_lots.c.order_id == orders.Order.__table__.c.id,
    )
    """The orders that goods of it were sent for: by default the oldest first."""
    customers: Connection[Customer] = pages(
        customers.customers,
        by=fulfillment.customers_of_lots.c.lot_id,
        on=fulfillment.customers_of_lots.c.customer_id == customers.Customer.__table__.c.id,
    )
    """The customers that goods of it were sent to; orders without a known customer are among the orders only."""


@mutation(nouns={"order": Order, "shipments": list[Shipment]})
@access(Scope.ORDERS_WRITE)
async def order_ship(
    work: Work,
    id: OrderId,
    input: Annotated[
        fulfillment.NewShipment | None, "What leaves, and how; all that is allocated, when left out."
    ] = None,
) -> Nouns:
    """Sends what is allocated to an order: stock falls, and its cost and revenue are in the books."""
    shipments = await fulfillment.ship(work, id, input or fulfillment.NewShipment())
    return {"order": id, "shipments": shipments}
