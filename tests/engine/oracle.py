"""What graphql-core needs to be an oracle: to tell of every error, and to survive the nulls of others."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

from graphql import execute, parse
from graphql.execution import Executor
from strawberry.dataloader import DataLoader

from api.graphql.execution import Request, Services
from api.graphql.kit import operations
from api.graphql.kit.context import Context
from api.graphql.kit.errors import presentable
from api.graphql.kit.reading import Reading
from domain.identity import Caller
from tests.engine.compare import Fault, fault_of


class _WithoutSpreading(Executor):
    """graphql-core, but a null that may not be there stays where it is: no error is lost in another one's null."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.error_propagation = False


async def every_error(services: Services, request: Request, who: Caller) -> list[Fault]:
    """All errors that a query can have, those included that a null further up would hide."""
    context = Context(services.database, who, services.turns, Reading(services.database, who.actor), services=services)
    with steadied():
        result: Any = execute(
            services.built.core,
            parse(request.query or ""),
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            executor_class=_WithoutSpreading,
        )
        result = await result if hasattr(result, "__await__") else result
        await context.reading.aclose()
    return [fault_of(presentable(error)) for error in result.errors or ()]


@contextmanager
def steadied() -> Iterator[None]:
    """Keep what one failed field does from what others wait for, as long as graphql-core answers.

    A field that fails has its siblings cancelled. The future of a DataLoader is shared, so it would be cancelled for
    everybody who waits for it, and the whole request with it. And the statement that it runs goes on meanwhile: the
    snapshot or the dry run ends when that is done, and nothing is read after it. A snapshot ends with its payload.
    """
    load, close, execute, run = DataLoader.load, Reading.aclose, Reading.execute, Reading.run
    close_payload = operations.close_payload

    def shielded(self: "DataLoader[Any, Any]", key: Any) -> Any:
        return asyncio.shield(load(self, key))

    async def close_when_idle(self: Reading) -> None:
        self.__dict__["ended"] = True
        async with self._lock:
            await close(self)

    async def close_payload_when_idle(context: Context) -> None:
        await context.reading.aclose()
        await close_payload(context)

    def unless_ended(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def reading(self: Reading, what: Any) -> Any:
            if self.__dict__.get("ended"):
                raise RuntimeError("this snapshot has ended")
            return await read(self, what)

        return reading

    users = _users()
    DataLoader.load, Reading.aclose = shielded, close_when_idle
    Reading.execute, Reading.run = unless_ended(execute), unless_ended(run)  # type: ignore[method-assign]
    for module in users:
        vars(module)["close_payload"] = close_payload_when_idle
    try:
        yield
    finally:
        DataLoader.load, Reading.aclose, Reading.execute, Reading.run = load, close, execute, run
        for module in users:
            vars(module)["close_payload"] = close_payload


@lru_cache(maxsize=1)
def _users() -> list[ModuleType]:
    """The modules that know `close_payload` by its name."""
    wanted = operations.close_payload
    ours = [module for name, module in sys.modules.items() if name.startswith("api.")]
    return [module for module in ours if vars(module).get("close_payload") is wanted]
