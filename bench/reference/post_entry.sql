-- An entry of two debits and two credits, statement by statement. Dividing by zero is how a statement says that
-- something is missing. Closing a month takes its lock exclusively: lock, then look.
\set a random(1, 16)
\set b random(1, 16)
\set c random(1, 16)
\set d random(1, 16)
\set x random(100, 100000)
\set y random(100, 100000)
BEGIN;
SELECT id AS period, pg_advisory_xact_lock_shared(id) AS locked FROM reference.accounting_periods
WHERE current_date BETWEEN starts_on AND ends_on \gset
WITH entry AS (
  INSERT INTO reference.journal_entries (id, posted_on, description, currency, period_id)
  SELECT uuidv7(), current_date, 'By hand', 'USD', id FROM reference.accounting_periods
  WHERE id = :period AND state = 'OPEN' RETURNING id),
lines AS (
  INSERT INTO reference.journal_lines
  SELECT entry.id, n, account.id, current_date, debit, credit, debit, credit
  FROM entry, (VALUES (1, :a::int, :x::numeric, 0), (2, :b, :y::numeric, 0), (3, :c, 0, :x), (4, :d, 0, :y))
    AS line(n, account, debit, credit)
  JOIN reference.accounts AS account ON account.id = line.account AND is_leaf AND NOT is_control
  RETURNING debit, credit),
heads AS (
  INSERT INTO reference.event_heads AS head (subject, epoch, version, order_key)
  SELECT 'jen_' || replace(entry.id::text, '-', ''), epoch, 1, pg_current_xact_id()
  FROM entry, reference.event_epoch
  ON CONFLICT (subject) DO UPDATE SET version = head.version + 1, epoch = excluded.epoch,
    order_key = CASE WHEN head.epoch = excluded.epoch THEN greatest(head.order_key, excluded.order_key)
      ELSE excluded.order_key END
  RETURNING subject, epoch, version, order_key),
announced AS (
  INSERT INTO reference.events (id, epoch, order_key, type, subject, version, at, data)
  SELECT uuidv7(), epoch, order_key, 'journal_entry.posted', subject, version, now(), '{"source": null}' FROM heads
  RETURNING 1)
SELECT 1 / (count(*) = 4 AND sum(debit) = sum(credit) AND (SELECT count(*) FROM announced) = 1)::int FROM lines;
COMMIT;
