"""The long form: 50,000 random documents from seeds that nobody has tried, or as many as SOAK_MINUTES allow.

A failure prints the seed of its document; `SEED=… make soak` begins there.
"""

import os
import random
import time

import pytest

from api.graphql.schema import built
from tests.engine.bench import Bench
from tests.engine.documents import document
from tests.engine.test_differential import agree, poor_callers
from tests.engine.variations import varied

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(0),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DOCUMENTS = 50_000
MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
FIRST = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**40))


async def test_the_engine_answers_as_graphql_core_does_for_long(bench: Bench) -> None:
    ends = time.monotonic() + 60 * MINUTES
    for seed in range(FIRST, FIRST + DOCUMENTS):
        asked, chance = document(built(), bench.pool, seed), random.Random(seed)
        everybody = list(bench.callers.values())
        for who in everybody if chance.random() < 0.2 else [chance.choice(everybody)]:
            await agree(bench, asked, who, proven=chance.random() < 0.7)
        if (other := varied(built().core, bench.pool, asked)) is not None:
            await agree(bench, other, chance.choice(everybody))
        for who in poor_callers(chance):
            await agree(bench, asked, who)
        if time.monotonic() > ends:
            break
