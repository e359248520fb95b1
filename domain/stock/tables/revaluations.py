"""What goods should be worth from now on, proposed by one and decided by another."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.events import Xid8
from domain.kernel.grants import APPEND_ONLY
from domain.kernel.ids import ID, Id
from domain.kernel.rows import Choice, Row, filled, key, one_of


class StockRevaluationStatus(StrEnum):
    """Where a revaluation is in its life."""

    PROPOSED = "PROPOSED"
    """Somebody else must look at it: nothing is worth more or less yet."""
    APPROVED = "APPROVED"
    """What was on hand then is worth what it says."""
    REJECTED = "REJECTED"
    """It was turned down: nothing came of it."""


revaluation_numbers = Sequence("stock_revaluation_numbers", metadata=Row.metadata, start=1001)


class StockRevaluation(Row):
    """A proposal that goods at a location be worth more or less, and what became of it. Permanent once decided."""

    __tablename__ = "stock_revaluations"
    __table_args__ = (
        one_of("status", StockRevaluationStatus),
        *filled("reason", longest=64),
        CheckConstraint("(status = 'PROPOSED') = (decided_at IS NULL)", name="decided_with_instant"),
        CheckConstraint("decided_by IS NULL OR decided_at IS NOT NULL", name="decided_by_somebody"),
        # Waterline itself has no name, and may do either.
        CheckConstraint("status <> 'APPROVED' OR proposed_by <> decided_by", name="four_eyes"),
        CheckConstraint("entry_id IS NULL OR status = 'APPROVED'", name="posted_when_approved"),
        Index("uq_stock_revaluations_number", "number", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "location_id", "created_at", "id"),
        Index(None, "entry_id"),
        {
            "info": {
                "insert": ("id", "location_id", "reason", "proposed_by", "created_at", "updated_at"),
                "update": ("status", "entry_id", "decided_by", "decided_at", "version", "updated_at"),
            }
        },
    )

    id: Mapped[ID] = key("srv")
    number: Mapped[int] = mapped_column(
        BigInteger, server_default=text("nextval('stock_revaluation_numbers'::regclass)")
    )
    location_id: Mapped[ID] = mapped_column(Id("loc"), ForeignKey("locations.id"))
    reason: Mapped[str]
    """Why, such as a price that fell. It stays on the movements for ever."""
    status: Mapped[StockRevaluationStatus] = mapped_column(
        Choice(StockRevaluationStatus), server_default=text("'PROPOSED'")
    )
    entry_id: Mapped[ID | None] = mapped_column(Id("jen"), ForeignKey("journal_entries.id"))
    """Its entry in the books; None while there is none, and where nothing was worth anything else."""
    proposed_by: Mapped[str | None]
    """Who proposed it; None for Waterline itself."""
    decided_by: Mapped[str | None]
    """Who approved or rejected it; None for Waterline itself, and while nobody has."""
    decided_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    """The transaction that wrote it: nobody adds lines to an older one."""


class StockRevaluationLine(Row):
    """What one unit of a variant should be worth. Permanent."""

    __tablename__ = "stock_revaluation_lines"
    __table_args__ = (
        CheckConstraint("position >= 1", name="position_counted"),
        CheckConstraint("unit_cost_amount >= 0 AND unit_cost_amount <> 'NaN'", name="unit_cost_number"),
        CheckConstraint("unit_cost_currency ~ '^[A-Z]{3}$'", name="unit_cost_currency_code"),
        Index("uq_stock_revaluation_lines_position", "revaluation_id", "position", unique=True),
        Index("uq_stock_revaluation_lines_variant", "revaluation_id", "variant_id", unique=True),
        Index(None, "variant_id"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("srl")
    revaluation_id: Mapped[ID] = mapped_column(Id("srv"), ForeignKey("stock_revaluations.id"))
    position: Mapped[int]
    """Its place, from 1."""
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    unit_cost_amount: Mapped[Decimal]
    """What one is worth; up to six decimals."""
    unit_cost_currency: Mapped[str]
    """The currency of the books."""
