"""A Postgres server on which tests make and drop databases of their own."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.engine import make_url

from domain.kernel.postgres.founding import ROLES

_numbers = itertools.count(1)


class Server:
    """Addresses on one server: as the owner, who may create databases, and as the application's role."""

    def __init__(self, owner_url: str, app_url: str) -> None:
        self._owner, self._app = owner_url, app_url

    def owner_url(self, name: str) -> str:
        """The owner's address of a database."""
        return make_url(self._owner).set(database=name).render_as_string(hide_password=False)

    def app_url(self, name: str) -> str:
        """The application's address of a database."""
        return make_url(self._app).set(database=name).render_as_string(hide_password=False)

    def auditor_url(self, name: str) -> str:
        """The auditor's address of a database, on a server that lets whoever is the owner be the auditor, too."""
        return make_url(self._owner).set(database=name, username=ROLES["auditor"]).render_as_string(hide_password=False)

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection that may create and drop databases."""
        connection = await asyncpg.connect(self.owner_url("postgres"))
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def clone(self, template: str) -> AsyncIterator[str]:
        """A copy of the template for as long as it is needed."""
        name = f"waterline_test_{os.getpid()}_{next(_numbers)}"
        async with self.administrator() as admin:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield name
        finally:
            await self._drop(name)

    async def _drop(self, name: str) -> None:
        """Drop a database. A vacuum that is at it just then belongs to the superuser: it is waited for."""
        for attempt in range(50):
            try:
                async with self.administrator() as admin:
                    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
                return
            except asyncpg.InsufficientPrivilegeError:
                if attempt == 49:
                    raise
                await asyncio.sleep(0.1)

    async def disconnect_app(self, name: str, *, before: str | None = None) -> None:
        """Cut every connection of the application's role to a database, as a failing server would.

        `before` is run by the administrator while the connections are still there.
        """
        connection = await asyncpg.connect(self.app_url(name))
        try:
            if before:
                async with self.administrator() as admin:
                    await admin.execute(before)
            query = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = $1 AND usename = current_user AND pid <> pg_backend_pid()"
            )
            await connection.execute(query, name)
        finally:
            await connection.close()

    async def drop_leftovers(self, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Remove what earlier runs left behind when they were killed, and templates of other states."""
        query = "SELECT datname FROM pg_database WHERE datname LIKE 'waterline\\_t%' AND NOT datistemplate"
        for record in await admin.fetch(query):
            _, kind, process, *_ = record["datname"].split("_")
            if not (kind == "test" and _alive(int(process))):  # a template has a digest there
                await admin.execute(f'DROP DATABASE IF EXISTS "{record["datname"]}" WITH (FORCE)')


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
