"""Errors as data: what a mutation's `userErrors` holds, and what becomes of everything else.

A refusal of the domain becomes a `UserError`; its class gives the code. `InputError` is the plain case; a refusal whose
data helps the caller gets a type of its own with `@user_error`. Faults in the request become top-level errors with
`extensions.code`; our own bugs are masked behind a correlation id, and logged under it.
"""

import secrets
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, TypeVar

import asyncpg
import strawberry
import structlog
from graphql import GraphQLError
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.graphql.kit.docs import first_paragraph
from domain.kernel.constraints import refusal_of
from domain.kernel.errors import AccessDenied, Overtaken, Refusal, Refusals

log = structlog.get_logger("waterline.graphql")

Declared = TypeVar("Declared", bound=type)


def _refusals(base: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("domain."):  # whatever else happens to be imported
            yield kind
        yield from _refusals(kind)


def error_codes() -> type[Enum]:
    """The one enum of error codes, gathered from the refusals that the domain declares."""
    descriptions: dict[str, str | None] = {}
    for kind in _refusals():
        descriptions.setdefault(kind.code, first_paragraph(kind.__doc__))
    members = {code: strawberry.enum_value(code, description=text) for code, text in sorted(descriptions.items())}
    codes: Any = Enum("ErrorCode", members)
    return strawberry.enum(codes, name="ErrorCode", description="Why a mutation was refused.")


class ErrorCode:
    """Stands for the enum in annotations until the schema is built and all refusals are known."""


@strawberry.interface(name="UserError", description="Why a mutation was refused, for a program and for a person.")
class UserError:
    code: ErrorCode = strawberry.field(description="The reason, for programs.")
    message: str = strawberry.field(description="The reason, as a sentence that a person can act on.")
    path: list[str] = strawberry.field(description="The offending argument, from the mutation's arguments downwards.")


@strawberry.type(name="InputError", description="A refusal that needs no data beyond its code, message and path.")
class InputError(UserError):
    pass


_types: dict[type[Refusal], tuple[type[UserError], Callable[[Any], dict[str, Any]]]] = {}


def user_error(refusal: type[Refusal], data: Callable[[Any], dict[str, Any]]) -> Callable[[Declared], Declared]:
    """Give a refusal a type of its own; `data` takes its extra fields from the refusal."""

    def declare(cls: Declared) -> Declared:
        _types[refusal] = (cls, data)
        return cls

    return declare


def declared_user_errors() -> list[type]:
    """Every user error type, for the schema."""
    return [InputError, *(cls for cls, _ in _types.values())]


def as_user_errors(error: Refusal | Refusals) -> list[Any]:
    """The refusals as the payload shows them."""
    refusals = error.refusals if isinstance(error, Refusals) else (error,)
    return [_as_user_error(refusal) for refusal in refusals]


def _as_user_error(refusal: Refusal) -> Any:
    cls, data = _types.get(type(refusal), (InputError, lambda _: {}))
    return cls(code=refusal.code, message=refusal.message, path=[str(part) for part in refusal.path], **data(refusal))  # type: ignore[arg-type]


def request_error(message: str, code: str, **extensions: Any) -> GraphQLError:
    """A fault in the request itself."""
    return GraphQLError(message, extensions={"code": code, **extensions})


def outage(error: BaseException) -> tuple[str, str] | None:
    """Code and message when an exception means that the database is busy or away; None when it means anything else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (PoolTimeout, Overtaken)) or _state(seen).startswith(_BUSY):
            return "OVERLOADED", "Too much is going on at the moment. Try again in a few seconds."
        if _away(seen):
            return (
                "UNAVAILABLE",
                "The database does not answer. Try again; a mutation with the same `idempotencyKey` has one effect.",
            )
        seen = seen.__cause__ or (seen.orig if isinstance(seen, DBAPIError) else None)
    return None


_BUSY = "40", "53", "55P03", "57014"
"""States: collided, out of something, a lock not to be had in time, a statement that took too long or was ended."""
_GONE = "08", "57P", "25006"
"""States: the line is lost, the server stops or has not started, it is a replica by now."""
_CUT_OFF = "connection is closed", "cannot switch to state"
"""What the driver says of a connection whose server has said farewell, the second while that is still on its way."""


def _away(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        # Without a statement it was the attempt to connect: refused by name, by password or by order.
        turned_away = error.statement is None and _state(error.orig).startswith(("28", "3D", "55"))
        return error.connection_invalidated or turned_away
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return any(said in str(error) for said in _CUT_OFF)
    return isinstance(error, (OSError, PendingRollbackError)) or _state(error).startswith(_GONE)


def _state(error: object) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def presentable(error: GraphQLError) -> dict[str, Any]:
    """An error as the caller may see it. Bugs are masked; the correlation id finds them in the log."""
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    formatted: dict[str, Any] = dict(error.formatted)
    extensions = dict(formatted.get("extensions") or {})
    if original is None or isinstance(original, GraphQLError):
        extensions.setdefault("code", "BAD_REQUEST")
        return formatted | {"extensions": extensions}
    if isinstance(original, AccessDenied):
        return formatted | {"message": original.message, "extensions": {**extensions, "code": original.code}}
    refusal = original if isinstance(original, Refusal) else refusal_of(original)
    if refusal is not None:
        argument = [str(part) for part in refusal.path]
        return formatted | {
            "message": refusal.message,
            "extensions": {**extensions, "code": refusal.code, "argument": argument},
        }
    out = outage(original)
    if out is not None:
        code, message = out
        log.warning("outage", code=code, path=formatted.get("path"), error=str(original) or type(original).__name__)
        return formatted | {"message": message, "extensions": {**extensions, "code": code}}
    correlation = secrets.token_hex(8)
    log.error("bug", correlation_id=correlation, path=formatted.get("path"), exc_info=original)
    extensions |= {"code": "INTERNAL", "correlationId": correlation}
    message = f"Something went wrong on our side. Tell us the correlation id {correlation}."
    return formatted | {"message": message, "extensions": extensions}
