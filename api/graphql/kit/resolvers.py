"""How each declared field is answered, one object at a time; loaders make one statement of a level.

These resolvers are what runs under Strawberry's own types: plain, general, and the measure that a faster engine must
agree with.
"""

import asyncio
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

import strawberry
from sqlalchemy import select
from strawberry.utils.str_converters import to_camel_case

from api.graphql.kit import inputs, lists, views
from api.graphql.kit.context import Context
from api.graphql.kit.docs import first_paragraph
from api.graphql.kit.operations import Operation, Payload
from api.graphql.kit.reading import Record, among, columns_of, first_per_parent
from api.graphql.kit.scalars import MoneyType
from api.graphql.kit.views import Amount, Batch, ById, Column, Derived, Field, Find, Many, One, Pages, Sql, View
from domain.kernel.ids import split_id
from domain.kernel.money import Money

Resolve = Callable[..., Any]


def of_field(owner: View, each: Field) -> Resolve:
    """The resolver of one declared field of a view."""
    makers: dict[type[Field], Callable[..., Resolve]] = {
        Column: _column,
        Amount: _amount,
        One: _one,
        Many: _many,
        Sql: _sql,
        Derived: _derived,
        Batch: _batch,
        Pages: _pages_of_parent,
    }
    if type(each) not in makers:
        raise TypeError(f"{owner.name}.{each.name}: {type(each).__name__} has no place on a view")
    return makers[type(each)](owner, each)


def function_arguments(
    function: Resolve, *, skip: int, input_name: str | None = None
) -> dict[str, tuple[Any, str] | tuple[Any, str, Any]]:
    """The GraphQL arguments of a declared function: `Annotated[type, "what it is"]`, inputs from dataclasses."""
    arguments: dict[str, Any] = {}
    for name, parameter in views.arguments_of(function, skip=skip).items():
        annotation, description = parameter.annotation, ""
        if typing.get_origin(annotation) is Annotated:
            annotation, description = typing.get_args(annotation)[:2]
        if inputs.is_input(annotation):
            made = inputs.input_of(annotation, input_name)
            arguments[name] = (made, description or first_paragraph(annotation.__doc__))
        else:
            default = () if parameter.default in (inspect.Parameter.empty, None) else (parameter.default,)
            arguments[name] = (
                inputs.argument_type(annotation),
                description or f"The {name.replace('_', ' ')}.",
                *default,
            )
    return arguments


def many_arguments(each: Many) -> dict[str, Any]:
    """The GraphQL arguments of a plain list of a view."""
    arguments: dict[str, Any] = {}
    if each.first is not None:
        arguments["first"] = (int | None, each.first[1], each.first[0])
    for name, narrow in each.narrow.items():
        arguments[name] = (inputs.argument_type(narrow.annotation), narrow.description)
    return arguments


def signed(resolve: Resolve, returns: Any, arguments: Mapping[str, Any] | None = None) -> Resolve:
    """A function with the signature that Strawberry reads, around one that takes keyword arguments."""

    async def later(root: Any, info: strawberry.Info, **given: Any) -> Any:
        return await resolve(root, info, **_given(given))

    def now(root: Any, info: strawberry.Info, **given: Any) -> Any:
        return resolve(root, info, **_given(given))

    return _signed(later if inspect.iscoroutinefunction(resolve) else now, returns, arguments or {})


def signed_stream(function: Resolve, returns: Any, arguments: Mapping[str, Any]) -> Resolve:
    async def resolver(root: Any, info: strawberry.Info, **given: Any) -> Any:  # noqa: ARG001  Strawberry passes it
        async for item in function(info.context, **_given(given)):
            yield item

    return _signed(resolver, typing.AsyncGenerator[returns, None], arguments)


def _signed(resolver: Resolve, returns: Any, arguments: Mapping[str, Any]) -> Resolve:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("root", kind), inspect.Parameter("info", kind, annotation=strawberry.Info)]
    for name, (annotation, description, *default) in arguments.items():
        optional = views.is_optional(annotation)
        value = default[0] if default else (strawberry.UNSET if optional else inspect.Parameter.empty)
        # An argument that is a word of Python, such as `from`, is written with an underscore behind it.
        plain = to_camel_case(name[:-1]) if name.endswith("_") else None
        described = Annotated[annotation, strawberry.argument(description=description, name=plain)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=described, default=value))
    resolver.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    annotations = {each.name: each.annotation for each in parameters if each.name != "root"}
    resolver.__annotations__ = {**annotations, "return": returns}
    return resolver


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not strawberry.UNSET}


def _column(_owner: View, each: Column) -> Resolve:
    return lambda root, _info: getattr(root, each.name)


def _amount(_owner: View, each: Amount) -> Resolve:
    def resolve(root: Record, _info: Any, currency: str | None = None) -> MoneyType | None:
        amount, own = getattr(root, each.amount), getattr(root, each.currency)
        if amount is None or (currency is not None and currency != own):
            return None
        return MoneyType.of(Money(amount, own))

    return resolve


def _one(owner: View, each: One) -> Resolve:
    name, target = views.reference(owner, each), cast(View, views.view_of(each.annotation))

    async def resolve(root: Record, info: Any) -> Record | None:
        key = getattr(root, name)
        return None if key is None else await info.context.reading.by_id(target, key)

    return resolve


def _many(owner: View, each: Many) -> Resolve:
    name, target = views.back_reference(owner, each), cast(View, views.view_of(each.annotation))
    parent = target.row.__table__.c[name]

    async def resolve(root: Record, info: Any, **given: Any) -> list[Record]:
        reading = info.context.reading
        size = lists.size_of(each, given)

        async def load(ids: list[str]) -> list[list[Record]]:
            order = list(each.order_by) or [target.row.__table__.c.id]
            statement = columns_of(target)
            if each.beside is not None:
                statement = statement.join(each.beside.__table__)
            statement = statement.where(
                among(parent, ids), *target.visible(reading.actor), *lists.narrowing(each, given)
            )
            if size is None:
                statement = statement.add_columns(parent.label("_parent")).order_by(*order)
            else:
                statement = first_per_parent(statement, parent, order, size)
            groups: dict[str, list[Record]] = {row_id: [] for row_id in ids}
            for row in await reading.execute(statement):
                groups[row["_parent"]].append(Record(target, row))
            return [groups[row_id] for row_id in ids]

        key = (owner.name, each.name, repr(sorted(given.items())))
        return await reading.loader(key, load).load(root.id)  # type: ignore[attr-defined]

    return resolve


def _sql(owner: View, each: Sql) -> Resolve:
    async def resolve(root: Record, info: Any) -> Any:
        if each.name in root.__dict__:  # whoever made the record knows it already
            return root.__dict__[each.name]
        reading = info.context.reading

        async def load(ids: list[str]) -> list[Any]:
            key = owner.row.__table__.c.id
            rows = await reading.execute(select(key, each.expression.label("_value")).where(among(key, ids)))
            values = {row["id"]: row["_value"] for row in rows}
            return [values.get(row_id) for row_id in ids]

        return await reading.loader((owner.name, each.name), load).load(root.id)  # type: ignore[attr-defined]

    return resolve


def _derived(_owner: View, each: Derived) -> Resolve:
    def resolve(root: Record, info: Any, **given: Any) -> Any:
        values = [
            views.money_of(root, name) if name not in root.__dict__ else getattr(root, name) for name in each.needs
        ]
        if each.for_actor:
            values.append(info.context.caller.actor)
        result = each.function(*values, **given)
        return MoneyType.of(result) if isinstance(result, Money) else result

    return resolve


def _batch(_owner: View, each: Batch) -> Resolve:
    target = views.view_of(each.annotation)

    async def resolve(root: Record, info: Any, **given: Any) -> Any:
        reading = info.context.reading

        async def load(ids: list[str]) -> list[Any]:
            values = await each.function(ids, reading, **given)
            return [values.get(row_id) for row_id in ids] if isinstance(values, Mapping) else values

        key = ("batch", each.function, repr(sorted(given.items())))
        value = await reading.loader(key, load).load(root.id)  # type: ignore[attr-defined]
        if target is None or value is None:
            return value
        if isinstance(value, list):
            return list((await reading.several(target, value)).values())
        return await reading.by_id(target, value)

    return resolve


def _pages_of_parent(_owner: View, each: Pages) -> Resolve:
    target = cast(View, views.view_of(each.annotation))

    async def resolve(root: Record, info: Any, **given: Any) -> lists.Page:
        return await lists.list_of_parent(info.context.reading, target, each, root.id, given)  # type: ignore[attr-defined]

    return resolve


def effect(target: View, each: Pages) -> Resolve:
    """The rows of one kind that an act wrote."""

    async def resolve(root: Payload, info: Any, **given: Any) -> Any:
        return (
            None
            if root.act is None
            else await lists.list_of_parent(info.context.reading, target, each, root.act, given)
        )

    return resolve


def whole_list(target: View, each: Pages) -> Resolve:
    async def resolve(_root: Any, info: Any, **given: Any) -> lists.Page:
        return await lists.whole_list(info.context.reading, target, each.listing, given)

    return resolve


def find(target: View, each: Find) -> Resolve:
    async def resolve(_root: Any, info: Any, by: Any) -> Record | None:
        asked = key_asked(each, by)
        if asked is None:
            return None
        name, value = asked
        if name == "id":
            return await info.context.reading.by_id(target, value)
        return await info.context.reading.find(target, each.keys[name](value))

    return resolve


def key_asked(each: Find, by: Any) -> tuple[str, Any] | None:
    """The key that a `@oneOf` input names, and its value."""
    for name in each.keys:
        given = getattr(by, name)
        if given is not None:
            return name, inputs.to_domain(given.value)
    return None


def nouns(noun: str, target: View, *, is_list: bool) -> Resolve:
    async def resolve(root: Payload, info: Any) -> Any:
        ids = root.nouns.get(noun)
        if is_list:
            return list((await info.context.reading.several(target, ids)).values()) if ids else []
        return None if ids is None else await info.context.reading.by_id(target, ids)

    return resolve


def function(operation: Operation) -> Resolve:
    async def resolve(_root: Any, info: Any, **given: Any) -> Any:
        return await operation.function(info.context, **given)

    return resolve


async def total_count(root: lists.Page, _info: Any) -> int | None:
    return await root.count()


def by_id(each: ById) -> Resolve:
    """Rows of any kind by their ids."""

    async def one(_root: Any, info: Any, id: str) -> Record | None:
        return (await find_nodes(info.context, [id]))[0]

    async def several(_root: Any, info: Any, ids: list[str]) -> list[Record | None]:
        return await find_nodes(info.context, ids)

    return several if each.many else one


async def find_nodes(context: Context, ids: Sequence[str]) -> list[Record | None]:
    """The rows behind ids of any kinds, in their order: a statement per kind. Scopes are looked at before any row."""
    kinds = [kind_of(each) for each in ids]
    for kind in kinds:
        if kind is not None:
            context.require(kind.scopes)

    async def find_one(kind: View | None, row_id: str) -> Record | None:
        return None if kind is None else await context.reading.by_id(kind, row_id)

    return await asyncio.gather(*map(find_one, kinds, ids))


def kind_of(row_id: str) -> View | None:
    """The view whose rows have ids of that prefix; None for what is no id of a node."""
    parts = split_id(row_id)
    if parts is None:
        return None
    return next((each for each in views.VIEWS.values() if each.is_node and each.prefix == parts[0]), None)
