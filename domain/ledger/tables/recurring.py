"""Entries that come again: what they say, when they are due, and what was posted of them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.grants import APPEND_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of


class RecurringSchedule(StrEnum):
    """How often an entry comes again."""

    WEEKLY = "WEEKLY"
    """Every seven days."""
    MONTHLY = "MONTHLY"
    """On the same day of each month; where a month is too short, on its last day."""
    QUARTERLY = "QUARTERLY"
    """Every three months, likewise."""
    YEARLY = "YEARLY"
    """Once a year, likewise."""


class RecurringStatus(StrEnum):
    """Whether an entry still comes again."""

    ACTIVE = "ACTIVE"
    """Yes."""
    ENDED = "ENDED"
    """No: its last day has come, or somebody ended it."""


class RecurringEntry(Row):
    """An entry by hand that is posted again and again, as it is written here when its day has come."""

    __tablename__ = "recurring_entries"
    __table_args__ = (
        CheckConstraint("char_length(description) BETWEEN 1 AND 500", name="description_filled"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        one_of("schedule", RecurringSchedule),
        one_of("status", RecurringStatus),
        CheckConstraint("starts_on <= ends_on", name="in_order"),
        CheckConstraint("next_n >= 0", name="next_counted"),
        CheckConstraint("(next_on IS NULL) = (status = 'ENDED')", name="due_while_active"),
        CheckConstraint("(next_on IS NULL) = (ended_at IS NOT NULL)", name="ended_at_an_instant"),
        CheckConstraint("next_on BETWEEN starts_on AND coalesce(ends_on, next_on)", name="due_within"),
        CheckConstraint("(last_problem IS NULL) = (tried_on IS NULL)", name="tried_with_a_problem"),
        *filled("last_problem", longest=1_000),
        Index(None, "starts_on", "id"),
        Index(None, "next_on", "id"),
        Index(None, "status"),
        {
            "info": {
                "update": (
                    "description",
                    "currency",
                    "ends_on",
                    "reverses_next_month",
                    "status",
                    "next_n",
                    "next_on",
                    "last_problem",
                    "tried_on",
                    "ended_at",
                    "updated_at",
                )
            }
        },
    )

    id: Mapped[ID] = key("rec")
    description: Mapped[str]
    currency: Mapped[str]
    """That of its lines."""
    schedule: Mapped[RecurringSchedule] = mapped_column(Choice(RecurringSchedule))
    starts_on: Mapped[date]
    """The first day it is due; all others are counted from it."""
    ends_on: Mapped[date | None]
    """The last day on which it may be due."""
    reverses_next_month: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether each posting is taken back on the first day of the month after it, as accruals are."""
    status: Mapped[RecurringStatus] = mapped_column(Choice(RecurringStatus), server_default=text("'ACTIVE'"))
    next_n: Mapped[int] = mapped_column(server_default=text("0"))
    """Which posting is next: the first one is 0."""
    next_on: Mapped[date | None]
    """The day that one is due; None when there is none any more."""
    last_problem: Mapped[str | None]
    """Why it could not be posted when it was tried last; None where it could."""
    tried_on: Mapped[date | None]
    """The day it was tried last, where that failed."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RecurringLine(Row):
    """One side of an entry that comes again. They are replaced as a whole."""

    __tablename__ = "recurring_entry_lines"
    __table_args__ = (
        numbers("debit", "credit"),
        PrimaryKeyConstraint("recurring_id", "n"),
        CheckConstraint("debit >= 0 AND credit >= 0 AND (debit > 0) <> (credit > 0)", name="one_side"),
        Index(None, "account_id"),
    )

    recurring_id: Mapped[ID] = mapped_column(Id("rec"), ForeignKey("recurring_entries.id"))
    n: Mapped[int]
    """Its place in the entry, from 1."""
    account_id: Mapped[ID] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    currency: Mapped[str]
    debit: Mapped[Decimal]
    credit: Mapped[Decimal]
    channel_id: Mapped[ID | None] = mapped_column(Id("chn"))
    location_id: Mapped[ID | None] = mapped_column(Id("loc"))
    brand_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    department_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    project_id: Mapped[ID | None] = mapped_column(Id("dmv"))


class RecurringOccurrence(Row):
    """One day on which an entry was due, and what was posted for it. Permanent: so a day is posted once."""

    __tablename__ = "recurring_occurrences"
    __table_args__ = (
        Index("uq_recurring_occurrences_due_on", "recurring_id", "due_on", unique=True),
        Index("uq_recurring_occurrences_n", "recurring_id", "n", unique=True),
        Index("uq_recurring_occurrences_entry_id", "entry_id", unique=True),
        Index(None, "recurring_id", "due_on", "id"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("rco")
    recurring_id: Mapped[ID] = mapped_column(Id("rec"), ForeignKey("recurring_entries.id"))
    n: Mapped[int]
    """Which one it is: the first one is 0."""
    due_on: Mapped[date]
    """The day it was due. It counts for the first open day from there on."""
    entry_id: Mapped[ID] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    posted_at: Mapped[datetime]


explain("uq_recurring_occurrences_due_on", "This day has been posted already.")
explain("uq_recurring_occurrences_n", "This one has been posted already.")
explain("uq_recurring_occurrences_entry_id", "This entry was posted for another day already.")
explain("recurring_occurrence_due", "It is not due on this day, or the entry is not its own.")
explain("recurring_lines_balanced", "Debits and credits must be equal, in one currency.", path=("input", "lines"))

DAY_OF = """(starts_on + %s * CASE schedule WHEN 'WEEKLY' THEN interval '7 days' WHEN 'MONTHLY' THEN interval '1 month'
  WHEN 'QUARTERLY' THEN interval '3 months' ELSE interval '1 year' END)::date"""
"""In SQL: the day on which the n-th one is due, counted from the first day, so that short months do not shift it."""

invariant(
    "recurring entries balance",
    "Every entry that comes again has at least two lines in its currency, and its debits equal its credits.",
    """
    SELECT recurring.id, count(line.n) AS lines, sum(debit) - sum(credit) AS difference
    FROM recurring_entries AS recurring LEFT JOIN recurring_entry_lines AS line ON line.recurring_id = recurring.id
    GROUP BY recurring.id
    HAVING count(line.n) < 2 OR sum(debit) <> sum(credit) OR NOT bool_and(line.currency = recurring.currency)
    """,
)
invariant(
    "recurring entries are posted in turn",
    "Of an entry that comes again every day up to its next one was posted, once, by an entry that names it.",
    f"""
    SELECT recurring.id, next_n, next_on, count(done.id) AS posted FROM recurring_entries AS recurring
    LEFT JOIN recurring_occurrences AS done ON done.recurring_id = recurring.id
    LEFT JOIN journal_entries AS entry ON entry.id = done.entry_id
    GROUP BY recurring.id
    HAVING count(done.id) <> next_n OR max(done.n) >= next_n OR next_on <> {DAY_OF % "next_n"}
      OR NOT bool_and(done.id IS NULL OR done.due_on = {DAY_OF % "done.n"}
        AND entry.source = 'rec_' || replace(recurring.id::text, '-', '') AND entry.manual
        AND entry.posted_on >= done.due_on)
    """,  # noqa: S608  words of ours
)
