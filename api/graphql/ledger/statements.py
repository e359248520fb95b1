"""What the books come to: trial balance, profit and loss, balance sheet, cash flow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import strawberry
from sqlalchemy import select

from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.inputs import input_name, to_domain
from api.graphql.kit.lists import PageInfo
from api.graphql.kit.operations import query
from api.graphql.kit.plain import refers
from api.graphql.kit.scalars import MoneyType
from api.graphql.ledger.journal import Account, JournalEntry, OpenItem
from domain import business, ledger
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID, is_id
from domain.kernel.listing import PAGE, slice_of
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.scopes import Scope
from domain.ledger import AccountingDimension

MOST_COLUMNS = 400
"""Spans of days or days side by side."""

KnownAt = Annotated[datetime | None, "Only what had been recorded by then; everything, when left out."]


@dataclass(frozen=True)
class Dimensions:
    """Which lines to tell, by what they are about; those that name one of the ids in each dimension that is given."""

    channel_ids: list[ID] | None = None
    """These sales channels."""
    location_ids: list[ID] | None = None
    """These locations."""
    brand_ids: list[ID] | None = None
    """These brands."""
    department_ids: list[ID] | None = None
    """These departments."""
    project_ids: list[ID] | None = None
    """These projects."""
    without: list[AccountingDimension] | None = None
    """Lines that name nothing in these dimensions, too."""


@dataclass(frozen=True)
class Days:
    """Days that follow each other, and which lines of theirs to tell."""

    since: date
    """The first one."""
    until: date
    """The last one."""
    dimensions: Dimensions | None = None
    """Only lines that are about these; all, when left out."""


input_name(Dimensions, "DimensionsInput")
input_name(Days, "StatementDaysInput")
DimensionsGiven = Annotated[Dimensions | None, "Only lines that are about these; all, when left out."]
Spans = Annotated[list[Days], "One column for each: 400 at most."]


@dataclass(frozen=True)
class _Books:
    currency: CurrencyCode
    today: date

    def money(self, amount: Decimal) -> MoneyType:
        return MoneyType.of(Money(amount, self.currency))  # type: ignore[return-value]

    def all(self, amounts: Sequence[Decimal]) -> list[MoneyType]:
        return [self.money(each) for each in amounts]


async def books_of(context: Context) -> _Books:
    """The currency of the books, and which day it is for the business."""
    kept = (await context.reading.execute(select(business.Business.base_currency, business.Business.time_zone)))[0]
    return _Books(CurrencyCode(kept["base_currency"]), context.now.astimezone(ZoneInfo(kept["time_zone"])).date())


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="TrialBalanceRow", description="The balance of one account.")
class TrialBalanceRow:
    account_id: strawberry.Private[ID]
    account = refers(Account, by="account_id", nullable=False, description="The account.")
    debit: MoneyType = strawberry.field(description="Its balance, where that is a debit; else zero.")
    credit: MoneyType = strawberry.field(description="Its balance, where that is a credit; else zero.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="TrialBalance", description="The balance of every account: debits equal credits.")
class TrialBalance:
    as_of: date = strawberry.field(description="Up to and including this day.")
    rows: list[TrialBalanceRow] = strawberry.field(description="By account, in the order of their codes.")
    debit: MoneyType = strawberry.field(description="The sum of the debits, in base currency.")
    credit: MoneyType = strawberry.field(description="The sum of the credits, in base currency.")


@query
@access(Scope.LEDGER_READ)
async def trial_balance(
    context: Context,
    as_of: Annotated[date | None, "Up to and including this day; today, when left out."] = None,
    known_at: KnownAt = None,
    dimensions: DimensionsGiven = None,
) -> TrialBalance | None:
    """The balance of every account that has lines, in base currency."""
    kept = await books_of(context)
    day, money = as_of or kept.today, kept.money
    span = ledger.Span(day, known_at=known_at, about=about_of(to_domain(dimensions)))
    balances = await context.reading.run(lambda connection: ledger.trial_balance(connection, span))
    return TrialBalance(
        as_of=day,
        rows=[
            TrialBalanceRow(account_id=each.account, debit=money(each.debit), credit=money(each.credit))
            for each in balances
        ],
        debit=money(sum((each.debit for each in balances), Decimal(0))),
        credit=money(sum((each.credit for each in balances), Decimal(0))),
    )


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="StatementRow", description="An account on a statement, with a sum for each column.")
class StatementRow:
    account_id: strawberry.Private[ID]
    account = refers(Account, by="account_id", nullable=False, description="The account.")
    level: int = strawberry.field(description="How deep it lies in the chart, from 0. A sum of those below it.")
    amounts: list[MoneyType] = strawberry.field(
        description="One for each column. What an account of its type usually has is positive."
    )


@restrict(Scope.LEDGER_READ)
@strawberry.type(
    name="ProfitAndLoss",
    description="What was earned, and what earning it cost. Entries that closed a year are left out.",
)
class ProfitAndLoss:
    rows: list[StatementRow] = strawberry.field(description="By account, each behind the one it is part of.")
    income: list[MoneyType] = strawberry.field(description="All income, for each column.")
    expenses: list[MoneyType] = strawberry.field(description="All expenses, for each column.")
    result: list[MoneyType] = strawberry.field(description="Income less expenses, for each column.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(
    name="BalanceSheet",
    description="What the business had, owed and was worth: assets = liabilities + equity + result.",
)
class BalanceSheet:
    rows: list[StatementRow] = strawberry.field(description="By account, each behind the one it is part of.")
    assets: list[MoneyType] = strawberry.field(description="All assets, for each column.")
    liabilities: list[MoneyType] = strawberry.field(description="All liabilities, for each column.")
    equity: list[MoneyType] = strawberry.field(description="All equity, for each column.")
    result: list[MoneyType] = strawberry.field(
        description="What was earned and not carried to equity yet, for each column."
    )


@restrict(Scope.LEDGER_READ)
@strawberry.type(
    name="CashFlowStatement",
    description="Where cash came from and went to: opening + operating + investing + financing = closing.",
)
class CashFlowStatement:
    rows: list[StatementRow] = strawberry.field(
        description="The accounts that are neither cash nor part of the result: a positive amount brought cash."
    )
    opening: list[MoneyType] = strawberry.field(description="Cash before the first day, for each column.")
    result: list[MoneyType] = strawberry.field(description="Income less expenses, for each column.")
    operating: list[MoneyType] = strawberry.field(
        description="From the daily business, the result with it, for each column."
    )
    investing: list[MoneyType] = strawberry.field(description="From what is kept for years, for each column.")
    financing: list[MoneyType] = strawberry.field(description="From owners and lenders, for each column.")
    closing: list[MoneyType] = strawberry.field(description="Cash at the end of the last day, for each column.")


@query
@access(Scope.LEDGER_READ)
async def profit_and_loss(context: Context, spans: Spans, known_at: KnownAt = None) -> ProfitAndLoss | None:
    """What was earned and what earning it cost, for spans of days side by side. `journalEntries` by account and
    day lists what a figure is made of.
    """
    wanted, kept = _spans(spans, known_at), await books_of(context)
    found = await context.reading.run(lambda connection: ledger.profit_and_loss(connection, wanted))
    return ProfitAndLoss(
        rows=_rows(found.rows, kept),
        income=kept.all(found.income),
        expenses=kept.all(found.expenses),
        result=kept.all(found.result),
    )


@query
@access(Scope.LEDGER_READ)
async def balance_sheet(
    context: Context,
    as_of: Annotated[list[date], "One column for each day, up to and including it: 400 at most."],
    known_at: KnownAt = None,
    dimensions: DimensionsGiven = None,
) -> BalanceSheet | None:
    """What the business had, owed and was worth at the end of days, side by side."""
    _check(as_of, path="asOf")
    kept, about = await books_of(context), about_of(to_domain(dimensions))
    wanted = [ledger.Span(day, known_at=known_at, about=about) for day in as_of]
    found = await context.reading.run(lambda connection: ledger.balance_sheet(connection, wanted))
    return BalanceSheet(
        rows=_rows(found.rows, kept),
        assets=kept.all(found.assets),
        liabilities=kept.all(found.liabilities),
        equity=kept.all(found.equity),
        result=kept.all(found.result),
    )


@query
@access(Scope.LEDGER_READ)
async def cash_flow(context: Context, spans: Spans, known_at: KnownAt = None) -> CashFlowStatement | None:
    """Where cash came from and went to, by the indirect method, for spans of days side by side."""
    wanted, kept = _spans(spans, known_at), await books_of(context)
    found = await context.reading.run(lambda connection: ledger.cash_flow(connection, wanted))
    return CashFlowStatement(
        rows=_rows(found.rows, kept),
        opening=kept.all(found.opening),
        result=kept.all(found.result),
        operating=kept.all(found.operating),
        investing=kept.all(found.investing),
        financing=kept.all(found.financing),
        closing=kept.all(found.closing),
    )


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="GeneralLedgerRow", description="An account over a span of days. Debits are positive.")
class GeneralLedgerRow:
    account_id: strawberry.Private[ID]
    account = refers(Account, by="account_id", nullable=False, description="The account.")
    opening: MoneyType = strawberry.field(description="Its balance before the first day: debits less credits.")
    debit: MoneyType = strawberry.field(description="The sum of the debits.")
    credit: MoneyType = strawberry.field(description="The sum of the credits.")
    closing: MoneyType = strawberry.field(description="Its balance at the end of the last day.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="GeneralLedger", description="Every account over a span of days: debits equal credits.")
class GeneralLedger:
    rows: list[GeneralLedgerRow] = strawberry.field(description="By account, in the order of their codes.")
    debit: MoneyType = strawberry.field(description="The sum of all debits.")
    credit: MoneyType = strawberry.field(description="The sum of all credits.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="AccountStatementLine", description="A line of the journal on the statement of an account.")
class AccountStatementLine:
    entry_id: strawberry.Private[ID]
    account_id: strawberry.Private[ID]
    item_id: strawberry.Private[ID | None]
    entry = refers(
        JournalEntry, by="entry_id", nullable=False, description="The entry: its `source` is the document behind it."
    )
    account = refers(Account, by="account_id", nullable=False, description="The account it stands on.")
    open_item = refers(OpenItem, by="item_id", description="The open item that it founds or settles.")
    on: date = strawberry.field(description="The day it counts for.")
    debit: MoneyType = strawberry.field(description="The debit, in the currency of the books.")
    credit: MoneyType = strawberry.field(description="The credit, in the currency of the books.")
    balance: MoneyType = strawberry.field(description="What stood on the account behind it: debits less credits.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(
    name="AccountStatement",
    description="An account over a span of days, line by line: opening + debits - credits = closing.",
)
class AccountStatement:
    opening: MoneyType = strawberry.field(description="The balance before the first day: debits less credits.")
    debit: MoneyType = strawberry.field(description="The sum of all debits, beyond this page too.")
    credit: MoneyType = strawberry.field(description="The sum of all credits, beyond this page too.")
    closing: MoneyType = strawberry.field(description="The balance at the end of the last day.")
    lines: list[AccountStatementLine] = strawberry.field(description="A page of its lines, by day.")
    page_info: PageInfo = strawberry.field(description="Whether there is more, and the cursor to go on with.")


@query
@access(Scope.LEDGER_READ)
async def general_ledger(
    context: Context,
    span: Annotated[Days, "The days, and which lines of theirs."],
    known_at: KnownAt = None,
) -> GeneralLedger | None:
    """Every account with lines up to the last day. `accountStatement` tells each of them line by line."""
    kept = await books_of(context)
    (wanted,) = _spans([span], known_at, path="span")
    found = await context.reading.run(lambda connection: ledger.general_ledger(connection, wanted))
    rows = [
        GeneralLedgerRow(
            account_id=row.account,
            opening=kept.money(row.opening),
            debit=kept.money(row.debit),
            credit=kept.money(row.credit),
            closing=kept.money(row.closing),
        )
        for row in found
    ]
    return GeneralLedger(
        rows=rows,
        debit=kept.money(sum((row.debit for row in found), Decimal(0))),
        credit=kept.money(sum((row.credit for row in found), Decimal(0))),
    )


@query
@access(Scope.LEDGER_READ)
async def account_statement(  # noqa: PLR0917  the arguments of the field
    context: Context,
    account_id: Annotated[ID, "The account; one with others under it tells the lines of all of them."],
    span: Annotated[Days, "The days, and which lines of theirs."],
    party: Annotated[str | None, "Only lines about the open items of this party."] = None,
    known_at: KnownAt = None,
    first: Annotated[int, "How many lines: 250 at most."] = PAGE,
    after: Annotated[str | None, "Lines behind this cursor: `pageInfo.endCursor` of the page before."] = None,
) -> AccountStatement | None:
    """An account line by line, with a running balance: what any figure of a statement is made of, and the documents
    behind it. Null where there is no such account.
    """
    kept = await books_of(context)
    (wanted,) = _spans([span], known_at, path="span")
    size = slice_of(first=first, after=after).size
    found = await context.reading.run(
        lambda connection: ledger.account_statement(connection, account_id, wanted, party, size, after)
    )
    if found is None:
        return None
    lines = [
        AccountStatementLine(
            entry_id=line.entry,
            account_id=line.account,
            item_id=line.item,
            on=line.on,
            debit=kept.money(line.debit),
            credit=kept.money(line.credit),
            balance=kept.money(line.balance),
        )
        for line in found.lines
    ]
    return AccountStatement(
        opening=kept.money(found.row.opening),
        debit=kept.money(found.row.debit),
        credit=kept.money(found.row.credit),
        closing=kept.money(found.row.closing),
        lines=lines,
        page_info=PageInfo(
            has_next_page=found.has_next_page,
            has_previous_page=after is not None,
            start_cursor=found.lines[0].cursor if found.lines else None,
            end_cursor=found.lines[-1].cursor if found.lines else None,
        ),
    )


def _rows(found: Sequence[ledger.Row], kept: _Books) -> list[StatementRow]:
    return [StatementRow(account_id=row.account, level=row.level, amounts=kept.all(row.amounts)) for row in found]


def _spans(given: Sequence[Days], known_at: datetime | None, *, path: str = "spans") -> list[ledger.Span]:
    days: list[Days] = to_domain(given)
    _check(days, path=path)
    for n, each in enumerate(days):
        if each.since > each.until:
            where = (path, n, "since") if path == "spans" else (path, "since")
            raise Invalid("The first day lies behind the last one.", path=where)
    return [
        ledger.Span(each.until, since=each.since, known_at=known_at, about=about_of(each.dimensions)) for each in days
    ]


def about_of(dimensions: Dimensions | None) -> dict[AccountingDimension, list[ID | None]]:
    """What lines are about, by dimension. Ids of something else name nothing, so they are left out."""
    about: dict[AccountingDimension, list[ID | None]] = {}
    if dimensions is None:
        return about
    for dimension, prefix in ledger.DIMENSION_PREFIXES.items():
        ids: list[ID] | None = getattr(dimensions, f"{dimension.lower()}_ids")
        without = dimension in (dimensions.without or [])
        if ids is not None or without:
            known = [each for each in ids or [] if is_id(each, prefix)]
            about[dimension] = [*known, None] if without else [*known]
    return about


def _check(columns: Sequence[object], *, path: str) -> None:
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise Invalid(f"Ask for 1 to {MOST_COLUMNS} columns.", path=(path,))
