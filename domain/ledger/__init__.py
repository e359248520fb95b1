"""The books: accounts, journal entries, balances. Permanent, balanced, and tied to what they account for."""

from domain.ledger.events import JournalEntryPosted, JournalEntryReversed
from domain.ledger.operations import (
    Books,
    Draft,
    NewJournalEntry,
    NewLine,
    Posting,
    books,
    entry_number,
    found,
    inventory_account,
    open_entries,
    post,
    post_by_hand,
    reverse,
    write_lines,
)
from domain.ledger.queries import Balance, accounts, entries, trial_balance
from domain.ledger.rates import NewExchangeRate, NoExchangeRate, rate_on, rates, set_rates
from domain.ledger.sealing import seal
from domain.ledger.tables import (
    Account,
    AccountType,
    ExchangeRate,
    JournalEntry,
    JournalLine,
    JournalSeal,
    Period,
    Role,
)

__all__ = [
    "Account",
    "AccountType",
    "Balance",
    "Books",
    "Draft",
    "ExchangeRate",
    "JournalEntry",
    "JournalEntryPosted",
    "JournalEntryReversed",
    "JournalLine",
    "JournalSeal",
    "NewExchangeRate",
    "NewJournalEntry",
    "NewLine",
    "NoExchangeRate",
    "Period",
    "Posting",
    "Role",
    "accounts",
    "books",
    "entries",
    "entry_number",
    "found",
    "inventory_account",
    "open_entries",
    "post",
    "post_by_hand",
    "rate_on",
    "rates",
    "reverse",
    "seal",
    "set_rates",
    "trial_balance",
    "write_lines",
]
