"""Fulfillment: shipments and their lines."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE shipment_numbers START 100001")
    op.create_table(
        "shipments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number", sa.BigInteger(), server_default=sa.text("nextval('shipment_numbers'::regclass)"), nullable=False
        ),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=True),
        sa.Column("revenue", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("shipped_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_shipments_currency_code")),
        sa.CheckConstraint("revenue >= 0", name=op.f("ck_shipments_revenue_not_negative")),
        sa.CheckConstraint(
            "tracking = btrim(tracking) AND char_length(tracking) BETWEEN 1 AND 255",
            name=op.f("ck_shipments_tracking_filled"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_shipments_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_shipments_order_id")),
        sa.CheckConstraint("'NaN' NOT IN (revenue)", name=op.f("ck_shipments_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
    )
    op.create_index(op.f("ix_shipments_location_id"), "shipments", ["location_id"], unique=False)
    op.create_index(
        op.f("ix_shipments_order_id_shipped_at_id"), "shipments", ["order_id", "shipped_at", "id"], unique=False
    )
    op.create_index(op.f("ix_shipments_shipped_at_id"), "shipments", ["shipped_at", "id"], unique=False)
    op.create_index("uq_shipments_number", "shipments", ["number"], unique=True)
    op.create_table(
        "shipment_lines",
        sa.Column("shipment_id", sa.UUID(), nullable=False),
        sa.Column("order_line_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0 AND revenue >= 0", name=op.f("ck_shipment_lines_shipped_something")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_lines.id"], name=op.f("fk_shipment_lines_order_line_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_shipment_lines_shipment_id")),
        sa.CheckConstraint("'NaN' NOT IN (quantity, revenue)", name=op.f("ck_shipment_lines_numbers")),
        sa.PrimaryKeyConstraint("shipment_id", "order_line_id", name=op.f("pk_shipment_lines")),
    )
    op.create_index(op.f("ix_shipment_lines_order_line_id"), "shipment_lines", ["order_line_id"], unique=False)
