"""What a process does beside serving: free expired holds, put aside what is past its date, seal the journal, post what
comes again, forget old idempotency keys.

Nothing waits for it and nothing depends on it: several processes may do it at once, or none.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from domain import ledger, stock
from domain.kernel import idempotency
from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, Work, begin

log = structlog.get_logger("waterline.housekeeping")

MANY = 100
"""After an act that did so much there may be more to do."""
KEYS_EVERY = timedelta(hours=1)
RECURRING_EVERY = timedelta(minutes=1)
"""What comes again is due by the day, so nobody looks for it whenever the journal is sealed."""


class Housekeeping:
    """Tidies up one database, every so many seconds; 0: never."""

    def __init__(self, database: Database, *, seconds: int, wake: Callable[[], None]) -> None:
        self._database = database
        self._seconds = seconds
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self._keys_swept_at = datetime.now(UTC)
        self._recurring_posted_at = datetime.min.replace(tzinfo=UTC)

    async def start(self) -> None:
        """Begin."""
        if self._seconds:
            self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Stop, in the middle of an act if need be: it rolls back, and somebody else does it later."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.tidy()
            except Exception as error:
                log.warning("housekeeping.interrupted", error=str(error) or type(error).__name__)

    async def tidy(self) -> None:
        """Do everything there is to do now."""
        await self._until_done(stock.sweep)
        await self._until_done(stock.expire_lots)
        await self._until_done(ledger.seal)
        if datetime.now(UTC) - self._recurring_posted_at >= RECURRING_EVERY:
            self._recurring_posted_at = datetime.now(UTC)
            await self._until_done(ledger.post_due_by_itself)
        if datetime.now(UTC) - self._keys_swept_at >= KEYS_EVERY:
            self._keys_swept_at = datetime.now(UTC)
            await self._once(idempotency.sweep)

    async def _until_done(self, act: Callable[[Work], Awaitable[int]]) -> None:
        """Do it until little is left. What comes while it is being done waits for the next time: a hundred at once cost
        little more than one.
        """
        many = MANY
        while many >= MANY:
            many = await self._once(act)
            if many:
                self._wake()

    async def _once(self, act: Callable[[Work], Awaitable[int]]) -> int:
        async with self._database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            return await act(work)
