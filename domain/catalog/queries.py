"""What can be asked of the catalog."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from asyncpg import Record
from sqlalchemy import ColumnElement, or_, select

from domain.catalog.tables import Product, ProductStatus, ProductVariant
from domain.kernel import listing
from domain.kernel.asking import AMONG, Ask, Query, ask
from domain.kernel.ids import ID, is_id
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import Work

_product = Product.__table__.c
_variant = ProductVariant.__table__.c


def _codes(search: str) -> ColumnElement[bool]:
    """Variants whose SKU starts with the words, or whose barcode they are."""
    return or_(listing.starts_folded(_variant.sku_folded, search), _variant.barcode == search.strip())


def search_products(search: str) -> ColumnElement[bool]:
    """Products found by words of their name, or by SKU or barcode of a variant. Each half has its own index."""
    by_name = select(_product.id).where(listing.has_words(_product.search, search))
    by_code = select(_variant.product_id).where(_codes(search))
    return _product.id.in_(by_name.union(by_code))


def search_variants(search: str) -> ColumnElement[bool]:
    """Variants found by SKU or barcode, or by words of their product's name."""
    by_name = (
        select(_variant.id)
        .join(Product.__table__, _product.id == _variant.product_id)  # with the class it would be a query of the ORM
        .where(listing.has_words(_product.search, search))
    )
    by_code = select(_variant.id).where(_codes(search))
    return _variant.id.in_(by_name.union(by_code))


def _some_variant(test: ColumnElement[bool]) -> ColumnElement[bool]:
    return _product.id.in_(select(_variant.product_id).where(test))


products = listing.Listing(
    Product,
    filters={
        "id": listing.identity(_product.id),
        "status": listing.choice(_product.status, ProductStatus),
        "name": listing.folded(_product.name_folded),
        "slug": listing.text(_product.slug),
        "sku": listing.folded(_variant.sku_folded, within=_some_variant),
        "created_at": listing.instant(_product.created_at),
        "updated_at": listing.instant(_product.updated_at),
    },
    sorts={"CREATED_AT": _product.created_at, "UPDATED_AT": _product.updated_at, "NAME": _product.name_folded},
    search=search_products,
)

variants = listing.Listing(
    ProductVariant,
    filters={
        "id": listing.identity(_variant.id),
        "sku": listing.folded(_variant.sku_folded),
        "barcode": listing.text(_variant.barcode),
        "name": listing.folded(_variant.name_folded),
        "created_at": listing.instant(_variant.created_at),
    },
    sorts={"CREATED_AT": _variant.created_at, "SKU": _variant.sku_folded, "NAME": _variant.name_folded},
    search=search_variants,
)


@dataclass(frozen=True, slots=True)
class Sellable:
    """What other rooms need to know of a variant: what it is called, what it costs, how it is counted."""

    id: ID
    sku: str
    name: str
    """The product's name, and the variant's where it has one of its own."""
    status: ProductStatus
    price: Money | None
    unit: str
    decimals: int
    """How many decimals a quantity of it may have."""

    def quantity_fault(self, quantity: Decimal) -> str | None:
        """What is wrong with a quantity of it, as a sentence; None where nothing is."""
        if -int(quantity.normalize().as_tuple().exponent) <= self.decimals:
            return None
        counted = f"with at most {self.decimals} decimals" if self.decimals else "in whole numbers"
        return f"{self.sku} is counted in {self.unit}, {counted}."


_COLUMNS = (
    "id uuid, sku text, product_name text, variant_name text, status text, price_amount numeric, price_currency text,"
    " code text, decimals integer"
)
_SELLABLE = """
SELECT variant.id, variant.sku, product.name AS product_name, variant.name AS variant_name,
  product.status, variant.price_amount, variant.price_currency, unit.code, unit.decimals
FROM product_variants AS variant
JOIN products AS product ON product.id = variant.product_id JOIN units AS unit ON unit.id = variant.unit_id
"""


_BY_ID = Query(f"{_SELLABLE} WHERE variant.id = {AMONG}", _COLUMNS)
_BY_SKU = Query(
    _SELLABLE.replace("SELECT ", "SELECT given.sku AS asked, ", 1)
    + "JOIN unnest($1::text[]) AS given(sku) ON variant.sku_folded = lower(btrim(given.sku))",
    f"asked text, {_COLUMNS}",
)


async def sellables(work: Work, ids: Collection[str]) -> dict[ID, Sellable]:
    """The variants with these ids, in one statement; malformed and unknown ids are left out."""
    return await ask(work, ask_sellables(ids))


async def sellables_by_sku(work: Work, skus: Collection[str]) -> dict[str, Sellable]:
    """The variants with these SKUs, by the SKU as it was asked for; unknown ones are left out."""
    return await ask(work, ask_sellables_by_sku(skus))


def ask_sellables(ids: Collection[str]) -> Ask[dict[ID, Sellable]]:
    """What `sellables` answers, to be asked together with something else."""
    wanted = list({each.partition("_")[2] for each in ids if is_id(each, "var")})

    def read(records: Sequence[Record]) -> dict[ID, Sellable]:
        return {ID("var_" + record["id"]): _sellable(record) for record in records}

    return Ask(_BY_ID, [wanted], read, needed=bool(wanted))


def ask_sellables_by_sku(skus: Collection[str]) -> Ask[dict[str, Sellable]]:
    """What `sellables_by_sku` answers, to be asked together with something else.

    The database folds the case of what is asked as it folded the column.
    """
    wanted = list({sku for sku in skus if "\x00" not in sku})

    def read(records: Sequence[Record]) -> dict[str, Sellable]:
        return {record["asked"]: _sellable(record) for record in records}

    return Ask(_BY_SKU, [wanted], read, needed=bool(wanted))


def _sellable(record: Record) -> Sellable:
    product, own = record["product_name"], record["variant_name"]
    price = None
    if record["price_amount"] is not None:
        price = Money(record["price_amount"], CurrencyCode(record["price_currency"]))
    return Sellable(
        id=ID("var_" + record["id"]),
        sku=record["sku"],
        name=product if own == product else f"{product}, {own}"[:255],
        status=ProductStatus(record["status"]),
        price=price,
        unit=record["code"],
        decimals=record["decimals"],
    )
