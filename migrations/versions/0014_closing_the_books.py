"""Periods that close, years whose result is carried, and balances summed by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

DAYS = """
INSERT INTO journal_days AS day (
  posted_on, account_id, recorded_month, closing, currency, debit, credit, debit_base, credit_base)
SELECT line.posted_on, line.account_id, date_trunc('month', entry.recorded_at AT TIME ZONE 'UTC')::date,
  entry.kind = 'CLOSING', line.currency, sum(line.debit), sum(line.credit), sum(line.debit_base), sum(line.credit_base)
FROM {sealed} AS sealed
CROSS JOIN LATERAL (SELECT id, recorded_at, kind FROM journal_entries WHERE id = sealed.entry_id OFFSET 0) AS entry
CROSS JOIN LATERAL (SELECT * FROM journal_lines WHERE entry_id = entry.id OFFSET 0) AS line
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (posted_on, account_id, recorded_month, closing, currency) DO UPDATE
SET debit = day.debit + excluded.debit, credit = day.credit + excluded.credit,
  debit_base = day.debit_base + excluded.debit_base, credit_base = day.credit_base + excluded.credit_base
"""

GUARDS = (
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
  IF period_state = 'SOFT_CLOSED' AND NEW.kind = 'ORDINARY' THEN
    RAISE EXCEPTION 'the period of % is closed', NEW.posted_on
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_closed';
  END IF;
  RETURN NEW;
END $$
""",
    f"""
CREATE FUNCTION guard_period_state() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  -- Whoever is posting comes first, and whoever comes later sees the new state.
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.id::text, 0));
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER period_state_guard BEFORE UPDATE OF state ON accounting_periods
  FOR EACH ROW EXECUTE FUNCTION guard_period_state()
""",
    f"""
CREATE FUNCTION guard_period_order() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF EXISTS (
    SELECT FROM accounting_periods WHERE state <> 'LOCKED'
      AND starts_on < (SELECT max(starts_on) FROM accounting_periods WHERE state = 'LOCKED')
  ) THEN
    RAISE EXCEPTION 'an open period lies before a locked one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'accounting_period_order';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER period_order_guard AFTER INSERT OR UPDATE ON accounting_periods
  FOR EACH STATEMENT EXECUTE FUNCTION guard_period_order()
""",
    """
CREATE TRIGGER periods_stay BEFORE DELETE OR TRUNCATE ON accounting_periods
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    f"""
CREATE FUNCTION follow_journal_seals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
BEGIN
  {DAYS.format(sealed="fresh")};
  RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE FUNCTION refuse_direct_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: it follows from %', TG_OP, TG_TABLE_NAME, coalesce(TG_ARGV[0], 'stock_movements')
    USING ERRCODE = 'insufficient_privilege', HINT = coalesce(TG_ARGV[1], 'Insert a movement.');
END $$
""",
    "REVOKE ALL ON FUNCTION follow_journal_seals() FROM PUBLIC",
    """
CREATE TRIGGER journal_seals_followed AFTER INSERT ON journal_seals REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION follow_journal_seals()
""",
    """
CREATE TRIGGER journal_days_follow BEFORE INSERT OR UPDATE ON journal_days
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION refuse_direct_change('journal_seals', 'Post an entry; it is sealed after its commit.')
""",
    """
CREATE TRIGGER journal_days_stay BEFORE DELETE OR TRUNCATE ON journal_days
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change('journal_seals', 'Post an entry that takes it back.')
""",
)


CASH_FLOWS = {
    "CASH": "code IN ('1010', '1020')",
    "INVESTING": "code = '1500'",
    "FINANCING": "code = '2500' OR type = 'EQUITY'",
}
"""What the accounts of the chart mean for cash, where a business has them."""


def upgrade() -> None:
    op.add_column("accounts", sa.Column("cash_flow", sa.Text(), server_default=sa.text("'OPERATING'"), nullable=False))
    op.create_check_constraint(
        op.f("ck_accounts_cash_flow_known"),
        "accounts",
        "cash_flow IN ('CASH', 'OPERATING', 'INVESTING', 'FINANCING')",
    )
    for flow, accounts in CASH_FLOWS.items():
        op.execute(f"UPDATE accounts SET cash_flow = '{flow}' WHERE {accounts}")
    op.add_column("journal_entries", sa.Column("kind", sa.Text(), server_default=sa.text("'ORDINARY'"), nullable=False))
    op.create_check_constraint(
        op.f("ck_journal_entries_kind_known"), "journal_entries", "kind IN ('ORDINARY', 'ADJUSTING', 'CLOSING')"
    )
    op.create_index(op.f("ix_accounting_periods_state"), "accounting_periods", ["state"])
    op.create_table(
        "fiscal_years",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reopened_for", sa.Text(), nullable=True),
        sa.CheckConstraint("starts_on < ends_on", name=op.f("ck_fiscal_years_in_order")),
        sa.CheckConstraint(
            "closed_at IS NOT NULL OR reopened_for IS NOT NULL", name=op.f("ck_fiscal_years_open_for_a_reason")
        ),
        sa.CheckConstraint(
            "reopened_for = btrim(reopened_for) AND char_length(reopened_for) BETWEEN 1 AND 500",
            name=op.f("ck_fiscal_years_reopened_for_filled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fiscal_years")),
    )
    op.create_index("uq_fiscal_years_starts_on", "fiscal_years", ["starts_on"], unique=True)
    op.create_table(
        "journal_days",
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("recorded_month", sa.Date(), nullable=False),
        sa.Column("closing", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("debit", sa.Numeric(precision=27, scale=6), nullable=False),
        sa.Column("credit", sa.Numeric(precision=27, scale=6), nullable=False),
        sa.Column("debit_base", sa.Numeric(precision=27, scale=6), nullable=False),
        sa.Column("credit_base", sa.Numeric(precision=27, scale=6), nullable=False),
        sa.CheckConstraint(
            "'NaN' NOT IN (debit, credit, debit_base, credit_base)", name=op.f("ck_journal_days_numbers")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_journal_days_account_id")),
        sa.PrimaryKeyConstraint(
            "posted_on", "account_id", "recorded_month", "closing", "currency", name=op.f("pk_journal_days")
        ),
    )
    op.create_index(op.f("ix_journal_days_account_id_posted_on"), "journal_days", ["account_id", "posted_on"])
    op.execute(DAYS.format(sealed="journal_seals"))
    for statement in GUARDS:
        op.execute(statement)
