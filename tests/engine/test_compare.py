"""The comparison sees every difference between two answers, and none where the specification leaves a choice."""

from typing import Any

import pytest

from tests.engine.compare import difference, nulled, unexplained


def answered(data: Any, *errors: tuple[list[str | int] | None, str], **more: Any) -> dict[str, Any]:
    shown = [{"message": "", "path": path, "extensions": {"code": code}} for path, code in errors]
    return {"data": data, "refused": False, **({"errors": shown} if shown else {}), **more}


def refused(*codes: str) -> dict[str, Any]:
    return {"refused": True, "errors": [{"message": "", "extensions": {"code": code}} for code in codes]}


ROW: dict[str, Any] = {"a": 1, "b": [{"c": "x"}, {"c": None}]}


@pytest.mark.parametrize(
    "other",
    [
        {"a": 2, "b": [{"c": "x"}, {"c": None}]},
        {"a": "1", "b": [{"c": "x"}, {"c": None}]},
        {"a": True, "b": [{"c": "x"}, {"c": None}]},
        {"a": 1.0, "b": [{"c": "x"}, {"c": None}]},
        {"b": [{"c": "x"}, {"c": None}], "a": 1},
        {"a": 1, "b": [{"c": None}, {"c": "x"}]},
        {"a": 1, "b": [{"c": "x"}]},
        {"a": 1, "b": [{"c": "x"}, None]},
        {"a": 1, "b": [{"c": "x"}, {}]},
        {"a": 1, "b": [{"c": "x"}, {"c": None, "d": None}]},
        {"a": 1},
        None,
    ],
)
def test_data_of_another_value_type_order_or_size_differ(other: Any) -> None:
    assert difference(answered(ROW), answered(ROW)) is None
    assert difference(answered(ROW), answered(other)) is not None


def test_a_refusal_is_none_of_another_code_and_no_answer() -> None:
    assert difference(refused("FORBIDDEN"), refused("FORBIDDEN")) is None
    assert difference(refused("BAD_REQUEST", "BAD_REQUEST"), refused("BAD_REQUEST")) is not None
    assert difference(refused("FORBIDDEN"), refused("BAD_REQUEST")) is not None
    assert difference(refused("FORBIDDEN"), answered(None, (None, "FORBIDDEN"))) is not None


def test_what_is_said_beside_the_data_is_compared() -> None:
    said = {"extensions": {"cost": {"requested": 1}}}
    assert difference(answered(ROW, **said), answered(ROW, **said)) is None
    assert difference(answered(ROW, **said), answered(ROW)) is not None


@pytest.mark.parametrize(
    "errors",
    [
        [],
        [(["b", 0, "c"], "INVALID")],
        [(["b", 1, "c"], "INVALID"), (["a"], "INVALID")],
        [(["b", 1, "c"], "INVALID"), (["b", 1, "c"], "INVALID")],
        [(None, "INVALID")],
    ],
)
def test_errors_at_other_positions_differ(errors: Any) -> None:
    expected = answered(ROW, (["b", 1, "c"], "INVALID"))
    assert difference(expected, expected) is None
    assert difference(expected, answered(ROW, *errors)) is not None


def test_an_error_without_a_null_is_a_fault_on_both_sides_alike() -> None:
    odd = answered(ROW, (["a"], "INVALID"))
    assert difference(odd, odd) is not None


def test_which_of_several_errors_below_one_null_is_told_is_for_others_to_judge() -> None:
    data = {"a": None}
    one, other = answered(data, (["a", "b"], "INVALID")), answered(data, (["a", "c", 0], "INTERNAL"))
    assert difference(one, other) is None
    assert unexplained(one, one) == []
    assert unexplained(one, other) == [(("a", "c", 0), "INTERNAL")]
    assert unexplained(one, answered(data, (["a", "b"], "INTERNAL"))) == [(("a", "b"), "INTERNAL")]


@pytest.mark.parametrize(
    "other",
    [
        {"message": "something else"},
        {"locations": [{"line": 2, "column": 1}]},
        {"extensions": {"code": "INVALID", "argument": ["last"]}},
    ],
)
def test_what_is_said_of_an_error_is_compared(other: dict[str, Any]) -> None:
    error = {
        "message": "No.",
        "path": ["a"],
        "locations": [{"line": 1, "column": 1}],
        "extensions": {"code": "INVALID"},
    }
    one = {"data": {"a": None}, "refused": False, "errors": [error]}
    assert difference(one, one) is None
    assert difference(one, one | {"errors": [error | other]}) is not None


def test_what_only_the_log_knows_is_not_compared() -> None:
    def fault(number: str) -> dict[str, Any]:
        extensions = {"code": "INTERNAL", "correlationId": number}
        return {
            "data": None,
            "refused": False,
            "errors": [{"message": number, "path": ["a"], "extensions": extensions}],
        }

    assert difference(fault("1"), fault("2")) is None


def test_a_null_is_found_from_above() -> None:
    assert nulled(None, ("a", 0)) == ()
    assert nulled({"a": None}, ("a", "b", "c")) == ("a",)
    assert nulled({"a": [{"b": None}]}, ("a", 0, "b")) == ("a", 0, "b")
    assert nulled({"a": [{"b": 1}]}, ("a", 0, "b")) is None
    assert nulled({"a": [{"b": 1}]}, ("a", 7, "b")) is None
