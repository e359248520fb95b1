"""How much of what is where, what lies in which bin, and every movement."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.reading import Reading, among
from api.graphql.kit.views import Connection, Narrow, Node, batch, column, extends, many, one, pages, sql, view
from api.graphql.stock.lots import Lot
from api.graphql.stock.places import Bin, Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.listing import in_ids
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope

_location, _level = stock.Location.__table__.c, stock.StockLevel.__table__.c
_movement, _content = stock.StockMovement.__table__.c, stock.StockContent.__table__.c


# What nothing lies in any more has a row still, and is of no interest to anybody.
@view(stock.StockContent, visible=lambda _actor: (_content.live,))
@access(Scope.STOCK_READ)
class StockContent(Node):
    """How much lies in one bin, of one lot, in one state. What lies loose, of no lot and may be sold has none."""

    variant: ProductVariant = one(by="variant_id")
    """What lies there."""
    location: Location = one(by="location_id")
    """The location."""
    level: "StockLevel" = one()
    """How much of it is at the location in all."""
    bin: Bin | None = one()
    """The bin, where it lies in one."""
    lot: Lot | None = one()
    """The lot, where it belongs to one."""
    state: stock.UnavailableState | None
    """Why it cannot be sold; null: it can."""
    quantity: Quantity
    """How much lies so."""


def _rule(name: str) -> Callable[[list[ID], Reading], Awaitable[Mapping[ID, Decimal | None]]]:
    """A part of what says when more should be ordered: as it is now, also where a level is told as it was, live."""

    async def read(ids: list[ID], reading: Reading) -> Mapping[ID, Decimal | None]:
        rows = await reading.execute(select(_level.id, _level[name]).where(among(_level.id, ids)))
        return {row["id"]: row[name] for row in rows}

    return read


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
    contents: list[StockContent] = many(_content.id, by="level_id")
    """What of it lies in bins, belongs to lots or cannot be sold; the rest of what is on hand lies loose."""
    value: Money | None = column(scopes=[Scope.COSTS_READ])
    """What it is worth, in the currency of the books."""
    reorder_point: Quantity | None = batch(_rule("reorder_point"))
    """More should be ordered when what is available falls to this."""
    safety_stock: Quantity | None = batch(_rule("safety_stock"))
    """What should always be there, for the unforeseen."""
    min_quantity: Quantity | None = batch(_rule("min_quantity"))
    """At least so much should be there."""
    max_quantity: Quantity | None = batch(_rule("max_quantity"))
    """It is ordered up to this."""
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
    """The reason of an adjustment, or of a move within the location."""
    bin: Bin | None = one(by="bin_id")
    """The bin it went into or came from, where that is known."""
    lot: Lot | None = one(by="lot_id")
    """The lot it belongs to."""
    state: stock.UnavailableState | None
    """The state of what moved; null: it may be sold."""
    source: ID | None
    """The document that moved it, such as a receipt or an order."""
    actor: ID | None
    """The app that did it; null for Waterline itself."""
    effective_at: datetime
    """When it really happened."""
    recorded_at: datetime
    """When it was written."""


@extends("ProductVariant")
class VariantLevels:
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


@extends("Query")
class LevelQueries:
    stock_levels: Connection[StockLevel] = pages(stock.levels)
    """How much of what is where."""
    stock_movements: Connection[StockMovement] = pages(stock.movements)
    """Everything that ever moved: by default the oldest first."""
    stock_contents: Connection[StockContent] = pages(stock.stock_contents)
    """What lies in bins, belongs to lots or cannot be sold: by default in the order in which it first lay so."""


@extends("Bin")
class BinContents:
    contents: Connection[StockContent] = pages(stock.stock_contents, by=_content.bin_id)
    """What lies in it; what lies in its children is told by them."""


@extends("Lot")
class LotContents:
    contents: Connection[StockContent] = pages(stock.stock_contents, by=_content.lot_id)
    """Where what is left of it lies, and in which state."""
    movements: Connection[StockMovement] = pages(stock.movements, by=_movement.lot_id)
    """Everything that ever moved of it: by default the oldest first."""


@extends("Effects")
class StockEffects:
    stock_movements: Connection[StockMovement] = pages(stock.movements, by=_movement.act)
    """What the act moved."""
