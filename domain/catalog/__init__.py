"""The catalog: products and their variants, what sells under which SKU."""

from domain.catalog.events import (
    ProductActivated,
    ProductArchived,
    ProductCreated,
    ProductDiscontinued,
    ProductUpdated,
)
from domain.catalog.lifecycle import PRODUCT, ProductAction
from domain.catalog.operations import (
    BroughtIn,
    NewProduct,
    NewVariant,
    ProductChanges,
    VariantChanges,
    activate,
    archive,
    bring_in,
    create,
    create_many,
    discontinue,
    update,
)
from domain.catalog.queries import (
    Sellable,
    ask_sellables,
    ask_sellables_by_sku,
    products,
    sellables,
    sellables_by_sku,
    variants,
)
from domain.catalog.tables import LARGEST_PRODUCT, Product, ProductStatus, ProductVariant

__all__ = [
    "LARGEST_PRODUCT",
    "PRODUCT",
    "BroughtIn",
    "NewProduct",
    "NewVariant",
    "Product",
    "ProductAction",
    "ProductActivated",
    "ProductArchived",
    "ProductChanges",
    "ProductCreated",
    "ProductDiscontinued",
    "ProductStatus",
    "ProductUpdated",
    "ProductVariant",
    "Sellable",
    "VariantChanges",
    "activate",
    "archive",
    "ask_sellables",
    "ask_sellables_by_sku",
    "bring_in",
    "create",
    "create_many",
    "discontinue",
    "products",
    "sellables",
    "sellables_by_sku",
    "update",
    "variants",
]
