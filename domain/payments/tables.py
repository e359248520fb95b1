"""Money that arrived. Permanent: what goes back is another row."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.grants import APPEND_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of


class PaymentMethod(StrEnum):
    """How somebody paid."""

    CASH = "CASH"
    """In coins and notes."""
    CARD = "CARD"
    """By card."""
    BANK_TRANSFER = "BANK_TRANSFER"
    """By bank transfer."""
    GIFT_CARD = "GIFT_CARD"
    """By a gift card of ours."""
    STORE_CREDIT = "STORE_CREDIT"
    """From what the customer has with us."""
    COUPON = "COUPON"
    """By a coupon that its manufacturer redeems."""
    EXTERNAL = "EXTERNAL"
    """Through somebody else, such as a marketplace or a wallet."""


class Payment(Row):
    """Money that arrived for a document."""

    __tablename__ = "payments"
    __table_args__ = (
        numbers("amount"),
        one_of("method", PaymentMethod),
        *filled("reference"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        Index(None, "document"),
        Index(None, "received_at", "id"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("pay")
    document: Mapped[str] = mapped_column(Text(collation="C"))
    """What it pays, such as an order."""
    amount: Mapped[Decimal]
    currency: Mapped[str]
    method: Mapped[PaymentMethod] = mapped_column(Choice(PaymentMethod))
    reference: Mapped[str | None]
    """The other side's number for it."""
    entry_id: Mapped[ID] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    received_at: Mapped[datetime]
    """When it arrived."""
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


_BALANCE = """
    SELECT '{role}' AS role, books.balance, owned.amount FROM (
      SELECT coalesce(sum({side}), 0) AS balance FROM journal_lines
      WHERE account_id IN (SELECT id FROM accounts WHERE role = '{role}')) AS books
    CROSS JOIN (SELECT coalesce(sum(amount), 0) AS amount FROM payments) AS owned
    WHERE books.balance <> owned.amount
"""

invariant(
    "payments in transit",
    "The balance of the clearing account is the sum of the payments that have not been paid out.",
    _BALANCE.format(role="CLEARING", side="debit_base - credit_base"),
)
invariant(
    "customer deposits",
    "The balance of customer deposits is the sum of the payments that no invoice has used.",
    _BALANCE.format(role="CUSTOMER_DEPOSITS", side="credit_base - debit_base"),
)
invariant(
    "payments are posted",
    "Every payment has an entry of its own, of its amount.",
    """
    SELECT payment.id, payment.amount, payment.entry_id FROM payments AS payment
    JOIN journal_entries AS entry ON entry.id = payment.entry_id
    WHERE entry.source IS DISTINCT FROM 'pay_' || replace(payment.id::text, '-', '')
      OR payment.amount <> (SELECT sum(debit) FROM journal_lines WHERE entry_id = entry.id)
    """,
)
