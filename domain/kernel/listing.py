"""Lists that are as fast on page 10,000 as on page 1.

A capability declares a `Listing` of its noun: which columns may be filtered, by which it may be sorted, how it is
searched. Everything else follows from the declaration: the GraphQL inputs, the statements, the cursors. Pages are
keyset pages: a cursor holds the sort values of a row, and the next page starts behind them by an index.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Column as SchemaColumn
from sqlalchemy import ColumnElement, Select, Text, and_, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from domain.kernel.errors import Invalid
from domain.kernel.ids import Id, is_id
from domain.kernel.rows import Row

PAGE = 50
LARGEST_PAGE = 250
MOST_CONDITIONS = 100
"""Conditions that one filter has at most; a list of values is one condition."""
LONGEST_SEARCH, MOST_WORDS = 255, 16
"""Characters and words that one search has at most."""
HIGHEST = "\U0010ffff"
"""The last code point: every string with a prefix sorts below prefix + HIGHEST in the C collation."""

Column = InstrumentedAttribute[Any] | ColumnElement[Any]
Search = Callable[[str], ColumnElement[bool]]


@dataclass(frozen=True)
class Filter:
    """A column that lists may be narrowed by.

    `kind` chooses the operators (see the methods of `_OPERATORS`); `enum` names the members of a CHOICE; a FOLDED
    column holds lower-case text and is compared without regard to case; `within` wraps the condition where the column
    is not on the listed row itself.
    """

    column: Column
    kind: str
    enum: type[StrEnum] | None = None
    within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None


def text(column: Column, *, within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None) -> Filter:
    """Exact text: eq, in, startsWith."""
    return Filter(column, "TEXT", within=within)


def folded(column: Column, *, within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None) -> Filter:
    """Text without regard to case, on a column that holds its lower-case form: eq, in, startsWith."""
    return Filter(column, "FOLDED", within=within)


def identity(column: Column, *, within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None) -> Filter:
    """Ids: in."""
    return Filter(column, "ID", within=within)


def choice(column: Column, enum: type[StrEnum]) -> Filter:
    """Members of an enum: in, notIn."""
    return Filter(column, "CHOICE", enum=enum)


def instant(column: Column) -> Filter:
    """Instants: after, before (both exclusive)."""
    return Filter(column, "INSTANT")


def day(column: Column) -> Filter:
    """Days: eq, gte, lte."""
    return Filter(column, "DAY")


def decimal(column: Column) -> Filter:
    """Decimals: eq, gte, lte."""
    return Filter(column, "DECIMAL")


@dataclass(frozen=True)
class Listing:
    """What may be asked of the list of one noun.

    `sorts` maps a name to the column it sorts by, NOT NULL and either unique or indexed together with the id that
    breaks ties; the first is the default. `search` turns the caller's words into a condition.
    """

    row: type[Row]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sorts: Mapping[str, Column] = field(default_factory=dict)
    search: Search | None = None

    @property
    def default_sort(self) -> str:
        """The sort that applies when the caller names none: ascending by the first one declared."""
        return next(iter(self.sorts))


@dataclass(frozen=True)
class Slice:
    """Which part of the list: the arguments of a GraphQL connection, checked."""

    size: int
    backward: bool = False
    cursor: str | None = None


@dataclass(frozen=True)
class Order:
    """One sort of a caller: which of the listing's sorts, and which way."""

    name: str
    descending: bool = False


def slice_of(
    *, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
) -> Slice:
    """Check the paging arguments. Refuses with Invalid and the argument's name."""
    for name, value in (("first", first), ("last", last)):
        if value is not None and value < 0:
            raise Invalid(f"`{name}` cannot be negative.", path=(name,))
        if value is not None and value > LARGEST_PAGE:
            raise Invalid(f"`{name}` is at most {LARGEST_PAGE}; page on with a cursor.", path=(name,))
    if last is not None or before is not None:
        if first is not None or after is not None:
            raise Invalid(
                "Page forward with `first` and `after`, or backward with `last` and `before`, not both.", path=("last",)
            )
        return Slice(PAGE if last is None else last, backward=True, cursor=before)
    return Slice(PAGE if first is None else first, cursor=after)


def condition(listing: Listing, given: Mapping[str, Any]) -> ColumnElement[bool] | None:
    """The condition of a filter input: all its fields hold, and at least one of `any`, where that is given.

    Refuses with Invalid when there are more than MOST_CONDITIONS in it.
    """
    if _size(given) > MOST_CONDITIONS:
        raise Invalid(f"A filter has at most {MOST_CONDITIONS} conditions.", path=("filter",))
    terms: list[ColumnElement[bool]] = []
    for name, operators in given.items():
        if operators is None:
            continue
        if name == "any":
            alternatives = [term for each in operators if (term := condition(listing, each)) is not None]
            if alternatives:
                terms.append(or_(*alternatives))
            continue
        chosen = listing.filters[name]
        tests = [
            _OPERATORS[chosen.kind][operator](chosen.column, value)
            for operator, value in operators.items()
            if value is not None
        ]
        if tests:
            test = and_(*tests)
            terms.append(chosen.within(test) if chosen.within else test)
    return and_(*terms) if terms else None


def _size(given: Mapping[str, Any]) -> int:
    """How many conditions a filter has, those of its alternatives included."""
    return sum(
        sum(map(_size, operators)) if name == "any" else len(operators)
        for name, operators in given.items()
        if operators is not None
    )


def keyset(listing: Listing, orders: Sequence[Order], part: Slice, *, base: Select[Any]) -> Select[Any]:
    """The statement for one page: its rows and one more, which tells whether there is a next page.

    `base` selects from the listed row and carries the conditions. The sort values of each row come back as columns
    `_sort_0`, … for its cursor. A backward page is read in the reverse order; the caller turns it round.
    """
    keys = sort_columns(listing, orders)
    statement = base.add_columns(*(column.label(f"_sort_{n}") for n, (column, _) in enumerate(keys)))
    if part.cursor is not None:
        statement = statement.where(beyond(keys, read_cursor(listing, orders, part), backward=part.backward))
    direction = [column.desc() if descending != part.backward else column.asc() for column, descending in keys]
    return statement.order_by(*direction).limit(part.size + 1)


def sort_values(listing: Listing, orders: Sequence[Order]) -> list[ColumnElement[Any]]:
    """The columns that a row's place in the list is made of, the id last."""
    return [column for column, _ in sort_columns(listing, orders)]


def ordering(listing: Listing, orders: Sequence[Order]) -> list[ColumnElement[Any]]:
    """ORDER BY of the list, for statements that page within a parent."""
    return [column.desc() if descending else column.asc() for column, descending in sort_columns(listing, orders)]


def total(listing: Listing, base: Select[Any]) -> Select[Any]:
    """The statement that counts what `base` selects. Only for callers who ask."""
    return select(func.count()).select_from(
        base.with_only_columns(listing.row.__table__.c.id).order_by(None).subquery()
    )


def write_cursor(orders: Sequence[Order], values: Sequence[Any]) -> str:
    """An opaque cursor: the sorts it belongs to and a row's values for them."""
    return base64.urlsafe_b64encode(orjson.dumps([_fingerprint(orders), *values], default=str)).rstrip(b"=").decode()


def read_cursor(listing: Listing, orders: Sequence[Order], part: Slice) -> list[Any]:
    """The sort values in a cursor. Refuses with Invalid when it was made by another list or another sort."""
    refusal = Invalid(
        "This cursor does not belong to this list and sort.", path=("before" if part.backward else "after",)
    )
    try:
        cursor = (part.cursor or "").encode()
        fingerprint, *values = orjson.loads(base64.urlsafe_b64decode(cursor + b"=" * (-len(cursor) % 4)))
        columns = sort_values(listing, orders)
        if fingerprint != _fingerprint(orders) or len(values) != len(columns):
            raise refusal
        return [_typed(column, value) for column, value in zip(columns, values, strict=True)]
    except (ValueError, TypeError, ArithmeticError, binascii.Error):
        raise refusal from None


def sort_columns(listing: Listing, orders: Sequence[Order]) -> list[tuple[Any, bool]]:
    """The columns to sort by and whether each is descending.

    Ties are broken by id, the way of the last sort; a unique column has none, and its index has no id in it.
    """
    chosen = list(orders) or [Order(listing.default_sort)]
    keys: list[tuple[Any, bool]] = [(listing.sorts[order.name], order.descending) for order in chosen]
    if any(_is_unique(column) for column, _ in keys):
        return keys
    return [*keys, (listing.row.__table__.c.id, keys[-1][1])]


@lru_cache(maxsize=256)
def _is_unique(column: "SchemaColumn[Any]") -> bool:
    """Whether an index makes sure that no two rows have the same value."""
    return set(column.table.primary_key.columns) == {column} or any(
        index.unique and set(index.columns) == {column} and index.dialect_options["postgresql"]["where"] is None
        for index in column.table.indexes
    )


def beyond(keys: Sequence[tuple[Any, bool]], values: Sequence[Any], *, backward: bool) -> ColumnElement[bool]:
    """Rows strictly behind the values (or parameters). One row comparison, which an index answers, where all sorts go
    the same way."""
    ways = {descending for _, descending in keys}
    typed = [
        value if isinstance(value, ColumnElement) else literal(value, column.type)
        for (column, _), value in zip(keys, values, strict=True)
    ]
    if len(ways) == 1:
        mine, theirs = tuple_(*(column for column, _ in keys)), tuple_(*typed)
        return mine < theirs if (True in ways) != backward else mine > theirs
    alternatives = []
    for n, (column, descending) in enumerate(keys):
        same = [keys[m][0] == typed[m] for m in range(n)]
        further = column < typed[n] if descending != backward else column > typed[n]
        alternatives.append(and_(*same, further))
    return or_(*alternatives)


def _fingerprint(orders: Sequence[Order]) -> str:
    return ",".join(("-" if order.descending else "") + order.name for order in orders)


def _typed(column: Any, value: Any) -> Any:
    """A cursor's JSON value as the column's Python type; raises ValueError when it cannot be one."""
    if isinstance(column.type, Id):
        if not isinstance(value, str) or not is_id(value, column.type.prefix):
            raise ValueError(value)
        return value
    kind = column.type.python_type
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    if kind is Decimal:
        return Decimal(value)
    if not isinstance(value, kind) or (isinstance(value, str) and "\x00" in value):
        raise ValueError(value)
    return value


def in_ids(column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """Foreign and malformed ids name nothing, so they are left out."""
    prefix = column.type.prefix
    return column == func.any(literal([value for value in values if is_id(value, prefix)], ARRAY(column.type)))


def _any(column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    return column == func.any(literal(list(values), ARRAY(column.type)))


def _prefix(column: Any, start: Any) -> ColumnElement[bool]:
    return and_(column >= start, column < start.op("||")(HIGHEST))


def has_words(column: Any, search: str) -> ColumnElement[bool]:
    """A text search vector has all the words, each perhaps cut short."""
    terms = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "':*" for word in search.split()]
    return column.op("@@")(func.to_tsquery("simple", " & ".join(terms)))


def starts_folded(column: Any, search: str) -> ColumnElement[bool]:
    """A column of lower-case text starts with what is searched for, without regard to case."""
    return _prefix(column, func.lower(search.strip()))


_Operators = Mapping[str, Callable[[Any, Any], ColumnElement[bool]]]

_COMPARED: _Operators = {
    "eq": lambda column, value: column == value,
    "gte": lambda column, value: column >= value,
    "lte": lambda column, value: column <= value,
}
_OPERATORS: Mapping[str, _Operators] = {
    "ID": {"in": in_ids},
    "TEXT": {
        "eq": lambda column, value: column == value,
        "in": _any,
        "starts_with": lambda column, value: _prefix(column, literal(value, column.type)),
    },
    # The database folds the case of what is asked as it folded the column: in its own locale, so the value must not
    # take on the column's "C" collation, which knows ASCII only.
    "FOLDED": {
        "eq": lambda column, value: column == func.lower(value),
        "in": lambda column, values: column.in_(select(func.lower(func.unnest(literal(list(values), ARRAY(Text)))))),
        "starts_with": lambda column, value: _prefix(column, func.lower(value)),
    },
    "CHOICE": {"in": _any, "not_in": lambda column, values: ~_any(column, values)},
    "INSTANT": {
        "after": lambda column, value: column > value,
        "before": lambda column, value: column < value,
    },
    "DAY": _COMPARED,
    "DECIMAL": _COMPARED,
}


def operators_of(kind: str) -> frozenset[str]:
    """The operators that a kind of filter knows, for the kit that turns them into inputs."""
    return frozenset(_OPERATORS[kind])
