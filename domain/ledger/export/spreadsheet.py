"""The journal as CSV (RFC 4180, UTF-8): one row per line, with everything about its entry and its account."""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ledger.entries import entry_number
from domain.ledger.export.journal import AT_ONCE, Span, amount, lines

COLUMNS = (
    "entry_number", "line", "posted_on", "effective_at", "recorded_at", "description", "account_code", "account_name",
    "account_type", "currency", "debit", "credit", "base_currency", "debit_base", "credit_base", "source", "by_hand",
    "reversal_of", "entry_id", "channel_id", "location_id", "brand", "department", "project", "party", "document",
)  # fmt: skip


_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


async def write(connection: AsyncConnection, span: Span) -> AsyncIterator[str]:
    """A header, then the lines by day, number and place.

    Instants are in UTC; amounts have a point and no separators.
    """
    rows: list[Iterable[Any]] = [COLUMNS]
    async for line in lines(connection, span):
        rows.append(
            [
                guarded(str(cell))
                for cell in (
                    entry_number(line["number"]),
                    line["n"],
                    line["posted_on"].isoformat(),
                    line["effective_at"].isoformat(),
                    line["recorded_at"].isoformat(),
                    line["description"],
                    line["code"],
                    line["name"],
                    line["type"],
                    line["currency"],
                    amount(line["debit"], line["currency"]),
                    amount(line["credit"], line["currency"]),
                    line["base_currency"],
                    amount(line["debit_base"], line["base_currency"]),
                    amount(line["credit_base"], line["base_currency"]),
                    line["source"] or "",
                    "yes" if line["manual"] else "no",
                    entry_number(line["reversal_of"]) if line["reversal_of"] is not None else "",
                    f"jen_{line['entry']}",
                    f"chn_{line['channel_id']}" if line["channel_id"] else "",
                    f"loc_{line['location_id']}" if line["location_id"] else "",
                    *(line[name] or "" for name in ("brand", "department", "project", "party", "document")),
                )
            ]
        )
        if len(rows) >= AT_ONCE:
            yield as_csv(rows)
            rows = []
    yield as_csv(rows)


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe in front.

    Whoever may write a description must not run anything on the computer of whoever opens the file. Numbers stay.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def as_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as text."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
