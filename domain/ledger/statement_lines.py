"""What stands on accounts line by line: the general ledger, and the statement of an account with a running balance.

A page of a statement starts from what stood before its first line: the sums by day up to the day of its cursor, and
the lines of that one day before it. So page 10,000 costs what page 1 does.
"""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.bulk import as_json
from domain.kernel.database import raw
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID, is_id
from domain.ledger.balances import SPAN_COLUMNS, Span, Turnover, about_of, narrowed, turnovers
from domain.ledger.statements import chart


@dataclass(frozen=True)
class LedgerRow:
    """An account in the general ledger of a span of days, in the currency of the books: debits are positive."""

    account: ID
    opening: Decimal
    """Its balance before the first day: debits less credits."""
    debit: Decimal
    credit: Decimal

    @property
    def closing(self) -> Decimal:
        """Its balance at the end of the last day."""
        return self.opening + self.debit - self.credit


@dataclass(frozen=True)
class StatementLine:
    """A line on the statement of an account."""

    entry: ID
    n: int
    account: ID
    on: date
    debit: Decimal
    credit: Decimal
    balance: Decimal
    """What stood on the account behind it: debits less credits."""
    item: ID | None

    @property
    def cursor(self) -> str:
        """Where the next page goes on."""
        place = [self.on.isoformat(), self.entry, self.n]
        return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


@dataclass(frozen=True)
class Statement:
    """A page of the statement of an account, and what the whole of it comes to."""

    row: LedgerRow
    lines: list[StatementLine]
    has_next_page: bool


async def general_ledger(connection: AsyncConnection, span: Span) -> list[LedgerRow]:
    """Every account with something before the end of a span, by code: where it stood, what moved, where it stands."""
    driver = await raw(connection)
    before, during = await turnovers(driver, [span.before, span])
    places = await chart(connection)
    rows = [_row(place.id, before.get(place.id, Turnover()), during.get(place.id, Turnover())) for place in places]
    moved = before.keys() | during.keys()
    return [row for row in rows if row.account in moved]


async def account_statement(  # noqa: PLR0917  what a statement is asked for
    connection: AsyncConnection, account: str, span: Span, party: str | None, first: int, after: str | None
) -> Statement | None:
    """The lines of an account in a span, by day, with a running balance; of an account with others under it the lines
    of all of those. With `party` only the lines about its open items. None where there is no such account.

    `first` lines, behind the cursor `after`. Refused with Invalid for a cursor that is none.
    """
    accounts = _under(account, await _parents(connection)) if is_id(account, "acc") else []
    if not accounts:
        return None
    driver = await raw(connection)
    place = _read(after) if after is not None else None
    spans = [span.before, span]
    if place is not None:
        spans.append(replace(replace(span, since=place[0]).before, since=span.since))
    before, during, *turned = await _sums(driver, accounts, spans, party)
    standing = before.balance + sum((each.balance for each in turned), Decimal(0))
    if place is not None:
        standing += await driver.fetchval(_ON_THE_DAY, *_asked(accounts, span, party), *place)
    records = await driver.fetch(_PAGE, *_asked(accounts, span, party), *(place or (None, None, None)), first + 1)
    lines = []
    for record in records[:first]:
        standing += record["debit"] - record["credit"]
        lines.append(
            StatementLine(
                ID("jen_" + record["entry_id"]),
                record["n"],
                ID("acc_" + record["account_id"]),
                record["posted_on"],
                record["debit"],
                record["credit"],
                standing,
                ID("itm_" + record["item_id"]) if record["item_id"] else None,
            )
        )
    return Statement(_row(ID(account), before, during), lines, len(records) > first)


_NARROWED = f"""
  line.account_id = ANY($1::uuid[]) AND line.posted_on BETWEEN span.since AND span.until AND {narrowed("line")}
  AND (span.known IS NULL
    OR (SELECT recorded_at FROM journal_entries WHERE id = line.entry_id) <= span.known)
  AND ($3::text IS NULL OR line.item_id IN (SELECT id FROM open_items WHERE party = $3))
"""  # noqa: S608  no outside text in it
_SPAN = f"json_to_record($2::json) AS span(since date, until date, known timestamptz, {SPAN_COLUMNS})"
_PAGE = f"""
SELECT line.entry_id, line.n, line.account_id, line.posted_on, line.debit_base AS debit, line.credit_base AS credit,
  line.item_id
FROM {_SPAN} JOIN journal_lines AS line ON {_NARROWED}
WHERE $4::date IS NULL OR (line.posted_on, line.entry_id, line.n) > ($4, $5::uuid, $6::int)
ORDER BY line.posted_on, line.entry_id, line.n LIMIT $7
"""  # noqa: S608  no outside text in it
_ON_THE_DAY = f"""
SELECT coalesce(sum(line.debit_base - line.credit_base), 0) AS balance
FROM {_SPAN} JOIN journal_lines AS line ON {_NARROWED}
WHERE line.posted_on = $4::date AND (line.entry_id, line.n) <= ($5::uuid, $6::int)
"""  # noqa: S608  no outside text in it
_OF_A_PARTY = f"""
SELECT coalesce(sum(line.debit_base), 0) AS debit, coalesce(sum(line.credit_base), 0) AS credit
FROM json_array_elements($2::json) WITH ORDINALITY AS asked(told, n)
CROSS JOIN json_to_record(told) AS span(since date, until date, known timestamptz, {SPAN_COLUMNS})
LEFT JOIN journal_lines AS line ON {_NARROWED}
GROUP BY asked.n ORDER BY asked.n
"""  # noqa: S608  no outside text in it


def _asked(accounts: Sequence[ID], span: Span, party: str | None) -> tuple[Any, ...]:
    """The parameters that all these statements begin with."""
    return [each[4:] for each in accounts], as_json(_days(span)), party


def _days(span: Span) -> dict[str, Any]:
    return {"since": span.since or date.min, "until": span.until, "known": span.known_at, **about_of(span)}


async def _sums(driver: Any, accounts: Sequence[ID], spans: Sequence[Span], party: str | None) -> list[Turnover]:
    """What all the accounts together turned over in each span."""
    if party is None:
        found = await turnovers(driver, spans, accounts=accounts)
        return [_together(each.values()) for each in found]
    asked = as_json([_days(span) for span in spans])
    rows = await driver.fetch(_OF_A_PARTY, [each[4:] for each in accounts], asked, party)
    return [Turnover(row["debit"], row["credit"]) for row in rows]


def _together(moved: Collection[Turnover]) -> Turnover:
    """What several accounts turned over: debits and credits of all their entries."""
    return Turnover(sum((each.debits for each in moved), Decimal(0)), sum((each.credits for each in moved), Decimal(0)))


def _row(account: ID, before: Turnover, during: Turnover) -> LedgerRow:
    return LedgerRow(account, before.balance, during.debits, during.credits)


async def _parents(connection: AsyncConnection) -> dict[ID, ID | None]:
    return {place.id: place.parent for place in await chart(connection)}


def _under(account: str, parents: dict[ID, ID | None]) -> list[ID]:
    """An account, and all that are part of it."""
    found = [ID(account)] if account in parents else []
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _read(cursor: str) -> tuple[date, str, int]:
    """The place that a cursor names."""
    try:
        on, entry, n = orjson.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        if is_id(entry, "jen") and isinstance(n, int):
            return date.fromisoformat(on), entry[4:], n
    except (ValueError, TypeError, binascii.Error):
        pass
    raise Invalid("This cursor does not belong to this statement.", path=("after",))
