"""Closing the books: periods, and fiscal years."""

from datetime import date, datetime
from typing import Annotated

from sqlalchemy import Date, cast, func, select

from api.graphql.kit.access import access
from api.graphql.kit.enums import published
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, derived, extends, find, pages, sql, view
from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

published(ledger.PeriodAction)
_period, _year = ledger.Period.__table__.c, ledger.FiscalYear.__table__.c
_years = select(ledger.RetentionPolicy.years).scalar_subquery()
_retention_ends_on = cast(_year.ends_on + func.make_interval(func.greatest(_year.retention_years, _years)), Date)


@view(ledger.Period)
@access(Scope.LEDGER_READ)
class AccountingPeriod(Node):
    """A month of the books."""

    starts_on: date
    """Its first day."""
    ends_on: date
    """Its last day."""
    state: ledger.PeriodState
    """Whether entries may be posted into it."""
    available_actions: list[ledger.PeriodAction] = derived(ledger.period_life.available, needs=["state"])
    """What can be done to it now."""


@view(ledger.FiscalYear)
@access(Scope.LEDGER_READ)
class FiscalYear(Node):
    """A fiscal year that has been closed at least once. It is the `source` of the entries that carried its result."""

    starts_on: date
    """Its first day."""
    ends_on: date
    """Its last day."""
    closed_at: datetime | None
    """When its result was carried to retained earnings last; null while it is open again."""
    reopened_for: str | None
    """Why it was opened again last."""
    retention_ends_on: date = sql(_retention_ends_on)
    """The last day on which it must be kept: as was promised when it was closed, or as counts now, if that is later."""


@extends("Query")
class ClosingQueries:
    accounting_period: AccountingPeriod | None = find(
        id=(ID, lambda value: _period.id == value),
        on=(date, lambda value: (_period.starts_on <= value) & (_period.ends_on >= value)),
    )
    """One period, by its id or a day in it."""
    accounting_periods: Connection[AccountingPeriod] = pages(ledger.periods)
    """The months of the books: by default the earliest first."""
    fiscal_years: Connection[FiscalYear] = pages(ledger.years)
    """The years that have been closed: by default the earliest first."""


@mutation
@access(Scope.LEDGER_CLOSE)
async def accounting_period_close(work: Work, id: Annotated[ID, "The period to close."]) -> AccountingPeriod:
    """Closes a period, and every open one before it: they take adjusting entries alone. What happens from now on counts
    for the first open day.
    """
    return await ledger.close_period(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_CLOSE)
async def accounting_period_lock(work: Work, id: Annotated[ID, "The period to lock."]) -> AccountingPeriod:
    """Locks a period, and every one before it: they take no entry any more, whoever posts it."""
    return await ledger.lock_period(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_REOPEN)
async def accounting_period_reopen(
    work: Work,
    id: Annotated[ID, "The period to open again."],
    reason: Annotated[str, "Why; it is announced with the act, so leave names out. At most 500 characters."],
) -> AccountingPeriod:
    """Opens a period again. Locked ones are opened from the last one back."""
    return await ledger.reopen_period(work, id, reason)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_CLOSE)
async def fiscal_year_close(work: Work, starts_on: Annotated[date, "The first day of the year."]) -> FiscalYear:
    """Carries the result of a year that is over to retained earnings, and closes its months. To close it again carries
    what adjusting entries brought since.
    """
    return await ledger.close_year(work, starts_on)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_REOPEN)
async def fiscal_year_reopen(
    work: Work,
    id: Annotated[ID, "The year to open again."],
    reason: Annotated[str, "Why; it is announced with the act, so leave names out. At most 500 characters."],
) -> FiscalYear:
    """Takes back what carried a year's result. Its months stay closed: open the one that is meant."""
    return await ledger.reopen_year(work, id, reason)  # type: ignore[return-value]
