"""The levels that an act has locked, and what it makes of them.

Lock, then look: locking is a statement of its own, in (variant, location) order everywhere. A statement that waited for
a row lock sees the locked row as it is now, but every other row as it was before the wait; so layers, allocations and
holds are read by later statements.

An act may come to the same level more than once (placed and shipped at once, say). It finds it as it left it, and the
level's row and event are written once: with the movements that take its claims along, or at the end of the act.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from asyncpg import Record

from domain import ledger
from domain.kernel import bulk
from domain.kernel.asking import AMONG, Ask, Query, ask
from domain.kernel.errors import Overtaken
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money, format_amount, format_quantity
from domain.kernel.work import Work
from domain.stock.contents import LOOSE, Content
from domain.stock.events import LevelChange, StockReorderPointReached
from domain.stock.tables import LocationKind, Place, StockLevel, StockMovement, StockMovementKind
from domain.stock.transit import keep_to_transfers


@dataclass(slots=True)
class Level:
    """A locked level: its figures as they are now, to be changed by this act."""

    id: ID
    place: Place
    priority: int
    kind: str
    """A member of LocationKind, as the row has it."""
    on_hand: Decimal
    allocated: Decimal
    reserved: Decimal
    unavailable: Decimal
    placed: Decimal
    """How much of it lies in a bin, belongs to a lot or is in a state."""
    value: Decimal
    version: int
    reorder_point: Decimal | None
    written: tuple[Decimal, Decimal]
    """Allocated and reserved as its row has them: the fields above may be ahead of it."""
    reached: bool
    """Whether what is available had fallen to the reorder point when it was locked."""
    touched: bool = False
    event: type[LevelChange] | None = None
    """What is to be announced of it at the end of the act."""
    ahead: bool = False
    """Whether its row has still to be written: what was announced of it is ahead of it."""

    @property
    def available(self) -> Decimal:
        """What can be promised right now."""
        return self.on_hand - self.allocated - self.reserved - self.unavailable

    def claim(self, *, allocated: Decimal = Decimal(0), reserved: Decimal = Decimal(0)) -> None:
        """Change what is bound and held, by differences."""
        self.allocated += allocated
        self.reserved += reserved
        self.touched = True

    @property
    def claims(self) -> tuple[Decimal, Decimal]:
        """Allocated and reserved."""
        return self.allocated, self.reserved


@dataclass(frozen=True, slots=True)
class Move:
    """A movement to write. With a layer it draws from it, or joins it; without, it founds one."""

    level: Level
    quantity: Decimal
    value: Decimal
    kind: StockMovementKind
    layer_id: ID | None = None
    content: Content = LOOSE
    """Where within the location, of which lot and in which state."""
    entry_id: ID | None = None
    reason: str | None = None
    source: ID | None = None
    effective_at: datetime | None = None
    """When it really happened; now, when left out."""
    founded_at: datetime | None = None
    """How old the layer is that it founds, where that is not when it happened."""
    id: ID = field(default_factory=lambda: new_id("mov"))


_CREATE = """
INSERT INTO stock_levels (id, variant_id, location_id, value_currency, created_at)
SELECT uuid7(), variant_id, location_id, $3, $4
FROM (
  SELECT DISTINCT variant_id, location_id FROM unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  WHERE NOT EXISTS (SELECT FROM stock_levels AS level
    WHERE level.variant_id = place.variant_id AND level.location_id = place.location_id)
  ORDER BY 1, 2 OFFSET 0) AS place
WHERE pg_advisory_xact_lock_shared(hashtextextended('stock.places ' || variant_id, 0)) IS NOT NULL
ON CONFLICT (variant_id, location_id) DO NOTHING
"""
_ALL_PLACES = "SELECT pg_advisory_xact_lock(hashtextextended('stock.places ' || $1::uuid, 0))"

_COLUMNS = """
SELECT level.id, level.variant_id, level.location_id, location.priority, location.kind,
  level.on_hand, level.allocated, level.reserved, level.unavailable, level.placed, level.value_amount, level.version,
  level.reorder_point
FROM stock_levels AS level JOIN locations AS location ON location.id = level.location_id
"""
_LOCK_PLACES = f"""
{_COLUMNS} JOIN unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  ON place.variant_id = level.variant_id AND place.location_id = level.location_id
ORDER BY level.variant_id, level.location_id FOR NO KEY UPDATE OF level
"""
_LOCK_VARIANTS = Query(
    f"""
{_COLUMNS} WHERE level.variant_id = {AMONG}
ORDER BY level.variant_id, level.location_id FOR NO KEY UPDATE OF level
""",
    "id uuid, variant_id uuid, location_id uuid, priority integer, kind text, on_hand numeric, allocated numeric,"
    " reserved numeric, unavailable numeric, placed numeric, value_amount numeric, version integer,"
    " reorder_point numeric",
)


_ELSEWHERE = """
SELECT level.variant_id, sum(level.on_hand - level.allocated - level.reserved - level.unavailable) AS available
FROM stock_levels AS level JOIN locations AS location ON location.id = level.location_id
WHERE level.variant_id = ANY($1) AND location.kind <> 'TRANSIT' AND NOT EXISTS (
  SELECT FROM unnest($2::uuid[], $3::uuid[]) AS known(variant_id, location_id)
  WHERE known.variant_id = level.variant_id AND known.location_id = level.location_id)
GROUP BY level.variant_id
"""
_MADE = """SELECT EXISTS (
  SELECT FROM unnest($1::uuid[], $2::uuid[]) AS missing(variant_id, location_id)
  JOIN stock_levels USING (variant_id, location_id))"""


@dataclass
class Levels:
    """The locked levels of an act."""

    work: Work
    by_place: dict[Place, Level] = field(default_factory=dict)
    _by_variant: dict[ID, list[Level]] | None = None
    """Sorted when somebody first asks: those who only lock need no order."""

    @classmethod
    async def lock(cls, work: Work, places: Collection[Place], *, create: bool = False) -> "Levels":
        """Lock the levels of places; with `create`, those that are missing are made first, in the same order."""
        distinct, known = sorted(set(places)), _known(work)
        if all(place in known for place in distinct):
            return cls.over(work, [known[place] for place in distinct])
        variants, locations = [place[0][4:] for place in distinct], [place[1][4:] for place in distinct]
        if create:
            currency = (await ledger.books(work)).currency
            if await work.raw.execute(_CREATE, variants, locations, currency, work.now) != "INSERT 0 0":
                work.remembered["stock.levels.made"] = True
        levels = cls.over(work, _found(work, await work.raw.fetch(_LOCK_PLACES, variants, locations)))
        missing = [place for place in distinct if place not in levels.by_place]
        if missing and await work.raw.fetchval(_MADE, *([place[n][4:] for place in missing] for n in (0, 1))):
            # Whoever it waited for made this one, so it was not among those that it saw. It cannot be locked now
            # without breaking the order of locks: the act begins anew, as after a deadlock.
            raise Overtaken("a variant came to be at another place meanwhile")
        return levels

    @classmethod
    async def lock_variants(cls, work: Work, variants: Collection[ID]) -> "Levels":
        """Lock the levels of variants at all their locations."""
        return await ask(work, cls.ask_locked(work, variants))

    @classmethod
    def ask_locked(cls, work: Work, variants: Collection[ID]) -> Ask["Levels"]:
        """What `lock_variants` answers, to be asked together with something else that may be a little older.

        Whoever asks again in the same act finds them as it left them.
        """
        wanted = set(variants)
        locked: set[ID] = work.remembered.setdefault("stock.variants", set())

        def read(records: Sequence[Record]) -> Levels:
            locked.update(wanted)
            _found(work, records)
            return cls.over(work, [level for place, level in _known(work).items() if place[0] in wanted])

        return Ask(_LOCK_VARIANTS, [[each[4:] for each in sorted(wanted)]], read, needed=not wanted <= locked)

    @classmethod
    async def lock_everywhere(cls, work: Work, variant: ID) -> "Levels":
        """Lock the levels of a variant at all places, those included that others are just making: until this act ends
        nobody makes another one. Said before anything else is locked.
        """
        await work.raw.execute(_ALL_PLACES, variant[4:])
        return await cls.lock_variants(work, [variant])

    async def available_elsewhere(self, variants: Collection[ID], besides: Collection[Place]) -> dict[ID, Decimal]:
        """How much of variants is available to everybody at other places than these. Where this act has not locked it,
        it is read as it is by now: whoever changes it later comes behind this act.
        """
        known = _known(self.work)
        found = dict.fromkeys(variants, Decimal(0))
        for place, level in known.items():
            if place[0] in found and place not in besides and level.kind != LocationKind.TRANSIT:
                found[place[0]] += level.available
        variant_ids, location_ids = [[each[n][4:] for each in known] for n in (0, 1)]
        wanted = [each[4:] for each in sorted(found)]
        for row in await self.work.raw.fetch(_ELSEWHERE, wanted, variant_ids, location_ids):
            found[ID("var_" + row["variant_id"])] += row["available"]
        return found

    @classmethod
    def over(cls, work: Work, found: Sequence[Level]) -> "Levels":
        """Levels that are locked already."""
        return cls(work, {level.place: level for level in found})

    @property
    def some_are_new(self) -> bool:
        """Whether this act made some levels: others who locked all of a variant meanwhile did not see them."""
        return "stock.levels.made" in self.work.remembered

    def __iter__(self) -> Iterator[Level]:
        return iter(self.by_place.values())

    def of_variant(self, variant: ID) -> list[Level]:
        """The levels of a variant in the order in which allocation takes them: by priority, then by location."""
        if self._by_variant is None:
            self._by_variant = {}
            for level in sorted(self, key=lambda each: (each.priority, each.place[1])):
                self._by_variant.setdefault(level.place[0], []).append(level)
        return self._by_variant.get(variant, [])

    def save(self, event: type[LevelChange]) -> None:
        """Every level that was touched is announced at the end of the act, and its claims are written with it."""
        for level in self:
            if level.touched:
                level.touched, level.event = False, event
        self.work.ending["stock.levels"] = _tell
        self.work.closing["stock.levels"] = _write_ahead

    async def move(self, moves: Sequence[Move], event: type[LevelChange]) -> None:
        """Write movements, and the claims that change with them; every level touched is announced once.

        The movements carry along what they change of allocations, so that both change in one moment and at none is
        more claimed than is there. Holds only ever give way here, so they are written before.

        Refused with NotAllowedNow where goods are on the road with a transfer, and it is not that which moves them.
        """
        on_the_road = [
            (move.layer_id, move.source)
            for move in moves
            if move.level.kind == LocationKind.TRANSIT
            and move.layer_id is not None
            and move.quantity
            # A recall may reach what is on the road: that takes nothing from the layers there.
            and move.kind != StockMovementKind.RELOCATION
        ]
        if on_the_road:
            await keep_to_transfers(self.work, on_the_road)
        moving: dict[ID, Move] = {}
        for move in moves:
            move.level.on_hand += move.quantity
            move.level.value += move.value
            move.level.unavailable += move.quantity if move.content.state else 0
            move.level.placed += move.quantity if move.content != LOOSE else 0
            moving.setdefault(move.level.id, move)
        levels = [move.level for move in moving.values()]
        await bulk.update(self.work, StockLevel, [_row(each) for each in levels if each.reserved != each.written[1]])
        await self._insert(moves, set(map(id, moving.values())))
        for level in levels:
            level.version += 1  # as the trigger that follows movements does
            level.written, level.touched, level.event = level.claims, False, None
        await _announce(self.work, [(level, event) for level in levels])
        self.save(event)

    async def _insert(self, moves: Sequence[Move], first: Collection[int]) -> None:
        """`first` are the ones that carry the allocations of their levels along."""
        work = self.work
        account, currency = await ledger.inventory_account(work), (await ledger.books(work)).currency
        rows = [
            {
                "id": move.id,
                "variant_id": move.level.place[0],
                "location_id": move.level.place[1],
                "layer_id": move.layer_id,
                "bin_id": move.content.bin_id,
                "lot_id": move.content.lot_id,
                "state": move.content.state,
                "quantity": move.quantity,
                "allocated": move.level.allocated - move.level.written[0] if id(move) in first else Decimal(0),
                "value_amount": move.value,
                "value_currency": currency,
                "account_id": account,
                "entry_id": move.entry_id if move.value else None,
                "kind": move.kind,
                "reason": move.reason,
                "source": move.source,
                "actor": work.actor.id,
                "effective_at": move.effective_at or work.now,
                "founded_at": move.founded_at,
                "recorded_at": work.now,
                "act": work.act,
            }
            for move in moves
        ]
        await bulk.insert(work, StockMovement, rows)


def _known(work: Work) -> dict[Place, Level]:
    """The levels that this act has locked already, as it left them."""
    return work.remembered.setdefault("stock.levels", {})


def _found(work: Work, records: Iterable[Record]) -> list[Level]:
    """Levels that were just locked. One that this act has locked before is as it left it."""
    known = _known(work)
    found = map(level_of, records)
    return [known.setdefault(level.place, level) for level in found]


async def _tell(work: Work) -> None:
    """What was done about each level is announced. Where what is available has just fallen to the reorder point, that
    is told too: once, not at every further sale.
    """
    known = list(_known(work).values())
    done = [(level, level.event) for level in known if level.event is not None]
    for level, _ in done:
        level.version += 1
        level.event, level.ahead = None, True
    crossed = [
        level
        for level in known
        if level.reorder_point is not None and level.available <= level.reorder_point and not level.reached
    ]
    for level in crossed:
        level.version += 1
        level.reached = level.ahead = True
    await _announce(work, done)
    await _announce(work, [(level, StockReorderPointReached) for level in crossed])


async def _write_ahead(work: Work) -> None:
    """The claims that no movement took along are written, and the versions of what was announced."""
    ahead = [level for level in _known(work).values() if level.ahead]
    for level in ahead:
        level.written, level.ahead = level.claims, False
    await bulk.update_later(work, StockLevel, [_row(level) for level in ahead])


def _row(level: Level) -> dict[str, Any]:
    """What is written of a level beside what follows from movements."""
    return {"id": level.id, "allocated": level.written[0], "reserved": level.reserved, "version": level.version}


async def _announce(work: Work, changes: Sequence[tuple[Level, type[LevelChange]]]) -> None:
    currency = CurrencyCode((await ledger.books(work)).currency)
    work.announce(*(_announcement(level, event, currency) for level, event in changes))


def _announcement(level: Level, event: type[LevelChange], currency: CurrencyCode) -> LevelChange:
    return event(
        level.id,
        variant=level.place[0],
        location=level.place[1],
        on_hand=format_quantity(level.on_hand),
        allocated=format_quantity(level.allocated),
        reserved=format_quantity(level.reserved),
        unavailable=format_quantity(level.unavailable),
        value=format_amount(Money(level.value, currency)),
    )


def level_of(record: Record) -> Level:
    """A level as the statement that locked it found it."""
    level = Level(
        id=ID("slv_" + record["id"]),
        place=(ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])),
        priority=record["priority"],
        kind=record["kind"],
        on_hand=record["on_hand"],
        allocated=record["allocated"],
        reserved=record["reserved"],
        unavailable=record["unavailable"],
        placed=record["placed"],
        value=record["value_amount"],
        version=record["version"],
        reorder_point=record["reorder_point"],
        written=(record["allocated"], record["reserved"]),
        reached=False,
    )
    level.reached = level.reorder_point is not None and level.available <= level.reorder_point
    return level
