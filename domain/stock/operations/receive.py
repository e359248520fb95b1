"""Goods come in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from domain import ledger
from domain.kernel import bulk, external, words
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals, of_one
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import AMOUNT_LIMIT, Money, Quantity, currency_digits, format_quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.contents import Content
from domain.stock.events import IncomingStockAnnounced, StockReceiptCreated, StockReceived
from domain.stock.locked import Levels, Move
from domain.stock.operations import inputs, oversold
from domain.stock.operations.backorders import fill_backorders
from domain.stock.operations.corrections import correct_costs
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.operations.lots import NewLot
from domain.stock.operations.shelves import Shelved, contents_named
from domain.stock.tables import IncomingStock, Place, StockMovementKind, StockReceipt, UnavailableState


@dataclass(frozen=True)
class NewReceiptLine:
    """How much of one variant came in, and at what cost."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""
    unit_cost: Money
    """What one costs, up to six decimals, and zero for what is free. In another currency than that of the books it is
    fixed at the rate of the day it came in; one receipt is in one currency."""
    incoming_id: ID | None = None
    """The announced goods that these are: what is still to come falls by the quantity."""
    bin_id: ID | None = None
    """The bin they were put into."""
    lot: NewLot | None = None
    """Their lot; demanded where the variant is kept by lots."""
    state: UnavailableState | None = None
    """Why they cannot be sold yet, such as QUALITY_CONTROL; they can, when left out. Of a lot that is past its last day
    they are EXPIRED then."""


@dataclass(frozen=True)
class NewReceipt:
    """Goods that came in together."""

    location_id: ID
    """Where they are now."""
    lines: list[NewReceiptLine]
    """What came in; at most 10,000 lines."""
    reference: str | None = None
    """What the paper says, such as a delivery note's number."""
    external_id: ExternalId | None = None
    """What another system calls this receipt."""
    supplier: str | None = None
    """Who delivered them."""
    received_at: datetime | None = None
    """When they really came in; now, when left out. Never in the future, nor before 1970. What left since then is
    costed anew: the difference is posted today, and no row of the books changes."""
    is_opening: bool = False
    """Whether they were there when the books began: no bill comes for them. It takes `ledger:close`."""


@dataclass(frozen=True)
class Received:
    """What came of a receipt."""

    receipt: ID
    levels: list[ID]
    """The levels of the lines, each once, in their order."""


async def receive(work: Work, new: NewReceipt) -> Received:
    """The goods are on hand, worth what they cost, each line a cost layer of its own; their value is in the books.

    Orders that wait for them are served, the oldest first. Refused with NotFound and Invalid for what is unknown or
    cannot be.
    """
    with of_one():
        return (await receive_many(work, [new]))[0]


async def receive_many(work: Work, news: Sequence[NewReceipt]) -> list[Received]:
    """Take in several receipts in one act, all or none. Returns what came of each, in the order given.

    Refused as `receive` is, each path starting with the index of the receipt.
    """
    await _check(work, news)
    if any(new.is_opening for new in news):
        work.require(Scope.LEDGER_CLOSE)
        await ledger.begin_opening(work)
    kept = await ledger.books(work)
    arrivals = [await _arrival(work, n, new, kept) for n, new in enumerate(news)]
    lines = [(n, m, line) for n, new in enumerate(news) for m, line in enumerate(new.lines)]
    contents = await contents_named(work, [_shelved(news[n], line, (n, "input", "lines", m)) for n, m, line in lines])
    await _write_receipts(work, arrivals)
    levels = await Levels.lock(work, [(line.variant_id, news[n].location_id) for n, _, line in lines], create=True)
    await _arrive(work, news)
    worthy = [arrival for arrival in arrivals if arrival.value]
    drafts = [
        ledger.Draft(
            "Opening stock" if arrival.new.is_opening else "Goods received",
            arrival.id,
            ledger.about(
                postings.receipt(arrival.value, arrival.document, opening=arrival.new.is_opening),
                location=arrival.new.location_id,
            ),
            arrival.received_at,
            arrival.document.currency if arrival.document else None,
            ledger.EntryKind.OPENING if arrival.new.is_opening else ledger.EntryKind.ORDINARY,
        )
        for arrival in worthy
    ]
    entries = await ledger.open_entries(work, drafts, kept)
    for arrival, entry in zip(worthy, entries, strict=True):
        arrival.entry_id = entry
    moves = await _moves(work, levels, arrivals, contents)
    correction = await correct_costs(work, moves)
    coming = _for_sale(moves)
    debts = await oversold.owed(work, levels, coming)
    await fill_backorders(work, levels, oversold.beyond(coming, debts))
    await levels.move([*moves, *correction.moves], StockReceived)
    posted = [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)]
    await ledger.write_lines(work, [*posted, *correction.posted], kept)
    await oversold.settle(work, levels, debts)
    return [Received(arrival.id, _levels(levels, arrival.new)) for arrival in arrivals]


def _levels(levels: Levels, new: NewReceipt) -> list[ID]:
    return list(dict.fromkeys(levels.by_place[line.variant_id, new.location_id].id for line in new.lines))


@dataclass
class _Arrival:
    """A receipt on its way into the books, and the entry that holds its value."""

    new: NewReceipt
    received_at: datetime
    values: list[Decimal]
    """What each line comes to, in the currency of the books."""
    document: Money | None = None
    """What all of them cost, where that is another currency."""
    id: ID = field(default_factory=lambda: new_id("rct"))
    entry_id: ID | None = None

    @property
    def value(self) -> Decimal:
        return sum(self.values, Decimal(0))


async def _arrival(work: Work, n: int, new: NewReceipt, kept: ledger.Books) -> _Arrival:
    """What a receipt comes to. A foreign cost is fixed at the rate of its day."""
    received_at = new.received_at or work.now
    currency = new.lines[0].unit_cost.currency
    digits = currency_digits(currency)
    amounts = [costs.worth(line.quantity, line.unit_cost.amount, digits) for line in new.lines]
    if currency == kept.currency:
        return _Arrival(new, received_at, amounts)
    path: Path = (n, "input", "lines", 0, "unitCost", "currency")
    rate = await ledger.rate_on(work, currency, kept.day_of(received_at), path=path)
    dear = [
        m for m, line in enumerate(new.lines) if max(line.quantity, 1) * line.unit_cost.amount * rate >= AMOUNT_LIMIT
    ]
    Refusals.raise_if_any([inputs.too_dear(path=(n, "input", "lines", m, "unitCost")) for m in dear])
    digits = currency_digits(kept.currency)
    document = Money(sum(amounts, Decimal(0)), currency)
    return _Arrival(new, received_at, [costs.worth(each, rate, digits) for each in amounts], document)


def _shelved(new: NewReceipt, line: NewReceiptLine, path: Path) -> Shelved:
    return Shelved(
        line.variant_id, new.location_id, path, line.bin_id, line.lot, state=line.state, brings=True, lot_name="lot"
    )


async def _moves(work: Work, levels: Levels, arrivals: Sequence[_Arrival], contents: Sequence[Content]) -> list[Move]:
    """The movements of receipts. Goods kept by moving average join what is there; all others found layers."""
    joining = await costs.joining(work, list(levels.by_place))
    lying = iter(contents)
    moves: list[Move] = []
    for arrival in arrivals:
        for line, value in zip(arrival.new.lines, arrival.values, strict=True):
            move = Move(
                levels.by_place[line.variant_id, arrival.new.location_id],
                line.quantity,
                value,
                StockMovementKind.RECEIPT,
                content=next(lying),
                entry_id=arrival.entry_id,
                source=arrival.id,
                effective_at=arrival.received_at,
            )
            moves.append(replace(move, layer_id=joining.layer(move.level.place, move.id)))
    return moves


def _for_sale(moves: Sequence[Move]) -> dict[Place, Decimal]:
    """How much comes in at each place that may be sold."""
    coming: dict[Place, Decimal] = {}
    for move in moves:
        if not move.content.state:
            coming[move.level.place] = coming.get(move.level.place, Decimal(0)) + move.quantity
    return coming


@dataclass(frozen=True)
class NewIncomingLine:
    """How much of one variant is to come."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""


@dataclass(frozen=True)
class NewIncoming:
    """Goods that are announced for a day to come."""

    location_id: ID
    """Where they will come in."""
    due_on: date
    """The day they are expected."""
    lines: list[NewIncomingLine]
    """What is to come; at most 10,000 lines."""
    reference: str | None = None
    """What the paper says, such as the number of an order to a supplier."""


async def expect(work: Work, new: NewIncoming) -> list[ID]:
    """The goods count as incoming, and from their day on as available to promise. Returns an id per line."""
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=("input", "lines"))
    wanted = [Wanted(line.variant_id, line.quantity, ("input", "lines", n)) for n, line in enumerate(new.lines)]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    rows = [
        {
            "id": new_id("inc"),
            "variant_id": line.variant_id,
            "location_id": location,
            "quantity": line.quantity,
            "outstanding": line.quantity,
            "due_on": new.due_on,
            "reference": _reference(new.reference, path=("input", "reference")),
            "created_at": work.now,
        }
        for line in new.lines
    ]
    await bulk.insert(work, IncomingStock, rows)
    for row in rows:
        work.announce(
            IncomingStockAnnounced(
                row["id"],
                variant=row["variant_id"],
                location=location,
                quantity=format_quantity(row["quantity"]),
                due_on=new.due_on.isoformat(),
            )
        )
    return [row["id"] for row in rows]


def _reference(reference: str | None, *, path: Path) -> str | None:
    return None if reference is None else words.line(reference, path=path)


async def _check(work: Work, news: Sequence[NewReceipt]) -> None:
    await inputs.existing_locations(work, {new.location_id: (n, "input", "locationId") for n, new in enumerate(news)})
    for n, new in enumerate(news):
        inputs.counted(new.lines, path=(n, "input", "lines"))
        inputs.check_happened(work, new.received_at, path=(n, "input", "receivedAt"))
    paths: list[tuple[NewReceiptLine, Path]] = [
        (line, (n, "input", "lines", m)) for n, new in enumerate(news) for m, line in enumerate(new.lines)
    ]
    wanted = [Wanted(line.variant_id, line.quantity, path) for line, path in paths]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    faults = [
        inputs.cost_fault(line.unit_cost, path=(*path, "unitCost"), quantity=line.quantity) for line, path in paths
    ]
    faults += [
        Invalid("One receipt is in one currency.", path=(n, "input", "lines", m, "unitCost", "currency"))
        for n, new in enumerate(news)
        for m, line in enumerate(new.lines)
        if line.unit_cost.currency != new.lines[0].unit_cost.currency
    ]
    Refusals.raise_if_any([fault for fault in faults if fault is not None])


async def _write_receipts(work: Work, arrivals: Sequence[_Arrival]) -> None:
    rows = []
    for n, arrival in enumerate(arrivals):
        if arrival.new.external_id is not None:
            external.check(arrival.new.external_id, path=(n, "input", "externalId"))
        rows.append(
            {
                "id": arrival.id,
                "location_id": arrival.new.location_id,
                "reference": _reference(arrival.new.reference, path=(n, "input", "reference")),
                "supplier": _reference(arrival.new.supplier, path=(n, "input", "supplier")),
                "received_at": arrival.received_at,
                "recorded_at": work.now,
                "act": work.act,
            }
        )
        work.announce(StockReceiptCreated(arrival.id, location=arrival.new.location_id))
    await bulk.insert(work, StockReceipt, rows)
    named = [(arrival.id, arrival.new.external_id) for arrival in arrivals if arrival.new.external_id is not None]
    await external.link(work, named)


async def _arrive(work: Work, news: Sequence[NewReceipt]) -> None:
    """Announced goods are here: what is still to come falls. More than announced is welcome, and counts as all."""
    asked: list[tuple[NewReceiptLine, ID, Path]] = [
        (line, new.location_id, (n, "input", "lines", m, "incomingId"))
        for n, new in enumerate(news)
        for m, line in enumerate(new.lines)
        if line.incoming_id is not None
    ]
    if not asked:
        return
    wanted = sorted({str(line.incoming_id)[4:] for line, _, _ in asked if is_id(str(line.incoming_id), "inc")})
    records = await work.raw.fetch(
        "SELECT id, variant_id, location_id, outstanding FROM incoming_stock WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        wanted,
    )
    known = {ID("inc_" + record["id"]): record for record in records}
    outstanding = {row: record["outstanding"] for row, record in known.items()}
    refusals: list[Refusal] = []
    for line, location, path in asked:
        row = ID(str(line.incoming_id))
        if row not in known:
            refusals.append(NotFound("There are no such announced goods.", path=path))
        elif (line.variant_id[4:], location[4:]) != (known[row]["variant_id"], known[row]["location_id"]):
            refusals.append(Invalid("Another variant, or another place, was announced under this id.", path=path))
        else:
            outstanding[row] = max(Decimal(0), outstanding[row] - line.quantity)
    Refusals.raise_if_any(refusals)
    await bulk.update(work, IncomingStock, [{"id": row, "outstanding": rest} for row, rest in outstanding.items()])
