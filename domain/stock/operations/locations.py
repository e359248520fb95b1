"""The places where stock is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.kernel import bulk, external, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals, StaleVersion, of_one
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.work import Work
from domain.stock.events import LocationCreated, LocationUpdated
from domain.stock.tables import Location, LocationKind

DEFAULT_PRIORITY = 100


@dataclass(frozen=True)
class NewLocation:
    """A location to create."""

    name: str
    """What staff calls it; unique without regard to case."""
    kind: LocationKind
    """What sort of place it is."""
    priority: int | None = None
    """Allocation takes the smallest first, from 0; 100 when left out."""
    external_id: ExternalId | None = None
    """What another system calls it."""


@dataclass(frozen=True)
class LocationChanges:
    """What to change on a location; what is left out stays."""

    name: str | Absent = ABSENT
    """What staff calls it; unique without regard to case."""
    priority: int | Absent = ABSENT
    """Allocation takes the smallest first, from 0."""
    allows_oversell: bool | Absent = ABSENT
    """Whether goods may be handed over here that the books do not know of, as at a till: each time a case is opened
    that must be settled."""
    external_id: ExternalId | Absent = ABSENT
    """What another system calls it, instead of what that system called it before."""
    expected_version: int | Absent | None = ABSENT
    """The version the caller has seen: refused with STALE_VERSION when somebody has changed the location since."""


async def create_location(work: Work, new: NewLocation) -> ID:
    """A location exists from now on. Returns its id. Refused with Invalid when its name or external id is taken."""
    with of_one():
        return (await create_locations(work, [new]))[0]


async def create_locations(work: Work, news: Sequence[NewLocation]) -> list[ID]:
    """Create locations in one act, all or none. Returns their ids in the order given.

    Refused as `create_location` is, each path starting with the index of the location.
    """
    rows = [_row(work, new, path=(n, "input")) for n, new in enumerate(news)]
    folded: dict[str, int] = {}
    refusals: list[Refusal] = []
    for n, row in enumerate(rows):
        if folded.setdefault(row["name"].lower(), n) != n:
            refusals.append(Invalid(f"This name is given twice: {row['name']}.", path=(n, "input", "name")))
    taken = await work.raw.fetch(
        "SELECT given.n FROM unnest($1::text[]) WITH ORDINALITY AS given(name, n)"
        " JOIN locations ON name_folded = lower(given.name) ORDER BY 1",
        [row["name"] for row in rows],
    )
    for n in (record["n"] - 1 for record in taken):
        sentence = f"There is a location of this name already: {rows[n]['name']}."
        refusals.append(Invalid(sentence, path=(n, "input", "name")))
    Refusals.raise_if_any(refusals)
    # In one order everywhere: two acts that want the same names wait for each other, and never both.
    await bulk.insert(work, Location, sorted(rows, key=lambda row: row["name"].lower()))
    named = [(row["id"], new.external_id) for row, new in zip(rows, news, strict=True) if new.external_id is not None]
    await external.link(work, named)
    work.announce(*(LocationCreated(row["id"]) for row in rows))
    return [row["id"] for row in rows]


_LOCK = "SELECT name, kind, priority, allows_oversell, version FROM locations WHERE id = $1 FOR NO KEY UPDATE"
_RENAME = "DELETE FROM external_references WHERE row = $1 AND system = $2"


async def update_location(work: Work, location_id: str, changes: LocationChanges) -> ID:
    """The location reads differently from now on; its version rises by one, unless nothing differs. Returns its id.

    Refused with NotFound, StaleVersion when `expected_version` is not the present one, and Invalid when a value cannot
    be or is taken.
    """
    row = await work.raw.fetchrow(_LOCK, location_id[4:]) if is_id(location_id, "loc") else None
    if row is None:
        raise NotFound("There is no such location.", path=("id",))
    location = ID(location_id)
    if isinstance(changes.expected_version, int) and changes.expected_version != row["version"]:
        raise StaleVersion(
            f"The location is at version {row['version']} by now, not {changes.expected_version}. Read it again.",
            path=("input", "expectedVersion"),
        )
    values = given(replace(changes, expected_version=ABSENT, external_id=ABSENT))
    if "name" in values:
        values["name"] = words.line(values["name"], path=("input", "name"))
    if "priority" in values:
        _check_priority(values["priority"], path=("input",))
    if values.get("allows_oversell") and row["kind"] == LocationKind.TRANSIT:
        sentence = "Nothing is handed over from goods in transit: allow it where they arrive."
        raise Invalid(sentence, path=("input", "allowsOversell"))
    values = {name: value for name, value in values.items() if value != row[name]}
    fields = list(values)
    if isinstance(changes.external_id, ExternalId) and await _call_it(work, location, changes.external_id):
        fields.append("external_id")
    if fields:
        stamp = {"id": location, "version": row["version"] + 1, "updated_at": work.now}
        await bulk.update(work, Location, [stamp | values])
        work.announce(LocationUpdated(location, fields=fields))
    return location


async def _call_it(work: Work, location: ID, name: ExternalId) -> bool:
    """Another system calls the location so from now on. Returns whether it did not before."""
    path = ("input", "externalId")
    external.check(name, path=path)
    known = await external.find(work.connection, "loc", name.system, [name.id])
    if known.get(name.id) == location:
        return False
    if known:
        raise Invalid(f"This external id is taken: {name.id}.", path=path)
    await work.raw.execute(_RENAME, location, name.system)
    await external.link(work, [(location, name)])
    return True


def _check_priority(priority: int, *, path: tuple[str | int, ...]) -> None:
    if not 0 <= priority < 2**31:
        raise Invalid("A priority is a whole number from 0.", path=(*path, "priority"))


def _row(work: Work, new: NewLocation, *, path: tuple[str | int, ...]) -> dict[str, Any]:
    priority = DEFAULT_PRIORITY if new.priority is None else new.priority
    _check_priority(priority, path=path)
    if new.external_id is not None:
        external.check(new.external_id, path=(*path, "externalId"))
    return {
        "id": new_id("loc"),
        "name": words.line(new.name, path=(*path, "name")),
        "kind": new.kind,
        "priority": priority,
        "created_at": work.now,
        "updated_at": work.now,
    }


async def bring_in_locations(work: Work, system: str, news: Sequence[NewLocation]) -> dict[str, ID]:
    """Locations as another system has them: made when unknown here, else left alone. Returns ids by its ids.

    Two acts that bring in from one system wait for each other: otherwise both would find the same location new.
    """
    keys = [new.external_id.id for new in news if new.external_id and new.external_id.system == system]
    if len(keys) != len(news):
        raise ValueError(f"every location brought in needs its id in {system}")
    await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"stock.bring_in {system}")
    known = await external.find(work.connection, "loc", system, keys)
    fresh = [(key, new) for key, new in zip(keys, news, strict=True) if key not in known]
    made = await create_locations(work, [new for _, new in fresh])
    return known | {key: row for (key, _), row in zip(fresh, made, strict=True)}
