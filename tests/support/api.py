"""A client of the API as its users are: HTTP with a bearer token, WebSocket, server-sent events."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import httpx
import pytest
import uvicorn
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from api.app import application
from api.graphql.documents import Documents
from api.graphql.execution import Services
from domain import identity
from domain.kernel.database import driver_of
from domain.kernel.ids import new_id
from domain.kernel.pool import PLANNED_ANEW, Pool
from domain.kernel.scopes import Scope
from domain.kernel.settings import Settings
from domain.kernel.work import SYSTEM, begin

if find_spec("sniffio") is None:
    # httpcore looks for it four times in each request. Nothing remembers that it is not there, unless it is said.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@dataclass
class Api:
    """The API on a real port, in the test's own event loop."""

    url: str
    services: Services
    client: httpx.AsyncClient
    tokens: dict[frozenset[str], str] = field(default_factory=dict)
    state: Any = None
    """What the application keeps beside its services."""

    async def token(self, scopes: Iterable[str] = Scope, *, lifetime: timedelta = timedelta(hours=1)) -> str:
        """A token with these scopes; by default with all."""
        wanted = frozenset(scopes)
        if wanted not in self.tokens or lifetime != timedelta(hours=1):
            async with self.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                app, _ = await identity.register_app(work, name=f"Test {new_id('app')}", scopes=wanted)
                _, token = await identity.issue_token(work, app, scopes=wanted, lifetime=lifetime, limited=False)
            self.tokens[wanted] = token  # only now: before its commit it is worth nothing
        return self.tokens[wanted]

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, *, scopes: Iterable[str] = Scope, **extra: Any
    ) -> dict[str, Any]:
        """The whole answer to a document."""
        headers = {"authorization": f"Bearer {await self.token(scopes)}"}
        body = {"query": query, "variables": variables or {}, **extra}
        response = await self.client.post("/graphql", json=body, headers=headers, timeout=60)
        return response.json()

    async def data(self, query: str, variables: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
        """The data of a document that must succeed."""
        answer = await self.post(query, variables, **extra)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    @asynccontextmanager
    async def socket(self, scopes: Iterable[str] = Scope) -> AsyncIterator[AsyncWebSocketSession]:
        """A `graphql-transport-ws` socket, initialized."""
        header = {"Authorization": f"Bearer {await self.token(scopes)}"}
        async with aconnect_ws(f"{self.url}/graphql", self.client, subprotocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init", "payload": header})
            assert (await socket.receive_json())["type"] == "connection_ack"
            yield socket

    @asynccontextmanager
    async def subscribed(
        self, query: str, variables: dict[str, Any] | None = None, *, scopes: Iterable[str] = Scope
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The messages of one subscription."""
        async with self.socket(scopes) as socket:
            payload = {"query": query, "variables": variables or {}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            yield _messages(socket)

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[list[str]]:
        """The SQL statements that the API's process runs meanwhile."""
        statements: list[str] = []

        def note(record: Any) -> None:
            if record.query != PLANNED_ANEW:  # comes as a connection is given back, and seldom
                statements.append(record.query)

        def note_prepared(_: Any, __: Any, statement: str, *___: Any) -> None:
            statements.append(statement)

        # The driver's logger hears what is run on it directly; SQLAlchemy prepares its statements, which it does not.
        database = self.services.database
        heard = [*await _idle_drivers(database.connections), *database.readers._idle]

        def listen(driver: Any) -> None:
            heard.append(driver)
            driver.add_query_logger(note)

        for driver in heard:
            driver.add_query_logger(note)
        database.readers.opened.append(listen)
        event.listen(database.engine.sync_engine, "before_cursor_execute", note_prepared)
        try:
            yield statements
        finally:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note_prepared)
            database.readers.opened.remove(listen)
            for driver in heard:
                driver.remove_query_logger(note)


async def _messages(socket: AsyncWebSocketSession) -> AsyncIterator[dict[str, Any]]:
    while True:
        message = json.loads(await socket.receive_text())
        if message["type"] == "complete":
            return
        yield message


@asynccontextmanager
async def exhausted(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Every connection of the API is in use, and nobody waits long for one."""
    pool = services.database.connections
    readers = services.database.readers
    monkeypatch.setattr(pool, "_patience", 0.05)
    monkeypatch.setattr(readers, "_patience", 0.05)
    async with AsyncExitStack() as stack:
        for _ in range(pool.size - pool.used):
            await stack.enter_async_context(services.database.connection())
        while not readers._free.locked():
            await stack.enter_async_context(readers.use())
        yield


async def _idle_drivers(pool: Pool[AsyncConnection]) -> list[Any]:
    """Every driver connection that the pool may hand out: all but the tail's own are idle in a quiet test."""
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(pool.use()) for _ in range(pool.size - pool.used)]
        return [driver_of(connection) for connection in held]


@asynccontextmanager
async def serving(
    database_url: str, settings: Settings | None = None, *, documents: Documents | None = None
) -> AsyncIterator[Api]:
    """Serve the API on a free port of this machine. It may remember documents that another one has seen."""
    app = application(settings or Settings(housekeeping_seconds=0), database_url)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        ws="websockets-sansio",
        lifespan="on",
        timeout_keep_alive=120,  # a connection that is closed just as it is used again would fail a test
    )
    server = uvicorn.Server(config)
    server.config.load()
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            await task
            raise RuntimeError("the API did not start")
        await asyncio.sleep(0.01)
    if documents is not None:
        app.state.services.documents = documents
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url) as client:
            yield Api(url, app.state.services, client, state=app.state)
    finally:
        server.should_exit = True
        await task
