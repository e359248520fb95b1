"""Entries that come again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION guard_recurring_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF EXISTS (
    SELECT FROM fresh AS line
    CROSS JOIN LATERAL (SELECT currency FROM recurring_entries WHERE id = line.recurring_id OFFSET 0) AS recurring
    GROUP BY line.recurring_id
    HAVING count(*) < 2 OR min(line.n) <> 1 OR max(line.n) <> count(*) OR sum(line.debit) <> sum(line.credit)
      OR NOT bool_and(line.currency = recurring.currency)
  ) THEN
    RAISE EXCEPTION 'the lines of an entry that comes again do not balance'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'recurring_lines_balanced';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER recurring_entry_lines_guard AFTER INSERT ON recurring_entry_lines
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION guard_recurring_lines()
""",
    # Days are counted from the first one: 31 January, 29 February, 31 March.
    f"""
CREATE FUNCTION guard_recurring_occurrence() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM recurring_entries AS recurring JOIN journal_entries AS entry ON entry.id = NEW.entry_id
    WHERE recurring.id = NEW.recurring_id AND entry.manual AND entry.posted_on >= NEW.due_on
      AND entry.source = 'rec_' || replace(recurring.id::text, '-', '')
      AND NEW.due_on = (starts_on + NEW.n * CASE schedule WHEN 'WEEKLY' THEN interval '7 days'
        WHEN 'MONTHLY' THEN interval '1 month' WHEN 'QUARTERLY' THEN interval '3 months'
        ELSE interval '1 year' END)::date
  ) THEN
    RAISE EXCEPTION '% is not due on %', NEW.recurring_id, NEW.due_on
      USING ERRCODE = 'check_violation', CONSTRAINT = 'recurring_occurrence_due';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER recurring_occurrences_guard BEFORE INSERT ON recurring_occurrences
  FOR EACH ROW EXECUTE FUNCTION guard_recurring_occurrence()
""",
    """
CREATE TRIGGER recurring_occurrences_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON recurring_occurrences
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    """
CREATE TRIGGER recurring_entries_stay BEFORE DELETE OR TRUNCATE ON recurring_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "recurring_entries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("reverses_next_month", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("next_n", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("last_problem", sa.Text(), nullable=True),
        sa.Column("tried_on", sa.Date(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "char_length(description) BETWEEN 1 AND 500", name=op.f("ck_recurring_entries_description_filled")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_recurring_entries_currency_code")),
        sa.CheckConstraint(
            "schedule IN ('WEEKLY', 'MONTHLY', 'QUARTERLY', 'YEARLY')", name=op.f("ck_recurring_entries_schedule_known")
        ),
        sa.CheckConstraint("status IN ('ACTIVE', 'ENDED')", name=op.f("ck_recurring_entries_status_known")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_recurring_entries_in_order")),
        sa.CheckConstraint("next_n >= 0", name=op.f("ck_recurring_entries_next_counted")),
        sa.CheckConstraint(
            "(next_on IS NULL) = (status = 'ENDED')", name=op.f("ck_recurring_entries_due_while_active")
        ),
        sa.CheckConstraint(
            "(next_on IS NULL) = (ended_at IS NOT NULL)", name=op.f("ck_recurring_entries_ended_at_an_instant")
        ),
        sa.CheckConstraint(
            "next_on BETWEEN starts_on AND coalesce(ends_on, next_on)", name=op.f("ck_recurring_entries_due_within")
        ),
        sa.CheckConstraint(
            "(last_problem IS NULL) = (tried_on IS NULL)", name=op.f("ck_recurring_entries_tried_with_a_problem")
        ),
        sa.CheckConstraint(
            "last_problem = btrim(last_problem) AND char_length(last_problem) BETWEEN 1 AND 1000",
            name=op.f("ck_recurring_entries_last_problem_filled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recurring_entries")),
    )
    op.create_index(op.f("ix_recurring_entries_starts_on_id"), "recurring_entries", ["starts_on", "id"])
    op.create_index(op.f("ix_recurring_entries_next_on_id"), "recurring_entries", ["next_on", "id"])
    op.create_index(op.f("ix_recurring_entries_status"), "recurring_entries", ["status"])
    op.create_table(
        "recurring_entry_lines",
        sa.Column("recurring_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("debit", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("credit", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("channel_id", sa.UUID(), nullable=True),
        sa.Column("location_id", sa.UUID(), nullable=True),
        sa.Column("brand_id", sa.UUID(), nullable=True),
        sa.Column("department_id", sa.UUID(), nullable=True),
        sa.Column("project_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("'NaN' NOT IN (debit, credit)", name=op.f("ck_recurring_entry_lines_numbers")),
        sa.CheckConstraint(
            "debit >= 0 AND credit >= 0 AND (debit > 0) <> (credit > 0)", name=op.f("ck_recurring_entry_lines_one_side")
        ),
        sa.ForeignKeyConstraint(
            ["recurring_id"], ["recurring_entries.id"], name=op.f("fk_recurring_entry_lines_recurring_id")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_recurring_entry_lines_account_id")),
        sa.PrimaryKeyConstraint("recurring_id", "n", name=op.f("pk_recurring_entry_lines")),
    )
    op.create_index(op.f("ix_recurring_entry_lines_account_id"), "recurring_entry_lines", ["account_id"])
    op.create_table(
        "recurring_occurrences",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("recurring_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("posted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["recurring_id"], ["recurring_entries.id"], name=op.f("fk_recurring_occurrences_recurring_id")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_recurring_occurrences_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recurring_occurrences")),
    )
    for name, columns in (
        ("due_on", ["recurring_id", "due_on"]),
        ("n", ["recurring_id", "n"]),
        ("entry_id", ["entry_id"]),
    ):
        op.create_index(f"uq_recurring_occurrences_{name}", "recurring_occurrences", columns, unique=True)
    op.create_index(
        op.f("ix_recurring_occurrences_recurring_id_due_on_id"),
        "recurring_occurrences",
        ["recurring_id", "due_on", "id"],
    )
    for statement in GUARDS:
        op.execute(statement)
