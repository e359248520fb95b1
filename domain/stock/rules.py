"""What the database insists on, in words, and what must hold in every committed state."""

from domain.kernel.constraints import explain
from domain.kernel.invariants import invariant
from domain.stock.errors import InsufficientStock

_AGAIN = "Somebody else changed this stock at the same moment. Try again."

explain("uq_locations_name", "There is a location of this name already: {value}.", path=("input", "name"))
explain("uq_stock_levels_place", _AGAIN)
# Operations look first, under the lock of the level. These are what is left when one forgets to.
explain("ck_stock_levels_never_oversold", "Less is available than was asked for.", refusal=InsufficientStock)
explain("ck_stock_levels_on_hand_not_negative", "Less is on hand than was asked for.", refusal=InsufficientStock)
explain("ck_stock_levels_claims_not_negative", _AGAIN)
explain("ck_cost_layers_quantity_not_negative", "Less is on hand than was asked for.", refusal=InsufficientStock)
explain("ck_stock_movements_value_is_posted", "A movement of value needs its entry in the books.")
explain("stock_level_currency", "A level is valued in the currency of the books.")
explain("stock_movement_entry", "A movement belongs to an entry of the same act that has no lines yet.")
explain("stock_movement_account", "Stock stands on an inventory account, in the currency of the books.")
explain("stock_movement_layer", "A movement draws from a cost layer of its own variant and location.")
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
    "What is reserved at a place is the sum of what holds still hold there, and only open holds do.",
    """
    SELECT variant_id AS variant, location_id AS location, level.reserved, claims.quantity, claims.closed
    FROM stock_levels AS level FULL JOIN (
      SELECT variant_id, location_id, sum(held) AS quantity,
        bool_or(held > 0 AND reservation.closed_at IS NOT NULL) AS closed
      FROM stock_reservation_lines JOIN stock_reservations AS reservation ON reservation.id = reservation_id
      GROUP BY 1, 2
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
