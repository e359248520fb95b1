"""What can be asked of stock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import listing
from domain.kernel.database import raw
from domain.kernel.ids import ID, is_id
from domain.stock.tables import (
    Bin,
    IncomingStock,
    Location,
    LocationKind,
    Lot,
    StockBackorder,
    StockDiscrepancy,
    StockLevel,
    StockMovement,
    StockMovementKind,
    StockPolicy,
    StockReceipt,
    StockReservation,
)

_bin, _lot = Bin.__table__.c, Lot.__table__.c
_location, _level, _movement = Location.__table__.c, StockLevel.__table__.c, StockMovement.__table__.c
_receipt, _reservation = StockReceipt.__table__.c, StockReservation.__table__.c
_policy, _backorder = StockPolicy.__table__.c, StockBackorder.__table__.c
_incoming, _discrepancy = IncomingStock.__table__.c, StockDiscrepancy.__table__.c

locations = listing.Listing(
    Location,
    filters={
        "id": listing.identity(_location.id),
        "name": listing.folded(_location.name_folded),
        "kind": listing.choice(_location.kind, LocationKind),
        "created_at": listing.instant(_location.created_at),
    },
    sorts={"PRIORITY": _location.priority, "CREATED_AT": _location.created_at, "NAME": _location.name_folded},
    search=lambda search: listing.starts_folded(_location.name_folded, search),
)

bins = listing.Listing(
    Bin,
    filters={
        "id": listing.identity(_bin.id),
        "location_id": listing.identity(_bin.location_id),
        "path": listing.folded(_bin.path_folded),
    },
    sorts={"PATH": _bin.path_folded},
)
lots = listing.Listing(
    Lot,
    filters={
        "id": listing.identity(_lot.id),
        "variant_id": listing.identity(_lot.variant_id),
        "number": listing.folded(_lot.number_folded),
        "created_at": listing.instant(_lot.created_at),
    },
    sorts={"CREATED_AT": _lot.created_at, "NUMBER": _lot.number_folded},
    search=lambda search: listing.starts_folded(_lot.number_folded, search),
)

levels = listing.Listing(
    StockLevel,
    filters={
        "id": listing.identity(_level.id),
        "variant_id": listing.identity(_level.variant_id),
        "location_id": listing.identity(_level.location_id),
        "created_at": listing.instant(_level.created_at),
    },
    sorts={"CREATED_AT": _level.created_at},
)

movements = listing.Listing(
    StockMovement,
    filters={
        "id": listing.identity(_movement.id),
        "variant_id": listing.identity(_movement.variant_id),
        "location_id": listing.identity(_movement.location_id),
        "kind": listing.choice(_movement.kind, StockMovementKind),
        "bin_id": listing.identity(_movement.bin_id),
        "lot_id": listing.identity(_movement.lot_id),
        "source": listing.text(_movement.source),
        "recorded_at": listing.instant(_movement.recorded_at),
        "effective_at": listing.instant(_movement.effective_at),
    },
    sorts={"RECORDED_AT": _movement.recorded_at, "EFFECTIVE_AT": _movement.effective_at},
)

receipts = listing.Listing(
    StockReceipt, filters={"id": listing.identity(_receipt.id)}, sorts={"RECEIVED_AT": _receipt.received_at}
)
reservations = listing.Listing(
    StockReservation, filters={"id": listing.identity(_reservation.id)}, sorts={"CREATED_AT": _reservation.created_at}
)
incoming = listing.Listing(
    IncomingStock,
    filters={"id": listing.identity(_incoming.id), "variant_id": listing.identity(_incoming.variant_id)},
    sorts={"DUE_ON": _incoming.due_on},
)
policies = listing.Listing(
    StockPolicy,
    filters={"id": listing.identity(_policy.id), "variant_id": listing.identity(_policy.variant_id)},
    sorts={"CREATED_AT": _policy.created_at},
)
backorders = listing.Listing(
    StockBackorder,
    filters={
        "id": listing.identity(_backorder.id),
        "variant_id": listing.identity(_backorder.variant_id),
        "source": listing.text(_backorder.source),
        "document": listing.text(_backorder.document),
        "queued_at": listing.instant(_backorder.since),
    },
    sorts={"QUEUED_AT": _backorder.since},
)
discrepancies = listing.Listing(
    StockDiscrepancy,
    filters={
        "id": listing.identity(_discrepancy.id),
        "variant_id": listing.identity(_discrepancy.variant_id),
        "source": listing.text(_discrepancy.source),
        "opened_at": listing.instant(_discrepancy.opened_at),
    },
    sorts={"OPENED_AT": _discrepancy.opened_at},
)


class AvailabilityTermKind(StrEnum):
    """What a term of an availability is."""

    ON_HAND = "ON_HAND"
    """Physically there."""
    ALLOCATED = "ALLOCATED"
    """Bound to an order."""
    RESERVED = "RESERVED"
    """Held for a while."""
    UNAVAILABLE = "UNAVAILABLE"
    """There, but not to be sold."""
    INCOMING = "INCOMING"
    """Announced, and still to come."""
    BACKORDERED = "BACKORDERED"
    """Promised, and waited for."""


@dataclass(frozen=True, slots=True)
class Term:
    """One reason why as much, or as little, can be promised: a document with its sign, quantity, date and place."""

    kind: AvailabilityTermKind
    quantity: Decimal
    location: ID | None
    source: ID | None
    on: date | None
    note: str | None


@dataclass
class Availability:
    """What can be promised of a variant, and why. The terms sum to `available_to_promise`."""

    terms: list[Term] = field(default_factory=list)

    def total(self, kind: AvailabilityTermKind) -> Decimal:
        """The sum of the terms of a kind, without its sign."""
        return abs(sum((term.quantity for term in self.terms if term.kind == kind), Decimal(0)))

    @property
    def available(self) -> Decimal:
        """What can be promised right now: physical, and nothing of the future."""
        future = (AvailabilityTermKind.INCOMING, AvailabilityTermKind.BACKORDERED)
        return sum((term.quantity for term in self.terms if term.kind not in future), Decimal(0))

    @property
    def available_to_promise(self) -> Decimal:
        """What can be promised by the day asked for."""
        return sum((term.quantity for term in self.terms), Decimal(0))


_TERMS = """
WITH zone AS (SELECT time_zone AS name FROM business), settled AS (
  SELECT level.* FROM stock_levels AS level JOIN locations AS location ON location.id = level.location_id
  WHERE level.variant_id = ANY($1) AND location.kind <> 'TRANSIT')
SELECT * FROM (
  SELECT variant_id, 'ON_HAND' AS kind, on_hand AS quantity, location_id, NULL AS source, NULL::date AS day,
    NULL AS note
  FROM settled WHERE on_hand <> 0
  UNION ALL
  SELECT variant_id, 'UNAVAILABLE', -unavailable, location_id, NULL, NULL, NULL
  FROM settled WHERE unavailable <> 0
  UNION ALL
  SELECT variant_id, 'ALLOCATED', -sum(quantity), location_id, document,
    min(allocated_at AT TIME ZONE zone.name)::date, NULL
  FROM stock_allocations CROSS JOIN zone WHERE variant_id = ANY($1) GROUP BY variant_id, location_id, document
  UNION ALL
  SELECT line.variant_id, 'RESERVED', -sum(line.held), line.location_id,
    'rsv_' || replace(reservation.id::text, '-', ''), min(reservation.expires_at AT TIME ZONE zone.name)::date,
    reservation.reference
  FROM stock_reservation_lines AS line JOIN stock_reservations AS reservation ON reservation.id = line.reservation_id
  CROSS JOIN zone WHERE line.variant_id = ANY($1) AND line.open
  GROUP BY line.variant_id, line.location_id, reservation.id
  UNION ALL
  SELECT variant_id, 'INCOMING', outstanding, location_id, 'inc_' || replace(id::text, '-', ''), due_on, reference
  FROM incoming_stock WHERE variant_id = ANY($1) AND outstanding > 0 AND ($3::date IS NULL OR due_on <= $3)
  UNION ALL
  SELECT variant_id, 'BACKORDERED', -sum(quantity), NULL, document, min(since AT TIME ZONE zone.name)::date, NULL
  FROM stock_backorders CROSS JOIN zone WHERE variant_id = ANY($1) AND $2::uuid[] IS NULL GROUP BY variant_id, document
) AS term
WHERE $2::uuid[] IS NULL OR location_id = ANY($2)
ORDER BY variant_id, array_position(ARRAY['ON_HAND', 'UNAVAILABLE', 'ALLOCATED', 'RESERVED', 'INCOMING', 'BACKORDERED'],
  kind), day NULLS FIRST, location_id, source
"""


async def availability(
    connection: AsyncConnection,
    variants: Sequence[ID],
    *,
    locations: Collection[ID] | None = None,
    on: date | None = None,
) -> Mapping[ID, Availability]:
    """What can be promised of variants, over all locations or some, by a day: up to it, announced goods count.

    Without a day all announced goods count. Goods in transit count nowhere: nothing is taken from them. Lines that wait
    for stock wait for it anywhere, so they count only over all locations. The days of terms are those of the business.
    """
    found = {variant: Availability() for variant in variants}
    wanted = None if locations is None else [each[4:] for each in locations if is_id(each, "loc")]
    driver = await raw(connection)
    for record in await driver.fetch(_TERMS, [each[4:] for each in variants], wanted, on):
        location = record["location_id"]
        found[ID("var_" + record["variant_id"])].terms.append(
            Term(
                kind=AvailabilityTermKind(record["kind"]),
                quantity=record["quantity"],
                location=None if location is None else ID("loc_" + location),
                source=record["source"],
                on=record["day"],
                note=record["note"],
            )
        )
    return found


_CLAIMS = """
SELECT wanted.source,
  coalesce((SELECT sum(quantity) FROM stock_allocations WHERE source = wanted.source), 0) AS allocated
FROM unnest($1::text[]) AS wanted(source)
"""


async def allocated_to(connection: AsyncConnection, sources: Sequence[ID]) -> Mapping[ID, Decimal]:
    """How much is allocated to each line, over all places."""
    driver = await raw(connection)
    return {record["source"]: record["allocated"] for record in await driver.fetch(_CLAIMS, list(sources))}


_WAITED_FOR = "SELECT source, quantity FROM stock_backorders WHERE source = ANY($1)"


async def waited_for(connection: AsyncConnection, sources: Sequence[ID]) -> Mapping[ID, Decimal]:
    """How much each line waits for."""
    driver = await raw(connection)
    found = {record["source"]: record["quantity"] for record in await driver.fetch(_WAITED_FOR, list(sources))}
    return {source: found.get(source, Decimal(0)) for source in sources}
