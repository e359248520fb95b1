"""The journal's gapless order, given after commit."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GUARDS = (
    """
CREATE TRIGGER journal_seals_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_seals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "journal_seals",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_journal_seals_entry_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal_seals")),
    )
    op.create_index("uq_journal_seals_entry_id", "journal_seals", ["entry_id"], unique=True)
    for statement in GUARDS:
        op.execute(statement)
