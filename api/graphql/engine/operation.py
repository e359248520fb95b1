"""A planned operation, and the three ways of running one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLInputType, OperationType, Undefined, coerce_input_value
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_variable_values,
    input_is_nested_too_deeply,
)

from api.graphql.documents import Prepared
from api.graphql.engine.arguments import Arguments
from api.graphql.engine.coercion import Coerce, Unfit, coercion_of
from api.graphql.engine.payloads import Payloads
from api.graphql.engine.planner import Plan, Planner
from api.graphql.engine.run import Result, Run
from api.graphql.engine.selection import Selected, Selector
from api.graphql.engine.unplannable import Unplannable
from api.graphql.kit.build import Built
from api.graphql.kit.context import Context, Unproven
from api.graphql.kit.operations import Mutation, close_payload, perform
from api.graphql.kit.operations import Operation as Declared

MOST_VARIABLE_ERRORS = 50


@dataclass(eq=False)
class Field:
    """A field of a mutation or a subscription: what brings its value, and the plan that reads it."""

    selected: Selected
    arguments: Arguments
    plan: Plan | None
    """None: `__typename`, which needs neither."""
    payloads: Payloads | None = None
    """Who reads its payloads, where it is a mutation's."""


@dataclass(eq=False)
class Operation:
    """What a document comes to, under given values of the variables in its directives."""

    plan: Plan | None
    """Of a query: all its fields at once."""
    fields: list[Field]
    built: Built

    @property
    def proves(self) -> bool:
        """Whether a run proves the caller's token: by the one statement of a query, by the first act of a mutation."""
        if self.plan is None:
            return bool(self.fields)
        return self.plan.alone and bool(self.plan.layouts[0].levels)

    async def query(self, context: Context, variables: VariableValues) -> Result:
        """Run a query."""
        assert self.plan is not None
        return await Run(self.plan, context, variables).read()

    async def mutation(self, context: Context, variables: VariableValues) -> Result:
        """Run a mutation: its fields one after the other, each an act whose payload is read before the next begins.

        Raises Unproven when not even its first act could begin with the proof of who asks: then nothing was done. Where
        nobody knows whether it was, no other begins: all of them end as the first did.
        """
        data: dict[str, Any] | None = {}
        errors: list[GraphQLError] = []
        unknown: Exception | None = None
        for field in self.fields:
            key = field.selected.key
            try:
                if unknown is not None:
                    raise unknown
                result = await self._act(field, context, variables)
            except Exception as error:
                result = Result(None, [field.selected.located(error, (key,))])
                unknown = error if context.proof is not None and context.may_be_done else None
            finally:
                await close_payload(context)
            if context.proof is not None and unknown is None:
                raise Unproven
            errors += result.errors
            value = None if result.data is None else result.data[key]
            if value is None and field.selected.nonnull:
                data = None
            elif data is not None:
                data[key] = value
        return Result(data, errors)

    async def _act(self, field: Field, context: Context, variables: VariableValues) -> Result:
        if field.payloads is None:
            return Result({field.selected.key: field.selected.parent.name}, [])
        declared = self.built.declared.fields["Mutation", field.selected.name]
        assert isinstance(declared, Mutation)
        given = field.arguments.of(variables)
        payload = await perform(
            context,
            declared.operation,
            declared.noun,
            given,
            response_key=field.selected.key,
            wanted=field.payloads.wanted if context.explained is None else None,
        )
        return await field.payloads.read(context, variables, payload)

    async def subscription(self, context: Context, variables: VariableValues) -> AsyncIterator[Result]:
        """Follow a subscription: one answer for each of its messages.

        Raises GraphQLError when its arguments are at fault, and whatever ends its source.
        """
        field = self.fields[0]
        assert field.plan is not None
        declared = self.built.declared.fields["Subscription", field.selected.name]
        assert isinstance(declared, Declared)
        try:
            given = field.arguments.of(variables)
        except Exception as error:
            raise field.selected.located(error, (field.selected.key,)) from None
        source = declared.function(context, **given)
        try:
            async for message in source:
                yield await Run(field.plan, context, variables).read_given(message)
        finally:
            await source.aclose()


def plan(built: Built, prepared: Prepared, variables: VariableValues) -> Operation:
    """The planned operation, made once for the values of the variables that decide which fields there are.

    Raises Unplannable for what only graphql-core does.
    """
    key = tuple(repr(variables.coerced.get(name)) for name in prepared.deciding)
    found = prepared.plans.get(key)
    if found is None:
        try:
            found = _planned(built, prepared, variables)
        except Unplannable as reason:
            found = reason
        except GraphQLError:  # a directive with null: graphql-core says where that is an error
            found = Unplannable("directive")
        prepared.plans.put(key, found)
    if isinstance(found, Unplannable):
        raise found
    return found


def _planned(built: Built, prepared: Prepared, variables: VariableValues) -> Operation:
    selector = Selector(built.core, prepared.document, prepared.operation, variables)
    roots = selector.root()
    if prepared.operation.operation is OperationType.QUERY:
        return Operation(Planner(built, selector).query(roots), [], built)
    fields = []
    for selected in roots:
        planned = None if selected.name == "__typename" else Planner(built, selector).given(selected)
        payloads = None if planned is None else Payloads(planned)
        fields.append(Field(selected, Arguments(selected, built.schema), planned, payloads))
    return Operation(None, fields, built)


def coerced(
    built: Built, prepared: Prepared, given: dict[str, Any], *, hints: bool
) -> VariableValues | list[GraphQLError]:
    """The variables of a request as the operation declares them, or what is wrong with them."""
    definitions = prepared.operation.variable_definitions
    if not definitions:
        return _NONE
    simple = _simply(built, prepared, given)
    if simple is not None:
        return simple
    return get_variable_values(
        built.core,
        definitions,
        given,
        max_errors=MOST_VARIABLE_ERRORS,
        hide_suggestions=not hints,
    )


_NONE = VariableValues({}, {})


def _simply(built: Built, prepared: Prepared, given: dict[str, Any]) -> VariableValues | None:
    """The same where each variable is given and is as it should be, by what is remembered of them; else None."""
    if prepared.signatures is None:
        found = [get_variable_signature(built.core, each) for each in prepared.operation.variable_definitions or ()]
        kept = [each for each in found if not isinstance(each, GraphQLError)]
        prepared.signatures = [(each, coercion_of(each.type) or _carefully(each.type)) for each in kept]
    sources: dict[str, VariableValueSource] = {}
    values: dict[str, Any] = {}
    for signature, coerce in prepared.signatures:
        value = given.get(signature.name, Undefined)
        if value is Undefined:
            return None
        try:
            values[signature.name] = coerce(value)
        except Unfit:
            return None
        sources[signature.name] = VariableValueSource(signature, value)
    return VariableValues(sources, values)


def _carefully(kind: GraphQLInputType) -> Coerce:
    """The coercion of a type that contains itself: graphql-core's own."""

    def coerce(value: Any) -> Any:
        if input_is_nested_too_deeply(value, kind):
            raise Unfit
        try:
            found = coerce_input_value(value, kind)
        except GraphQLError as error:
            raise Unfit from error
        if found is Undefined:
            raise Unfit
        return found

    return coerce
