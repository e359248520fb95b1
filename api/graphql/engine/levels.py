"""Levels: the rows of one place of a document, and the flat statement that reads all of them at once.

A level knows its columns (slots), which of them tell whose rows are whose, and how its SELECT is made. Rows that one
foreign key away are joined in; lists are levels of their own. How levels travel together is `statement`'s subject.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    any_,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from api.graphql.engine.fragments import Fragment, parameter
from api.graphql.engine.wire import kind_of, wire_of
from api.graphql.kit import lists, resolvers, views
from api.graphql.kit.views import Find, Many, Pages, Sql, View
from domain.kernel import listing as keyset
from domain.kernel.ids import ID, is_id
from domain.kernel.listing import Order, Slice
from domain.kernel.money import format_quantity

if TYPE_CHECKING:
    from api.graphql.engine.arguments import Arguments
    from api.graphql.engine.run import Run
    from api.graphql.kit.reading import Record

MOST_JOINS = 6
"""Rows joined into one level; further references are levels of their own, so that no statement grows without end."""
MOST_ROWS = 1_000_001
"""A safety net behind the limit on rows of an answer, which is checked once they are here."""


class Froms(Protocol):
    """Where columns come from while a statement is being built."""

    def column(self, source: "Source", name: str) -> ColumnElement[Any]: ...
    def computed(self, source: "Source", declared: Sql) -> ColumnElement[Any]: ...
    def keys(self, level: "Level") -> ColumnElement[Any]: ...
    def key_rows(self, level: "Level") -> Any: ...
    def selectable(self, level: "Level") -> FromClause: ...
    def scope(self, view: View) -> Sequence[ColumnElement[bool]]: ...


@dataclass(eq=False)
class Slot:
    """One column of a level: how it is selected, and how a record that was made elsewhere gives the same value."""

    make: Callable[[Froms], ColumnElement[Any]]
    kind: str
    """The SQL type. Columns of one kind share their places in a statement of several levels."""
    of_record: Callable[["Record"], Any]
    place: int = -1
    """Where it stands in a fetched row."""

    @property
    def code(self) -> str:
        """The expression that reads it from the row `r`."""
        return f"r[{self.place}]"


class Source:
    """Rows that columns are taken from: a level's own, or those of a reference joined to it."""

    def __init__(self, level: "Level", view: View, *, above: "Source | None" = None, by: str = "") -> None:
        self.level, self.view, self.above, self.by = level, view, above, by
        self.name = f"j{len(level.joins)}" if above else ""
        self.sure = False
        """Whether every row above has one: the foreign key says so, and no scope hides any."""
        self.columns: set[str] = {"id"}
        self.computations: dict[str, Sql] = {}

    @property
    def table(self) -> Any:
        """The table of the view's rows."""
        return self.view.row.__table__

    def plain(self, name: str) -> Slot:
        """A column as the driver gives it."""
        kind = self.table.c[name].type
        self.columns.add(name)
        return self._slot(("plain", name), lambda froms: froms.column(self, name), kind_of(kind), wire_of(kind, name))

    def quantity(self, name: str) -> Slot:
        """A number as text without zeros behind it."""
        self.columns.add(name)
        return self._slot(
            ("quantity", name),
            lambda froms: cast(func.trim_scale(froms.column(self, name)), Text),
            "TEXT",
            lambda record: _text(getattr(record, name), format_quantity),
        )

    def digits(self, name: str) -> Slot:
        """A number as text with all the digits that are stored."""
        self.columns.add(name)
        return self._slot(
            ("digits", name),
            lambda froms: cast(froms.column(self, name), Text),
            "TEXT",
            lambda record: _text(getattr(record, name), lambda value: f"{value:f}"),
        )

    def sql(self, declared: Sql, *, text: bool, trimmed: bool) -> Slot:
        """A declared expression, as text where its value is a number."""
        self.computations[declared.name] = declared

        def make(froms: Froms) -> ColumnElement[Any]:
            made = froms.computed(self, declared)
            return cast(func.trim_scale(made) if trimmed else made, Text) if text else made

        def of_record(record: "Record") -> Any:
            value = record.__dict__[declared.name]
            return _text(value, format_quantity if trimmed else lambda number: f"{number:f}") if text else value

        kind = "TEXT" if text else kind_of(declared.expression.type)
        return self._slot(("sql", declared.name), make, kind, of_record)

    def _slot(self, key: Hashable, make: Any, kind: str, of_record: Any) -> Slot:
        return self.level.slot((self.name, key), make, kind, of_record)


def _text(value: Any, form: Callable[[Any], str]) -> str | None:
    return None if value is None else form(value)


@dataclass
class Binding:
    """What one run asks of a level: `form` decides the text of the statement, the rest are its values."""

    form: Hashable
    fragments: tuple[Fragment, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    part: Slice = field(default_factory=lambda: Slice(0))
    orders: tuple[Order, ...] = ()


class Unit:
    """Something that is read once for its whole place in the document: a level of rows, or a batch of values."""

    index: int = -1
    stage: int = 0
    """Which round of statements reads it: a round needs only what earlier ones brought."""


class Level(Unit):
    """The rows of one place."""

    single = False
    """Whether at most one row has the same key: rows found by their own id."""
    own_order = False

    def __init__(self, view: View) -> None:
        self.view = view
        self.joins: list[Source] = []
        self.slots: dict[Hashable, Slot] = {}
        self.base = Source(self, view)
        self.above: Level | None = None
        """The level in the same statement whose rows hold the keys of this one; None: keys are parameters, or none."""
        self.above_key: Slot | None = None
        self.scoped: list[View] = []
        """Its views of which an actor may not see every row."""
        self.key: Slot | None = None
        """By what rows are told apart: the parent's id, or their own."""

    def slot(self, key: Hashable, make: Any, kind: str, of_record: Any) -> Slot:
        """The slot of that column, made when first asked for."""
        if key not in self.slots:
            self.slots[key] = Slot(make, kind, of_record)
        return self.slots[key]

    def below(self, above: "Level", key: Slot) -> None:
        """Take the keys from a slot of another level: in the same statement where that is read by one."""
        self.stage = above.stage
        self.above, self.above_key = above, key

    def label(self, slot: Slot) -> str:
        """The name of a column inside the statement."""
        return f"c{list(self.slots.values()).index(slot)}"

    def selected(self, froms: Froms) -> list[ColumnElement[Any]]:
        """The columns, under their names."""
        return [slot.make(froms).label(f"c{n}") for n, slot in enumerate(self.slots.values())]

    def bind(self, run: "Run") -> Binding | None:
        """What this run asks of the level; None: nothing, so that it is left out. Raises what is wrong with it."""
        raise NotImplementedError

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        """The flat statement of this level."""
        raise NotImplementedError

    def _from(self, froms: Froms) -> Select[Any]:
        rows = froms.selectable(self)  # first: it says what stands for each joined source
        return select(*self.selected(froms)).select_from(rows)


class KeyedLevel(Level):
    """A level whose rows are found by keys: those of the level above, or ids that are known by the time it is read."""

    key_type: Any

    def bind(self, run: "Run") -> Binding | None:
        """The keys, where they are not in the statement itself; nothing is read where there are none."""
        if self.above is not None:
            return Binding(())
        ids = run.ids.get(self.index)
        return Binding((), values={"ids": list(ids)}) if ids else None

    def ids_parameter(self) -> ColumnElement[Any]:
        """The parameter that holds the keys."""
        return parameter(f"ids_{self.index}", ARRAY(self.key_type))


class ByIdLevel(KeyedLevel):
    """Rows by their own ids: what references, `node`, payloads and batch functions name."""

    single = True

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.id = self.key = self.base.plain("id")
        self.key_type = view.row.__table__.c.id.type

    def id_of(self, row: Sequence[Any]) -> str:
        """The id of a row that was read."""
        return f"{self.key_type.prefix}_{row[self.id.place]}"

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:  # noqa: ARG002
        column = froms.column(self.base, "id")
        return self._from(froms).where(column == any_(froms.keys(self)), *froms.scope(self.view))


class ManyLevel(KeyedLevel):
    """The rows that belong to each row of the level above: all of them, or the first few."""

    own_order = True

    def __init__(self, view: View, declared: Many, by: str, arguments: "Arguments") -> None:
        super().__init__(view)
        self.declared, self.by, self.arguments = declared, by, arguments
        self.key = self.base.plain(by)
        self.key_type = view.row.__table__.c[by].type

    def bind(self, run: "Run") -> Binding | None:
        binding = super().bind(run)
        if binding is None:
            return None
        given = self.arguments.of(run.variables)
        size = lists.size_of(self.declared, given)
        fragment = Fragment(lists.narrowing(self.declared, given))
        return Binding((size, fragment.form), (fragment,), binding.values, Slice(size or 0))

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        parent = froms.column(self.base, self.by)
        statement = self._from(froms).where(
            parent == any_(froms.keys(self)), *binding.fragments[0].conditions, *froms.scope(self.view)
        )
        order = list(self.declared.order_by) or [froms.column(self.base, "id")]
        if self.declared.first is None:
            return statement.order_by(parent, *order).limit(literal_column(str(MOST_ROWS)))
        place = func.row_number().over(partition_by=parent, order_by=order).label("place")
        numbered = statement.add_columns(place).subquery()
        kept = [column for column in numbered.c if column.name != "place"]
        within = select(*kept).where(numbered.c.place <= literal_column(str(binding.part.size)))
        return within.order_by(numbered.c[self.label(self.key)], numbered.c.place)  # type: ignore[arg-type]


class ListingLevel(Level):
    """What pages of a declared listing have in common: filter, search, sort, slice."""

    def __init__(self, view: View, declared: Pages, arguments: "Arguments") -> None:
        super().__init__(view)
        self.declared, self.arguments = declared, arguments
        self.listing = declared.listing
        self.counted: CountLevel | None = None
        self.rows_wanted = False
        self.cursors_wanted = False
        self._constant: Binding | None = None

    def bound(self, run: "Run") -> Binding:
        """The page that the arguments ask for."""
        if self._constant is not None:
            return self._constant
        given = self.arguments.of(run.variables)
        part, orders = lists.slice_asked(given), tuple(lists.orders_asked(self.listing, given))
        conditions = lists.conditions_asked(self.listing, given)
        fragment = Fragment(conditions)
        values: dict[str, Any] = {}
        if part.cursor is not None:
            read = keyset.read_cursor(self.listing, orders, part)
            values = {f"after{n}": value for n, value in enumerate(read)}
        form = (part.size, part.backward, part.cursor is not None, orders, fragment.form)
        binding = Binding(form, (fragment,), values, part, orders)
        if self.arguments.constant:
            self._constant = binding
        return binding

    def sort_slots(self, orders: Sequence[Order]) -> list[tuple[Slot, Any]]:
        """The slots that hold a row's place in the list, each with its column."""
        found = keyset.sort_values(self.listing, orders)
        return [(self.base.plain(column.name), column) for column in found]  # type: ignore[attr-defined]

    def page(self, froms: Froms, binding: Binding, base: Select[Any]) -> Select[Any]:
        """The rows of one page and one more, which tells whether there is a next one."""
        keys = keyset.sort_columns(self.listing, binding.orders)
        if binding.part.cursor is not None:
            values = [parameter(f"after{n}_{self.index}", column.type) for n, (column, _) in enumerate(keys)]
            base = base.where(keyset.beyond(keys, values, backward=binding.part.backward))
        ways = [column.desc() if descending != binding.part.backward else column.asc() for column, descending in keys]
        base = base.where(*binding.fragments[0].conditions, *froms.scope(self.view))
        return base.order_by(*ways).limit(literal_column(str(binding.part.size + 1)))

    @property
    def all_sorts(self) -> set[str]:
        """The columns that any sort of the listing may put into a cursor."""
        return {column.name for column in self.listing.sorts.values()} | {"id"}  # type: ignore[attr-defined]


class ListLevel(ListingLevel):
    """A page of a whole listing."""

    def bind(self, run: "Run") -> Binding | None:
        binding = self.bound(run)
        run.pages[self.index] = binding
        return binding if self.rows_wanted and binding.part.size else None

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        return self.page(froms, binding, self._from(froms))


class PageLevel(KeyedLevel, ListingLevel):
    """A page of the rows that belong to each row of the level above."""

    own_order = True

    def __init__(self, view: View, declared: Pages, arguments: "Arguments") -> None:
        ListingLevel.__init__(self, view, declared, arguments)
        assert declared.by is not None
        by, self.key_type = declared.by, declared.by.type
        if declared.on is None:
            self.key = self.base.plain(by.name)  # type: ignore[attr-defined]
        else:
            self.key = self.slot("parent", lambda _: by, kind_of(self.key_type), lambda _: None)

    def bind(self, run: "Run") -> Binding | None:
        binding = self.bound(run)
        run.pages[self.index] = binding
        keyed = KeyedLevel.bind(self, run)
        if keyed is None or not self.rows_wanted:
            return None
        values = {**binding.values, **keyed.values}
        return Binding(binding.form, binding.fragments, values, binding.part, binding.orders)

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        parents = froms.key_rows(self)
        own = self._from(froms).where(self.declared.by == parents.c.id, *self.declared.link)  # type: ignore[operator]
        page = self.page(froms, binding, own).lateral("page")
        return select(*page.c).select_from(parents.join(page, true()))


class FindLevel(Level):
    """The one row that a `@oneOf` key names."""

    def __init__(self, view: View, declared: Find, arguments: "Arguments") -> None:
        super().__init__(view)
        self.declared, self.arguments = declared, arguments
        self.simple = {name for name, kind in declared.key_types.items() if kind in (ID, str) and "_" not in name}
        """The keys whose values are plain text, under the same name in GraphQL."""

    def bind(self, run: "Run") -> Binding | None:
        name, value = self._key(run)
        if name == "id":
            known = is_id(value, self.view.prefix)
            return Binding("id", values={"id": value}) if known else None
        fragment = Fragment([self.declared.keys[name](value)])
        return Binding((name, fragment.form), (fragment,))

    def _key(self, run: "Run") -> tuple[str, Any]:
        """The key that is asked for and its value: of a `@oneOf` input exactly one is given."""
        ((given, value),) = self.arguments.plain(run.variables)["by"].items()
        if given in self.simple:
            return given, value
        asked = resolvers.key_asked(self.declared, self.arguments.of(run.variables)["by"])
        assert asked is not None
        return asked

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        if binding.fragments:
            conditions: Sequence[ColumnElement[bool]] = binding.fragments[0].conditions
        else:
            column = froms.column(self.base, "id")
            conditions = [column == parameter(f"id_{self.index}", column.type)]
        statement = self._from(froms).where(*conditions, *froms.scope(self.view))
        return statement.limit(literal_column("1"))


class CountLevel(KeyedLevel):
    """How many rows a page's list has in all: of the whole listing, or for each parent."""

    single = True

    def __init__(self, of: ListLevel | PageLevel) -> None:
        Level.__init__(self, of.view)
        self.of = of
        if isinstance(of, PageLevel):
            by = of.declared.by
            assert by is not None
            self.key_type = of.key_type
            self.key = self.slot("parent", lambda _: by, kind_of(of.key_type), lambda _: None)
        self.total = self.slot("total", lambda _: func.count(), "BIGINT", lambda _: None)

    def bind(self, run: "Run") -> Binding | None:
        binding = self.of.bound(run)
        if self.key is None:
            return Binding(binding.fragments[0].form, binding.fragments)
        keyed = super().bind(run)
        return None if keyed is None else Binding(binding.fragments[0].form, binding.fragments, keyed.values)

    def select(self, froms: Froms, binding: Binding) -> Select[Any]:
        statement = select(*self.selected(froms)).select_from(self.view.row.__table__)
        statement = statement.where(*binding.fragments[0].conditions, *froms.scope(self.view))
        if isinstance(self.of, ListLevel):
            return statement
        by = self.of.declared.by
        statement = statement.where(*self.of.declared.link)
        return statement.where(by == any_(froms.keys(self))).group_by(by)  # type: ignore[operator,arg-type]


class GivenLevel(Level):
    """Rows that a function or an event brought along: records, whose columns are there already."""

    single = True

    def rows_of(self, records: Sequence["Record"]) -> list[tuple[Any, ...]]:
        """The records as rows of this level, in their wire form."""
        return [tuple(slot.of_record(record) for slot in self.slots.values()) for record in records]


def joined(source: Source, view: View, by: str) -> Source | None:
    """The rows that a column of `source` refers to, joined to its level; None where they need a level of their own."""
    level = source.level
    if isinstance(level, GivenLevel) or len(level.joins) >= MOST_JOINS:
        return None
    for known in level.joins:
        if known.above is source and known.by == by:
            return known
    made = Source(level, view, above=source, by=by)
    column = source.table.c[by]
    made.sure = (
        not column.nullable
        and any(key.column is view.row.__table__.c.id for key in column.foreign_keys)
        and view.visible is views.everything
        and (source.above is None or source.sure)
    )
    level.joins.append(made)
    source.columns.add(by)
    return made


def selectable(level: Level, froms: Froms, aliases: dict[Source, FromClause]) -> FromClause:
    """The table of a level with all that is joined to it. Fills `aliases` with what stands for each joined source."""
    clause: FromClause = level.view.row.__table__
    beside = level.declared.beside if isinstance(level, ManyLevel) else None
    if beside is not None:
        clause = clause.join(beside.__table__)
    for source in level.joins:
        target = source.table
        if source.sure and source.above is level.base and beside is source.view.row and _only_key(level, source):
            aliases[source] = target  # it is joined already, for the order
            continue
        scope = froms.scope(source.view)
        if scope or source.computations:
            columns = [target.c[name] for name in sorted(source.columns)]
            columns += [each.expression.label(f"sql_{name}") for name, each in source.computations.items()]
            aliases[source] = select(*columns).where(*scope).subquery(source.name)
        else:
            aliases[source] = target.alias(source.name)
        assert source.above is not None
        on = aliases[source].c.id == froms.column(source.above, source.by)
        clause = clause.join(aliases[source], on, isouter=not source.sure)
    return clause


def _only_key(level: Level, source: Source) -> bool:
    """Whether a joined source follows the one foreign key by which a list's `beside` is joined."""
    return not source.computations and views.foreign_keys(level.view.row, source.view.row) == [source.by]


def scoped_views(level: Level) -> list[View]:
    """The views of a level, each once: its own and those joined to it."""
    found = [level.view, *(source.view for source in level.joins)]
    return [view for view in dict.fromkeys(found) if view.visible is not views.everything]
