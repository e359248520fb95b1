"""Budgets: what a fiscal year is meant to come to, by account, month and dimension, version by version."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import NotAllowedNow
from domain.kernel.events import Xid8
from domain.kernel.grants import APPEND_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of


class BudgetControl(StrEnum):
    """What happens to an entry by hand that spends more than an active budget allows."""

    NONE = "NONE"
    """Nothing: the budget is compared with what came of it, and that is all."""
    WARN = "WARN"
    """It is posted, and announced."""
    REFUSE = "REFUSE"
    """It is refused."""


class BudgetStatus(StrEnum):
    """Whether a budget is the one that counts."""

    DRAFT = "DRAFT"
    """Not yet."""
    ACTIVE = "ACTIVE"
    """Yes: there is one for each fiscal year at most."""
    CLOSED = "CLOSED"
    """No more: it is kept for comparison."""


class Budget(Row):
    """What a fiscal year is meant to come to."""

    __tablename__ = "budgets"
    __table_args__ = (
        *filled("name"),
        one_of("control", BudgetControl),
        one_of("status", BudgetStatus),
        CheckConstraint("starts_on < ends_on", name="in_order"),
        CheckConstraint("version >= 1", name="version_counted"),
        ExcludeConstraint(
            (text("daterange(starts_on, ends_on, '[]')"), "&&"),
            where=text("status = 'ACTIVE'"),
            name="ex_budgets_active",
        ),
        Index(None, "starts_on", "id"),
        Index(None, "status"),
        {"info": {"update": ("status", "version", "updated_at")}},
    )

    id: Mapped[ID] = key("bdg")
    name: Mapped[str]
    starts_on: Mapped[date]
    """The first day of its fiscal year."""
    ends_on: Mapped[date]
    control: Mapped[BudgetControl] = mapped_column(Choice(BudgetControl))
    status: Mapped[BudgetStatus] = mapped_column(Choice(BudgetStatus), server_default=text("'DRAFT'"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """The version that counts: the newest one."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BudgetVersion(Row):
    """What a budget said from one instant on, until the next version. Permanent."""

    __tablename__ = "budget_versions"
    __table_args__ = (
        *filled("reason", longest=500),
        CheckConstraint("(version = 1) = (reason IS NULL)", name="revised_for_a_reason"),
        Index("uq_budget_versions_version", "budget_id", "version", unique=True),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("bdv")
    budget_id: Mapped[ID] = mapped_column(Id("bdg"), ForeignKey("budgets.id"))
    version: Mapped[int]
    """From 1, without gaps."""
    reason: Mapped[str | None]
    """Why it was revised; None for the first one."""
    created_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    """The transaction that wrote it: nobody adds lines to an older one."""


class BudgetLine(Row):
    """What an account is meant to come to in a month, of whatever it is about. Permanent.

    The lines of an account all name the same dimensions: so what it is meant to come to is their sum.
    """

    __tablename__ = "budget_lines"
    __table_args__ = (
        numbers("amount"),
        CheckConstraint("extract(day FROM month) = 1", name="first_of_month"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        Index("uq_budget_lines_n", "version_id", "n", unique=True),
        Index(
            "uq_budget_lines_once",
            "version_id",
            "account_id",
            "month",
            "channel_id",
            "location_id",
            "brand_id",
            "department_id",
            "project_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "account_id"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("bdl")
    version_id: Mapped[ID] = mapped_column(Id("bdv"), ForeignKey("budget_versions.id"))
    n: Mapped[int]
    """Its place, from 1."""
    account_id: Mapped[ID] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    month: Mapped[date]
    """The first day of the month."""
    currency: Mapped[str]
    """That of the books."""
    amount: Mapped[Decimal]
    """Signed as statements are: what an account of its type usually has is positive."""
    channel_id: Mapped[ID | None] = mapped_column(Id("chn"))
    location_id: Mapped[ID | None] = mapped_column(Id("loc"))
    brand_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    department_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    project_id: Mapped[ID | None] = mapped_column(Id("dmv"))


class BudgetExceeded(NotAllowedNow):
    """More would be spent than the active budget of the year allows."""


explain(
    "journal_entry_budget",
    "More would be spent than the active budget of the year allows.",
    refusal=BudgetExceeded,
    path=("input", "lines"),
)
explain("ex_budgets_active", "Another budget of this fiscal year is active: close it first.", refusal=NotAllowedNow)
explain("uq_budget_versions_version", "This version was written already.", path=("expectedVersion",))
explain("uq_budget_lines_n", "This line was written already.", path=("input", "lines"))
explain(
    "uq_budget_lines_once",
    "An account has one line for each month and what it is about: add them up.",
    path=("input", "lines"),
)
explain("budget_lines_own_version", "Lines belong to a version of the same act.", path=("input", "lines"))
explain("budget_lines_year", "A line stands for a month of the budget's fiscal year.", path=("input", "lines"))
explain(
    "budget_lines_alike",
    "All lines of an account name the same dimensions, so that they can be added up.",
    path=("input", "lines"),
)

invariant(
    "budget versions",
    "The versions of every budget are numbered from 1 to its present one, and each of them has lines.",
    """
    SELECT budget.id, budget.version, count(told.id) AS versions FROM budgets AS budget
    LEFT JOIN budget_versions AS told ON told.budget_id = budget.id
    GROUP BY budget.id
    HAVING count(told.id) <> budget.version OR max(told.version) <> budget.version
      OR NOT bool_and(EXISTS (SELECT FROM budget_lines AS line WHERE line.version_id = told.id))
    """,
)
invariant(
    "budget lines in their year",
    "Every line of a budget stands for a month of its year, in the currency of the books.",
    """
    SELECT line.id, line.month FROM budget_lines AS line
    JOIN budget_versions AS told ON told.id = line.version_id JOIN budgets AS budget ON budget.id = told.budget_id
    WHERE line.month NOT BETWEEN date_trunc('month', budget.starts_on) AND budget.ends_on
      OR line.currency <> (SELECT base_currency FROM business)
    """,
)
