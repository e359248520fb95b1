"""Goods come in, perhaps told late, and what they cost when they last did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from tests.stock.model import costs
from tests.stock.model.costs import Layer, Told
from tests.stock.model.exact import Cents
from tests.stock.model.kept import NOTHING, Coming, No
from tests.stock.model.reference import Model
from tests.stock.model.world import Place


def come(model: Model, coming: Sequence[Coming], now: datetime) -> None:
    """Goods come in. Where others left since, those are costed anew, and the difference is posted now."""
    by_place: dict[Place, list[Coming]] = {}
    for each in coming:
        by_place.setdefault(each.place, []).append(each)
    for place, mine in by_place.items():
        since = min(each.effective_at for each in mine)
        if model.world.locations[place[1]].transit:
            since = now  # what left there left with its transfer, at its own cost
        told = model.told.get(place, ())
        if model.world.variants[place[0]].averaged:
            left_since = any(each.drew is not None and each.effective_at > since for each in told)
            _join(model, place, mine, now, late=since < now and left_since)
        else:
            left = costs.of_younger_goods(costs.departures(told), since)
            _found(model, place, mine, now, left, since)
        for each in mine:
            model.put(place, each.content, each.quantity)
            model.post("INVENTORY", each.value)
            model.post(each.role, -each.value)


def _found(
    model: Model, place: Place, coming: Sequence[Coming], now: datetime, left: Sequence[Told], since: datetime
) -> None:
    fresh: list[Layer] = []
    for each in coming:
        model.tell(place, each.kind, each.role, each.quantity, each.value, each.effective_at, now)
        fresh.append(Layer(each.effective_at, model.turn, each.quantity, each.value, each.quantity))
    there = model.layers.get(place, ())
    # Acts that wait are told in another order than they began: by their instants nothing may have left since.
    if since >= now or not any(each.founded_at > since and each.gone for each in there):
        model.layers[place] = costs.in_order([*there, *fresh])
        return
    model.layers[place], more = costs.exchanged(there, fresh, left, since)
    left_before = {each.number: each.left for each in there}
    if any(each.load and each.left != left_before[each.number] for each in model.layers[place]):
        raise No("NOT_ALLOWED_NOW")
    correct(model, place, more, now)


def _join(model: Model, place: Place, coming: Sequence[Coming], now: datetime, *, late: bool) -> None:
    for each in coming:
        model.tell(place, each.kind, each.role, each.quantity, each.value, each.effective_at, now)
        layers = model.layers.get(place, ())
        live = [layer for layer in layers if layer.left and not layer.load]
        if live:
            others = [layer for layer in layers if layer != live[0]]
            model.layers[place] = costs.in_order([*others, live[0].anew(each.quantity, each.value)])
        else:
            fresh = Layer(each.effective_at, model.turn, each.quantity, each.value, each.quantity)
            model.layers[place] = costs.in_order([*layers, fresh])
    if late:
        more = costs.averaged_anew(model.told[place])
        pool = next(layer for layer in model.layers[place] if layer.left and not layer.load)
        others = [layer for layer in model.layers[place] if layer != pool]
        if any(more.values()):
            model.layers[place] = costs.in_order([*others, pool.anew(NOTHING, -sum(more.values()))])
        correct(model, place, more, now)


def correct(model: Model, place: Place, more: Mapping[str, Cents], now: datetime) -> None:
    """Accounts bear more, from now on."""
    for role, cents in more.items():
        if cents:
            model.tell(place, "COST_CORRECTION", role, NOTHING, -cents, now, now)
            model.post(role, cents)
            model.post("INVENTORY", -cents)


def last_cost(model: Model, variant: int, told: Fraction | None) -> Fraction | None:
    """What one cost, in cents, when it last came in anywhere. No lock keeps others from bringing in more just then:
    what an act was told may have been so at any moment since its burst began.
    """
    came = [
        each
        for place, rows in model.told.items()
        if place[0] == variant
        for each in rows
        if each.quantity > 0 and each.kind in ("RECEIPT", "ADJUSTMENT", "TRANSFER")
    ]
    before = [each for each in came if each.number <= model.began]
    likely = [each for each in came if each.number > model.began]
    likely += sorted(before, key=lambda each: (each.recorded_at, each.number))[-1:]
    if told is None:
        return max(likely, key=lambda each: (each.recorded_at, each.number)).cost if likely else None
    return next((each.cost for each in likely if each.cost == told), Fraction(-1))
