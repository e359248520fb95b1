"""What is announced of orders. Ids and figures, never who somebody is."""

from dataclasses import dataclass

from domain.kernel.events import Event
from domain.kernel.ids import ID


@dataclass(frozen=True)
class OrderPlaced(Event):
    """Somebody wants this, and the stock for it is allocated."""

    channel: ID
    customer: ID | None
    total: str
    currency: str


@dataclass(frozen=True)
class OrderPaid(Event):
    """Money arrived for it."""

    payments: list[ID]
    paid: str
    """What has arrived in all."""
    payment_status: str


@dataclass(frozen=True)
class OrderCancelled(Event):
    """It was called off, and its stock is free again."""

    reason: str
