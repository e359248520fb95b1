"""Who may call: apps (OAuth clients) and the access tokens they hold. Secrets and tokens are stored as hashes alone."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.ids import ID, Id
from domain.kernel.rows import Row, filled, key


class App(Row):
    """A program that may call: a partner's integration, a storefront, the command line. In OAuth's words, a client."""

    __tablename__ = "apps"
    __table_args__ = (
        *filled("name"),
        Index("uq_apps_name", text("lower(name)"), unique=True),
    )

    id: Mapped[ID] = key("app")
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the secret, which is 256 random bits and so needs no slow hash."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """The most that its tokens may carry."""
    cost_per_second: Mapped[int | None]
    """How much query cost its tokens win back per second; None: no limit (the command line)."""
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class AccessToken(Row):
    """A bearer token. Whoever holds its text may act as the app, within the scopes, until it expires."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        Index("uq_access_tokens_hash", "hash", unique=True),
        Index(None, "app_id"),
        Index(None, "expires_at"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
    )

    id: Mapped[ID] = key("tok")
    app_id: Mapped[ID] = mapped_column(Id("app"), ForeignKey("apps.id", ondelete="CASCADE"))
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the token's text."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    limited: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether the app's cost limit counts for this token; command-line tokens have none."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class CostBucket(Row):
    """How much query cost a token may still spend. Unlogged: after a crash of the server all buckets are full again."""

    __tablename__ = "cost_buckets"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    token_id: Mapped[ID] = mapped_column(
        Id("tok"), ForeignKey("access_tokens.id", ondelete="CASCADE"), primary_key=True
    )
    level: Mapped[float]
    """What was left at `at`, in points of cost."""
    at: Mapped[datetime]


explain("uq_apps_name", "There is an app of this name already: {value}.", path=("input", "name"))
