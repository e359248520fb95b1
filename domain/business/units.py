"""Units and exact conversion between them (PIM-12).

Factors are fractions of whole numbers, so that twelve pieces are one dozen and one case of twelve comes back as twelve
pieces, whatever the path. A result that the target unit cannot express is refused, never rounded in silence.
"""

from decimal import Decimal
from fractions import Fraction

from sqlalchemy import select

from domain.business.tables import Dimension, Unit
from domain.kernel.errors import Invalid
from domain.kernel.money import Quantity
from domain.kernel.work import Work

STANDARD: tuple[tuple[str, str, Dimension, int, int, int], ...] = (
    # code, name, dimension, decimals, numerator, denominator
    ("EA", "Each", Dimension.COUNT, 0, 1, 1),
    ("PR", "Pair", Dimension.COUNT, 0, 2, 1),
    ("DZ", "Dozen", Dimension.COUNT, 0, 12, 1),
    ("KG", "Kilogram", Dimension.MASS, 3, 1, 1),
    ("G", "Gram", Dimension.MASS, 0, 1, 1000),
    ("LB", "Pound", Dimension.MASS, 3, 45359237, 100000000),
    ("OZ", "Ounce", Dimension.MASS, 2, 45359237, 1600000000),
    ("M", "Meter", Dimension.LENGTH, 3, 1, 1),
    ("CM", "Centimeter", Dimension.LENGTH, 1, 1, 100),
    ("IN", "Inch", Dimension.LENGTH, 3, 254, 10000),
    ("M2", "Square meter", Dimension.AREA, 3, 1, 1),
    ("L", "Liter", Dimension.VOLUME, 3, 1, 1),
    ("ML", "Milliliter", Dimension.VOLUME, 0, 1, 1000),
    ("H", "Hour", Dimension.TIME, 2, 1, 1),
)
"""What every business starts with. Pound and inch are the international ones of 1959, exact by definition."""


def convert(quantity: Decimal, source: Unit, target: Unit) -> Quantity:
    """The same amount in another unit, exact.

    Refuses with Invalid when the units measure different things, or when the target's decimals cannot express it.
    """
    if source.dimension != target.dimension:
        raise Invalid(f"{source.code} measures {source.dimension}, {target.code} measures {target.dimension}.")
    exact = Fraction(quantity) * Fraction(source.numerator, source.denominator)
    exact /= Fraction(target.numerator, target.denominator)
    steps = exact * 10**target.decimals
    if steps.denominator != 1:
        raise Invalid(
            f"{quantity} {source.code} is no exact quantity of {target.code} with {target.decimals} decimals."
        )
    return Quantity(Decimal(int(steps)).scaleb(-target.decimals))


async def unit_by_code(work: Work, code: str, *, path: tuple[str | int, ...] = ()) -> Unit:
    """The unit of that code. Refuses with Invalid when there is none."""
    unit = (await work.session.execute(select(Unit).where(Unit.code == code))).scalar_one_or_none()
    if unit is None:
        raise Invalid(f"There is no unit {code!r}.", path=path)
    return unit
