"""How the stock of a variant is kept, and who waits for it."""

from datetime import date, datetime

from sqlalchemy import select

from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.reading import Reading, among
from api.graphql.kit.views import Connection, Node, batch, derived, extends, one, pages, view
from api.graphql.stock.levels import StockLevel
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.ids import ID
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.StockPolicyChanges, "StockPolicySetInput")
input_name(stock.ReplenishmentChanges, "StockReplenishmentSetInput")
input_name(stock.NewPriority, "StockBackorderPrioritizeInput")

_policy, _backorder = stock.StockPolicy.__table__.c, stock.StockBackorder.__table__.c


@view(stock.StockPolicy)
@access(Scope.STOCK_READ)
class StockPolicy(Node):
    """How the stock of a variant is kept: its costs, its lots, and what happens when it runs out."""

    variant: ProductVariant = one()
    """The variant."""
    cost_method: stock.CostMethod
    """Which cost goods take along when they leave."""
    tracks_lots: bool
    """Whether every unit that comes in must name its lot."""
    backorders: stock.BackorderPolicy
    """Whether more may be ordered than is available."""
    backorder_limit: Quantity | None
    """How much may be waited for in all; with LIMIT."""
    preorder_on: date | None
    """The day it is expected to be there; with PREORDER."""
    version: int
    """Rises with every change; for `expectedVersion`."""
    created_at: datetime
    """Since when the variant has a policy of its own."""
    updated_at: datetime
    """When it was changed last."""


async def _policy_of(ids: list[ID], reading: Reading) -> dict[ID, ID]:
    """The policies of variants that have one."""
    statement = select(_policy.id, _policy.variant_id).where(among(_policy.variant_id, ids))
    return {row["variant_id"]: row["id"] for row in await reading.execute(statement)}


@extends("ProductVariant")
class VariantPolicy:
    stock_policy: StockPolicy | None = batch(_policy_of)
    """How its stock is kept; null where nobody said so: first in, first out, without lots, and never more ordered than
    is available."""


async def _expected_on(ids: list[ID], reading: Reading) -> dict[ID, date]:
    """The days on which what is waited for is expected, where the policy of its variant knows one."""
    statement = (
        select(_backorder.id, _policy.preorder_on)
        .join_from(stock.StockBackorder, stock.StockPolicy, _policy.variant_id == _backorder.variant_id)
        .where(among(_backorder.id, ids), _policy.preorder_on.is_not(None))
    )
    return {row["id"]: row["preorder_on"] for row in await reading.execute(statement)}


def _same(since: datetime) -> datetime:
    return since


@view(stock.StockBackorder)
@access(Scope.STOCK_READ)
class StockBackorder(Node):
    """What a line waits for. What comes in goes to the most urgent first, then to whoever waits longest; to none more
    than the sales channel is offered that its order came by.
    """

    source: ID
    """The line that waits, such as an order line."""
    document: ID
    """What the line belongs to, such as an order."""
    variant: ProductVariant = one()
    """What it waits for."""
    location: Location | None = one()
    """Where its goods come from alone, as the order said; null: from anywhere."""
    quantity: Quantity
    """How much it waits for."""
    priority: int
    """The smallest is served first; 100 unless somebody said otherwise."""
    queued_at: datetime = derived(_same, needs=["since"])
    """Since when it waits."""
    expected_on: date | None = batch(_expected_on)
    """The day it is expected to be there, where that is known: for preorders."""


@extends("Query")
class PolicyQueries:
    stock_policies: Connection[StockPolicy] = pages(stock.policies)
    """How stock is kept, of the variants of which somebody said so: by default the oldest first."""
    stock_backorders: Connection[StockBackorder] = pages(stock.backorders)
    """Who waits for what: by default whoever waits longest first."""


@mutation(noun="policy")
@access(Scope.STOCK_WRITE)
async def stock_policy_set(work: Work, input: stock.StockPolicyChanges) -> StockPolicy:
    """Says how the stock of a variant is kept. What is left out stays as it is."""
    return await stock.set_policy(work, input)  # type: ignore[return-value]


@mutation(noun="level")
@access(Scope.STOCK_WRITE)
async def stock_replenishment_set(work: Work, input: stock.ReplenishmentChanges) -> StockLevel:
    """Says when more of a variant should be ordered for a place, and how much. What is left out stays as it is."""
    return await stock.set_replenishment(work, input)  # type: ignore[return-value]


@mutation(noun="backorder")
@access(Scope.STOCK_WRITE)
async def stock_backorder_prioritize(work: Work, input: stock.NewPriority) -> StockBackorder:
    """Lets a line that waits be served sooner, or later."""
    return await stock.prioritize(work, input)  # type: ignore[return-value]
