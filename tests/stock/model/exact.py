"""Whole cents and exact fractions: what rounding means, in one line."""

from fractions import Fraction
from math import floor

Many = Fraction
"""A quantity, exact."""
Cents = int
"""An amount in base currency."""


def rounded(cents: Fraction) -> Cents:
    """To the nearest cent, halves away from zero."""
    nearest = floor(abs(cents) + Fraction(1, 2))
    return nearest if cents >= 0 else -nearest


def worth(quantity: Many, unit_cost: Fraction) -> Cents:
    """What so many come to, at so many cents each."""
    return rounded(quantity * unit_cost)


def share(cents: Cents, part: Many, whole: Many) -> Cents:
    """The share of an amount that belongs to a part."""
    return rounded(cents * part / whole)
