"""Products and their variants."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.ids import ID, Id
from domain.kernel.invariants import invariant
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of

if TYPE_CHECKING:
    from domain.business import Unit  # noqa: F401

LARGEST_PRODUCT = 250
"""Variants that one product has at most."""


class ProductStatus(StrEnum):
    """Where a product is in its life."""

    DRAFT = "DRAFT"
    """Being prepared; cannot be ordered."""
    ACTIVE = "ACTIVE"
    """On sale."""
    DISCONTINUED = "DISCONTINUED"
    """Sells out, but is not bought in again."""
    ARCHIVED = "ARCHIVED"
    """Kept for the records only."""


class Product(Row):
    """A thing the shop sells, in one or more variants."""

    __tablename__ = "products"
    __table_args__ = (
        one_of("status", ProductStatus),
        *filled("name"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 120", name="slug_form"),
        CheckConstraint("char_length(description) <= 50000", name="description_length"),
        Index("uq_products_slug", "slug", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "updated_at", "id"),
        Index(None, "name_folded", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "search", postgresql_using="gin"),
    )

    id: Mapped[ID] = key("prd")
    name: Mapped[str]
    name_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(name)", persisted=True))
    """What lists sort and filter by."""
    slug: Mapped[str] = mapped_column(Text(collation="C"))
    description: Mapped[str | None]
    status: Mapped[ProductStatus] = mapped_column(Choice(ProductStatus))
    search: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('simple'::regconfig, name)", persisted=True))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ProductVariant(Row):
    """The sellable unit of a product: what has a SKU, a price and, elsewhere, stock."""

    __tablename__ = "product_variants"
    __table_args__ = (
        numbers("price_amount"),
        *filled("name"),
        *filled("sku", longest=100),
        *filled("barcode", longest=100),
        UniqueConstraint("product_id", "position", deferrable=True, initially="DEFERRED"),
        CheckConstraint(f"position BETWEEN 1 AND {LARGEST_PRODUCT}", name="position_range"),
        CheckConstraint("(price_amount IS NULL) = (price_currency IS NULL)", name="price_whole"),
        CheckConstraint("price_amount >= 0", name="price_not_negative"),
        CheckConstraint("price_currency ~ '^[A-Z]{3}$'", name="price_currency_code"),
        Index("uq_product_variants_sku", "sku_folded", unique=True),
        Index("uq_product_variants_barcode", "barcode", unique=True),
        Index(None, "created_at", "id"),
        Index(None, "name_folded", "id"),
    )

    id: Mapped[ID] = key("var")
    product_id: Mapped[ID] = mapped_column(Id("prd"), ForeignKey("products.id"))
    position: Mapped[int]
    """Its place among the product's variants, from 1."""
    sku: Mapped[str]
    sku_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(sku)", persisted=True))
    """What makes SKUs unique without regard to case."""
    name: Mapped[str]
    name_folded: Mapped[str] = mapped_column(Text(collation="C"), Computed("lower(name)", persisted=True))
    barcode: Mapped[str | None] = mapped_column(Text(collation="C"))
    price_amount: Mapped[Decimal | None]
    price_currency: Mapped[str | None]
    unit_id: Mapped[ID] = mapped_column(Id("uom"), ForeignKey("units.id"))
    """The unit its stock is counted in."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def price(self) -> Money | None:
        """What it costs unless a price list says otherwise."""
        if self.price_amount is None or self.price_currency is None:
            return None
        return Money(self.price_amount, CurrencyCode(self.price_currency))


explain("uq_products_slug", "This slug is taken: {value}.", path=("input", "slug"))
explain("uq_product_variants_sku", "This SKU is taken: {value}.", path=("input", "variants"))
explain("uq_product_variants_barcode", "This barcode is taken: {value}.", path=("input", "variants"))
explain(
    "uq_product_variants_product_id_position",
    "Two variants cannot have the same place in one product.",
    path=("input", "variants"),
)
explain(
    "ck_product_variants_position_range",
    f"A product has at most {LARGEST_PRODUCT} variants.",
    path=("input", "variants"),
)

invariant(
    "products have variants",
    f"Every product has 1 to {LARGEST_PRODUCT} variants.",
    "SELECT id FROM products WHERE NOT EXISTS (SELECT FROM product_variants WHERE product_id = products.id)",
)
invariant(
    "catalog references",
    "Every external id of a product or variant names one that exists.",
    """
    SELECT noun, system, external_id, row FROM external_references
    WHERE noun = 'prd' AND NOT EXISTS (SELECT FROM products WHERE id = substr(row, 5)::uuid)
       OR noun = 'var' AND NOT EXISTS (SELECT FROM product_variants WHERE id = substr(row, 5)::uuid)
    """,
)
invariant(
    "product events",
    "Every product was announced: its events begin with product.created.",
    """
    SELECT id, slug FROM products WHERE NOT EXISTS (
      SELECT FROM events WHERE subject = 'prd_' || replace(products.id::text, '-', '')
        AND version = 1 AND type = 'product.created')
    """,
)
