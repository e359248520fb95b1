"""The business, its channels and units; who the caller is; and finding anything by its id."""

from datetime import datetime

import strawberry
from sqlalchemy import select, true

from api.graphql.kit.access import access
from api.graphql.kit.context import Context
from api.graphql.kit.operations import query
from api.graphql.kit.reading import Reading
from api.graphql.kit.views import VIEWS, Connection, Node, by_id, extends, pages, view
from domain import business
from domain.kernel.money import CurrencyCode


async def base_currency(reading: Reading) -> CurrencyCode:
    """The currency of the books."""
    return CurrencyCode((await reading.execute(select(business.Business.base_currency)))[0]["base_currency"])


@view(business.Business)
@access()
class Business:
    """The one business that this deployment serves."""

    name: str
    """Its name."""
    base_currency: CurrencyCode
    """The currency of its books."""
    time_zone: str
    """Its IANA time zone: which day it is for the business."""
    fiscal_year_start: str
    """Month and day on which its fiscal year starts, as MM-DD."""


@view(business.SalesChannel)
@access()
class SalesChannel(Node):
    """A place where the business sells, under one of its brands."""

    name: str
    """What staff calls it; unique."""
    kind: business.ChannelKind
    """What sort of place it is."""
    currency: CurrencyCode
    """The currency of its prices and orders."""
    locale: str
    """The language of its texts, as a BCP 47 tag."""
    brand: str | None
    """The brand it sells under."""
    tax_mode: business.TaxMode
    """Whether its prices contain the tax."""
    default_location_name: str | None
    """The location that serves it unless routing says otherwise."""
    price_list_name: str | None
    """The price list it sells by."""
    requires_payment: bool
    """Whether its orders ship only once they are paid."""
    is_default: bool
    """Whether orders that name no channel belong to it."""
    version: int
    """Rises with every change."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


@view(business.Unit)
@access()
class Unit(Node):
    """A unit of measure. Units of one dimension convert into each other exactly."""

    code: str
    """Its code on documents, such as EA or KG."""
    name: str
    """Its name."""
    dimension: business.Dimension
    """What it measures."""
    decimals: int
    """How many decimals a quantity in it may have."""
    numerator: int
    """One of it is numerator / denominator of the dimension's base unit."""
    denominator: int
    """See numerator."""


@extends("Query")
class BusinessQueries:
    channels: Connection[SalesChannel] = pages(business.channels)
    """The sales channels."""
    units: Connection[Unit] = pages(business.units)
    """The units of measure."""
    node: Node | None = by_id()
    """Anything by its id; null when there is no such thing in sight."""
    nodes: list[Node | None] = by_id(many=True)
    """Several things by their ids, in the same order; null for each that is not in sight."""


@strawberry.type(name="Viewer", description="Who is behind the token, and what the token may do.")
class Viewer:
    id: strawberry.ID = strawberry.field(description="The app that acts.")
    name: str = strawberry.field(description="Its name.")
    scopes: list[str] = strawberry.field(description="What the token may do, implied scopes included.")
    expires_at: datetime | None = strawberry.field(description="Until when the token is valid.")


@query
@access()
async def business_(context: Context) -> Business:
    """The business behind this schema."""
    return await context.reading.find(VIEWS[Business], true())  # type: ignore[return-value]


business_.__name__ = "business"


@query
@access()
async def viewer(context: Context) -> Viewer:
    """Who asks: the actor behind the token and its scopes."""
    caller = context.caller
    return Viewer(
        id=strawberry.ID(str(caller.actor.id)),
        name=caller.name,
        scopes=sorted(caller.actor.scopes),
        expires_at=caller.expires_at,
    )
