"""A transfer is prepared: nothing is bound to it yet."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.kernel import bulk, words
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID, new_id
from domain.kernel.money import Quantity
from domain.kernel.work import Work
from domain.stock.events import StockTransferCreated
from domain.stock.operations import inputs
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.locations import NewLocation, create_location
from domain.stock.tables import LocationKind, StockTransfer, StockTransferLine, StockTransferStatus

MOST_TRANSFER_LINES = 500
"""Lines that one transfer has at most."""
ON_THE_ROAD = "In transit"
"""What the location is called where goods are while they are on the road."""


@dataclass(frozen=True)
class NewTransferLine:
    """How much of one variant is to move."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""


@dataclass(frozen=True)
class NewTransfer:
    """Goods to move from one location to another."""

    origin_id: ID
    """Where they are."""
    destination_id: ID
    """Where they go."""
    lines: list[NewTransferLine]
    """What is to move, each variant once; at most 500 lines."""
    reference: str | None = None
    """What the paper says."""
    expected_on: date | None = None
    """The day they should arrive: from then on they can be promised there."""


async def create_transfer(work: Work, new: NewTransfer) -> ID:
    """A transfer is being prepared. Nothing is bound to it. Returns its id.

    Refused with NotFound and Invalid for what is unknown or cannot be.
    """
    await inputs.existing_locations(
        work, {new.origin_id: ("input", "originId"), new.destination_id: ("input", "destinationId")}
    )
    await _check_places(work, new)
    _check_lines(new, path=("input", "lines"))
    wanted = [Wanted(line.variant_id, line.quantity, ("input", "lines", n)) for n, line in enumerate(new.lines)]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    reference = None if new.reference is None else words.line(new.reference, path=("input", "reference"))
    transfer = {
        "id": new_id("trf"),
        "status": StockTransferStatus.DRAFT,
        "origin_id": new.origin_id,
        "destination_id": new.destination_id,
        "transit_id": await transit_location(work),
        "reference": reference,
        "expected_on": new.expected_on,
        "created_at": work.now,
        "updated_at": work.now,
    }
    await bulk.insert(work, StockTransfer, [transfer])
    lines = [
        {
            "id": new_id("trl"),
            "transfer_id": transfer["id"],
            "position": n,
            "variant_id": line.variant_id,
            "quantity": line.quantity,
        }
        for n, line in enumerate(new.lines, 1)
    ]
    await bulk.insert(work, StockTransferLine, lines)
    work.announce(StockTransferCreated(transfer["id"], origin=new.origin_id, destination=new.destination_id))
    return transfer["id"]


async def _check_places(work: Work, new: NewTransfer) -> None:
    if new.origin_id == new.destination_id:
        raise Invalid("Goods go elsewhere: name another destination.", path=("input", "destinationId"))
    ends = {new.origin_id: ("input", "originId"), new.destination_id: ("input", "destinationId")}
    roads = await work.raw.fetch(
        "SELECT id FROM locations WHERE id = ANY($1) AND kind = 'TRANSIT' ORDER BY id", [each[4:] for each in ends]
    )
    for record in roads:
        sentence = "Goods on the road belong to their transfers: name the place they come from, or go to."
        raise Invalid(sentence, path=ends[ID("loc_" + record["id"])])


def _check_lines(new: NewTransfer, *, path: Path) -> None:
    inputs.counted(new.lines, path=path)
    if len(new.lines) > MOST_TRANSFER_LINES:
        raise Invalid(f"A transfer has at most {MOST_TRANSFER_LINES} lines.", path=path)
    seen: set[str] = set()
    for n, line in enumerate(new.lines):
        if line.variant_id in seen:
            raise Invalid("This variant is named twice: say it in one line.", path=(*path, n, "variantId"))
        seen.add(line.variant_id)


_TRANSIT = "SELECT id FROM locations WHERE kind = 'TRANSIT' ORDER BY created_at, id LIMIT 1"
_NAMED = "SELECT name_folded FROM locations WHERE name_folded LIKE lower($1) || '%'"


async def transit_location(work: Work) -> ID:
    """Where goods on the road are: the first location of kind TRANSIT there is, made where there is none."""
    found = await work.raw.fetchval(_TRANSIT)
    if found is None:
        # Two first transfers wait for each other here, and then share one road.
        await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended('stock.transit', 0))")
        found = await work.raw.fetchval(_TRANSIT)
    if found is not None:
        return ID("loc_" + found)
    taken = {record["name_folded"] for record in await work.raw.fetch(_NAMED, ON_THE_ROAD)}
    names = [ON_THE_ROAD, *(f"{ON_THE_ROAD} {n}" for n in range(2, len(taken) + 3))]
    free = next(name for name in names if name.lower() not in taken)
    return await create_location(work, NewLocation(free, LocationKind.TRANSIT))
