"""What can be promised of a variant, and why."""

from datetime import date
from typing import Annotated

import strawberry

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.enums import published
from api.graphql.kit.operations import query
from api.graphql.kit.plain import refers
from api.graphql.kit.reading import Reading
from api.graphql.kit.views import VIEWS, batch, extends, view_named
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope

published(stock.AvailabilityTermKind)


@restrict(Scope.STOCK_READ)
@strawberry.type(
    name="AvailabilityTerm",
    description="One reason for what can be promised: a document with its sign, quantity, date and place.",
)
class AvailabilityTerm:
    kind: stock.AvailabilityTermKind = strawberry.field(description="What it is.")
    quantity: Quantity = strawberry.field(description="How much it adds, or with a minus takes away.")
    source: strawberry.ID | None = strawberry.field(
        description="The document: an order, a hold, a pool, a channel's rule, announced goods."
    )
    on: date | None = strawberry.field(description="Its day: due, held until, or promised on.")
    note: str | None = strawberry.field(
        description="What the document says of itself; the state of what is unavailable, the channel of a pool."
    )
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
    next_change: AvailabilityTerm | None = strawberry.field(
        description="What will raise it next: the first goods to come, announced or on the road, after the day asked"
        " for; of all of them, where no day was."
    )


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
        terms=[_term(term) for term in found.terms],
        next_change=None if found.next_change is None else _term(found.next_change),
    )


def _term(term: stock.Term) -> AvailabilityTerm:
    return AvailabilityTerm(
        kind=term.kind,
        quantity=Quantity(term.quantity),
        source=None if term.source is None else strawberry.ID(term.source),
        on=term.on,
        note=term.note,
        location_id=term.location,
    )


On = Annotated[date | None, "Goods announced by this day count as incoming; all of them, when left out."]


ForChannel = Annotated[
    ID | None, "For this sales channel: with its own pools, and without what its buffer and cap keep from it."
]


async def _is_known(channel: ID | None, reading: Reading) -> bool:
    return channel is None or await reading.by_id(view_named("SalesChannel"), channel) is not None


async def _availability_of(
    ids: list[ID], reading: Reading, on: On = None, channel_id: ForChannel = None
) -> dict[ID, Availability]:
    if not await _is_known(channel_id, reading):
        return {}
    found = await reading.run(lambda connection: stock.availability(connection, ids, channel=channel_id, on=on))
    return {variant: _availability(each) for variant, each in found.items()}


@extends("ProductVariant")
class VariantAvailability:
    availability: Availability | None = batch(_availability_of, scopes=[Scope.STOCK_READ])
    """What can be promised of it over all locations, and why; null for an unknown channel."""


@query
@access(Scope.STOCK_READ)
async def availability(
    context: Context,
    variant_id: Annotated[ID, "The variant."],
    location_ids: Annotated[list[ID] | None, "Only at these locations; at all, when left out."] = None,
    channel_id: ForChannel = None,
    on: On = None,
) -> Availability | None:
    """What can be promised of a variant, and why; null for an unknown variant or channel."""
    reading = context.reading
    known = await reading.by_id(VIEWS[ProductVariant], variant_id)
    if known is None or not await _is_known(channel_id, reading):
        return None
    found = await reading.run(
        lambda connection: stock.availability(
            connection, [variant_id], locations=location_ids, channel=channel_id, on=on
        )
    )
    return _availability(found[variant_id])
