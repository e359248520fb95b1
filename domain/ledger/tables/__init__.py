"""The rows of the books, one file per noun; those that everything stands on are in `books`."""

from domain.ledger.tables.books import (
    Account,
    AccountType,
    CashFlow,
    ControlAccount,
    EntryKind,
    ExchangeRate,
    FiscalYear,
    JournalDay,
    JournalEntry,
    JournalLine,
    JournalSeal,
    Period,
    PeriodClosed,
    PeriodLocked,
    PeriodState,
    Role,
    Unbalanced,
)
from domain.ledger.tables.dimensions import AccountingDimension, DimensionValue
from domain.ledger.tables.items import OpenItem, OpenItemStatus
from domain.ledger.tables.opening import OpeningBalances, OpeningCompleted
from domain.ledger.tables.recurring import (
    RecurringEntry,
    RecurringLine,
    RecurringOccurrence,
    RecurringSchedule,
    RecurringStatus,
)

__all__ = [
    "Account",
    "AccountType",
    "AccountingDimension",
    "CashFlow",
    "ControlAccount",
    "DimensionValue",
    "EntryKind",
    "ExchangeRate",
    "FiscalYear",
    "JournalDay",
    "JournalEntry",
    "JournalLine",
    "JournalSeal",
    "OpenItem",
    "OpenItemStatus",
    "OpeningBalances",
    "OpeningCompleted",
    "Period",
    "PeriodClosed",
    "PeriodLocked",
    "PeriodState",
    "RecurringEntry",
    "RecurringLine",
    "RecurringOccurrence",
    "RecurringSchedule",
    "RecurringStatus",
    "Role",
    "Unbalanced",
]
