"""Apps and tokens for people at a command line."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from domain import identity
from domain.kernel.database import Database
from domain.kernel.errors import AccessDenied, Trouble
from domain.kernel.scopes import Scope, implied
from domain.kernel.work import SYSTEM, begin

COMMAND_LINE = "Command line"


@dataclass(frozen=True)
class Credentials:
    """What the demo is called with."""

    client_id: str
    client_secret: str
    token: str


async def print_token(database: Database, *, app_name: str, scopes: Collection[str], lifetime: timedelta) -> str:
    """A fresh token of the app of that name, which is registered when there is none. Its cost is not limited."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        app = await identity.app_by_name(work, app_name)
        if app is None:
            app, _ = await identity.register_app(work, name=app_name, scopes=list(Scope), limited=False)
        beyond = sorted(set(scopes) - implied(app.scopes))
        if beyond:
            raise Trouble(
                f"The app {app.name!r} may not have {' '.join(beyond)}.", "Ask for less, or name another app."
            )
        if app.disabled_at is not None:
            raise Trouble(f"The app {app.name!r} is disabled.", "Name another app.")
        _, token = await identity.issue_token(work, app, scopes=scopes, lifetime=lifetime, limited=False)
    return token


async def register(database: Database, *, name: str, scopes: Collection[str]) -> tuple[str, str]:
    """A new app for a partner: its client id and its secret, which is told only now."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        if await identity.app_by_name(work, name) is not None:
            raise Trouble(f"There is an app called {name!r} already.", "Choose another name.")
        app, secret = await identity.register_app(work, name=name, scopes=scopes)
    return app.id, secret


async def demo(database: Database, file: Path) -> Credentials:
    """The demo's credentials: those of the last start while they work, else new ones. Only their file keeps them."""
    kept = _read(file)
    if kept is not None and await _works(database, kept.token):
        return kept
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        name = "Demo"
        number = 1
        while await identity.app_by_name(work, name) is not None:
            number += 1
            name = f"Demo {number}"
        app, secret = await identity.register_app(work, name=name, scopes=list(Scope), limited=False)
        lifetime = identity.COMMAND_LINE_LIFETIME
        _, token = await identity.issue_token(work, app, scopes=list(Scope), lifetime=lifetime, limited=False)
    credentials = Credentials(app.id, secret, token)
    _keep(file, credentials)
    return credentials


def _keep(file: Path, credentials: Credentials) -> None:
    """Readable by nobody else from its first byte on."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(credentials), indent=2) + "\n")


def _read(file: Path) -> Credentials | None:
    try:
        return Credentials(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


async def _works(database: Database, token: str) -> bool:
    try:
        async with database.readers.use() as reader:
            await identity.authenticate(reader, token)
    except AccessDenied:
        return False
    return True
