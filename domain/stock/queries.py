"""What can be asked of stock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import listing
from domain.kernel.database import raw
from domain.kernel.ids import ID, is_id
from domain.kernel.numbering import number_behind
from domain.stock.shares import Rule
from domain.stock.tables import (
    Bin,
    DiscrepancyKind,
    DiscrepancyStatus,
    IncomingStock,
    Location,
    LocationKind,
    Lot,
    StockBackorder,
    StockChannelRule,
    StockContent,
    StockCount,
    StockCountLine,
    StockCountStatus,
    StockDiscrepancy,
    StockLevel,
    StockMovement,
    StockMovementKind,
    StockPolicy,
    StockPool,
    StockReceipt,
    StockReservation,
    StockRevaluation,
    StockRevaluationLine,
    StockRevaluationStatus,
    StockTransfer,
    StockTransferStatus,
    UnavailableState,
)

_count, _count_line = StockCount.__table__.c, StockCountLine.__table__.c

_bin, _lot, _content = Bin.__table__.c, Lot.__table__.c, StockContent.__table__.c
_location, _level, _movement = Location.__table__.c, StockLevel.__table__.c, StockMovement.__table__.c
_receipt, _reservation = StockReceipt.__table__.c, StockReservation.__table__.c
_policy, _backorder = StockPolicy.__table__.c, StockBackorder.__table__.c
_pool, _rule = StockPool.__table__.c, StockChannelRule.__table__.c
_incoming, _discrepancy = IncomingStock.__table__.c, StockDiscrepancy.__table__.c
_transfer = StockTransfer.__table__.c
_revaluation, _revaluation_line = StockRevaluation.__table__.c, StockRevaluationLine.__table__.c

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
stock_contents = listing.Listing(
    StockContent,
    filters={
        "bin_id": listing.identity(_content.bin_id),
        "lot_id": listing.identity(_content.lot_id),
        "variant_id": listing.identity(_content.variant_id),
        "location_id": listing.identity(_content.location_id),
        "state": listing.choice(_content.state, UnavailableState),
    },
    sorts={"ID": _content.id},
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
        "location_id": listing.identity(_backorder.location_id),
        "queued_at": listing.instant(_backorder.since),
    },
    sorts={"QUEUED_AT": _backorder.since},
)
channel_rules = listing.Listing(
    StockChannelRule,
    filters={"id": listing.identity(_rule.id), "channel_id": listing.identity(_rule.channel_id)},
    sorts={"CREATED_AT": _rule.created_at},
)
pools = listing.Listing(
    StockPool,
    filters={
        "id": listing.identity(_pool.id),
        "channel_id": listing.identity(_pool.channel_id),
        "variant_id": listing.identity(_pool.variant_id),
    },
    sorts={"CREATED_AT": _pool.created_at},
)
discrepancies = listing.Listing(
    StockDiscrepancy,
    filters={
        "id": listing.identity(_discrepancy.id),
        "status": listing.choice(_discrepancy.status, DiscrepancyStatus),
        "kind": listing.choice(_discrepancy.kind, DiscrepancyKind),
        "variant_id": listing.identity(_discrepancy.variant_id),
        "source": listing.text(_discrepancy.source),
        "opened_at": listing.instant(_discrepancy.opened_at),
    },
    sorts={"OPENED_AT": _discrepancy.opened_at},
)
counts = listing.Listing(
    StockCount,
    filters={
        "id": listing.identity(_count.id),
        "status": listing.choice(_count.status, StockCountStatus),
        "location_id": listing.identity(_count.location_id),
        "created_at": listing.instant(_count.created_at),
    },
    sorts={"CREATED_AT": _count.created_at},
)
count_lines = listing.Listing(
    StockCountLine,
    filters={"id": listing.identity(_count_line.id), "variant_id": listing.identity(_count_line.variant_id)},
    sorts={"POSITION": _count_line.position},
)

revaluations = listing.Listing(
    StockRevaluation,
    filters={
        "id": listing.identity(_revaluation.id),
        "status": listing.choice(_revaluation.status, StockRevaluationStatus),
        "location_id": listing.identity(_revaluation.location_id),
        "created_at": listing.instant(_revaluation.created_at),
    },
    sorts={"CREATED_AT": _revaluation.created_at},
)
revaluation_lines = listing.Listing(
    StockRevaluationLine,
    filters={
        "id": listing.identity(_revaluation_line.id),
        "variant_id": listing.identity(_revaluation_line.variant_id),
    },
    sorts={"POSITION": _revaluation_line.position},
)


def transfer_number(number: int) -> str:
    """A transfer's number as people read it."""
    return f"TR-{number}"


def transfer_number_of(text: str) -> int:
    """The number behind what people read; 0, which no transfer has, for anything else."""
    return number_behind(text, "TR")


transfers = listing.Listing(
    StockTransfer,
    filters={
        "id": listing.identity(_transfer.id),
        "status": listing.choice(_transfer.status, StockTransferStatus),
        "origin_id": listing.identity(_transfer.origin_id),
        "destination_id": listing.identity(_transfer.destination_id),
        "created_at": listing.instant(_transfer.created_at),
    },
    sorts={"CREATED_AT": _transfer.created_at, "NUMBER": _transfer.number},
)

lots_received = (
    select(_movement.lot_id, cast(func.substr(_movement.source, 5), _receipt.id.type).label("receipt_id"))
    .where(_movement.kind == StockMovementKind.RECEIPT, _movement.lot_id.is_not(None))
    .distinct()
    .subquery("lots_received")
)
"""The receipts that each lot came in with, each pair once."""


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
    """Announced or on the road to there, and still to come."""
    BACKORDERED = "BACKORDERED"
    """Promised, and waited for."""
    BUFFER = "BUFFER"
    """There for everybody, but kept away from the sales channel asked for."""
    CAP = "CAP"
    """More than the sales channel asked for is offered at once."""


@dataclass(frozen=True, slots=True)
class Term:
    """One reason why as much, or as little, can be promised: a document with its sign, quantity, date and place."""

    kind: AvailabilityTermKind
    quantity: Decimal
    location: ID | None
    source: ID | None
    on: date | None
    note: str | None


_FUTURE = (AvailabilityTermKind.INCOMING, AvailabilityTermKind.BACKORDERED)


@dataclass
class Availability:
    """What can be promised of a variant, and why. The terms sum to `available_to_promise`."""

    terms: list[Term] = field(default_factory=list)
    next_change: Term | None = None
    """What will raise it next: the first goods to come, announced or on the road, after the day asked for; of all,
    without one.
    """

    def total(self, kind: AvailabilityTermKind) -> Decimal:
        """The sum of the terms of a kind, without its sign."""
        return abs(sum((term.quantity for term in self.terms if term.kind == kind), Decimal(0)))

    @property
    def available(self) -> Decimal:
        """What can be promised right now: physical, and nothing of the future."""
        return sum((term.quantity for term in self.terms if term.kind not in _FUTURE), Decimal(0))

    @property
    def available_to_promise(self) -> Decimal:
        """What can be promised by the day asked for."""
        return sum((term.quantity for term in self.terms), Decimal(0))

    def keep_from(self, rule: Rule, source: ID, pooled: Decimal) -> None:
        """Take away what a channel is not offered by its rule; `pooled`: what it has for itself, which stays."""
        common = self.available - pooled
        buffer = min(max(common, Decimal(0)), rule.buffer)
        over = common - buffer - rule.offers(common)
        kinds = AvailabilityTermKind
        taken = [
            Term(kind, -quantity, None, source, None, None)
            for kind, quantity in ((kinds.BUFFER, buffer), (kinds.CAP, over))
            if quantity > 0
        ]
        present = [term for term in self.terms if term.kind not in _FUTURE]
        self.terms = [*present, *taken, *(term for term in self.terms if term.kind in _FUTURE)]


_TERMS = """
WITH zone AS (SELECT time_zone AS name FROM business), settled AS (
  SELECT level.* FROM stock_levels AS level JOIN locations AS location ON location.id = level.location_id
  WHERE level.variant_id = ANY($1) AND location.kind <> 'TRANSIT'), coming AS (
  SELECT variant_id, outstanding AS quantity, location_id, 'inc_' || replace(id::text, '-', '') AS source,
    due_on AS day, reference AS note
  FROM incoming_stock WHERE variant_id = ANY($1) AND outstanding > 0
  UNION ALL
  SELECT line.variant_id, line.dispatched - line.received - line.lost, transfer.destination_id,
    'trf_' || replace(transfer.id::text, '-', ''), transfer.expected_on, 'TR-' || transfer.number
  FROM stock_transfers AS transfer JOIN stock_transfer_lines AS line ON line.transfer_id = transfer.id
  WHERE transfer.status IN ('DISPATCHED', 'PARTIALLY_RECEIVED') AND line.variant_id = ANY($1)
    AND line.dispatched > line.received + line.lost)
SELECT * FROM (
  SELECT variant_id, 'ON_HAND' AS kind, on_hand AS quantity, location_id, NULL AS source, NULL::date AS day,
    NULL AS note
  FROM settled WHERE on_hand <> 0
  UNION ALL
  SELECT content.variant_id, 'UNAVAILABLE', -sum(content.quantity), content.location_id, NULL, NULL, content.state
  FROM stock_contents AS content JOIN settled ON settled.id = content.level_id
  WHERE content.live AND content.state IS NOT NULL GROUP BY content.variant_id, content.location_id, content.state
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
  SELECT pool.variant_id, 'RESERVED', -pool.held, pool.location_id, 'spl_' || replace(pool.id::text, '-', ''), NULL,
    channel.name
  FROM stock_pools AS pool JOIN sales_channels AS channel ON channel.id = pool.channel_id
  WHERE pool.variant_id = ANY($1) AND pool.held > 0 AND ($4::uuid IS NULL OR pool.channel_id <> $4)
  UNION ALL
  SELECT variant_id, 'INCOMING', quantity, location_id, source, day, note FROM coming
  WHERE $3::date IS NULL OR day <= $3
  UNION ALL
  SELECT variant_id, 'BACKORDERED', -sum(quantity), location_id, document,
    min(since AT TIME ZONE zone.name)::date, NULL
  FROM stock_backorders CROSS JOIN zone WHERE variant_id = ANY($1) GROUP BY variant_id, location_id, document
  UNION ALL
  SELECT * FROM (
    SELECT DISTINCT ON (variant_id) variant_id, 'NEXT', quantity, location_id, source, day, note FROM coming
    WHERE CASE WHEN $3::date IS NULL THEN day IS NOT NULL ELSE day > $3 END
      AND ($2::uuid[] IS NULL OR location_id = ANY($2))
    ORDER BY variant_id, day, source) AS next
) AS term
WHERE $2::uuid[] IS NULL OR location_id = ANY($2)
ORDER BY variant_id, array_position(ARRAY['ON_HAND', 'UNAVAILABLE', 'ALLOCATED', 'RESERVED', 'INCOMING', 'BACKORDERED'],
  kind), day NULLS FIRST, location_id, source, note
"""
_RULED = """
SELECT wanted.variant_id, rule.id, rule.buffer, rule.cap, (
  SELECT coalesce(sum(held), 0) FROM stock_pools
  WHERE channel_id = $3 AND variant_id = wanted.variant_id AND ($2::uuid[] IS NULL OR location_id = ANY($2))) AS pooled
FROM unnest($1::uuid[]) AS wanted(variant_id) CROSS JOIN LATERAL (
  SELECT id, buffer, cap FROM stock_channel_rules
  WHERE channel_id = $3 AND (variant_id = wanted.variant_id OR variant_id IS NULL)
  ORDER BY variant_id NULLS LAST LIMIT 1) AS rule
"""


async def availability(
    connection: AsyncConnection,
    variants: Sequence[ID],
    *,
    locations: Collection[ID] | None = None,
    channel: ID | None = None,
    on: date | None = None,
) -> Mapping[ID, Availability]:
    """What can be promised of variants, over all locations or some, by a day: up to it, announced goods count.

    Without a day all announced goods count. Nothing is taken from goods in transit; those of a transfer count as
    incoming where they go. Lines that wait for stock count over all locations; at some of them, those do that take it
    from there alone. The days of terms are those of the business. For a sales channel its own pools are not taken away,
    and what its rules keep from it is.
    """
    found = {variant: Availability() for variant in variants}
    wanted = None if locations is None else [each[4:] for each in locations if is_id(each, "loc")]
    driver = await raw(connection)
    asked, of = [each[4:] for each in variants], None if channel is None else channel[4:]
    for record in await driver.fetch(_TERMS, asked, wanted, on, of):
        location, kind = record["location_id"], record["kind"]
        term = Term(
            kind=AvailabilityTermKind.INCOMING if kind == "NEXT" else AvailabilityTermKind(kind),
            quantity=record["quantity"],
            location=None if location is None else ID("loc_" + location),
            source=record["source"],
            on=record["day"],
            note=record["note"],
        )
        each = found[ID("var_" + record["variant_id"])]
        if kind == "NEXT":
            each.next_change = term
        else:
            each.terms.append(term)
    for record in await driver.fetch(_RULED, asked, wanted, of) if of is not None else []:
        rule = Rule(record["buffer"], record["cap"])
        found[ID("var_" + record["variant_id"])].keep_from(rule, ID("scr_" + record["id"]), record["pooled"])
    return found


_SUPPLIERS = """
SELECT DISTINCT moved.lot_id, receipt.supplier FROM stock_movements AS moved
JOIN stock_receipts AS receipt ON receipt.id = substr(moved.source, 5)::uuid
WHERE moved.lot_id = ANY($1) AND moved.kind = 'RECEIPT' AND receipt.supplier IS NOT NULL ORDER BY 1, 2
"""


async def suppliers_of_lots(connection: AsyncConnection, lots: Sequence[ID]) -> Mapping[ID, list[str]]:
    """Who delivered each lot, as its receipts say, in the order of the alphabet."""
    found: dict[ID, list[str]] = {lot: [] for lot in lots}
    driver = await raw(connection)
    for record in await driver.fetch(_SUPPLIERS, [lot[4:] for lot in lots]):
        found[ID("lot_" + record["lot_id"])].append(record["supplier"])
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
