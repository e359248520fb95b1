"""An account is part of one of its own type, and never of itself."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARD = f"""
CREATE OR REPLACE FUNCTION guard_account_parent() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.parent_id IS NOT NULL THEN
    -- Whoever posts holds the account's key: this waits for them, and they wait for this.
    PERFORM FROM accounts WHERE id = NEW.parent_id FOR UPDATE;
    IF EXISTS (SELECT FROM journal_lines WHERE account_id = NEW.parent_id) THEN
      RAISE EXCEPTION 'account % has lines', NEW.parent_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'account_parent_without_lines';
    END IF;
    IF NEW.type <> (SELECT type FROM accounts WHERE id = NEW.parent_id) THEN
      RAISE EXCEPTION 'account % is of another type', NEW.parent_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'account_parent_type';
    END IF;
    -- Two moves at once could make a circle between them.
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger.chart', 0));
    IF NEW.id = NEW.parent_id OR EXISTS (
      WITH RECURSIVE above(id) AS (
        SELECT NEW.parent_id
        UNION
        SELECT parent_id FROM above JOIN accounts USING (id) WHERE parent_id IS NOT NULL
      ) SELECT FROM above WHERE id = NEW.id
    ) THEN
      RAISE EXCEPTION 'account % would be part of itself', NEW.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'account_parent_tree';
    END IF;
  END IF;
  RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute(GUARD)
