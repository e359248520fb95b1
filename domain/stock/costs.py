"""What stock is worth: first in, first out, or by moving average.

A layer keeps a remaining quantity and a remaining value, never a unit cost. Whoever draws a part takes what the value
of all that was taken so far grows by, rounded to the smallest coin; whoever takes the last unit takes what is left. So
no sequence of draws can leave a cent behind or take one too many, and what is left does not depend on the parts in
which the rest was taken: a replay comes to the same cent.

Moving average is the same with one layer per place: what comes in joins it instead of founding one of its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.rounding import product, proportion
from domain.kernel.work import Work
from domain.stock.tables import Place
from domain.stock.transit import loads_among


@dataclass(slots=True)
class Layer:
    """What is left of goods that came in together, and the base that shares are reckoned from; base currency."""

    id: ID
    quantity: Decimal
    value: Decimal
    base_quantity: Decimal
    base_value: Decimal

    @classmethod
    def founded(cls, layer_id: ID, quantity: Decimal, value: Decimal) -> "Layer":
        """A layer of which nothing is gone yet."""
        return cls(layer_id, quantity, value, quantity, value)

    def worth_of(self, quantity: Decimal, digits: int) -> Decimal:
        """What the layer is worth when so much of it is left."""
        gone = self.base_quantity - quantity
        return self.base_value - proportion(self.base_value, gone, self.base_quantity, digits)


@dataclass(frozen=True, slots=True)
class Draw:
    """What was taken from one layer: a quantity and its value, both positive."""

    layer_id: ID
    quantity: Decimal
    value: Decimal


def worth(quantity: Decimal, unit_cost: Decimal, digits: int) -> Decimal:
    """What a quantity at a unit cost comes to."""
    return product(quantity, unit_cost, digits)


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
            left = layer.worth_of(layer.quantity - part, digits)
            value = min(max(layer.value - left, Decimal(0)), layer.value)
        draws.append(Draw(layer.id, part, value))
        layer.quantity -= part
        layer.value -= value
        quantity -= part
    if quantity:
        raise AssertionError(f"the layers lack {quantity}: they and their level differ")
    return draws


_LIVE = """
SELECT layer.id, layer.variant_id, layer.location_id, layer.quantity, layer.value_amount,
  layer.base_quantity, layer.base_value
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
        found[place].append(Layer(ID("mov_" + record["id"]), *list(record.values())[3:]))
    return found


_AVERAGED = "SELECT variant_id FROM stock_policies WHERE variant_id = ANY($1) AND cost_method = 'MOVING_AVERAGE'"


async def averaged(work: Work, variants: Collection[ID]) -> set[ID]:
    """Which of these variants are kept by moving average."""
    records = await work.raw.fetch(_AVERAGED, sorted({variant[4:] for variant in variants}))
    return {ID("var_" + record["variant_id"]) for record in records}


class Joining:
    """Which layer comes-in goods join: that of their place, where the variant is kept by moving average."""

    def __init__(self, averaged: Collection[ID], layers: Mapping[Place, Sequence[Layer]]) -> None:
        self._averaged = averaged
        self._layers = {place: found[0].id for place, found in layers.items() if found}

    def layer(self, place: Place, founds: ID) -> ID | None:
        """The layer to join at a place; None: the movement with the id `founds` founds one, which later ones join."""
        if place[0] not in self._averaged:
            return None
        joined = self._layers.setdefault(place, founds)
        return None if joined == founds else joined


async def joining(work: Work, places: Collection[Place]) -> Joining:
    """What joins at places whose levels are locked."""
    kept = await averaged(work, {place[0] for place in places})
    mine = [place for place in places if place[0] in kept]
    layers = await live_layers(work, mine) if mine else {}
    live = [layer.id for found in layers.values() for layer in found]
    loads = await loads_among(work, live) if live else {}
    return Joining(kept, {place: [each for each in found if each.id not in loads] for place, found in layers.items()})


_LAST_IN = """
SELECT wanted.variant_id, last.value_amount, last.quantity
FROM unnest($1::uuid[]) AS wanted(variant_id)
CROSS JOIN LATERAL (
  SELECT value_amount, quantity FROM stock_movements
  WHERE variant_id = wanted.variant_id AND quantity > 0 AND kind IN ('RECEIPT', 'ADJUSTMENT', 'TRANSFER')
  ORDER BY recorded_at DESC, id DESC LIMIT 1
) AS last
"""


async def last_in(work: Work, variants: Collection[ID]) -> dict[ID, tuple[Decimal, Decimal]]:
    """What last came in of each variant, anywhere: its value, and its quantity. Variants that never did are left out.

    Both of them, because a cost by the unit has no end at times: a third of a cent would be lost before it is rounded.
    """
    if not variants:
        return {}
    records = await work.raw.fetch(_LAST_IN, [variant[4:] for variant in variants])
    return {ID("var_" + each["variant_id"]): (each["value_amount"], each["quantity"]) for each in records}
