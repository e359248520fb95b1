"""What lies where is listed by its location and by its state, and bins by the larger place they are part of."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_stock_contents_location",
        "stock_contents",
        ["location_id", "id"],
        unique=False,
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "ix_stock_contents_state",
        "stock_contents",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("live AND state IS NOT NULL"),
    )
    op.drop_index(op.f("ix_bins_parent_id"), table_name="bins")
    op.create_index(op.f("ix_bins_parent_id_path_folded_id"), "bins", ["parent_id", "path_folded", "id"], unique=False)
