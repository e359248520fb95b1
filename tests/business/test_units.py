"""Units convert exactly, or not at all (PIM-12)."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.business.tables import Dimension, Unit
from domain.business.units import STANDARD, convert, unit_by_code
from domain.kernel.database import Database
from domain.kernel.errors import Invalid
from domain.kernel.work import SYSTEM, begin

NAMES = ("code", "name", "dimension", "decimals", "numerator", "denominator")
UNITS = {row[0]: Unit(**dict(zip(NAMES, row, strict=True))) for row in STANDARD}
PAIRS = [(a, b) for a, b in permutations(UNITS.values(), 2) if a.dimension == b.dimension]


@st.composite
def quantities(draw: st.DrawFn, unit: Unit) -> Decimal:
    return Decimal(draw(st.integers(-(10**9), 10**9))).scaleb(-unit.decimals)


@given(st.data(), st.sampled_from(PAIRS))
def test_a_conversion_is_exact_or_refused_and_comes_back_unchanged(
    data: st.DataObject, pair: tuple[Unit, Unit]
) -> None:
    source, target = pair
    quantity = data.draw(quantities(source))
    exact = Fraction(quantity) * Fraction(source.numerator, source.denominator)
    exact = exact * target.denominator / target.numerator
    try:
        converted = convert(quantity, source, target)
    except Invalid:
        assert (exact * 10**target.decimals).denominator != 1
    else:
        assert Fraction(converted) == exact
        assert -int(converted.as_tuple().exponent) <= target.decimals
        assert convert(converted, target, source) == quantity


@given(st.data(), st.sampled_from(PAIRS))
def test_what_was_chosen_to_fit_always_converts(data: st.DataObject, pair: tuple[Unit, Unit]) -> None:
    source, target = pair
    ratio = Fraction(source.numerator * target.denominator, source.denominator * target.numerator)
    step = Fraction(ratio, 10**source.decimals) * 10**target.decimals
    quantity = Decimal(data.draw(st.integers(0, 1000)) * step.denominator).scaleb(-source.decimals)
    assert Fraction(convert(quantity, source, target)) == Fraction(quantity) * ratio


@given(st.data(), st.sampled_from([(a, b, c) for a, b in PAIRS for d, c in PAIRS if d is b]))
def test_the_path_does_not_matter(data: st.DataObject, path: tuple[Unit, Unit, Unit]) -> None:
    source, between, target = path
    quantity = data.draw(quantities(source))
    try:
        detour = convert(convert(quantity, source, between), between, target)
    except Invalid:
        assume(False)
    else:
        assert detour == convert(quantity, source, target)


@pytest.mark.parametrize(
    ("quantity", "source", "target", "result"),
    [
        ("1", "DZ", "EA", "12"),
        ("12", "EA", "DZ", "1"),
        ("1.5", "KG", "G", "1500"),
        ("1", "G", "KG", "0.001"),
        ("1", "LB", "OZ", "16.00"),
        ("50", "IN", "CM", "127.0"),
        ("250", "ML", "L", "0.250"),
        ("6", "PR", "DZ", "1"),
        ("0", "KG", "LB", "0.000"),
        ("-2", "DZ", "EA", "-24"),
    ],
)
def test_conversions_everybody_knows(quantity: str, source: str, target: str, result: str) -> None:
    assert str(convert(Decimal(quantity), UNITS[source], UNITS[target])) == result


@pytest.mark.parametrize(("quantity", "source", "target"), [("13", "EA", "DZ"), ("1", "KG", "LB"), ("0.5", "G", "KG")])
def test_an_inexact_conversion_is_refused_not_rounded(quantity: str, source: str, target: str) -> None:
    with pytest.raises(Invalid, match=f"{quantity} {source} is no exact quantity of {target} with"):
        convert(Decimal(quantity), UNITS[source], UNITS[target])


def test_different_dimensions_do_not_convert() -> None:
    with pytest.raises(Invalid, match="KG measures MASS, L measures VOLUME"):
        convert(Decimal(1), UNITS["KG"], UNITS["L"])


def test_each_dimension_has_one_base_unit_at_least() -> None:
    based = {unit.dimension for unit in UNITS.values() if unit.numerator == unit.denominator}
    assert based == set(Dimension)


async def test_a_unit_is_found_by_its_code(database: Database) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        found = await unit_by_code(work, "DZ")
        assert (found.name, found.dimension, found.numerator) == ("Dozen", Dimension.COUNT, 12)
        with pytest.raises(Invalid, match="There is no unit 'dz'") as refused:
            await unit_by_code(work, "dz", path=("input", "unit"))
        assert refused.value.path == ("input", "unit")
