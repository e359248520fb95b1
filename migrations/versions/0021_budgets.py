"""Budgets, version by version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.types import XID8

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"
DIMENSIONS = ("channel_id", "location_id", "brand_id", "department_id", "project_id")
NAMED = ", ".join(f"{each} IS NULL" for each in DIMENSIONS)

GUARDS = (
    # A version's lines come in one statement of the act that made it: so what an account's lines name can be compared.
    f"""
CREATE FUNCTION guard_budget_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF EXISTS (
    SELECT FROM fresh AS line
    CROSS JOIN LATERAL (SELECT xid FROM budget_versions WHERE id = line.version_id OFFSET 0) AS told
    GROUP BY line.version_id
    HAVING min(line.n) <> 1 OR max(line.n) <> count(*) OR NOT bool_and(told.xid = pg_current_xact_id())
  ) THEN
    RAISE EXCEPTION 'a line of a budget belongs to another act'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_lines_own_version';
  END IF;
  IF EXISTS (
    SELECT FROM fresh AS line
    CROSS JOIN LATERAL (SELECT budget_id FROM budget_versions WHERE id = line.version_id OFFSET 0) AS told
    CROSS JOIN LATERAL (SELECT starts_on, ends_on FROM budgets WHERE id = told.budget_id OFFSET 0) AS budget
    WHERE line.month NOT BETWEEN date_trunc('month', budget.starts_on) AND budget.ends_on
  ) THEN
    RAISE EXCEPTION 'a line of a budget lies outside of its year'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_lines_year';
  END IF;
  IF EXISTS (
    SELECT FROM fresh GROUP BY version_id, account_id HAVING count(DISTINCT ROW({NAMED})) > 1
  ) THEN
    RAISE EXCEPTION 'the lines of an account name different dimensions'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_lines_alike';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER budget_lines_guard AFTER INSERT ON budget_lines
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION guard_budget_lines()
""",
    f"""
CREATE FUNCTION begin_budget_version() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  NEW.xid := pg_current_xact_id();
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER budget_versions_begin BEFORE INSERT ON budget_versions
  FOR EACH ROW EXECUTE FUNCTION begin_budget_version()
""",
    *(
        f"""
CREATE TRIGGER {table}_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
        for table in ("budget_versions", "budget_lines")
    ),
    """
CREATE TRIGGER budgets_stay BEFORE DELETE OR TRUNCATE ON budgets
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'DRAFT'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_budgets_name_filled")
        ),
        sa.CheckConstraint("control IN ('NONE', 'WARN', 'REFUSE')", name=op.f("ck_budgets_control_known")),
        sa.CheckConstraint("status IN ('DRAFT', 'ACTIVE', 'CLOSED')", name=op.f("ck_budgets_status_known")),
        sa.CheckConstraint("starts_on < ends_on", name=op.f("ck_budgets_in_order")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_budgets_version_counted")),
        postgresql.ExcludeConstraint(
            (sa.text("daterange(starts_on, ends_on, '[]')"), "&&"),
            using="gist",
            where=sa.text("status = 'ACTIVE'"),
            name="ex_budgets_active",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
    )
    op.create_index(op.f("ix_budgets_starts_on_id"), "budgets", ["starts_on", "id"])
    op.create_index(op.f("ix_budgets_status"), "budgets", ["status"])
    op.create_table(
        "budget_versions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("budget_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.CheckConstraint(
            "reason = btrim(reason) AND char_length(reason) BETWEEN 1 AND 500",
            name=op.f("ck_budget_versions_reason_filled"),
        ),
        sa.CheckConstraint("(version = 1) = (reason IS NULL)", name=op.f("ck_budget_versions_revised_for_a_reason")),
        sa.ForeignKeyConstraint(["budget_id"], ["budgets.id"], name=op.f("fk_budget_versions_budget_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_versions")),
    )
    op.create_index("uq_budget_versions_version", "budget_versions", ["budget_id", "version"], unique=True)
    op.create_table(
        "budget_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("version_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        *(sa.Column(each, sa.UUID(), nullable=True) for each in DIMENSIONS),
        sa.CheckConstraint("'NaN' NOT IN (amount)", name=op.f("ck_budget_lines_numbers")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_budget_lines_first_of_month")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_budget_lines_currency_code")),
        sa.ForeignKeyConstraint(["version_id"], ["budget_versions.id"], name=op.f("fk_budget_lines_version_id")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_budget_lines_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_lines")),
    )
    op.create_index("uq_budget_lines_n", "budget_lines", ["version_id", "n"], unique=True)
    op.create_index(
        "uq_budget_lines_once",
        "budget_lines",
        ["version_id", "account_id", "month", *DIMENSIONS],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(op.f("ix_budget_lines_account_id"), "budget_lines", ["account_id"])
    for statement in GUARDS:
        op.execute(statement)
