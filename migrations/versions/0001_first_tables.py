"""The first tables: the business, apps and tokens, the catalog, the event log, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.types import XID8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# RFC 9562, section 5.7: 48 bits of milliseconds, then random bits, version and variant set over them. The owner's
# default would let everybody execute functions; a definer function could then be hung on a temporary table.
FUNCTIONS = (
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    """
CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1),
    'hex')::uuid
$$
""",
    """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are permanent', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege', HINT = 'Correct it by a new row.';
END $$
""",
)

EVENTS_ARE_PERMANENT = """
CREATE TRIGGER events_permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    for statement in FUNCTIONS:
        op.execute(statement)
    op.create_table(
        "apps",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("cost_per_second", sa.Integer(), nullable=True),
        sa.Column("disabled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_apps_name_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apps")),
    )
    op.create_index("uq_apps_name", "apps", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "business",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("fiscal_year_start", sa.Text(), nullable=False),
        sa.CheckConstraint("base_currency ~ '^[A-Z]{3}$'", name=op.f("ck_business_base_currency_code")),
        sa.CheckConstraint(
            "fiscal_year_start ~ '^(0[1-9]|1[0-2])-([0-2][0-9]|3[01])$'", name=op.f("ck_business_fiscal_year_start_day")
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_business_name_filled")
        ),
        sa.CheckConstraint("one", name=op.f("ck_business_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_business")),
    )
    op.create_table(
        "event_epoch",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_event_epoch_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_event_epoch")),
    )
    op.create_table(
        "event_heads",
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("order_key", XID8(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_event_heads")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("order_key", XID8(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True, cache=1), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("app", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("act", sa.UUID(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("subject", "version", name=op.f("uq_events_subject_version")),
    )
    op.create_index("ix_events_act", "events", ["act"], unique=False)
    op.create_index("ix_events_order", "events", ["epoch", "order_key", "seq"], unique=True)
    op.create_index("ix_events_type_order", "events", ["type", "epoch", "order_key", "seq"], unique=False)
    op.create_table(
        "external_references",
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("system", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("row", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint(
            "char_length(external_id) BETWEEN 1 AND 255", name=op.f("ck_external_references_external_id_filled")
        ),
        sa.CheckConstraint("char_length(system) BETWEEN 1 AND 64", name=op.f("ck_external_references_system_filled")),
        sa.PrimaryKeyConstraint("noun", "system", "external_id", name=op.f("pk_external_references")),
    )
    op.create_index("ix_external_references_row_system", "external_references", ["row", "system"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("mutation", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_keys_key_filled")),
        sa.PrimaryKeyConstraint("actor", "mutation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "products",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(collation="C"), sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column("slug", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('simple'::regconfig, name)", persisted=True),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 120", name=op.f("ck_products_slug_form")
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'ACTIVE', 'DISCONTINUED', 'ARCHIVED')", name=op.f("ck_products_status_known")
        ),
        sa.CheckConstraint("char_length(description) <= 50000", name=op.f("ck_products_description_length")),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_products_name_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_index("ix_products_created_at_id", "products", ["created_at", "id"], unique=False)
    op.create_index("ix_products_name_folded_id", "products", ["name_folded", "id"], unique=False)
    op.create_index("ix_products_search", "products", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_products_status_created_at_id", "products", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_products_updated_at_id", "products", ["updated_at", "id"], unique=False)
    op.create_index("uq_products_slug", "products", ["slug"], unique=True)
    op.create_table(
        "sales_channels",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("tax_mode", sa.Text(), nullable=False),
        sa.Column("default_location_name", sa.Text(), nullable=True),
        sa.Column("price_list_name", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_sales_channels_currency_code")),
        sa.CheckConstraint(
            "kind IN ('ONLINE_STORE', 'MARKETPLACE', 'POINT_OF_SALE', 'WHOLESALE', 'PHONE')",
            name=op.f("ck_sales_channels_kind_known"),
        ),
        sa.CheckConstraint("tax_mode IN ('INCLUSIVE', 'EXCLUSIVE')", name=op.f("ck_sales_channels_tax_mode_known")),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_sales_channels_name_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_channels")),
    )
    op.create_index("ix_sales_channels_created_at_id", "sales_channels", ["created_at", "id"], unique=False)
    op.create_index(
        "uq_sales_channels_default",
        "sales_channels",
        ["is_default"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_index("uq_sales_channels_name", "sales_channels", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "units",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("numerator", sa.Integer(), nullable=False),
        sa.Column("denominator", sa.Integer(), nullable=False),
        sa.CheckConstraint("code ~ '^[A-Z0-9]{1,12}$'", name=op.f("ck_units_code_form")),
        sa.CheckConstraint(
            "dimension IN ('COUNT', 'MASS', 'LENGTH', 'AREA', 'VOLUME', 'TIME')", name=op.f("ck_units_dimension_known")
        ),
        sa.CheckConstraint("decimals BETWEEN 0 AND 6", name=op.f("ck_units_decimals_range")),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_units_name_filled")
        ),
        sa.CheckConstraint("numerator > 0 AND denominator > 0", name=op.f("ck_units_factor_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
    )
    op.create_index("uq_units_code", "units", ["code"], unique=True)
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("limited", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_access_tokens_expires_later")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_access_tokens_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
    )
    op.create_index("ix_access_tokens_app_id", "access_tokens", ["app_id"], unique=False)
    op.create_index("ix_access_tokens_expires_at", "access_tokens", ["expires_at"], unique=False)
    op.create_index("uq_access_tokens_hash", "access_tokens", ["hash"], unique=True)
    op.create_table(
        "product_variants",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("sku_folded", sa.Text(collation="C"), sa.Computed("lower(sku)", persisted=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(collation="C"), sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column("barcode", sa.Text(collation="C"), nullable=True),
        sa.Column("price_amount", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("price_currency", sa.Text(), nullable=True),
        sa.Column("unit_id", sa.UUID(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("price_currency ~ '^[A-Z]{3}$'", name=op.f("ck_product_variants_price_currency_code")),
        sa.CheckConstraint(
            "(price_amount IS NULL) = (price_currency IS NULL)", name=op.f("ck_product_variants_price_whole")
        ),
        sa.CheckConstraint(
            "barcode = btrim(barcode) AND char_length(barcode) BETWEEN 1 AND 100",
            name=op.f("ck_product_variants_barcode_filled"),
        ),
        sa.CheckConstraint(
            "name = btrim(name) AND char_length(name) BETWEEN 1 AND 255", name=op.f("ck_product_variants_name_filled")
        ),
        sa.CheckConstraint("position BETWEEN 1 AND 250", name=op.f("ck_product_variants_position_range")),
        sa.CheckConstraint("price_amount >= 0", name=op.f("ck_product_variants_price_not_negative")),
        sa.CheckConstraint(
            "sku = btrim(sku) AND char_length(sku) BETWEEN 1 AND 100", name=op.f("ck_product_variants_sku_filled")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_product_variants_product_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_product_variants_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_variants")),
        sa.UniqueConstraint(
            "product_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_product_variants_product_id_position"),
        ),
    )
    op.create_index("ix_product_variants_created_at_id", "product_variants", ["created_at", "id"], unique=False)
    op.create_index("ix_product_variants_name_folded_id", "product_variants", ["name_folded", "id"], unique=False)
    op.create_index("uq_product_variants_barcode", "product_variants", ["barcode"], unique=True)
    op.create_index("uq_product_variants_sku", "product_variants", ["sku_folded"], unique=True)
    op.create_table(
        "cost_buckets",
        sa.Column("token_id", sa.UUID(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["access_tokens.id"], name=op.f("fk_cost_buckets_token_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_cost_buckets")),
        prefixes=["UNLOGGED"],
    )
    op.execute(EVENTS_ARE_PERMANENT)
    op.execute("INSERT INTO event_epoch (epoch) VALUES (1)")
