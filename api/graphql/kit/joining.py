"""Acts that arrive at the same moment are committed together.

A commit waits for the disk, and a statement costs nearly the same for eight orders as for one. So while acts of one
kind and one caller are on their way to the disk, those that arrive wait, and go together as the next transaction: nobody
waits when little is going on, and the more is going on, the less each costs. Each is an act of its own all the same,
with its own name, events and answer.

Where one of them is refused, or anything else is not as plain as that takes, all are rolled back and each is done by
itself: so none is ever refused for another's sake. What hangs behind somebody's lock holds up the others for a moment
only.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Histogram

from api.graphql.kit.errors import outage
from domain import identity
from domain.identity import Caller
from domain.kernel.database import Database, collided
from domain.kernel.ids import ID
from domain.kernel.work import Done, Work, begin

TOGETHER = Histogram(
    "waterline_acts_committed_together", "How many acts one commit was for.", buckets=(1, 2, 4, 8, 16, 32)
)

MOST = 32
"""Acts in one transaction."""
PATIENCE_SECONDS = 0.05
"""How long those who arrive wait for a transaction that is under way, at most."""

Alone = Callable[..., Awaitable[Any]]
"""An act by itself: `(work, **arguments)`, returning the noun's id."""
Each = Callable[[Work, Sequence[Any]], Awaitable[list[Done]]]
"""Several at once, by the one argument that each has."""


@dataclass(eq=False)
class _Asked:
    """An act that waits to be done."""

    arguments: dict[str, Any]
    proof: ID | None
    """The token that its transaction has to prove, if any."""
    done: "asyncio.Future[Done]"


@dataclass(eq=False)
class _Kind:
    """The acts of one kind and one caller."""

    alone: Alone
    each: Each
    caller: Caller
    waiting: deque[_Asked] = field(default_factory=deque)
    under_way: set[object] = field(default_factory=set)
    """Its transactions that have not ended."""
    awaited: set[object] = field(default_factory=set)
    """Those of them that whoever arrives still waits for."""


class Joining:
    """What one process commits together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kinds: dict[Hashable, _Kind] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def act(
        self, name: str, alone: Alone, each: Each, caller: Caller, arguments: dict[str, Any], *, proof: ID | None
    ) -> Done:
        """Do an act, perhaps together with others. Returns what came of it once it is committed.

        Raises what the act by itself would raise, and Unmet where the `proof` of who asks fails.
        """
        key = name, caller.token, caller.actor
        kind = self._kinds.setdefault(key, _Kind(alone, each, caller))
        asked = _Asked(arguments, proof, asyncio.get_running_loop().create_future())
        kind.waiting.append(asked)
        self._next(kind)
        try:
            return await asked.done
        finally:
            if not kind.waiting and not kind.under_way:
                self._kinds.pop(key, None)

    async def stop(self) -> None:
        """What is still under way is given up: it rolls back, and was not answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next(self, kind: _Kind) -> None:
        """The acts that wait go on their way, unless they should wait a little longer."""
        while kind.waiting and kind.waiting[0].done.cancelled():
            kind.waiting.popleft()
        if kind.waiting and not kind.awaited:
            taken = [kind.waiting.popleft() for _ in range(min(MOST, len(kind.waiting)))]
            self._start(self._together(kind, [asked for asked in taken if not asked.done.cancelled()]))

    def _start(self, running: Any) -> None:
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _together(self, kind: _Kind, several: Sequence[_Asked]) -> None:
        """Do acts in one transaction, then those that have arrived meanwhile."""
        transaction = object()
        kind.under_way.add(transaction)
        kind.awaited.add(transaction)
        patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._go_on, kind, transaction)
        try:
            await self._settle(kind, several)
        finally:
            patience.cancel()
            kind.under_way.discard(transaction)
            self._go_on(kind, transaction)

    def _go_on(self, kind: _Kind, transaction: object) -> None:
        kind.awaited.discard(transaction)
        self._next(kind)

    async def _settle(self, kind: _Kind, several: Sequence[_Asked]) -> None:
        """Everybody knows what came of their act."""
        try:
            found = await self._commit(kind, several)
        except BaseException as error:
            if len(several) == 1 or not _is_rolled_back(error):
                for asked in several:
                    _fail(asked, error)
                if not isinstance(error, Exception):
                    raise
                return
            for asked in several:
                self._start(self._settle(kind, [asked]))
            return
        for asked, done in zip(several, found, strict=True):
            if not asked.done.done():
                asked.done.set_result(done)

    async def _commit(self, kind: _Kind, several: Sequence[_Asked]) -> list[Done]:
        proof = next((asked.proof for asked in several if asked.proof is not None), None)
        provided = identity.proof_of(proof) if proof else None
        async with (
            self._database.connection() as connection,
            begin(connection, actor=kind.caller.actor, provided=provided) as work,
        ):
            if len(several) == 1:
                act = work.act
                found = [Done(await kind.alone(work, **several[0].arguments), act)]
            else:
                found = await kind.each(work, [one for asked in several for one in asked.arguments.values()])
        TOGETHER.observe(len(several))
        return found


def _is_rolled_back(error: BaseException) -> bool:
    """Whether nothing has been done, as is sure unless the connection was lost on the way."""
    return isinstance(error, Exception) and (collided(error) or outage(error) is None)


def _fail(asked: _Asked, error: BaseException) -> None:
    if asked.done.done():
        return
    if isinstance(error, Exception):
        asked.done.set_exception(error)
    else:
        asked.done.cancel()
