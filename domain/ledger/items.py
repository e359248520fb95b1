"""Open items: what parties owe and are owed, document by document.

An item is the sum of the lines that name it. The line that founds it says how much the document is for; every line on
the other side settles a part of it. In the currency of the books an item keeps the worth it was founded with: what a
settlement at another rate brings or takes beyond that is a gain or loss of its own line.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.errors import Invalid, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import CurrencyCode, Money, format_amount
from domain.kernel.rounding import proportion
from domain.kernel.work import Work
from domain.ledger.events import OpenItemMoved, OpenItemOpened
from domain.ledger.tables import JournalLine, OpenItem
from domain.ledger.tables.items import BeyondOpenItem, OpenItemStatus

_item = OpenItem.__table__.c
_line = JournalLine.__table__.c


@dataclass(frozen=True)
class NewOpenItem:
    """A claim or a debt that a line founds: a debit is what the party owes, a credit what it is owed."""

    party: str
    """Who owes or is owed: the id of a customer, or your own word for a supplier. Entries are permanent, so no names
    of persons."""
    document: str | None = None
    """What the document is called, such as the number of a bill."""
    due_on: date | None = None
    """When it is due; on the day of the entry, when left out."""


@dataclass(slots=True)
class Held:
    """An item that this act has locked, and what is left of it as lines of the act are reckoned."""

    id: ID
    account: ID
    currency: CurrencyCode
    is_debit: bool
    opened_on: date
    balance: Decimal
    """Debits less credits, in its currency."""
    base: Decimal
    """The same in the currency of the books."""

    def settle(self, amount: Decimal, digits: int, *, path: tuple[str | int, ...]) -> Decimal:
        """Settle so much of it, both debits less credits; returns what that is worth in the currency of the books.

        Whoever settles the last of it takes what is left. Refused with Invalid for an amount that would add to the
        item, and with BeyondOpenItem for more than is open.
        """
        if (amount > 0) == self.is_debit:
            raise Invalid(
                f"A {'credit' if self.is_debit else 'debit'} settles this item: change the side.",
                path=path,
            )
        if abs(amount) > abs(self.balance):
            open_now = format_amount(Money(abs(self.balance), self.currency))
            raise BeyondOpenItem(f"Of this item {open_now} {self.currency} is open, less than you settle.", path=path)
        whole = amount == -self.balance
        worth = -self.base if whole else proportion(-self.base, abs(amount), abs(self.balance), digits)
        self.balance += amount
        self.base += worth
        return worth


_LOCK = """
SELECT id, account_id, currency, is_debit, opened_on, balance, balance_base FROM open_items
WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
"""


async def lock(work: Work, ids: Collection[ID]) -> dict[ID, Held]:
    """The items that exist of these, locked in the order of their ids."""
    wanted = [each[4:] for each in sorted(ids) if is_id(each, "itm")]
    found = await work.raw.fetch(_LOCK, wanted) if wanted else []
    return {
        ID("itm_" + row["id"]): Held(
            ID("itm_" + row["id"]),
            ID("acc_" + row["account_id"]),
            CurrencyCode(row["currency"]),
            row["is_debit"],
            row["opened_on"],
            row["balance"],
            row["balance_base"],
        )
        for row in found
    }


def row_of(  # noqa: PLR0917  the columns of an item
    work: Work, new: NewOpenItem, account: ID, entry: ID, on: date, money: Money, path: tuple[str | int, ...]
) -> dict[str, Any]:
    """The row of an item that a line of an entry founds; the amount is above zero where the party owes it."""
    document = None if new.document is None else words.line(new.document, path=(*path, "document"))
    due_on = new.due_on or on
    if due_on < on:
        raise Invalid("It cannot be due before the day of the entry.", path=(*path, "dueOn"))
    return {
        "id": new_id("itm"),
        "account_id": account,
        "party": words.line(new.party, path=(*path, "party")),
        "document": document,
        "currency": money.currency,
        "is_debit": money.amount > 0,
        "opened_on": on,
        "due_on": due_on,
        "entry_id": entry,
        "created_at": work.now,
    }


async def open_all(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """The items exist; the lines of their entry, which follow, say how much they are for."""
    await bulk.insert_later(work, OpenItem, rows)
    work.announce(*(OpenItemOpened(row["id"], account=row["account_id"]) for row in rows))


def announce_moved(work: Work, held: Collection[Held]) -> None:
    """What was settled is said of each item, once the lines are written."""
    work.announce(*(OpenItemMoved(each.id, balance=format_amount(Money(each.balance, each.currency))) for each in held))


def unknown(path: tuple[str | int, ...]) -> NotFound:
    """The refusal for an item that is not there."""
    return NotFound("There is no such open item.", path=path)


open_items = listing.Listing(
    OpenItem,
    filters={
        "id": listing.identity(_item.id),
        "account_id": listing.identity(_item.account_id),
        "party": listing.text(_item.party),
        "due_on": listing.day(_item.due_on),
        "opened_on": listing.day(_item.opened_on),
        "status": listing.choice(_item.status, OpenItemStatus),
    },
    sorts={"DUE_ON": _item.due_on, "OPENED_ON": _item.opened_on},
)
