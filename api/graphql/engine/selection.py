"""Which fields a document asks for, place by place: fragments spread, directives decided, equal keys merged."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeNameMetaFieldDef,
    is_non_null_type,
    located_error,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from api.graphql.engine.unplannable import Unplannable


@dataclass(eq=False)
class Selected:
    """One entry of an answer: a field, and every place in the document that asks for it under the same key."""

    key: str
    name: str
    parent: GraphQLObjectType
    definition: GraphQLField
    details: list[FieldDetails]

    @cached_property
    def nodes(self) -> list[FieldNode]:
        """The places in the document."""
        return [each.node for each in self.details]

    @cached_property
    def nonnull(self) -> bool:
        """Whether null may not stand here."""
        return is_non_null_type(self.definition.type)

    def null_error(self) -> Exception:
        """What it means that null stands where it may not: a bug of ours, so it is masked further on."""
        return TypeError(f"Cannot return null for non-nullable field {self.parent.name}.{self.name}.")

    def located(self, error: Exception, path: tuple[str | int, ...]) -> GraphQLError:
        """The error with its place in the answer and in the document; one that has them keeps them."""
        return located_error(error, self.nodes, list(path))


class Selector:
    """Reads the selections of one operation, under given values of the variables that its directives use."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: VariableValues,
    ) -> None:
        self.schema, self.operation, self.variables = schema, operation, variables
        self.fragments = {
            each.name.value: FragmentDetails(each)
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }

    def root(self) -> list[Selected]:
        """The fields of the operation itself."""
        kind = self.schema.get_root_type(self.operation.operation)
        assert kind is not None
        found = collect_fields(self.schema, self.fragments, self.variables, kind, self.operation)
        return list(self._selected(kind, found.grouped_field_set))

    def below(self, kind: GraphQLObjectType, above: Selected) -> list[Selected]:
        """The fields asked of an object of this type that stands at `above`."""
        found = collect_subfields(self.schema, self.fragments, self.variables, self.operation, kind, above.details)
        return list(self._selected(kind, found.grouped_field_set))

    def _selected(self, kind: GraphQLObjectType, grouped: dict[str, list[FieldDetails]]) -> Iterator[Selected]:
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name in ("__schema", "__type"):
                raise Unplannable("introspection")
            definition = TypeNameMetaFieldDef if name == "__typename" else kind.fields[name]
            yield Selected(key, name, kind, definition, details)
