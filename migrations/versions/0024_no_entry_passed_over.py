"""A place in the journal goes to the next entry of the event log alone: none can be passed over."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
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
    -- Compared as a whole: to look each one up among the new rows would cost their number squared.
    OR (SELECT array_agg(event_id ORDER BY position) FROM fresh) IS DISTINCT FROM (
      SELECT array_agg(id ORDER BY epoch, order_key, seq) FROM events
      WHERE type = 'journal_entry.posted'
        AND (epoch, order_key, seq)
          > (coalesce(before.epoch, 0), coalesce(before.order_key, '0'), coalesce(before.seq, 0))
        AND (epoch, order_key, seq) <= (last.epoch, last.order_key, last.seq))
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
