"""Losses that were told late: no more can have been lost than was there ever since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.kernel.work import Work
from domain.stock.locked import Level
from domain.stock.tables import Place


@dataclass(frozen=True, slots=True)
class Least:
    """The least that was on hand at a place since an instant, and when it fell to that."""

    on_hand: Decimal
    since: datetime


# Backwards from what is on hand now: what was there before an instant is less by what moved from then on.
_LEAST = """
SELECT place.n, coalesce(least.on_hand, place.on_hand) AS on_hand, coalesce(least.since, $4) AS since
FROM unnest($1::uuid[], $2::uuid[], $3::numeric[]) WITH ORDINALITY AS place(variant_id, location_id, on_hand, n)
LEFT JOIN LATERAL (
  SELECT place.on_hand - sum(instant.quantity) OVER latest_first AS on_hand,
    coalesce(lead(instant.effective_at) OVER latest_first, $4) AS since
  FROM (
    SELECT effective_at, sum(quantity) AS quantity FROM stock_movements
    WHERE variant_id = place.variant_id AND location_id = place.location_id AND effective_at > $4
    GROUP BY effective_at) AS instant
  WINDOW latest_first AS (ORDER BY instant.effective_at DESC)
  ORDER BY on_hand, since LIMIT 1) AS least ON true
ORDER BY place.n
"""


async def least_since(work: Work, levels: Sequence[Level], since: datetime) -> Mapping[Place, Least]:
    """The least that was on hand at each level at any instant from then on until now. They are locked."""
    places = [level.place for level in levels]
    records = await work.raw.fetch(
        _LEAST,
        [place[0][4:] for place in places],
        [place[1][4:] for place in places],
        [level.on_hand for level in levels],
        since,
    )
    return {place: Least(record["on_hand"], record["since"]) for place, record in zip(places, records, strict=True)}
