"""The fixed data set: the same names, prices, stock and orders every time, brought in through the operations.

Only ids and instants differ from run to run. Every variant has stock at both locations, more than a run can sell.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar

from domain import catalog, customers, orders, stock
from domain.catalog import NewProduct, NewVariant
from domain.customers import NewCustomer
from domain.kernel.database import Database, raw
from domain.kernel.ids import ID
from domain.kernel.money import CurrencyCode, Money, Quantity
from domain.kernel.work import SYSTEM, begin
from domain.orders import NewOrder, NewOrderLine
from domain.stock import LocationKind, NewLocation, NewReceipt, NewReceiptLine

VARIANTS, LOCATIONS, LINES = 3, 2, 3
"""Variants of a product, places where each has stock, lines of an order."""
BATCH, RECEIVED = 500, 3_000
"""Products, customers or orders that come in by one act; and lines of stock."""
PLENTY, HOT_PLENTY = (2_000, 9_000), 10_000_000
"""Units of a variant at a place, from and to; and of the one that a whole run orders."""
USD = CurrencyCode("USD")

ACCOUNTS = 16
"""Accounts that entries are posted to."""
_ACCOUNTS = """
SELECT id FROM accounts AS account
WHERE NOT is_control AND NOT EXISTS (SELECT FROM accounts AS child WHERE child.parent_id = account.id)
ORDER BY code LIMIT $1
"""

Report = Callable[[str, int], None]
"""Hears what came in, and how much of it."""


@dataclass(frozen=True)
class Size:
    """How much there is of everything that the data set has any number of."""

    products: int
    customers: int = 1_000
    orders: int = 2_000

    @property
    def variants(self) -> int:
        """How many variants all products have."""
        return self.products * VARIANTS


STANDARD, LARGE, TINY = Size(10_000), Size(50_000), Size(60, 20, 60)


@dataclass(frozen=True)
class Dataset:
    """What was brought in, by its ids."""

    products: list[ID] = field(default_factory=list)
    variants: list[ID] = field(default_factory=list)
    customers: list[ID] = field(default_factory=list)
    accounts: list[ID] = field(default_factory=list)
    """Those that entries by hand are posted to."""

    @property
    def hot(self) -> ID:
        """The variant that everybody wants: the last one, so that it is on no page that is read."""
        return self.variants[-1]


def steps(size: Size) -> int:
    """How much `load` reports in all."""
    return size.products + size.customers + size.variants * LOCATIONS + size.orders


async def load(database: Database, size: Size, *, report: Report = lambda *_: None) -> Dataset:
    """The data set is in the database from now on. The database has its foundation, and nothing else."""
    made, dice = Dataset(), Random(20_260_101)
    async with database.connection() as connection:
        for batch in batches(range(size.products)):
            async with begin(connection, actor=SYSTEM) as work:
                made.products.extend(await catalog.create_many(work, [_product(n, dice) for n in batch]))
            report("products", len(batch))
        made.variants.extend(await _variants(database, size))
        for batch in batches(range(size.customers)):
            async with begin(connection, actor=SYSTEM) as work:
                made.customers.extend(await customers.create_many(work, [_customer(n) for n in batch]))
            report("customers", len(batch))
        async with begin(connection, actor=SYSTEM) as work:
            places = [await stock.create_location(work, each) for each in _locations()]
        for place in places:
            for variants in batches(made.variants, RECEIVED):
                lines = [_line(variant, made.hot, dice) for variant in variants]
                async with begin(connection, actor=SYSTEM) as work:
                    await stock.receive(work, NewReceipt(place, lines))
                report("stock", len(variants))
        for batch in batches(range(size.orders)):
            news = [_order(made, dice) for _ in batch]
            async with begin(connection, actor=SYSTEM) as work:
                instants = [work.now - timedelta(minutes=size.orders - n) for n in batch]
                await orders.place_many(work, news, placed_at=instants)
            report("orders", len(batch))
        made.accounts.extend(ID("acc_" + row["id"]) for row in await (await raw(connection)).fetch(_ACCOUNTS, ACCOUNTS))
    return made


def shuffled(ids: Sequence[ID]) -> list[ID]:
    """The ids in an order by the dice, the same every time."""
    return Random(20_260_303).sample(ids, len(ids))


Each = TypeVar("Each")


def batches(all_of_them: Sequence[Each], size: int = BATCH) -> Iterator[Sequence[Each]]:
    """A sequence in parts of at most so many."""
    for start in range(0, len(all_of_them), size):
        yield all_of_them[start : start + size]


async def _variants(database: Database, size: Size) -> list[ID]:
    """The ids of all variants, in the order of their products."""
    async with database.snapshot() as connection:
        found = await connection.exec_driver_sql(
            "SELECT 'var_' || replace(variant.id::text, '-', '') FROM product_variants AS variant"
            " JOIN products AS product ON product.id = variant.product_id"
            " ORDER BY product.created_at, product.id, variant.position"
        )
        ids = [ID(row[0]) for row in found]
    assert len(ids) == size.variants
    return ids


_ADJECTIVES = ("Quiet", "Coastal", "Copper", "Folding", "Northern", "Woven", "Amber", "Hollow", "Steady", "Bright")
_NOUNS = ("lantern", "kettle", "satchel", "blanket", "chair", "compass", "bowl", "jacket", "notebook", "lamp")
_WORDS = [
    "made",
    "by",
    "hand",
    "from",
    "oiled",
    "ash",
    "and",
    "brass",
    "that",
    "ages",
    "well",
    "in",
    "a",
    "small",
    "shop",
    "near",
    "the",
    "harbor",
    "where",
    "each",
    "piece",
    "is",
    "signed",
    "packed",
    "without",
    "plastic",
    "and",
    "sent",
    "on",
    "the",
    "day",
    "it",
    "is",
    "ordered",
    "for",
    "people",
    "who",
    "keep",
    "what",
    "they",
    "buy",
    "and",
    "mend",
    "it",
    "twice",
]
_SIZES = ("small", "medium", "large")


def _product(n: int, dice: Random) -> NewProduct:
    """The n-th product, with a description of about 200 characters. One in ten is sold by weight."""
    name = f"{_ADJECTIVES[n % 10]} {_NOUNS[n // 10 % 10]} {n:05}"
    price = Decimal(dice.randint(250, 29_999)) / 100
    return NewProduct(
        name=name,
        description=" ".join(dice.choices(_WORDS, k=38)).capitalize() + ".",
        variants=[
            NewVariant(
                sku=f"SKU-{n:05}-{m + 1}",
                name=f"{name}, {label}",
                price=Money(price + m, USD),
                unit="KG" if n % 10 == 7 else "EA",
            )
            for m, label in enumerate(_SIZES)
        ],
    )


def _customer(n: int) -> NewCustomer:
    return NewCustomer(name=f"Customer {n:05}", email=f"customer.{n:05}@example.com")


def _locations() -> list[NewLocation]:
    return [
        NewLocation(name="Harbor warehouse", kind=LocationKind.WAREHOUSE, priority=10),
        NewLocation(name="Harbor Street store", kind=LocationKind.STORE, priority=20),
    ]


def _line(variant: ID, hot: ID, dice: Random) -> NewReceiptLine:
    many = Decimal(HOT_PLENTY if variant == hot else dice.randint(*PLENTY))
    return NewReceiptLine(variant, Quantity(many), Money(Decimal(dice.randint(100, 9_999)) / 100, USD))


def _order(made: Dataset, dice: Random) -> NewOrder:
    return NewOrder(
        lines=[
            NewOrderLine(quantity=Quantity(Decimal(dice.randint(1, 3))), variant_id=variant)
            for variant in dice.sample(made.variants, LINES)
        ],
        customer_id=dice.choice(made.customers),
    )
