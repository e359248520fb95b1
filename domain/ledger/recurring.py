"""Entries that come again: written once, posted by themselves when their day has come, each day once.

Days are counted from the first one, so that an entry of the 31st is due on the last day of shorter months and on the
31st again after them. What is due while its month is closed counts for the first open day after it, and keeps the day
it was due. What cannot be posted says why and is tried again the next day; it stops nobody else.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.attempts import attempt
from domain.kernel.errors import Invalid, NotFound, Overtaken, Refusal, Refusals
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.lifecycle import Lifecycle
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.ledger import months
from domain.ledger.by_hand import NewJournalEntry, NewLine, PlainLine, check_plain, post_by_hand
from domain.ledger.dimensions import DIMENSION_PREFIXES
from domain.ledger.events import (
    RecurringEntryCreated,
    RecurringEntryEnded,
    RecurringEntryFailed,
    RecurringEntryUpdated,
)
from domain.ledger.operations import Books, books
from domain.ledger.tables import (
    PeriodClosed,
    PeriodLocked,
    RecurringEntry,
    RecurringLine,
    RecurringOccurrence,
    RecurringSchedule,
    RecurringStatus,
)
from domain.ledger.tables.dimensions import COLUMNS

AT_ONCE = 200
"""Postings of one act: what is due beyond them is posted by the next one."""
LONGEST_PAST = timedelta(days=366)
"""How far before today the first day may lie."""
_MONTHS = {RecurringSchedule.MONTHLY: 1, RecurringSchedule.QUARTERLY: 3, RecurringSchedule.YEARLY: 12}
_PREFIXES = {COLUMNS[dimension]: prefix for dimension, prefix in DIMENSION_PREFIXES.items()}
_recurring = RecurringEntry.__table__.c
_occurrence = RecurringOccurrence.__table__.c

recurring_entries = listing.Listing(
    RecurringEntry,
    filters={
        "id": listing.identity(_recurring.id),
        "status": listing.choice(_recurring.status, RecurringStatus),
        "next_on": listing.day(_recurring.next_on),
    },
    sorts={"STARTS_ON": _recurring.starts_on},
)
recurring_occurrences = listing.Listing(RecurringOccurrence, sorts={"DUE_ON": _occurrence.due_on})


class RecurringAction(StrEnum):
    """What can be done to an entry that comes again."""

    UPDATE = "UPDATE"
    """Change what is posted from now on."""
    END = "END"
    """Post it no more."""


recurring_life = Lifecycle(
    noun="recurring entry",
    initial=[RecurringStatus.ACTIVE],
    actions={
        RecurringAction.UPDATE: ([RecurringStatus.ACTIVE], RecurringStatus.ACTIVE),
        RecurringAction.END: ([RecurringStatus.ACTIVE], RecurringStatus.ENDED),
    },
)


@dataclass(frozen=True)
class NewRecurringEntry:
    """An entry by hand that comes again."""

    description: str
    """What it is for; at most 500 characters."""
    schedule: RecurringSchedule
    """How often it comes again."""
    starts_on: date
    """The first day it is due: a year back at most."""
    lines: list[PlainLine]
    """At least two, in one currency, whose debits equal their credits."""
    ends_on: date | None = None
    """The last day on which it may be due; without end, when left out."""
    reverses_next_month: bool = False
    """Whether each posting is taken back on the first day of the month after it, as accruals are."""


@dataclass(frozen=True)
class RecurringEntryChanges:
    """What to change of postings to come; what is left out stays as it is."""

    description: str | Absent = ABSENT
    """What it is for; at most 500 characters."""
    lines: list[PlainLine] | Absent = ABSENT
    """All of its lines anew."""
    ends_on: date | Absent | None = ABSENT
    """The last day on which it may be due; without end, when null."""
    reverses_next_month: bool | Absent = ABSENT
    """Whether each posting is taken back on the first day of the month after it."""


def day_of(starts_on: date, schedule: RecurringSchedule, n: int) -> date:
    """The day on which the n-th posting is due; the first one is 0."""
    if schedule == RecurringSchedule.WEEKLY:
        return starts_on + timedelta(days=7 * n)
    whole = starts_on.year * 12 + starts_on.month - 1 + n * _MONTHS[schedule]
    year, month = whole // 12, whole % 12 + 1
    return date(year, month, min(starts_on.day, monthrange(year, month)[1]))


# --- writing it down --------------------------------------------------------------------------------------------------


async def create_recurring(work: Work, new: NewRecurringEntry) -> ID:
    """The entry is posted on its days from now on; what is due already, by the next posting. Returns its id.

    Refused as an entry by hand would be (Unbalanced, ControlAccount, DimensionMissing, NotFound, Invalid), and with
    Invalid for a first day that lies too far away or behind the last one.
    """
    kept = await books(work)
    _check_days(new.starts_on, new.ends_on, kept.today)
    accounts, amounts = await check_plain(work, new.lines, kept.currency)
    row: dict[str, Any] = {
        "id": new_id("rec"),
        "description": words.line(new.description, path=("input", "description"), longest=500),
        "currency": amounts[0].currency,
        "schedule": new.schedule,
        "starts_on": new.starts_on,
        "ends_on": new.ends_on,
        "reverses_next_month": new.reverses_next_month,
        "next_on": new.starts_on,
        "created_at": work.now,
        "updated_at": work.now,
    }
    await bulk.insert(work, RecurringEntry, [row])
    await bulk.insert(work, RecurringLine, _line_rows(row["id"], new.lines, accounts, amounts))
    work.announce(RecurringEntryCreated(row["id"]))
    return row["id"]


async def update_recurring(work: Work, recurring_id: str, changes: RecurringEntryChanges) -> ID:
    """Postings to come are different; those that were made stay. Its problem, if any, is forgotten: it is tried again.

    With a last day before the next one it has ended. Refused with NotFound; with NotAllowedNow where it has ended; and
    as a new one would be.
    """
    row = await _locked(work, recurring_id, RecurringAction.UPDATE)
    values = given(changes)
    lines: list[PlainLine] | None = values.pop("lines", None)
    if "description" in values:
        values["description"] = words.line(values["description"], path=("input", "description"), longest=500)
    if values.get("ends_on") is not None and values["ends_on"] < row["starts_on"]:
        raise Invalid("The last day lies before the first one.", path=("input", "endsOn"))
    values = {name: value for name, value in values.items() if value != row[name]}
    changed = sorted(values)
    rows: list[dict[str, Any]] = []
    if lines is not None:
        accounts, amounts = await check_plain(work, lines, (await books(work)).currency)
        rows = _line_rows(ID(recurring_id), lines, accounts, amounts)
        values["currency"] = amounts[0].currency
        changed.append("lines")
    if not changed:
        return ID(recurring_id)
    values |= {"last_problem": None, "tried_on": None, "updated_at": work.now}
    if values.get("ends_on") is not None and values["ends_on"] < row["next_on"]:
        values |= _ended(work)
    await bulk.update(work, RecurringEntry, [{"id": ID(recurring_id)} | values])
    if rows:
        await work.raw.execute("DELETE FROM recurring_entry_lines WHERE recurring_id = $1", recurring_id[4:])
        await bulk.insert(work, RecurringLine, rows)
    work.announce(RecurringEntryUpdated(ID(recurring_id), fields=sorted(changed)))
    if "ended_at" in values:
        work.announce(RecurringEntryEnded(ID(recurring_id)))
    return ID(recurring_id)


async def end_recurring(work: Work, recurring_id: str) -> ID:
    """It is posted no more. Refused with NotFound, and with NotAllowedNow where it has ended already."""
    await _locked(work, recurring_id, RecurringAction.END)
    ended = {"id": ID(recurring_id), "last_problem": None, "tried_on": None, "updated_at": work.now}
    await bulk.update(work, RecurringEntry, [ended | _ended(work)])
    work.announce(RecurringEntryEnded(ID(recurring_id)))
    return ID(recurring_id)


def _check_days(starts_on: date, ends_on: date | None, today: date) -> None:
    if starts_on < today - LONGEST_PAST or starts_on.year > today.year + months.MOST_YEARS_AHEAD:
        raise Invalid(
            f"The first day lies a year back at most, and {months.MOST_YEARS_AHEAD} years ahead.",
            path=("input", "startsOn"),
        )
    if ends_on is not None and ends_on < starts_on:
        raise Invalid("The last day lies before the first one.", path=("input", "endsOn"))


def _ended(work: Work) -> dict[str, Any]:
    return {"status": RecurringStatus.ENDED, "next_on": None, "ended_at": work.now}


_LOCK = """
SELECT description, starts_on, ends_on, reverses_next_month, status, next_on FROM recurring_entries
WHERE id = $1 FOR NO KEY UPDATE
"""


async def _locked(work: Work, recurring_id: str, action: RecurringAction) -> Any:
    """The entry, locked, where the act is possible."""
    row = await work.raw.fetchrow(_LOCK, recurring_id[4:]) if is_id(recurring_id, "rec") else None
    if row is None:
        raise NotFound("There is no such recurring entry.", path=("id",))
    recurring_life.after(RecurringStatus(row["status"]), action)
    return row


def _line_rows(
    recurring_id: ID, lines: Sequence[PlainLine], accounts: Sequence[ID], amounts: Sequence[Money]
) -> list[dict[str, Any]]:
    return [
        {
            "recurring_id": recurring_id,
            "n": n,
            "account_id": account,
            "currency": money.currency,
            "debit": max(money.amount, Decimal(0)),
            "credit": max(-money.amount, Decimal(0)),
            **{column: getattr(line, column) for column in COLUMNS.values()},
        }
        for n, (line, account, money) in enumerate(zip(lines, accounts, amounts, strict=True), 1)
    ]


# --- posting ----------------------------------------------------------------------------------------------------------

_DUE = """
SELECT id, description, schedule, starts_on, ends_on, reverses_next_month, next_n, next_on FROM recurring_entries
WHERE id IN (
  SELECT id FROM recurring_entries WHERE next_on <= $1 AND ($2 OR tried_on IS NULL OR tried_on < $1)
  ORDER BY next_on, id LIMIT $3)
AND next_on <= $1 ORDER BY id FOR NO KEY UPDATE
"""
_DUE_FREE = f"{_DUE.rstrip()} SKIP LOCKED"
_LINES = """
SELECT recurring_id, account_id, currency, debit, credit, channel_id, location_id, brand_id, department_id, project_id
FROM recurring_entry_lines WHERE recurring_id = ANY($1) ORDER BY recurring_id, n
"""


@dataclass
class Posted:
    """What came of an act that posts what is due."""

    entries: list[ID] = field(default_factory=list)
    """What was posted, each entry's own the earliest first."""
    failed: list[ID] = field(default_factory=list)
    """The recurring entries that could not be posted; each says why."""


async def post_due(work: Work, until: date | None = None) -> Posted:
    """What is due up to a day stands in the books, each day of each entry once; today, when left out.

    At most AT_ONCE postings, the earliest first: what is due beyond them is left to the next act. What cannot be posted
    keeps its day, says why and is announced; all else is posted. Refused with Invalid for a day after today.
    """
    kept = await books(work)
    if until is not None and until > kept.today:
        raise Invalid("What is due later is posted when its day has come.", path=("until",))
    due = await work.raw.fetch(_DUE, until or kept.today, True, AT_ONCE)
    return await _post(work, due, until or kept.today, kept)


async def post_due_by_itself(work: Work) -> int:
    """Post what is due today and not being posted by anybody else; what failed today is left for tomorrow. Returns how
    many entries were looked at: 0 when there is nothing to do.
    """
    kept = await books(work)
    due = await work.raw.fetch(_DUE_FREE, kept.today, False, AT_ONCE)
    if due:
        await _post(work, due, kept.today, kept)
    return len(due)


async def _post(work: Work, due: Sequence[Any], until: date, kept: Books) -> Posted:
    """Post entries that are due and locked."""
    found = await work.raw.fetch(_LINES, [each["id"] for each in due]) if due else []
    lines: dict[str, list[NewLine]] = {}
    for row in found:
        lines.setdefault(row["recurring_id"], []).append(_line(row))
    posted = Posted()
    occurrences: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    for each in sorted(due, key=lambda row: (row["next_on"], row["id"])):
        recurring_id, n = ID("rec_" + each["id"]), each["next_n"]
        day: date | None = each["next_on"]
        problem, failed_on = None, ""
        while day is not None and day <= until and len(posted.entries) < AT_ONCE:
            try:
                entry = await _post_one(work, recurring_id, each, lines[each["id"]], day, kept)
            except (Refusal, Refusals) as refused:
                problem, failed_on = _sentence(refused), day.isoformat()
                break
            posted.entries.append(entry)
            occurrences.append(_occurrence_row(work, recurring_id, n, day, entry))
            n, day = n + 1, _next(each, n + 1)
        if problem is not None:
            posted.failed.append(recurring_id)
            work.announce(RecurringEntryFailed(recurring_id, on=failed_on, problem=problem))
        ended = day is None
        if ended:
            work.announce(RecurringEntryEnded(recurring_id))
        after.append(
            {
                "id": recurring_id,
                "next_n": n,
                "next_on": day,
                "status": RecurringStatus.ENDED if ended else RecurringStatus.ACTIVE,
                "ended_at": work.now if ended else None,
                "last_problem": problem,
                "tried_on": None if problem is None else kept.today,
            }
        )
    await bulk.insert(work, RecurringOccurrence, occurrences)
    await bulk.update(work, RecurringEntry, after)
    return posted


async def _post_one(  # noqa: PLR0917  what is posted, of what, and when
    work: Work, recurring_id: ID, recurring: Any, lines: list[NewLine], day: date, kept: Books
) -> ID:
    """Post what is due on a day. Refused as an entry by hand is; nothing of it is left then."""
    try:
        async with attempt(work):
            _, on = await months.next_open(work, day)
            reverse_on = None
            if recurring["reverses_next_month"]:
                _, reverse_on = await months.next_open(work, _month_after(on))
            new = NewJournalEntry(on, recurring["description"], lines, reverse_on=reverse_on)
            happened = datetime.combine(day, time(), kept.time_zone)
            return await post_by_hand(work, new, source=recurring_id, effective_at=happened)
    except (PeriodClosed, PeriodLocked):
        raise Overtaken("the period was closed meanwhile") from None  # the next one is open


def _line(row: Any) -> NewLine:
    currency = CurrencyCode(row["currency"])
    about: dict[str, Any] = {
        column: None if row[column] is None else ID(f"{prefix}_{row[column]}") for column, prefix in _PREFIXES.items()
    }
    return NewLine(
        account_id=ID("acc_" + row["account_id"]),
        debit=Money(row["debit"].normalize(), currency) if row["debit"] else None,
        credit=Money(row["credit"].normalize(), currency) if row["credit"] else None,
        **about,
    )


def _occurrence_row(work: Work, recurring_id: ID, n: int, day: date, entry: ID) -> dict[str, Any]:
    return {
        "id": new_id("rco"),
        "recurring_id": recurring_id,
        "n": n,
        "due_on": day,
        "entry_id": entry,
        "posted_at": work.now,
    }


def _next(recurring: Any, n: int) -> date | None:
    """The day on which the n-th posting is due; None where that lies behind the last day."""
    day = day_of(recurring["starts_on"], RecurringSchedule(recurring["schedule"]), n)
    return None if recurring["ends_on"] is not None and day > recurring["ends_on"] else day


def _month_after(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _sentence(refused: Refusal | Refusals) -> str:
    said = [refused] if isinstance(refused, Refusal) else refused.refusals
    return " ".join(each.message for each in said)[:1_000].strip()
