"""The journal for Beancount: accounts, transactions, and a balance assertion for each account at each month's end.

A line in another currency keeps the amount of its document; its worth in the currency of the books is its total price.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ledger.entries import entry_number
from domain.ledger.export import journal, plaintext
from domain.ledger.export.journal import Books, Span, amount


async def write(connection: AsyncConnection, span: Span) -> AsyncIterator[str]:
    """The whole file, piece by piece: what `bean-check` accepts."""
    books = await journal.books(connection, span)
    if books is None:
        yield "; There are no journal entries in this span.\n"
        return
    yield f'option "title" "{_text(books.business)}"\noption "operating_currency" "{books.currency}"\n\n'
    for account in books.accounts.values():
        yield f'{books.opening_on} open {account.name}\n  code: "{account.code}"\n  title: "{_text(account.title)}"\n'
    if opened := plaintext.opening(books):
        yield f'\n{books.opening_on} * "Opening balances"\n'
        for part in opened:
            yield f"  {part.account.name}  {part.written(books.currency)}\n"
    async for each in plaintext.in_order(connection, books, span):
        yield _closing(each) if isinstance(each, plaintext.Closing) else _transaction(books, each)


def _transaction(books: Books, lines: list[Record]) -> str:
    entry = lines[0]
    written = [
        f'\n{entry["posted_on"]} * "{_text(entry["description"])}"',
        f'  number: "{entry_number(entry["number"])}"',
        f'  id: "jen_{entry["entry"]}"',
    ]
    if entry["source"] is not None:
        written.append(f'  source: "{_text(entry["source"])}"')
    if entry["reversal_of"] is not None:
        written.append(f'  reversal-of: "{entry_number(entry["reversal_of"])}"')
    parts = (plaintext.line_part(books, line) for line in lines)
    written += [f"  {part.account.name}  {part.written(books.currency)}" for part in parts]
    return "\n".join(written) + "\n"


def _closing(closing: plaintext.Closing) -> str:
    """Beancount asserts what stands at the beginning of a day: that of the day after."""
    day = closing.on + timedelta(days=1)
    asserted = [f"{day} balance {on.name}  {amount(value, money)} {money}" for on, money, value in closing.holdings]
    return "\n" + "".join(f"{line}\n" for line in asserted)


def _text(text: str) -> str:
    """A text between double quotes, on one line."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "")
