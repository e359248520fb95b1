"""Accounts, periods, journal entries and their lines. Entries and lines are permanent: corrections are reversals."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import Invalid
from domain.kernel.events import Xid8
from domain.kernel.grants import APPEND_ONLY, BOOKS, READ_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Choice, Row, carried, filled, key, numbers, one_of
from domain.ledger.tables.dimensions import COLUMNS, NONE


class AccountType(StrEnum):
    """Where an account stands in the statements."""

    ASSET = "ASSET"
    """What the business owns or is owed. A debit raises it."""
    LIABILITY = "LIABILITY"
    """What the business owes. A credit raises it."""
    EQUITY = "EQUITY"
    """What belongs to the owners. A credit raises it."""
    INCOME = "INCOME"
    """What the business earned. A credit raises it."""
    EXPENSE = "EXPENSE"
    """What earning it cost. A debit raises it."""


class CashFlow(StrEnum):
    """What a change of an account means for cash."""

    CASH = "CASH"
    """It is cash, or as good as cash."""
    OPERATING = "OPERATING"
    """It belongs to the daily business."""
    INVESTING = "INVESTING"
    """It is about things that are kept for years."""
    FINANCING = "FINANCING"
    """It is about owners and lenders."""


class Role(StrEnum):
    """What an account is for. Capabilities post to roles, so that a business may number its accounts as it likes."""

    INVENTORY = "INVENTORY"
    RECEIVABLE = "RECEIVABLE"
    UNBILLED = "UNBILLED"
    CLEARING = "CLEARING"
    PAYABLE = "PAYABLE"
    RECEIVED_NOT_BILLED = "RECEIVED_NOT_BILLED"
    CUSTOMER_DEPOSITS = "CUSTOMER_DEPOSITS"
    TAX_PAYABLE = "TAX_PAYABLE"
    RETAINED_EARNINGS = "RETAINED_EARNINGS"
    OPENING_BALANCES = "OPENING_BALANCES"
    REVENUE = "REVENUE"
    COGS = "COGS"
    SHRINKAGE = "SHRINKAGE"
    DAMAGE = "DAMAGE"
    SAMPLES = "SAMPLES"
    STOCK_CORRECTION = "STOCK_CORRECTION"
    STOCK_REVALUATION = "STOCK_REVALUATION"
    FREIGHT_ABSORBED = "FREIGHT_ABSORBED"
    REALIZED_EXCHANGE = "REALIZED_EXCHANGE"
    UNREALIZED_EXCHANGE = "UNREALIZED_EXCHANGE"


class PeriodState(StrEnum):
    """Whether entries may be posted into a period."""

    OPEN = "OPEN"
    """Yes."""
    SOFT_CLOSED = "SOFT_CLOSED"
    """Adjusting entries alone: business goes on in the next open period."""
    LOCKED = "LOCKED"
    """No, whoever asks."""


class EntryKind(StrEnum):
    """What an entry does in the course of a year."""

    ORDINARY = "ORDINARY"
    """It records what happened."""
    ADJUSTING = "ADJUSTING"
    """It puts a period right that is closed already, before it is locked."""
    OPENING = "OPENING"
    """It brings in what there was when the books began."""
    CLOSING = "CLOSING"
    """It carries the result of a year to retained earnings. Statements of income leave it out."""


class Account(Row):
    """A place in the chart of accounts. Only leaves are posted to."""

    __tablename__ = "accounts"
    __table_args__ = (
        *filled("name"),
        CheckConstraint("code ~ '^[0-9A-Z][0-9A-Z.-]{0,19}$'", name="code_form"),
        one_of("type", AccountType),
        one_of("role", Role),
        one_of("cash_flow", CashFlow),
        Index("uq_accounts_code", "code", unique=True),
        Index("uq_accounts_role", "role", unique=True),
        Index(None, "parent_id"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        CheckConstraint(
            "required_dimensions <@ ARRAY['CHANNEL', 'LOCATION', 'BRAND', 'DEPARTMENT', 'PROJECT']",
            name="required_dimensions_known",
        ),
        {"info": {"update": ("code", "name", "parent_id", "cash_flow", "currency", "required_dimensions")} | BOOKS},
    )

    id: Mapped[ID] = key("acc")
    code: Mapped[str] = mapped_column(Text(collation="C"))
    name: Mapped[str]
    type: Mapped[AccountType] = mapped_column(Choice(AccountType))
    parent_id: Mapped[ID | None] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    role: Mapped[Role | None] = mapped_column(Choice(Role))
    is_control: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether another capability owns its balance, so that no entry by hand may touch it."""
    keeps_items: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its lines name open items: claims on, or debts to, a party."""
    currency: Mapped[str | None]
    """The only currency it is kept in, such as that of a bank account; None: whichever a document has."""
    required_dimensions: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """What lines by hand on it must name."""
    cash_flow: Mapped[CashFlow] = mapped_column(Choice(CashFlow), server_default=text("'OPERATING'"))
    created_at: Mapped[datetime]


class Period(Row):
    """A month of the books."""

    __tablename__ = "accounting_periods"
    __table_args__ = (
        one_of("state", PeriodState),
        CheckConstraint("starts_on <= ends_on", name="in_order"),
        ExcludeConstraint((text("daterange(starts_on, ends_on, '[]')"), "&&"), name="ex_accounting_periods_overlap"),
        Index("uq_accounting_periods_starts_on", "starts_on", unique=True),
        Index(None, "state"),
        {"info": {"update": ("state",)} | BOOKS},
    )

    id: Mapped[ID] = key("per")
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[PeriodState] = mapped_column(Choice(PeriodState), server_default=text("'OPEN'"))


class FiscalYear(Row):
    """A year whose result has been carried to retained earnings at least once."""

    __tablename__ = "fiscal_years"
    __table_args__ = (
        CheckConstraint("starts_on < ends_on", name="in_order"),
        CheckConstraint("closed_at IS NOT NULL OR reopened_for IS NOT NULL", name="open_for_a_reason"),
        *filled("reopened_for", longest=500),
        Index("uq_fiscal_years_starts_on", "starts_on", unique=True),
        CheckConstraint("retention_years BETWEEN 1 AND 99", name="retention_years_range"),
        {
            "info": {
                "insert": ("id", "starts_on", "ends_on", "closed_at", "reopened_for"),
                "update": ("closed_at", "reopened_for"),
            }
            | BOOKS
        },
    )

    id: Mapped[ID] = key("fsy")
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    closed_at: Mapped[datetime | None]
    """When it was closed last; None while it is open again."""
    reopened_for: Mapped[str | None]
    """Why it was opened again last."""
    retention_years: Mapped[int]
    """For how many years it is kept at least: what counted when it was closed. A trigger says so."""


entry_numbers = Sequence("journal_entry_numbers", metadata=Row.metadata, start=1)


class JournalEntry(Row):
    """One posting: at least two lines that balance. Permanent."""

    __tablename__ = "journal_entries"
    __table_args__ = (
        CheckConstraint("char_length(description) BETWEEN 1 AND 500", name="description_filled"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        CheckConstraint("exchange_rate > 0 AND exchange_rate <> 'NaN'", name="rate_positive"),
        one_of("kind", EntryKind),
        Index("uq_journal_entries_number", "number", unique=True),
        Index(
            "uq_journal_entries_reversal_of_id",
            "reversal_of_id",
            unique=True,
            postgresql_where=text("reversal_of_id IS NOT NULL"),
        ),
        Index(None, "posted_on", "id"),
        Index(None, "recorded_at", "id"),
        Index("ix_journal_entries_source", "source", postgresql_where=text("source IS NOT NULL")),
        Index(None, "act"),
        {"info": APPEND_ONLY | BOOKS},
    )

    id: Mapped[ID] = key("jen")
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('journal_entry_numbers'::regclass)"))
    posted_on: Mapped[date]
    """The day it counts for in the books: it lies in an open period."""
    effective_at: Mapped[datetime]
    """When what it records really happened, however late it was told."""
    recorded_at: Mapped[datetime]
    description: Mapped[str]
    currency: Mapped[str]
    """The currency of the document amounts."""
    exchange_rate: Mapped[Decimal | None] = mapped_column(Numeric(20, 10))
    """What one unit of it was worth in the currency of the books; None where it is that currency."""
    source: Mapped[str | None] = mapped_column(Text(collation="C"))
    """What it is the posting of, such as an order; None for an entry by hand."""
    manual: Mapped[bool]
    """Whether a person posted it by hand: control accounts are closed to it."""
    kind: Mapped[EntryKind] = mapped_column(Choice(EntryKind), server_default=text("'ORDINARY'"))
    period_id: Mapped[ID] = mapped_column(Id("per"), ForeignKey("accounting_periods.id"))  # seen to by a guard
    reversal_of_id: Mapped[ID | None] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    act: Mapped[ID] = mapped_column(Id("act"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    """The transaction that wrote it: nobody adds to an entry of an older one."""


class JournalLine(Row):
    """One side of an entry: a debit or a credit.

    A gain or loss by a change of rates has an amount in the currency of the books alone.
    """

    __tablename__ = "journal_lines"
    __table_args__ = (
        numbers("debit", "credit", "debit_base", "credit_base"),
        PrimaryKeyConstraint("entry_id", "n"),
        CheckConstraint(
            "debit >= 0 AND credit >= 0 AND debit_base >= 0 AND credit_base >= 0"
            " AND (debit + debit_base > 0) <> (credit + credit_base > 0)",
            name="one_side",
        ),
        Index(None, "account_id", "posted_on"),
        Index("ix_journal_lines_item_id", "item_id", postgresql_where=text("item_id IS NOT NULL")),
        {"info": APPEND_ONLY | BOOKS},
    )

    entry_id: Mapped[ID] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))  # seen to by a guard
    n: Mapped[int]
    """Its place in the entry, from 1."""
    account_id: Mapped[ID] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    posted_on: Mapped[date]
    """The entry's day, kept here so that balances need the lines alone."""
    currency: Mapped[str]
    debit: Mapped[Decimal] = mapped_column(carried())
    credit: Mapped[Decimal] = mapped_column(carried())
    base_currency: Mapped[str]
    debit_base: Mapped[Decimal] = mapped_column(carried())
    credit_base: Mapped[Decimal] = mapped_column(carried())
    channel_id: Mapped[ID | None] = mapped_column(Id("chn"))
    location_id: Mapped[ID | None] = mapped_column(Id("loc"))
    brand_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    department_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    project_id: Mapped[ID | None] = mapped_column(Id("dmv"))
    item_id: Mapped[ID | None] = mapped_column(Id("itm"), ForeignKey("open_items.id"))
    """The claim or debt that it founds or settles."""


class PostingBasis(Row):
    """A mark that changes with whatever entries rest on: the business, accounts, periods, budgets. Triggers renew it.

    Who remembers these things remembers the mark, and asks for it alone.
    """

    __tablename__ = "posting_basis"
    __table_args__ = (CheckConstraint("one", name="one_row"), {"info": READ_ONLY})

    one: Mapped[bool] = mapped_column(primary_key=True, default=True, server_default=text("true"))
    mark: Mapped[UUID]


class JournalSeal(Row):
    """An entry's place in the journal: from 1, without gaps, in the order of the event log.

    Given after commit by one writer at a time, so that nobody who posts waits for anybody.
    """

    __tablename__ = "journal_seals"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest_length"),
        Index("uq_journal_seals_entry_id", "entry_id", unique=True),
        {"info": APPEND_ONLY | BOOKS},
    )

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[ID] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    event_id: Mapped[ID] = mapped_column(Id("evt"))
    """The event that announced it: where the sealing writer goes on."""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 over the digest before it and what the entry says: see `chain`."""


class JournalDay(Row):
    """What the sealed entries of a day come to on one account: what balances are summed from.

    The sealing writer's trigger keeps it, after commit, so that no row is locked by everyone who posts. The month of
    recording is kept apart, so that a balance can be had as it was known at any instant.
    """

    __tablename__ = "journal_days"
    __table_args__ = (
        numbers("debit", "credit", "debit_base", "credit_base"),
        PrimaryKeyConstraint("posted_on", "account_id", "recorded_month", "closing", "currency", *COLUMNS.values()),
        Index(None, "account_id", "posted_on"),
        {"info": READ_ONLY},
    )

    posted_on: Mapped[date]
    account_id: Mapped[ID] = mapped_column(Id("acc"), ForeignKey("accounts.id"))
    recorded_month: Mapped[date]
    """The first day of the month, in UTC."""
    closing: Mapped[bool]
    """Whether these are entries that carried the result of a year."""
    currency: Mapped[str]
    channel_id: Mapped[ID] = mapped_column(Id("chn"), server_default=text(f"'{NONE}'"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), server_default=text(f"'{NONE}'"))
    brand_id: Mapped[ID] = mapped_column(Id("dmv"), server_default=text(f"'{NONE}'"))
    department_id: Mapped[ID] = mapped_column(Id("dmv"), server_default=text(f"'{NONE}'"))
    project_id: Mapped[ID] = mapped_column(Id("dmv"), server_default=text(f"'{NONE}'"))
    debit: Mapped[Decimal] = mapped_column(carried())
    credit: Mapped[Decimal] = mapped_column(carried())
    debit_base: Mapped[Decimal] = mapped_column(carried())
    credit_base: Mapped[Decimal] = mapped_column(carried())


class ExchangeRate(Row):
    """What one unit of a currency is worth in the currency of the books, from a day on until the next rate."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        *filled("source"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        CheckConstraint("rate > 0 AND rate <> 'NaN'", name="rate_positive"),
        Index("uq_exchange_rates_day", "currency", "starts_on", unique=True),
        Index(None, "starts_on", "id"),
        {"info": APPEND_ONLY | BOOKS},
    )

    id: Mapped[ID] = key("fxr")
    currency: Mapped[str]
    starts_on: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Numeric(20, 10))
    source: Mapped[str | None]
    """Who says so, such as a central bank."""
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


class Unbalanced(Invalid):
    """Debits and credits of an entry are not equal, or it has fewer than two lines."""


class ControlAccount(Invalid):
    """A control account is closed to entries by hand: post the document it belongs to instead."""


class PeriodLocked(Invalid):
    """The period is locked, or there is no period for this day."""


class PeriodClosed(Invalid):
    """The period is closed: it takes adjusting entries alone."""


explain("uq_accounts_code", "There is an account with this code already: {value}.", path=("input", "code"))
explain("uq_accounts_role", "There is an account with this role already: {value}.", path=("input", "role"))
explain("uq_journal_entries_reversal_of_id", "This entry has been reversed already.", path=("id",))
explain("uq_accounting_periods_starts_on", "There is a period that starts on this day already.")
explain("uq_journal_entries_number", "Another entry took this number at the same moment. Try again.")
explain("uq_exchange_rates_day", "There is a rate of this currency for this day already.", path=("input", "on"))
explain("uq_journal_seals_entry_id", "This entry has its place in the journal already.")
explain("journal_entry_balanced", "Debits and credits must be equal.", refusal=Unbalanced, path=("input", "lines"))
explain("journal_entry_two_lines", "An entry has at least two lines.", refusal=Unbalanced, path=("input", "lines"))
explain("journal_entry_announced", "An entry stands in the books along with the event that announces it, by one act.")
explain(
    "journal_entry_reversal",
    "A reversal has the lines of what it takes back, the sides changed, and counts for the same day or a later one.",
)
explain("journal_line_leaf", "Post to an account without sub-accounts.", path=("input", "lines"))
explain("journal_entry_own_transaction", "Lines belong to an entry of the same act.", path=("input", "lines"))
explain(
    "journal_line_control",
    "A control account is closed to entries by hand: post the document it belongs to instead.",
    refusal=ControlAccount,
    path=("input", "lines"),
)
explain(
    "account_parent_without_lines",
    "This account has entries, so it cannot have sub-accounts.",
    path=("input", "parentId"),
)
explain("account_parent_type", "An account is part of one of its own type.", path=("input", "parentId"))
explain("account_parent_tree", "An account cannot be part of itself.", path=("input", "parentId"))
explain("account_in_use", "What is posted to an account stays what it is: its role, type and control cannot change.")
explain("business_base_currency", "The books are kept in this currency: it cannot change once something is posted.")
explain("journal_seal_next", "The next place in the journal goes to the next entry of the event log.")
explain(
    "journal_entry_period_closed",
    "The period of this day is closed: choose a day in an open one, or post an adjusting entry.",
    refusal=PeriodClosed,
    path=("input", "on"),
)
explain("accounting_period_order", "Periods are locked from the first on: no open one lies before a locked one.")
explain("uq_fiscal_years_starts_on", "This fiscal year is being closed already.", path=("startsOn",))
explain("accounting_period_days", "The days of a period cannot be changed.", path=("input",))
explain(
    "journal_entry_period_locked",
    "The period of this day is locked, or there is none. Choose a day in an open period.",
    refusal=PeriodLocked,
    path=("input", "on"),
)

invariant(
    "entries balance",
    "Every entry has at least two lines, and its debits equal its credits in document and base currency.",
    """
    SELECT entry.id, count(line.n) AS lines,
      sum(debit) - sum(credit) AS document, sum(debit_base) - sum(credit_base) AS base
    FROM journal_entries AS entry LEFT JOIN journal_lines AS line ON line.entry_id = entry.id GROUP BY entry.id
    HAVING count(line.n) < 2 OR sum(debit) <> sum(credit) OR sum(debit_base) <> sum(credit_base)
      OR NOT bool_and(line.currency = entry.currency AND line.base_currency = (SELECT base_currency FROM business)
        AND (line.currency <> line.base_currency OR debit = debit_base AND credit = credit_base))
    """,
)
_KEPT = ("account_id", "currency", *COLUMNS.values(), "item_id")
_BACK = ", ".join(f"back.{each}" for each in (*_KEPT, "debit", "credit", "debit_base", "credit_base"))
_TAKEN = ", ".join(f"line.{each}" for each in (*_KEPT, "credit", "debit", "credit_base", "debit_base"))

invariant(
    "reversals take back",
    "A reversal has the lines of another entry, the sides changed, and counts for its day or a later one.",
    f"""
    SELECT reversal.id, original.id AS original FROM journal_entries AS reversal
    JOIN journal_entries AS original ON original.id = reversal.reversal_of_id
    WHERE reversal.posted_on < original.posted_on OR EXISTS (
      SELECT FROM (SELECT * FROM journal_lines WHERE entry_id = reversal.id) AS back
      FULL JOIN (SELECT * FROM journal_lines WHERE entry_id = original.id) AS line USING (n)
      WHERE ({_BACK}) IS DISTINCT FROM ({_TAKEN}))
    """,  # noqa: S608  names of ours
)
invariant(
    "lines of entries",
    "Every line belongs to an entry.",
    """
    SELECT entry_id, n FROM journal_lines AS line
    WHERE NOT EXISTS (SELECT FROM journal_entries AS entry WHERE entry.id = line.entry_id)
    """,
)
invariant(
    "lines on leaves",
    "No line stands on an account that has sub-accounts.",
    "SELECT entry_id, n FROM journal_lines WHERE account_id IN (SELECT parent_id FROM accounts)",
)
invariant(
    "days in their period",
    "Every entry lies in its period, and its lines carry its day.",
    """
    SELECT entry.id, entry.posted_on FROM journal_entries AS entry
    LEFT JOIN accounting_periods AS period ON period.id = period_id
    WHERE (entry.posted_on BETWEEN starts_on AND ends_on) IS NOT TRUE
      OR EXISTS (SELECT FROM journal_lines AS line WHERE line.entry_id = entry.id AND line.posted_on <> entry.posted_on)
    """,
)
invariant(
    "locked periods come first",
    "No period before a locked one is open.",
    """
    SELECT id, starts_on, state FROM accounting_periods WHERE state <> 'LOCKED'
      AND starts_on < (SELECT max(starts_on) FROM accounting_periods WHERE state = 'LOCKED')
    """,
)
_DIMENSIONS = ", ".join(f"coalesce({column}, '{NONE}') AS {column}" for column in COLUMNS.values())

invariant(
    "days of the journal",
    "What is kept of each day and account is the sum of the sealed lines.",
    f"""
    WITH told AS (
      SELECT line.posted_on, account_id, date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date AS recorded_month,
        kind = 'CLOSING' AS closing, line.currency, {_DIMENSIONS}, sum(debit) AS debit, sum(credit) AS credit,
        sum(debit_base) AS debit_base, sum(credit_base) AS credit_base
      FROM journal_seals JOIN journal_entries AS entry ON entry.id = entry_id
      JOIN journal_lines AS line ON line.entry_id = entry.id GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    )
    SELECT coalesce(told.account_id, kept.account_id) AS account_id, coalesce(told.posted_on, kept.posted_on) AS on
    FROM told FULL JOIN journal_days AS kept
      USING (posted_on, account_id, recorded_month, closing, currency, {", ".join(COLUMNS.values())})
    WHERE (told.debit, told.credit, told.debit_base, told.credit_base)
      IS DISTINCT FROM (kept.debit, kept.credit, kept.debit_base, kept.credit_base)
    """,  # noqa: S608  names of ours
)
invariant(
    "places in the journal",
    "The sealed entries are numbered from 1 without gaps, in the order of the event log.",
    """
    SELECT position, entry_id, place FROM (
      SELECT seal.position, seal.entry_id, event.id IS NULL AS unknown,
        row_number() OVER (ORDER BY event.epoch, event.order_key, event.seq) AS place
      FROM journal_seals AS seal LEFT JOIN events AS event ON event.id = seal.event_id
    ) AS sealed WHERE position <> place OR unknown
    """,
)
