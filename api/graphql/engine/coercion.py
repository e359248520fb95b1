"""Values of variables as their types say: what graphql-core's coercion comes to where nothing is wrong with them.

graphql-core asks anew at every value what kind of type it has. Here that is asked once, when a document is first seen:
what comes of a type is a function of the value. Whatever is not plainly right is Unfit, and graphql-core says then what
is wrong with it, or that nothing is (a list of one may be given without brackets).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
    get_named_type,
    is_required_input_field,
)
from graphql.utilities.coerce_input_value import coerce_default_value

Coerce = Callable[[Any], Any]


class Unfit(Exception):  # noqa: N818  a reason to ask graphql-core, not a fault
    """Not plainly a value of its type."""


def coercion_of(kind: GraphQLInputType) -> Coerce | None:
    """The function that coerces values of a type, or raises Unfit; None for types that contain themselves, whose
    values graphql-core watches lest they are nested too deeply.
    """
    named = get_named_type(kind)
    return None if isinstance(named, GraphQLInputObjectType) and _has_no_end(named) else _coercion(kind)


@lru_cache(maxsize=1024)
def _has_no_end(kind: GraphQLInputObjectType) -> bool:
    return _contains(kind, ())


def _contains(kind: Any, above: tuple[GraphQLInputObjectType, ...]) -> bool:
    """Whether an input type contains itself, or one of those above it."""
    if not isinstance(kind, GraphQLInputObjectType):
        return False
    below = (get_named_type(field.type) for field in kind.fields.values())
    return kind in above or any(_contains(each, (*above, kind)) for each in below)


def _coercion(kind: Any) -> Coerce:
    if isinstance(kind, GraphQLNonNull):
        return _sure(_present(kind.of_type))
    present = _present(kind)
    return lambda value: None if value is None else present(value)


def _sure(present: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            raise Unfit
        return present(value)

    return coerce


def _present(kind: Any) -> Coerce:
    """How a value that is not null is coerced."""
    if isinstance(kind, GraphQLList):
        return _list(_coercion(kind.of_type))
    if isinstance(kind, GraphQLInputObjectType):
        return _object(kind)
    return _leaf(kind.coerce_input_value)


def _leaf(read: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        try:
            found = read(value)
        except Exception as error:
            raise Unfit from error
        if found is Undefined:
            raise Unfit
        return found

    return coerce


def _list(item: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if type(value) is not list:
            raise Unfit
        return [item(each) for each in value]

    return coerce


@lru_cache(maxsize=1024)
def _object(kind: GraphQLInputObjectType) -> Coerce:
    fields = {name: (field.out_name or name, _coercion(field.type)) for name, field in kind.fields.items()}
    required = {name for name, field in kind.fields.items() if is_required_input_field(field)}
    defaults = {field.out_name or name: coerce_default_value(field) for name, field in kind.fields.items()}
    defaults = {name: default for name, default in defaults.items() if default is not Undefined}
    made, is_one_of = kind.out_type, kind.is_one_of

    def coerce(value: Any) -> Any:
        if type(value) is not dict or not required <= value.keys():
            raise Unfit
        coerced = defaults.copy()
        for name, each in value.items():  # what is given, and not all that might be
            known = fields.get(name)
            if known is None:
                raise Unfit
            coerced[known[0]] = known[1](each)
        if is_one_of and (len(value) != 1 or None in coerced.values()):
            raise Unfit
        try:
            return made(coerced)
        except GraphQLError as error:  # Strawberry looks itself whether exactly one is given
            raise Unfit from error

    return coerce
