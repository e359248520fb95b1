"""Lines that name what they are about and whom: dimensions, open items, and amounts by a change of rates alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"
NONE = "00000000-0000-0000-0000-000000000000"
DIMENSIONS = ("channel_id", "location_id", "brand_id", "department_id", "project_id")
KEY = ("posted_on", "account_id", "recorded_month", "closing", "currency", *DIMENSIONS)

ROLES = (
    "INVENTORY",
    "RECEIVABLE",
    "UNBILLED",
    "CLEARING",
    "PAYABLE",
    "RECEIVED_NOT_BILLED",
    "CUSTOMER_DEPOSITS",
    "TAX_PAYABLE",
    "RETAINED_EARNINGS",
    "OPENING_BALANCES",
    "REVENUE",
    "COGS",
    "SHRINKAGE",
    "DAMAGE",
    "SAMPLES",
    "STOCK_CORRECTION",
    "STOCK_REVALUATION",
    "REALIZED_EXCHANGE",
    "UNREALIZED_EXCHANGE",
)

# A business that has a chart already gets an account for each new role, beside one of its kind.
NEW_ACCOUNTS = """
INSERT INTO accounts (id, code, name, type, parent_id, role, is_control, keeps_items, cash_flow, created_at)
SELECT uuid7(), new.code, new.name, beside.type, beside.parent_id, new.role, new.control, new.control,
  beside.cash_flow, now()
FROM (VALUES
  ('PAYABLES', 'Accounts payable', 'PAYABLE', 'RECEIVED_NOT_BILLED', true),
  ('OPENING', 'Opening balances', 'OPENING_BALANCES', 'RETAINED_EARNINGS', false),
  ('FX-REALIZED', 'Realized exchange gains and losses', 'REALIZED_EXCHANGE', 'REVENUE', false),
  ('FX-UNREALIZED', 'Unrealized exchange gains and losses', 'UNREALIZED_EXCHANGE', 'REVENUE', false)
) AS new(code, name, role, beside, control)
JOIN accounts AS beside ON beside.role = new.beside
WHERE NOT EXISTS (SELECT FROM accounts WHERE role = new.role)
"""

DAYS = f"""
INSERT INTO journal_days AS day (
  posted_on, account_id, recorded_month, closing, currency, {", ".join(DIMENSIONS)},
  debit, credit, debit_base, credit_base)
SELECT line.posted_on, line.account_id, date_trunc('month', entry.recorded_at AT TIME ZONE 'UTC')::date,
  entry.kind = 'CLOSING', line.currency, {", ".join(f"coalesce(line.{each}, '{NONE}')" for each in DIMENSIONS)},
  sum(line.debit), sum(line.credit), sum(line.debit_base), sum(line.credit_base)
FROM fresh AS sealed
CROSS JOIN LATERAL (SELECT id, recorded_at, kind FROM journal_entries WHERE id = sealed.entry_id OFFSET 0) AS entry
CROSS JOIN LATERAL (SELECT * FROM journal_lines WHERE entry_id = entry.id OFFSET 0) AS line
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ON CONFLICT ({", ".join(KEY)}) DO UPDATE
SET debit = day.debit + excluded.debit, credit = day.credit + excluded.credit,
  debit_base = day.debit_base + excluded.debit_base, credit_base = day.credit_base + excluded.credit_base
"""

GUARDS = (
    f"""
CREATE OR REPLACE FUNCTION follow_journal_seals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
BEGIN
  {DAYS};
  RETURN NULL;
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION guard_account_use() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF (TG_OP = 'DELETE' OR (OLD.id, OLD.role, OLD.type, OLD.is_control, OLD.keeps_items, OLD.currency)
      IS DISTINCT FROM (NEW.id, NEW.role, NEW.type, NEW.is_control, NEW.keeps_items, NEW.currency))
    AND (EXISTS (SELECT FROM journal_lines WHERE account_id = OLD.id)
      OR (OLD.role = 'INVENTORY' AND EXISTS (SELECT FROM stock_movements)))
  THEN
    RAISE EXCEPTION 'account % is in use', OLD.code
      USING ERRCODE = 'check_violation', CONSTRAINT = 'account_in_use';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
""",
    "DROP TRIGGER account_use_guard ON accounts",
    """
CREATE TRIGGER account_use_guard BEFORE UPDATE OF id, role, type, is_control, keeps_items, currency OR DELETE
  ON accounts FOR EACH ROW EXECUTE FUNCTION guard_account_use()
""",
    f"""
CREATE OR REPLACE FUNCTION guard_journal_entry() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  period_state text;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'post in READ COMMITTED: an older snapshot would not see a period that was closed since'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  NEW.xid := pg_current_xact_id();
  -- Closing takes this lock exclusively before it changes the state: no entry slips into a closed period, and no row
  -- is locked by everyone who posts.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.period_id::text, 0));
  SELECT state INTO period_state FROM accounting_periods
    WHERE id = NEW.period_id AND NEW.posted_on BETWEEN starts_on AND ends_on;
  IF period_state IS NULL OR period_state = 'LOCKED' THEN
    RAISE EXCEPTION 'no open period on %', NEW.posted_on
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_locked';
  END IF;
  IF period_state = 'SOFT_CLOSED' AND NEW.kind IN ('ORDINARY', 'OPENING') THEN
    RAISE EXCEPTION 'the period of % is closed', NEW.posted_on
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_closed';
  END IF;
  RETURN NEW;
END $$
""",
    # What lines must be. It moves open items as well, which are the sum of their lines: so it runs as their owner.
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
    bool_or(entry.manual AND account.required_dimensions <> '{{}}' AND (
      'CHANNEL' = ANY(account.required_dimensions) AND line.channel_id IS NULL
      OR 'LOCATION' = ANY(account.required_dimensions) AND line.location_id IS NULL
      OR 'BRAND' = ANY(account.required_dimensions) AND line.brand_id IS NULL
      OR 'DEPARTMENT' = ANY(account.required_dimensions) AND line.department_id IS NULL
      OR 'PROJECT' = ANY(account.required_dimensions) AND line.project_id IS NULL)) AS missing
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
      OR entry.manual AND (account.is_control AND NOT account.keeps_items OR account.required_dimensions <> '{{}}')
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
    "REVOKE ALL ON FUNCTION guard_journal_lines() FROM PUBLIC",
    f"""
CREATE FUNCTION begin_open_item() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  NEW.balance := 0;
  NEW.balance_base := 0;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER open_items_begin BEFORE INSERT ON open_items FOR EACH ROW EXECUTE FUNCTION begin_open_item()
""",
    f"""
CREATE FUNCTION demand_founding_line() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM journal_lines WHERE item_id = NEW.id AND entry_id = NEW.entry_id) THEN
    RAISE EXCEPTION 'open item % has no line of the entry that founds it', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'open_item_founded';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE CONSTRAINT TRIGGER open_items_founded AFTER INSERT ON open_items
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION demand_founding_line()
""",
    """
CREATE TRIGGER open_items_follow BEFORE UPDATE OF id, account_id, currency, is_debit, opened_on, entry_id, balance,
  balance_base ON open_items FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION refuse_direct_change('journal_lines', 'Post an entry whose line names it.')
""",
    """
CREATE TRIGGER open_items_stay BEFORE DELETE OR TRUNCATE ON open_items
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change('journal_lines', 'Post an entry that settles it.')
""",
    """
CREATE TRIGGER dimension_values_stay BEFORE DELETE OR TRUNCATE ON dimension_values
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    _widen_accounts()
    op.create_table(
        "dimension_values",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_dimension_values_name_filled")
        ),
        sa.CheckConstraint("code ~ '^[0-9A-Z][0-9A-Z.-]{0,19}$'", name=op.f("ck_dimension_values_code_form")),
        sa.CheckConstraint(
            "dimension IN ('BRAND', 'DEPARTMENT', 'PROJECT')", name=op.f("ck_dimension_values_dimension_of_its_own")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dimension_values")),
    )
    op.create_index("uq_dimension_values_code", "dimension_values", ["dimension", "code"], unique=True)
    op.create_index(op.f("ix_dimension_values_code_id"), "dimension_values", ["code", "id"])
    _create_open_items()
    _widen_entries_and_lines()
    _widen_days()
    for statement in GUARDS:
        op.execute(statement)


def _widen_accounts() -> None:
    op.add_column("accounts", sa.Column("keeps_items", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("accounts", sa.Column("currency", sa.Text(), nullable=True))
    op.add_column(
        "accounts",
        sa.Column("required_dimensions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_check_constraint(op.f("ck_accounts_currency_code"), "accounts", "currency ~ '^[A-Z]{3}$'")
    op.create_check_constraint(
        op.f("ck_accounts_required_dimensions_known"),
        "accounts",
        "required_dimensions <@ ARRAY['CHANNEL', 'LOCATION', 'BRAND', 'DEPARTMENT', 'PROJECT']",
    )
    op.drop_constraint(op.f("ck_accounts_role_known"), "accounts")
    op.create_check_constraint(
        op.f("ck_accounts_role_known"), "accounts", f"role IN ({', '.join(f'{each!r}' for each in ROLES)})"
    )
    # Nothing posted to these before; where something is, what is open of it has to be told by opening balances.
    op.execute("""
UPDATE accounts SET keeps_items = true WHERE role = 'RECEIVABLE'
  AND NOT EXISTS (SELECT FROM journal_lines WHERE account_id = accounts.id)""")
    op.execute("""
UPDATE accounts SET role = 'PAYABLE', is_control = true, keeps_items = true
WHERE code IN ('2010', '20100', '3210') AND type = 'LIABILITY' AND role IS NULL
  AND NOT EXISTS (SELECT FROM journal_lines WHERE account_id = accounts.id)
  AND NOT EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = accounts.id)""")
    op.execute(NEW_ACCOUNTS)


def _create_open_items() -> None:
    op.create_table(
        "open_items",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("party", sa.Text(collation="C"), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("is_debit", sa.Boolean(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("balance", sa.Numeric(precision=18, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("balance_base", sa.Numeric(precision=18, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed("CASE WHEN balance = 0 THEN 'SETTLED' ELSE 'OPEN' END", persisted=True),
            nullable=False,
        ),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (balance, balance_base)", name=op.f("ck_open_items_numbers")),
        sa.CheckConstraint(
            "party = btrim(party) AND char_length(party) BETWEEN 1 AND 255", name=op.f("ck_open_items_party_filled")
        ),
        sa.CheckConstraint(
            "document = btrim(document) AND char_length(document) BETWEEN 1 AND 255",
            name=op.f("ck_open_items_document_filled"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_open_items_currency_code")),
        sa.CheckConstraint(
            "CASE WHEN is_debit THEN balance >= 0 ELSE balance <= 0 END", name=op.f("ck_open_items_not_beyond_zero")
        ),
        sa.CheckConstraint("balance <> 0 OR balance_base = 0", name=op.f("ck_open_items_settled_in_both")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_open_items_account_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_open_items_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_items")),
    )
    for columns in (
        ["account_id", "party", "opened_on"],
        ["party", "opened_on"],
        ["due_on", "id"],
        ["opened_on", "id"],
        ["status", "due_on", "id"],
        ["entry_id"],
    ):
        op.create_index(op.f(f"ix_open_items_{'_'.join(columns)}"), "open_items", columns)


def _widen_entries_and_lines() -> None:
    op.add_column("journal_entries", sa.Column("exchange_rate", sa.Numeric(precision=20, scale=10), nullable=True))
    op.create_check_constraint(
        op.f("ck_journal_entries_rate_positive"), "journal_entries", "exchange_rate > 0 AND exchange_rate <> 'NaN'"
    )
    op.drop_constraint(op.f("ck_journal_entries_kind_known"), "journal_entries")
    op.create_check_constraint(
        op.f("ck_journal_entries_kind_known"),
        "journal_entries",
        "kind IN ('ORDINARY', 'ADJUSTING', 'OPENING', 'CLOSING')",
    )
    for column in (*DIMENSIONS, "item_id"):
        op.add_column("journal_lines", sa.Column(column, sa.UUID(), nullable=True))
    op.create_foreign_key(op.f("fk_journal_lines_item_id"), "journal_lines", "open_items", ["item_id"], ["id"])
    op.create_index(
        "ix_journal_lines_item_id", "journal_lines", ["item_id"], postgresql_where=sa.text("item_id IS NOT NULL")
    )
    op.drop_constraint(op.f("ck_journal_lines_one_side"), "journal_lines")
    op.drop_constraint(op.f("ck_journal_lines_base_on_the_same_side"), "journal_lines")
    op.create_check_constraint(
        op.f("ck_journal_lines_one_side"),
        "journal_lines",
        "debit >= 0 AND credit >= 0 AND debit_base >= 0 AND credit_base >= 0"
        " AND (debit + debit_base > 0) <> (credit + credit_base > 0)",
    )


def _widen_days() -> None:
    for column in DIMENSIONS:
        op.add_column("journal_days", sa.Column(column, sa.UUID(), server_default=sa.text(f"'{NONE}'"), nullable=False))
    op.drop_constraint(op.f("pk_journal_days"), "journal_days")
    op.create_primary_key(op.f("pk_journal_days"), "journal_days", list(KEY))
