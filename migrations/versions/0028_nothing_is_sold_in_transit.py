"""No till stands at goods in transit: what is handed over where they arrive may run ahead of the books there."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """It never had an effect at such a location; what was said of one is taken back."""
    op.execute("UPDATE locations SET allows_oversell = false WHERE kind = 'TRANSIT' AND allows_oversell")
    op.create_check_constraint(
        op.f("ck_locations_oversells_no_transit"), "locations", "NOT (allows_oversell AND kind = 'TRANSIT')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_locations_oversells_no_transit"), "locations")
