"""What a number of documents asked for and what came of them, so that the generator cannot silently become poor."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    parse,
)

from tests.engine.bench import Run
from tests.engine.compare import faults, nulled
from tests.engine.documents import Document

Place = tuple[str, str]
"""A type and one of its fields."""


@dataclass
class Tally:
    """Counts over documents and over the answers to them."""

    documents: int = 0
    asked: set[Place] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    """How many documents or answers have this."""

    def document(self, schema: GraphQLSchema, document: Document) -> None:
        """Count what a document asks for."""
        self.documents += 1
        self.seen.update(set(self._survey(schema, document)))

    def run(self, run: Run) -> None:
        """Count what came of a document for one caller."""
        self.seen["proven by the statement"] += run.proven
        self.answer(run.expected)

    def answer(self, answer: dict[str, Any]) -> None:
        """Count what an answer shows."""
        found = faults(answer)
        for code in {code for _, code in found}:
            self.seen[f"code {code}"] += 1
        if answer["refused"]:
            self.seen["refused"] += 1
            return
        self.seen["errors"] += bool(found)
        self.seen["nothing but errors"] += answer["data"] is None
        spread = [path for path, _ in found if path and nulled(answer["data"], path) != path]
        self.seen["nulls that spread"] += bool(spread)
        self.seen["nulls that spread within lists"] += answer["data"] is not None and any(
            isinstance(step, int) for path in spread for step in path
        )

    def _survey(self, schema: GraphQLSchema, document: Document) -> Iterator[str]:
        parsed = parse(document.query)
        operations = [each for each in parsed.definitions if isinstance(each, OperationDefinitionNode)]
        fragments = [each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)]
        yield from (word for word in ("totalCount", "@skip", "@include", "search:", "any:") if word in document.query)
        if len(operations) > 1:
            yield "several operations"
        if any(each.default_value for operation in operations for each in operation.variable_definitions or ()):
            yield "default values"
        for operation in operations:
            root = schema.get_root_type(operation.operation)
            yield from self._selections(schema, operation.selection_set, root)
        for fragment in fragments:
            kind: Any = schema.get_type(fragment.type_condition.name.value)
            yield "named fragments on interfaces" if is_abstract_type(kind) else "named fragments"
            yield from self._selections(schema, fragment.selection_set, kind)

    def _selections(self, schema: GraphQLSchema, selections: SelectionSetNode, parent: Any) -> Iterator[str]:
        names: Counter[str] = Counter()
        for each in selections.selections:
            if isinstance(each, FieldNode):
                yield from self._field(schema, each, parent)
                names[(each.alias or each.name).value] += each.selection_set is not None
            elif (inner := getattr(each, "selection_set", None)) is not None:
                condition = getattr(each, "type_condition", None)
                kind: Any = schema.get_type(condition.name.value) if condition else parent
                if condition is None:
                    yield "fragments without a type"
                elif is_abstract_type(kind):
                    yield "fragments on interfaces"
                yield from self._selections(schema, inner, kind)
        if any(times > 1 for times in names.values()):
            yield "selections that merge"

    def _field(self, schema: GraphQLSchema, node: FieldNode, parent: Any) -> Iterator[str]:
        name = node.name.value
        if name == "__typename":
            yield "__typename"
            return
        self.asked.add((parent.name, name))
        if node.alias:
            yield "aliases"
        for argument in node.arguments or ():
            if argument.name.value in ("last", "before"):
                yield "backward pages"
            elif argument.name.value == "after":
                yield "cursors"
            elif argument.name.value in ("filter", "by", "sort"):
                yield argument.name.value
            if argument.value.kind == "variable":
                yield "variables"
            elif argument.value.kind == "null_value":
                yield "null"
        if node.selection_set:
            yield from self._selections(schema, node.selection_set, get_named_type(parent.fields[name].type))


def reachable(schema: GraphQLSchema) -> set[Place]:
    """Every field of every object type that a query can come to, introspection aside."""
    found: set[Place] = set()
    waiting: list[Any] = [schema.query_type]
    known: set[str] = set()
    while waiting:
        kind: Any = waiting.pop()
        if kind.name in known or not is_composite_type(kind):
            continue
        known.add(kind.name)
        fields: dict[str, Any] = getattr(kind, "fields", {})
        waiting += [get_named_type(each.type) for each in fields.values()]
        if is_abstract_type(kind):
            waiting += schema.get_possible_types(kind)
        else:
            found |= {(kind.name, name) for name in fields}
    return found
