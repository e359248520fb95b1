"""The places where stock is kept."""

from dataclasses import dataclass

from domain.kernel import bulk, external, words
from domain.kernel.errors import Invalid
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work
from domain.stock.events import LocationCreated
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


async def create_location(work: Work, new: NewLocation) -> ID:
    """A location exists from now on. Returns its id. Refused with Invalid when its name or external id is taken."""
    priority = DEFAULT_PRIORITY if new.priority is None else new.priority
    if not 0 <= priority < 2**31:
        raise Invalid("A priority is a whole number from 0.", path=("input", "priority"))
    location = {
        "id": new_id("loc"),
        "name": words.line(new.name, path=("input", "name")),
        "kind": new.kind,
        "priority": priority,
        "created_at": work.now,
        "updated_at": work.now,
    }
    if new.external_id is not None:
        external.check(new.external_id, path=("input", "externalId"))
    if await work.raw.fetchval("SELECT EXISTS (SELECT FROM locations WHERE name_folded = lower($1))", location["name"]):
        raise Invalid(f"There is a location of this name already: {location['name']}.", path=("input", "name"))
    await bulk.insert(work, Location, [location])
    if new.external_id is not None:
        await external.link(work, [(location["id"], new.external_id)])
    work.announce(LocationCreated(location["id"]))
    return location["id"]


async def bring_in_locations(work: Work, system: str, news: list[NewLocation]) -> dict[str, ID]:
    """Locations as another system has them: made when unknown here, else left alone. Returns ids by its ids."""
    keys = [new.external_id.id for new in news if new.external_id and new.external_id.system == system]
    if len(keys) != len(news):
        raise ValueError(f"every location brought in needs its id in {system}")
    await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"stock.bring_in {system}")
    known = await external.find(work.connection, "loc", system, keys)
    for key, new in zip(keys, news, strict=True):
        if key not in known:
            known[key] = await create_location(work, new)
    return known
