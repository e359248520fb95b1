"""What of a transfer is on the road: layers of its own at the transit location, each with its lot, cost and age."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock import costs
from domain.stock.costs import Draw, Layer
from domain.stock.operations.transfers.locking import LockedTransfer


@dataclass(slots=True)
class Load:
    """What left in one part, and what of it is on the road still."""

    layer: Layer
    founded_at: datetime
    lot_id: ID | None
    sent: Decimal
    worth: Decimal
    """What all that was sent of it is worth."""


@dataclass
class Road:
    """The loads of a transfer by variant, in the order in which they are taken to arrive: what expires first before
    what expires later or never, then the oldest goods first.
    """

    loads: dict[ID, list[Load]] = field(default_factory=dict)

    def of(self, variant: ID, lot: ID | None = None) -> list[Load]:
        """The loads of a variant; with a lot, only those."""
        return [load for load in self.loads.get(variant, []) if lot in (None, load.lot_id)]

    def take(self, loads: Sequence[Load], quantity: Decimal, digits: int) -> list[tuple[Load, Draw]]:
        """Take a quantity off loads, as much of it as there is. Lowers them."""
        there = sum((load.layer.quantity for load in loads), Decimal(0))
        by_layer = {load.layer.id: load for load in loads}
        draws = costs.draw([load.layer for load in loads], min(quantity, there), digits)
        return [(by_layer[each.layer_id], each) for each in draws]

    def sent(self, variant: ID, lot: ID | None) -> tuple[Decimal, Decimal] | None:
        """What the goods sent were worth, and how many they were; None where none were sent."""
        loads = self.of(variant, lot) or self.of(variant)
        sent = sum((load.sent for load in loads), Decimal(0))
        return (sum((load.worth for load in loads), Decimal(0)), sent) if sent else None

    def only_lot(self, variant: ID) -> ID | None:
        """The lot of the goods sent, where it is one alone."""
        lots = {load.lot_id for load in self.of(variant)}
        return next(iter(lots)) if len(lots) == 1 else None


_LOADS = """
SELECT layer.id, layer.quantity, layer.value_amount, layer.base_quantity, layer.base_value,
  layer.variant_id, layer.founded_at, founding.lot_id, founding.quantity AS sent, founding.value_amount AS worth
FROM stock_movements AS founding JOIN cost_layers AS layer ON layer.id = founding.id
LEFT JOIN lots ON lots.id = founding.lot_id
WHERE founding.source = $1 AND founding.location_id = $2 AND founding.layer_id IS NULL
ORDER BY layer.variant_id, lots.expires_on NULLS LAST, layer.founded_at, layer.id
"""


async def road_of(work: Work, transfer: LockedTransfer) -> Road:
    """What of a locked transfer is on the road. The levels there are locked too, by an earlier statement."""
    road = Road()
    for record in await work.raw.fetch(_LOADS, transfer.id, transfer.transit_id[4:]):
        layer = Layer(ID("mov_" + record["id"]), *list(record.values())[1:5])
        lot = record["lot_id"]
        load = Load(
            layer,
            record["founded_at"],
            None if lot is None else ID("lot_" + lot),
            record["sent"],
            record["worth"],
        )
        road.loads.setdefault(ID("var_" + record["variant_id"]), []).append(load)
    return road
