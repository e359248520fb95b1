"""What every export reads: entries with their lines in one order, the chart, and what balances are at month ends."""

import re
import unicodedata
from calendar import monthrange
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.errors import Invalid
from domain.kernel.money import currency_digits
from domain.ledger.tables import AccountType

AT_ONCE = 1_000
"""Rows that the cursor brings at a time."""
ROOTS = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.EQUITY: "Equity",
    AccountType.INCOME: "Income",
    AccountType.EXPENSE: "Expenses",
}
"""What plain-text accounting calls the types of accounts."""


@dataclass(frozen=True)
class Span:
    """Days to export, both included; None: without end on that side. Refused with Invalid when they are crossed."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise Invalid("The first day lies after the last.", path=("from",))


@dataclass(frozen=True)
class Holding:
    """What lines in one currency come to on one account: debits are positive, credits negative."""

    account: str
    """32 hexadecimal digits of its id."""
    currency: str
    amount: Decimal
    base: Decimal
    """The same in the currency of the books."""


@dataclass(frozen=True)
class Account:
    """An account as other programs name it."""

    id: str
    type: AccountType
    code: str
    title: str
    name: str
    """Such as Assets:Inventory-1200, for plain-text accounting."""
    path: tuple[str, ...]
    """What it is part of and what it is called, such as Cost of sales, Shrinkage; its own."""


@dataclass(frozen=True)
class Books:
    """What an export begins with."""

    business: str
    currency: str
    accounts: Mapping[str, Account]
    """Those that are posted to, by the 32 hexadecimal digits of their ids, in the order of their codes."""
    opening: list[Holding]
    """What stood on them before the first day."""
    opening_on: date
    """The day before everything that is exported."""
    closings: list[tuple[date, list[Holding]]]
    """What stands on them at the end of each month and of the last day."""


_LINES = """
SELECT entry.id AS entry, entry.number, entry.posted_on, entry.effective_at, entry.recorded_at, entry.description,
  entry.source, entry.manual, reversed.number AS reversal_of, line.n, line.account_id AS account, account.code,
  account.name, account.type, line.currency, line.debit, line.credit, line.base_currency, line.debit_base,
  line.credit_base, line.channel_id, line.location_id, brand.code AS brand, department.code AS department,
  project.code AS project, item.party, item.document
FROM journal_entries AS entry
JOIN journal_lines AS line ON line.entry_id = entry.id
JOIN accounts AS account ON account.id = line.account_id
LEFT JOIN journal_entries AS reversed ON reversed.id = entry.reversal_of_id
LEFT JOIN dimension_values AS brand ON brand.id = line.brand_id
LEFT JOIN dimension_values AS department ON department.id = line.department_id
LEFT JOIN dimension_values AS project ON project.id = line.project_id
LEFT JOIN open_items AS item ON item.id = line.item_id
WHERE ($1::date IS NULL OR entry.posted_on >= $1) AND ($2::date IS NULL OR entry.posted_on <= $2)
ORDER BY entry.posted_on, entry.number, line.n
"""
_ACCOUNTS = "SELECT id, code, name, type, parent_id FROM accounts ORDER BY code"
_BUSINESS = "SELECT name, base_currency FROM business"
_DAYS = """
SELECT min(posted_on) AS first, max(posted_on) AS last FROM journal_entries WHERE $1::date IS NULL OR posted_on <= $1
"""
# By month, or null for all that lies before the first day: a row per account and currency, however many lines. What a
# change of rates brought is an amount in the currency of the books alone.
_SUMS = """
SELECT CASE WHEN posted_on < $1 THEN NULL ELSE date_trunc('month', posted_on)::date END AS month,
  account_id AS account, CASE WHEN debit + credit = 0 THEN base_currency ELSE currency END AS currency,
  sum(CASE WHEN debit + credit = 0 THEN debit_base - credit_base ELSE debit - credit END) AS amount,
  sum(debit_base) - sum(credit_base) AS base
FROM journal_lines WHERE posted_on <= $2 GROUP BY 1, 2, 3
"""


async def lines(connection: AsyncConnection, span: Span) -> AsyncIterator[Record]:
    """The lines of a span by day, number and place, through a cursor: a thousand rows at a time."""
    driver = await raw(connection)
    async for line in driver.cursor(_LINES, span.first, span.last, prefetch=AT_ONCE):
        yield line


async def entries(connection: AsyncConnection, span: Span) -> AsyncIterator[list[Record]]:
    """The lines of each entry, entry by entry."""
    entry: list[Record] = []
    async for line in lines(connection, span):
        if entry and line["entry"] != entry[0]["entry"]:
            yield entry
            entry = []
        entry.append(line)
    if entry:
        yield entry


async def chart(connection: AsyncConnection) -> Mapping[str, Account]:
    """The accounts that are posted to, by the 32 hexadecimal digits of their ids, in the order of their codes."""
    return _named(await (await raw(connection)).fetch(_ACCOUNTS))


async def books(connection: AsyncConnection, span: Span) -> Books | None:
    """What an export begins with, and what it must come to; None while there is nothing to export."""
    driver = await raw(connection)
    days = await driver.fetchrow(_DAYS, span.last)
    assert days is not None
    if days["first"] is None:
        return None
    business = await driver.fetchrow(_BUSINESS)
    assert business is not None
    first = max(span.first, days["first"]) if span.first else days["first"]
    last = span.last or max(days["last"], first)
    last_of_month = last.replace(day=monthrange(last.year, last.month)[1])
    end = last if span.last else last_of_month
    sums: dict[date | None, list[Record]] = {}
    for record in await driver.fetch(_SUMS, first, end):
        sums.setdefault(record["month"], []).append(record)
    standing: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    accounts = await chart(connection)
    opening = _stand(standing, sums.get(None, []), accounts)
    closings = []
    month = first.replace(day=1)
    while month <= end:
        closes = min(month.replace(day=monthrange(month.year, month.month)[1]), end)
        closings.append((closes, _stand(standing, sums.get(month, []), accounts)))
        month = closes + timedelta(days=1)
    return Books(business["name"], business["base_currency"], accounts, opening, first - timedelta(days=1), closings)


def amount(value: Decimal, currency: str) -> str:
    """A figure with the digits of its currency at least, and all of its own."""
    value = value.normalize()
    digits = max(currency_digits(currency), -int(value.as_tuple().exponent))
    return f"{value:.{digits}f}"


def _stand(
    standing: dict[tuple[str, str], tuple[Decimal, Decimal]], more: list[Record], accounts: Mapping[str, Account]
) -> list[Holding]:
    """Add what a month brought to what stood before: all holdings, by the accounts' codes."""
    for record in more:
        key = record["account"], record["currency"]
        before = standing.get(key, (Decimal(0), Decimal(0)))
        standing[key] = before[0] + record["amount"], before[1] + record["base"]
    place = {account: n for n, account in enumerate(accounts)}
    keys = sorted(standing, key=lambda key: (place[key[0]], key[1]))
    return [Holding(*key, *standing[key]) for key in keys]


def _named(found: list[Record]) -> dict[str, Account]:
    """Accounts without sub-accounts, with names that other programs take, each of its own."""
    by_id: dict[str, Any] = {row["id"]: row for row in found}
    parents = {row["parent_id"] for row in found}
    taken: set[str] = set()
    paths: set[tuple[str, ...]] = set()
    named = {}
    for row in found:
        if row["id"] in parents:
            continue
        kind = AccountType(row["type"])
        line = [row]
        above = by_id.get(row["parent_id"])
        while above is not None:
            if above["parent_id"] is not None or above["name"] != ROOTS[kind]:
                line.insert(0, above)
            above = by_id.get(above["parent_id"])
        name = ":".join([ROOTS[kind], *map(_part, line)])
        if name in taken:  # codes that differ in a point or a dash alone
            name = f"{name}-{row['id'][-12:]}"
        taken.add(name)
        path = tuple(_title(each) for each in line)
        if path in paths:  # accounts of one name under one account
            path = (*path[:-1], f"{path[-1]} {row['code']}")
        paths.add(path)
        named[row["id"]] = Account(row["id"], kind, row["code"], row["name"], name, path)
    return named


def _title(row: Any) -> str:
    """One part of an account's path: a colon would begin the next one, and programs take no double quotes in it."""
    return str(row["name"]).replace(":", "-").replace('"', "'")


def _part(row: Any) -> str:
    """One part of an account's name: plain letters, digits and dashes, a capital or a digit first."""
    plain = unicodedata.normalize("NFKD", f"{row['name']}-{row['code']}").encode("ascii", "ignore").decode()
    part = re.sub(r"[^A-Za-z0-9]+", "-", plain.replace("'", "")).strip("-")
    return part[0].upper() + part[1:]
