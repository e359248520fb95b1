"""What a line comes to: one rounding, half away from zero, and no price that nobody may say."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog import ProductStatus, Sellable
from domain.kernel.errors import AccessDenied, Invalid, Refusals
from domain.kernel.ids import new_id
from domain.kernel.money import CurrencyCode, Money, currency_digits
from domain.kernel.scopes import Scope
from domain.kernel.work import Actor, Work
from domain.pricing import Ask, NoPrice, Quote, quote
from tests.support.api import Api
from tests.support.shop import PLACE, act, dollars, done, ordered, state, stocked, variant

seeded = settings(derandomize=True, deadline=None, max_examples=300)

EUR, JPY, KWD, USD = (CurrencyCode(code) for code in ("EUR", "JPY", "KWD", "USD"))
THERE = ("input", "lines", 0)

currencies = st.sampled_from([JPY, EUR, KWD])
quantities = st.integers(1, 10**15 - 1).map(lambda n: Decimal(n).scaleb(-6))
unit_prices = st.integers(0, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-6))


def clerk(*scopes: Scope) -> Work:
    """An act of somebody with these scopes. Pricing asks for nothing else of it."""
    nothing = cast("Any", None)
    return Work(nothing, nothing, Actor(new_id("app"), scopes=frozenset(scopes)), datetime.now(UTC))


def mug(price: str | None, currency: CurrencyCode = EUR) -> Sellable:
    money = None if price is None else Money(Decimal(price), currency)
    return Sellable(new_id("var"), "MUG", "Mug", ProductStatus.ACTIVE, money, unit="EA", decimals=6)


def ask(
    many: Any,
    price: str | None = None,
    *,
    said: Money | None = None,
    off: Money | None = None,
    path: tuple[str | int, ...] = THERE,
) -> Ask:
    return Ask(mug(price), Decimal(many), path, said, off)


def euros(amount: Any) -> Money:
    return Money(Decimal(amount), EUR)


def quoted(*asks: Ask, currency: CurrencyCode = EUR) -> list[Quote]:
    return quote(clerk(Scope.PRICES_OVERRIDE), list(asks), currency)


def refused(*asks: Ask, currency: CurrencyCode = EUR) -> list[tuple[str, str, tuple[str | int, ...]]]:
    """Code, sentence and place of each refusal."""
    with pytest.raises(Refusals) as refusals:
        quoted(*asks, currency=currency)
    assert all(isinstance(each, Invalid) for each in refusals.value.refusals)
    return [(each.code, each.message, each.path) for each in refusals.value.refusals]


def half_away(exact: Fraction, digits: int) -> Fraction:
    return Fraction(floor(exact * 10**digits + Fraction(1, 2)), 10**digits)


# --- totals ---------------------------------------------------------------------------------------------------------


@seeded
@given(quantities, unit_prices, currencies, st.fractions(0, 1))
def test_a_line_is_quantity_times_price_rounded_once_less_its_discount(
    many: Decimal, price: Decimal, currency: CurrencyCode, part: Fraction
) -> None:
    digits = currency_digits(currency)
    subtotal = half_away(Fraction(many) * Fraction(price), digits)
    off = Decimal(floor(subtotal * part * 10**digits)).scaleb(-digits)
    line = ask(many, said=Money(price, currency), off=Money(off, currency))
    (answer,) = quoted(line, currency=currency)
    assert (answer.unit_price, Fraction(answer.subtotal), answer.discount) == (price, subtotal, off)
    assert Fraction(answer.total) == Fraction(answer.subtotal) - Fraction(off)
    assert answer.total >= 0
    assert -int(answer.subtotal.as_tuple().exponent) == digits


@seeded
@given(quantities, st.integers(0, 10**10), currencies)
def test_the_price_of_the_variant_is_taken_where_nobody_says_another(
    many: Decimal, price: int, currency: CurrencyCode
) -> None:
    digits = currency_digits(currency)
    own = replace(mug(None), price=Money(Decimal(price).scaleb(-digits), currency))
    (answer,) = quote(clerk(), [Ask(own, many, THERE)], currency)
    assert answer.unit_price == Decimal(price).scaleb(-digits)
    assert Fraction(answer.subtotal) == half_away(Fraction(many) * Fraction(price, 10**digits), digits)
    assert (answer.discount, answer.total) == (0, answer.subtotal)


@pytest.mark.parametrize(
    ("many", "price", "currency", "subtotal"),
    [
        ("3", "9.99", EUR, "29.97"),
        ("0.5", "0.01", EUR, "0.01"),
        ("1.5", "0.01", EUR, "0.02"),
        ("2.5", "0.01", EUR, "0.03"),
        ("0.499999", "0.01", EUR, "0.00"),
        ("1", "0.004999", EUR, "0.00"),
        ("1", "0.005", EUR, "0.01"),
        ("1", "0.025", EUR, "0.03"),
        ("1000", "0.000005", EUR, "0.01"),
        ("3", "0.333333", EUR, "1.00"),
        ("1000000", "0.012345", EUR, "12345.00"),
        ("0.5", "1", JPY, "1"),
        ("2.5", "1", JPY, "3"),
        ("0.5", "0.001", KWD, "0.001"),
        ("0.000001", "0.000001", KWD, "0.000"),
        ("999999999.999999", "0.01", EUR, "10000000.00"),
    ],
)
def test_halves_are_rounded_away_from_zero_once_per_line(
    many: str, price: str, currency: CurrencyCode, subtotal: str
) -> None:
    (answer,) = quoted(ask(many, said=Money(Decimal(price), currency)), currency=currency)
    assert str(answer.subtotal) == subtotal
    assert answer.unit_price == Decimal(price)


def test_a_product_a_hair_below_half_a_cent_is_rounded_down_however_large() -> None:
    many = 999_999_999_999_999
    hair_below = 5 * 10**9 - 1
    price = hair_below * pow(many, -1, 10**10) % 10**10 + 99_999_999 * 10**10
    line = ask(Decimal(many).scaleb(-6), said=euros(Decimal(price).scaleb(-6)))
    assert Fraction(quoted(line)[0].subtotal) == Fraction(many * price // 10**10, 100)


def test_quotes_come_in_the_order_of_the_lines_and_each_line_is_rounded_by_itself() -> None:
    lines = [ask(1, said=euros("0.005")), ask(2, "7.50"), ask(1, said=euros("0.005")), ask(3, "7.50", off=euros(2))]
    assert [str(each.total) for each in quoted(*lines)] == ["0.01", "15.00", "0.01", "20.50"]


def test_no_lines_are_no_quotes() -> None:
    assert quoted() == []


def test_a_price_that_somebody_says_comes_before_the_variants_own_and_may_have_six_decimals() -> None:
    (answer,) = quoted(ask(1_000, "9.00", said=euros("0.123456")))
    assert answer == Quote(Decimal("0.123456"), Decimal("123.46"), Decimal(0))


@pytest.mark.parametrize("price", ["0", "0.000000", "1.5000000", "1E+2"])
def test_what_is_free_or_written_otherwise_is_a_price_too(price: str) -> None:
    (answer,) = quoted(ask(2, said=euros(price)))
    assert answer.subtotal == 2 * Decimal(price)


# --- discounts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "total"), [("0", "30.00"), ("0.01", "29.99"), ("29.99", "0.01"), ("30", "0.00")])
def test_a_discount_is_taken_off_the_whole_line(off: str, total: str) -> None:
    (answer,) = quoted(ask(3, "10.00", off=euros(off)))
    assert (str(answer.total), answer.subtotal, answer.discount) == (total, 30, Decimal(off))


@pytest.mark.parametrize(
    ("off", "sentence", "field"),
    [
        (euros("30.01"), "A discount cannot be more than the line comes to.", "amount"),
        (euros("-0.01"), "This cannot be negative.", "amount"),
        (euros("0.001"), "At most 2 decimals.", "amount"),
        (Money(Decimal(1), USD), "This is in EUR: say the amount in EUR.", "currency"),
    ],
)
def test_a_discount_that_cannot_be_is_refused(off: Money, sentence: str, field: str) -> None:
    assert refused(ask(3, "10.00", off=off)) == [("INVALID", sentence, (*THERE, "discount", field))]


def test_a_discount_is_measured_by_the_rounded_line() -> None:
    assert quoted(ask("0.5", said=euros("0.01"), off=euros("0.01")))[0].total == 0
    assert refused(ask("0.4", said=euros("0.01"), off=euros("0.01")))[0][2] == (*THERE, "discount", "amount")


@pytest.mark.parametrize(("currency", "decimals"), [(JPY, 0), (EUR, 2), (KWD, 3)])
def test_a_discount_has_the_digits_of_its_currency(currency: CurrencyCode, decimals: int) -> None:
    coin = Decimal(1).scaleb(-decimals)
    line = ask(1, said=Money(Decimal(5), currency))
    (answer,) = quoted(replace(line, discount=Money(coin, currency)), currency=currency)
    assert answer.total == 5 - coin
    finer = replace(line, discount=Money(coin / 10, currency))
    assert refused(finer, currency=currency) == [
        ("INVALID", f"At most {decimals} decimals.", (*THERE, "discount", "amount"))
    ]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "sentence", "field"),
    [
        (euros("-0.000001"), "This cannot be negative.", "amount"),
        (euros("0.0000001"), "At most 6 decimals.", "amount"),
        (Money(Decimal(1), USD), "This is in EUR: say the amount in EUR.", "currency"),
        (Money(Decimal(-1), JPY), "This is in EUR: say the amount in EUR.", "currency"),
    ],
)
def test_a_price_that_cannot_be_said_is_refused_even_where_the_variant_has_one(
    price: Money, sentence: str, field: str
) -> None:
    assert refused(ask(1, "9.00", said=price)) == [("INVALID", sentence, (*THERE, "unitPrice", field))]


def test_what_has_no_price_in_the_currency_asked_for_is_refused() -> None:
    assert refused(ask(1)) == [("NO_PRICE", "MUG has no price in EUR.", THERE)]
    assert refused(ask(1, "9.00"), currency=USD) == [("NO_PRICE", "MUG has no price in USD.", THERE)]
    assert issubclass(NoPrice, Invalid)


def test_all_offences_are_told_at_once_each_at_its_line() -> None:
    paths = [(2, "input", "lines", n) for n in range(5)]
    lines = [
        ask(1, path=paths[0]),
        ask(1, "1.00", path=paths[1]),
        ask(1, "1.00", said=Money(Decimal(1), USD), off=euros(-1), path=paths[2]),
        ask(1, "1.00", off=euros(2), path=paths[3]),
        ask(1, off=euros(2), path=paths[4]),
    ]
    assert [(code, path) for code, _, path in refused(*lines)] == [
        ("NO_PRICE", paths[0]),
        ("INVALID", (*paths[2], "unitPrice", "currency")),
        ("INVALID", (*paths[3], "discount", "amount")),
        ("NO_PRICE", paths[4]),
    ]


# --- who may say a price --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        ask(1, "9.00", said=euros("9.00")),
        ask(1, "9.00", said=euros(0)),
        ask(1, "9.00", off=euros("1.00")),
        ask(1, "9.00", off=euros(0)),
        ask(1, said=Money(Decimal(1), USD)),
    ],
    ids=["own price", "nothing", "discount", "no discount", "wrong currency"],
)
def test_whoever_says_a_price_or_a_discount_needs_the_scope_for_it(line: Ask) -> None:
    everything_else = clerk(*(set(Scope) - {Scope.PRICES_OVERRIDE}))
    with pytest.raises(AccessDenied) as denied:
        quote(everything_else, [ask(1, "9.00"), ask(1), line], EUR)
    assert (denied.value.code, denied.value.message) == ("FORBIDDEN", "This token lacks the scope prices:override.")


def test_the_price_of_the_variant_needs_no_scope() -> None:
    assert [each.total for each in quote(clerk(), [ask(2, "9.00")], EUR)] == [18]


async def test_who_may_not_say_prices_places_no_order_with_one(api: Api) -> None:
    row, scopes = await stocked(api, 5), set(Scope) - {Scope.PRICES_OVERRIDE}
    await api.token(scopes)
    before = await state(api)
    line = {"variantId": row, "quantity": 1}
    for extra in ({"unitPrice": dollars("9.99")}, {"unitPrice": dollars("10.00")}, {"discount": dollars("0.00")}):
        answer = await api.post(PLACE, {"input": {"lines": [line | extra]}}, scopes=scopes)
        assert [each["extensions"]["code"] for each in answer["errors"]] == ["FORBIDDEN"]
    assert await state(api) == before


async def test_an_order_is_the_sum_of_its_lines(api: Api) -> None:
    rows = [await stocked(api, 1_000, price=price) for price in ("0.10", "3.33", "10.00")]
    given = ordered(list(zip(rows, (7, 3, 1_000), strict=True)))
    given["lines"][2] |= {"unitPrice": dollars("0.012345"), "discount": dollars("0.35")}
    order = (await done(api, PLACE, {"input": given}))["order"]
    lines = [
        (line["unitPrice"]["amount"], line["subtotal"]["amount"], line["total"]["amount"]) for line in order["lines"]
    ]
    assert lines == [("0.10", "0.70", "0.70"), ("3.33", "9.99", "9.99"), ("0.012345", "12.35", "12.00")]
    assert [order[name]["amount"] for name in ("subtotal", "discount", "total")] == ["23.04", "0.35", "22.69"]


@pytest.mark.parametrize("lines", [[10], [5, 5]], ids=["a line", "the sum of lines"])
async def test_an_order_of_more_than_the_books_can_hold_is_refused(api: Api, lines: list[int]) -> None:
    row = await variant(api, price="199999999999.99")
    payload = await act(api, PLACE, {"input": ordered([(row, many) for many in lines])})
    assert [each["code"] for each in payload["userErrors"]] == ["INVALID"]
