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
class LocationUpdated(Event):
    """A location reads differently from now on."""

    fields: list[str]
    """The names of what changed."""


@dataclass(frozen=True)
class BinCreated(Event):
    """A place within a location exists from now on."""

    location: ID


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
class StockTransferCreated(Event):
    """A transfer is being prepared."""

    origin: ID
    destination: ID


@dataclass(frozen=True)
class StockTransferReady(Event):
    """Its goods are allocated, and wait to leave."""


@dataclass(frozen=True)
class StockTransferDispatched(Event):
    """Its goods are on the road."""

    origin: ID
    destination: ID


@dataclass(frozen=True)
class StockTransferReceived(Event):
    """Goods of it have arrived; the status says whether all have, or more are on the road."""

    status: str


@dataclass(frozen=True)
class StockTransferCancelled(Event):
    """It was called off before anything left."""


@dataclass(frozen=True)
class LotCreated(Event):
    """A lot is known from now on."""


@dataclass(frozen=True)
class StockDiscrepancyUpdated(Event):
    """A case is open still, with other figures."""

    kind: str
    variant: ID
    location: ID
    quantity: str


@dataclass(frozen=True)
class StockDiscrepancySettled(Event):
    """A case is done with."""

    kind: str
    variant: ID
    location: ID
    resolution: str


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


@dataclass(frozen=True)
class StockChannelRuleSet(Event):
    """A sales channel is offered so much of a variant from now on, or of all that have no rule of their own."""

    channel: ID
    variant: ID | None
    buffer: str
    cap: str | None


@dataclass(frozen=True)
class StockChannelRuleRemoved(Event):
    """A sales channel is offered all there is again."""

    channel: ID
    variant: ID | None


@dataclass(frozen=True)
class StockCountStarted(Event):
    """Somebody counts what is at a location."""

    location: ID
    kind: str


@dataclass(frozen=True)
class StockCountRecorded(Event):
    """So many lines of a count were counted."""

    location: ID
    lines: int


@dataclass(frozen=True)
class StockCountSubmitted(Event):
    """All of it is counted: somebody looks at the differences."""

    location: ID


@dataclass(frozen=True)
class StockCountRecounted(Event):
    """So many lines are to be counted again."""

    location: ID
    lines: int


@dataclass(frozen=True)
class StockCountApproved(Event):
    """The differences are booked: so many lines had one."""

    location: ID
    differences: int


@dataclass(frozen=True)
class StockCountCancelled(Event):
    """A count was given up."""

    location: ID


@dataclass(frozen=True)
class StockRevaluationProposed(Event):
    """Somebody proposes that goods at a location be worth more or less. What they would be worth is not said."""

    location: ID
    reason: str


@dataclass(frozen=True)
class StockRevaluationApproved(Event):
    """What was proposed is so; the levels say what they are worth."""

    location: ID


@dataclass(frozen=True)
class StockRevaluationRejected(Event):
    """What was proposed was turned down."""

    location: ID


@dataclass(frozen=True)
class LotRecalled(Event):
    """A lot must not be sold from now on: what was there of it is on hold."""

    variant: ID
    quantity: str
    """How much of it could be sold until then, over all locations."""
