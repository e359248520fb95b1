"""From a request to an answer: prepare the document, check access and cost, then run it.

Everything that can be refused is refused before the first SQL statement. The engine runs what it can plan; graphql-core
runs the rest (introspection), and a metric counts it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution.values import VariableValues
from prometheus_client import Counter

from api.callers import Callers
from api.graphql import engine, oracle
from api.graphql.documents import Documents, Prepared
from api.graphql.engine.operation import coerced
from api.graphql.kit import limits
from api.graphql.kit.build import Built
from api.graphql.kit.context import Context, Unproven
from api.graphql.kit.errors import outage, presentable, request_error
from api.graphql.kit.joining import Joining
from api.graphql.kit.operations import close_payload
from api.graphql.kit.reading import Reading
from api.graphql.throttle import Throttle
from domain.identity import Caller
from domain.kernel.database import Database
from domain.kernel.errors import AccessDenied
from domain.kernel.idempotency import Turns

UNPLANNED = Counter("waterline_graphql_unplanned_total", "Operations that graphql-core ran, by reason.", ["reason"])


def encode(message: Any) -> bytes:
    """JSON as every transport sends it: instants in UTC with a Z."""
    return orjson.dumps(message, option=orjson.OPT_UTC_Z)


@dataclass(frozen=True)
class Request:
    """A GraphQL request as every transport hands it over. Without a query its extensions name one by its hash."""

    query: str | None
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The response. `refused` tells the transports that nothing was run: no `data` entry at all."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    extensions: dict[str, Any]
    refused: bool = False

    def as_bytes(self) -> bytes:
        """The response as it is sent."""
        return encode(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """The response as the specification orders it. Instants and days in it are for `encode`."""
        response: dict[str, Any] = {} if self.refused else {"data": self.data}
        if self.errors:
            response["errors"] = self.errors
        if self.extensions:
            response["extensions"] = self.extensions
        return response


class Services:
    """What one process offers to all operations."""

    def __init__(self, database: Database, built: Built, tail: Any) -> None:
        self.database, self.built, self.tail = database, built, tail
        self.turns, self.throttle = Turns(), Throttle()
        self.documents = Documents(built)
        self.callers = Callers(database)
        self.joining = Joining(database)

    def wake(self) -> None:
        """Tell the readers of the event log that something was committed."""
        self.tail.wake()


async def single(answer: Answer) -> AsyncIterator[Answer]:
    """One answer where a stream of them is expected."""
    yield answer


async def ask(services: Services, request: Request, token: str | None, *, read_only: bool = False) -> Answer:
    """Run a query or a mutation for whoever holds a token. Whatever goes wrong is in the answer.

    Who is remembered is proven by what the operation does; where that cannot be, he is looked up.
    """
    try:
        remembered = services.callers.remembered(token) if token else None
        caller = remembered or await services.callers.authenticated(token)
    except Exception as error:  # a refused token, a busy database
        return refusal(error)
    try:
        return await run(services, request, caller, read_only=read_only, proven=remembered is None)
    except Unproven as unproven:
        try:
            caller = await services.callers.authenticated(token)
        except Exception as error:
            return refusal(error)
        return unproven.refusal or await run(services, request, caller, read_only=read_only)


async def run(
    services: Services,
    request: Request,
    caller: Caller,
    *,
    read_only: bool = False,
    by_oracle: bool = False,
    proven: bool = True,
) -> Answer:
    """Run a query or a mutation. Whatever goes wrong is in the answer.

    `read_only` refuses mutations, for requests that arrived by GET. `by_oracle` leaves the engine out. A caller who is
    not `proven` is so by the one statement of a query, or by the act of a mutation; where there is none, or it finds
    the token worth nothing any more, Unproven is raised, and nothing has been done.
    """
    context = _context(services, caller)
    if not proven:
        context.proof = caller.token
    if request.extensions.get("explain") and context.hints:
        context.explained = []
    try:
        prepared = _prepare(services, request, context)
        kind = prepared.operation.operation
        if kind is OperationType.SUBSCRIPTION:
            raise request_error("Subscriptions need the WebSocket, or `Accept: text/event-stream`.", "BAD_REQUEST")
        if read_only and kind is OperationType.MUTATION:
            raise request_error("Send mutations by POST.", "METHOD_NOT_ALLOWED")
        cost = await _admit(services, context, prepared, request)
    except Exception as error:
        if not proven:
            raise Unproven(refusal(error)) from error
        return refusal(error)
    try:
        planned = None if by_oracle else _planned(services, prepared, request, context)
        if not proven and not (isinstance(planned, tuple) and planned[0].proves):
            raise Unproven
        result: Any = planned
        if planned is None or isinstance(planned, engine.Unplannable):
            _count(planned)
            context.explained = None
            result = await oracle.run(services.built, prepared, context, request.variables)
        elif isinstance(planned, tuple):
            operation, variables = planned
            run_it = operation.query if kind is OperationType.QUERY else operation.mutation
            result = await run_it(context, variables)
    finally:
        await _end(context)
    return _answer(result, context, request, cost)


async def stream(
    services: Services, request: Request, caller: Caller, *, by_oracle: bool = False
) -> "Answer | AsyncIterator[Answer]":
    """Run a subscription: an iterator of answers, or one answer when it was refused or failed to start."""
    context = _context(services, caller)
    try:
        prepared = _prepare(services, request, context)
        await _admit(services, context, prepared, request)
    except Exception as error:
        return refusal(error)
    planned = None if by_oracle else _planned(services, prepared, request, context)
    if isinstance(planned, ExecutionResult):
        return _answer(planned, context, request, cost=None, refused=True)
    if isinstance(planned, tuple):
        operation, variables = planned
        return _messages(operation.subscription(context, variables), context, request)
    _count(planned)
    source = await oracle.stream(services.built, prepared, context, request.variables)
    if isinstance(source, ExecutionResult):
        return _answer(source, context, request, cost=None, refused=True)
    return _messages(source, context, request)


def is_subscription(services: Services, request: Request, caller: Caller) -> bool:
    """Whether the request asks for a subscription; False as well when it cannot be told."""
    try:
        prepared = _prepare(services, request, _context(services, caller))
    except (GraphQLError, AccessDenied):
        return False
    return prepared.operation.operation is OperationType.SUBSCRIPTION


def refusal(error: Exception) -> Answer:
    """The answer to a request that is not run at all."""
    if isinstance(error, AccessDenied):
        error = GraphQLError(error.message, extensions={"code": error.code})
    elif not isinstance(error, GraphQLError):
        error = GraphQLError(str(error), original_error=error)
    return Answer(None, [presentable(error)], {}, refused=True)


def _context(services: Services, caller: Caller) -> Context:
    reading = Reading(services.database, caller.actor)
    return Context(services.database, caller, services.turns, reading, services=services)


def _prepare(services: Services, request: Request, context: Context) -> Prepared:
    return services.documents.prepare(request.query, request.operation_name, request.extensions, hints=context.hints)


def _planned(
    services: Services, prepared: Prepared, request: Request, context: Context
) -> tuple[engine.Operation, VariableValues] | ExecutionResult | engine.Unplannable:
    """The operation as the engine runs it, with its variables; why it does not; or a result, where the variables are
    not what the operation declares."""
    variables = coerced(services.built, prepared, request.variables, hints=context.hints)
    if isinstance(variables, list):
        return ExecutionResult(None, variables)
    try:
        return engine.plan(services.built, prepared, variables), variables
    except engine.Unplannable as left:
        return left


def _count(left: engine.Unplannable | None) -> None:
    if left is not None:
        UNPLANNED.labels(left.reason).inc()


async def _end(context: Context) -> None:
    """Give back what the operation holds open. A lost connection has given itself back."""
    try:
        await close_payload(context)
        await context.reading.aclose()
    except Exception as error:
        if outage(error) is None:
            raise


async def _messages(source: AsyncIterator[Any], context: Context, request: Request) -> AsyncIterator[Answer]:
    """Each message is read in a snapshot of its own. A subscription that fails ends with a refused answer."""
    try:
        async for result in source:
            answer = _answer(result, context, request, cost=None)
            await _end(context)
            context.reading = Reading(context.database, context.caller.actor)
            yield answer
    except Exception as error:
        yield refusal(error)
    finally:
        await _end(context)
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def _answer(
    result: Any,
    context: Context,
    request: Request,
    cost: tuple[int, int | None] | None,
    *,
    refused: bool = False,
) -> Answer:
    errors = [presentable(error) for error in result.errors or ()]
    for error in errors:
        if error.get("path") and error["path"][0] in context.committed:
            error["extensions"]["committed"] = True
    if cost is not None and request.extensions.get("cost"):
        requested, available = cost
        actual = limits.actual_cost(result.data)
        context.extensions["cost"] = {"requested": requested, "actual": actual, "available": available}
    if context.explained is not None:
        context.extensions["plan"] = context.explained
    # Variables that cannot be coerced stop the operation before it starts: there is no data entry then.
    before_start = result.data is None and all(error.get("path") is None for error in errors)
    return Answer(result.data, errors, context.extensions, refused=refused or (bool(errors) and before_start))


async def _admit(services: Services, context: Context, prepared: Prepared, request: Request) -> tuple[int, int | None]:
    """Scopes, then cost, then the bucket. Returns the static cost and what is left in the bucket."""
    if prepared.scopes is not None:
        context.require(prepared.scopes)
    limits.check_variables(request.variables)
    cost = prepared.cost(services.built, request.variables)
    if cost > limits.COST:
        message = (
            f"This document may cost {cost:,} points, at most {limits.COST:,}. Ask for smaller pages or fewer levels."
        )
        raise request_error(message, "TOO_COSTLY", requested=cost, limit=limits.COST)
    return cost, await services.throttle.take(services.database, context.caller, cost)
