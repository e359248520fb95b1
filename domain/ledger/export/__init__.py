"""The books in the forms of others: for spreadsheets, for other bookkeeping programs, for auditors.

Every form is read in one snapshot and written in one order, so that the same books give the same bytes.
"""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ledger.export import audit, beancount, hledger, programs, spreadsheet
from domain.ledger.export.audit import write as write_audit
from domain.ledger.export.journal import Span


class Format(StrEnum):
    """What the journal can be written as."""

    CSV = "csv"
    """One row per journal line, for spreadsheets and other programs."""
    BEANCOUNT = "beancount"
    """Plain text for Beancount."""
    HLEDGER = "hledger"
    """Plain text for hledger."""
    QUICKBOOKS = "quickbooks"
    """Journal entries as QuickBooks Online imports them, as CSV."""
    XERO = "xero"
    """Manual journals as Xero imports them, as CSV."""
    SAGE = "sage"
    """Audit trail transactions as Sage 50 imports them, as CSV."""


_WRITERS: dict[Format, Callable[[AsyncConnection, Span], AsyncIterator[str]]] = {
    Format.CSV: spreadsheet.write,
    Format.BEANCOUNT: beancount.write,
    Format.HLEDGER: hledger.write,
    Format.QUICKBOOKS: programs.writer(programs.QUICKBOOKS),
    Format.XERO: programs.writer(programs.XERO),
    Format.SAGE: programs.writer(programs.SAGE, longest_code=programs.SAGE_CODE),
}


def write(connection: AsyncConnection, form: Format, span: Span) -> AsyncIterator[str]:
    """The journal of a span of days as text, piece by piece. Call it in a snapshot."""
    return _WRITERS[form](connection, span)


__all__ = ["Format", "Span", "audit", "write", "write_audit"]
