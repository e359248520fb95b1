"""What an entry's lines are, is asked once for all lines of a statement.

Whether there is such an entry, and such a period, is seen by the guards, which read both anyway. Foreign keys looked
once more for each row, and locked what they found: all entries of a month name one period, so those who posted at the
same moment left their marks on each other's row. Entries and periods are permanent, ids included: nothing that is named
goes.

The key of accounts stays as it is. Accounts may go or change while nothing is posted to them, and it is what those who
post and those who change an account wait for each other at.
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

PLANNED = (
    "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
    " SET jit = off"
)
NO_DIMENSION = "account.required_dimensions <> '{}' AND (" + (
    " OR ".join(
        f"'{each}' = ANY(account.required_dimensions) AND line.{each.lower()}_id IS NULL"
        for each in ("CHANNEL", "LOCATION", "BRAND", "DEPARTMENT", "PROJECT")
    )
    + ")"
)
# Of each line. Where there is no such entry, all of it is null.
ALIKE = """(line.posted_on = entry.posted_on AND line.currency = entry.currency AND line.base_currency = books.currency
        AND (line.currency <> line.base_currency OR line.debit = line.debit_base AND line.credit = line.credit_base))"""
GOOD = f"""({ALIKE} AND entry.xid = pg_current_xact_id()
        AND NOT account.inner_account AND account.keeps_items = (line.item_id IS NOT NULL)
        AND coalesce(account.currency = line.currency, true)
        AND NOT (entry.manual AND (account.is_control AND NOT account.keeps_items
          OR entry.reversal_of_id IS NULL AND {NO_DIMENSION}))) IS TRUE"""
WHOLE = "min(line.n) = 1 AND max(line.n) = count(*)"
BALANCED = "sum(line.debit) = sum(line.credit) AND sum(line.debit_base) = sum(line.credit_base)"
# Of all lines of an entry.
SOUND = f"count(*) >= 2 AND {WHOLE} AND {BALANCED} AND bool_and({GOOD})"
NAMED = """
    FROM fresh AS line
    LEFT JOIN LATERAL (
      SELECT xid, posted_on, currency, manual, reversal_of_id FROM journal_entries WHERE id = line.entry_id OFFSET 0
    ) AS entry ON true
    CROSS JOIN LATERAL (
      SELECT is_control, keeps_items, currency, required_dimensions,
        EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = accounts.id) AS inner_account
      FROM accounts WHERE id = line.account_id OFFSET 0
    ) AS account
    LEFT JOIN (SELECT base_currency AS currency FROM business) AS books ON true
    GROUP BY line.entry_id"""

GUARDS = (
    f"""
CREATE OR REPLACE FUNCTION guard_journal_lines() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
DECLARE
  seen record;
  fault record;
BEGIN
  SELECT bool_and(told.good) AS good, bool_or(told.names_dimensions) AS names_dimensions,
    bool_or(told.names_items) AS names_items
  INTO seen FROM (
    SELECT {SOUND} AS good,
      bool_or(line.brand_id IS NOT NULL OR line.department_id IS NOT NULL OR line.project_id IS NOT NULL)
        AS names_dimensions,
      bool_or(line.item_id IS NOT NULL) AS names_items
    {NAMED}
  ) AS told;
  IF NOT seen.good THEN
    SELECT line.entry_id, count(*) AS lines, {WHOLE} AS whole, {BALANCED} AS balanced,
      bool_or(entry.xid IS NULL) AS nowhere,
      bool_and({ALIKE}) AS alike,
      bool_and(entry.xid = pg_current_xact_id()) AS own,
      bool_or(entry.manual AND account.is_control AND (NOT account.keeps_items OR line.item_id IS NULL)) AS closed,
      bool_or(account.inner_account) AS inner_account,
      bool_or(account.keeps_items <> (line.item_id IS NOT NULL)) AS itemless,
      bool_or(account.currency <> line.currency) AS other_currency
    INTO fault {NAMED} HAVING NOT ({SOUND}) LIMIT 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'an account has changed in the meantime' USING ERRCODE = 'serialization_failure';
    ELSIF fault.nowhere THEN
      RAISE EXCEPTION 'there is no entry % for these lines', fault.entry_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fk_journal_lines_entry_id';
    END IF;
    RAISE EXCEPTION 'the lines of entry % are refused', fault.entry_id USING ERRCODE = 'check_violation',
      CONSTRAINT = CASE
        WHEN NOT fault.own OR NOT fault.whole OR NOT fault.alike THEN 'journal_entry_own_transaction'
        WHEN fault.lines < 2 THEN 'journal_entry_two_lines'
        WHEN NOT fault.balanced THEN 'journal_entry_balanced'
        WHEN fault.closed THEN 'journal_line_control'
        WHEN fault.inner_account THEN 'journal_line_leaf'
        WHEN fault.itemless THEN 'journal_line_item'
        WHEN fault.other_currency THEN 'journal_line_account_currency'
        ELSE 'journal_line_dimension_missing'
      END;
  END IF;
  IF seen.names_dimensions AND EXISTS (
    SELECT FROM fresh CROSS JOIN LATERAL (
      VALUES ('BRAND', brand_id), ('DEPARTMENT', department_id), ('PROJECT', project_id)) AS named(dimension, id)
    WHERE named.id IS NOT NULL
      AND NOT EXISTS (SELECT FROM dimension_values AS value WHERE value.id = named.id AND value.dimension = named.dimension)
  ) THEN
    RAISE EXCEPTION 'a line names a dimension that is none'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_line_dimension';
  END IF;
  IF seen.names_items THEN
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
    f"""
CREATE OR REPLACE FUNCTION guard_account_use() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.id, OLD.role, OLD.type, OLD.is_control, OLD.keeps_items, OLD.currency)
    IS DISTINCT FROM (NEW.id, NEW.role, NEW.type, NEW.is_control, NEW.keeps_items, NEW.currency)
  THEN
    -- Whoever posts holds the account's key: this waits for them, and they wait for this. Not where it is in vain.
    IF NOT EXISTS (SELECT FROM journal_lines WHERE account_id = OLD.id) THEN
      PERFORM FROM accounts WHERE id = OLD.id FOR UPDATE;
    END IF;
    IF EXISTS (SELECT FROM journal_lines WHERE account_id = OLD.id)
      OR (OLD.role = 'INVENTORY' AND EXISTS (SELECT FROM stock_movements))
    THEN
      RAISE EXCEPTION 'account % is in use', OLD.code
        USING ERRCODE = 'check_violation', CONSTRAINT = 'account_in_use';
    END IF;
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
""",
    """
CREATE TRIGGER periods_keep_their_ids BEFORE UPDATE OF id ON accounting_periods
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    "ALTER TABLE journal_lines DROP CONSTRAINT fk_journal_lines_entry_id",
    "ALTER TABLE journal_entries DROP CONSTRAINT fk_journal_entries_period_id",
)


def upgrade() -> None:
    for statement in GUARDS:
        op.execute(statement)
