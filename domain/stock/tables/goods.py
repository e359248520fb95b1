"""What stock knows of a variant: how it is kept, and its lots."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods


class CostMethod(StrEnum):
    """Which cost goods take along when they leave."""

    FIFO = "FIFO"
    """First in, first out: that of the oldest goods there."""
    MOVING_AVERAGE = "MOVING_AVERAGE"
    """The average of all goods there, reckoned anew whenever some come in."""


class BackorderPolicy(StrEnum):
    """Whether more may be ordered than is available."""

    DENY = "DENY"
    """No."""
    ALLOW = "ALLOW"
    """Yes, without a limit."""
    LIMIT = "LIMIT"
    """Yes, until so many are waited for."""
    PREORDER = "PREORDER"
    """Yes: it is not out yet, and comes on a known day."""


class StockPolicy(Row):
    """How the stock of a variant is kept: its costs, its lots, and what happens when it runs out. Without a row: first
    in, first out, without lots, and nothing beyond what is there can be ordered.
    """

    __tablename__ = "stock_policies"
    __table_args__ = (
        one_of("cost_method", CostMethod),
        one_of("backorders", BackorderPolicy),
        numbers("backorder_limit"),
        CheckConstraint("(backorders = 'LIMIT') = (backorder_limit IS NOT NULL)", name="limit_with_policy"),
        CheckConstraint("backorder_limit > 0", name="limit_positive"),
        CheckConstraint("(backorders = 'PREORDER') = (preorder_on IS NOT NULL)", name="preorder_with_day"),
        Index("uq_stock_policies_variant_id", "variant_id", unique=True),
        Index(None, "created_at", "id"),
    )

    id: Mapped[ID] = key("spo")
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    cost_method: Mapped[CostMethod] = mapped_column(Choice(CostMethod), server_default=text("'FIFO'"))
    tracks_lots: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether every unit that comes in must name its lot."""
    backorders: Mapped[BackorderPolicy] = mapped_column(Choice(BackorderPolicy), server_default=text("'DENY'"))
    backorder_limit: Mapped[Quantity | None] = mapped_column(amount_of_goods())
    """How much may be waited for in all."""
    preorder_on: Mapped[date | None]
    """The day it is expected to be there."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Lot(Row):
    """Goods of one variant that were made together, and expire and are recalled together."""

    __tablename__ = "lots"
    __table_args__ = (
        *filled("number", longest=100),
        *filled("recall_reason"),
        CheckConstraint("(recalled_at IS NULL) = (recall_reason IS NULL)", name="recalled_with_reason"),
        Index("uq_lots_number", "variant_id", "number_folded", unique=True),
        Index(None, "expires_on", "id"),
        Index(None, "created_at", "id"),
        Index(None, "number_folded", "id"),
    )

    id: Mapped[ID] = key("lot")
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    number: Mapped[str]
    """What is printed on the goods; unique per variant."""
    number_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(number)", persisted=True))
    expires_on: Mapped[date | None]
    """The last day on which they may be sold."""
    recalled_at: Mapped[datetime | None]
    recall_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
