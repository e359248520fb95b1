"""Connections for single statements that only read: what hot queries are read by.

SQLAlchemy's pool serves whole acts and costs as much per use as a small query takes. These connections are the driver's
own, last in first out, so that the few that suffice have their statements prepared; one that broke is thrown away.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


class Readers:
    """At most `size` connections, opened when they are needed. `opened` hears of each new one."""

    def __init__(self, connect: Callable[[], Awaitable["Connection"]], *, size: int, patience: float) -> None:
        self._connect, self._patience = connect, patience
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False
        self.opened: list[Callable[[Connection], None]] = []

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> "list[asyncpg.Record]":
        """The rows of one statement. Raises PoolTimeout, a SQLAlchemy error, when no connection gets free in time."""
        connection = await self._take()
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator["Connection"]:
        """A connection for whatever else only reads. Raises PoolTimeout as `fetch` does."""
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._give_back(connection)

    async def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    async def _turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once: no timer is needed
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise PoolTimeout("no reader got free in time") from error

    async def _take(self) -> "Connection":
        await self._turn()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            connection = await self._opened()
            for hear in self.opened:
                hear(connection)
        except BaseException:
            self._free.release()
            raise
        return connection

    async def _opened(self) -> "Connection":
        """A new connection. A server that turns us away by name, by password or by order is as good as none."""
        try:
            return await self._connect()
        except asyncpg.PostgresError as error:
            if str(error.sqlstate).startswith(("28", "3D", "55")):
                raise ConnectionRefusedError(str(error)) from error
            raise

    async def _give_back(self, connection: "Connection") -> None:
        """A statement that was cut off may have left the connection in the middle of something."""
        try:
            if self._closed or connection.is_closed() or connection.is_in_transaction():
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await connection.close(timeout=self._patience)
            else:
                self._idle.append(connection)
        finally:
            self._free.release()
