"""Goods that came in, and goods that are still to come."""

from datetime import date, datetime

from api.graphql.catalog import ProductVariant
from api.graphql.external import ExternalReference, external_ids_of
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation
from api.graphql.kit.views import Connection, Node, batch, extends, one, pages, view
from api.graphql.stock.levels import StockLevel
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewReceiptLine, "StockReceiveLineInput")
input_name(stock.NewIncomingLine, "StockExpectLineInput")
_receipt = stock.StockReceipt.__table__.c


@view(stock.StockReceipt)
@access(Scope.STOCK_READ)
class StockReceipt(Node):
    """Goods that came in together. Its movements name it as their source."""

    location: Location = one()
    """Where they came in."""
    reference: str | None
    """What the paper says."""
    supplier: str | None
    """Who delivered them."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    received_at: datetime
    """When they came in."""
    recorded_at: datetime
    """When that was written."""


@view(stock.IncomingStock)
@access(Scope.STOCK_READ)
class IncomingStock(Node):
    """Goods that were announced for a day to come."""

    variant: ProductVariant = one()
    """What is to come."""
    location: Location = one()
    """Where to."""
    quantity: Quantity
    """How many were announced."""
    outstanding: Quantity
    """How many are still to come."""
    due_on: date
    """The day they are expected."""
    reference: str | None
    """What the paper says."""


@extends("Lot")
class LotReceipts:
    receipts: Connection[StockReceipt] = pages(
        stock.receipts, by=stock.lots_received.c.lot_id, on=stock.lots_received.c.receipt_id == _receipt.id
    )
    """The receipts that it came in with: by default the oldest first."""


@extends("Query")
class ArrivalQueries:
    stock_receipts: Connection[StockReceipt] = pages(stock.receipts)
    """Goods that came in: by default the oldest first."""
    incoming_stock: Connection[IncomingStock] = pages(stock.incoming)
    """Announced goods: by default the first to come first."""


@mutation(nouns={"levels": list[StockLevel], "receipt": StockReceipt})
@access(Scope.STOCK_WRITE)
async def stock_receive(work: Work, input: stock.NewReceipt) -> Nouns:
    """Takes goods in, each line a cost layer of its own, or joined to what is there where a variant is kept by moving
    average. Orders that wait for them are served, the most urgent and then the oldest first.
    """
    received = await stock.receive(work, input)
    return {"levels": received.levels, "receipt": received.receipt}


@mutation(noun="incoming")
@access(Scope.STOCK_WRITE)
async def stock_expect(work: Work, input: stock.NewIncoming) -> list[IncomingStock]:
    """Announces goods for a day to come, so that they can be promised."""
    return await stock.expect(work, input)  # type: ignore[return-value]
