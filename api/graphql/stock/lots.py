"""Lots: goods that were made together, and expire and are recalled together."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from sqlalchemy import ColumnElement, and_, func

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.reading import Reading
from api.graphql.kit.views import Connection, Node, batch, extends, find, one, pages, view
from domain import stock
from domain.kernel.ids import ID, is_id
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewLot, "LotInput")
input_name(stock.LotNumber, "LotNumberInput")
_lot = stock.Lot.__table__.c


async def _suppliers(ids: list[ID], reading: Reading) -> Mapping[ID, list[str]]:
    """Who delivered each lot."""
    return await reading.run(lambda connection: stock.suppliers_of_lots(connection, ids))


@view(stock.Lot)
@access(Scope.STOCK_READ)
class Lot(Node):
    """Goods of one variant that were made together."""

    variant: ProductVariant = one()
    """What they are."""
    number: str
    """What is printed on them; unique per variant."""
    expires_on: date | None
    """The last day on which they may be sold."""
    recalled_at: datetime | None
    """When they were recalled."""
    recall_reason: str | None
    """Why they were recalled."""
    suppliers: list[str] = batch(_suppliers)
    """Who delivered it, as its receipts say."""
    version: int
    """Rises with every change; the version of its last event."""
    created_at: datetime
    """Since when the lot is known."""


def _of_number(asked: stock.LotNumber) -> ColumnElement[bool]:
    variant = _lot.variant_id == (asked.variant_id if is_id(asked.variant_id, "var") else None)
    return and_(variant, _lot.number_folded == func.lower(asked.number.strip()))


@extends("Query")
class LotQueries:
    lot: Lot | None = find(id=(ID, lambda value: _lot.id == value), number=(stock.LotNumber, _of_number))
    """One lot, by its id, or by its variant and the number printed on it."""
    lots: Connection[Lot] = pages(stock.lots)
    """The lots: by default in the order in which they became known."""


@mutation
@access(Scope.STOCK_WRITE)
async def lot_recall(
    work: Work,
    id: Annotated[ID, "The lot."],
    reason: Annotated[str, "Why, in one line; at most 255 characters."],
) -> Lot:
    """Recalls a lot: whatever of it could be sold, at any location, is on hold from now on, and none of it can come in
    again. Promises that what is left does not suffice for give way as for a loss, and a case is opened.
    """
    return await stock.recall_lot(work, id, reason)  # type: ignore[return-value]
