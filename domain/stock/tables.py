"""Where stock is, how much of it, what it is worth, who has a claim on it, and every movement that made it so.

`stock_movements` is the ledger; levels and cost layers are its projections, moved by triggers and by nothing else.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.grants import APPEND_ONLY, READ_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


class LocationKind(StrEnum):
    """What sort of place stock is kept in."""

    WAREHOUSE = "WAREHOUSE"
    """A warehouse of our own."""
    STORE = "STORE"
    """A shop that customers walk into."""
    THIRD_PARTY = "THIRD_PARTY"
    """A fulfillment house that keeps our goods."""
    SUPPLIER = "SUPPLIER"
    """Our goods at a supplier's."""
    TRANSIT = "TRANSIT"
    """On the road between two places. Nothing is allocated from here."""
    VIRTUAL = "VIRTUAL"
    """A place on paper only."""


class StockMovementKind(StrEnum):
    """Why stock moved."""

    RECEIPT = "RECEIPT"
    """Goods came in."""
    SHIPMENT = "SHIPMENT"
    """Goods left for a customer."""
    ADJUSTMENT = "ADJUSTMENT"
    """The books were brought in line with the shelf."""


class StockAdjustmentReason(StrEnum):
    """Why the shelf and the books differ. Each reason posts to an account of its own."""

    SHRINKAGE = "SHRINKAGE"
    """Missing, and nobody knows why."""
    THEFT = "THEFT"
    """Stolen."""
    DAMAGE = "DAMAGE"
    """Broken or spoiled."""
    EXPIRED = "EXPIRED"
    """Past its date."""
    SAMPLE = "SAMPLE"
    """Given away to be tried."""
    FOUND = "FOUND"
    """More is there than the books say."""
    COUNT = "COUNT"
    """Somebody counted."""
    CORRECTION = "CORRECTION"
    """A mistake in the books is set right."""


class ReservationStatus(StrEnum):
    """What became of a hold."""

    ACTIVE = "ACTIVE"
    """It holds."""
    EXPIRED = "EXPIRED"
    """Its time is over: whoever needs the stock takes it."""
    RELEASED = "RELEASED"
    """It was given up."""
    CONSUMED = "CONSUMED"
    """It became an order."""


class DiscrepancyKind(StrEnum):
    """In what way stock is not as it was thought to be."""

    SHORTFALL = "SHORTFALL"
    """Less is there than was promised: holds or allocations had to give way."""


class Location(Row):
    """A place where stock is kept."""

    __tablename__ = "locations"
    __table_args__ = (
        *filled("name"),
        one_of("kind", LocationKind),
        Index("uq_locations_name", "name_folded", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "priority", "id"),
    )

    id: Mapped[ID] = key("loc")
    name: Mapped[str]
    name_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(name)", persisted=True))
    kind: Mapped[LocationKind] = mapped_column(Choice(LocationKind))
    priority: Mapped[int]
    """Allocation takes the smallest first."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StockLevel(Row):
    """How much of a variant is at a location, and what it is worth: the sum of its movements, and the claims on it.

    Its row is the lock of everything at that place: of its cost layers, allocations and holds. Quantities and value
    are moved by the triggers on `stock_movements` alone. Updated in place (HOT), hence the fill factor.
    """

    __tablename__ = "stock_levels"
    __table_args__ = (
        numbers("on_hand", "allocated", "reserved", "unavailable", "value_amount"),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("allocated >= 0 AND reserved >= 0 AND unavailable >= 0", name="claims_not_negative"),
        CheckConstraint("on_hand - allocated - reserved - unavailable >= 0", name="never_oversold"),
        CheckConstraint("value_amount >= 0 AND (on_hand > 0 OR value_amount = 0)", name="value_of_goods"),
        CheckConstraint("value_currency ~ '^[A-Z]{3}$'", name="value_currency_code"),
        Index("uq_stock_levels_place", "variant_id", "location_id", unique=True),
        Index(None, "location_id", "id"),
        Index(None, "created_at", "id"),
        {
            "postgresql_with": {"fillfactor": 60},
            "info": {
                "insert": ("id", "variant_id", "location_id", "value_currency", "created_at"),
                "update": ("allocated", "reserved", "unavailable", "version"),
            },
        },
    )

    id: Mapped[ID] = key("slv")
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    on_hand: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """What is physically there."""
    allocated: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """Bound to orders."""
    reserved: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """Held for a while."""
    unavailable: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """There, but not to be sold."""
    value_amount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    value_currency: Mapped[str]
    """The currency of the books."""
    version: Mapped[int] = mapped_column(server_default=text("0"))
    """The version of its last event."""
    created_at: Mapped[datetime]


class StockMovement(Row):
    """One change of quantity or value, for ever. It names the cost layer it draws from, or founds one with its id.

    There are no foreign keys, on purpose: they cost as much as all else about a movement. The trigger that follows it
    demands its level, which has them and never goes, its entry and its account.
    """

    __tablename__ = "stock_movements"
    __table_args__ = (
        numbers("quantity", "allocated", "value_amount"),
        one_of("kind", StockMovementKind),
        CheckConstraint("quantity <> 0 OR value_amount <> 0", name="moves_something"),
        CheckConstraint("layer_id IS NOT NULL OR (quantity > 0 AND value_amount >= 0)", name="founds_with_goods"),
        CheckConstraint("value_amount = 0 OR entry_id IS NOT NULL", name="value_is_posted"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 64", name="reason_length"),
        Index(None, "recorded_at", "id"),
        Index(None, "effective_at", "id"),
        Index(None, "variant_id", "recorded_at", "id"),
        Index(None, "location_id", "recorded_at", "id"),
        Index(None, "kind", "recorded_at", "id"),
        Index(None, "entry_id"),
        Index(None, "source"),
        Index(None, "act"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("mov")
    variant_id: Mapped[ID] = mapped_column(Id("var"))
    location_id: Mapped[ID] = mapped_column(Id("loc"))
    layer_id: Mapped[ID | None] = mapped_column(Id("mov"))
    """The layer it draws from, named by the movement that founded it; None: it founds one itself."""
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    """In the variant's unit; negative for what left."""
    allocated: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """By how much it changes what is allocated there: with a minus, what it took of it."""
    value_amount: Mapped[Decimal]
    value_currency: Mapped[str]
    account_id: Mapped[ID] = mapped_column(Id("acc"))
    """The inventory account that holds its value."""
    entry_id: Mapped[ID | None] = mapped_column(Id("jen"))
    kind: Mapped[StockMovementKind] = mapped_column(Choice(StockMovementKind))
    reason: Mapped[str | None]
    source: Mapped[str | None] = mapped_column(Text(collation="C"))
    """The document that moved it, such as a receipt or an order."""
    actor: Mapped[str | None]
    effective_at: Mapped[datetime]
    """When it really happened."""
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


class CostLayer(Row):
    """What is left of goods that came in together: a quantity and its value, never a unit cost.

    So the last unit takes the remaining cents. Consumed in the order of `founded_at` (first in, first out).
    """

    __tablename__ = "cost_layers"
    __table_args__ = (
        numbers("quantity", "value_amount"),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        CheckConstraint("value_amount >= 0 AND (quantity > 0 OR value_amount = 0)", name="value_of_goods"),
        # The predicate names no quantity: that would end updates in place.
        Index("ix_cost_layers_live", "variant_id", "location_id", "founded_at", "id", postgresql_where=text("live")),
        {"postgresql_with": {"fillfactor": 70}, "info": READ_ONLY},
    )

    id: Mapped[ID] = mapped_column(Id("mov"), primary_key=True)
    """The id of the movement that founded it."""
    variant_id: Mapped[ID] = mapped_column(Id("var"))
    location_id: Mapped[ID] = mapped_column(Id("loc"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    value_amount: Mapped[Decimal]
    founded_at: Mapped[datetime]
    live: Mapped[bool] = mapped_column(Computed("quantity > 0", persisted=True))


class StockReceipt(Row):
    """Goods that came in together."""

    __tablename__ = "stock_receipts"
    __table_args__ = (
        *filled("reference"),
        Index(None, "received_at", "id"),
    )

    id: Mapped[ID] = key("rct")
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    reference: Mapped[str | None]
    """What the paper says: a delivery note's number."""
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


class StockAllocation(Row):
    """What an order line has a right to, at one place. Its level's row is its lock."""

    __tablename__ = "stock_allocations"
    __table_args__ = (
        numbers("quantity"),
        PrimaryKeyConstraint("source", "location_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index(None, "variant_id", "location_id", "allocated_at", "source"),
        Index(None, "document"),
    )

    source: Mapped[str] = mapped_column(Text(collation="C"))
    """The line that wants it."""
    document: Mapped[str] = mapped_column(Text(collation="C"))
    """What the line belongs to."""
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    allocated_at: Mapped[datetime]


class StockBackorder(Row):
    """What a line still waits for: promised once, gone since. Receipts anywhere fill the oldest first."""

    __tablename__ = "stock_backorders"
    __table_args__ = (
        numbers("quantity"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index(None, "variant_id", "since", "source"),
        Index(None, "document"),
    )

    source: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    document: Mapped[str] = mapped_column(Text(collation="C"))
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    since: Mapped[datetime]


class StockReservation(Row):
    """A hold on stock that ends by itself."""

    __tablename__ = "stock_reservations"
    __table_args__ = (
        *filled("reference"),
        one_of("outcome", ReservationStatus),
        CheckConstraint("(outcome IS NULL) = (closed_at IS NULL)", name="closed_with_outcome"),
        Index(None, "created_at", "id"),
        # What the sweep looks for.
        Index("ix_stock_reservations_open", "expires_at", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[ID] = key("rsv")
    reference: Mapped[str | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[ReservationStatus | None] = mapped_column(Choice(ReservationStatus))


class StockReservationLine(Row):
    """A part of a hold, at one place. `held` falls to zero when it ends; the level's row is its lock."""

    __tablename__ = "stock_reservation_lines"
    __table_args__ = (
        numbers("quantity", "held"),
        PrimaryKeyConstraint("reservation_id", "n"),
        CheckConstraint("quantity > 0 AND held BETWEEN 0 AND quantity", name="held_within"),
        Index("ix_stock_reservation_lines_held", "variant_id", "location_id", postgresql_where=text("open")),
    )

    reservation_id: Mapped[ID] = mapped_column(Id("rsv"), ForeignKey("stock_reservations.id"))
    n: Mapped[int]
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    held: Mapped[Quantity] = mapped_column(amount_of_goods())
    open: Mapped[bool] = mapped_column(Computed("held > 0", persisted=True))


class IncomingStock(Row):
    """Goods that somebody announced: they are not here yet, but count for what can be promised."""

    __tablename__ = "incoming_stock"
    __table_args__ = (
        numbers("quantity", "outstanding"),
        *filled("reference"),
        CheckConstraint("quantity > 0 AND outstanding BETWEEN 0 AND quantity", name="outstanding_within"),
        Index(None, "variant_id", "due_on"),
        Index(None, "due_on", "id"),
    )

    id: Mapped[ID] = key("inc")
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    outstanding: Mapped[Quantity] = mapped_column(amount_of_goods())
    """What has not come in yet."""
    due_on: Mapped[date]
    reference: Mapped[str | None]
    created_at: Mapped[datetime]


class StockDiscrepancy(Row):
    """A case for a person: stock is not as it was thought to be, and somebody was promised it."""

    __tablename__ = "stock_discrepancies"
    __table_args__ = (
        numbers("quantity"),
        one_of("kind", DiscrepancyKind),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index(None, "opened_at", "id"),
    )

    id: Mapped[ID] = key("sdc")
    kind: Mapped[DiscrepancyKind] = mapped_column(Choice(DiscrepancyKind))
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    """How much of what was promised is not there."""
    opened_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))
