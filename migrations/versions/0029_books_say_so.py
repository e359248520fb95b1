"""What the books demand of entries: that the event log tells of them, that a reversal is one, and of whom dimensions."""

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
NAMELESS = " OR ".join(
    f"'{each[:-3].upper()}' = ANY(account.required_dimensions) AND line.{each} IS NULL" for each in DIMENSIONS
)
MISSING = f"entry.manual AND entry.reversal_of_id IS NULL AND account.required_dimensions <> '{{}}' AND ({NAMELESS})"
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
  -- In the log by this transaction, so that it stands where the sealing writer has not read yet. Looked up by its subject
  -- first: by what the transaction wrote, an act of many entries would cost their number squared.
  IF NOT EXISTS (
    SELECT FROM (
      SELECT type, order_key, epoch FROM events
      WHERE subject = 'jen_' || replace(NEW.id::text, '-', '') AND version = 1 OFFSET 0
    ) AS told
    WHERE type = 'journal_entry.posted' AND order_key = NEW.xid AND epoch = (SELECT epoch FROM event_epoch WHERE one)
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
    # What lines must be. Dimensions are demanded of what is written from now on: what is taken back has those it had.
    # It moves open items as well, which are the sum of their lines: so it runs as their owner.
    f"""
CREATE OR REPLACE FUNCTION guard_journal_lines() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
DECLARE
  fault record;
BEGIN
  SELECT line.entry_id, count(*) AS lines,
    min(line.n) = 1 AND max(line.n) = count(*) AS whole,
    sum(line.debit) = sum(line.credit) AND sum(line.debit_base) = sum(line.credit_base) AS balanced,
    bool_and(line.posted_on = entry.posted_on AND line.currency = entry.currency AND line.base_currency = books.currency
      AND (line.currency <> line.base_currency
        OR (line.debit = line.debit_base AND line.credit = line.credit_base))) AS alike,
    bool_and(entry.xid = pg_current_xact_id()) AS own,
    bool_or(entry.manual AND account.is_control AND NOT account.keeps_items) AS closed,
    bool_or(account.inner_account) AS inner_account,
    bool_or(account.keeps_items <> (line.item_id IS NOT NULL)) AS itemless,
    bool_or(entry.manual AND account.is_control AND line.item_id IS NULL) AS nobodys,
    bool_or(account.currency <> line.currency) AS other_currency,
    bool_or({MISSING}) AS missing
  INTO fault
  FROM fresh AS line
  CROSS JOIN LATERAL (SELECT * FROM journal_entries WHERE id = line.entry_id OFFSET 0) AS entry
  CROSS JOIN LATERAL (
    SELECT is_control, keeps_items, currency, required_dimensions,
      EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = accounts.id) AS inner_account
    FROM accounts WHERE id = line.account_id OFFSET 0) AS account
  CROSS JOIN (SELECT base_currency AS currency FROM business) AS books
  GROUP BY line.entry_id
  HAVING count(*) < 2
    OR NOT (min(line.n) = 1 AND max(line.n) = count(*))
    OR sum(line.debit) <> sum(line.credit) OR sum(line.debit_base) <> sum(line.credit_base)
    OR NOT bool_and(line.posted_on = entry.posted_on AND line.currency = entry.currency
      AND line.base_currency = books.currency AND (line.currency <> line.base_currency
        OR (line.debit = line.debit_base AND line.credit = line.credit_base)))
    OR NOT bool_and(entry.xid = pg_current_xact_id())
    OR bool_or(account.inner_account OR account.keeps_items <> (line.item_id IS NOT NULL)
      OR entry.manual AND account.is_control AND NOT account.keeps_items OR {MISSING}
      OR account.currency <> line.currency)
  LIMIT 1;
  IF FOUND AND NOT (fault.own AND fault.whole AND fault.alike AND fault.lines >= 2 AND fault.balanced
    AND NOT fault.closed AND NOT fault.inner_account AND NOT fault.itemless AND NOT fault.missing
    AND fault.other_currency IS NOT TRUE)
  THEN
    RAISE EXCEPTION 'the lines of entry % are refused', fault.entry_id USING ERRCODE = 'check_violation',
      CONSTRAINT = CASE
        WHEN NOT fault.own OR NOT fault.whole OR NOT fault.alike THEN 'journal_entry_own_transaction'
        WHEN fault.lines < 2 THEN 'journal_entry_two_lines'
        WHEN NOT fault.balanced THEN 'journal_entry_balanced'
        WHEN fault.closed OR fault.nobodys THEN 'journal_line_control'
        WHEN fault.inner_account THEN 'journal_line_leaf'
        WHEN fault.itemless THEN 'journal_line_item'
        WHEN fault.other_currency THEN 'journal_line_account_currency'
        ELSE 'journal_line_dimension_missing'
      END;
  END IF;
  IF EXISTS (SELECT FROM fresh WHERE brand_id IS NOT NULL OR department_id IS NOT NULL OR project_id IS NOT NULL)
    AND EXISTS (
      SELECT FROM fresh CROSS JOIN LATERAL (
        VALUES ('BRAND', brand_id), ('DEPARTMENT', department_id), ('PROJECT', project_id)) AS named(dimension, id)
      WHERE named.id IS NOT NULL
        AND NOT EXISTS (SELECT FROM dimension_values AS value WHERE value.id = named.id AND value.dimension = named.dimension)
    )
  THEN
    RAISE EXCEPTION 'a line names a dimension that is none'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_line_dimension';
  END IF;
  IF EXISTS (SELECT FROM fresh WHERE item_id IS NOT NULL) THEN
    IF EXISTS (
      SELECT FROM fresh AS line CROSS JOIN LATERAL (SELECT * FROM open_items WHERE id = line.item_id OFFSET 0) AS item
      WHERE (item.account_id, item.currency) <> (line.account_id, line.currency) OR line.posted_on < item.opened_on
    ) THEN
      RAISE EXCEPTION 'a line names an item of another account or currency, or before it began'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_line_item';
    END IF;
    UPDATE open_items AS item
    SET balance = item.balance + moved.document, balance_base = item.balance_base + moved.base
    FROM (
      SELECT item_id, sum(debit) - sum(credit) AS document, sum(debit_base) - sum(credit_base) AS base
      FROM fresh WHERE item_id IS NOT NULL GROUP BY item_id ORDER BY item_id
    ) AS moved WHERE item.id = moved.item_id;
  END IF;
  RETURN NULL;
END $$
""",
)


def upgrade() -> None:
    for statement in GUARDS:
        op.execute(statement)


def downgrade() -> None:
    pass
