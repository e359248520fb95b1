"""What fulfillment announces."""

from dataclasses import dataclass

from domain.kernel.events import Event
from domain.kernel.ids import ID


@dataclass(frozen=True)
class OrderShipped(Event):
    """Some of the order has left, or all of it."""

    shipments: list[ID]
    fulfillment_status: str
