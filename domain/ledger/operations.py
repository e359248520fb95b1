"""What can be done with the books: post, and take back.

Capabilities post in three steps that the database insists on: the entries (`open_entries`), then whatever the entries
account for, such as stock movements, then all lines in one statement (`write_lines`). `post` does the first and the
last for entries that account for nothing else.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from asyncpg import Record
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from domain.kernel import bulk, words
from domain.kernel.asking import Ask, Query, ask
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Money, currency_digits
from domain.kernel.work import Work
from domain.ledger.chart import RETAIL
from domain.ledger.events import JournalEntryPosted, JournalEntryReversed
from domain.ledger.tables import (
    Account,
    ControlAccount,
    JournalEntry,
    JournalLine,
    Period,
    PeriodLocked,
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


@dataclass(frozen=True, slots=True)
class Amounts:
    """The amounts of a line: in the currency of its document, and in that of the books."""

    currency: str
    debit: Decimal
    credit: Decimal
    debit_base: Decimal
    credit_base: Decimal


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


@dataclass(frozen=True)
class Books:
    """What every posting needs to know about the business."""

    currency: str
    today: date
    time_zone: ZoneInfo

    def day_of(self, instant: datetime) -> date:
        """Which day it was for the business."""
        return instant.astimezone(self.time_zone).date()


async def found(work: Work) -> None:
    """Lay out the chart of accounts and the months of the last, the present and the next year, where there are none."""
    if not await work.raw.fetchval("SELECT EXISTS (SELECT FROM accounts)"):
        ids = {code: new_id("acc") for code, *_ in RETAIL}
        rows = [
            {
                "id": ids[code],
                "code": code,
                "name": name,
                "type": kind,
                "parent_id": ids[parent] if parent else None,
                "role": role,
                "is_control": control,
                "created_at": work.now,
            }
            for code, name, kind, parent, role, control in RETAIL
        ]
        await work.connection.execute(insert(Account).on_conflict_do_nothing(index_elements=["code"]), rows)
    today = (await books(work)).today
    months = [_month(date(year, month, 1)) for year in range(today.year - 2, today.year + 2) for month in range(1, 13)]
    await work.connection.execute(insert(Period).on_conflict_do_nothing(), months)


async def books(work: Work) -> Books:
    """The base currency, and which day it is for the business. Looked up once per act."""
    return work.remembered.get("books") or await ask(work, ask_books(work))


_BOOKS = Query("SELECT base_currency, time_zone FROM business", "base_currency text, time_zone text")


def ask_books(work: Work) -> Ask[Books]:
    """What `books` answers, to be asked together with something else."""

    def read(records: Sequence[Record]) -> Books:
        for record in records:
            zone = ZoneInfo(record["time_zone"])
            work.remembered["books"] = Books(record["base_currency"], work.now.astimezone(zone).date(), zone)
        return work.remembered["books"]

    return Ask(_BOOKS, (), read, needed="books" not in work.remembered)


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

    Refused with PeriodLocked when today's period is locked. The act fails unless `write_lines` follows.
    """
    if not drafts:
        return []
    period = await _period(work, kept.today)
    entries = [
        _entry(
            work,
            kept.today,
            draft.description,
            draft.currency or kept.currency,
            period=period,
            source=draft.source,
            effective_at=draft.effective_at,
        )
        for draft in drafts
    ]
    await bulk.insert(work, JournalEntry, entries)
    work.announce(
        *(JournalEntryPosted(entry["id"], source=draft.source) for entry, draft in zip(entries, drafts, strict=True))
    )
    return [entry["id"] for entry in entries]


async def write_lines(work: Work, entries: Sequence[tuple[ID, Sequence[Posting]]], kept: Books) -> None:
    """Write the lines of entries that this act has opened: all of them, in one statement. Zero amounts are left out.

    Refused by the database unless every entry balances and equals the movements it accounts for.
    """
    accounts = await _accounts_by_role(work)
    rows = []
    for entry, postings in entries:
        lines = [posting for posting in postings if posting.debit or posting.credit]
        for n, posting in enumerate(lines, 1):
            amounts = posting.line(kept.currency)
            rows.append(_line(entry, n, accounts[posting.role], kept.today, kept.currency, amounts))
    await bulk.insert(work, JournalLine, rows)


async def post(work: Work, drafts: Sequence[Draft]) -> list[ID]:
    """Post entries that account for nothing but themselves. Returns their ids in the order given."""
    kept = await books(work)
    entries = await open_entries(work, drafts, kept)
    await write_lines(work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept)
    return entries


async def post_by_hand(work: Work, new: NewJournalEntry) -> ID:
    """An entry by hand stands in the books. Returns its id.

    Refused with Unbalanced, with ControlAccount for accounts that other capabilities own, with PeriodLocked for a day
    in no open period, and with Invalid for whatever else cannot be.
    """
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
    period = await _period(work, new.on)
    entry = _entry(work, new.on, description, kept.currency, period=period, manual=True)
    await bulk.insert(work, JournalEntry, [entry])
    rows = [
        _line(entry["id"], n, account, new.on, kept.currency, each)
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
    day = on or (await books(work)).today
    description, period = f"Reversal of {entry_number(entry.number)}", await _period(work, day)
    reversal = _entry(work, day, description, entry.currency, period=period, manual=True)
    reversal["reversal_of_id"] = entry.id
    await bulk.insert(work, JournalEntry, [reversal])
    await work.raw.execute(_REVERSE_LINES, reversal["id"][4:], day, entry.id[4:])
    work.announce(
        JournalEntryPosted(reversal["id"], source=None), JournalEntryReversed(entry.id, reversal=reversal["id"])
    )
    return reversal["id"]


def entry_number(number: int) -> str:
    """An entry's number as people read it."""
    return f"JE-{number:06d}"


_REVERSE_LINES = """
INSERT INTO journal_lines
  (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
SELECT $1, n, account_id, $2, currency, credit, debit, base_currency, credit_base, debit_base
FROM journal_lines WHERE entry_id = $3
"""


async def _locked(work: Work, entry_id: str) -> JournalEntry:
    """The entry, so that two reversals of it wait for each other: its subject's head is what they meet at."""
    if is_id(entry_id, "jen"):
        entry = await work.session.get(JournalEntry, entry_id)
        if entry is not None:
            await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", entry_id)
            return entry
    raise NotFound("There is no such entry.", path=("id",))


def _entry(
    work: Work,
    on: date,
    description: str,
    currency: str,
    *,
    period: ID,
    source: ID | None = None,
    manual: bool = False,
    effective_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "id": new_id("jen"),
        "posted_on": on,
        "effective_at": effective_at or work.now,
        "recorded_at": work.now,
        "description": description,
        "currency": currency,
        "source": source,
        "manual": manual,
        "period_id": period,
        "reversal_of_id": None,
        "act": work.act,
    }


async def _period(work: Work, on: date) -> ID:
    """The period of a day. Missing months are made when they are needed; the past before the first one is closed."""
    find = "SELECT id FROM accounting_periods WHERE $1 BETWEEN starts_on AND ends_on"
    found = await work.raw.fetchval(find, on)
    if found is None and await work.raw.fetchval("SELECT $1 > min(starts_on) FROM accounting_periods", on):
        await work.connection.execute(insert(Period).on_conflict_do_nothing(), [_month(on)])
        found = await work.raw.fetchval(find, on)
    if found is None:
        raise PeriodLocked("There is no accounting period for this day.", path=("input", "on"))
    return ID("per_" + found)


def _month(day: date) -> dict[str, Any]:
    last = monthrange(day.year, day.month)[1]
    return {"id": new_id("per"), "starts_on": day.replace(day=1), "ends_on": day.replace(day=last)}


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


def _line(  # noqa: PLR0917  the columns of a line, in their order
    entry: ID, n: int, account: ID, on: date, base_currency: str, amounts: Amounts
) -> dict[str, Any]:
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
