"""Budgets, and what came of them."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from api.graphql.business import SalesChannel
from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.inputs import input_name, to_domain
from api.graphql.kit.operations import mutation, query
from api.graphql.kit.plain import refers
from api.graphql.kit.scalars import MoneyType
from api.graphql.kit.views import Connection, Node, amount, derived, extends, find, one, pages, view
from api.graphql.ledger.journal import Account, DimensionValue, same_day
from api.graphql.ledger.statements import DimensionsGiven, KnownAt, about_of, books_of
from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

published(ledger.BudgetAction)
input_name(ledger.NewBudgetLine, "BudgetLineInput")
_budget, _version, _line = (row.__table__.c for row in (ledger.Budget, ledger.BudgetVersion, ledger.BudgetLine))


@view(ledger.BudgetLine)
@access(Scope.LEDGER_READ)
class BudgetLine(Node):
    """What an account is meant to come to in a month, of whatever it is about."""

    account: Account = one()
    """The account."""
    month_starts_on: date = derived(same_day, needs=["month"])
    """The first day of the month."""
    amount: Money = amount("amount")
    """Signed as statements are: what an account of its type usually has is positive."""
    channel: SalesChannel | None = one(by="channel_id")
    """The sales channel it is about; null: whichever."""
    brand: DimensionValue | None = one(by="brand_id")
    """The brand it is about; null: whichever."""
    department: DimensionValue | None = one(by="department_id")
    """The department it is about; null: whichever."""
    project: DimensionValue | None = one(by="project_id")
    """The project it is about; null: whichever."""


@view(ledger.BudgetVersion)
@access(Scope.LEDGER_READ)
class BudgetVersion(Node):
    """What a budget said from one instant on, until the next version. Permanent."""

    version: int
    """From 1, without gaps."""
    reason: str | None
    """Why it was revised; null for the first one."""
    created_at: datetime
    """When it was written."""
    lines: Connection[BudgetLine] = pages(ledger.budget_lines, by=_line.version_id)
    """Its lines, in the order in which they were given."""


@view(ledger.Budget)
@access(Scope.LEDGER_READ)
class Budget(Node):
    """What a fiscal year is meant to come to."""

    name: str
    """What people call it."""
    starts_on: date
    """The first day of its fiscal year."""
    ends_on: date
    """The last day of its fiscal year."""
    control: ledger.BudgetControl
    """What happens to an entry by hand that spends more than it allows, while it is active."""
    status: ledger.BudgetStatus
    """Whether it is the one that counts in its year."""
    available_actions: list[ledger.BudgetAction] = derived(ledger.budget_life.available, needs=["status"])
    """What can be done to it now, beside revising it."""
    version: int
    """The version that counts: the newest one."""
    versions: Connection[BudgetVersion] = pages(ledger.budget_versions, by=_version.budget_id)
    """What it said: by default the oldest version first."""
    created_at: datetime
    """When it was made."""
    updated_at: datetime
    """When it was last changed."""


@extends("Query")
class BudgetQueries:
    budget: Budget | None = find(id=(ID, lambda value: _budget.id == value))
    """One budget, by its id."""
    budgets: Connection[Budget] = pages(ledger.budgets)
    """The budgets: by default those of the earliest year first."""


BudgetId = Annotated[ID, "The budget."]


@mutation
@access(Scope.LEDGER_WRITE)
async def budget_create(work: Work, input: ledger.NewBudget) -> Budget:
    """Plans a fiscal year: version 1, as a draft."""
    return await ledger.create_budget(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def budget_revise(work: Work, id: BudgetId, input: ledger.BudgetRevision) -> Budget:
    """Writes the next version of a budget. The older ones stay readable."""
    return await ledger.revise_budget(work, id, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def budget_activate(work: Work, id: BudgetId) -> Budget:
    """Makes a budget the one that counts in its year: entries by hand are held against it from now on."""
    return await ledger.activate_budget(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def budget_close(work: Work, id: BudgetId) -> Budget:
    """Lets a budget count no more. It is kept for comparison."""
    return await ledger.close_budget(work, id)  # type: ignore[return-value]


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="BudgetReportRow", description="An account beside its budget, with an amount for each month.")
class BudgetReportRow:
    account_id: strawberry.Private[ID]
    account = refers(Account, by="account_id", nullable=False, description="The account.")
    level: int = strawberry.field(description="How deep it lies in the chart, from 0. A sum of those below it.")
    budget: list[MoneyType] = strawberry.field(description="What it is meant to come to, month by month.")
    actual: list[MoneyType] = strawberry.field(description="What it came to, month by month.")
    difference: list[MoneyType] = strawberry.field(description="Actual less budget, month by month.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="BudgetReport", description="A version of a budget beside what came of it, in base currency.")
class BudgetReport:
    budget_id: strawberry.Private[ID]
    budget = refers(Budget, by="budget_id", nullable=False, description="The budget.")
    version: int = strawberry.field(description="Which version of it.")
    months_start_on: list[date] = strawberry.field(description="The columns: the first day of each month.")
    rows: list[BudgetReportRow] = strawberry.field(
        description="Accounts of income and expense, and all others that are planned, each behind what it is part of."
    )


@query
@access(Scope.LEDGER_READ)
async def budget_report(  # noqa: PLR0917  the arguments of a field
    context: Context,
    id: BudgetId,
    version: Annotated[int | None, "Which version; the one that counts, when left out."] = None,
    since: Annotated[date | None, "From this day of its year on; from the first one, when left out."] = None,
    until: Annotated[date | None, "Up to this day of its year; to the last one, when left out."] = None,
    known_at: KnownAt = None,
    dimensions: DimensionsGiven = None,
) -> BudgetReport | None:
    """What was budgeted and what came of it, month by month. Entries that closed a year are left out."""
    kept = await books_of(context)
    asked = ledger.BudgetQuestion(id, version, since, until, known_at, about_of(to_domain(dimensions)))
    found = await context.reading.run(lambda connection: ledger.budget_report(connection, asked))
    return BudgetReport(
        budget_id=found.budget,
        version=found.version,
        months_start_on=found.months,
        rows=[
            BudgetReportRow(
                account_id=row.account,
                level=row.level,
                budget=kept.all(row.budget),
                actual=kept.all(row.actual),
                difference=kept.all(row.difference),
            )
            for row in found.rows
        ],
    )
