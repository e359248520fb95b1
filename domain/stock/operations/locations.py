"""The places where stock is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.kernel import bulk, external, words
from domain.kernel.errors import Invalid, Refusal, Refusals, of_one
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


def _row(work: Work, new: NewLocation, *, path: tuple[str | int, ...]) -> dict[str, Any]:
    priority = DEFAULT_PRIORITY if new.priority is None else new.priority
    if not 0 <= priority < 2**31:
        raise Invalid("A priority is a whole number from 0.", path=(*path, "priority"))
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
