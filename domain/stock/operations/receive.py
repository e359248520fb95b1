"""Goods come in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from domain import ledger
from domain.kernel import bulk, external, words
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals, of_one
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Money, Quantity, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.events import IncomingStockAnnounced, StockReceiptCreated, StockReceived
from domain.stock.locked import Levels, Move, Place
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders
from domain.stock.operations.inputs import Path, Wanted
from domain.stock.tables import IncomingStock, StockMovementKind, StockReceipt


@dataclass(frozen=True)
class NewReceiptLine:
    """How much of one variant came in, and at what cost."""

    variant_id: ID
    """The variant."""
    quantity: Quantity
    """How many, in the variant's unit; more than zero."""
    unit_cost: Money
    """What one costs, in the currency of the books; up to six decimals, and zero for what is free."""
    incoming_id: ID | None = None
    """The announced goods that these are: what is still to come falls by the quantity."""


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


async def receive_many(
    work: Work, news: Sequence[NewReceipt], *, received_at: Sequence[datetime] | None = None
) -> list[Received]:
    """Take in several receipts in one act, all or none. Returns what came of each, in the order given.

    Refused as `receive` is, each path starting with the index of the receipt. `received_at` says when each came in,
    where that is not now.
    """
    await _check(work, news)
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    arrivals = [
        _Arrival(new, instant, [costs.worth(line.quantity, line.unit_cost.amount, digits) for line in new.lines])
        for new, instant in zip(news, received_at or [work.now] * len(news), strict=True)
    ]
    await _write_receipts(work, arrivals)
    places = [(line.variant_id, new.location_id) for new in news for line in new.lines]
    levels = await Levels.lock(work, places, create=True)
    await _arrive(work, news)
    worthy = [arrival for arrival in arrivals if arrival.value]
    drafts = [
        ledger.Draft("Goods received", arrival.id, postings.receipt(arrival.value), arrival.received_at)
        for arrival in worthy
    ]
    entries = await ledger.open_entries(work, drafts, kept)
    for arrival, entry in zip(worthy, entries, strict=True):
        arrival.entry_id = entry
    moves = [move for arrival in arrivals for move in arrival.moves(levels)]
    coming: dict[Place, Decimal] = {}
    for move in moves:
        coming[move.level.place] = coming.get(move.level.place, Decimal(0)) + move.quantity
    await fill_backorders(work, levels, coming)
    await levels.move(moves, StockReceived)
    await ledger.write_lines(
        work, [(entry, draft.postings) for entry, draft in zip(entries, drafts, strict=True)], kept
    )
    return [
        Received(arrival.id, list(dict.fromkeys(move.level.id for move in arrival.moves(levels))))
        for arrival in arrivals
    ]


@dataclass
class _Arrival:
    """A receipt on its way into the books: its lines' values in base currency, and the entry that holds them."""

    new: NewReceipt
    received_at: datetime
    values: list[Decimal]
    id: ID = field(default_factory=lambda: new_id("rct"))
    entry_id: ID | None = None

    @property
    def value(self) -> Decimal:
        return sum(self.values, Decimal(0))

    def moves(self, levels: Levels) -> list[Move]:
        return [
            Move(
                levels.by_place[line.variant_id, self.new.location_id],
                line.quantity,
                value,
                StockMovementKind.RECEIPT,
                entry_id=self.entry_id,
                source=self.id,
                effective_at=self.received_at,
            )
            for line, value in zip(self.new.lines, self.values, strict=True)
        ]


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
    paths: list[tuple[NewReceiptLine, Path]] = [
        (line, (n, "input", "lines", m)) for n, new in enumerate(news) for m, line in enumerate(new.lines)
    ]
    wanted = [Wanted(line.variant_id, line.quantity, path) for line, path in paths]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    kept = await ledger.books(work)
    faults = [inputs.unit_cost_fault(line.unit_cost, kept, path=(*path, "unitCost")) for line, path in paths]
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
