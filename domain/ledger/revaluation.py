"""What foreign balances are worth at the rates of a day, until the next morning.

At the end of a month accounts kept in another currency, and open items in one, are shown at that day's rates. The
difference to what they were posted at is not realized: it stands in the books for that day, and is taken back on the
day after by an entry of its own. So what an item was founded at stays what a settlement is measured by.

An account that is empty is worth nothing at any rate. What is left of it in the currency of the books is what its
currency has gained or lost while it was there: that is realized, and stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from domain.kernel import bulk
from domain.kernel.ids import ID
from domain.kernel.money import currency_digits
from domain.kernel.rounding import product
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.ledger import items, months
from domain.ledger.balances import UNSEALED
from domain.ledger.entries import Amounts, entry_row, line_row
from domain.ledger.events import JournalEntryPosted, JournalEntryReversed
from domain.ledger.operations import Books, accounts_by_role, books
from domain.ledger.rates import NoExchangeRate
from domain.ledger.tables import EntryKind, JournalEntry, JournalLine, PeriodState, Role

_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('ledger.revalue', 0))"
_FOREIGN_ITEMS = """
SELECT id FROM open_items AS item WHERE currency <> $1 AND opened_on <= $2
  AND (status = 'OPEN' OR EXISTS (SELECT FROM journal_lines WHERE item_id = item.id AND posted_on > $2))
"""
_STANDING = f"""
WITH unsealed AS ({UNSEALED}),
kept AS (SELECT id FROM accounts WHERE currency <> $1 AND NOT keeps_items),
moved AS (
  SELECT account_id, NULL::uuid AS item_id, currency, debit - credit AS amount, debit_base - credit_base AS base
  FROM journal_days WHERE account_id IN (SELECT id FROM kept) AND posted_on <= $2
  UNION ALL
  SELECT account_id, NULL, currency, debit - credit, debit_base - credit_base
  FROM unsealed JOIN journal_lines ON entry_id = unsealed.id
  WHERE account_id IN (SELECT id FROM kept) AND posted_on <= $2
  UNION ALL
  SELECT account_id, item_id, currency, debit - credit, debit_base - credit_base
  FROM journal_lines WHERE item_id = ANY($3) AND posted_on <= $2
)
SELECT account_id, item_id, currency, sum(amount) AS amount, sum(base) AS base FROM moved
GROUP BY account_id, item_id, currency HAVING sum(amount) <> 0 OR sum(base) <> 0
ORDER BY currency, account_id, item_id
"""  # noqa: S608  the query within is ours
# What of an account is shown for the day alone, and whether a later day has realized something of it.
_SHOWN = """
SELECT line.account_id, coalesce(sum(line.debit_base - line.credit_base) FILTER (
    WHERE line.posted_on = $2 AND back.posted_on > $2), 0) AS shown,
  bool_or(line.posted_on > $2 AND back.id IS NULL) AS realized_later
FROM journal_lines AS line
JOIN journal_entries AS entry ON entry.id = line.entry_id AND starts_with(entry.source, 'fxr_')
  AND entry.reversal_of_id IS NULL
LEFT JOIN journal_entries AS back ON back.reversal_of_id = entry.id
WHERE line.account_id = ANY($1) AND line.posted_on >= $2 GROUP BY line.account_id
"""
_RATES = """
SELECT DISTINCT ON (currency) currency, id, rate FROM exchange_rates
WHERE currency = ANY($1) AND starts_on <= $2 ORDER BY currency, starts_on DESC
"""


_Differences = dict[str, list[tuple[Any, Decimal]]]
"""By currency what accounts and items are to be worth more or less."""


@dataclass(frozen=True)
class NewRevaluation:
    """The day at whose rates foreign balances are shown."""

    on: date
    """The day, usually the last one of a month; the day after takes it back."""
    is_adjusting: bool = False
    """Whether the period of the day, or that of the day after, is closed already, which takes `ledger:close`."""


async def revalue(work: Work, new: NewRevaluation) -> list[ID]:
    """Accounts kept in another currency, and open items in one, are worth what the rates of the day say, on that day.

    What is left of accounts that are empty on that day is a realized gain or loss, unless a later day has realized some
    of it. Returns the entries, one per currency whose worth differs, and one per currency of which something is
    realized; none, where all is at these rates already. Refused with NoExchangeRate where a currency has none, and with
    PeriodLocked or PeriodClosed for the day or the one after it.
    """
    if new.is_adjusting:
        work.require(Scope.LEDGER_CLOSE)
    kept = await books(work)
    await work.raw.execute(_TURN)
    found = await work.raw.fetch(_FOREIGN_ITEMS, kept.currency, new.on)
    held = await items.lock(work, [ID("itm_" + row["id"]) for row in found])
    standing = await work.raw.fetch(_STANDING, kept.currency, new.on, [each[4:] for each in held])
    rates = await _rates(work, {row["currency"] for row in standing}, new.on)
    realized = await _realized(work, standing, new.on)
    shown: _Differences = {}
    for_good: _Differences = {}
    digits = currency_digits(kept.currency)
    for row in standing:
        stays = Decimal(0) if row["item_id"] else realized.get(row["account_id"], Decimal(0))
        difference = product(row["amount"], rates[row["currency"]]["rate"], digits) - row["base"] - stays
        for differences, one in ((shown, difference), (for_good, stays)):
            if one:
                differences.setdefault(row["currency"], []).append((row, one))
    return await _post(work, new, shown, for_good, rates, kept) if shown or for_good else []


async def _realized(work: Work, standing: Sequence[Any], on: date) -> dict[str, Decimal]:
    """By account that is empty what is to be realized of it, so that nothing is left."""
    left = {row["account_id"]: row["base"] for row in standing if row["item_id"] is None and not row["amount"]}
    if not left:
        return {}
    found = {row["account_id"]: row for row in await work.raw.fetch(_SHOWN, list(left), on)}
    return {
        account: -base if account not in found else found[account]["shown"] - base
        for account, base in left.items()
        if account not in found or not found[account]["realized_later"]
    }


async def _rates(work: Work, currencies: set[str], on: date) -> dict[str, Any]:
    rates = {row["currency"]: row for row in await work.raw.fetch(_RATES, sorted(currencies), on)}
    for missing in sorted(currencies - rates.keys()):
        raise NoExchangeRate(
            f"There is no rate of {missing} for {on}: set one first (exchangeRatesSet).", path=("input", "on")
        )
    return rates


async def _post(  # noqa: PLR0917  what the entries say
    work: Work,
    new: NewRevaluation,
    shown: _Differences,
    for_good: _Differences,
    rates: Mapping[str, Any],
    kept: Books,
) -> list[ID]:
    """The entries of the day, and those that take back on the day after what is shown alone. The source is the rate."""
    next_day = new.on + timedelta(days=1)
    period = await months.period_of(work, new.on, today=kept.today, adjusting=new.is_adjusting)
    after = await months.found_at(work, next_day)
    period_after = await months.allowed(work, after, next_day, today=kept.today, adjusting=new.is_adjusting)
    kind = EntryKind.ADJUSTING if new.is_adjusting else EntryKind.ORDINARY
    is_closed_after = after is not None and after["state"] == PeriodState.SOFT_CLOSED
    kind_after = EntryKind.ADJUSTING if is_closed_after else EntryKind.ORDINARY
    entries: list[dict[str, Any]] = []
    reversals: list[dict[str, Any]] = []
    stays: list[dict[str, Any]] = []
    for currency in for_good:
        rate = rates[currency]
        text = f"Realized on accounts in {currency} that are empty"
        source, worth = ID("fxr_" + rate["id"]), rate["rate"]
        stays.append(
            entry_row(work, new.on, text, currency, period=period, source=source, kind=kind, exchange_rate=worth)
        )
    for currency in shown:
        rate = rates[currency]
        source, worth = ID("fxr_" + rate["id"]), rate["rate"]
        text = f"Revaluation of {currency}"
        entry = entry_row(work, new.on, text, currency, period=period, source=source, kind=kind, exchange_rate=worth)
        entries.append(entry)
        reversals.append(
            entry_row(
                work,
                next_day,
                f"Reversal of: {text}",
                currency,
                period=period_after,
                source=source,
                kind=kind_after,
                reversal_of=entry["id"],
                exchange_rate=worth,
            )
        )
    await bulk.insert(work, JournalEntry, [*entries, *reversals, *stays])
    # In one statement: an item that is settled by now is worth nothing before it and after it, never in between.
    lines = await _lines(work, entries, shown, kept, against=Role.UNREALIZED_EXCHANGE)
    lasting = await _lines(work, stays, for_good, kept, against=Role.REALIZED_EXCHANGE)
    await bulk.insert(work, JournalLine, [*lines, *_reversed(lines, reversals), *lasting])
    for entry, reversal in zip(entries, reversals, strict=True):
        work.announce(
            JournalEntryPosted(entry["id"], source=entry["source"]),
            JournalEntryPosted(reversal["id"], source=entry["source"]),
            JournalEntryReversed(entry["id"], reversal=reversal["id"]),
        )
    work.announce(*(JournalEntryPosted(entry["id"], source=entry["source"]) for entry in stays))
    return [entry["id"] for entry in (*entries, *stays)]


def _reversed(
    lines: Sequence[Mapping[str, Any]], reversals: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """The same lines for the entries that take theirs back, the sides changed."""
    taken_back = {each["reversal_of_id"]: each for each in reversals}
    for line in lines:
        reversal = taken_back[line["entry_id"]]
        yield {
            **line,
            "entry_id": reversal["id"],
            "posted_on": reversal["posted_on"],
            "debit_base": line["credit_base"],
            "credit_base": line["debit_base"],
        }


async def _lines(
    work: Work,
    entries: Sequence[Mapping[str, Any]],
    by_currency: _Differences,
    kept: Books,
    *,
    against: Role,
) -> list[dict[str, Any]]:
    result = (await accounts_by_role(work))[against]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        differences: list[tuple[ID, ID | None, Decimal]] = [
            (ID("acc_" + row["account_id"]), ID("itm_" + row["item_id"]) if row["item_id"] else None, difference)
            for row, difference in by_currency[entry["currency"]]
        ]
        sum_of_all = sum((difference for *_, difference in differences), Decimal(0))
        if sum_of_all:
            differences.append((result, None, -sum_of_all))
        for n, (account, item, difference) in enumerate(differences, 1):
            amounts = Amounts.of(entry["currency"], Decimal(0), difference)
            rows.append(line_row(entry["id"], n, account, entry["posted_on"], kept.currency, amounts, item_id=item))
    return rows
