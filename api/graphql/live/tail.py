"""One reader of the event log per process, and as many followers as there are subscriptions.

The tail reads the log in its order and hands each event to every follower's queue. A follower who resumes reads the
past from the log himself, up to the place where his queue began: nothing is lost and nothing comes twice.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
from graphql import GraphQLError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.graphql.kit.errors import request_error
from domain.kernel import events
from domain.kernel.database import Database, snapshot
from domain.kernel.events import CHANNEL, Announced, CursorInvalid, Position

log = structlog.get_logger("waterline.tail")

POLL_SECONDS = 0.25
"""How often the log is looked at without a wake-up: notifications are a courtesy, the log is the truth."""
PAGE = 500
"""Events that one look brings at most; when it brings so many, the next look follows at once."""
PAUSE_SECONDS = 0.004
"""From one look to the next, while acts come faster than that: then each look brings the events of several."""
WAITING = 100_000
"""Events that may wait for one follower; they are shared, not copied. A slower one is told where to resume."""


class _Follower:
    """One subscription's queue. When it has overrun, what waits is still delivered, and then the subscription ends."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Announced | None] = asyncio.Queue()
        self.overrun = False


class Tail:
    """Follows the log of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: set[_Follower] = set()
        self._woken = asyncio.Event()
        self._position: Position | None = None
        self._cursor: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._told = False
        self.events_read = 0

    async def start(self) -> None:
        """Begin to follow, from the present end of the log."""
        self._task = asyncio.create_task(self._run(), name="tail of the event log")

    async def stop(self) -> None:
        """Stop following; every follower ends."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for follower in self._followers:
            follower.queue.put_nowait(None)

    @property
    def following(self) -> bool:
        """Whether the log is being followed: a subscription may begin."""
        return self._ready.is_set()

    @property
    def followers(self) -> int:
        """How many subscriptions follow."""
        return len(self._followers)

    def wake(self) -> None:
        """Something was committed by this process: look at the log now, and let the other processes look."""
        self._told = True
        self._woken.set()

    async def follow(self, *, after: str | None = None, types: Sequence[str] | None = None) -> AsyncIterator[Announced]:
        """Events as they are committed, behind `after` or from now on.

        Raises CursorInvalid when the log does not hold `after`, and GraphQLError SUBSCRIBER_TOO_SLOW, with
        `resumeAfter`, when WAITING events have piled up.
        """
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes as it ends, and the follower would stay.
        async with asyncio.timeout(30):
            await self._ready.wait()
        follower, last = _Follower(), after
        wanted = frozenset(types) if types else None
        self._followers.add(follower)
        joined = self._position
        assert joined is not None
        try:
            begin: Position | None = None
            if after is not None:
                begin = await self._place_of(after)
                async for event in self._past(begin, joined):
                    last = event.cursor
                    if wanted is None or event.type in wanted:
                        yield event
            while True:
                if follower.overrun and follower.queue.empty():
                    raise _too_slow(last)
                event = await follower.queue.get()
                if event is None:
                    return
                if begin is not None and not begin < event.position:
                    continue  # whoever resumes may know events that the tail has yet to read
                last = event.cursor
                if wanted is None or event.type in wanted:
                    yield event
        finally:
            self._followers.discard(follower)

    async def _place_of(self, cursor: str) -> Position:
        async with self._database.snapshot() as connection:
            return await events.position_of(connection, cursor)

    async def _past(self, after: Position, until: Position) -> AsyncIterator[Announced]:
        """The log behind a place, up to and including another. A page per connection: followers hold none."""
        while after < until:
            async with self._database.snapshot() as connection:
                page = await events.read(connection, after=after)
            for event in page:
                if until < event.position:
                    return
                yield event
            if not page:
                return
            after = page[-1].position

    async def _run(self) -> None:
        """Read and hand out for ever; a lost database is waited for, and the log read on where it was left."""
        while True:
            try:
                await self._listen_and_read()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("tail.interrupted", error=str(error) or type(error).__name__)
                await asyncio.sleep(1)

    async def _listen_and_read(self) -> None:
        async with self._database.connection() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection

            def heard(_connection: object, sender: int, *_: object) -> None:
                if sender != driver.get_server_pid():
                    self._woken.set()

            await driver.add_listener(CHANNEL, heard)
            try:
                await self._check_cursor(connection)
                while True:
                    await self._read_on(connection, driver)
            finally:
                if not driver.is_closed():
                    await driver.remove_listener(CHANNEL, heard)

    async def _read_on(self, connection: AsyncConnection, driver: Any) -> None:
        """One look at the log; waits when there is nothing new."""
        self._woken.clear()
        if self._told:
            self._told = False
            await driver.execute(f"NOTIFY {CHANNEL}")
        if self._position is None:
            self._position, _ = await events.end(connection)
            self._ready.set()
        looked = time.monotonic()
        page: list[Announced] = []
        if self._followers:
            page = await events.read(connection, after=self._position, limit=PAGE)
        else:  # nobody would hear of it: to see where the log ends is a tenth of the work
            end = await events.end(connection)
            if self._followers:  # somebody came meanwhile, and is to hear all behind the position found then
                return
            self._position, self._cursor = end
        for event in page:
            self._position, self._cursor = event.position, event.cursor
            self._hand_out(event)
        self.events_read += len(page)
        if len(page) < PAGE:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            await asyncio.sleep(looked + PAUSE_SECONDS - time.monotonic())

    async def _check_cursor(self, connection: AsyncConnection) -> None:
        """After a reconnect: is the last event still in the log? If not (a restore), everyone must start anew."""
        if self._cursor is None:
            return
        async with snapshot(connection):
            try:
                await events.position_of(connection, self._cursor)
            except CursorInvalid:
                log.warning("tail.cursor_lost", cursor=self._cursor)
                self._ready.clear()
                self._position = self._cursor = None
                for follower in self._followers:
                    follower.queue.put_nowait(None)

    def _hand_out(self, event: Announced) -> None:
        for follower in self._followers:
            if follower.queue.qsize() >= WAITING:
                follower.overrun = True
            elif not follower.overrun:
                follower.queue.put_nowait(event)


def _too_slow(last: str | None) -> GraphQLError:
    return request_error(
        "Events came faster than they were read. Subscribe again with `after`.", "SUBSCRIBER_TOO_SLOW", resumeAfter=last
    )
