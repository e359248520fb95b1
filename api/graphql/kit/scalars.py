"""The scalars of the schema, and how the domain's own types map to GraphQL types."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode

from domain.kernel.countries import CountryCode, country_codes
from domain.kernel.ids import ID
from domain.kernel.money import (
    AMOUNT_DIGITS,
    QUANTITY_DECIMALS,
    QUANTITY_DIGITS,
    RATE_DECIMALS,
    UNIT_COST_DECIMALS,
    CurrencyCode,
    Money,
    Quantity,
    Rate,
    currency_codes,
    format_amount,
    format_quantity,
    parse_decimal,
)

JSON = NewType("JSON", object)
"""Data whose shape depends on something else, such as an event's type."""


def _exact(decimals: int) -> Callable[[Any], Decimal]:
    """What reads a decimal with as many digits in front of the point as an amount has, and so many behind it."""

    def read(value: Any) -> Decimal:
        try:
            return parse_decimal(value, digits=AMOUNT_DIGITS - UNIT_COST_DECIMALS + decimals, decimals=decimals)
        except ValueError as error:
            raise GraphQLError(str(error)) from None

    return read


def _quantity(value: Any) -> Decimal:
    # A JSON number with a fraction has become a float before it comes here; its shortest text is what was sent.
    try:
        text = repr(value) if isinstance(value, float) else value
        return parse_decimal(text, digits=QUANTITY_DIGITS, decimals=QUANTITY_DECIMALS)
    except ValueError as error:
        raise GraphQLError(str(error)) from None


def _number_literal(parse: Any) -> Any:
    """A literal's own digits go into the decimal, so that none is lost on the way through a float."""

    def read(node: ValueNode, _variables: Any = None) -> Decimal:
        if isinstance(node, (StringValueNode, IntValueNode, FloatValueNode)):
            return parse(node.value)
        raise GraphQLError("Give a decimal number.", node)

    return read


def _exact_literal(parse: Callable[[Any], Decimal]) -> Any:
    def read(node: ValueNode, _variables: Any = None) -> Decimal:
        if isinstance(node, (StringValueNode, IntValueNode)):
            return parse(node.value)
        raise GraphQLError('Give a decimal as a string, such as "12.50".', node)

    return read


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _instant(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # the first and last days of the calendar have no UTC
            pass
    raise GraphQLError("Give an instant with its offset, such as 2026-11-22T09:30:00Z (RFC 3339).")


def _day(value: Any) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise GraphQLError("Give a date such as 2026-11-22.")


def _currency(value: Any) -> str:
    if isinstance(value, str) and value in currency_codes():
        return value
    raise GraphQLError("Give a currency code of ISO 4217 in capitals, such as EUR.")


def _country(value: Any) -> str:
    if isinstance(value, str) and value in country_codes():
        return value
    raise GraphQLError("Give a country code of ISO 3166 in two capitals, such as DE.")


def print_instant(value: datetime) -> str:
    """RFC 3339 in UTC, with microseconds where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def print_decimal(value: Decimal) -> str:
    """Plain digits, as many as the value has."""
    return f"{value:f}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else print_decimal(value)


_decimal, _rate = _exact(UNIT_COST_DECIMALS), _exact(RATE_DECIMALS)

SCALARS: dict[Any, Any] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, as a string.",
        serialize=_shown,
        parse_value=_decimal,
        parse_literal=_exact_literal(_decimal),
    ),
    Rate: strawberry.scalar(
        name="Rate",
        description="A rate of exchange: an exact decimal number with at most ten decimals, as a string.",
        serialize=_shown,
        parse_value=_rate,
        parse_literal=_exact_literal(_rate),
    ),
    Quantity: strawberry.scalar(
        name="Quantity",
        description="How much of something: a number or numeric string, at most 15 digits, 6 of them decimals.",
        serialize=format_quantity,
        parse_value=_quantity,
        parse_literal=_number_literal(_quantity),
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day, as YYYY-MM-DD.",
        serialize=date.isoformat,
        parse_value=_day,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, as RFC 3339 with offset; answers are in UTC.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=print_instant,
        parse_value=_instant,
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description="A currency code of ISO 4217 in capitals, such as EUR.",
        serialize=str,
        parse_value=_currency,
    ),
    CountryCode: strawberry.scalar(
        name="CountryCode",
        description="A country code of ISO 3166-1 in two capitals, such as DE.",
        serialize=str,
        parse_value=_country,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Data whose shape depends on something else, such as the type of an event.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}


@strawberry.type(name="Money", description="An amount in one currency.")
class MoneyType:
    amount: Decimal = strawberry.field(description="The amount, with at least its currency's digits.")
    currency: CurrencyCode = strawberry.field(description="The currency of the amount.")

    @classmethod
    def of(cls, money: Money | None) -> "MoneyType | None":
        """Money of the domain as the schema shows it."""
        if money is None:
            return None
        return cls(amount=format_amount(money), currency=money.currency)  # type: ignore[arg-type]


PLAIN: dict[Any, Any] = {ID: strawberry.ID, Money: MoneyType}
"""Types of the domain whose GraphQL type has another name in Python."""
