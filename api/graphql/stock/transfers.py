"""Goods that move from one location to another."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.reading import Reading
from api.graphql.kit.views import Connection, Node, batch, column, derived, extends, find, many, one, pages, sql, view
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewTransfer, "StockTransferCreateInput")
input_name(stock.NewTransferLine, "StockTransferLineInput")
input_name(stock.NewDispatch, "StockTransferDispatchInput")
input_name(stock.NewDispatchLine, "StockTransferDispatchLineInput")
input_name(stock.NewArrival, "StockTransferReceiveInput")
input_name(stock.NewArrivalLine, "StockTransferReceiveLineInput")

_transfer, _line = stock.StockTransfer.__table__.c, stock.StockTransferLine.__table__.c

TransferId = Annotated[ID, "The transfer."]


async def _allocated(ids: list[ID], reading: Reading) -> Mapping[ID, Decimal]:
    """How much is allocated to each line."""
    return await reading.run(lambda connection: stock.allocated_to(connection, ids))


@view(stock.StockTransferLine)
@access(Scope.STOCK_READ)
class StockTransferLine(Node):
    """How much of one variant is to move, and how far it has come."""

    variant: ProductVariant = one()
    """What moves."""
    quantity: Quantity
    """How many are to move."""
    allocated: Quantity = batch(_allocated)
    """How many are bound to it at the origin, and wait to leave."""
    dispatched: Quantity
    """How many have left."""
    received: Quantity
    """How many of those have arrived. What arrived beside them is in the discrepancy, and was booked as found."""
    lost: Quantity
    """How many of those were booked as lost."""
    in_transit: Quantity = sql(_line.dispatched - _line.received - _line.lost)
    """How many are on the road."""


@view(stock.StockTransfer)
@access(Scope.STOCK_READ)
class StockTransfer(Node):
    """Goods that move from one location to another. Their cost, age and lots go with them."""

    number: str = derived(stock.transfer_number, needs=["number"])
    """Its number, for people."""
    status: stock.StockTransferStatus
    """Where it is in its life."""
    origin: Location = one(by="origin_id")
    """Where the goods come from."""
    destination: Location = one(by="destination_id")
    """Where they go."""
    transit: Location = one(by="transit_id")
    """Where they are while they are on the road."""
    lines: list[StockTransferLine] = many(_line.position)
    """What moves; at most 500 lines."""
    reference: str | None
    """What the paper says."""
    expected_on: date | None
    """The day they should arrive."""
    freight: Money | None = column(scopes=[Scope.COSTS_READ])
    """What the way has added to the value of what arrived so far, in the currency of the books."""
    dispatched_at: datetime | None
    """When they left."""
    received_at: datetime | None
    """When the last of them arrived, or were booked as lost."""
    cancelled_at: datetime | None
    """When it was called off."""
    available_actions: list[stock.StockTransferAction] = derived(stock.transfer_actions, needs=["status"])
    """What can be done with it now."""
    version: int
    """Rises with every change; the version of its last event."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


@extends("Query")
class TransferQueries:
    stock_transfer: StockTransfer | None = find(
        id=(ID, lambda value: _transfer.id == value),
        number=(str, lambda value: _transfer.number == stock.transfer_number_of(value)),
    )
    """One transfer, by its id or its number."""
    stock_transfers: Connection[StockTransfer] = pages(stock.transfers)
    """The transfers: by default the oldest first."""


@mutation
@access(Scope.STOCK_WRITE)
async def stock_transfer_create(work: Work, input: stock.NewTransfer) -> StockTransfer:
    """Prepares a transfer of goods from one location to another. Nothing is bound to it yet."""
    return await stock.create_transfer(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.STOCK_WRITE)
async def stock_transfer_ready(work: Work, id: TransferId) -> StockTransfer:
    """Allocates the goods where they are, all of them or none."""
    return await stock.ready_transfer(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.STOCK_WRITE)
async def stock_transfer_dispatch(
    work: Work,
    id: TransferId,
    input: Annotated[stock.NewDispatch | None, "What leaves; all that is allocated, when left out."] = None,
) -> StockTransfer:
    """Sends what is allocated on the road. What does not leave is free again."""
    return await stock.dispatch_transfer(work, id, input or stock.NewDispatch())  # type: ignore[return-value]


@mutation
@access(Scope.STOCK_WRITE)
async def stock_transfer_receive(
    work: Work,
    id: TransferId,
    input: Annotated[stock.NewArrival | None, "What has arrived; all that is on the road, when left out."] = None,
) -> StockTransfer:
    """Takes in what has arrived, and with `closes` books as lost what has not. Orders that wait for it are served."""
    return await stock.receive_transfer(work, id, input or stock.NewArrival())  # type: ignore[return-value]


@mutation
@access(Scope.STOCK_WRITE)
async def stock_transfer_cancel(work: Work, id: TransferId) -> StockTransfer:
    """Calls a transfer off before anything has left: what was allocated to it is free again."""
    return await stock.cancel_transfer(work, id)  # type: ignore[return-value]
