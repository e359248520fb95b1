"""What left the building: shipments and their lines."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.money import Quantity
from domain.kernel.rows import Row, filled, key, numbers
from domain.kernel.rows import quantity as amount_of_goods

shipment_numbers = Sequence("shipment_numbers", metadata=Row.metadata, start=100_001)


class Shipment(Row):
    """Goods of one order that left one location together. Revenue is earned here."""

    __tablename__ = "shipments"
    __table_args__ = (
        numbers("revenue"),
        *filled("tracking"),
        CheckConstraint("revenue >= 0", name="revenue_not_negative"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        Index("uq_shipments_number", "number", unique=True),
        Index(None, "order_id", "shipped_at", "id"),
        Index(None, "shipped_at", "id"),
        Index(None, "location_id"),
    )

    id: Mapped[ID] = key("shp")
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('shipment_numbers'::regclass)"))
    order_id: Mapped[ID] = mapped_column(Id("ord"), ForeignKey("orders.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    tracking: Mapped[str | None]
    """The carrier's number for it."""
    revenue: Mapped[Decimal]
    """What was earned by it, before tax: its share of the lines' totals, and delivery with an order's first one."""
    currency: Mapped[str]
    shipped_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    act: Mapped[ID] = mapped_column(Id("act"))


class ShipmentLine(Row):
    """How much of one order line left with a shipment."""

    __tablename__ = "shipment_lines"
    __table_args__ = (
        numbers("quantity", "revenue"),
        PrimaryKeyConstraint("shipment_id", "order_line_id"),
        CheckConstraint("quantity > 0 AND revenue >= 0", name="shipped_something"),
        Index(None, "order_line_id"),
    )

    shipment_id: Mapped[ID] = mapped_column(Id("shp"), ForeignKey("shipments.id"))
    order_line_id: Mapped[ID] = mapped_column(Id("oln"), ForeignKey("order_lines.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    revenue: Mapped[Decimal]
    """Its share of the line's total."""
    currency: Mapped[str]


explain("uq_shipments_number", "Another shipment took this number at the same moment. Try again.")

invariant(
    "shipped is what was shipped",
    "What order lines say has left is what shipments took, each line's revenue with its last unit is its total.",
    """
    SELECT line.id, line.shipped, sent.quantity, line.total, sent.revenue FROM order_lines AS line
    LEFT JOIN (SELECT order_line_id, sum(quantity) AS quantity, sum(revenue) AS revenue FROM shipment_lines GROUP BY 1)
      AS sent ON sent.order_line_id = line.id
    WHERE line.shipped <> coalesce(sent.quantity, 0)
      OR (line.shipped = line.quantity AND sent.revenue <> line.total) OR sent.revenue > line.total
    """,
)
invariant(
    "shipments earn what their lines do",
    "A shipment's revenue is its lines', and an order's first one earns its delivery too.",
    """
    SELECT shipment.order_id, sum(shipment.revenue) AS revenue, sum(lines.revenue) AS of_lines,
      min(sales.shipping) AS delivery
    FROM shipments AS shipment JOIN orders AS sales ON sales.id = shipment.order_id
    LEFT JOIN (SELECT shipment_id, sum(revenue) AS revenue FROM shipment_lines GROUP BY 1) AS lines
      ON lines.shipment_id = shipment.id
    GROUP BY shipment.order_id HAVING sum(shipment.revenue) <> sum(lines.revenue) + min(sales.shipping)
    """,
)
invariant(
    "shipped, not billed",
    "The balance of what is shipped and not billed is the revenue of the shipments that no invoice has used.",
    """
    SELECT books.balance, owned.amount FROM (
      SELECT coalesce(sum(debit_base) - sum(credit_base), 0) AS balance FROM journal_lines
      WHERE account_id IN (SELECT id FROM accounts WHERE role = 'UNBILLED')) AS books
    CROSS JOIN (SELECT coalesce(sum(revenue), 0) AS amount FROM shipments) AS owned
    WHERE books.balance <> owned.amount
    """,
)
invariant(
    "shipments moved stock",
    "What an order's shipments took is what its movements took out of stock.",
    """
    SELECT document, variant_id AS variant, location_id AS location, sent.quantity, moved.quantity AS moved FROM (
      SELECT 'ord_' || replace(shipment.order_id::text, '-', '') AS document, line.variant_id, shipment.location_id,
        sum(part.quantity) AS quantity
      FROM shipment_lines AS part JOIN shipments AS shipment ON shipment.id = part.shipment_id
      JOIN order_lines AS line ON line.id = part.order_line_id GROUP BY 1, 2, 3) AS sent
    FULL JOIN (
      SELECT source AS document, variant_id, location_id, -sum(quantity) AS quantity FROM stock_movements
      WHERE kind = 'SHIPMENT' AND source LIKE 'ord\\_%' GROUP BY 1, 2, 3
    ) AS moved USING (document, variant_id, location_id)
    WHERE sent.quantity IS DISTINCT FROM moved.quantity
    """,
)
