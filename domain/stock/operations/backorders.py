"""Who was promised stock that is not there any more, and who gets what comes in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from asyncpg import Record

from domain.kernel import bulk
from domain.kernel.errors import Overtaken
from domain.kernel.ids import ID, is_id
from domain.kernel.work import Work
from domain.kernel.writing import Write
from domain.stock import shares
from domain.stock.locked import Level, Levels
from domain.stock.operations.cases import NewCase, open_cases
from domain.stock.tables import DiscrepancyKind, LocationKind, Place

_NONE = Decimal(0)
_WAITING = """
SELECT source, document, variant_id, location_id, quantity, since, channel_id, taken, EXISTS (
  SELECT FROM stock_channel_rules AS rule WHERE rule.channel_id = waiting.channel_id) AS ruled
FROM stock_backorders AS waiting WHERE variant_id = ANY($1) ORDER BY variant_id, priority, since, source
"""
_LOCK_QUEUES = """
SELECT pg_advisory_xact_lock(queue) FROM (
  SELECT hashtextextended('stock.queue ' || variant, 0) AS queue FROM unnest($1::uuid[]) AS variant
  ORDER BY variant OFFSET 0) AS queues
"""
_LET_WAIT = """
SELECT FROM stock_policies WHERE variant_id = ANY($1) AND backorders <> 'DENY' ORDER BY variant_id FOR SHARE
"""
_ALLOCATE = """
INSERT INTO stock_allocations AS present (source, document, variant_id, location_id, quantity, allocated_at, bound)
SELECT * FROM json_to_recordset($1::json) AS given(
  source text, document text, variant_id uuid, location_id uuid, quantity numeric, allocated_at timestamptz, bound bool)
ON CONFLICT (source, location_id) DO UPDATE SET quantity = present.quantity + excluded.quantity
"""


@dataclass(frozen=True, slots=True)
class NewAllocation:
    """A right to stock at one place, to write."""

    source: str
    document: str
    place: Place
    quantity: Decimal
    allocated_at: datetime
    bound: bool
    """Whether the line takes its goods from here alone."""


async def lock_queues(work: Work, variants: Collection[ID]) -> None:
    """Lock who waits for these variants: nobody else serves them, and nobody's place in the queue changes, until this
    act ends. Rows alone would not do: acts come to backorders more than once, and new ones come up in between.

    Comes behind levels and policies, for all variants of the act at once. What waits is read by later statements.
    """
    await work.raw.execute(_LOCK_QUEUES, sorted({variant[4:] for variant in variants}))


async def write_allocations(work: Work, allocations: Sequence[NewAllocation]) -> None:
    """Write allocations at places whose levels are locked; what a line has there already grows."""
    if allocations:
        rows = [
            {
                "source": each.source,
                "document": each.document,
                "variant_id": each.place[0][4:],
                "location_id": each.place[1][4:],
                "quantity": each.quantity,
                "allocated_at": each.allocated_at,
                "bound": each.bound,
            }
            for each in allocations
        ]
        await work.raw.later(Write(_ALLOCATE, [bulk.as_json(rows)]))


async def fill_backorders(work: Work, levels: Levels, coming: Mapping[Place, Decimal]) -> None:
    """What comes in goes to those who wait for it, the most urgent first, then the oldest, but no more than the channel
    is offered that their order came by: what is kept from one goes to the next. Claims rise on the levels of these
    places; the caller saves them with its movements.
    """
    variants = sorted({variant[4:] for variant, _ in coming})
    if levels.some_are_new:
        # Whoever did not see a new place, and so begins to wait just now, holds the policy: wait for that one.
        await work.raw.execute(_LET_WAIT, variants)
    waiting = await work.raw.fetch(_WAITING, variants)
    if not waiting:
        return
    queues = {record["variant_id"] for record in waiting}
    await lock_queues(work, [ID("var_" + variant) for variant in queues])
    # Lock, then look: while that waited for one line, others may have come, or become more urgent.
    waiting = await work.raw.fetch(_WAITING, variants)
    if not queues.issuperset(record["variant_id"] for record in waiting):
        # Whoever held one of these queues has let somebody wait for another variant, too: that one would be passed over
        # although goods are there. Its queue cannot be locked now without breaking the order of locks, so the act
        # begins anew, as after a deadlock.
        raise Overtaken("somebody came to wait for another variant meanwhile")
    left = {place: quantity + max(levels.by_place[place].available, Decimal(0)) for place, quantity in coming.items()}
    offered = await _offered(work, levels, waiting, coming)
    taken: dict[tuple[str, str], Decimal] = {
        (each["document"], each["variant_id"]): each["taken"] for each in waiting if each["channel_id"]
    }
    allocations: list[NewAllocation] = []
    rests: dict[str, Decimal] = {}
    for record in waiting:
        source, only, of_document = record["source"], record["location_id"], (record["document"], record["variant_id"])
        reachable = [
            level
            for level in levels.of_variant(ID("var_" + record["variant_id"]))
            if left.get(level.place, 0) > 0
            and level.kind != LocationKind.TRANSIT
            and only in (None, level.place[1][4:])
        ]
        rests[source] = rest = record["quantity"]
        here = sum((left[level.place] for level in reachable), _NONE)
        most = offered.offers(record, here, taken.get(of_document, _NONE))
        for level in reachable:
            part = min(left[level.place], rest, most)
            if part > 0:
                rest, most = rest - part, most - part
                left[level.place] -= part
                level.claim(allocated=part)
                claim = source, record["document"], level.place, part, record["since"], only is not None
                allocations.append(NewAllocation(*claim))
        if record["channel_id"]:
            taken[of_document] += rests[source] - rest
        rests[source] = rest
    await write_allocations(work, allocations)
    await work.raw.execute(
        "DELETE FROM stock_backorders WHERE source = ANY($1)", [source for source, rest in rests.items() if not rest]
    )
    changed: list[tuple[str, Decimal, Decimal]] = []
    for record in waiting:
        rest, had = rests[record["source"]], record["taken"]
        if record["channel_id"]:
            had = taken[record["document"], record["variant_id"]]
        if rest and (rest, had) != (record["quantity"], record["taken"]):
            changed.append((record["source"], rest, had))
    await work.raw.execute(
        "UPDATE stock_backorders AS waiting SET quantity = served.rest, taken = served.taken"
        " FROM unnest($1::text[], $2::numeric[], $3::numeric[]) AS served(source, rest, taken)"
        " WHERE waiting.source = served.source",
        *([each[n] for each in changed] for n in range(3)),
    )


@dataclass
class _Offered:
    """What channels are offered of what those who came by them wait for."""

    rules: shares.Shares
    elsewhere: Mapping[ID, Decimal]
    """What is available to everybody at other places, of variants of which some is kept from channels."""

    def offers(self, record: Record, here: Decimal, taken: Decimal) -> Decimal:
        """How much one who waits may take of what is available here; `taken`: what the same document has had of it."""
        rule = _rule(self.rules, record)
        if rule is shares.EVERYTHING:
            return here
        common = here if record["location_id"] else here + self.elsewhere.get(ID("var_" + record["variant_id"]), _NONE)
        return min(here, rule.offers(common, taken))


def _rule(rules: shares.Shares, record: Record) -> shares.Rule:
    """The rule that one who waits keeps to."""
    channel = record["channel_id"] and ID("chn_" + record["channel_id"])
    return rules.rule(channel, ID("var_" + record["variant_id"]))


async def _offered(work: Work, levels: Levels, waiting: Sequence[Record], coming: Mapping[Place, Decimal]) -> _Offered:
    """What is offered to those who wait. Nothing is read where none of them came by a channel that has rules."""
    channels = {ID("chn_" + each["channel_id"]) for each in waiting if each["channel_id"]}
    variants = {ID("var_" + each["variant_id"]) for each in waiting}
    ruled = any(each["ruled"] for each in waiting)
    rules = shares.Shares(rules=await shares.rules_of(work, channels, variants, ruled=ruled))
    kept_back = {
        ID("var_" + each["variant_id"]) for each in waiting if not each["location_id"] and _rule(rules, each).buffer
    }
    return _Offered(rules, await levels.available_elsewhere(kept_back, coming) if kept_back else {})


_WAIT_FOR = "SELECT DISTINCT variant_id FROM stock_backorders WHERE document = ANY($1)"


async def forget_waiting(work: Work, documents: Collection[ID], *, freeing: Collection[ID]) -> None:
    """Documents wait for nothing more. Others who wait for the variants `freeing` are served by the same act, later.

    A receipt that is serving one of their lines holds its queue: what comes of that is seen only behind this.
    """
    records = await work.raw.fetch(_WAIT_FOR, list(documents))
    if records:
        await lock_queues(work, {*freeing, *(ID("var_" + record["variant_id"]) for record in records)})
        await work.raw.execute("DELETE FROM stock_backorders WHERE document = ANY($1)", list(documents))


async def serve_waiting(work: Work, levels: Levels, places: Collection[Place]) -> None:
    """What has become available at these places goes to those who wait for it, before anybody new can take it."""
    if places:
        await fill_backorders(work, levels, dict.fromkeys(places, Decimal(0)))


_HOLDS = """
SELECT line.reservation_id, line.n, line.variant_id, line.location_id, line.held
FROM stock_reservation_lines AS line
JOIN unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  ON place.variant_id = line.variant_id AND place.location_id = line.location_id
WHERE line.open ORDER BY line.reservation_id DESC, line.n DESC
"""
_ALLOCATIONS = """
SELECT allocation.source, allocation.document, allocation.variant_id, allocation.location_id, allocation.quantity,
  allocation.allocated_at, allocation.bound
FROM stock_allocations AS allocation
JOIN unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  ON place.variant_id = allocation.variant_id AND place.location_id = allocation.location_id
ORDER BY allocation.allocated_at DESC, allocation.source DESC
"""
_LOWER_HOLDS = """
UPDATE stock_reservation_lines AS line SET held = line.held - given.part
FROM unnest($1::uuid[], $2::int[], $3::numeric[]) AS given(reservation_id, n, part)
WHERE line.reservation_id = given.reservation_id AND line.n = given.n
"""
_DROP_ALLOCATIONS = """
DELETE FROM stock_allocations AS allocation
USING unnest($1::text[], $2::uuid[], $3::numeric[]) AS given(source, location_id, part)
WHERE allocation.source = given.source AND allocation.location_id = given.location_id
  AND allocation.quantity = given.part
"""
_LOWER_ALLOCATIONS = """
UPDATE stock_allocations AS allocation SET quantity = allocation.quantity - given.part
FROM unnest($1::text[], $2::uuid[], $3::numeric[]) AS given(source, location_id, part)
WHERE allocation.source = given.source AND allocation.location_id = given.location_id
  AND allocation.quantity > given.part
"""
_WAIT = """
INSERT INTO stock_backorders AS present (id, source, document, variant_id, location_id, quantity, since)
SELECT uuid7(), * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::numeric[], $6::timestamptz[])
ON CONFLICT (source) DO UPDATE SET quantity = present.quantity + excluded.quantity,
  since = least(present.since, excluded.since)
"""
_TAKEN_NO_MORE = """
UPDATE stock_backorders AS waiting SET taken = greatest(waiting.taken - lost.quantity, 0)
FROM (
  SELECT present.document, present.variant_id, sum(given.quantity) AS quantity
  FROM unnest($1::text[], $2::numeric[]) AS given(source, quantity)
  JOIN stock_backorders AS present ON present.source = given.source
  WHERE present.channel_id IS NOT NULL GROUP BY present.document, present.variant_id) AS lost
WHERE waiting.document = lost.document AND waiting.variant_id = lost.variant_id AND waiting.channel_id IS NOT NULL
"""


@dataclass(slots=True)
class _Wait:
    """What a line lost, and waits for: as the columns have it."""

    source: str
    document: str
    variant_id: str
    location_id: str | None
    quantity: Decimal
    since: datetime

    @classmethod
    def of(cls, allocation: Record) -> "_Wait":
        """Nothing yet, of an allocation that is there."""
        only = allocation["location_id"] if allocation["bound"] else None
        line = allocation["source"], allocation["document"], allocation["variant_id"], only
        return cls(*line, Decimal(0), allocation["allocated_at"])


async def lower_allocations(work: Work, given: Collection[tuple[str, ID, Decimal]]) -> None:
    """Take parts off allocations (line, location, quantity) at places whose levels are locked; none is left empty."""
    if not given:
        return
    arrays = [each[0] for each in given], [each[1][4:] for each in given], [each[2] for each in given]
    # In this order: what is lowered first could by then be as much as its part, and would be dropped too.
    await work.raw.execute(_DROP_ALLOCATIONS, *arrays)
    await work.raw.execute(_LOWER_ALLOCATIONS, *arrays)


async def give_way(work: Work, levels: Levels, missing: Mapping[Place, Decimal]) -> None:
    """Less is there than was promised, by so much at each place, whose levels are locked.

    Holds give way first, then allocations, each time the youngest, then what is kept for single channels. The lines
    that lost an allocation wait for stock, here alone where they were bound to it, but those of transfers: they never
    wait. It was promised to them, so it comes back to them whatever their channel is offered by then; where a line
    waits by its channel already, its cap counts what it lost as not taken. A discrepancy is opened for a person to look
    at. Claims fall on the levels; the caller saves them.
    """
    left = dict(missing)
    variants, locations = [place[0][4:] for place in left], [place[1][4:] for place in left]
    holds: list[tuple[str, int, Decimal]] = []
    for record in await work.raw.fetch(_HOLDS, variants, locations):
        level, part = _part(levels, left, record, record["held"])
        if part:
            level.claim(reserved=-part)
            holds.append((record["reservation_id"], record["n"], part))
    if holds:
        await work.raw.execute(_LOWER_HOLDS, *(list(column) for column in zip(*holds, strict=True)))
    lowered: list[tuple[str, ID, Decimal]] = []
    waiting: dict[str, _Wait] = {}
    if any(left.values()):
        for record in await work.raw.fetch(_ALLOCATIONS, variants, locations):
            level, part = _part(levels, left, record, record["quantity"])
            if part:
                level.claim(allocated=-part)
                lowered.append((record["source"], level.place[1], part))
                if is_id(record["document"], "trf"):
                    continue
                waiting.setdefault(record["source"], _Wait.of(record)).quantity += part
    await lower_allocations(work, lowered)
    if waiting:
        await lock_queues(work, {variant for variant, _ in missing})
        lost = [each.source for each in waiting.values()], [each.quantity for each in waiting.values()]
        await work.raw.execute(_TAKEN_NO_MORE, *lost)
        await work.raw.execute(_WAIT, *(list(column) for column in zip(*map(astuple, waiting.values()), strict=True)))
    if any(left.values()):
        await _take_from_pools(work, levels, left)
    cases = [NewCase(DiscrepancyKind.SHORTFALL, place, quantity) for place, quantity in missing.items()]
    await open_cases(work, cases)


def _part(levels: Levels, left: dict[Place, Decimal], record: Any, quantity: Decimal) -> tuple[Level, Decimal]:
    place = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
    part = min(left[place], quantity)
    left[place] -= part
    return levels.by_place[place], part


_POOLS = """
SELECT pool.channel_id, pool.variant_id, pool.location_id, pool.held FROM stock_pools AS pool
JOIN unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
  ON place.variant_id = pool.variant_id AND place.location_id = pool.location_id
WHERE pool.held > 0 ORDER BY pool.id DESC
"""


async def _take_from_pools(work: Work, levels: Levels, left: dict[Place, Decimal]) -> None:
    """The last to give way is what is kept for single channels."""
    variants, locations = [place[0][4:] for place in left], [place[1][4:] for place in left]
    taken: dict[tuple[ID, Place], Decimal] = {}
    for record in await work.raw.fetch(_POOLS, variants, locations):
        level, part = _part(levels, left, record, record["held"])
        if part:
            level.claim(reserved=-part)
            taken[ID("chn_" + record["channel_id"]), level.place] = part
    await shares.take(work, taken)
