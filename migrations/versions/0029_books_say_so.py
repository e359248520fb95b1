"""What the books demand of every entry: that the event log tells of it, and that a reversal is one."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"
DIMENSIONS = ("channel_id", "location_id", "brand_id", "department_id", "project_id")
NAMED = ", ".join(DIMENSIONS)
OF_LINE = " AND ".join(f"(pot.{each} IS NULL OR line.{each} = pot.{each})" for each in DIMENSIONS)
OF_DAY = " AND ".join(f"(pot.{each} IS NULL OR day.{each} = pot.{each})" for each in DIMENSIONS)
KEPT = ("account_id", "currency", *DIMENSIONS, "item_id")
BACK = ", ".join(f"back.{each}" for each in (*KEPT, "debit", "credit", "debit_base", "credit_base"))
TAKEN = ", ".join(f"line.{each}" for each in (*KEPT, "credit", "debit", "credit_base", "debit_base"))
SAME = " AND ".join(f"planned.{each} IS NOT DISTINCT FROM pot.{each}" for each in DIMENSIONS)

GUARDS = (
    # At the end of the act, so that what the entry's own reversal gives back is known. Whoever spends of the same
    # account waits until this one is over; the sums are read behind that, in one snapshot: the sealed ones by day, those
    # that wait to be sealed, and those of this act that came before.
    f"""
CREATE OR REPLACE FUNCTION demand_journal_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  given_back_on date;
  fault record;
BEGIN
  IF NOT EXISTS (SELECT FROM journal_lines WHERE entry_id = NEW.id AND n = 1) THEN
    RAISE EXCEPTION 'entry % has no lines', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_two_lines';
  END IF;
  -- In the log by this transaction, so that it stands where the sealing writer has not read yet.
  IF NOT EXISTS (
    SELECT FROM events WHERE subject = 'jen_' || replace(NEW.id::text, '-', '') AND version = 1
      AND type = 'journal_entry.posted' AND order_key = NEW.xid AND epoch = (SELECT epoch FROM event_epoch)
  ) THEN
    RAISE EXCEPTION 'entry % is not announced', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_announced';
  END IF;
  IF NOT NEW.manual OR NEW.reversal_of_id IS NOT NULL OR NOT EXISTS (
    SELECT FROM budgets WHERE status = 'ACTIVE' AND control = 'REFUSE' AND NEW.posted_on BETWEEN starts_on AND ends_on
  ) THEN
    RETURN NULL;
  END IF;
  SELECT posted_on INTO given_back_on FROM journal_entries WHERE reversal_of_id = NEW.id;
  PERFORM pg_advisory_xact_lock(hashtextextended('ledger.budget ' || replace(asked.account_id::text, '-', ''), 0))
  FROM (
    SELECT DISTINCT line.account_id FROM journal_lines AS line
    WHERE line.entry_id = NEW.id AND line.debit_base > 0 AND EXISTS (
      SELECT FROM budgets AS budget
      JOIN budget_versions AS told ON told.budget_id = budget.id AND told.version = budget.version
      JOIN budget_lines AS planned ON planned.version_id = told.id AND planned.account_id = line.account_id
      JOIN accounts AS account ON account.id = line.account_id AND account.type = 'EXPENSE'
      WHERE budget.status = 'ACTIVE' AND budget.control = 'REFUSE'
        AND NEW.posted_on BETWEEN budget.starts_on AND budget.ends_on)
    ORDER BY 1
  ) AS asked;
  WITH active AS (
    SELECT told.id AS version_id, budget.starts_on, budget.ends_on FROM budgets AS budget
    JOIN budget_versions AS told ON told.budget_id = budget.id AND told.version = budget.version
    WHERE budget.status = 'ACTIVE' AND budget.control = 'REFUSE'
      AND NEW.posted_on BETWEEN budget.starts_on AND budget.ends_on
  ),
  pot AS (
    SELECT DISTINCT planned.account_id, {NAMED}
    FROM active JOIN budget_lines AS planned ON planned.version_id = active.version_id
    JOIN accounts AS account ON account.id = planned.account_id AND account.type = 'EXPENSE'
    WHERE planned.account_id IN (SELECT account_id FROM journal_lines WHERE entry_id = NEW.id AND debit_base > 0)
  ),
  month AS (
    SELECT first::date AS first, least((first + interval '1 month - 1 day')::date, ends_on) AS last
    FROM active CROSS JOIN LATERAL generate_series(
      date_trunc('month', NEW.posted_on::timestamp), ends_on::timestamp, interval '1 month') AS first
    WHERE given_back_on IS NULL OR (first + interval '1 month - 1 day')::date < given_back_on
  ),
  waiting AS (
    SELECT other.id, other.posted_on FROM (
      SELECT coalesce(last.epoch, 0) AS epoch, coalesce(last.order_key, '0') AS order_key, coalesce(last.seq, 0) AS seq
      FROM (SELECT) AS always
      LEFT JOIN LATERAL (
        SELECT epoch, order_key, seq FROM events WHERE id = (
          SELECT event_id FROM journal_seals ORDER BY position DESC LIMIT 1)) AS last ON true
    ) AS sealed
    CROSS JOIN LATERAL (
      SELECT substr(subject, 5)::uuid AS id FROM events WHERE type = 'journal_entry.posted'
        AND (epoch, order_key, seq) > (sealed.epoch, sealed.order_key, sealed.seq) OFFSET 0
    ) AS told
    CROSS JOIN LATERAL (SELECT * FROM journal_entries WHERE id = told.id OFFSET 0) AS other
    WHERE other.act <> NEW.act AND other.kind <> 'CLOSING'
    UNION ALL
    SELECT id, posted_on FROM journal_entries AS own WHERE own.act = NEW.act AND own.number <= NEW.number
  )
  SELECT pot.account_id, month.first INTO fault
  FROM active CROSS JOIN pot CROSS JOIN month
  WHERE 0 < (
      SELECT sum(line.debit_base - line.credit_base) FROM journal_lines AS line
      WHERE line.entry_id = NEW.id AND line.account_id = pot.account_id AND {OF_LINE})
    AND coalesce((
      SELECT sum(day.debit_base - day.credit_base) FROM journal_days AS day
      WHERE day.account_id = pot.account_id AND day.posted_on BETWEEN active.starts_on AND month.last
        AND NOT day.closing AND {OF_DAY}), 0)
      + coalesce((
      SELECT sum(line.debit_base - line.credit_base)
      FROM waiting CROSS JOIN LATERAL (SELECT * FROM journal_lines WHERE entry_id = waiting.id OFFSET 0) AS line
      WHERE waiting.posted_on BETWEEN active.starts_on AND month.last
        AND line.account_id = pot.account_id AND {OF_LINE}), 0)
      > coalesce((
      SELECT sum(planned.amount) FROM budget_lines AS planned
      WHERE planned.version_id = active.version_id AND planned.account_id = pot.account_id
        AND planned.month <= month.first AND {SAME}), 0)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'up to % the budget allows less on account %', fault.first, fault.account_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_budget';
  END IF;
  RETURN NULL;
END $$
""",
    # At the end of the act, when the lines of both are there.
    f"""
CREATE FUNCTION demand_reversed_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.reversal_of_id = NEW.id
    OR NEW.posted_on < (SELECT posted_on FROM journal_entries WHERE id = NEW.reversal_of_id)
    OR EXISTS (
      SELECT FROM (SELECT * FROM journal_lines WHERE entry_id = NEW.id) AS back
      FULL JOIN (SELECT * FROM journal_lines WHERE entry_id = NEW.reversal_of_id) AS line USING (n)
      WHERE ({BACK}) IS DISTINCT FROM ({TAKEN}))
  THEN
    RAISE EXCEPTION 'entry % does not take % back', NEW.id, NEW.reversal_of_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_reversal';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE CONSTRAINT TRIGGER journal_entry_takes_back AFTER INSERT ON journal_entries DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.reversal_of_id IS NOT NULL) EXECUTE FUNCTION demand_reversed_lines()
""",
)


def upgrade() -> None:
    for statement in GUARDS:
        op.execute(statement)


def downgrade() -> None:
    pass
