"""Connections in stock: last in first out, so that the few that suffice have their statements prepared.

A connection is never handed on in the middle of something. One that comes back broken, or inside a transaction, is cut
off: its server rolls back by itself.

What a connection has prepared is planned anew after its first few uses, and then ever more seldom. A plan is made for
the tables as they are: where one has a handful of rows, the server reads it from end to end, and would go on to do so
while it grows, for every foreign key that points to it, until somebody analyzes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

Driver = asyncpg.Connection  # of records; generic only for the type checker
Opened = TypeVar("Opened")
"""A connection as the users of a pool have it: the driver's own, or one that stands on it."""
_FAREWELL_SECONDS = 5
PLANNED_ANEW = "DISCARD PLANS"
MOST_USES = 4_096
"""From plan to plan."""


class Pool(Generic[Opened]):
    """At most `size` connections, opened when they are needed.

    `driver_of` finds the driver's connection, None where it is lost; `settle` tidies up one that comes back; `close`
    ends one for good; `opened` hears of each new one.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Opened]],
        *,
        driver_of: "Callable[[Opened], Driver[asyncpg.Record] | None]",
        close: Callable[[Opened], Awaitable[None]],
        size: int,
        patience: float,
        settle: Callable[[Opened], Awaitable[None]] | None = None,
    ) -> None:
        self.size = size
        self.used = 0
        """How many are in use."""
        self.opened: list[Callable[[Opened], None]] = []
        self._connect, self._driver_of, self._close, self._settle = connect, driver_of, close, settle
        self._patience = patience
        self._free = asyncio.Semaphore(size)
        self._idle: list[Opened] = []
        self._closed = False
        self._uses: WeakKeyDictionary[Driver[asyncpg.Record], int] = WeakKeyDictionary()

    def use(self) -> "Use[Opened]":
        """A connection for as long as the block lasts.

        Raises PoolTimeout, a SQLAlchemy error, when none gets free in time.
        """
        return Use(self)

    async def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._closed = True
        while self._idle:
            await self._close(self._idle.pop())

    async def _turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once: no timer is needed
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise PoolTimeout("no connection got free in time") from error

    async def take(self) -> Opened:
        """A connection, to be given back by whoever takes it. Raises PoolTimeout as `use` does."""
        await self._turn()
        self.used += 1
        try:
            while self._idle:
                connection = self._idle.pop()
                if self._sound(connection):
                    return connection
                await self._close(connection)
            connection = await self._connect()
            for hear in self.opened:
                hear(connection)
        except BaseException:
            self._release()
            raise
        return connection

    async def give_back(self, connection: Opened) -> None:
        """It is free for others. What was cut off may have left it in the middle of something."""
        try:
            await self._put_back(connection)
        finally:
            self._release()

    async def _put_back(self, connection: Opened) -> None:
        try:
            if self._settle is not None:
                await self._settle(connection)
            await self._plan_anew(connection)
        finally:
            if self._sound(connection) and not self._closed:
                self._idle.append(connection)
            else:
                await self._close(connection)

    async def _plan_anew(self, connection: Opened) -> None:
        """What is prepared is planned anew when it has been used four times as often as the last time."""
        driver = self._driver_of(connection)
        if driver is None:
            return
        uses = self._uses[driver] = self._uses.get(driver, 0) + 1
        is_power_of_four = uses.bit_count() == 1 and uses.bit_length() % 2 == 1
        is_due = uses % MOST_USES == 0 or (is_power_of_four and uses > 1)
        if is_due and self._sound(connection):
            try:
                await driver.execute(PLANNED_ANEW)
            except BROKEN:
                driver.terminate()

    def _sound(self, connection: Opened) -> bool:
        driver = self._driver_of(connection)
        return driver is not None and not driver.is_closed() and not driver.is_in_transaction()

    def _release(self) -> None:
        self.used -= 1
        self._free.release()


class Use(Generic[Opened]):
    """A connection taken and given back. A class, because a generator costs every request several times as much."""

    def __init__(self, pool: Pool[Opened]) -> None:
        self._pool = pool

    async def __aenter__(self) -> Opened:
        self._taken = await self._pool.take()
        return self._taken

    async def __aexit__(self, *_: object) -> None:
        await self._pool.give_back(self._taken)


class Readers(Pool["Driver[asyncpg.Record]"]):
    """The driver's own connections, for single statements that only read: what hot queries are read by."""

    def __init__(
        self, connect: "Callable[[], Awaitable[Driver[asyncpg.Record]]]", *, size: int, patience: float
    ) -> None:
        super().__init__(connect, driver_of=lambda driver: driver, close=cut_off, size=size, patience=patience)

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> "list[asyncpg.Record]":
        """The rows of one statement. Raises PoolTimeout as `use` does."""
        driver = await self.take()
        try:
            return await driver.fetch(statement, *arguments)
        finally:
            await self.give_back(driver)


BROKEN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a driver raises whose connection is of no use any more. The last one: the server has said farewell, and the end
of the line is still on its way.
"""


async def cut_off(driver: "Driver[asyncpg.Record]") -> None:
    """End a connection: politely between transactions; in the middle of one without waiting for anything."""
    if driver.is_closed():
        return
    if driver.is_in_transaction():
        driver.terminate()
        return
    try:
        await driver.close(timeout=_FAREWELL_SECONDS)
    except BROKEN:
        driver.terminate()
