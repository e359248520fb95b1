"""Goods that were told late: what left since they came in is costed anew, and the difference is posted today.

Nothing posted is rewritten. What is left at a place, and what left it, come to cost what they would have, had the
receipt been told at once: for first in, first out the youngest goods consumed are put back and those that came late
are taken instead; for moving average the place's movements are replayed.
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
from domain.stock.tables import Place, StockMovementKind


@dataclass
class Correction:
    """Movements to write with those that made them necessary, and the lines to write after them."""

    moves: list[Move] = field(default_factory=list)
    posted: list[tuple[ID, list[Posting]]] = field(default_factory=list)


@dataclass(slots=True)
class _Change:
    """What becomes of one place: its layers change by so much, and the accounts that bore what left by so much."""

    level: Level
    layers: list["_Difference"]
    borne: dict[Role, Decimal]

    def __post_init__(self) -> None:
        """What no movement explains is a correction: an entry balances in any case."""
        rest = -sum((each.value for each in self.layers), Decimal(0)) - sum(self.borne.values(), Decimal(0))
        self.borne[Role.STOCK_CORRECTION] = self.borne.get(Role.STOCK_CORRECTION, Decimal(0)) + rest


@dataclass(frozen=True, slots=True)
class _Difference:
    """By how much a layer changes, and which account bears it where it is one alone."""

    layer: ID
    quantity: Decimal
    value: Decimal
    role: Role | None = None


_LATE = """
SELECT place.n, since.happened, since.consumed FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) WITH ORDINALITY
  AS place(variant_id, location_id, since, n)
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
"""


async def correct_costs(work: Work, coming: Sequence[Move]) -> Correction:
    """What must be written beside goods that come in, where others left since. Their levels are locked.

    Opens an entry where costs change; the caller writes the movements, and then the lines.
    """
    since: dict[Place, datetime] = {}
    for move in coming:
        if move.effective_at is not None and move.effective_at < work.now:
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
    # First in, first out goes by the order of telling, an average by the order in which things happened.
    late = [
        place
        for record in found
        for place in [places[record["n"] - 1]]
        if (record["happened"] if place[0] in averaged else record["consumed"])
    ]
    digits = currency_digits((await ledger.books(work)).currency)
    changes: list[_Change] = []
    for place in late:  # each is a replay of its own; hardly ever is there more than one
        mine = [move for move in coming if move.level.place == place]
        reckon = _by_average if place[0] in averaged else _first_in_first_out
        changes.append(await reckon(work, mine, since[place], digits))
    return await _correction(work, changes, source=coming[0].source)


async def _correction(work: Work, changes: Sequence[_Change], *, source: ID | None) -> Correction:
    lines = [line for change in changes for line in postings.cost_correction(change.borne)]
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
        )
        for change in changes
        for each in change.layers
        if each.quantity or each.value
    ]
    return Correction(moves, [] if entry is None else [(entry, lines)])


def _round_trip(changes: Sequence[_Change]) -> list[Posting]:
    """Layers traded value among themselves, and nobody bears anything: the entry says how much went round."""
    return postings.moved(
        sum((max(each.value, Decimal(0)) for change in changes for each in change.layers), Decimal(0))
    )


# --- first in, first out --------------------------------------------------------------------------------------------

# The youngest of which so much is gone between them; all of them, where that does not matter.
_YOUNGER = """
SELECT id, quantity, value_amount, base_quantity, base_value, founded_at FROM (
  SELECT *, sum(base_quantity - quantity) OVER (ORDER BY founded_at DESC, id DESC) AS gone FROM cost_layers
  WHERE variant_id = $1 AND location_id = $2 AND founded_at > $3 AND base_quantity > quantity) AS younger
WHERE $4::numeric IS NULL OR gone - (base_quantity - quantity) < $4
"""
# What left since, in the order of telling: that is the order in which it was drawn, and posted. Whatever was drawn from
# layers younger than an instant was told after it.
_RUNS = """
SELECT kind, reason, sum(-quantity) AS quantity FROM (
  SELECT kind, reason, quantity, sum(changed) OVER (ORDER BY id) AS run FROM (
    SELECT kind, reason, quantity, id,
      ((kind, reason) IS DISTINCT FROM (lag(kind) OVER told, lag(reason) OVER told))::int AS changed
    FROM stock_movements
    WHERE variant_id = $1 AND location_id = $2 AND recorded_at > $3 AND quantity < 0
      AND kind NOT IN ('RELOCATION', 'COST_CORRECTION')
    WINDOW told AS (ORDER BY id)) AS each) AS runs
GROUP BY run, kind, reason ORDER BY run
"""


@dataclass(slots=True)
class _Consumed:
    """A layer, and how much of its base is gone: before, and as it should be."""

    layer: Layer
    founded_at: datetime
    before: Decimal
    after: Decimal = Decimal(0)

    def cost(self, gone: Decimal, digits: int) -> Decimal:
        return costs.proportion(self.layer.base_value, gone, self.layer.base_quantity, digits)


async def _first_in_first_out(work: Work, coming: Sequence[Move], since: datetime, digits: int) -> _Change:
    level = coming[0].level
    where = level.place[0][4:], level.place[1][4:], since
    runs = await work.raw.fetch(_RUNS, *where)
    # What comes in is taken by what left last: where one account bears all of it, what left before does not matter.
    alike = len({_bearer(run) for run in runs}) == 1 and all(move.effective_at == since for move in coming)
    wanted = sum((move.quantity for move in coming), Decimal(0)) if alike else None
    consumed = [
        _Consumed(
            Layer(ID("mov_" + row["id"]), *list(row.values())[1:5]),
            row["founded_at"],
            row["base_quantity"] - row["quantity"],
        )
        for row in await work.raw.fetch(_YOUNGER, *where, wanted)
    ]
    consumed += [
        _Consumed(Layer.founded(move.id, move.quantity, move.value), move.effective_at or work.now, Decimal(0))
        for move in coming
    ]
    consumed.sort(key=lambda each: (each.founded_at, each.layer.id))
    rest = sum((each.before for each in consumed), Decimal(0))
    for each in consumed:
        each.after = min(each.layer.base_quantity, rest)
        rest -= each.after
    changed = [
        _Difference(
            each.layer.id,
            each.before - each.after,
            each.layer.worth_of(each.layer.base_quantity - each.after, digits) - each.layer.value,
        )
        for each in consumed
        if each.before != each.after
    ]
    return _Change(level, changed, _borne(consumed, runs, digits))


def _bearer(run: asyncpg.Record) -> Role:
    return postings.bearer(StockMovementKind(run["kind"]), run["reason"])


def _borne(consumed: Sequence[_Consumed], runs: Sequence[asyncpg.Record], digits: int) -> dict[Role, Decimal]:
    """How much more each account bears: what left is taken from layers in their order, before and after."""
    total = sum((each.before for each in consumed), Decimal(0))
    begins = total - sum((run["quantity"] for run in runs), Decimal(0))
    edges = [begins]
    for run in runs:
        edges.append(edges[-1] + run["quantity"])
    edges = [max(edge, Decimal(0)) for edge in edges]
    before = list(_costs_at(edges, [(each, each.before) for each in consumed], digits))
    after = list(_costs_at(edges, [(each, each.after) for each in consumed], digits))
    borne: dict[Role, Decimal] = {}
    for n, run in enumerate(runs):
        role = _bearer(run)
        more = (after[n + 1] - after[n]) - (before[n + 1] - before[n])
        borne[role] = borne.get(role, Decimal(0)) + more
    return borne


def _costs_at(edges: Sequence[Decimal], taken: Sequence[tuple[_Consumed, Decimal]], digits: int) -> Iterator[Decimal]:
    """What so many units cost that are taken from layers in their order. `edges` ascend."""
    layers = iter(taken)
    begun, spent = Decimal(0), Decimal(0)
    each, many = next(layers)
    for edge in edges:
        while edge > begun + many:
            begun, spent = begun + many, spent + each.cost(many, digits)
            each, many = next(layers)
        yield spent + each.cost(edge - begun, digits)


# --- moving average -------------------------------------------------------------------------------------------------

_ALL = """
SELECT kind, reason, quantity, value_amount, effective_at FROM stock_movements
WHERE variant_id = $1 AND location_id = $2 AND kind <> 'RELOCATION' ORDER BY effective_at, id
"""


async def _by_average(work: Work, coming: Sequence[Move], since: datetime, digits: int) -> _Change:  # noqa: ARG001
    """The place is replayed from its beginning: rounding depends on where averages were reckoned last."""
    level = coming[0].level
    rows = await work.raw.fetch(_ALL, level.place[0][4:], level.place[1][4:])
    told = [(row["effective_at"], row["kind"], row["reason"], row["quantity"], row["value_amount"]) for row in rows]
    told += [(move.effective_at or work.now, move.kind, move.reason, move.quantity, move.value) for move in coming]
    told.sort(key=lambda each: each[0])
    borne = _replayed(told, digits)
    joined = next(move.layer_id or move.id for move in coming)
    # One movement for each account: the next replay must know what this one has posted already.
    return _Change(level, [_Difference(joined, Decimal(0), -more, role) for role, more in borne.items() if more], borne)


def _replayed(told: Sequence[tuple[datetime, str, str | None, Decimal, Decimal]], digits: int) -> dict[Role, Decimal]:
    """How much more than was posted each account bears by moving average. Nothing, where more left than had come, or
    was written off than was there: such a place was told in another order than things happened, and only the order
    of telling explains its costs.
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
                return {}
            worth = pool.worth_of(left, digits) if left else Decimal(0)
            role = postings.bearer(StockMovementKind(kind), reason)
            borne[role] = borne.get(role, Decimal(0)) + (pool.value - worth) + value
            pool.quantity, pool.value = left, worth
        else:
            pool.quantity, pool.value = pool.quantity + quantity, pool.value + value
            if pool.value < 0:  # it was revalued, by more than it was worth at that time
                return {}
            pool.base_quantity, pool.base_value = pool.quantity, pool.value
    return borne
