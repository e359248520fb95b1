"""Sealed entries are chained by digests. Those of before are chained here, so that no seal is without one."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _fields(*expressions: str) -> str:
    """The fields of a row as they are digested: `5:hello,` each, and `-,` for null."""
    return " || ".join(
        f"coalesce(octet_length(convert_to({each}, 'UTF8'))::text || ':' || {each} || ',', '-,')"
        for each in expressions
    )


ENTRY = _fields(
    "'jen_' || replace(entry.id::text, '-', '')",
    "entry.number::text",
    "to_char(entry.posted_on, 'YYYY-MM-DD')",
    "(extract(epoch FROM entry.effective_at) * 1000000)::bigint::text",
    "(extract(epoch FROM entry.recorded_at) * 1000000)::bigint::text",
    "entry.description",
    "entry.currency",
    "entry.source",
    "entry.manual::text",
    "entry.kind",
    "'per_' || replace(entry.period_id::text, '-', '')",
    "'jen_' || replace(entry.reversal_of_id::text, '-', '')",
    "'act_' || replace(entry.act::text, '-', '')",
)
LINE = _fields(
    "line.n::text",
    "'acc_' || replace(line.account_id::text, '-', '')",
    "to_char(line.posted_on, 'YYYY-MM-DD')",
    "line.currency",
    "trim_scale(line.debit)::text",
    "trim_scale(line.credit)::text",
    "line.base_currency",
    "trim_scale(line.debit_base)::text",
    "trim_scale(line.credit_base)::text",
)

# One statement walks the chain by its places. It must find each by its index, whatever the planner knows of the tables.
WALKED = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
CHAINED = f"""
WITH RECURSIVE chain(position, digest) AS (
  SELECT 0::bigint, decode(repeat('00', 32), 'hex')
  UNION ALL
  SELECT seal.position, sha256(chain.digest || (
    SELECT convert_to({ENTRY} || coalesce((
      SELECT string_agg({LINE}, '' ORDER BY line.n) FROM journal_lines AS line WHERE line.entry_id = entry.id
    ), ''), 'UTF8') FROM journal_entries AS entry WHERE entry.id = seal.entry_id
  )) FROM chain JOIN journal_seals AS seal ON seal.position = chain.position + 1
)
UPDATE journal_seals AS seal SET digest = chain.digest FROM chain WHERE chain.position = seal.position
"""


def upgrade() -> None:
    op.add_column("journal_seals", sa.Column("digest", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE journal_seals DISABLE TRIGGER journal_seals_permanent")
    for setting in WALKED:
        op.execute(f"SET LOCAL {setting} = off")
    op.execute(CHAINED)
    for setting in WALKED:
        op.execute(f"SET LOCAL {setting} = on")
    op.execute("ALTER TABLE journal_seals ENABLE TRIGGER journal_seals_permanent")
    op.alter_column("journal_seals", "digest", nullable=False)
    op.create_check_constraint(op.f("ck_journal_seals_digest_length"), "journal_seals", "octet_length(digest) = 32")
