"""Goods leave with a customer."""

from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import Nouns, mutation
from api.graphql.stock.cases import StockDiscrepancy
from api.graphql.stock.levels import StockLevel
from domain import stock
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewHandOverLine, "StockHandOverLineInput")


@mutation(nouns={"levels": list[StockLevel], "discrepancies": list[StockDiscrepancy]})
@access(Scope.STOCK_WRITE)
async def stock_hand_over(work: Work, input: stock.NewHandOver) -> Nouns:
    """Books goods that a customer took along, as at a till: they leave at once, at their cost, and nothing was
    allocated before. Where the location allows it, more may be handed over than the books know of: each time a case is
    opened. What was paid for them is booked by who sold them.
    """
    found = await stock.take_along(work, input)
    return {"levels": found.levels, "discrepancies": found.cases}
