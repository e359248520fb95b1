"""Inputs are the domain's own dataclasses, seen from outside: declared once there, turned into GraphQL inputs here.

`str | Absent` becomes a field that may be left out but not emptied, `str | None | Absent` one that may be either. On
the way in, what the caller left out becomes ABSENT or the field's default.
"""

import dataclasses
import types
import typing
from decimal import Decimal
from functools import lru_cache
from typing import Any

import strawberry
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
_domain: dict[type, type] = {}


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
        _domain[_inputs[domain_class]] = domain_class
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


def to_domain(value: Any, *, path: tuple[str | int, ...] = ()) -> Any:
    """An input as the domain's dataclass. What was left out falls to the default.

    Refuses with Invalid where null was given for something that can be changed but not emptied.
    """
    if isinstance(value, list):
        return [to_domain(each, path=(*path, n)) for n, each in enumerate(value)]
    domain_class = _domain.get(type(value))
    if domain_class is None:
        return value
    values: dict[str, Any] = {}
    for each, name, kinds in _fields_of(domain_class):
        given, here = getattr(value, each.name), (*path, name)
        if isinstance(given, strawberry.Some):
            if given.value is None and types.NoneType not in kinds:
                raise Invalid("This can be changed or left out, but not emptied.", path=here)
            values[each.name] = to_domain(given.value, path=here)
        elif given is not None and given is not strawberry.UNSET:
            values[each.name] = to_domain(given, path=here)
        elif not _has_default(each):
            values[each.name] = None
    return domain_class(**values)


@lru_cache(maxsize=256)
def _fields_of(domain_class: type) -> "list[tuple[dataclasses.Field[Any], str, tuple[Any, ...]]]":
    """The fields of a dataclass of the domain, each with its published name and what its type is made of."""
    hints = typing.get_type_hints(domain_class)
    return [
        (each, to_camel_case(each.name), typing.get_args(hints[each.name])) for each in dataclasses.fields(domain_class)
    ]


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
    return strawberry.input(type(name, (), namespace), name=name, description=first_paragraph(domain_class.__doc__))


def _has_default(each: "dataclasses.Field[Any]") -> bool:
    return each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
