"""Goods on the road belong to their transfers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.kernel.errors import NotAllowedNow
from domain.kernel.ids import ID
from domain.kernel.work import Work

_OF_OTHERS = """
SELECT transfer.number FROM unnest($1::uuid[], $2::text[]) AS drawn(layer_id, source)
JOIN stock_movements AS founding ON founding.id = drawn.layer_id AND founding.kind = 'TRANSFER'
JOIN stock_transfers AS transfer ON transfer.id = substr(founding.source, 5)::uuid
WHERE founding.source IS DISTINCT FROM drawn.source ORDER BY transfer.number LIMIT 1
"""


async def keep_to_transfers(work: Work, drawn: Sequence[tuple[ID, ID | None]]) -> None:
    """Make sure that nobody takes from layers (with what takes from each) that are on the road with a transfer, or adds
    to them, but that transfer itself. Refused with NotAllowedNow otherwise.
    """
    number = await work.raw.fetchval(_OF_OTHERS, [layer[4:] for layer, _ in drawn], [source for _, source in drawn])
    if number is not None:
        raise belongs_to(number)


def belongs_to(number: int) -> NotAllowedNow:
    """What is said to whoever else wants what is on the road with the transfer of this number."""
    return NotAllowedNow(
        f"These goods are on the road with TR-{number}: receive that, and close it with what did not arrive."
    )


@dataclass(frozen=True, slots=True)
class OnTheRoad:
    """Whose a layer is that is on the road with a transfer."""

    lot_id: ID | None
    number: int
    """Of the transfer."""


_LOADS = """
SELECT founding.id, founding.lot_id, transfer.number FROM stock_movements AS founding
JOIN locations ON locations.id = founding.location_id AND locations.kind = 'TRANSIT'
JOIN stock_transfers AS transfer ON transfer.id = substr(founding.source, 5)::uuid
WHERE founding.id = ANY($1) AND founding.kind = 'TRANSFER'
"""


async def loads_among(work: Work, layers: Collection[ID]) -> dict[ID, OnTheRoad]:
    """Which of these layers are on the road with a transfer: nobody else takes from them, or adds to them."""
    return {
        ID("mov_" + record["id"]): OnTheRoad(record["lot_id"] and ID("lot_" + record["lot_id"]), record["number"])
        for record in await work.raw.fetch(_LOADS, [layer[4:] for layer in layers])
    }
