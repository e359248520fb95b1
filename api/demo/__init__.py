"""The demo shop: a small outfitter with a coffee bar, the same every time. What `make up` shows on first start.

Everything goes through the operations, as it does when the shop is real. Whatever is there already stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.demo import stockroom, trade, week
from api.demo.articles import SYSTEM_NAME, USD, barcode, products
from api.demo.trade import DemoOrder, Trade, pieces
from domain import business, catalog, customers, fulfillment, orders, stock
from domain.business import ChannelKind, NewSalesChannel
from domain.fulfillment import Shipping
from domain.kernel import events, external
from domain.kernel.database import Database
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.work import SYSTEM, Work, begin
from domain.orders import OrderCancelReason, OrderPayment
from domain.payments import NewPayment, PaymentMethod
from domain.stock import NewAdjustment, NewAdjustmentLine, NewIncoming, NewIncomingLine, StockAdjustmentReason

_CHANNELS = [
    NewSalesChannel(name="Marketplace", kind=ChannelKind.MARKETPLACE, currency=USD, locale="en-US"),
    NewSalesChannel(name="Harbor Street store", kind=ChannelKind.POINT_OF_SALE, currency=USD, locale="en-US"),
    NewSalesChannel(name="Wholesale", kind=ChannelKind.WHOLESALE, currency=USD, locale="en-US"),
]


@dataclass(frozen=True)
class Seeded:
    """What the demo shop has become: how much was new this time, and how much was there already."""

    channels_opened: int
    products_created: int
    products_present: int
    variants_created: int
    customers_created: int
    receipts_created: int
    orders_created: int
    orders_present: int

    def __str__(self) -> str:
        """What a person wants to know."""
        made = (
            f"{self.products_created} products with {self.variants_created} variants, {self.channels_opened} channels,"
            f" {self.customers_created} customers, {self.receipts_created} deliveries and {self.orders_created} orders"
        )
        return f"{made} made; {self.products_present} products and {self.orders_present} orders were there already"


async def seed(database: Database) -> Seeded:
    """The demo shop is there from now on. Said again it changes nothing, not even what somebody has edited since."""
    articles = products()
    async with database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            opened = await _open_channels(work)
            codes = {article.external_id.id: article for article in articles if article.external_id}
            present = await external.find(connection, "prd", SYSTEM_NAME, list(codes))
            missing = [article for code, article in codes.items() if code not in present]
            brought = await catalog.bring_in(work, SYSTEM_NAME, missing)
        async with begin(connection, actor=SYSTEM) as work:
            customers_created = await _people(work)
            received = await _receive(work)
        async with begin(connection, actor=SYSTEM) as work:
            placed, there = await _trade(work)
        if placed:
            await _stockroom(connection)
        await events.notify(connection)
    return Seeded(
        channels_opened=opened,
        products_created=len(brought.created),
        products_present=len(present),
        variants_created=sum(len(article.variants) for article in missing),
        customers_created=customers_created,
        receipts_created=received,
        orders_created=placed,
        orders_present=there,
    )


async def _open_channels(work: Work) -> int:
    """Open the channels that are not there yet, by name; returns how many."""
    rows = await work.connection.execute(select(func.lower(business.SalesChannel.name)))
    present = set(rows.scalars())
    missing = [channel for channel in _CHANNELS if channel.name.lower() not in present]
    for channel in missing:
        await business.open_channel(work, channel)
    return len(missing)


async def _people(work: Work) -> int:
    """The customers who are not there yet; returns how many."""
    wanted = {each.external_id.id: each for each in trade.customers() if each.external_id}
    known = await external.find(work.connection, "cus", SYSTEM_NAME, list(wanted))
    return len(await customers.create_many(work, [each for key, each in wanted.items() if key not in known]))


async def _receive(work: Work) -> int:
    """The opening stock, where it has not come in yet; returns how many deliveries."""
    places = await stock.bring_in_locations(work, SYSTEM_NAME, trade.locations())
    wanted = Trade().receipts(await _variants(work), places)
    keys = [each.external_id.id for each in wanted if each.external_id]
    known = await external.find(work.connection, "rct", SYSTEM_NAME, keys)
    fresh = [each for each, key in zip(wanted, keys, strict=True) if key not in known]
    if fresh:
        began = work.now - timedelta(days=60)
        await stock.receive_many(work, [replace(each, received_at=began) for each in fresh])
    return len(fresh)


async def _trade(work: Work) -> tuple[int, int]:
    """The orders of the last weeks, unless there are some already; returns how many were made, and how many present."""
    variants = await _variants(work)
    channels = list((await work.connection.execute(select(business.SalesChannel.id).order_by("created_at"))).scalars())
    keys = [each.external_id.id for each in trade.customers() if each.external_id]
    people = await external.find(work.connection, "cus", SYSTEM_NAME, keys)
    wanted = Trade().orders(variants, [people[key] for key in keys], channels)
    names = [each.order.external_id.id for each in wanted if each.order.external_id]
    known = await external.find(work.connection, "ord", SYSTEM_NAME, names)
    if known:
        return 0, len(known)
    placed = await orders.place_many(
        work, [each.order for each in wanted], placed_at=[work.now - each.ago for each in wanted]
    )
    await _go_on(work, wanted, placed)
    await _surprises(work, [row for _, row, _ in variants])
    return len(placed), 0


async def _go_on(work: Work, wanted: Sequence[DemoOrder], placed: Sequence[ID]) -> None:
    """The orders are paid, shipped and called off as far as each has come."""
    rows = await work.raw.fetch("SELECT id, total FROM orders WHERE id = ANY($1)", [order[4:] for order in placed])
    totals = {ID("ord_" + row["id"]): row["total"] for row in rows}
    pairs = list(zip(placed, wanted, strict=True))
    await orders.record_payments(
        work,
        [
            OrderPayment(
                order,
                NewPayment(Money(totals[order], USD), PaymentMethod.CARD),
                received_at=work.now - each.ago + timedelta(minutes=2),
            )
            for order, each in pairs
            if each.paid
        ],
    )
    await fulfillment.ship_many(
        work,
        [Shipping(order, shipped_at=work.now - each.ago + timedelta(hours=5)) for order, each in pairs if each.shipped],
    )
    for order in [order for order, each in pairs if each.cancelled]:
        await orders.cancel(work, order, reason=OrderCancelReason.CUSTOMER)


async def _surprises(work: Work, variants: Sequence[ID]) -> None:
    """Something broke, and something is on its way."""
    places = await external.find(work.connection, "loc", SYSTEM_NAME, ["WAREHOUSE", "STORE"])
    broken = [NewAdjustmentLine(variants[0], pieces(-1)), NewAdjustmentLine(variants[3], pieces(-2))]
    await stock.adjust(work, NewAdjustment(places["WAREHOUSE"], StockAdjustmentReason.DAMAGE, broken))
    coming = [NewIncomingLine(row, pieces(48)) for row in variants[:6]]
    due_on = (work.now + timedelta(days=14)).date()
    await stock.expect(work, NewIncoming(places["WAREHOUSE"], due_on, coming, reference="PO 2207"))


async def _stockroom(connection: AsyncConnection) -> None:
    """The stockroom's day. A count is three acts, as it is when people count."""
    async with begin(connection, actor=SYSTEM) as work:
        skus = {sku: row for sku, row, _ in await _variants(work)}
        places = await external.find(connection, "loc", SYSTEM_NAME, ["WAREHOUSE", "STORE", "NORTH"])
        rows = await work.connection.execute(select(business.SalesChannel.id).order_by("created_at"))
        await stockroom.arrange(work, skus, places, list(rows.scalars()))
    async with begin(connection, actor=SYSTEM) as work:
        counted = await stockroom.count(work, skus, places)
    async with begin(connection, actor=SYSTEM) as work:
        await stockroom.book(work, counted)
    async with begin(connection, actor=SYSTEM) as work:
        await week.live_through(work, skus, places)


async def _variants(work: Work) -> list[tuple[str, ID, Money]]:
    """The demo's variants that are on sale: SKU, id and price, by SKU."""
    skus = [each.sku for article in products() for each in article.variants]
    found = await catalog.sellables_by_sku(work, skus)
    on_sale = (catalog.ProductStatus.ACTIVE, catalog.ProductStatus.DISCONTINUED)
    return [
        (sku, each.id, each.price)
        for sku, each in sorted(found.items())
        if each.status in on_sale and each.price is not None
    ]


__all__ = ["SYSTEM_NAME", "Seeded", "barcode", "products", "seed"]
