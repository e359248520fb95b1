"""The digest of a place in the journal is computed by the database, and a place goes to the next entry alone."""

from alembic import op

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"


def _id(column: str, prefix: str) -> str:
    return f"'{prefix}_' || replace({column}::text, '-', '')"


def _field(expression: str) -> str:
    return f"octet_length(convert_to({expression}, 'UTF8'))::text || ':' || {expression} || ','"


def _fields(always: list[str], sometimes: dict[str, str]) -> str:
    """The fields of a row as they are digested: `5:hello,` each, `-,` for null; those that few have behind a name."""
    told = [f"coalesce({_field(each)}, '-,')" for each in always]
    more = [f"coalesce('{len(name)}:{name},' || {_field(each)}, '')" for name, each in sometimes.items()]
    return " || ".join(told + more)


ENTRY = _fields(
    [
        _id("entry.id", "jen"),
        "entry.number::text",
        "to_char(entry.posted_on, 'YYYY-MM-DD')",
        "(extract(epoch FROM entry.effective_at) * 1000000)::bigint::text",
        "(extract(epoch FROM entry.recorded_at) * 1000000)::bigint::text",
        "entry.description",
        "entry.currency",
        "entry.source",
        "entry.manual::text",
        "entry.kind",
        _id("entry.period_id", "per"),
        _id("entry.reversal_of_id", "jen"),
        _id("entry.act", "act"),
    ],
    {"exchange_rate": "trim_scale(entry.exchange_rate)::text"},
)
LINE = _fields(
    [
        "line.n::text",
        _id("line.account_id", "acc"),
        "to_char(line.posted_on, 'YYYY-MM-DD')",
        "line.currency",
        "trim_scale(line.debit)::text",
        "trim_scale(line.credit)::text",
        "line.base_currency",
        "trim_scale(line.debit_base)::text",
        "trim_scale(line.credit_base)::text",
    ],
    {
        "channel_id": _id("line.channel_id", "chn"),
        "location_id": _id("line.location_id", "loc"),
        "brand_id": _id("line.brand_id", "dmv"),
        "department_id": _id("line.department_id", "dmv"),
        "project_id": _id("line.project_id", "dmv"),
        "item_id": _id("line.item_id", "itm"),
    },
)

GUARDS = (
    f"""
CREATE FUNCTION chain_journal_seal() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  before bytea := decode(repeat('00', 32), 'hex');
  computed bytea;
BEGIN
  IF NEW.position <> 1 THEN
    SELECT digest INTO before FROM journal_seals WHERE position = NEW.position - 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'there is no place before % in the journal', NEW.position
        USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_seal_next';
    END IF;
  END IF;
  SELECT sha256(before || convert_to({ENTRY} || coalesce((
    SELECT string_agg({LINE}, '' ORDER BY line.n) FROM journal_lines AS line WHERE line.entry_id = entry.id
  ), ''), 'UTF8')) INTO computed FROM journal_entries AS entry WHERE entry.id = NEW.entry_id;
  IF NEW.digest <> computed THEN
    RAISE EXCEPTION 'the digest of place % is another one', NEW.position
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_seal_digest';
  END IF;
  NEW.digest := computed;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER journal_seals_chained BEFORE INSERT ON journal_seals
  FOR EACH ROW EXECUTE FUNCTION chain_journal_seal()
""",
    # Events have their order for good once nobody may come before them any more: those below the oldest transaction.
    f"""
CREATE OR REPLACE FUNCTION guard_journal_seals() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  first bigint;
  before record;
  last record;
BEGIN
  SELECT min(position) INTO first FROM fresh;
  IF first IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT event.epoch, event.order_key, event.seq INTO before
    FROM (SELECT event_id FROM journal_seals WHERE position < first ORDER BY position DESC LIMIT 1) AS seal
    CROSS JOIN LATERAL (SELECT epoch, order_key, seq FROM events WHERE id = seal.event_id OFFSET 0) AS event;
  SELECT event.epoch, event.order_key, event.seq INTO last
    FROM (SELECT event_id FROM fresh ORDER BY position DESC LIMIT 1) AS seal
    CROSS JOIN LATERAL (SELECT epoch, order_key, seq FROM events WHERE id = seal.event_id OFFSET 0) AS event;
  IF first <> 1 + coalesce((SELECT position FROM journal_seals WHERE position < first ORDER BY position DESC LIMIT 1), 0)
    OR EXISTS (SELECT FROM fresh HAVING max(position) - min(position) + 1 <> count(*))
    OR EXISTS (
      SELECT FROM fresh
      LEFT JOIN LATERAL (SELECT type, subject FROM events WHERE id = fresh.event_id OFFSET 0) AS event ON true
      WHERE event.type IS DISTINCT FROM 'journal_entry.posted'
        OR event.subject <> 'jen_' || replace(fresh.entry_id::text, '-', ''))
    OR NOT (last.epoch < (SELECT epoch FROM event_epoch) OR last.order_key < pg_snapshot_xmin(pg_current_snapshot()))
    OR EXISTS (
      SELECT FROM (
        SELECT id, first - 1 + row_number() OVER (ORDER BY epoch, order_key, seq) AS place FROM events
        WHERE type = 'journal_entry.posted'
          AND (epoch, order_key, seq)
            > (coalesce(before.epoch, 0), coalesce(before.order_key, '0'), coalesce(before.seq, 0))
          AND (epoch, order_key, seq) <= (last.epoch, last.order_key, last.seq)
      ) AS posted LEFT JOIN fresh ON fresh.position = posted.place
      WHERE fresh.event_id IS DISTINCT FROM posted.id)
  THEN
    RAISE EXCEPTION 'the next place in the journal goes to the next entry of the event log'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_seal_next';
  END IF;
  RETURN NULL;
END $$
""",
)


def upgrade() -> None:
    for statement in GUARDS:
        op.execute(statement)
