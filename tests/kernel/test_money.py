"""Money and quantities are exact: whatever is added, split, rounded or read, no cent appears or vanishes."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import Invalid
from domain.kernel.money import (
    CurrencyCode,
    CurrencyMismatch,
    Money,
    currency_codes,
    currency_digits,
    format_amount,
    format_quantity,
    parse_decimal,
    price,
)

EUR, JPY, KWD = CurrencyCode("EUR"), CurrencyCode("JPY"), CurrencyCode("KWD")

currencies = st.sampled_from([EUR, JPY, KWD])
unit_costs = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-6))
quantities = st.integers(-(10**15) + 1, 10**15 - 1).map(lambda n: Decimal(n).scaleb(-6))


@st.composite
def whole_coins(draw: st.DrawFn) -> Money:
    currency = draw(currencies)
    digits = currency_digits(currency)
    coins = draw(st.integers(-(10 ** (12 + digits)) + 1, 10 ** (12 + digits) - 1))
    return Money(Decimal(coins).scaleb(-digits), currency)


weights = st.lists(st.one_of(st.integers(0, 10**12), quantities.map(abs)), min_size=1, max_size=40)


@given(whole_coins(), weights)
def test_parts_sum_to_the_whole_and_are_off_their_exact_share_by_less_than_a_coin(
    money: Money, shares: list[Decimal | int]
) -> None:
    parts = money.allocate(shares)
    coin = Fraction(1, 10 ** currency_digits(money.currency))
    assert len(parts) == len(shares)
    assert sum(Fraction(part.amount) for part in parts) == Fraction(money.amount)
    total = sum(map(Fraction, shares))
    for part, share in zip(parts, shares, strict=True):
        exact = Fraction(money.amount) * (Fraction(share) / total if total else Fraction(1, len(shares)))
        assert abs(Fraction(part.amount) - exact) < coin
        assert part == part.rounded()
        if total and not share:
            assert part.amount == 0


@given(whole_coins(), st.integers(1, 50))
def test_equal_weights_differ_by_one_coin_at_most_and_the_first_ones_get_it(money: Money, number: int) -> None:
    amounts = [part.amount for part in money.allocate([1] * number)]
    assert amounts == sorted(amounts, reverse=True)
    assert max(amounts) - min(amounts) in (0, Decimal(1).scaleb(-currency_digits(money.currency)))
    assert money.allocate([0] * number) == money.allocate([1] * number)


@pytest.mark.parametrize(
    ("amount", "currency", "shares", "parts"),
    [
        ("10.00", EUR, [1, 1, 1], ["3.34", "3.33", "3.33"]),
        ("-10.00", EUR, [1, 1, 1], ["-3.33", "-3.33", "-3.34"]),
        ("0.01", EUR, [1, 2], ["0.00", "0.01"]),
        ("100", JPY, [1, 2, 4], ["14", "29", "57"]),
        ("1.000", KWD, [0, 0, 0], ["0.334", "0.333", "0.333"]),
        ("5.00", EUR, [0, Decimal("0.000001")], ["0.00", "5.00"]),
    ],
)
def test_left_over_coins_go_to_the_largest_remainders(
    amount: str, currency: CurrencyCode, shares: list[Any], parts: list[str]
) -> None:
    assert [str(part.amount) for part in Money(Decimal(amount), currency).allocate(shares)] == parts


@pytest.mark.parametrize("shares", [[], [-1], [1, -1]])
def test_no_weights_or_negative_ones_cannot_split_anything(shares: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(Decimal("1.00"), EUR).allocate(shares)


def test_fractions_of_a_coin_are_not_split_because_a_part_would_vanish() -> None:
    with pytest.raises(ValueError, match="round it first"):
        Money(Decimal("0.0125"), EUR).allocate([1, 1])


@given(unit_costs, currencies)
def test_rounding_goes_to_the_nearest_coin_and_half_away_from_zero(amount: Decimal, currency: CurrencyCode) -> None:
    coin = Decimal(1).scaleb(-currency_digits(currency))
    rounded = Money(amount, currency).rounded().amount
    assert rounded == amount.quantize(coin, ROUND_HALF_UP)
    assert rounded % coin == 0
    assert abs(rounded - amount) <= coin / 2
    if abs(rounded - amount) == coin / 2:
        assert abs(rounded) > abs(amount)


@given(unit_costs, unit_costs, currencies)
def test_adding_and_subtracting_are_exact_and_undo_each_other(a: Decimal, b: Decimal, currency: CurrencyCode) -> None:
    one, other = Money(a, currency), Money(b, currency)
    assert Fraction((one + other).amount) == Fraction(a) + Fraction(b)
    assert one + other - other == one
    assert one + -one == Money(Decimal(0), currency)
    assert (one < other) is (a < b)


def test_two_currencies_do_not_mix() -> None:
    euro, yen = Money(Decimal(1), EUR), Money(Decimal(1), JPY)
    for mix in (lambda: euro + yen, lambda: euro - yen, lambda: euro < yen):
        with pytest.raises(CurrencyMismatch) as refused:
            mix()
        assert refused.value.code == "INVALID"
    assert euro != yen


# --- reading and writing --------------------------------------------------------------------------------------------


@given(unit_costs)
def test_a_decimal_is_read_back_as_it_was_written(number: Decimal) -> None:
    assert parse_decimal(f"{number:f}", digits=18, decimals=6) == number
    assert parse_decimal(number, digits=18, decimals=6) == number


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_whole_numbers_are_read_too(number: int) -> None:
    read = parse_decimal(number, digits=18, decimals=6)
    assert read == number
    assert "E" not in str(read)


@given(st.text(st.sampled_from("0123456789.eE+-"), max_size=70))
def test_what_is_read_is_exactly_what_was_said_or_it_is_refused(text: str) -> None:
    try:
        read = parse_decimal(text, digits=18, decimals=6)
    except ValueError:
        return
    assert read == Decimal(text)
    assert -int(read.as_tuple().exponent) <= 6
    assert abs(read) < 10**12


@pytest.mark.parametrize(
    "wrong",
    [1.5, 0.1, True, None, [], {}, "", " ", "x", "NaN", "sNaN", "Infinity", "-Infinity", "0x1", "1_0", "1,5", "--1"],
)
def test_what_is_no_decimal_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="decimal"):
        parse_decimal(wrong, digits=18, decimals=6)


@pytest.mark.parametrize(
    "wrong",
    [
        "0.0000001",
        "1000000000000",
        "1.0000000000000000000000000000000000000001",
        "1" * 65,
        "1" * 100_000,
        10**12,
    ],
)
def test_what_has_too_many_digits_is_refused_and_never_rounded(wrong: Any) -> None:
    with pytest.raises(ValueError, match="At most 18 digits, 6 of them behind the point"):
        parse_decimal(wrong, digits=18, decimals=6)


@given(unit_costs, currencies)
def test_an_amount_is_written_with_the_digits_of_its_currency_or_more_and_read_back_unchanged(
    amount: Decimal, currency: CurrencyCode
) -> None:
    text = format_amount(Money(amount, currency))
    assert Decimal(text) == amount
    behind = len(text.partition(".")[2])
    assert behind >= currency_digits(currency)
    assert behind == currency_digits(currency) or not text.endswith("0")


@given(quantities)
def test_a_quantity_is_written_in_plain_digits_and_read_back_unchanged(quantity: Decimal) -> None:
    text = format_quantity(quantity)
    assert parse_decimal(text, digits=15, decimals=6) == quantity
    assert "E" not in text
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("12.50", "12.5", EUR),
        ("0.0125", "0.012500", EUR),
        ("100", "1E+2", JPY),
        ("1.000", "1", KWD),
        ("0.00", "0", EUR),
    ],
)
def test_amounts_as_they_are_shown(written: str, amount: str, currency: CurrencyCode) -> None:
    assert format_amount(Money(Decimal(amount), currency)) == written


@pytest.mark.parametrize(
    ("written", "quantity"), [("12", "12"), ("12", "1.2E+1"), ("0.5", "0.500"), ("0", "0.000"), ("100", "100")]
)
def test_quantities_as_they_are_shown(written: str, quantity: str) -> None:
    assert format_quantity(Decimal(quantity)) == written


# --- prices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency"), [("0", EUR), ("12.50", EUR), ("12", JPY), ("1.250", KWD), ("12.5", EUR)]
)
def test_a_price_is_an_amount_that_can_be_paid(amount: str, currency: CurrencyCode) -> None:
    money = Money(Decimal(amount), currency)
    assert price(money) is money


@pytest.mark.parametrize(
    ("amount", "currency", "part", "sentence"),
    [
        ("-0.01", "EUR", "amount", "A price cannot be negative."),
        ("0.001", "EUR", "amount", "Prices in EUR have at most 2 decimals."),
        ("0.5", "JPY", "amount", "Prices in JPY have at most 0 decimals."),
        ("1", "EURO", "currency", "EURO is no currency code of ISO 4217."),
        ("1", "eur", "currency", "eur is no currency code of ISO 4217."),
    ],
)
def test_a_price_that_nobody_can_pay_is_refused(amount: str, currency: str, part: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        price(Money(Decimal(amount), CurrencyCode(currency)), path=("input", "price"))
    assert refused.value.message == sentence
    assert refused.value.path == ("input", "price", part)


def test_digits_follow_iso_4217() -> None:
    assert [currency_digits(code) for code in ("EUR", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]
    assert {"EUR", "USD", "JPY"} <= currency_codes()
