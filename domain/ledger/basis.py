"""What entries by hand rest on: the currency and the clock of the books, accounts, months, budgets.

All of that seldom changes, so a process keeps it in mind from one act to the next, under the mark that changes whenever
any of it does. An act that relies on it begins only if the mark is still the same: that is as good as having asked, and
costs no round trip.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from asyncpg import Record

from domain.kernel.asking import Ask, Query, together
from domain.kernel.database import memory_of
from domain.kernel.ids import ID
from domain.kernel.opening import Condition
from domain.kernel.work import Work
from domain.ledger.budgets import ask_budgeted
from domain.ledger.months import ask_period

MOST = 10_000
"""Accounts and days that a process keeps in mind."""


@dataclass(frozen=True)
class Basis:
    """What the entries of one day rest on."""

    currency: str
    """The currency of the books."""
    time_zone: ZoneInfo
    """Which day it is for the business, it is by this clock."""
    accounts: Mapping[str, Any]
    """Rows of accounts by their ids and by their codes: at least those that were asked for, where there are such."""
    month: Any
    """The id and state of the period that the day lies in; None where there is none."""
    is_budgeted: bool
    """Whether there is an active budget for the day."""


async def basis_of(work: Work, on: date, ids: Collection[ID], codes: Collection[str]) -> Basis:
    """What entries of a day rest on that name these accounts."""
    memory: _Memory = memory_of(work.connection).setdefault("ledger.basis", _Memory())
    known = memory.recall(on, [*ids, *codes])
    if known is not None and work.provide(memory.condition):
        return known
    (mark, currency, time_zone), accounts, month, is_budgeted = await together(
        work, _ASK_BOOKS, ask_accounts(ids, codes), ask_period(on), ask_budgeted(on)
    )
    found = Basis(currency, time_zone, accounts, month, is_budgeted)
    memory.learn(mark, on, found)
    return found


class _Memory:
    """What was found while the mark was this."""

    def __init__(self) -> None:
        self._mark = ""
        self._accounts: dict[str, Any] = {}
        self._days: dict[date, Basis] = {}

    def recall(self, on: date, accounts: Collection[str]) -> Basis | None:
        """What a day's entries rest on that name these accounts; None where something of that is not known."""
        return self._days.get(on) if all(each in self._accounts for each in accounts) else None

    def learn(self, mark: str, on: date, found: Basis) -> None:
        """Keep in mind what was found at one moment."""
        if mark != self._mark or max(len(self._accounts), len(self._days)) > MOST:
            self.forget()
        self._mark = mark
        self._accounts.update(found.accounts)
        if found.month is not None:
            self._days[on] = replace(found, accounts=self._accounts)

    def forget(self) -> None:
        """All is to be asked anew. What was told before stays with whom it was told."""
        self._mark, self._accounts, self._days = "", {}, {}

    @property
    def condition(self) -> Condition:
        """That nothing has changed since."""
        return Condition("basis", "(SELECT mark FROM posting_basis) = $1::uuid", self._mark, self.forget)


_ASK_BOOKS = Ask(
    Query(
        "SELECT mark, base_currency, time_zone FROM business, posting_basis",
        "mark uuid, base_currency text, time_zone text",
    ),
    (),
    lambda rows: (rows[0]["mark"], rows[0]["base_currency"], ZoneInfo(rows[0]["time_zone"])),
)
_FIND = Query(
    """SELECT id, code, role, is_control, keeps_items, currency, required_dimensions FROM accounts
    WHERE id = ANY(ARRAY(SELECT unnest($1::uuid[]))) OR code = ANY(ARRAY(SELECT unnest($2::text[])))""",
    "id uuid, code text, role text, is_control boolean, keeps_items boolean, currency text, required_dimensions text[]",
)


def ask_accounts(ids: Collection[ID], codes: Collection[str]) -> Ask[Mapping[str, Any]]:
    """The accounts with these ids and codes, by both."""

    def read(rows: Sequence[Record]) -> Mapping[str, Any]:
        by_key: dict[str, Any] = {row["code"]: row for row in rows}
        return by_key | {"acc_" + row["id"]: row for row in rows}

    return Ask(_FIND, ([each[4:] for each in sorted(ids)], sorted(codes)), read)
