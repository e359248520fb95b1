"""Orders and their lines: who wants what, for how much, and how far it has come."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Index, Sequence, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.countries import CountryCode
from domain.kernel.ids import ID, Id
from domain.kernel.money import Quantity
from domain.kernel.rows import Choice, Row, filled, key, numbers, one_of
from domain.kernel.rows import quantity as amount_of_goods

MOST_LINES = 500
"""Lines that one order has at most."""


class OrderStatus(StrEnum):
    """Where an order is in its life. How far it is paid and fulfilled is told apart."""

    DRAFT = "DRAFT"
    """Being prepared: nothing is allocated."""
    OPEN = "OPEN"
    """There is something left to do."""
    ON_HOLD = "ON_HOLD"
    """Something must be settled first: nothing of it leaves."""
    COMPLETED = "COMPLETED"
    """Paid and fulfilled."""
    CANCELLED = "CANCELLED"
    """Called off before anything left."""


class PaymentStatus(StrEnum):
    """How far an order is paid. Follows from its payments."""

    UNPAID = "UNPAID"
    """Nothing has arrived."""
    AUTHORIZED = "AUTHORIZED"
    """It is promised by whoever pays, and has not arrived."""
    PARTIALLY_PAID = "PARTIALLY_PAID"
    """Some has arrived."""
    PAID = "PAID"
    """All has arrived, or nothing is to be paid."""
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    """Some went back."""
    REFUNDED = "REFUNDED"
    """All went back."""
    OVERPAID = "OVERPAID"
    """More has arrived than it comes to."""


class FulfillmentStatus(StrEnum):
    """How far an order is fulfilled. Follows from its shipments."""

    UNFULFILLED = "UNFULFILLED"
    """Nothing has left."""
    PARTIALLY_FULFILLED = "PARTIALLY_FULFILLED"
    """Some has left."""
    FULFILLED = "FULFILLED"
    """All has left."""
    ON_HOLD = "ON_HOLD"
    """Something must be settled before more of it leaves."""
    SCHEDULED = "SCHEDULED"
    """It leaves on a day to come."""


class OrderCancelReason(StrEnum):
    """Why an order was called off."""

    CUSTOMER = "CUSTOMER"
    """The customer changed their mind."""
    FRAUD = "FRAUD"
    """Something is wrong with it."""
    INVENTORY = "INVENTORY"
    """The goods are not there."""
    DECLINED = "DECLINED"
    """The payment did not come."""
    STAFF = "STAFF"
    """A mistake of ours."""
    OTHER = "OTHER"
    """Something else."""


class OrderAddress(Row):
    """Where an order goes: a copy of what the customer said then, which a later change does not reach."""

    __tablename__ = "order_addresses"
    __table_args__ = (
        *filled("name", "company", "line1", "line2", "city", "region"),
        *filled("postal_code", longest=32),
        CheckConstraint("country_code ~ '^[A-Z]{2}$'", name="country_code_form"),
        *filled("phone", longest=50),
    )

    id: Mapped[ID] = key("oad")
    name: Mapped[str | None]
    company: Mapped[str | None]
    line1: Mapped[str]
    line2: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    postal_code: Mapped[str | None]
    country_code: Mapped[CountryCode] = mapped_column(Text)
    phone: Mapped[str | None]


order_numbers = Sequence("order_numbers", metadata=Row.metadata, start=100_001)


class Order(Row):
    """A sales order. Amounts are in its currency; `total` = `subtotal` - `discount` + `shipping` + `tax`."""

    __tablename__ = "orders"
    __table_args__ = (
        numbers("subtotal", "discount", "shipping", "tax", "total", "paid"),
        one_of("status", OrderStatus),
        one_of("payment_status", PaymentStatus),
        one_of("fulfillment_status", FulfillmentStatus),
        one_of("cancel_reason", OrderCancelReason),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
        CheckConstraint("total = subtotal - discount + shipping + tax", name="total_of_its_parts"),
        CheckConstraint("least(subtotal, discount, shipping, tax, total, paid) >= 0", name="amounts_not_negative"),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled_with_instant"),
        CheckConstraint("(cancel_reason IS NULL) = (cancelled_at IS NULL)", name="cancelled_with_reason"),
        Index("uq_orders_number", "number", unique=True),
        Index(None, "placed_at", "id"),
        Index(
            "ix_orders_customer_id_placed_at_id",
            "customer_id",
            "placed_at",
            "id",
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
        Index(None, "channel_id", "placed_at", "id"),
        Index(None, "status", "placed_at", "id"),
        Index(None, "payment_status", "placed_at", "id"),
        Index(None, "fulfillment_status", "placed_at", "id"),
        Index("ix_orders_email_folded", "email_folded", postgresql_where=text("email_folded IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 60}},  # it changes a few times more, in place
    )

    id: Mapped[ID] = key("ord")
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('order_numbers'::regclass)"))
    status: Mapped[OrderStatus] = mapped_column(Choice(OrderStatus))
    payment_status: Mapped[PaymentStatus] = mapped_column(Choice(PaymentStatus))
    fulfillment_status: Mapped[FulfillmentStatus] = mapped_column(Choice(FulfillmentStatus))
    channel_id: Mapped[ID] = mapped_column(Id("chn"), ForeignKey("sales_channels.id"))
    customer_id: Mapped[ID | None] = mapped_column(Id("cus"), ForeignKey("customers.id"))
    email: Mapped[str | None]
    email_folded: Mapped[str | None] = mapped_column(Text(collation="C"), Computed("lower(email)", persisted=True))
    shipping_address_id: Mapped[ID | None] = mapped_column(Id("oad"), ForeignKey("order_addresses.id"))
    currency: Mapped[str]
    subtotal: Mapped[Decimal]
    """What the lines come to before discounts."""
    discount: Mapped[Decimal]
    shipping: Mapped[Decimal]
    tax: Mapped[Decimal]
    total: Mapped[Decimal]
    paid: Mapped[Decimal] = mapped_column(server_default=text("0"))
    """What has arrived."""
    placed_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[OrderCancelReason | None] = mapped_column(Choice(OrderCancelReason))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OrderLine(Row):
    """What an order wants of one variant. SKU, name and price are as they were when it was placed."""

    __tablename__ = "order_lines"
    __table_args__ = (
        numbers("quantity", "unit_price", "subtotal", "discount", "tax", "total", "shipped"),
        *filled("name"),
        *filled("sku", longest=100),
        CheckConstraint(f"position BETWEEN 1 AND {MOST_LINES}", name="position_range"),
        CheckConstraint("quantity > 0 AND shipped BETWEEN 0 AND quantity", name="shipped_within"),
        CheckConstraint("total = subtotal - discount", name="total_of_its_parts"),
        CheckConstraint("least(unit_price, subtotal, discount, tax, total) >= 0", name="amounts_not_negative"),
        Index("uq_order_lines_position", "order_id", "position", unique=True),
        Index(None, "variant_id"),
        {"postgresql_with": {"fillfactor": 60}},  # each line changes once more, when it ships: in place
    )

    id: Mapped[ID] = key("oln")
    order_id: Mapped[ID] = mapped_column(Id("ord"), ForeignKey("orders.id"))
    position: Mapped[int]
    variant_id: Mapped[ID] = mapped_column(Id("var"), ForeignKey("product_variants.id"))
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[Quantity] = mapped_column(amount_of_goods())
    currency: Mapped[str]
    unit_price: Mapped[Decimal]
    subtotal: Mapped[Decimal]
    """Quantity times unit price, rounded once."""
    discount: Mapped[Decimal]
    tax: Mapped[Decimal]
    total: Mapped[Decimal]
    """What is paid for the line before tax."""
    shipped: Mapped[Quantity] = mapped_column(amount_of_goods(), server_default=text("0"))
