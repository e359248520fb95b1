"""The ledger: accounts, periods, journal entries and lines, and what guards them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.types import XID8

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The guards look up by index whatever the tables looked like when a connection planned them first: plans cached on
# near-empty tables were fifteen times slower.
PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION guard_journal_entry() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
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
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER journal_entry_guard BEFORE INSERT ON journal_entries
  FOR EACH ROW EXECUTE FUNCTION guard_journal_entry()
""",
    f"""
CREATE FUNCTION guard_journal_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
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
    bool_or(entry.manual AND account.is_control) AS closed,
    bool_or(account.inner_account) AS inner_account
  INTO fault
  FROM fresh AS line
  CROSS JOIN LATERAL (SELECT * FROM journal_entries WHERE id = line.entry_id OFFSET 0) AS entry
  CROSS JOIN LATERAL (
    SELECT is_control, EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = accounts.id) AS inner_account
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
    OR bool_or(entry.manual AND account.is_control) OR bool_or(account.inner_account)
  LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'the lines of entry % are refused', fault.entry_id USING ERRCODE = 'check_violation',
    CONSTRAINT = CASE
      WHEN NOT fault.own OR NOT fault.whole OR NOT fault.alike THEN 'journal_entry_own_transaction'
      WHEN fault.lines < 2 THEN 'journal_entry_two_lines'
      WHEN NOT fault.balanced THEN 'journal_entry_balanced'
      WHEN fault.closed THEN 'journal_line_control'
      ELSE 'journal_line_leaf'
    END;
END $$
""",
    """
CREATE TRIGGER journal_lines_guard AFTER INSERT ON journal_lines REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION guard_journal_lines()
""",
    f"""
CREATE FUNCTION demand_journal_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM journal_lines WHERE entry_id = NEW.id AND n = 1) THEN
    RAISE EXCEPTION 'entry % has no lines', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_two_lines';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE CONSTRAINT TRIGGER journal_entry_demands_lines AFTER INSERT ON journal_entries
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION demand_journal_lines()
""",
    f"""
CREATE FUNCTION guard_account_parent() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.parent_id IS NOT NULL THEN
    -- Whoever posts holds the account's key: this waits for them, and they wait for this.
    PERFORM FROM accounts WHERE id = NEW.parent_id FOR UPDATE;
    IF EXISTS (SELECT FROM journal_lines WHERE account_id = NEW.parent_id) THEN
      RAISE EXCEPTION 'account % has lines', NEW.parent_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'account_parent_without_lines';
    END IF;
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER account_parent_guard BEFORE INSERT OR UPDATE OF parent_id ON accounts
  FOR EACH ROW EXECUTE FUNCTION guard_account_parent()
""",
    f"""
CREATE FUNCTION guard_period_days() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.starts_on <> OLD.starts_on OR NEW.ends_on <> OLD.ends_on THEN
    RAISE EXCEPTION 'the days of a period cannot be changed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'accounting_period_days';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER period_days_guard BEFORE UPDATE ON accounting_periods
  FOR EACH ROW EXECUTE FUNCTION guard_period_days()
""",
    """
CREATE TRIGGER journal_entries_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    """
CREATE TRIGGER journal_lines_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_lines
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.execute("CREATE SEQUENCE journal_entry_numbers")
    op.create_table(
        "accounting_periods",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'OPEN'"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.text("daterange(starts_on, ends_on, '[]')"), "&&"), using="gist", name="ex_accounting_periods_overlap"
        ),
        sa.CheckConstraint(
            "state IN ('OPEN', 'SOFT_CLOSED', 'LOCKED')", name=op.f("ck_accounting_periods_state_known")
        ),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_accounting_periods_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounting_periods")),
    )
    op.create_index("uq_accounting_periods_starts_on", "accounting_periods", ["starts_on"], unique=True)
    op.create_table(
        "accounts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("is_control", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("code ~ '^[0-9A-Z][0-9A-Z.-]{0,19}$'", name=op.f("ck_accounts_code_form")),
        sa.CheckConstraint(
            "role IN ('INVENTORY', 'RECEIVABLE', 'UNBILLED', 'CLEARING', 'RECEIVED_NOT_BILLED', 'CUSTOMER_DEPOSITS', 'TAX_PAYABLE', 'RETAINED_EARNINGS', 'REVENUE', 'COGS', 'SHRINKAGE', 'DAMAGE', 'SAMPLES', 'STOCK_CORRECTION')",
            name=op.f("ck_accounts_role_known"),
        ),
        sa.CheckConstraint(
            "type IN ('ASSET', 'LIABILITY', 'EQUITY', 'INCOME', 'EXPENSE')", name=op.f("ck_accounts_type_known")
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_accounts_name_filled")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["accounts.id"], name=op.f("fk_accounts_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_parent_id"), "accounts", ["parent_id"], unique=False)
    op.create_index("uq_accounts_code", "accounts", ["code"], unique=True)
    op.create_index("uq_accounts_role", "accounts", ["role"], unique=True)
    op.create_table(
        "journal_entries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            server_default=sa.text("nextval('journal_entry_numbers'::regclass)"),
            nullable=False,
        ),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=True),
        sa.Column("manual", sa.Boolean(), nullable=False),
        sa.Column("period_id", sa.UUID(), nullable=False),
        sa.Column("reversal_of_id", sa.UUID(), nullable=True),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_journal_entries_currency_code")),
        sa.CheckConstraint(
            "char_length(description) BETWEEN 1 AND 500", name=op.f("ck_journal_entries_description_filled")
        ),
        sa.ForeignKeyConstraint(["period_id"], ["accounting_periods.id"], name=op.f("fk_journal_entries_period_id")),
        sa.ForeignKeyConstraint(
            ["reversal_of_id"], ["journal_entries.id"], name=op.f("fk_journal_entries_reversal_of_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
    )
    op.create_index(op.f("ix_journal_entries_act"), "journal_entries", ["act"], unique=False)
    op.create_index(op.f("ix_journal_entries_posted_on_id"), "journal_entries", ["posted_on", "id"], unique=False)
    op.create_index(op.f("ix_journal_entries_recorded_at_id"), "journal_entries", ["recorded_at", "id"], unique=False)
    op.create_index(op.f("ix_journal_entries_source"), "journal_entries", ["source"], unique=False)
    op.create_index("uq_journal_entries_number", "journal_entries", ["number"], unique=True)
    op.create_index("uq_journal_entries_reversal_of_id", "journal_entries", ["reversal_of_id"], unique=True)
    op.create_table(
        "journal_lines",
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("debit", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("credit", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("base_currency", sa.Text(), nullable=False),
        sa.Column("debit_base", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("credit_base", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.CheckConstraint(
            "debit >= 0 AND credit >= 0 AND (debit = 0) <> (credit = 0)", name=op.f("ck_journal_lines_one_side")
        ),
        sa.CheckConstraint(
            "debit_base >= 0 AND credit_base >= 0 AND (debit_base = 0 OR credit_base = 0) AND (debit > 0 OR debit_base = 0) AND (credit > 0 OR credit_base = 0)",
            name=op.f("ck_journal_lines_base_on_the_same_side"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_journal_lines_account_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_journal_lines_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", "n", name=op.f("pk_journal_lines")),
    )
    op.create_index(
        op.f("ix_journal_lines_account_id_posted_on"), "journal_lines", ["account_id", "posted_on"], unique=False
    )
    for statement in GUARDS:
        op.execute(statement)
