"""The journal for hledger: accounts with their types, transactions, and balance assertions at each month's end.

A line in another currency keeps the amount of its document; its worth in the currency of the books is its total cost.
"""

from collections.abc import AsyncIterator

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.money import currency_digits
from domain.ledger.entries import entry_number
from domain.ledger.export import journal, plaintext
from domain.ledger.export.journal import Books, Span, amount
from domain.ledger.tables import AccountType

_TYPES = {
    AccountType.ASSET: "A",
    AccountType.LIABILITY: "L",
    AccountType.EQUITY: "E",
    AccountType.INCOME: "R",
    AccountType.EXPENSE: "X",
}


async def write(connection: AsyncConnection, span: Span) -> AsyncIterator[str]:
    """The whole file, piece by piece: what `hledger check --strict` accepts."""
    books = await journal.books(connection, span)
    if books is None:
        yield "; There are no journal entries in this span.\n"
        return
    yield f"; {_text(books.business)}\ndecimal-mark .\n"
    for currency in sorted({books.currency} | {each.currency for _, held in books.closings for each in held}):
        digits = "0" * currency_digits(currency)
        yield f"commodity 1000.{digits} {currency}\n"
    yield "\n"
    for account in books.accounts.values():
        yield f"account {account.name}  ; type:{_TYPES[account.type]}\n"
    if opened := plaintext.opening(books):
        yield f"\n{books.opening_on} * Opening balances\n"
        for part in opened:
            yield f"    {part.account.name}  {part.written(books.currency)}\n"
    async for each in plaintext.in_order(connection, books, span):
        yield _closing(each) if isinstance(each, plaintext.Closing) else _transaction(books, each)


def _transaction(books: Books, lines: list[Record]) -> str:
    entry = lines[0]
    written = [
        f"\n{entry['posted_on']} * ({entry_number(entry['number'])}) {_text(entry['description'])}",
        f"    ; id:jen_{entry['entry']}",
    ]
    if entry["source"] is not None:
        written.append(f"    ; source:{_text(entry['source'])}")
    if entry["reversal_of"] is not None:
        written.append(f"    ; reversal-of:{entry_number(entry['reversal_of'])}")
    parts = (plaintext.line_part(books, line) for line in lines)
    written += [f"    {part.account.name}  {part.written(books.currency)}" for part in parts]
    return "\n".join(written) + "\n"


def _closing(closing: plaintext.Closing) -> str:
    asserted = "".join(
        f"    {account.name}  0 {currency} = {amount(value, currency)} {currency}\n"
        for account, currency, value in closing.holdings
    )
    return f"\n{closing.on} * Balances at the end of the day\n{asserted}"


def _text(text: str) -> str:
    """A text on one line. A semicolon would begin a comment, and there is no way to escape one: it becomes a comma."""
    return " ".join(text.replace(";", ",").split())
