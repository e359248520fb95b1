"""Stock in depth: bins, lots and states, policies, transfers, counts, channels' shares, cases, and rates of exchange."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    "DROP TRIGGER stock_levels_follow ON stock_levels",
    """
CREATE TRIGGER stock_levels_follow
  BEFORE UPDATE OF id, variant_id, location_id, on_hand, unavailable, placed, value_amount, value_currency
  ON stock_levels FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_change()
""",
    *(
        f"""
CREATE TRIGGER {table}_follow BEFORE INSERT OR UPDATE ON {table}
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_change()
"""
        for table in ("stock_contents", "stock_months")
    ),
    *(
        f"""
CREATE TRIGGER {table}_stay BEFORE DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change()
"""
        for table in ("stock_contents", "stock_months")
    ),
    """
CREATE TRIGGER exchange_rates_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON exchange_rates
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    f"""
CREATE OR REPLACE FUNCTION guard_stock_level() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.on_hand <> 0 OR NEW.value_amount <> 0 OR NEW.unavailable <> 0 OR NEW.placed <> 0 THEN
    RAISE EXCEPTION 'a level begins empty: it follows from stock_movements'
      USING ERRCODE = 'insufficient_privilege', HINT = 'Insert a movement.';
  END IF;
  IF NEW.value_currency IS DISTINCT FROM (SELECT base_currency FROM business) THEN
    RAISE EXCEPTION 'a level is valued in the currency of the books'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_level_currency';
  END IF;
  RETURN NEW;
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION follow_stock_movements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
DECLARE
  wanted bigint;
  done bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'move stock in READ COMMITTED: an older snapshot would not see what others moved since'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  -- The entry is one of this very transaction, and its lines are still to come: they will be held against these rows.
  IF EXISTS (
    SELECT FROM (SELECT DISTINCT entry_id FROM fresh WHERE entry_id IS NOT NULL) AS named
    LEFT JOIN LATERAL (SELECT xid, manual FROM journal_entries WHERE id = named.entry_id OFFSET 0) AS entry ON true
    WHERE entry.xid IS DISTINCT FROM pg_current_xact_id() OR entry.manual
      OR EXISTS (SELECT FROM journal_lines WHERE entry_id = named.entry_id AND n = 1)
  ) THEN
    RAISE EXCEPTION 'the entry of a movement belongs to another act, or has its lines already'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_entry';
  END IF;
  IF EXISTS (
    SELECT FROM (SELECT DISTINCT account_id, value_currency FROM fresh) AS named
    WHERE named.value_currency IS DISTINCT FROM (SELECT base_currency FROM business)
      OR NOT EXISTS (SELECT FROM accounts WHERE id = named.account_id AND role = 'INVENTORY')
  ) THEN
    RAISE EXCEPTION 'stock stands on an inventory account, in the currency of the books'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_account';
  END IF;
  IF EXISTS (
    -- Costs corrected move quantities between layers alone: they come to nothing.
    SELECT FROM (
      SELECT variant_id FROM fresh WHERE lot_id IS NULL AND quantity <> 0
      GROUP BY variant_id, location_id, bin_id, state HAVING sum(quantity) <> 0) AS moved
    CROSS JOIN LATERAL (
      SELECT FROM stock_policies WHERE variant_id = moved.variant_id AND tracks_lots OFFSET 0) AS tracked
  ) THEN
    RAISE EXCEPTION 'a movement of a variant that is kept by lots names no lot'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_lot';
  END IF;
  INSERT INTO cost_layers (id, variant_id, location_id, quantity, value_amount, base_quantity, base_value, founded_at)
  SELECT id, variant_id, location_id, quantity, value_amount, quantity, value_amount, coalesce(founded_at, effective_at)
  FROM fresh WHERE layer_id IS NULL;
  SELECT count(DISTINCT layer_id) INTO wanted FROM fresh WHERE layer_id IS NOT NULL;
  IF wanted > 0 THEN
    -- Shares are reckoned from a new base when more came to a layer, or it was revalued; not when something goes back.
    UPDATE cost_layers AS layer
    SET quantity = layer.quantity + drawn.quantity, value_amount = layer.value_amount + drawn.value_amount,
      base_quantity = CASE WHEN drawn.anew THEN layer.quantity + drawn.quantity ELSE layer.base_quantity END,
      base_value = CASE WHEN drawn.anew THEN layer.value_amount + drawn.value_amount ELSE layer.base_value END
    FROM (
      SELECT layer_id, variant_id, location_id, sum(quantity) AS quantity, sum(value_amount) AS value_amount,
        bool_or(quantity = 0 OR (quantity > 0 AND kind NOT IN ('RELOCATION', 'COST_CORRECTION'))) AS anew
      FROM fresh WHERE layer_id IS NOT NULL GROUP BY layer_id, variant_id, location_id
    ) AS drawn
    WHERE layer.id = drawn.layer_id
      AND layer.variant_id = drawn.variant_id AND layer.location_id = drawn.location_id;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> wanted OR wanted <> (
      SELECT count(*) FROM (SELECT DISTINCT layer_id, variant_id, location_id FROM fresh WHERE layer_id IS NOT NULL) AS named
    ) THEN
      RAISE EXCEPTION 'a movement draws from a layer of another place, or from none'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_layer';
    END IF;
  END IF;
  SELECT count(*) INTO wanted FROM (SELECT DISTINCT variant_id, location_id FROM fresh) AS place;
  UPDATE stock_levels AS level
  SET on_hand = level.on_hand + moved.quantity, allocated = level.allocated + moved.allocated,
    unavailable = level.unavailable + moved.unavailable, placed = level.placed + moved.placed,
    value_amount = level.value_amount + moved.value_amount, version = level.version + 1
  FROM (
    SELECT variant_id, location_id, value_currency, sum(quantity) AS quantity, sum(allocated) AS allocated,
      coalesce(sum(quantity) FILTER (WHERE state IS NOT NULL), 0) AS unavailable,
      coalesce(sum(quantity) FILTER (WHERE bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL), 0) AS placed,
      sum(value_amount) AS value_amount
    FROM fresh GROUP BY variant_id, location_id, value_currency
  ) AS moved
  WHERE level.variant_id = moved.variant_id AND level.location_id = moved.location_id
    AND level.value_currency = moved.value_currency;
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done <> wanted THEN
    RAISE EXCEPTION 'a movement has no level to move'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_level';
  END IF;
  IF EXISTS (SELECT FROM fresh WHERE bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL) THEN
    IF EXISTS (
      SELECT FROM (SELECT DISTINCT variant_id, location_id, bin_id, lot_id FROM fresh) AS moved
      WHERE bin_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM bins WHERE bins.id = moved.bin_id AND bins.location_id = moved.location_id)
        OR lot_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM lots WHERE lots.id = moved.lot_id AND lots.variant_id = moved.variant_id)
    ) THEN
      RAISE EXCEPTION 'a movement names a bin of another location, or a lot of another variant'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_movement_content';
    END IF;
    -- Missing rows are made empty first: what an upsert would insert is checked before it is found to be there.
    INSERT INTO stock_contents (id, level_id, variant_id, location_id, bin_id, lot_id, state, quantity)
    SELECT uuid7(), level.id, moved.variant_id, moved.location_id, moved.bin_id, moved.lot_id, moved.state, 0
    FROM (
      SELECT DISTINCT variant_id, location_id, bin_id, lot_id, state FROM fresh
      WHERE bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL) AS moved
    CROSS JOIN LATERAL (
      SELECT id FROM stock_levels
      WHERE variant_id = moved.variant_id AND location_id = moved.location_id OFFSET 0) AS level
    ON CONFLICT (variant_id, location_id, bin_id, lot_id, state) DO NOTHING;
    UPDATE stock_contents AS content SET quantity = content.quantity + moved.quantity
    FROM (
      SELECT variant_id, location_id, bin_id, lot_id, state, sum(quantity) AS quantity FROM fresh
      GROUP BY variant_id, location_id, bin_id, lot_id, state) AS moved
    WHERE content.variant_id = moved.variant_id AND content.location_id = moved.location_id
      AND content.bin_id IS NOT DISTINCT FROM moved.bin_id AND content.lot_id IS NOT DISTINCT FROM moved.lot_id
      AND content.state IS NOT DISTINCT FROM moved.state;
  END IF;
  INSERT INTO stock_months AS month
    (variant_id, location_id, effective_month, recorded_month, quantity, value_amount)
  SELECT variant_id, location_id, date_trunc('month', effective_at AT TIME ZONE 'UTC')::date,
    date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date, sum(quantity), sum(value_amount)
  FROM fresh GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (variant_id, location_id, effective_month, recorded_month) DO UPDATE
  SET quantity = month.quantity + excluded.quantity, value_amount = month.value_amount + excluded.value_amount;
  RETURN NULL;
END $$
""",
)

# The rows that are there already: what is left of a layer becomes its base, and months are counted once.
BACKFILL = (
    "ALTER TABLE cost_layers DISABLE TRIGGER cost_layers_follow",
    "UPDATE cost_layers SET base_quantity = quantity, base_value = value_amount",
    "ALTER TABLE cost_layers ENABLE TRIGGER cost_layers_follow",
    "UPDATE stock_discrepancies SET seen_at = opened_at",
    """
INSERT INTO stock_months (variant_id, location_id, effective_month, recorded_month, quantity, value_amount)
SELECT variant_id, location_id, date_trunc('month', effective_at AT TIME ZONE 'UTC')::date,
  date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date, sum(quantity), sum(value_amount)
FROM stock_movements GROUP BY 1, 2, 3, 4
""",
)
ACCOUNT = """
INSERT INTO accounts (id, code, name, type, parent_id, role, is_control, created_at)
SELECT uuid7(), '5180', 'Stock revaluation', 'EXPENSE', parent_id, 'STOCK_REVALUATION', false, now()
FROM accounts WHERE role = 'STOCK_CORRECTION'
"""
"""A role that postings need now; a business without a chart gets it with the chart."""

CHECKS = {
    (
        "accounts",
        "role_known",
    ): "role IN ('INVENTORY', 'RECEIVABLE', 'UNBILLED', 'CLEARING', 'RECEIVED_NOT_BILLED', 'CUSTOMER_DEPOSITS', 'TAX_PAYABLE', 'RETAINED_EARNINGS', 'REVENUE', 'COGS', 'SHRINKAGE', 'DAMAGE', 'SAMPLES', 'STOCK_CORRECTION', 'STOCK_REVALUATION')",
    ("cost_layers", "numbers"): "'NaN' NOT IN (quantity, value_amount, base_quantity, base_value)",
    ("cost_layers", "within_its_base"): "base_quantity >= quantity AND base_value >= 0",
    ("stock_backorders", "priority_range"): "priority BETWEEN 0 AND 1000000",
    ("stock_discrepancies", "kind_known"): "kind IN ('SHORTFALL', 'EXTERNAL', 'TRANSFER', 'OVERSOLD')",
    ("stock_discrepancies", "resolution_known"): "resolution IN ('ADJUSTED', 'AGREED', 'DISMISSED')",
    ("stock_discrepancies", "system_filled"): "system = btrim(system) AND char_length(system) BETWEEN 1 AND 255",
    ("stock_discrepancies", "note_filled"): "note = btrim(note) AND char_length(note) BETWEEN 1 AND 255",
    ("stock_discrepancies", "settled_with_resolution"): "(settled_at IS NULL) = (resolution IS NULL)",
    ("stock_discrepancies", "external_of_a_system"): "(kind = 'EXTERNAL') = (system IS NOT NULL)",
    ("stock_levels", "numbers"): "'NaN' NOT IN (on_hand, allocated, reserved, unavailable, placed, value_amount)",
    ("stock_levels", "placed_within"): "placed BETWEEN unavailable AND on_hand",
    ("stock_levels", "reorder_point_not_negative"): "reorder_point >= 0 AND reorder_point <> 'NaN'",
    ("stock_levels", "safety_stock_not_negative"): "safety_stock >= 0 AND safety_stock <> 'NaN'",
    (
        "stock_levels",
        "min_to_max",
    ): "min_quantity >= 0 AND max_quantity >= coalesce(min_quantity, 0) AND 'NaN' NOT IN (min_quantity, max_quantity)",
    (
        "stock_movements",
        "kind_known",
    ): "kind IN ('RECEIPT', 'SHIPMENT', 'ADJUSTMENT', 'TRANSFER', 'RELOCATION', 'REVALUATION', 'COST_CORRECTION')",
    ("stock_movements", "state_known"): "state IN ('QUALITY_CONTROL', 'DAMAGED', 'ON_HOLD', 'SAFETY', 'EXPIRED')",
    ("stock_receipts", "supplier_filled"): "supplier = btrim(supplier) AND char_length(supplier) BETWEEN 1 AND 255",
}


def upgrade() -> None:  # noqa: PLR0915  a list of tables
    op.execute("CREATE SEQUENCE stock_transfer_numbers START 1001")
    op.execute("CREATE SEQUENCE stock_count_numbers START 1001")
    op.create_table(
        "exchange_rates",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_exchange_rates_currency_code")),
        sa.CheckConstraint("rate > 0 AND rate <> 'NaN'", name=op.f("ck_exchange_rates_rate_positive")),
        sa.CheckConstraint(
            "source = btrim(source) AND char_length(source) BETWEEN 1 AND 255",
            name=op.f("ck_exchange_rates_source_filled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rates")),
        info={"append_only": True},
    )
    op.create_index(op.f("ix_exchange_rates_starts_on_id"), "exchange_rates", ["starts_on", "id"], unique=False)
    op.create_index("uq_exchange_rates_day", "exchange_rates", ["currency", "starts_on"], unique=True)
    op.create_table(
        "stock_months",
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("effective_month", sa.Date(), nullable=False),
        sa.Column("recorded_month", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=6), nullable=False),
        sa.Column("value_amount", sa.Numeric(precision=27, scale=6), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (quantity, value_amount)", name=op.f("ck_stock_months_numbers")),
        sa.PrimaryKeyConstraint(
            "variant_id", "location_id", "effective_month", "recorded_month", name=op.f("pk_stock_months")
        ),
        info={"read_only": True},
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "bins",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("path_folded", sa.Text(collation="C"), sa.Computed("lower(path)", persisted=True), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("code ~ '^[^/[:space:]]{1,32}$'", name=op.f("ck_bins_code_form")),
        sa.CheckConstraint("kind IN ('ZONE', 'AISLE', 'BAY', 'SHELF', 'BIN')", name=op.f("ck_bins_kind_known")),
        sa.CheckConstraint("path = code OR path LIKE '%/' || code", name=op.f("ck_bins_path_ends_in_code")),
        sa.CheckConstraint("char_length(path) <= 255", name=op.f("ck_bins_path_length")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_bins_location_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["bins.id"], name=op.f("fk_bins_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bins")),
    )
    op.create_index(
        op.f("ix_bins_location_id_path_folded_id"), "bins", ["location_id", "path_folded", "id"], unique=False
    )
    op.create_index(op.f("ix_bins_parent_id"), "bins", ["parent_id"], unique=False)
    op.create_index("uq_bins_path", "bins", ["location_id", "path_folded"], unique=True)
    op.create_table(
        "stock_counts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            server_default=sa.text("nextval('stock_count_numbers'::regclass)"),
            nullable=False,
        ),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_blind", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("submitted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("approved_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('CYCLE', 'FULL')", name=op.f("ck_stock_counts_kind_known")),
        sa.CheckConstraint(
            "status IN ('OPEN', 'SUBMITTED', 'APPROVED', 'CANCELLED')", name=op.f("ck_stock_counts_status_known")
        ),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_stock_counts_reference_filled"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_counts_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_counts")),
    )
    op.create_index(op.f("ix_stock_counts_created_at_id"), "stock_counts", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_stock_counts_location_id_created_at_id"),
        "stock_counts",
        ["location_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stock_counts_status_created_at_id"), "stock_counts", ["status", "created_at", "id"], unique=False
    )
    op.create_index("uq_stock_counts_number", "stock_counts", ["number"], unique=True)
    op.create_table(
        "stock_transfers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            server_default=sa.text("nextval('stock_transfer_numbers'::regclass)"),
            nullable=False,
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("origin_id", sa.UUID(), nullable=False),
        sa.Column("destination_id", sa.UUID(), nullable=False),
        sa.Column("transit_id", sa.UUID(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("dispatched_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'READY', 'DISPATCHED', 'PARTIALLY_RECEIVED', 'RECEIVED', 'CANCELLED')",
            name=op.f("ck_stock_transfers_status_known"),
        ),
        sa.CheckConstraint("origin_id <> destination_id", name=op.f("ck_stock_transfers_goes_elsewhere")),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_stock_transfers_reference_filled"),
        ),
        sa.ForeignKeyConstraint(["destination_id"], ["locations.id"], name=op.f("fk_stock_transfers_destination_id")),
        sa.ForeignKeyConstraint(["origin_id"], ["locations.id"], name=op.f("fk_stock_transfers_origin_id")),
        sa.ForeignKeyConstraint(["transit_id"], ["locations.id"], name=op.f("fk_stock_transfers_transit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_transfers")),
    )
    op.create_index(op.f("ix_stock_transfers_created_at_id"), "stock_transfers", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_stock_transfers_destination_id_created_at_id"),
        "stock_transfers",
        ["destination_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stock_transfers_origin_id_created_at_id"),
        "stock_transfers",
        ["origin_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stock_transfers_status_created_at_id"), "stock_transfers", ["status", "created_at", "id"], unique=False
    )
    op.create_index("uq_stock_transfers_number", "stock_transfers", ["number"], unique=True)
    op.create_table(
        "lots",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "number_folded", sa.Text(collation="C"), sa.Computed("lower(number)", persisted=True), nullable=False
        ),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("recalled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("recall_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(recalled_at IS NULL) = (recall_reason IS NULL)", name=op.f("ck_lots_recalled_with_reason")
        ),
        sa.CheckConstraint(
            "number = btrim(number) AND char_length(number) BETWEEN 1 AND 100", name=op.f("ck_lots_number_filled")
        ),
        sa.CheckConstraint(
            "recall_reason = btrim(recall_reason) AND char_length(recall_reason) BETWEEN 1 AND 255",
            name=op.f("ck_lots_recall_reason_filled"),
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_lots_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
    )
    op.create_index(op.f("ix_lots_created_at_id"), "lots", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_lots_expires_on_id"), "lots", ["expires_on", "id"], unique=False)
    op.create_index(op.f("ix_lots_number_folded_id"), "lots", ["number_folded", "id"], unique=False)
    op.create_index("uq_lots_number", "lots", ["variant_id", "number_folded"], unique=True)
    op.create_table(
        "stock_channel_rules",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("channel_id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=True),
        sa.Column("buffer", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("cap", sa.Numeric(precision=15, scale=6), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (buffer, cap)", name=op.f("ck_stock_channel_rules_numbers")),
        sa.CheckConstraint("buffer > 0 OR cap IS NOT NULL", name=op.f("ck_stock_channel_rules_says_something")),
        sa.CheckConstraint("buffer >= 0 AND cap >= 0", name=op.f("ck_stock_channel_rules_not_negative")),
        sa.ForeignKeyConstraint(["channel_id"], ["sales_channels.id"], name=op.f("fk_stock_channel_rules_channel_id")),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["product_variants.id"], name=op.f("fk_stock_channel_rules_variant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_channel_rules")),
    )
    op.create_index(
        op.f("ix_stock_channel_rules_created_at_id"), "stock_channel_rules", ["created_at", "id"], unique=False
    )
    op.create_index(
        "uq_stock_channel_rules_variant",
        "stock_channel_rules",
        ["channel_id", "variant_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "stock_policies",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("cost_method", sa.Text(), server_default=sa.text("'FIFO'"), nullable=False),
        sa.Column("tracks_lots", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("backorders", sa.Text(), server_default=sa.text("'DENY'"), nullable=False),
        sa.Column("backorder_limit", sa.Numeric(precision=15, scale=6), nullable=True),
        sa.Column("preorder_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (backorder_limit)", name=op.f("ck_stock_policies_numbers")),
        sa.CheckConstraint(
            "(backorders = 'LIMIT') = (backorder_limit IS NOT NULL)", name=op.f("ck_stock_policies_limit_with_policy")
        ),
        sa.CheckConstraint(
            "(backorders = 'PREORDER') = (preorder_on IS NOT NULL)", name=op.f("ck_stock_policies_preorder_with_day")
        ),
        sa.CheckConstraint(
            "backorders IN ('DENY', 'ALLOW', 'LIMIT', 'PREORDER')", name=op.f("ck_stock_policies_backorders_known")
        ),
        sa.CheckConstraint(
            "cost_method IN ('FIFO', 'MOVING_AVERAGE')", name=op.f("ck_stock_policies_cost_method_known")
        ),
        sa.CheckConstraint("backorder_limit > 0", name=op.f("ck_stock_policies_limit_positive")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_policies_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_policies")),
    )
    op.create_index(op.f("ix_stock_policies_created_at_id"), "stock_policies", ["created_at", "id"], unique=False)
    op.create_index("uq_stock_policies_variant_id", "stock_policies", ["variant_id"], unique=True)
    op.create_table(
        "stock_pools",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("channel_id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("held", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (held)", name=op.f("ck_stock_pools_numbers")),
        sa.CheckConstraint("held >= 0", name=op.f("ck_stock_pools_held_not_negative")),
        sa.ForeignKeyConstraint(["channel_id"], ["sales_channels.id"], name=op.f("fk_stock_pools_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_pools_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_pools_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_pools")),
    )
    op.create_index(op.f("ix_stock_pools_created_at_id"), "stock_pools", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_stock_pools_variant_id_location_id"), "stock_pools", ["variant_id", "location_id"], unique=False
    )
    op.create_index("uq_stock_pools_place", "stock_pools", ["channel_id", "variant_id", "location_id"], unique=True)
    op.create_table(
        "stock_transfer_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("transfer_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("dispatched", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("received", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("lost", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "'NaN' NOT IN (quantity, dispatched, received, lost)", name=op.f("ck_stock_transfer_lines_numbers")
        ),
        sa.CheckConstraint("dispatched BETWEEN 0 AND quantity", name=op.f("ck_stock_transfer_lines_dispatched_within")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_transfer_lines_quantity_positive")),
        sa.CheckConstraint(
            "received >= 0 AND lost >= 0 AND received + lost <= dispatched",
            name=op.f("ck_stock_transfer_lines_arrived_within"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["stock_transfers.id"], name=op.f("fk_stock_transfer_lines_transfer_id")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["product_variants.id"], name=op.f("fk_stock_transfer_lines_variant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_transfer_lines")),
    )
    op.create_index(op.f("ix_stock_transfer_lines_variant_id"), "stock_transfer_lines", ["variant_id"], unique=False)
    op.create_index(
        "uq_stock_transfer_lines_position", "stock_transfer_lines", ["transfer_id", "position"], unique=True
    )
    op.create_index(
        "uq_stock_transfer_lines_variant", "stock_transfer_lines", ["transfer_id", "variant_id"], unique=True
    )
    op.create_table(
        "stock_contents",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("level_id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("bin_id", sa.UUID(), nullable=True),
        sa.Column("lot_id", sa.UUID(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("live", sa.Boolean(), sa.Computed("quantity > 0", persisted=True), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (quantity)", name=op.f("ck_stock_contents_numbers")),
        sa.CheckConstraint(
            "state IN ('QUALITY_CONTROL', 'DAMAGED', 'ON_HOLD', 'SAFETY', 'EXPIRED')",
            name=op.f("ck_stock_contents_state_known"),
        ),
        sa.CheckConstraint(
            "bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL",
            name=op.f("ck_stock_contents_says_something"),
        ),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_contents_quantity_not_negative")),
        sa.ForeignKeyConstraint(["bin_id"], ["bins.id"], name=op.f("fk_stock_contents_bin_id")),
        sa.ForeignKeyConstraint(["level_id"], ["stock_levels.id"], name=op.f("fk_stock_contents_level_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_stock_contents_lot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_contents")),
        info={"read_only": True},
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_stock_contents_bin_id", "stock_contents", ["bin_id", "id"], unique=False, postgresql_where=sa.text("live")
    )
    op.create_index(
        "ix_stock_contents_level", "stock_contents", ["level_id", "id"], unique=False, postgresql_where=sa.text("live")
    )
    op.create_index(
        "ix_stock_contents_lot_id", "stock_contents", ["lot_id", "id"], unique=False, postgresql_where=sa.text("live")
    )
    op.create_index(
        "uq_stock_contents_place",
        "stock_contents",
        ["variant_id", "location_id", "bin_id", "lot_id", "state"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "stock_count_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("count_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("bin_id", sa.UUID(), nullable=True),
        sa.Column("lot_id", sa.UUID(), nullable=True),
        sa.Column("expected", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("moved", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("counted", sa.Numeric(precision=15, scale=6), nullable=True),
        sa.Column("counted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("counted_by", sa.Text(), nullable=True),
        sa.Column("rounds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("'NaN' NOT IN (expected, counted, moved)", name=op.f("ck_stock_count_lines_numbers")),
        sa.CheckConstraint(
            "(counted IS NULL) = (counted_at IS NULL)", name=op.f("ck_stock_count_lines_counted_with_instant")
        ),
        sa.CheckConstraint("expected >= 0 AND counted >= 0", name=op.f("ck_stock_count_lines_not_negative")),
        sa.CheckConstraint("rounds >= 0", name=op.f("ck_stock_count_lines_rounds_not_negative")),
        sa.ForeignKeyConstraint(["bin_id"], ["bins.id"], name=op.f("fk_stock_count_lines_bin_id")),
        sa.ForeignKeyConstraint(["count_id"], ["stock_counts.id"], name=op.f("fk_stock_count_lines_count_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_stock_count_lines_lot_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_count_lines_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_count_lines")),
    )
    op.create_index(op.f("ix_stock_count_lines_variant_id"), "stock_count_lines", ["variant_id"], unique=False)
    op.create_index(
        "uq_stock_count_lines_place",
        "stock_count_lines",
        ["count_id", "variant_id", "bin_id", "lot_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("uq_stock_count_lines_position", "stock_count_lines", ["count_id", "position"], unique=True)
    op.add_column("cost_layers", sa.Column("base_quantity", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("cost_layers", sa.Column("base_value", sa.Numeric(precision=18, scale=6), nullable=True))
    op.create_index(
        op.f("ix_cost_layers_variant_id_location_id_founded_at_id"),
        "cost_layers",
        ["variant_id", "location_id", "founded_at", "id"],
        unique=False,
    )
    op.add_column(
        "locations", sa.Column("allows_oversell", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "stock_backorders", sa.Column("priority", sa.Integer(), server_default=sa.text("100"), nullable=False)
    )
    op.drop_index(op.f("ix_stock_backorders_variant_id_since_source"), table_name="stock_backorders")
    op.create_index(
        op.f("ix_stock_backorders_variant_id_priority_since_source"),
        "stock_backorders",
        ["variant_id", "priority", "since", "source"],
        unique=False,
    )
    op.add_column("stock_discrepancies", sa.Column("expected", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("reported", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("system", sa.Text(collation="C"), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("source", sa.Text(collation="C"), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("resolution", sa.Text(), nullable=True))
    op.add_column("stock_discrepancies", sa.Column("note", sa.Text(), nullable=True))
    op.add_column(
        "stock_discrepancies", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.create_index(op.f("ix_stock_discrepancies_source"), "stock_discrepancies", ["source"], unique=False)
    op.create_index(
        op.f("ix_stock_discrepancies_variant_id_opened_at_id"),
        "stock_discrepancies",
        ["variant_id", "opened_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_stock_discrepancies_waiting",
        "stock_discrepancies",
        ["opened_at", "id"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "uq_stock_discrepancies_open",
        "stock_discrepancies",
        ["system", "variant_id", "location_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'EXTERNAL' AND settled_at IS NULL"),
    )
    op.add_column(
        "stock_levels",
        sa.Column("placed", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("stock_levels", sa.Column("reorder_point", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_levels", sa.Column("safety_stock", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_levels", sa.Column("min_quantity", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_levels", sa.Column("max_quantity", sa.Numeric(precision=15, scale=6), nullable=True))
    op.add_column("stock_movements", sa.Column("bin_id", sa.UUID(), nullable=True))
    op.add_column("stock_movements", sa.Column("lot_id", sa.UUID(), nullable=True))
    op.add_column("stock_movements", sa.Column("state", sa.Text(), nullable=True))
    op.add_column("stock_movements", sa.Column("founded_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "ix_stock_movements_bin_id",
        "stock_movements",
        ["bin_id", "recorded_at", "id"],
        unique=False,
        postgresql_where=sa.text("bin_id IS NOT NULL"),
    )
    op.create_index(
        "ix_stock_movements_lot_id",
        "stock_movements",
        ["lot_id", "recorded_at", "id"],
        unique=False,
        postgresql_where=sa.text("lot_id IS NOT NULL"),
    )
    op.create_index(
        "ix_stock_movements_replay",
        "stock_movements",
        ["variant_id", "location_id", "effective_at"],
        unique=False,
        postgresql_include=["recorded_at", "quantity", "value_amount"],
    )
    op.add_column("stock_receipts", sa.Column("supplier", sa.Text(), nullable=True))
    for (table, name), condition in CHECKS.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck_{table}_{name}")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    for statement in BACKFILL:
        op.execute(statement)
    op.alter_column("cost_layers", "base_quantity", nullable=False)
    op.alter_column("cost_layers", "base_value", nullable=False)
    op.alter_column("stock_discrepancies", "seen_at", nullable=False)
    op.execute(ACCOUNT)
    for statement in GUARDS:
        op.execute(statement)
