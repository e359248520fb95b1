"""Orders that an act has locked: whoever changes an order, its lines or what belongs to it takes its row first."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from domain.kernel.errors import NotFound, Refusals
from domain.kernel.ids import ID, is_id
from domain.kernel.work import Work
from domain.orders.tables import FulfillmentStatus, OrderStatus, PaymentStatus

Path = tuple[str | int, ...]

_LOCK = """
SELECT sales.id, sales.number, sales.status, sales.payment_status, sales.fulfillment_status, sales.currency,
  sales.shipping, sales.total, sales.paid, channel.requires_payment, sales.channel_id
FROM orders AS sales JOIN sales_channels AS channel ON channel.id = sales.channel_id
WHERE sales.id = ANY($1) ORDER BY sales.id FOR NO KEY UPDATE OF sales
"""


@dataclass(slots=True)
class LockedOrder:
    """An order as it is now. Nobody else changes it until this act ends."""

    id: ID
    number: int
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    currency: str
    shipping: Decimal
    total: Decimal
    paid: Decimal
    channel_id: ID
    requires_payment: bool
    """Whether its channel ships only what is paid."""


async def locked(work: Work, paths: Collection[tuple[str, Path]]) -> dict[ID, LockedOrder]:
    """The orders with these ids, locked in the order of their ids. Each id comes with where it was said: refused with
    one NotFound per unknown one.
    """
    wanted = sorted({each[4:] for each, _ in paths if is_id(each, "ord")})
    found = {
        ID("ord_" + record["id"]): LockedOrder(
            id=ID("ord_" + record["id"]),
            number=record["number"],
            status=OrderStatus(record["status"]),
            payment_status=PaymentStatus(record["payment_status"]),
            fulfillment_status=FulfillmentStatus(record["fulfillment_status"]),
            currency=record["currency"],
            shipping=record["shipping"],
            total=record["total"],
            paid=record["paid"],
            channel_id=ID("chn_" + record["channel_id"]),
            requires_payment=record["requires_payment"],
        )
        for record in (await work.raw.fetch(_LOCK, wanted) if wanted else [])
    }
    Refusals.raise_if_any([NotFound("There is no such order.", path=path) for each, path in paths if each not in found])
    return found
