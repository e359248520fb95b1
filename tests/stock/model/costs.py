"""What goods cost, from the definitions: a layer has a base, and so much of it is gone.

What was taken of a layer so far costs the base value times what is gone, divided by the base quantity, rounded half up;
what is left is worth the rest. First in, first out takes from the oldest layer; moving average keeps one layer per
place, which more joins: what it is worth then is its new base.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TypeVar

from tests.stock.model.exact import Cents, Many, share


@dataclass(frozen=True)
class Load:
    """Goods that a transfer has sent in one part."""

    transfer: int
    lot: int | None
    sent: Many
    worth: Cents
    """What all that was sent of it is worth."""


@dataclass(frozen=True)
class Layer:
    """Goods that came in together, or all that are kept by average."""

    founded_at: datetime
    number: int
    """The layers of a place are numbered as they are made."""
    base: Many
    base_value: Cents
    left: Many
    load: Load | None = None
    """What it is a part of, while it is on the road: nobody but its transfer takes from it, or adds to it."""

    @property
    def gone(self) -> Many:
        """How much of the base was taken."""
        return self.base - self.left

    @property
    def value(self) -> Cents:
        """What is left is worth."""
        return self.base_value - self.cost(self.gone)

    @property
    def age(self) -> tuple[datetime, int]:
        """The smallest is the oldest."""
        return self.founded_at, self.number

    def cost(self, gone: Many) -> Cents:
        """What the first so many of it cost."""
        return share(self.base_value, gone, self.base) if self.base else 0

    def less(self, quantity: Many) -> "Layer":
        """After so many were taken."""
        return replace(self, left=self.left - quantity)

    def anew(self, quantity: Many, value: Cents) -> "Layer":
        """With so much more: shares are reckoned from here on."""
        total = self.left + quantity
        return replace(self, base=total, base_value=self.value + value, left=total)


Layers = tuple[Layer, ...]


@dataclass(frozen=True)
class Draw:
    """So much of a layer, and what it costs."""

    layer: Layer
    """As it was before."""
    quantity: Many
    value: Cents


T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """What moved, as it was told."""

    effective_at: datetime
    number: int
    recorded_at: datetime
    kind: str
    role: str
    """The account that bears what leaves, or pays for what comes."""
    quantity: Many
    value: Cents
    drew: datetime | None = None
    """How old the layer is that it left."""

    @property
    def cost(self) -> Fraction:
        """What one cost, in cents."""
        return self.value / self.quantity


def in_order(layers: Iterable[Layer]) -> Layers:
    """The oldest first."""
    return tuple(sorted(layers, key=lambda each: each.age))


def free_first(layers: Layers) -> Layers:
    """What is on the road with a transfer comes last."""
    return tuple(sorted(layers, key=lambda each: each.load is not None))


def drawn(layers: Layers, quantity: Many) -> tuple[Layers, list[Draw]]:
    """Take so many, in the order of the layers: what is left, and what was taken of which."""
    left: list[Layer] = []
    draws: list[Draw] = []
    for each in layers:
        part = min(each.left, quantity)
        after = each.less(part)
        if part:
            draws.append(Draw(each, part, each.value - after.value))
        quantity -= part
        left.append(after)
    assert not quantity, "the model was asked for more than it has"
    return tuple(left), draws


def parts(draws: Iterable[Draw], picks: Iterable[tuple[T, Many]]) -> list[tuple[Draw, T]]:
    """What was taken from layers and what was picked elsewhere are the same goods: both are cut at each other's edges,
    and the value of each draw is shared as a running sum.
    """
    found: list[tuple[Draw, T]] = []
    rest = [(each, many) for each, many in picks if many]
    for draw in draws:
        taken, spent = Many(0), 0
        while taken < draw.quantity:
            each, many = rest.pop(0)
            part = min(many, draw.quantity - taken)
            if part < many:
                rest.insert(0, (each, many - part))
            taken += part
            value = share(draw.value, taken, draw.quantity) - spent
            spent += value
            found.append((Draw(draw.layer, part, value), each))
    return found


def departures(told: Iterable[Told], since: datetime) -> list[Told]:
    """What left of goods younger than an instant, in the order of telling: whoever waited for others is told after
    them, whenever it began.
    """
    return [each for each in told if each.drew is not None and each.drew > since]


def exchanged(
    layers: Layers, coming: Sequence[Layer], left_since: Sequence[Told], since: datetime
) -> tuple[Layers, dict[str, Cents]]:
    """Goods that come late, by first in, first out: the youngest consumed are put back, one for one, and those
    that came late are taken instead. Returns all layers, and how much more each account bears.
    """
    touched = [each for each in layers if each.founded_at > since and each.gone]
    before = in_order([*touched, *coming])
    after = list(before)
    for place, late in enumerate(before):
        if late in coming:
            for n in range(len(after) - 1, place, -1):
                part = min(after[n].gone, after[place].left)
                after[n], after[place] = after[n].less(-part), after[place].less(part)
    others = [each for each in layers if each not in touched]
    more: dict[str, Cents] = {}
    # What left is laid along what was consumed, the last at its end: what left first may have taken older goods.
    end = sum((each.gone for each in before), Many(0))
    for each in reversed(left_since):
        begin = end + each.quantity
        grown = _between(after, begin, end) - _between(before, begin, end)
        more[each.role] = more.get(each.role, 0) + grown
        end = begin
    changed = sum(each.value for each in after) - sum(each.value for each in before)
    _rest_is_corrected(more, changed)
    return in_order([*others, *after]), more


def _between(layers: Sequence[Layer], begin: Many, end: Many) -> Cents:
    """What the units from here to there cost, of all that was consumed of layers in their order."""
    return _first(layers, max(end, Many(0))) - _first(layers, max(begin, Many(0)))


def _first(layers: Sequence[Layer], units: Many) -> Cents:
    cost = 0
    for each in layers:
        part = min(each.gone, units)
        cost += each.cost(part)
        units -= part
    return cost


def averaged_anew(told: Sequence[Told]) -> dict[str, Cents]:
    """All that moved at a place, in the order in which it did, by moving average: how much more than was posted each
    account bears. Nothing, where more left than had come, or was written off than was there: then only the order of
    telling explains its costs.
    """
    pool = Layer(datetime.min.replace(tzinfo=UTC), 0, Many(0), 0, Many(0))
    borne: dict[str, Cents] = {}
    for each in sorted(told, key=lambda each: (each.effective_at, each.number)):
        if each.kind == "COST_CORRECTION":  # posted earlier: it bears so much less by now
            borne[each.role] = borne.get(each.role, 0) + each.value
        elif each.quantity >= 0:
            pool = pool.anew(each.quantity, each.value)
            if pool.value < 0:
                return {}
        else:
            if pool.left + each.quantity < 0:
                return {}
            after = pool.less(-each.quantity)
            borne[each.role] = borne.get(each.role, 0) + (pool.value - after.value) + each.value
            pool = after
    return borne


def _rest_is_corrected(more: dict[str, Cents], changed: Cents) -> None:
    """What nothing that left explains is borne by STOCK_CORRECTION."""
    more["STOCK_CORRECTION"] = more.get("STOCK_CORRECTION", 0) - changed - sum(more.values())
