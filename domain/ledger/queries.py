"""What can be asked of the books."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import listing
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.ledger.balances import Span, turnovers
from domain.ledger.tables import Account, AccountType, JournalEntry, JournalLine

_account, _entry, _line = (row.__table__.c for row in (Account, JournalEntry, JournalLine))


def _with_a_line(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The entries that have such a line."""
    return _entry.id.in_(select(_line.entry_id).where(condition))


accounts = listing.Listing(
    Account,
    filters={
        "id": listing.identity(_account.id),
        "code": listing.text(_account.code),
        "type": listing.choice(_account.type, AccountType),
    },
    sorts={"CODE": _account.code},
)

entries = listing.Listing(
    JournalEntry,
    filters={
        "id": listing.identity(_entry.id),
        "source": listing.text(_entry.source),
        "recorded_at": listing.instant(_entry.recorded_at),
        "on": listing.day(_entry.posted_on),
        "account_id": listing.identity(_line.account_id, within=_with_a_line),
    },
    sorts={"RECORDED_AT": _entry.recorded_at, "NUMBER": _entry.number, "ON": _entry.posted_on},
)


@dataclass(frozen=True)
class Balance:
    """What one account comes to: its balance on the side where it stands, zero on the other."""

    account: ID
    debit: Decimal
    credit: Decimal


async def trial_balance(connection: AsyncConnection, span: Span) -> list[Balance]:
    """The balance of every account with lines in a span, in base currency, by code.

    Debits and credits of the whole sum to the same figure, as every entry balances; not so where the span tells but
    some lines by what they are about.
    """
    driver = await raw(connection)
    (found,) = await turnovers(driver, [span])
    codes = {ID("acc_" + row["id"]): row["code"] for row in await driver.fetch("SELECT id, code FROM accounts")}
    return [
        Balance(account, debit=max(each.balance, Decimal(0)), credit=max(-each.balance, Decimal(0)))
        for account, each in sorted(found.items(), key=lambda pair: codes[pair[0]])
    ]
