"""One act, one transaction.

A door (a mutation, a callback, a reaction, a command) opens exactly one `Work`; everything below it receives the work
and never commits, reads the clock or sees the request. State, movements, journal and events become visible together
or not at all. Acts that arrive together may share a work, one after the other (`Work.another`), and its transaction.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.kernel.constraints import refusal_of
from domain.kernel.database import driver_of, flush_first, prepared_on, roll_back, settle
from domain.kernel.errors import AccessDenied
from domain.kernel.ids import ID, new_id
from domain.kernel.opening import Condition, Opening, Unmet
from domain.kernel.pool import Driver
from domain.kernel.scopes import Scope
from domain.kernel.writing import Statements, Wanted

if TYPE_CHECKING:
    from domain.kernel.events import Event


@dataclass(frozen=True)
class Actor:
    """Who acts: the person or program behind a token, and the scopes that token carries."""

    id: ID | None
    """The user or app that acts; None for Waterline itself (a migration, a schedule)."""
    app: ID | None = None
    """The app through which it acts, where that is not the actor itself."""
    scopes: frozenset[str] = frozenset()
    """What it may do, implied scopes included."""


SYSTEM = Actor(id=None, scopes=frozenset(Scope))
"""Waterline itself, at the command line or on a schedule."""


class Announcement(NamedTuple):
    """What was announced, and by which act."""

    act: ID
    event: "Event"


class Done(NamedTuple):
    """What came of one of several acts that are committed together: the noun it changed, and its name."""

    noun: ID
    act: ID


@dataclass
class Work:
    """An open transaction and what is true throughout it."""

    connection: AsyncConnection
    raw: Statements
    """The driver's side of the transaction, for set-based statements on hot paths."""
    actor: Actor
    now: datetime
    """The one clock reading of this act, in UTC."""
    commit: bool = True
    """False: a dry run, which is rolled back when all has been said."""
    cause: ID | None = None
    """The event that led to this act, where it is a reaction."""
    act: ID = field(default_factory=lambda: new_id("act"))
    """Names this act on everything it writes: its events, its movements, its entries."""
    announced: list[Announcement] = field(default_factory=list)
    remembered: dict[str, Any] = field(default_factory=dict)
    """What rooms looked up for this act and need not ask for again: settings that no act changes under way."""
    ending: dict[str, "Callable[[Work], Awaitable[None]]"] = field(default_factory=dict)
    """What rooms announce at the end of each act, each once however often it was asked for: figures that an act changes
    more than once."""
    closing: dict[str, "Callable[[Work], Awaitable[None]]"] = field(default_factory=dict)
    """What rooms write last, each once however often it was asked for: the same figures as they are in the end."""
    last: dict[str, "Callable[[Work], Awaitable[None]]"] = field(default_factory=dict)
    """What rooms write even after that, as close to the commit as there is: it locks rows that every act of its kind
    waits for. They say it with `later`, so that it goes out together with the events."""
    finished: bool = False
    _session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """The ORM on the same transaction, for the ordinary edit; made when it is first asked for."""
        if self._session is None:
            self._session = AsyncSession(bind=self.connection, expire_on_commit=False, autoflush=False)
        return self._session

    def announce(self, *events: "Event") -> None:
        """Say what became true. Written with the act, and delivered only after its commit."""
        self.announced.extend(Announcement(self.act, event) for event in events)

    async def another(self) -> ID:
        """The present act has been told in full, and what follows is another one: by the same actor, at the same
        instant, committed together with it or not at all. Returns the name of the act that ends.
        """
        for end in self.ending.values():
            await end(self)
        ended, self.act = self.act, new_id("act")
        return ended

    def provide(self, condition: Condition) -> bool:
        """The act happens only if this is so when it begins; whether that could still be said. Unmet is raised else,
        by whatever is said first.
        """
        if self.raw.opening is None:
            return False
        self.raw.opening.provide(condition)
        return True

    def require(self, scope: Scope) -> None:
        """Make sure that the actor may do something dangerous within this act. Raises AccessDenied otherwise."""
        if scope not in self.actor.scopes:
            raise AccessDenied("FORBIDDEN", f"This token lacks the scope {scope}.")

    async def finish(self) -> None:
        """Write what is pending, before the end. After this nothing may be written.

        A dry run checks every deferred constraint here, so that it is refused exactly when the act would be; an act
        does so in the message that commits it.
        """
        await self._close()
        await self.raw.flush()
        if not self.commit:
            await self.raw.execute(_CHECK)

    async def end(self) -> None:
        """Write what is still pending, and commit, unless it is a dry run."""
        if not self.finished:
            await (self._close() if self.commit else self.finish())
        if self._session is not None:
            await self._session.close()
        if self.raw.opening is not None and self.commit and self.raw.waiting:
            await self.raw.write_whole()
            return
        await self.raw.open()
        await self.raw.conclude(f"{_CHECK}; COMMIT" if self.commit else "ROLLBACK")

    async def _close(self) -> None:
        """All that this act writes is written, or waits to be."""
        from domain.kernel import events  # noqa: PLC0415  events know the work they are announced by

        if self._session is not None:
            await self._session.flush()
        for end in self.ending.values():
            await end(self)
        for close in self.closing.values():
            await close(self)
        for write in self.last.values():
            await write(self)
        await events.write(self)
        self.finished = True


_CHECK = "SET CONSTRAINTS ALL IMMEDIATE"
"""Every deferred rule is looked at now: what it refuses is refused inside the act."""


@asynccontextmanager
async def begin(
    connection: AsyncConnection,
    *,
    actor: Actor,
    cause: ID | None = None,
    now: datetime | None = None,
    commit: bool = True,
    provided: Condition | None = None,
    lazily: bool = False,
    wanted: Wanted | None = None,
) -> AsyncIterator[Work]:
    """Open a work on a connection, and commit it at the end; any exception rolls everything back.

    A database error with an explained constraint leaves as the refusal it stands for. With `commit=False` (a dry run)
    the work is finished and then rolled back. `provided`: a condition without which nothing is begun at all; Unmet
    is raised then. `lazily`: the transaction begins with its first statement, which may be its only one. Before that
    the condition has not been looked at, so nobody may be told anything on its strength. `wanted`: what that only
    statement brings along (`work.raw.returned`).
    """
    driver = driver_of(connection)
    statements = Statements(driver, prepared_on(connection))
    work = Work(connection, statements, actor, now or datetime.now(UTC), commit, cause)
    opening = Opening(actor.id, actor.app, work.act, prepared_on(connection), provided)
    statements.opening, statements.wanted = opening, wanted
    flush_first(connection, work.raw.flush)
    try:
        if not lazily:
            await statements.open()
        yield work
        await work.end()
    except BaseException as error:
        if statements.opening is None and not _is_over(driver, error):
            await roll_back(driver)
        if opening.is_unmet(error):
            raise Unmet from error
        refusal = refusal_of(error) if isinstance(error, (DBAPIError, asyncpg.PostgresError)) else None
        if refusal is not None:
            raise refusal from error
        raise
    finally:
        await settle(connection)


def _is_over(driver: "Driver[asyncpg.Record]", error: BaseException) -> bool:
    """Whether the transaction has rolled back by itself, as a statement does that is one."""
    return isinstance(error, asyncpg.PostgresError) and not driver.is_closed() and not driver.is_in_transaction()
