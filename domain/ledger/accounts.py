"""The chart of accounts: what a business adds to it, and how it orders it.

Control accounts and roles come with the chart: capabilities post to them, so nobody makes more of them by hand.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from domain.kernel import bulk, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.errors import Invalid, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import CurrencyCode, currency_codes
from domain.kernel.work import Work
from domain.ledger.events import AccountCreated, AccountUpdated
from domain.ledger.tables import Account, AccountingDimension, AccountType, CashFlow

_CODE = re.compile(r"[0-9A-Z][0-9A-Z.-]{0,19}")
DEEPEST = 10
"""Levels of the chart."""


@dataclass(frozen=True)
class NewAccount:
    """An account to add to the chart."""

    code: str
    """Its code on statements, unique: digits, capital letters, points and hyphens; at most 20 characters."""
    name: str
    """Its name."""
    parent_id: ID
    """The account it is part of. It has the type of that one, and must not have entries."""
    cash_flow: CashFlow | None = None
    """What a change of it means for cash; as for the account it is part of, when left out."""
    currency: CurrencyCode | None = None
    """The only currency it is kept in, such as that of a bank account; whichever an entry has, when left out."""
    required_dimensions: list[AccountingDimension] | None = None
    """What lines by hand on it must name."""


@dataclass(frozen=True)
class AccountChanges:
    """What to change of an account; what is left out stays as it is."""

    code: str | Absent = ABSENT
    """Its code on statements, unique."""
    name: str | Absent = ABSENT
    """Its name."""
    parent_id: ID | Absent = ABSENT
    """The account of the same type that it is part of."""
    cash_flow: CashFlow | Absent = ABSENT
    """What a change of it means for cash."""
    currency: CurrencyCode | Absent | None = ABSENT
    """The only currency it is kept in; null: whichever an entry has. It stays once something is posted."""
    required_dimensions: list[AccountingDimension] | Absent = ABSENT
    """What lines by hand on it must name from now on."""


# Whoever changes the tree does it alone, so that two moves cannot make a circle between them.
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('ledger.chart', 0))"
_FIND = """
SELECT id, code, name, type, parent_id, cash_flow, is_control, currency, required_dimensions FROM accounts
WHERE id = $1
"""
_TAKEN = "SELECT EXISTS (SELECT FROM accounts WHERE code = $1)"
_ABOVE = """
WITH RECURSIVE above AS (
  SELECT id, parent_id FROM accounts WHERE id = $1
  UNION ALL SELECT account.id, account.parent_id FROM above JOIN accounts AS account ON account.id = above.parent_id
) SELECT array_agg(id) FROM above
"""
_HAS_ENTRIES = "SELECT EXISTS (SELECT FROM journal_lines WHERE account_id = $1)"


async def create_account(work: Work, new: NewAccount) -> ID:
    """The account stands in the chart and can be posted to. Returns its id.

    Refused with Invalid for a code that is taken or cannot be, and where the account it would be part of is closed to
    entries by hand, has entries itself or lies too deep; with NotFound where there is none.
    """
    await work.raw.execute(_TURN)
    name, code = words.line(new.name, path=("input", "name")), await _free_code(work, new.code)
    parent = await _parent(work, new.parent_id)
    row = {
        "id": new_id("acc"),
        "code": code,
        "name": name,
        "type": parent["type"],
        "parent_id": new.parent_id,
        "cash_flow": new.cash_flow or parent["cash_flow"],
        "is_control": False,
        "currency": _currency(new.currency),
        "required_dimensions": sorted(set(new.required_dimensions or [])),
        "created_at": work.now,
    }
    await bulk.insert(work, Account, [row])
    work.announce(AccountCreated(row["id"]))
    return row["id"]


async def update_account(work: Work, account_id: str, changes: AccountChanges) -> ID:
    """The account reads differently or stands elsewhere from now on. Returns its id.

    What is posted stays where it is: entries name the account, not its code. Refused as `create_account` is, and where
    it would be part of itself or of an account of another type.
    """
    await work.raw.execute(_TURN)
    row = await work.raw.fetchrow(_FIND, account_id[4:]) if is_id(account_id, "acc") else None
    if row is None:
        raise NotFound("There is no such account.", path=("id",))
    values = given(replace(changes, parent_id=ABSENT))
    if "name" in values:
        values["name"] = words.line(values["name"], path=("input", "name"))
    if "code" in values and values["code"] != row["code"]:
        values["code"] = await _free_code(work, values["code"])
    if values.get("currency", row["currency"]) != row["currency"]:
        _currency(values["currency"])
        if await work.raw.fetchval(_HAS_ENTRIES, row["id"]):
            raise Invalid("Something is posted to this account: its currency stays.", path=("input", "currency"))
    if "required_dimensions" in values:
        values["required_dimensions"] = sorted(set(values["required_dimensions"]))
    if isinstance(changes.parent_id, str) and changes.parent_id[4:] != row["parent_id"]:
        parent = await _parent(work, changes.parent_id)
        if parent["type"] != row["type"]:
            raise Invalid(
                f"An account of the type {AccountType(row['type'])} cannot be part of one of the type"
                f" {AccountType(parent['type'])}.",
                path=("input", "parentId"),
            )
        if row["id"] in parent["above"]:
            raise Invalid("An account cannot be part of itself.", path=("input", "parentId"))
        values["parent_id"] = changes.parent_id
    values = {name: value for name, value in values.items() if name == "parent_id" or value != row[name]}
    if values:
        await bulk.update(work, Account, [{"id": ID(account_id)} | values])
        work.announce(AccountUpdated(ID(account_id), fields=sorted(values)))
    return ID(account_id)


def _currency(currency: str | None) -> str | None:
    if currency is not None and currency not in currency_codes():
        raise Invalid(f"{currency} is no currency code of ISO 4217.", path=("input", "currency"))
    return currency


def well_formed_code(code: str) -> str:
    """A code, as accounts and dimension values have them. Refused with Invalid where it cannot be one."""
    if not _CODE.fullmatch(code):
        raise Invalid(
            "A code has up to 20 digits, capital letters, points and hyphens, and begins with a digit or a letter.",
            path=("input", "code"),
        )
    return code


async def _free_code(work: Work, code: str) -> str:
    if await work.raw.fetchval(_TAKEN, well_formed_code(code)):
        raise Invalid(f"There is an account with this code already: {code}.", path=("input", "code"))
    return code


async def _parent(work: Work, parent_id: str) -> dict[str, Any]:
    """The account that another one is to be part of, with the ids of all it lies in."""
    path = ("input", "parentId")
    row = await work.raw.fetchrow(_FIND, parent_id[4:]) if is_id(parent_id, "acc") else None
    if row is None:
        raise NotFound("There is no such account.", path=path)
    if row["is_control"]:
        raise Invalid("Another capability owns this account: it cannot have sub-accounts.", path=path)
    if await work.raw.fetchval(_HAS_ENTRIES, row["id"]):
        raise Invalid("This account has entries, so it cannot have sub-accounts.", path=path)
    above = await work.raw.fetchval(_ABOVE, row["id"])
    if len(above) >= DEEPEST:
        raise Invalid(f"The chart has at most {DEEPEST} levels.", path=path)
    return {**row, "above": above}
