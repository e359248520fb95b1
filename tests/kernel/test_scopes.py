"""What a token may do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.scopes import Scope, implied, parse


def test_writing_implies_reading_and_nothing_else_implies_anything() -> None:
    assert implied(["products:write"]) == {"products:write", "products:read"}
    assert implied(["products:read"]) == {"products:read"}
    assert implied(["payments:refund"]) == {"payments:refund"}
    assert implied(["ledger:close"]) == {"ledger:close"}
    assert implied([]) == frozenset()


@given(st.sets(st.sampled_from(list(Scope))))
def test_what_is_implied_is_the_granted_and_readings_of_what_may_be_written(granted: set[Scope]) -> None:
    scopes = implied(granted)
    assert granted <= scopes
    assert implied(scopes) == scopes
    assert all(f"{scope.partition(':')[0]}:write" in granted for scope in scopes - granted)
    assert all(scope.endswith(":read") for scope in scopes - granted)
    assert all(scope in set(Scope) for scope in scopes)


def test_a_list_of_words_is_read_as_oauth_writes_it() -> None:
    assert parse("products:read  orders:write products:read") == {"products:read", "orders:write"}
    assert parse("") == frozenset()


@pytest.mark.parametrize("wrong", ["products", "products:*", "PRODUCTS:READ", "products:read,orders:read", "*"])
def test_unknown_words_are_named(wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"unknown scope {wrong}; known are")):
        parse(f"products:read {wrong}")


def test_the_scopes_are_in_the_alphabets_order_and_of_one_form() -> None:
    assert [*Scope] == sorted(Scope)
    assert all(re.fullmatch(r"[a-z]+:[a-z]+", scope) for scope in Scope)
