"""An act may begin under a condition that fails loudly, and what postings rest on has a mark that changes with it."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

PROVIDED = """
CREATE FUNCTION provided(holds boolean, what text) RETURNS boolean LANGUAGE plpgsql
  SET search_path = pg_catalog AS $$
BEGIN
  IF holds THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'an act begins only under a condition that is not met: %', what
    USING ERRCODE = 'check_violation', CONSTRAINT = 'provided_' || what;
END $$
"""
RENEW = """
CREATE FUNCTION renew_posting_basis() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE posting_basis SET mark = gen_random_uuid();
  RETURN NULL;
END $$
"""
RESTS_ON = ("business", "accounts", "accounting_periods", "budgets")


def upgrade() -> None:
    op.execute(PROVIDED)
    op.create_table(
        "posting_basis",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("mark", sa.UUID(), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_posting_basis_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_posting_basis")),
    )
    op.execute("INSERT INTO posting_basis (mark) VALUES (gen_random_uuid())")
    op.execute(RENEW)
    op.execute("REVOKE ALL ON FUNCTION renew_posting_basis() FROM PUBLIC")
    for table in RESTS_ON:
        op.execute(f"""
        CREATE TRIGGER {table}_renew_posting_basis AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
          FOR EACH STATEMENT EXECUTE FUNCTION renew_posting_basis()
        """)
