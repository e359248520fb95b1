"""Channel, location, brand, department, project: what lines say beside their accounts.

Channels and locations are rows of other rooms, which say so with `keep_dimension`; brands, departments and projects
are values kept here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import bulk, listing, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.database import raw
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.work import Work
from domain.ledger.accounts import well_formed_code
from domain.ledger.events import DimensionValueCreated, DimensionValueUpdated
from domain.ledger.tables import AccountingDimension, DimensionValue
from domain.ledger.tables.dimensions import COLUMNS

_value = DimensionValue.__table__.c
DIMENSION_PREFIXES = {
    AccountingDimension.CHANNEL: "chn",
    AccountingDimension.LOCATION: "loc",
    AccountingDimension.BRAND: "dmv",
    AccountingDimension.DEPARTMENT: "dmv",
    AccountingDimension.PROJECT: "dmv",
}
"""What the ids of each begin with."""

_OF_OUR_OWN = "SELECT id, name, is_active FROM dimension_values WHERE id = ANY($1) AND dimension = $2"
_there = {
    AccountingDimension.CHANNEL: (
        "SELECT id, name, true AS is_active FROM sales_channels WHERE id = ANY($1) AND $2 = 'CHANNEL'"
    ),
    AccountingDimension.BRAND: _OF_OUR_OWN,
    AccountingDimension.DEPARTMENT: _OF_OUR_OWN,
    AccountingDimension.PROJECT: _OF_OUR_OWN,
}


def keep_dimension(dimension: AccountingDimension, found: str) -> None:
    """The values of a dimension are rows of the room that says so, with a statement that tells which of the ids in `$1`
    there are, what they are called, and whether lines may name them (`id`, `name`, `is_active`); `$2` is the dimension.
    """
    _there[dimension] = found


async def names(connection: AsyncConnection, dimension: AccountingDimension, ids: Sequence[str]) -> dict[str, str]:
    """What values of a dimension are called, by the 32 hexadecimal digits of their ids."""
    found = await (await raw(connection)).fetch(_there[dimension], list(ids), dimension)
    return {row["id"]: row["name"] for row in found}


@dataclass(frozen=True)
class Named:
    """A dimension that a caller names in a line."""

    dimension: AccountingDimension
    id: ID
    path: tuple[str | int, ...]


def named(lines: Sequence[Any]) -> list[Named]:
    """The dimensions that lines of an input name, in fields called as the columns are."""
    return [
        Named(dimension, value, ("input", "lines", n, f"{dimension.lower()}Id"))
        for n, line in enumerate(lines)
        for dimension, column in COLUMNS.items()
        if (value := getattr(line, column)) is not None
    ]


async def check(work: Work, all_named: Sequence[Named]) -> None:
    """Refuses, all at once, with NotFound for what is none of its dimension and Invalid for what is not active."""
    refusals: list[Refusal] = []
    for dimension in AccountingDimension:
        mine = [each for each in all_named if each.dimension == dimension]
        if not mine:
            continue
        prefix = DIMENSION_PREFIXES[dimension]
        wanted = {each.id[4:] for each in mine if is_id(each.id, prefix)}
        found = {
            row["id"]: row["is_active"] for row in await work.raw.fetch(_there[dimension], list(wanted), dimension)
        }
        for each in mine:
            if not is_id(each.id, prefix) or each.id[4:] not in found:
                refusals.append(NotFound(f"There is no such {dimension.lower()}.", path=each.path))
            elif not found[each.id[4:]]:
                refusals.append(Invalid(f"This {dimension.lower()} is not in use any more.", path=each.path))
    Refusals.raise_if_any(refusals)


@dataclass(frozen=True)
class NewDimensionValue:
    """A brand, a department or a project that lines may name."""

    dimension: AccountingDimension
    """BRAND, DEPARTMENT or PROJECT: channels and locations are made where they belong."""
    code: str
    """Short, unique in its dimension: digits, capital letters, points and hyphens; at most 20 characters."""
    name: str
    """What people call it."""


@dataclass(frozen=True)
class DimensionValueChanges:
    """What to change; what is left out stays as it is."""

    name: str | Absent = ABSENT
    """What people call it."""
    is_active: bool | Absent = ABSENT
    """Whether new entries may name it."""


async def create_dimension_value(work: Work, new: NewDimensionValue) -> ID:
    """Lines can name it. Returns its id. Refused with Invalid for a code that is taken or cannot be."""
    if DIMENSION_PREFIXES[new.dimension] != "dmv":
        raise Invalid("Channels and locations are made where they belong, not here.", path=("input", "dimension"))
    row: dict[str, Any] = {
        "id": new_id("dmv"),
        "dimension": new.dimension,
        "code": well_formed_code(new.code),
        "name": words.line(new.name, path=("input", "name")),
        "created_at": work.now,
    }
    await bulk.insert(work, DimensionValue, [row])
    work.announce(DimensionValueCreated(row["id"]))
    return row["id"]


async def update_dimension_value(work: Work, value_id: str, changes: DimensionValueChanges) -> ID:
    """It is called differently, or not in use any more; lines that name it keep it. Refused with NotFound."""
    query = "SELECT name, is_active FROM dimension_values WHERE id = $1 FOR UPDATE"
    row = await work.raw.fetchrow(query, value_id[4:]) if is_id(value_id, "dmv") else None
    if row is None:
        raise NotFound("There is no such dimension value.", path=("id",))
    values = given(changes)
    if "name" in values:
        values["name"] = words.line(values["name"], path=("input", "name"))
    values = {name: value for name, value in values.items() if value != row[name]}
    if values:
        await bulk.update(work, DimensionValue, [{"id": ID(value_id)} | values])
        work.announce(DimensionValueUpdated(ID(value_id), fields=sorted(values)))
    return ID(value_id)


dimension_values = listing.Listing(
    DimensionValue,
    filters={
        "id": listing.identity(_value.id),
        "dimension": listing.choice(_value.dimension, AccountingDimension),
    },
    sorts={"CODE": _value.code},
)
