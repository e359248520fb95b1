"""Goods leave for customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from domain import ledger, orders, stock
from domain.fulfillment import postings
from domain.fulfillment.events import OrderShipped
from domain.fulfillment.tables import Shipment, ShipmentLine
from domain.kernel import bulk, words
from domain.kernel.errors import Invalid, NotAllowedNow, NotFound, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.money import Quantity, currency_digits, format_quantity
from domain.kernel.work import Work
from domain.orders import FulfillmentStatus, LockedOrder, OrderStatus
from domain.stock import Allocation, Issue

Path = tuple[str | int, ...]
_EXACT = Context(prec=50)


class PaymentRequired(NotAllowedNow):
    """The channel ships only what is paid, and this order is not."""


class NothingToShip(NotAllowedNow):
    """Nothing of the order is allocated there."""


@dataclass(frozen=True)
class NewShipmentLine:
    """How much of one order line leaves."""

    order_line_id: ID
    """The line."""
    quantity: Quantity
    """How many, in the variant's unit; at most what is allocated."""


@dataclass(frozen=True)
class NewShipment:
    """What leaves, and how."""

    lines: list[NewShipmentLine] | None = None
    """The lines and quantities; all that is allocated, when left out."""
    location_id: ID | None = None
    """Only what is allocated at this location; everywhere, when left out."""
    tracking: str | None = None
    """The carrier's number for it."""


@dataclass(frozen=True)
class Shipping:
    """An order and what of it leaves."""

    order_id: str
    shipment: NewShipment = field(default_factory=NewShipment)
    shipped_at: datetime | None = None
    """When it left; now, when left out."""


async def ship(work: Work, order_id: str, shipment: NewShipment) -> list[ID]:
    """What is allocated has left: stock falls, its cost and its revenue are in the books. Returns the shipments, one
    per location.

    Refused with NotFound; with NothingToShip when nothing is allocated; with PaymentRequired where the channel ships
    only what is paid; with NotAllowedNow for an order that has ended; with Invalid for lines that cannot be.
    """
    return await ship_many(work, [Shipping(order_id, shipment)])


async def ship_many(work: Work, shippings: Sequence[Shipping]) -> list[ID]:
    """Ship orders in one act, all or none; each order once. Returns the shipments' ids."""
    await _check_inputs(work, shippings)
    locked = await orders.locked(work, [(each.order_id, ("id",)) for each in shippings])
    wanted = {ID(each.order_id): each for each in shippings}
    for order in locked.values():
        _check(order)
    lines = await _lines(work, list(locked))
    held = await stock.lock_allocations(work, list(locked))
    by_order: dict[ID, list[Allocation]] = {order: [] for order in locked}
    for each in held.allocations:
        by_order[each.document].append(each)
    parcels = [
        parcel for order in locked.values() for parcel in _pack(order, wanted[order.id], by_order[order.id], lines)
    ]
    issues = [issue for parcel in parcels for issue in parcel.issues]
    await stock.draw(work, held.levels, issues)
    _earn(parcels, lines)
    kept = await ledger.books(work)
    posted = [parcel for parcel in parcels if parcel.cost or parcel.revenue]
    drafts = [
        ledger.Draft("Order shipped", parcel.order.id, parcel.postings, wanted[parcel.order.id].shipped_at)
        for parcel in posted
    ]
    entries = await ledger.open_entries(work, drafts, kept)
    for parcel, entry in zip(posted, entries, strict=True):
        for issue in parcel.issues:
            issue.entry_id = entry
    await stock.ship(work, held.levels, issues)
    await ledger.write_lines(work, [(entry, each.postings) for entry, each in zip(entries, posted, strict=True)], kept)
    await _write(work, parcels, wanted)
    return [parcel.id for parcel in parcels]


# --- what leaves ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Line:
    """An order line: how much of it has left, and what the whole of it comes to."""

    id: ID
    quantity: Decimal
    shipped: Decimal
    total: Decimal
    unit: str
    decimals: int


@dataclass
class _Parcel:
    """What leaves one location for one order."""

    order: LockedOrder
    location_id: ID
    tracking: str | None
    issues: list[Issue]
    id: ID = field(default_factory=lambda: new_id("shp"))
    earned: dict[ID, Decimal] = field(default_factory=dict)
    """What each line earns by it."""
    delivery: Decimal = Decimal(0)

    @property
    def cost(self) -> Decimal:
        return sum((issue.cost for issue in self.issues), Decimal(0))

    @property
    def revenue(self) -> Decimal:
        return sum(self.earned.values(), self.delivery)

    @property
    def postings(self) -> list[ledger.Posting]:
        lines = postings.shipment(cost=self.cost, revenue=self.revenue)
        return ledger.about(lines, channel=self.order.channel_id, location=self.location_id)


async def _check_inputs(work: Work, shippings: Sequence[Shipping]) -> None:
    """Refuse an unknown location, and a list of lines that names none."""
    places = {each.shipment.location_id for each in shippings if each.shipment.location_id is not None}
    if places:
        await stock.existing_locations(work, dict.fromkeys(places, ("input", "locationId")))
    if any(each.shipment.lines == [] for each in shippings):
        raise Invalid("Name at least one line, or leave the lines out to ship all.", path=("input", "lines"))


def _check(order: LockedOrder) -> None:
    if order.status != OrderStatus.OPEN:
        raise NotAllowedNow(f"This order is {order.status.lower()}: nothing of it can leave.", path=("id",))
    if order.requires_payment and order.paid < order.total:
        raise PaymentRequired("This channel ships only what is paid. Record the payment first.", path=("id",))


_LINES = """
SELECT line.id, line.quantity, line.shipped, line.total, unit.code, unit.decimals FROM order_lines AS line
JOIN product_variants AS variant ON variant.id = line.variant_id JOIN units AS unit ON unit.id = variant.unit_id
WHERE line.order_id = ANY($1)
"""


async def _lines(work: Work, order_ids: Sequence[ID]) -> dict[ID, _Line]:
    records = await work.raw.fetch(_LINES, [each[4:] for each in order_ids])
    found = [_Line(ID("oln_" + row["id"]), *list(row.values())[1:]) for row in records]
    return {line.id: line for line in found}


def _pack(
    order: LockedOrder, shipping: Shipping, allocations: Sequence[Allocation], lines: Mapping[ID, _Line]
) -> list[_Parcel]:
    """The parcels of one order, one per location that something leaves from."""
    wanted = shipping.shipment
    here = [each for each in allocations if wanted.location_id in (None, each.place[1])]
    issues = [Issue(each, each.quantity) for each in here]
    if wanted.lines is not None:
        issues = _chosen(wanted.lines, here, lines)
    if not issues:
        raise NothingToShip("Nothing of this order is allocated there, so nothing can leave.", path=("id",))
    tracking = wanted.tracking
    if tracking is not None:
        tracking = words.line(tracking, path=("input", "tracking"))
    by_location: dict[ID, list[Issue]] = {}
    for issue in issues:
        issue.effective_at = shipping.shipped_at
        by_location.setdefault(issue.allocation.place[1], []).append(issue)
    return [_Parcel(order, location, tracking, mine) for location, mine in by_location.items()]


def _chosen(
    wanted: Sequence[NewShipmentLine], allocations: Sequence[Allocation], lines: Mapping[ID, _Line]
) -> list[Issue]:
    """The parts of allocations that serve the lines asked for. Refused with all offences at once."""
    issues: list[Issue] = []
    refusals: list[Refusal] = []
    seen: set[ID] = set()
    for n, line in enumerate(wanted):
        path = ("input", "lines", n)
        mine = [each for each in allocations if each.source == line.order_line_id]
        allocated = sum((each.quantity for each in mine), Decimal(0))
        if line.order_line_id not in lines:
            refusals.append(NotFound("This order has no such line.", path=(*path, "orderLineId")))
        elif line.order_line_id in seen:
            refusals.append(Invalid("This line is named twice: say it once.", path=(*path, "orderLineId")))
        elif line.quantity <= 0:
            refusals.append(Invalid("The quantity must be more than zero.", path=(*path, "quantity")))
        elif -int(line.quantity.normalize().as_tuple().exponent) > lines[line.order_line_id].decimals:
            counted = lines[line.order_line_id]
            sentence = f"This is counted in {counted.unit}, with at most {counted.decimals} decimals."
            refusals.append(Invalid(sentence, path=(*path, "quantity")))
        elif line.quantity > allocated:
            sentence = f"Only {format_quantity(allocated)} of this line are allocated there."
            refusals.append(Invalid(sentence, path=(*path, "quantity")))
        seen.add(line.order_line_id)
        rest = line.quantity
        for each in mine:
            part = min(each.quantity, rest)
            if part > 0:
                issues.append(Issue(each, part))
                rest -= part
    Refusals.raise_if_any(refusals)
    return issues


def _earn(parcels: Sequence[_Parcel], lines: Mapping[ID, _Line]) -> None:
    """What each parcel earns. A line earns its total in proportion to what has left of it, rounded as a running sum,
    so that its last unit earns what is left; an order's first parcel earns its delivery too.
    """
    left = {line.id: line.shipped for line in lines.values()}
    begun: set[ID] = set()
    for parcel in parcels:
        order = parcel.order
        if order.fulfillment_status == FulfillmentStatus.UNFULFILLED and order.id not in begun:
            parcel.delivery = order.shipping
        begun.add(order.id)
        digits = currency_digits(order.currency)
        for issue in parcel.issues:
            line = lines[issue.allocation.source]
            before, after = left[line.id], left[line.id] + issue.quantity
            share = _share(line, after, digits) - _share(line, before, digits)
            parcel.earned[line.id] = parcel.earned.get(line.id, Decimal(0)) + share
            left[line.id] = after


def _share(line: _Line, quantity: Decimal, digits: int) -> Decimal:
    exact = _EXACT.divide(_EXACT.multiply(line.total, quantity), line.quantity)
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, context=_EXACT)


async def _write(work: Work, parcels: Sequence[_Parcel], wanted: Mapping[ID, Shipping]) -> None:
    quantities: dict[tuple[ID, ID], Decimal] = {}
    for parcel in parcels:
        for issue in parcel.issues:
            key = parcel.id, issue.allocation.source
            quantities[key] = quantities.get(key, Decimal(0)) + issue.quantity
    currencies = {parcel.id: parcel.order.currency for parcel in parcels}
    await bulk.insert(
        work,
        Shipment,
        [
            {
                "id": parcel.id,
                "order_id": parcel.order.id,
                "location_id": parcel.location_id,
                "tracking": parcel.tracking,
                "revenue": parcel.revenue,
                "currency": parcel.order.currency,
                "shipped_at": wanted[parcel.order.id].shipped_at or work.now,
                "recorded_at": work.now,
                "act": work.act,
            }
            for parcel in parcels
        ],
    )
    earned = {(parcel.id, line): amount for parcel in parcels for line, amount in parcel.earned.items()}
    await bulk.insert(
        work,
        ShipmentLine,
        [
            {
                "shipment_id": shipment,
                "order_line_id": line,
                "quantity": quantity,
                "revenue": earned[shipment, line],
                "currency": currencies[shipment],
            }
            for (shipment, line), quantity in quantities.items()
        ],
    )
    by_line: dict[ID, Decimal] = {}
    for (_, line), quantity in quantities.items():
        by_line[line] = by_line.get(line, Decimal(0)) + quantity
    by_order: dict[ID, tuple[LockedOrder, list[ID]]] = {}
    for parcel in parcels:
        by_order.setdefault(parcel.order.id, (parcel.order, []))[1].append(parcel.id)
    await orders.note_shipped(work, [order for order, _ in by_order.values()], by_line)
    for order, shipments in by_order.values():
        work.announce(OrderShipped(order.id, shipments=shipments, fulfillment_status=order.fulfillment_status))
