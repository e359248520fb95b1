"""Acts that arrive at the same moment are committed together.

A commit waits for the disk, and a statement costs nearly the same for eight orders as for one. So acts of one kind and
one caller wait for each other, until half of those who are being served have come to wait: the others are under way
then, or being answered. Who comes alone never waits, and the more is going on, the less each costs. Each is an act of
its own all the same, with its own name, events and answer.

Where one of them is refused, or anything else is not as plain as that takes, all are rolled back and each is done by
itself: so none is ever refused for another's sake. One that comes alone takes these two steps, too, where the first
says less to the database than the second. What hangs behind somebody's lock holds up the others for a moment only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Histogram

from api.graphql.kit.context import Context
from api.graphql.kit.errors import outage
from domain import identity
from domain.identity import Caller
from domain.kernel import idempotency
from domain.kernel.database import Database, collided
from domain.kernel.idempotency import Claim
from domain.kernel.work import Done, Work, begin
from domain.kernel.writing import Wanted

TOGETHER = Histogram(
    "waterline_acts_committed_together", "How many acts one commit was for.", buckets=(1, 2, 4, 8, 16, 32)
)

MOST = 32
"""Acts in one transaction."""
UNDER_WAY = 2
"""Transactions at once that whoever arrives waits for: while one is on its way to the disk, another is made up."""
PATIENCE_SECONDS = 0.05
"""How long those who arrive wait for others, at most: for a transaction under way, and for those who may join them."""

Each = Callable[[Work, Sequence[Any]], Awaitable[list[Done]]]
"""Several at once, by the one argument that each has."""


@dataclass(eq=False)
class Asked:
    """An act that somebody asks for."""

    context: Context
    alone: Callable[[Work], Awaitable[Any]]
    """Does it by itself, and returns its payload."""
    given: Any
    """Its one argument."""
    payload: Callable[[Done], Any]
    """Its payload, where it was one of several."""
    claim: Claim | None = None
    """The key under which its outcome is kept, if any."""
    wanted: Wanted | None = None
    """What its payload shows of its noun, where that is all it shows."""
    done: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Its payload, once it is committed."""


class Visit:
    """Somebody who asks for an act, until he has been answered. A class, because a generator costs several times as
    much.
    """

    def __init__(self, joining: "Joining", key: Hashable, asked: Asked) -> None:
        self._joining, self._key, self._asked = joining, key, asked

    async def payload(self) -> Any:
        """The payload of the act, once it is committed.

        Raises what the act by itself would raise, and Unmet where the proof fails.
        """
        return await self._asked.done

    async def aclose(self) -> None:
        """The answer has been made."""
        self._joining.leave(self._key)


@dataclass(eq=False)
class _Kind:
    """The acts of one kind and one caller."""

    each: Each
    even_alone: bool
    """Whether one that comes alone is done by `each`, too."""
    caller: Caller
    waiting: list[Asked] = field(default_factory=list)
    served: int = 0
    """How many have come and not been answered."""
    under_way: int = 0
    """How many transactions."""
    patience: asyncio.TimerHandle | None = None
    """When those who wait go on their way, come what may."""


class Joining:
    """What one process commits together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kinds: dict[Hashable, _Kind] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def visit(self, name: str, each: Each, asked: Asked, *, even_alone: bool) -> "Visit":
        """Do an act, perhaps together with others of its name: who asks is served until the visit is closed. Who asks
        is proven as soon as the act has begun. `even_alone`: where it comes alone, it is tried as one of several first.
        """
        caller = asked.context.caller
        key = name, caller.token, caller.actor
        kind = self._kinds.setdefault(key, _Kind(each, even_alone, caller))
        kind.served += 1
        kind.waiting.append(asked)
        self._be_patient(kind)
        self._next(kind)
        return Visit(self, key, asked)

    def leave(self, key: Hashable) -> None:
        """Somebody has been answered: those who wait for more to come need not wait for him."""
        kind = self._kinds[key]
        kind.served -= 1
        if kind.served:
            self._next(kind)
        else:
            self._kinds.pop(key)

    async def stop(self) -> None:
        """What is still under way is given up: it rolls back, and was not answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next(self, kind: _Kind) -> None:
        """The acts that wait go on their way, unless there is somebody to wait for."""
        if kind.waiting and kind.under_way < UNDER_WAY and 2 * len(kind.waiting) >= kind.served:
            self._go(kind)

    def _go(self, kind: _Kind) -> None:
        """The acts that wait go on their way."""
        if kind.patience is not None:
            kind.patience.cancel()
            kind.patience = None
        waiting = [asked for asked in kind.waiting if not asked.done.cancelled()]
        kind.waiting = waiting[MOST:]
        if kind.waiting:
            self._be_patient(kind)
        if waiting:
            kind.under_way += 1
            self._start(self._together(kind, waiting[:MOST]))

    def _be_patient(self, kind: _Kind) -> None:
        if kind.patience is None:
            kind.patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._go, kind)

    def _start(self, running: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _together(self, kind: _Kind, several: Sequence[Asked]) -> None:
        """Do acts in one transaction, and then those that have come meanwhile."""
        try:
            await self._settle(kind, several, alone=len(several) == 1 and not kind.even_alone)
        finally:
            kind.under_way -= 1
            self._next(kind)

    async def _settle(self, kind: _Kind, several: Sequence[Asked], *, alone: bool) -> None:
        """Everybody knows what came of their act. `alone`: the only one is done by itself."""
        try:
            payloads = await self._commit(kind, several, alone=alone)
        except BaseException as error:
            if alone or not _is_rolled_back(error):
                for asked in several:
                    _fail(asked, error)
                if not isinstance(error, Exception):
                    raise
                return
            for asked in several:
                self._start(self._settle(kind, [asked], alone=True))
            return
        for asked, payload in zip(several, payloads, strict=True):
            if not asked.done.done():
                asked.done.set_result(payload)

    async def _commit(self, kind: _Kind, several: Sequence[Asked], *, alone: bool) -> list[Any]:
        proof = next((asked.context.proof for asked in several if asked.context.proof is not None), None)
        provided = identity.proof_of(proof) if proof else None
        work = None
        wanted = several[0].wanted if all(asked.wanted == several[0].wanted for asked in several) else None
        try:
            async with (
                self._database.connection() as connection,
                begin(connection, actor=kind.caller.actor, provided=provided, lazily=not alone, wanted=wanted) as work,
            ):
                if alone:
                    several[0].context.proof = None
                    payloads = [await several[0].alone(work)]
                else:  # what comes of them is told when they are committed, and a refusal to each by itself
                    payloads = await _each(work, kind, several)
        except BaseException as error:
            if work is not None and work.raw.opening is None and not _is_rolled_back(error):
                for asked in several:
                    asked.context.may_be_done = True
            raise
        for asked, payload in zip(several, payloads, strict=True):
            asked.context.proof = None
            payload.written = work.raw.returned
        TOGETHER.observe(len(several))
        return payloads


async def _each(work: Work, kind: _Kind, several: Sequence[Asked]) -> list[Any]:
    """Do several acts. Refused with Apart where one of them was done before under its key."""
    await idempotency.claim_all(work, [asked.claim for asked in several if asked.claim is not None])
    done = await kind.each(work, [asked.given for asked in several])
    payloads = [asked.payload(each) for asked, each in zip(several, done, strict=True)]
    kept = [
        (asked.claim, payload.outcome)
        for asked, payload in zip(several, payloads, strict=True)
        if asked.claim is not None
    ]
    await idempotency.keep(work, kept)
    return payloads


def _is_rolled_back(error: BaseException) -> bool:
    """Whether nothing has been done, as is sure unless the connection was lost on the way."""
    return isinstance(error, Exception) and (collided(error) or outage(error) is None)


def _fail(asked: Asked, error: BaseException) -> None:
    if asked.done.done():
        return
    if isinstance(error, Exception):
        asked.done.set_exception(error)
    else:
        asked.done.cancel()
