"""`verify` finds what is broken: each rule is broken behind the database's back, and names the row at fault."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.kernel import invariants
from domain.tables import metadata
from tests.support import books, shelves, shop, transfers
from tests.support.api import Api
from tests.support.server import Server

BREAKING = {
    "one default channel": ["UPDATE sales_channels SET is_default = false"],
    "event versions": ["UPDATE event_heads SET version = version + 1 WHERE subject LIKE 'ord%'"],
    "entries balance": ["UPDATE journal_lines SET debit = debit + 1, debit_base = debit_base + 1 WHERE debit > 0"],
    "open items are their lines": ["UPDATE open_items SET balance = balance - 1 WHERE status = 'OPEN'"],
    "control accounts are their open items": ["UPDATE journal_lines SET item_id = NULL WHERE item_id IS NOT NULL"],
    "recurring entries balance": ["UPDATE recurring_entry_lines SET debit = debit + 1 WHERE debit > 0"],
    "recurring entries are posted in turn": ["UPDATE recurring_entries SET next_n = next_n + 1"],
    "budget versions": ["UPDATE budgets SET version = version + 1"],
    "budget lines in their year": ["UPDATE budget_lines SET month = month - interval '1 year'"],
    "opening balances come to nothing": [
        "INSERT INTO opening_balances (id, started_at, completed_at) VALUES (uuid7(), now(), now())",
        "UPDATE journal_lines SET account_id = (SELECT id FROM accounts WHERE role = 'OPENING_BALANCES') WHERE n = 1",
    ],
    "promised retention": [
        "INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at, retention_years)"
        " VALUES (uuid7(), '2001-01-01', '2001-12-31', now(), 99)"
    ],
    "reversals take back": [
        "UPDATE journal_lines SET project_id = uuid7()"
        " WHERE n = 2 AND entry_id IN (SELECT id FROM journal_entries WHERE reversal_of_id IS NOT NULL)"
    ],
    "lines of entries": [
        "ALTER TABLE journal_seals DROP CONSTRAINT fk_journal_seals_entry_id",
        "DELETE FROM journal_entries WHERE number = 1",
    ],
    "lines on leaves": [
        "UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE code = '1200') WHERE code = '1500'"
    ],
    "days in their period": ["UPDATE journal_entries SET period_id = uuid7() WHERE number = 1"],
    "locked periods come first": [
        "UPDATE accounting_periods SET state = 'LOCKED' WHERE starts_on > now() + interval '6 months'"
    ],
    "days of the journal": ["UPDATE journal_days SET debit = debit + 1"],
    "journal is what was sealed": [
        "UPDATE journal_lines SET account_id = (SELECT id FROM accounts WHERE code = '6090')"
        " WHERE n = 1 AND entry_id = (SELECT entry_id FROM journal_seals WHERE position = 3)"
    ],
    "document numbers have no gaps": ["DELETE FROM document_numbers WHERE n = 2"],
    "entries have a place in the journal": ["DELETE FROM journal_seals WHERE position = 2"],
    "places in the journal": ["UPDATE journal_seals SET position = position + 1000 WHERE position > 2"],
    "products have variants": [
        "INSERT INTO products (id, name, slug, status, created_at, updated_at)"
        " VALUES (uuid7(), 'Bare', 'bare', 'ACTIVE', now(), now())"
    ],
    "product events": ["DELETE FROM events WHERE type = 'product.created'"],
    "catalog references": ["INSERT INTO external_references VALUES ('var', 'x', '1', 'var_' || repeat('0', 32))"],
    "customer references": ["INSERT INTO external_references VALUES ('cus', 'x', '1', 'cus_' || repeat('0', 32))"],
    "stock references": ["INSERT INTO external_references VALUES ('loc', 'x', '1', 'loc_' || repeat('0', 32))"],
    "order references": ["INSERT INTO external_references VALUES ('ord', 'x', '1', 'ord_' || repeat('0', 32))"],
    "customer events": ["DELETE FROM events WHERE type = 'customer.created'"],
    "customer events name nobody": ["UPDATE events SET data = '{\"name\": \"Ada\"}' WHERE type = 'customer.created'"],
    "addresses in order": ["UPDATE customer_addresses SET position = position + 1"],
    "levels are their movements": ["UPDATE stock_levels SET on_hand = on_hand + 1"],
    "layers are their movements": ["UPDATE cost_layers SET value_amount = value_amount + 1 WHERE quantity > 0"],
    "layers are the stock": ["UPDATE cost_layers SET quantity = quantity + 1, base_quantity = base_quantity + 1"],
    "contents are their movements": ["UPDATE stock_contents SET quantity = quantity + 1 WHERE state IS NOT NULL"],
    "levels are their contents": ["UPDATE stock_levels SET unavailable = unavailable - 1 WHERE unavailable > 0"],
    "lots where they are demanded": [
        "INSERT INTO stock_policies (id, variant_id, tracks_lots, created_at, updated_at)"
        " SELECT uuid7(), variant_id, true, now(), now() FROM stock_levels WHERE on_hand > placed LIMIT 1"
    ],
    "months are their movements": ["UPDATE stock_months SET quantity = quantity + 1"],
    "bins are a tree": ["UPDATE bins SET path = 'Z/' || code WHERE parent_id IS NOT NULL"],
    "recalled lots are not for sale": ["UPDATE lots SET recalled_at = now(), recall_reason = 'Glass'"],
    "lot versions": ["UPDATE lots SET version = version + 1"],
    "never oversold": [
        "ALTER TABLE stock_levels DROP CONSTRAINT ck_stock_levels_never_oversold",
        "UPDATE stock_levels SET reserved = on_hand + 1",
    ],
    "allocations are the claims of orders": ["UPDATE stock_levels SET allocated = allocated + 1 WHERE on_hand > 5"],
    "reserved is what holds hold": ["UPDATE stock_reservation_lines SET held = 0 WHERE held > 0"],
    "stock is what the books say": [
        "UPDATE stock_movements SET value_amount = value_amount + 1 WHERE kind = 'RECEIPT'"
    ],
    "entries equal their movements": [
        "UPDATE stock_movements SET value_amount = value_amount - 1 WHERE kind = 'SHIPMENT'"
    ],
    "received, not billed": ["UPDATE stock_movements SET kind = 'ADJUSTMENT' WHERE kind = 'RECEIPT'"],
    "transfers move their goods": ["UPDATE stock_transfer_lines SET received = received - 1 WHERE received > 0"],
    "transfers change no total": [
        "UPDATE stock_movements SET value_amount = value_amount + 1 WHERE kind = 'TRANSFER' AND quantity > 0"
    ],
    "freight is capitalized": ["UPDATE stock_transfers SET freight_amount = freight_amount + 1"],
    "claims of transfers": ["UPDATE stock_transfers SET status = 'DRAFT' WHERE status = 'READY'"],
    "transfer statuses follow": ["UPDATE stock_transfers SET status = 'RECEIVED' WHERE status = 'DISPATCHED'"],
    "transfer versions": ["UPDATE stock_transfers SET version = version + 1"],
    "counts are booked": ["UPDATE stock_count_lines SET counted = counted + 1"],
    "counts are counted": ["UPDATE stock_count_lines SET counted = NULL, counted_at = NULL"],
    "counts do not overlap": ["UPDATE stock_counts SET status = 'OPEN', submitted_at = NULL, approved_at = NULL"],
    "count versions": ["UPDATE stock_counts SET version = version + 1"],
    "revaluations are booked": ["UPDATE stock_revaluations SET entry_id = NULL"],
    "revaluations propose something": ["DELETE FROM stock_revaluation_lines"],
    "revaluation versions": ["UPDATE stock_revaluations SET version = version + 1"],
    "cases are booked": ["UPDATE stock_discrepancies SET reported = reported + 1"],
    "case versions": ["UPDATE stock_discrepancies SET version = version + 1"],
    "level versions": ["UPDATE stock_levels SET version = version + 1"],
    "averages are kept in one layer": [
        "UPDATE stock_policies SET cost_method = 'MOVING_AVERAGE' WHERE variant_id IN ("
        "SELECT variant_id FROM cost_layers WHERE quantity > 0 GROUP BY variant_id, location_id HAVING count(*) > 1)"
    ],
    "stock policy versions": ["UPDATE stock_policies SET backorders = 'ALLOW', backorder_limit = NULL"],
    "location versions": ["UPDATE locations SET version = version + 1"],
    "oversold cases are booked": [
        "UPDATE stock_discrepancies SET system = NULL, taken_at = NULL, kind = 'OVERSOLD', expected = 1,"
        " reported = quantity + 1"
    ],
    "payments in transit": ["UPDATE payments SET amount = amount + 1"],
    "customer deposits": ["DELETE FROM payments"],
    "payments are posted": ["UPDATE payments SET amount = amount + 1"],
    "order totals are their lines": ["UPDATE order_lines SET subtotal = subtotal + 1, total = total + 1"],
    "bound to one place": ["UPDATE stock_allocations SET bound = NOT bound"],
    "allocations are open order lines": ["DELETE FROM stock_allocations", "DELETE FROM stock_backorders"],
    "order statuses follow": ["UPDATE orders SET payment_status = 'UNPAID'"],
    "order versions": ["UPDATE orders SET version = version + 1"],
    "nothing is billed yet": [
        "UPDATE journal_lines SET account_id = (SELECT id FROM accounts WHERE role = 'RECEIVABLE')"
        " WHERE account_id = (SELECT id FROM accounts WHERE role = 'UNBILLED')"
    ],
    "shipped is what was shipped": ["UPDATE order_lines SET shipped = 0"],
    "shipments earn what their lines do": ["UPDATE shipments SET revenue = revenue + 1"],
    "shipped, not billed": ["UPDATE shipments SET revenue = revenue + 1"],
    "shipments moved stock": ["UPDATE shipment_lines SET quantity = quantity + 1"],
}


@pytest.fixture(scope="module")
async def open_shop(api: Api) -> Api:
    """A shop in which every rule has something to look at."""
    await shop.a_few_of_everything(api)
    row = await shop.stocked(api, 10)
    await shop.done(api, shop.PLACE, {"input": shop.ordered([(row, 2)])})
    await shop.done(api, shop.RESERVE, {"input": {"lines": [{"variantId": row, "quantity": 1}]}})
    await transfers.one_of_each(api)
    place = await shop.location(api)
    counted = await shop.stocked(api, 10, place=place)
    await shop.count(api, place, counted, 9)
    await shop.count(api, place, counted, 8, until="OPEN")
    await shop.revalued(api, place, (counted, "3.00"))
    await shop.revalued(api, place, (counted, "2.00"), until="PROPOSED")
    case = await shop.differing(api, place, counted, 7)
    await shop.done(api, shop.SETTLE, {"id": case, "input": {"resolution": "ADJUSTED"}})
    customer = """mutation { customerCreate(input: {name: "Ada", addresses: [{line1: "1 Pier", countryCode: "US"}]}) {
      customer { id } userErrors { message } } }"""
    await shop.done(api, customer, {})
    place, twice = await shop.location(api), await shop.variant(api)
    await shop.done(api, shop.POLICY, {"input": {"variantId": twice, "backorders": "ALLOW"}})
    await shop.done(api, shop.RECEIVE, {"input": shop.receipt(place, [(twice, 1, "1.00"), (twice, 1, "2.00")])})
    await shop.done(api, shop.PLACE, {"input": shop.ordered([(twice, 5)])})
    await shelves.some_of_each(api)
    await shop.done(api, books.POST, {"input": books.bill("Paper & Sons", 120)})
    taken_back = await shop.done(api, books.POST, {"input": books.bill("Ink Inc", 7)})
    await shop.done(api, books.REVERSE, {"id": taken_back["journalEntry"]["id"]})
    await shop.numbered(api)
    await books.recurring_of_each_kind(api)
    await books.budgets_of_each_kind(api)
    await shop.sealed(api)
    await shop.invariants_hold(api)
    return api


@pytest.fixture
async def behind(
    open_shop: Api, server: Server, database_name: str
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The owner with all guards down, in a transaction that is rolled back."""
    connection = await asyncpg.connect(server.owner_url(database_name))
    transaction = connection.transaction()
    await transaction.start()
    for table in metadata.sorted_tables:
        await connection.execute(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("name", BREAKING)
async def test_a_broken_rule_is_found(behind: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    (rule,) = [each for each in invariants.declared() if each.name == name]
    assert await behind.fetch(rule.at_fault) == [], "it was broken before"
    for statement in BREAKING[name]:
        await behind.execute(statement)
    faults = await behind.fetch(rule.at_fault)
    assert faults
    assert all(dict(fault) for fault in faults)


def test_every_rule_is_broken_once() -> None:
    assert {rule.name for rule in invariants.declared()} == set(BREAKING)
