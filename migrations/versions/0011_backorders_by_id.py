"""Backorders have an id, so that one of them can be named, and a list of them paged."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stock_backorders", sa.Column("id", sa.UUID(), nullable=True))
    op.execute("UPDATE stock_backorders SET id = uuid7()")
    op.alter_column("stock_backorders", "id", nullable=False)
    op.create_index("uq_stock_backorders_id", "stock_backorders", ["id"], unique=True)
    op.create_index(op.f("ix_stock_backorders_since_id"), "stock_backorders", ["since", "id"], unique=False)
