"""Money and quantities: exact decimals, never floats.

Money is an amount in one currency. Amounts of documents have the digits of their currency (ISO 4217 by way of CLDR:
EUR 2, JPY 0, KWD 3); unit costs may carry six. Quantities have at most 15 digits, 6 of them behind the point.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import NewType

from babel.core import get_global
from babel.numbers import get_currency_precision

from domain.kernel.errors import Invalid

CurrencyCode = NewType("CurrencyCode", str)
"""An ISO 4217 code in capitals, such as EUR."""

Quantity = NewType("Quantity", Decimal)
"""How much of something, in the unit of the thing. At most 15 digits, 6 of them decimals."""

Rate = NewType("Rate", Decimal)
"""What one unit of something is worth in another: ten decimals, so that small currencies can be said."""

AMOUNT_DIGITS = 18
"""Digits of an amount in all, 6 of them behind the point: a trillion in any currency, with room for unit costs."""
UNIT_COST_DECIMALS = 6
AMOUNT_LIMIT = Decimal(10) ** (AMOUNT_DIGITS - UNIT_COST_DECIMALS)
"""Amounts that somebody states are below it."""
RATE_DECIMALS = 10
QUANTITY_DIGITS = 15
QUANTITY_DECIMALS = 6
CARRIED_DIGITS = 36
"""Digits of an amount that follows from others, such as what goods are worth or a line of the journal; 6 of them behind
the point.

Nothing that is reckoned from a cost may fail by its size: whether it does would tell the cost to whoever may not know
it. A unit cost is below 10^12 and a quantity below 10^9, so goods at a place are worth less than 10^21, and the 10,000
variants of one act less than 10^25: 28 digits with the three behind the point that a currency has at most, which is as
many as Python's decimals keep. These columns hold 10^30. So what is too much is refused by what was stated, or by a
quantity, alone.
"""


class CurrencyMismatch(Invalid):
    """Two amounts of different currencies cannot be added, subtracted or compared."""

    code = "INVALID"


@lru_cache(maxsize=1)
def currency_codes() -> frozenset[str]:
    """The currencies that are legal tender somewhere today, by CLDR: no metals, no funds, none of the past."""
    territories = get_global("territory_currencies").values()
    return frozenset(code for held in territories for code, _, until, tender in held if tender and until is None)


@lru_cache(maxsize=512)
def currency_digits(currency: str) -> int:
    """Digits behind the point that amounts of this currency have."""
    return get_currency_precision(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency. Arithmetic keeps the currency and refuses to mix two."""

    amount: Decimal
    """The amount, exact."""
    currency: CurrencyCode
    """The currency of the amount."""

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other).amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> "Money":
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other).amount

    def rounded(self) -> "Money":
        """To the digits of the currency, half away from zero: the commercial rounding."""
        return Money(self.amount.quantize(_smallest(self.currency), ROUND_HALF_UP), self.currency)

    def allocate(self, weights: Sequence[Decimal | int]) -> list["Money"]:
        """Split into parts by weight so that the parts sum to the whole to the last cent.

        Each part is rounded towards minus infinity, and the cents left over go to the parts with the largest
        remainder, first come first (the largest-remainder method). All weights 0 count as all equal. Only whole cents
        can be split.
        """
        if not weights or any(weight < 0 for weight in weights):
            raise ValueError("weights must be given and not negative")
        smallest = _smallest(self.currency)
        whole = Fraction(self.amount) / Fraction(smallest)
        if whole.denominator != 1:
            raise ValueError(f"{self.amount} {self.currency} is no whole number of {smallest}: round it first")
        shares = [Fraction(weight) for weight in weights] if any(weights) else [Fraction(1)] * len(weights)
        total = sum(shares)
        exact = [whole * share / total for share in shares]
        parts = [floor(value) for value in exact]
        left = int(whole) - sum(parts)
        by_remainder = sorted(range(len(parts)), key=lambda index: parts[index] - exact[index])
        for index in by_remainder[:left]:
            parts[index] += 1
        return [Money(part * smallest, self.currency) for part in parts]

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{other.currency} cannot be mixed with {self.currency}: name a rate first.")
        return other


def _smallest(currency: str) -> Decimal:
    return Decimal(1).scaleb(-currency_digits(currency))


_PLAIN = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
"""Decimals as people and programs write them: no exponents, blanks, signs in front or digits of other scripts."""


def parse_decimal(value: object, *, digits: int, decimals: int) -> Decimal:
    """Read a decimal from a string or a whole number, refusing what does not fit; never by way of a float.

    Raises ValueError with a sentence that says what is wrong.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError('Give a decimal as a string, such as "12.50".')
    text = value if isinstance(value, str) else _written_out(value)
    if len(text) > 64:
        raise ValueError(f"At most {digits} digits, {decimals} of them behind the point.")
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise ValueError(f"{text[:40]!r} is no decimal number.")
    sign, whole, fraction = plain.groups("")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(fraction) > decimals or len(whole) > digits - decimals:
        raise ValueError(f"At most {digits} digits, {decimals} of them behind the point.")
    if not fraction:
        return Decimal(sign + whole) if whole else Decimal(0)
    return Decimal(f"{sign}{whole}.{fraction}")


def _written_out(number: int | Decimal) -> str:
    """A number in plain digits; where those would be a great many, in so many that they are too many."""
    if isinstance(number, int) or not number.is_finite():
        return str(number)
    if not number:
        return "0"
    return f"{number:f}" if abs(number.adjusted()) < 64 else "9" * 65


def price(money: Money, *, path: Sequence[str | int] = ()) -> Money:
    """An amount a customer can be asked for: a known currency, not negative, no fraction of its smallest coin."""
    if money.currency not in currency_codes():
        raise Invalid(f"{money.currency} is no currency code of ISO 4217.", path=(*path, "currency"))
    digits = currency_digits(money.currency)
    if money.amount < 0:
        raise Invalid("A price cannot be negative.", path=(*path, "amount"))
    if -int(money.amount.as_tuple().exponent) > digits:
        raise Invalid(f"Prices in {money.currency} have at most {digits} decimals.", path=(*path, "amount"))
    return money


def format_amount(money: Money) -> str:
    """The amount with at least its currency's digits: 12.5 EUR is "12.50", a unit cost of 0.0125 EUR keeps all four."""
    behind = max(0, -int(money.amount.normalize().as_tuple().exponent))
    return f"{money.amount:.{max(behind, currency_digits(money.currency))}f}"


@lru_cache(maxsize=50_000)
def amount_text(digits: str, currency: str) -> str:
    """`format_amount` of an amount that the database printed with all the digits it stores: "12.500000" of EUR."""
    kept = currency_digits(currency)
    if kept and digits.endswith(_ZEROS[kept]) and digits[-UNIT_COST_DECIMALS - 1 :].startswith("."):
        return digits[: kept - UNIT_COST_DECIMALS]  # what nearly every amount looks like
    whole, _, behind = digits.partition(".")
    behind = behind.rstrip("0").ljust(kept, "0")
    return f"{whole}.{behind}" if behind else whole


_ZEROS = ["0" * (UNIT_COST_DECIMALS - kept) for kept in range(UNIT_COST_DECIMALS)]


def format_quantity(quantity: Decimal) -> str:
    """Plain digits, no trailing zeros: 12, 0.5, never 1.2E+1."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
