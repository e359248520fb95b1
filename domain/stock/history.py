"""What was on hand and what it was worth at any instant, as it is known now or was known then.

A movement has two times: when it really happened, which `as_of` cuts, and when it was written, which `known_at` cuts.
Movements are summed by month of both times as they are written (`stock_months`), so an answer is a sum of a few such
rows and of the movements of two months, however long a place has been moving.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.database import raw
from domain.kernel.ids import ID, is_id


@dataclass(frozen=True, slots=True)
class Position:
    """What was on hand, and its value in base currency."""

    on_hand: Decimal
    value: Decimal


# An instant that is left out is at the end of time: then a whole month lies before it, and no part of one.
_CUT = """
cut AS (
  SELECT as_of, known_at,
    date_trunc('month', as_of AT TIME ZONE 'UTC') AS as_of_month,
    date_trunc('month', known_at AT TIME ZONE 'UTC') AS known_at_month,
    date_trunc('month', as_of AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS as_of_begin,
    date_trunc('month', known_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS known_at_begin
  FROM (SELECT coalesce($2::timestamptz, 'infinity') AS as_of, coalesce($3::timestamptz, 'infinity') AS known_at)
    AS asked)
"""
_WHOLE = "month.effective_month < cut.as_of_month AND month.recorded_month < cut.known_at_month"
_BEGUN = "moved.effective_at BETWEEN cut.as_of_begin AND cut.as_of AND moved.recorded_at <= cut.known_at"
_LATE = "moved.effective_at < cut.as_of_begin AND moved.recorded_at BETWEEN cut.known_at_begin AND cut.known_at"

_POSITIONS = f"""
WITH {_CUT}
SELECT level.id, coalesce(whole.quantity, 0) + coalesce(begun.quantity, 0) + coalesce(late.quantity, 0) AS on_hand,
  coalesce(whole.value, 0) + coalesce(begun.value, 0) + coalesce(late.value, 0) AS value
FROM stock_levels AS level CROSS JOIN cut
CROSS JOIN LATERAL (
  SELECT sum(quantity) AS quantity, sum(value_amount) AS value FROM stock_months AS month
  WHERE month.variant_id = level.variant_id AND month.location_id = level.location_id AND {_WHOLE}) AS whole
CROSS JOIN LATERAL (
  SELECT sum(quantity) AS quantity, sum(value_amount) AS value FROM stock_movements AS moved
  WHERE moved.variant_id = level.variant_id AND moved.location_id = level.location_id AND {_BEGUN}) AS begun
CROSS JOIN LATERAL (
  SELECT sum(quantity) AS quantity, sum(value_amount) AS value FROM stock_movements AS moved
  WHERE moved.variant_id = level.variant_id AND moved.location_id = level.location_id AND {_LATE}) AS late
WHERE level.id = ANY($1)
"""  # noqa: S608  no outside text in it


async def positions(
    connection: AsyncConnection,
    levels: Sequence[ID],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> Mapping[ID, Position]:
    """What was on hand at levels, and what it was worth: what had happened by `as_of` of what was written by
    `known_at`. Both count to the end of time when left out.
    """
    driver = await raw(connection)
    records = await driver.fetch(_POSITIONS, [level[4:] for level in levels], as_of, known_at)
    return {ID("slv_" + record["id"]): Position(record["on_hand"], record["value"]) for record in records}


_VALUES = f"""
WITH {_CUT}
SELECT location_id, sum(value) AS value FROM (
  SELECT location_id, sum(value_amount) AS value FROM stock_months AS month CROSS JOIN cut
  WHERE {_WHOLE} AND ($1::uuid[] IS NULL OR location_id = ANY($1)) GROUP BY location_id
  UNION ALL
  SELECT location_id, sum(value_amount) FROM stock_movements AS moved CROSS JOIN cut
  WHERE {_BEGUN} AND ($1::uuid[] IS NULL OR location_id = ANY($1)) GROUP BY location_id
  UNION ALL
  SELECT location_id, sum(value_amount) FROM stock_movements AS moved CROSS JOIN cut
  WHERE {_LATE} AND ($1::uuid[] IS NULL OR location_id = ANY($1)) GROUP BY location_id
) AS part GROUP BY location_id ORDER BY location_id
"""  # noqa: S608  no outside text in it


async def values(
    connection: AsyncConnection,
    *,
    locations: Collection[ID] | None = None,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> Mapping[ID, Decimal]:
    """What all stock was worth at each location, in base currency, cut as `positions` are."""
    wanted = None if locations is None else [each[4:] for each in locations if is_id(each, "loc")]
    driver = await raw(connection)
    records = await driver.fetch(_VALUES, wanted, as_of, known_at)
    return {ID("loc_" + record["location_id"]): record["value"] for record in records}
