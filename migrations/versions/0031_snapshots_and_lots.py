"""Amounts that follow from costs always fit, so that no refusal tells a cost. A case keeps when the snapshot was taken
that it stands for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

CARRIED = {
    "stock_levels": ("value_amount",),
    "stock_movements": ("value_amount",),
    "cost_layers": ("value_amount", "base_value"),
    "stock_months": ("value_amount",),
    "journal_lines": ("debit", "credit", "debit_base", "credit_base"),
    "journal_days": ("debit", "credit", "debit_base", "credit_base"),
}
CHECKS = {
    # The database would say them a little otherwise if it wrote them anew by itself.
    ("stock_levels", "numbers"): "'NaN' NOT IN (on_hand, allocated, reserved, unavailable, placed, value_amount)",
    ("stock_levels", "value_of_goods"): "value_amount >= 0 AND (on_hand > 0 OR value_amount = 0)",
    ("stock_movements", "numbers"): "'NaN' NOT IN (quantity, allocated, value_amount)",
    ("stock_movements", "moves_something"): "quantity <> 0 OR value_amount <> 0",
    ("stock_movements", "founds_with_goods"): "layer_id IS NOT NULL OR (quantity > 0 AND value_amount >= 0)",
    ("stock_movements", "value_is_posted"): "value_amount = 0 OR entry_id IS NOT NULL",
    ("cost_layers", "numbers"): "'NaN' NOT IN (quantity, value_amount, base_quantity, base_value)",
    ("cost_layers", "value_of_goods"): "value_amount >= 0 AND (quantity > 0 OR value_amount = 0)",
    ("cost_layers", "within_its_base"): "base_quantity >= quantity AND base_value >= 0",
    ("stock_months", "numbers"): "'NaN' NOT IN (quantity, value_amount)",
    ("journal_lines", "numbers"): "'NaN' NOT IN (debit, credit, debit_base, credit_base)",
    ("journal_lines", "one_side"): (
        "debit >= 0 AND credit >= 0 AND debit_base >= 0 AND credit_base >= 0"
        " AND (debit + debit_base > 0) <> (credit + credit_base > 0)"
    ),
    ("journal_days", "numbers"): "'NaN' NOT IN (debit, credit, debit_base, credit_base)",
}
LEVELS_FOLLOW = """
CREATE TRIGGER stock_levels_follow
  BEFORE UPDATE OF id, variant_id, location_id, on_hand, unavailable, placed, value_amount, value_currency
  ON stock_levels FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_change()
"""
LATEST_WORD = (
    """
CREATE FUNCTION guard_latest_word() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'a case of what another system counts stands for its latest snapshot'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_discrepancy_latest_word';
END $$
""",
    """
CREATE TRIGGER stock_discrepancies_latest_word BEFORE UPDATE OF taken_at ON stock_discrepancies
  FOR EACH ROW WHEN (NEW.taken_at < OLD.taken_at) EXECUTE FUNCTION guard_latest_word()
""",
)


def upgrade() -> None:
    op.execute("DROP TRIGGER stock_levels_follow ON stock_levels")  # it names a column that changes its type
    for table, columns in CARRIED.items():
        checks = {name: check for (of, name), check in CHECKS.items() if of == table}
        changes = [f"DROP CONSTRAINT ck_{table}_{name}" for name in checks]
        # More digits before the point and as many behind it: no row is written anew.
        changes += [f"ALTER COLUMN {column} TYPE numeric(36, 6)" for column in columns]
        changes += [f"ADD CONSTRAINT ck_{table}_{name} CHECK ({check})" for name, check in checks.items()]
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
    op.execute(LEVELS_FOLLOW)
    op.add_column("stock_discrepancies", sa.Column("taken_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.execute("UPDATE stock_discrepancies SET taken_at = seen_at WHERE kind = 'EXTERNAL'")
    op.create_check_constraint(
        op.f("ck_stock_discrepancies_external_of_an_instant"),
        "stock_discrepancies",
        "(kind = 'EXTERNAL') = (taken_at IS NOT NULL)",
    )
    op.create_index(
        "ix_stock_discrepancies_told",
        "stock_discrepancies",
        ["system", "variant_id", "location_id", "taken_at"],
        postgresql_where=sa.text("kind = 'EXTERNAL'"),
    )
    for statement in LATEST_WORD:
        op.execute(statement)
