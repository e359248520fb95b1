"""Goods move within their location."""

from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.stock.levels import StockLevel
from domain import stock
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewRelocationLine, "StockRelocateLineInput")


@mutation(noun="levels")
@access(Scope.STOCK_WRITE)
async def stock_relocate(work: Work, input: stock.NewRelocation) -> list[StockLevel]:
    """Moves goods within a location: to another bin, or into or out of a state in which they cannot be sold. What comes
    out of a state goes to the orders that wait for it.
    """
    return await stock.relocate(work, input)  # type: ignore[return-value]
