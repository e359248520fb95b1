"""What the ledger announces."""

from dataclasses import dataclass

from domain.kernel.events import Event
from domain.kernel.ids import ID


@dataclass(frozen=True)
class JournalEntryPosted(Event):
    """An entry stands in the books. Its source is announced by whoever owns it."""

    source: ID | None


@dataclass(frozen=True)
class JournalEntryReversed(Event):
    """The entry was taken back by another one."""

    reversal: ID


@dataclass(frozen=True)
class ExchangeRateSet(Event):
    """A currency is worth something else from a day on."""

    currency: str
