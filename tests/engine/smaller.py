"""From a document that shows a fault to a small one that still does, by leaving out whatever can be left out."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    VariableDefinitionNode,
    Visitor,
    get_operation_ast,
    parse,
    print_ast,
    separate_operations,
    validate,
    visit,
)

from tests.engine.documents import Document

MOST_TRIES = 400
_REMOVABLE = ("field", "inline_fragment", "fragment_spread", "argument", "directive", "object_field")


async def smaller(schema: GraphQLSchema, document: Document, fails: Callable[[Document], Awaitable[bool]]) -> Document:
    """The smallest document found that still fails: nothing more can be taken from it, or the patience ended."""
    best, tries, smaller_now = _tidy(document), 0, True
    if best is None or not await fails(best):
        return document
    while smaller_now and tries < MOST_TRIES:
        smaller_now, n = False, 0
        while tries < MOST_TRIES and (changes := list(_changes(best)))[n:]:
            tries += 1
            candidate = _tidy(replace(best, query=print_ast(changes[n](parse(best.query)))))
            if candidate is not None and _is_valid(schema, candidate) and await fails(candidate):
                best, smaller_now = candidate, True  # the next change has this number now
            else:
                n += 1
    return best


def _changes(document: Document) -> Iterator[Callable[[DocumentNode], DocumentNode]]:
    """What may make the document smaller: each of its parts left out, large ones first; fragments dissolved."""
    parts: list[tuple[int, int, str]] = []

    class Finder(Visitor):
        def enter(self, node: Node, *_: Any) -> None:
            if node.kind in _REMOVABLE:
                parts.append((len(print_ast(node)), len(parts), node.kind))

    visit(parse(document.query), Finder())
    for _, number, _ in sorted(parts, reverse=True):
        yield lambda parsed, number=number: visit(parsed, _Change(parsed, number))
    for _, number, kind in parts:
        if kind in ("inline_fragment", "fragment_spread"):
            yield lambda parsed, number=number: visit(parsed, _Change(parsed, number, dissolve=True))


class _Change(Visitor):
    """Takes the part with this number away; or leaves what is in it, where it is a fragment."""

    def __init__(self, parsed: DocumentNode, number: int, *, dissolve: bool = False) -> None:
        super().__init__()
        self.waiting, self.dissolve = number, dissolve
        self.fragments = {
            each.name.value: each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)
        }

    def enter(self, node: Node, *_: Any) -> Any:
        if node.kind not in _REMOVABLE:
            return None
        self.waiting -= 1
        if self.waiting != -1:
            return None
        if not self.dissolve:
            return REMOVE
        if isinstance(node, FragmentSpreadNode):
            named = self.fragments[node.name.value]
            return InlineFragmentNode(
                type_condition=named.type_condition, directives=(), selection_set=named.selection_set
            )
        if isinstance(node, InlineFragmentNode) and len(node.selection_set.selections) == 1:
            return node.selection_set.selections[0]
        return None


def _is_valid(schema: GraphQLSchema, document: Document) -> bool:
    parsed = parse(document.query)
    empty = False

    class Finder(Visitor):
        def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
            nonlocal empty
            empty = empty or not node.selections  # graphql-core would let it pass

    visit(parsed, Finder())
    return not empty and not validate(schema, parsed)


def _tidy(document: Document) -> Document | None:
    """Without the operations, fragments and variables that nothing uses any more; None when it cannot be read."""
    try:
        parsed = parse(document.query)
    except GraphQLError:
        return None
    operation = get_operation_ast(parsed, document.operation_name)
    if operation is None:
        return None
    parsed = separate_operations(parsed)[operation.name.value if operation.name else ""]
    fragments = [each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)]
    used = set(re.findall(r"\$(\w+)", " ".join(map(print_ast, [operation.selection_set, *fragments]))))

    class Unused(Visitor):
        def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> Any:
            return None if node.variable.name.value in used else REMOVE

    given = {name: value for name, value in document.variables.items() if name in used}
    return replace(document, query=print_ast(visit(parsed, Unused())), variables=given)
