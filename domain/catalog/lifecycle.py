"""The life of a product (PIM-02)."""

from enum import StrEnum

from domain.catalog.tables import ProductStatus
from domain.kernel.lifecycle import Lifecycle


class ProductAction(StrEnum):
    """What can be done with a product's status."""

    ACTIVATE = "ACTIVATE"
    """Put it on sale."""
    DISCONTINUE = "DISCONTINUE"
    """Sell what is left, buy no more."""
    ARCHIVE = "ARCHIVE"
    """Take it out of every list but the records."""


# Products may be born in any state: a shop that moves here brings its archive along.
PRODUCT = Lifecycle(
    noun="product",
    initial=tuple(ProductStatus),
    actions={
        ProductAction.ACTIVATE: ((ProductStatus.DRAFT, ProductStatus.DISCONTINUED), ProductStatus.ACTIVE),
        ProductAction.DISCONTINUE: ((ProductStatus.ACTIVE,), ProductStatus.DISCONTINUED),
        ProductAction.ARCHIVE: ((ProductStatus.DRAFT, ProductStatus.DISCONTINUED), ProductStatus.ARCHIVED),
    },
)
