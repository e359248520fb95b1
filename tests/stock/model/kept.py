"""What the model keeps: who has what, in values that are never changed in place."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction

from tests.stock.model.exact import Cents, Many
from tests.stock.model.world import Place

Line = tuple[int, int]
"""An order and a position in it."""

NOTHING = Many(0)


class No(Exception):  # noqa: N818  an answer
    """The model refuses an act, by these codes."""

    def __init__(self, *codes: str) -> None:
        super().__init__(", ".join(codes))
        self.codes = frozenset(codes)


@dataclass(frozen=True)
class Content:
    """In which bin, of which lot, in which state."""

    bin: int | None = None
    lot: int | None = None
    state: str | None = None


LOOSE = Content()


@dataclass(frozen=True)
class Figures:
    """What a level says."""

    on_hand: Many
    allocated: Many
    reserved: Many
    unavailable: Many
    value: Cents

    @property
    def available(self) -> Many:
        """What can be promised."""
        return self.on_hand - self.allocated - self.reserved - self.unavailable


@dataclass(frozen=True)
class Hold:
    """A hold; what it still holds is kept by place."""

    expires_at: datetime
    outcome: str | None = None
    swept: bool = False
    """A sweep may have ended it since."""


@dataclass(frozen=True)
class Allocation:
    """What a line has a right to at a place."""

    quantity: Many
    allocated_at: datetime
    bound: bool = False
    """Whether the line takes its goods from there alone."""


@dataclass(frozen=True)
class Pool:
    """What a sales channel has for itself at a place."""

    number: int
    """They are numbered as they are made, and stay when they are empty."""
    held: Many


@dataclass(frozen=True)
class Rule:
    """What a sales channel is not offered of what is there for everybody."""

    buffer: Many = NOTHING
    """So much is kept away from it."""
    cap: Many | None = None
    """One document is offered no more than so much."""

    def offers(self, common: Many, taken: Many = NOTHING) -> Many:
        """How much of what is there for everybody a document may take that took so much already."""
        rest = max(common - self.buffer, NOTHING)
        return rest if self.cap is None else min(rest, max(self.cap - taken, NOTHING))


RuleKey = tuple[int, int | None]
"""A channel and a variant; None: every variant that has no rule of its own there."""


@dataclass(frozen=True)
class Waiting:
    """What a line waits for."""

    variant: int
    quantity: Many
    since: datetime
    location: int | None = None
    """Where its goods come from alone; None: from anywhere."""
    channel: int | None = None
    """The channel whose rules it keeps to; None: it keeps to none."""
    taken: Many = NOTHING
    """How much its order has had of what its channel is offered of the variant."""
    priority: int = 100
    """The smallest is served first."""


@dataclass(frozen=True)
class OrderLine:
    """A line of an order."""

    variant: int
    quantity: Many
    shipped: Many = NOTHING


@dataclass(frozen=True)
class Order:
    """An order."""

    lines: tuple[OrderLine, ...]
    cancelled: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether something of it has left."""
        return any(line.shipped for line in self.lines)


@dataclass(frozen=True)
class Incoming:
    """Announced goods."""

    place: Place
    outstanding: Many
    due_on: date


@dataclass(frozen=True)
class TransferLine:
    """A line of a transfer, and how far it has come."""

    variant: int
    quantity: Many
    dispatched: Many = NOTHING
    received: Many = NOTHING
    lost: Many = NOTHING

    @property
    def in_transit(self) -> Many:
        """How much of it is on the road."""
        return self.dispatched - self.received - self.lost


@dataclass(frozen=True)
class Transfer:
    """Goods that go from one location to another."""

    origin: int
    destination: int
    expected_on: date | None
    lines: tuple[TransferLine, ...]
    status: str = "DRAFT"
    freight: Cents = 0
    """What the way has cost so far."""


@dataclass(frozen=True)
class Proposal:
    """What goods at a location should be worth, until somebody decides about it, and what became of it."""

    location: int
    lines: tuple[tuple[int, Fraction], ...]
    """Variant, and what one should be worth, in cents."""
    proposed_by: str | None
    status: str = "PROPOSED"
    decided_by: str | None = None
    version: int = 1


@dataclass(frozen=True)
class CountLine:
    """What is counted of a variant, in one bin and of one lot or in none; in whatever state."""

    variant: int
    content: Content
    expected: Many
    """What the books said when it became a line."""
    counted: Many | None = None
    books: Many | None = None
    """What they said when it was counted."""
    rounds: int = 0
    unit_cost: Fraction | None = None
    """What one more costs, in cents, as whoever counted said last."""

    @property
    def spot(self) -> "Spot":
        """What it counts."""
        return self.variant, self.content

    @property
    def difference(self) -> Many:
        """How many more, or with a minus fewer, were counted than the books said then."""
        return NOTHING if self.counted is None or self.books is None else self.counted - self.books


Spot = tuple[int, Content]
"""A variant, in one bin and of one lot or in none."""


@dataclass(frozen=True)
class Count:
    """A count of what is at a location."""

    location: int
    lines: tuple[CountLine, ...]
    status: str = "OPEN"
    version: int = 1


@dataclass(frozen=True)
class Case:
    """Something for a person to look at."""

    kind: str
    place: Place
    quantity: Many
    expected: Many | None = None
    reported: Many | None = None
    resolution: str | None = None
    system: str | None = None
    """Who else counted."""
    opened_at: datetime | None = None
    version: int = 1
    taken_at: datetime | None = None
    """When they counted what they said last."""


@dataclass(frozen=True)
class Coming:
    """Goods that come in at a place."""

    place: Place
    quantity: Many
    value: Cents
    content: Content
    kind: str
    role: str
    """The account that pays for them."""
    effective_at: datetime


@dataclass(frozen=True)
class Wish:
    """A quantity that somebody wants, from anywhere or from one place."""

    position: int
    variant: int
    quantity: Many
    location: int | None = None


Parts = list[tuple[Wish, Place, Many]]


def day(instant: datetime) -> date:
    """The day it is for the business, whose clock is UTC here."""
    return instant.astimezone(UTC).date()
