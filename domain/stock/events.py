"""What stock announces. Every change of a level is one event of that level, with its figures right after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from domain.kernel.events import Event
from domain.kernel.ids import ID
from domain.kernel.scopes import Scope


@dataclass(frozen=True)
class LocationCreated(Event):
    """A location exists from now on."""


@dataclass(frozen=True)
class LevelChange(Event):
    """Base of all events of a level: where it is, and its figures right after the act. Quantities are plain digits."""

    private: ClassVar[Mapping[str, str]] = {"value": Scope.COSTS_READ}

    variant: ID
    location: ID
    on_hand: str
    allocated: str
    reserved: str
    unavailable: str
    value: str
    """In base currency."""


@dataclass(frozen=True)
class StockReceived(LevelChange):
    """Goods came in."""


@dataclass(frozen=True)
class StockAdjusted(LevelChange):
    """The books were brought in line with the shelf."""


@dataclass(frozen=True)
class StockReserved(LevelChange):
    """Some of it is held for a while."""


@dataclass(frozen=True)
class StockReleased(LevelChange):
    """A hold or an allocation was given up."""


@dataclass(frozen=True)
class StockAllocated(LevelChange):
    """Some of it is bound to an order."""


@dataclass(frozen=True)
class StockShipped(LevelChange):
    """Some of it left for a customer."""


@dataclass(frozen=True)
class StockTransferred(LevelChange):
    """Some of it went to, or came from, another location."""


@dataclass(frozen=True)
class StockRelocated(LevelChange):
    """Some of it moved within its location: to another bin, or into or out of what is not to be sold."""


@dataclass(frozen=True)
class StockRevalued(LevelChange):
    """What is there is worth more or less from now on."""


@dataclass(frozen=True)
class StockRuleChanged(LevelChange):
    """It is ordered again at another point from now on."""


@dataclass(frozen=True)
class StockReorderPointReached(LevelChange):
    """What is available has fallen to the point at which more should be ordered. Said once per crossing."""


LEVEL_CHANGES = (
    StockReceived,
    StockAdjusted,
    StockReserved,
    StockReleased,
    StockAllocated,
    StockShipped,
    StockTransferred,
    StockRelocated,
    StockRevalued,
    StockRuleChanged,
    StockReorderPointReached,
)
"""All events whose subject is a level."""


@dataclass(frozen=True)
class StockReceiptCreated(Event):
    """Goods came in together; the levels say how many."""

    location: ID


@dataclass(frozen=True)
class IncomingStockAnnounced(Event):
    """Somebody announced goods for a day to come."""

    variant: ID
    location: ID
    quantity: str
    due_on: str


@dataclass(frozen=True)
class StockDiscrepancyOpened(Event):
    """Stock is not as it was thought to be: somebody must look."""

    kind: str
    variant: ID
    location: ID
    quantity: str


@dataclass(frozen=True)
class LotCreated(Event):
    """A lot is known from now on."""


@dataclass(frozen=True)
class StockPolicyChanged(Event):
    """The stock of a variant is kept in another way from now on."""

    variant: ID
    cost_method: str
    tracks_lots: bool
    backorders: str
    backorder_limit: str | None
    preorder_on: str | None


@dataclass(frozen=True)
class StockBackorderPrioritized(Event):
    """A line that waits is served sooner or later from now on."""

    source: ID
    document: ID
    variant: ID
    priority: int
