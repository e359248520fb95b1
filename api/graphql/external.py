"""What other systems call our rows, for every type that has `externalIds`."""

from collections.abc import Callable
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, cast, func, select

from api.graphql.kit.reading import Reading, among
from domain.kernel.external import ExternalId
from domain.kernel.external import ExternalReference as ExternalReferenceRow
from domain.kernel.ids import ID

_reference = ExternalReferenceRow.__table__.c


@strawberry.type(name="ExternalReference", description="What another system calls this.")
class ExternalReference:
    system: str = strawberry.field(description="The other system.")
    id: str = strawberry.field(description="Its id there.")


async def external_ids_of(ids: list[ID], reading: Reading) -> dict[ID, list[ExternalReference]]:
    """The external ids of a level of rows, by row."""
    statement = select(_reference.row, _reference.system, _reference.external_id).where(among(_reference.row, ids))
    found: dict[ID, list[ExternalReference]] = {row: [] for row in ids}
    for each in await reading.execute(statement.order_by(_reference.system, _reference.external_id)):
        found[each["row"]].append(ExternalReference(system=each["system"], id=each["external_id"]))
    return found


def external_key(noun: str, column: Any) -> Callable[[ExternalId], ColumnElement[bool]]:
    """The condition that a row is the one another system calls so."""

    def condition(key: ExternalId) -> ColumnElement[bool]:
        named = (_reference.noun == noun, _reference.system == key.system, _reference.external_id == key.id)
        row_id = cast(func.substr(_reference.row, len(noun) + 2), column.type)
        return column == select(row_id).where(*named).scalar_subquery()

    return condition
