"""Cases for a person: where stock is not as it was thought to be."""

from datetime import datetime
from typing import Annotated

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, extends, one, pages, view
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.ReportedLine, "StockReportedLineInput")


@view(stock.StockDiscrepancy)
@access(Scope.STOCK_READ)
class StockDiscrepancy(Node):
    """A case for a person: stock is not as it was thought to be. It stays open until somebody settles it."""

    status: stock.DiscrepancyStatus
    """Whether it waits for somebody."""
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
    taken_at: datetime | None
    """When the other side counted what it said last."""
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


@mutation(noun="discrepancies")
@access(Scope.STOCK_WRITE)
async def stock_reconcile(work: Work, input: stock.Snapshot) -> list[StockDiscrepancy]:
    """Compares what another system counts with our books. A difference is a case, as old as it is first seen; what
    agrees by now is settled. Stock is left as it is. Answers with the cases that this is about.
    """
    return await stock.reconcile(work, input)  # type: ignore[return-value]


@mutation(noun="discrepancy")
@access(Scope.STOCK_WRITE)
async def stock_discrepancy_settle(
    work: Work, id: Annotated[ID, "The case."], input: stock.CaseSettlement
) -> StockDiscrepancy:
    """Closes a case: the books are brought in line with what another system counted, or it is let be."""
    return await stock.settle_case(work, id, input)  # type: ignore[return-value]
