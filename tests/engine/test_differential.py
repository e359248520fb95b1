"""Random documents, answered by the engine and by graphql-core one object at a time: the answers are the same.

Three callers see different rows: two of them ask each document, the third asks it with other variables where it has
any, and now and then somebody asks who may not. A failure prints the document's seed, and the smallest document found
that shows the same fault.
"""

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.graphql.schema import built
from domain.identity import ANONYMOUS, Caller
from domain.kernel.scopes import Scope
from tests.engine.bench import Bench, Run, both, stranger, unplanned
from tests.engine.compare import faults
from tests.engine.documents import Document, document
from tests.engine.smaller import smaller
from tests.engine.tally import Tally, reachable
from tests.engine.variations import varied

PARTS, EXAMPLES, EACH = 4, 4, 50
"""Tests, examples of each, documents of each example: 800 in all. `make soak` asks 50,000."""

# What graphql-core cancels when a field fails is not always begun.
# Nor can Python always say so: within the making of a named tuple there is nothing to import with.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MORE = 10_000
"""Further documents to choose from, for the fields that none of these asked for."""

_tally = Tally()
_NEVER_ASKED: dict[tuple[str, str], str] = {}
"""Fields that the generator cannot reach, and why."""

_AT_LEAST = {
    "errors": 150,
    "nothing but errors": 60,
    "nulls that spread": 80,
    "nulls that spread within lists": 40,
    "code INVALID": 60,
    "code INTERNAL": 60,
    "code FORBIDDEN": 20,
    "refused": 20,
    "totalCount": 150,
    "backward pages": 200,
    "cursors": 150,
    "filter": 200,
    "any:": 30,
    "search:": 20,
    "sort": 200,
    "by": 100,
    "aliases": 500,
    "selections that merge": 200,
    "fragments without a type": 200,
    "fragments on interfaces": 200,
    "named fragments": 500,
    "named fragments on interfaces": 100,
    "@skip": 100,
    "@include": 200,
    "variables": 500,
    "default values": 200,
    "null": 50,
    "__typename": 200,
    "several operations": 20,
    "proven by the statement": 500,
}
"""How many of 2,000 documents, or of the answers to them, have this: about half of what they have today."""
_SHARE = PARTS * EXAMPLES * EACH / 2_000


@pytest.fixture(scope="module", autouse=True)
def planned() -> Iterator[None]:
    """The engine has answered by itself: nothing was left to graphql-core, to be compared with itself."""
    before = unplanned()
    yield
    assert unplanned() - before == {}


async def agree(bench: Bench, asked: Document, who: Caller, *, proven: bool = True) -> Run:
    """What became of a document for which the engine gave the oracle's answer."""
    run = await both(bench.services, asked, who, proven=proven)
    if run.difference is not None:

        async def fails(candidate: Document) -> bool:
            return (await both(bench.services, candidate, who, proven=proven)).difference is not None

        small = await smaller(built().core, asked, fails)
        again = (await both(bench.services, small, who, proven=proven)).difference
        pytest.fail(
            f"for {who.name!r}: {run.difference}\n{asked}\n\nthe same in small: {again}\n{small}", pytrace=False
        )
    codes = {code for _, code in faults(run.expected)}
    assert "GRAPHQL_VALIDATION_FAILED" not in codes, f"the generator made a document that is not valid:\n{asked}"
    return run


def poor_callers(chance: random.Random) -> Iterator[Caller]:
    """Now and then somebody without a token, or whose token lacks something."""
    if chance.random() < 0.02:
        yield ANONYMOUS
    if chance.random() < 0.06:
        yield stranger("poor", frozenset(chance.sample(sorted(Scope), chance.randint(0, len(Scope) - 1))))


@pytest.mark.parametrize("part", range(PARTS))
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(number=st.integers(0, 2**32))
async def test_the_engine_answers_as_graphql_core_does(bench: Bench, part: int, number: int) -> None:
    first = (number * PARTS + part) * EACH
    for seed in range(first, first + EACH):
        asked = document(built(), bench.pool, seed)
        _tally.document(built().core, asked)
        for sight, who in bench.callers.items():
            if sight != seed % 3:
                _tally.run(await agree(bench, asked, who, proven=(seed // 3 + sight) % 3 > 0))
        for who in poor_callers(random.Random(seed)):
            _tally.run(await agree(bench, asked, who))
        if (other := varied(built().core, bench.pool, asked)) is not None:
            _tally.run(await agree(bench, other, bench.callers[seed % 3]))


async def test_fields_that_none_of_them_asked_for_are_asked_for_too(bench: Bench) -> None:
    if _tally.documents < PARTS * EXAMPLES * EACH:
        pytest.skip("only after all of the documents above")
    missing = reachable(built().core) - _tally.asked - set(_NEVER_ASKED)
    for seed in range(MORE):
        if not missing:
            break
        asked, mine = document(built(), bench.pool, -1 - seed), Tally()
        mine.document(built().core, asked)
        if missing & mine.asked:
            missing -= mine.asked
            _tally.document(built().core, asked)
            for who in bench.callers.values():
                _tally.run(await agree(bench, asked, who))


def test_the_documents_asked_for_every_field_and_had_something_of_everything() -> None:
    if _tally.documents < PARTS * EXAMPLES * EACH:
        pytest.skip("only after all of the documents above")
    missing = reachable(built().core) - _tally.asked
    assert missing == set(_NEVER_ASKED)
    poor = {
        name: (_tally.seen[name], least * _SHARE)
        for name, least in _AT_LEAST.items()
        if _tally.seen[name] < least * _SHARE
    }
    assert poor == {}, dict(_tally.seen)
