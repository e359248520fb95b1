"""Transfers that an act has locked: whoever changes a transfer, its lines or its goods takes its row first."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.kernel import bulk
from domain.kernel.errors import NotFound
from domain.kernel.ids import ID, is_id
from domain.kernel.work import Work
from domain.stock.tables import Place, StockTransfer, StockTransferLine, StockTransferStatus

_LOCK = """
SELECT id, status, origin_id, destination_id, transit_id, freight_amount, version FROM stock_transfers
WHERE id = $1 FOR NO KEY UPDATE
"""
_LINES = """
SELECT line.id, line.variant_id, variant.sku, line.quantity, line.dispatched, line.received, line.lost
FROM stock_transfer_lines AS line JOIN product_variants AS variant ON variant.id = line.variant_id
WHERE line.transfer_id = $1 ORDER BY line.position
"""


@dataclass(slots=True)
class LockedLine:
    """A line of a locked transfer, to be changed by this act."""

    id: ID
    variant_id: ID
    sku: str
    quantity: Decimal
    dispatched: Decimal
    received: Decimal
    lost: Decimal

    @property
    def in_transit(self) -> Decimal:
        """How much of it is on the road."""
        return self.dispatched - self.received - self.lost


@dataclass(slots=True)
class LockedTransfer:
    """A transfer as it is now. Nobody else changes it until this act ends."""

    id: ID
    status: StockTransferStatus
    origin_id: ID
    destination_id: ID
    transit_id: ID
    freight: Decimal
    """What the way has added to the value of what arrived so far."""
    version: int
    lines: list[LockedLine]

    def leaving(self, line: LockedLine) -> Place:
        """Where the goods of a line come from."""
        return line.variant_id, self.origin_id

    def on_the_road(self, line: LockedLine) -> Place:
        """Where they are meanwhile."""
        return line.variant_id, self.transit_id

    def arriving(self, line: LockedLine) -> Place:
        """Where they go."""
        return line.variant_id, self.destination_id


async def locked_transfer(work: Work, transfer_id: str) -> LockedTransfer:
    """The transfer with this id and its lines, locked. Refused with NotFound when there is none."""
    record = await work.raw.fetchrow(_LOCK, transfer_id[4:]) if is_id(transfer_id, "trf") else None
    if record is None:
        raise NotFound("There is no such transfer.", path=("id",))
    lines = await work.raw.fetch(_LINES, record["id"])
    return LockedTransfer(
        id=ID("trf_" + record["id"]),
        status=StockTransferStatus(record["status"]),
        origin_id=ID("loc_" + record["origin_id"]),
        destination_id=ID("loc_" + record["destination_id"]),
        transit_id=ID("loc_" + record["transit_id"]),
        freight=record["freight_amount"] or Decimal(0),
        version=record["version"],
        lines=[
            LockedLine(ID("trl_" + line["id"]), ID("var_" + line["variant_id"]), *list(line.values())[2:])
            for line in lines
        ],
    )


async def write_transfer(work: Work, transfer: LockedTransfer, status: StockTransferStatus, **changes: Any) -> None:
    """The transfer is in this state from now on; its version rises."""
    transfer.status, transfer.version = status, transfer.version + 1
    row = {"id": transfer.id, "status": status, "version": transfer.version, "updated_at": work.now, **changes}
    await bulk.update(work, StockTransfer, [row])


async def write_lines(work: Work, lines: Sequence[LockedLine]) -> None:
    """How far these lines have come is written."""
    rows = [
        {"id": line.id, "dispatched": line.dispatched, "received": line.received, "lost": line.lost} for line in lines
    ]
    await bulk.update(work, StockTransferLine, rows)
