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
from domain.ledger.tables.budgets import (
    Budget,
    BudgetControl,
    BudgetExceeded,
    BudgetLine,
    BudgetStatus,
    BudgetVersion,
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
from domain.ledger.tables.retention import RetentionPolicy, RetentionPromised

__all__ = [
    "Account",
    "AccountType",
    "AccountingDimension",
    "Budget",
    "BudgetControl",
    "BudgetExceeded",
    "BudgetLine",
    "BudgetStatus",
    "BudgetVersion",
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
    "RetentionPolicy",
    "RetentionPromised",
    "Role",
    "Unbalanced",
]
