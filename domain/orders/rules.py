"""What the database insists on, in words, and what must hold in every committed state."""

from domain.kernel.constraints import explain
from domain.kernel.invariants import invariant
from domain.orders.tables import MOST_LINES

explain("uq_orders_number", "Another order took this number at the same moment. Try again.")
explain("uq_order_lines_position", "Two lines cannot have the same place in one order.", path=("input", "lines"))
explain("ck_order_lines_position_range", f"An order has at most {MOST_LINES} lines.", path=("input", "lines"))

invariant(
    "order totals are their lines",
    "An order's amounts are the sums of its lines, and its total is their sum with shipping and tax.",
    """
    SELECT sales.id, sales.number, sales.subtotal, lines.subtotal AS of_lines, sales.discount,
      lines.discount AS taken_off, sales.total
    FROM orders AS sales LEFT JOIN (
      SELECT order_id, sum(subtotal) AS subtotal, sum(discount) AS discount, sum(tax) AS tax, sum(total) AS total,
        bool_and(currency = (SELECT currency FROM orders WHERE id = order_id)) AS alike
      FROM order_lines GROUP BY order_id) AS lines ON lines.order_id = sales.id
    WHERE sales.subtotal IS DISTINCT FROM lines.subtotal OR sales.discount IS DISTINCT FROM lines.discount
      OR sales.tax IS DISTINCT FROM lines.tax OR NOT lines.alike
      OR sales.total <> lines.total + sales.shipping + sales.tax
    """,
)
invariant(
    "allocations are open order lines",
    "Every line of an open order is shipped, allocated or waited for, in full; else only transfers claim stock.",
    """
    SELECT coalesce('oln_' || replace(line.id::text, '-', ''), claim.source) AS line, sales.status, line.quantity,
      line.shipped, claim.quantity AS claimed
    FROM order_lines AS line JOIN orders AS sales ON sales.id = line.order_id
    FULL JOIN (
      SELECT source, document, variant_id, sum(quantity) AS quantity FROM (
        SELECT source, document, variant_id, quantity FROM stock_allocations
        UNION ALL SELECT source, document, variant_id, quantity FROM stock_backorders) AS every
      WHERE left(document, 4) <> 'trf_'
      GROUP BY source, document, variant_id
    ) AS claim ON claim.source = 'oln_' || replace(line.id::text, '-', '')
    WHERE coalesce(claim.quantity, 0)
        IS DISTINCT FROM CASE WHEN sales.status = 'CANCELLED' THEN 0 ELSE line.quantity - line.shipped END
      OR claim.variant_id <> line.variant_id OR claim.document <> 'ord_' || replace(line.order_id::text, '-', '')
    """,
)
invariant(
    "order statuses follow",
    "How far an order is paid and fulfilled, and whether it is complete, follows from its payments and lines.",
    """
    SELECT sales.id, sales.number, sales.status, sales.payment_status, sales.fulfillment_status, sales.paid,
      sales.total, money.amount, lines.shipped, lines.quantity
    FROM orders AS sales
    LEFT JOIN (SELECT document, sum(amount) AS amount FROM payments GROUP BY document) AS money
      ON money.document = 'ord_' || replace(sales.id::text, '-', '')
    LEFT JOIN (SELECT order_id, sum(quantity) AS quantity, sum(shipped) AS shipped,
        bool_and(shipped = quantity) AS whole FROM order_lines GROUP BY order_id) AS lines ON lines.order_id = sales.id
    WHERE sales.paid <> coalesce(money.amount, 0)
      OR sales.payment_status <> CASE WHEN sales.paid > sales.total THEN 'OVERPAID' WHEN sales.paid = sales.total
        THEN 'PAID' WHEN sales.paid > 0 THEN 'PARTIALLY_PAID' ELSE 'UNPAID' END
      OR sales.fulfillment_status <> CASE WHEN lines.whole THEN 'FULFILLED' WHEN lines.shipped > 0
        THEN 'PARTIALLY_FULFILLED' ELSE 'UNFULFILLED' END
      OR (sales.status = 'CANCELLED' AND lines.shipped > 0)
      OR (sales.status = 'COMPLETED') <> (lines.whole AND sales.paid >= sales.total AND sales.status <> 'CANCELLED')
    """,
)
invariant(
    "order versions",
    "The version of an order is that of its last event, and its first event is order.placed.",
    """
    SELECT sales.id, sales.number, sales.version, head.version AS head FROM orders AS sales
    LEFT JOIN event_heads AS head ON head.subject = 'ord_' || replace(sales.id::text, '-', '')
    LEFT JOIN events AS first ON first.subject = head.subject AND first.version = 1
    WHERE sales.version IS DISTINCT FROM head.version OR first.type IS DISTINCT FROM 'order.placed'
    """,
)
invariant(
    "order references",
    "Every external id of an order names one that exists.",
    """
    SELECT noun, system, external_id, row FROM external_references
    WHERE noun = 'ord' AND NOT EXISTS (SELECT FROM orders WHERE id = substr(row, 5)::uuid)
    """,
)
invariant(
    "nothing is billed yet",
    "Receivables of no open item, and taxes, are zero but for opening balances: no invoice owns any of them.",
    """
    SELECT account.code, account.role, sum(debit_base) - sum(credit_base) AS balance FROM journal_lines AS line
    JOIN accounts AS account ON account.id = line.account_id WHERE account.role IN ('RECEIVABLE', 'TAX_PAYABLE')
      AND line.item_id IS NULL AND line.entry_id NOT IN (SELECT id FROM journal_entries WHERE kind = 'OPENING')
    GROUP BY account.code, account.role HAVING sum(debit_base) <> sum(credit_base)
    """,
)
