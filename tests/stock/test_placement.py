"""Which places serve a demand: never more than is there, all of it or nothing, one place before several."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.kernel.ids import ID
from domain.kernel.money import format_quantity
from domain.stock.errors import InsufficientStock
from domain.stock.locked import Level, Levels, level_of
from domain.stock.placement import Demand, Part, place, shortages
from domain.stock.shares import Shares
from domain.stock.tables import LocationKind, Place

seeded = settings(derandomize=True, deadline=None, max_examples=150)

VARIANTS, LOCATIONS = 3, 5


def variant(number: int) -> ID:
    return ID(f"var_{number:032x}")


def location(number: int) -> ID:
    return ID(f"loc_{number:032x}")


@dataclass(frozen=True)
class Site:
    """A location: its rank, and whether it is on the road."""

    priority: int
    kind: LocationKind = LocationKind.WAREHOUSE


def locked(sites: list[Site], there: dict[tuple[int, int], Any]) -> Levels:
    """Levels as an act locks them: by variant and location, what is available or all four figures."""
    records = []
    for (of, at), figures in sorted(there.items(), reverse=True):
        on_hand, allocated, reserved, unavailable = figures if isinstance(figures, tuple) else (figures, 0, 0, 0)
        records.append(
            {
                "id": f"{of:016x}{at:016x}",
                "variant_id": variant(of)[4:],
                "location_id": location(at)[4:],
                "priority": sites[at].priority,
                "kind": sites[at].kind.value,
                "on_hand": Decimal(on_hand),
                "allocated": Decimal(allocated),
                "reserved": Decimal(reserved),
                "unavailable": Decimal(unavailable),
                "placed": Decimal(unavailable),
                "value_amount": Decimal(0),
                "reorder_point": None,
                "version": 1,
            }
        )
    return Levels.over(cast("Any", None), [level_of(cast("Any", record)) for record in records])


def demand(of: int, many: Any, at: int | None = None, n: int = 0) -> Demand:
    where = None if at is None else location(at)
    return Demand(variant(of), Decimal(many), ("input", "lines", n), f"SKU-{of}", where, source=f"line {n}")


def chosen(parts: Iterable[Part]) -> list[tuple[int, str]]:
    """Location and quantity of each part."""
    return [(int(part.level.place[1][4:], 16), format_quantity(part.quantity)) for part in parts]


@dataclass(frozen=True)
class Case:
    levels: Levels
    demands: list[Demand]
    held: dict[Place, Decimal]
    """What the demands had held for them: it is available again, and theirs before anybody else's."""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any small world."""
    kinds = st.sampled_from([LocationKind.WAREHOUSE, LocationKind.STORE, LocationKind.TRANSIT, LocationKind.SUPPLIER])
    sites = draw(st.lists(st.builds(Site, st.integers(0, 2), kinds), min_size=LOCATIONS, max_size=LOCATIONS))
    amounts = st.one_of(st.integers(0, 6), st.integers(0, 6_000).map(lambda n: Decimal(n).scaleb(-3)))
    places = st.tuples(st.integers(0, VARIANTS - 1), st.integers(0, LOCATIONS - 1))
    there: dict[tuple[int, int], tuple[Any, ...]] = {}
    for each in draw(st.sets(places, max_size=VARIANTS * LOCATIONS)):
        free, *claims = (draw(amounts) for _ in range(4))
        there[each] = (free + sum(claims), *claims)
    asked = st.tuples(st.integers(0, VARIANTS - 1), amounts.filter(bool), st.none() | st.integers(0, LOCATIONS - 1))
    demands = [demand(*each, n) for n, each in enumerate(draw(st.lists(asked, max_size=6)))]
    held = draw(st.dictionaries(places, amounts.map(Decimal), max_size=4))
    return Case(locked(sites, there), demands, {(variant(of), location(at)): many for (of, at), many in held.items()})


def able(case: Case, wanted: Demand) -> list[Level]:
    """The levels that may serve a demand, the best first, said without the code under test."""
    found = [
        each
        for each in case.levels
        if each.place[0] == wanted.variant_id
        and wanted.location_id in (None, each.place[1])
        and each.kind != LocationKind.TRANSIT
    ]
    return sorted(found, key=lambda each: (each.priority, each.place[1]))


def in_turn(demands: list[Demand]) -> list[Demand]:
    """Those that name a place first: the others do not mind."""
    return [each for each in demands if each.location_id] + [each for each in demands if not each.location_id]


def there(level: Level) -> Decimal:
    return level.on_hand - level.allocated - level.reserved - level.unavailable


@seeded
@given(cases(), st.booleans())
def test_where_nothing_is_shared_the_choice_is_the_same_as_beside_a_share_of_somebody_else(
    case: Case, patient: bool
) -> None:
    waiting = case.demands if patient else []
    elsewhere = Shares(pools={(ID("chn_" + "0" * 32), (variant(VARIANTS), location(0))): Decimal(1)})
    assert place(case.levels, case.demands, patient=waiting) == place(
        case.levels, case.demands, shares=elsewhere, patient=waiting
    )


@seeded
@given(cases())
def test_a_demand_is_served_by_the_first_place_that_can_else_by_several_in_order_else_not_at_all(case: Case) -> None:
    parts, short = place(case.levels, case.demands)
    free = {each.place: there(each) for each in case.levels}
    expected: list[tuple[Demand, ID, Decimal]] = []
    unserved: list[Demand] = []
    for wanted in in_turn(case.demands):
        candidates = able(case, wanted)
        if sum(free[each.place] for each in candidates) < wanted.quantity:
            unserved.append(wanted)
            continue
        rest = wanted.quantity
        alone = [each for each in candidates if free[each.place] >= wanted.quantity]
        for each in alone[:1] or candidates:
            if taken := min(free[each.place], rest):
                expected.append((wanted, each.id, taken))
                free[each.place] -= taken
                rest -= taken
    assert [(part.demand, part.level.id, part.quantity) for part in parts] == expected
    assert list(short) == unserved


@seeded
@given(cases())
def test_never_more_is_placed_than_is_available_and_each_demand_in_full_or_not_at_all(case: Case) -> None:
    parts, short = place(case.levels, case.demands, case.held)
    assert all(sum(part.quantity for part in parts if part.level is each) <= there(each) for each in case.levels)
    for wanted in case.demands:
        mine = [part for part in parts if part.demand is wanted]
        assert sum(part.quantity for part in mine) == (0 if any(wanted is each for each in short) else wanted.quantity)
        assert all(part.quantity > 0 for part in mine)
        assert len({part.level.id for part in mine}) == len(mine)
        assert all(any(part.level is each for each in able(case, wanted)) for part in mine)


@seeded
@given(cases())
def test_whether_a_demand_is_served_does_not_depend_on_what_was_held(case: Case) -> None:
    assert place(case.levels, case.demands, case.held)[1] == place(case.levels, case.demands)[1]


@seeded
@given(cases())
def test_what_was_held_is_used_first_and_the_rest_comes_from_one_place_where_one_has_enough(case: Case) -> None:
    parts, short = place(case.levels, case.demands, case.held)
    free, held = {each.place: there(each) for each in case.levels}, dict(case.held)
    for wanted in in_turn(case.demands):
        if any(wanted is each for each in short):
            continue
        taken = {part.level.place: part.quantity for part in parts if part.demand is wanted}
        own = {each.place: min(held.get(each.place, Decimal(0)), free[each.place]) for each in able(case, wanted)}
        used = sum(min(own[where], many) for where, many in taken.items())
        assert used == min(wanted.quantity, sum(own.values()))
        beyond = {where: many - own[where] for where, many in taken.items() if many > own[where]}
        if any(free[where] - own[where] >= wanted.quantity - used for where in own):
            assert len(beyond) <= 1
        if any(free[where] - own[where] >= wanted.quantity - used for where in own if own[where]):
            assert all(own[where] for where in taken), "nothing is split that need not be"
        for where, many in taken.items():
            free[where] -= many
            held[where] = max(held.get(where, Decimal(0)) - many, Decimal(0))


@seeded
@given(cases())
def test_a_choice_changes_nothing(case: Case) -> None:
    before, held = {each.id: replace(each) for each in case.levels}, dict(case.held)
    _, short = place(case.levels, case.demands, case.held)
    shortages(case.levels, case.demands, short)
    assert {each.id: each for each in case.levels} == before
    assert case.held == held


@seeded
@given(cases())
def test_a_demand_is_split_only_when_no_place_alone_has_enough(case: Case) -> None:
    parts, _ = place(case.levels, case.demands)
    free = {each.place: there(each) for each in case.levels}
    for wanted in in_turn(case.demands):
        mine = [part for part in parts if part.demand is wanted]
        if len(mine) > 1:
            assert max(free[each.place] for each in able(case, wanted)) < wanted.quantity
            assert all(part.quantity == free[part.level.place] for part in mine[:-1]), "all but the last give all"
        for part in mine:
            free[part.level.place] -= part.quantity


@seeded
@given(cases())
def test_a_shortage_names_each_variant_once_with_all_that_was_asked_and_all_that_is_there(case: Case) -> None:
    _, short = place(case.levels, case.demands, case.held)
    refusals = shortages(case.levels, case.demands, short).refusals
    assert [each.path for each in refusals] == [
        (*first.path, "quantity")
        for n, first in enumerate(short)
        if first.variant_id not in {each.variant_id for each in list(short)[:n]}
    ]
    for refusal in refusals:
        assert isinstance(refusal, InsufficientStock)
        same = [each for each in case.demands if each.variant_id == refusal.variant]
        reachable = {each.id: there(each) for wanted in same for each in able(case, wanted)}
        assert refusal.requested == sum(each.quantity for each in same)
        assert refusal.available == sum(reachable.values())
        assert any(each.variant_id == refusal.variant and each.path == refusal.path[:-1] for each in short)


@seeded
@given(st.lists(st.integers(0, 5), min_size=1, max_size=LOCATIONS), st.lists(st.integers(1, 5), max_size=6))
@example([0, 3, 2], [5])
def test_demands_from_anywhere_are_served_as_long_as_anything_is_left_anywhere(
    free: list[int], many: list[int]
) -> None:
    levels = locked([Site(0)] * len(free), {(0, at): each for at, each in enumerate(free)})
    left, refused = sum(free), []
    for each in many:
        if each > left:
            refused.append(each)
        else:
            left -= each
    _, short = place(levels, [demand(0, each, n=n) for n, each in enumerate(many)])
    assert [each.quantity for each in short] == refused


# --- the rules, one by one ------------------------------------------------------------------------------------------


def test_the_smallest_priority_comes_first_and_then_the_older_location() -> None:
    levels = locked([Site(7), Site(1), Site(1), Site(0)], {(0, 0): 9, (0, 1): 9, (0, 2): 9, (0, 3): 1})
    assert chosen(place(levels, [demand(0, 2)])[0]) == [(1, "2")]
    assert chosen(place(levels, [demand(0, 1)])[0]) == [(3, "1")]
    assert chosen(place(levels, [demand(0, "9.5")])[0]) == [(3, "1"), (1, "8.5")]


def test_one_place_that_suffices_is_better_than_two_of_higher_priority() -> None:
    levels = locked([Site(0), Site(1), Site(2)], {(0, 0): 3, (0, 1): 3, (0, 2): 6})
    assert chosen(place(levels, [demand(0, 6)])[0]) == [(2, "6")]
    assert chosen(place(levels, [demand(0, 7)])[0]) == [(0, "3"), (1, "3"), (2, "1")]


def test_what_was_held_is_used_before_places_of_higher_priority() -> None:
    levels = locked([Site(0), Site(1), Site(2)], {(0, 0): 5, (0, 1): 5, (0, 2): 5})
    held = {(variant(0), location(2)): Decimal(5)}
    assert chosen(place(levels, [demand(0, 5)], held)[0]) == [(2, "5")]
    assert chosen(place(levels, [demand(0, 8)], held)[0]) == [(0, "3"), (2, "5")]
    assert chosen(place(levels, [demand(0, 12)], held)[0]) == [(0, "5"), (1, "2"), (2, "5")]
    assert chosen(place(levels, [demand(0, 5, at=1)], held)[0]) == [(1, "5")]


def test_what_was_held_at_two_places_is_used_before_what_is_free_at_a_third() -> None:
    levels = locked([Site(0), Site(1), Site(2)], {(0, 0): 3, (0, 1): 2, (0, 2): 5})
    held = {(variant(0), location(0)): Decimal(3), (variant(0), location(1)): Decimal(2)}
    assert chosen(place(levels, [demand(0, 5)], held)[0]) == [(0, "3"), (1, "2")]


def test_what_was_held_is_used_once() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 9, (0, 1): 5})
    held = {(variant(0), location(1)): Decimal(4)}
    wanted = [demand(0, 3, n=n) for n in range(3)]
    assert chosen(place(levels, wanted, held)[0]) == [(1, "3"), (0, "2"), (1, "1"), (0, "3")]


def test_what_was_held_is_no_more_than_what_is_there() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 5, (0, 1): (9, 6, 0, 0)})
    held = {(variant(0), location(1)): Decimal(9), (variant(0), location(4)): Decimal(9)}
    assert chosen(place(levels, [demand(0, 5)], held)[0]) == [(0, "2"), (1, "3")]
    assert chosen(place(levels, [demand(0, 9)], held)[0]) == []


def test_what_was_held_of_one_variant_says_nothing_of_another() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 5, (0, 1): 5, (1, 0): 5, (1, 1): 5})
    held = {(variant(1), location(1)): Decimal(1)}
    parts, short = place(levels, [demand(0, 1), demand(1, 1, n=1)], held)
    assert (chosen(parts), short) == ([(0, "1"), (1, "1")], {})


def test_a_place_that_holds_a_part_and_has_enough_of_the_rest_serves_alone() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 9, (0, 1): 9})
    assert chosen(place(levels, [demand(0, 5)], {(variant(0), location(1)): Decimal(3)})[0]) == [(1, "5")]


def test_demands_see_what_the_ones_before_them_took() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 4, (0, 1): 3})
    wanted = [demand(0, 3, n=n) for n in range(3)]
    parts, short = place(levels, wanted)
    assert (chosen(parts), list(short)) == ([(0, "3"), (1, "3")], [wanted[2]])


def test_a_demand_that_cannot_be_served_takes_nothing_from_those_behind_it() -> None:
    levels = locked([Site(0)], {(0, 0): 4})
    wanted = [demand(0, 5, n=0), demand(0, 4, n=1)]
    parts, short = place(levels, wanted)
    assert ([part.demand for part in parts], list(short)) == ([wanted[1]], [wanted[0]])


def test_a_named_place_serves_alone_or_not_at_all() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 9, (0, 1): 2})
    assert chosen(place(levels, [demand(0, 2, at=1)])[0]) == [(1, "2")]
    for missing in (demand(0, 3, at=1), demand(0, 1, at=4), demand(2, 1, at=0), demand(2, 1)):
        parts, short = place(levels, [missing])
        assert (parts, list(short)) == ([], [missing])


def test_goods_in_transit_serve_nobody_not_even_who_names_or_held_them() -> None:
    levels = locked([Site(0, LocationKind.TRANSIT), Site(1)], {(0, 0): 9, (0, 1): 2})
    held = {(variant(0), location(0)): Decimal(2)}
    assert chosen(place(levels, [demand(0, 2)], held)[0]) == [(1, "2")]
    for wanted in (demand(0, 3), demand(0, 1, at=0)):
        parts, short = place(levels, [wanted], held)
        assert (parts, list(short)) == ([], [wanted])
    (refusal,) = shortages(levels, [demand(0, 3)], [demand(0, 3)]).refusals
    assert refusal.message == "Only 2 of SKU-0 are available, and 3 were asked for."


def test_a_demand_from_anywhere_leaves_a_named_place_to_the_demand_that_names_it() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 5, (0, 1): 5})
    _, short = place(levels, [demand(0, 5, n=0), demand(0, 5, at=0, n=1)])
    assert not short


def test_a_shortage_counts_every_demand_for_the_variant_and_every_place_once() -> None:
    levels = locked([Site(0), Site(1), Site(2)], {(0, 0): 4, (0, 1): "2.5", (0, 2): (9, 3, 3, 3), (1, 0): 1})
    wanted = [demand(0, 4, n=0), demand(1, 1, n=1), demand(0, 3, at=1, n=2), demand(0, 5, n=3)]
    parts, short = place(levels, wanted)
    assert chosen(parts) == [(0, "4"), (0, "1")]
    (refusal,) = shortages(levels, wanted, short).refusals
    assert isinstance(refusal, InsufficientStock)
    assert (refusal.variant, refusal.requested, refusal.available) == (variant(0), 12, Decimal("6.5"))
    assert refusal.path == ("input", "lines", 2, "quantity")
    assert refusal.message == "Only 6.5 of SKU-0 are available, and 12 were asked for."


def test_a_shortage_at_a_named_place_tells_what_is_there_and_not_what_is_elsewhere() -> None:
    levels = locked([Site(0), Site(1)], {(0, 0): 9, (0, 1): 2})
    wanted = [demand(0, 3, at=1)]
    (refusal,) = shortages(levels, wanted, place(levels, wanted)[1]).refusals
    assert refusal.message == "Only 2 of SKU-0 are available, and 3 were asked for."
    assert refusal.path == ("input", "lines", 0, "quantity")


def test_shortages_come_in_the_order_of_the_demands() -> None:
    wanted = [demand(of, 1, n=n) for n, of in enumerate((2, 0, 2, 1))]
    refusals = shortages(locked([], {}), wanted, place(locked([], {}), wanted)[1]).refusals
    assert [each.path for each in refusals] == [("input", "lines", n, "quantity") for n in (0, 1, 3)]
    assert [each.message.split()[3] for each in refusals] == ["SKU-2", "SKU-0", "SKU-1"]
