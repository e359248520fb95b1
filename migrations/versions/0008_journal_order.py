"""The journal's gapless order, given after commit."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION guard_journal_seals() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  first bigint;
BEGIN
  SELECT min(position) INTO first FROM fresh;
  IF first IS NOT NULL AND (
    first <> 1 + coalesce((SELECT position FROM journal_seals WHERE position < first ORDER BY position DESC LIMIT 1), 0)
    OR EXISTS (SELECT FROM fresh HAVING max(position) - min(position) + 1 <> count(*))
    OR EXISTS (
      SELECT FROM fresh
      LEFT JOIN LATERAL (SELECT type, subject FROM events WHERE id = fresh.event_id OFFSET 0) AS event ON true
      WHERE event.type IS DISTINCT FROM 'journal_entry.posted'
        OR event.subject <> 'jen_' || replace(fresh.entry_id::text, '-', ''))
  ) THEN
    RAISE EXCEPTION 'the next place in the journal goes to the next entry of the event log'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_seal_next';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER journal_seals_guard AFTER INSERT ON journal_seals REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION guard_journal_seals()
""",
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
