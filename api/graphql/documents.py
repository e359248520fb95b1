"""Documents: parsed, measured, validated and priced, and remembered by their text.

Everything here depends on the document alone, or on the document and its variables; nothing touches the database. What
is kept is bounded, by number and by length.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    parse,
    separate_operations,
    validate,
    visit,
)

from api.graphql.kit import limits
from api.graphql.kit.access import AccessBook
from api.graphql.kit.build import Built
from api.graphql.kit.errors import request_error

KEPT_DOCUMENTS = 1_000
KEPT_CHARACTERS = 1_000_000
"""Of all documents that are kept, together: what is made of a document is some three hundred times its text."""
LONGEST_KEPT = 50_000
"""Characters; longer documents are parsed each time."""
KEPT_COSTS, KEPT_PLANS = 64, 16
"""Costs and plans that one document keeps, by the values of the variables that matter to them."""

Kept = TypeVar("Kept")


class Cache(Generic[Kept]):
    """At most `size` things by their keys, and of no more than `weight` together; the longest unused go first."""

    def __init__(self, size: int, *, weight: int = 0) -> None:
        self.size, self.weight = size, weight
        self.held = 0
        self.kept: OrderedDict[Any, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Any) -> Kept | None:
        """What is kept under the key, if anything is."""
        found = self.kept.get(key)
        if found is None:
            return None
        self.kept.move_to_end(key)
        return found[0]

    def put(self, key: Any, value: Kept, *, weight: int = 0) -> None:
        """Keep it, and let others go until there is room."""
        _, before = self.kept.pop(key, (None, 0))
        self.kept[key] = value, weight
        self.held += weight - before
        while len(self.kept) > self.size or self.held > self.weight:
            _, (_, gone) = self.kept.popitem(last=False)
            self.held -= gone


@dataclass(eq=False)
class Prepared:
    """A document that passed everything that depends on its text alone, and the operation of it that is asked for."""

    document: DocumentNode
    operation: OperationDefinitionNode
    scopes: frozenset[str] | None
    """What a token needs; None: the document asks for nothing but `__typename`."""
    slicing: tuple[str, ...]
    """The variables that say how long lists are."""
    deciding: tuple[str, ...]
    """The variables whose values decide, through @skip and @include, which fields there are."""
    costs: Cache[int] = field(default_factory=lambda: Cache(KEPT_COSTS))
    signatures: list[Any] | None = None
    """The variables as the schema understands their declarations, and how their values are coerced, once somebody has
    asked."""
    plans: Cache[Any] = field(default_factory=lambda: Cache(KEPT_PLANS))
    """What the engine made of it, by the values of the deciding variables."""

    def cost(self, built: Built, variables: Mapping[str, Any]) -> int:
        """The static cost with these variables, in points."""
        key = tuple(_size(variables.get(name)) for name in self.slicing)
        known = self.costs.get(key)
        if known is None:
            known = limits.cost_of(built.core, built.costs, self.document, self.operation, variables)
            self.costs.put(key, known)
        return known


class Documents:
    """What one process remembers of the documents it has seen."""

    def __init__(self, built: Built) -> None:
        self.built = built
        self._prepared: Cache[Prepared] = Cache(KEPT_DOCUMENTS, weight=KEPT_CHARACTERS)
        self._texts: Cache[str] = Cache(KEPT_DOCUMENTS, weight=KEPT_CHARACTERS)

    def text_of(self, query: str | None, extensions: Mapping[str, Any]) -> str:
        """The text of a document that may be named by its hash (Apollo's automatic persisted queries, version 1).

        Raises GraphQLError: PersistedQueryNotFound asks the client to send the text along, once.
        """
        persisted = extensions.get("persistedQuery")
        if persisted is None:
            if query is None:
                raise request_error("`query` must be given, as a string.", "BAD_REQUEST")
            return query
        digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
        if not isinstance(digest, str) or persisted.get("version") != 1:
            raise request_error("`persistedQuery` needs `version: 1` and `sha256Hash`.", "BAD_REQUEST")
        if query is None:
            known = self._texts.get(digest)
            if known is None:
                raise request_error("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
            return known
        if hashlib.sha256(query.encode()).hexdigest() != digest:
            raise request_error("`sha256Hash` is not the hash of `query`.", "BAD_REQUEST")
        return query

    def prepare(
        self, query: str | None, operation: str | None, extensions: Mapping[str, Any], *, hints: bool
    ) -> Prepared:
        """Parse, measure and validate, or remember having done so. Raises GraphQLError.

        `hints`: whether errors may say what names there are. A text that came with its hash is known by it afterwards.
        """
        text = self.text_of(query, extensions)
        key = (text, operation, hints)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = _prepared(self.built, text, operation, hints=hints)
            if len(text) <= LONGEST_KEPT:
                self._prepared.put(key, prepared, weight=len(text))
        persisted = extensions.get("persistedQuery")
        if persisted is not None and query is not None and len(text) <= LONGEST_KEPT:
            self._texts.put(persisted["sha256Hash"], text, weight=len(text))
        return prepared


def _prepared(built: Built, text: str, operation_name: str | None, *, hints: bool) -> Prepared:
    try:
        document = parse(text, max_tokens=limits.TOKENS)
    except GraphQLError as error:
        raise _coded(error, "GRAPHQL_PARSE_FAILED") from None
    except RecursionError:
        raise request_error("This document is nested too deeply.", "TOO_COSTLY") from None
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        wanted = f"named {operation_name!r}" if operation_name else "in it, or more than one: name it"
        raise request_error(f"The document has no operation {wanted}.", "BAD_REQUEST")
    limits.check_document(document)
    limits.check_literals(document)
    errors = validate(built.core, document, max_errors=5, hide_suggestions=not hints)
    if errors:
        raise _coded(errors[0], "GRAPHQL_VALIDATION_FAILED")
    only = _only(document, operation)
    scopes = scopes_of(built.core, built.access, only)
    variables = _VariableFinder()
    visit(only, variables)
    return Prepared(document, operation, scopes, tuple(sorted(variables.slicing)), tuple(sorted(variables.deciding)))


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    error.extensions = {**(error.extensions or {}), "code": code}
    return error


def _only(document: DocumentNode, operation: OperationDefinitionNode) -> DocumentNode:
    """The operation that is run, with the fragments it uses: what others ask for does not count."""
    return separate_operations(document)[operation.name.value if operation.name else ""]


def _size(value: Any) -> Any:
    """What matters of a variable's value to the size of a list."""
    if isinstance(value, (list, tuple)):
        return ("list", len(value))
    return value if isinstance(value, int) else None


class _VariableFinder(Visitor):
    """Collects the variables that stand for the size of a list, and those that stand in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.slicing: set[str] = set()
        self.deciding: set[str] = set()

    def enter_argument(self, node: Any, *_: Any) -> None:
        if node.name.value in limits.SLICING and isinstance(node.value, VariableNode):
            self.slicing.add(node.value.name.value)

    def enter_directive(self, node: Any, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.deciding.add(argument.value.name.value)


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
