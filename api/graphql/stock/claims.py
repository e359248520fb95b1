"""Holds on stock that end by themselves."""

from datetime import datetime
from typing import Annotated

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, derived, extends, many, one, pages, view
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.stock import ReservationStatus

input_name(stock.NewReservationLine, "StockReserveLineInput")
_line = stock.StockReservationLine.__table__.c


@view(stock.StockReservationLine)
@access(Scope.STOCK_READ)
class StockReservationLine:
    """A part of a hold, at one place."""

    variant: ProductVariant = one()
    """What is held."""
    location: Location = one()
    """Where."""
    quantity: Quantity
    """How much was held at first."""
    held: Quantity
    """How much is held now."""


def _status(outcome: ReservationStatus | None, expires_at: datetime) -> ReservationStatus:
    if outcome is not None:
        return outcome
    return ReservationStatus.ACTIVE if expires_at > datetime.now(expires_at.tzinfo) else ReservationStatus.EXPIRED


@view(stock.StockReservation)
@access(Scope.STOCK_READ)
class StockReservation(Node):
    """A hold on stock that ends by itself."""

    status: ReservationStatus = derived(_status, needs=["outcome", "expires_at"])
    """What has become of it."""
    reference: str | None
    """What it is for."""
    lines: list[StockReservationLine] = many(_line.n)
    """What it holds, and where."""
    expires_at: datetime
    """When it ends by itself."""
    created_at: datetime
    """Since when it holds."""
    closed_at: datetime | None
    """When it ended."""


@extends("Query")
class ReservationQueries:
    stock_reservations: Connection[StockReservation] = pages(stock.reservations)
    """Holds, those that have ended included: by default the oldest first."""


@mutation(noun="reservation")
@access(Scope.STOCK_WRITE)
async def stock_reserve(work: Work, input: stock.NewReservation) -> StockReservation:
    """Holds stock for a while, all that is asked for or nothing."""
    return await stock.reserve(work, input)  # type: ignore[return-value]


@mutation(noun="reservation")
@access(Scope.STOCK_WRITE)
async def stock_release(work: Work, reservation_id: Annotated[ID, "The hold to give up."]) -> StockReservation:
    """Gives a hold up: what it still holds is available again."""
    return await stock.release(work, reservation_id)  # type: ignore[return-value]
