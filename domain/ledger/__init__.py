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
from domain.ledger.sealing import seal
from domain.ledger.tables import Account, AccountType, JournalEntry, JournalLine, JournalSeal, Period, Role

__all__ = [
    "Account",
    "AccountType",
    "Balance",
    "Books",
    "Draft",
    "JournalEntry",
    "JournalEntryPosted",
    "JournalEntryReversed",
    "JournalLine",
    "JournalSeal",
    "NewJournalEntry",
    "NewLine",
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
    "reverse",
    "seal",
    "trial_balance",
    "write_lines",
]
