"""Locations, and the bins within them."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import ColumnElement, and_, func

from api.graphql.external import ExternalReference, external_ids_of, external_key
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, batch, extends, find, one, pages, view
from domain import stock
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewBin, "BinInput")
input_name(stock.BinPath, "BinPathInput")

_location, _bin = stock.Location.__table__.c, stock.Bin.__table__.c


@extends("JournalLine")
class JournalLinePlace:
    location: "Location | None" = one(by="location_id")
    """Where it came about."""


@extends("RecurringLine")
class RecurringLinePlace:
    location: "Location | None" = one(by="location_id")
    """The location it is about."""


@extends("BudgetLine")
class BudgetLinePlace:
    location: "Location | None" = one(by="location_id")
    """The location it is about; null: whichever."""


@view(stock.Bin)
@access(Scope.STOCK_READ)
class Bin(Node):
    """A place within a location. Bins form a tree; goods may lie in any of them."""

    location: "Location" = one()
    """The location it is in."""
    parent: "Bin | None" = one()
    """The larger place it is part of."""
    kind: stock.BinKind
    """What sort of place it is."""
    code: str
    """What is written on it."""
    path: str
    """The codes from the largest place down to it; unique in its location."""
    children: Connection["Bin"] = pages(stock.bins, by=_bin.parent_id)
    """The places it is divided into: by default in the order of their paths."""
    created_at: datetime
    """Since when it exists."""


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
    allows_oversell: bool
    """Whether goods may be handed over here that the books do not know of; each time a case is opened."""
    bins: Connection[Bin] = pages(stock.bins, by=_bin.location_id)
    """The places within it: by default in the order of their paths."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    version: int
    """Rises with every change."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


def _at_path(asked: stock.BinPath) -> ColumnElement[bool]:
    here = _bin.location_id == (asked.location_id if is_id(asked.location_id, "loc") else None)
    return and_(here, _bin.path_folded == func.lower(asked.path.strip()))


@extends("Query")
class PlaceQueries:
    bin: Bin | None = find(id=(ID, lambda value: _bin.id == value), path=(stock.BinPath, _at_path))
    """One place within a location, by its id, or by its location and its path there."""
    location: Location | None = find(
        id=(ID, lambda value: _location.id == value),
        name=(str, lambda value: _location.name_folded == func.lower(value.strip())),
        external=(ExternalId, external_key("loc", _location.id)),
    )
    """One location, by its id, its name or what another system calls it."""
    locations: Connection[Location] = pages(stock.locations)
    """The locations: by default in the order in which allocation takes them."""


LocationId = Annotated[ID, "The location."]


@mutation
@access(Scope.STOCK_WRITE)
async def location_create(work: Work, input: stock.NewLocation) -> Location:
    """Creates a location."""
    return await stock.create_location(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.STOCK_WRITE)
async def location_update(work: Work, id: LocationId, input: stock.LocationChanges) -> Location:
    """Changes what a location is called, and how stock is taken there. What is left out stays as it is."""
    return await stock.update_location(work, id, input)  # type: ignore[return-value]


@mutation(noun="bins")
@access(Scope.STOCK_WRITE)
async def bins_create(work: Work, input: stock.NewBins) -> list[Bin]:
    """Makes places within a location, and the larger places along their paths where those are missing."""
    return await stock.create_bins(work, input)  # type: ignore[return-value]
