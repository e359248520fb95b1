"""Lots: goods that were made together, and expire and are recalled together."""

from datetime import date, datetime

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.views import Connection, Node, extends, one, pages, view
from domain import stock
from domain.kernel.scopes import Scope

input_name(stock.NewLot, "LotInput")


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
    version: int
    """Rises with every change."""
    created_at: datetime
    """Since when the lot is known."""


@extends("Query")
class LotQueries:
    lots: Connection[Lot] = pages(stock.lots)
    """The lots: by default those that expire first, first."""
