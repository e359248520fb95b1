"""How capabilities post.

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
from sqlalchemy.dialects.postgresql import insert

from domain.kernel import bulk
from domain.kernel.asking import Ask, Query, ask
from domain.kernel.errors import Overtaken
from domain.kernel.ids import ID, new_id
from domain.kernel.money import Money
from domain.kernel.work import Work
from domain.ledger import months
from domain.ledger.charts import CHARTS, Template
from domain.ledger.entries import Amounts, entry_row, line_row
from domain.ledger.events import JournalEntryPosted
from domain.ledger.tables import Account, EntryKind, JournalEntry, JournalLine, Role


@dataclass(frozen=True)
class Posting:
    """A line to post: a role and an amount on one side, in base currency."""

    role: Role
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    document: Money | None = None
    """The same amount as the document says it, where that is in another currency."""
    channel: ID | None = None
    """The sales channel it came about through."""
    location: ID | None = None
    """Where it came about."""

    def line(self, currency: str) -> "Amounts":
        """Its amounts, where the books are kept in that currency."""
        debit, credit = self.debit, self.credit
        if self.document is None:
            return Amounts(currency, debit, credit, debit, credit)
        told = self.document.amount
        return Amounts(self.document.currency, told if debit else debit, told if credit else credit, debit, credit)


def about(postings: Sequence[Posting], *, channel: ID | None = None, location: ID | None = None) -> list[Posting]:
    """The same postings, which say through which channel and where they came about."""
    return [replace(each, channel=channel, location=location) for each in postings]


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
    kind: EntryKind = EntryKind.ORDINARY
    """OPENING for what brings in what there was when the books began."""


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
                "keeps_items": line.keeps_items,
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
    return (await accounts_by_role(work))[Role.INVENTORY]


async def accounts_by_role(work: Work) -> dict[Role, ID]:
    """The accounts that capabilities post to. Looked up once per act."""
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
    kept = await with_period(work, kept)
    assert kept.period is not None
    entries = [
        entry_row(
            work,
            kept.posting_on,
            draft.description,
            draft.currency or kept.currency,
            period=kept.period,
            source=draft.source,
            kind=draft.kind,
            effective_at=draft.effective_at,
        )
        for draft in drafts
    ]
    try:
        await bulk.insert(work, JournalEntry, entries)
    except asyncpg.CheckViolationError as refused:
        if refused.constraint_name in ("journal_entry_period_locked", "journal_entry_period_closed"):
            raise Overtaken("the period was closed meanwhile") from None  # the next one is open
        raise
    work.announce(
        *(JournalEntryPosted(entry["id"], source=draft.source) for entry, draft in zip(entries, drafts, strict=True))
    )
    return [entry["id"] for entry in entries]


async def with_period(work: Work, kept: Books) -> Books:
    """The books, with an open period for what happens now: it is made where there is none."""
    if kept.period is None:
        period, day = await months.next_open(work, kept.today)
        kept = work.remembered["books"] = replace(kept, posting_on=day, period=period)
    return kept


async def write_lines(work: Work, entries: Sequence[tuple[ID, Sequence[Posting]]], kept: Books) -> None:
    """Write the lines of entries that this act has opened: all of them, in one statement. Zero amounts are left out.

    Refused by the database unless every entry balances and equals the movements it accounts for.
    """
    accounts = await accounts_by_role(work)
    day = (await with_period(work, await books(work))).posting_on
    rows = []
    for entry, postings in entries:
        lines = [posting for posting in postings if posting.debit or posting.credit]
        for n, posting in enumerate(lines, 1):
            amounts = posting.line(kept.currency)
            dimensions = {"channel_id": posting.channel, "location_id": posting.location}
            rows.append(line_row(entry, n, accounts[posting.role], day, kept.currency, amounts, **dimensions))
    await bulk.insert(work, JournalLine, rows)


async def post(work: Work, drafts: Sequence[Draft]) -> list[ID]:
    """Post entries that account for nothing but themselves. Returns their ids in the order given."""
    kept = await books(work)
    entries = await open_entries(work, drafts, kept)
    await write_lines(work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept)
    return entries
