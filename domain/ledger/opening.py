"""Opening balances: what there was when the books began, brought in through an account that must come to nothing.

Every opening entry stands against the account with the role OPENING_BALANCES, so it can be loaded part by part: the
trial balance of the old books, what parties owe and are owed item by item, and goods by opening receipts. When all of
it is there, that account is zero, as the old books balanced; only then can the opening be completed, and nothing is
opened after that.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.kernel import words
from domain.kernel.errors import Invalid, NotAllowedNow
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, Rate, format_amount
from domain.kernel.work import Work
from domain.ledger import by_hand
from domain.ledger.by_hand import NewJournalEntry, NewLine, Openness
from domain.ledger.events import OpeningBalancesCompleted, OpeningBalancesStarted
from domain.ledger.operations import books
from domain.ledger.tables import EntryKind, OpeningCompleted, Role

OPENED_BY_HAND = Openness(
    to=frozenset({Role.RECEIVABLE, Role.PAYABLE, Role.TAX_PAYABLE}),
    instead={
        Role.INVENTORY: "bring in the goods by receiving them as opening stock, location by location.",
        Role.CUSTOMER_DEPOSITS: "bring in what each customer has paid in advance as an open item of theirs, a credit on"
        " accounts receivable.",
        Role.CLEARING: "bring in each payout that is on its way as an open item of who pays it out, a debit on accounts"
        " receivable.",
        Role.RECEIVED_NOT_BILLED: "bring in each receipt that waits for its bill as an open item of its supplier, a"
        " credit on accounts payable.",
        Role.UNBILLED: "bring in each delivery that is not billed as an open item of its customer, a debit on accounts"
        " receivable.",
        Role.OPENING_BALANCES: "it takes by itself what debits and credits differ by.",
    },
)
"""Which control accounts opening balances may name, and how the others are opened.

What the documents of these books will settle has a document here. What the old ones left half done has none, so nothing
would ever take it off such an account: it is an open item, which is settled when the money, the bill or the goods come.
"""

_FIND = "SELECT id, completed_at FROM opening_balances"
_START = """
INSERT INTO opening_balances (id, started_at) VALUES ($1, $2) ON CONFLICT (one) DO NOTHING RETURNING id
"""
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('ledger.opening', 0))"
SUSPENSE = """
SELECT coalesce(sum(debit_base) - sum(credit_base), 0) FROM journal_lines
WHERE account_id = (SELECT id FROM accounts WHERE role = 'OPENING_BALANCES')
"""
"""In SQL: what stands on the opening account, debits less credits."""
_COMPLETE = "UPDATE opening_balances SET completed_at = $2 WHERE id = $1"


@dataclass(frozen=True)
class NewOpeningBalances:
    """Balances to bring in, in one currency. They need not be equal: the difference stays on the opening account."""

    on: date
    """The day they are of, usually the last one before the books begin; in an open period."""
    lines: list[NewLine]
    """Accounts with their balances; on accounts that keep open items one line for each item."""
    description: str = "Opening balances"
    """What it is; at most 500 characters."""
    exchange_rate: Rate | None = None
    """What one unit of their currency is worth in that of the books; the rate of the day, when left out."""


async def begin_opening(work: Work) -> None:
    """The opening of the books has begun. Refused with OpeningCompleted when it is over."""
    found = await work.raw.fetchrow(_FIND)
    if found is not None and found["completed_at"] is not None:
        raise OpeningCompleted("The opening of the books is completed: post an entry by hand instead.")
    if found is None and (made := await work.raw.fetchval(_START, new_id("opn")[4:], work.now)) is not None:
        work.announce(OpeningBalancesStarted(ID("opn_" + made)))


async def post_opening(work: Work, new: NewOpeningBalances) -> ID:
    """The balances stand in the books, and their difference on the opening account. Returns the entry.

    Refused as an entry by hand is, but that debits need not equal credits; with OpeningCompleted once it is over.
    """
    await begin_opening(work)
    if not new.lines:
        raise Invalid("Name at least one balance.", path=("input", "lines"))
    description = words.line(new.description, path=("input", "description"), longest=500)
    entry = NewJournalEntry(new.on, description, new.lines, exchange_rate=new.exchange_rate)
    return await by_hand.post_entry(
        work, entry, kind=EntryKind.OPENING, against=Role.OPENING_BALANCES, open_to=OPENED_BY_HAND
    )


async def complete_opening(work: Work) -> ID:
    """The opening is over: nothing is opened any more. Returns it.

    Refused with NotAllowedNow where it has not begun, is over already, or something is left on the opening account.
    """
    kept = await books(work)
    await work.raw.execute(_TURN)
    found = await work.raw.fetchrow(_FIND)
    if found is None:
        raise NotAllowedNow("Nothing has been opened yet: post opening balances first.")
    if found["completed_at"] is not None:
        raise OpeningCompleted("The opening of the books is completed already.")
    balance: Decimal = await work.raw.fetchval(SUSPENSE)
    if balance:
        told = f"{format_amount(Money(abs(balance), CurrencyCode(kept.currency)))} {kept.currency}"
        side = "debit" if balance > 0 else "credit"
        raise NotAllowedNow(f"A {side} of {told} is left on the opening account: bring in what is missing first.")
    await work.raw.execute(_COMPLETE, found["id"], work.now)
    work.announce(OpeningBalancesCompleted(ID("opn_" + found["id"])))
    return ID("opn_" + found["id"])
