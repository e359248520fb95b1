"""Opening balances: what there was when the books began."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true

from api.graphql.business import base_currency
from api.graphql.kit.access import access
from api.graphql.kit.context import Context
from api.graphql.kit.operations import mutation, query
from api.graphql.kit.reading import Reading
from api.graphql.kit.scalars import MoneyType
from api.graphql.kit.views import VIEWS, batch, view
from api.graphql.ledger.journal import JournalEntry
from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

_account, _line = ledger.Account.__table__.c, ledger.JournalLine.__table__.c


async def _balance(ids: list[ID], reading: Reading) -> dict[ID, Any]:
    """What stands on the opening account."""
    suspense = select(_account.id).where(_account.role == ledger.Role.OPENING_BALANCES).scalar_subquery()
    balance = func.coalesce(func.sum(_line.debit_base) - func.sum(_line.credit_base), 0).label("balance")
    (row,) = await reading.execute(select(balance).where(_line.account_id == suspense))
    found = Money(row["balance"], await base_currency(reading))
    return dict.fromkeys(ids, MoneyType.of(found))


@view(ledger.OpeningBalances)
@access(Scope.LEDGER_READ)
class OpeningBalances:
    """The opening of the books."""

    balance: Money = batch(_balance)
    """What stands on the opening account, debits less credits: zero once all is there."""
    started_at: datetime
    """When the first balance was brought in."""
    completed_at: datetime | None
    """When all was there; nothing is opened any more since."""


@query
@access(Scope.LEDGER_READ)
async def opening_balances(context: Context) -> OpeningBalances | None:
    """How far the opening of the books is; null while nothing has been opened."""
    return await context.reading.find(VIEWS[OpeningBalances], true())  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_CLOSE)
async def opening_balances_post(work: Work, input: ledger.NewOpeningBalances) -> JournalEntry:
    """Brings in balances of older books, against the opening account. Open items are brought in one by one; goods by
    `stockReceive` with `isOpening`.
    """
    return await ledger.post_opening(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.LEDGER_CLOSE)
async def opening_balances_complete(work: Work) -> OpeningBalances:
    """Ends the opening, once the opening account is zero. Nothing is opened after that."""
    return await ledger.complete_opening(work)  # type: ignore[return-value]
