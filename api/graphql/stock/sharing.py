"""What of the stock is for which sales channel: pools, buffers and caps."""

from datetime import datetime

from api.graphql.business import SalesChannel
from api.graphql.catalog import ProductVariant
from api.graphql.kit.access import access
from api.graphql.kit.inputs import input_name
from api.graphql.kit.operations import mutation
from api.graphql.kit.views import Connection, Node, extends, one, pages, view
from api.graphql.stock.places import Location
from domain import stock
from domain.kernel.money import Quantity
from domain.kernel.scopes import Scope
from domain.kernel.work import Work

input_name(stock.NewChannelRule, "StockChannelRuleSetInput")
input_name(stock.NewPool, "StockPoolSetInput")


@view(stock.StockChannelRule)
@access(Scope.STOCK_READ)
class StockChannelRule(Node):
    """How much of what is available to everybody a sales channel is offered. Its pools come on top."""

    channel: SalesChannel = one()
    """The sales channel."""
    variant: ProductVariant | None = one()
    """The variant; null: every variant that has no rule of its own."""
    buffer: Quantity
    """So much of what is available is not offered there."""
    cap: Quantity | None
    """One order is offered at most so much there; null: all there is."""
    created_at: datetime
    """Since when there is a rule."""
    updated_at: datetime
    """When it was changed last."""


@view(stock.StockPool)
@access(Scope.STOCK_READ)
class StockPool(Node):
    """Stock at one place that only one sales channel may take. What it holds counts as reserved there."""

    channel: SalesChannel = one()
    """The sales channel."""
    variant: ProductVariant = one()
    """The variant."""
    location: Location = one()
    """The place."""
    held: Quantity
    """How much it still holds."""
    created_at: datetime
    """Since when there is such a pool."""
    updated_at: datetime
    """When what it holds changed last."""


@extends("Query")
class SharingQueries:
    stock_channel_rules: Connection[StockChannelRule] = pages(stock.channel_rules)
    """What sales channels are not offered: by default the oldest rule first."""
    stock_pools: Connection[StockPool] = pages(stock.pools)
    """What is for single sales channels, emptied pools included: by default the oldest first."""


@mutation(noun="rule")
@access(Scope.STOCK_WRITE)
async def stock_channel_rule_set(work: Work, input: stock.NewChannelRule) -> StockChannelRule:
    """Says how much of what is available to everybody a sales channel is offered. Without a buffer and a cap the rule
    goes, and the payload has none.
    """
    return await stock.set_channel_rule(work, input)  # type: ignore[return-value]


@mutation(noun="pool")
@access(Scope.STOCK_WRITE)
async def stock_pool_set(work: Work, input: stock.NewPool) -> StockPool:
    """Keeps so much of what is available at a place for one sales channel alone, or gives it back."""
    return await stock.set_pool(work, input)  # type: ignore[return-value]
