"""What can be done with the books: post, and take back.

Capabilities post in three steps that the database insists on: the entries (`open_entries`), then whatever the entries
account for, such as stock movements, then all lines in one statement (`write_lines`). `post` does the first and the
last for entries that account for nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import asyncpg
from asyncpg import Record
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from domain.kernel import bulk, words
from domain.kernel.asking import Ask, Query, ask
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Money, currency_digits
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.ledger import months
from domain.ledger.charts import CHARTS, Template
from domain.ledger.entries import Amounts, entry_number, entry_row, line_row, reverse_lines
from domain.ledger.events import JournalEntryPosted, JournalEntryReversed
from domain.ledger.tables import (
    Account,
    ControlAccount,
    EntryKind,
    JournalEntry,
    JournalLine,
    Role,
    Unbalanced,
)

MOST_LINES = 500
"""Lines of an entry by hand."""


@dataclass(frozen=True)
class Posting:
    """A line to post: a role and an amount on one side, in base currency."""

    role: Role
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    document: Money | None = None
    """The same amount as the document says it, where that is in another currency."""

    def line(self, currency: str) -> "Amounts":
        """Its amounts, where the books are kept in that currency."""
        debit, credit = self.debit, self.credit
        if self.document is None:
            return Amounts(currency, debit, credit, debit, credit)
        told = self.document.amount
        return Amounts(self.document.currency, told if debit else debit, told if credit else credit, debit, credit)


@dataclass(frozen=True)
class Draft:
    """An entry to post on behalf of a document."""

    description: str
    source: ID | None
    postings: Sequence[Posting]
    effective_at: datetime | None = None
    """When it really happened; now, when left out."""
    currency: str | None = None
    """The currency of the document; that of the books, when left out."""


@dataclass(frozen=True)
class NewLine:
    """One line of an entry by hand: an account, and a debit or a credit."""

    account_id: ID | None = None
    """The account, by its id; or give `accountCode`."""
    account_code: str | None = None
    """The account, by its code."""
    debit: Money | None = None
    """The amount, where it is a debit."""
    credit: Money | None = None
    """The amount, where it is a credit."""


@dataclass(frozen=True)
class NewJournalEntry:
    """An entry by hand."""

    on: date
    """The day it counts for, in an open period."""
    description: str
    """What it is for; at most 500 characters."""
    lines: list[NewLine]
    """At least two, whose debits equal their credits."""
    is_adjusting: bool = False
    """Whether it puts a closed period right, which takes `ledger:close`. A locked one takes no entry at all."""


@dataclass(frozen=True)
class Books:
    """What every posting needs to know about the business."""

    currency: str
    today: date
    time_zone: ZoneInfo
    posting_on: date
    """The day that what happens now counts for: today, or the first day after it whose period is open."""
    period: ID | None
    """Its period; None where it has to be made."""

    def day_of(self, instant: datetime) -> date:
        """Which day it was for the business."""
        return instant.astimezone(self.time_zone).date()


async def found(work: Work, template: Template = Template.RETAIL) -> None:
    """Lay out a chart of accounts and the months of the last, the present and the next year, where there are none."""
    if not await work.raw.fetchval("SELECT EXISTS (SELECT FROM accounts)"):
        lines = CHARTS[template]
        ids = {line.code: new_id("acc") for line in lines}
        rows = [
            {
                "id": ids[line.code],
                "code": line.code,
                "name": line.name,
                "type": line.type,
                "parent_id": ids[line.parent] if line.parent else None,
                "role": line.role,
                "is_control": line.is_control,
                "cash_flow": line.cash_flow,
                "created_at": work.now,
            }
            for line in lines
        ]
        await work.connection.execute(insert(Account).on_conflict_do_nothing(index_elements=["code"]), rows)
    year = (await books(work)).today.year
    await months.lay_out(work, date(year - 2, 1, 1), date(year + 1, 12, 31))


async def books(work: Work) -> Books:
    """The base currency, and which day it is for the business. Looked up once per act."""
    return work.remembered.get("books") or await ask(work, ask_books(work))


_BOOKS = Query(
    """SELECT base_currency, time_zone, period.id AS open_period, period.starts_on AS open_from FROM business
    LEFT JOIN LATERAL (
      SELECT id, starts_on FROM accounting_periods
      WHERE state = 'OPEN' AND ends_on >= ($1::timestamptz AT TIME ZONE time_zone)::date ORDER BY starts_on LIMIT 1
    ) AS period ON true""",
    "base_currency text, time_zone text, open_period uuid, open_from date",
)


def ask_books(work: Work) -> Ask[Books]:
    """What `books` answers, to be asked together with something else."""

    def read(records: Sequence[Record]) -> Books:
        for record in records:
            zone = ZoneInfo(record["time_zone"])
            today, begins, period = work.now.astimezone(zone).date(), record["open_from"], record["open_period"]
            work.remembered["books"] = Books(
                record["base_currency"],
                today,
                zone,
                posting_on=max(today, begins or today),
                period=None if period is None else ID("per_" + period),
            )
        return work.remembered["books"]

    return Ask(_BOOKS, (work.now,), read, needed="books" not in work.remembered)


async def inventory_account(work: Work) -> ID:
    """The account that stock stands on."""
    return (await _accounts_by_role(work))[Role.INVENTORY]


async def _accounts_by_role(work: Work) -> dict[Role, ID]:
    if "accounts" not in work.remembered:
        found = await work.raw.fetch("SELECT role, id FROM accounts WHERE role IS NOT NULL")
        work.remembered["accounts"] = {Role(record["role"]): ID("acc_" + record["id"]) for record in found}
    return work.remembered["accounts"]


async def open_entries(work: Work, drafts: Sequence[Draft], kept: Books) -> list[ID]:
    """Write the entries of drafts, without their lines, and announce them. Returns their ids in the order given.

    They count for today or, where its period is closed, for the first open day after it. The act fails unless
    `write_lines` follows.
    """
    if not drafts:
        return []
    kept = await _with_period(work, kept)
    assert kept.period is not None
    entries = [
        entry_row(
            work,
            kept.posting_on,
            draft.description,
            draft.currency or kept.currency,
            period=kept.period,
            source=draft.source,
            effective_at=draft.effective_at,
        )
        for draft in drafts
    ]
    try:
        await bulk.insert(work, JournalEntry, entries)
    except asyncpg.CheckViolationError as refused:
        if refused.constraint_name in ("journal_entry_period_locked", "journal_entry_period_closed"):
            raise asyncpg.SerializationError("the period was closed meanwhile") from None  # the next one is open
        raise
    work.announce(
        *(JournalEntryPosted(entry["id"], source=draft.source) for entry, draft in zip(entries, drafts, strict=True))
    )
    return [entry["id"] for entry in entries]


async def _with_period(work: Work, kept: Books) -> Books:
    """The books with an open period for what happens now: it is made where there is none."""
    if kept.period is None:
        period, day = await months.next_open(work, kept.today)
        kept = work.remembered["books"] = replace(kept, posting_on=day, period=period)
    return kept


async def write_lines(work: Work, entries: Sequence[tuple[ID, Sequence[Posting]]], kept: Books) -> None:
    """Write the lines of entries that this act has opened: all of them, in one statement. Zero amounts are left out.

    Refused by the database unless every entry balances and equals the movements it accounts for.
    """
    accounts = await _accounts_by_role(work)
    day = (await _with_period(work, await books(work))).posting_on
    rows = []
    for entry, postings in entries:
        lines = [posting for posting in postings if posting.debit or posting.credit]
        for n, posting in enumerate(lines, 1):
            amounts = posting.line(kept.currency)
            rows.append(line_row(entry, n, accounts[posting.role], day, kept.currency, amounts))
    await bulk.insert(work, JournalLine, rows)


async def post(work: Work, drafts: Sequence[Draft]) -> list[ID]:
    """Post entries that account for nothing but themselves. Returns their ids in the order given."""
    kept = await books(work)
    entries = await open_entries(work, drafts, kept)
    await write_lines(work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept)
    return entries


async def post_by_hand(work: Work, new: NewJournalEntry) -> ID:
    """An entry by hand stands in the books. Returns its id.

    Refused with Unbalanced, with ControlAccount for accounts that other capabilities own, with PeriodLocked or
    PeriodClosed for a day in no open period, and with Invalid for whatever else cannot be.
    """
    if new.is_adjusting:
        work.require(Scope.LEDGER_CLOSE)
    kept = await books(work)
    description = words.line(new.description, path=("input", "description"), longest=500)
    if len(new.lines) < 2:
        raise Unbalanced("An entry has at least two lines.", path=("input", "lines"))
    if len(new.lines) > MOST_LINES:
        raise Invalid(f"An entry by hand has at most {MOST_LINES} lines.", path=("input", "lines"))
    accounts = await _accounts(work, new.lines)
    amounts = [_amounts(line, kept.currency, n) for n, line in enumerate(new.lines)]
    debit = sum((each.debit for each in amounts), Decimal(0))
    credit = sum((each.credit for each in amounts), Decimal(0))
    if debit != credit:
        raise Unbalanced(f"Debits are {debit:f} and credits {credit:f}; they must be equal.", path=("input", "lines"))
    period = await months.period_of(work, new.on, today=kept.today, adjusting=new.is_adjusting)
    kind = EntryKind.ADJUSTING if new.is_adjusting else EntryKind.ORDINARY
    entry = entry_row(work, new.on, description, kept.currency, period=period, manual=True, kind=kind)
    await bulk.insert(work, JournalEntry, [entry])
    rows = [
        line_row(entry["id"], n, account, new.on, kept.currency, each)
        for n, (account, each) in enumerate(zip(accounts, amounts, strict=True), 1)
    ]
    await bulk.insert(work, JournalLine, rows)
    work.announce(JournalEntryPosted(entry["id"], source=None))
    return entry["id"]


async def reverse(work: Work, entry_id: str, on: date | None = None) -> ID:
    """An entry by hand is taken back: another one with the sides changed stands beside it, each naming the other.

    Refused with NotFound; with NotAllowedNow when it has been reversed, is itself a reversal, or belongs to a document,
    which has to be undone instead; with PeriodLocked for a day in no open period.
    """
    entry = await _locked(work, entry_id)
    if not entry.manual:
        raise NotAllowedNow(
            "This entry belongs to a document: undo the document, and its entry goes with it.", path=("id",)
        )
    if entry.reversal_of_id is not None:
        raise NotAllowedNow("This entry is itself a reversal: post the original again instead.", path=("id",))
    if await work.raw.fetchval("SELECT EXISTS (SELECT FROM journal_entries WHERE reversal_of_id = $1)", entry.id[4:]):
        raise NotAllowedNow("This entry has been reversed already.", path=("id",))
    kept = await _with_period(work, await books(work))
    day = on or kept.posting_on
    description = f"Reversal of {entry_number(entry.number)}"
    period = await months.period_of(work, day, today=kept.today)
    reversal = entry_row(work, day, description, entry.currency, period=period, manual=True, reversal_of=entry.id)
    await bulk.insert(work, JournalEntry, [reversal])
    await reverse_lines(work, [reversal["id"]])
    work.announce(
        JournalEntryPosted(reversal["id"], source=None), JournalEntryReversed(entry.id, reversal=reversal["id"])
    )
    return reversal["id"]


async def _locked(work: Work, entry_id: str) -> JournalEntry:
    """The entry, so that two reversals of it wait for each other: its subject's head is what they meet at."""
    if is_id(entry_id, "jen"):
        entry = await work.session.get(JournalEntry, entry_id)
        if entry is not None:
            await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", entry_id)
            return entry
    raise NotFound("There is no such entry.", path=("id",))


async def _accounts(work: Work, lines: Sequence[NewLine]) -> list[ID]:
    """The accounts that lines name, in their order. Refused when one is unknown or closed to entries by hand."""
    found = await work.connection.execute(select(Account.id, Account.code, Account.is_control))
    rows = found.all()
    by_key = {row.id: row for row in rows} | {row.code: row for row in rows}
    accounts = []
    for n, line in enumerate(lines):
        if (line.account_id is None) == (line.account_code is None):
            raise Invalid("Name the account by its id or by its code.", path=("input", "lines", n))
        name = "accountId" if line.account_id is not None else "accountCode"
        row = by_key.get(line.account_id if line.account_id is not None else line.account_code)  # type: ignore[arg-type]
        if row is None:
            raise NotFound("There is no such account.", path=("input", "lines", n, name))
        if row.is_control:
            raise ControlAccount(
                f"Account {row.code} is closed to entries by hand: post the document it belongs to instead.",
                path=("input", "lines", n, name),
            )
        accounts.append(row.id)
    return accounts


def _amounts(line: NewLine, currency: str, n: int) -> Amounts:
    if (line.debit is None) == (line.credit is None):
        raise Invalid("A line has a debit or a credit.", path=("input", "lines", n))
    side, money = ("debit", line.debit) if line.debit is not None else ("credit", line.credit)
    assert money is not None
    path = ("input", "lines", n, side)
    if money.currency != currency:
        raise Invalid(f"The books are kept in {currency}.", path=(*path, "currency"))
    if money.amount <= 0:
        raise Invalid("The amount must be more than zero: change the side instead of the sign.", path=(*path, "amount"))
    if -int(money.amount.as_tuple().exponent) > currency_digits(currency):
        raise Invalid(
            f"Amounts in {currency} have at most {currency_digits(currency)} decimals.", path=(*path, "amount")
        )
    debit, credit = (money.amount, Decimal(0)) if side == "debit" else (Decimal(0), money.amount)
    return Amounts(currency, debit, credit, debit, credit)
