"""What Beancount and hledger have in common: openings, entries and closings in the order of their days."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ledger.export.journal import Account, Books, Holding, Span, amount, entries


@dataclass(frozen=True)
class Part:
    """What stands on one account in one currency, and its worth: debits are positive, credits negative."""

    account: Account
    currency: str
    amount: Decimal
    base: Decimal

    def written(self, base_currency: str) -> str:
        """As both write it: in another currency with what it is worth in all."""
        told = f"{amount(self.amount, self.currency)} {self.currency}"
        if self.currency == base_currency:
            return told
        return f"{told} @@ {amount(abs(self.base), base_currency)} {base_currency}"


@dataclass(frozen=True)
class Closing:
    """What stands on the accounts at the end of a day."""

    on: date
    holdings: list[tuple[Account, str, Decimal]]


def opening(books: Books) -> list[Part]:
    """What stood on the accounts before the first day, as parts that balance."""
    return [part for holding in books.opening for part in _parts(books, holding)]


async def in_order(connection: AsyncConnection, books: Books, span: Span) -> AsyncIterator[list[Record] | Closing]:
    """The entries, and behind those of each month what they must have come to."""
    extra = _extra(books)
    waiting = [_closing(books, on, holdings, extra) for on, holdings in books.closings]
    async for entry in entries(connection, span):
        while waiting and waiting[0].on < entry[0]["posted_on"]:
            yield waiting.pop(0)
        yield entry
    for closing in waiting:
        yield closing


def line_part(books: Books, line: Record) -> Part:
    """A line of the journal."""
    account, base = books.accounts[line["account"]], line["debit_base"] - line["credit_base"]
    if not line["debit"] and not line["credit"]:  # what a change of rates brought
        return Part(account, books.currency, base, base)
    return Part(account, line["currency"], line["debit"] - line["credit"], base)


def _parts(books: Books, holding: Holding) -> Iterator[Part]:
    """A holding as it can be written.

    Where its worth has another sign than its amount, as after a gain, it is told as two: no price can say so.
    """
    account, base = books.accounts[holding.account], holding.base
    if holding.currency == books.currency:
        if holding.amount:
            yield Part(account, holding.currency, holding.amount, base)
        return
    priced = base if holding.amount * base > 0 else Decimal(0)
    if holding.amount:
        yield Part(account, holding.currency, holding.amount, priced)
    if base != priced:
        yield Part(account, books.currency, base - priced, base - priced)


def _extra(books: Books) -> dict[str, Decimal]:
    """What openings put on accounts in the currency of the books, beyond what was posted in it."""
    extra: dict[str, Decimal] = {}
    for holding in books.opening:
        if holding.currency != books.currency:
            told = sum((part.amount for part in _parts(books, holding) if part.currency == books.currency), Decimal(0))
            extra[holding.account] = extra.get(holding.account, Decimal(0)) + told
    return {account: told for account, told in extra.items() if told}


def _closing(books: Books, on: date, holdings: list[Holding], extra: dict[str, Decimal]) -> Closing:
    standing = {(each.account, each.currency): each.amount for each in holdings}
    for account, told in extra.items():
        key = (account, books.currency)
        standing[key] = standing.get(key, Decimal(0)) + told
    return Closing(on, [(books.accounts[account], currency, value) for (account, currency), value in standing.items()])
