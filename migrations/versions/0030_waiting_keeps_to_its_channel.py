"""Who waits keeps to the rules of the channel that the order came by."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now whoever waited kept to no rules, and those who wait already still do not."""
    op.add_column("stock_backorders", sa.Column("channel_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_stock_backorders_channel_id"), "stock_backorders", "sales_channels", ["channel_id"], ["id"]
    )
    op.add_column(
        "stock_backorders",
        sa.Column("taken", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_stock_backorders_taken_not_negative"), "stock_backorders", "taken >= 0 AND taken <> 'NaN'"
    )


def downgrade() -> None:
    """Who waits keeps to no rules again."""
    op.drop_column("stock_backorders", "taken")
    op.drop_column("stock_backorders", "channel_id")
