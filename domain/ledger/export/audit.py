"""The auditor's package: a span of the books in one ZIP file, with what is needed to recompute its digests."""

import zipfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.ledger import chain
from domain.ledger.export import journal
from domain.ledger.export.journal import AT_ONCE, Span, amount
from domain.ledger.export.spreadsheet import as_csv, guarded

_WHEN = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP file can say: the same books give the same bytes, whenever they are packed."""

_IN_SPAN = "($1::date IS NULL OR entry.posted_on >= $1) AND ($2::date IS NULL OR entry.posted_on <= $2)"
_BY_NUMBER = "ORDER BY entry.posted_on, entry.number"


def _named(expressions: dict[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())


# What each file holds, as one statement; all take the first and the last day.
_FILES = {
    "chart.csv": """
SELECT 'acc_' || replace(account.id::text, '-', '') AS id, account.code, account.name, account.type,
  parent.code AS parent_code, account.role, account.is_control::text AS is_control,
  account.keeps_items::text AS keeps_items, account.currency
FROM accounts AS account LEFT JOIN accounts AS parent ON parent.id = account.parent_id
WHERE $1::date IS NOT DISTINCT FROM $1 AND $2::date IS NOT DISTINCT FROM $2 ORDER BY account.code""",
    "periods.csv": """
SELECT 'per_' || replace(id::text, '-', '') AS id, starts_on, ends_on, state FROM accounting_periods
WHERE ($1::date IS NULL OR ends_on >= $1) AND ($2::date IS NULL OR starts_on <= $2) ORDER BY starts_on""",
    "entries.csv": f"""
SELECT {_named(chain.OF_ENTRY | chain.MORE_OF_ENTRY)} FROM journal_entries AS entry WHERE {_IN_SPAN} {_BY_NUMBER}""",  # noqa: S608  no outside text in it
    "lines.csv": f"""
SELECT {chain.OF_ENTRY["id"]} AS entry_id, {_named(chain.OF_LINE | chain.MORE_OF_LINE)}
FROM journal_entries AS entry JOIN journal_lines AS line ON line.entry_id = entry.id
WHERE {_IN_SPAN} {_BY_NUMBER}, line.n""",  # noqa: S608
    "digests.csv": f"""
SELECT seal.position, {chain.OF_ENTRY["id"]} AS entry_id,
  coalesce(encode(previous.digest, 'hex'), repeat('00', 32)) AS digest_before, encode(seal.digest, 'hex') AS digest
FROM journal_entries AS entry JOIN journal_seals AS seal ON seal.entry_id = entry.id
LEFT JOIN journal_seals AS previous ON previous.position = seal.position - 1
WHERE {_IN_SPAN} ORDER BY seal.position""",  # noqa: S608
}

_RAW = ("entries.csv", "lines.csv")
"""What digests are computed from: not a character may differ from what was posted."""

_README = """\
The books of {business}, {first} to {last}, in {currency}

chart.csv     The chart of accounts.
periods.csv   The months of the books and whether they are closed.
entries.csv   The journal entries, by day and number. Instants are microseconds since 1970-01-01 00:00 UTC.
lines.csv     Their lines, in the order of n: debit and credit in the currency of the document, debit_base and
              credit_base in the currency of the books.
balances.csv  The trial balance at the end of each month and of the last day, in {currency}, with all that was
              posted before: on every day debits equal credits.
digests.csv   For each sealed entry its place in the journal, its digest, and the digest of the place before.

A name in chart.csv or balances.csv that begins like a formula has an apostrophe in front, so that no spreadsheet runs
it. In entries.csv and lines.csv nothing is changed, because digests are computed from them: descriptions are what
anybody wrote. Read them as text, and let no spreadsheet take them for formulas.

The journal ended at place {position} with the digest
{digest}
Compare it with a digest that was kept outside of the business: when both are equal, nothing up to that place was
changed since. An entry that digests.csv does not list was not sealed yet.

How to recompute a digest

1. Take the row of entries.csv, the fields from id to act; then the rows of lines.csv of this entry in the order of
   n, the fields from n to credit_base. Behind the row stand the columns that follow, where they have a value: each as
   two fields, first the name of the column.
2. Write each field as its length in bytes (UTF-8) in decimal digits, a colon, the field, and a comma. The word
   hello is written 5:hello, and a field without a value is written -, with nothing in front. Only source and
   reversal_of_id can be without a value: they are empty in entries.csv then. Write nothing between the fields.
3. SHA-256 over the 32 bytes of digest_before, followed by what you have written, is the digest. The first place of
   the journal has 32 zero bytes before it.
4. The digest of a place is the digest_before of the next one.
"""


async def write(connection: AsyncConnection, span: Span, output: BinaryIO | Path) -> None:
    """The package is written: README, chart, periods, entries, lines, balances and digests. Call it in a snapshot."""
    driver = await raw(connection)
    business = await driver.fetchrow("SELECT name, base_currency FROM business")
    assert business is not None
    head = await chain.head(connection)
    readme = _README.format(
        business=business["name"],
        currency=business["base_currency"],
        first=span.first or "the first day",
        last=span.last or "the last day",
        position=head.position if head else 0,
        digest=head.digest if head else "(nothing is sealed yet)",
    )
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as package:
        with package.open(_entry("README.txt"), "w") as file:
            file.write(readme.encode())
        for name, statement in _FILES.items():
            with package.open(_entry(name), "w", force_zip64=True) as file:
                prepared = await driver.prepare(statement)
                rows: list[Iterable[Any]] = [[column.name for column in prepared.get_attributes()]]
                written = str if name in _RAW else guarded
                async for record in prepared.cursor(span.first, span.last, prefetch=AT_ONCE):
                    rows.append(["" if value is None else written(str(value)) for value in record.values()])
                    if len(rows) >= AT_ONCE:
                        file.write(as_csv(rows).encode())
                        rows = []
                file.write(as_csv(rows).encode())
        with package.open(_entry("balances.csv"), "w") as file:
            file.write(as_csv(await _balances(connection, span)).encode())


async def _balances(connection: AsyncConnection, span: Span) -> list[Iterable[Any]]:
    rows: list[Iterable[Any]] = [("on", "account_code", "account_name", "debit", "credit")]
    books = await journal.books(connection, span)
    for on, holdings in books.closings if books else []:
        assert books is not None
        for account in books.accounts.values():
            mine = [each.base for each in holdings if each.account == account.id]
            if mine:
                balance = sum(mine, Decimal(0))
                sides = (max(balance, Decimal(0)), max(-balance, Decimal(0)))
                written = (amount(side, books.currency) for side in sides)
                rows.append((on.isoformat(), account.code, guarded(account.title), *written))
    return rows


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
