"""Goods that came in together, and goods that are still to come."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Row, filled, key, numbers
from domain.kernel.rows import quantity as amount_of_goods


class StockReceipt(Row):
    """Goods that came in together."""

    __tablename__ = "stock_receipts"
    __table_args__ = (
        *filled("reference"),
        *filled("supplier"),
        Index(None, "received_at", "id"),
    )

    id: Mapped[ID] = key("rct")
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    reference: Mapped[str | None]
    """What the paper says: a delivery note's number."""
    supplier: Mapped[str | None]
    """Who delivered them, in the shop's own words."""
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


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
