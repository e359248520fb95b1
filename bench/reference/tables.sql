-- Lean tables for placing an order, posting an entry and numbering an invoice by hand: what the acts need, as
-- Waterline's tables hold it, and nothing more.
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

-- The books: accounts that entries by hand may be posted to, by small numbers; months; entries and their lines.
CREATE TABLE reference.accounts (
  id int PRIMARY KEY,
  code text COLLATE "C" NOT NULL UNIQUE,
  is_leaf boolean NOT NULL,
  is_control boolean NOT NULL
);

CREATE TABLE reference.accounting_periods (
  id int PRIMARY KEY,
  starts_on date NOT NULL UNIQUE,
  ends_on date NOT NULL,
  state text NOT NULL
);

CREATE SEQUENCE reference.entry_numbers;

CREATE TABLE reference.journal_entries (
  id uuid PRIMARY KEY,
  number bigint NOT NULL UNIQUE DEFAULT nextval('reference.entry_numbers'),
  posted_on date NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  description text NOT NULL,
  currency text NOT NULL,
  period_id int NOT NULL
);
CREATE INDEX ON reference.journal_entries (recorded_at, id);

CREATE TABLE reference.journal_lines (
  entry_id uuid NOT NULL REFERENCES reference.journal_entries,
  n int NOT NULL,
  account_id int NOT NULL REFERENCES reference.accounts,
  posted_on date NOT NULL,
  debit numeric(18, 6) NOT NULL,
  credit numeric(18, 6) NOT NULL,
  debit_base numeric(18, 6) NOT NULL,
  credit_base numeric(18, 6) NOT NULL,
  PRIMARY KEY (entry_id, n),
  CHECK (debit >= 0 AND credit >= 0 AND (debit = 0) <> (credit = 0))
);
CREATE INDEX ON reference.journal_lines (account_id, posted_on);

INSERT INTO reference.accounts
SELECT row_number() OVER (ORDER BY code), code, true, false FROM public.accounts AS account
WHERE NOT is_control AND NOT EXISTS (SELECT FROM public.accounts AS child WHERE child.parent_id = account.id);

INSERT INTO reference.accounting_periods
SELECT row_number() OVER (ORDER BY starts_on), starts_on, ends_on, state FROM public.accounting_periods;

-- Numbers without gaps: a counter for each series.
CREATE TABLE reference.number_series (
  kind text NOT NULL,
  year int NOT NULL,
  last int NOT NULL,
  PRIMARY KEY (kind, year)
) WITH (fillfactor = 50);

CREATE TABLE reference.document_numbers (
  kind text NOT NULL,
  year int NOT NULL,
  n int NOT NULL,
  document uuid NOT NULL UNIQUE,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, year, n)
);

INSERT INTO reference.number_series VALUES ('INVOICE', 2026, 0);

-- An order in one call. Lock, then look: a statement of a VOLATILE function has a fresh snapshot.
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

-- An entry of two debits and two credits in one call. Closing a month takes its lock exclusively: lock, then look.
CREATE FUNCTION reference.post_entry(accounts int[], amounts numeric[]) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid := uuidv7();
  found_period int;
  lines int;
BEGIN
  SELECT id INTO found_period FROM reference.accounting_periods WHERE current_date BETWEEN starts_on AND ends_on;
  PERFORM pg_advisory_xact_lock_shared(found_period);
  INSERT INTO reference.journal_entries (id, posted_on, description, currency, period_id)
  SELECT made, current_date, 'By hand', 'USD', id FROM reference.accounting_periods
  WHERE id = found_period AND state = 'OPEN';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the period is closed';
  END IF;

  IF amounts[1] + amounts[2] <> amounts[3] + amounts[4] THEN
    RAISE EXCEPTION 'debits and credits differ';
  END IF;
  INSERT INTO reference.journal_lines
  SELECT made, n, account.id, current_date, side.debit, side.credit, side.debit, side.credit
  FROM unnest(accounts, amounts) WITH ORDINALITY AS line(account, amount, n)
  JOIN reference.accounts AS account ON account.id = line.account AND is_leaf AND NOT is_control
  CROSS JOIN LATERAL (
    SELECT CASE WHEN n <= 2 THEN amount ELSE 0 END AS debit, CASE WHEN n > 2 THEN amount ELSE 0 END AS credit) AS side;
  GET DIAGNOSTICS lines = ROW_COUNT;
  IF lines < cardinality(accounts) THEN
    RAISE EXCEPTION 'there is no such account';
  END IF;

  WITH heads AS (
    INSERT INTO reference.event_heads AS head (subject, epoch, version, order_key)
    SELECT 'jen_' || replace(made::text, '-', ''), epoch, 1, pg_current_xact_id() FROM reference.event_epoch
    ON CONFLICT (subject) DO UPDATE SET version = head.version + 1, epoch = excluded.epoch,
      order_key = CASE WHEN head.epoch = excluded.epoch THEN greatest(head.order_key, excluded.order_key)
        ELSE excluded.order_key END
    RETURNING subject, epoch, version, order_key)
  INSERT INTO reference.events (id, epoch, order_key, type, subject, version, at, data)
  SELECT uuidv7(), epoch, order_key, 'journal_entry.posted', subject, version, now(), '{"source": null}' FROM heads;

  RETURN made;
END $$;
