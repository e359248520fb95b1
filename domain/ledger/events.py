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
class JournalEntrySealed(Event):
    """This entry, and every one before it, has its place in the journal. Said of the last one of a sealing.

    Whoever keeps the digest elsewhere can tell later whether any entry up to this place was changed since.
    """

    position: int
    digest: str


@dataclass(frozen=True)
class ExchangeRateSet(Event):
    """A currency is worth something else from a day on."""

    currency: str
