"""Indexes of columns that are mostly empty hold what is there: an entry by hand has no source, and few are reversals."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_journal_entries_source", "journal_entries")
    op.create_index(
        "ix_journal_entries_source", "journal_entries", ["source"], postgresql_where=sa.text("source IS NOT NULL")
    )
    op.drop_index("uq_journal_entries_reversal_of_id", "journal_entries")
    op.create_index(
        "uq_journal_entries_reversal_of_id",
        "journal_entries",
        ["reversal_of_id"],
        unique=True,
        postgresql_where=sa.text("reversal_of_id IS NOT NULL"),
    )
