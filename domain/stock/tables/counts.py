"""Counts of what is on the shelf."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


class StockCountKind(StrEnum):
    """How much is counted."""

    CYCLE = "CYCLE"
    """Some variants, in turn."""
    FULL = "FULL"
    """Everything at the location."""


class StockCountStatus(StrEnum):
    """Where a count is in its life."""

    OPEN = "OPEN"
    """Being counted."""
    SUBMITTED = "SUBMITTED"
    """Counted: somebody looks at the differences."""
    APPROVED = "APPROVED"
    """The differences are booked."""
    CANCELLED = "CANCELLED"
    """Given up: nothing was booked."""


count_numbers = Sequence("stock_count_numbers", metadata=Row.metadata, start=1001)


class StockCount(Row):
    """A count of what is at a location, against what the books said when it began."""

    __tablename__ = "stock_counts"
    __table_args__ = (
        one_of("kind", StockCountKind),
        one_of("status", StockCountStatus),
        *filled("reference"),
        CheckConstraint(
            "status = 'CANCELLED' OR (status IN ('SUBMITTED', 'APPROVED')) = (submitted_at IS NOT NULL)",
            name="submitted_with_instant",
        ),
        CheckConstraint("(status = 'APPROVED') = (approved_at IS NOT NULL)", name="approved_with_instant"),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled_with_instant"),
        Index("uq_stock_counts_number", "number", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "location_id", "created_at", "id"),
    )

    id: Mapped[ID] = key("cnt")
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('stock_count_numbers'::regclass)"))
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    kind: Mapped[StockCountKind] = mapped_column(Choice(StockCountKind))
    is_blind: Mapped[bool]
    """Whether whoever counts must not see what the books say."""
    status: Mapped[StockCountStatus] = mapped_column(Choice(StockCountStatus))
    reference: Mapped[str | None]
    submitted_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StockCountLine(Row):
    """What was counted of one variant, in one bin and lot where it lies in such. The difference is what was counted
    less what the books said when the count began; what moved in between changes both sides alike.
    """

    __tablename__ = "stock_count_lines"
    __table_args__ = (
        numbers("expected", "counted", "moved"),
        CheckConstraint("expected >= 0 AND counted >= 0", name="not_negative"),
        CheckConstraint("(counted IS NULL) = (counted_at IS NULL)", name="counted_with_instant"),
        CheckConstraint("rounds >= 0", name="rounds_not_negative"),
        CheckConstraint("unit_cost_amount >= 0 AND unit_cost_amount <> 'NaN'", name="unit_cost_number"),
        CheckConstraint("(unit_cost_amount IS NULL) = (unit_cost_currency IS NULL)", name="unit_cost_with_currency"),
        CheckConstraint("unit_cost_currency ~ '^[A-Z]{3}$'", name="unit_cost_currency_code"),
        Index("uq_stock_count_lines_position", "count_id", "position", unique=True),
        Index(
            "uq_stock_count_lines_place",
            "count_id",
            "variant_id",
            "bin_id",
            "lot_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "variant_id"),
    )

    id: Mapped[ID] = key("cnl")
    count_id: Mapped[ID] = mapped_column(Id("cnt"), ForeignKey("stock_counts.id"))
    position: Mapped[int]
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    bin_id: Mapped[ID | None] = mapped_column(Id("bin"), ForeignKey("bins.id"))
    lot_id: Mapped[ID | None] = mapped_column(Id("lot"), ForeignKey("lots.id"))
    expected: Mapped[Quantity] = mapped_column(amount_of_goods())
    """What the books said when the count began."""
    moved: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
    """By how much it changed in the books between the beginning and the moment it was counted."""
    counted: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    counted_at: Mapped[datetime | None]
    counted_by: Mapped[str | None]
    rounds: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was counted."""
    unit_cost_amount: Mapped[Decimal | None]
    """What one more costs, where whoever counted said so."""
    unit_cost_currency: Mapped[str | None]
