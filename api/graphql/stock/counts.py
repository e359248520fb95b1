"""Counts of what is on the shelf."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import and_, case, exists

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, column, derived, extends, find, one, pages, sql, view
from api.graphql.stock.lots import Lot
from api.graphql.stock.places import Bin, Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Money, Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work
from domain.stock import StockCountStatus

input_name(stock.CountedLine, "StockCountedLineInput")
input_name(stock.FoundLine, "StockFoundLineInput")

_count, _line = stock.StockCount.__table__.c, stock.StockCountLine.__table__.c
_of_line = stock.StockCount.__table__.alias("of_line")
_hidden = exists().where(
    and_(_of_line.c.id == _line.count_id, _of_line.c.is_blind, _of_line.c.status == StockCountStatus.OPEN)
)
"""Whether nobody may see what the books say of a line, so that whoever counts does count."""

CountId = Annotated[ID, "The count."]


@view(stock.StockCountLine)
@access(Scope.STOCK_READ)
class StockCountLine(Node):
    """What was counted of one variant: in one bin and of one lot, or of what lies in no bin and belongs to no lot."""

    position: int
    """Its place in the count: they are in the order in which somebody walks along them."""
    variant: ProductVariant = one()
    """What is counted."""
    bin: Bin | None = one()
    """The bin it lies in, where it lies in one."""
    lot: Lot | None = one()
    """The lot it belongs to, where it belongs to one."""
    expected: Quantity | None = sql(case((_hidden, None), else_=_line.expected + _line.moved))
    """What the books said when it was counted, until then when the count began. Null while a blind count is open."""
    counted: Quantity | None
    """What was counted; null while it is not."""
    difference: Quantity | None = sql(case((_hidden, None), else_=_line.counted - _line.expected - _line.moved))
    """How many more, or with a minus fewer, were counted than the books said. Null while a blind count is open."""
    counted_at: datetime | None
    """When it was counted last."""
    counted_by: ID | None
    """The app that wrote it down."""
    rounds: int
    """How often it was counted."""
    unit_cost: Money | None = column(scopes=[Scope.COSTS_READ])
    """What one more costs, where whoever counted said so."""


@view(stock.StockCount)
@access(Scope.STOCK_READ)
class StockCount(Node):
    """A count of what is at a location, against what the books say."""

    number: str = derived(stock.count_number, needs=["number"])
    """Its number, for people."""
    location: Location = one()
    """Where it is counted."""
    kind: stock.StockCountKind
    """Whether everything there is counted, or some of it."""
    is_blind: bool
    """Whether nobody sees what the books say while it is being counted."""
    status: stock.StockCountStatus
    """Where it is in its life."""
    lines: Connection[StockCountLine] = pages(stock.count_lines, by=_line.count_id)
    """What is counted, in the order in which somebody walks along it."""
    reference: str | None
    """What it is called on paper."""
    submitted_at: datetime | None
    """When all of it was counted."""
    approved_at: datetime | None
    """When the differences were booked."""
    cancelled_at: datetime | None
    """When it was given up."""
    available_actions: list[stock.StockCountAction] = derived(stock.count_actions, needs=["status"])
    """What can be done with it now."""
    version: int
    """Rises with every change; the version of its last event."""
    created_at: datetime
    """When it began."""
    updated_at: datetime
    """When it was changed last."""


@extends("Query")
class CountQueries:
    stock_count: StockCount | None = find(
        id=(ID, lambda value: _count.id == value),
        number=(str, lambda value: _count.number == stock.count_number_of(value)),
    )
    """One count, by its id or its number."""
    stock_counts: Connection[StockCount] = pages(stock.counts)
    """The counts: by default the oldest first."""


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_start(work: Work, input: stock.CountStart) -> StockCount:
    """Starts a count: what the books say is kept as it is now, and stock goes on moving while it is counted."""
    return await stock.start_count(work, input)  # type: ignore[return-value]


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_record(work: Work, id: CountId, input: stock.CountRecord) -> StockCount:
    """Writes down what was counted. What was counted before is counted anew."""
    return await stock.record_count(work, id, input)  # type: ignore[return-value]


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_submit(
    work: Work,
    id: CountId,
    uncounted_are_zero: Annotated[bool, "Whether there is nothing of what nobody counted."] = False,
) -> StockCount:
    """Says that all is counted, so that somebody can look at the differences."""
    return await stock.submit_count(work, id, uncounted_are_zero=uncounted_are_zero)  # type: ignore[return-value]


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_recount(
    work: Work, id: CountId, line_ids: Annotated[list[ID], "The lines to count again; at most 10,000."]
) -> StockCount:
    """Has lines counted again: they are uncounted, and the count is open."""
    return await stock.recount(work, id, line_ids)  # type: ignore[return-value]


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_approve(work: Work, id: CountId) -> StockCount:
    """Books the differences: what is on hand is what was counted, and what came and went since."""
    return await stock.approve_count(work, id)  # type: ignore[return-value]


@mutation(noun="count")
@access(Scope.STOCK_WRITE)
async def stock_count_cancel(work: Work, id: CountId) -> StockCount:
    """Gives a count up: nothing is booked."""
    return await stock.cancel_count(work, id)  # type: ignore[return-value]
