-- Lean tables for placing an order by hand: what the act needs, as Waterline's tables hold it, and nothing more.
-- Filled from the data set. The tables of the event log are those of Waterline, with fewer indexes.

CREATE SCHEMA reference;

CREATE TABLE reference.variants (
  id int PRIMARY KEY,
  sku text NOT NULL,
  name text NOT NULL,
  price numeric(18, 6) NOT NULL CHECK (price >= 0)
);

CREATE TABLE reference.stock_levels (
  variant_id int NOT NULL REFERENCES reference.variants,
  location_id int NOT NULL,
  on_hand numeric(15, 6) NOT NULL CHECK (on_hand >= 0),
  allocated numeric(15, 6) NOT NULL CHECK (allocated >= 0),
  version bigint NOT NULL,
  PRIMARY KEY (variant_id, location_id),
  CONSTRAINT never_oversold CHECK (on_hand - allocated >= 0)
) WITH (fillfactor = 60);

CREATE SEQUENCE reference.order_numbers START 100001;

CREATE TABLE reference.orders (
  id uuid PRIMARY KEY,
  number bigint NOT NULL UNIQUE DEFAULT nextval('reference.order_numbers'),
  status text NOT NULL,
  currency text NOT NULL,
  total numeric(18, 6) NOT NULL CHECK (total >= 0),
  placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON reference.orders (placed_at, id);

CREATE TABLE reference.order_lines (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES reference.orders,
  position int NOT NULL,
  variant_id int NOT NULL REFERENCES reference.variants,
  sku text NOT NULL,
  name text NOT NULL,
  quantity numeric(15, 6) NOT NULL CHECK (quantity > 0),
  unit_price numeric(18, 6) NOT NULL,
  total numeric(18, 6) NOT NULL,
  UNIQUE (order_id, position)
);

CREATE TABLE reference.allocations (
  line_id uuid NOT NULL,
  order_id uuid NOT NULL,
  variant_id int NOT NULL REFERENCES reference.variants,
  location_id int NOT NULL,
  quantity numeric(15, 6) NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (line_id, location_id)
);
CREATE INDEX ON reference.allocations (order_id);

CREATE TABLE reference.event_epoch (epoch int NOT NULL);

CREATE TABLE reference.event_heads (
  subject text COLLATE "C" PRIMARY KEY,
  epoch int NOT NULL,
  version bigint NOT NULL,
  order_key xid8 NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE reference.events (
  id uuid PRIMARY KEY,
  epoch int NOT NULL,
  order_key xid8 NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
  type text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  actor text,
  app text,
  cause text,
  at timestamptz NOT NULL,
  data jsonb NOT NULL,
  UNIQUE (subject, version)
);
CREATE UNIQUE INDEX ON reference.events (epoch, order_key, seq);

INSERT INTO reference.event_epoch VALUES (1);

INSERT INTO reference.variants
SELECT row_number() OVER (ORDER BY id), sku, name, price_amount FROM public.product_variants;

INSERT INTO reference.stock_levels
SELECT variant.n, place.n, level.on_hand, level.allocated, 1
FROM public.stock_levels AS level
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM public.product_variants) AS variant
  ON variant.id = level.variant_id
JOIN (SELECT id, row_number() OVER (ORDER BY priority, id) AS n FROM public.locations) AS place
  ON place.id = level.location_id;

INSERT INTO reference.event_heads
SELECT 'slv_' || variant_id || '_' || location_id, 1, 1, pg_current_xact_id() FROM reference.stock_levels;

INSERT INTO reference.events (id, epoch, order_key, type, subject, version, at, data)
SELECT uuidv7(), 1, order_key, 'stock.received', subject, 1, now(), '{}' FROM reference.event_heads;

-- The act in one call. Lock, then look: a statement of a VOLATILE function has a fresh snapshot.
CREATE FUNCTION reference.place_order(wanted int[]) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid := uuidv7();
  found_rows int;
  sum_total numeric;
BEGIN
  SELECT sum(price), count(*) INTO sum_total, found_rows FROM reference.variants WHERE id = ANY (wanted);
  IF found_rows < cardinality(wanted) THEN
    RAISE EXCEPTION 'there is no such variant';
  END IF;

  INSERT INTO reference.orders (id, status, currency, total) VALUES (made, 'OPEN', 'USD', sum_total);
  INSERT INTO reference.order_lines
  SELECT uuidv7(), made, n, variant.id, variant.sku, variant.name, 1, variant.price, variant.price
  FROM unnest(wanted) WITH ORDINALITY AS line(variant_id, n)
  JOIN reference.variants AS variant ON variant.id = line.variant_id;

  PERFORM FROM reference.stock_levels WHERE variant_id = ANY (wanted)
  ORDER BY variant_id, location_id FOR NO KEY UPDATE;

  INSERT INTO reference.allocations
  SELECT line.id, made, line.variant_id, place.location_id, line.quantity
  FROM reference.order_lines AS line
  CROSS JOIN LATERAL (
    SELECT location_id FROM reference.stock_levels AS level
    WHERE level.variant_id = line.variant_id AND level.on_hand - level.allocated >= line.quantity
    ORDER BY location_id LIMIT 1) AS place
  WHERE line.order_id = made;
  GET DIAGNOSTICS found_rows = ROW_COUNT;
  IF found_rows < cardinality(wanted) THEN
    RAISE EXCEPTION 'there is not enough stock';
  END IF;

  WITH changed AS (
    UPDATE reference.stock_levels AS level
    SET allocated = level.allocated + claim.quantity, version = level.version + 1
    FROM reference.allocations AS claim
    WHERE claim.order_id = made AND level.variant_id = claim.variant_id AND level.location_id = claim.location_id
    RETURNING level.*),
  announced AS (
    SELECT 'ord_' || replace(made::text, '-', '') AS subject, 'order.placed' AS type,
      jsonb_build_object('total', sum_total::text, 'currency', 'USD') AS data
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

  RETURN made;
END $$;
