"""What a sales channel may take: never more than a plain search over all ways to serve it finds, and never less."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.ids import ID
from domain.stock.locked import Levels
from domain.stock.placement import Demand, Part, place, shortages
from domain.stock.shares import Rule, Shares
from domain.stock.tables import LocationKind, Place
from tests.stock.test_placement import Site, location, locked, variant

seeded = settings(derandomize=True, deadline=None, max_examples=300)

LOCATIONS, CHANNELS = 3, 2
SITES = [Site(1), Site(0), Site(0, LocationKind.TRANSIT)]


def channel(number: int) -> ID:
    return ID(f"chn_{number:032x}")


def at(number: int) -> Place:
    return variant(0), location(number)


@dataclass(frozen=True)
class World:
    """Stock at places, what of it is pooled or was held, and what channels are not offered."""

    free: tuple[int, ...]
    """What is available to everybody, what was held for the demands included."""
    pools: dict[tuple[ID, Place], Decimal]
    rules: dict[tuple[ID, ID | None], Rule]
    held: dict[Place, Decimal]
    demands: list[Demand]

    @property
    def levels(self) -> Levels:
        pooled = [sum(many for (_, there), many in self.pools.items() if there == at(n)) for n in range(LOCATIONS)]
        figures = {(0, n): (free + pooled[n], 0, pooled[n], 0) for n, free in enumerate(self.free)}
        return locked(SITES, figures)

    @property
    def shares(self) -> Shares:
        return Shares(dict(self.pools), self.rules)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    some = st.integers(0, 4)
    pools = draw(st.dictionaries(st.tuples(st.integers(0, CHANNELS - 1), st.integers(0, LOCATIONS - 1)), some))
    each = st.tuples(st.integers(0, CHANNELS - 1), st.booleans())
    rules = draw(st.dictionaries(each, st.tuples(st.integers(0, 3), st.none() | st.integers(0, 4))))
    wants = st.tuples(
        st.integers(1, 8), st.none() | st.integers(0, CHANNELS - 1), st.none() | st.integers(0, 2), st.integers(0, 1)
    )
    demands = [
        Demand(
            variant(0),
            Decimal(many),
            ("input", "lines", n),
            "SKU",
            None if where is None else location(where),
            source=f"line {n}",
            document=f"order {document}",
            channel_id=None if of is None else channel(of),
            ruled=True,
        )
        for n, (many, of, where, document) in enumerate(draw(st.lists(wants, min_size=1, max_size=4)))
    ]
    return World(
        free=tuple(draw(st.lists(st.integers(0, 5), min_size=LOCATIONS, max_size=LOCATIONS))),
        pools={(channel(of), at(n)): Decimal(many) for (of, n), many in pools.items()},
        rules={
            (channel(of), variant(0) if own else None): Rule(Decimal(buffer), None if cap is None else Decimal(cap))
            for (of, own), (buffer, cap) in rules.items()
        },
        held={at(n): Decimal(many) for n, many in draw(st.dictionaries(st.integers(0, 2), some, max_size=2)).items()},
        demands=demands,
    )


@dataclass
class Left:
    """What is left while demands are served one after the other, said without the code under test."""

    world: World

    def __post_init__(self) -> None:
        self.free = [Decimal(free) for free in self.world.free]
        self.pools = dict(self.world.pools)
        self.held = dict(self.world.held)
        self.offered: dict[str, Decimal] = {}

    def candidates(self, demand: Demand) -> list[int]:
        return [
            n
            for n, site in enumerate(SITES)
            if site.kind != LocationKind.TRANSIT and demand.location_id in (None, location(n))
        ]

    def pooled(self, demand: Demand, n: int) -> Decimal:
        return self.pools.get((demand.channel_id or ID(""), at(n)), Decimal(0))

    def mine(self, n: int) -> Decimal:
        """What of the hold is still there."""
        return min(self.held.get(at(n), Decimal(0)), self.free[n])

    def ceiling(self, demand: Demand) -> Decimal:
        """How much its channel is offered of what is there for everybody and was not held."""
        places = self.candidates(demand)
        common = sum((self.free[n] - self.mine(n) for n in places), Decimal(0))
        of = demand.channel_id
        rules = self.world.rules
        rule = None if of is None else rules.get((of, demand.variant_id)) or rules.get((of, None))
        if rule is None:
            return common
        rest = max(common - rule.buffer, Decimal(0))
        taken = self.offered.get(demand.document, Decimal(0))
        return rest if rule.cap is None else max(min(rest, rule.cap - taken), Decimal(0))

    def ways(self, demand: Demand) -> Iterator[Decimal]:
        """How much every permitted way to serve it brings: so much of each pool, hold and open shelf."""
        places, most = self.candidates(demand), self.ceiling(demand)
        shelves = [
            [range(int(each) + 1) for each in (self.pooled(demand, n), self.mine(n), self.free[n] - self.mine(n))]
            for n in places
        ]
        for taken in itertools.product(*(axis for shelf in shelves for axis in shelf)):
            if sum(taken[2::3]) <= most:
                yield Decimal(sum(taken))

    def take(self, demand: Demand, parts: list[Part]) -> None:
        for part in parts:
            n = int(part.level.place[1][4:], 16)
            common = part.quantity - part.pooled
            mine = min(self.mine(n), common)
            assert 0 <= part.pooled <= self.pooled(demand, n), "out of a pool of another channel, or more than it holds"
            assert common <= self.free[n], "more than there is"
            self.offered[demand.document] = self.offered.get(demand.document, Decimal(0)) + common - mine
            self.free[n] -= common
            if mine:
                self.held[at(n)] -= mine
            if part.pooled:
                self.pools[demand.channel_id or ID(""), at(n)] -= part.pooled


def in_turn(demands: list[Demand]) -> list[Demand]:
    return sorted(demands, key=lambda each: each.location_id is None)


@seeded
@given(worlds())
def test_a_channel_is_served_exactly_when_there_is_a_way_to_serve_it(world: World) -> None:
    parts, short = place(world.levels, world.demands, world.held, world.shares)
    left = Left(world)
    for demand in in_turn(world.demands):
        mine = [part for part in parts if part.demand is demand]
        possible = demand.quantity in set(left.ways(demand))
        assert possible == (demand not in short)
        assert sum((part.quantity for part in mine), Decimal(0)) == (demand.quantity if possible else 0)
        ceiling = left.ceiling(demand)
        before = left.offered.get(demand.document, Decimal(0))
        left.take(demand, mine)
        assert left.offered.get(demand.document, Decimal(0)) - before <= ceiling, "more than the channel is offered"


@seeded
@given(worlds())
def test_who_may_wait_takes_as_much_as_any_way_would_bring(world: World) -> None:
    parts, short = place(world.levels, world.demands, world.held, world.shares, frozenset(world.demands))
    left = Left(world)
    for demand in in_turn(world.demands):
        mine = [part for part in parts if part.demand is demand]
        most = min(max(left.ways(demand)), demand.quantity)
        assert sum((part.quantity for part in mine), Decimal(0)) == most
        assert short.get(demand, Decimal(0)) == demand.quantity - most
        left.take(demand, mine)


@seeded
@given(worlds())
def test_pools_are_used_before_what_everybody_may_take(world: World) -> None:
    parts, short = place(world.levels, world.demands, world.held, world.shares)
    left = Left(world)
    for demand in in_turn(world.demands):
        mine = [part for part in parts if part.demand is demand]
        if demand not in short:
            there = left.candidates(demand)
            pooled = sum((left.pooled(demand, n) for n in there), Decimal(0))
            held = sum((left.mine(n) for n in there), Decimal(0))
            wanted = max(min(demand.quantity - held, pooled), Decimal(0))
            assert sum((part.pooled for part in mine), Decimal(0)) == wanted
        left.take(demand, mine)


@seeded
@given(worlds())
def test_nobody_takes_out_of_a_pool_of_another_channel_and_a_choice_changes_nothing(world: World) -> None:
    shares, held = world.shares, dict(world.held)
    parts, short = place(world.levels, world.demands, world.held, shares)
    shortages(world.levels, world.demands, short, shares)
    assert (shares.pools, world.held) == (world.pools, held)
    taken: dict[tuple[ID | None, Place], Decimal] = {}
    for part in parts:
        key = part.demand.channel_id, part.level.place
        taken[key] = taken.get(key, Decimal(0)) + part.pooled
        assert not part.pooled or part.demand.channel_id is not None
    assert all(many <= world.pools.get((of or ID(""), where), Decimal(0)) for (of, where), many in taken.items())


def demand(many: int, of: int | None, n: int = 0, document: str = "order") -> Demand:
    here = None if of is None else channel(of)
    where = ("input", "lines", n)
    return Demand(variant(0), Decimal(many), where, "SKU", document=document, channel_id=here, ruled=True)


def test_a_cap_is_for_all_lines_of_a_document_together() -> None:
    levels = locked([Site(0)], {(0, 0): 50})
    shares = Shares(rules={(channel(0), None): Rule(Decimal(0), Decimal(5))})
    lines = [demand(3, 0, 0), demand(3, 0, 1)]
    assert list(place(levels, lines, shares=shares)[1]) == [lines[1]]
    apart = [demand(3, 0, 0), demand(3, 0, 1, "another order")]
    assert not place(levels, apart, shares=shares)[1]
    (refusal,) = shortages(levels, lines, [lines[1]], shares).refusals
    assert refusal.message == "Only 5 of SKU are available, and 6 were asked for."


def test_what_was_held_is_had_whatever_the_rule_says() -> None:
    levels = locked([Site(0)], {(0, 0): 10})
    shares = Shares(rules={(channel(0), variant(0)): Rule(Decimal(5), None)})
    held = {at(0): Decimal(8)}
    assert not place(levels, [demand(8, 0)], held, shares)[1]
    assert place(levels, [demand(9, 0)], held, shares)[1]
    assert not place(levels, [demand(5, 0)], {}, shares)[1]
    assert place(levels, [demand(6, 0)], {}, shares)[1]


def test_the_rule_of_a_variant_stands_before_that_for_all() -> None:
    shares = Shares(
        rules={
            (channel(0), None): Rule(Decimal(9), None),
            (channel(0), variant(0)): Rule(Decimal(1), Decimal(3)),
        }
    )
    assert shares.rule(channel(0), variant(0)).offers(Decimal(10)) == 3
    assert shares.rule(channel(0), variant(1)).offers(Decimal(10)) == 1
    assert shares.rule(channel(1), variant(0)).offers(Decimal(10)) == 10
    assert shares.rule(None, variant(0)).offers(Decimal(10)) == 10
