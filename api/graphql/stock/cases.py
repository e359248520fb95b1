"""Cases for a person: where stock is not as it was thought to be."""

from datetime import datetime

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.views import Connection, Node, extends, one, pages, view
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope


@view(stock.StockDiscrepancy)
@access(Scope.STOCK_READ)
class StockDiscrepancy(Node):
    """A case for a person: stock is not as it was thought to be. It stays open until somebody settles it."""

    kind: stock.DiscrepancyKind
    """In what way stock is not as it was thought to be."""
    variant: ProductVariant = one()
    """Which variant."""
    location: Location = one()
    """Where."""
    quantity: Quantity
    """By how much it differs."""
    expected: Quantity | None
    """What our books said, where somebody else said something too."""
    reported: Quantity | None
    """What the other side said."""
    system: str | None
    """Who else counted."""
    source: ID | None
    """The document it came of."""
    opened_at: datetime
    """Since when it is known: its age."""
    seen_at: datetime
    """When it was last found to be so."""
    settled_at: datetime | None
    """When somebody settled it; null while it is open."""
    resolution: stock.DiscrepancyResolution | None
    """How it ended."""
    note: str | None
    """What whoever settled it says."""
    version: int
    """Rises with every change."""


@extends("Query")
class DiscrepancyQueries:
    stock_discrepancies: Connection[StockDiscrepancy] = pages(stock.discrepancies)
    """Cases for a person, settled ones included: by default the oldest first."""
