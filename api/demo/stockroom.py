"""What goes on in the demo's stockroom: shelves, lots, a transfer on the road, a count, a value to approve, and
cases for a person."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from api.demo.articles import SYSTEM_NAME, USD
from api.demo.trade import pieces
from domain import stock
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.work import Work
from domain.stock import (
    BackorderPolicy,
    CountedLine,
    CountRecord,
    CountStart,
    NewBin,
    NewBins,
    NewChannelRule,
    NewDispatch,
    NewLot,
    NewPool,
    NewReceipt,
    NewReceiptLine,
    NewRelocation,
    NewRelocationLine,
    NewRevaluation,
    NewRevaluationLine,
    NewTransfer,
    NewTransferLine,
    ReplenishmentChanges,
    ReportedLine,
    Snapshot,
    StockCountKind,
    StockPolicyChanges,
    UnavailableState,
)

_SHELVES = ("A/01/1", "A/01/2", "A/02/1", "B/01/1")
_LOTS = (("R-2611", 40), ("R-2612", 75))
"""Lots of the house roast, and for how many days more each may be sold."""


async def arrange(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID], channels: Sequence[ID]) -> None:
    """The stockroom is in the middle of its day: one of everything that a person would want to look at is there."""
    await _rules(work, skus, places, channels)
    shelves = await stock.create_bins(work, NewBins(places["WAREHOUSE"], [NewBin(path) for path in _SHELVES]))
    await _roast(work, skus, places["WAREHOUSE"], shelves)
    await _aside(work, skus, places["WAREHOUSE"], shelves[0])
    await _on_the_road(work, skus, places)
    await _worth_less(work, skus, places["WAREHOUSE"])


async def _rules(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID], channels: Sequence[ID]) -> None:
    """Who may wait, when more is ordered, and what each channel is offered."""
    waiting = [skus["TENT-2P"], skus["STOVE"]]
    for row in waiting:
        await stock.set_policy(work, StockPolicyChanges(row, backorders=BackorderPolicy.ALLOW))
    point, most = pieces(12), pieces(60)
    await stock.set_replenishment(
        work, ReplenishmentChanges(skus["BOTTLE-500ML"], places["WAREHOUSE"], reorder_point=point, max_quantity=most)
    )
    await stock.set_channel_rule(work, NewChannelRule(channels[1], buffer=pieces(2)))
    await stock.set_pool(work, NewPool(channels[-1], skus["TEE-M"], places["WAREHOUSE"], pieces(6)))


async def _roast(work: Work, skus: Mapping[str, ID], warehouse: ID, shelves: Sequence[ID]) -> None:
    """Coffee came in by lots, which are sold by their last day."""
    today = work.now.date()
    lines = [
        NewReceiptLine(
            skus["HOUSE-250G"],
            pieces(24),
            Money(Decimal("7.20"), USD),
            bin_id=shelf,
            lot=NewLot(number, today + timedelta(days=days)),
        )
        for (number, days), shelf in zip(_LOTS, shelves[1:], strict=False)
    ]
    named = ExternalId(SYSTEM_NAME, "ROAST-1")
    await stock.receive(work, NewReceipt(warehouse, lines, "Roast of the week", named, supplier="Slow Tide Roastery"))


async def _aside(work: Work, skus: Mapping[str, ID], warehouse: ID, shelf: ID) -> None:
    """Some lies on a shelf, and one is being looked at."""
    lines = [
        NewRelocationLine(skus["PACK-28L"], pieces(6), to_bin_id=shelf),
        NewRelocationLine(skus["LAMP-BLACK"], pieces(1), to_state=UnavailableState.QUALITY_CONTROL),
    ]
    await stock.relocate(work, NewRelocation(warehouse, lines, "A customer sent it back"))


async def _on_the_road(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID]) -> None:
    """The store is being filled up from the warehouse."""
    wanted = [NewTransferLine(skus[sku], pieces(4)) for sku in ("MUG-BLUE", "SOCK-SM", "CAP-NAVY")]
    due = work.now.date() + timedelta(days=2)
    moved = await stock.create_transfer(work, NewTransfer(places["WAREHOUSE"], places["STORE"], wanted, "Fill up", due))
    await stock.ready_transfer(work, moved)
    await stock.dispatch_transfer(work, moved, NewDispatch())


async def _worth_less(work: Work, skus: Mapping[str, ID], warehouse: ID) -> None:
    """Last season's lamps should be worth less: somebody has yet to approve."""
    lines = [NewRevaluationLine(skus["LAMP-BLACK"], Money(Decimal("9.00"), USD))]
    await stock.propose_revaluation(work, NewRevaluation(warehouse, "Last season's color", lines))


async def count(work: Work, skus: Mapping[str, ID], places: Mapping[str, ID]) -> ID:
    """Somebody begins to count the mugs in the warehouse, and the fulfillment house has told what it has."""
    mugs = [row for sku, row in sorted(skus.items()) if sku.startswith("MUG-")]
    records = await work.raw.fetch(
        "SELECT variant_id, on_hand FROM stock_levels WHERE location_id = $1 AND on_hand > 0 ORDER BY 1 LIMIT 2",
        places["NORTH"][4:],
    )
    told = [ReportedLine(record["on_hand"] + n, ID("var_" + record["variant_id"])) for n, record in enumerate(records)]
    await stock.reconcile(work, Snapshot(places["NORTH"], "northern", told))
    started = CountStart(places["WAREHOUSE"], StockCountKind.CYCLE, variant_ids=mugs, reference="Mugs")
    return await stock.start_count(work, started)


async def book(work: Work, counted: ID) -> None:
    """What was counted is booked: of the first mug one is missing."""
    records = await work.raw.fetch(
        "SELECT id, expected FROM stock_count_lines WHERE count_id = $1 ORDER BY position", counted[4:]
    )
    lines = [CountedLine(ID("cnl_" + each["id"]), each["expected"] - (n == 0)) for n, each in enumerate(records)]
    await stock.record_count(work, counted, CountRecord(lines))
    await stock.submit_count(work, counted)
    await stock.approve_count(work, counted)
