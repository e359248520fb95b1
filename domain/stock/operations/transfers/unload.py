"""What arrives comes off the road and into the destination. What does not arrive is lost, and what arrives beside what
was sent is found: both are cases for a person.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from domain import ledger
from domain.kernel.errors import Invalid
from domain.kernel.ids import ID
from domain.kernel.money import AMOUNT_LIMIT, currency_digits
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.contents import Content, Contents, Part, parts, pick
from domain.stock.costs import Joining
from domain.stock.errors import NothingArrives
from domain.stock.events import StockAdjusted, StockTransferred
from domain.stock.locked import Levels, Move
from domain.stock.operations import oversold
from domain.stock.operations.adjust import Change, apply_changes
from domain.stock.operations.backorders import fill_backorders
from domain.stock.operations.cases import NewCase, open_cases
from domain.stock.operations.inputs import Path
from domain.stock.operations.oversold import Debt
from domain.stock.operations.shelves import Shelved, contents_named, past_their_day
from domain.stock.operations.transfers.locking import LockedLine, LockedTransfer
from domain.stock.operations.transfers.road import Load, Road
from domain.stock.tables import DiscrepancyKind, Place, StockAdjustmentReason, StockMovementKind, UnavailableState


@dataclass(slots=True)
class Arriving:
    """How much of a line has arrived, and where it was put."""

    line: LockedLine
    quantity: Decimal
    content: Content
    """The bin, and the lot where one was named."""
    path: Path


@dataclass(frozen=True, slots=True)
class Taken:
    """A part that comes off the road, and the bin it is put into."""

    line: LockedLine
    load: Load
    part: Part
    """What of the load's layer it is; its content is that on the road, a state of a recalled lot included."""
    bin_id: ID | None = None
    freight: Decimal = Decimal(0)
    """What the way adds to its value."""

    def arrives(self, over: Collection[ID]) -> Content:
        """How it lies when it has arrived: what expired on the way, as lots `over` did, is in that state."""
        on_the_road = self.part.content
        expired = UnavailableState.EXPIRED if on_the_road.lot_id in over else None
        return replace(on_the_road, bin_id=self.bin_id, state=on_the_road.state or expired)


@dataclass(frozen=True, slots=True)
class Surplus:
    """What arrived beside what was on the road."""

    arriving: Arriving
    quantity: Decimal


@dataclass
class Unloading:
    """What an act does with the goods of a transfer that are on the road. Their levels are locked."""

    transfer: LockedTransfer
    levels: Levels
    road: Road
    lying: Contents
    """What lies on the road."""
    arrived: list[Taken] = field(default_factory=list)
    lost: list[Taken] = field(default_factory=list)
    more: list[Surplus] = field(default_factory=list)

    async def run(self, work: Work, arriving: Sequence[Arriving], *, closes: bool, freight: Decimal) -> None:
        """Take off the road what has arrived, and with `closes` what is lost; book both, and what is more. Refused with
        NothingArrives where there is freight and nothing comes off the road.
        """
        digits = currency_digits((await ledger.books(work)).currency)
        # Lots that are named come first: a line that names none takes what is left.
        for each in sorted(arriving, key=lambda each: each.content.lot_id is None):
            self._arrive(each, digits)
        if freight:
            self.arrived = with_freight(self.arrived, freight, digits)
        if closes:
            for line in self.transfer.lines:
                if line.in_transit:  # of the others the levels are not locked
                    self._lose(line, digits)
        await self._book(work)
        await self._book_more(work)
        await self._open_cases(work)

    def _arrive(self, each: Arriving, digits: int) -> None:
        loads = self.road.of(each.line.variant_id, each.content.lot_id)
        taken = self._take(each.line, loads, each.quantity, digits, each.content.bin_id)
        self.arrived += taken
        part = sum((one.part.quantity for one in taken), Decimal(0))
        each.line.received += part
        if part < each.quantity:
            self.more.append(Surplus(each, each.quantity - part))

    def _lose(self, line: LockedLine, digits: int) -> None:
        self.lost += self._take(line, self.road.of(line.variant_id), line.in_transit, digits)
        line.lost += line.in_transit

    def _take(
        self, line: LockedLine, loads: Sequence[Load], quantity: Decimal, digits: int, bin_id: ID | None = None
    ) -> list[Taken]:
        """Take a quantity off loads, as much of it as there is, and what lies of their lots on the road with it."""
        there = self.lying[self.transfer.on_the_road(line)] if loads else []
        taken: list[Taken] = []
        for load, drawn in self.road.take(loads, quantity, digits):
            mine = sorted(there, key=lambda each, lot=load.lot_id: each.content.lot_id != lot)
            picks = pick(mine, drawn.quantity)
            taken += [Taken(line, load, part, bin_id) for part in parts([drawn], picks, digits)]
        return taken

    # --- the books --------------------------------------------------------------------------------------------------

    async def _book(self, work: Work) -> None:
        """What arrived moves within inventory; shrinkage bears what is lost."""
        kept = await ledger.books(work)
        value, loss = _value(self.arrived), _value(self.lost)
        freight = sum((each.freight for each in self.arrived), Decimal(0))
        reason = StockAdjustmentReason.LOST_IN_TRANSIT
        road = self.transfer.transit_id
        shrinkage = ledger.about(postings.adjustment(reason, gained=Decimal(0), lost=loss), location=road)
        moved = postings.arrived(value, freight, origin=road, destination=self.transfer.destination_id)
        arrival = ledger.Draft("Stock transfer received", self.transfer.id, moved)
        drafts = [arrival] if value or freight else []
        drafts += [ledger.Draft("Stock lost in transit", self.transfer.id, shrinkage)] if loss else []
        entries = await ledger.open_entries(work, drafts, kept)
        debts = await self._move_in(work, entries[0] if value or freight else None)
        await self._write_off(entries[-1] if loss else None)
        posted = [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)]
        await ledger.write_lines(work, posted, kept)
        await oversold.settle(work, self.levels, debts)

    async def _move_in(self, work: Work, entry: ID | None) -> list[Debt]:
        """Goods come to the destination, and what may be sold of them to those who wait. Returns what of it was handed
        over there before it came.
        """
        if not self.arrived:
            return []
        days = {each.content.lot_id: each.expires_on for there in self.lying.values() for each in there}
        over = await past_their_day(work, {lot: day for lot, day in days.items() if lot is not None})
        coming: dict[Place, Decimal] = {}
        for each in self.arrived:
            if not each.arrives(over).state:
                place = self.transfer.arriving(each.line)
                coming[place] = coming.get(place, Decimal(0)) + each.part.quantity
        joining = await costs.joining(work, {self.transfer.arriving(each.line) for each in self.arrived})
        moves = [move for each in self.arrived for move in self._across(each, entry, joining, over)]
        debts = await oversold.owed(work, self.levels, coming)
        # Who waits is locked once for all variants, in one order: what is more comes later in this act.
        later = {self.transfer.arriving(each.arriving.line): Decimal(0) for each in self.more}
        await fill_backorders(work, self.levels, later | oversold.beyond(coming, debts))
        await self.levels.move(moves, StockTransferred)
        return debts

    def _across(self, taken: Taken, entry: ID | None, joining: Joining, over: Collection[ID]) -> tuple[Move, Move]:
        """A part leaves the road, and founds a layer of its age at the destination or joins the one there. `over`: the
        lots that are past their last day.
        """
        off = self._off(taken, StockMovementKind.TRANSFER, entry)
        there = self.levels.by_place[self.transfer.arriving(taken.line)]
        into = Move(
            there,
            taken.part.quantity,
            taken.part.value + taken.freight,
            StockMovementKind.TRANSFER,
            content=taken.arrives(over),
            entry_id=entry,
            source=self.transfer.id,
        )
        joined = joining.layer(there.place, into.id)
        age = None if joined else taken.load.founded_at
        return off, replace(into, layer_id=joined, founded_at=age)

    def _off(self, taken: Taken, kind: StockMovementKind, entry: ID | None) -> Move:
        """A part leaves the road."""
        return Move(
            self.levels.by_place[self.transfer.on_the_road(taken.line)],
            -taken.part.quantity,
            -taken.part.value,
            kind,
            layer_id=taken.part.layer_id,
            content=taken.part.content,
            entry_id=entry,
            source=self.transfer.id,
        )

    async def _write_off(self, entry: ID | None) -> None:
        reason = StockAdjustmentReason.LOST_IN_TRANSIT
        moves = [replace(self._off(each, StockMovementKind.ADJUSTMENT, entry), reason=reason) for each in self.lost]
        if moves:
            await self.levels.move(moves, StockAdjusted)

    # --- what differs -----------------------------------------------------------------------------------------------

    async def _book_more(self, work: Work) -> None:
        """What arrived beside what was sent is found there, at the cost of what was sent."""
        if not self.more:
            return
        shelved: list[Shelved] = []
        for each in self.more:
            line, content = each.arriving.line, each.arriving.content
            lot = content.lot_id or self.road.only_lot(line.variant_id)
            place = self.transfer.arriving(line)
            path = each.arriving.path
            shelved.append(Shelved(*place, path, content.bin_id, lot_id=lot, state=self._state(line, lot), brings=True))
        changes: list[Change] = []
        for each, content in zip(self.more, await contents_named(work, shelved), strict=True):
            line = each.arriving.line
            changes.append(
                Change(
                    self.levels.by_place[self.transfer.arriving(line)],
                    each.quantity,
                    None,
                    each.arriving.path,
                    "quantity",
                    line.sku,
                    content,
                    like=self.road.sent(line.variant_id, content.lot_id),
                )
            )
        await apply_changes(work, self.levels, changes, reason=StockAdjustmentReason.FOUND, source=self.transfer.id)

    def _state(self, line: LockedLine, lot: ID | None) -> UnavailableState | None:
        """What is more of a lot is like the rest of it: on hold, where it was recalled on the way."""
        alike = (each.part.content.state for each in self.arrived if each.line is line and each.load.lot_id == lot)
        return next(alike, None)

    async def _open_cases(self, work: Work) -> None:
        """What was lost, and what is more, is a case for a person: one for each line."""
        more: dict[ID, Decimal] = {}
        for each in self.more:
            more[each.arriving.line.id] = more.get(each.arriving.line.id, Decimal(0)) + each.quantity
        lost: dict[ID, Decimal] = {}
        for each in self.lost:
            lost[each.line.id] = lost.get(each.line.id, Decimal(0)) + each.part.quantity
        cases = [self._case(line, lost[line.id], line.received) for line in self.transfer.lines if line.id in lost]
        cases += [
            self._case(line, more[line.id], line.received + more[line.id])
            for line in self.transfer.lines
            if line.id in more
        ]
        if cases:
            await open_cases(work, cases)

    def _case(self, line: LockedLine, quantity: Decimal, reported: Decimal) -> NewCase:
        return NewCase(
            DiscrepancyKind.TRANSFER,
            self.transfer.arriving(line),
            quantity,
            expected=line.dispatched,
            reported=reported,
            source=self.transfer.id,
        )


def _value(taken: Sequence[Taken]) -> Decimal:
    return sum((each.part.value for each in taken), Decimal(0))


def with_freight(taken: Sequence[Taken], freight: Decimal, digits: int) -> list[Taken]:
    """Freight is spread over what arrives by its value, or by quantity where it has none: what each takes is what the
    share of all up to it grows by, so nothing is left. Refused with NothingArrives, and with Invalid where it comes to
    AMOUNT_LIMIT or more for a whole one of any of them.
    """
    if not taken:
        sentence = "None of these goods were on the road, so there is nothing that freight is part of."
        raise NothingArrives(sentence, path=("input", "freight"))
    if freight >= AMOUNT_LIMIT * min(each.part.quantity for each in taken):
        # By quantity alone: what one costs with its freight must stay what a unit cost can be.
        raise Invalid("This is more than so few goods can bear.", path=("input", "freight", "amount"))
    value = _value(taken)
    weights = [each.part.value if value else each.part.quantity for each in taken]
    whole = sum(weights, Decimal(0))
    seen, given = Decimal(0), Decimal(0)
    spread: list[Taken] = []
    for each, weight in zip(taken, weights, strict=True):
        seen += weight
        share = costs.proportion(freight, seen, whole, digits) - given
        given += share
        spread.append(replace(each, freight=share))
    return spread
