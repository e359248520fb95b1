"""What is there is worth more or less from now on."""

from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.stock.levels import StockLevel
from domain import stock
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewRevaluationLine, "StockRevalueLineInput")


@mutation(noun="levels")
@access(Scope.STOCK_WRITE, Scope.COSTS_READ)
async def stock_revalue(work: Work, input: stock.NewRevaluation) -> list[StockLevel]:
    """Gives what is on hand another value, for a reason; no quantity moves, and the difference is posted."""
    return await stock.revalue(work, input)  # type: ignore[return-value]
