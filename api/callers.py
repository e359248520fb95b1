"""Who stands behind a token, remembered between requests.

What a token may do never changes; whether it is still worth anything does. So a remembered caller is taken on trust
only until the first statement of the request, which proves the token along with what it reads. Where a connection stays
open for longer than a request, its token is followed.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from domain import identity
from domain.identity import ANONYMOUS, Caller
from domain.kernel.database import Database
from domain.kernel.ids import ID

log = structlog.get_logger("waterline.callers")

REMEMBERED = 10_000
REMEMBERED_SECONDS = 60
"""After this an app's name and limits are looked up anew."""
FOLLOWED_SECONDS = 2
"""How often it is asked whether the tokens of open connections are still worth anything: all of them at once."""


@dataclass
class _Known:
    caller: Caller
    until: float


class Callers:
    """The callers that one process knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._followed: dict[ID, list[Callable[[], None]]] = {}
        self._following: asyncio.Task[None] | None = None

    def remembered(self, token: str) -> Caller | None:
        """Whom the token stood for a moment ago. It has to be proven: it may be revoked by now."""
        known = self._known.get(identity.hash_of(token))
        return known.caller if known is not None and known.until > time.monotonic() else None

    async def authenticated(self, token: str | None) -> Caller:
        """Who stands behind a token now. Raises AccessDenied when it is not, or no longer, valid."""
        if token is None:
            return ANONYMOUS
        key = identity.hash_of(token)
        try:
            async with self._database.readers.use() as reader:
                caller = await identity.authenticate(reader, token)
        except BaseException:
            self._known.pop(key, None)
            raise
        self._known[key] = _Known(caller, time.monotonic() + REMEMBERED_SECONDS)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return caller

    def follow(self, caller: Caller, lost: Callable[[], None]) -> Callable[[], None]:
        """Call `lost` once, soon after the token is worth nothing any more. Returns what puts an end to that."""
        token = caller.token
        if token is None:
            return lambda: None
        self._followed.setdefault(token, []).append(lost)
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

        def leave() -> None:
            left = [each for each in self._followed.pop(token, ()) if each is not lost]
            if left:
                self._followed[token] = left
            elif not self._followed and self._following is not None:
                self._following.cancel()
                self._following = None

        return leave

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOWED_SECONDS)
            try:
                async with self._database.readers.use() as reader:
                    gone = await identity.worth_nothing(reader, list(self._followed))
            except Exception as error:  # a busy database, or none: it is asked again
                log.warning("following.interrupted", error=str(error) or type(error).__name__)
                continue
            for lost in [each for token in gone for each in self._followed.pop(token, ())]:
                lost()
