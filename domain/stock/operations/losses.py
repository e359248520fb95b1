"""Losses that were told late: they take what was there when they happened, and at the cost that it had then.

What left since takes what is left, and costs that: the difference is posted today, as for goods that were told late.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import asyncpg

from domain import ledger
from domain.kernel.ids import ID
from domain.kernel.money import currency_digits
from domain.kernel.work import Work
from domain.stock import costs
from domain.stock.costs import Draw, Layer
from domain.stock.locked import Level
from domain.stock.operations.corrections import (
    ALL_MOVED,
    RUNS_SINCE,
    Correction,
    CostChange,
    Difference,
    Gone,
    bearer,
    borne,
    by_place,
    cost_of,
    posted_today,
    replayed,
)
from domain.stock.tables import Place, StockMovementKind


@dataclass(frozen=True, slots=True)
class Least:
    """The least that was on hand at a place since an instant, and when it fell to that."""

    on_hand: Decimal
    since: datetime


# Backwards from what is on hand now: what was there before an instant is less by what moved from then on.
_LEAST = """
SELECT place.n, coalesce(least.on_hand, place.on_hand) AS on_hand, coalesce(least.since, $4) AS since
FROM unnest($1::uuid[], $2::uuid[], $3::numeric[]) WITH ORDINALITY AS place(variant_id, location_id, on_hand, n)
LEFT JOIN LATERAL (
  SELECT place.on_hand - sum(instant.quantity) OVER latest_first AS on_hand,
    coalesce(lead(instant.effective_at) OVER latest_first, $4) AS since
  FROM (
    SELECT effective_at, sum(quantity) AS quantity FROM stock_movements
    WHERE variant_id = place.variant_id AND location_id = place.location_id AND effective_at > $4
    GROUP BY effective_at) AS instant
  WINDOW latest_first AS (ORDER BY instant.effective_at DESC)
  ORDER BY on_hand, since LIMIT 1) AS least ON true
ORDER BY place.n
"""


async def least_since(work: Work, levels: Sequence[Level], since: datetime) -> Mapping[Place, Least]:
    """The least that was on hand at each level at any instant from then on until now. They are locked."""
    places = [level.place for level in levels]
    records = await work.raw.fetch(
        _LEAST,
        [place[0][4:] for place in places],
        [place[1][4:] for place in places],
        [level.on_hand for level in levels],
        since,
    )
    return {place: Least(record["on_hand"], record["since"]) for place, record in zip(places, records, strict=True)}


@dataclass(slots=True)
class Loss:
    """What is lost at one place by one act."""

    level: Level
    reason: str
    since: datetime
    parts: list[Decimal] = field(default_factory=list)
    """How much each line of the act loses there, in their order."""
    draws: list[list[Draw]] = field(default_factory=list)
    """What each of them takes, when that is found."""

    @property
    def quantity(self) -> Decimal:
        """All that is lost there."""
        return sum(self.parts, Decimal(0))


async def take_late(work: Work, losses: Sequence[Loss], *, source: ID | None) -> Correction:
    """Find what losses take that happened before now. Returns what must be written with them, as what left since is
    costed anew. Their levels are locked, and none of them is in transit: what was there then has gone on with its
    transfer, at its own cost.
    """
    digits = currency_digits((await ledger.books(work)).currency)
    averaged = await costs.averaged(work, {each.level.place[0] for each in losses})
    by_average = [each for each in losses if each.level.place[0] in averaged]
    in_order = [each for each in losses if each.level.place[0] not in averaged]
    changes = await _first_in_first_out(work, in_order, digits) if in_order else []
    changes += await _by_average(work, by_average, digits) if by_average else []
    return await posted_today(work, changes, source=source)


def _columns(losses: Sequence[Loss]) -> tuple[list[str], list[str], list[datetime]]:
    places = [each.level.place for each in losses]
    return [place[0][4:] for place in places], [place[1][4:] for place in places], [each.since for each in losses]


# --- first in, first out --------------------------------------------------------------------------------------------

# Of the layers that had come by then, the last that make up what was on hand; what is left; and what is gone of younger
# ones. What was transferred is older than it came.
_LAYERS = """
SELECT place.n, layer.id, layer.quantity, layer.value_amount, layer.base_quantity, layer.base_value, layer.was_there,
  layer.younger - before.on_hand AS gone_before
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::numeric[], $5::boolean[]) WITH ORDINALITY
  AS place(variant_id, location_id, since, on_hand, alike, n)
CROSS JOIN LATERAL (
  SELECT place.on_hand - coalesce(sum(quantity), 0) AS on_hand FROM stock_movements
  WHERE variant_id = place.variant_id AND location_id = place.location_id AND effective_at > place.since) AS before
CROSS JOIN LATERAL (
  SELECT *, min(founded_at) FILTER (WHERE live OR was_there) OVER () AS first_founded_at FROM (
    SELECT *, had_come AND younger - base_quantity < before.on_hand AS was_there FROM (
      SELECT *, sum(base_quantity) FILTER (WHERE had_come) OVER (ORDER BY founded_at DESC, id DESC) AS younger FROM (
        SELECT layer.*, founded_at <= place.since AND NOT EXISTS (
            SELECT FROM stock_movements WHERE id = layer.id AND effective_at > place.since OFFSET 0) AS had_come
        FROM cost_layers AS layer
        WHERE variant_id = place.variant_id AND location_id = place.location_id) AS layer) AS layer) AS layer
  ) AS layer
WHERE live OR was_there OR NOT place.alike AND layer.founded_at >= layer.first_founded_at
ORDER BY place.n, layer.founded_at, layer.id
"""


@dataclass(slots=True)
class _Taken:
    """A layer: how much of its base was gone, is gone by now, and which parts of it the loss takes."""

    layer: Layer
    gone: Decimal
    gone_after: Decimal
    lost: list[Gone] = field(default_factory=list)

    def lose(self, begin: Decimal, quantity: Decimal) -> None:
        if quantity:
            self.lost.append(Gone(self.layer, begin, begin + quantity))
            self.gone_after = max(self.gone_after, begin + quantity)

    @property
    def left(self) -> Decimal:
        return self.layer.base_quantity - self.gone_after

    @property
    def of_others(self) -> list[Gone]:
        """What is gone by now, and not by this loss."""
        found: list[Gone] = []
        begin = Decimal(0)
        for each in self.lost:
            found.append(Gone(self.layer, begin, each.begin))
            begin = each.end
        return [each for each in [*found, Gone(self.layer, begin, self.gone_after)] if each.begin < each.end]

    def differences(self, digits: int) -> list[Difference]:
        """What goes back to the layer, and what is taken instead, beside the loss."""
        lost = sum((each.end - each.begin for each in self.lost), Decimal(0))
        cost = sum((each.cost(each.end - each.begin, digits) for each in self.lost), Decimal(0))
        quantity = self.gone - self.gone_after + lost
        value = cost_of(self.layer, self.gone, digits) - cost_of(self.layer, self.gone_after, digits) + cost
        if quantity or not value:
            return [Difference(self.layer.id, quantity, value)]
        # Others take another part of the same layer, which costs a cent more or less. It keeps its base.
        back, worth = self.gone, cost_of(self.layer, self.gone, digits)
        return [Difference(self.layer.id, back, worth), Difference(self.layer.id, -back, value - worth)]


async def _first_in_first_out(work: Work, losses: Sequence[Loss], digits: int) -> list[CostChange]:
    runs = by_place(await work.raw.fetch(RUNS_SINCE, *_columns(losses)), len(losses))
    on_hand = [each.level.on_hand for each in losses]
    bearers = [{bearer(run) for run in left} for left in runs]
    # Where one account bears all that left since, it does not matter what of it was taken from which layer.
    alike = [len(roles) < 2 for roles in bearers]
    layers = by_place(await work.raw.fetch(_LAYERS, *_columns(losses), on_hand, alike), len(losses))
    return [_taken(each, rows, left, digits) for each, rows, left in zip(losses, layers, runs, strict=True)]


def _taken(loss: Loss, rows: Sequence[asyncpg.Record], runs: Sequence[asyncpg.Record], digits: int) -> CostChange:
    """The loss takes the oldest goods that were there, and what left since takes later ones, one for one."""
    layers: list[_Taken] = []
    for row in rows:
        gone = row["base_quantity"] - row["quantity"]
        layers.append(_Taken(Layer(ID("mov_" + row["id"]), *list(row.values())[2:6]), gone, gone))
    rest, displaced = loss.quantity, Decimal(0)
    for row, each in zip(rows, layers, strict=True):
        if row["was_there"] and rest:
            begin = max(row["gone_before"], Decimal(0))
            part = min(each.layer.base_quantity - begin, rest)
            # Where goods left in another order than that of their age, what is left of a layer is its end all the same.
            begin = min(begin, each.gone)
            displaced += min(part, each.gone - begin)
            each.lose(begin, part)
            rest -= part
    for each in layers:
        # What cannot be found then is taken of what is there now.
        part = min(each.left, rest)
        each.lose(each.gone_after, part)
        rest -= part
    for each in layers:
        part = min(each.left, displaced)
        each.gone_after += part
        displaced -= part
    loss.draws = _cut([part for each in layers for part in each.lost], loss.parts, digits)
    differences = [part for each in layers for part in each.differences(digits)]
    bearers = {bearer(run) for run in runs}
    if len(bearers) > 1:
        before = [Gone(each.layer, Decimal(0), each.gone) for each in layers]
        more = borne(before, [part for each in layers for part in each.of_others], runs, digits)
    else:
        more = dict.fromkeys(bearers, -sum((each.value for each in differences), Decimal(0)))
    return CostChange(loss.level, differences, more)


def _cut(lost: Sequence[Gone], parts: Sequence[Decimal], digits: int) -> list[list[Draw]]:
    """What each line takes of what is lost, in their order."""
    found: list[list[Draw]] = []
    rest = list(lost)
    for wanted in parts:
        draws: list[Draw] = []
        missing = wanted
        while missing:
            each = rest.pop(0)
            part = min(each.end - each.begin, missing)
            draws.append(Draw(each.layer.id, part, each.cost(part, digits)))
            if each.begin + part < each.end:
                rest.insert(0, Gone(each.layer, each.begin + part, each.end))
            missing -= part
        found.append(draws)
    return found


# --- moving average -------------------------------------------------------------------------------------------------


_POOLS = """
SELECT layer.id, layer.quantity, layer.value_amount, layer.base_quantity, layer.base_value, layer.founded_at
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS place(variant_id, location_id, n)
JOIN cost_layers AS layer
  ON layer.variant_id = place.variant_id AND layer.location_id = place.location_id AND layer.live
ORDER BY place.n
"""


async def _by_average(work: Work, losses: Sequence[Loss], digits: int) -> list[CostChange]:
    pools = await work.raw.fetch(_POOLS, *_columns(losses)[:2])
    told = by_place(await work.raw.fetch(ALL_MOVED, *_columns(losses)), len(losses))
    changes: list[CostChange] = []
    for each, row, rows in zip(losses, pools, told, strict=True):
        pool = Layer(ID("mov_" + row["id"]), *list(row.values())[1:5])
        change = _averaged_anew(each, rows, pool, row["founded_at"], digits)
        if change is None:
            each.draws = [costs.draw([pool], part, digits) for part in each.parts]
        else:
            changes.append(change)
    return changes


def _averaged_anew(
    loss: Loss, rows: Sequence[asyncpg.Record], pool: Layer, founded_at: datetime, digits: int
) -> CostChange | None:
    """The place is replayed with the loss where it happened. None where only the order of telling explains its costs:
    then the loss takes what is there now.
    """
    told = [(row["effective_at"], row["kind"], row["reason"], row["quantity"], row["value_amount"]) for row in rows]
    place = bisect_right(told, loss.since, key=lambda each: each[0])
    before = replayed(told[:place], digits)
    if before is None or before.pool.quantity < loss.quantity:
        return None
    then = before.pool
    then.id = pool.id
    draws = [costs.draw([then], part, digits) for part in loss.parts]
    value = sum((each.value for mine in draws for each in mine), Decimal(0))
    told.insert(place, (loss.since, StockMovementKind.ADJUSTMENT, loss.reason, -loss.quantity, -value))
    after = replayed(told, digits)
    if after is None:
        return None
    loss.draws = draws
    # One movement for each account: the next replay must know what this one has posted already.
    changed = [Difference(pool.id, Decimal(0), -more, role) for role, more in after.borne.items() if more]
    left, worth = pool.quantity - loss.quantity, pool.value - value
    if left and not changed and worth != pool.worth_of(left, digits):
        # Nobody bears anything, and yet the average is another one: what is left begins anew, as old as it is.
        changed = [Difference(pool.id, -left, -worth), Difference(None, left, worth, founded_at=founded_at)]
    return CostChange(loss.level, changed, after.borne)
