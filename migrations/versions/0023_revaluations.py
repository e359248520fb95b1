"""Revaluations are proposed by one and decided by another; freight of transfers is part of what goods cost."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.types import XID8

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

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
    "FREIGHT_ABSORBED",
    "REALIZED_EXCHANGE",
    "UNREALIZED_EXCHANGE",
)

# A business that has a chart already gets an account for the new role, with a code that is free.
ACCOUNT = """
INSERT INTO accounts (id, code, name, type, parent_id, role, is_control, cash_flow, created_at)
SELECT uuid7(), free.code, 'Freight capitalized', beside.type, beside.parent_id, 'FREIGHT_ABSORBED', false,
  beside.cash_flow, now()
FROM accounts AS beside CROSS JOIN LATERAL (
  SELECT code FROM (SELECT n, concat('FREIGHT', '-' || nullif(n, 0)) AS code FROM generate_series(0, 99) AS n) AS made
  WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.code = made.code) ORDER BY n LIMIT 1) AS free
WHERE beside.role = 'STOCK_REVALUATION'
"""

CHECKS = {
    "freight_positive": "freight_amount > 0 AND freight_amount <> 'NaN'",
    "freight_with_currency": "(freight_amount IS NULL) = (freight_currency IS NULL)",
    "freight_currency_code": "freight_currency ~ '^[A-Z]{3}$'",
}

GUARDS = (
    f"""
CREATE FUNCTION guard_stock_revaluation() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF OLD.status <> 'PROPOSED' THEN
    RAISE EXCEPTION 'a decided revaluation stays as it is'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_revaluation_decided';
  END IF;
  IF ROW(OLD.id, OLD.number, OLD.location_id, OLD.reason, OLD.proposed_by, OLD.created_at, OLD.xid)
    IS DISTINCT FROM ROW(NEW.id, NEW.number, NEW.location_id, NEW.reason, NEW.proposed_by, NEW.created_at, NEW.xid)
  THEN
    RAISE EXCEPTION 'what a revaluation proposes stays as it is'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_revaluation_proposal';
  END IF;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER stock_revaluations_guard BEFORE UPDATE ON stock_revaluations
  FOR EACH ROW EXECUTE FUNCTION guard_stock_revaluation()
""",
    """
CREATE TRIGGER stock_revaluations_stay BEFORE DELETE OR TRUNCATE ON stock_revaluations
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    f"""
CREATE FUNCTION guard_stock_revaluation_lines() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF EXISTS (
    SELECT FROM fresh AS line
    CROSS JOIN LATERAL (SELECT xid FROM stock_revaluations WHERE id = line.revaluation_id OFFSET 0) AS revaluation
    WHERE revaluation.xid <> pg_current_xact_id()
  ) THEN
    RAISE EXCEPTION 'a line of a revaluation belongs to another act'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_revaluation_lines_own';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER stock_revaluation_lines_guard AFTER INSERT ON stock_revaluation_lines
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION guard_stock_revaluation_lines()
""",
    """
CREATE TRIGGER stock_revaluation_lines_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_revaluation_lines
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.execute("CREATE SEQUENCE stock_revaluation_numbers START 1001")
    op.create_table(
        "stock_revaluations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            server_default=sa.text("nextval('stock_revaluation_numbers'::regclass)"),
            nullable=False,
        ),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PROPOSED'"), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('PROPOSED', 'APPROVED', 'REJECTED')", name=op.f("ck_stock_revaluations_status_known")
        ),
        sa.CheckConstraint(
            "reason = btrim(reason) AND char_length(reason) BETWEEN 1 AND 64",
            name=op.f("ck_stock_revaluations_reason_filled"),
        ),
        sa.CheckConstraint(
            "(status = 'PROPOSED') = (decided_at IS NULL)", name=op.f("ck_stock_revaluations_decided_with_instant")
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_at IS NOT NULL", name=op.f("ck_stock_revaluations_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "status <> 'APPROVED' OR proposed_by <> decided_by", name=op.f("ck_stock_revaluations_four_eyes")
        ),
        sa.CheckConstraint(
            "entry_id IS NULL OR status = 'APPROVED'", name=op.f("ck_stock_revaluations_posted_when_approved")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_revaluations_location_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_stock_revaluations_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_revaluations")),
    )
    op.create_index("uq_stock_revaluations_number", "stock_revaluations", ["number"], unique=True)
    for columns in (
        ["created_at", "id"],
        ["status", "created_at", "id"],
        ["location_id", "created_at", "id"],
        ["entry_id"],
    ):
        op.create_index(op.f(f"ix_stock_revaluations_{'_'.join(columns)}"), "stock_revaluations", columns)
    op.create_table(
        "stock_revaluation_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("revaluation_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("unit_cost_amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("unit_cost_currency", sa.Text(), nullable=False),
        sa.CheckConstraint("position >= 1", name=op.f("ck_stock_revaluation_lines_position_counted")),
        sa.CheckConstraint(
            "unit_cost_amount >= 0 AND unit_cost_amount <> 'NaN'",
            name=op.f("ck_stock_revaluation_lines_unit_cost_number"),
        ),
        sa.CheckConstraint(
            "unit_cost_currency ~ '^[A-Z]{3}$'", name=op.f("ck_stock_revaluation_lines_unit_cost_currency_code")
        ),
        sa.ForeignKeyConstraint(
            ["revaluation_id"], ["stock_revaluations.id"], name=op.f("fk_stock_revaluation_lines_revaluation_id")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["product_variants.id"], name=op.f("fk_stock_revaluation_lines_variant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_revaluation_lines")),
    )
    op.create_index(
        "uq_stock_revaluation_lines_position", "stock_revaluation_lines", ["revaluation_id", "position"], unique=True
    )
    op.create_index(
        "uq_stock_revaluation_lines_variant", "stock_revaluation_lines", ["revaluation_id", "variant_id"], unique=True
    )
    op.create_index(op.f("ix_stock_revaluation_lines_variant_id"), "stock_revaluation_lines", ["variant_id"])
    for statement in GUARDS:
        op.execute(statement)
    op.drop_constraint(op.f("ck_accounts_role_known"), "accounts")
    op.create_check_constraint(
        op.f("ck_accounts_role_known"), "accounts", f"role IN ({', '.join(f'{each!r}' for each in ROLES)})"
    )
    op.execute(ACCOUNT)
    op.add_column("stock_transfers", sa.Column("freight_amount", sa.Numeric(precision=18, scale=6), nullable=True))
    op.add_column("stock_transfers", sa.Column("freight_currency", sa.Text(), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_stock_transfers_{name}"), "stock_transfers", condition)
