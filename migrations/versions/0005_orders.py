"""Orders: their lines and addresses, and which channels ship only what is paid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE order_numbers START 100001")
    op.add_column(
        "sales_channels", sa.Column("requires_payment", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "order_addresses",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("line1", sa.Text(), nullable=False),
        sa.Column("line2", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.CheckConstraint("country_code ~ '^[A-Z]{2}$'", name=op.f("ck_order_addresses_country_code_form")),
        sa.CheckConstraint(
            "city = btrim(city) AND char_length(city) BETWEEN 1 AND 255", name=op.f("ck_order_addresses_city_filled")
        ),
        sa.CheckConstraint(
            "company = btrim(company) AND char_length(company) BETWEEN 1 AND 255",
            name=op.f("ck_order_addresses_company_filled"),
        ),
        sa.CheckConstraint(
            "line1 = btrim(line1) AND char_length(line1) BETWEEN 1 AND 255",
            name=op.f("ck_order_addresses_line1_filled"),
        ),
        sa.CheckConstraint(
            "line2 = btrim(line2) AND char_length(line2) BETWEEN 1 AND 255",
            name=op.f("ck_order_addresses_line2_filled"),
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_order_addresses_name_filled")
        ),
        sa.CheckConstraint(
            "phone = btrim(phone) AND char_length(phone) BETWEEN 1 AND 50", name=op.f("ck_order_addresses_phone_filled")
        ),
        sa.CheckConstraint(
            "postal_code = btrim(postal_code) AND char_length(postal_code) BETWEEN 1 AND 32",
            name=op.f("ck_order_addresses_postal_code_filled"),
        ),
        sa.CheckConstraint(
            "region = btrim(region) AND char_length(region) BETWEEN 1 AND 255",
            name=op.f("ck_order_addresses_region_filled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_addresses")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number", sa.BigInteger(), server_default=sa.text("nextval('order_numbers'::regclass)"), nullable=False
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payment_status", sa.Text(), nullable=False),
        sa.Column("fulfillment_status", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_folded", sa.Text(collation="C"), sa.Computed("lower(email)", persisted=True), nullable=True),
        sa.Column("shipping_address_id", sa.UUID(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subtotal", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("discount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("shipping", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("tax", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("paid", sa.Numeric(precision=18, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("placed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("cancelled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name=op.f("ck_orders_cancelled_with_instant")
        ),
        sa.CheckConstraint(
            "cancel_reason IN ('CUSTOMER', 'FRAUD', 'INVENTORY', 'DECLINED', 'STAFF', 'OTHER')",
            name=op.f("ck_orders_cancel_reason_known"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_orders_currency_code")),
        sa.CheckConstraint(
            "fulfillment_status IN ('UNFULFILLED', 'PARTIALLY_FULFILLED', 'FULFILLED', 'ON_HOLD', 'SCHEDULED')",
            name=op.f("ck_orders_fulfillment_status_known"),
        ),
        sa.CheckConstraint(
            "payment_status IN ('UNPAID', 'AUTHORIZED', 'PARTIALLY_PAID', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'OVERPAID')",
            name=op.f("ck_orders_payment_status_known"),
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'OPEN', 'ON_HOLD', 'COMPLETED', 'CANCELLED')", name=op.f("ck_orders_status_known")
        ),
        sa.CheckConstraint(
            "(cancel_reason IS NULL) = (cancelled_at IS NULL)", name=op.f("ck_orders_cancelled_with_reason")
        ),
        sa.CheckConstraint(
            "least(subtotal, discount, shipping, tax, total, paid) >= 0", name=op.f("ck_orders_amounts_not_negative")
        ),
        sa.CheckConstraint("total = subtotal - discount + shipping + tax", name=op.f("ck_orders_total_of_its_parts")),
        sa.ForeignKeyConstraint(["channel_id"], ["sales_channels.id"], name=op.f("fk_orders_channel_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_orders_customer_id")),
        sa.ForeignKeyConstraint(
            ["shipping_address_id"], ["order_addresses.id"], name=op.f("fk_orders_shipping_address_id")
        ),
        sa.CheckConstraint(
            "'NaN' NOT IN (subtotal, discount, shipping, tax, total, paid)", name=op.f("ck_orders_numbers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(
        op.f("ix_orders_channel_id_placed_at_id"), "orders", ["channel_id", "placed_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_orders_customer_id_placed_at_id"), "orders", ["customer_id", "placed_at", "id"], unique=False
    )
    op.create_index(op.f("ix_orders_email_folded"), "orders", ["email_folded"], unique=False)
    op.create_index(
        op.f("ix_orders_fulfillment_status_placed_at_id"),
        "orders",
        ["fulfillment_status", "placed_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_orders_payment_status_placed_at_id"), "orders", ["payment_status", "placed_at", "id"], unique=False
    )
    op.create_index(op.f("ix_orders_placed_at_id"), "orders", ["placed_at", "id"], unique=False)
    op.create_index(op.f("ix_orders_status_placed_at_id"), "orders", ["status", "placed_at", "id"], unique=False)
    op.create_index("uq_orders_number", "orders", ["number"], unique=True)
    op.create_table(
        "order_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("subtotal", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("discount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("tax", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("shipped", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "least(unit_price, subtotal, discount, tax, total) >= 0", name=op.f("ck_order_lines_amounts_not_negative")
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_order_lines_name_filled")
        ),
        sa.CheckConstraint("position BETWEEN 1 AND 500", name=op.f("ck_order_lines_position_range")),
        sa.CheckConstraint(
            "quantity > 0 AND shipped BETWEEN 0 AND quantity", name=op.f("ck_order_lines_shipped_within")
        ),
        sa.CheckConstraint(
            "sku = btrim(sku) AND char_length(sku) BETWEEN 1 AND 100", name=op.f("ck_order_lines_sku_filled")
        ),
        sa.CheckConstraint("total = subtotal - discount", name=op.f("ck_order_lines_total_of_its_parts")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_lines_order_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_order_lines_variant_id")),
        sa.CheckConstraint(
            "'NaN' NOT IN (quantity, unit_price, subtotal, discount, tax, total, shipped)",
            name=op.f("ck_order_lines_numbers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_lines")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(op.f("ix_order_lines_variant_id"), "order_lines", ["variant_id"], unique=False)
    op.create_index("uq_order_lines_position", "order_lines", ["order_id", "position"], unique=True)
