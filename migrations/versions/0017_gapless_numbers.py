"""Numbers without gaps, for invoices, credit notes and Z reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION take_document_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'take numbers in READ COMMITTED: an older snapshot would not see those that were taken since'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF NEW.n IS NOT NULL THEN
    RAISE EXCEPTION 'the next number is taken from its series'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'document_number_given';
  END IF;
  -- The row of the series is the lock: held until commit, so whoever comes later sees this number, or that it is free.
  PERFORM FROM number_series WHERE kind = NEW.kind AND year = NEW.year FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    -- A day is how far clocks and time zones may be apart.
    IF NEW.year > extract(year FROM now() + interval '1 day') THEN
      RAISE EXCEPTION 'the year % has not begun', NEW.year
        USING ERRCODE = 'check_violation', CONSTRAINT = 'document_number_year';
    END IF;
    INSERT INTO number_series (kind, year, last) VALUES (NEW.kind, NEW.year, 0) ON CONFLICT DO NOTHING;
    PERFORM FROM number_series WHERE kind = NEW.kind AND year = NEW.year FOR NO KEY UPDATE;
  END IF;
  -- Looked up, and not counted: a row that is left out after this trigger (ON CONFLICT DO NOTHING) leaves no gap.
  NEW.n := 1 + coalesce((
    SELECT n FROM document_numbers WHERE kind = NEW.kind AND year = NEW.year ORDER BY n DESC LIMIT 1), 0);
  RETURN NEW;
END $$
""",
    f"""
CREATE FUNCTION follow_document_numbers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
DECLARE
  wanted bigint;
  moved bigint;
BEGIN
  SELECT count(DISTINCT (kind, year)) INTO wanted FROM fresh;
  UPDATE number_series AS series SET last = given.highest
  FROM (SELECT kind, year, max(n) AS highest, count(*) AS many FROM fresh GROUP BY 1, 2) AS given
  WHERE series.kind = given.kind AND series.year = given.year AND series.last + given.many = given.highest;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> wanted THEN
    RAISE EXCEPTION 'the numbers that stand are not those that were given'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'document_number_next';
  END IF;
  RETURN NULL;
END $$
""",
    "REVOKE ALL ON FUNCTION take_document_number(), follow_document_numbers() FROM PUBLIC",
    """
CREATE TRIGGER document_numbers_taken BEFORE INSERT ON document_numbers
  FOR EACH ROW EXECUTE FUNCTION take_document_number()
""",
    """
CREATE TRIGGER document_numbers_followed AFTER INSERT ON document_numbers REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION follow_document_numbers()
""",
    """
CREATE TRIGGER document_numbers_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON document_numbers
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    """
CREATE TRIGGER number_series_follow BEFORE INSERT OR UPDATE ON number_series
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION refuse_direct_change('document_numbers', 'Insert the number of a document.')
""",
    """
CREATE TRIGGER number_series_stay BEFORE DELETE OR TRUNCATE ON number_series
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change('document_numbers', 'Numbers are permanent.')
""",
)
KINDS = "kind IN ('INVOICE', 'CREDIT_NOTE', 'Z_REPORT')"


def upgrade() -> None:
    op.create_table(
        "number_series",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_number_series_kind_known")),
        sa.CheckConstraint("year BETWEEN 1900 AND 9999", name=op.f("ck_number_series_year_known")),
        sa.CheckConstraint("last >= 0", name=op.f("ck_number_series_last_counted")),
        sa.PrimaryKeyConstraint("kind", "year", name=op.f("pk_number_series")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "document_numbers",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(collation="C"), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_document_numbers_kind_known")),
        sa.CheckConstraint("year BETWEEN 1900 AND 9999", name=op.f("ck_document_numbers_year_known")),
        sa.CheckConstraint("n > 0", name=op.f("ck_document_numbers_n_counted")),
        sa.CheckConstraint("document ~ '^[a-z]{3}_[0-9a-f]{32}$'", name=op.f("ck_document_numbers_document_form")),
        sa.PrimaryKeyConstraint("kind", "year", "n", name=op.f("pk_document_numbers")),
    )
    op.create_index("uq_document_numbers_document", "document_numbers", ["document"], unique=True)
    for statement in GUARDS:
        op.execute(statement)
