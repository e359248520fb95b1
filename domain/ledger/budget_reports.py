"""What was budgeted, what came of it, and the difference: accounts as a tree, months side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.errors import Invalid, NotFound
from domain.kernel.ids import ID, is_id
from domain.ledger import statements
from domain.ledger.balances import Span, Turnover, turnovers
from domain.ledger.months import end_of_month, months_between
from domain.ledger.statements import Place
from domain.ledger.tables import AccountingDimension, AccountType
from domain.ledger.tables.dimensions import COLUMNS

_DEBIT_TYPES = (AccountType.ASSET, AccountType.EXPENSE)


@dataclass(frozen=True)
class BudgetRow:
    """An account of the report, each list with one amount for each month."""

    account: ID
    level: int
    """How deep it lies in the chart: 0 for an account that is part of no other."""
    budget: list[Decimal]
    actual: list[Decimal]

    @property
    def difference(self) -> list[Decimal]:
        """Actual less budget."""
        return [came - meant for came, meant in zip(self.actual, self.budget, strict=True)]


@dataclass(frozen=True)
class BudgetReport:
    """A version of a budget beside what came of it."""

    budget: ID
    version: int
    months: list[date]
    """The first day of each."""
    rows: list[BudgetRow]
    """The accounts of income and expense, and all others that are budgeted; each behind the one it is part of."""


@dataclass(frozen=True)
class BudgetQuestion:
    """Which version of a budget to report, and of which days; the whole year and the present one, when left out."""

    budget: str
    version: int | None = None
    since: date | None = None
    until: date | None = None
    known_at: datetime | None = None
    about: Mapping[AccountingDimension, Sequence[ID | None]] | None = None
    """Only lines, planned and posted, that are about these."""


_FIND = """
SELECT budget.starts_on, budget.ends_on, told.version, told.id AS version_id FROM budgets AS budget
JOIN budget_versions AS told ON told.budget_id = budget.id AND told.version = coalesce($2, budget.version)
WHERE budget.id = $1
"""
_PLANNED = f"""
SELECT account_id, month, amount, {", ".join(COLUMNS.values())} FROM budget_lines WHERE version_id = $1
"""  # noqa: S608  names of ours


async def report(connection: AsyncConnection, asked: BudgetQuestion) -> BudgetReport:
    """The report. Refused with NotFound for a budget or version that is not there, and with Invalid for days that are
    out of order or not of its year.
    """
    driver = await raw(connection)
    known = await driver.fetchrow(_FIND, asked.budget[4:], asked.version) if is_id(asked.budget, "bdg") else None
    if known is None:
        raise NotFound("There is no such budget, or no such version of it.", path=("id",))
    since, until = asked.since or known["starts_on"], asked.until or known["ends_on"]
    for name, day in (("since", since), ("until", until)):
        if not known["starts_on"] <= day <= known["ends_on"]:
            raise Invalid("Ask for days of the budget's fiscal year.", path=(name,))
    if since > until:
        raise Invalid("The first day lies behind the last one.", path=("since",))
    about = dict(asked.about or {})
    months = months_between(since, until)
    spans = [
        Span(min(end_of_month(month), until), since=max(month, since), known_at=asked.known_at, about=about)
        for month in months
    ]
    planned = [row for row in await driver.fetch(_PLANNED, known["version_id"]) if _is_about(row, about)]
    places = await statements.chart(connection)
    actual = await turnovers(driver, spans)
    rows = _rows(places, _by_month(planned, months), actual)
    return BudgetReport(ID(asked.budget), known["version"], months, rows)


def _is_about(row: Any, about: Mapping[AccountingDimension, Sequence[ID | None]]) -> bool:
    return all(
        row[COLUMNS[dimension]] in [None if each is None else each[4:] for each in values]
        for dimension, values in about.items()
    )


def _by_month(planned: Sequence[Any], months: Sequence[date]) -> dict[ID, list[Decimal]]:
    """What is planned of each account, by month."""
    at = {month: n for n, month in enumerate(months)}
    sums: dict[ID, list[Decimal]] = {}
    for row in planned:
        amounts = sums.setdefault(ID("acc_" + row["account_id"]), [Decimal(0)] * len(months))
        if row["month"] in at:
            amounts[at[row["month"]]] += row["amount"]
    return sums


def _rows(
    places: Sequence[Place], planned: Mapping[ID, list[Decimal]], actual: Sequence[Mapping[ID, Turnover]]
) -> list[BudgetRow]:
    """The accounts that have something to show, as a tree: those above others are their sums."""
    by_id = {place.id: place for place in places}
    sums: dict[ID, tuple[list[Decimal], list[Decimal]]] = {}
    for place in places:
        came = [_signed(place.type, found[place.id].result) if place.id in found else Decimal(0) for found in actual]
        meant = planned.get(place.id)
        if meant is None and (place.type not in (AccountType.INCOME, AccountType.EXPENSE) or not any(came)):
            continue
        above: Place | None = place
        while above is not None:
            told = sums.setdefault(above.id, ([Decimal(0)] * len(actual), [Decimal(0)] * len(actual)))
            for n, amount in enumerate(came):
                told[0][n] += Decimal(0) if meant is None else meant[n]
                told[1][n] += amount
            above = by_id.get(above.parent) if above.parent is not None else None
    under: dict[ID | None, list[Place]] = {}
    for place in places:
        if place.id in sums:
            under.setdefault(place.parent if place.parent in by_id else None, []).append(place)
    rows: list[BudgetRow] = []

    def add(parent: ID | None, level: int) -> None:
        for place in under.get(parent, ()):
            rows.append(BudgetRow(place.id, level, *sums[place.id]))
            add(place.id, level + 1)

    add(None, 0)
    return rows


def _signed(kind: AccountType, balance: Decimal) -> Decimal:
    return balance if kind in _DEBIT_TYPES else -balance
