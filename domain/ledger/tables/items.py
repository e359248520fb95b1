"""What a party owes, or is owed, document by document."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import NotAllowedNow
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, filled, key, numbers


class OpenItemStatus(StrEnum):
    """Whether there is something left to settle."""

    OPEN = "OPEN"
    """Yes."""
    SETTLED = "SETTLED"
    """No: the lines that name it come to zero."""


class OpenItem(Row):
    """A claim or a debt that one document founded: it is the sum of the lines that name it, and settled at zero.

    Nothing but lines moves it, so an account that keeps open items equals their sum on every day.
    """

    __tablename__ = "open_items"
    __table_args__ = (
        numbers("balance", "balance_base"),
        *filled("party", "document"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        CheckConstraint("CASE WHEN is_debit THEN balance >= 0 ELSE balance <= 0 END", name="not_beyond_zero"),
        CheckConstraint("balance <> 0 OR balance_base = 0", name="settled_in_both"),
        Index(None, "account_id", "party", "opened_on"),
        Index(None, "party", "opened_on"),
        Index(None, "due_on", "id"),
        Index(None, "opened_on", "id"),
        Index(None, "status", "due_on", "id"),
        Index(None, "entry_id"),
        {
            "info": {
                "insert": (
                    "id",
                    "account_id",
                    "party",
                    "document",
                    "currency",
                    "is_debit",
                    "opened_on",
                    "due_on",
                    "entry_id",
                    "created_at",
                ),
                "update": ("party", "document", "due_on"),
            }
        },
    )

    id: Mapped[ID] = key("itm")
    account_id: Mapped[ID] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    party: Mapped[str] = mapped_column(Text(collation="C"))
    """Who owes or is owed: the id of a customer, or the shop's own word for a supplier."""
    document: Mapped[str | None]
    """What the document is called, such as the number of a bill."""
    currency: Mapped[str]
    is_debit: Mapped[bool]
    """Whether the party owes it; else it is owed to them."""
    opened_on: Mapped[date]
    due_on: Mapped[date]
    entry_id: Mapped[ID] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    """The entry that founded it."""
    balance: Mapped[Decimal] = mapped_column(server_default=text("0"))
    """What is open, in its currency: debits less credits of its lines."""
    balance_base: Mapped[Decimal] = mapped_column(server_default=text("0"))
    """What that is worth in the currency of the books, at the rates of its lines."""
    status: Mapped[OpenItemStatus] = mapped_column(
        Choice(OpenItemStatus), Computed("CASE WHEN balance = 0 THEN 'SETTLED' ELSE 'OPEN' END", persisted=True)
    )
    created_at: Mapped[datetime]


class BeyondOpenItem(NotAllowedNow):
    """More would be settled than is open."""


explain(
    "ck_open_items_not_beyond_zero",
    "More would be settled than is open.",
    refusal=BeyondOpenItem,
    path=("input", "lines"),
)
explain("open_item_founded", "An open item begins with a line of the entry that founds it.", path=("input", "lines"))
explain(
    "journal_line_item",
    "Lines on an account that keeps open items name one of the same account and currency, from its first day on;"
    " other lines name none.",
    path=("input", "lines"),
)
explain(
    "journal_line_account_currency",
    "This account is kept in another currency than that of the entry.",
    path=("input", "lines"),
)

invariant(
    "open items are their lines",
    "What is open of every item is the sum of the lines that name it, and settled items are worth nothing.",
    """
    SELECT item.id, balance, balance_base, told.document, told.base FROM open_items AS item
    LEFT JOIN LATERAL (
      SELECT coalesce(sum(debit - credit), 0) AS document, coalesce(sum(debit_base - credit_base), 0) AS base,
        count(*) AS lines
      FROM journal_lines WHERE item_id = item.id
    ) AS told ON true
    WHERE (balance, balance_base) IS DISTINCT FROM (told.document, told.base) OR told.lines = 0
    """,
)
invariant(
    "control accounts are their open items",
    "On every day an account that keeps open items equals the sum of its items, line by line.",
    """
    SELECT line.entry_id, line.n FROM journal_lines AS line
    JOIN accounts AS account ON account.id = line.account_id
    LEFT JOIN open_items AS item ON item.id = line.item_id
    WHERE (account.keeps_items OR line.item_id IS NOT NULL)
      AND ((item.account_id, item.currency) IS DISTINCT FROM (line.account_id, line.currency)
        OR line.posted_on < item.opened_on)
    """,
)
