"""Random mutations as dry runs: the engine's payloads are those of graphql-core, refusals and effects included."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from graphql import get_operation_ast, parse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.graphql.schema import built
from domain.identity import Caller
from tests.engine.acts import WHY, acts
from tests.engine.anew import Names
from tests.engine.bench import Bench, answer, request_of
from tests.engine.compare import difference, faults
from tests.engine.documents import Document
from tests.engine.sights import ALL
from tests.engine.tally import Tally

EXAMPLES, EACH = 10, 40
"""Examples, and documents of each: 400 in all."""
MORE = 60
"""Documents more, at most, for a mutation that chance has kept from being done."""

# Nor can Python always say so: within the making of a named tuple there is nothing to import with.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_tally = Tally()
_came_of_it: dict[str, Counter[str]] = defaultdict(Counter)
"""By mutation: how often it was done, and how often it was refused with each code."""
_CODES = ("INVALID", "NOT_FOUND", "INSUFFICIENT_STOCK", "STALE_QUANTITY", "NOT_ALLOWED_NOW", "CONTROL_ACCOUNT")
"""Refusals that must come up, with their types and what these show."""


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(number=st.integers(0, 2**32))
async def test_dry_runs_are_answered_alike(bench: Bench, number: int) -> None:
    for seed in range(number * EACH, (number + 1) * EACH):
        asked = acts(built(), bench.pool, bench.desk, seed)
        _tally.document(built().core, asked)
        for who in bench.callers.values() if seed % 4 == 0 else [bench.callers[seed % 3]]:
            await _agree(bench, asked, who)


async def _agree(bench: Bench, asked: Document, who: Caller) -> None:
    """Both answer alike, and what came of each mutation is noted."""
    expected, actual = [
        Names(bench.pool).likeness(await answer(bench.services, request_of(asked), who, oracle=oracle))
        for oracle in (True, False)
    ]
    found = difference(expected, actual)
    assert found is None, f"for {who.name!r}: {found}\n{asked}"
    _note(asked, expected)


def _note(asked: Document, answered: dict[str, Any]) -> None:
    _tally.answer(answered)
    assert "GRAPHQL_VALIDATION_FAILED" not in {code for _, code in faults(answered)}, str(asked)
    operation: Any = get_operation_ast(parse(asked.query), asked.operation_name)
    for field in operation.selection_set.selections:
        payload = (answered.get("data") or {}).get((field.alias or field.name).value)
        if payload is not None:
            _came_of_it[field.name.value].update([each["code"] for each in payload[WHY]] or ["done"])


async def test_every_mutation_was_done_and_the_refusals_that_have_types_came_up(bench: Bench) -> None:
    if _tally.documents < EXAMPLES * EACH:
        pytest.skip("only after all of the documents above")
    mutations: Any = built().core.mutation_type
    names = sorted(mutations.fields)
    for n, name in enumerate(names):
        seeds = iter(range(n, n + MORE * len(names), len(names)))  # of documents that begin with it
        while not _came_of_it[name]["done"] and (seed := next(seeds, None)) is not None:
            await _agree(bench, acts(built(), bench.pool, bench.desk, seed), bench.callers[ALL])
    assert {name for name in names if not _came_of_it[name]["done"]} == set()
    seen = sum(_came_of_it.values(), Counter())
    assert [code for code in _CODES if not seen[code]] == [], seen
