"""Counts remember what found goods cost and when they changed state; cases are listed by whether they are open."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHECKS = {
    ("stock_count_lines", "unit_cost_number"): "unit_cost_amount >= 0 AND unit_cost_amount <> 'NaN'",
    ("stock_count_lines", "unit_cost_with_currency"): "(unit_cost_amount IS NULL) = (unit_cost_currency IS NULL)",
    ("stock_count_lines", "unit_cost_currency_code"): "unit_cost_currency ~ '^[A-Z]{3}$'",
    (
        "stock_counts",
        "submitted_with_instant",
    ): "status = 'CANCELLED' OR (status IN ('SUBMITTED', 'APPROVED')) = (submitted_at IS NOT NULL)",
    ("stock_counts", "approved_with_instant"): "(status = 'APPROVED') = (approved_at IS NOT NULL)",
    ("stock_counts", "cancelled_with_instant"): "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)",
}


def upgrade() -> None:
    op.add_column("stock_count_lines", sa.Column("unit_cost_amount", sa.Numeric(precision=18, scale=6), nullable=True))
    op.add_column("stock_count_lines", sa.Column("unit_cost_currency", sa.Text(), nullable=True))
    op.add_column(
        "stock_discrepancies",
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed("CASE WHEN settled_at IS NULL THEN 'OPEN' ELSE 'SETTLED' END", persisted=True),
            nullable=False,
        ),
    )
    op.create_index(
        op.f("ix_stock_discrepancies_status_opened_at_id"),
        "stock_discrepancies",
        ["status", "opened_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stock_discrepancies_kind_opened_at_id"),
        "stock_discrepancies",
        ["kind", "opened_at", "id"],
        unique=False,
    )
    op.drop_index("ix_stock_discrepancies_waiting", table_name="stock_discrepancies")
    for (table, name), condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
