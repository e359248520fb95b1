"""What a document may cost, decided before any SQL.

The words are those of the GraphQL cost directives specification (IBM): an object weighs 1, a scalar nothing, a list its
size times its elements. The size is the slicing argument of a connection, and the assumed size of a plain list. Depth,
aliases and directives are counted with every fragment expanded, each fragment once, so that fragments which multiply
are refused as fast as anything else.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    StringValueNode,
    TypeMetaFieldDef,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    visit,
)
from strawberry.schema_directive import Location

from api.graphql.kit.errors import request_error

Points = int | Fraction
"""What something costs; in parts only where a size is an average."""

DEPTH = 15
ALIASES = 100
TOKENS = 5_000
DIRECTIVES = 50
FIELDS = 20_000
"""Fields of a document with all its fragments spread out."""
REPEATED_PAIRS = 10_000
"""Pairs of fields, or of fragments, in the same place: either may be there a hundred times, but not a thousand."""
INPUT_LIST = 10_000
COST = 100_000
DEFAULT_SLICE = 50
SLICING = ("first", "last", "ids")
"""The arguments that say how long a list is."""
_NUL = "Text cannot contain the NUL character."
_HIGHEST_COST = 2**53 - 1
"""What is more is not told apart: larger numbers do not fit into the answer."""
ASSUMED_SIZE = 10
"""Elements that a plain list is taken to have unless its declaration says otherwise."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="cost",
    description="What a field or type weighs in the cost of a document. Objects weigh 1 and scalars 0 unless said.",
)
class Cost:
    weight: str = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How many elements a list is taken to have.",
)
class ListSize:
    assumed_size: int | None = strawberry.directive_field(name="assumedSize", default=strawberry.UNSET)
    slicing_arguments: list[str] | None = strawberry.directive_field(name="slicingArguments", default=strawberry.UNSET)


@dataclass
class CostBook:
    """The sizes and weights of the built schema, by parent type and field."""

    assumed: dict[tuple[str, str], Points] = field(default_factory=dict)
    sliced: set[tuple[str, str]] = field(default_factory=set)
    weights: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Measure:
    """What one selection set comes to, its fragments included."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0


def check_document(document: DocumentNode) -> None:
    """Refuse what is too deep or says too much, whatever its types. Raises GraphQLError; runs before validation."""
    shape = _Shape(_fragments(document))
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode):
            measured = shape.of(each.selection_set)
            own = len(each.directives or ()) + sum(len(it.directives or ()) for it in each.variable_definitions or ())
            _check_measure(measured, measured.directives + own)
        elif isinstance(each, FragmentDefinitionNode):
            measured = shape.fragment(each.name.value)
            _check_measure(measured, measured.directives)
    _Repetition(document).check()


def _check_measure(measured: "_Measure", directives: int) -> None:
    for name, value, limit in (
        ("depth", measured.depth, DEPTH),
        ("aliases", measured.aliases, ALIASES),
        ("directives", directives, DIRECTIVES),
    ):
        if value > limit:
            counted = f"{value:,}" if value < 10**9 else "a great many"
            raise request_error(
                f"This document is too large: {name} {counted}, at most {limit}.", "TOO_COSTLY", limit=limit
            )


def check_literals(document: DocumentNode) -> None:
    """Refuse strings in a document that no database can hold. Raises GraphQLError."""
    source = document.loc.source.body if document.loc else ""
    if "\x00" not in source and not re.search(r"\\u(0000|\{0+\})", source):  # the only ways to write one
        return

    class Finder(Visitor):
        def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
            if "\x00" in node.value:
                raise request_error(_NUL, "BAD_REQUEST")

    visit(document, Finder())


def check_variables(value: Any) -> None:
    """Refuse lists of more than INPUT_LIST elements and strings that no database can hold. Raises GraphQLError."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):  # what most of them are
            if "\x00" in each:
                raise request_error(_NUL, "BAD_REQUEST")
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            if len(each) > INPUT_LIST:
                raise request_error(
                    f"A list has {len(each):,} elements, at most {INPUT_LIST:,}.", "TOO_COSTLY", limit=INPUT_LIST
                )
            waiting.extend(each)


def cost_of(
    schema: GraphQLSchema,
    book: CostBook,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> int:
    """The static cost of a validated operation with these variables, in points."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    cost = _Pricer(schema, book, _fragments(document), {**defaults, **variables}).selections(
        operation.selection_set, root, 1
    )
    return min(math.ceil(cost), _HIGHEST_COST)


def actual_cost(data: Any) -> int:
    """The objects in an answer: what the operation really came to."""
    count, waiting = 0, [data]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            count += 1
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return max(0, count - 1)


def assume_sizes(schema: GraphQLSchema, book: CostBook) -> None:
    """Give every plain list of objects a size where its declaration gave it none: else it would cost nothing. What the
    schema tells of itself has the size that it has, on average.
    """
    book.assumed |= _introspected(schema)
    for kind in schema.type_map.values():
        if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) or kind.name.startswith("__"):
            continue
        for name, each in kind.fields.items():
            inner = get_named_type(each.type)
            if (
                is_list_type(get_nullable_type(each.type))
                and is_composite_type(inner)
                and not kind.name.endswith("Connection")
            ):
                book.assumed.setdefault((kind.name, name), ASSUMED_SIZE)


def _introspected(schema: GraphQLSchema) -> dict[tuple[str, str], Points]:
    kinds = list(schema.type_map.values())
    composed = [each for each in kinds if isinstance(each, (GraphQLObjectType, GraphQLInterfaceType))]
    fields = [each for kind in composed for each in kind.fields.values()]
    inputs = [each for kind in kinds if isinstance(kind, GraphQLInputObjectType) for each in kind.fields.values()]
    values = [each for kind in kinds if isinstance(kind, GraphQLEnumType) for each in kind.values]
    possible = [each for kind in kinds if is_abstract_type(kind) for each in schema.get_possible_types(kind)]
    lists = {
        "fields": len(fields),
        "inputFields": len(inputs),
        "enumValues": len(values),
        "interfaces": sum(len(kind.interfaces) for kind in composed),
        "possibleTypes": len(possible),
    }
    arguments = sum(len(each.args) for each in fields)
    return {
        ("__Schema", "types"): len(kinds),
        ("__Schema", "directives"): len(schema.directives),
        ("__Directive", "args"): Fraction(sum(len(each.args) for each in schema.directives), len(schema.directives)),
        ("__Field", "args"): Fraction(arguments, len(fields)),
        **{("__Type", name): Fraction(many, len(kinds)) for name, many in lists.items()},
    }


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


class _Shape:
    """Depth, aliases and directives of selection sets, each fragment measured once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.measured: dict[str, _Measure | None] = {}

    def of(self, selections: SelectionSetNode | None) -> _Measure:
        depth = aliases = directives = 0
        for each in selections.selections if selections else ():
            directives += len(each.directives or ())
            if isinstance(each, FieldNode):
                inner = self.of(each.selection_set)
                aliases += each.alias is not None
                depth = max(depth, 1 + inner.depth)
            elif isinstance(each, InlineFragmentNode):
                inner = self.of(each.selection_set)
                depth = max(depth, inner.depth)
            else:
                assert isinstance(each, FragmentSpreadNode)
                inner = self.fragment(each.name.value)
                depth = max(depth, inner.depth)
            aliases += inner.aliases
            directives += inner.directives
        return _Measure(depth, aliases, directives)

    def fragment(self, name: str) -> _Measure:
        if name not in self.fragments:
            return _Measure()  # validation says it better
        if name not in self.measured:
            self.measured[name] = None
            definition = self.fragments[name]
            inner = self.of(definition.selection_set)
            self.measured[name] = _Measure(
                inner.depth, inner.aliases, inner.directives + len(definition.directives or ())
            )
        known = self.measured[name]
        if known is None:
            raise request_error(f'Cannot spread fragment "{name}" within itself.', "GRAPHQL_VALIDATION_FAILED")
        return known


class _Repetition:
    """How often a document says the same thing in the same place.

    Validation compares all fields of one response name with each other, and all fragments, so its time grows with the
    square of their number. Here they are only counted, fields of one place and name together with all they select.
    """

    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self.fragments = _fragments(document)
        self.reached: set[str] = set()
        self.fields = self.pairs = 0

    def check(self) -> None:
        for each in self.document.definitions:
            if isinstance(each, OperationDefinitionNode):
                self._merged([each.selection_set])
        for name, fragment in self.fragments.items():
            if name not in self.reached:
                self._merged([fragment.selection_set])

    def _merged(self, sets: list[SelectionSetNode]) -> None:
        by_name: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting = list(sets)
        while waiting:
            for each in waiting.pop().selections:
                self.fields += 1
                if isinstance(each, FieldNode):
                    by_name.setdefault((each.alias or each.name).value, []).append(each)
                elif isinstance(each, InlineFragmentNode):
                    waiting.append(each.selection_set)
                elif isinstance(each, FragmentSpreadNode) and each.name.value not in spread:
                    spread.add(each.name.value)
                    if each.name.value in self.fragments:
                        waiting.append(self.fragments[each.name.value].selection_set)
            self._stop_if_too_much()
        self.reached |= spread
        for count in (len(spread), *map(len, by_name.values())):
            self.pairs += count * (count - 1) // 2
        self._stop_if_too_much()
        for each in by_name.values():
            inner = [field.selection_set for field in each if field.selection_set]
            if inner:
                self._merged(inner)

    def _stop_if_too_much(self) -> None:
        if self.fields > FIELDS or self.pairs > REPEATED_PAIRS:
            raise request_error(
                "This document is too large: it says the same too often, or too much through fragments.", "TOO_COSTLY"
            )


_OF_ITSELF = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class _Pricer:
    """The cost of selection sets. A fragment is priced once per type and slice it stands in."""

    def __init__(
        self,
        schema: GraphQLSchema,
        book: CostBook,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self.schema, self.book, self.fragments, self.variables = schema, book, fragments, variables
        self.priced: dict[tuple[str, str, Points], Points] = {}

    def selections(self, selections: SelectionSetNode, parent: Any, slice_size: Points) -> Points:
        cost: Points = 0
        for each in selections.selections:
            if isinstance(each, FieldNode):
                cost += self._field(each, parent, slice_size)
            elif isinstance(each, InlineFragmentNode):
                kind = self.schema.get_type(each.type_condition.name.value) if each.type_condition else parent
                cost += self.selections(each.selection_set, kind, slice_size)
            else:
                assert isinstance(each, FragmentSpreadNode)
                cost += self._fragment(each.name.value, slice_size)
        return cost

    def _fragment(self, name: str, slice_size: Points) -> Points:
        definition = self.fragments[name]
        kind = definition.type_condition.name.value
        key = (name, kind, slice_size)
        if key not in self.priced:
            self.priced[key] = self.selections(definition.selection_set, self.schema.get_type(kind), slice_size)
        return self.priced[key]

    def _field(self, node: FieldNode, parent: Any, slice_size: Points) -> Points:
        name = node.name.value
        definition = _OF_ITSELF.get(name) or getattr(parent, "fields", {}).get(name)
        own = self.book.weights.get((getattr(parent, "name", ""), name), 0)
        if definition is None or node.selection_set is None:
            return own
        inner_type, place = get_named_type(definition.type), (parent.name, name)
        if place in self.book.sliced:
            return own + 1 + self.selections(node.selection_set, inner_type, self._sliced(node))
        if parent.name.endswith("Connection") and name in ("edges", "nodes"):
            return own + slice_size * (1 + self.selections(node.selection_set, inner_type, 1))
        size = self.book.assumed.get(place, 1)
        if place in self.book.assumed and any(each.name.value in SLICING for each in node.arguments or ()):
            size = self._sliced(node, size)
        return own + size * (1 + self.selections(node.selection_set, inner_type, 1))

    def _sliced(self, node: FieldNode, default: Points = DEFAULT_SLICE) -> Points:
        for argument in node.arguments or ():
            if argument.name.value in SLICING:
                value: Any = None
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value)
                else:
                    value = getattr(argument.value, "values", None)
                if isinstance(value, (list, tuple)):
                    return len(value)
                if isinstance(value, int) and not isinstance(value, bool):
                    return max(0, value)
        return default


__all__ = [
    "ALIASES",
    "ASSUMED_SIZE",
    "COST",
    "DEPTH",
    "DIRECTIVES",
    "INPUT_LIST",
    "SLICING",
    "TOKENS",
    "Cost",
    "CostBook",
    "ListSize",
    "actual_cost",
    "assume_sizes",
    "check_document",
    "check_literals",
    "check_variables",
    "cost_of",
]
