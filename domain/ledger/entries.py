"""The rows of entries and lines, as every act that posts writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work
from domain.ledger.tables import EntryKind


@dataclass(frozen=True, slots=True)
class Amounts:
    """The amounts of a line: in the currency of its document, and in that of the books."""

    currency: str
    debit: Decimal
    credit: Decimal
    debit_base: Decimal
    credit_base: Decimal

    @classmethod
    def of(cls, currency: str, amount: Decimal) -> "Amounts":
        """A line in the currency of the books: a debit where the amount is above zero, else a credit."""
        debit, credit = max(amount, Decimal(0)), max(-amount, Decimal(0))
        return cls(currency, debit, credit, debit, credit)


def entry_number(number: int) -> str:
    """An entry's number as people read it."""
    return f"JE-{number:06d}"


def entry_row(
    work: Work,
    on: date,
    description: str,
    currency: str,
    *,
    period: ID,
    source: ID | None = None,
    manual: bool = False,
    kind: EntryKind = EntryKind.ORDINARY,
    effective_at: datetime | None = None,
    reversal_of: ID | None = None,
) -> dict[str, Any]:
    """An entry of this act."""
    return {
        "id": new_id("jen"),
        "posted_on": on,
        "effective_at": effective_at or work.now,
        "recorded_at": work.now,
        "description": description,
        "currency": currency,
        "source": source,
        "manual": manual,
        "kind": kind,
        "period_id": period,
        "reversal_of_id": reversal_of,
        "act": work.act,
    }


def line_row(  # noqa: PLR0917  the columns of a line, in their order
    entry: ID, n: int, account: ID, on: date, base_currency: str, amounts: Amounts
) -> dict[str, Any]:
    """A line of an entry."""
    return {
        "entry_id": entry,
        "n": n,
        "account_id": account,
        "posted_on": on,
        "currency": amounts.currency,
        "debit": amounts.debit,
        "credit": amounts.credit,
        "base_currency": base_currency,
        "debit_base": amounts.debit_base,
        "credit_base": amounts.credit_base,
    }


_REVERSE_LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT reversal.id, n, account_id, reversal.posted_on, line.currency, credit, debit, base_currency, credit_base,
  debit_base
FROM journal_entries AS reversal JOIN journal_lines AS line ON line.entry_id = reversal.reversal_of_id
WHERE reversal.id = ANY($1::uuid[])
"""


async def reverse_lines(work: Work, reversals: Sequence[ID]) -> None:
    """Entries of this act that take others back have the lines of those, the sides changed: all in one statement."""
    await work.raw.execute(_REVERSE_LINES, [each[4:] for each in reversals])
