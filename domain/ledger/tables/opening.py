"""How far it is to bring in what there was when the books began."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import NotAllowedNow
from domain.kernel.ids import ID
from domain.kernel.invariants import invariant
from domain.kernel.rows import Row, key


class OpeningBalances(Row):
    """The opening of the books: there is one."""

    __tablename__ = "opening_balances"
    __table_args__ = (
        CheckConstraint("one", name="one_row"),
        Index("uq_opening_balances_one", "one", unique=True),
        {"info": {"update": ("completed_at",)}},
    )

    id: Mapped[ID] = key("opn")
    one: Mapped[bool] = mapped_column(server_default=text("true"))
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    """When all was there; nothing is opened any more since."""


class OpeningCompleted(NotAllowedNow):
    """The opening of the books is over."""

    code = "NOT_ALLOWED_NOW"


explain("uq_opening_balances_one", "The opening of the books has begun already.")
explain(
    "journal_entry_opening_completed",
    "The opening of the books is completed: post an entry by hand instead.",
    refusal=OpeningCompleted,
)
explain("opening_balances_left", "What stands on the opening account must come to zero first.", refusal=NotAllowedNow)

invariant(
    "opening balances come to nothing",
    "Once the opening of the books is completed, its account stands at zero.",
    """
    SELECT account_id, sum(debit_base) - sum(credit_base) AS balance FROM journal_lines
    WHERE account_id = (SELECT id FROM accounts WHERE role = 'OPENING_BALANCES')
      AND EXISTS (SELECT FROM opening_balances WHERE completed_at IS NOT NULL)
    GROUP BY account_id HAVING sum(debit_base) <> sum(credit_base)
    """,
)
