"""Who may wait for stock that is not there yet, by the policy of the variant (INV-15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.placement import Demand
from domain.stock.tables import BackorderPolicy

DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a demand waits for, and the day on which that is expected where it is known."""

    demand: Demand
    quantity: Decimal
    expected_on: date | None


_POLICIES = """
SELECT variant_id, backorders, backorder_limit, preorder_on FROM stock_policies
WHERE variant_id = ANY($1) AND backorders <> 'DENY' ORDER BY variant_id FOR NO KEY UPDATE
"""
_WAITED_FOR = "SELECT variant_id, sum(quantity) AS quantity FROM stock_backorders WHERE variant_id = ANY($1) GROUP BY 1"


async def may_be_waited_for(work: Work, short: Mapping[Demand, Decimal]) -> dict[Demand, date | None]:
    """The demands whose missing rest may be waited for, each with the day it is expected.

    Policies are locked, so that several orders at once do not wait for more than a limit between them.
    """
    variants = sorted({demand.variant_id[4:] for demand in short})
    policies = {ID("var_" + row["variant_id"]): row for row in await work.raw.fetch(_POLICIES, variants)}
    limited = [each[4:] for each, row in policies.items() if row["backorders"] == BackorderPolicy.LIMIT]
    waited = {
        ID("var_" + row["variant_id"]): row["quantity"]
        for row in (await work.raw.fetch(_WAITED_FOR, limited) if limited else [])
    }
    patient: dict[Demand, date | None] = {}
    for demand, rest in short.items():
        policy = policies.get(demand.variant_id)
        if policy is None:
            continue
        if policy["backorders"] == BackorderPolicy.LIMIT:
            waited[demand.variant_id] = waited.get(demand.variant_id, Decimal(0)) + rest
            if waited[demand.variant_id] > policy["backorder_limit"]:
                continue
        patient[demand] = policy["preorder_on"]
    return patient


_WAIT = """
INSERT INTO stock_backorders AS present (source, document, variant_id, quantity, priority, since)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::numeric[], $5::int[], $6::timestamptz[])
ON CONFLICT (source) DO UPDATE SET quantity = present.quantity + excluded.quantity,
  since = least(present.since, excluded.since)
"""


async def wait(work: Work, waiting: Sequence[Waiting]) -> None:
    """Lines wait for stock from anywhere, behind those that wait already."""
    if waiting:
        await work.raw.execute(
            _WAIT,
            [each.demand.source for each in waiting],
            [each.demand.document for each in waiting],
            [each.demand.variant_id[4:] for each in waiting],
            [each.quantity for each in waiting],
            [DEFAULT_PRIORITY] * len(waiting),
            [work.now] * len(waiting),
        )
