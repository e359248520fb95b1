"""What can be asked of the catalog."""

from sqlalchemy import ColumnElement, or_, select

from domain.catalog.tables import Product, ProductStatus, ProductVariant
from domain.kernel import listing

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
        .join(Product, _product.id == _variant.product_id)
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
