"""Plain types: what a query function returns and no row stands for, such as a report.

They are ordinary Strawberry types over dataclasses. What they say of a row is its id; the field that shows the row is
declared, not resolved:

    location_id: strawberry.Private[ID | None]
    location = refers(Location, by="location_id", description="Where.")
"""

import typing
from typing import Any

import strawberry

from api.graphql.kit import views
from api.graphql.kit.resolvers import signed

REFERS = "refers"
"""The key of a field's metadata under which the name of the attribute with the id stands."""


def refers(to: type, *, by: str, description: str, nullable: bool = True) -> Any:
    """The row of a view whose id is in the attribute `by`; null where there is none or it is out of sight."""

    async def resolve(root: Any, info: Any) -> Any:
        row_id = getattr(root, by)
        return None if row_id is None else await info.context.reading.by_id(views.VIEWS[to], row_id)

    returns = typing.Optional[to] if nullable else to  # noqa: UP045  works for Strawberry's wrappers too
    return strawberry.field(resolver=signed(resolve, returns), description=description, metadata={REFERS: by})
