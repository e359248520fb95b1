"""The chart of accounts and the journal."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import select

from api.graphql.business import SalesChannel
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.reading import Reading, among
from api.graphql.kit.views import Connection, Node, amount, batch, derived, extends, find, many, one, pages, view
from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Rate
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(ledger.NewLine, "JournalLineInput")
input_name(ledger.NewOpenItem, "OpenItemInput")


def same_day(value: date) -> date:
    """A day under another name."""
    return value


def same(value: bool) -> bool:
    """A truth under another name."""
    return value


def _trimmed(value: Decimal | None) -> Rate | None:
    """Without the zeros at its end."""
    return None if value is None else Rate(value.normalize())


def _dimensions(values: list[str]) -> list[ledger.AccountingDimension]:
    return [ledger.AccountingDimension(each) for each in values]


_seal = ledger.JournalSeal.__table__.c
_account, _entry, _line = (row.__table__.c for row in (ledger.Account, ledger.JournalEntry, ledger.JournalLine))


@view(ledger.Account)
@access(Scope.LEDGER_READ)
class Account(Node):
    """A place in the chart of accounts. Only accounts without sub-accounts are posted to."""

    code: str
    """Its code on statements; unique."""
    name: str
    """Its name."""
    type: ledger.AccountType
    """Where it stands in the statements."""
    parent: "Account | None" = one()
    """The account it is part of."""
    is_control: bool
    """Whether another capability owns its balance, so that no entry by hand may touch it."""
    keeps_open_items: bool = derived(same, needs=["keeps_items"])
    """Whether its lines name open items: what parties owe, or are owed."""
    currency: CurrencyCode | None
    """The only currency it is kept in; null: whichever an entry has."""
    required_dimensions: list[ledger.AccountingDimension] = derived(_dimensions, needs=["required_dimensions"])
    """What lines by hand on it must name."""
    cash_flow: ledger.CashFlow
    """What a change of it means for cash."""


@view(ledger.DimensionValue)
@access(Scope.LEDGER_READ)
class DimensionValue(Node):
    """A brand, a department or a project that lines of the journal are told apart by."""

    dimension: ledger.AccountingDimension
    """BRAND, DEPARTMENT or PROJECT."""
    code: str
    """Its code; unique in its dimension."""
    name: str
    """What people call it."""
    is_active: bool
    """Whether new entries may name it."""


@view(ledger.OpenItem)
@access(Scope.LEDGER_READ)
class OpenItem(Node):
    """What a party owes, or is owed, by one document: the sum of the lines that name it."""

    account: Account = one()
    """The account that it stands on."""
    party: str
    """Who owes or is owed: the id of a customer, or the shop's own word for a supplier."""
    document: str | None
    """What the document is called."""
    is_owed_to_us: bool = derived(same, needs=["is_debit"])
    """Whether the party owes it; else it is owed to them."""
    opened_on: date
    """The day of the entry that founded it."""
    due_on: date
    """When it is due."""
    status: ledger.OpenItemStatus
    """Whether there is something left to settle."""
    balance: Money = amount("balance", "currency")
    """What is open, in its own currency: positive where the party owes it."""
    founded_by: "JournalEntry" = one(by="entry_id")
    """The entry that founded it."""


@view(ledger.JournalLine)
@access(Scope.LEDGER_READ)
class JournalLine:
    """One side of an entry: a debit or a credit."""

    account: Account = one()
    """Where it is posted."""
    debit: Money = amount("debit")
    """The debit, in the currency of the document."""
    credit: Money = amount("credit")
    """The credit, in the currency of the document."""
    debit_base: Money = amount("debit_base", "base_currency")
    """The debit, in the currency of the books."""
    credit_base: Money = amount("credit_base", "base_currency")
    """The credit, in the currency of the books."""
    channel: SalesChannel | None = one(by="channel_id")
    """The sales channel it came about through."""
    brand: DimensionValue | None = one(by="brand_id")
    """The brand it is about."""
    department: DimensionValue | None = one(by="department_id")
    """The department that answers for it."""
    project: DimensionValue | None = one(by="project_id")
    """The project it belongs to."""
    open_item: OpenItem | None = one(by="item_id")
    """The open item that it founds or settles."""


async def _reversals(ids: list[ID], reading: Reading) -> dict[ID, ID]:
    """The entries that took these back, by the entry taken back."""
    rows = await reading.execute(select(_entry.reversal_of_id, _entry.id).where(among(_entry.reversal_of_id, ids)))
    return {row["reversal_of_id"]: row["id"] for row in rows}


async def _positions(ids: list[ID], reading: Reading) -> dict[ID, int]:
    """The places of entries in the journal, by entry."""
    rows = await reading.execute(select(_seal.entry_id, _seal.position).where(among(_seal.entry_id, ids)))
    return {row["entry_id"]: row["position"] for row in rows}


@view(ledger.JournalEntry)
@access(Scope.LEDGER_READ)
class JournalEntry(Node):
    """One posting: lines that balance. Permanent; a correction is a reversal that names it."""

    number: str = derived(ledger.entry_number, needs=["number"])
    """Its number, for people."""
    position: int | None = batch(_positions)
    """Its place in the journal: from 1, without gaps; null until it is sealed, moments after its commit."""
    on: date = derived(same_day, needs=["posted_on"])
    """The day it counts for in the books."""
    description: str
    """What it is for."""
    exchange_rate: Rate | None = derived(_trimmed, needs=["exchange_rate"])
    """What one unit of its currency was worth in that of the books; null where it is in that currency."""
    source: ID | None
    """What it is the posting of, such as an order or a recurring entry; null for one that was written by hand."""
    kind: ledger.EntryKind
    """What it does in the course of a year."""
    effective_at: datetime
    """When what it records really happened."""
    recorded_at: datetime
    """When it was written."""
    lines: list[JournalLine] = many(_line.n)
    """Its lines: debits equal credits."""
    reversal_of: "JournalEntry | None" = one(by="reversal_of_id")
    """The entry that it takes back."""
    reversed_by: "JournalEntry | None" = batch(_reversals)
    """The entry that took it back."""


@extends("Query")
class LedgerQueries:
    account: Account | None = find(
        id=(ID, lambda value: _account.id == value),
        code=(str, lambda value: _account.code == value),
    )
    """One account, by its id or code."""
    accounts: Connection[Account] = pages(ledger.accounts)
    """The chart of accounts, by code."""
    journal_entries: Connection[JournalEntry] = pages(ledger.entries)
    """The journal: by default the oldest entry first."""
    dimension_values: Connection[DimensionValue] = pages(ledger.dimension_values)
    """Brands, departments and projects, by code."""
    open_items: Connection[OpenItem] = pages(ledger.open_items)
    """What parties owe and are owed, document by document: by default what is due first."""


@extends("Effects")
class LedgerEffects:
    journal_entries: Connection[JournalEntry] = pages(ledger.entries, by=_entry.act)
    """What the act posted."""


@mutation
@access(Scope.LEDGER_WRITE)
async def account_create(work: Work, input: ledger.NewAccount) -> Account:
    """Adds an account to the chart, below another one that has no entries itself."""
    return await ledger.create_account(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def account_update(
    work: Work, id: Annotated[ID, "The account to change."], input: ledger.AccountChanges
) -> Account:
    """Changes what an account is called and where it stands. What is posted to it stays with it."""
    return await ledger.update_account(work, id, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def dimension_value_create(work: Work, input: ledger.NewDimensionValue) -> DimensionValue:
    """Adds a brand, a department or a project that lines of the journal may name."""
    return await ledger.create_dimension_value(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def dimension_value_update(
    work: Work, id: Annotated[ID, "The brand, department or project to change."], input: ledger.DimensionValueChanges
) -> DimensionValue:
    """Changes what a brand, a department or a project is called, and whether new entries may name it."""
    return await ledger.update_dimension_value(work, id, input)  # type: ignore[return-value]


@mutation(each=ledger.post_each, even_alone=True)
@access(Scope.LEDGER_WRITE)
async def journal_entry_post(work: Work, input: ledger.NewJournalEntry) -> JournalEntry:
    """Posts an entry by hand, in any currency there is a rate of. Control accounts are closed to it, but for lines
    that found or settle an open item.
    """
    return await ledger.post_by_hand(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_WRITE)
async def journal_entry_reverse(
    work: Work,
    id: Annotated[ID, "The entry to take back."],
    on: Annotated[date | None, "The day the reversal counts for; today, when left out."] = None,
) -> JournalEntry:
    """Takes an entry by hand back: another one with the sides changed stands beside it. Answers with the reversal."""
    return await ledger.reverse(work, id, on)  # type: ignore[return-value]
