"""What goods cost, from the definitions: a layer has a base, and so much of it is gone.

What was taken of a layer so far costs the base value times what is gone, divided by the base quantity, rounded half up;
what is left is worth the rest. First in, first out takes from the oldest layer; moving average keeps one layer per
place, which more joins: what it is worth then is its new base.
"""

from collections.abc import Container, Iterable, Sequence
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
    def is_late_loss(self) -> bool:
        """Whether it was lost before it was told."""
        return self.kind == "ADJUSTMENT" and self.drew is not None and self.effective_at < self.recorded_at

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


@dataclass(frozen=True)
class Departure:
    """What left, and when by a clock that never goes back: whoever waited for others left after them, whenever it
    began. A loss that was told late left when it happened.
    """

    told: Told
    at: datetime


def departures(told: Iterable[Told]) -> list[Departure]:
    """All that left, one after the other."""
    found: list[Departure] = []
    clock = datetime.min.replace(tzinfo=UTC)
    for each in told:
        if each.drew is not None and not each.is_late_loss:
            clock = max(clock, each.effective_at)
        if each.drew is not None:
            found.append(Departure(each, each.effective_at if each.is_late_loss else clock))
    return sorted(found, key=lambda each: (each.at, each.told.is_late_loss, each.told.number))


def of_younger_goods(left: Sequence[Departure], since: datetime) -> list[Told]:
    """What left of goods younger than an instant: it took of them, or was made to by a loss that came before it and
    was told after it.
    """
    losses = [each for each in left if each.told.is_late_loss]

    def was_pushed(each: Departure) -> bool:
        return any(other.told.number > each.told.number and other.at < each.at for other in losses)

    return [
        each.told
        for each in left
        if each.told.drew is not None and (each.told.drew > since or (each.at > since and was_pushed(each)))
    ]


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
    more = _grown(_gone(before), _gone(after), left_since)
    changed = sum(each.value for each in after) - sum(each.value for each in before)
    _rest_is_corrected(more, changed)
    return in_order([*others, *after]), more


@dataclass(frozen=True)
class Stretch:
    """Units of a layer that follow each other, from the first so many to the first so many."""

    layer: Layer
    begin: Many
    end: Many

    @property
    def quantity(self) -> Many:
        """How many they are."""
        return self.end - self.begin

    @property
    def cost(self) -> Cents:
        """What they cost."""
        return self.layer.cost(self.end) - self.layer.cost(self.begin)


def _gone(layers: Iterable[Layer]) -> list[Stretch]:
    return [Stretch(each, Many(0), each.gone) for each in layers]


def _grown(before: Sequence[Stretch], after: Sequence[Stretch], left: Sequence[Told]) -> dict[str, Cents]:
    """How much more each account bears. What left is laid along what was consumed, the last at its end: what left
    first may have taken older goods.
    """
    more: dict[str, Cents] = {}
    end = sum((each.quantity for each in before), Many(0))
    for each in reversed(left):
        begin = end + each.quantity
        more[each.role] = more.get(each.role, 0) + _between(after, begin, end) - _between(before, begin, end)
        end = begin
    return more


def _between(consumed: Sequence[Stretch], begin: Many, end: Many) -> Cents:
    """What the units from here to there cost, of all that was consumed in its order."""
    return _first(consumed, max(end, Many(0))) - _first(consumed, max(begin, Many(0)))


def _first(consumed: Sequence[Stretch], units: Many) -> Cents:
    cost = 0
    for each in consumed:
        part = min(each.quantity, units)
        cost += replace(each, end=each.begin + part).cost
        units -= part
    return cost


def lost_then(
    layers: Layers, quantity: Many, on_hand: Many, had_come: Container[int], left_since: Sequence[Told]
) -> tuple[Layers, list[Stretch], dict[str, Cents]]:
    """Goods are gone since a while ago, by first in, first out, when so many were on hand, of the layers that had come
    by then. The oldest that were there are lost, and whoever took them since took later ones. Returns all layers, what
    is lost of them, and how much more each account bears.
    """
    before = sum((each.base for each in layers if each.number in had_come), Many(0)) - on_hand
    lost: list[Stretch] = []
    after: dict[int, Layer] = {each.number: each for each in layers}
    returned = Many(0)
    for each in layers:
        if each.number not in had_come:
            continue
        passed = min(max(before, Many(0)), each.base)
        before -= passed
        part = min(each.base - passed, quantity)
        quantity -= part
        begin = min(passed, each.gone)
        lost.append(Stretch(each, begin, begin + part))
        returned += min(part, each.gone - begin)
        after[each.number] = each.less(max(begin + part - each.gone, Many(0)))
    for each in layers:  # what could not be found: it is of what is there now
        present = after[each.number]
        part = min(present.left, quantity)
        quantity -= part
        lost.append(Stretch(each, present.gone, present.gone + part))
        after[each.number] = present.less(part)
    for each in layers:
        part = min(after[each.number].left, returned)
        returned -= part
        after[each.number] = after[each.number].less(part)
    lost = [each for each in lost if each.quantity]
    consumed: list[Stretch] = []
    for each in layers:
        begin = Many(0)
        for gap in [gap for gap in lost if gap.layer == each]:
            consumed.append(Stretch(each, begin, gap.begin))
            begin = gap.end
        consumed.append(Stretch(each, begin, after[each.number].gone))
    changed = sum(after[each.number].value - each.value for each in layers) + sum(each.cost for each in lost)
    roles = {each.role for each in left_since}
    more = _grown(_gone(layers), consumed, left_since) if len(roles) > 1 else dict.fromkeys(roles, -changed)
    _rest_is_corrected(more, changed)
    return in_order(after.values()), lost, more


def lost_of_average(told: Sequence[Told], loss: Told) -> tuple[Cents, dict[str, Cents]] | None:
    """What goods cost that are gone since a while ago, by moving average, and how much more than was posted each
    account bears. None where only the order of telling explains what the place costs.
    """
    earlier = _run(each for each in told if each.effective_at <= loss.effective_at)
    if earlier is None or earlier[0].left < -loss.quantity:
        return None
    pool = earlier[0]
    value = pool.value - pool.less(-loss.quantity).value
    found = _run([*told, replace(loss, value=-value)])
    return None if found is None else (value, found[1])


def averaged_anew(told: Sequence[Told]) -> dict[str, Cents]:
    """All that moved at a place, in the order in which it did, by moving average: how much more than was posted each
    account bears. Nothing, where only the order of telling explains its costs.
    """
    found = _run(told)
    return {} if found is None else found[1]


def _run(told: Iterable[Told]) -> tuple[Layer, dict[str, Cents]] | None:
    """What is left of all that moved at a place, and by how much accounts differ. None where more left than had come,
    or was written off than was there.
    """
    pool = Layer(datetime.min.replace(tzinfo=UTC), 0, Many(0), 0, Many(0))
    borne: dict[str, Cents] = {}
    for each in sorted(told, key=lambda each: (each.effective_at, each.number)):
        if each.kind == "COST_CORRECTION":  # posted earlier: it bears so much less by now
            borne[each.role] = borne.get(each.role, 0) + each.value
        elif each.quantity >= 0:
            pool = pool.anew(each.quantity, each.value)
            if pool.value < 0:
                return None
        else:
            if pool.left + each.quantity < 0:
                return None
            after = pool.less(-each.quantity)
            borne[each.role] = borne.get(each.role, 0) + (pool.value - after.value) + each.value
            pool = after
    return pool, borne


def _rest_is_corrected(more: dict[str, Cents], changed: Cents) -> None:
    """What nothing that left explains is borne by STOCK_CORRECTION."""
    more["STOCK_CORRECTION"] = more.get("STOCK_CORRECTION", 0) - changed - sum(more.values())
