"""What can be done with apps and tokens."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, exists, func, literal_column, select, update
from sqlalchemy.dialects import postgresql

from domain.identity.events import AppRegistered
from domain.identity.tables import AccessToken, App
from domain.kernel import words
from domain.kernel.errors import AccessDenied
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.opening import Condition
from domain.kernel.scopes import implied
from domain.kernel.work import Actor, Work

TOKEN_LIFETIME = timedelta(hours=1)
"""Of tokens from the token endpoint."""
COMMAND_LINE_LIFETIME = timedelta(days=90)
"""Of tokens that `waterline token` prints."""
COST_PER_SECOND = 10_000
"""What an app's tokens win back per second unless agreed otherwise; the bucket holds ten seconds of it."""


def fresh_secret(kind: str) -> str:
    """256 random bits as text, with a prefix that secret scanners can look for."""
    return f"wl_{kind}_{secrets.token_urlsafe(32)}"


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(app: App, secret: str) -> bool:
    """Whether the secret is the app's, in constant time."""
    return hmac.compare_digest(app.secret_hash, hash_of(secret))


@dataclass(frozen=True)
class Caller:
    """Who stands behind a token, as the doors need it."""

    actor: Actor
    name: str
    token: ID | None
    expires_at: datetime | None
    cost_per_second: int | None = None
    """The limit of the token's bucket; None: unlimited."""


ANONYMOUS = Caller(Actor(id=None), name="anonymous", token=None, expires_at=None)
"""Nobody in particular: may ask for nothing that needs a scope."""


async def register_app(
    work: Work, *, name: str, scopes: Collection[str], secret: str | None = None, limited: bool = True
) -> tuple[App, str]:
    """An app may ask for tokens with these scopes from now on. Returns it with its secret, which is told only now.

    Refused when the name is taken.
    """
    secret = secret or fresh_secret("secret")
    app = App(
        id=new_id("app"),
        name=words.line(name, path=("name",)),
        secret_hash=hash_of(secret),
        scopes=sorted(scopes),
        cost_per_second=COST_PER_SECOND if limited else None,
        created_at=work.now,
    )
    work.session.add(app)
    await work.session.flush()
    work.announce(AppRegistered(app.id, scopes=sorted(scopes)))
    return app, secret


async def app_by_name(work: Work, name: str) -> App | None:
    """The app of that name, without regard to case."""
    found = await work.session.execute(select(App).where(func.lower(App.name) == func.lower(name)))
    return found.scalar_one_or_none()


async def authenticate_app(work: Work, app_id: str, secret: str) -> App | None:
    """The app with this id and secret; None when there is none, it is disabled or the secret is another one."""
    if not is_id(app_id, "app"):
        return None
    found = await work.session.execute(select(App).where(App.id == app_id, App.disabled_at.is_(None)))
    app = found.scalar_one_or_none()
    return app if app is not None and secret_matches(app, secret) else None


async def issue_token(
    work: Work, app: App, *, scopes: Collection[str], lifetime: timedelta, limited: bool = True
) -> tuple[AccessToken, str]:
    """A new token of the app. Returns it with its text, which is told only now and stored as a hash."""
    token_text = fresh_secret("token")
    token = AccessToken(
        id=new_id("tok"),
        app_id=app.id,
        hash=hash_of(token_text),
        scopes=sorted(scopes),
        limited=limited,
        created_at=work.now,
        expires_at=work.now + lifetime,
    )
    work.session.add(token)
    await work.session.flush()
    return token, token_text


async def valid_token(work: Work, token_text: str, *, app: App) -> AccessToken | None:
    """The app's own token of that text, as long as it is worth something."""
    found = await work.session.execute(
        select(AccessToken).where(
            AccessToken.hash == hash_of(token_text),
            AccessToken.app_id == app.id,
            AccessToken.revoked_at.is_(None),
            AccessToken.expires_at > work.now,
        )
    )
    return found.scalar_one_or_none()


async def revoke_token(work: Work, token_text: str, *, app: App | None = None) -> None:
    """The token is worth nothing from now on. Unknown tokens, and other apps', are left as they are (RFC 7009)."""
    statement = update(AccessToken).where(AccessToken.hash == hash_of(token_text), AccessToken.revoked_at.is_(None))
    if app is not None:
        statement = statement.where(AccessToken.app_id == app.id)
    await work.session.execute(statement.values(revoked_at=work.now))


def still_valid(token: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a token that was valid once still is, for statements that prove their caller beside what they read."""
    tokens, apps = AccessToken.__table__, App.__table__
    return exists().where(
        tokens.c.id == token,
        tokens.c.revoked_at.is_(None),
        tokens.c.expires_at > func.now(),
        apps.c.id == tokens.c.app_id,
        apps.c.disabled_at.is_(None),
    )


def proof_of(token: ID) -> Condition:
    """The condition `still_valid` of one token, for an act to begin with."""
    if not is_id(token, "tok"):
        raise ValueError(f"{token!r} is no token")
    return Condition("still_valid", _still_valid_text(), token[4:])


@lru_cache(maxsize=1)
def _still_valid_text() -> str:
    return str(still_valid(literal_column("$1::uuid")).compile(dialect=postgresql.dialect()))


async def worth_nothing(driver: "asyncpg.Connection[asyncpg.Record]", tokens: Collection[ID]) -> set[ID]:
    """Which of these tokens are worth nothing any more: revoked, expired, or a disabled app's."""
    return {ID("tok_" + record["id"]) for record in await driver.fetch(_lost_text(), [token[4:] for token in tokens])}


@lru_cache(maxsize=1)
def _lost_text() -> str:
    valid = still_valid(literal_column("given.id")).compile(dialect=postgresql.dialect())
    return f"SELECT given.id FROM unnest($1::uuid[]) AS given(id) WHERE NOT ({valid})"  # noqa: S608  ours alone


_AUTHENTICATE = """
SELECT token.id, token.scopes, token.expires_at, token.revoked_at, token.limited,
  app.id AS app_id, app.name, app.disabled_at, app.cost_per_second, now() AS now
FROM access_tokens AS token JOIN apps AS app ON app.id = token.app_id WHERE token.hash = $1
"""


async def authenticate(driver: "asyncpg.Connection[asyncpg.Record]", token_text: str) -> Caller:
    """The caller behind a token. Raises AccessDenied when it is unknown, expired, revoked or a disabled app's."""
    record = await driver.fetchrow(_AUTHENTICATE, hash_of(token_text))
    if record is None or record["revoked_at"] is not None or record["disabled_at"] is not None:
        raise AccessDenied("UNAUTHENTICATED", "This access token is not valid. Ask for a new one at /oauth/token.")
    if record["expires_at"] <= record["now"]:
        raise AccessDenied("UNAUTHENTICATED", "This access token has expired. Ask for a new one at /oauth/token.")
    app = ID("app_" + record["app_id"])
    return Caller(
        actor=Actor(id=app, app=app, scopes=implied(record["scopes"])),
        name=record["name"],
        token=ID("tok_" + record["id"]),
        expires_at=record["expires_at"],
        cost_per_second=record["cost_per_second"] if record["limited"] else None,
    )
