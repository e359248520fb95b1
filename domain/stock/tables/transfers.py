"""Goods that move between locations."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


class StockTransferStatus(StrEnum):
    """Where a transfer is in its life."""

    DRAFT = "DRAFT"
    """Being prepared: nothing is bound to it."""
    READY = "READY"
    """The goods are allocated where they are, and wait to leave."""
    DISPATCHED = "DISPATCHED"
    """The goods are on the road."""
    PARTIALLY_RECEIVED = "PARTIALLY_RECEIVED"
    """Some have arrived, others are on the road."""
    RECEIVED = "RECEIVED"
    """All have arrived, or what has not was booked as lost."""
    CANCELLED = "CANCELLED"
    """Called off before anything left."""


transfer_numbers = Sequence("stock_transfer_numbers", metadata=Row.metadata, start=1001)


class StockTransfer(Row):
    """Goods that move from one location to another. On the road they are at a location of kind TRANSIT."""

    __tablename__ = "stock_transfers"
    __table_args__ = (
        one_of("status", StockTransferStatus),
        *filled("reference"),
        CheckConstraint("origin_id <> destination_id", name="goes_elsewhere"),
        CheckConstraint("freight_amount > 0 AND freight_amount <> 'NaN'", name="freight_positive"),
        CheckConstraint("(freight_amount IS NULL) = (freight_currency IS NULL)", name="freight_with_currency"),
        CheckConstraint("freight_currency ~ '^[A-Z]{3}$'", name="freight_currency_code"),
        Index("uq_stock_transfers_number", "number", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "destination_id", "created_at", "id"),
        Index(None, "origin_id", "created_at", "id"),
    )

    id: Mapped[ID] = key("trf")
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('stock_transfer_numbers'::regclass)"))
    status: Mapped[StockTransferStatus] = mapped_column(Choice(StockTransferStatus))
    origin_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    destination_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    transit_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    """The location of kind TRANSIT where the goods are while they are on the road."""
    reference: Mapped[str | None]
    expected_on: Mapped[date | None]
    """The day they should arrive."""
    freight_amount: Mapped[Decimal | None]
    """What the way has added to the value of what arrived so far; None where nothing."""
    freight_currency: Mapped[str | None]
    """The currency of the books."""
    dispatched_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StockTransferLine(Row):
    """How much of one variant is to move, has left and has arrived. On the road: dispatched - received - lost."""

    __tablename__ = "stock_transfer_lines"
    __table_args__ = (
        numbers("quantity", "dispatched", "received", "lost"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("dispatched BETWEEN 0 AND quantity", name="dispatched_within"),
        CheckConstraint("received >= 0 AND lost >= 0 AND received + lost <= dispatched", name="arrived_within"),
        Index("uq_stock_transfer_lines_position", "transfer_id", "position", unique=True),
        Index("uq_stock_transfer_lines_variant", "transfer_id", "variant_id", unique=True),
        Index(None, "variant_id"),
    )

    id: Mapped[ID] = key("trl")
    transfer_id: Mapped[ID] = mapped_column(Id("trf"), ForeignKey("stock_transfers.id"))
    position: Mapped[int]
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    dispatched: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    received: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    lost: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
