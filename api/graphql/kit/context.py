"""What an operation carries along: who asks, what it reads, what it says beside the data."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.graphql.kit.reading import Reading
from domain.identity import Caller
from domain.kernel.database import Database
from domain.kernel.errors import AccessDenied
from domain.kernel.idempotency import Turns
from domain.kernel.ids import ID
from domain.kernel.scopes import Scope


class Unproven(Exception):  # noqa: N818  a reason to look again, not a fault
    """The token of a remembered caller has not been proven, and nothing was done. Where the token still holds, the
    request begins anew, or the `refusal` is the answer."""

    def __init__(self, refusal: Any = None) -> None:
        super().__init__("the caller has to be proven")
        self.refusal = refusal


@dataclass
class Context:
    """One operation of one caller."""

    database: Database
    caller: Caller
    turns: Turns
    reading: Reading
    services: Any = None
    """The process's own services: the tail of the event log, the metrics."""
    extensions: dict[str, Any] = field(default_factory=dict)
    """What the answer says beside `data` and `errors`."""
    committed: set[str] = field(default_factory=set)
    """The response keys of mutations whose act is committed, whatever becomes of reading their payload."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """The one clock reading of this operation."""
    closing: list[Any] = field(default_factory=list)
    """What the present mutation field holds open until its payload has been read."""

    proof: ID | None = None
    """The token that the first statement has to prove, for a caller who was remembered; None: it is proven."""
    may_be_done: bool = False
    """Whether an act was sent together with the proof, and nobody knows what came of both."""

    explained: list[dict[str, Any]] | None = None
    """Where runs of the engine say what they did, when somebody wants to know."""

    @property
    def hints(self) -> bool:
        """Whether errors may say what names the schema has."""
        return Scope.SCHEMA_READ in self.caller.actor.scopes

    def require(self, scopes: frozenset[str]) -> None:
        """Make sure that the caller has these scopes. Raises AccessDenied otherwise."""
        if self.caller.token is None:
            raise AccessDenied("UNAUTHENTICATED", "Send an access token: `Authorization: Bearer …`.")
        missing = sorted(scopes - self.caller.actor.scopes)
        if missing:
            raise AccessDenied("FORBIDDEN", f"This token lacks the scope {' and '.join(missing)}.")
