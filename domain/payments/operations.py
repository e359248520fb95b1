"""What can be done with payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import ledger
from domain.kernel import bulk, words
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID, new_id
from domain.kernel.money import Money, currency_digits, format_amount
from domain.kernel.work import Work
from domain.ledger import Posting, Role
from domain.payments.events import PaymentRecorded
from domain.payments.tables import Payment, PaymentMethod


@dataclass(frozen=True)
class NewPayment:
    """Money that arrived."""

    amount: Money
    """How much; more than zero."""
    method: PaymentMethod
    """How it was paid."""
    reference: str | None = None
    """The other side's number for it, such as a card terminal's receipt."""


@dataclass(frozen=True)
class Arrival:
    """A payment and what it pays."""

    document: ID
    payment: NewPayment
    path: tuple[str | int, ...] = ("input",)
    channel: ID | None = None
    """The sales channel of the document."""
    received_at: datetime | None = None
    """When it arrived; now, when left out."""


async def record(work: Work, arrivals: Sequence[Arrival]) -> list[ID]:
    """The money is in transit to us, and owed to the customers until invoices use it. Returns the payments' ids.

    The documents are locked by whoever owns them. Refused with Invalid for an amount that cannot be, and for another
    currency than that of the books: there are no exchange rates yet.
    """
    kept = await ledger.books(work)
    for arrival in arrivals:
        _check(arrival, kept)
    drafts = [
        ledger.Draft("Payment received", new_id("pay"), _postings(arrival), arrival.received_at) for arrival in arrivals
    ]
    entries = await ledger.post(work, drafts)
    rows = []
    for arrival, draft, entry in zip(arrivals, drafts, entries, strict=True):
        reference = arrival.payment.reference
        rows.append(
            {
                "id": draft.source,
                "document": arrival.document,
                "amount": arrival.payment.amount.amount,
                "currency": arrival.payment.amount.currency,
                "method": arrival.payment.method,
                "reference": None if reference is None else words.line(reference, path=(*arrival.path, "reference")),
                "entry_id": entry,
                "received_at": arrival.received_at or work.now,
                "recorded_at": work.now,
                "act": work.act,
            }
        )
    await bulk.insert(work, Payment, rows)
    for row in rows:
        amount, currency = format_amount(Money(row["amount"], row["currency"])), row["currency"]
        work.announce(PaymentRecorded(row["id"], document=row["document"], amount=amount, currency=currency))
    return [row["id"] for row in rows]


def _postings(arrival: Arrival) -> list[Posting]:
    amount = arrival.payment.amount.amount
    lines = [Posting(Role.CLEARING, debit=amount), Posting(Role.CUSTOMER_DEPOSITS, credit=amount)]
    return ledger.about(lines, channel=arrival.channel)


def _check(arrival: Arrival, kept: ledger.Books) -> None:
    amount, path = arrival.payment.amount, (*arrival.path, "amount")
    if amount.currency != kept.currency:
        raise Invalid(f"The books are kept in {kept.currency}.", path=(*path, "currency"))
    if amount.amount <= 0:
        raise Invalid("The amount must be more than zero.", path=(*path, "amount"))
    digits = currency_digits(amount.currency)
    if -int(amount.amount.normalize().as_tuple().exponent) > digits:
        raise Invalid(f"Amounts in {amount.currency} have at most {digits} decimals.", path=(*path, "amount"))
