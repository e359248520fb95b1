"""The end of a fiscal year: its result is carried to retained earnings, and may be carried again.

A closing entry takes the balance of every account of income and expense back to zero, and its sum to retained earnings,
on the last day of the year. Whoever closes a year twice posts nothing twice: the second entry carries only what
adjusting entries brought since, and there is none where they brought nothing.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.work import Work
from domain.ledger import months
from domain.ledger.balances import Span, turnovers
from domain.ledger.entries import Amounts, entry_number, entry_row, line_row, reverse_lines
from domain.ledger.events import FiscalYearClosed, FiscalYearReopened, JournalEntryPosted, JournalEntryReversed
from domain.ledger.operations import books
from domain.ledger.periods import close_up_to, in_turn, shut
from domain.ledger.tables import EntryKind, FiscalYear, JournalEntry, JournalLine, Role

_year = FiscalYear.__table__.c

years = listing.Listing(FiscalYear, filters={"id": listing.identity(_year.id)}, sorts={"STARTS_ON": _year.starts_on})

EARLIEST = date(1900, 1, 1)
"""The first day on which a year may start."""

_START = "SELECT fiscal_year_start FROM business"
_FIND = "SELECT id, starts_on, ends_on, closed_at FROM fiscal_years WHERE starts_on = $1"
_BY_ID = "SELECT id, starts_on, ends_on, closed_at FROM fiscal_years WHERE id = $1"
_MONTHS = """SELECT id, starts_on, ends_on, state FROM accounting_periods
  WHERE daterange(starts_on, ends_on, '[]') && daterange($1, $2, '[]') ORDER BY starts_on"""
_CARRIED = """SELECT id, number, currency FROM journal_entries AS entry WHERE source = $1 AND kind = 'CLOSING'
  AND reversal_of_id IS NULL AND NOT EXISTS (SELECT FROM journal_entries WHERE reversal_of_id = entry.id)"""
_KEEP = """INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at) VALUES ($1, $2, $3, $4)
  ON CONFLICT (starts_on) DO UPDATE SET closed_at = excluded.closed_at RETURNING id"""
_OPEN_AGAIN = "UPDATE fiscal_years SET closed_at = NULL, reopened_for = $2 WHERE id = $1"


async def close_year(work: Work, starts_on: date) -> ID:
    """The year's result stands on retained earnings, and its months take adjusting entries alone. Returns its id.

    To close it again carries what came since, and nothing where nothing did. Refused with Invalid for a day on which no
    fiscal year starts, and for a year that is not over; with NotAllowedNow where there is a result and the year's last
    month is locked, or an earlier year has a result that was not carried.
    """
    kept = await books(work)
    if not EARLIEST <= starts_on < kept.today:
        raise Invalid("No fiscal year that started on this day is over.", path=("startsOn",))
    ends_on = await end_of_year(work, starts_on, path=("startsOn",))
    if ends_on >= kept.today:
        raise Invalid(f"This year is not over: it ends on {ends_on}.", path=("startsOn",))
    await in_turn(work)
    within = await work.raw.fetch(_MONTHS, starts_on, ends_on)
    whole = [month for month in within if month["ends_on"] <= ends_on]
    if whole:
        await close_up_to(work, whole[-1]["starts_on"])
        await shut(work, [month["id"] for month in within])
    balances = await _to_carry(work, starts_on, ends_on)
    year = await work.raw.fetchrow(_FIND, starts_on)
    if year is None or year["closed_at"] is None or any(balances.values()):
        kept_as = await work.raw.fetchval(_KEEP, new_id("fsy")[4:], starts_on, ends_on, work.now)
        year_id = ID("fsy_" + kept_as)
        if any(balances.values()):
            await _carry(work, year_id, starts_on, ends_on, balances, kept.currency)
        work.announce(FiscalYearClosed(year_id))
        return year_id
    return ID("fsy_" + year["id"])


async def reopen_year(work: Work, year_id: str, reason: str) -> ID:
    """The year's result stands on its own accounts again: what carried it is taken back on the same day.

    Its months stay closed; open the one that is meant. Refused with NotFound; with NotAllowedNow where the year is
    open, a later one is closed, or its last month is locked.
    """
    said = words.line(reason, path=("reason",), longest=500)
    await in_turn(work)
    year = await work.raw.fetchrow(_BY_ID, year_id[4:]) if is_id(year_id, "fsy") else None
    if year is None:
        raise NotFound("There is no such fiscal year, or it was never closed.", path=("id",))
    if year["closed_at"] is None:
        raise NotAllowedNow("This fiscal year is open already.", path=("id",))
    later = "SELECT starts_on FROM fiscal_years WHERE starts_on > $1 AND closed_at IS NOT NULL ORDER BY 1 DESC LIMIT 1"
    if (after := await work.raw.fetchval(later, year["starts_on"])) is not None:
        raise NotAllowedNow(f"Years are opened from the last one back: begin with that of {after}.", path=("id",))
    within = await work.raw.fetch(_MONTHS, year["starts_on"], year["ends_on"])
    await shut(work, [month["id"] for month in within])
    carried = await work.raw.fetch(_CARRIED, year_id)
    if carried:
        period = await _last_month(work, year["ends_on"], path=("id",))
        taken_back = [
            entry_row(
                work,
                year["ends_on"],
                f"Reversal of {entry_number(each['number'])}",
                each["currency"],
                period=period,
                source=ID(year_id),
                kind=EntryKind.CLOSING,
                reversal_of=ID("jen_" + each["id"]),
            )
            for each in carried
        ]
        await bulk.insert(work, JournalEntry, taken_back)
        await reverse_lines(work, [each["id"] for each in taken_back])
        for each in taken_back:
            work.announce(JournalEntryPosted(each["id"], source=ID(year_id)))
            work.announce(JournalEntryReversed(each["reversal_of_id"], reversal=each["id"]))
    await work.raw.execute(_OPEN_AGAIN, year_id[4:], said)
    work.announce(FiscalYearReopened(ID(year_id), reason=said))
    return ID(year_id)


async def end_of_year(work: Work, starts_on: date, *, path: tuple[str, ...]) -> date:
    """The last day of the fiscal year that starts on a day. Refused with Invalid where none does."""
    start: str = await work.raw.fetchval(_START)
    if f"{starts_on:%m-%d}" != start:
        raise Invalid(f"Fiscal years of this business start on {start}.", path=path)
    return starts_on.replace(year=starts_on.year + 1) - timedelta(days=1)


async def _to_carry(work: Work, starts_on: date, ends_on: date) -> dict[ID, Decimal]:
    """What the accounts of income and expense come to, closing entries included: debits less credits."""
    found = await work.raw.fetch("SELECT id FROM accounts WHERE type IN ('INCOME', 'EXPENSE')")
    spans = [Span(starts_on - timedelta(days=1)), Span(ends_on)]
    before, by_then = await turnovers(work.raw, spans, accounts=[ID("acc_" + each["id"]) for each in found])
    if any(each.balance for each in before.values()):
        raise NotAllowedNow(
            "An earlier year has a result that was not carried: close that one first.", path=("startsOn",)
        )
    return {account: each.balance for account, each in by_then.items()}


async def _carry(  # noqa: PLR0917  what the entry says
    work: Work, year: ID, starts_on: date, ends_on: date, balances: Mapping[ID, Decimal], currency: str
) -> None:
    period = await _last_month(work, ends_on, path=("startsOn",))
    entry = entry_row(
        work,
        ends_on,
        f"Result of the fiscal year {starts_on} to {ends_on}",
        currency,
        period=period,
        source=year,
        kind=EntryKind.CLOSING,
    )
    await bulk.insert(work, JournalEntry, [entry])
    await bulk.insert(work, JournalLine, await _lines(work, entry["id"], ends_on, balances, currency))
    work.announce(JournalEntryPosted(entry["id"], source=year))


async def _lines(
    work: Work, entry: ID, on: date, balances: Mapping[ID, Decimal], currency: str
) -> list[dict[str, Any]]:
    """The balances on the other side, and their sum on retained earnings."""
    retained = await work.raw.fetchval("SELECT id FROM accounts WHERE role = $1", Role.RETAINED_EARNINGS)
    moves = {account: -balance for account, balance in sorted(balances.items()) if balance}
    result = -sum(moves.values(), Decimal(0))
    if result:
        moves[ID("acc_" + retained)] = result
    return [
        line_row(
            entry,
            n,
            account,
            on,
            currency,
            Amounts.of(currency, move),
        )
        for n, (account, move) in enumerate(moves.items(), 1)
    ]


async def _last_month(work: Work, ends_on: date, *, path: tuple[str, ...]) -> ID:
    month = await work.raw.fetchrow(
        "SELECT id, starts_on, state FROM accounting_periods WHERE $1 BETWEEN starts_on AND ends_on", ends_on
    )
    if month is None or month["state"] == "LOCKED":
        raise NotAllowedNow(
            f"The year's result stands on {months.as_month(ends_on)}, which is locked: open it first.",
            path=path,
        )
    return ID("per_" + month["id"])
