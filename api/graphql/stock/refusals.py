"""How stock says no, where its figures help."""

from typing import Any

import strawberry

from api.graphql.catalog import ProductVariant
from api.graphql.kit.errors import UserError, user_error
from api.graphql.kit.plain import refers
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity


def _insufficient(refusal: stock.InsufficientStock) -> dict[str, Any]:
    return {
        "variant_id": refusal.variant,
        "requested": Quantity(refusal.requested),
        "available": Quantity(refusal.available),
    }


@user_error(stock.InsufficientStock, _insufficient)
@strawberry.type(name="InsufficientStock", description="Less is available than was asked for.")
class InsufficientStock(UserError):  # noqa: N818  named as in the schema
    requested: Quantity = strawberry.field(description="How many the act asked for in all.")
    available: Quantity = strawberry.field(description="How many were available to it.")
    variant_id: strawberry.Private[ID | None]
    variant = refers(ProductVariant, by="variant_id", description="Of what.")


def _stale(refusal: stock.StaleQuantity) -> dict[str, Any]:
    return {"variant_id": refusal.variant, "present": Quantity(refusal.present)}


@user_error(stock.StaleQuantity, _stale)
@strawberry.type(name="StaleQuantity", description="The quantity is not what the caller expected.")
class StaleQuantity(UserError):  # noqa: N818  named as in the schema
    present: Quantity = strawberry.field(description="How many are on hand by now.")
    variant_id: strawberry.Private[ID | None]
    variant = refers(ProductVariant, by="variant_id", description="Of what.")
