"""The entries of one statement are looked at once, not one by one: eight that come together cost little more than one."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

PLANNED = (
    "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
    " SET jit = off"
)
GUARD = (
    "DROP TRIGGER journal_entry_guard ON journal_entries",
    "DROP FUNCTION guard_journal_entry()",
    f"""
CREATE FUNCTION guard_journal_entries() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  fault record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'post in READ COMMITTED: an older snapshot would not see a period that was closed since'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  -- Closing takes these locks exclusively before it changes the state: no entry slips into a closed period, and no row
  -- is locked by everyone who posts. Behind the lock, a new statement sees what was committed until then.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(named.period_id::text, 0))
  FROM (SELECT DISTINCT period_id FROM fresh ORDER BY period_id) AS named;
  SELECT entry.id, entry.posted_on, entry.xid = pg_current_xact_id() AS own,
    period.state = 'SOFT_CLOSED' AS closed
  INTO fault FROM fresh AS entry
  LEFT JOIN LATERAL (
    SELECT state FROM accounting_periods
    WHERE id = entry.period_id AND entry.posted_on BETWEEN starts_on AND ends_on OFFSET 0
  ) AS period ON true
  WHERE entry.xid <> pg_current_xact_id() OR period.state IS NULL OR period.state = 'LOCKED'
    OR period.state = 'SOFT_CLOSED' AND entry.kind IN ('ORDINARY', 'OPENING')
  LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF NOT fault.own THEN
    RAISE EXCEPTION 'entry % says that another transaction wrote it', fault.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_own_transaction';
  ELSIF fault.closed THEN
    RAISE EXCEPTION 'the period of % is closed', fault.posted_on
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_closed';
  END IF;
  RAISE EXCEPTION 'no open period on %', fault.posted_on
    USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_locked';
END $$
""",
    "REVOKE ALL ON FUNCTION guard_journal_entries() FROM PUBLIC",
    """
CREATE TRIGGER journal_entry_guard AFTER INSERT ON journal_entries REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION guard_journal_entries()
""",
)


def upgrade() -> None:
    for statement in GUARD:
        op.execute(statement)
