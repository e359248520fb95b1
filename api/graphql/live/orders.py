"""Live orders: every act on them, as it is committed."""

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.operations import subscription
from api.graphql.kit.plain import refers
from api.graphql.orders import Order
from domain import fulfillment, orders
from domain.kernel.ids import ID
from domain.kernel.scopes import Scope


@published
class OrderChangeKind(StrEnum):
    """What happened to an order."""

    PLACED = "PLACED"
    """Somebody placed it."""
    PAID = "PAID"
    """Money arrived for it."""
    SHIPPED = "SHIPPED"
    """Some of it has left, or all."""
    CANCELLED = "CANCELLED"
    """It was called off."""


_KINDS = {
    orders.OrderPlaced.type: OrderChangeKind.PLACED,
    orders.OrderPaid.type: OrderChangeKind.PAID,
    fulfillment.OrderShipped.type: OrderChangeKind.SHIPPED,
    orders.OrderCancelled.type: OrderChangeKind.CANCELLED,
}


@restrict(Scope.ORDERS_READ)
@strawberry.type(name="OrderChange", description="Something that happened to an order.")
class OrderChange:
    cursor: str = strawberry.field(description="Where to resume after this: `orderChanged(after:)`.")
    kind: OrderChangeKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When it became true.")
    version: int = strawberry.field(description="The order's version right after it: from 1, without gaps.")
    order_id: strawberry.Private[ID]
    order = refers(Order, by="order_id", nullable=False, description="The order as it is now.")


@subscription
@access(Scope.ORDERS_READ)
async def order_changed(
    context: Context,
    ids: Annotated[list[ID] | None, "Only these orders; every order, when left out."] = None,
    after: Annotated[str | None, "Resume right behind this cursor; from now on, when left out."] = None,
) -> AsyncIterator[OrderChange]:
    """What happens to orders, each act once, each order's in the order of their versions."""
    wanted = None if ids is None else frozenset(ids)
    async for event in context.services.tail.follow(after=after, types=list(_KINDS)):
        if wanted is None or event.subject in wanted:
            yield OrderChange(
                cursor=event.cursor,
                kind=_KINDS[event.type],
                at=event.at,
                version=event.version,
                order_id=event.subject,
            )
