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
    def of(cls, currency: str, amount: Decimal, base: Decimal | None = None) -> "Amounts":
        """A line: a debit where the amount is above zero, else a credit. Both are one in the currency of the books."""
        sides = _sides(amount)
        return cls(currency, *sides, *(sides if base is None or base is amount else _sides(base)))

    @property
    def amount(self) -> Decimal:
        """Debit less credit, in the currency of the document."""
        return self.debit - self.credit

    @property
    def base(self) -> Decimal:
        """Debit less credit, in the currency of the books."""
        return self.debit_base - self.credit_base


def _sides(amount: Decimal) -> tuple[Decimal, Decimal]:
    return (amount, _ZERO) if amount > 0 else (_ZERO, -amount if amount else _ZERO)


_ZERO = Decimal(0)


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
    exchange_rate: Decimal | None = None,
) -> dict[str, Any]:
    """An entry of this act."""
    return {
        "id": new_id("jen"),
        "posted_on": on,
        "effective_at": effective_at or work.now,
        "recorded_at": work.now,
        "description": description,
        "currency": currency,
        "exchange_rate": exchange_rate,
        "source": source,
        "manual": manual,
        "kind": kind,
        "period_id": period,
        "reversal_of_id": reversal_of,
        "act": work.act,
    }


def line_row(  # noqa: PLR0917  the columns of a line, in their order
    entry: ID, n: int, account: ID, on: date, base_currency: str, amounts: Amounts, **about: ID | None
) -> dict[str, Any]:
    """A line of an entry. `about`: columns that say what it is about, the same ones for all lines of a statement."""
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
        **about,
    }


_REVERSE_LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base,
  channel_id, location_id, brand_id, department_id, project_id, item_id)
SELECT reversal.id, n, account_id, reversal.posted_on, line.currency, credit, debit, base_currency, credit_base,
  debit_base, channel_id, location_id, brand_id, department_id, project_id, item_id
FROM journal_entries AS reversal JOIN journal_lines AS line ON line.entry_id = reversal.reversal_of_id
WHERE reversal.id = ANY($1::uuid[])
"""


async def reverse_lines(work: Work, reversals: Sequence[ID]) -> None:
    """Entries of this act that take others back have the lines of those, the sides changed: all in one statement.

    What they say about open items is taken back with them: those have to be locked.
    """
    await work.raw.execute(_REVERSE_LINES, [each[4:] for each in reversals])
