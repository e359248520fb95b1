"""Locations, stock levels and movements, holds, what can be promised and why."""

from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from sqlalchemy import func

from api.graphql.catalog import ProductVariant
from api.graphql.external import ExternalReference, external_ids_of, external_key
from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.errors import UserError, user_error
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation, query
from api.graphql.kit.plain import refers
from api.graphql.kit.reading import Reading
from api.graphql.kit.views import (
    VIEWS,
    Connection,
    Narrow,
    Node,
    batch,
    column,
    derived,
    extends,
    find,
    many,
    one,
    pages,
    sql,
    view,
    view_named,
)
from domain import stock
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.listing import in_ids
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.stock import ReservationStatus

input_name(stock.NewReceiptLine, "StockReceiveLineInput")
input_name(stock.NewIncomingLine, "StockExpectLineInput")
input_name(stock.NewAdjustmentLine, "StockAdjustLineInput")
input_name(stock.NewCountLine, "StockSetLineInput")
input_name(stock.NewReservationLine, "StockReserveLineInput")

_location, _movement = stock.Location.__table__.c, stock.StockMovement.__table__.c
_line = stock.StockReservationLine.__table__.c


@view(stock.Location)
@access(Scope.STOCK_READ)
class Location(Node):
    """A place where stock is kept."""

    name: str
    """What staff calls it; unique."""
    kind: stock.LocationKind
    """What sort of place it is."""
    priority: int
    """Allocation takes the smallest first."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    version: int
    """Rises with every change."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


_level = stock.StockLevel.__table__.c


@view(stock.StockLevel)
@access(Scope.STOCK_READ)
class StockLevel(Node):
    """How much of a variant is at a location: the sum of its movements, and the claims on it."""

    variant: ProductVariant = one()
    """What it is."""
    location: Location = one()
    """Where it is."""
    on_hand: Quantity
    """What is physically there."""
    allocated: Quantity
    """Bound to orders."""
    reserved: Quantity
    """Held for a while."""
    unavailable: Quantity
    """There, but not to be sold."""
    available: Quantity = sql(_level.on_hand - _level.allocated - _level.reserved - _level.unavailable)
    """What can be promised right now: on hand, less allocated, reserved and unavailable."""
    value: Money | None = column(scopes=[Scope.COSTS_READ])
    """What it is worth, in the currency of the books."""
    version: int
    """Rises with every change; the version of its last event."""


@view(stock.StockMovement)
@access(Scope.STOCK_READ)
class StockMovement(Node):
    """One change of a quantity, for ever. What is on hand is the sum of them."""

    variant: ProductVariant = one(by="variant_id")
    """What moved."""
    location: Location = one(by="location_id")
    """Where."""
    quantity: Quantity
    """How many came in, or with a minus how many left."""
    value: Money | None = column(scopes=[Scope.COSTS_READ])
    """What they are worth, in the currency of the books; with a minus for what left."""
    kind: stock.StockMovementKind
    """Why it moved."""
    reason: str | None
    """The reason of an adjustment."""
    source: ID | None
    """The document that moved it, such as a receipt or an order."""
    actor: ID | None
    """The app that did it; null for Waterline itself."""
    effective_at: datetime
    """When it really happened."""
    recorded_at: datetime
    """When it was written."""


@view(stock.StockReceipt)
@access(Scope.STOCK_READ)
class StockReceipt(Node):
    """Goods that came in together. Its movements name it as their source."""

    location: Location = one()
    """Where they came in."""
    reference: str | None
    """What the paper says."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    received_at: datetime
    """When they came in."""
    recorded_at: datetime
    """When that was written."""


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


@view(stock.StockDiscrepancy)
@access(Scope.STOCK_READ)
class StockDiscrepancy(Node):
    """A case for a person: less is there than was promised."""

    kind: stock.DiscrepancyKind
    """In what way stock is not as it was thought to be."""
    variant: ProductVariant = one()
    """Which variant."""
    location: Location = one()
    """Where."""
    quantity: Quantity
    """How much of what was promised is not there."""
    opened_at: datetime
    """Since when it is known."""


# --- availability ---------------------------------------------------------------------------------------------------


published(stock.AvailabilityTermKind)


@restrict(Scope.STOCK_READ)
@strawberry.type(
    name="AvailabilityTerm",
    description="One reason for what can be promised: a document with its sign, quantity, date and place.",
)
class AvailabilityTerm:
    kind: stock.AvailabilityTermKind = strawberry.field(description="What it is.")
    quantity: Quantity = strawberry.field(description="How much it adds, or with a minus takes away.")
    source: strawberry.ID | None = strawberry.field(description="The document: an order, a hold, announced goods.")
    on: date | None = strawberry.field(description="Its day: due, held until, or promised on.")
    note: str | None = strawberry.field(description="What the document says of itself.")
    location_id: strawberry.Private[ID | None]
    location = refers(Location, by="location_id", description="Where; null for what may come from anywhere.")


@restrict(Scope.STOCK_READ)
@strawberry.type(name="Availability", description="What can be promised of a variant, and why.")
class Availability:
    on_hand: Quantity = strawberry.field(description="What is physically there.")
    allocated: Quantity = strawberry.field(description="Bound to orders.")
    reserved: Quantity = strawberry.field(description="Held for a while.")
    unavailable: Quantity = strawberry.field(description="There, but not to be sold.")
    available: Quantity = strawberry.field(description="What can be promised right now: physical, without the future.")
    incoming: Quantity = strawberry.field(description="Announced, and still to come by the day asked for.")
    backordered: Quantity = strawberry.field(description="Promised, and waited for.")
    available_to_promise: Quantity = strawberry.field(
        description="Available and incoming, less what is waited for: the sum of the terms."
    )
    terms: list[AvailabilityTerm] = strawberry.field(description="Every reason for it; they sum to the whole.")


def _availability(found: stock.Availability) -> Availability:
    kinds = stock.AvailabilityTermKind
    return Availability(
        on_hand=Quantity(found.total(kinds.ON_HAND)),
        allocated=Quantity(found.total(kinds.ALLOCATED)),
        reserved=Quantity(found.total(kinds.RESERVED)),
        unavailable=Quantity(found.total(kinds.UNAVAILABLE)),
        available=Quantity(found.available),
        incoming=Quantity(found.total(kinds.INCOMING)),
        backordered=Quantity(found.total(kinds.BACKORDERED)),
        available_to_promise=Quantity(found.available_to_promise),
        terms=[
            AvailabilityTerm(
                kind=term.kind,
                quantity=Quantity(term.quantity),
                source=None if term.source is None else strawberry.ID(term.source),
                on=term.on,
                note=term.note,
                location_id=term.location,
            )
            for term in found.terms
        ],
    )


On = Annotated[date | None, "Goods announced by this day count as incoming; all of them, when left out."]


async def _availability_of(ids: list[ID], reading: Reading, on: On = None) -> dict[ID, Availability]:
    found = await reading.run(lambda connection: stock.availability(connection, ids, on=on))
    return {variant: _availability(each) for variant, each in found.items()}


@extends("ProductVariant")
class VariantStock:
    stock_levels: list[StockLevel] = many(
        _location.priority,
        _location.id,
        beside=stock.Location,
        first=(50, "How many at most, the places that allocation takes first."),
        narrow={
            "location_ids": Narrow(
                list[ID] | None, "Only at these locations.", lambda ids: in_ids(_level.location_id, ids)
            )
        },
    )
    """Where it is and how much: the places that allocation takes first, first."""
    availability: Availability | None = batch(_availability_of, scopes=[Scope.STOCK_READ])
    """What can be promised of it over all locations, and why."""


@query
@access(Scope.STOCK_READ)
async def availability(
    context: Context,
    variant_id: Annotated[ID, "The variant."],
    location_ids: Annotated[list[ID] | None, "Only at these locations; at all, when left out."] = None,
    channel_id: Annotated[ID | None, "For this sales channel: every channel may sell from all locations."] = None,
    on: On = None,
) -> Availability | None:
    """What can be promised of a variant, and why; null for an unknown variant or channel."""
    reading = context.reading
    known = await reading.by_id(VIEWS[ProductVariant], variant_id)
    if known is None or (
        channel_id is not None and await reading.by_id(view_named("SalesChannel"), channel_id) is None
    ):
        return None
    found = await reading.run(
        lambda connection: stock.availability(connection, [variant_id], locations=location_ids, on=on)
    )
    return _availability(found[variant_id])


# --- queries --------------------------------------------------------------------------------------------------------


@extends("Query")
class StockQueries:
    location: Location | None = find(
        id=(ID, lambda value: _location.id == value),
        name=(str, lambda value: _location.name_folded == func.lower(value.strip())),
        external=(ExternalId, external_key("loc", _location.id)),
    )
    """One location, by its id, its name or what another system calls it."""
    locations: Connection[Location] = pages(stock.locations)
    """The locations: by default in the order in which allocation takes them."""
    stock_levels: Connection[StockLevel] = pages(stock.levels)
    """How much of what is where."""
    stock_movements: Connection[StockMovement] = pages(stock.movements)
    """Everything that ever moved: by default the oldest first."""
    stock_receipts: Connection[StockReceipt] = pages(stock.receipts)
    """Goods that came in: by default the oldest first."""
    stock_reservations: Connection[StockReservation] = pages(stock.reservations)
    """Holds, those that have ended included: by default the oldest first."""
    incoming_stock: Connection[IncomingStock] = pages(stock.incoming)
    """Announced goods: by default the first to come first."""
    stock_discrepancies: Connection[StockDiscrepancy] = pages(stock.discrepancies)
    """Cases for a person: by default the oldest first."""


@extends("Effects")
class StockEffects:
    stock_movements: Connection[StockMovement] = pages(stock.movements, by=_movement.act)
    """What the act moved."""


# --- refusals -------------------------------------------------------------------------------------------------------


def _insufficient(refusal: stock.InsufficientStock) -> dict[str, Any]:
    return {
        "variant_id": refusal.variant,
        "requested": Quantity(refusal.requested),
        "available": Quantity(refusal.available),
    }


@user_error(stock.InsufficientStock, _insufficient)
@strawberry.type(name="InsufficientStock", description="Less is available than was asked for.")
class InsufficientStock(UserError):  # noqa: N818  named as in the schema
    requested: Quantity = strawberry.field(description="How many the act asked for in all.")
    available: Quantity = strawberry.field(description="How many were available to it.")
    variant_id: strawberry.Private[ID | None]
    variant = refers(ProductVariant, by="variant_id", description="Of what.")


def _stale(refusal: stock.StaleQuantity) -> dict[str, Any]:
    return {"variant_id": refusal.variant, "present": Quantity(refusal.present)}


@user_error(stock.StaleQuantity, _stale)
@strawberry.type(name="StaleQuantity", description="The quantity is not what the caller expected.")
class StaleQuantity(UserError):  # noqa: N818  named as in the schema
    present: Quantity = strawberry.field(description="How many are on hand by now.")
    variant_id: strawberry.Private[ID | None]
    variant = refers(ProductVariant, by="variant_id", description="Of what.")


# --- mutations ------------------------------------------------------------------------------------------------------


@mutation
@access(Scope.STOCK_WRITE)
async def location_create(work: Work, input: stock.NewLocation) -> Location:
    """Creates a location."""
    return await stock.create_location(work, input)  # type: ignore[return-value]


@mutation(nouns={"levels": list[StockLevel], "receipt": StockReceipt})
@access(Scope.STOCK_WRITE)
async def stock_receive(work: Work, input: stock.NewReceipt) -> Nouns:
    """Takes goods in, each line a cost layer of its own. Orders that wait for them are served, the oldest first."""
    received = await stock.receive(work, input)
    return {"levels": received.levels, "receipt": received.receipt}


@mutation(noun="incoming")
@access(Scope.STOCK_WRITE)
async def stock_expect(work: Work, input: stock.NewIncoming) -> list[IncomingStock]:
    """Announces goods for a day to come, so that they can be promised."""
    return await stock.expect(work, input)  # type: ignore[return-value]


@mutation(noun="levels")
@access(Scope.STOCK_WRITE)
async def stock_adjust(work: Work, input: stock.NewAdjustment) -> list[StockLevel]:
    """Brings the books in line with the shelf, by differences, for a reason that says which account bears them."""
    return await stock.adjust(work, input)  # type: ignore[return-value]


@mutation(noun="levels")
@access(Scope.STOCK_WRITE)
async def stock_set(work: Work, input: stock.NewCount) -> list[StockLevel]:
    """Brings the books in line with what was counted, provided that they still say what the caller saw."""
    return await stock.set_quantities(work, input)  # type: ignore[return-value]


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
