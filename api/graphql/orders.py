"""Orders: placing them, calling them off, and the money that arrives for them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import select

from api.graphql.business import SalesChannel
from api.graphql.catalog import ProductVariant
from api.graphql.customers import Customer
from api.graphql.external import ExternalReference, external_ids_of, external_key
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation
from api.graphql.kit.reading import Reading, among
from api.graphql.kit.views import Connection, Node, amount, batch, derived, extends, find, many, one, pages, view
from api.graphql.payments import Payment
from domain import orders, payments, stock
from domain.kernel.countries import CountryCode
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(orders.NewOrderLine, "OrderLineInput")

_order, _line, _payment = (row.__table__.c for row in (orders.Order, orders.OrderLine, payments.Payment))

OrderId = Annotated[ID, "The order."]


@view(orders.OrderAddress)
@access(Scope.CUSTOMERS_READ)
class OrderAddress:
    """Where an order goes, as it was said then: a later change of the customer's address does not reach it."""

    name: str | None
    """Who receives there."""
    company: str | None
    """The company there."""
    line1: str
    """Street and house number, or a post box."""
    line2: str | None
    """Floor, building or whatever else finds the door."""
    city: str | None
    """City, town or village."""
    region: str | None
    """State, province or county, where addresses there name one."""
    postal_code: str | None
    """The postal code, where there is one."""
    country_code: CountryCode
    """The country."""
    phone: str | None
    """The number to call about a delivery."""


async def _allocated(ids: list[ID], reading: Reading) -> Mapping[ID, Decimal]:
    """How much is allocated to each line."""
    return await reading.run(lambda connection: stock.allocated_to(connection, ids))


async def _backordered(ids: list[ID], reading: Reading) -> Mapping[ID, Decimal]:
    """How much each line waits for."""
    return await reading.run(lambda connection: stock.waited_for(connection, ids))


@view(orders.OrderLine)
@access(Scope.ORDERS_READ)
class OrderLine(Node):
    """What an order wants of one variant."""

    variant: ProductVariant | None = one()
    """The variant as it is now."""
    sku: str | None
    """Its SKU when it was ordered."""
    name: str
    """Its name when it was ordered."""
    quantity: Quantity
    """How many are wanted."""
    unit_price: Money = amount("unit_price")
    """What one costs."""
    subtotal: Money = amount("subtotal")
    """Quantity times unit price, rounded once."""
    discount: Money = amount("discount")
    """What is taken off."""
    tax: Money = amount("tax")
    """The tax on it."""
    total: Money = amount("total")
    """What is paid for it before tax: subtotal less discount."""
    allocated: Quantity = batch(_allocated)
    """How many are bound to it and have not left."""
    backordered: Quantity = batch(_backordered)
    """How many it waits for: they were promised, and are not there yet."""
    shipped: Quantity
    """How many have left."""


@view(orders.Order)
@access(Scope.ORDERS_READ)
class Order(Node):
    """A sales order."""

    number: str = derived(orders.order_number, needs=["number"])
    """Its number, for people."""
    status: orders.OrderStatus
    """Where it is in its life."""
    payment_status: orders.PaymentStatus
    """How far it is paid: follows from its payments."""
    fulfillment_status: orders.FulfillmentStatus
    """How far it is fulfilled: follows from its shipments."""
    customer: Customer | None = one()
    """Who wants it, where that is a known customer."""
    email: str | None
    """Where to write about it."""
    channel: SalesChannel = one()
    """Where it was sold."""
    lines: list[OrderLine] = many(_line.position)
    """What is wanted; at most 500 lines."""
    shipping_address: OrderAddress | None = one()
    """Where it goes."""
    subtotal: Money = amount("subtotal")
    """What the lines come to before discounts."""
    discount: Money = amount("discount")
    """What is taken off."""
    shipping: Money = amount("shipping")
    """What is paid for delivery."""
    tax: Money = amount("tax")
    """The tax on it."""
    total: Money = amount("total")
    """What is to be paid: subtotal less discount, with shipping and tax."""
    paid: Money = amount("paid")
    """What has arrived."""
    placed_at: datetime | None
    """When it was placed."""
    cancelled_at: datetime | None
    """When it was called off."""
    cancel_reason: orders.OrderCancelReason | None
    """Why it was called off."""
    available_actions: list[orders.OrderAction] = derived(
        orders.available_actions, needs=["status", "payment_status", "fulfillment_status"]
    )
    """What can be done with it now."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    version: int
    """Rises with every change; the version of its last event."""
    created_at: datetime
    """Since when it exists here."""
    updated_at: datetime
    """When it was changed last."""


@extends("Query")
class OrderQueries:
    order: Order | None = find(
        id=(ID, lambda value: _order.id == value),
        number=(str, lambda value: _order.number == orders.number_of(value)),
        external=(ExternalId, external_key("ord", _order.id)),
    )
    """One order, by its id, its number or what another system calls it."""
    orders: Connection[Order] = pages(orders.orders)
    """The orders: by default the oldest first."""


@extends("Customer")
class CustomerOrders:
    orders: Connection[Order] = pages(orders.orders, by=_order.customer_id)
    """What they ordered: by default the oldest first."""


async def _order_of(ids: list[ID], reading: Reading) -> dict[ID, ID]:
    """The orders that payments are for."""
    rows = await reading.execute(select(_payment.id, _payment.document).where(among(_payment.id, ids)))
    return {row["id"]: row["document"] for row in rows}


@extends("Payment")
class PaymentOrder:
    order: Order | None = batch(_order_of)
    """The order that it is for."""


async def _payments_of(ids: list[ID], reading: Reading) -> dict[ID, list[ID]]:
    """The payments of orders, the oldest first."""
    statement = select(_payment.id, _payment.document).where(among(_payment.document, ids)).order_by(_payment.id)
    found: dict[ID, list[ID]] = {row: [] for row in ids}
    for row in await reading.execute(statement):
        found[row["document"]].append(row["id"])
    return found


@extends("Order")
class OrderPayments:
    payments: list[Payment] = batch(_payments_of)
    """The money that arrived for it, the oldest first."""


@mutation(each=orders.place_each)
@access(Scope.ORDERS_WRITE)
async def order_place(work: Work, input: orders.NewOrder) -> Order:
    """Places an order and allocates the stock for all of it. Where a variant is short and its policy says so, the order
    takes what is there and waits for the rest.
    """
    return await orders.place(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.ORDERS_WRITE)
async def order_cancel(
    work: Work, id: OrderId, reason: Annotated[orders.OrderCancelReason, "Why it is called off."]
) -> Order:
    """Calls an order off before anything of it has left: its stock is free again."""
    return await orders.cancel(work, id, reason=reason)  # type: ignore[return-value]


@mutation(nouns={"payment": Payment, "order": Order})
@access(Scope.PAYMENTS_WRITE)
async def payment_record(
    work: Work, order_id: Annotated[ID, "The order that it is for."], input: payments.NewPayment
) -> Nouns:
    """Writes down money that arrived for an order."""
    return {"payment": await orders.record_payment(work, order_id, input), "order": order_id}
