"""Stock: locations, levels, movements, cost layers, claims, and what keeps them equal to the books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The guards look up by index whatever the tables looked like when a connection planned them first: plans cached on
# near-empty tables were fifteen times slower.
PLANNED = "SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

GUARDS = (
    # Levels and layers are sums of movements. The functions that move them belong to the owner; at any other moment
    # (no trigger is running) a change of these columns is refused to everyone.
    """
CREATE FUNCTION refuse_direct_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: it follows from stock_movements', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege', HINT = 'Insert a movement.';
END $$
""",
    """
CREATE TRIGGER stock_levels_follow BEFORE UPDATE OF id, variant_id, location_id, on_hand, value_amount, value_currency
  ON stock_levels FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_change()
""",
    f"""
CREATE FUNCTION guard_stock_level() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
BEGIN
  IF NEW.on_hand <> 0 OR NEW.value_amount <> 0 THEN
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
    """
CREATE TRIGGER stock_levels_begin_empty BEFORE INSERT ON stock_levels
  FOR EACH ROW EXECUTE FUNCTION guard_stock_level()
""",
    """
CREATE TRIGGER stock_levels_stay BEFORE DELETE OR TRUNCATE ON stock_levels
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change()
""",
    """
CREATE TRIGGER cost_layers_follow BEFORE INSERT OR UPDATE ON cost_layers
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_change()
""",
    """
CREATE TRIGGER cost_layers_stay BEFORE DELETE OR TRUNCATE ON cost_layers
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_change()
""",
    """
CREATE TRIGGER stock_movements_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movements
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    f"""
CREATE FUNCTION follow_stock_movements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PLANNED} AS $$
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
  INSERT INTO cost_layers (id, variant_id, location_id, quantity, value_amount, founded_at)
  SELECT id, variant_id, location_id, quantity, value_amount, effective_at FROM fresh WHERE layer_id IS NULL;
  SELECT count(DISTINCT layer_id) INTO wanted FROM fresh WHERE layer_id IS NOT NULL;
  IF wanted > 0 THEN
    UPDATE cost_layers AS layer
    SET quantity = layer.quantity + drawn.quantity, value_amount = layer.value_amount + drawn.value_amount
    FROM (
      SELECT layer_id, variant_id, location_id, sum(quantity) AS quantity, sum(value_amount) AS value_amount
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
    value_amount = level.value_amount + moved.value_amount, version = level.version + 1
  FROM (
    SELECT variant_id, location_id, value_currency, sum(quantity) AS quantity, sum(allocated) AS allocated,
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
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER stock_movements_followed AFTER INSERT ON stock_movements REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION follow_stock_movements()
""",
    # The tie of the two books: checked at once, set-based, by the one statement that can bring an entry its lines.
    f"""
CREATE FUNCTION tie_journal_to_stock() RETURNS trigger LANGUAGE plpgsql {PLANNED} AS $$
DECLARE
  fault record;
BEGIN
  SELECT side.entry_id, side.account_id, sum(side.amount) AS amount INTO fault FROM (
    SELECT line.entry_id, line.account_id, line.debit_base - line.credit_base AS amount
    FROM fresh AS line
    CROSS JOIN LATERAL (SELECT role FROM accounts WHERE id = line.account_id OFFSET 0) AS account
    WHERE account.role = 'INVENTORY'
    UNION ALL
    SELECT moved.entry_id, moved.account_id, -moved.value_amount
    FROM (SELECT DISTINCT entry_id FROM fresh) AS named
    CROSS JOIN LATERAL (
      SELECT entry_id, account_id, value_amount FROM stock_movements WHERE entry_id = named.entry_id OFFSET 0) AS moved
  ) AS side
  GROUP BY side.entry_id, side.account_id HAVING sum(side.amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the inventory lines of entry % differ from its movements by %', fault.entry_id, fault.amount
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_equals_movements';
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER journal_lines_tied_to_stock AFTER INSERT ON journal_lines REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION tie_journal_to_stock()
""",
)


def upgrade() -> None:
    op.create_table(
        "cost_layers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("value_amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("founded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("live", sa.Boolean(), sa.Computed("quantity > 0", persisted=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_cost_layers_quantity_not_negative")),
        sa.CheckConstraint(
            "value_amount >= 0 AND (quantity > 0 OR value_amount = 0)", name=op.f("ck_cost_layers_value_of_goods")
        ),
        sa.CheckConstraint("'NaN' NOT IN (quantity, value_amount)", name=op.f("ck_cost_layers_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_layers")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_cost_layers_live",
        "cost_layers",
        ["variant_id", "location_id", "founded_at", "id"],
        unique=False,
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(collation="C"), sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('WAREHOUSE', 'STORE', 'THIRD_PARTY', 'SUPPLIER', 'TRANSIT', 'VIRTUAL')",
            name=op.f("ck_locations_kind_known"),
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_locations_name_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
    )
    op.create_index(op.f("ix_locations_created_at_id"), "locations", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_locations_priority_id"), "locations", ["priority", "id"], unique=False)
    op.create_index("uq_locations_name", "locations", ["name_folded"], unique=True)
    op.create_table(
        "stock_reservations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('ACTIVE', 'EXPIRED', 'RELEASED', 'CONSUMED')", name=op.f("ck_stock_reservations_outcome_known")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (closed_at IS NULL)", name=op.f("ck_stock_reservations_closed_with_outcome")
        ),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_stock_reservations_reference_filled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_reservations")),
    )
    op.create_index(
        op.f("ix_stock_reservations_created_at_id"), "stock_reservations", ["created_at", "id"], unique=False
    )
    op.create_index(
        "ix_stock_reservations_open",
        "stock_reservations",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "stock_receipts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_stock_receipts_reference_filled"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_receipts_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_receipts")),
    )
    op.create_index(op.f("ix_stock_receipts_received_at_id"), "stock_receipts", ["received_at", "id"], unique=False)
    op.create_table(
        "incoming_stock",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("outstanding", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "quantity > 0 AND outstanding BETWEEN 0 AND quantity", name=op.f("ck_incoming_stock_outstanding_within")
        ),
        sa.CheckConstraint(
            "reference = btrim(reference) AND char_length(reference) BETWEEN 1 AND 255",
            name=op.f("ck_incoming_stock_reference_filled"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_incoming_stock_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_incoming_stock_variant_id")),
        sa.CheckConstraint("'NaN' NOT IN (quantity, outstanding)", name=op.f("ck_incoming_stock_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_stock")),
    )
    op.create_index(op.f("ix_incoming_stock_due_on_id"), "incoming_stock", ["due_on", "id"], unique=False)
    op.create_index(
        op.f("ix_incoming_stock_variant_id_due_on"), "incoming_stock", ["variant_id", "due_on"], unique=False
    )
    op.create_table(
        "stock_allocations",
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("document", sa.Text(collation="C"), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("allocated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_allocations_quantity_positive")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_allocations_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_allocations_variant_id")),
        sa.CheckConstraint("'NaN' NOT IN (quantity)", name=op.f("ck_stock_allocations_numbers")),
        sa.PrimaryKeyConstraint("source", "location_id", name=op.f("pk_stock_allocations")),
    )
    op.create_index(op.f("ix_stock_allocations_document"), "stock_allocations", ["document"], unique=False)
    op.create_index(
        op.f("ix_stock_allocations_variant_id_location_id_allocated_at_source"),
        "stock_allocations",
        ["variant_id", "location_id", "allocated_at", "source"],
        unique=False,
    )
    op.create_table(
        "stock_backorders",
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("document", sa.Text(collation="C"), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_backorders_quantity_positive")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_backorders_variant_id")),
        sa.CheckConstraint("'NaN' NOT IN (quantity)", name=op.f("ck_stock_backorders_numbers")),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_stock_backorders")),
    )
    op.create_index(op.f("ix_stock_backorders_document"), "stock_backorders", ["document"], unique=False)
    op.create_index(
        op.f("ix_stock_backorders_variant_id_since_source"),
        "stock_backorders",
        ["variant_id", "since", "source"],
        unique=False,
    )
    op.create_table(
        "stock_discrepancies",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint("kind IN ('SHORTFALL')", name=op.f("ck_stock_discrepancies_kind_known")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_stock_discrepancies_quantity_positive")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_discrepancies_location_id")),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["product_variants.id"], name=op.f("fk_stock_discrepancies_variant_id")
        ),
        sa.CheckConstraint("'NaN' NOT IN (quantity)", name=op.f("ck_stock_discrepancies_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_discrepancies")),
    )
    op.create_index(
        op.f("ix_stock_discrepancies_opened_at_id"), "stock_discrepancies", ["opened_at", "id"], unique=False
    )
    op.create_table(
        "stock_levels",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("on_hand", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("allocated", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("unavailable", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("value_amount", sa.Numeric(precision=18, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("value_currency", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("value_currency ~ '^[A-Z]{3}$'", name=op.f("ck_stock_levels_value_currency_code")),
        sa.CheckConstraint(
            "allocated >= 0 AND reserved >= 0 AND unavailable >= 0", name=op.f("ck_stock_levels_claims_not_negative")
        ),
        sa.CheckConstraint(
            "on_hand - allocated - reserved - unavailable >= 0", name=op.f("ck_stock_levels_never_oversold")
        ),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_stock_levels_on_hand_not_negative")),
        sa.CheckConstraint(
            "value_amount >= 0 AND (on_hand > 0 OR value_amount = 0)", name=op.f("ck_stock_levels_value_of_goods")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_levels_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["product_variants.id"], name=op.f("fk_stock_levels_variant_id")),
        sa.CheckConstraint(
            "'NaN' NOT IN (on_hand, allocated, reserved, unavailable, value_amount)",
            name=op.f("ck_stock_levels_numbers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_levels")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(op.f("ix_stock_levels_created_at_id"), "stock_levels", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_stock_levels_location_id_id"), "stock_levels", ["location_id", "id"], unique=False)
    op.create_index("uq_stock_levels_place", "stock_levels", ["variant_id", "location_id"], unique=True)
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("layer_id", sa.UUID(), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("allocated", sa.Numeric(precision=15, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("value_amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("value_currency", sa.Text(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(collation="C"), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.CheckConstraint("kind IN ('RECEIPT', 'SHIPMENT', 'ADJUSTMENT')", name=op.f("ck_stock_movements_kind_known")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 64", name=op.f("ck_stock_movements_reason_length")),
        sa.CheckConstraint(
            "layer_id IS NOT NULL OR (quantity > 0 AND value_amount >= 0)",
            name=op.f("ck_stock_movements_founds_with_goods"),
        ),
        sa.CheckConstraint("quantity <> 0 OR value_amount <> 0", name=op.f("ck_stock_movements_moves_something")),
        sa.CheckConstraint("value_amount = 0 OR entry_id IS NOT NULL", name=op.f("ck_stock_movements_value_is_posted")),
        sa.CheckConstraint("'NaN' NOT IN (quantity, allocated, value_amount)", name=op.f("ck_stock_movements_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
    )
    op.create_index(op.f("ix_stock_movements_act"), "stock_movements", ["act"], unique=False)
    op.create_index(op.f("ix_stock_movements_effective_at_id"), "stock_movements", ["effective_at", "id"], unique=False)
    op.create_index(op.f("ix_stock_movements_entry_id"), "stock_movements", ["entry_id"], unique=False)
    op.create_index(
        op.f("ix_stock_movements_location_id_recorded_at_id"),
        "stock_movements",
        ["location_id", "recorded_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stock_movements_kind_recorded_at_id"),
        "stock_movements",
        ["kind", "recorded_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_stock_movements_recorded_at_id"), "stock_movements", ["recorded_at", "id"], unique=False)
    op.create_index(op.f("ix_stock_movements_source"), "stock_movements", ["source"], unique=False)
    op.create_index(
        op.f("ix_stock_movements_variant_id_recorded_at_id"),
        "stock_movements",
        ["variant_id", "recorded_at", "id"],
        unique=False,
    )
    op.create_table(
        "stock_reservation_lines",
        sa.Column("reservation_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("held", sa.Numeric(precision=15, scale=6), nullable=False),
        sa.Column("open", sa.Boolean(), sa.Computed("held > 0", persisted=True), nullable=False),
        sa.CheckConstraint(
            "quantity > 0 AND held BETWEEN 0 AND quantity", name=op.f("ck_stock_reservation_lines_held_within")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_reservation_lines_location_id")),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["stock_reservations.id"], name=op.f("fk_stock_reservation_lines_reservation_id")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["product_variants.id"], name=op.f("fk_stock_reservation_lines_variant_id")
        ),
        sa.CheckConstraint("'NaN' NOT IN (quantity, held)", name=op.f("ck_stock_reservation_lines_numbers")),
        sa.PrimaryKeyConstraint("reservation_id", "n", name=op.f("pk_stock_reservation_lines")),
    )
    op.create_index(
        "ix_stock_reservation_lines_held",
        "stock_reservation_lines",
        ["variant_id", "location_id"],
        unique=False,
        postgresql_where=sa.text("open"),
    )
    for statement in GUARDS:
        op.execute(statement)
