"""Holds on stock that end by themselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from domain.kernel import bulk, words
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Quantity
from domain.kernel.work import Work
from domain.stock.events import StockReleased, StockReserved
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders, lock_queues, serve_waiting
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.waiting import Waiting, lock_policies, place_and_wait
from domain.stock.placement import Demand, Part, place, shortages
from domain.stock.shares import shares_of, take
from domain.stock.tables import Place, ReservationStatus, StockReservation, StockReservationLine

DEFAULT_SECONDS = 15 * 60
LONGEST_SECONDS = 30 * 24 * 60 * 60
SWEPT_AT_ONCE = 500
"""Lines of expired holds that one sweep frees at most."""


@dataclass(frozen=True)
class NewReservationLine:
    """How much of one variant to hold."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""
    location_id: ID | None = None
    """Where to hold it; chosen as for an order when left out."""


@dataclass(frozen=True)
class NewReservation:
    """Stock to hold for a while, such as for a cart."""

    lines: list[NewReservationLine]
    """What to hold, all of it or nothing; at most 10,000 lines."""
    expires_in_seconds: int | None = None
    """After how many seconds the hold ends by itself: 900 when left out, at most 30 days."""
    reference: str | None = None
    """What it is for, such as a cart's id."""


async def reserve(work: Work, new: NewReservation) -> ID:
    """The stock is held until the hold is released, consumed by an order, or its time is over. Returns the hold's id.

    Refused with InsufficientStock when not all of it is available, and with Invalid at goods in transit: then nothing
    is held.
    """
    inputs.counted(new.lines, path=("input", "lines"))
    seconds = DEFAULT_SECONDS if new.expires_in_seconds is None else new.expires_in_seconds
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise Invalid(f"A hold lasts 1 to {LONGEST_SECONDS:,} seconds.", path=("input", "expiresInSeconds"))
    wanted = [Wanted(line.variant_id, line.quantity, ("input", "lines", n)) for n, line in enumerate(new.lines)]
    variants = await inputs.known_variants(work, wanted, least=Decimal(0))
    named: dict[str, Path] = {
        line.location_id: ("input", "lines", n, "locationId")
        for n, line in enumerate(new.lines)
        if line.location_id is not None
    }
    if named:
        await inputs.selling_locations(work, named)
    demands = [
        Demand(line.variant_id, line.quantity, ("input", "lines", n), variants[line.variant_id].sku, line.location_id)
        for n, line in enumerate(new.lines)
    ]
    placed = await lock_and_place(work, demands)
    reservation = {
        "id": new_id("rsv"),
        "reference": None if new.reference is None else words.line(new.reference, path=("input", "reference")),
        "expires_at": work.now + timedelta(seconds=seconds),
        "created_at": work.now,
    }
    await bulk.insert(work, StockReservation, [reservation])
    rows = [
        {
            "reservation_id": reservation["id"],
            "n": n,
            "variant_id": part.level.place[0],
            "location_id": part.level.place[1],
            "quantity": part.quantity,
            "held": part.quantity,
        }
        for n, part in enumerate(placed.parts, 1)
    ]
    await bulk.insert(work, StockReservationLine, rows)
    for part in placed.parts:
        part.level.claim(reserved=part.quantity)
    placed.levels.save(StockReserved)
    return reservation["id"]


async def release(work: Work, reservation_id: str) -> ID:
    """What the hold still holds is available again. Returns the hold's id.

    Refused with NotFound, and with NotAllowedNow when it was released or became an order: freed exactly once.
    """
    path = ("reservationId",)
    places = await held_places(work, reservation_id, path=path)
    levels = await Levels.lock(work, places)
    freed = await give_up(work, levels, reservation_id, ReservationStatus.RELEASED, path=path)
    await serve_waiting(work, levels, freed)
    levels.save(StockReleased)
    return ID(reservation_id)


@dataclass
class Placed:
    """Where demands are served from: levels that are locked, what each gives, and what demands still wait for."""

    levels: Levels
    parts: list[Part]
    waiting: list[Waiting] = field(default_factory=list)
    any_expired: bool = False
    """Whether expired holds had to give way."""
    spare: Collection[Place] = ()
    """Where more was held for the demands than they need: once what they take is claimed, the caller serves those who
    wait there.
    """


async def lock_and_place(
    work: Work,
    demands: Collection[Demand],
    *,
    reservation_id: str | None = None,
    path: Path = (),
    may_wait: bool = False,
) -> Placed:
    """Lock the levels that demands may be served from, and choose. A reservation is consumed: what it holds is given
    up first, and its places are preferred. What channels take from their pools is taken off them.

    Where expired holds must give way, what they held goes to those who wait, and only then to the demands. Refused
    with InsufficientStock for every variant that is short all the same; with `may_wait` only for those whose policy
    does not let demands wait.
    """
    held = await held_places(work, reservation_id, path=path) if reservation_id is not None else set()
    if any(demand.location_id is None for demand in demands):
        levels = await Levels.lock_variants(work, {each.variant_id for each in demands} | {each[0] for each in held})
    else:
        wanted = {(demand.variant_id, demand.location_id) for demand in demands if demand.location_id is not None}
        levels = await Levels.lock(work, wanted | held)
    mine: dict[Place, Decimal] = {}
    if reservation_id is not None:
        mine = await give_up(work, levels, reservation_id, ReservationStatus.CONSUMED, path=path)
    shares = await shares_of(
        work,
        {each.channel_id for each in demands if each.channel_id is not None},
        {each.variant_id for each in demands},
        ruled=any(each.ruled for each in demands),
        pooled=any(level.reserved for level in levels),
    )
    parts, short = place(levels, demands, mine, shares)
    expired: Collection[Place] = ()
    if short and (expired := await free_expired(work, levels, [level.place for level in levels])):
        if may_wait:
            await lock_policies(work, {each.variant_id for each in demands})  # they come before queues
        await _serve_first(work, levels, expired, mine)
        parts, short = place(levels, demands, mine, shares)
    waiting: list[Waiting] = []
    if short and may_wait:
        parts, waiting, short = await place_and_wait(work, levels, demands, short, held=mine, shares=shares)
    if short:
        raise shortages(levels, demands, short, shares)
    await _claim_from_pools(work, parts)
    return Placed(levels, parts, waiting, bool(expired), _spare(mine, parts))


async def _serve_first(work: Work, levels: Levels, expired: Collection[Place], mine: Mapping[Place, Decimal]) -> None:
    """What expired holds held goes to those who wait, but for what was held for the demands themselves."""
    if mine:  # what is left of it goes to those who wait, too, later: queues are locked all at once
        await lock_queues(work, {variant for variant, _ in (*expired, *mine)})
    await fill_backorders(work, levels, {each: -mine.get(each, Decimal(0)) for each in (*expired, *mine)})


def _spare(mine: Mapping[Place, Decimal], parts: Collection[Part]) -> list[Place]:
    """Where more was held for demands than they take of it."""
    left = dict(mine)
    for part in parts:
        if part.level.place in left:
            left[part.level.place] -= part.quantity - part.pooled
    return [there for there, rest in left.items() if rest > 0]


async def _claim_from_pools(work: Work, parts: Collection[Part]) -> None:
    """What comes out of pools is no longer reserved there: the caller claims it for whom it goes to."""
    taken: dict[tuple[ID, Place], Decimal] = {}
    for part in parts:
        if part.pooled and part.demand.channel_id is not None:
            key = part.demand.channel_id, part.level.place
            taken[key] = taken.get(key, Decimal(0)) + part.pooled
            part.level.claim(reserved=-part.pooled)
    await take(work, taken)


_LINES = "SELECT variant_id, location_id FROM stock_reservation_lines WHERE reservation_id = $1"
_HELD = """
SELECT line.n, line.variant_id, line.location_id, line.held FROM stock_reservation_lines AS line
WHERE line.reservation_id = $1 AND line.open
"""


async def held_places(work: Work, reservation_id: str, *, path: Path) -> set[Place]:
    """Where a hold's lines are: they never move. Refused with NotFound when there is no such hold."""
    records = await work.raw.fetch(_LINES, reservation_id[4:]) if is_id(reservation_id, "rsv") else []
    if not records:
        raise NotFound("There is no such reservation.", path=path)
    return {(ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])) for record in records}


async def give_up(
    work: Work, levels: Levels, reservation_id: str, outcome: ReservationStatus, *, path: Path
) -> dict[Place, Decimal]:
    """End a hold whose levels are locked. Returns what it still held and where; the caller saves the levels.

    Refused with NotAllowedNow when it has ended already. A hold whose time is over still holds what nobody took.
    """
    row = await work.raw.fetchrow("SELECT outcome FROM stock_reservations WHERE id = $1 FOR UPDATE", reservation_id[4:])
    assert row is not None
    if row["outcome"] is not None:
        raise NotAllowedNow(f"This reservation is {row['outcome'].lower()} already.", path=path)
    held: dict[Place, Decimal] = {}
    for record in await work.raw.fetch(_HELD, reservation_id[4:]):
        there = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
        levels.by_place[there].claim(reserved=-record["held"])
        held[there] = held.get(there, Decimal(0)) + record["held"]
    await work.raw.execute(
        "UPDATE stock_reservation_lines SET held = 0 WHERE reservation_id = $1 AND open", reservation_id[4:]
    )
    await work.raw.execute(
        "UPDATE stock_reservations SET outcome = $2, closed_at = $3 WHERE id = $1",
        reservation_id[4:],
        outcome.value,
        work.now,
    )
    return held


_FREE_EXPIRED = """
UPDATE stock_reservation_lines AS line SET held = 0
FROM (
  SELECT line.reservation_id, line.n, line.variant_id, line.location_id, line.held
  FROM unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  JOIN stock_reservation_lines AS line
    ON line.variant_id = place.variant_id AND line.location_id = place.location_id AND line.open
  JOIN stock_reservations AS reservation ON reservation.id = line.reservation_id
  WHERE reservation.expires_at <= $3
) AS expired
WHERE line.reservation_id = expired.reservation_id AND line.n = expired.n
RETURNING expired.variant_id, expired.location_id, expired.held
"""


async def free_expired(work: Work, levels: Levels, places: Collection[Place]) -> set[Place]:
    """Holds whose time is over give way at these places, whose levels are locked: whoever would fail because of them
    frees them. Returns where there were any: the caller serves those who wait there, and saves the levels.
    """
    variants, locations = [each[0][4:] for each in places], [each[1][4:] for each in places]
    freed: set[Place] = set()
    for record in await work.raw.fetch(_FREE_EXPIRED, variants, locations, work.now):
        there = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
        levels.by_place[there].claim(reserved=-record["held"])
        freed.add(there)
    return freed


_EXPIRED = """
SELECT reservation.id, line.variant_id, line.location_id FROM stock_reservations AS reservation
JOIN stock_reservation_lines AS line ON line.reservation_id = reservation.id
WHERE reservation.closed_at IS NULL AND reservation.expires_at <= $1
ORDER BY reservation.expires_at, line.open DESC LIMIT $2
"""
_CLOSE_EXPIRED = """
UPDATE stock_reservations SET outcome = 'EXPIRED', closed_at = $2 WHERE id IN (
  SELECT id FROM stock_reservations AS reservation
  WHERE id = ANY($1) AND closed_at IS NULL AND NOT EXISTS (
    SELECT FROM stock_reservation_lines AS line WHERE line.reservation_id = reservation.id AND line.open)
  ORDER BY id FOR UPDATE SKIP LOCKED)
"""


async def sweep(work: Work) -> int:
    """Holds whose time is over give way, at most SWEPT_AT_ONCE lines of them. Returns how many lines were looked at.

    Whoever needs the stock frees it anyway, but for those who wait: they are served with what is free by now, whoever
    freed it. It keeps what people look at up to date.
    """
    found = await work.raw.fetch(_EXPIRED, work.now, SWEPT_AT_ONCE)
    if not found:
        return 0
    places = {(ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])) for record in found}
    levels = await Levels.lock(work, places)
    await free_expired(work, levels, places)
    await work.raw.execute(_CLOSE_EXPIRED, sorted({record["id"] for record in found}), work.now)
    await serve_waiting(work, levels, places)
    levels.save(StockReleased)
    return len(found)
