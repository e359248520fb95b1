"""What was on hand and what it was worth at any instant, as it is known now or was known then."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from api.graphql.business import base_currency
from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.operations import query
from api.graphql.kit.plain import refers
from api.graphql.kit.reading import Reading
from api.graphql.kit.scalars import MoneyType
from api.graphql.kit.views import batch, extends
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope

AsOf = Annotated[datetime | None, "Only what had happened by then; everything, when left out."]
KnownAt = Annotated[datetime | None, "Only what had been written by then; everything, when left out."]


async def _on_hand(ids: list[ID], reading: Reading, as_of: AsOf = None, known_at: KnownAt = None) -> dict[ID, Quantity]:
    found = await reading.run(lambda it: stock.positions(it, ids, as_of=as_of, known_at=known_at))
    return {level: Quantity(each.on_hand) for level, each in found.items()}


async def _value(
    ids: list[ID], reading: Reading, as_of: AsOf = None, known_at: KnownAt = None
) -> dict[ID, MoneyType | None]:
    found = await reading.run(lambda it: stock.positions(it, ids, as_of=as_of, known_at=known_at))
    currency = await base_currency(reading)
    return {level: MoneyType.of(Money(each.value, currency)) for level, each in found.items()}


@extends("StockLevel")
class LevelHistory:
    on_hand_at: Quantity | None = batch(_on_hand)
    """What was physically there: what had happened by `asOf` of what was written by `knownAt`."""
    value_at: MoneyType | None = batch(_value, scopes=[Scope.COSTS_READ])
    """What it was worth then, in the currency of the books."""


@restrict(Scope.STOCK_READ, Scope.COSTS_READ)
@strawberry.type(name="StockValuationRow", description="What the stock at one location was worth.")
class StockValuationRow:
    location_id: strawberry.Private[ID]
    location = refers(Location, by="location_id", nullable=False, description="The location.")
    value: MoneyType = strawberry.field(description="The value of all goods there, in the currency of the books.")


@restrict(Scope.STOCK_READ, Scope.COSTS_READ)
@strawberry.type(name="StockValuation", description="What all stock was worth: it equals the inventory in the books.")
class StockValuation:
    rows: list[StockValuationRow] = strawberry.field(description="By location, where something ever was.")
    total: MoneyType = strawberry.field(description="The sum of the rows.")


@query
@access(Scope.STOCK_READ, Scope.COSTS_READ)
async def stock_valuation(
    context: Context,
    location_ids: Annotated[list[ID] | None, "Only at these locations; at all, when left out."] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> StockValuation | None:
    """What all stock was worth at any instant: what had happened by `asOf` of what was written by `knownAt`."""
    reading = context.reading
    found = await reading.run(lambda it: stock.values(it, locations=location_ids, as_of=as_of, known_at=known_at))
    currency = await base_currency(reading)

    def money(value: Decimal) -> MoneyType:
        return MoneyType.of(Money(value, currency))  # type: ignore[return-value]

    return StockValuation(
        rows=[StockValuationRow(location_id=location, value=money(value)) for location, value in found.items()],
        total=money(sum(found.values(), Decimal(0))),
    )
