"""Goods are lost, perhaps told late."""

from datetime import datetime

from tests.stock.model import costs
from tests.stock.model.coming import correct
from tests.stock.model.costs import Told
from tests.stock.model.exact import Many
from tests.stock.model.reference import Model
from tests.stock.model.world import Place


def lose(model: Model, place: Place, quantity: Many, role: str, at: datetime, now: datetime) -> None:
    """So many are gone since an instant, and an account bears what they cost then. What left since is costed anew. In
    transit they take what is there by now.
    """
    if at >= now or model.world.locations[place[1]].transit:
        model.draw(place, quantity, "ADJUSTMENT", role, at, now)
    elif model.world.variants[place[0]].averaged:
        _of_average(model, place, quantity, role, at, now)
    else:
        _in_order(model, place, quantity, role, at, now)


def _in_order(model: Model, place: Place, quantity: Many, role: str, at: datetime, now: datetime) -> None:
    told = model.told[place]
    came = {each.number for each in told if each.effective_at <= at}
    on_hand = sum((each.quantity for each in told if each.effective_at <= at), Many(0))
    since = [each.told for each in costs.departures(told) if each.at > at]
    model.layers[place], lost, more = costs.lost_then(model.layers[place], quantity, on_hand, came, since)
    for each in lost:
        model.tell(place, "ADJUSTMENT", role, -each.quantity, -each.cost, at, now, each.layer.founded_at)
    _bear(model, role, sum(each.cost for each in lost))
    correct(model, place, more, now)


def _of_average(model: Model, place: Place, quantity: Many, role: str, at: datetime, now: datetime) -> None:
    (pool,) = (each for each in model.layers[place] if each.left)
    loss = Told(at, model.turn + 1, now, "ADJUSTMENT", role, -quantity, 0, pool.founded_at)
    found = costs.lost_of_average(model.told[place], loss)
    if found is None:
        model.draw(place, quantity, "ADJUSTMENT", role, at, now)
        return
    value, more = found
    after, worth = pool.less(quantity), pool.value - value - sum(more.values())
    if any(more.values()) or after.value != worth:
        after = pool.anew(-quantity, worth - pool.value)
    model.layers[place] = costs.in_order([after, *(each for each in model.layers[place] if each != pool)])
    model.tell(place, "ADJUSTMENT", role, -quantity, -value, at, now, pool.founded_at)
    _bear(model, role, value)
    correct(model, place, more, now)


def _bear(model: Model, role: str, cost: int) -> None:
    model.post(role, cost)
    model.post("INVENTORY", -cost)
