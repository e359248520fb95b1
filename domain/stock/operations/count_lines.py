"""The lines of a count: one for each bin and lot in which a variant lies, and one for what lies loose."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from asyncpg import Record

from domain import catalog
from domain.kernel import bulk
from domain.kernel.errors import Invalid, NotAllowedNow
from domain.kernel.ids import ID, new_id
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work
from domain.stock.contents import contents_of
from domain.stock.counting import count_number
from domain.stock.locked import Levels
from domain.stock.operations.inputs import MOST_LINES, Path
from domain.stock.tables import StockCountLine


class Spot(NamedTuple):
    """Where a line counts: a variant in one bin and of one lot at the count's location; without both, what is loose."""

    variant_id: ID
    bin_id: ID | None = None
    lot_id: ID | None = None


@dataclass(frozen=True, slots=True)
class CountLine:
    """A line as it is now. Its count's row is its lock."""

    id: ID
    position: int
    spot: Spot
    expected: Decimal
    moved: Decimal
    counted: Decimal | None
    rounds: int
    unit_cost: Money | None

    @property
    def difference(self) -> Decimal:
        """How many more, or with a minus fewer, were counted than the books said at that moment; zero: not counted."""
        return Decimal(0) if self.counted is None else self.counted - self.expected - self.moved


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of a line."""

    line: CountLine
    quantity: Decimal
    unit_cost: Money | None = None


_COLUMNS = """
SELECT id, position, variant_id, bin_id, lot_id, expected, moved, counted, rounds, unit_cost_amount, unit_cost_currency
FROM stock_count_lines AS line
"""
_NAMED = f"{_COLUMNS} WHERE count_id = $1 AND id = ANY($2) ORDER BY position"
_UNCOUNTED = f"{_COLUMNS} WHERE count_id = $1 AND counted IS NULL ORDER BY position"
_DIFFERENT = f"{_COLUMNS} WHERE count_id = $1 AND counted <> expected + moved ORDER BY position"
_SPOTS = "unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS spot(variant_id, bin_id, lot_id, n)"
_SAME = """
spot.variant_id = line.variant_id AND spot.bin_id IS NOT DISTINCT FROM line.bin_id
  AND spot.lot_id IS NOT DISTINCT FROM line.lot_id
"""
_AT = f"{_COLUMNS} WHERE count_id = $4 AND EXISTS (SELECT FROM {_SPOTS} WHERE {_SAME}) ORDER BY position"


async def named_lines(work: Work, count_id: ID, ids: Collection[ID]) -> dict[ID, CountLine]:
    """The lines of a count with these ids; unknown ones, and those of other counts, are left out."""
    records = await work.raw.fetch(_NAMED, count_id[4:], [each[4:] for each in ids])
    return {line.id: line for line in map(_line, records)}


async def lines_at(work: Work, count_id: ID, spots: Collection[Spot]) -> dict[Spot, CountLine]:
    """The lines of a count that are for these spots."""
    records = await work.raw.fetch(_AT, *_arrays(spots), count_id[4:])
    return {line.spot: line for line in map(_line, records)}


async def uncounted_lines(work: Work, count_id: ID) -> list[CountLine]:
    """The lines of a count that nobody has counted yet, or that are to be counted again."""
    return [_line(record) for record in await work.raw.fetch(_UNCOUNTED, count_id[4:])]


async def different_lines(work: Work, count_id: ID) -> list[CountLine]:
    """The lines of a count where more, or fewer, were counted than the books said."""
    return [_line(record) for record in await work.raw.fetch(_DIFFERENT, count_id[4:])]


async def lying(work: Work, levels: Levels) -> dict[Spot, Decimal]:
    """How much the books say lies where, in whatever state, at levels that are locked."""
    found: dict[Spot, Decimal] = {}
    for place, there in (await contents_of(work, list(levels))).items():
        for each in there:
            spot = Spot(place[0], each.content.bin_id, each.content.lot_id)
            found[spot] = found.get(spot, Decimal(0)) + each.quantity
    return found


_WALK = f"""
SELECT spot.n FROM {_SPOTS} JOIN product_variants AS variant ON variant.id = spot.variant_id
LEFT JOIN bins ON bins.id = spot.bin_id LEFT JOIN lots ON lots.id = spot.lot_id
ORDER BY bins.path_folded NULLS FIRST, variant.sku_folded, lots.number_folded NULLS FIRST, spot.n
"""  # noqa: S608  names are ours


async def in_walking_order(work: Work, expected: Mapping[Spot, Decimal]) -> dict[Spot, Decimal]:
    """The spots as somebody walks along them: what lies loose first, then by the path of the bin; each by SKU."""
    spots = list(expected)
    walk = [spots[record["n"] - 1] for record in await work.raw.fetch(_WALK, *_arrays(spots))]
    return {spot: expected[spot] for spot in walk}


_ELSEWHERE = f"""
SELECT line.variant_id, counts.number FROM {_SPOTS}
JOIN stock_count_lines AS line ON {_SAME} JOIN stock_counts AS counts ON counts.id = line.count_id
WHERE counts.location_id = $5 AND counts.status IN ('OPEN', 'SUBMITTED') AND counts.id <> $4
ORDER BY counts.number LIMIT 1
"""  # noqa: S608  names are ours


async def refuse_counted_elsewhere(
    work: Work, count_id: ID, location: ID, spots: Collection[Spot], *, path: Path
) -> None:
    """Refuse with NotAllowedNow what another count is at: both would book the same difference. The levels of the spots
    are locked, so that of two counts that want the same the second one sees the first.
    """
    record = await work.raw.fetchrow(_ELSEWHERE, *_arrays(spots), count_id[4:], location[4:])
    if record is not None:
        variant = ID("var_" + record["variant_id"])
        sku = (await catalog.sellables(work, [variant]))[variant].sku
        number = count_number(record["number"])
        raise NotAllowedNow(f"{sku} is being counted there already: approve or cancel {number} first.", path=path)


async def add_lines(
    work: Work, count_id: ID, expected: Mapping[Spot, Decimal], *, after: int = 0, path: Path
) -> list[CountLine]:
    """The count has a line for each spot, with what the books say there. Refused with Invalid when it gets too long."""
    if after + len(expected) > MOST_LINES:
        raise Invalid(
            f"At most {MOST_LINES:,} lines in one count: count some bins, or some variants, at a time.", path=path
        )
    made = [
        CountLine(new_id("cnl"), position, spot, quantity, Decimal(0), None, 0, None)
        for position, (spot, quantity) in enumerate(expected.items(), after + 1)
    ]
    rows = [
        {
            "id": line.id,
            "count_id": count_id,
            "position": line.position,
            **line.spot._asdict(),
            "expected": line.expected,
        }
        for line in made
    ]
    await bulk.insert(work, StockCountLine, rows)
    return made


async def last_position(work: Work, count_id: ID) -> int:
    """The position of the last line of a count; 0 when it has none."""
    return await work.raw.fetchval(
        "SELECT coalesce(max(position), 0) FROM stock_count_lines WHERE count_id = $1", count_id[4:]
    )


async def write_counted(work: Work, counted: Sequence[Counted], present: Mapping[Spot, Decimal]) -> None:
    """The lines are counted, once more. `present` is what the books say there now, under the lock of the levels: what
    it differs by from what was expected moved meanwhile, and is no fault of anybody.
    """
    rows: list[dict[str, Any]] = []
    for each in counted:
        line, cost = each.line, each.unit_cost or each.line.unit_cost
        rows.append(
            {
                "id": line.id,
                "counted": each.quantity,
                "moved": present.get(line.spot, Decimal(0)) - line.expected,
                "counted_at": work.now,
                "counted_by": work.actor.id,
                "rounds": line.rounds + 1,
                "unit_cost_amount": None if cost is None else cost.amount,
                "unit_cost_currency": None if cost is None else cost.currency,
            }
        )
    await bulk.update(work, StockCountLine, rows)


async def write_uncounted(work: Work, lines: Collection[CountLine]) -> None:
    """The lines are to be counted again."""
    await work.raw.execute(
        "UPDATE stock_count_lines SET counted = NULL, counted_at = NULL, counted_by = NULL, moved = 0"
        " WHERE id = ANY($1)",
        [line.id[4:] for line in lines],
    )


def _arrays(spots: Collection[Spot]) -> tuple[list[str], list[str | None], list[str | None]]:
    return (
        [spot.variant_id[4:] for spot in spots],
        [spot.bin_id and spot.bin_id[4:] for spot in spots],
        [spot.lot_id and spot.lot_id[4:] for spot in spots],
    )


def _line(record: Record) -> CountLine:
    amount, currency = record["unit_cost_amount"], record["unit_cost_currency"]
    return CountLine(
        id=ID("cnl_" + record["id"]),
        position=record["position"],
        spot=Spot(
            ID("var_" + record["variant_id"]),
            None if record["bin_id"] is None else ID("bin_" + record["bin_id"]),
            None if record["lot_id"] is None else ID("lot_" + record["lot_id"]),
        ),
        expected=record["expected"],
        moved=record["moved"],
        counted=record["counted"],
        rounds=record["rounds"],
        unit_cost=None if amount is None else Money(amount, CurrencyCode(currency)),
    )
