"""Who has a right to stock: orders, those who wait for it, holds, and sales channels."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


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
    bound: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the line takes its goods from here alone: what it loses, it waits for here."""


class StockBackorder(Row):
    """What a line still waits for. What comes in fills the most urgent first, then the oldest."""

    __tablename__ = "stock_backorders"
    __table_args__ = (
        numbers("quantity"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("priority BETWEEN 0 AND 1000000", name="priority_range"),
        CheckConstraint("taken >= 0 AND taken <> 'NaN'", name="taken_not_negative"),
        Index(None, "variant_id", "priority", "since", "source"),
        Index(None, "document"),
        Index("uq_stock_backorders_id", "id", unique=True),
        Index(None, "since", "id"),
        Index(None, "location_id", "since", "id", postgresql_where=text("location_id IS NOT NULL")),
    )

    source: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    id: Mapped[ID] = mapped_column(Id("bko"))
    document: Mapped[str] = mapped_column(Text(collation="C"))
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID | None] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    """The place that the line takes its goods from alone; None: from anywhere."""
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    """The smallest is served first."""
    since: Mapped[datetime]
    channel_id: Mapped[ID | None] = mapped_column(Id("chn"), ForeignKey("sales_channels.id"))
    """The sales channel whose buffers and caps it keeps to; None: to none, as who was promised goods and lost them."""
    taken: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """How much its document has had so far of what its channel is offered of the variant: what caps speak of."""


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


class StockPool(Row):
    """Stock at one place that only one sales channel may take. What it still holds counts as reserved there."""

    __tablename__ = "stock_pools"
    __table_args__ = (
        numbers("held"),
        CheckConstraint("held >= 0", name="held_not_negative"),
        Index("uq_stock_pools_place", "channel_id", "variant_id", "location_id", unique=True),
        Index(None, "variant_id", "location_id"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[ID] = key("spl")
    channel_id: Mapped[ID] = mapped_column(Id("chn"), ForeignKey("sales_channels.id"))
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    held: Mapped[Quantity] = mapped_column(amount_of_goods())
    """How much it still holds; the level's row is its lock."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StockChannelRule(Row):
    """How much of a variant a sales channel may promise: less than is available, or never more than so many."""

    __tablename__ = "stock_channel_rules"
    __table_args__ = (
        numbers("buffer", "cap"),
        CheckConstraint("buffer >= 0 AND cap >= 0", name="not_negative"),
        CheckConstraint("buffer > 0 OR cap IS NOT NULL", name="says_something"),
        Index(
            "uq_stock_channel_rules_variant",
            "channel_id",
            "variant_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "created_at", "id"),
    )

    id: Mapped[ID] = key("scr")
    channel_id: Mapped[ID] = mapped_column(Id("chn"), ForeignKey("sales_channels.id"))
    variant_id: Mapped[ID | None] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    """The variant; None: every variant that has no rule of its own."""
    buffer: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """So much of what is available is not offered there."""
    cap: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """At most so much is offered there at once."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
