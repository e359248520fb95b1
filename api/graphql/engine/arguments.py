"""The arguments of a field, coerced as graphql-core and Strawberry coerce them for a resolver."""

from collections.abc import Callable, Mapping
from typing import Any

import strawberry
from graphql import Undefined, VariableNode, Visitor, is_required_argument, visit
from graphql.execution.values import VariableValues, get_argument_values
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.types import has_object_definition
from strawberry.types.arguments import InputContext, convert_argument

from api.graphql.engine.selection import Selected


class Arguments:
    """What one field is given: worked out once where the document says it all, in each run where variables do."""

    def __init__(self, selected: Selected, schema: strawberry.Schema) -> None:
        self._selected = selected
        self._registry, self._config = schema.schema_converter.scalar_registry, schema.config
        field = selected.definition.extensions.get("strawberry-definition")
        self._kinds = [
            (schema.config.name_converter.from_argument(each), each.python_name, self._converter(each.type))
            for each in (field.arguments if field else ())
        ]
        self.constant = not _names_variables(selected)
        self._handed_on = _handed_on(selected)
        self._known: dict[str, Any] | Exception | None = None

    def of(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments by their Python names, those left out left out. Raises what the coercion raises."""
        if not self.constant:
            return self._coerced(variables)
        if self._known is None:
            try:
                self._known = self._coerced(variables)
            except Exception as error:
                self._known = error
        if isinstance(self._known, Exception):
            raise self._known
        return self._known

    def plain(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments by their GraphQL names, as graphql-core coerces them: input objects are dictionaries."""
        if self._handed_on is not None:
            named, defaults = self._handed_on
            values = {name: variables.coerced.get(variable) for name, variable in named}
            if None not in values.values():  # else graphql-core knows what null, or nothing, means here
                return defaults | values
        return get_argument_values(self._selected.definition, self._selected.nodes[0], variables)

    def _coerced(self, variables: VariableValues) -> dict[str, Any]:
        if not self._selected.definition.args:
            return {}
        values = self.plain(variables)
        given: dict[str, Any] = {}
        for name, python_name, convert in self._kinds:
            if name in values:
                value = convert(values[name])
                if value is not strawberry.UNSET:
                    given[python_name] = value
        return given

    def _converter(self, kind: Any) -> Callable[[Any], Any]:
        """What Strawberry makes of a value of that type. It asks anew at every value what kind of type it has."""
        if has_object_definition(kind):
            made = kind.__strawberry_definition__.from_input
            if made is not None:
                context = InputContext(None, self._config, self._registry, ())
                return lambda value: made(kind, value, context) if isinstance(value, Mapping) else value
        return lambda value: convert_argument(value, kind, self._registry, self._config)


def _handed_on(selected: Selected) -> tuple[list[tuple[str, str]], dict[str, Any]] | None:
    """The arguments that are variables as they are, and the defaults of those left out; None where there are others."""
    given = {each.name.value: each.value for each in selected.nodes[0].arguments or ()}
    named: list[tuple[str, str]] = []
    defaults: dict[str, Any] = {}
    for name, argument in selected.definition.args.items():
        value = given.get(name)
        if isinstance(value, VariableNode):
            named.append((argument.out_name or name, value.name.value))
        elif value is not None or is_required_argument(argument):
            return None
        elif (default := coerce_default_value(argument)) is not Undefined:
            defaults[argument.out_name or name] = default
    return named, defaults


def _names_variables(selected: Selected) -> bool:
    finder = _Variables()
    for argument in selected.nodes[0].arguments or ():
        visit(argument, finder)
    return finder.found


class _Variables(Visitor):
    found = False

    def enter_variable(self, _node: VariableNode, *_: Any) -> None:
        self.found = True
