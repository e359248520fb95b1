"""The goods of a transfer arrive, in one act or in several."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain import ledger
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity, currency_digits
from domain.kernel.work import Work
from domain.stock.contents import LOOSE, contents_of
from domain.stock.events import StockTransferReceived
from domain.stock.locked import Levels
from domain.stock.operations import inputs
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.shelves import Shelved, contents_named
from domain.stock.operations.transfers.life import StockTransferAction, after
from domain.stock.operations.transfers.locking import LockedTransfer, locked_transfer, write_lines, write_transfer
from domain.stock.operations.transfers.road import road_of
from domain.stock.operations.transfers.unload import Arriving, Unloading


@dataclass(frozen=True)
class NewArrivalLine:
    """How much of one line has arrived."""

    line_id: ID
    """The line."""
    quantity: Quantity
    """How many, in the variant's unit. What is more than was on the road is booked as found, and a case is opened."""
    bin_id: ID | None = None
    """The bin they were put into."""
    lot_id: ID | None = None
    """Their lot; what expires first arrives first, when left out."""


@dataclass(frozen=True)
class NewArrival:
    """What has arrived of a transfer."""

    lines: list[NewArrivalLine] | None = None
    """The lines and quantities, a line once per bin and lot; all that is on the road, when left out."""
    closes: bool = False
    """Whether nothing more will come: what is still on the road is booked as lost, and a case is opened. Then the lines
    must be said, an empty list for nothing."""
    freight: Money | None = None
    """What the way of these goods cost, in the currency of the books and its digits: it is part of their value from now
    on, spread by what they are worth, or by quantity where they are worth nothing."""


async def receive_transfer(work: Work, transfer_id: str, new: NewArrival) -> ID:
    """What has arrived is on hand at the destination, with its lot, its cost and its age, and serves those who wait
    there. Freight raises the cost of what was on the road, and no expense is told of it. Returns the transfer's id.

    Refused with NotFound for an unknown transfer, line, bin or lot; with NotAllowedNow unless it is on the road; with
    CostUnknown for goods that nobody sent and that never came in before; with NothingArrives for freight of goods that
    were not on the road; and with Invalid for lines or freight that cannot be.
    """
    transfer = await locked_transfer(work, transfer_id)
    after(transfer.status, StockTransferAction.CLOSE if new.closes else StockTransferAction.RECEIVE)
    freight = Decimal(0) if new.freight is None else await _freight(work, new.freight)
    arriving = await _arriving(work, transfer, new)
    touched = {each.line.id: each.line for each in arriving}
    if new.closes:
        touched |= {line.id: line for line in transfer.lines if line.in_transit}
    places = [*map(transfer.arriving, touched.values()), *map(transfer.on_the_road, touched.values())]
    levels = await Levels.lock(work, places, create=True)
    there = [levels.by_place[transfer.on_the_road(line)] for line in touched.values()]
    unloading = Unloading(transfer, levels, await road_of(work, transfer), await contents_of(work, there))
    await unloading.run(work, arriving, closes=new.closes, freight=freight)
    await write_lines(work, list(touched.values()))
    done = not any(line.in_transit for line in transfer.lines)
    status = after(transfer.status, StockTransferAction.CLOSE if done else StockTransferAction.RECEIVE)
    changes: dict[str, Any] = {"received_at": work.now} if done else {}
    if freight:
        currency = (await ledger.books(work)).currency
        changes |= {"freight_amount": transfer.freight + freight, "freight_currency": currency}
    await write_transfer(work, transfer, status, **changes)
    work.announce(StockTransferReceived(transfer.id, status=status))
    return transfer.id


_FREIGHT: Path = ("input", "freight")


async def _freight(work: Work, freight: Money) -> Decimal:
    kept = await ledger.books(work)
    if fault := inputs.unit_cost_fault(freight, kept, path=_FREIGHT):
        raise fault
    if not freight.amount:
        raise Invalid("Freight is more than zero: leave it out where there is none.", path=(*_FREIGHT, "amount"))
    digits = currency_digits(kept.currency)
    if -int(freight.amount.normalize().as_tuple().exponent) > digits:
        raise Invalid(f"Amounts in {kept.currency} have at most {digits} decimals.", path=(*_FREIGHT, "amount"))
    return freight.amount


# --- what arrives ---------------------------------------------------------------------------------------------------


async def _arriving(work: Work, transfer: LockedTransfer, new: NewArrival) -> list[Arriving]:
    there: Path = ("input", "lines")
    if new.lines is None:
        if new.closes:
            sentence = "Say what arrived, an empty list for nothing: the rest is booked as lost."
            raise Invalid(sentence, path=there)
        return [Arriving(line, line.in_transit, LOOSE, there) for line in transfer.lines if line.in_transit]
    if not new.lines and new.closes:
        return []
    inputs.counted(new.lines, path=there)
    by_id = {line.id: line for line in transfer.lines}
    refusals: list[Refusal] = []
    seen: set[tuple[ID | None, ...]] = set()
    for n, line in enumerate(new.lines):
        named = line.line_id, line.bin_id, line.lot_id
        if line.line_id not in by_id:
            refusals.append(NotFound("This transfer has no such line.", path=(*there, n, "lineId")))
        elif named in seen:
            sentence = "This line is named twice: say it once, or name the bins or lots."
            refusals.append(Invalid(sentence, path=(*there, n, "lineId")))
        seen.add(named)
    Refusals.raise_if_any(refusals)
    lines = [by_id[line.line_id] for line in new.lines]
    wanted = [
        Wanted(mine.variant_id, line.quantity, (*there, n))
        for n, (mine, line) in enumerate(zip(lines, new.lines, strict=True))
    ]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    contents = await contents_named(
        work,
        [
            Shelved(mine.variant_id, transfer.destination_id, (*there, n), line.bin_id, lot_id=line.lot_id)
            for n, (mine, line) in enumerate(zip(lines, new.lines, strict=True))
        ],
    )
    return [
        Arriving(mine, line.quantity, content, (*there, n))
        for n, (mine, line, content) in enumerate(zip(lines, new.lines, contents, strict=True))
    ]
