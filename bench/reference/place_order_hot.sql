-- An order of one line, of the variant that everybody wants, statement by statement. Dividing by zero is how a
-- statement says that something is missing.
BEGIN;
SELECT sum(price) AS total, 1 / (count(*) = 1)::int AS known FROM reference.variants WHERE id IN (:variants) \gset
INSERT INTO reference.orders (id, status, currency, total) VALUES (uuidv7(), 'OPEN', 'USD', :total)
RETURNING id AS made \gset
INSERT INTO reference.order_lines
SELECT uuidv7(), :made::uuid, n, variant.id, variant.sku, variant.name, 1, variant.price, variant.price
FROM unnest(ARRAY[:variants]::int[]) WITH ORDINALITY AS line(variant_id, n)
JOIN reference.variants AS variant ON variant.id = line.variant_id;
SELECT variant_id FROM reference.stock_levels WHERE variant_id IN (:variants)
ORDER BY variant_id, location_id FOR NO KEY UPDATE;
WITH made AS (
  INSERT INTO reference.allocations
  SELECT line.id, line.order_id, line.variant_id, place.location_id, line.quantity
  FROM reference.order_lines AS line
  CROSS JOIN LATERAL (
    SELECT location_id FROM reference.stock_levels AS level
    WHERE level.variant_id = line.variant_id AND level.on_hand - level.allocated >= line.quantity
    ORDER BY location_id LIMIT 1) AS place
  WHERE line.order_id = :made::uuid
  RETURNING 1)
SELECT 1 / (count(*) = 1)::int FROM made;
WITH changed AS (
  UPDATE reference.stock_levels AS level
  SET allocated = level.allocated + claim.quantity, version = level.version + 1
  FROM reference.allocations AS claim
  WHERE claim.order_id = :made::uuid AND level.variant_id = claim.variant_id AND level.location_id = claim.location_id
  RETURNING level.*),
announced AS (
  SELECT 'ord_' || replace(:made, '-', '') AS subject, 'order.placed' AS type,
    jsonb_build_object('total', :total::text, 'currency', 'USD') AS data
  UNION ALL
  SELECT 'slv_' || variant_id || '_' || location_id, 'stock.allocated', jsonb_build_object('variant', variant_id,
    'location', location_id, 'on_hand', trim_scale(on_hand)::text, 'allocated', trim_scale(allocated)::text)
  FROM changed),
heads AS (
  INSERT INTO reference.event_heads AS head (subject, epoch, version, order_key)
  SELECT subject, (SELECT epoch FROM reference.event_epoch), 1, pg_current_xact_id() FROM announced ORDER BY subject
  ON CONFLICT (subject) DO UPDATE SET version = head.version + 1, epoch = excluded.epoch,
    order_key = CASE WHEN head.epoch = excluded.epoch THEN greatest(head.order_key, excluded.order_key)
      ELSE excluded.order_key END
  RETURNING subject, epoch, version, order_key)
INSERT INTO reference.events (id, epoch, order_key, type, subject, version, at, data)
SELECT uuidv7(), heads.epoch, heads.order_key, announced.type, heads.subject, heads.version, now(), announced.data
FROM heads JOIN announced USING (subject);
COMMIT;
