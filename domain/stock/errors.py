"""How stock says no."""

from decimal import Decimal

from domain.kernel.errors import Invalid, NotAllowedNow, Refusal
from domain.kernel.ids import ID


class InsufficientStock(Refusal):
    """Less is available than was asked for."""

    def __init__(
        self,
        message: str,
        *,
        path: tuple[str | int, ...] = (),
        variant: ID | None = None,
        requested: Decimal = Decimal(0),
        available: Decimal = Decimal(0),
    ) -> None:
        super().__init__(message, path=path)
        self.variant = variant
        self.requested = requested
        self.available = available


class StaleQuantity(Refusal):
    """The quantity is not what the caller expected: somebody changed it since."""

    def __init__(
        self,
        message: str,
        *,
        path: tuple[str | int, ...] = (),
        variant: ID | None = None,
        present: Decimal = Decimal(0),
    ) -> None:
        super().__init__(message, path=path)
        self.variant = variant
        self.present = present


class CostUnknown(Invalid):
    """Nothing tells what more of this variant costs: say its unit cost."""


class NotForSale(NotAllowedNow):
    """It is there, but may not be sold: it is past its date, or was recalled."""


class NothingThere(NotAllowedNow):
    """Nothing is on hand there."""


class NothingArrives(Invalid):
    """Freight is for goods that arrive, and none do."""


class OwnProposal(NotAllowedNow):
    """Whoever proposed something does not approve it."""
