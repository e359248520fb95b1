"""Coercion of variables by functions made once for their types: never another value than graphql-core's."""

from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, Undefined, coerce_input_value
from hypothesis import given, settings
from hypothesis import strategies as st

from api.graphql.engine.coercion import Unfit, coercion_of
from api.graphql.schema import built

TYPES: Any = built().core.type_map
ORDER, PRODUCT_KEY = GraphQLNonNull(TYPES["OrderPlaceInput"]), TYPES["ProductKey"]
VARIANT = "var_" + "0" * 32


def outcome(kind: Any, value: Any) -> Any:
    """What comes of a value, or Unfit."""
    coerce = coercion_of(kind)
    assert coerce is not None
    try:
        return coerce(value)
    except Unfit:
        return Unfit


def of_core(kind: Any, value: Any) -> Any:
    """What graphql-core makes of it; Undefined where that is nothing."""
    try:
        return coerce_input_value(value, kind)
    except GraphQLError:
        return Undefined


def test_an_order_is_coerced_as_graphql_core_does() -> None:
    value = {"lines": [{"variantId": VARIANT, "quantity": 2, "unitPrice": {"amount": "1.50", "currency": "EUR"}}]}
    found = outcome(ORDER, value)
    assert found == of_core(ORDER, value)
    assert found["lines"][0]["quantity"] == Decimal(2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "lines",
        {},
        {"lines": None},
        {"lines": [None]},
        {"lines": [], "colour": "red"},
        {"lines": [{"variantId": VARIANT}]},
        {"lines": [{"variantId": VARIANT, "quantity": "many"}]},
        {"lines": [{"variantId": VARIANT, "quantity": 1, "unitPrice": {"amount": "1"}}]},
    ],
)
def test_what_is_wrong_is_left_to_graphql_core(value: Any) -> None:
    assert outcome(ORDER, value) is Unfit
    assert of_core(ORDER, value) is Undefined


def test_a_list_of_one_without_brackets_is_left_to_graphql_core() -> None:
    value = {"lines": {"variantId": VARIANT, "quantity": 1}}
    assert outcome(ORDER, value) is Unfit
    assert of_core(ORDER, value) is not Undefined


@pytest.mark.parametrize("value", [{}, {"id": None}, {"id": "a", "slug": "b"}, {"id": "a", "slug": None}])
def test_exactly_one_of_several_must_be_given(value: dict[str, Any]) -> None:
    assert outcome(PRODUCT_KEY, value) is Unfit
    assert of_core(PRODUCT_KEY, value) is Undefined


def test_types_that_contain_themselves_are_left_to_graphql_core() -> None:
    assert coercion_of(GraphQLList(TYPES["OrderFilter"])) is None


_leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "1.5", "EUR", VARIANT, "ACTIVE", "zz"])


@st.composite
def _values(draw: st.DrawFn, kind: Any, *, depth: int = 0) -> Any:
    """A value that is nearly of that type."""
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if depth > 4 or draw(st.integers(0, 9)) == 0:
        return draw(_leaves)
    if isinstance(kind, GraphQLList):
        return [draw(_values(kind.of_type, depth=depth + 1)) for _ in range(draw(st.integers(0, 2)))]
    if isinstance(kind, GraphQLInputObjectType):
        names = [name for name in kind.fields if draw(st.booleans())]
        return {name: draw(_values(kind.fields[name].type, depth=depth + 1)) for name in names}
    return draw(_leaves)


_KINDS = [each for each in TYPES.values() if isinstance(each, GraphQLInputObjectType) and coercion_of(each) is not None]


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.data())
def test_no_value_is_ever_coerced_to_another_one(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(_KINDS))
    value = data.draw(_values(kind))
    found = outcome(kind, value)
    if found is not Unfit:
        assert found == of_core(kind, value)
