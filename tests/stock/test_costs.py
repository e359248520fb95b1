"""First in, first out: whatever is drawn, in whatever parts, no cent is left behind and none is made up."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor, gcd

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from domain.kernel.ids import ID, new_id
from domain.kernel.money import currency_digits
from domain.kernel.rounding import proportion, rounded
from domain.stock.costs import Draw, Layer, draw, worth

seeded = settings(derandomize=True, deadline=None, max_examples=300)

MOST_UNITS = 10**15 - 1
"""The largest quantity, in millionths."""
MOST_COST = 10**18 - 1
"""The largest unit cost, in millionths."""

digits_of_currencies = st.sampled_from([currency_digits(code) for code in ("JPY", "EUR", "KWD")])
units = st.one_of(st.integers(1, 30), st.integers(1, 10**7), st.integers(10**12, MOST_UNITS))


def quantity(millionths: int) -> Decimal:
    return Decimal(millionths).scaleb(-6)


def coins(number: int, digits: int) -> Decimal:
    return Decimal(number).scaleb(-digits)


def half_away(exact: Fraction, digits: int) -> Fraction:
    """The commercial rounding, by whole numbers alone."""
    nearest = floor(abs(exact) * 10**digits + Fraction(1, 2))
    return Fraction(nearest if exact >= 0 else -nearest, 10**digits)


def total(draws: list[Draw]) -> tuple[Decimal, Decimal]:
    return sum((each.quantity for each in draws), Decimal(0)), sum((each.value for each in draws), Decimal(0))


Founded = list[tuple[int, int]]
"""Layers, oldest first: millionths of a unit, and coins."""


@st.composite
def stocks(draw_from: st.DrawFn) -> tuple[int, Founded, list[int]]:
    """Digits, layers, and the parts in which all that is there is taken: every one more than nothing."""
    digits = draw_from(digits_of_currencies)
    values = st.one_of(st.just(0), st.integers(1, 50), st.integers(10**6, 10 ** (12 + digits) - 1))
    founded = draw_from(st.lists(st.tuples(units, values), min_size=1, max_size=6))
    whole = sum(each for each, _ in founded)
    cuts = draw_from(st.lists(st.integers(1, whole), max_size=12, unique=True))
    edges = sorted({0, whole, *cuts})
    return digits, founded, [after - before for before, after in pairwise(edges)]


def layers_of(founded: Founded, digits: int) -> list[Layer]:
    return [Layer.founded(new_id("mov"), quantity(many), coins(value, digits)) for many, value in founded]


@seeded
@given(stocks())
def test_draws_sum_to_what_was_founded_whatever_the_parts(stock: tuple[int, Founded, list[int]]) -> None:
    digits, founded, parts = stock
    layers = layers_of(founded, digits)
    began = {each.id: (each.quantity, each.value) for each in layers}
    taken: list[Draw] = []
    for part in parts:
        drawn = draw(layers, quantity(part), digits)
        assert total(drawn)[0] == quantity(part)
        taken += drawn
        assert all(each.quantity > 0 and each.value >= 0 for each in drawn)
        assert all(each.quantity >= 0 and each.value >= 0 for each in layers)
        assert all(each.quantity or not each.value for each in layers), "value without goods"
        for layer in layers:
            gone = total([each for each in taken if each.layer_id == layer.id])
            assert (layer.quantity + gone[0], layer.value + gone[1]) == began[layer.id]
    assert [(each.quantity, each.value) for each in layers] == [(0, 0)] * len(layers)
    assert total(taken) == (quantity(sum(each for each, _ in founded)), coins(sum(each for _, each in founded), digits))


@seeded
@given(stocks())
def test_every_draw_is_what_exact_fractions_say(stock: tuple[int, Founded, list[int]]) -> None:
    digits, founded, parts = stock
    layers = layers_of(founded, digits)
    left = [(each.id, Fraction(each.quantity), Fraction(each.value), Fraction(0)) for each in layers]
    for part in parts:
        rest, expected = Fraction(quantity(part)), list[tuple[ID, Fraction, Fraction]]()
        while rest:
            layer, many, value, gone = left.pop(0)
            taken = min(many - gone, rest)
            share = half_away(value * (gone + taken) / many, digits) - half_away(value * gone / many, digits)
            expected.append((layer, taken, share))
            rest -= taken
            if gone + taken < many:
                left.insert(0, (layer, many, value, gone + taken))
        drawn = draw(layers, quantity(part), digits)
        assert [(each.layer_id, Fraction(each.quantity), Fraction(each.value)) for each in drawn] == expected
        assert all(each.value == rounded(each.value, digits) for each in drawn)


@seeded
@given(stocks())
def test_nothing_is_drawn_from_a_layer_while_an_older_one_holds_any(stock: tuple[int, Founded, list[int]]) -> None:
    digits, founded, parts = stock
    layers = layers_of(founded, digits)
    age = {layer.id: n for n, layer in enumerate(layers)}
    seen: list[int] = []
    for part in parts:
        ages = [age[each.layer_id] for each in draw(layers, quantity(part), digits)]
        assert len(set(ages)) == len(ages), "one layer, one draw"
        seen += ages
        assert not any(layer.quantity for layer in layers[: seen[-1]])
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("digits", "value", "shares"),
    [(2, "10.00", ["3.33", "3.34", "3.33"]), (0, "10", ["3", "4", "3"]), (3, "10.000", ["3.333", "3.334", "3.333"])],
)
def test_the_last_unit_takes_the_cents_that_are_left(digits: int, value: str, shares: list[str]) -> None:
    layer = Layer.founded(new_id("mov"), Decimal(3), Decimal(value))
    assert [str(draw([layer], Decimal(1), digits)[0].value) for _ in range(3)] == shares
    assert (layer.quantity, layer.value) == (0, 0)


def test_a_unit_may_be_worth_less_than_any_unit_cost_can_say() -> None:
    layer = Layer.founded(new_id("mov"), Decimal(3_000_000), Decimal("1.00"))
    assert [str(draw([layer], Decimal(1_000_000), 2)[0].value) for _ in range(3)] == ["0.33", "0.34", "0.33"]


@seeded
@given(st.integers(1, 60), digits_of_currencies, st.integers(0, 200))
def test_unit_by_unit_a_layer_ends_with_nothing_left(many: int, digits: int, value: int) -> None:
    layer = Layer.founded(new_id("mov"), Decimal(many), coins(value, digits))
    shares = [draw([layer], Decimal(1), digits)[0].value for _ in range(many)]
    assert sum(shares) == coins(value, digits)
    assert max(shares) - min(shares) <= coins(1, digits)
    assert (layer.quantity, layer.value) == (0, 0)


def test_empty_layers_are_passed_over_and_nothing_asked_for_draws_nothing() -> None:
    empty, full = (
        Layer.founded(new_id("mov"), Decimal(0), Decimal(0)),
        Layer.founded(new_id("mov"), Decimal(2), Decimal("5.00")),
    )
    assert draw([empty, full], Decimal(0), 2) == []
    assert draw([], Decimal(0), 2) == []
    assert draw([empty, full], Decimal(2), 2) == [Draw(full.id, Decimal(2), Decimal("5.00"))]


@seeded
@given(stocks(), units)
def test_more_than_there_is_cannot_be_drawn(stock: tuple[int, Founded, list[int]], more: int) -> None:
    digits, founded, parts = stock
    with pytest.raises(AssertionError, match=f"the layers lack {quantity(more)}: they and their level differ"):
        draw(layers_of(founded, digits), quantity(sum(parts) + more), digits)


# --- the arithmetic -------------------------------------------------------------------------------------------------


@seeded
@given(st.integers(0, MOST_UNITS), st.integers(0, MOST_COST), digits_of_currencies)
@example(MOST_UNITS, MOST_COST, 2)
@example(500_000, 10_000, 2)
@example(500_000, 30_000, 2)
def test_worth_is_the_exact_product_rounded_once(many: int, cost: int, digits: int) -> None:
    expected = half_away(Fraction(many * cost, 10**12), digits)
    assert Fraction(worth(quantity(many), quantity(cost), digits)) == expected


@seeded
@given(st.integers(10**14, MOST_UNITS), st.integers(0, 10**8 - 2))
def test_a_product_a_hair_below_half_a_cent_is_rounded_down_however_large(many: int, thousands: int) -> None:
    assume(gcd(many, 10) == 1)
    hair_below = 5 * 10**9 - 1  # of the 10**10 millionths of a millionth in a cent
    cost = hair_below * pow(many, -1, 10**10) % 10**10 + thousands * 10**10
    assert many * cost % 10**10 == hair_below
    assert Fraction(worth(quantity(many), quantity(cost), 2)) == Fraction(many * cost // 10**10, 100)


@seeded
@given(st.data(), digits_of_currencies, units)
def test_a_proportion_is_the_exact_share_rounded_once(data: st.DataObject, digits: int, whole: int) -> None:
    value, part = data.draw(st.integers(0, 10 ** (12 + digits) - 1)), data.draw(st.integers(0, whole))
    share = proportion(coins(value, digits), quantity(part), quantity(whole), digits)
    assert Fraction(share) == half_away(Fraction(value * part, whole * 10**digits), digits)
    assert 0 <= share <= coins(value, digits)


@seeded
@given(st.integers(10**14, MOST_UNITS), st.integers(10**13, 10**14 - 1))
def test_a_share_a_hair_below_half_a_cent_is_rounded_down_however_large(whole: int, value: int) -> None:
    assume(gcd(whole, 2 * value) == 1)
    part = -pow(2 * value, -1, whole) % whole
    exact = Fraction(value * part, whole)
    assert exact % 1 == Fraction(whole - 1, 2 * whole)
    assert Fraction(proportion(coins(value, 2), quantity(part), quantity(whole), 2)) == Fraction(floor(exact), 100)


@pytest.mark.parametrize(
    ("value", "digits", "result"),
    [
        ("0.005", 2, "0.01"),
        ("0.015", 2, "0.02"),
        ("0.025", 2, "0.03"),
        ("0.0249999", 2, "0.02"),
        ("-0.025", 2, "-0.03"),
        ("0.5", 0, "1"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("0.0005", 3, "0.001"),
        ("7", 2, "7.00"),
    ],
)
def test_halves_are_rounded_away_from_zero(value: str, digits: int, result: str) -> None:
    assert str(rounded(Decimal(value), digits)) == result


@seeded
@given(st.integers(-(10**30), 10**30), digits_of_currencies)
def test_rounding_is_to_the_nearest_coin(twelfths: int, digits: int) -> None:
    value = Decimal(twelfths).scaleb(-12)
    assert Fraction(rounded(value, digits)) == half_away(Fraction(value), digits)
