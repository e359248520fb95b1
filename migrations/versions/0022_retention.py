"""For how long the books are kept, and what a closed fiscal year is promised."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION promise_retention() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  counts integer;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.starts_on, NEW.ends_on) IS DISTINCT FROM (OLD.starts_on, OLD.ends_on) THEN
    RAISE EXCEPTION 'the days of a fiscal year cannot be changed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'fiscal_year_days';
  END IF;
  IF TG_OP = 'INSERT' OR NEW.closed_at IS DISTINCT FROM OLD.closed_at THEN
    -- Whoever shortens it waits for this year and then sees it, or this year sees what they said.
    SELECT years INTO STRICT counts FROM retention_policies FOR SHARE;
    IF TG_OP = 'INSERT' THEN
      NEW.retention_years := counts;
    ELSIF NEW.closed_at IS NOT NULL THEN
      NEW.retention_years := greatest(NEW.retention_years, counts);
    END IF;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.retention_years < OLD.retention_years THEN
    RAISE EXCEPTION 'what a fiscal year was promised is not taken back'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'fiscal_year_retention';
  END IF;
  RETURN NEW;
END $$
""",
    f"""
CREATE FUNCTION guard_retention_policy() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.years < OLD.years AND EXISTS (
    SELECT FROM fiscal_years WHERE retention_years > NEW.years
      AND ends_on + make_interval(years => retention_years)
        >= (now() AT TIME ZONE (SELECT time_zone FROM business))::date
  ) THEN
    RAISE EXCEPTION 'a closed fiscal year was promised more than % years', NEW.years
      USING ERRCODE = 'check_violation', CONSTRAINT = 'retention_promised';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER fiscal_years_promised BEFORE INSERT OR UPDATE ON fiscal_years
  FOR EACH ROW EXECUTE FUNCTION promise_retention()
""",
    """
CREATE TRIGGER fiscal_years_stay BEFORE DELETE OR TRUNCATE ON fiscal_years
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    """
CREATE TRIGGER retention_policies_guard BEFORE UPDATE ON retention_policies
  FOR EACH ROW EXECUTE FUNCTION guard_retention_policy()
""",
    """
CREATE TRIGGER retention_policies_stay BEFORE DELETE OR TRUNCATE ON retention_policies
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "retention_policies",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("years", sa.Integer(), server_default=sa.text("10"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_retention_policies_one_row")),
        sa.CheckConstraint("years BETWEEN 1 AND 99", name=op.f("ck_retention_policies_years_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policies")),
    )
    op.create_index("uq_retention_policies_one", "retention_policies", ["one"], unique=True)
    op.execute("INSERT INTO retention_policies (id, updated_at) VALUES (uuid7(), now())")
    op.add_column("fiscal_years", sa.Column("retention_years", sa.Integer(), nullable=True))
    op.execute("UPDATE fiscal_years SET retention_years = 10")
    op.alter_column("fiscal_years", "retention_years", nullable=False)
    op.create_check_constraint(
        op.f("ck_fiscal_years_retention_years_range"), "fiscal_years", "retention_years BETWEEN 1 AND 99"
    )
    for statement in GUARDS:
        op.execute(statement)
