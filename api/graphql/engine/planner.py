"""From a document to a plan: the levels to read, the batches to call, and the shapes to make of them.

The planner walks the selections once. For a row of a view each field's declaration says what is needed of it: a column,
a joined row, another level, a batch function. Values of Python functions are walked by their GraphQL types.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from graphql import (
    GraphQLID,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from api.graphql.engine.arguments import Arguments
from api.graphql.engine.connections import Connection, FunctionPages, Pages
from api.graphql.engine.levels import (
    ByIdLevel,
    CountLevel,
    FindLevel,
    GivenLevel,
    KeyedLevel,
    Level,
    ListLevel,
    ManyLevel,
    PageLevel,
    Slot,
    Source,
    Unit,
    joined,
    scoped_views,
)
from api.graphql.engine.selection import Selected, Selector
from api.graphql.engine.shapes import (
    Batched,
    Computed,
    Joined,
    Money,
    Namespace,
    PageOf,
    Part,
    Referred,
    Rows,
    Shape,
    TypeName,
    Value,
)
from api.graphql.engine.statement import Layout
from api.graphql.engine.unplannable import Unplannable
from api.graphql.engine.values import (
    Completer,
    Constant,
    Entry,
    GivenRow,
    Leaf,
    ListOf,
    ObjectOf,
    OneOf,
    Reference,
    References,
    attribute,
    itself,
    type_name_of,
)
from api.graphql.kit import views
from api.graphql.kit.build import Built
from api.graphql.kit.operations import Operation, Payload
from api.graphql.kit.plain import REFERS
from api.graphql.kit.scalars import MoneyType
from api.graphql.kit.views import Amount, Batch, ById, Column, Derived, Find, Many, One, Sql, View, without_none
from api.graphql.kit.views import Pages as PagesField
from domain.kernel.ids import ID, Id
from domain.kernel.money import CurrencyCode, Quantity, Rate, amount_text
from domain.kernel.money import Money as DomainMoney
from domain.kernel.rows import Choice


class Given(Unit):
    """Arguments of a field that no level takes: those of a computed value. `pick`: only the one of that name."""

    def __init__(self, arguments: Arguments, pick: str | None = None) -> None:
        self.arguments, self.pick = arguments, pick


class BatchUnit(Unit):
    """A batch function and the rows it is called for."""

    def __init__(self, level: Level, key: Slot, prefix: str, function: Any, arguments: Arguments) -> None:
        self.level, self.key, self.prefix = level, key, prefix
        self.function, self.arguments = function, arguments
        self.completer: Completer | None = None


@dataclass(eq=False)
class Root:
    """A field of the operation, and where its value comes from."""

    selected: Selected
    completer: Completer
    level: Level | None = None
    """The level that it shows, where it shows one."""
    call: Operation | ById | None = None
    """What is called for its value, where something is."""
    arguments: Arguments | None = None


@dataclass(eq=False)
class Plan:
    """What one operation, or one field of a mutation, comes to."""

    roots: list[Root] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    shapes: dict[Level, list[Shape]] = field(default_factory=dict)
    layouts: list[Layout] = field(default_factory=list)
    builders: dict[int, list[Callable[..., Any]]] = field(default_factory=dict)
    feeds: dict[GivenLevel, list[tuple[Slot, KeyedLevel]]] = field(default_factory=dict)
    """What given rows name: the levels that take the ids in a slot of theirs."""
    statements: dict[Any, Any] = field(default_factory=dict)
    """Compiled statements by their form."""
    alone: bool = True
    """Whether one statement is all that is read, so that it needs no transaction around it."""
    is_constant: bool = True
    """Whether the document says it all: no argument below the roots takes a variable."""

    rounds: list[list[Unit]] = field(default_factory=list)
    """The units by the round that reads them."""


class Planner:
    """Makes one plan."""

    def __init__(self, built: Built, selector: Selector) -> None:
        self.built, self.selector = built, selector
        self.plan = Plan()
        self.stage = 0

    def query(self, roots: list[Selected]) -> Plan:
        """The plan of a query, all its fields together."""
        self.plan.roots = [self._root(selected) for selected in roots]
        return self._finished()

    def given(self, selected: Selected) -> Plan:
        """The plan of one field whose value is handed in: the payload of a mutation, a message of a subscription."""
        self.plan.roots = [Root(selected, self.completer(selected, selected.definition.type))]
        return self._finished()

    def _finished(self) -> Plan:
        plan = self.plan
        calls = any(root.call is not None and not isinstance(root.call, ById) for root in plan.roots)
        batches = any(isinstance(unit, BatchUnit) for unit in plan.units)
        stages = 1 + max((unit.stage for unit in plan.units), default=0)
        plan.alone = stages == 1 and not calls and not batches
        for number in range(stages):
            units = [unit for unit in plan.units if unit.stage == number]
            plan.rounds.append(units)
            plan.layouts.append(Layout([unit for unit in units if isinstance(unit, Level)]))
        for unit in plan.units:
            if isinstance(unit, Level):
                unit.scoped = scoped_views(unit)
        for level in plan.shapes:
            if isinstance(level, GivenLevel):
                for place, slot in enumerate(level.slots.values()):
                    slot.place = place
        for level, shapes in plan.shapes.items():
            plan.builders[level.index] = [_compiled(shape) for shape in shapes]
        return plan

    # --- units and shapes

    def _unit(self, unit: Any) -> Any:
        unit.index = len(self.plan.units) + 1
        self.plan.units.append(unit)
        return unit

    def _level(self, level: Any, *, above: Level | None = None, key: Slot | None = None) -> Any:
        """Add a level, below another one or by itself in the present round."""
        level.stage = self.stage
        if isinstance(above, GivenLevel):
            assert key is not None
            level.stage = above.stage
            self.plan.feeds.setdefault(above, []).append((key, level))
        elif above is not None:
            assert key is not None
            level.below(above, key)
        return self._unit(level)

    def _shape(self, source: Source, selected: Selected) -> Shape:
        """What the document asks of the rows of a source: the level's own, so that it is built with the level."""
        shape = self._parts(source, selected)
        shapes = self.plan.shapes.setdefault(source.level, [])
        shape.index = len(shapes)
        shapes.append(shape)
        return shape

    def _parts(self, source: Source, selected: Selected) -> Shape:
        kind = cast(GraphQLObjectType, self.built.core.get_type(source.view.name))
        shape = Shape(source.level)
        for each in self.selector.below(kind, selected):
            shape.parts.append(self._part(source, each))
        return shape

    # --- fields of rows

    def _part(self, source: Source, selected: Selected) -> Part:
        if selected.name == "__typename":
            return TypeName(selected, source.view.name)
        declared: Any = self.built.declared.fields[source.view.name, selected.name]
        planners: dict[type, Callable[[Source, Selected, Any], Part]] = {
            Column: self._column,
            Amount: self._amount,
            Sql: self._sql,
            One: self._one,
            Many: self._many,
            PagesField: self._pages,
            Derived: self._derived,
            Batch: self._batch,
        }
        if type(declared) not in planners:
            raise Unplannable(f"{type(declared).__name__.lower()} on a view")
        return planners[type(declared)](source, selected, declared)

    def _column(self, source: Source, selected: Selected, declared: Column) -> Part:
        column = source.table.c[declared.name]
        kind = without_none(declared.annotation)
        sure = not column.nullable
        if kind is Quantity:
            slot = source.quantity(declared.name)
        elif kind in (Decimal, Rate):
            slot = source.digits(declared.name)
        else:
            slot = source.plain(declared.name)
        return Value(selected, _shown(slot, column.type, kind, sure=sure), sure=sure)

    def _amount(self, source: Source, selected: Selected, declared: Amount) -> Part:
        money = cast(GraphQLObjectType, self.built.core.get_type("Money"))
        fields = [(each.key, each.name) for each in self.selector.below(money, selected)]
        amount, currency = source.digits(declared.amount), source.plain(declared.currency)
        only = None
        if declared.in_currency and any(each.arguments for each in selected.nodes):
            only = self._unit(Given(self._arguments(selected), "currency"))
            only.stage = source.level.stage
        return Money(selected, amount, currency, fields, amount_text, only)

    def _sql(self, source: Source, selected: Selected, declared: Sql) -> Part:
        kind = without_none(declared.annotation)
        number = kind in (Quantity, Decimal)
        slot = source.sql(declared, text=number, trimmed=kind is Quantity)
        return Value(selected, _shown(slot, declared.expression.type, kind))

    def _one(self, source: Source, selected: Selected, declared: One) -> Part:
        target, by = cast(View, views.view_of(declared.annotation)), views.reference(source.view, declared)
        into = joined(source, target, by)
        if into is not None:
            return Joined(selected, None if into.sure else into.plain("id"), self._parts(into, selected))
        key = source.plain(by)
        level = self._level(ByIdLevel(target), above=source.level, key=key)
        return Referred(selected, key, level, self._shape(level.base, selected))

    def _many(self, source: Source, selected: Selected, declared: Many) -> Part:
        target, by = cast(View, views.view_of(declared.annotation)), views.back_reference(source.view, declared)
        key = source.plain("id")
        made = ManyLevel(target, declared, by, self._arguments(selected))
        level = self._level(made, above=source.level, key=key)
        return Rows(selected, key, level, self._shape(level.base, selected))

    def _pages(self, source: Source, selected: Selected, declared: PagesField) -> Part:
        key = source.plain("id")
        return PageOf(selected, key, self._page_level(selected, declared, above=source.level, key=key))

    def _derived(self, source: Source, selected: Selected, declared: Derived) -> Part:
        needs = [_needed(source, name) for name in declared.needs]
        arguments = None
        if selected.definition.args:
            arguments = self._unit(Given(self._arguments(selected)))
            arguments.stage = source.level.stage
        completer = self.completer(selected, selected.definition.type)
        function: Callable[..., Any] = declared.function
        if without_none(declared.annotation) is DomainMoney:
            function = _money_shown(declared.function)
        text = get_nullable_type(selected.definition.type) in (GraphQLString, GraphQLID)
        return Computed(selected, function, needs, completer, arguments, declared.for_actor, text)

    def _batch(self, source: Source, selected: Selected, declared: Batch) -> Part:
        key = source.plain("id")
        unit = BatchUnit(source.level, key, source.view.prefix, declared.function, self._arguments(selected))
        self._unit(unit).stage = source.level.stage
        before, self.stage = self.stage, source.level.stage + 1
        unit.completer = self._of_view(selected, declared) or self.completer(selected, selected.definition.type)
        self.stage = before
        return Batched(selected, key, unit, unit.completer)

    def _of_view(self, selected: Selected, declared: Batch) -> Completer | None:
        """Batch functions name rows of views by their ids."""
        target = views.view_of(declared.annotation)
        if target is None:
            return None
        reference = self._reference(selected, target)
        return References(reference) if is_list_type(get_nullable_type(selected.definition.type)) else reference

    def _arguments(self, selected: Selected) -> Arguments:
        arguments = Arguments(selected, self.built.schema)
        self.plan.is_constant &= arguments.constant
        return arguments

    # --- connections

    def _page_level(
        self, selected: Selected, declared: PagesField, *, above: Level | None = None, key: Slot | None = None
    ) -> Pages:
        """A connection over a declared listing; `PageLevel` where it belongs to parents."""
        target = cast(View, views.view_of(declared.annotation))
        kind = ListLevel if declared.by is None else PageLevel
        level = self._level(kind(target, declared, self._arguments(selected)), above=above, key=key)
        connection = self._connection(selected, level)
        level.rows_wanted = connection.rows
        if connection.cursors:
            for column in (*declared.listing.sorts.values(), target.row.__table__.c.id):
                level.base.plain(column.name)
        count = self._level(CountLevel(level), above=above, key=key) if connection.counts else None
        self.plan.shapes.setdefault(level, [])
        return Pages(level, count, connection)

    def _connection(self, selected: Selected, level: Level) -> Connection:
        kind = cast(GraphQLObjectType, get_named_type(selected.definition.type))
        connection = Connection(kind.name)
        for place, entry in enumerate(self.selector.below(kind, selected)):
            shape = None
            if entry.name == "nodes":
                shape = self._shape(level.base, entry)
            elif entry.name == "edges":
                edge = cast(GraphQLObjectType, get_named_type(entry.definition.type))
                connection.edges[place] = [
                    (each, self._shape(level.base, each) if each.name == "node" else None)
                    for each in self.selector.below(edge, entry)
                ]
            elif entry.name == "pageInfo":
                info = cast(GraphQLObjectType, get_named_type(entry.definition.type))
                connection.infos[place] = self.selector.below(info, entry)
            connection.entries.append((entry, entry.name, shape))
        return connection

    # --- values of Python functions

    def completer(self, selected: Selected, kind: Any) -> Completer:
        """What completes values of a GraphQL type that stand at `selected`."""
        nullable = get_nullable_type(kind)
        if is_list_type(nullable):
            inner = nullable.of_type
            return ListOf(selected, self.completer(selected, inner), is_non_null_type(inner))
        if is_leaf_type(nullable):
            return Leaf(nullable)
        if isinstance(nullable, (GraphQLInterfaceType, GraphQLUnionType)):
            types = {each.name: self._object(selected, each) for each in self.built.core.get_possible_types(nullable)}
            return OneOf(types, type_name_of)
        return self._object(selected, cast(GraphQLObjectType, nullable))

    def _object(self, selected: Selected, kind: GraphQLObjectType) -> Completer:
        declared = self.built.declared
        if kind.name in declared.views:
            level = self._level(GivenLevel(declared.views[kind.name]))
            return GivenRow(level, self._shape(level.base, selected))
        if kind.name in declared.connections:
            level = self._level(GivenLevel(declared.views[declared.connections[kind.name]]))
            return FunctionPages(level, self._connection(selected, level))
        made = ObjectOf()
        for each in self.selector.below(kind, selected):
            made.entries.append(self._entry(kind, each))
        return made

    def _entry(self, kind: GraphQLObjectType, selected: Selected) -> Entry:
        """A field of a plain type, of a payload or of `Effects`."""
        if selected.name == "__typename":
            return Entry(selected, itself, Constant(kind.name))
        if kind.name in self.built.declared.payloads:
            return self._of_payload(kind.name, selected)
        known = self.built.declared.fields.get((kind.name, selected.name))
        if isinstance(known, PagesField):  # Effects: the rows that an act wrote
            return Entry(selected, attribute("act"), self._page_level(selected, known))
        definition = selected.definition.extensions["strawberry-definition"]
        if REFERS in definition.metadata:
            target = self.built.declared.views[get_named_type(selected.definition.type).name]
            return Entry(selected, attribute(definition.metadata[REFERS]), self._reference(selected, target))
        if definition.base_resolver is not None:
            raise Unplannable("resolver")
        return Entry(selected, attribute(definition.python_name), self.completer(selected, selected.definition.type))

    def _of_payload(self, payload: str, selected: Selected) -> Entry:
        nouns = self.built.declared.payloads[payload]
        if selected.name in nouns:
            target, is_list = nouns[selected.name]
            reference = self._reference(selected, target)

            def ids(value: Payload, name: str = selected.name) -> Any:
                found = value.nouns.get(name)
                return (found or []) if is_list else found

            return Entry(selected, ids, References(reference) if is_list else reference)
        if selected.name == "effects":
            return Entry(selected, lambda value: value if value.act else None, self._effects(selected))
        return Entry(selected, attribute("user_errors"), self.completer(selected, selected.definition.type))

    def _effects(self, selected: Selected) -> Completer:
        return self._object(selected, cast(GraphQLObjectType, self.built.core.get_type("Effects")))

    def _reference(self, selected: Selected, target: View) -> Reference:
        level = self._level(ByIdLevel(target))
        return Reference(level, self._shape(level.base, selected))

    # --- the fields of Query

    def _root(self, selected: Selected) -> Root:
        if selected.name == "__typename":
            return Root(selected, Constant(selected.parent.name))
        declared = self.built.declared.fields["Query", selected.name]
        match declared:
            case PagesField():
                pages = self._page_level(selected, declared)
                return Root(selected, pages, level=pages.level)
            case Find():
                target = cast(View, views.view_of(declared.annotation))
                level = self._level(FindLevel(target, declared, self._arguments(selected)))
                return Root(selected, Found(level, self._shape(level.base, selected)), level=level)
            case ById():
                return Root(selected, self._nodes(selected), call=declared, arguments=self._arguments(selected))
            case Operation():
                completer = self.completer(selected, selected.definition.type)
                return Root(selected, completer, call=declared, arguments=self._arguments(selected))
            case _:
                raise Unplannable("unknown field of Query")

    def _nodes(self, selected: Selected) -> Completer:
        """References to rows of any kind, told apart by the prefixes of their ids."""
        node = cast(GraphQLInterfaceType, self.built.core.get_type("Node"))
        kinds = {
            each.name: self._reference(selected, self.built.declared.views[each.name])
            for each in self.built.core.get_possible_types(node)
        }
        by_prefix = {each.level.view.prefix: name for name, each in kinds.items()}
        one = OneOf(kinds, lambda value: by_prefix[value.partition("_")[0]])
        nullable = get_nullable_type(selected.definition.type)
        return ListOf(selected, one, is_non_null_type(nullable.of_type)) if is_list_type(nullable) else one


@dataclass(eq=False)
class Found(Completer):
    """The one row that a key named, or null."""

    level: FindLevel
    shape: Shape

    def complete(self, value: Any, run: Any, path: Any) -> Any:  # noqa: ARG002
        run.must_be_read(self.level)
        rows = run.rows[self.level.index]
        if not rows:
            return None
        if not run.careful:
            return run.built[self.level.index][self.shape.index][0]
        return self.shape.careful(rows[0], run, path)


def _compiled(shape: Shape) -> Callable[..., Any]:
    """The function that builds a shape, from code made for it."""
    names = Namespace()
    code = compile(shape.source(names), f"<shape of {shape.level.view.name}>", "exec")
    exec(code, names.names)  # noqa: S102  code of our own making
    return names.names["build"]


def _shown(slot: Slot, sql_type: Any, annotation: Any, *, sure: bool = False) -> Callable[[Namespace], str]:
    """The expression that shows a value of a row. `sure`: it is not null."""
    if isinstance(sql_type, Id) and sure:
        return lambda _: f"{sql_type.prefix + '_'!r} + {slot.code}"
    if isinstance(sql_type, Id):
        return lambda _: _unless_null(slot.code, f"{sql_type.prefix + '_'!r} + {{}}")
    if isinstance(sql_type, Choice):
        shown = {member.value: member.name for member in _members(sql_type)}
        if any(value != name for value, name in shown.items()):
            return lambda names: _unless_null(slot.code, f"{names.constant(shown)}[{{}}]")
    if annotation is int and slot.kind == "BIGINT":
        return lambda names: _unless_null(slot.code, f"{names.constant(_int)}({{}})")
    if annotation in (str, int, bool, date, datetime, Quantity, Decimal, Rate, ID, CurrencyCode) or isinstance(
        sql_type, Choice
    ):
        return lambda _: slot.code
    if getattr(annotation, "__supertype__", None) in (str, object):  # codes, and JSON
        return lambda _: slot.code
    raise Unplannable(f"a column shown as {annotation}")


def _members(choice: Choice[Any]) -> list[Any]:
    kind: Any = choice.enum
    return list(kind)


def _unless_null(code: str, form: str) -> str:
    return f"(None if {code} is None else {form.format(code)})"


def _int(value: int) -> int:
    """GraphQL's Int has 32 bits (specification, section 3.5.1)."""
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"Int cannot represent non 32-bit signed integer value: {value}")
    return value


def _needed(source: Source, name: str) -> Callable[[Namespace], str]:
    """The expression of a value that a derived field needs, as the domain knows it."""
    table = source.table.c
    if name not in table:
        amount, currency = source.plain(f"{name}_amount"), source.plain(f"{name}_currency")
        return lambda names: _unless_null(amount.code, f"{names.constant(DomainMoney)}({{}}, {currency.code})")
    slot, sql_type = source.plain(name), table[name].type
    if isinstance(sql_type, Id):
        return lambda _: _unless_null(slot.code, f"{sql_type.prefix + '_'!r} + {{}}")
    if isinstance(sql_type, Choice):
        members = {member.value: member for member in _members(sql_type)}
        return lambda names: _unless_null(slot.code, f"{names.constant(members)}[{{}}]")
    return lambda _: slot.code


def _money_shown(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values, **given: MoneyType.of(function(*values, **given))
