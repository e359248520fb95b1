"""Declarations instead of resolvers: a GraphQL type is a thin view of a row.

    @view(catalog.Product)
    @access(Scope.PRODUCTS_READ)
    class Product(Node):
        \"\"\"A thing the shop sells.\"\"\"

        name: str
        variants: list["ProductVariant"] = many(order_by=...)

An annotation without a value is a column of that name (Money: the columns `<name>_amount` and `<name>_currency`).
A published name with no counterpart on the row stops the import. What points to a room above is added by that room:

    @extends("Product")
    class ProductStock:
        stock_levels: list[StockLevel] = many(...)

Nothing here touches Strawberry: declarations are collected, and `build` makes the types from them, once.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement

from api.graphql.kit.access import access_of
from api.graphql.kit.docs import attribute_docs, first_paragraph
from domain.kernel.ids import ID, Id
from domain.kernel.listing import Listing
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.rows import Row
from domain.kernel.scopes import Scope
from domain.kernel.work import Actor

Viewed = TypeVar("Viewed")


class Connection(Generic[Viewed]):
    """A page of a list, in annotations: `orders: Connection[Order]`."""


class Node:
    """Base of views whose rows have an id that `node(id:)` finds."""

    id: ID
    """Opaque and stable: a typed prefix and a UUIDv7."""


@dataclass(kw_only=True)
class Field:
    """One published field. `scopes` make it more private than its type."""

    scopes: frozenset[str] = frozenset()
    name: str = ""
    annotation: Any = None
    description: str | None = None


@dataclass(kw_only=True)
class Column(Field):
    """A column of the row."""


@dataclass(kw_only=True)
class One(Field):
    """The row that a foreign key of this row names."""

    by: str | None = None


@dataclass(kw_only=True)
class Amount(Field):
    """Money whose amount and currency are these columns; null where the amount is.

    `in_currency`: an argument may ask for one currency, and the answer is null where it is another.
    """

    amount: str
    currency: str
    in_currency: bool = False


@dataclass(frozen=True)
class Narrow:
    """An argument of a plain list: its type, what it is, and the condition it puts on the rows."""

    annotation: Any
    description: str
    condition: Callable[[Any], ColumnElement[bool]]


@dataclass(kw_only=True)
class Many(Field):
    """The rows whose foreign key names this row. Bounded by nature, so they need no pages; `size` is for pricing.

    `beside` is a row that they refer to and that `order_by` may speak of. With `first` (how many, unless the argument
    of that name says otherwise, and its description) no more than that come for each parent.
    """

    by: str | None = None
    order_by: Sequence[ColumnElement[Any]] = ()
    size: int = 10
    beside: type[Row] | None = None
    first: tuple[int, str] | None = None
    narrow: Mapping[str, Narrow] = field(default_factory=dict)


@dataclass(kw_only=True)
class Pages(Field):
    """A listing, by keyset pages: the whole one on Query, elsewhere the rows whose `by` column names this row.

    Where rows belong to several, `by` is a column of pairs that hold each once, and `on` says which row a pair names.
    """

    listing: Listing
    by: ColumnElement[Any] | None = None
    on: ColumnElement[bool] | None = None

    @property
    def link(self) -> Sequence[ColumnElement[bool]]:
        """The condition that joins rows to the pairs that `by` is a column of, where it is one."""
        return () if self.on is None else (self.on,)


@dataclass(kw_only=True)
class Sql(Field):
    """An expression that the database computes from the row's columns."""

    expression: ColumnElement[Any]


@dataclass(kw_only=True)
class Derived(Field):
    """A pure function of columns of this row; its keyword parameters behind them are the field's arguments.

    `for_actor`: it is also told who asks, behind the columns.
    """

    function: Callable[..., Any]
    needs: Sequence[str]
    for_actor: bool = False


@dataclass(kw_only=True)
class Batch(Field):
    """A function from all the ids of a level to their values, called once per level: `(ids, reading, **arguments)`.

    Where the field returns a view, the values are ids of it.
    """

    function: Callable[..., Any]


@dataclass(kw_only=True)
class Find(Field):
    """One row by one of its keys: a `@oneOf` input with a field per key."""

    keys: Mapping[str, Callable[[Any], ColumnElement[bool]]]
    key_types: Mapping[str, Any]


@dataclass(kw_only=True)
class ById(Field):
    """Rows of any kind by their ids, with the scopes that their types ask for; null for each that is not in sight."""

    many: bool


def by_id(*, many: bool = False) -> Any:
    """A row of any kind by its id, or several by theirs."""
    return ById(many=many)


def column(*, scopes: Sequence[Scope] = ()) -> Any:
    """A column with scopes of its own."""
    return Column(scopes=frozenset(scopes))


def one(*, by: str | None = None, scopes: Sequence[Scope] = ()) -> Any:
    """A reference. `by` names the column where more than one refers to the same table."""
    return One(by=by, scopes=frozenset(scopes))


def many(
    *order_by: ColumnElement[Any] | Any,
    by: str | None = None,
    size: int = 10,
    beside: type[Row] | None = None,
    first: tuple[int, str] | None = None,
    narrow: Mapping[str, Narrow] | None = None,
    scopes: Sequence[Scope] = (),
) -> Any:
    """A plain list, bounded by nature; `size` is what it is taken to have when a document is priced."""
    return Many(
        by=by,
        order_by=order_by,
        size=size,
        beside=beside,
        first=first,
        narrow=narrow or {},
        scopes=frozenset(scopes),
    )


def pages(
    listing: Listing,
    *,
    by: ColumnElement[Any] | Any = None,
    on: ColumnElement[bool] | None = None,
    scopes: Sequence[Scope] = (),
) -> Any:
    """A connection over a listing."""
    return Pages(listing=listing, by=by, on=on, scopes=frozenset(scopes))


def sql(expression: ColumnElement[Any] | Any, *, scopes: Sequence[Scope] = ()) -> Any:
    """A value that the database computes."""
    return Sql(expression=expression, scopes=frozenset(scopes))


def derived(
    function: Callable[..., Any], *, needs: Sequence[str], for_actor: bool = False, scopes: Sequence[Scope] = ()
) -> Any:
    """A value computed from columns of the row; with `for_actor`, another one for each who asks."""
    return Derived(function=function, needs=tuple(needs), for_actor=for_actor, scopes=frozenset(scopes))


def amount(column: str, currency: str = "currency", *, in_currency: bool = False, scopes: Sequence[Scope] = ()) -> Any:
    """Money whose amount and currency are these columns: several amounts of a row may share one currency."""
    return Amount(amount=column, currency=currency, in_currency=in_currency, scopes=frozenset(scopes))


def batch(function: Callable[..., Any], *, scopes: Sequence[Scope] = ()) -> Any:
    """A value computed for a whole level at once."""
    return Batch(function=function, scopes=frozenset(scopes))


def find(**keys: tuple[Any, Callable[[Any], ColumnElement[bool]]]) -> Any:
    """One row by a key: for each key its type and the condition it stands for."""
    return Find(
        keys={name: condition for name, (_, condition) in keys.items()},
        key_types={name: kind for name, (kind, _) in keys.items()},
    )


@dataclass(eq=False)
class View:
    """A declared type and what it needs to know to be read."""

    cls: type
    row: type[Row]
    scopes: frozenset[str]
    visible: Callable[[Actor], Sequence[ColumnElement[bool]]]
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The GraphQL name."""
        return self.cls.__name__

    @property
    def is_node(self) -> bool:
        """Whether `node(id:)` finds its rows."""
        return issubclass(self.cls, Node)

    @property
    def prefix(self) -> str:
        """The prefix of its ids, or an empty string for a row without one."""
        kind = getattr(self.row.__table__.c.get("id"), "type", None)
        return kind.prefix if isinstance(kind, Id) else ""

    @property
    def columns(self) -> list[Any]:
        """The columns that its plain, derived and reference fields read. Stored once a schema is built."""
        names = {"id"} if "id" in self.row.__table__.c else set()
        for each in self.fields.values():
            names |= columns_of(self, each)
        return [self.row.__table__.c[name] for name in sorted(names)]


VIEWS: dict[type, View] = {}
"""Every view, by its class."""
EXTENSIONS: list[tuple[str, type]] = []
"""What higher rooms add: the name of a type, and the class that declares the fields."""


def everything(_actor: Actor) -> Sequence[ColumnElement[bool]]:
    """The row scope of views whose rows are all in sight of whoever may read the type."""
    return ()


def view(
    row: type[Row], *, visible: Callable[[Actor], Sequence[ColumnElement[bool]]] = everything
) -> Callable[[type[Viewed]], type[Viewed]]:
    """Declare a class as the view of a row. `visible` says which rows an actor sees, everywhere alike."""

    def declare(cls: type[Viewed]) -> type[Viewed]:
        VIEWS[cls] = View(cls, row, access_of(cls), visible)
        return cls

    return declare


def extends(name: str) -> Callable[[type[Viewed]], type[Viewed]]:
    """Add fields to a type that is declared elsewhere: to a view of a lower room, to Query, to Effects."""

    def declare(cls: type[Viewed]) -> type[Viewed]:
        EXTENSIONS.append((name, cls))
        return cls

    return declare


def collect(cls: type) -> dict[str, Field]:
    """The fields that a class declares, with their annotations resolved where they were written."""
    hints = typing.get_type_hints(cls, localns=_namespace(), include_extras=True)
    docs = attribute_docs(cls)
    fields: dict[str, Field] = {}
    for name, annotation in hints.items():
        if name.startswith("_") or typing.get_origin(annotation) is ClassVar:
            continue
        declared = getattr(cls, name, None)
        each = declared if isinstance(declared, Field) else Column()
        if isinstance(each, Column) and without_none(annotation) is Money:
            each = Amount(amount=f"{name}_amount", currency=f"{name}_currency", scopes=each.scopes)
        each.name, each.annotation, each.description = name, annotation, first_paragraph(docs.get(name))
        fields[name] = each
    return fields


def view_named(name: str) -> View:
    """The view of that GraphQL name."""
    for each in VIEWS.values():
        if each.name == name:
            return each
    raise LookupError(f"there is no view {name}")


def view_of(annotation: Any) -> View | None:
    """The view behind an annotation, whatever wraps it: `list[X]`, `X | None`, `Connection[X]`."""
    inner = annotation
    while typing.get_origin(inner) in (list, Connection) or is_optional(inner):
        inner = next(arg for arg in typing.get_args(inner) if arg is not types.NoneType)
    return VIEWS.get(inner) if isinstance(inner, type) else None


def is_optional(annotation: Any) -> bool:
    """Whether the annotation allows None."""
    return typing.get_origin(annotation) in (typing.Union, types.UnionType) and types.NoneType in typing.get_args(
        annotation
    )


def without_none(annotation: Any) -> Any:
    """`X` of `X | None`."""
    if not is_optional(annotation):
        return annotation
    rest = [arg for arg in typing.get_args(annotation) if arg is not types.NoneType]
    return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007


def columns_of(owner: View, each: Field) -> set[str]:
    """The names of the row's columns that a field reads; raises when a published name has no counterpart."""
    table = owner.row.__table__.c
    match each:
        case Column():
            names = {each.name}
        case Amount():
            names = {each.amount, each.currency}
        case One():
            names = {reference(owner, each)}
        case Derived():
            names = {column for need in each.needs for column in ((need,) if need in table else _money_columns(need))}
        case _:
            names = set()
    missing = names - set(table.keys())
    if missing:
        raise TypeError(
            f"{owner.name}.{each.name} has no counterpart: {owner.row.__tablename__} has no {', '.join(missing)}"
        )
    return names


def reference(owner: View, each: One) -> str:
    """The column of this row that names the other row."""
    target = view_of(each.annotation)
    if target is None:
        raise TypeError(f"{owner.name}.{each.name} must be annotated with a view")
    return each.by or _only(foreign_keys(owner.row, target.row), f"{owner.name}.{each.name}")


def back_reference(owner: View, each: Many) -> str:
    """The column of the other row that names this row."""
    target = view_of(each.annotation)
    if target is None:
        raise TypeError(f"{owner.name}.{each.name} must be annotated with a list of a view")
    return each.by or _only(foreign_keys(target.row, owner.row), f"{owner.name}.{each.name}")


def foreign_keys(row: type[Row], target: type[Row]) -> list[str]:
    """The columns of a row that refer to another table."""
    wanted = target.__table__
    return [c.name for c in row.__table__.c if any(key.column.table is wanted for key in c.foreign_keys)]


def money_of(record: Any, name: str) -> Money | None:
    """The money whose two columns a record holds."""
    amount = getattr(record, f"{name}_amount")
    return None if amount is None else Money(amount, CurrencyCode(getattr(record, f"{name}_currency")))


def arguments_of(function: Callable[..., Any], *, skip: int) -> dict[str, inspect.Parameter]:
    """The parameters of a function behind the first `skip`, their annotations resolved."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    return {each.name: each.replace(annotation=hints.get(each.name, each.annotation)) for each in parameters}


def is_enum(annotation: Any) -> bool:
    """Whether the annotation is an enum of the domain."""
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _money_columns(name: str) -> tuple[str, str]:
    return f"{name}_amount", f"{name}_currency"


def _only(names: Sequence[str], where: str) -> str:
    if len(names) != 1:
        raise TypeError(f"{where}: name the column with by=, there are {len(names)} to choose from")
    return names[0]


def _namespace() -> dict[str, Any]:
    """Names of all views, so that rooms may refer to each other's types as text."""
    return {each.cls.__name__: each.cls for each in VIEWS.values()}
