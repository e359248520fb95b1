"""Cases for a person: where stock is not as it was thought to be."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


class DiscrepancyKind(StrEnum):
    """In what way stock is not as it was thought to be."""

    SHORTFALL = "SHORTFALL"
    """Less is there than was promised: holds or allocations had to give way."""
    EXTERNAL = "EXTERNAL"
    """Another system, such as a fulfillment house, counts differently."""
    TRANSFER = "TRANSFER"
    """What was sent is not what arrived."""
    OVERSOLD = "OVERSOLD"
    """Goods were handed over that the books did not know of."""


class DiscrepancyResolution(StrEnum):
    """How a case ended."""

    ADJUSTED = "ADJUSTED"
    """Our books were brought in line."""
    AGREED = "AGREED"
    """The other side says the same as we do by now."""
    DISMISSED = "DISMISSED"
    """Somebody looked at it and let it be."""


class DiscrepancyStatus(StrEnum):
    """Whether a case waits for somebody."""

    OPEN = "OPEN"
    """Somebody must look."""
    SETTLED = "SETTLED"
    """It is done with."""


class StockDiscrepancy(Row):
    """A case for a person: stock is not as it was thought to be. It stays open until somebody settles it."""

    __tablename__ = "stock_discrepancies"
    __table_args__ = (
        numbers("quantity"),
        one_of("kind", DiscrepancyKind),
        one_of("resolution", DiscrepancyResolution),
        *filled("system", "note"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("(settled_at IS NULL) = (resolution IS NULL)", name="settled_with_resolution"),
        CheckConstraint("(kind = 'EXTERNAL') = (system IS NOT NULL)", name="external_of_a_system"),
        CheckConstraint("(kind = 'EXTERNAL') = (taken_at IS NOT NULL)", name="external_of_an_instant"),
        # One open case per place and system: what differs still is the same case, and grows older.
        Index(
            "uq_stock_discrepancies_open",
            "system",
            "variant_id",
            "location_id",
            unique=True,
            postgresql_where=text("kind = 'EXTERNAL' AND settled_at IS NULL"),
        ),
        # What was told last of a place: older snapshots change nothing.
        Index(
            "ix_stock_discrepancies_told",
            "system",
            "variant_id",
            "location_id",
            "taken_at",
            postgresql_where=text("kind = 'EXTERNAL'"),
        ),
        Index(None, "opened_at", "id"),
        Index(None, "status", "opened_at", "id"),
        Index(None, "kind", "opened_at", "id"),
        Index(None, "variant_id", "opened_at", "id"),
        Index(None, "source"),
    )

    id: Mapped[ID] = key("sdc")
    kind: Mapped[DiscrepancyKind] = mapped_column(Choice(DiscrepancyKind))
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    """By how much it differs."""
    expected: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """What our books said, where somebody else said something too."""
    reported: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """What the other side said."""
    system: Mapped[str | None] = mapped_column(Text(collation="C"))
    """Who else counted."""
    taken_at: Mapped[datetime | None]
    """When the other side counted what it said last. It never falls: a trigger sees to it."""
    source: Mapped[str | None] = mapped_column(Text(collation="C"))
    """The document it came of, such as a transfer or an order line."""
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When it was last found to be so."""
    settled_at: Mapped[datetime | None]
    resolution: Mapped[DiscrepancyResolution | None] = mapped_column(Choice(DiscrepancyResolution))
    status: Mapped[DiscrepancyStatus] = mapped_column(
        Choice(DiscrepancyStatus),
        Computed("CASE WHEN settled_at IS NULL THEN 'OPEN' ELSE 'SETTLED' END", persisted=True),
    )
    note: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    act: Mapped[ID] = mapped_column(Id("act"))
