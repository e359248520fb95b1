"""The opening of the books: through an account of its own, and over once that is zero."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION guard_opening_entry() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  -- Completing takes this lock exclusively: whoever opens comes before it, or sees that it is over.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger.opening', 0));
  IF EXISTS (SELECT FROM opening_balances WHERE completed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'the opening of the books is completed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_opening_completed';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER journal_entry_opening_guard BEFORE INSERT ON journal_entries
  FOR EACH ROW WHEN (NEW.kind = 'OPENING') EXECUTE FUNCTION guard_opening_entry()
""",
    f"""
CREATE FUNCTION guard_opening_completed() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.completed_at IS NOT NULL AND NEW.completed_at IS NULL THEN
    RAISE EXCEPTION 'a completed opening stays completed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_opening_completed';
  END IF;
  IF NEW.completed_at IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger.opening', 0));
    IF 0 <> (
      SELECT coalesce(sum(debit_base) - sum(credit_base), 0) FROM journal_lines
      WHERE account_id = (SELECT id FROM accounts WHERE role = 'OPENING_BALANCES')
    ) THEN
      RAISE EXCEPTION 'something is left on the opening account'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'opening_balances_left';
    END IF;
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER opening_balances_guard BEFORE INSERT OR UPDATE ON opening_balances
  FOR EACH ROW EXECUTE FUNCTION guard_opening_completed()
""",
    """
CREATE TRIGGER opening_balances_stay BEFORE DELETE OR TRUNCATE ON opening_balances
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "opening_balances",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("completed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("one", name=op.f("ck_opening_balances_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening_balances")),
    )
    op.create_index("uq_opening_balances_one", "opening_balances", ["one"], unique=True)
    op.execute("UPDATE accounts SET is_control = true WHERE role = 'OPENING_BALANCES'")
    for statement in GUARDS:
        op.execute(statement)
