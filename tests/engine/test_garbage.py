"""An answer leaves nothing to the collector: what it was made of is free when it is sent.

Rows in a reference cycle wait for the collector, which then stops the process for a tenth of a second.
"""

import gc

import pytest

from api.graphql import execution
from api.graphql.execution import Request
from domain.identity import Caller
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import Actor
from tests.support.api import Api

QUERIES = {
    "rows": "{ units(first: 50) { nodes { id code name } pageInfo { endCursor } totalCount } }",
    "several rounds": "{ channels { nodes { name } } viewer { name } accounts { nodes { parent { code } } } }",
    "nothing found": '{ product(by: {slug: "nowhere"}) { variants { sku } } }',
}
TIMES = 50


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_an_answer_leaves_no_cycles(api: Api, query: str) -> None:
    who = Caller(Actor(id=new_id("app"), scopes=frozenset(Scope)), name="x", token=new_id("tok"), expires_at=None)

    async def ask() -> None:
        answer = await execution.run(api.services, Request(query), who)
        assert answer.errors == []
        answer.as_bytes()

    await ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(TIMES):
            await ask()
        left = gc.collect()
    finally:
        gc.enable()
    assert left < 20 * TIMES  # what connections, tasks and exceptions of libraries leave; the rows alone are more
