"""Products and their variants."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import func

from api.graphql.business import Unit
from api.graphql.external import ExternalReference, external_ids_of, external_key
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, amount, batch, derived, extends, find, many, one, pages, view
from domain import catalog
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(catalog.NewVariant, "ProductVariantInput")
input_name(catalog.VariantChanges, "ProductVariantUpdateInput")

ProductId = Annotated[ID, "The product."]


@view(catalog.Product)
@access(Scope.PRODUCTS_READ)
class Product(Node):
    """A thing the shop sells, in one or more variants."""

    name: str
    """What customers read first."""
    slug: str
    """Its part of a web address; unique."""
    description: str | None
    """Text for customers."""
    status: catalog.ProductStatus
    """Where it is in its life."""
    variants: list["ProductVariant"] = many(catalog.ProductVariant.__table__.c.position)
    """Its variants in their order; at most 250."""
    available_actions: list[catalog.ProductAction] = derived(catalog.PRODUCT.available, needs=["status"])
    """What can be done with its status now."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    version: int
    """Rises with every change; for `expectedVersion`."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


@view(catalog.ProductVariant)
@access(Scope.PRODUCTS_READ)
class ProductVariant(Node):
    """The sellable unit of a product: what has a SKU and a price."""

    sku: str
    """The stock keeping unit; unique without regard to case."""
    name: str
    """What tells it from its sisters."""
    barcode: str | None
    """The code that scanners read; unique."""
    price: Money | None = amount("price_amount", "price_currency", in_currency=True)
    """What it costs unless a price list says otherwise; null where it has no price in the currency wanted."""
    unit: Unit = one()
    """The unit its stock is counted in."""
    product: Product = one()
    """The product it is a variant of."""
    external_ids: list[ExternalReference] = batch(external_ids_of)
    """What other systems call it."""
    created_at: datetime
    """Since when it exists."""
    updated_at: datetime
    """When it was changed last."""


_product, _variant = catalog.Product.__table__.c, catalog.ProductVariant.__table__.c


@extends("Query")
class CatalogQueries:
    product: Product | None = find(
        id=(ID, lambda value: _product.id == value),
        slug=(str, lambda value: _product.slug == value),
        external=(ExternalId, external_key("prd", _product.id)),
    )
    """One product, by its id, its slug or what another system calls it."""
    products: Connection[Product] = pages(catalog.products)
    """The products: by default the oldest first."""
    variant: ProductVariant | None = find(
        id=(ID, lambda value: _variant.id == value),
        sku=(str, lambda value: _variant.sku_folded == func.lower(value)),
        barcode=(str, lambda value: _variant.barcode == value),
        external=(ExternalId, external_key("var", _variant.id)),
    )
    """One variant, by its id, SKU, barcode or what another system calls it."""
    variants: Connection[ProductVariant] = pages(catalog.variants)
    """The variants of all products: by default the oldest first."""


@mutation
@access(Scope.PRODUCTS_WRITE)
async def product_create(work: Work, input: catalog.NewProduct) -> Product:
    """Creates a product with its variants."""
    return await catalog.create(work, input)  # type: ignore[return-value]


@mutation
@access(Scope.PRODUCTS_WRITE)
async def product_update(work: Work, id: ProductId, input: catalog.ProductChanges) -> Product:
    """Changes what describes a product and its variants. What is left out stays as it is."""
    return await catalog.update(work, id, input)  # type: ignore[return-value]


@mutation
@access(Scope.PRODUCTS_WRITE)
async def product_activate(work: Work, id: ProductId) -> Product:
    """Puts a product on sale."""
    return await catalog.activate(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.PRODUCTS_WRITE)
async def product_discontinue(work: Work, id: ProductId) -> Product:
    """Lets a product sell out: it is not bought in again."""
    return await catalog.discontinue(work, id)  # type: ignore[return-value]


@mutation
@access(Scope.PRODUCTS_WRITE)
async def product_archive(work: Work, id: ProductId) -> Product:
    """Keeps a product for the records only."""
    return await catalog.archive(work, id)  # type: ignore[return-value]
