"""A shop that some see only in part, made once for each module."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api import logs
from api.graphql.documents import Documents
from api.graphql.execution import Request
from api.graphql.schema import built
from domain.identity import Caller
from tests.engine.acts import desk
from tests.engine.bench import Bench, answer
from tests.engine.content import fill
from tests.engine.pool import harvest
from tests.engine.sights import ALL, MOST, SOME, failing, narrowed, sights_of
from tests.support.api import Api


@pytest.fixture(scope="module")
def documents() -> Documents:
    """What is planned while sights are narrowed and fields fail is remembered by nobody else."""
    return Documents(built())


@pytest.fixture(scope="module")
async def bench(api: Api) -> AsyncIterator[Bench]:
    """The shop, and three who see all, most and some of it. Nulls where none may be are meant: nothing is logged."""
    await fill(api)
    callers: dict[int, Caller] = {}
    for sight, name in ((ALL, "all"), (MOST, "most"), (SOME, "some")):
        token = await api.token(lifetime=timedelta(days=1))
        callers[sight] = replace(await api.services.callers.authenticated(token), name=name)

    async def ask(query: str) -> dict[str, Any]:
        found = await answer(api.services, Request(query), callers[ALL], oracle=True)
        assert "errors" not in found, found
        return found["data"]

    pool, known = await harvest(api.services.built.core, ask), await desk(ask)
    logs.configure("critical", "text")
    try:
        with narrowed(sights_of(callers)), failing():
            yield Bench(api.services, pool, known, callers)
    finally:
        logs.configure("error", "text")
