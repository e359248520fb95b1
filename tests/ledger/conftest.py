"""What tests share that write the books by direct SQL."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(params=["app", "owner"])
def url(request: pytest.FixtureRequest, server: Server, fresh_name: str) -> str:
    """The test's own database, as the application's role and as the owner of the tables."""
    return server.app_url(fresh_name) if request.param == "app" else server.owner_url(fresh_name)


@pytest.fixture
async def sql(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
