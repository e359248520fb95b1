"""A year of a supermarket as it would be lived: goods come in, households buy them, pay and take them along.

Baskets are taken in the order of time, in blocks. Before a block its stores receive exactly what the whole block will
sell, whatever part of it is asked for, so that a run with another limit, or one that was killed, finds the same
receipts. A batch of baskets is one transaction: placed, paid and shipped, or not there at all.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from api.imports.completejourney.reading import SYSTEM_NAME, Refused, Report, note, quiet, table, told
from api.imports.completejourney.receipts import Basket, CannotBeLine, Receipts, petrol_of
from domain import business, customers, fulfillment, orders, stock
from domain.business import ChannelKind, NewSalesChannel
from domain.customers import NewCustomer
from domain.fulfillment import Shipping
from domain.kernel import events, external
from domain.kernel.database import Database
from domain.kernel.errors import Trouble
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.work import SYSTEM, AsyncConnection, Work, begin
from domain.orders import NewOrder, NewOrderLine, OrderPayment
from domain.payments import NewPayment, PaymentMethod
from domain.stock import LocationKind, NewLocation, NewReceipt, NewReceiptLine

BLOCK = 2_000
"""Baskets whose goods come in together."""
BATCH = 100
"""Baskets per transaction: a fraction of a second of work, and what a killed run loses at most."""
LANES = 3
"""Batches under way at once: while the database works on one, the next is prepared."""
LINES = 5_000
"""Lines of goods received per transaction."""
SHARE_OF_COST = Decimal("0.7")
"""The data say nothing of what the shop paid. A supermarket pays about so much of what it sells for."""

USD = CurrencyCode("USD")
CHANNEL = "Supermarket tills"


@dataclass
class BasketsReport:
    """What became of the baskets. Every one is in exactly one of the counts, and so is every row that was refused.

    Amounts are of the baskets that came in this time, in dollars: `gross` - `discounts` = `net`.
    """

    baskets: int = 0
    created: int = 0
    present: int = 0
    """Those that had come in before."""
    empty: int = 0
    """Those of which no row could be a line."""
    lines: int = 0
    received: int = 0
    """Lines of goods that came in for them."""
    gross: Decimal = Decimal(0)
    discounts: Decimal = Decimal(0)
    net: Decimal = Decimal(0)
    refused: Refused = field(default_factory=dict)
    """Basket and product of the rows that did not come in, by reason."""
    seconds: float = 0.0
    """Of the baskets alone: their receipts included, stores and households before them not."""

    @property
    def rate(self) -> float:
        """Orders a second that were received for, placed, paid and shipped."""
        return self.created / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """What a person wants to know: how many came in, what they came to, and why others did not."""
        lines = [
            f"{self.baskets:,} baskets in {self.seconds:.1f} s: {self.created:,} became orders ({self.rate:,.0f} a"
            f" second), {self.present:,} had come in before, {self.empty:,} had no line.",
            f"{self.lines:,} lines sold, {self.received:,} lines received for them.",
            f"Gross {self.gross:,.2f} less discounts {self.discounts:,.2f} is net {self.net:,.2f} USD.",
        ]
        return "\n".join([*lines, *told(self.refused)])


@dataclass(frozen=True)
class _Shop:
    """What baskets refer to, by the package's ids."""

    channel: ID
    stores: Mapping[str, ID]
    households: Mapping[str, ID]


async def import_baskets(database: Database, *, report: Report = quiet, limit: int | None = None) -> BasketsReport:
    """Bring the baskets in, oldest first; with `limit`, only the first ones. The products must have come in before.

    Killed anywhere and said again it ends the same, and said once more it changes nothing. Raises Trouble when the
    data or their reader are not installed, the books are not kept in dollars, or another import is at it.
    """
    receipts = await asyncio.to_thread(Receipts.read)
    petrol = await asyncio.to_thread(lambda: petrol_of(table("products")))
    total = len(receipts) if limit is None else min(limit, len(receipts))
    async with database.connection() as connection, _alone(connection):
        shop = await _open_shop(database, receipts, report)
        journey = _Journey(database, shop, report, total)
        report("baskets", 0, total)
        for start in range(0, total, BLOCK):
            refused: Refused = {}
            block = list(receipts.baskets(start, start + BLOCK, petrol, refused))
            await journey.block(start, block, refused)
    return journey.result


@asynccontextmanager
async def _alone(connection: AsyncConnection) -> AsyncIterator[None]:
    """One import at a time: two would both find the same basket new. The lock goes with the connection."""
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    lock = text("SELECT pg_try_advisory_lock(hashtextextended('import completejourney', 0))")
    if not (await connection.execute(lock)).scalar_one():
        raise Trouble("Another import of these baskets is running.", "Wait for it, or stop it.")
    try:
        yield
    finally:
        await connection.execute(text("SELECT pg_advisory_unlock(hashtextextended('import completejourney', 0))"))


@dataclass
class _Journey:
    """An import under way."""

    database: Database
    shop: "_Shop"
    report: Report
    total: int
    result: BasketsReport = field(default_factory=BasketsReport)
    started: float = field(default_factory=time.monotonic)

    async def block(self, start: int, block: Sequence[Basket], refused: Refused) -> None:
        """A block's goods come in; then its baskets, as many as are asked for, are sold: each in lanes side by side."""
        wanted = block[: self.total - start]
        async with self.database.connection() as connection:
            variants = await _variants(connection, block)
        _note_refused(self.result, wanted, variants, refused)
        deliveries = _deliveries(start, block, variants, self.shop)
        received_at = block[0].at - timedelta(hours=1)
        await _side_by_side(self._take_in(deliveries[lane::LANES], received_at) for lane in range(LANES))
        await _side_by_side(self._sell(baskets, variants) for baskets in _lanes(wanted))

    async def _take_in(self, deliveries: Sequence[NewReceipt], received_at: datetime) -> None:
        async with self.database.connection() as connection:
            received = await _receive(connection, deliveries, received_at)
        self.result.received += received  # not across the wait: lanes would overwrite each other's sums

    async def _sell(self, baskets: Sequence[Basket], variants: Mapping[str, ID]) -> None:
        async with self.database.connection() as connection:
            for first in range(0, len(baskets), BATCH):
                await _sell(connection, self.shop, baskets[first : first + BATCH], variants, self.result)
                await events.notify(connection)
                self.result.seconds = time.monotonic() - self.started
                self.report("baskets", self.result.baskets, self.total)


async def _side_by_side(lanes: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run lanes at once; when one fails, the others stop too."""
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(lane)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


# --- the shop -------------------------------------------------------------------------------------------------------


async def _open_shop(database: Database, receipts: Receipts, report: Report) -> _Shop:
    """Stores, households and the channel are there; what is there already stays."""
    report("stores and households", 0, 1)
    households, stores = receipts.households(), receipts.stores()
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        currency = (await work.connection.execute(select(business.Business.base_currency))).scalar_one()
        if currency != USD:
            raise Trouble(
                f"The books are kept in {currency}, and the supermarket sells in {USD}.",
                "Bring it into a database whose base currency is USD.",
            )
        channel = await _channel(work)
        places = await stock.bring_in_locations(work, SYSTEM_NAME, [_store(each) for each in stores])
        known = await external.find(connection, "cus", SYSTEM_NAME, households)
        fresh = [each for each in households if each not in known]
        made = await customers.create_many(work, [_household(each) for each in fresh])
    report("stores and households", 1, 1)
    return _Shop(channel, places, known | dict(zip(fresh, made, strict=True)))


async def _channel(work: Work) -> ID:
    row = business.SalesChannel
    found = (await work.connection.execute(select(row.id).where(row.name == CHANNEL))).scalar()
    if found is not None:
        return found
    new = NewSalesChannel(name=CHANNEL, kind=ChannelKind.POINT_OF_SALE, currency=USD, locale="en-US")
    return (await business.open_channel(work, new)).id


def _store(store: str) -> NewLocation:
    return NewLocation(name=f"Store {store}", kind=LocationKind.STORE, external_id=ExternalId(SYSTEM_NAME, store))


def _household(household: str) -> NewCustomer:
    return NewCustomer(name=f"Household {household}", external_id=ExternalId(SYSTEM_NAME, household))


async def _variants(connection: AsyncConnection, block: Sequence[Basket]) -> dict[str, ID]:
    """Our variants by the package's product ids; what never became a product is left out."""
    wanted = sorted({item.product for basket in block for item in basket.items})
    async with begin(connection, actor=SYSTEM):
        return await external.find(connection, "var", SYSTEM_NAME, wanted)


def _note_refused(
    result: BasketsReport, baskets: Sequence[Basket], variants: Mapping[str, ID], refused: Refused
) -> None:
    """Note the rows of these baskets that cannot come in: those refused on reading, and those without a product."""
    ids = {basket.id for basket in baskets}
    for reason, rows in refused.items():
        mine = [row for row in rows if row.partition("/")[0] in ids]
        if mine:
            result.refused.setdefault(reason, []).extend(mine)
    unknown = CannotBeLine("The product is not in the catalog")
    for basket in baskets:
        for item in basket.items:
            if item.product not in variants:
                note(result.refused, f"{basket.id}/{item.product}", unknown)


# --- goods come in --------------------------------------------------------------------------------------------------


async def _receive(connection: AsyncConnection, deliveries: Sequence[NewReceipt], received_at: datetime) -> int:
    """Take in the deliveries that are not there yet, each store's one. Returns how many lines they had."""
    received, waiting = 0, list(deliveries)
    while waiting:
        async with begin(connection, actor=SYSTEM) as work:
            names = [each.external_id.id for each in waiting if each.external_id is not None]
            known = await external.find(connection, "rct", SYSTEM_NAME, names)
            waiting = [each for each in waiting if each.external_id is not None and each.external_id.id not in known]
            batch = _so_many_lines(waiting)
            if batch:
                await stock.receive_many(work, [replace(each, received_at=received_at) for each in batch])
        waiting = waiting[len(batch) :]
        received += sum(len(each.lines) for each in batch)
    return received


def _deliveries(start: int, block: Sequence[Basket], variants: Mapping[str, ID], shop: _Shop) -> list[NewReceipt]:
    """One delivery for each store of a block. A product costs a share of what it sells for in this block."""
    demand: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    sold: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for basket in block:
        for item in basket.items:
            if item.product in variants:
                demand[basket.store][item.product] += item.quantity
                many, net = sold[item.product]
                sold[item.product] = many + item.quantity, net + item.net
    costs = {
        product: Money((net / many * SHARE_OF_COST).quantize(Decimal("0.01")), USD)
        for product, (many, net) in sold.items()
    }
    return [
        NewReceipt(
            location_id=shop.stores[store],
            lines=[
                NewReceiptLine(variants[product], Quantity(Decimal(many)), costs[product])
                for product, many in sorted(products.items())
            ],
            external_id=ExternalId(SYSTEM_NAME, f"delivery {start}-{start + BLOCK} to store {store}"),
        )
        for store, products in sorted(demand.items())
    ]


def _so_many_lines(deliveries: Sequence[NewReceipt]) -> list[NewReceipt]:
    """The first deliveries that have about LINES lines together."""
    batch: list[NewReceipt] = []
    for each in deliveries:
        if batch and sum(len(one.lines) for one in batch) + len(each.lines) > LINES:
            break
        batch.append(each)
    return batch


def _lanes(baskets: Sequence[Basket]) -> list[list[Basket]]:
    """The baskets in lanes of about one length, each store's in one lane: no lane waits for another's stock."""
    by_store: dict[str, list[Basket]] = defaultdict(list)
    for basket in baskets:
        by_store[basket.store].append(basket)
    lanes: list[list[Basket]] = [[] for _ in range(LANES)]
    for _, mine in sorted(by_store.items(), key=lambda each: (-len(each[1]), each[0])):
        min(lanes, key=len).extend(mine)
    return [sorted(lane, key=lambda basket: (basket.at, basket.id)) for lane in lanes]


# --- baskets are sold -----------------------------------------------------------------------------------------------


async def _sell(
    connection: AsyncConnection,
    shop: _Shop,
    batch: Sequence[Basket],
    variants: Mapping[str, ID],
    result: BasketsReport,
) -> None:
    """The baskets are placed, paid and shipped in one act; those that are there already stay as they are."""
    sellable = [(basket, [item for item in basket.items if item.product in variants]) for basket in batch]
    async with begin(connection, actor=SYSTEM) as work:
        known = await external.find(connection, "ord", SYSTEM_NAME, [basket.id for basket in batch])
        fresh = [
            Basket(basket.id, basket.store, basket.household, basket.at, items)
            for basket, items in sellable
            if items and basket.id not in known
        ]
        if fresh:
            await _live(work, shop, fresh, variants)
    result.baskets += len(batch)
    result.created += len(fresh)
    result.present += len(known)
    result.empty += sum(not items for _, items in sellable)
    for basket in fresh:
        result.lines += len(basket.items)
        result.net += basket.net
        result.discounts += sum((item.discount for item in basket.items), Decimal(0))
        result.gross += sum((item.gross for item in basket.items), Decimal(0))


async def _live(work: Work, shop: _Shop, baskets: Sequence[Basket], variants: Mapping[str, ID]) -> None:
    instants = [basket.at for basket in baskets]
    placed = await orders.place_many(work, [_order(basket, shop, variants) for basket in baskets], placed_at=instants)
    payments = [
        OrderPayment(order, payment, received_at=basket.at)
        for order, basket in zip(placed, baskets, strict=True)
        for payment in _payments(basket)
    ]
    if payments:
        await orders.record_payments(work, payments)
    await fulfillment.ship_many(
        work, [Shipping(order, shipped_at=at) for order, at in zip(placed, instants, strict=True)]
    )


def _order(basket: Basket, shop: _Shop, variants: Mapping[str, ID]) -> NewOrder:
    return NewOrder(
        lines=[
            NewOrderLine(
                quantity=Quantity(Decimal(item.quantity)),
                variant_id=variants[item.product],
                unit_price=Money(item.unit_price, USD),
                discount=Money(item.discount, USD) if item.discount else None,
            )
            for item in basket.items
        ],
        customer_id=shop.households[basket.household],
        channel_id=shop.channel,
        external_id=ExternalId(SYSTEM_NAME, basket.id),
        location_id=shop.stores[basket.store],
    )


def _payments(basket: Basket) -> list[NewPayment]:
    """What the household paid at the till, and what its coupons paid."""
    parts = ((basket.net - basket.coupons, PaymentMethod.EXTERNAL), (basket.coupons, PaymentMethod.COUPON))
    return [NewPayment(Money(amount, USD), method) for amount, method in parts if amount]
