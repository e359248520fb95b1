"""What the database insists on, in words, and what must hold in every committed state."""

from domain.kernel.constraints import explain
from domain.kernel.invariants import invariant
from domain.stock.errors import InsufficientStock

_AGAIN = "Somebody else changed this stock at the same moment. Try again."

explain("uq_locations_name", "There is a location of this name already: {value}.", path=("input", "name"))
explain("uq_stock_levels_place", _AGAIN)
explain("uq_bins_path", "There is a bin of this path at the location already: {value}.", path=("input", "bins"))
explain("uq_lots_number", "There is a lot of this number already: {value}.", path=("input", "number"))
explain("uq_stock_contents_place", _AGAIN)
explain("uq_stock_discrepancies_open", _AGAIN)
explain("uq_stock_policies_variant_id", _AGAIN)
explain("uq_stock_pools_place", _AGAIN)
explain("uq_stock_backorders_id", _AGAIN)
explain("uq_stock_channel_rules_variant", _AGAIN)
explain("uq_stock_transfers_number", "Another transfer took this number at the same moment. Try again.")
explain(
    "uq_stock_transfer_lines_position", "Two lines cannot have the same place in one transfer.", path=("input", "lines")
)
explain("uq_stock_transfer_lines_variant", "Name each variant once in a transfer.", path=("input", "lines"))
explain("uq_stock_counts_number", "Another count took this number at the same moment. Try again.")
explain("uq_stock_count_lines_position", "Two lines cannot have the same place in one count.", path=("input", "lines"))
explain("uq_stock_count_lines_place", "Name each variant, bin and lot once in a count.", path=("input", "lines"))
# Operations look first, under the lock of the level. These are what is left when one forgets to.
explain("ck_stock_levels_never_oversold", "Less is available than was asked for.", refusal=InsufficientStock)
explain("ck_stock_levels_on_hand_not_negative", "Less is on hand than was asked for.", refusal=InsufficientStock)
explain("ck_stock_levels_claims_not_negative", _AGAIN)
explain("ck_stock_contents_quantity_not_negative", "Less lies there than was asked for.", refusal=InsufficientStock)
explain("ck_stock_levels_placed_within", "Less lies there than was asked for.", refusal=InsufficientStock)
explain("ck_cost_layers_quantity_not_negative", "Less is on hand than was asked for.", refusal=InsufficientStock)
explain("ck_stock_movements_value_is_posted", "A movement of value needs its entry in the books.")
explain("stock_level_currency", "A level is valued in the currency of the books.")
explain("stock_movement_entry", "A movement belongs to an entry of the same act that has no lines yet.")
explain("stock_movement_account", "Stock stands on an inventory account, in the currency of the books.")
explain("stock_movement_layer", "A movement draws from a cost layer of its own variant and location.")
explain("stock_movement_lot", "This variant is kept by lots: every movement names one.")
explain("stock_movement_content", "A movement names a bin of its location and a lot of its variant.")
explain("stock_movement_level", "A movement needs the level of its variant and location.")
explain("journal_entry_equals_movements", "The inventory lines of an entry equal the value of its movements.")

invariant(
    "levels are their movements",
    "What is on hand at a place, and its value, are the sums of the movements there.",
    """
    SELECT variant_id AS variant, location_id AS location,
      level.on_hand, moved.quantity, level.value_amount, moved.value
    FROM stock_levels AS level FULL JOIN (
      SELECT variant_id, location_id, sum(quantity) AS quantity, sum(value_amount) AS value
      FROM stock_movements GROUP BY variant_id, location_id) AS moved USING (variant_id, location_id)
    WHERE coalesce(level.on_hand, 0) <> coalesce(moved.quantity, 0)
      OR coalesce(level.value_amount, 0) <> coalesce(moved.value, 0)
    """,
)
invariant(
    "contents are their movements",
    "What lies in a bin, of a lot and in a state is the sum of the movements that say so.",
    """
    SELECT variant_id AS variant, location_id AS location, bin_id AS bin, lot_id AS lot, state,
      sum(quantity) AS differs_by
    FROM (
      SELECT variant_id, location_id, bin_id, lot_id, state, quantity FROM stock_contents
      UNION ALL
      SELECT variant_id, location_id, bin_id, lot_id, state, -quantity FROM stock_movements
      WHERE bin_id IS NOT NULL OR lot_id IS NOT NULL OR state IS NOT NULL
    ) AS side GROUP BY variant_id, location_id, bin_id, lot_id, state HAVING sum(quantity) <> 0
    """,
)
invariant(
    "levels are their contents",
    "What is placed at a level is the sum of its contents, and what is unavailable the sum of those in a state.",
    """
    SELECT level.id, level.placed, found.placed AS contents, level.unavailable, found.unavailable AS in_states
    FROM stock_levels AS level LEFT JOIN (
      SELECT level_id, sum(quantity) AS placed, sum(quantity) FILTER (WHERE state IS NOT NULL) AS unavailable
      FROM stock_contents GROUP BY level_id) AS found ON found.level_id = level.id
    WHERE level.placed <> coalesce(found.placed, 0) OR level.unavailable <> coalesce(found.unavailable, 0)
      OR level.placed > level.on_hand
    """,
)
invariant(
    "lots where they are demanded",
    "All that is on hand of a variant kept by lots belongs to one.",
    """
    SELECT level.id, level.on_hand, coalesce(sum(content.quantity), 0) AS in_lots FROM stock_levels AS level
    JOIN stock_policies AS policy ON policy.variant_id = level.variant_id AND policy.tracks_lots
    LEFT JOIN stock_contents AS content ON content.level_id = level.id AND content.lot_id IS NOT NULL
    GROUP BY level.id HAVING level.on_hand <> coalesce(sum(content.quantity), 0)
    """,
)
invariant(
    "months are their movements",
    "What moved in a month, as told in another, is the sum of those movements.",
    """
    SELECT variant_id AS variant, location_id AS location, effective_month, recorded_month,
      sum(quantity) AS quantity, sum(value) AS value
    FROM (
      SELECT variant_id, location_id, effective_month, recorded_month, quantity, value_amount AS value
      FROM stock_months
      UNION ALL
      SELECT variant_id, location_id, date_trunc('month', effective_at AT TIME ZONE 'UTC')::date,
        date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date, -quantity, -value_amount FROM stock_movements
    ) AS side GROUP BY variant_id, location_id, effective_month, recorded_month
    HAVING sum(quantity) <> 0 OR sum(value) <> 0
    """,
)
invariant(
    "layers are their movements",
    "What is left of a cost layer is what founded it and everything drawn from it.",
    """
    SELECT id AS layer, layer.quantity, moved.quantity AS moved, layer.value_amount, moved.value
    FROM cost_layers AS layer FULL JOIN (
      SELECT coalesce(layer_id, id) AS id, sum(quantity) AS quantity, sum(value_amount) AS value
      FROM stock_movements GROUP BY 1) AS moved USING (id)
    WHERE layer.quantity IS DISTINCT FROM moved.quantity OR layer.value_amount IS DISTINCT FROM moved.value
    """,
)
invariant(
    "layers are the stock",
    "The cost layers of a place sum to what is on hand there and to its value.",
    """
    SELECT variant_id AS variant, location_id AS location,
      level.on_hand, layers.quantity, level.value_amount, layers.value
    FROM stock_levels AS level FULL JOIN (
      SELECT variant_id, location_id, sum(quantity) AS quantity, sum(value_amount) AS value
      FROM cost_layers GROUP BY variant_id, location_id) AS layers USING (variant_id, location_id)
    WHERE coalesce(level.on_hand, 0) <> coalesce(layers.quantity, 0)
      OR coalesce(level.value_amount, 0) <> coalesce(layers.value, 0)
    """,
)
invariant(
    "never oversold",
    "Nothing at a place is negative, no more is claimed than is there, and where nothing is on hand there is no value.",
    """
    SELECT id, on_hand, allocated, reserved, unavailable, value_amount FROM stock_levels
    WHERE least(on_hand, allocated, reserved, unavailable, value_amount) < 0
      OR on_hand - allocated - reserved - unavailable < 0
      OR (on_hand = 0 AND value_amount <> 0)
    """,
)
invariant(
    "allocations are the claims of orders",
    "What is allocated at a place is the sum of the allocations there.",
    """
    SELECT variant_id AS variant, location_id AS location, level.allocated, claims.quantity
    FROM stock_levels AS level FULL JOIN (
      SELECT variant_id, location_id, sum(quantity) AS quantity FROM stock_allocations GROUP BY 1, 2
    ) AS claims USING (variant_id, location_id)
    WHERE coalesce(level.allocated, 0) <> coalesce(claims.quantity, 0)
    """,
)
invariant(
    "reserved is what holds hold",
    "What is reserved at a place is what holds still hold there and what pools keep; only open holds do.",
    """
    SELECT variant_id AS variant, location_id AS location, level.reserved, claims.quantity, claims.closed
    FROM stock_levels AS level FULL JOIN (
      SELECT variant_id, location_id, sum(held) AS quantity, bool_or(closed) AS closed FROM (
        SELECT variant_id, location_id, held, held > 0 AND reservation.closed_at IS NOT NULL AS closed
        FROM stock_reservation_lines JOIN stock_reservations AS reservation ON reservation.id = reservation_id
        UNION ALL SELECT variant_id, location_id, held, false FROM stock_pools
      ) AS held GROUP BY 1, 2
    ) AS claims USING (variant_id, location_id)
    WHERE coalesce(level.reserved, 0) <> coalesce(claims.quantity, 0) OR claims.closed
    """,
)
invariant(
    "stock is what the books say",
    "The value of all stock is the balance of the inventory accounts.",
    """
    SELECT coalesce(stock.account_id, books.account_id) AS account, stock.value, books.balance
    FROM (SELECT account_id, sum(value_amount) AS value FROM stock_movements GROUP BY account_id) AS stock
    FULL JOIN (
      SELECT account_id, sum(debit_base) - sum(credit_base) AS balance FROM journal_lines
      WHERE account_id IN (SELECT id FROM accounts WHERE role = 'INVENTORY')
      GROUP BY account_id) AS books USING (account_id)
    WHERE coalesce(stock.value, 0) <> coalesce(books.balance, 0)
      OR (SELECT coalesce(sum(value_amount), 0) FROM stock_levels)
        <> (SELECT coalesce(sum(value_amount), 0) FROM stock_movements)
    """,
)
invariant(
    "entries equal their movements",
    "The inventory lines of every entry equal the value of the movements that name it.",
    """
    SELECT entry_id AS entry, account_id AS account, sum(amount) AS differs_by FROM (
      SELECT entry_id, account_id, debit_base - credit_base AS amount FROM journal_lines
      WHERE account_id IN (SELECT id FROM accounts WHERE role = 'INVENTORY')
      UNION ALL
      SELECT entry_id, account_id, -value_amount FROM stock_movements WHERE value_amount <> 0
    ) AS side GROUP BY entry_id, account_id HAVING sum(amount) <> 0 OR entry_id IS NULL
    """,
)
invariant(
    "received, not billed",
    "The balance of goods received and not billed is the value of the goods received.",
    """
    SELECT books.balance, stock.value FROM (
      SELECT coalesce(sum(credit_base) - sum(debit_base), 0) AS balance FROM journal_lines
      WHERE account_id IN (SELECT id FROM accounts WHERE role = 'RECEIVED_NOT_BILLED')) AS books
    CROSS JOIN (
      SELECT coalesce(sum(value_amount), 0) AS value FROM stock_movements WHERE kind = 'RECEIPT') AS stock
    WHERE books.balance <> stock.value
    """,
)
invariant(
    "level versions",
    "The version of a level is that of its last event.",
    """
    SELECT level.id, level.version, head.version AS head FROM stock_levels AS level
    LEFT JOIN event_heads AS head ON head.subject = 'slv_' || replace(level.id::text, '-', '')
    WHERE level.version <> coalesce(head.version, 0)
    """,
)
invariant(
    "stock references",
    "Every external id of a location or receipt names one that exists.",
    """
    SELECT noun, system, external_id, row FROM external_references
    WHERE noun = 'loc' AND NOT EXISTS (SELECT FROM locations WHERE id = substr(row, 5)::uuid)
       OR noun = 'rct' AND NOT EXISTS (SELECT FROM stock_receipts WHERE id = substr(row, 5)::uuid)
    """,
)
