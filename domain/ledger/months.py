"""The months of the books: which one a day lies in, and which one takes what happens now.

Periods follow each other without gaps. They are made when the business is founded, and when a later day is needed.
"""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from domain.kernel.asking import Ask, Query
from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work
from domain.ledger.tables import Period, PeriodClosed, PeriodLocked, PeriodState

MOST_YEARS_AHEAD = 50
"""How far from today a day may lie for which there is no period yet."""

_LAST = "SELECT max(ends_on) FROM accounting_periods"
_OF_A_DAY = "SELECT id, state FROM accounting_periods WHERE $1 BETWEEN starts_on AND ends_on"
_NEXT_OPEN = """SELECT id, starts_on FROM accounting_periods WHERE state = 'OPEN' AND ends_on >= $1
  ORDER BY starts_on LIMIT 1"""


async def lay_out(work: Work, first: date, last: date) -> None:
    """There are periods for all months from that of one day to that of another."""
    months, day = [], first.replace(day=1)
    while day <= last:
        end = day.replace(day=monthrange(day.year, day.month)[1])
        months.append({"id": new_id("per"), "starts_on": day, "ends_on": end})
        day = end + timedelta(days=1)
    if months:
        await work.connection.execute(insert(Period).on_conflict_do_nothing(), months)


_ASKED = Query(_OF_A_DAY.replace("$1", "$1::date"), "id uuid, state text")


def ask_period(on: date) -> Ask[Any]:
    """The id and state of the period that a day lies in, to be asked together with something else."""
    return Ask(_ASKED, (on,), lambda rows: rows[0] if rows else None)


_ON = ("input", "on")


async def period_of(
    work: Work, on: date, *, today: date, adjusting: bool = False, path: tuple[str | int, ...] = _ON
) -> ID:
    """The period of a day that somebody chose. Refused as `allowed` is."""
    return await allowed(work, await found_at(work, on), on, today=today, adjusting=adjusting, path=path)


async def allowed(
    work: Work, found: Any, on: date, *, today: date, adjusting: bool = False, path: tuple[str | int, ...] = _ON
) -> ID:
    """The period of a day that somebody chose, of which `found` is what there is.

    Refused with PeriodLocked where it is locked, or there is none and none can be made; with PeriodClosed where it is
    closed and the entry is not an adjusting one.
    """
    if found is None and await _reach(work, on, today):
        found = await found_at(work, on)
    if found is None:
        raise PeriodLocked("There is no accounting period for this day.", path=path)
    if found["state"] == PeriodState.LOCKED:
        raise PeriodLocked("The period of this day is locked. Choose a day in an open period.", path=path)
    if found["state"] == PeriodState.SOFT_CLOSED and not adjusting:
        raise PeriodClosed(
            "The period of this day is closed: choose a day in an open one, or post an adjusting entry.",
            path=path,
        )
    return ID("per_" + found["id"])


async def next_open(work: Work, today: date) -> tuple[ID, date]:
    """The first period from today on that is open, and the day in it that counts for what happens now."""
    found = await work.raw.fetchrow(_NEXT_OPEN, today)
    while found is None:
        last = await work.raw.fetchval(_LAST)
        await lay_out(work, last + timedelta(days=1), max(today, last + timedelta(days=1)))
        found = await work.raw.fetchrow(_NEXT_OPEN, today)
    return ID("per_" + found["id"]), max(today, found["starts_on"])


async def _reach(work: Work, on: date, today: date) -> bool:
    """Make the months up to a later day. The past before the first one stays without."""
    last: date | None = await work.raw.fetchval(_LAST)
    if last is None or on <= last or on.year > today.year + MOST_YEARS_AHEAD:
        return False
    await lay_out(work, last + timedelta(days=1), on)
    return True


async def found_at(work: Work, day: date) -> Any:
    """The id and state of the period that a day lies in; None where there is none."""
    return await work.raw.fetchrow(_OF_A_DAY, day)


def end_of_month(day: date) -> date:
    """The last day of a day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_between(first: date, last: date) -> list[date]:
    """The first days of the months from that of one day to that of another."""
    months, month = [], first.replace(day=1)
    while month <= last:
        months.append(month)
        month = end_of_month(month) + timedelta(days=1)
    return months


def as_month(day: date) -> str:
    """A day's month as people say it, such as 2026-03."""
    return f"{day:%Y-%m}"
