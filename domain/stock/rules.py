"""What the database insists on, in words, and what must hold in every committed state."""

from domain.kernel.constraints import explain
from domain.kernel.invariants import invariant
from domain.stock.errors import InsufficientStock, OwnProposal

_AGAIN = "Somebody else changed this stock at the same moment. Try again."

explain("uq_locations_name", "There is a location of this name already: {value}.", path=("input", "name"))
explain("uq_stock_levels_place", _AGAIN)
explain("uq_bins_path", "There is a bin of this path at the location already: {value}.", path=("input", "bins"))
explain("uq_lots_number", "There is a lot of this number already: {value}.", path=("input", "number"))
explain("uq_stock_contents_place", _AGAIN)
explain("uq_stock_discrepancies_open", _AGAIN)
explain("stock_discrepancy_latest_word", _AGAIN)
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
explain("uq_stock_revaluations_number", "Another revaluation took this number at the same moment. Try again.")
explain("uq_stock_revaluation_lines_position", "Two lines cannot have the same place.", path=("input", "lines"))
explain("uq_stock_revaluation_lines_variant", "Name each variant once in a revaluation.", path=("input", "lines"))
explain("ck_stock_revaluations_four_eyes", "Whoever proposed a revaluation does not approve it.", refusal=OwnProposal)
explain("stock_revaluation_decided", "A revaluation that is decided stays as it is.")
explain("stock_revaluation_proposal", "What a revaluation proposes stays as it is.")
explain("stock_revaluation_lines_own", "Lines belong to a revaluation of the same act.", path=("input", "lines"))
# Operations look first, under the lock of the level. These are what is left when one forgets to.
explain("ck_locations_oversells_no_transit", "Nothing is handed over from goods in transit.")
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
      SELECT coalesce(sum(value_amount), 0) AS value FROM stock_movements WHERE kind = 'RECEIPT'
        AND (entry_id IS NULL OR entry_id NOT IN (SELECT id FROM journal_entries WHERE kind = 'OPENING'))) AS stock
    WHERE books.balance <> stock.value
    """,
)
invariant(
    "transfers move their goods",
    "What a transfer dispatched left its origin, and is on the road, at its destination or booked as lost.",
    """
    SELECT line.id, line.dispatched, line.received, line.lost, origin.moved AS left_origin, road.moved AS on_the_road,
      layers.quantity AS in_layers, road.lost AS booked_as_lost, destination.moved AS arrived
    FROM stock_transfer_lines AS line JOIN stock_transfers AS transfer ON transfer.id = line.transfer_id
    CROSS JOIN LATERAL (SELECT 'trf_' || replace(transfer.id::text, '-', '') AS source OFFSET 0) AS named
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(quantity), 0) AS moved FROM stock_movements
      WHERE source = named.source AND kind = 'TRANSFER' AND variant_id = line.variant_id
        AND location_id = transfer.origin_id) AS origin
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(quantity), 0) AS moved,
        coalesce(-sum(quantity) FILTER (WHERE reason = 'LOST_IN_TRANSIT'), 0) AS lost
      FROM stock_movements
      WHERE source = named.source AND variant_id = line.variant_id AND location_id = transfer.transit_id) AS road
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(quantity), 0) AS moved FROM stock_movements
      WHERE source = named.source AND kind = 'TRANSFER' AND variant_id = line.variant_id
        AND location_id = transfer.destination_id) AS destination
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(layer.quantity), 0) AS quantity
      FROM stock_movements AS founding JOIN cost_layers AS layer ON layer.id = founding.id
      WHERE founding.source = named.source AND founding.variant_id = line.variant_id
        AND founding.location_id = transfer.transit_id AND founding.layer_id IS NULL) AS layers
    WHERE line.dispatched <> -origin.moved OR line.received <> destination.moved OR line.lost <> road.lost
      OR line.dispatched - line.received - line.lost <> road.moved OR road.moved <> layers.quantity
    """,
)
invariant(
    "transfers change no total",
    "The movements of a transfer from one location to another sum to nothing in quantity, and to its freight in value.",
    """
    SELECT moved.source, transfer.id, moved.quantity, moved.value, moved.least, transfer.freight_amount AS freight
    FROM (
      SELECT source, sum(abs(quantity)) AS quantity, sum(value) AS value, min(value) AS least FROM (
        SELECT source, variant_id, sum(quantity) AS quantity, sum(value_amount) AS value FROM stock_movements
        WHERE kind = 'TRANSFER' GROUP BY source, variant_id) AS each
      GROUP BY source) AS moved
    FULL JOIN stock_transfers AS transfer ON moved.source = 'trf_' || replace(transfer.id::text, '-', '')
    WHERE coalesce(moved.value, 0) <> coalesce(transfer.freight_amount, 0) OR moved.quantity <> 0 OR moved.least < 0
    """,
)
invariant(
    "freight is capitalized",
    "What the freight of a transfer added to goods is what its entries credit to the account for it.",
    """
    SELECT transfer.id, transfer.number, transfer.freight_amount AS freight, posted.amount AS posted
    FROM stock_transfers AS transfer FULL JOIN (
      SELECT entry.source, sum(line.credit_base - line.debit_base) AS amount
      FROM journal_lines AS line JOIN journal_entries AS entry ON entry.id = line.entry_id
      WHERE line.account_id IN (SELECT id FROM accounts WHERE role = 'FREIGHT_ABSORBED')
        AND entry.source >= 'trf_' AND entry.source < 'trf`'
      GROUP BY entry.source) AS posted ON posted.source = 'trf_' || replace(transfer.id::text, '-', '')
    WHERE coalesce(transfer.freight_amount, 0) <> coalesce(posted.amount, 0)
    """,
)
invariant(
    "claims of transfers",
    "Only the lines of a ready transfer have allocations: at its origin, and at most what is to move. None waits.",
    """
    SELECT claim.source, claim.document, claim.quantity, line.quantity AS wanted, transfer.status
    FROM (
      SELECT source, document, variant_id, location_id, quantity FROM stock_allocations
      UNION ALL SELECT source, document, variant_id, NULL, quantity FROM stock_backorders) AS claim
    LEFT JOIN stock_transfer_lines AS line ON claim.source = 'trl_' || replace(line.id::text, '-', '')
    LEFT JOIN stock_transfers AS transfer ON transfer.id = line.transfer_id
    WHERE left(claim.document, 4) = 'trf_' AND (transfer.id IS NULL OR transfer.status <> 'READY'
      OR claim.document <> 'trf_' || replace(transfer.id::text, '-', '') OR claim.variant_id <> line.variant_id
      OR claim.location_id IS DISTINCT FROM transfer.origin_id OR claim.quantity > line.quantity)
    """,
)
invariant(
    "bound to one place",
    "A line that takes its goods from one place alone has a right to stock there, and waits there, and nowhere else.",
    """
    SELECT source, array_agg(DISTINCT place) AS places FROM (
      SELECT source, CASE WHEN bound THEN location_id END AS place FROM stock_allocations
      UNION ALL SELECT source, location_id FROM stock_backorders) AS claim
    GROUP BY source HAVING count(DISTINCT coalesce(place::text, '')) > 1
    """,
)
invariant(
    "transfer statuses follow",
    "Where a transfer is in its life follows from what of it has left, has arrived and is on the road.",
    """
    SELECT transfer.id, transfer.number, transfer.status, lines.dispatched, lines.on_the_road
    FROM stock_transfers AS transfer LEFT JOIN (
      SELECT transfer_id, sum(dispatched) AS dispatched, sum(dispatched - received - lost) AS on_the_road
      FROM stock_transfer_lines GROUP BY transfer_id) AS lines ON lines.transfer_id = transfer.id
    WHERE lines.transfer_id IS NULL
      OR (transfer.status IN ('DISPATCHED', 'PARTIALLY_RECEIVED')) <> (lines.on_the_road > 0)
      OR (transfer.status IN ('DRAFT', 'READY', 'CANCELLED')) <> (lines.dispatched = 0)
      OR (transfer.dispatched_at IS NULL) <> (lines.dispatched = 0)
      OR (transfer.received_at IS NULL) <> (transfer.status <> 'RECEIVED')
      OR (transfer.cancelled_at IS NULL) <> (transfer.status <> 'CANCELLED')
    """,
)
invariant(
    "transfer versions",
    "The version of a transfer is that of its last event.",
    """
    SELECT transfer.id, transfer.version, head.version AS head FROM stock_transfers AS transfer
    LEFT JOIN event_heads AS head ON head.subject = 'trf_' || replace(transfer.id::text, '-', '')
    WHERE transfer.version <> coalesce(head.version, 0)
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
    "averages are kept in one layer",
    "Where a variant is kept by moving average, all that is on hand at a place is in one cost layer.",
    """
    SELECT layer.variant_id AS variant, layer.location_id AS location, count(*) AS layers FROM cost_layers AS layer
    JOIN stock_policies AS policy ON policy.variant_id = layer.variant_id AND policy.cost_method = 'MOVING_AVERAGE'
    JOIN locations AS location ON location.id = layer.location_id AND location.kind <> 'TRANSIT'
    WHERE layer.quantity > 0 GROUP BY layer.variant_id, layer.location_id HAVING count(*) > 1
    """,
)
invariant(
    "stock policy versions",
    "The version of a policy is that of its last event, and its figures are those that the event tells.",
    """
    SELECT policy.id, policy.version, head.version AS head, last.data FROM stock_policies AS policy
    LEFT JOIN event_heads AS head ON head.subject = 'spo_' || replace(policy.id::text, '-', '')
    LEFT JOIN events AS last ON last.subject = head.subject AND last.version = head.version
    WHERE policy.version IS DISTINCT FROM head.version
      OR last.data ->> 'cost_method' IS DISTINCT FROM policy.cost_method
      OR last.data ->> 'backorders' IS DISTINCT FROM policy.backorders
      OR (last.data ->> 'tracks_lots')::boolean IS DISTINCT FROM policy.tracks_lots
    """,
)
invariant(
    "location versions",
    "The version of a location is that of its last event.",
    """
    SELECT location.id, location.name, location.version, head.version AS head FROM locations AS location
    LEFT JOIN event_heads AS head ON head.subject = 'loc_' || replace(location.id::text, '-', '')
    WHERE location.version IS DISTINCT FROM head.version
    """,
)
invariant(
    "oversold cases are booked",
    "What was handed over without being there is missing in its case until it is booked; what is booked has left.",
    """
    SELECT cases.id, cases.quantity, cases.expected, cases.reported, -moved.quantity AS left_stock
    FROM stock_discrepancies AS cases LEFT JOIN LATERAL (
      SELECT sum(quantity) AS quantity FROM stock_movements
      WHERE source = cases.source AND kind = 'SHIPMENT'
        AND variant_id = cases.variant_id AND location_id = cases.location_id) AS moved ON true
    WHERE cases.kind = 'OVERSOLD' AND (cases.expected IS NULL OR cases.reported IS NULL
      OR (cases.settled_at IS NULL AND cases.reported - cases.expected <> cases.quantity)
      OR cases.expected > -coalesce(moved.quantity, 0))
    """,
)
invariant(
    "counts are booked",
    "What was moved for a count is, where it was counted, the differences of its lines; nothing before it is approved.",
    """
    SELECT source AS count, location_id AS location, variant_id AS variant, bin_id AS bin, lot_id AS lot,
      sum(quantity) AS differs_by
    FROM (
      SELECT 'cnt_' || replace(counts.id::text, '-', '') AS source, counts.location_id, line.variant_id, line.bin_id,
        line.lot_id, line.counted - line.expected - line.moved AS quantity
      FROM stock_count_lines AS line JOIN stock_counts AS counts ON counts.id = line.count_id
      WHERE counts.status = 'APPROVED'
      UNION ALL
      SELECT source, location_id, variant_id, bin_id, lot_id, -quantity FROM stock_movements
      WHERE source >= 'cnt_' AND source < 'cnt`' AND kind = 'ADJUSTMENT'
    ) AS side GROUP BY source, location_id, variant_id, bin_id, lot_id HAVING sum(quantity) <> 0
    """,
)
invariant(
    "counts are counted",
    "Every line of a count that is submitted or approved was counted.",
    """
    SELECT counts.number, counts.status, line.position FROM stock_count_lines AS line
    JOIN stock_counts AS counts ON counts.id = line.count_id
    WHERE counts.status IN ('SUBMITTED', 'APPROVED') AND line.counted IS NULL
    """,
)
invariant(
    "counts do not overlap",
    "What one count is at, no other one is.",
    """
    SELECT counts.location_id AS location, line.variant_id AS variant, line.bin_id AS bin, line.lot_id AS lot,
      array_agg(counts.number) AS counts
    FROM stock_count_lines AS line JOIN stock_counts AS counts ON counts.id = line.count_id
    WHERE counts.status IN ('OPEN', 'SUBMITTED')
    GROUP BY counts.location_id, line.variant_id, line.bin_id, line.lot_id HAVING count(*) > 1
    """,
)
invariant(
    "count versions",
    "The version of a count is that of its last event, and its first event is stock_count.started.",
    """
    SELECT counts.id, counts.number, counts.version, head.version AS head FROM stock_counts AS counts
    LEFT JOIN event_heads AS head ON head.subject = 'cnt_' || replace(counts.id::text, '-', '')
    LEFT JOIN events AS first ON first.subject = head.subject AND first.version = 1
    WHERE counts.version IS DISTINCT FROM head.version OR first.type IS DISTINCT FROM 'stock_count.started'
    """,
)
invariant(
    "revaluations are booked",
    "What was moved for a revaluation is value alone, of what it names, in its entry; nothing before it is approved.",
    """
    SELECT coalesce(moved.source, 'srv_' || replace(revaluation.id::text, '-', '')) AS revaluation,
      revaluation.status, revaluation.entry_id, moved.entry_id AS moved_in, moved.moves
    FROM (SELECT * FROM stock_revaluations WHERE status = 'APPROVED') AS revaluation FULL JOIN (
      SELECT source, entry_id, location_id, count(*) AS moves,
        bool_and(movement.quantity = 0 AND movement.kind = 'REVALUATION') AS of_value,
        bool_and(line.id IS NOT NULL) AS named
      FROM stock_movements AS movement LEFT JOIN stock_revaluation_lines AS line
        ON line.variant_id = movement.variant_id
          AND movement.source = 'srv_' || replace(line.revaluation_id::text, '-', '')
      WHERE source >= 'srv_' AND source < 'srv`'
      GROUP BY source, entry_id, location_id
    ) AS moved ON moved.source = 'srv_' || replace(revaluation.id::text, '-', '')
    WHERE revaluation.id IS NULL OR (moved.source IS NULL AND revaluation.entry_id IS NOT NULL)
      OR (moved.source IS NOT NULL AND (moved.entry_id IS DISTINCT FROM revaluation.entry_id
        OR moved.location_id <> revaluation.location_id OR NOT moved.of_value OR NOT moved.named))
    """,
)
invariant(
    "revaluations propose something",
    "Every revaluation has lines, numbered from 1, in the currency of the books.",
    """
    SELECT revaluation.id, revaluation.number, count(line.id) AS lines FROM stock_revaluations AS revaluation
    LEFT JOIN stock_revaluation_lines AS line ON line.revaluation_id = revaluation.id
    GROUP BY revaluation.id
    HAVING count(line.id) = 0 OR max(line.position) <> count(line.id)
      OR NOT bool_and(line.unit_cost_currency = (SELECT base_currency FROM business))
    """,
)
invariant(
    "revaluation versions",
    "The version of a revaluation is that of its last event, and its first event is stock_revaluation.proposed.",
    """
    SELECT revaluation.id, revaluation.number, revaluation.version, head.version AS head
    FROM stock_revaluations AS revaluation
    LEFT JOIN event_heads AS head ON head.subject = 'srv_' || replace(revaluation.id::text, '-', '')
    LEFT JOIN events AS first ON first.subject = head.subject AND first.version = 1
    WHERE revaluation.version IS DISTINCT FROM head.version
      OR first.type IS DISTINCT FROM 'stock_revaluation.proposed'
    """,
)
invariant(
    "cases are booked",
    "What was moved for a case is the difference that it was about, where the books were brought in line with it.",
    """
    SELECT source AS case, variant_id AS variant, location_id AS location, sum(quantity) AS differs_by FROM (
      SELECT 'sdc_' || replace(id::text, '-', '') AS source, variant_id, location_id,
        greatest(reported, 0) - expected AS quantity
      FROM stock_discrepancies WHERE kind = 'EXTERNAL' AND resolution = 'ADJUSTED'
      UNION ALL
      SELECT source, variant_id, location_id, -quantity FROM stock_movements
      WHERE source >= 'sdc_' AND source < 'sdc`' AND kind = 'ADJUSTMENT'
    ) AS side GROUP BY source, variant_id, location_id HAVING sum(quantity) <> 0
    """,
)
invariant(
    "case versions",
    "The version of a case is that of its last event.",
    """
    SELECT cases.id, cases.version, head.version AS head FROM stock_discrepancies AS cases
    LEFT JOIN event_heads AS head ON head.subject = 'sdc_' || replace(cases.id::text, '-', '')
    WHERE cases.version IS DISTINCT FROM head.version
    """,
)
invariant(
    "bins are a tree",
    "The path of a bin is that of the larger place it is part of, and its own code; both are at one location.",
    """
    SELECT bins.id, bins.path, parent.path AS larger FROM bins LEFT JOIN bins AS parent ON parent.id = bins.parent_id
    WHERE bins.path <> concat(parent.path || '/', bins.code) OR parent.location_id <> bins.location_id
    """,
)
invariant(
    "recalled lots are not for sale",
    "Whatever is there of a recalled lot is in a state.",
    """
    SELECT content.id, lots.id AS lot, content.quantity FROM stock_contents AS content
    JOIN lots ON lots.id = content.lot_id
    WHERE content.quantity > 0 AND content.state IS NULL AND lots.recalled_at IS NOT NULL
    """,
)
invariant(
    "lot versions",
    "The version of a lot is that of its last event.",
    """
    SELECT lots.id, lots.version, head.version AS head FROM lots
    LEFT JOIN event_heads AS head ON head.subject = 'lot_' || replace(lots.id::text, '-', '')
    WHERE lots.version <> coalesce(head.version, 0)
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
