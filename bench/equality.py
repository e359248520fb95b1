"""Whoever is faster must give the same answer: checked before anything is timed."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.questions import CATALOG_PAGE, ORDER_PAGE, PAGE, PRODUCT_BY_ID, Question
from domain.kernel.errors import Trouble
from domain.kernel.ids import ID

Asked = tuple[Question, dict[str, Any]]


def inputs(products: Sequence[ID]) -> list[Asked]:
    """What all contestants are asked: pages of several sizes, products from all over the catalog, one that is not."""
    some = [products[0], products[len(products) // 2], products[-1], ID("prd_" + "0" * 32)]
    return [
        *((CATALOG_PAGE, {"first": first}) for first in (PAGE, 1, 13)),
        *((PRODUCT_BY_ID, {"id": product}) for product in some),
        *((ORDER_PAGE, {"first": first}) for first in (PAGE, 1, 13)),
    ]


def compare(question: Question, variables: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    """Raises Trouble, with the difference, when two contestants answer otherwise. Cursors are each one's own."""
    (first, expected), *others = ((name, _lines(answer)) for name, answer in answers.items())
    if not any('"data"' in line for line in expected) or any('"errors"' in line for line in expected):
        raise Trouble(f"{first} has no answer to {question.name}: {' '.join(expected)}", "Does `make test` pass?")
    for name, given in others:
        if given != expected:
            difference = list(difflib.unified_diff(expected, given, first, name, lineterm="", n=2))
            raise Trouble(
                f"{name} and {first} do not answer {question.name} {json.dumps(dict(variables))} alike:",
                "\n".join(difference[:60]),
            )


def compare_acts(told: Mapping[str, Mapping[str, int]], expected: Mapping[str, int]) -> None:
    """Raises Trouble when the same act did not change the same, by the counts that `acts.state` gives."""
    for name, changed in told.items():
        if changed != expected:
            raise Trouble(f"{name} changed {dict(changed)}, and the act is {dict(expected)}.", "Does `make test` pass?")


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What changed between two counts."""
    return {name: after[name] - before[name] for name in before}


def _lines(answer: Any) -> list[str]:
    return json.dumps(_without_cursors(answer), indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _without_cursors(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: bool(each) if name == "endCursor" else _without_cursors(each) for name, each in answer.items()}
    return [_without_cursors(each) for each in answer] if isinstance(answer, list) else answer
