"""Entries by hand: what a bookkeeper posts, and takes back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain.kernel import bulk, words
from domain.kernel.asking import Ask, ask, together
from domain.kernel.constraints import TOO_MUCH
from domain.kernel.errors import Apart, Invalid, NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id
from domain.kernel.money import AMOUNT_LIMIT, CurrencyCode, Money, Rate, currency_codes, currency_digits
from domain.kernel.rounding import product
from domain.kernel.scopes import Scope
from domain.kernel.work import Done, Work
from domain.ledger import dimensions, items, months
from domain.ledger.basis import ask_accounts, basis_of
from domain.ledger.budgets import Asked, ask_budgeted, hold_against
from domain.ledger.entries import Amounts, entry_number, entry_row, line_row, reverse_lines
from domain.ledger.events import JournalEntryPosted, JournalEntryReversed
from domain.ledger.items import Held, NewOpenItem
from domain.ledger.operations import Books, accounts_by_role, ask_books, books, with_period
from domain.ledger.rates import problem_of, rate_on
from domain.ledger.tables import (
    AccountingDimension,
    ControlAccount,
    EntryKind,
    JournalEntry,
    JournalLine,
    Role,
    Unbalanced,
)
from domain.ledger.tables.dimensions import COLUMNS, DimensionMissing

MOST_LINES = 500
"""Lines of an entry by hand."""
_Path = tuple[str | int, ...]
_REVERSE_ON: _Path = ("input", "reverseOn")


@dataclass(frozen=True)
class PlainLine:
    """One line of an entry: an account, and a debit or a credit."""

    account_id: ID | None = None
    """The account, by its id; or give `accountCode`."""
    account_code: str | None = None
    """The account, by its code."""
    debit: Money | None = None
    """The amount, where it is a debit."""
    credit: Money | None = None
    """The amount, where it is a credit."""
    channel_id: ID | None = None
    """The sales channel it is about."""
    location_id: ID | None = None
    """The location it is about."""
    brand_id: ID | None = None
    """The brand it is about: a dimension value."""
    department_id: ID | None = None
    """The department that answers for it: a dimension value."""
    project_id: ID | None = None
    """The project it belongs to: a dimension value."""


@dataclass(frozen=True)
class NewLine(PlainLine):
    """One line of an entry by hand: an account, and a debit or a credit, and perhaps whose open item it is about."""

    opens: NewOpenItem | None = None
    """The open item that it founds, on an account that keeps them: what a party owes, or is owed."""
    settles: ID | None = None
    """The open item that it settles, in part or in whole."""


@dataclass(frozen=True)
class NewJournalEntry:
    """An entry by hand."""

    on: date
    """The day it counts for, in an open period."""
    description: str
    """What it is for; at most 500 characters."""
    lines: list[NewLine]
    """At least two, in one currency, whose debits equal their credits."""
    is_adjusting: bool = False
    """Whether it puts a closed period right, which takes `ledger:close`. A locked one takes no entry at all."""
    exchange_rate: Rate | None = None
    """What one unit of the entry's currency is worth in that of the books; the rate of its day, when left out."""
    reverse_on: date | None = None
    """A later day on which it is taken back by itself: the reversal is posted along with it."""


@dataclass(frozen=True)
class Openness:
    """Which control accounts an entry may name, though it is written by hand, and what is to be done instead of naming
    another one: its sentences begin in lower case.
    """

    to: Collection[Role] = ()
    instead: Mapping[Role, str] = field(default_factory=dict[Role, str])


_CLOSED = Openness()


@dataclass
class _Line:
    """A line on its way into the books."""

    account: ID
    amounts: Amounts
    about: dict[str, ID | None]
    settled: Held | None = None
    founded: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Entry:
    """An entry on its way into the books."""

    row: dict[str, Any]
    lines: list[_Line]


@dataclass(frozen=True)
class _Said:
    """What an entry says, held against the chart."""

    new: NewJournalEntry
    description: str
    accounts: list[ID]
    amounts: list[Money]
    """One for each line, in one currency; above zero where it is a debit."""

    @property
    def currency(self) -> CurrencyCode:
        """The currency of the entry."""
        return self.amounts[0].currency


async def post_by_hand(
    work: Work, new: NewJournalEntry, *, source: ID | None = None, effective_at: datetime | None = None
) -> ID:
    """An entry by hand stands in the books, and its reversal too where it says so. Returns its id.

    `source` is what it is a copy of, where it was not written for this day alone; `effective_at` is when what it
    records happened, where that is not now.

    Refused with Unbalanced; with ControlAccount for accounts that other capabilities own, unless the line says whose
    open item it founds or settles; with DimensionMissing; with BeyondOpenItem; with BudgetExceeded; with PeriodLocked
    or PeriodClosed for a day in no open period; and with Invalid or NotFound for whatever else cannot be.
    """
    if new.is_adjusting:
        work.require(Scope.LEDGER_CLOSE)
    if new.reverse_on is not None and new.reverse_on <= new.on:
        raise Invalid("An entry is taken back on a later day than its own.", path=_REVERSE_ON)
    kind = EntryKind.ADJUSTING if new.is_adjusting else EntryKind.ORDINARY
    return await post_entry(work, new, kind=kind, source=source, effective_at=effective_at)


async def post_entry(
    work: Work,
    new: NewJournalEntry,
    *,
    kind: EntryKind,
    against: Role | None = None,
    open_to: Openness = _CLOSED,
    source: ID | None = None,
    effective_at: datetime | None = None,
) -> ID:
    """The entry stands in the books. Returns its id.

    `against`: the account that takes what debits and credits differ by; without, they must be equal, and the entry is
    one by hand.
    """
    _check_count(new.lines, fewest=2 if against is None else 1)
    held = await items.lock(work, {line.settles for line in new.lines if line.settles is not None})
    kept, named, month, is_budgeted = await together(
        work, ask_books(work), _ask_accounts(new.lines, held), months.ask_period(new.on), ask_budgeted(new.on)
    )
    said = _read(new, named, held, kept.currency, open_to=open_to, balanced=against is None)
    await dimensions.check(work, dimensions.named(new.lines))
    rate = await _rate(work, new, said.currency, kept.currency)
    period = await months.allowed(work, month, new.on, today=kept.today, adjusting=kind == EntryKind.ADJUSTING)
    entry = _drawn_up(
        work,
        said,
        held,
        kept.currency,
        period=period,
        source=source,
        manual=against is None,
        kind=kind,
        effective_at=effective_at,
        exchange_rate=rate,
    )
    if against is not None:
        await _stand_against(work, entry.lines, against)
    await _realize(work, entry.lines)
    if against is None and is_budgeted:
        await hold_against(work, entry.row["id"], new.on, _asked(entry.lines), given_back_on=new.reverse_on)
    await _write(work, [entry], kept.currency)
    work.announce(JournalEntryPosted(entry.row["id"], source=source))
    items.announce_moved(work, [each.settled for each in entry.lines if each.settled is not None])
    if new.reverse_on is not None:
        taken_back = await work.session.get_one(JournalEntry, entry.row["id"])
        await _take_back(
            work, taken_back, f"Reversal of: {said.description}"[:500], new.reverse_on, kept, path=_REVERSE_ON
        )
    return entry.row["id"]


async def post_each(work: Work, news: Sequence[NewJournalEntry]) -> list[Done]:
    """Entries by hand that came at the same moment stand in the books, each by an act of its own, committed together or
    not at all. Returns what came of each, in the order given.

    Refused as `post_by_hand` is: whichever is at fault, none is posted. Refused with Apart unless all are of one day,
    ordinary, in the currency of the books and without open items, and no budget is kept for that day.
    """
    lines = [line for new in news for line in new.lines]
    if not all(map(_is_plain, news)) or len({new.on for new in news}) > 1 or len(lines) > MOST_LINES:
        raise Apart
    on = news[0].on
    found = await basis_of(work, on, *_accounts_named(lines))
    if found.is_budgeted:
        raise Apart
    await dimensions.check(work, dimensions.named(lines))
    today = work.now.astimezone(found.time_zone).date()
    period = await months.allowed(work, found.month, on, today=today)
    entries: list[_Entry] = []
    done: list[Done] = []
    for new in news:
        _check_count(new.lines)
        said = _read(new, found.accounts, {}, found.currency)
        if said.currency != found.currency:
            raise Apart
        entry = _drawn_up(work, said, {}, found.currency, period=period, manual=True)
        entries.append(entry)
        work.announce(JournalEntryPosted(entry.row["id"], source=None))
        done.append(Done(entry.row["id"], await work.another()))
    await _write(work, entries, found.currency)
    return done


def _is_plain(new: NewJournalEntry) -> bool:
    """Whether an entry concerns nothing but accounts."""
    concerns_items = any(line.opens is not None or line.settles is not None for line in new.lines)
    return not (new.is_adjusting or new.exchange_rate is not None or new.reverse_on is not None or concerns_items)


def _read(
    new: NewJournalEntry,
    named: Mapping[str, Any],
    held: dict[ID, Held],
    base_currency: str,
    *,
    open_to: Openness = _CLOSED,
    balanced: bool = True,
) -> _Said:
    """What an entry says, of accounts and items that were looked up. Refused where it cannot be said."""
    description = words.line(new.description, path=("input", "description"), longest=500)
    accounts = _accounts(new.lines, named, held, open_to)
    return _Said(new, description, accounts, _amounts(new.lines, base_currency, balanced=balanced))


def _drawn_up(work: Work, said: _Said, held: dict[ID, Held], base_currency: str, *, period: ID, **more: Any) -> _Entry:
    """The entry as it is written, its lines with what they are worth. `more` is what `entry_row` takes."""
    row = entry_row(work, said.new.on, said.description, said.currency, period=period, **more)
    return _Entry(row, _weighed(work, said, row, held, base_currency))


async def _write(work: Work, entries: Sequence[_Entry], base_currency: str) -> None:
    await bulk.insert_later(work, JournalEntry, [each.row for each in entries])
    if founded := [line.founded for each in entries for line in each.lines if line.founded is not None]:
        await items.open_all(work, founded)
    rows = [
        line_row(each.row["id"], n, line.account, each.row["posted_on"], base_currency, line.amounts, **line.about)
        for each in entries
        for n, line in enumerate(each.lines, 1)
    ]
    await bulk.insert_later(work, JournalLine, rows)


async def check_plain(work: Work, lines: Sequence[PlainLine], base: str) -> tuple[list[ID], list[Money]]:
    """The accounts and amounts of lines that could be posted by hand: an amount is above zero where it is a debit.

    Refused as the entry itself would be, but for what its day decides: periods, rates, and where accounts stand then.
    """
    _check_count(lines)
    given = [NewLine(**vars(each)) for each in lines]
    named = await ask(work, _ask_accounts(given, {}))
    accounts = _accounts(given, named, {}, _CLOSED)
    amounts = _amounts(given, base, balanced=True)
    await dimensions.check(work, dimensions.named(given))
    return accounts, amounts


# --- what it says -----------------------------------------------------------------------------------------------------


def _check_count(lines: Sequence[PlainLine], *, fewest: int = 2) -> None:
    if len(lines) < fewest:
        raise Unbalanced("An entry has at least two lines.", path=("input", "lines"))
    if len(lines) > MOST_LINES:
        raise Invalid(f"An entry by hand has at most {MOST_LINES} lines.", path=("input", "lines"))


def _ask_accounts(lines: Sequence[NewLine], held: dict[ID, Held]) -> Ask[Mapping[str, Any]]:
    """The accounts that lines name, and those of the items that they settle."""
    ids, codes = _accounts_named(lines)
    return ask_accounts(ids | {each.account for each in held.values()}, codes)


def _accounts_named(lines: Sequence[NewLine]) -> tuple[set[ID], set[str]]:
    """The accounts that lines name by their ids, and by their codes."""
    ids = {line.account_id for line in lines if line.account_id is not None and is_id(line.account_id, "acc")}
    return ids, {line.account_code for line in lines if line.account_code is not None}


def _accounts(lines: Sequence[NewLine], named: Mapping[str, Any], held: dict[ID, Held], open_to: Openness) -> list[ID]:
    """The accounts that lines name, in their order. Refused where one is unknown, or not open to such a line."""
    accounts = []
    for n, line in enumerate(lines):
        path: _Path = ("input", "lines", n)
        if line.settles is not None and line.settles not in held:
            raise items.unknown((*path, "settles"))
        if line.opens is not None and line.settles is not None:
            raise Invalid("A line founds an open item or settles one, not both.", path=path)
        if line.settles is not None and line.account_id is None and line.account_code is None:
            accounts.append(held[line.settles].account)
            continue
        if (line.account_id is None) == (line.account_code is None):
            raise Invalid("Name the account by its id or by its code.", path=path)
        name = "accountId" if line.account_id is not None else "accountCode"
        row = named.get(line.account_id if line.account_id is not None else line.account_code)  # type: ignore[arg-type]
        if row is None:
            raise NotFound("There is no such account.", path=(*path, name))
        _check_items(line, row, (*path, name), open_to)
        _check_dimensions(line, row, path)
        account = ID("acc_" + row["id"])
        if line.settles is not None and held[line.settles].account != account:
            raise Invalid("This open item stands on another account.", path=(*path, "settles"))
        accounts.append(account)
    return accounts


def _check_items(line: NewLine, account: Any, path: _Path, open_to: Openness) -> None:
    names_one = line.opens is not None or line.settles is not None
    if account["is_control"] and not (names_one if account["keeps_items"] else account["role"] in open_to.to):
        instead = open_to.instead.get(account["role"]) or (
            "say whose open item the line founds or settles, or post the document it belongs to."
            if account["keeps_items"]
            else "post the document it belongs to instead."
        )
        raise ControlAccount(f"Account {account['code']} is closed to entries by hand: {instead}", path=path)
    if account["keeps_items"] and not names_one:
        raise Invalid(f"Account {account['code']} keeps open items: say which one the line is about.", path=path)
    if names_one and not account["keeps_items"]:
        raise Invalid(f"Account {account['code']} keeps no open items.", path=path)


def _check_dimensions(line: NewLine, account: Any, path: _Path) -> None:
    for dimension in map(AccountingDimension, account["required_dimensions"]):
        if getattr(line, COLUMNS[dimension]) is None:
            raise DimensionMissing(
                f"Account {account['code']} demands a {dimension.lower()}.", path=(*path, f"{dimension.lower()}Id")
            )


def _amounts(lines: Sequence[NewLine], base: str, *, balanced: bool) -> list[Money]:
    """The amount of each line, above zero where it is a debit: all in one currency, and, `balanced`, zero together."""
    amounts = [_amount(line, n) for n, line in enumerate(lines)]
    currency = base if any(each.currency == base for each in amounts) else amounts[0].currency
    for n, each in enumerate(amounts):
        if each.currency != currency:
            side = "debit" if each.amount > 0 else "credit"
            raise Invalid("All lines of an entry are in one currency.", path=("input", "lines", n, side, "currency"))
    if balanced and sum(each.amount for each in amounts) != 0:
        debit = sum((each.amount for each in amounts if each.amount > 0), Decimal(0))
        credit = -sum((each.amount for each in amounts if each.amount < 0), Decimal(0))
        raise Unbalanced(f"Debits are {debit:f} and credits {credit:f}; they must be equal.", path=("input", "lines"))
    return amounts


def _amount(line: NewLine, n: int) -> Money:
    if (line.debit is None) == (line.credit is None):
        raise Invalid("A line has a debit or a credit.", path=("input", "lines", n))
    side, money = ("debit", line.debit) if line.debit is not None else ("credit", line.credit)
    assert money is not None
    path = ("input", "lines", n, side)
    if money.currency not in currency_codes():
        raise Invalid(f"{money.currency} is no currency code of ISO 4217.", path=(*path, "currency"))
    if money.amount <= 0:
        raise Invalid("The amount must be more than zero: change the side instead of the sign.", path=(*path, "amount"))
    if -int(money.amount.as_tuple().exponent) > currency_digits(money.currency):
        raise Invalid(
            f"Amounts in {money.currency} have at most {currency_digits(money.currency)} decimals.",
            path=(*path, "amount"),
        )
    return money if side == "debit" else Money(-money.amount, money.currency)


async def _rate(work: Work, new: NewJournalEntry, currency: str, base_currency: str) -> Decimal | None:
    """What the entry's currency is worth in that of the books; None where it is that."""
    path = ("input", "exchangeRate")
    if currency == base_currency:
        if new.exchange_rate is not None:
            raise Invalid("The entry is in the currency of the books: there is no rate.", path=path)
        return None
    if new.exchange_rate is None:
        return await rate_on(work, currency, new.on, path=path)
    if (problem := problem_of(new.exchange_rate)) is not None:
        raise Invalid(problem, path=path)
    return new.exchange_rate


# --- what it comes to -------------------------------------------------------------------------------------------------


def _weighed(work: Work, said: _Said, entry: dict[str, Any], held: dict[ID, Held], base_currency: str) -> list[_Line]:
    """The lines with what they are worth: at the entry's rate, or, where they settle an item, at that of the item."""
    digits = currency_digits(base_currency)
    worths = _worths([each.amount for each in said.amounts], entry["exchange_rate"], digits)
    new, lines = said.new, []
    for n, (line, account, money, base) in enumerate(
        zip(said.new.lines, said.accounts, said.amounts, worths, strict=True)
    ):
        path: _Path = ("input", "lines", n)
        if abs(base) >= AMOUNT_LIMIT:
            raise Invalid(TOO_MUCH, path=path)
        about: dict[str, ID | None] = {column: getattr(line, column) for column in COLUMNS.values()}
        made = _Line(account, Amounts.of(money.currency, money.amount, base), about | {"item_id": None})
        if line.settles is not None:
            made.settled = held[line.settles]
            if made.settled.currency != money.currency:
                raise Invalid(f"This open item is in {made.settled.currency}.", path=(*path, "settles"))
            if new.on < made.settled.opened_on:
                raise Invalid(
                    f"This open item begins on {made.settled.opened_on}: it is settled then or later.",
                    path=(*path, "settles"),
                )
            worth = made.settled.settle(money.amount, digits, path=(*path, "settles"))
            made.amounts = Amounts.of(money.currency, money.amount, worth)
            made.about["item_id"] = made.settled.id
        elif line.opens is not None:
            made.founded = items.row_of(work, line.opens, account, entry["id"], new.on, money, (*path, "opens"))
            made.about["item_id"] = made.founded["id"]
        lines.append(made)
    return lines


def _worths(amounts: Sequence[Decimal], rate: Decimal | None, digits: int) -> list[Decimal]:
    """What amounts of one entry are worth: on each side, up to any line, what all of them together are.

    Each rounded by itself, many small lines would come to something else than their sum, and sides that are equal would
    not stay so.
    """
    if rate is None:
        return list(amounts)
    running = {True: Decimal(0), False: Decimal(0)}
    worths = []
    for amount in amounts:
        before = running[amount > 0]
        running[amount > 0] = before + amount
        worths.append(product(before + amount, rate, digits) - product(before, rate, digits))
    return worths


async def _stand_against(work: Work, lines: list[_Line], role: Role) -> None:
    """What debits and credits differ by stands on another account."""
    first = lines[0].amounts
    amount = sum((each.amounts.amount for each in lines), Decimal(0))
    base = sum((each.amounts.base for each in lines), Decimal(0))
    if amount or base:
        account = (await accounts_by_role(work))[role]
        lines.append(_Line(account, Amounts.of(first.currency, -amount, -base), dict.fromkeys(lines[0].about)))


async def _realize(work: Work, lines: list[_Line]) -> None:
    """Debits equal credits in the currency of the books too.

    Only items that were settled at another rate than they were founded with make a difference. It is a realized gain or
    loss, on a line of its own, about what the lines are about that settle.
    """
    difference = sum((each.amounts.base for each in lines), Decimal(0))
    if difference:
        amounts = Amounts.of(lines[0].amounts.currency, Decimal(0), -difference)
        lines.append(await _realized(work, lines, amounts))


_REALIZED = "SELECT id, code, required_dimensions FROM accounts WHERE role = 'REALIZED_EXCHANGE'"


async def _realized(work: Work, lines: Sequence[_Line], amounts: Amounts) -> _Line:
    """The line of a realized gain or loss. It names what all lines that settle name alike.

    Refused with DimensionMissing where its account demands more.
    """
    account = await work.raw.fetchrow(_REALIZED)
    assert account is not None
    settling = [(n, each) for n, each in enumerate(lines) if each.settled is not None]
    about: dict[str, ID | None] = dict.fromkeys(lines[0].about)
    for column in COLUMNS.values():
        named = {each.about[column] for _, each in settling}
        about[column] = named.pop() if len(named) == 1 else None
    for dimension in map(AccountingDimension, account["required_dimensions"]):
        if about[COLUMNS[dimension]] is None:
            raise DimensionMissing(
                f"The exchange result stands on account {account['code']}, which demands a {dimension.lower()}: name"
                " the same one in all lines that settle an item.",
                path=("input", "lines", settling[0][0], f"{dimension.lower()}Id"),
            )
    return _Line(ID("acc_" + account["id"]), amounts, about)


def _asked(lines: Sequence[_Line]) -> list[Asked]:
    """What the lines would spend, or give back."""
    return [
        Asked(
            each.account,
            each.amounts.base,
            tuple(named and named[4:] for named in map(each.about.get, COLUMNS.values())),
            ("input", "lines", n),
        )
        for n, each in enumerate(lines)
    ]


# --- taking back ------------------------------------------------------------------------------------------------------


async def reverse(work: Work, entry_id: str, on: date | None = None) -> ID:
    """An entry by hand is taken back: another one with the sides changed stands beside it, each naming the other.

    Refused with NotFound; with NotAllowedNow when it has been reversed, is itself a reversal, belongs to a document,
    which has to be undone instead, or founded an item that was settled since; with PeriodLocked for a day in no open
    period.
    """
    entry = await _locked(work, entry_id)
    is_of_a_document = entry.source is not None and not is_id(entry.source, "rec")
    if (not entry.manual and entry.kind != EntryKind.OPENING) or is_of_a_document:
        raise NotAllowedNow(
            "This entry belongs to a document: undo the document, and its entry goes with it.", path=("id",)
        )
    if entry.reversal_of_id is not None:
        raise NotAllowedNow("This entry is itself a reversal: post the original again instead.", path=("id",))
    if await work.raw.fetchval("SELECT EXISTS (SELECT FROM journal_entries WHERE reversal_of_id = $1)", entry.id[4:]):
        raise NotAllowedNow("This entry has been reversed already.", path=("id",))
    kept = await with_period(work, await books(work))
    description = f"Reversal of {entry_number(entry.number)}"
    day = on or max(kept.posting_on, entry.posted_on)
    if day < entry.posted_on:
        raise Invalid(f"An entry is taken back on its own day, {entry.posted_on}, or later.", path=("on",))
    return await _take_back(work, entry, description, day, kept, path=("on",))


async def _locked(work: Work, entry_id: str) -> JournalEntry:
    """The entry, so that two reversals of it wait for each other: its subject's head is what they meet at."""
    if is_id(entry_id, "jen"):
        entry = await work.session.get(JournalEntry, entry_id)
        if entry is not None:
            await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", entry_id)
            return entry
    raise NotFound("There is no such entry.", path=("id",))


_MOVED = """
SELECT item_id, sum(debit) - sum(credit) AS amount, sum(debit_base) - sum(credit_base) AS base
FROM journal_lines WHERE entry_id = $1 AND item_id IS NOT NULL GROUP BY item_id
"""


async def _take_back(work: Work, entry: JournalEntry, description: str, on: date, kept: Books, *, path: _Path) -> ID:
    """Write the reversal of an entry, and give back what it settled. `path`: where its day was chosen."""
    moved = {ID("itm_" + row["item_id"]): row for row in await work.raw.fetch(_MOVED, entry.id[4:])}
    held = await items.lock(work, moved)
    for each in held.values():
        each.balance -= moved[each.id]["amount"]
        if each.balance and (each.balance > 0) != each.is_debit:
            raise NotAllowedNow(
                "What this entry founded has been settled, in part at least: take the settlement back first.",
                path=("id",),
            )
    period = await months.period_of(work, on, today=kept.today, path=path)
    opening = entry.kind == EntryKind.OPENING
    reversal = entry_row(
        work,
        on,
        description,
        entry.currency,
        period=period,
        manual=entry.manual,
        kind=EntryKind.OPENING if opening else EntryKind.ORDINARY,
        reversal_of=entry.id,
        exchange_rate=entry.exchange_rate,
    )
    await bulk.insert(work, JournalEntry, [reversal])
    await reverse_lines(work, [reversal["id"]])
    work.announce(
        JournalEntryPosted(reversal["id"], source=None), JournalEntryReversed(entry.id, reversal=reversal["id"])
    )
    items.announce_moved(work, list(held.values()))
    return reversal["id"]
