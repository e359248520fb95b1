"""One act, one transaction.

A door (a mutation, a callback, a reaction, a command) opens exactly one `Work`; everything below it receives the work
and never commits, reads the clock or sees the request. State, movements, journal and events become visible together
or not at all.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.kernel.constraints import refusal_of
from domain.kernel.database import raw
from domain.kernel.errors import AccessDenied
from domain.kernel.ids import ID, new_id
from domain.kernel.scopes import Scope

if TYPE_CHECKING:
    from domain.kernel.events import Event

_INTRODUCE = text(
    "SELECT set_config('waterline.actor', :actor, true), set_config('waterline.app', :app, true),"
    " set_config('waterline.act', :act, true)"
)


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


@dataclass
class Work:
    """An open transaction and what is true throughout it."""

    connection: AsyncConnection
    raw: "asyncpg.Connection[asyncpg.Record]"
    """The asyncpg connection of the same transaction, for set-based statements on hot paths."""
    session: AsyncSession
    """The ORM on the same transaction, for the ordinary edit."""
    actor: Actor
    now: datetime
    """The one clock reading of this act, in UTC."""
    cause: ID | None = None
    """The event that led to this act, where it is a reaction."""
    act: ID = field(default_factory=lambda: new_id("act"))
    """Names this transaction on everything it writes: its events, and later its movements, entries and audit rows."""
    announced: "list[Event]" = field(default_factory=list)
    remembered: dict[str, Any] = field(default_factory=dict)
    """What rooms looked up for this act and need not ask for again: settings that no act changes under way."""
    closing: dict[str, "Callable[[Work], Awaitable[None]]"] = field(default_factory=dict)
    """What rooms write last, each once however often it was asked for: figures that an act changes more than once."""
    finished: bool = False

    def announce(self, *events: "Event") -> None:
        """Say what became true. Written with the act, and delivered only after its commit."""
        self.announced.extend(events)

    def require(self, scope: Scope) -> None:
        """Make sure that the actor may do something dangerous within this act. Raises AccessDenied otherwise."""
        if scope not in self.actor.scopes:
            raise AccessDenied("FORBIDDEN", f"This token lacks the scope {scope}.")

    async def finish(self) -> None:
        """Write what is pending and check every deferred constraint now, so that a refusal comes inside the act.

        After this nothing may be written. A dry run finishes too, and so is refused exactly when the act would be.
        """
        from domain.kernel import events  # noqa: PLC0415  events know the work they are announced by

        await self.session.flush()
        for close in self.closing.values():
            await close(self)
        await events.write(self)
        await self.raw.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.finished = True


@asynccontextmanager
async def begin(
    connection: AsyncConnection,
    *,
    actor: Actor,
    cause: ID | None = None,
    now: datetime | None = None,
    commit: bool = True,
) -> AsyncIterator[Work]:
    """Open a work on a connection, and commit it at the end; any exception rolls everything back.

    A database error with an explained constraint leaves as the refusal it stands for. With `commit=False` (a dry run)
    the work is finished and then rolled back.
    """
    await connection.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)
    transaction = await connection.begin()
    try:
        work = await _introduced(connection, actor, cause, now)
        yield work
        if not work.finished:
            await work.finish()
        await work.session.close()
        if commit:
            await transaction.commit()
        else:
            await transaction.rollback()
    except BaseException as error:
        if transaction.is_active:
            await transaction.rollback()
        refusal = refusal_of(error) if isinstance(error, (DBAPIError, asyncpg.PostgresError)) else None
        if refusal is not None:
            raise refusal from error
        raise


async def _introduced(connection: AsyncConnection, actor: Actor, cause: ID | None, now: datetime | None) -> Work:
    """The first statement tells the database who acts. It goes through SQLAlchemy, whose adapter sends BEGIN then."""
    act = new_id("act")
    await connection.execute(_INTRODUCE, {"actor": actor.id or "", "app": actor.app or "", "act": act})
    session = AsyncSession(bind=connection, expire_on_commit=False, autoflush=False)
    return Work(connection, await raw(connection), session, actor, now or datetime.now(UTC), cause, act)
