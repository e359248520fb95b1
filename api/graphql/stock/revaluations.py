"""What is there is worth more or less from now on: at once, or when somebody else approves."""

from datetime import datetime
from typing import Annotated

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, column, derived, extends, find, one, pages, view
from api.graphql.ledger import JournalEntry
from api.graphql.stock.levels import StockLevel
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Money
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewRevaluationLine, "StockRevalueLineInput")

_revaluation = stock.StockRevaluation.__table__.c
_line = stock.StockRevaluationLine.__table__.c

RevaluationId = Annotated[ID, "The revaluation."]


@view(stock.StockRevaluationLine)
@access(Scope.STOCK_READ)
class StockRevaluationLine(Node):
    """What one unit of a variant should be worth."""

    position: int
    """Its place in the revaluation, from 1."""
    variant: ProductVariant = one()
    """The variant."""
    unit_cost: Money | None = column(scopes=[Scope.COSTS_READ])
    """What one should be worth, in the currency of the books."""


@view(stock.StockRevaluation)
@access(Scope.STOCK_READ)
class StockRevaluation(Node):
    """A proposal that goods at a location be worth more or less, and what became of it."""

    number: str = derived(stock.revaluation_number, needs=["number"])
    """Its number, for people."""
    location: Location = one()
    """Where the goods are."""
    reason: str
    """Why they should be worth more or less. It stays on the movements for ever."""
    status: stock.StockRevaluationStatus
    """Where it is in its life."""
    lines: Connection[StockRevaluationLine] = pages(stock.revaluation_lines, by=_line.revaluation_id)
    """What should be worth how much."""
    journal_entry: JournalEntry | None = one(by="entry_id")
    """Its entry in the books. Null until it is approved, and where nothing was worth anything else."""
    proposed_by: ID | None
    """The app that proposed it; null for Waterline itself."""
    decided_by: ID | None
    """The app that approved or rejected it; null for Waterline itself, and while nobody has."""
    decided_at: datetime | None
    """When it was approved or rejected."""
    available_actions: list[stock.StockRevaluationAction] = derived(stock.revaluation_actions, needs=["status"])
    """What can be done with it now."""
    version: int
    """Rises with every change; the version of its last event."""
    created_at: datetime
    """When it was proposed."""
    updated_at: datetime
    """When it was changed last."""


@extends("Query")
class RevaluationQueries:
    stock_revaluation: StockRevaluation | None = find(
        id=(ID, lambda value: _revaluation.id == value),
        number=(str, lambda value: _revaluation.number == stock.revaluation_number_of(value)),
    )
    """One revaluation, by its id or its number."""
    stock_revaluations: Connection[StockRevaluation] = pages(stock.revaluations)
    """The revaluations that were proposed: by default the oldest first."""


@mutation(noun="levels")
@access(Scope.STOCK_WRITE, Scope.STOCK_APPROVE, Scope.COSTS_READ)
async def stock_revalue(work: Work, input: stock.NewRevaluation) -> list[StockLevel]:
    """Gives what is on hand another value, for a reason; no quantity moves, and the difference is posted. It is
    proposing and approving in one.
    """
    return await stock.revalue(work, input)  # type: ignore[return-value]


@mutation(noun="revaluation")
@access(Scope.STOCK_WRITE, Scope.COSTS_READ)
async def stock_revaluation_propose(work: Work, input: stock.NewRevaluation) -> StockRevaluation:
    """Proposes another value for what is on hand, for a reason. Nothing is posted until somebody else approves."""
    return await stock.propose_revaluation(work, input)  # type: ignore[return-value]


@mutation(noun="revaluation")
@access(Scope.STOCK_APPROVE, Scope.COSTS_READ)
async def stock_revaluation_approve(work: Work, id: RevaluationId) -> StockRevaluation:
    """Gives what is on hand by now the value that somebody else proposed; the difference is posted."""
    return await stock.approve_revaluation(work, id)  # type: ignore[return-value]


@mutation(noun="revaluation")
@access(Scope.STOCK_APPROVE)
async def stock_revaluation_reject(work: Work, id: RevaluationId) -> StockRevaluation:
    """Turns a proposal down: nothing comes of it."""
    return await stock.reject_revaluation(work, id)  # type: ignore[return-value]
