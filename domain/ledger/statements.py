"""Statements: the chart of accounts with what its accounts come to, side by side for several spans of days.

Pure arithmetic over balances. Signs are those of the statement: what an account of its type usually has is positive, so
income of 100 is 100 and not -100. An account with others under it shows their sum.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.ledger.balances import Span, Turnover, turnovers
from domain.ledger.tables import AccountType, CashFlow

ASSET, LIABILITY, EQUITY = AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY
INCOME, EXPENSE = AccountType.INCOME, AccountType.EXPENSE
Amounts = list[Decimal]
"""One for each span, in their order."""


@dataclass(frozen=True)
class Place:
    """An account in the chart."""

    id: ID
    code: str
    type: AccountType
    parent: ID | None
    cash_flow: CashFlow


@dataclass(frozen=True)
class Row:
    """An account on a statement."""

    account: ID
    level: int
    """How deep it lies in the chart: 0 for an account that is part of no other."""
    amounts: Amounts


@dataclass(frozen=True)
class ProfitAndLoss:
    """What was earned, and what earning it cost. Entries that closed a year are left out."""

    rows: list[Row]
    income: Amounts
    expenses: Amounts
    result: Amounts
    """Income less expenses."""


@dataclass(frozen=True)
class BalanceSheet:
    """What the business had, owed and was worth: assets = liabilities + equity + result."""

    rows: list[Row]
    assets: Amounts
    liabilities: Amounts
    equity: Amounts
    result: Amounts
    """What was earned and is not carried to equity yet."""


@dataclass(frozen=True)
class CashFlows:
    """Where cash came from and went to, by the indirect method: the result, and what every other account that is not
    cash contributed. Opening + operating + investing + financing = closing.
    """

    rows: list[Row]
    """The accounts that are neither cash nor part of the result: a positive amount brought cash."""
    opening: Amounts
    result: Amounts
    operating: Amounts
    """The result is part of it."""
    investing: Amounts
    financing: Amounts
    closing: Amounts


async def chart(connection: AsyncConnection) -> list[Place]:
    """All accounts, by code."""
    query = "SELECT id, code, type, parent_id, cash_flow FROM accounts ORDER BY code"
    return [
        Place(
            ID("acc_" + row["id"]),
            row["code"],
            AccountType(row["type"]),
            ID("acc_" + row["parent_id"]) if row["parent_id"] else None,
            CashFlow(row["cash_flow"]),
        )
        for row in await (await raw(connection)).fetch(query)
    ]


async def profit_and_loss(connection: AsyncConnection, spans: Sequence[Span]) -> ProfitAndLoss:
    """The result of spans of days, side by side."""
    places, sums = await chart(connection), await turnovers(await raw(connection), spans)
    rows = _rows(places, sums, {INCOME, EXPENSE}, lambda place, each: _signed(place.type, each.result))
    income, expenses = (_of_type(places, sums, kind, lambda each: each.result) for kind in (INCOME, EXPENSE))
    result = [earned - spent for earned, spent in zip(income, expenses, strict=True)]
    return ProfitAndLoss(rows, income, expenses, result)


async def balance_sheet(connection: AsyncConnection, spans: Sequence[Span]) -> BalanceSheet:
    """What there was at the end of spans, side by side. It balances where a span tells all lines, whatever they are
    about.
    """
    places, sums = await chart(connection), await turnovers(await raw(connection), spans)
    rows = _rows(places, sums, {ASSET, LIABILITY, EQUITY}, lambda place, each: _signed(place.type, each.balance))
    assets, liabilities, equity = (
        _of_type(places, sums, kind, lambda each: each.balance) for kind in (ASSET, LIABILITY, EQUITY)
    )
    earned, spent = (_of_type(places, sums, kind, lambda each: each.balance) for kind in (INCOME, EXPENSE))
    result = [one - other for one, other in zip(earned, spent, strict=True)]
    return BalanceSheet(rows, assets, liabilities, equity, result)


async def cash_flow(connection: AsyncConnection, spans: Sequence[Span]) -> CashFlows:
    """Where cash came from and went to in spans of days, side by side."""
    places = await chart(connection)
    sums = await turnovers(await raw(connection), [*spans, *(each.before for each in spans)])
    during, earlier = sums[: len(spans)], sums[len(spans) :]
    in_result = {place.id for place in places if place.type in (INCOME, EXPENSE)}
    flows = {place.id: place.cash_flow for place in places if place.id not in in_result}

    # Entries that closed a year move the result within equity: no cash comes or goes, so they count nowhere here.
    def brought(found: Mapping[ID, Turnover], flow: CashFlow) -> Decimal:
        return sum((-each.result for account, each in found.items() if flows.get(account) == flow), Decimal(0))

    result = [
        sum((-each.result for account, each in found.items() if account in in_result), Decimal(0)) for found in during
    ]
    opening = [-brought(found, CashFlow.CASH) for found in earlier]
    others = [place for place in places if flows.get(place.id, CashFlow.CASH) != CashFlow.CASH]
    return CashFlows(
        rows=_rows(others, during, {ASSET, LIABILITY, EQUITY}, lambda _, each: -each.result),
        opening=opening,
        result=result,
        operating=[own + brought(found, CashFlow.OPERATING) for own, found in zip(result, during, strict=True)],
        investing=[brought(found, CashFlow.INVESTING) for found in during],
        financing=[brought(found, CashFlow.FINANCING) for found in during],
        closing=[first - brought(found, CashFlow.CASH) for first, found in zip(opening, during, strict=True)],
    )


def _signed(kind: AccountType, balance: Decimal) -> Decimal:
    return balance if kind in (ASSET, EXPENSE) else -balance


def _of_type(
    places: Sequence[Place],
    sums: Sequence[Mapping[ID, Turnover]],
    kind: AccountType,
    amount: Callable[[Turnover], Decimal],
) -> Amounts:
    wanted = {place.id for place in places if place.type == kind}
    return [
        sum((_signed(kind, amount(each)) for account, each in found.items() if account in wanted), Decimal(0))
        for found in sums
    ]


def _rows(
    places: Sequence[Place],
    sums: Sequence[Mapping[ID, Turnover]],
    kinds: Collection[AccountType],
    amount: Callable[[Place, Turnover], Decimal],
) -> list[Row]:
    """The accounts of some types that have something to show, each behind the one it is part of."""
    by_id = {place.id: place for place in places}
    amounts: dict[ID, Amounts] = {}
    for n, found in enumerate(sums):
        for account, each in found.items():
            place = by_id.get(account)
            value = amount(place, each) if place is not None and place.type in kinds else Decimal(0)
            while place is not None and value:
                amounts.setdefault(place.id, [Decimal(0)] * len(sums))[n] += value
                place = by_id.get(place.parent) if place.parent is not None else None
    under: dict[Any, list[Place]] = {}
    for place in places:
        if place.id in amounts:
            under.setdefault(place.parent if place.parent in by_id else None, []).append(place)
    rows: list[Row] = []

    def add(parent: ID | None, level: int) -> None:
        for place in under.get(parent, ()):
            rows.append(Row(place.id, level, amounts[place.id]))
            add(place.id, level + 1)

    add(None, 0)
    return rows
