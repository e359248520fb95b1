"""The digests of the journal are chained in the database: what is sealed need not be sent to whoever seals it."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

CHAINED = (
    """
CREATE FUNCTION chain_digest(before bytea, content bytea, first bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog AS $$
BEGIN
  RETURN sha256(coalesce(before, first) || content);
END $$
""",
    """
CREATE AGGREGATE chained(content bytea, first bytea) (SFUNC = chain_digest, STYPE = bytea)
""",
    "REVOKE ALL ON FUNCTION chain_digest(bytea, bytea, bytea) FROM PUBLIC",
    "REVOKE ALL ON FUNCTION chained(bytea, bytea) FROM PUBLIC",
)


def upgrade() -> None:
    for statement in CHAINED:
        op.execute(statement)
