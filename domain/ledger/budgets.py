"""Budgets: what a year is meant to come to, and whether an entry by hand may spend more.

A budget says, version by version, what accounts are meant to come to in each month, of whatever its lines name. The
lines of an account name the same dimensions, so no two of them cover one posting. An entry by hand on an account of
expense is held against the active budget of its year: what is spent from the first day of the year up to the end of the
entry's month, and of every later month, is compared with what is budgeted up to then. Postings of other capabilities
are never refused, but they are spent all the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.kernel import bulk, listing, words
from domain.kernel.asking import Ask, Query
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound, Refusal, Refusals, StaleVersion
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.lifecycle import Lifecycle
from domain.kernel.money import CurrencyCode, Money, currency_digits, format_amount
from domain.kernel.work import Work
from domain.ledger import dimensions, events
from domain.ledger.balances import Span, turnovers
from domain.ledger.months import MOST_YEARS_AHEAD, as_month, end_of_month, months_between
from domain.ledger.operations import books
from domain.ledger.tables import (
    AccountingDimension,
    Budget,
    BudgetControl,
    BudgetExceeded,
    BudgetLine,
    BudgetStatus,
    BudgetVersion,
)
from domain.ledger.tables.dimensions import COLUMNS
from domain.ledger.years import EARLIEST, end_of_year

MOST_LINES = 10_000
"""Lines of a version."""
_budget, _line, _version = (row.__table__.c for row in (Budget, BudgetLine, BudgetVersion))

budgets = listing.Listing(
    Budget,
    filters={
        "id": listing.identity(_budget.id),
        "status": listing.choice(_budget.status, BudgetStatus),
        "starts_on": listing.day(_budget.starts_on),
    },
    sorts={"STARTS_ON": _budget.starts_on},
)
budget_versions = listing.Listing(BudgetVersion, sorts={"VERSION": _version.version})
budget_lines = listing.Listing(BudgetLine, sorts={"PLACE": _line.n})


class BudgetAction(StrEnum):
    """What can be done to a budget beside revising it."""

    ACTIVATE = "ACTIVATE"
    """Make it the one that counts in its year."""
    CLOSE = "CLOSE"
    """Let it count no more."""


DRAFT, ACTIVE, CLOSED = BudgetStatus.DRAFT, BudgetStatus.ACTIVE, BudgetStatus.CLOSED
budget_life = Lifecycle(
    noun="budget",
    initial=[DRAFT],
    actions={BudgetAction.ACTIVATE: ([DRAFT], ACTIVE), BudgetAction.CLOSE: ([DRAFT, ACTIVE], CLOSED)},
)


@dataclass(frozen=True)
class NewBudgetLine:
    """What an account is meant to come to in a month."""

    month: date
    """The first day of the month."""
    amount: Money
    """In the currency of the books, signed as statements are: an expense of 100 is 100."""
    account_id: ID | None = None
    """The account, by its id; or give `accountCode`."""
    account_code: str | None = None
    """The account, by its code."""
    channel_id: ID | None = None
    """The sales channel it is about; whichever, when left out."""
    location_id: ID | None = None
    """The location it is about; whichever, when left out."""
    brand_id: ID | None = None
    """The brand it is about; whichever, when left out."""
    department_id: ID | None = None
    """The department it is about; whichever, when left out."""
    project_id: ID | None = None
    """The project it is about; whichever, when left out."""


@dataclass(frozen=True)
class NewBudget:
    """What a fiscal year is meant to come to."""

    name: str
    """What people call it."""
    starts_on: date
    """The first day of its fiscal year."""
    lines: list[NewBudgetLine]
    """What accounts are meant to come to: at most 10,000, each account once for each month and what it is about."""
    control: BudgetControl = BudgetControl.NONE
    """What happens to an entry by hand that spends more than it allows, while it is active."""


@dataclass(frozen=True)
class BudgetRevision:
    """The next version of a budget."""

    expected_version: int
    """The version that it was made from."""
    reason: str
    """Why; at most 500 characters."""
    lines: list[NewBudgetLine]
    """All lines anew: at most 10,000."""


# --- writing it down --------------------------------------------------------------------------------------------------


async def create_budget(work: Work, new: NewBudget) -> ID:
    """The budget stands at version 1, as a draft. Returns its id.

    Refused with Invalid for a day on which no fiscal year starts, and for lines that cannot be; with NotFound for
    accounts and dimensions that are not there.
    """
    kept = await books(work)
    if not new.starts_on >= EARLIEST or new.starts_on.year > kept.today.year + MOST_YEARS_AHEAD:
        raise Invalid("No fiscal year that can be planned starts on this day.", path=("input", "startsOn"))
    ends_on = await end_of_year(work, new.starts_on, path=("input", "startsOn"))
    row: dict[str, Any] = {
        "id": new_id("bdg"),
        "name": words.line(new.name, path=("input", "name")),
        "starts_on": new.starts_on,
        "ends_on": ends_on,
        "control": new.control,
        "created_at": work.now,
        "updated_at": work.now,
    }
    lines = await _checked(work, new.lines, new.starts_on, ends_on, CurrencyCode(kept.currency))
    await bulk.insert(work, Budget, [row])
    await _write(work, row["id"], 1, None, lines)
    work.announce(events.BudgetCreated(row["id"]))
    return row["id"]


async def revise_budget(work: Work, budget_id: str, revision: BudgetRevision) -> ID:
    """The budget says what the next version does; the older ones stay readable. What is posted by now stays.

    Refused with NotFound; with StaleVersion where another version counts by now; with NotAllowedNow where it is closed;
    and as a new one would be.
    """
    row = await _locked(work, budget_id)
    if row["status"] == CLOSED:
        raise NotAllowedNow("A budget that is CLOSED is kept as it is.", path=("id",))
    if revision.expected_version != row["version"]:
        raise StaleVersion(
            f"The budget is at version {row['version']} by now, not {revision.expected_version}. Read it again.",
            path=("input", "expectedVersion"),
        )
    reason = words.line(revision.reason, path=("input", "reason"), longest=500)
    currency = CurrencyCode((await books(work)).currency)
    lines = await _checked(work, revision.lines, row["starts_on"], row["ends_on"], currency)
    version = row["version"] + 1
    await _write(work, ID(budget_id), version, reason, lines)
    await bulk.update(work, Budget, [{"id": ID(budget_id), "version": version, "updated_at": work.now}])
    work.announce(events.BudgetRevised(ID(budget_id), version=version, reason=reason))
    return ID(budget_id)


async def activate_budget(work: Work, budget_id: str) -> ID:
    """The budget is the one that counts in its year. Refused with NotFound, and with NotAllowedNow where it is no draft
    or another budget of the year is active.
    """
    return await _become(work, budget_id, BudgetAction.ACTIVATE, events.BudgetActivated)


async def close_budget(work: Work, budget_id: str) -> ID:
    """The budget counts no more. Refused with NotFound, and with NotAllowedNow where it is closed already."""
    return await _become(work, budget_id, BudgetAction.CLOSE, events.BudgetClosed)


async def _become(work: Work, budget_id: str, action: BudgetAction, event: Any) -> ID:
    row = await _locked(work, budget_id)
    status = budget_life.after(BudgetStatus(row["status"]), action)
    await bulk.update(work, Budget, [{"id": ID(budget_id), "status": status, "updated_at": work.now}])
    work.announce(event(ID(budget_id)))
    return ID(budget_id)


_LOCK = "SELECT starts_on, ends_on, status, version FROM budgets WHERE id = $1 FOR NO KEY UPDATE"


async def _locked(work: Work, budget_id: str) -> Any:
    row = await work.raw.fetchrow(_LOCK, budget_id[4:]) if is_id(budget_id, "bdg") else None
    if row is None:
        raise NotFound("There is no such budget.", path=("id",))
    return row


async def _write(work: Work, budget_id: ID, version: int, reason: str | None, lines: list[dict[str, Any]]) -> None:
    row = {
        "id": new_id("bdv"),
        "budget_id": budget_id,
        "version": version,
        "reason": reason,
        "created_at": work.now,
        "act": work.act,
    }
    await bulk.insert(work, BudgetVersion, [row])
    await bulk.insert(work, BudgetLine, [each | {"version_id": row["id"]} for each in lines])


_ACCOUNTS = """
SELECT id, code, EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = account.id) AS is_group
FROM accounts AS account WHERE id = ANY($1) OR code = ANY($2)
"""


async def _checked(
    work: Work, news: Sequence[NewBudgetLine], starts_on: date, ends_on: date, currency: CurrencyCode
) -> list[dict[str, Any]]:
    """The rows of lines. Refused, all at once, for what cannot be."""
    if not 1 <= len(news) <= MOST_LINES:
        raise Invalid(f"A budget has 1 to {MOST_LINES:,} lines.", path=("input", "lines"))
    ids = [new.account_id[4:] for new in news if new.account_id is not None and is_id(new.account_id, "acc")]
    found = await work.raw.fetch(_ACCOUNTS, ids, [new.account_code for new in news if new.account_code is not None])
    by_key = {"acc_" + row["id"]: row for row in found} | {row["code"]: row for row in found}
    refusals: list[Refusal] = []
    rows: list[dict[str, Any]] = []
    for n, new in enumerate(news):
        path = ("input", "lines", n)
        refusals += _refused(new, starts_on, ends_on, currency, path)
        if (new.account_id is None) == (new.account_code is None):
            refusals.append(Invalid("Name the account by its id or by its code.", path=path))
            continue
        name = "accountId" if new.account_id is not None else "accountCode"
        account = by_key.get(str(new.account_id if new.account_id is not None else new.account_code))
        if account is None:
            refusals.append(NotFound("There is no such account.", path=(*path, name)))
        elif account["is_group"]:
            refusals.append(Invalid("Plan an account without sub-accounts: it shows their sum.", path=(*path, name)))
        else:
            rows.append(_row(new, n, ID("acc_" + account["id"])))
    Refusals.raise_if_any(refusals)
    await dimensions.check(work, dimensions.named(news))
    return rows


def _refused(
    new: NewBudgetLine, starts_on: date, ends_on: date, currency: CurrencyCode, path: tuple[str | int, ...]
) -> Iterable[Refusal]:
    """What is wrong with a line by itself."""
    if new.month.day != 1 or not starts_on.replace(day=1) <= new.month <= ends_on:
        yield Invalid("Name a month of the fiscal year by its first day.", path=(*path, "month"))
    if new.amount.currency != currency:
        yield Invalid(f"The books are kept in {currency}.", path=(*path, "amount", "currency"))
    elif -int(new.amount.amount.as_tuple().exponent) > currency_digits(currency):
        digits = currency_digits(currency)
        yield Invalid(f"Amounts in {currency} have at most {digits} decimals.", path=(*path, "amount", "amount"))


def _row(new: NewBudgetLine, n: int, account: ID) -> dict[str, Any]:
    return {
        "id": new_id("bdl"),
        "n": n + 1,
        "account_id": account,
        "month": new.month,
        "currency": new.amount.currency,
        "amount": new.amount.amount,
        **{column: getattr(new, column) for column in COLUMNS.values()},
    }


# --- holding entries against it ---------------------------------------------------------------------------------------

_About = tuple[str | None, ...]
"""The digits of the ids that lines name, in the order of the dimensions."""


@dataclass(frozen=True)
class Asked:
    """What a line of an entry by hand would post."""

    account: ID
    amount: Decimal
    """Debit less credit, in the currency of the books."""
    about: _About
    path: tuple[str | int, ...]


@dataclass
class _Pot:
    """What a budget allows for an account and what its lines name there, and what an entry asks of it."""

    account: ID
    code: str
    about: _About
    allowed: dict[date, Decimal] = field(default_factory=dict)
    """By month."""
    asked: Decimal = Decimal(0)
    path: tuple[str | int, ...] = ()

    def covers(self, about: _About) -> bool:
        """Whether it is about what a posting is about."""
        return all(wanted is None or wanted == named for wanted, named in zip(self.about, about, strict=True))

    def allowed_by(self, month: date) -> Decimal:
        """What may be spent from the beginning of the year up to the end of a month."""
        return sum((each for of, each in self.allowed.items() if of <= month), Decimal(0))


_COLUMNS = ", ".join(f"line.{column}" for column in COLUMNS.values())
_ACTIVE = """
FROM budgets AS budget
JOIN budget_versions AS told ON told.budget_id = budget.id AND told.version = budget.version
JOIN budget_lines AS line ON line.version_id = told.id
JOIN accounts AS account ON account.id = line.account_id AND account.type = 'EXPENSE'
WHERE budget.status = 'ACTIVE' AND budget.control <> 'NONE' AND $1 BETWEEN budget.starts_on AND budget.ends_on
  AND line.account_id = ANY($2)
"""
_COVERING = f"""
SELECT budget.id, budget.name, budget.control, budget.starts_on, budget.ends_on,
  line.account_id, account.code, line.month, line.amount, {_COLUMNS} {_ACTIVE}
"""
# Before anything is read, and the database's own guard takes its turn likewise: whoever spends of an account reads what
# the one before has spent, of the version that counts by then.
_TURN = f"""
SELECT pg_advisory_xact_lock(hashtextextended('ledger.budget ' || replace(planned.account_id::text, '-', ''), 0))
FROM (SELECT DISTINCT line.account_id {_ACTIVE} ORDER BY 1) AS planned
"""  # noqa: S608  names of ours


# The entries of this very act are announced at its end only, so they are not among the unsealed ones yet.
_OF_THIS_ACT = f"""
SELECT line.account_id, line.posted_on, line.debit_base - line.credit_base AS amount, {_COLUMNS}
FROM journal_entries AS entry JOIN journal_lines AS line ON line.entry_id = entry.id
WHERE entry.act = $1 AND line.posted_on BETWEEN $2 AND $3 AND line.account_id = ANY($4)
"""  # noqa: S608  names of ours


_BUDGETED = Query(
    """SELECT EXISTS (SELECT FROM budgets WHERE status = 'ACTIVE' AND $1::date BETWEEN starts_on AND ends_on)
    AS is_budgeted""",
    "is_budgeted boolean",
)


def ask_budgeted(on: date) -> Ask[bool]:
    """Whether there is an active budget for a day, to be asked together with something else."""
    return Ask(_BUDGETED, (on,), lambda rows: rows[0]["is_budgeted"])


async def hold_against(
    work: Work, entry: ID, on: date, asked: Sequence[Asked], *, given_back_on: date | None = None
) -> None:
    """An entry by hand that is about to be written stays within the active budget of its year.

    `given_back_on` is the day on which it is taken back by itself: months that end later know nothing of it.

    Who spends of the same accounts waits until this act is over, so that no two of them spend the same rest. Refused
    with BudgetExceeded where the budget says REFUSE; announced as `budget.exceeded` where it says WARN.
    """
    accounts = sorted({each.account[4:] for each in asked if each.amount > 0})
    await work.raw.execute(_TURN, on, accounts)
    covering = await work.raw.fetch(_COVERING, on, accounts)
    pots = _asked_of(_pots(covering), asked)
    months = months_between(on, covering[0]["ends_on"]) if pots else []
    months = [month for month in months if given_back_on is None or end_of_month(month) < given_back_on]
    if not months:
        return
    budget = covering[0]
    budget_id = ID("bdg_" + budget["id"])
    spent = await _spent(work, pots, months, budget["starts_on"], budget["ends_on"])
    currency = CurrencyCode((await books(work)).currency)
    refusals: list[Refusal] = []
    for pot, by_month in zip(pots, spent, strict=True):
        beyond = [
            (month, before)
            for month, before in zip(months, by_month, strict=True)
            if before + pot.asked > pot.allowed_by(month)
        ]
        if not beyond:
            continue
        month, before = beyond[0]
        told = [format_amount(Money(each, currency)) for each in (pot.allowed_by(month), before, pot.asked)]
        if budget["control"] == BudgetControl.REFUSE:
            refusals.append(
                BudgetExceeded(
                    f"Up to {as_month(month)} the budget {budget['name']} allows {told[0]} {currency} on account"
                    f" {pot.code}: {told[1]} are spent, and {told[2]} more are asked for.",
                    path=pot.path,
                )
            )
        else:
            work.announce(
                events.BudgetExceeded(
                    budget_id,
                    account=pot.account,
                    entry=entry,
                    month=as_month(month),
                    allowed=told[0],
                    spent=told[1],
                    asked=told[2],
                )
            )
    Refusals.raise_if_any(refusals)


def _pots(covering: Sequence[Any]) -> list[_Pot]:
    pots: dict[tuple[str, _About], _Pot] = {}
    for row in covering:
        about = _about(row)
        key = (row["account_id"], about)
        pot = pots.setdefault(key, _Pot(ID("acc_" + row["account_id"]), row["code"], about))
        pot.allowed[row["month"]] = row["amount"]
    return list(pots.values())


def _asked_of(pots: Sequence[_Pot], asked: Sequence[Asked]) -> list[_Pot]:
    """The pots of which more is asked than given back."""
    for pot in pots:
        mine = [each for each in asked if each.account == pot.account and pot.covers(each.about)]
        pot.asked = sum((each.amount for each in mine), Decimal(0))
        pot.path = next((each.path for each in mine if each.amount > 0), ())
    return [pot for pot in pots if pot.asked > 0]


async def _spent(
    work: Work, pots: Sequence[_Pot], months: Sequence[date], starts_on: date, ends_on: date
) -> list[list[Decimal]]:
    """What was spent of each pot from the beginning of the year up to the end of each month, this act included."""
    accounts = sorted({pot.account for pot in pots})
    kinds = list(dict.fromkeys(pot.about for pot in pots))
    spans = [
        Span(min(end_of_month(month), ends_on), since=starts_on, about=_asking(about))
        for about in kinds
        for month in months
    ]
    sums = await turnovers(work.raw, spans, accounts=accounts)
    own = await work.raw.fetch(_OF_THIS_ACT, work.act[4:], starts_on, ends_on, [each[4:] for each in accounts])
    found = []
    for pot in pots:
        first = kinds.index(pot.about) * len(months)
        mine = [row for row in own if row["account_id"] == pot.account[4:] and pot.covers(_about(row))]
        found.append(
            [
                (sums[first + n][pot.account].result if pot.account in sums[first + n] else Decimal(0))
                + sum((row["amount"] for row in mine if row["posted_on"] <= end_of_month(month)), Decimal(0))
                for n, month in enumerate(months)
            ]
        )
    return found


def _about(row: Any) -> _About:
    return tuple(row[column] for column in COLUMNS.values())


def _asking(about: _About) -> dict[AccountingDimension, list[ID | None]]:
    return {
        dimension: [ID(f"{dimensions.DIMENSION_PREFIXES[dimension]}_{each}")]
        for dimension, each in zip(COLUMNS, about, strict=True)
        if each is not None
    }
