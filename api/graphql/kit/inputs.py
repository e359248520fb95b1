"""Inputs are the domain's own dataclasses, seen from outside: declared once there, turned into GraphQL inputs here.

`str | Absent` becomes a field that may be left out but not emptied, `str | None | Absent` one that may be either. On
the way in, what the caller left out becomes ABSENT or the field's default.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import strawberry
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from api.graphql.kit.docs import attribute_docs, first_paragraph
from api.graphql.kit.enums import published
from api.graphql.kit.views import is_enum
from domain.kernel.absent import Absent
from domain.kernel.errors import Invalid
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID
from domain.kernel.money import Money

_names: dict[type, str] = {Money: "MoneyInput", ExternalId: "ExternalIdInput"}
_inputs: dict[type, type] = {}


def input_name(domain_class: type, name: str) -> None:
    """Publish a dataclass of the domain under this name."""
    _names[domain_class] = name


def input_of(domain_class: type, name: str | None = None) -> type:
    """The Strawberry input of a dataclass of the domain, made on first use."""
    if domain_class not in _inputs:
        name = name or _names.get(domain_class)
        if name is None:
            raise TypeError(f"{domain_class.__name__} has no input name: say input_name({domain_class.__name__}, …)")
        _inputs[domain_class] = _build(domain_class, name)
    return _inputs[domain_class]


def is_input(annotation: Any) -> bool:
    """Whether an annotation is a dataclass of the domain that inputs are made from."""
    return (
        isinstance(annotation, type)
        and dataclasses.is_dataclass(annotation)
        and not hasattr(annotation, "__strawberry_definition__")
    )


def argument_type(annotation: Any) -> Any:
    """The GraphQL type of an argument or input field with this annotation."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in args if arg not in (types.NoneType, Absent)]
        plain = argument_type(inner[0])
        if Absent in args:
            return strawberry.Maybe[typing.Optional[plain]]  # noqa: UP045  null is refused by to_domain, with a path
        return typing.Optional[plain]  # noqa: UP045  works for Strawberry's wrappers too
    if origin is list:
        return list[argument_type(args[0])]
    if annotation is ID:
        return strawberry.ID
    if is_enum(annotation):
        return published(annotation)
    return input_of(annotation) if is_input(annotation) else annotation


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """An input object as graphql-core coerced it, and the dataclass it is to become."""

    domain_class: type
    fields: Mapping[str, Any]
    """By their published names; what was left out is not there."""


def to_domain(value: Any, *, path: tuple[str | int, ...] = ()) -> Any:
    """An input as the domain's dataclass. What was left out falls to the default.

    Refuses with Invalid where null was given for something that can be changed but not emptied.
    """
    if isinstance(value, list):
        return [to_domain(each, path=(*path, n)) for n, each in enumerate(value)]
    return _made(value.domain_class, value.fields, path) if isinstance(value, Given) else value


def _made(domain_class: type, given: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    fields, without_default = _fields_of(domain_class)
    values = without_default.copy()
    for name, value in given.items():
        each = fields[name]
        if value is not None:
            values[each.name] = _nested(value, each.nested, (*path, name)) if each.nested else value
        elif each.may_be_absent:
            if not each.may_be_null:
                raise Invalid("This can be changed or left out, but not emptied.", path=(*path, name))
            values[each.name] = None
    return domain_class(**values)


def _nested(value: Any, domain_class: type, path: tuple[str | int, ...]) -> Any:
    """An input object within another one, or a list of them."""
    if isinstance(value, list):
        return [_nested(each, domain_class, (*path, n)) for n, each in enumerate(value)]
    return None if value is None else _made(domain_class, value, path)


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field of a dataclass of the domain."""

    name: str
    may_be_absent: bool
    may_be_null: bool
    nested: type | None
    """The dataclass of the domain that its values are, or the elements of its values."""


@lru_cache(maxsize=256)
def _fields_of(domain_class: type) -> tuple[dict[str, _Field], dict[str, None]]:
    """The fields of a dataclass by their published names; and null by the names of those that have no default."""
    hints = typing.get_type_hints(domain_class)
    found: dict[str, _Field] = {}
    for each in dataclasses.fields(domain_class):
        kinds = typing.get_args(hints[each.name])
        found[to_camel_case(each.name)] = _Field(
            each.name, Absent in kinds, types.NoneType in kinds, _dataclass_in(hints[each.name])
        )
    return found, {each.name: None for each in dataclasses.fields(domain_class) if not _has_default(each)}


def _dataclass_in(annotation: Any) -> type | None:
    """The dataclass of the domain that an annotation names, if it does: by itself, in a list, or beside None."""
    if is_input(annotation):
        return annotation
    return next((found for each in typing.get_args(annotation) if (found := _dataclass_in(each))), None)


def meaning(value: Any) -> Any:
    """The input as plain data, for the hash of an idempotency key: what it means, not how it was written."""
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, list):
        return [meaning(each) for each in value]
    if isinstance(value, Absent):
        return {"absent": True}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: meaning(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return value


def _build(domain_class: type, name: str) -> type:
    hints = typing.get_type_hints(domain_class)
    docs = attribute_docs(domain_class)
    namespace: dict[str, Any] = {"__annotations__": {}, "__doc__": domain_class.__doc__, "__module__": __name__}
    for each in dataclasses.fields(domain_class):
        annotation, description = argument_type(hints[each.name]), first_paragraph(docs.get(each.name))
        if _has_default(each) and Absent not in typing.get_args(hints[each.name]):
            annotation = typing.Optional[annotation] if annotation is not None else annotation  # noqa: UP045
            namespace[each.name] = strawberry.field(default=strawberry.UNSET, description=description)
        elif Absent in typing.get_args(hints[each.name]):
            namespace[each.name] = strawberry.field(default=None, description=description)
        else:
            namespace[each.name] = strawberry.field(description=description)
        namespace["__annotations__"][each.name] = annotation
    made = strawberry.input(type(name, (), namespace), name=name, description=first_paragraph(domain_class.__doc__))
    get_object_definition(made, strict=True).from_input = lambda _, fields, __: Given(domain_class, fields)
    return made


def _has_default(each: "dataclasses.Field[Any]") -> bool:
    return each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
