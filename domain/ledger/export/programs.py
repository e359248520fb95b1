"""The journal as other bookkeeping programs import it: QuickBooks Online, Xero, Sage 50. A table of columns for each.

All three take a journal in the currency of the books: QuickBooks and Xero have no column for a rate, and Sage takes no
journal in another currency. So amounts are what the lines are worth in the books; what a document said in another
currency stands in the text. Amounts have the digits of that currency: the parts of a cent that a line may have go, line
by line, to whichever lines of the entry lose most, so that each differs by less than a cent and the entry is zero.

Sources, for columns, formats and limits:
QuickBooks: Intuit, "Import journal entries" (quickbooks.intuit.com, L4tQBwbs7) and its sample_journalentry_import.csv;
Transaction Pro, "Journal Entry Import Fields" (article 492), for the lengths.
Xero: Xero Central, "Enter multiple manual journals using an import template" (help.xero.com, ManualJournalsImport).
Sage: "Import file format rules" (gb-kb.sage.com, 200427112602335), its template of audit trail transactions, and Making
I.T. Happen, "Audit Trail Records" (makingithappen.co.uk).
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.errors import Trouble
from domain.kernel.money import currency_digits
from domain.ledger import dimensions
from domain.ledger.entries import entry_number
from domain.ledger.export import journal
from domain.ledger.export.journal import AT_ONCE, Account, Span, amount
from domain.ledger.export.spreadsheet import as_csv, guarded
from domain.ledger.tables import AccountingDimension


@dataclass(frozen=True)
class Side:
    """A line as the programs know one."""

    number: str
    on: date
    description: str
    """What its entry says of itself."""
    account: Account
    value: Decimal
    """In the currency of the books: a debit is positive, a credit negative; never zero."""
    currency: str
    """That of the books."""
    document: str
    """What the document said in another currency, such as 8.00 EUR; empty where it is that of the books."""
    party: str
    bill: str
    """What the open item's document is called."""
    department: str
    location: str
    channel: str

    @property
    def size(self) -> str:
        """Its amount without a sign."""
        return amount(abs(self.value), self.currency)

    def told(self, longest: int) -> str:
        """The description, and what the document said behind it."""
        behind = f" ({self.document})" if self.document else ""
        return guarded(self.description)[: longest - len(behind)] + behind


Layout = Mapping[str, Callable[[Side], str]]
"""The columns of an import, in their order, and what stands in each."""

QUICKBOOKS: Layout = {
    "*JournalNo": lambda side: side.number,
    "*JournalDate": lambda side: f"{side.on:%m/%d/%Y}",
    "*AccountName": lambda side: ":".join(side.account.path),
    "*Debits": lambda side: side.size if side.value > 0 else "",
    "*Credits": lambda side: side.size if side.value < 0 else "",
    "Description": lambda side: side.told(4_000),
    "Name": lambda side: side.party[:100],
    "Currency": lambda side: side.currency,
    "Location": lambda side: side.location[:100],
    "Class": lambda side: side.channel[:100],
}
"""Accounts go by their names, with those they are part of; entries by their number."""

_UNTAXED = {"AUD": "BAS Excluded", "GBP": "No VAT", "NZD": "No GST"}
"""What Xero calls the rate that adds no tax, by the currency of the books: tax has lines of its own here."""

XERO: Layout = {
    "*Narration": lambda side: f"{side.number} {side.description}",
    "*Date": lambda side: f"{side.on:%d/%m/%Y}",
    "Description": lambda side: ", ".join(part for part in (side.party, side.bill, side.document) if part),
    "*AccountCode": lambda side: side.account.code,
    "*TaxRate": lambda side: _UNTAXED.get(side.currency, "Tax Exempt"),
    "*Amount": lambda side: amount(side.value, side.currency),
    "TrackingName1": lambda side: "Location" if side.location else "",
    "TrackingOption1": lambda side: side.location,
    "TrackingName2": lambda side: "Channel" if side.channel else "",
    "TrackingOption2": lambda side: side.channel,
}
"""Lines of one narration and day are one journal, so the narration begins with the number."""

SAGE: Layout = {
    "Type": lambda side: "JD" if side.value > 0 else "JC",
    "Account Reference": lambda _: "",  # of customers and suppliers: journals have none
    "Nominal A/C Ref": lambda side: side.account.code,
    "Department Code": lambda side: side.department if re.fullmatch(r"[0-9]{1,3}", side.department) else "",
    "Date": lambda side: f"{side.on:%d/%m/%Y}",
    "Reference": lambda side: side.number[:30],
    "Details": lambda side: side.told(60),
    "Net Amount": lambda side: side.size,
    "Tax Code": lambda _: "T9",  # not a matter of VAT: tax has lines of its own here
    "Tax Amount": lambda side: amount(Decimal(0), side.currency),
    "Exchange Rate": lambda _: "1",
}
"""Departments are numbers from 0 to 999 there: what is none is left out."""

SAGE_CODE = 8
"""How long the code of an account may be there."""

_LONG = """
SELECT code FROM accounts WHERE char_length(code) > $3 AND EXISTS (
  SELECT FROM journal_lines WHERE account_id = accounts.id
    AND ($1::date IS NULL OR posted_on >= $1) AND ($2::date IS NULL OR posted_on <= $2))
ORDER BY code
"""
_NAMED = """
SELECT array_agg(DISTINCT channel_id) FILTER (WHERE channel_id IS NOT NULL) AS "CHANNEL",
  array_agg(DISTINCT location_id) FILTER (WHERE location_id IS NOT NULL) AS "LOCATION"
FROM journal_lines WHERE ($1::date IS NULL OR posted_on >= $1) AND ($2::date IS NULL OR posted_on <= $2)
"""


def writer(layout: Layout, *, longest_code: int = 20) -> Callable[[AsyncConnection, Span], AsyncIterator[str]]:
    """What writes the journal of a span in this layout: a header, then a row for each line that is worth something.

    It raises Trouble where an account has a longer code than the program takes: it would be cut, or be another's.
    """

    async def write(connection: AsyncConnection, span: Span) -> AsyncIterator[str]:
        if too_long := await (await raw(connection)).fetch(_LONG, span.first, span.last, longest_code):
            codes = ", ".join(each["code"] for each in too_long)
            raise Trouble(
                f"The program takes codes of at most {longest_code} characters, and these accounts have longer ones:"
                f" {codes}.",
                "Give them shorter codes (accountUpdate), and export again.",
            )
        chart = await journal.chart(connection)
        channels, places = await _names(connection, span)
        rows: list[Sequence[Any]] = [tuple(layout)]
        async for entry in journal.entries(connection, span):
            sides = _sides(entry, chart, channels, places)
            rows += [[guarded(of(side)) for of in layout.values()] for side in sides]
            if len(rows) >= AT_ONCE:
                yield as_csv(rows)
                rows = []
        yield as_csv(rows)

    return write


def in_digits(values: Sequence[Decimal], digits: int) -> list[Decimal]:
    """Values that come to zero, each with so many digits, and still at zero: none moves by a whole last digit.

    What all lose is given back, a last digit each, to those that lose most; the first of equals comes first.
    """
    unit, wide = Decimal(1).scaleb(-digits), Context(prec=50)
    kept = [value.quantize(unit, ROUND_FLOOR, context=wide) for value in values]
    missing = int(-sum(kept) / unit)
    most = sorted(range(len(values)), key=lambda n: kept[n] - values[n])
    for n in most[:missing]:
        kept[n] += unit
    return kept


def _sides(
    entry: Sequence[Record], chart: Mapping[str, Account], channels: Mapping[str, str], places: Mapping[str, str]
) -> list[Side]:
    worth = in_digits(
        [line["debit_base"] - line["credit_base"] for line in entry], currency_digits(entry[0]["base_currency"])
    )
    return [
        Side(
            number=entry_number(line["number"]),
            on=line["posted_on"],
            description=line["description"],
            account=chart[line["account"]],
            value=value,
            currency=line["base_currency"],
            document=_document(line),
            party=line["party"] or "",
            bill=line["document"] or "",
            department=line["department"] or "",
            location=places.get(line["location_id"], ""),
            channel=channels.get(line["channel_id"], ""),
        )
        for line, value in zip(entry, worth, strict=True)
        if value
    ]


def _document(line: Record) -> str:
    said = line["debit"] + line["credit"]
    if line["currency"] == line["base_currency"] or not said:
        return ""
    return f"{amount(said, line['currency'])} {line['currency']}"


async def _names(connection: AsyncConnection, span: Span) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the channels and the locations of a span are called."""
    named = await (await raw(connection)).fetchrow(_NAMED, span.first, span.last)
    assert named is not None
    return (
        await dimensions.names(connection, AccountingDimension.CHANNEL, named["CHANNEL"] or []),
        await dimensions.names(connection, AccountingDimension.LOCATION, named["LOCATION"] or []),
    )
