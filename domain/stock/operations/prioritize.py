"""Who waits for stock is served sooner, or later."""

from dataclasses import dataclass

from domain.kernel.errors import Invalid, NotFound
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.events import StockBackorderPrioritized
from domain.stock.operations.backorders import lock_queues

LAST = 1_000_000
"""The least urgent priority."""


@dataclass(frozen=True)
class NewPriority:
    """How urgent it is that a line gets what it waits for."""

    source: ID
    """The line that waits, such as an order line."""
    priority: int
    """The smallest is served first, from 0 to 1,000,000; 100 at first. Among equals whoever waits longest."""


_WAITING = "SELECT id, document, variant_id, priority FROM stock_backorders WHERE source = $1"
_CHANGE = "UPDATE stock_backorders SET priority = $2 WHERE source = $1"


async def prioritize(work: Work, new: NewPriority) -> ID:
    """What comes in next goes to this line sooner or later than it would have. Returns the backorder's id.

    Refused with NotFound when the line waits for nothing (any more), and with Invalid for what is no priority.
    """
    if not 0 <= new.priority <= LAST:
        raise Invalid(f"A priority is a whole number from 0 to {LAST:,}.", path=("input", "priority"))
    row = await work.raw.fetchrow(_WAITING, new.source)
    if row is not None:
        await lock_queues(work, [ID("var_" + row["variant_id"])])
        row = await work.raw.fetchrow(_WAITING, new.source)
    if row is None:
        raise NotFound("This line waits for nothing.", path=("input", "source"))
    backorder = ID("bko_" + row["id"])
    if row["priority"] != new.priority:
        await work.raw.execute(_CHANGE, new.source, new.priority)
        variant = ID("var_" + row["variant_id"])
        work.announce(
            StockBackorderPrioritized(
                backorder, source=new.source, document=row["document"], variant=variant, priority=new.priority
            )
        )
    return backorder
