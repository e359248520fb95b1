"""Who may ask for what, as part of the schema: `@access(scopes: [...])`.

It sits on types and on the fields of Mutation and Subscription. A field that returns a type needs that type's scopes;
a field more private than its type carries its own. Whatever is declared without access is refused when the schema is
built: default deny. `access()` without a scope asks for a valid token and nothing more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import strawberry
from strawberry.schema_directive import Location

from domain.kernel.scopes import Scope

Declared = TypeVar("Declared")


@strawberry.schema_directive(
    locations=[Location.OBJECT, Location.FIELD_DEFINITION, Location.INTERFACE],
    name="access",
    description="The scopes that a token must carry, all of them; none: any valid token.",
)
class Access:
    scopes: list[str] = strawberry.directive_field(name="scopes")


@dataclass
class AccessBook:
    """The scopes of the built schema, by GraphQL name. Looked up once per document."""

    types: dict[str, frozenset[str]] = field(default_factory=dict)
    fields: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def needed(self, parent: str, field_name: str, returned: str) -> frozenset[str] | None:
        """The scopes for one field of a document; None when the field itself asks for nothing (a plain scalar)."""
        by_type, by_field = self.types.get(returned), self.fields.get((parent, field_name))
        if by_type is None and by_field is None:
            return None
        return (by_type or frozenset()) | (by_field or frozenset())


def access(*scopes: Scope) -> Callable[[Declared], Declared]:
    """Declare the scopes of a view, a query, a mutation or a subscription."""

    def declare(declared: Declared) -> Declared:
        declared.__access__ = frozenset(scopes)  # type: ignore[attr-defined]
        return declared

    return declare


PLAIN_TYPES: dict[str, frozenset[str]] = {}
"""The scopes of types that are no views: reports and other results of queries."""


def restrict(*scopes: Scope) -> Callable[[Declared], Declared]:
    """Declare the scopes of a plain Strawberry type."""

    def declare(declared: Declared) -> Declared:
        definition = declared.__strawberry_definition__  # type: ignore[attr-defined]
        PLAIN_TYPES[definition.name] = frozenset(scopes)
        definition.directives = [*(definition.directives or ()), directive(frozenset(scopes))]
        return declared

    return declare


def access_of(declared: object) -> frozenset[str]:
    """The declared scopes. A forgotten declaration stops the import."""
    scopes = vars(declared).get("__access__")
    if scopes is None:
        name = getattr(declared, "__name__", repr(declared))
        raise TypeError(f"{name} says nothing about access: put @access(...) on it")
    return scopes


def directive(scopes: frozenset[str]) -> Access:
    """The declaration as it is printed in the schema."""
    return Access(scopes=sorted(scopes))
