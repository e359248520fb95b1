"""Goods come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from domain import ledger
from domain.kernel import bulk, external, words
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.money import Money, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.stock import costs, postings
from domain.stock.events import IncomingStockAnnounced, StockReceiptCreated, StockReceived
from domain.stock.levels import Levels, Move
from domain.stock.operations import inputs
from domain.stock.operations.backorders import fill_backorders
from domain.stock.operations.inputs import Wanted
from domain.stock.tables import IncomingStock, StockMovementKind, StockReceipt


@dataclass(frozen=True)
class NewReceiptLine:
    """How much of one variant came in, and at what cost."""

    variant_id: ID
    """The variant."""
    quantity: Decimal
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


async def receive(work: Work, new: NewReceipt, *, effective_at: datetime | None = None) -> Received:
    """The goods are on hand, worth what they cost, each line a cost layer of its own; their value is in the books.

    Orders that wait for them are served, the oldest first. Refused with NotFound and Invalid for what is unknown or
    cannot be. `effective_at` says when they came, where that is not now.
    """
    location = await _check(work, new)
    kept = await ledger.books(work)
    digits = currency_digits(kept.currency)
    values = [costs.worth(line.quantity, line.unit_cost.amount, digits) for line in new.lines]
    receipt = await _write_receipt(work, new, location, effective_at or work.now)
    levels = await Levels.lock(work, {(line.variant_id, location) for line in new.lines}, create=True)
    await _arrive(work, new.lines)
    drafts = []
    if total := sum(values, Decimal(0)):
        description = "Goods received"
        drafts = [ledger.Draft(description, receipt, postings.receipt(total), effective_at)]
    entries = await ledger.open_entries(work, drafts, kept)
    moves = [
        Move(
            levels.by_place[line.variant_id, location],
            line.quantity,
            value,
            StockMovementKind.RECEIPT,
            entry_id=entries[0] if entries else None,
            source=receipt,
            effective_at=effective_at,
        )
        for line, value in zip(new.lines, values, strict=True)
    ]
    coming: dict[ID, Decimal] = {}
    for line in new.lines:
        coming[line.variant_id] = coming.get(line.variant_id, Decimal(0)) + line.quantity
    await fill_backorders(work, levels, location, coming)
    await levels.move(moves, StockReceived)
    if entries:
        await ledger.write_lines(work, [(entries[0], drafts[0].postings)], kept)
    return Received(receipt, list(dict.fromkeys(move.level.id for move in moves)))


@dataclass(frozen=True)
class NewIncomingLine:
    """How much of one variant is to come."""

    variant_id: ID
    """The variant."""
    quantity: Decimal
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
            "reference": _reference(new.reference),
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


def _reference(reference: str | None) -> str | None:
    return None if reference is None else words.line(reference, path=("input", "reference"))


async def _check(work: Work, new: NewReceipt) -> ID:
    location = await inputs.existing_location(work, new.location_id, path=("input", "locationId"))
    inputs.counted(new.lines, path=("input", "lines"))
    wanted = [Wanted(line.variant_id, line.quantity, ("input", "lines", n)) for n, line in enumerate(new.lines)]
    await inputs.known_variants(work, wanted, least=Decimal(0))
    kept = await ledger.books(work)
    faults = [
        inputs.unit_cost_fault(line.unit_cost, kept, path=("input", "lines", n, "unitCost"))
        for n, line in enumerate(new.lines)
    ]
    Refusals.raise_if_any([fault for fault in faults if fault is not None])
    return location


async def _write_receipt(work: Work, new: NewReceipt, location: ID, received_at: datetime) -> ID:
    receipt = {
        "id": new_id("rct"),
        "location_id": location,
        "reference": _reference(new.reference),
        "received_at": received_at,
        "recorded_at": work.now,
        "act": work.act,
    }
    if new.external_id is not None:
        external.check(new.external_id, path=("input", "externalId"))
    await bulk.insert(work, StockReceipt, [receipt])
    if new.external_id is not None:
        await external.link(work, [(receipt["id"], new.external_id)])
    work.announce(StockReceiptCreated(receipt["id"], location=location))
    return receipt["id"]


async def _arrive(work: Work, lines: Sequence[NewReceiptLine]) -> None:
    """Announced goods are here: what is still to come falls. More than announced is welcome, and counts as all."""
    asked = [(n, line) for n, line in enumerate(lines) if line.incoming_id is not None]
    if not asked:
        return
    wanted = sorted({line.incoming_id[4:] for _, line in asked if is_id(line.incoming_id or "", "inc")})  # type: ignore[index]
    records = await work.raw.fetch(
        "SELECT id, variant_id, outstanding FROM incoming_stock WHERE id = ANY($1) ORDER BY id FOR UPDATE", wanted
    )
    left = {"inc_" + record["id"]: record for record in records}
    outstanding = {row: record["outstanding"] for row, record in left.items()}
    refusals: list[Refusal] = []
    for n, line in asked:
        path = ("input", "lines", n, "incomingId")
        record = left.get(line.incoming_id or "")
        if record is None:
            refusals.append(NotFound("There are no such announced goods.", path=path))
        elif "var_" + record["variant_id"] != line.variant_id:
            refusals.append(Invalid("Another variant was announced under this id.", path=path))
        else:
            key = "inc_" + record["id"]
            outstanding[key] = max(Decimal(0), outstanding[key] - line.quantity)
    Refusals.raise_if_any(refusals)
    await bulk.update(work, IncomingStock, [{"id": row, "outstanding": rest} for row, rest in outstanding.items()])
