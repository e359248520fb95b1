"""Documents that ask for everything there is, down to some depth, made from the schema."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
)

NESTED_PAGE = 3
"""How many of a connection inside of something are asked for."""


class Whole:
    """Selections of everything, and a note of which lists they ask for."""

    def __init__(self, schema: GraphQLSchema, *, page: int = NESTED_PAGE) -> None:
        self.schema, self.page = schema, page
        self.lists: set[tuple[str, str]] = set()

    def of(self, kind: Any, depth: int) -> str:
        """Everything of a type: what is below it as long as there is depth; an interface with all its types."""
        if isinstance(kind, GraphQLInterfaceType):
            types = self.schema.get_possible_types(kind)
            parts = (f"... on {each.name} {{ {' '.join(self._fields(each, depth, several=True))} }}" for each in types)
            return " ".join(["__typename", *parts])
        return " ".join(["__typename", *self._fields(kind, depth)])

    def _fields(self, kind: GraphQLObjectType, depth: int, *, several: bool = False) -> Iterator[str]:
        """The fields of a type, under aliases of its own where several types share a place."""
        connection = kind.name.endswith(("Connection", "Edge"))
        for name, field in kind.fields.items():
            if any(is_required_argument(argument) for argument in field.args.values()):
                continue
            inner: Any = get_named_type(field.type)
            if kind.name.endswith("Edge") and name == "node":
                continue  # `nodes` shows the same
            alias = f"{kind.name}_{name}: " if several else ""
            if is_leaf_type(inner):
                yield f"{alias}{name}"
            elif depth > 0 or connection:
                tree = inner.name == f"{kind.name}Connection"  # what is listed lists more of its kind, without end
                below = depth if connection or (inner.name.endswith("Connection") and not tree) else depth - 1
                if is_list(field) and not connection:
                    self.lists.add((kind.name, name))
                yield f"{alias}{name}{self._page(field)} {{ {self.of(inner, below)} }}"

    def _page(self, field: GraphQLField) -> str:
        return f"(first: {self.page})" if "first" in field.args else ""


def is_list(field: GraphQLField) -> bool:
    """Whether a field is a list of objects, with pages or without."""
    inner: Any = get_named_type(field.type)
    return not is_leaf_type(inner) and (
        is_list_type(get_nullable_type(field.type)) or inner.name.endswith("Connection")
    )


def lists_of(schema: GraphQLSchema) -> set[tuple[str, str]]:
    """Every list field of an object type that a query can reach, its connections' own parts aside."""
    found: set[tuple[str, str]] = set()
    waiting, seen = [schema.query_type], set()
    while waiting:
        kind: Any = waiting.pop()
        if kind is None or kind.name in seen or is_leaf_type(kind):
            continue
        seen.add(kind.name)
        if isinstance(kind, GraphQLInterfaceType):
            waiting.extend(schema.get_possible_types(kind))
            continue
        for name, field in kind.fields.items():
            waiting.append(get_named_type(field.type))
            if is_list(field) and not kind.name.endswith(("Connection", "Edge")):
                found.add((kind.name, name))
    return found
