"""Who may wait for stock that is not there yet, by the policy of the variant (INV-15)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.kernel.errors import Overtaken
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.locked import Levels
from domain.stock.placement import Demand, Part, offered, place
from domain.stock.shares import Shares
from domain.stock.tables import BackorderPolicy, Place

DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a demand waits for."""

    demand: Demand
    quantity: Decimal
    taken: Decimal
    """How much its document has taken of what its channel is offered of the variant."""


async def place_and_wait(
    work: Work,
    levels: Levels,
    demands: Collection[Demand],
    short: Collection[Demand],
    *,
    held: Mapping[Place, Decimal],
    shares: Shares,
) -> tuple[list[Part], list[Waiting], dict[Demand, Decimal]]:
    """Place the demands anew: those of variants whose policy lets them take what there is, and wait for the rest.

    Returns what serves them, what they wait for, and what is missing all the same: of variants that nobody may wait
    for, or of which more would be waited for than the limit. Nothing is written.
    """
    most = await _most_waited_for(work, levels, demands, {demand.variant_id for demand in short})
    patient = frozenset(demand for demand in demands if demand.variant_id in most)
    parts, lacking = place(levels, demands, held, shares, patient)
    missing: dict[ID, Decimal] = {}
    for demand, rest in lacking.items():
        missing[demand.variant_id] = missing.get(demand.variant_id, Decimal(0)) + rest
    refused = {variant for variant, rest in missing.items() if variant not in most or not _within(rest, most[variant])}
    taken = offered(parts, held)
    waiting = [
        Waiting(demand, rest, taken.get((demand.document, demand.variant_id), Decimal(0)))
        for demand, rest in lacking.items()
        if demand.variant_id not in refused
    ]
    return parts, waiting, {demand: rest for demand, rest in lacking.items() if demand.variant_id in refused}


def _within(rest: Decimal, most: Decimal | None) -> bool:
    return most is None or rest <= most


_POLICIES = """
SELECT variant_id, backorders, backorder_limit FROM stock_policies
WHERE variant_id = ANY($1) AND backorders <> 'DENY' ORDER BY variant_id FOR NO KEY UPDATE
"""
_NOW = """
SELECT variant.id,
  ARRAY(SELECT location_id FROM stock_levels WHERE variant_id = variant.id) AS places,
  (SELECT coalesce(sum(quantity), 0) FROM stock_backorders WHERE variant_id = variant.id) AS waited
FROM unnest($1::uuid[]) AS variant(id)
"""


async def lock_policies(work: Work, variants: Collection[ID]) -> None:
    """Lock the policies of variants that demands may come to wait for, where queues are locked before that is known."""
    await work.raw.fetch(_POLICIES, sorted(variant[4:] for variant in variants))


async def _most_waited_for(
    work: Work, levels: Levels, demands: Collection[Demand], variants: Collection[ID]
) -> dict[ID, Decimal | None]:
    """How much more of these variants may be waited for, None: without a limit; without those that nobody may wait for.

    Policies are locked, so that several orders at once do not wait for more than a limit between them.
    """
    locked = await work.raw.fetch(_POLICIES, sorted(variant[4:] for variant in variants))
    policies = {ID("var_" + row["variant_id"]): row for row in locked}
    if not policies:
        return {}
    now = {ID("var_" + row["id"]): row for row in await work.raw.fetch(_NOW, [each[4:] for each in policies])}
    unseen = {
        (each, ID("loc_" + place))
        for each in policies
        for place in now[each]["places"]
        if (each, ID("loc_" + place)) not in levels.by_place
    }
    wanted = {(demand.variant_id, demand.location_id) for demand in demands}
    if any((variant, None) in wanted or (variant, place) in wanted for variant, place in unseen):
        # Goods came in at a place that did not exist when levels were locked, so they were not looked at. That place
        # cannot be locked now without breaking the order of locks, so the act begins anew, as after a deadlock.
        raise Overtaken("a variant came to be at another place meanwhile")
    return {
        each: row["backorder_limit"] - now[each]["waited"] if row["backorders"] == BackorderPolicy.LIMIT else None
        for each, row in policies.items()
    }


_WAIT = """
INSERT INTO stock_backorders AS present (
  id, source, document, variant_id, location_id, quantity, priority, since, channel_id, taken)
SELECT uuid7(), * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::numeric[], $6::int[],
  $7::timestamptz[], $8::uuid[], $9::numeric[])
ON CONFLICT (source) DO UPDATE SET quantity = present.quantity + excluded.quantity,
  since = least(present.since, excluded.since), channel_id = excluded.channel_id, taken = excluded.taken
"""


async def wait(work: Work, waiting: Sequence[Waiting]) -> None:
    """Lines wait for stock, from anywhere or from the place that they name, behind those that wait already, and for no
    more than their channel is offered.
    """
    if waiting:
        await work.raw.execute(
            _WAIT,
            [each.demand.source for each in waiting],
            [each.demand.document for each in waiting],
            [each.demand.variant_id[4:] for each in waiting],
            [each.demand.location_id and each.demand.location_id[4:] for each in waiting],
            [each.quantity for each in waiting],
            [DEFAULT_PRIORITY] * len(waiting),
            [work.now] * len(waiting),
            [each.demand.channel_id and each.demand.channel_id[4:] for each in waiting],
            [each.taken for each in waiting],
        )
