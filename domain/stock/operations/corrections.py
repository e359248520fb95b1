"""Goods that were told late: what left since they came in is costed anew, and the difference is posted today.

Nothing posted is rewritten. What is left at a place, and what left it, come to cost what they would have, had the
receipt been told at once: for first in, first out the youngest goods consumed are put back and those that came late
are taken instead; for moving average the place's movements are replayed. Losses that were told late are `losses.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import asyncpg

from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import currency_digits
from domain.kernel.work import Work
from domain.ledger import Posting, Role
from domain.stock import costs, postings
from domain.stock.costs import Layer
from domain.stock.locked import Level, Move
from domain.stock.tables import LocationKind, Place, StockMovementKind


@dataclass
class Correction:
    """Movements to write with those that made them necessary, and the lines to write after them."""

    moves: list[Move] = field(default_factory=list)
    posted: list[tuple[ID, list[Posting]]] = field(default_factory=list)


@dataclass(slots=True)
class CostChange:
    """What becomes of one place: its layers change by so much, and the accounts that bore what left by so much."""

    level: Level
    layers: list["Difference"]
    borne: dict[Role, Decimal]

    def __post_init__(self) -> None:
        """What no movement explains is a correction: an entry balances in any case."""
        rest = -sum((each.value for each in self.layers), Decimal(0)) - sum(self.borne.values(), Decimal(0))
        self.borne[Role.STOCK_CORRECTION] = self.borne.get(Role.STOCK_CORRECTION, Decimal(0)) + rest


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a layer changes, and which account bears it where it is one alone."""

    layer: ID | None
    """None: one that is founded."""
    quantity: Decimal
    value: Decimal
    role: Role | None = None
    founded_at: datetime | None = None
    """How old the layer is that is founded."""


@dataclass(frozen=True, slots=True)
class _Late:
    """Goods that come in late at one place, the first of them at an instant."""

    coming: list[Move]
    since: datetime

    @property
    def level(self) -> Level:
        return self.coming[0].level

    @property
    def place(self) -> Place:
        return self.level.place


def _columns(late: Sequence[_Late]) -> tuple[list[str], list[str], list[datetime]]:
    return [each.place[0][4:] for each in late], [each.place[1][4:] for each in late], [each.since for each in late]


def by_place(records: Sequence[asyncpg.Record], places: int) -> list[list[asyncpg.Record]]:
    """The records of each place, which they name by its number `n`."""
    found: list[list[asyncpg.Record]] = [[] for _ in range(places)]
    for record in records:
        found[record["n"] - 1].append(record)
    return found


_PLACES = """
unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS place(variant_id, location_id, since, n)
"""
_LATE = f"""
SELECT place.n, since.happened, since.consumed FROM {_PLACES}
CROSS JOIN LATERAL (
  SELECT EXISTS (
      SELECT FROM stock_movements AS later
      WHERE later.variant_id = place.variant_id AND later.location_id = place.location_id
        AND later.effective_at > place.since AND later.quantity < 0
        AND later.kind NOT IN ('RELOCATION', 'COST_CORRECTION')) AS happened,
    EXISTS (
      SELECT FROM cost_layers AS layer
      WHERE layer.variant_id = place.variant_id AND layer.location_id = place.location_id
        AND layer.founded_at > place.since AND layer.base_quantity > layer.quantity) AS consumed) AS since
WHERE since.happened OR since.consumed
"""  # noqa: S608  names are ours


async def correct_costs(work: Work, coming: Sequence[Move]) -> Correction:
    """What must be written beside goods that come in, where others left since. Their levels are locked. Where goods
    are in transit nothing is costed anew: what left there left with its transfer, at its own cost.

    Opens an entry where costs change; the caller writes the movements, and then the lines.
    """
    since: dict[Place, datetime] = {}
    for move in coming:
        if move.effective_at is not None and move.effective_at < work.now and move.level.kind != LocationKind.TRANSIT:
            place = move.level.place
            since[place] = min(since.get(place, move.effective_at), move.effective_at)
    if not since:
        return Correction()
    places = list(since)
    found = await work.raw.fetch(
        _LATE, [place[0][4:] for place in places], [place[1][4:] for place in places], list(since.values())
    )
    if not found:
        return Correction()
    averaged = await costs.averaged(work, {places[record["n"] - 1][0] for record in found})
    by_place: dict[Place, list[Move]] = {}
    for move in coming:
        by_place.setdefault(move.level.place, []).append(move)
    late = [(_Late(by_place[place], since[place]), record) for record in found for place in [places[record["n"] - 1]]]
    # First in, first out goes by the order of telling, an average by the order in which things happened.
    by_average = [each for each, record in late if each.place[0] in averaged and record["happened"]]
    in_order = [each for each, record in late if each.place[0] not in averaged and record["consumed"]]
    digits = currency_digits((await ledger.books(work)).currency)
    changes = await _first_in_first_out(work, in_order, digits) if in_order else []
    changes += await _by_average(work, by_average, digits) if by_average else []
    return await posted_today(work, changes, source=coming[0].source)


async def posted_today(work: Work, changes: Sequence[CostChange], *, source: ID | None) -> Correction:
    """What becomes of places is written today: an entry is opened where costs change, whatever it is that was late."""
    lines = [
        line
        for change in changes
        for line in ledger.about(postings.cost_correction(change.borne), location=change.level.place[1])
    ]
    lines = [line for line in lines if line.debit or line.credit]
    worthy = any(each.value for change in changes for each in change.layers)
    entry = None
    if worthy or lines:
        kept = await ledger.books(work)
        (entry,) = await ledger.open_entries(work, [ledger.Draft("Costs corrected: told late", source, lines)], kept)
        if not lines:
            lines = _round_trip(changes)
    moves = [
        Move(
            change.level,
            each.quantity,
            each.value,
            StockMovementKind.COST_CORRECTION,
            layer_id=each.layer,
            entry_id=entry,
            reason=each.role,
            source=source,
            founded_at=each.founded_at,
        )
        for change in changes
        for each in change.layers
        if each.quantity or each.value
    ]
    return Correction(moves, [] if entry is None else [(entry, lines)])


def _round_trip(changes: Sequence[CostChange]) -> list[Posting]:
    """Layers traded value among themselves, and nobody bears anything: the entry says how much went round."""
    return postings.moved(
        sum((max(each.value, Decimal(0)) for change in changes for each in change.layers), Decimal(0))
    )


# --- first in, first out --------------------------------------------------------------------------------------------

# The youngest of which so much is gone between them; all of them, where that does not matter.
_YOUNGER = """
SELECT place.n, younger.id, younger.quantity, younger.value_amount, younger.base_quantity, younger.base_value,
  younger.founded_at
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::numeric[]) WITH ORDINALITY
  AS place(variant_id, location_id, since, wanted, n)
CROSS JOIN LATERAL (
  SELECT *, sum(base_quantity - quantity) OVER (ORDER BY founded_at DESC, id DESC) AS gone FROM cost_layers
  WHERE variant_id = place.variant_id AND location_id = place.location_id AND founded_at > place.since
    AND base_quantity > quantity) AS younger
WHERE place.wanted IS NULL OR younger.gone - (younger.base_quantity - younger.quantity) < place.wanted
"""
# What left since, in the order of telling: that is the order in which it was drawn, and posted. A movement gets its id
# when its level is locked; `recorded_at` is when its act began, which may have waited for others since. It only bounds
# what is read: no act goes on for a day. Losses told late stand where they happened, by a clock that never goes back.
_LEFT = """
  SELECT moved.kind, moved.reason, moved.quantity, moved.id, moved.layer_id, moved.is_late,
    CASE WHEN moved.is_late THEN moved.effective_at
      ELSE max(moved.effective_at) FILTER (WHERE NOT moved.is_late) OVER (ORDER BY moved.id) END AS happened,
    min(moved.effective_at) FILTER (WHERE moved.is_late) OVER (
      ORDER BY moved.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS pushed_since
  FROM (
    SELECT *, kind = 'ADJUSTMENT' AND effective_at < recorded_at AS is_late FROM stock_movements
    WHERE variant_id = place.variant_id AND location_id = place.location_id
      AND recorded_at > place.since - interval '1 day'
      AND quantity < 0 AND kind NOT IN ('RELOCATION', 'COST_CORRECTION')) AS moved
"""


def _runs_of(left: str) -> str:
    """Runs of what left for one reason: of a place's movements, those of a query over `_LEFT`."""
    return f"""
SELECT place.n, runs.kind, runs.reason, runs.quantity FROM {_PLACES}
CROSS JOIN LATERAL (
  SELECT run, kind, reason, sum(-quantity) AS quantity FROM (
    SELECT kind, reason, quantity, sum(changed) OVER (ORDER BY happened, is_late, id) AS run FROM (
      SELECT moved.*, ((kind, reason) IS DISTINCT FROM (lag(kind) OVER told, lag(reason) OVER told))::int AS changed
      FROM ({left}) AS moved WINDOW told AS (ORDER BY happened, is_late, id)) AS each) AS numbered
  GROUP BY run, kind, reason) AS runs
ORDER BY place.n, runs.run
"""  # noqa: S608  names are ours


# What left of younger layers, or was made to by a loss before it that was told after it.
_RUNS = _runs_of(f"""
SELECT moved.* FROM ({_LEFT}) AS moved JOIN cost_layers AS layer ON layer.id = moved.layer_id
WHERE layer.founded_at > place.since
  OR moved.happened > place.since AND moved.happened > moved.pushed_since
""")  # noqa: S608  names are ours
RUNS_SINCE = _runs_of(f"SELECT moved.* FROM ({_LEFT}) AS moved WHERE moved.happened > place.since")  # noqa: S608
"""What left of places after an instant."""


@dataclass(slots=True)
class _Consumed:
    """A layer, and how much of its base is gone: before, and as it should be."""

    layer: Layer
    founded_at: datetime
    before: Decimal
    after: Decimal
    comes_late: bool = False


async def _first_in_first_out(work: Work, late: Sequence[_Late], digits: int) -> list[CostChange]:
    runs = by_place(await work.raw.fetch(_RUNS, *_columns(late)), len(late))
    wanted = [_wanted(each, mine) for each, mine in zip(late, runs, strict=True)]
    younger = by_place(await work.raw.fetch(_YOUNGER, *_columns(late), wanted), len(late))
    return [
        _exchanged(each, taken, left, work.now, digits) for each, taken, left in zip(late, younger, runs, strict=True)
    ]


def _wanted(late: _Late, runs: Sequence[asyncpg.Record]) -> Decimal | None:
    """How much is exchanged. What comes in is taken by what left last: where one account bears all of it, what left
    before does not matter; None where it does.
    """
    alike = len({bearer(run) for run in runs}) == 1 and all(move.effective_at == late.since for move in late.coming)
    return sum((move.quantity for move in late.coming), Decimal(0)) if alike else None


def _exchanged(
    late: _Late, younger: Sequence[asyncpg.Record], runs: Sequence[asyncpg.Record], now: datetime, digits: int
) -> CostChange:
    """The youngest goods consumed are put back at a place, and those that came late are taken instead."""
    consumed = [
        _Consumed(
            Layer(ID("mov_" + row["id"]), *list(row.values())[2:6]),
            row["founded_at"],
            gone := row["base_quantity"] - row["quantity"],
            gone,
        )
        for row in younger
    ]
    consumed += [
        _Consumed(
            Layer.founded(move.id, move.quantity, move.value),
            move.effective_at or now,
            Decimal(0),
            Decimal(0),
            comes_late=True,
        )
        for move in late.coming
    ]
    consumed.sort(key=lambda each: (each.founded_at, each.layer.id))
    _exchange(consumed)
    changed = [
        Difference(
            each.layer.id,
            each.before - each.after,
            each.layer.worth_of(each.layer.base_quantity - each.after, digits) - each.layer.value,
        )
        for each in consumed
        if each.before != each.after
    ]
    return CostChange(late.level, changed, _borne(consumed, runs, digits))


def _exchange(consumed: Sequence[_Consumed]) -> None:
    """What comes late is taken instead of younger goods, the youngest first, one for one. The rest stays as it was
    drawn: not always in the order of age, as some who began before others came to their turn after them.
    """
    youngest = len(consumed) - 1
    for place, late in enumerate(consumed):
        wanted = late.layer.base_quantity if late.comes_late else Decimal(0)
        while wanted and youngest > place:
            part = min(consumed[youngest].after, wanted)
            consumed[youngest].after -= part
            late.after += part
            wanted -= part
            if wanted:
                youngest -= 1


def bearer(run: asyncpg.Record) -> Role:
    """The account that bears what left in a run."""
    return postings.bearer(StockMovementKind(run["kind"]), run["reason"])


def _borne(consumed: Sequence[_Consumed], runs: Sequence[asyncpg.Record], digits: int) -> dict[Role, Decimal]:
    """How much more each account bears: what left is taken from layers in their order, before and after."""
    nothing = Decimal(0)
    before = [Gone(each.layer, nothing, each.before) for each in consumed]
    return borne(before, [Gone(each.layer, nothing, each.after) for each in consumed], runs, digits)


@dataclass(slots=True)
class Gone:
    """What is gone of a layer, from the first so many of its base to the first so many."""

    layer: Layer
    begin: Decimal
    end: Decimal

    def cost(self, quantity: Decimal, digits: int) -> Decimal:
        """What the first so many of them cost."""
        return cost_of(self.layer, self.begin + quantity, digits) - cost_of(self.layer, self.begin, digits)


def cost_of(layer: Layer, gone: Decimal, digits: int) -> Decimal:
    """What the first so many of a layer's base cost."""
    return costs.proportion(layer.base_value, gone, layer.base_quantity, digits) if gone else Decimal(0)


def borne(
    before: Sequence[Gone], after: Sequence[Gone], runs: Sequence[asyncpg.Record], digits: int
) -> dict[Role, Decimal]:
    """How much more each account bears, where the runs of what left were the last of what was gone, in its order, and
    are the last of as much.
    """
    total = sum((each.end - each.begin for each in before), Decimal(0))
    edges = [total - sum((run["quantity"] for run in runs), Decimal(0))]
    for run in runs:
        edges.append(edges[-1] + run["quantity"])
    edges = [max(edge, Decimal(0)) for edge in edges]
    cost_before, cost_after = _costs_at(edges, before, digits), _costs_at(edges, after, digits)
    grown = [now - then for then, now in zip(cost_before, cost_after, strict=True)]
    more: dict[Role, Decimal] = {}
    for n, run in enumerate(runs):
        role = bearer(run)
        more[role] = more.get(role, Decimal(0)) + grown[n + 1] - grown[n]
    return more


def _costs_at(edges: Sequence[Decimal], gone: Sequence[Gone], digits: int) -> Iterator[Decimal]:
    """What so many units cost that are taken from what is gone in its order. `edges` ascend. Where nothing is gone of
    the layers that are looked at, what left took others, and costs what it did.
    """
    parts = iter(gone)
    begun, spent = Decimal(0), Decimal(0)
    each = next(parts, None)
    for edge in edges:
        while each is not None and edge > begun + (many := each.end - each.begin):
            begun, spent = begun + many, spent + each.cost(many, digits)
            each = next(parts, None)
        yield spent if each is None else spent + each.cost(edge - begun, digits)


# --- moving average -------------------------------------------------------------------------------------------------

ALL_MOVED = f"""
SELECT place.n, moved.kind, moved.reason, moved.quantity, moved.value_amount, moved.effective_at FROM {_PLACES}
JOIN stock_movements AS moved ON moved.variant_id = place.variant_id AND moved.location_id = place.location_id
WHERE moved.kind <> 'RELOCATION' ORDER BY place.n, moved.effective_at, moved.id
"""  # noqa: S608  names are ours


async def _by_average(work: Work, late: Sequence[_Late], digits: int) -> list[CostChange]:
    """Places are replayed from their beginning: rounding depends on where averages were reckoned last."""
    told = by_place(await work.raw.fetch(ALL_MOVED, *_columns(late)), len(late))
    return [_averaged_anew(each, rows, work.now, digits) for each, rows in zip(late, told, strict=True)]


def _averaged_anew(late: _Late, rows: Sequence[asyncpg.Record], now: datetime, digits: int) -> CostChange:
    told = [(row["effective_at"], row["kind"], row["reason"], row["quantity"], row["value_amount"]) for row in rows]
    told += [(move.effective_at or now, move.kind, move.reason, move.quantity, move.value) for move in late.coming]
    told.sort(key=lambda each: each[0])
    found = replayed(told, digits)
    borne = found.borne if found else {}
    joined = next(move.layer_id or move.id for move in late.coming)
    # One movement for each account: the next replay must know what this one has posted already.
    differences = [Difference(joined, Decimal(0), -more, role) for role, more in borne.items() if more]
    return CostChange(late.level, differences, borne)


Told = tuple[datetime, str, str | None, Decimal, Decimal]
"""What moved: when it happened, its kind, reason, quantity and value."""


@dataclass(slots=True)
class Replay:
    """What is left at a place by moving average, and how much more than was posted each account bears."""

    pool: Layer
    borne: dict[Role, Decimal]


def replayed(told: Sequence[Told], digits: int) -> Replay | None:
    """What moved at a place, by moving average. None where more left than had come, or was written off than was there:
    such a place was told in another order than things happened, and only the order of telling explains its costs.
    """
    pool = Layer.founded(ID(""), Decimal(0), Decimal(0))
    borne: dict[Role, Decimal] = {}
    for _, kind, reason, quantity, value in told:
        if kind == StockMovementKind.COST_CORRECTION:  # what an earlier replay posted
            role = Role(reason) if reason else Role.STOCK_CORRECTION
            borne[role] = borne.get(role, Decimal(0)) + value
        elif quantity < 0:
            left = pool.quantity + quantity
            if left < 0:
                return None
            worth = pool.worth_of(left, digits) if left else Decimal(0)
            role = postings.bearer(StockMovementKind(kind), reason)
            borne[role] = borne.get(role, Decimal(0)) + (pool.value - worth) + value
            pool.quantity, pool.value = left, worth
        else:
            pool.quantity, pool.value = pool.quantity + quantity, pool.value + value
            if pool.value < 0:  # it was revalued, by more than it was worth at that time
                return None
            pool.base_quantity, pool.base_value = pool.quantity, pool.value
    return Replay(pool, borne)
