"""Entries that come again."""

from datetime import date, datetime
from typing import Annotated

from api.graphql.business import SalesChannel
from api.graphql.kit.access import access
from api.graphql.kit.enums import published
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation
from api.graphql.kit.views import Connection, Node, amount, derived, extends, many, one, pages, view
from api.graphql.ledger.journal import Account, DimensionValue, JournalEntry
from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

published(ledger.RecurringAction)
input_name(ledger.PlainLine, "RecurringLineInput")
_line, _occurrence = ledger.RecurringLine.__table__.c, ledger.RecurringOccurrence.__table__.c


@view(ledger.RecurringLine)
@access(Scope.LEDGER_READ)
class RecurringLine:
    """One side of an entry that comes again: a debit or a credit."""

    account: Account = one()
    """Where it is posted."""
    debit: Money = amount("debit")
    """The debit."""
    credit: Money = amount("credit")
    """The credit."""
    channel: SalesChannel | None = one(by="channel_id")
    """The sales channel it is about."""
    brand: DimensionValue | None = one(by="brand_id")
    """The brand it is about."""
    department: DimensionValue | None = one(by="department_id")
    """The department that answers for it."""
    project: DimensionValue | None = one(by="project_id")
    """The project it belongs to."""


@view(ledger.RecurringOccurrence)
@access(Scope.LEDGER_READ)
class RecurringOccurrence(Node):
    """A day on which an entry was due, and what was posted for it. Permanent."""

    due_on: date
    """The day. It counts for the first open day from there on."""
    entry: JournalEntry = one()
    """What was posted. Taken back or not, the day is not posted again."""
    posted_at: datetime
    """When it was posted."""


@view(ledger.RecurringEntry)
@access(Scope.LEDGER_READ)
class RecurringEntry(Node):
    """An entry by hand that is posted again and again. It is the `source` of what is posted."""

    description: str
    """What it is for."""
    schedule: ledger.RecurringSchedule
    """How often it comes again."""
    starts_on: date
    """The first day it is due; all others are counted from it."""
    ends_on: date | None
    """The last day on which it may be due; null: without end."""
    reverses_next_month: bool
    """Whether each posting is taken back on the first day of the month after it, as accruals are."""
    status: ledger.RecurringStatus
    """Whether it still comes again."""
    available_actions: list[ledger.RecurringAction] = derived(ledger.recurring_life.available, needs=["status"])
    """What can be done to it now."""
    next_on: date | None
    """The day it is due next; null once it has ended."""
    last_problem: str | None
    """Why it could not be posted when that was tried last; null where it could."""
    lines: list[RecurringLine] = many(_line.n)
    """Its lines: debits equal credits."""
    occurrences: Connection[RecurringOccurrence] = pages(ledger.recurring_occurrences, by=_occurrence.recurring_id)
    """What was posted: by default the earliest day first."""
    created_at: datetime
    """When it was made."""
    updated_at: datetime
    """When it was last changed."""
    ended_at: datetime | None
    """When it ended."""


@extends("Query")
class RecurringQueries:
    recurring_entries: Connection[RecurringEntry] = pages(ledger.recurring_entries)
    """Entries that come again: by default those that began first."""


@mutation
@access(Scope.LEDGER_WRITE)
async def recurring_entry_create(work: Work, input: ledger.NewRecurringEntry) -> RecurringEntry:
    """Writes down an entry that comes again. It is posted by itself on its days, or by `recurringEntriesPost`."""
    return await ledger.create_recurring(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def recurring_entry_update(
    work: Work, id: Annotated[ID, "The recurring entry to change."], input: ledger.RecurringEntryChanges
) -> RecurringEntry:
    """Changes what is posted from now on. Its days stay: for others end it and create another one."""
    return await ledger.update_recurring(work, id, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def recurring_entry_end(work: Work, id: Annotated[ID, "The recurring entry to end."]) -> RecurringEntry:
    """Ends an entry that comes again: it is posted no more. What was posted stays."""
    return await ledger.end_recurring(work, id)  # type: ignore[return-value]


@mutation(nouns={"entries": list[JournalEntry], "failed": list[RecurringEntry]})
@access(Scope.LEDGER_WRITE)
async def recurring_entries_post(
    work: Work,
    until: Annotated[date | None, "Up to and including this day; today, when left out, and never later."] = None,
) -> Nouns:
    """Posts what is due, each day of each entry once: 200 postings at most, the earliest first. `failed` lists what
    could not be posted; `lastProblem` says why, and everything else is posted all the same.
    """
    posted = await ledger.post_due(work, until)
    return {"entries": posted.entries, "failed": posted.failed}
