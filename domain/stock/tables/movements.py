"""The stock ledger: movements, and what they add up to.

`stock_movements` is the ledger; levels, contents, months and cost layers are its projections, moved by triggers and by
nothing else.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Numeric, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.grants import APPEND_ONLY, READ_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, carried, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods

Place = tuple[ID, ID]
"""A variant and a location."""


class StockMovementKind(StrEnum):
    """Why stock moved."""

    RECEIPT = "RECEIPT"
    """Goods came in."""
    SHIPMENT = "SHIPMENT"
    """Goods left for a customer."""
    ADJUSTMENT = "ADJUSTMENT"
    """The books were brought in line with the shelf."""
    TRANSFER = "TRANSFER"
    """Goods went from one location to another, and their cost with them."""
    RELOCATION = "RELOCATION"
    """Goods moved within their location: to another bin, or into or out of what is not to be sold."""
    REVALUATION = "REVALUATION"
    """What is there is worth more or less from now on."""
    COST_CORRECTION = "COST_CORRECTION"
    """What left earlier cost more or less than was known then."""


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
    LOST_IN_TRANSIT = "LOST_IN_TRANSIT"
    """It was sent, and did not arrive."""
    CORRECTION = "CORRECTION"
    """A mistake in the books is set right."""


class UnavailableState(StrEnum):
    """Why goods that are there cannot be sold."""

    QUALITY_CONTROL = "QUALITY_CONTROL"
    """They are being looked at."""
    DAMAGED = "DAMAGED"
    """They are broken or spoiled."""
    ON_HOLD = "ON_HOLD"
    """Something must be settled first, such as a recall."""
    SAFETY = "SAFETY"
    """They are kept for the unforeseen."""
    EXPIRED = "EXPIRED"
    """They are past their date."""


class StockLevel(Row):
    """How much of a variant is at a location, and what it is worth: the sum of its movements, and the claims on it.

    Its row is the lock of everything at that place: of its cost layers, allocations and holds. Quantities and value
    are moved by the triggers on `stock_movements` alone. Updated in place (HOT), hence the fill factor.
    """

    __tablename__ = "stock_levels"
    __table_args__ = (
        numbers("on_hand", "allocated", "reserved", "unavailable", "placed", "value_amount"),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("allocated >= 0 AND reserved >= 0 AND unavailable >= 0", name="claims_not_negative"),
        CheckConstraint("on_hand - allocated - reserved - unavailable >= 0", name="never_oversold"),
        CheckConstraint("placed BETWEEN unavailable AND on_hand", name="placed_within"),
        CheckConstraint("reorder_point >= 0 AND reorder_point <> 'NaN'", name="reorder_point_not_negative"),
        CheckConstraint("safety_stock >= 0 AND safety_stock <> 'NaN'", name="safety_stock_not_negative"),
        CheckConstraint(
            "min_quantity >= 0 AND max_quantity >= coalesce(min_quantity, 0)"
            " AND 'NaN' NOT IN (min_quantity, max_quantity)",
            name="min_to_max",
        ),
        CheckConstraint("value_amount >= 0 AND (on_hand > 0 OR value_amount = 0)", name="value_of_goods"),
        CheckConstraint("value_currency ~ '^[A-Z]{3}$'", name="value_currency_code"),
        Index("uq_stock_levels_place", "variant_id", "location_id", unique=True),
        Index(None, "location_id", "id"),
        Index(None, "created_at", "id"),
        {
            "postgresql_with": {"fillfactor": 60},
            "info": {
                "insert": ("id", "variant_id", "location_id", "value_currency", "created_at"),
                "update": (
                    "allocated",
                    "reserved",
                    "version",
                    "reorder_point",
                    "safety_stock",
                    "min_quantity",
                    "max_quantity",
                ),
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
    """There, but not to be sold: the sum of what is in a state there."""
    placed: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """How much of what is on hand lies in a bin, belongs to a lot or is in a state: the sum of its contents."""
    value_amount: Mapped[Decimal] = mapped_column(carried(), server_default=text("0"))
    value_currency: Mapped[str]
    """The currency of the books."""
    reorder_point: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """Order more when what is available falls to this."""
    safety_stock: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """What should always be there, for the unforeseen."""
    min_quantity: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    max_quantity: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """Order up to this."""
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
        one_of("state", UnavailableState),
        CheckConstraint("quantity <> 0 OR value_amount <> 0", name="moves_something"),
        CheckConstraint("layer_id IS NOT NULL OR (quantity > 0 AND value_amount >= 0)", name="founds_with_goods"),
        CheckConstraint("value_amount = 0 OR entry_id IS NOT NULL", name="value_is_posted"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 64", name="reason_length"),
        Index(None, "recorded_at", "id"),
        Index(None, "effective_at", "id"),
        Index(None, "variant_id", "recorded_at", "id"),
        # What replays read: a place up to an instant, without looking at the rows themselves.
        Index(
            "ix_stock_movements_replay",
            "variant_id",
            "location_id",
            "effective_at",
            postgresql_include=["recorded_at", "quantity", "value_amount"],
        ),
        Index("ix_stock_movements_lot_id", "lot_id", "recorded_at", "id", postgresql_where=text("lot_id IS NOT NULL")),
        Index("ix_stock_movements_bin_id", "bin_id", "recorded_at", "id", postgresql_where=text("bin_id IS NOT NULL")),
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
    bin_id: Mapped[ID | None] = mapped_column(Id("bin"))
    """The bin it went into or came from, where that is known."""
    lot_id: Mapped[ID | None] = mapped_column(Id("lot"))
    state: Mapped[UnavailableState | None] = mapped_column(Choice(UnavailableState))
    """The state of what moved; None: it may be sold."""
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    """In the variant's unit; negative for what left."""
    allocated: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """By how much it changes what is allocated there: with a minus, what it took of it."""
    value_amount: Mapped[Decimal] = mapped_column(carried())
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
    founded_at: Mapped[datetime | None]
    """How old the layer is that it founds, where that is not `effective_at`: what was transferred keeps its age."""
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


class CostLayer(Row):
    """What is left of goods that came in together: a quantity and its value, never a unit cost.

    So the last unit takes the remaining cents. Consumed in the order of `founded_at` (first in, first out).
    """

    __tablename__ = "cost_layers"
    __table_args__ = (
        numbers("quantity", "value_amount", "base_quantity", "base_value"),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        CheckConstraint("value_amount >= 0 AND (quantity > 0 OR value_amount = 0)", name="value_of_goods"),
        CheckConstraint("base_quantity >= quantity AND base_value >= 0", name="within_its_base"),
        # What a late receipt looks for: which layers are younger.
        Index(None, "variant_id", "location_id", "founded_at", "id"),
        # The predicate names no quantity: that would end updates in place.
        Index("ix_cost_layers_live", "variant_id", "location_id", "founded_at", "id", postgresql_where=text("live")),
        {"postgresql_with": {"fillfactor": 70}, "info": READ_ONLY},
    )

    id: Mapped[ID] = mapped_column(Id("mov"), primary_key=True)
    """The id of the movement that founded it."""
    variant_id: Mapped[ID] = mapped_column(Id("var"))
    location_id: Mapped[ID] = mapped_column(Id("loc"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    value_amount: Mapped[Decimal] = mapped_column(carried())
    base_quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    base_value: Mapped[Decimal] = mapped_column(carried())
    """What shares of its value are reckoned from: the quantity and value it was founded with, or had when more came to
    it or it was revalued. So what is left does not depend on the parts in which the rest was taken."""
    founded_at: Mapped[datetime]
    live: Mapped[bool] = mapped_column(Computed("quantity > 0", persisted=True))


class StockContent(Row):
    """How much of what is on hand at a place lies in one bin, of one lot, in one state: the sum of such movements.

    What lies in no bin, belongs to no lot and may be sold has no row: it is what is on hand less all contents. The
    level's row is its lock.
    """

    __tablename__ = "stock_contents"
    __table_args__ = (
        numbers("quantity"),
        one_of("state", UnavailableState),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        CheckConstraint("bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL", name="says_something"),
        Index(
            "uq_stock_contents_place",
            "variant_id",
            "location_id",
            "bin_id",
            "lot_id",
            "state",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_stock_contents_bin_id", "bin_id", "id", postgresql_where=text("live")),
        Index("ix_stock_contents_lot_id", "lot_id", "id", postgresql_where=text("live")),
        Index("ix_stock_contents_level", "level_id", "id", postgresql_where=text("live")),
        Index("ix_stock_contents_location", "location_id", "id", postgresql_where=text("live")),
        Index("ix_stock_contents_state", "state", "id", postgresql_where=text("live AND state IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 70}, "info": READ_ONLY},
    )

    id: Mapped[ID] = mapped_column(Id("sct"), primary_key=True)
    level_id: Mapped[ID] = mapped_column(Id("slv"), ForeignKey("stock_levels.id"))
    variant_id: Mapped[ID] = mapped_column(Id("var"))
    location_id: Mapped[ID] = mapped_column(Id("loc"))
    bin_id: Mapped[ID | None] = mapped_column(Id("bin"), ForeignKey("bins.id"))
    lot_id: Mapped[ID | None] = mapped_column(Id("lot"), ForeignKey("lots.id"))
    state: Mapped[UnavailableState | None] = mapped_column(Choice(UnavailableState))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    live: Mapped[bool] = mapped_column(Computed("quantity > 0", persisted=True))


class StockMonth(Row):
    """What moved at a place in one month, as told in another: so that what was there at any instant is a sum of a few
    rows and the movements of two months. Months are those of UTC, named by their first day.
    """

    __tablename__ = "stock_months"
    __table_args__ = (
        numbers("quantity", "value_amount"),
        PrimaryKeyConstraint("variant_id", "location_id", "effective_month", "recorded_month"),
        {"postgresql_with": {"fillfactor": 70}, "info": READ_ONLY},
    )

    variant_id: Mapped[ID] = mapped_column(Id("var"))
    location_id: Mapped[ID] = mapped_column(Id("loc"))
    effective_month: Mapped[date]
    recorded_month: Mapped[date]
    quantity: Mapped[Decimal] = mapped_column(Numeric(24, 6))
    value_amount: Mapped[Decimal] = mapped_column(carried())
