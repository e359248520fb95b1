"""Where within a location goods are put, of which lot and in which state: as lines of acts say it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain import ledger
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, is_id
from domain.kernel.work import Work
from domain.stock.contents import Content
from domain.stock.operations.inputs import Path
from domain.stock.operations.lots import NamedLot, NewLot, lots_named
from domain.stock.tables import UnavailableState


@dataclass(frozen=True)
class Shelved:
    """What a line says of where its goods are: all of it may be left out."""

    variant_id: ID
    location_id: ID
    path: Path
    bin_id: ID | None = None
    lot: NewLot | None = None
    """A lot by its number, made when it is new."""
    lot_id: ID | None = None
    """A lot that is known."""
    state: UnavailableState | None = None
    brings: bool = False
    """Whether goods come in by it: then a variant that is kept by lots must name one, and none that was recalled."""
    bin_name: str = "binId"
    lot_name: str = "lotId"
    """What the line calls its bin and its lot."""


_BINS = "SELECT id, location_id FROM bins WHERE id = ANY($1)"
# Shared with everybody but whoever recalls one of them: no goods join a lot while it is recalled.
_LOTS = "SELECT id, variant_id, expires_on, recalled_at FROM lots WHERE id = ANY($1) ORDER BY id FOR SHARE"
_TRACKED = "SELECT variant_id FROM stock_policies WHERE variant_id = ANY($1) AND tracks_lots"


async def contents_named(work: Work, lines: Sequence[Shelved]) -> list[Content]:
    """The contents that lines name, in their order. Refused with NotFound for a bin that is not at that location or a
    lot that is not of that variant, and with Invalid where goods of a variant that is kept by lots come without one, or
    come for sale into a lot that was recalled. What comes of a lot that is past its last day is in the state EXPIRED
    where none is named, as `expire_lots` would put it; on the road it waits until it has arrived.
    """
    bins = [each.bin_id[4:] for each in lines if each.bin_id is not None and is_id(each.bin_id, "bin")]
    lots = [each.lot_id[4:] for each in lines if each.lot_id is not None and is_id(each.lot_id, "lot")]
    at = {record["id"]: record["location_id"] for record in (await work.raw.fetch(_BINS, bins) if bins else [])}
    known = {record["id"]: record for record in (await work.raw.fetch(_LOTS, lots) if lots else [])}
    unnamed = sorted({each.variant_id[4:] for each in lines if each.brings and not (each.lot or each.lot_id)})
    tracked = {record["variant_id"] for record in (await work.raw.fetch(_TRACKED, unnamed) if unnamed else [])}
    refusals: list[Refusal] = []
    for each in lines:
        if each.bin_id is not None and at.get(each.bin_id[4:]) != each.location_id[4:]:
            refusals.append(NotFound("There is no such bin at this location.", path=(*each.path, each.bin_name)))
        if each.lot_id is not None:
            lot = known.get(each.lot_id[4:])
            if lot is None or lot["variant_id"] != each.variant_id[4:]:
                refusals.append(NotFound("There is no such lot of this variant.", path=(*each.path, each.lot_name)))
            elif each.brings and each.state is None and lot["recalled_at"] is not None:
                sentence = "This lot was recalled: more of it can only be in a state, such as ON_HOLD."
                refusals.append(Invalid(sentence, path=(*each.path, "state")))
        elif each.lot is None and each.brings and each.variant_id[4:] in tracked:
            refusals.append(Invalid("This variant is kept by lots: name the lot.", path=(*each.path, each.lot_name)))
    Refusals.raise_if_any(refusals)
    made = await lots_named(
        work, [NamedLot(each.variant_id, each.lot, (*each.path, "lot")) for each in lines if each.lot is not None]
    )
    days = {lot.id: lot.expires_on for lot in made.values()}
    days |= {ID("lot_" + record["id"]): record["expires_on"] for record in known.values()}
    over = await past_their_day(work, days)
    road = await _in_transit(work, {each.location_id for each in lines if each.brings}) if over else set()
    contents: list[Content] = []
    for each in lines:
        lot_id = each.lot_id if each.lot is None else made[each.variant_id, each.lot.number.strip().lower()].id
        is_over = each.brings and lot_id in over and each.location_id not in road
        expired = UnavailableState.EXPIRED if is_over else None
        contents.append(Content(each.bin_id, lot_id, each.state or expired))
    return contents


async def past_their_day(work: Work, last_days: Mapping[ID, date | None]) -> set[ID]:
    """Which of these lots may not be sold any more, by the business's own date."""
    if not any(last_days.values()):
        return set()
    today = (await ledger.books(work)).today
    return {lot for lot, day in last_days.items() if day is not None and day < today}


_IN_TRANSIT = "SELECT id FROM locations WHERE id = ANY($1) AND kind = 'TRANSIT'"


async def _in_transit(work: Work, locations: Collection[ID]) -> set[ID]:
    """Which of these locations stand for goods in transit."""
    found = await work.raw.fetch(_IN_TRANSIT, sorted(location[4:] for location in locations))
    return {ID("loc_" + record["id"]) for record in found}


async def states_of(work: Work, location: ID, lots: Collection[ID]) -> dict[ID, UnavailableState]:
    """The states in which more of these lots can only be at a location: ON_HOLD where it was recalled, EXPIRED where it
    is past its last day; the others are left out. None of them is recalled until this act ends. Said before levels are
    locked.
    """
    found = await work.raw.fetch(_LOTS, sorted(lot[4:] for lot in lots)) if lots else []
    over = await past_their_day(work, {ID("lot_" + record["id"]): record["expires_on"] for record in found})
    if over and await _in_transit(work, {location}):
        over = set()
    recalled = {ID("lot_" + record["id"]) for record in found if record["recalled_at"] is not None}
    return dict.fromkeys(over, UnavailableState.EXPIRED) | dict.fromkeys(recalled, UnavailableState.ON_HOLD)
