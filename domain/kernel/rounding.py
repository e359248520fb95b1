"""Arithmetic with one rounding at its end: commercial, half away from zero."""

from decimal import ROUND_HALF_UP, Context, Decimal

_EXACT = Context(prec=50)
"""Wide enough for the product of the largest value and the largest quantity: only the last step rounds."""


def rounded(value: Decimal, digits: int) -> Decimal:
    """To so many digits, half away from zero: the commercial rounding."""
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, context=_EXACT)


def product(one: Decimal, other: Decimal, digits: int) -> Decimal:
    """Such as a quantity at a unit cost, or an amount at a rate."""
    return rounded(_EXACT.multiply(one, other), digits)


def proportion(value: Decimal, part: Decimal, whole: Decimal, digits: int) -> Decimal:
    """The share of a value that belongs to a part of a whole."""
    return rounded(_EXACT.divide(_EXACT.multiply(value, part), whole), digits)
