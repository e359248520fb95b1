"""The doors of the schema: queries that are functions, mutations, subscriptions.

    @mutation
    @access(Scope.PRODUCTS_WRITE)
    async def product_create(work: Work, input: catalog.NewProduct) -> Product:
        \"\"\"Creates a product with its variants.\"\"\"
        return await catalog.create(work, input)

The function names the noun it changes by its return annotation and returns that noun's id (a list of ids for a list,
with `noun=` for its name). An act that changes several says `nouns={"payment": Payment, "order": Order}` and returns
their ids by these names (`Nouns`). The kit adds `idempotencyKey` and `dryRun`, opens the one transaction, and makes the
payload: the noun, `effects`, `userErrors`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from strawberry.utils.str_converters import to_camel_case

from api.graphql.kit.access import access_of
from api.graphql.kit.context import Context
from api.graphql.kit.errors import as_user_errors
from api.graphql.kit.inputs import meaning, to_domain
from api.graphql.kit.joining import Asked, Each
from api.graphql.kit.reading import Reading
from domain import identity
from domain.kernel import idempotency
from domain.kernel.database import collided
from domain.kernel.errors import Overtaken, Refusal, Refusals
from domain.kernel.idempotency import Claim
from domain.kernel.ids import ID
from domain.kernel.work import Done, Work, begin
from domain.kernel.writing import Wanted

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """A declared door."""

    function: Callable[..., Any]
    scopes: frozenset[str]
    noun: str | None = None
    """The name of the payload's field, where it is not that of the returned type."""
    nouns: Mapping[str, Any] | None = None
    """The payload's fields and their views (or lists of them), where there are several."""
    cost: int = 0
    """What it costs beyond its selection."""
    each: Each | None = None
    """Several such acts at once, committed together: for mutations whose one argument is `input`, and one noun."""
    even_alone: bool = False
    """Whether one that comes alone is done by `each` as well, because that says less to the database."""

    @property
    def name(self) -> str:
        """The name in Python: `product_create`."""
        return self.function.__name__


@dataclass(frozen=True)
class Mutation:
    """A mutation of the built schema. `noun`: its one noun, where its function returns that alone."""

    operation: Operation
    noun: str | None


QUERIES: list[Operation] = []
MUTATIONS: list[Operation] = []
SUBSCRIPTIONS: list[Operation] = []

TRIES = 10
"""How often an act is begun when others keep colliding with it. Each time another one was faster, as is so again and
again while something new comes in at many places at once.
"""

MUTATION_COST = 10
"""An act writes, locks and waits for the disk: as dear as ten objects read."""


def query(function: Function) -> Function:
    """Declare a query that no listing or key answers: `(context, **arguments)`."""
    QUERIES.append(Operation(function, access_of(function)))
    return function


Nouns = dict[str, Any]
"""What a mutation with several nouns returns: an id, or a list of ids, by the name of each."""


def mutation(
    function: Callable[..., Any] | None = None,
    *,
    noun: str | None = None,
    nouns: Mapping[str, Any] | None = None,
    each: Each | None = None,
    even_alone: bool = False,
) -> Any:
    """Declare a mutation: `(work, **arguments) -> the noun's view`, returning its id. `each` and `even_alone`: see
    Operation.
    """

    def declare(one: Function) -> Function:
        made = Operation(one, access_of(one), noun, nouns, MUTATION_COST, each, even_alone)
        MUTATIONS.append(made)
        return one

    return declare(function) if function is not None else declare


def subscription(function: Function) -> Function:
    """Declare a subscription: an async generator `(context, **arguments)`."""
    SUBSCRIPTIONS.append(Operation(function, access_of(function)))
    return function


@dataclass
class Payload:
    """What a payload resolves from: the nouns' ids, never their content."""

    nouns: dict[str, Any] = field(default_factory=dict)
    act: ID | None = None
    user_errors: list[Any] = field(default_factory=list)
    is_one_of_several: bool = False
    """Whether other acts were committed together with its own."""
    written: Sequence[Any] | None = None
    """What these acts brought along of the rows they wrote, as it was wanted; None: all has to be read."""

    @property
    def outcome(self) -> dict[str, Any]:
        """What is kept of it under an idempotency key."""
        return {"nouns": self.nouns, "act": self.act}


async def perform(
    context: Context,
    operation: Operation,
    noun: str | None,
    given: dict[str, Any],
    *,
    response_key: str,
    wanted: Wanted | None = None,
) -> Payload:
    """Run a mutation with the arguments of its field. What is wrong with them is a refusal like any other.

    `wanted`: all that the payload shows of its noun, for the act to bring along if it can.
    """
    given = dict(given)
    key, dry_run = given.pop("idempotency_key", None), given.pop("dry_run", False)
    prepared = {}
    try:
        for name, value in given.items():
            prepared[name] = to_domain(value, path=(to_camel_case(name),))
    except Refusal as refusal:
        return Payload(user_errors=as_user_errors(refusal))
    return await act(
        context,
        operation,
        noun,
        prepared,
        response_key=response_key,
        idempotency_key=key,
        dry_run=dry_run,
        wanted=wanted,
    )


async def act(
    context: Context,
    operation: Operation,
    noun: str | None,
    arguments: dict[str, Any],
    *,
    response_key: str,
    idempotency_key: str | None,
    dry_run: bool,
    wanted: Wanted | None = None,
) -> Payload:
    """Run a mutation as one act, at most once per idempotency key, and leave its payload ready to be read.

    After commit the payload is read in a snapshot of its own on the same connection; in a dry run it is read inside
    the act, which is rolled back once that is done (see `close_payload`).
    """
    try:
        if idempotency_key is None or dry_run:
            return await _again(
                context, operation, noun, arguments, response_key, claim=None, dry_run=dry_run, wanted=wanted
            )
        hashed = idempotency.hash_of({name: meaning(value) for name, value in arguments.items()})
        claim = Claim(str(context.caller.actor.id), operation.name, idempotency_key, hashed)
        async with context.turns.turn(claim):
            return await _again(context, operation, noun, arguments, response_key, claim=claim, dry_run=False)
    except (Refusal, Refusals) as refusal:
        await close_payload(context)
        context.reading = Reading(context.database, context.caller.actor)  # what the refusal names is read from here
        return Payload(user_errors=as_user_errors(refusal))
    except BaseException:
        await close_payload(context)
        raise


async def close_payload(context: Context) -> None:
    """The payload has been read (or never will be): end its snapshot, roll back a dry run, give the connection back."""
    while context.closing:
        await context.closing.pop().aclose()


async def _again(context: Context, *arguments: Any, **options: Any) -> Payload:
    """Run an act anew when another one was faster, or when both waited for each other: then the database ends one."""
    for _ in range(TRIES - 1):
        try:
            return await _once(context, *arguments, **options)
        except (Overtaken, DBAPIError, asyncpg.PostgresError) as error:
            await close_payload(context)
            if not collided(error):
                raise
    return await _once(context, *arguments, **options)


async def _once(
    context: Context,
    operation: Operation,
    noun: str | None,
    arguments: dict[str, Any],
    response_key: str,
    *,
    claim: Claim | None,
    dry_run: bool,
    wanted: Wanted | None = None,
) -> Payload:
    async def alone(work: Work) -> Payload:
        return await _do(work, context, operation, noun, arguments, claim)

    def one_of_several(done: Done) -> Payload:
        assert noun is not None
        return Payload({noun: done.noun}, act=done.act, is_one_of_several=True)

    if operation.each is not None and noun is not None and not dry_run:
        (given,) = arguments.values()
        asked = Asked(context, alone, given, one_of_several, claim, wanted)
        joining, even_alone = context.services.joining, operation.even_alone
        visit = joining.visit(operation.name, operation.each, asked, even_alone=even_alone)
        context.closing.append(visit)
        payload = await visit.payload()
        context.reading = Reading(context.database, context.caller.actor)
        _committed(context, response_key)
        return payload
    stack = AsyncExitStack()
    context.closing.append(stack)
    connection = await stack.enter_async_context(context.database.connection())
    provided = identity.proof_of(context.proof) if context.proof else None
    opened = begin(connection, actor=context.caller.actor, commit=not dry_run, provided=provided)
    work_stack = AsyncExitStack()
    try:
        work = await work_stack.enter_async_context(opened)
        context.proof = None
        payload = await alone(work)
        if dry_run:
            await work.finish()  # before its payload is read inside of it
    except BaseException as error:
        if not await work_stack.__aexit__(type(error), error, error.__traceback__):
            raise
        raise AssertionError("a work swallowed an exception") from error
    if dry_run:
        context.reading = Reading(context.database, context.caller.actor, connection=connection, inside=True)
        stack.push_async_exit(work_stack)
        return payload
    await work_stack.aclose()
    context.reading = Reading(context.database, context.caller.actor, connection=connection)
    _committed(context, response_key)
    return payload


async def _do(  # noqa: PLR0917  what an act is made of
    work: Work,
    context: Context,
    operation: Operation,
    noun: str | None,
    arguments: dict[str, Any],
    claim: Claim | None,
) -> Payload:
    """The act itself, or what is kept of it under its key."""
    kept = await idempotency.claim(work, claim) if claim else None
    if kept is not None:
        context.extensions["idempotentReplay"] = True
        return Payload(kept["nouns"], act=kept["act"])
    result = await operation.function(work, **arguments)
    payload = Payload(result if noun is None else {noun: result}, act=work.act)
    if claim:
        await idempotency.keep(work, [(claim, payload.outcome)])
    return payload


def _committed(context: Context, response_key: str) -> None:
    context.committed.add(response_key)
    context.services.wake()
    context.closing.append(context.reading)
