"""Connections: the types, the inputs and the pages of a declared listing."""

import enum
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, func

from api.graphql.kit.enums import published
from api.graphql.kit.reading import Reading, Record, among, columns_of, first_per_parent
from api.graphql.kit.views import Many, Pages, View
from domain.kernel import listing as keyset
from domain.kernel.errors import Invalid
from domain.kernel.listing import LARGEST_PAGE, Listing, Order, Slice


@strawberry.type(name="PageInfo", description="Whether there is more on either side, and the cursors to go on with.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows behind `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether more comes before `startCursor`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first one here.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last one here.")


@dataclass
class Edge:
    """One row of a page and its cursor."""

    node: Any
    cursor: str


@dataclass
class Page:
    """A page of a list, as every connection resolves from it."""

    edges: list[Edge]
    has_next_page: bool
    has_previous_page: bool
    count: Callable[[], Awaitable[int | None]]

    @property
    def page_info(self) -> PageInfo:
        """The four facts of the Relay connection specification."""
        return PageInfo(
            has_next_page=self.has_next_page,
            has_previous_page=self.has_previous_page,
            start_cursor=self.edges[0].cursor if self.edges else None,
            end_cursor=self.edges[-1].cursor if self.edges else None,
        )


async def whole_list(reading: Reading, view: View, listing: Listing, arguments: Mapping[str, Any]) -> Page:
    """A page of a whole listing: one statement, and one more where the total is asked for."""
    part, orders = slice_asked(arguments), orders_asked(listing, arguments)
    base = columns_of(view).where(*view.visible(reading.actor), *conditions_asked(listing, arguments))

    async def count() -> int:
        return (await reading.execute(keyset.total(listing, base)))[0]["count_1"]

    if part.size == 0:
        if part.cursor is not None:
            keyset.read_cursor(listing, orders, part)  # a cursor of another list is refused in any case
        return Page([], has_next_page=False, has_previous_page=part.cursor is not None, count=count)
    rows = await reading.execute(keyset.keyset(listing, orders, part, base=base))
    return _page(view, rows, orders, part, count)


async def list_of_parent(
    reading: Reading, view: View, pages: Pages, parent_id: str, arguments: Mapping[str, Any]
) -> Page:
    """A page of the rows that belong to one parent: one statement for all parents of the level."""
    part, orders = slice_asked(arguments), orders_asked(pages.listing, arguments)
    assert pages.by is not None
    by = pages.by
    base = columns_of(view).where(
        *view.visible(reading.actor), *conditions_asked(pages.listing, arguments), *pages.link
    )
    key = (view.name, str(by), repr(sorted(arguments.items(), key=lambda item: item[0])))

    async def load(parents: list[str]) -> list[list[dict[str, Any]]]:
        level = base.where(among(by, parents))
        statement = keyset.keyset(pages.listing, orders, part, base=level).order_by(None).limit(None)
        ordering = keyset.ordering(pages.listing, _turned(pages.listing, orders) if part.backward else orders)
        rows = await reading.execute(first_per_parent(statement, by, ordering, part.size + 1))
        return _by_parent(rows, parents)

    async def load_counts(parents: list[str]) -> list[int]:
        statement = base.where(among(by, parents)).with_only_columns(by.label("_parent"), func.count().label("_count"))
        rows = await reading.execute(statement.order_by(None).group_by(by))
        counts = {row["_parent"]: row["_count"] for row in rows}
        return [counts.get(parent, 0) for parent in parents]

    rows = await reading.loader(("pages", *key), load).load(parent_id)
    return _page(view, rows, orders, part, lambda: reading.loader(("count", *key), load_counts).load(parent_id))


def size_of(many: Many, arguments: Mapping[str, Any]) -> int | None:
    """How many rows of a plain list come for each parent at most; None: as many as there are."""
    return None if many.first is None else keyset.slice_of(first=arguments.get("first")).size


def narrowing(many: Many, arguments: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What the arguments of a plain list ask of its rows."""
    return [
        narrow.condition(arguments[name]) for name, narrow in many.narrow.items() if arguments.get(name) is not None
    ]


def _page(
    view: View,
    rows: Sequence[dict[str, Any]],
    orders: Sequence[Order],
    part: Slice,
    count: Callable[[], Awaitable[int]],
) -> Page:
    more, shown = len(rows) > part.size, list(rows[: part.size])
    if part.backward:
        shown.reverse()
    edges = [Edge(Record(view, row), keyset.write_cursor(orders, _sort_values(row))) for row in shown]
    beyond = part.cursor is not None
    return Page(
        edges,
        has_next_page=beyond if part.backward else more,
        has_previous_page=more if part.backward else beyond,
        count=count,
    )


def _sort_values(row: Mapping[str, Any]) -> list[Any]:
    values = []
    while (name := f"_sort_{len(values)}") in row:
        values.append(row[name])
    return values


def _by_parent(rows: Sequence[dict[str, Any]], parents: Sequence[str]) -> list[list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {parent: [] for parent in parents}
    for row in rows:
        groups[row["_parent"]].append(row)
    return [groups[parent] for parent in parents]


def _turned(listing: Listing, orders: Sequence[Order]) -> list[Order]:
    return [Order(each.name, not each.descending) for each in orders or [Order(listing.default_sort)]]


def slice_asked(arguments: Mapping[str, Any]) -> Slice:
    """The page that the arguments ask for. Refuses with Invalid."""
    return keyset.slice_of(**{name: arguments.get(name) for name in ("first", "after", "last", "before")})


def orders_asked(listing: Listing, arguments: Mapping[str, Any]) -> list[Order]:
    """The sorts that the arguments ask for. Refuses with Invalid what is named twice."""
    orders = [member.value for member in arguments.get("sort") or ()]
    names = [order.name for order in orders]
    if len(set(names)) != len(names):
        raise Invalid("Sort by each field once.", path=("sort",))
    return orders or [Order(listing.default_sort)]


def conditions_asked(listing: Listing, arguments: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What `filter` and `search` ask of the rows. Refuses with Invalid what asks too much."""
    conditions: list[ColumnElement[bool]] = []
    if (given := arguments.get("filter")) is not None:
        condition = keyset.condition(listing, _plain(given))
        conditions += [] if condition is None else [condition]
    words = (arguments.get("search") or "").strip()
    if len(words) > keyset.LONGEST_SEARCH or len(words.split()) > keyset.MOST_WORDS:
        message = f"Search for at most {keyset.MOST_WORDS} words and {keyset.LONGEST_SEARCH} characters."
        raise Invalid(message, path=("search",))
    if words and listing.search is not None:
        conditions.append(listing.search(words))
    return conditions


def _plain(given: Any) -> dict[str, Any]:
    """A filter input as plain data, without what was left out."""
    values: dict[str, Any] = {}
    for name in type(given).__annotations__:
        value = getattr(given, name)
        if value is None or value is strawberry.UNSET:
            continue
        if isinstance(value, list):
            values["any"] = [_plain(each) for each in value]
        else:
            operators = {each: getattr(value, each) for each in type(value).__annotations__}
            values[name] = {
                operator.rstrip("_"): operand
                for operator, operand in operators.items()
                if operand is not strawberry.UNSET
            }
    return values


# --- types ----------------------------------------------------------------------------------------------------------

_filters: dict[str, Any] = {}
_sorts: dict[str, Any] = {}
_operator_inputs: dict[str, Any] = {}

_OPERATOR_DOCS = {
    "eq": "Equal to this.",
    "in_": "Equal to one of these.",
    "not_in": "Equal to none of these.",
    "starts_with": "Starts with this.",
    "gte": "At least this.",
    "lte": "At most this.",
    "after": "Later than this.",
    "before": "Earlier than this.",
}
_KINDS: dict[str, tuple[str, Any]] = {
    "TEXT": ("StringFilter", str),
    "FOLDED": ("StringFilter", str),
    "ID": ("IDFilter", strawberry.ID),
    "INSTANT": ("DateTimeFilter", datetime),
    "DAY": ("DateFilter", date),
    "DECIMAL": ("DecimalFilter", Decimal),
}
_MANY = {"in_", "not_in"}


def list_arguments(listing: Listing, name: str) -> dict[str, tuple[Any, str]]:
    """The arguments of a connection over a listing: name → (type, description)."""
    arguments: dict[str, tuple[Any, str]] = {
        "first": (int | None, f"How many from the start or behind `after`; 50 by default, {LARGEST_PAGE} at most."),
        "after": (str | None, "Only what follows this cursor."),
        "last": (int | None, f"How many from the end or before `before`; {LARGEST_PAGE} at most."),
        "before": (str | None, "Only what precedes this cursor."),
    }
    if listing.filters:
        arguments["filter"] = (typing.Optional[_filter_input(listing, name)], "Only those that meet all of these.")  # noqa: UP045
    if listing.search is not None:
        arguments["search"] = (str | None, "Only those found by these words.")
    if listing.sorts:
        arguments["sort"] = (typing.Optional[list[_sort_enum(listing, name)]], "By what to sort; ties go by id.")  # noqa: UP045
    return arguments


def _filter_input(listing: Listing, name: str) -> Any:
    type_name = f"{name}Filter"
    if type_name not in _filters:
        cls = type(type_name, (), {"__annotations__": {}})
        for field_name, each in listing.filters.items():
            cls.__annotations__[field_name] = typing.Optional[_operator_input(each)]  # noqa: UP045
            setattr(
                cls,
                field_name,
                strawberry.field(default=strawberry.UNSET, description=f"By its {field_name.replace('_', ' ')}."),
            )
        cls.any = strawberry.field(default=strawberry.UNSET, description="At least one of these must be met.")  # type: ignore[attr-defined]
        cls.__annotations__["any"] = typing.Optional[list[cls]]  # noqa: UP045
        made = strawberry.input(
            cls, name=type_name, description=f"Narrows a list: all fields given must hold ({name})."
        )
        _filters[type_name] = made
    return _filters[type_name]


def _operator_input(each: keyset.Filter) -> Any:
    if each.kind == "CHOICE":
        assert each.enum is not None
        type_name, operand = f"{each.enum.__name__}Filter", published(each.enum)
    else:
        type_name, operand = _KINDS[each.kind]
    if type_name not in _operator_inputs:
        cls = type(type_name, (), {"__annotations__": {}})
        for operator in sorted(keyset.operators_of(each.kind)):
            python_name = "in_" if operator == "in" else operator
            kind = list[operand] if python_name in _MANY else operand
            cls.__annotations__[python_name] = typing.Optional[kind]  # noqa: UP045
            described = strawberry.field(
                name="in" if operator == "in" else None,
                default=strawberry.UNSET,
                description=_OPERATOR_DOCS[python_name],
            )
            setattr(cls, python_name, described)
        note = "Conditions on one value; all given must hold."
        _operator_inputs[type_name] = strawberry.input(cls, name=type_name, description=note)
    return _operator_inputs[type_name]


def _sort_enum(listing: Listing, name: str) -> Any:
    type_name = f"{name}Sort"
    if type_name not in _sorts:
        members = {}
        for sort in listing.sorts:
            words = sort.replace("_", " ").lower()
            members[f"{sort}_ASC"] = strawberry.enum_value(
                Order(sort), description=f"By {words}, smallest or oldest first."
            )
            members[f"{sort}_DESC"] = strawberry.enum_value(
                Order(sort, descending=True), description=f"By {words}, largest or newest first."
            )
        made: Any = enum.Enum(type_name, members)
        _sorts[type_name] = strawberry.enum(made, name=type_name, description=f"How a list is sorted ({name}).")
    return _sorts[type_name]
