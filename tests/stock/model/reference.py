"""The reference: who has what, where, and a claim on it. Exact, in memory, one act after the other.

Nothing is kept twice: what is on hand is the sum of layers, what is allocated the sum of allocations, and so on. Rules
that several acts share are here; what one act alone does is in its class.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from tests.stock.model import costs
from tests.stock.model.costs import Draw, Layer, Layers, Load, Told
from tests.stock.model.exact import Cents, Many
from tests.stock.model.kept import (
    LOOSE,
    NOTHING,
    Allocation,
    Case,
    Content,
    Count,
    Figures,
    Hold,
    Incoming,
    Line,
    No,
    Order,
    Parts,
    Pool,
    Proposal,
    Rule,
    RuleKey,
    Transfer,
    Waiting,
)
from tests.stock.model.world import CaseKey, Place, World


@dataclass
class Model:
    """All there is to know of the stock of a shop. Values are never changed in place, so a copy is cheap."""

    world: World
    versions: dict[Place, int] = field(default_factory=dict)
    """The levels there are, and how many events each has."""
    layers: dict[Place, Layers] = field(default_factory=dict)
    told: dict[Place, tuple[Told, ...]] = field(default_factory=dict)
    contents: dict[Place, Mapping[Content, Many]] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    held: dict[Place, Mapping[tuple[int, int, int], Many]] = field(default_factory=dict)
    """By the turn of the hold, its act, and the part's number in it."""
    pools: dict[Place, Mapping[int, Pool]] = field(default_factory=dict)
    """By channel."""
    rules: dict[RuleKey, tuple[Rule | None, ...]] = field(default_factory=dict)
    """The rules of channels: those that there were since the present burst began, the last one is."""
    orders: dict[int, Order] = field(default_factory=dict)
    allocations: dict[Place, Mapping[Line, Allocation]] = field(default_factory=dict)
    waiting: dict[Line, Waiting] = field(default_factory=dict)
    incoming: dict[tuple[int, int], Incoming] = field(default_factory=dict)
    transfers: dict[int, Transfer] = field(default_factory=dict)
    counts: dict[int, Count] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    cases: dict[CaseKey, Case] = field(default_factory=dict)
    recalled: frozenset[tuple[int, int | None]] = frozenset()
    """Lots that must not be sold any more, by variant and number."""
    act: int = 0
    """The number of the act that is being done."""
    now: datetime | None = None
    """Its instant."""
    told_rules: Mapping[RuleKey, Rule] = field(default_factory=dict)
    """What it was told of what channels are not offered."""
    books: dict[str, Cents] = field(default_factory=dict)
    turn: int = 0
    began: int = 0
    """The turn at which the present burst began."""
    began_with: dict[Place, int] = field(default_factory=dict)
    """The versions of levels when it did."""
    unseen_sweep: datetime | None = None
    """The instant of a sweep of this burst whose end nobody saw; of what held nothing any more it leaves no event."""
    noticed: dict[str, Mapping[Any, Many]] = field(default_factory=dict)
    """What the act that is being done found when it looked: who waits, and what else is known of that."""

    def copy(self) -> "Model":
        """The same, to be changed."""
        mine: dict[str, Any] = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in vars(self).items()
            if name != "world"
        }
        return Model(self.world, **mine)

    # --- looking ----------------------------------------------------------------------------------------------------

    def figures(self, place: Place) -> Figures:
        """What the level of a place says."""
        layers = self.layers.get(place, ())
        return Figures(
            on_hand=sum((each.left for each in layers), NOTHING),
            allocated=sum((each.quantity for each in self.allocations.get(place, {}).values()), NOTHING),
            reserved=sum(self.held.get(place, {}).values(), NOTHING)
            + sum((each.held for each in self.pools.get(place, {}).values()), NOTHING),
            unavailable=sum((many for each, many in self.contents.get(place, {}).items() if each.state), NOTHING),
            value=sum(each.value for each in layers),
        )

    def on_hand_since(self, place: Place, since: datetime) -> list[Many]:
        """What was on hand at an instant, and at every later one at which something moved: by when it happened."""
        told = self.told.get(place, ())
        instants = {since, *(each.effective_at for each in told if each.effective_at > since)}
        return [sum((each.quantity for each in told if each.effective_at <= at), NOTHING) for at in instants]

    def available(self, place: Place) -> Many:
        """What can be promised there."""
        return self.figures(place).available

    def ranked(self, places: Iterable[Place]) -> list[Place]:
        """Places in the order in which they are asked."""
        return sorted(places, key=lambda place: (self.world.locations[place[1]].priority, place[1], place[0]))

    def sellable_from(self, places: Iterable[Place], variant: int, location: int | None = None) -> list[Place]:
        """Where something may be promised from, of the places looked at, in the order in which they are asked."""
        return [
            place
            for place in self.ranked(places)
            if place[0] == variant
            and location in (None, place[1])
            and place in self.versions
            and not self.world.locations[place[1]].transit
        ]

    def lying(self, place: Place) -> list[tuple[Content, Many]]:
        """What lies at a place, in the order in which it is taken."""

        def rank(content: Content) -> tuple[bool, date, bool, str, int, str]:
            lot = self.world.lot(place[0], content.lot)
            expires = lot.expires_on if lot is not None and lot.expires_on is not None else date.max
            path = "" if content.bin is None else self.world.locations[place[1]].bins[content.bin]
            no_lot = -1 if content.lot is None else content.lot
            return content.state is not None, expires, content != LOOSE, path, no_lot, content.state or ""

        found = self.contents.get(place, {})
        return [(each, found[each]) for each in sorted(found, key=rank) if found[each]]

    # --- goods ------------------------------------------------------------------------------------------------------

    def in_spot(self, place: Place, spot: Content) -> Many:
        """How much lies in that very bin and of that very lot, or in none and of none, in whatever state."""
        return sum((many for each, many in self.matching(place, spot, exactly=True)), NOTHING)

    def put(self, place: Place, content: Content, quantity: Many) -> None:
        """So much more lies so; less, with a minus."""
        there = dict(self.contents.get(place, {}))
        there[content] = there.get(content, NOTHING) + quantity
        assert there[content] >= 0
        self.contents[place] = there

    def take_out(
        self,
        place: Place,
        wanted: Content,
        quantity: Many,
        *,
        sellable_on: date | None = None,
        exactly: bool = False,
    ) -> Many:
        """Take so many of what lies as named. Returns how many of them could not be sold."""
        unsellable = NOTHING
        for content, many in self.matching(place, wanted, sellable_on=sellable_on, exactly=exactly):
            part = min(many, quantity)
            if part:
                self.put(place, content, -part)
                quantity -= part
                unsellable += part if content.state else NOTHING
        assert not quantity
        return unsellable

    def matching(
        self, place: Place, wanted: Content, *, sellable_on: date | None = None, exactly: bool = False
    ) -> list[tuple[Content, Many]]:
        """What lies as named, as far as it is named; with a day, only what may leave on it. `exactly`: what lies in no
        bin, or is of no lot, where none is named; in whatever state.
        """

        def is_meant(each: Content) -> bool:
            if exactly:
                return (each.bin, each.lot) == (wanted.bin, wanted.lot)
            named = (wanted.bin, each.bin), (wanted.lot, each.lot), (wanted.state, each.state)
            return all(one in (None, other) for one, other in named)

        return [
            (each, many)
            for each, many in self.lying(place)
            if is_meant(each) and (sellable_on is None or self._may_leave(place[0], each, sellable_on))
        ]

    def _may_leave(self, variant: int, content: Content, day: date) -> bool:
        return content.state is None and self.is_good_on(variant, content.lot, day)

    def is_good_on(self, variant: int, number: int | None, day: date) -> bool:
        """Whether goods of a lot might be sold on a day, but for their state."""
        if (variant, number) in self.recalled:
            return False
        lot = self.world.lot(variant, number)
        return lot is None or lot.expires_on is None or lot.expires_on >= day

    def cannot_join(self, variant: int, content: Content) -> bool:
        """Whether no more can come to lie so: of a lot that was recalled, for sale."""
        return content.state is None and (variant, content.lot) in self.recalled

    def as_it_comes(self, place: Place, content: Content, on: date) -> Content:
        """How more comes to lie: past its last day it is not for sale, even before anybody sweeps. On the road nothing
        is.
        """
        lot = self.world.lot(place[0], content.lot)
        if place[1] == self.world.road or content.state is not None:
            return content
        if lot is not None and lot.expires_on is not None and lot.expires_on < on:
            return replace(content, state="EXPIRED")
        return content

    def rearrange(self, place: Place, steps: Iterable[tuple[Content, Content, Many]]) -> None:
        """So much goes from each source to its target."""
        for source, target, quantity in steps:
            self.put(place, source, -quantity)
            self.put(place, target, quantity)

    def post(self, role: str, cents: Cents) -> None:
        """A debit; a credit, with a minus."""
        self.books[role] = self.books.get(role, 0) + cents

    def tell(
        self,
        place: Place,
        kind: str,
        role: str,
        quantity: Many,
        value: Cents,
        at: datetime,
        now: datetime,
        drew: datetime | None = None,
    ) -> None:
        """What moved; what left, of a layer that is so old."""
        self.turn += 1
        told = Told(at, self.turn, now, kind, role, quantity, value, drew)
        self.told[place] = (*self.told.get(place, ()), told)

    def leave_loads(self, place: Place) -> None:
        """What is on the road with transfers stays there, of each lot."""
        left: dict[int | None, Many] = {}
        for content, many in self.lying(place):
            left[content.lot] = left.get(content.lot, NOTHING) + many
        for each in self.layers.get(place, ()):
            if each.load:
                left[each.load.lot] = left.get(each.load.lot, NOTHING) - each.left
        if min(left.values(), default=NOTHING) < 0:
            raise No("NOT_ALLOWED_NOW")

    def draw(self, place: Place, quantity: Many, kind: str, role: str, at: datetime, now: datetime) -> None:
        """So many leave, the oldest first, and an account bears their cost. What is on the road belongs to transfers:
        what is there beside it goes first.
        """
        after, draws = costs.drawn(costs.free_first(self.layers.get(place, ())), quantity)
        self.layers[place] = costs.in_order(after)
        if any(each.layer.load for each in draws):
            raise No("NOT_ALLOWED_NOW")
        cost = sum(each.value for each in draws)
        for each in draws:
            self.tell(place, kind, role, -each.quantity, -each.value, at, now, each.layer.founded_at)
        self.post(role, cost)
        self.post("INVENTORY", -cost)

    def found(self, place: Place, draw: Draw, *, age: datetime, load: Load | None = None) -> None:
        """What was told last founds a layer, as old as it is."""
        layer = Layer(age, self.turn, draw.quantity, draw.value, draw.quantity, load)
        self.layers[place] = costs.in_order([*self.layers.get(place, ()), layer])

    # --- claims -----------------------------------------------------------------------------------------------------

    def reserve(self, hold: int, parts: Parts) -> None:
        """Parts are held. Later holds have a later turn."""
        self.turn += 1
        for n, (_, place, quantity) in enumerate(parts):
            self.held[place] = {**self.held.get(place, {}), (self.turn, hold, n): quantity}

    def may_be_swept(self, hold: int) -> bool:
        """Whether a sweep may have ended a hold by now, or passed it over."""
        found = self.holds[hold]
        return found.outcome is None and (
            found.swept
            or (
                self.unseen_sweep is not None
                and found.expires_at <= self.unseen_sweep
                and not any(key[1] == hold for held in self.held.values() for key in held)
            )
        )

    def set_free(self, hold: int) -> dict[Place, Many]:
        """What a hold still holds is free. Returns how much was, where."""
        freed: dict[Place, Many] = {}
        for place, held in self.held.items():
            mine = [key for key in held if key[1] == hold]
            if mine:
                freed[place] = sum((held[key] for key in mine), NOTHING)
                self.held[place] = {key: many for key, many in held.items() if key not in mine}
        return freed

    def free_expired(self, places: Iterable[Place], now: datetime) -> set[Place]:
        """Holds whose time is over are free at these places. Returns where there were any."""
        freed: set[Place] = set()
        for place in places:
            held = self.held.get(place, {})
            over = [key for key in held if self.holds[key[1]].expires_at <= now]
            if over:
                freed.add(place)
            self.held[place] = {key: many for key, many in held.items() if key not in over}
        return freed

    def allocate(self, line: Line, place: Place, quantity: Many, at: datetime, *, bound: bool) -> None:
        """A line has a right to so much more at a place. `bound`: it takes its goods from there alone."""
        there = dict(self.allocations.get(place, {}))
        present = there.get(line, Allocation(NOTHING, at, bound))
        there[line] = replace(present, quantity=present.quantity + quantity)
        self.allocations[place] = there

    def deallocate(self, line: Line, place: Place, quantity: Many) -> None:
        """A line has a right to so much less at a place."""
        there = dict(self.allocations[place])
        left = there[line].quantity - quantity
        assert left >= 0
        if left:
            there[line] = replace(there[line], quantity=left)
        else:
            del there[line]
        self.allocations[place] = there

    def allocated_to(self, order: int) -> list[tuple[Line, Place, Many]]:
        """What an order has a right to, by line and place."""
        return sorted(
            (line, place, each.quantity)
            for place, there in self.allocations.items()
            for line, each in there.items()
            if line[0] == order
        )

    def lose(self, line: Line, variant: int, location: int | None, quantity: Many, since: datetime) -> None:
        """A line waits for so much that it was promised: at one place, or anywhere, and by no channel. Where it waits
        by a channel already it is as if its order had never had it.
        """
        present = self.waiting.get(line, Waiting(variant, NOTHING, since, location))
        since = min(present.since, since)
        self.waiting[line] = replace(present, quantity=present.quantity + quantity, since=since)
        if present.channel is not None:
            self._take(line[0], variant, -quantity)

    def _take(self, order: int, variant: int, quantity: Many) -> None:
        """An order has had so much more of what its channel is offered; less, with a minus."""
        for line, each in self.waiting.items():
            if line[0] == order and each.variant == variant and each.channel is not None:
                self.waiting[line] = replace(each, taken=max(each.taken + quantity, NOTHING))

    def rule(self, channel: int | None, variant: int) -> Rule:
        """What a channel is not offered of a variant, as the present act was told. No lock keeps others from changing
        that just then: each rule must have been so at some moment since the burst began.
        """
        if channel is None:
            return Rule()
        special, general = [self.told_rules.get((channel, of)) for of in (variant, None)]
        for of, rule in ((variant, special), (None, general)):
            if rule not in self.rules.get((channel, of), (None,)):
                raise No(f"it was told {rule} for {(channel, of)}")
        return special or general or Rule()

    def serve(self, coming: Mapping[Place, Many]) -> None:
        """What comes in at places, and what is free there, goes to those who wait: the most urgent first, and to none
        more than his channel is offered. What is somebody's there already comes with a minus.
        """
        variants = {variant for variant, _ in coming}
        found = {line: each.quantity for line, each in self.waiting.items() if each.variant in variants}
        self.noticed["waiting"] = {**found, **self.noticed.get("waiting", {})}  # as they were when seen first
        left = {place: quantity + max(self.available(place), NOTHING) for place, quantity in coming.items()}
        queue = sorted(self.waiting, key=lambda line: (self.waiting[line].priority, self.waiting[line].since, line))
        for line in [line for line in queue if self.waiting[line].variant in variants]:
            each = self.waiting[line]
            common = sum(
                (
                    max(left[place] if place in left else self.available(place), NOTHING)
                    for place in self.sellable_from(self.versions, each.variant, each.location)
                ),
                NOTHING,
            )
            rest = each.quantity
            wanted = min(rest, self.rule(each.channel, each.variant).offers(common, each.taken))
            for place in self.sellable_from(left, each.variant, each.location):
                part = min(left[place], wanted)
                if part > 0:
                    left[place] -= part
                    wanted -= part
                    rest -= part
                    self.allocate(line, place, part, each.since, bound=each.location is not None)
            self.waiting[line] = replace(each, quantity=rest)
            if each.channel is not None:
                self._take(line[0], each.variant, each.quantity - rest)
            if not rest:
                del self.waiting[line]

    def open_case(self, case: Case) -> None:
        """Something for a person to look at."""
        same = [key for key in self.cases if key[:3] == (self.act, case.kind, case.place)]
        self.cases[self.act, case.kind, case.place, len(same)] = replace(case, opened_at=self.now)

    def change_case(self, key: CaseKey, **changes: Any) -> None:
        """A case reads differently."""
        self.cases[key] = replace(self.cases[key], version=self.cases[key].version + 1, **changes)

    def give_way(self, place: Place, missing: Many) -> None:
        """So much less is there than was promised: the youngest holds give way, then the youngest allocations, then
        what channels have for themselves.
        """
        self.open_case(Case("SHORTFALL", place, missing))
        held = dict(self.held.get(place, {}))
        for key in sorted(held, key=lambda key: (key[0], key[2]), reverse=True):
            part = min(held[key], missing)
            missing -= part
            held[key] -= part
            if not held[key]:
                del held[key]
        self.held[place] = held
        there = self.allocations.get(place, {})
        for line in sorted(there, key=lambda line: (there[line].allocated_at, line), reverse=True):
            part = min(there[line].quantity, missing)
            if part:
                missing -= part
                if line[0] not in self.transfers:  # they never wait
                    only = place[1] if there[line].bound else None
                    self.lose(line, place[0], only, part, there[line].allocated_at)
                self.deallocate(line, place, part)
        pools = self.pools.get(place, {})
        for channel in sorted(pools, key=lambda channel: pools[channel].number, reverse=True):
            part = min(pools[channel].held, missing)
            missing -= part
            self.take_from_pool(channel, place, part)
        assert not missing, "more is missing than was promised"

    def take_from_pool(self, channel: int, place: Place, quantity: Many) -> None:
        """A channel has so much less for itself at a place."""
        pools = self.pools.get(place, {})
        if quantity:
            lower = replace(pools[channel], held=pools[channel].held - quantity)
            self.pools[place] = {**pools, channel: lower}
