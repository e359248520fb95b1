"""Customers and their addresses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _filled(table: str, *columns: str, longest: int = 255) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            f"{column} = btrim({column}) AND char_length({column}) BETWEEN 1 AND {longest}",
            name=op.f(f"ck_{table}_{column}_filled"),
        )
        for column in columns
    ]


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(collation="C"), sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_folded", sa.Text(collation="C"), sa.Computed("lower(email)", persisted=True), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('simple'::regconfig, name)", persisted=True),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            r"email ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= 254", name=op.f("ck_customers_email_form")
        ),
        *_filled("customers", "name"),
        *_filled("customers", "phone", longest=50),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    op.create_index("ix_customers_created_at_id", "customers", ["created_at", "id"], unique=False)
    op.create_index("ix_customers_name_folded_id", "customers", ["name_folded", "id"], unique=False)
    op.create_index("ix_customers_search", "customers", ["search"], unique=False, postgresql_using="gin")
    op.create_index("uq_customers_email", "customers", ["email_folded"], unique=True)
    op.create_table(
        "customer_addresses",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("line1", sa.Text(), nullable=False),
        sa.Column("line2", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.CheckConstraint("country_code ~ '^[A-Z]{2}$'", name=op.f("ck_customer_addresses_country_code_form")),
        sa.CheckConstraint("position BETWEEN 1 AND 50", name=op.f("ck_customer_addresses_position_range")),
        *_filled("customer_addresses", "name", "company", "line1", "line2", "city", "region"),
        *_filled("customer_addresses", "postal_code", longest=32),
        *_filled("customer_addresses", "phone", longest=50),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_addresses_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_addresses")),
        sa.UniqueConstraint(
            "customer_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_customer_addresses_customer_id_position"),
        ),
    )
