"""graphql-core over the resolvers of the kit: what runs introspection, and what the engine is held against.

It answers one object at a time, by the library that follows the specification's text; loaders make one statement of a
level. The engine must give the same answers.
"""

from typing import Any

from graphql import ExecutionResult, execute, subscribe
from graphql.execution import Executor

from api.graphql.documents import Prepared
from api.graphql.kit.build import Built
from api.graphql.kit.context import Context
from api.graphql.kit.operations import close_payload


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


async def run(built: Built, prepared: Prepared, context: Context, variables: dict[str, Any]) -> ExecutionResult:
    """Execute a query or a mutation."""
    result: Any = execute(
        built.core,
        prepared.document,
        context_value=context,
        variable_values=variables,
        operation_name=_name(prepared),
        executor_class=_Serial,
        hide_suggestions=not context.hints,
    )
    return await result if hasattr(result, "__await__") else result


async def stream(built: Built, prepared: Prepared, context: Context, variables: dict[str, Any]) -> Any:
    """Start a subscription: an iterator of results, or one result when it failed to start."""
    started: Any = subscribe(
        built.core,
        prepared.document,
        context_value=context,
        variable_values=variables,
        operation_name=_name(prepared),
        hide_suggestions=not context.hints,
    )
    return await started if hasattr(started, "__await__") else started


def _name(prepared: Prepared) -> str | None:
    return prepared.operation.name.value if prepared.operation.name else None
