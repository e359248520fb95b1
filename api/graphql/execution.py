"""From a request to an answer: parse, measure, validate, check access and cost, then run.

Everything that can be refused is refused before the first SQL statement. What depends on the document alone (parsing,
validation, the scopes it needs) is remembered by its text.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    parse,
    separate_operations,
    subscribe,
    validate,
    visit,
)
from graphql.execution import Executor

from api.graphql.kit import limits
from api.graphql.kit.access import AccessBook
from api.graphql.kit.build import Built
from api.graphql.kit.context import Context
from api.graphql.kit.errors import outage, presentable, request_error
from api.graphql.kit.operations import close_payload
from api.graphql.kit.reading import Reading
from api.graphql.throttle import Throttle
from domain.identity import Caller
from domain.kernel.database import Database
from domain.kernel.errors import AccessDenied
from domain.kernel.idempotency import Turns

KEPT_DOCUMENTS = 1_000
LONGEST_KEPT = 50_000
"""Characters; longer documents are parsed each time, so that the cache stays small."""


@dataclass(frozen=True)
class Request:
    """A GraphQL request as every transport hands it over."""

    query: str
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

    def as_dict(self) -> dict[str, Any]:
        """The response as the specification orders it."""
        response: dict[str, Any] = {} if self.refused else {"data": self.data}
        if self.errors:
            response["errors"] = self.errors
        if self.extensions:
            response["extensions"] = self.extensions
        return response


@dataclass(frozen=True)
class Prepared:
    """A document that passed everything that depends on its text alone."""

    document: DocumentNode
    operation: OperationDefinitionNode
    scopes: frozenset[str] | None
    """What a token needs; None: the document asks for nothing but `__typename`."""


@dataclass
class Services:
    """What one process offers to all operations."""

    database: Database
    built: Built
    tail: Any
    turns: Turns = field(default_factory=Turns)
    throttle: Throttle = field(default_factory=Throttle)
    documents: "OrderedDict[tuple[str, str | None, bool], Prepared]" = field(default_factory=OrderedDict)

    def wake(self) -> None:
        """Tell the readers of the event log that something was committed."""
        self.tail.wake()


class _Serial(Executor):
    """graphql-core's executor, which also ends each mutation field's act once its payload has been read."""

    def execute_field(
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any = None
    ) -> Any:
        result = super().execute_field(parent_type, source, field_details_list, path, position_context)
        if path.prev is None and parent_type is self.schema.mutation_type and self.is_awaitable(result):
            return self._then_close(result)
        return result

    async def _then_close(self, result: Any) -> Any:
        try:
            return await result
        finally:
            await close_payload(self.context_value)


async def single(answer: Answer) -> AsyncIterator[Answer]:
    """One answer where a stream of them is expected."""
    yield answer


async def run(services: Services, request: Request, caller: Caller, *, read_only: bool = False) -> Answer:
    """Run a query or a mutation. Never raises: whatever goes wrong is in the answer.

    `read_only` refuses mutations, for requests that arrived by GET.
    """
    context = _context(services, caller)
    try:
        prepared = _prepare(services, request, caller)
        kind = prepared.operation.operation
        if kind is OperationType.SUBSCRIPTION:
            raise request_error("Subscriptions need the WebSocket, or `Accept: text/event-stream`.", "BAD_REQUEST")
        if read_only and kind is OperationType.MUTATION:
            raise request_error("Send mutations by POST.", "METHOD_NOT_ALLOWED")
        cost = await _admit(services, context, prepared, request)
    except Exception as error:
        return refusal(error)
    try:
        result = await _execute(services, prepared, request, context)
    finally:
        await _end(context)
    return _answer(result, context, request, cost)


async def stream(services: Services, request: Request, caller: Caller) -> "Answer | AsyncIterator[Answer]":
    """Run a subscription: an iterator of answers, or one answer when it was refused or failed to start."""
    context = _context(services, caller)
    try:
        prepared = _prepare(services, request, caller)
        await _admit(services, context, prepared, request)
    except Exception as error:
        return refusal(error)
    started: Any = subscribe(
        services.built.core,
        prepared.document,
        context_value=context,
        variable_values=request.variables,
        operation_name=request.operation_name,
        hide_suggestions="schema:read" not in caller.actor.scopes,
    )
    source = await started if hasattr(started, "__await__") else started
    if isinstance(source, ExecutionResult):
        return _answer(source, context, request, cost=None, refused=True)
    return _messages(source, context, request)


def is_subscription(services: Services, request: Request, caller: Caller) -> bool:
    """Whether the request asks for a subscription; False as well when it cannot be told."""
    try:
        return _prepare(services, request, caller).operation.operation is OperationType.SUBSCRIPTION
    except (GraphQLError, AccessDenied):
        return False


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


async def _end(context: Context) -> None:
    """Give back what the operation holds open. A lost connection has given itself back."""
    try:
        await close_payload(context)
        await context.reading.close()
    except Exception as error:
        if outage(error) is None:
            raise


async def _messages(
    source: AsyncIterator[ExecutionResult], context: Context, request: Request
) -> AsyncIterator[Answer]:
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


async def _execute(services: Services, prepared: Prepared, request: Request, context: Context) -> ExecutionResult:
    result: Any = execute(
        services.built.core,
        prepared.document,
        context_value=context,
        variable_values=request.variables,
        operation_name=request.operation_name,
        executor_class=_Serial,
        hide_suggestions="schema:read" not in context.caller.actor.scopes,
    )
    return await result if hasattr(result, "__await__") else result


def _answer(
    result: ExecutionResult,
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
    # Variables that cannot be coerced stop the operation before it starts: there is no data entry then.
    before_start = result.data is None and all(error.get("path") is None for error in errors)
    return Answer(result.data, errors, context.extensions, refused=refused or (bool(errors) and before_start))


async def _admit(services: Services, context: Context, prepared: Prepared, request: Request) -> tuple[int, int | None]:
    """Scopes, then cost, then the bucket. Returns the static cost and what is left in the bucket."""
    if prepared.scopes is not None:
        context.require(prepared.scopes)
    limits.check_variables(request.variables)
    built = services.built
    cost = limits.cost_of(built.core, built.costs, prepared.document, prepared.operation, request.variables)
    if cost > limits.COST:
        message = (
            f"This document may cost {cost:,} points, at most {limits.COST:,}. Ask for smaller pages or fewer levels."
        )
        raise request_error(message, "TOO_COSTLY", requested=cost, limit=limits.COST)
    return cost, await services.throttle.take(services.database, context.caller, cost)


def _prepare(services: Services, request: Request, caller: Caller) -> Prepared:
    """Parse, measure and validate, or remember having done so. Raises GraphQLError."""
    suggestions = "schema:read" in caller.actor.scopes
    key = (request.query, request.operation_name, suggestions)
    documents = services.documents
    if key in documents:
        documents.move_to_end(key)
        return documents[key]
    prepared = _prepared(services.built, request, suggestions=suggestions)
    if len(request.query) <= LONGEST_KEPT:
        documents[key] = prepared
        if len(documents) > KEPT_DOCUMENTS:
            documents.popitem(last=False)
    return prepared


def _prepared(built: Built, request: Request, *, suggestions: bool) -> Prepared:
    try:
        document = parse(request.query, max_tokens=limits.TOKENS)
    except GraphQLError as error:
        raise _coded(error, "GRAPHQL_PARSE_FAILED") from None
    except RecursionError:
        raise request_error("This document is nested too deeply.", "TOO_COSTLY") from None
    operation = get_operation_ast(document, request.operation_name)
    if operation is None:
        wanted = f"named {request.operation_name!r}" if request.operation_name else "in it, or more than one: name it"
        raise request_error(f"The document has no operation {wanted}.", "BAD_REQUEST")
    limits.check_document(document)
    limits.check_literals(document)
    errors = validate(built.core, document, max_errors=5, hide_suggestions=not suggestions)
    if errors:
        raise _coded(errors[0], "GRAPHQL_VALIDATION_FAILED")
    return Prepared(document, operation, scopes_of(built.core, built.access, _only(document, operation)))


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    error.extensions = {**(error.extensions or {}), "code": code}
    return error


def _only(document: DocumentNode, operation: OperationDefinitionNode) -> DocumentNode:
    """The operation that is run, with the fragments it uses: what others ask for does not count."""
    return separate_operations(document)[operation.name.value if operation.name else ""]


def scopes_of(schema: GraphQLSchema, book: AccessBook, document: DocumentNode) -> frozenset[str] | None:
    """All scopes that the fields of a validated document need, or None when none of them needs even a token."""
    info = TypeInfo(schema)
    finder = _ScopeFinder(info, book)
    visit(document, TypeInfoVisitor(info, finder))
    return finder.scopes


class _ScopeFinder(Visitor):
    """Collects what each field's own declaration and the type it returns ask for."""

    def __init__(self, info: TypeInfo, book: AccessBook) -> None:
        super().__init__()
        self.info, self.book = info, book
        self.scopes: frozenset[str] | None = None

    def enter_field(self, node: Any, *_: Any) -> None:
        parent, returned = self.info.get_parent_type(), self.info.get_type()
        if parent is None or returned is None or node.name.value == "__typename":
            return
        named = get_named_type(returned)
        needed = self.book.needed(parent.name, node.name.value, named.name)
        if needed is None and (is_composite_type(named) or parent.name.startswith("__")):
            # `__type(name: …) { name }` tells no more than whether a type exists: generic clients probe with it.
            probe = (parent.name, node.name.value) == ("__Type", "name") or node.name.value == "__type"
            needed = None if probe else frozenset()
        if needed is not None:
            self.scopes = (self.scopes or frozenset()) | needed

    def enter_inline_fragment(self, node: Any, *_: Any) -> None:
        self._narrowed(node)

    def enter_fragment_definition(self, node: Any, *_: Any) -> None:
        self._narrowed(node)

    def _narrowed(self, node: Any) -> None:
        """`... on Product` reads a product, whichever field led to it."""
        if node.type_condition is not None:
            needed = self.book.types.get(node.type_condition.name.value)
            if needed:
                self.scopes = (self.scopes or frozenset()) | needed
