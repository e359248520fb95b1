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


@dataclass(frozen=True)
class AccountingPeriodClosed(Event):
    """The period takes adjusting entries alone."""


@dataclass(frozen=True)
class AccountingPeriodLocked(Event):
    """The period takes no entry any more."""


@dataclass(frozen=True)
class AccountingPeriodReopened(Event):
    """The period takes entries again."""

    reason: str


@dataclass(frozen=True)
class FiscalYearClosed(Event):
    """The result of the year was carried to retained earnings."""


@dataclass(frozen=True)
class FiscalYearReopened(Event):
    """The result of the year stands on its accounts again."""

    reason: str


@dataclass(frozen=True)
class RetentionPolicySet(Event):
    """The books are kept for so many years from now on."""

    years: int


@dataclass(frozen=True)
class AccountCreated(Event):
    """The account stands in the chart."""


@dataclass(frozen=True)
class AccountUpdated(Event):
    """The account reads differently, or stands elsewhere."""

    fields: list[str]


@dataclass(frozen=True)
class DimensionValueCreated(Event):
    """Lines can name the brand, department or project."""


@dataclass(frozen=True)
class DimensionValueUpdated(Event):
    """The brand, department or project is called differently, or is not in use any more."""

    fields: list[str]


@dataclass(frozen=True)
class OpeningBalancesStarted(Event):
    """Something of what there was when the books began stands in them."""


@dataclass(frozen=True)
class OpeningBalancesCompleted(Event):
    """All of it does: nothing is opened any more."""


@dataclass(frozen=True)
class OpenItemOpened(Event):
    """A party owes something, or is owed it. Said of the item."""

    account: ID


@dataclass(frozen=True)
class OpenItemMoved(Event):
    """The item was settled, in part or in whole, or a settlement of it was taken back."""

    balance: str
    """What is open, in its currency."""


@dataclass(frozen=True)
class RecurringEntryCreated(Event):
    """The entry comes again from now on."""


@dataclass(frozen=True)
class RecurringEntryUpdated(Event):
    """Its postings to come are different."""

    fields: list[str]


@dataclass(frozen=True)
class RecurringEntryFailed(Event):
    """It could not be posted for a day that was due. It is tried again."""

    on: str
    problem: str


@dataclass(frozen=True)
class RecurringEntryEnded(Event):
    """It is posted no more."""


@dataclass(frozen=True)
class BudgetCreated(Event):
    """The budget stands as a draft."""


@dataclass(frozen=True)
class BudgetRevised(Event):
    """The budget says what its next version does."""

    version: int
    reason: str


@dataclass(frozen=True)
class BudgetActivated(Event):
    """The budget is the one that counts in its year."""


@dataclass(frozen=True)
class BudgetClosed(Event):
    """The budget counts no more."""


@dataclass(frozen=True)
class BudgetExceeded(Event):
    """An entry by hand spent more than the budget allows up to a month."""

    account: ID
    entry: ID
    month: str
    allowed: str
    spent: str
    """Before that entry."""
    asked: str
