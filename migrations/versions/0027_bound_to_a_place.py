"""A line that takes its goods from one place alone waits for them there."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now lines waited for stock from anywhere, and those that wait already still do."""
    op.add_column(
        "stock_allocations", sa.Column("bound", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("stock_backorders", sa.Column("location_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_stock_backorders_location_id"), "stock_backorders", "locations", ["location_id"], ["id"]
    )
    op.create_index(
        op.f("ix_stock_backorders_location_id_since_id"),
        "stock_backorders",
        ["location_id", "since", "id"],
        postgresql_where=sa.text("location_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Lines wait for stock from anywhere again."""
    op.drop_column("stock_backorders", "location_id")
    op.drop_column("stock_allocations", "bound")
