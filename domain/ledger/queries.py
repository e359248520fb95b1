"""What can be asked of the books."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import listing
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.ledger.tables import Account, AccountType, JournalEntry

_account, _entry = Account.__table__.c, JournalEntry.__table__.c

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
    },
    sorts={"RECORDED_AT": _entry.recorded_at, "NUMBER": _entry.number, "ON": _entry.posted_on},
)


@dataclass(frozen=True)
class Balance:
    """What one account comes to: its balance on the side where it stands, zero on the other."""

    account: ID
    debit: Decimal
    credit: Decimal


_BALANCES = """
SELECT account_id, sum(debit_base) - sum(credit_base) AS balance FROM journal_lines AS line
JOIN accounts AS account ON account.id = account_id WHERE posted_on <= $1
GROUP BY account_id, account.code ORDER BY account.code
"""


async def trial_balance(connection: AsyncConnection, as_of: date) -> list[Balance]:
    """The balance of every account with lines up to and including a day, in base currency, by code.

    Debits and credits of the whole sum to the same figure, as every entry balances.
    """
    found = await (await raw(connection)).fetch(_BALANCES, as_of)
    return [
        Balance(
            ID("acc_" + row["account_id"]),
            debit=max(row["balance"], Decimal(0)),
            credit=max(-row["balance"], Decimal(0)),
        )
        for row in found
    ]
