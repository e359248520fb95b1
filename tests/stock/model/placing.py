"""Where wishes are served from: what was held for them first, then what their channel has for itself, then what is
there for everybody, as far as their channel is offered it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, No, Parts, Rule, Wish
from tests.stock.model.reference import Model
from tests.stock.model.world import Place


def place_wishes(
    model: Model,
    wishes: Sequence[Wish],
    places: Iterable[Place],
    now: datetime,
    *,
    held: Mapping[Place, Many],
    may_wait: bool,
    channel: int | None = None,
) -> tuple[Parts, list[tuple[Wish, Many, Many]]]:
    """Where the wishes of one document are served from, and what is waited for, each with how much the document has had
    of what its channel is offered. Expired holds give way when they must,
    to those who wait first. So does what was held for the document and it does not need. What comes out of the pools of
    its channel is taken off them. `told`: the rules that it was told of its channel.
    """
    places = [place for place in places if place in model.versions]
    rules = {wish.variant: model.rule(channel, wish.variant) for wish in wishes}

    def attempt(patient: frozenset[int] = frozenset()) -> _Room:
        room = _Room(
            model,
            {place: model.available(place) for place in places},
            dict(held),
            {} if channel is None else _pools(model, channel, places),
            rules,
        )
        for wish in sorted(wishes, key=lambda each: each.location is None):
            room.serve(wish, patient=wish.variant in patient)
        return room

    room = attempt()
    if room.short and (freed := model.free_expired(places, now)):
        model.serve({place: -held.get(place, NOTHING) for place in {*freed, *held}})
        room = attempt()
    if room.short:
        # Who may wait takes what there is, in the order of the lines, and waits for the rest.
        patient = {wish.variant for wish, _ in room.short if model.world.variants[wish.variant].waits != "DENY"}
        if not may_wait or any(wish.variant not in patient for wish, _ in room.short):
            raise No("INSUFFICIENT_STOCK")
        room = attempt(frozenset(patient))
        for variant in patient:
            limit = model.world.variants[variant].limit
            waited = sum((each.quantity for each in model.waiting.values() if each.variant == variant), NOTHING)
            waited += sum((rest for wish, rest in room.short if wish.variant == variant), NOTHING)
            if limit is not None and waited > limit:
                raise No("INSUFFICIENT_STOCK")
    if channel is not None:
        for place, many in room.from_pools.items():
            model.take_from_pool(channel, place, many)
    taken = {} if channel is None else room.offered
    return room.parts, [(wish, rest, taken.get(wish.variant, NOTHING)) for wish, rest in room.short]


def _pools(model: Model, channel: int, places: Iterable[Place]) -> dict[Place, Many]:
    return {place: pools[channel].held for place in places if channel in (pools := model.pools.get(place, {}))}


@dataclass
class _Room:
    """What is still to be had while wishes are served one after the other."""

    model: Model
    free: dict[Place, Many]
    """For everybody, what was held for them included."""
    held: dict[Place, Many]
    pools: dict[Place, Many]
    """What their channel has for itself."""
    rules: Mapping[int, Rule]
    offered: dict[int, Many] = field(default_factory=dict)
    """How much they took of what their channel is offered, by variant."""
    parts: Parts = field(default_factory=list)
    short: list[tuple[Wish, Many]] = field(default_factory=list)
    from_pools: dict[Place, Many] = field(default_factory=dict)

    def serve(self, wish: Wish, *, patient: bool) -> None:
        """All of a wish is served, or nothing; of one that is patient, as much as there is."""
        there = self.model.sellable_from(self.free, wish.variant, wish.location)
        chosen, pooled = self._chosen(wish, there)
        rest = wish.quantity - sum(chosen.values(), NOTHING) - sum(pooled.values(), NOTHING)
        if rest:
            self.short.append((wish, rest))
            if not patient:
                return
        for place in there:
            common, own = chosen.get(place, NOTHING), pooled.get(place, NOTHING)
            if common or own:
                self.parts.append((wish, place, common + own))
            mine = min(self.held.get(place, NOTHING), common)
            self.held[place] = self.held.get(place, NOTHING) - mine
            self.offered[wish.variant] = self.offered.get(wish.variant, NOTHING) + common - mine
            self.free[place] -= common
            self.pools[place] = self.pools.get(place, NOTHING) - own
            self.from_pools[place] = self.from_pools.get(place, NOTHING) + own

    def _chosen(self, wish: Wish, there: Sequence[Place]) -> tuple[dict[Place, Many], dict[Place, Many]]:
        """What of it is taken from what is there for everybody or was held, and what from pools. Of the first, what is
        not held is taken from one place that has all the rest, or else from one after the other.
        """
        rest = wish.quantity
        held = {place: min(self.held.get(place, NOTHING), self.free[place]) for place in there}
        common = sum((self.free[place] - held[place] for place in there), NOTHING)
        rule = self.rules.get(wish.variant, Rule())
        offered = rule.offers(common, self.offered.get(wish.variant, NOTHING))
        chosen: dict[Place, Many] = {}
        pooled: dict[Place, Many] = {}
        for place in there:
            part = min(held[place], rest)
            rest -= part
            if part:
                chosen[place] = part
        for place in there:
            part = min(self.pools.get(place, NOTHING), rest)
            rest -= part
            if part:
                pooled[place] = part
        if not rest:
            return chosen, pooled
        left = {place: min(self.free[place] - chosen.get(place, NOTHING), offered) for place in there}
        enough = [place for place in there if left[place] >= rest]
        begun = [place for place in enough if place in chosen or place in pooled]
        for place in (begun or enough)[:1] or there:
            part = min(left[place], rest, offered)
            rest, offered = rest - part, offered - part
            if part:
                chosen[place] = chosen.get(place, NOTHING) + part
        return chosen, pooled
