"""What stock is worth: first in, first out.

A layer keeps a remaining quantity and a remaining value, never a unit cost. Whoever draws a part takes its share of the
value, rounded to the smallest coin; whoever takes the last unit takes what is left. So no sequence of draws can leave a
cent behind or take one too many.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.locked import Place

_EXACT = Context(prec=50)
"""Wide enough for the product of the largest value and the largest quantity: only the last step rounds."""


@dataclass(slots=True)
class Layer:
    """What is left of goods that came in together; value in base currency."""

    id: ID
    quantity: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Draw:
    """What was taken from one layer: a quantity and its value, both positive."""

    layer_id: ID
    quantity: Decimal
    value: Decimal


def rounded(value: Decimal, digits: int) -> Decimal:
    """To so many digits, half away from zero: the commercial rounding."""
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, context=_EXACT)


def worth(quantity: Decimal, unit_cost: Decimal, digits: int) -> Decimal:
    """What a quantity at a unit cost comes to."""
    return rounded(_EXACT.multiply(quantity, unit_cost), digits)


def proportion(value: Decimal, part: Decimal, whole: Decimal, digits: int) -> Decimal:
    """The share of a value that belongs to a part of a quantity."""
    return rounded(_EXACT.divide(_EXACT.multiply(value, part), whole), digits)


def draw(layers: list[Layer], quantity: Decimal, digits: int) -> list[Draw]:
    """Take a quantity out of layers, the oldest first, and lower them by it. `layers` must hold that much."""
    draws: list[Draw] = []
    for layer in layers:
        if not quantity:
            break
        if not layer.quantity:
            continue
        part = min(layer.quantity, quantity)
        value = layer.value
        if part < layer.quantity:
            value = min(proportion(layer.value, part, layer.quantity, digits), layer.value)
        draws.append(Draw(layer.id, part, value))
        layer.quantity -= part
        layer.value -= value
        quantity -= part
    if quantity:
        raise AssertionError(f"the layers lack {quantity}: they and their level differ")
    return draws


_LIVE = """
SELECT layer.id, layer.variant_id, layer.location_id, layer.quantity, layer.value_amount
FROM unnest($1::uuid[], $2::uuid[]) AS place(variant_id, location_id)
CROSS JOIN LATERAL (
  SELECT * FROM cost_layers
  WHERE variant_id = place.variant_id AND location_id = place.location_id AND live ORDER BY founded_at, id OFFSET 0
) AS layer
ORDER BY layer.variant_id, layer.location_id, layer.founded_at, layer.id
"""


async def live_layers(work: Work, places: Collection[Place]) -> dict[Place, list[Layer]]:
    """The layers of places, oldest first. The places' levels must be locked, by an earlier statement than this one:
    a statement that waits for a lock still sees every other row as it was before the wait.
    """
    found: dict[Place, list[Layer]] = {place: [] for place in places}
    records = await work.raw.fetch(_LIVE, [place[0][4:] for place in places], [place[1][4:] for place in places])
    for record in records:
        place = ID("var_" + record["variant_id"]), ID("loc_" + record["location_id"])
        found[place].append(Layer(ID("mov_" + record["id"]), record["quantity"], record["value_amount"]))
    return found


_LAST_COSTS = """
SELECT wanted.variant_id, last.value_amount / last.quantity AS unit_cost
FROM unnest($1::uuid[]) AS wanted(variant_id)
CROSS JOIN LATERAL (
  SELECT value_amount, quantity FROM stock_movements
  WHERE variant_id = wanted.variant_id AND layer_id IS NULL ORDER BY recorded_at DESC, id DESC LIMIT 1
) AS last
"""


async def last_costs(work: Work, variants: Collection[ID]) -> dict[ID, Decimal]:
    """What a unit of each variant cost when it last came in anywhere; variants that never did are left out."""
    if not variants:
        return {}
    records = await work.raw.fetch(_LAST_COSTS, [variant[4:] for variant in variants])
    return {ID("var_" + record["variant_id"]): record["unit_cost"] for record in records}
