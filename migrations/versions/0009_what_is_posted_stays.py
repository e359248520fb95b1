"""What postings rest on stays: the currency of the books, the roles of accounts, and that numbers are numbers."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    f"""
CREATE FUNCTION guard_business() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.base_currency <> OLD.base_currency AND EXISTS (SELECT FROM journal_lines) THEN
    RAISE EXCEPTION 'the books are kept in %', OLD.base_currency
      USING ERRCODE = 'check_violation', CONSTRAINT = 'business_base_currency';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER business_guard BEFORE UPDATE OF base_currency ON business
  FOR EACH ROW EXECUTE FUNCTION guard_business()
""",
    """
CREATE TRIGGER business_stays BEFORE DELETE OR TRUNCATE ON business
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    f"""
CREATE FUNCTION guard_account_use() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF (TG_OP = 'DELETE' OR (OLD.id, OLD.role, OLD.type, OLD.is_control) IS DISTINCT FROM (NEW.id, NEW.role, NEW.type, NEW.is_control))
    AND (EXISTS (SELECT FROM journal_lines WHERE account_id = OLD.id)
      OR (OLD.role = 'INVENTORY' AND EXISTS (SELECT FROM stock_movements)))
  THEN
    RAISE EXCEPTION 'account % is in use', OLD.code
      USING ERRCODE = 'check_violation', CONSTRAINT = 'account_in_use';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
""",
    """
CREATE TRIGGER account_use_guard BEFORE UPDATE OF id, role, type, is_control OR DELETE ON accounts
  FOR EACH ROW EXECUTE FUNCTION guard_account_use()
""",
)


def upgrade() -> None:
    op.create_check_constraint(op.f("ck_product_variants_numbers"), "product_variants", "'NaN' NOT IN (price_amount)")
    op.create_check_constraint(
        op.f("ck_journal_lines_numbers"), "journal_lines", "'NaN' NOT IN (debit, credit, debit_base, credit_base)"
    )
    for statement in GUARDS:
        op.execute(statement)
