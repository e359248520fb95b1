"""Backorders have an id, so that one of them can be named, and a list of them paged."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stock_backorders", sa.Column("id", sa.UUID(), server_default=sa.text("uuid7()"), nullable=False))
    op.create_index("uq_stock_backorders_id", "stock_backorders", ["id"], unique=True)
    op.create_index(op.f("ix_stock_backorders_since_id"), "stock_backorders", ["since", "id"], unique=False)
