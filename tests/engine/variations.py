"""The same document with other values of its variables: what was planned for one must serve the other."""

import random
from dataclasses import replace
from typing import Any

from graphql import (
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    parse,
    type_from_ast,
)

from tests.engine.documents import Document
from tests.engine.pool import Pool


def varied(schema: GraphQLSchema, pool: Pool, document: Document) -> Document | None:
    """The document with other variables; None where it has none."""
    parsed = get_operation_ast(parse(document.query), document.operation_name)
    if parsed is None or not parsed.variable_definitions:
        return None
    chance = random.Random(f"varied {document.seed}")
    given: dict[str, Any] = {}
    for each in parsed.variable_definitions:
        name = each.variable.name.value
        kind: Any = type_from_ast(schema, each.type)
        optional = not is_non_null_type(kind) or each.default_value is not None
        if optional and chance.random() < 0.2:
            continue
        if name in document.variables:
            given[name] = _other(kind, document.variables[name], pool, chance)
        elif get_named_type(kind).name == "Boolean":
            given[name] = chance.random() < 0.5
        elif get_named_type(kind).name == "Int":
            given[name] = _other(kind, 1, pool, chance)
    return replace(document, variables=given)


def _other(kind: Any, value: Any, pool: Pool, chance: random.Random) -> Any:
    """A value of the same type that is another one, mostly."""
    inner: Any = get_nullable_type(kind)
    if isinstance(value, bool):
        return not value  # and never null: a directive that is given null is graphql-core's own matter
    if not is_non_null_type(kind) and chance.random() < 0.1:
        return None
    if isinstance(value, list):
        part = value[: chance.randint(0, len(value))] if is_list_type(inner) and chance.random() < 0.4 else value
        return [_other(inner.of_type if is_list_type(inner) else inner, each, pool, chance) for each in part]
    if isinstance(value, dict) and is_input_object_type(inner):
        return {
            name: _other(inner.fields[name].type, each, pool, chance) if name in inner.fields else each
            for name, each in value.items()
        }
    named: Any = get_named_type(inner)
    if named.name == "Int":
        return chance.choice((0, 1, 2, 4, 6))
    if is_enum_type(named):
        return chance.choice(sorted(named.values))
    return _neighbour(value, pool, chance)


def _neighbour(value: Any, pool: Pool, chance: random.Random) -> Any:
    """A text that stands where this one stands: of the same list, of the same field, of the same kind."""
    for known in (*pool.cursors.values(), *pool.ids.values(), *pool.texts.values(), *pool.instants.values()):
        if value in known:
            return chance.choice(known)
    return chance.choice(pool.days) if value in pool.days else value
