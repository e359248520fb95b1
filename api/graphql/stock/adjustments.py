"""The books are brought in line with the shelf."""

from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.stock.levels import StockLevel
from domain import stock
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewAdjustmentLine, "StockAdjustLineInput")
input_name(stock.NewCountLine, "StockSetLineInput")


@mutation(noun="levels")
@access(Scope.STOCK_WRITE)
async def stock_adjust(work: Work, input: stock.NewAdjustment) -> list[StockLevel]:
    """Brings the books in line with the shelf, by differences, for a reason that says which account bears them."""
    return await stock.adjust(work, input)  # type: ignore[return-value]


@mutation(noun="levels")
@access(Scope.STOCK_WRITE)
async def stock_set(work: Work, input: stock.NewCount) -> list[StockLevel]:
    """Brings the books in line with what was counted, provided that they still say what the caller saw."""
    return await stock.set_quantities(work, input)  # type: ignore[return-value]
