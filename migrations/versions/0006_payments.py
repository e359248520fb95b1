"""Payments: money that arrived."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

GUARDS = (
    """
CREATE TRIGGER payments_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON payments
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("document", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payments_currency_code")),
        sa.CheckConstraint(
            "method IN ('CASH', 'CARD', 'BANK_TRANSFER', 'GIFT_CARD', 'STORE_CREDIT', 'COUPON', 'EXTERNAL')",
            name=op.f("ck_payments_method_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount_positive")),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_payments_reference_filled"),
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_payments_entry_id")),
        sa.CheckConstraint("'NaN' NOT IN (amount)", name=op.f("ck_payments_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index(op.f("ix_payments_document"), "payments", ["document"], unique=False)
    op.create_index(op.f("ix_payments_received_at_id"), "payments", ["received_at", "id"], unique=False)
    for statement in GUARDS:
        op.execute(statement)
