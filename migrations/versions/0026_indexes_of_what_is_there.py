"""Indexes of columns that are often empty hold what is there: an entry by hand has no source, few entries are
reversals, and what is sold over a counter has no customer.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_journal_entries_source", "journal_entries", ["source"], False),
    ("uq_journal_entries_reversal_of_id", "journal_entries", ["reversal_of_id"], True),
    ("ix_orders_customer_id_placed_at_id", "orders", ["customer_id", "placed_at", "id"], False),
    ("ix_orders_email_folded", "orders", ["email_folded"], False),
)


def upgrade() -> None:
    for name, table, columns, is_unique in INDEXES:
        op.drop_index(name, table)
        there = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(name, table, columns, unique=is_unique, postgresql_where=there)
