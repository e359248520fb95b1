"""The demo shop is the same every time, and leaves alone what somebody has edited."""

from sqlalchemy import select

from api import demo
from domain import business, catalog, orders
from domain.catalog import ProductStatus
from domain.kernel import events, external, invariants
from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, begin
from domain.tables import metadata


async def _contents(database: Database) -> list[tuple[object, ...]]:
    """All that anybody can see of the shop, ids and times included."""
    async with database.snapshot() as connection:
        tables = [table for table in metadata.sorted_tables if table.name != "events"]
        rows = [(await connection.execute(select(table))).all() for table in tables]
        told = await events.count(connection)
    return [*sorted((tuple(row) for table in rows for row in table), key=repr), (told,)]


async def test_seeded_twice_it_is_the_same(fresh_database: Database):
    first = await demo.seed(fresh_database)
    assert first == demo.Seeded(
        channels_opened=3,
        products_created=24,
        products_present=0,
        variants_created=58,
        customers_created=12,
        receipts_created=3,
        orders_created=40,
        orders_present=0,
    )
    before = await _contents(fresh_database)
    second = await demo.seed(fresh_database)
    assert second == demo.Seeded(0, 0, 24, 0, 0, 0, 0, orders_present=40)
    assert await _contents(fresh_database) == before


async def test_what_somebody_edited_stays(fresh_database: Database):
    await demo.seed(fresh_database)
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        tent = (await external.find(connection, "prd", demo.SYSTEM_NAME, ["TENT"]))["TENT"]
        await catalog.update(work, tent, catalog.ProductChanges(name="Our tent"))
    before = await _contents(fresh_database)
    await demo.seed(fresh_database)
    assert await _contents(fresh_database) == before


async def test_every_kind_of_channel_and_status_is_shown(fresh_database: Database):
    await demo.seed(fresh_database)
    async with fresh_database.snapshot() as connection:
        kinds = set((await connection.execute(select(business.SalesChannel.kind))).scalars())
        statuses = set((await connection.execute(select(catalog.Product.status))).scalars())
    assert kinds == {"ONLINE_STORE", "MARKETPLACE", "POINT_OF_SALE", "WHOLESALE"}
    assert statuses == {ProductStatus.ACTIVE, ProductStatus.DRAFT, ProductStatus.DISCONTINUED}


def test_barcodes_have_their_check_digit_and_the_dice_fall_alike():
    assert demo.barcode("400638133393") == "4006381333931"
    assert demo.products() == demo.products()
    for product in demo.products():
        assert 1 <= len(product.variants) <= 6
        for variant in product.variants:
            assert variant.price is not None
            assert variant.barcode == demo.barcode((variant.barcode or "")[:12])


KINDS = {
    "a hold for a cart": "SELECT FROM stock_reservations WHERE closed_at IS NULL",
    "somebody who waits": "SELECT FROM stock_backorders WHERE quantity > 0",
    "a preorder": "SELECT FROM stock_policies WHERE backorders = 'PREORDER'",
    "a moving average": "SELECT FROM stock_policies WHERE cost_method = 'MOVING_AVERAGE'",
    "a part of a unit": "SELECT FROM stock_levels WHERE on_hand <> trunc(on_hand)",
    "a bin": "SELECT FROM stock_contents WHERE bin_id IS NOT NULL AND live",
    "goods set aside": "SELECT FROM stock_contents WHERE state = 'QUALITY_CONTROL' AND live",
    "a lot that expires": "SELECT FROM lots WHERE expires_on IS NOT NULL",
    "a lot called back": "SELECT FROM lots WHERE recalled_at IS NOT NULL",
    "an adjustment": "SELECT FROM stock_movements WHERE kind = 'ADJUSTMENT' AND reason = 'DAMAGE'",
    "goods on the road": "SELECT FROM stock_transfers WHERE status = 'DISPATCHED'",
    "freight of a transfer": "SELECT FROM stock_transfers WHERE status = 'RECEIVED' AND freight_amount > 0",
    "a case of goods lost on the road": "SELECT FROM stock_discrepancies WHERE kind = 'TRANSFER'",
    "a case of what another system counts": "SELECT FROM stock_discrepancies WHERE kind = 'EXTERNAL'",
    "more sold than the books know of": "SELECT FROM stock_discrepancies WHERE kind = 'OVERSOLD'",
    "a count": "SELECT FROM stock_counts WHERE status = 'APPROVED'",
    "a point to order more at": "SELECT FROM stock_levels WHERE reorder_point > 0",
    "a channel's buffer": "SELECT FROM stock_channel_rules WHERE buffer > 0",
    "a channel's own stock": "SELECT FROM stock_pools WHERE held > 0",
    "goods on their way from a supplier": "SELECT FROM incoming_stock",
    "a cost in another currency": "SELECT FROM exchange_rates WHERE currency = 'EUR'",
    "a correction of what was told late": "SELECT FROM stock_movements WHERE kind = 'COST_CORRECTION'",
    "a value to approve": "SELECT FROM stock_revaluations WHERE status = 'PROPOSED'",
    "something given away": "SELECT FROM order_lines WHERE total = 0 AND shipped = quantity",
}


async def test_it_shows_everything_that_stock_can_be(fresh_database: Database):
    await demo.seed(fresh_database)
    async with fresh_database.snapshot() as connection:
        shown = {
            kind: (await connection.exec_driver_sql(f"SELECT EXISTS ({query})")).scalar_one()
            for kind, query in KINDS.items()
        }
    assert [kind for kind, is_there in shown.items() if not is_there] == []


async def test_its_trade_has_come_to_every_stage_and_every_rule_holds(fresh_database: Database):
    await demo.seed(fresh_database)
    async with fresh_database.snapshot() as connection:
        statuses, payments = [
            set((await connection.execute(select(column))).scalars())
            for column in (orders.Order.status, orders.Order.payment_status)
        ]
        broken = [rule.name async for rule, faults in invariants.check(connection) if faults]
        open_claims = (await connection.exec_driver_sql("SELECT count(*) FROM stock_allocations")).scalar_one()
    assert statuses == {"OPEN", "COMPLETED", "CANCELLED"}
    assert payments >= {"PAID", "UNPAID"}
    assert open_claims > 0
    assert broken == []
