"""Who stands behind a token, remembered between requests.

What a token may do never changes; whether it is still worth anything does. So a remembered caller is taken on trust
only until the first statement of the request, which proves the token along with what it reads.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from domain import identity
from domain.identity import ANONYMOUS, Caller
from domain.kernel.database import Database

REMEMBERED = 10_000
REMEMBERED_SECONDS = 60
"""After this an app's name and limits are looked up anew."""


@dataclass
class _Known:
    caller: Caller
    until: float


class Callers:
    """The callers that one process knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

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
