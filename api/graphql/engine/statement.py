"""One round of levels as one SQL statement, compiled to text once for its form.

Each level is a flat SELECT of its own (a WITH query); a level below takes its keys from the one above, inside the
statement. All rows come back together, each with the number of its level in front, and the columns of one SQL type
share their places in the row. So a document costs one round trip and sees one snapshot, however deep it is.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, ColumnElement, FromClause, Select, func, literal_column, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from api.graphql.engine import levels as kinds
from api.graphql.engine.fragments import Fragment, parameter
from api.graphql.engine.levels import Binding, GivenLevel, KeyedLevel, Level, ListLevel, Source
from api.graphql.engine.wire import DIALECT, binder_of
from api.graphql.kit.views import Sql, View
from domain import identity
from domain.kernel.ids import Id

if TYPE_CHECKING:
    from api.graphql.engine.run import Run

Scopes = Mapping[View, Fragment]


@dataclass(frozen=True)
class Statement:
    """A compiled statement and where its parameters come from."""

    text: str
    parameters: tuple[Callable[["Run", Scopes], Any], ...]

    def arguments(self, run: "Run", scopes: Scopes) -> list[Any]:
        """The values of the parameters for one run."""
        return [each(run, scopes) for each in self.parameters]


class Layout:
    """Which places the columns of a round's levels have in its rows."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = [level for level in levels if not isinstance(level, GivenLevel)]
        most: dict[str, int] = {}
        for level in self.levels:
            counts: dict[str, int] = {}
            for slot in level.slots.values():
                counts[slot.kind] = counts.get(slot.kind, 0) + 1
            for kind, count in counts.items():
                most[kind] = max(most.get(kind, 0), count)
        self.scoped = list(dict.fromkeys(view for level in self.levels for view in kinds.scoped_views(level)))
        self.kinds = [kind for kind, count in most.items() for _ in range(count)]
        for level in self.levels:
            self._place(level)

    def _place(self, level: Level) -> None:
        """Give each column the first free place of its kind, behind the number of the level."""
        free = list(enumerate(self.kinds, start=1))
        for slot in level.slots.values():
            place = next(each for each in free if each[1] == slot.kind)
            free.remove(place)
            slot.place = place[0]


class Builder:
    """Builds the statement of one round for the form that one run asks for."""

    def __init__(
        self, layout: Layout, bindings: Mapping[int, Binding], scopes: Scopes, *, proving: bool = False
    ) -> None:
        self.layout, self.bindings, self.scopes, self.proving = layout, bindings, scopes, proving
        self.made: dict[Level, CTE] = {}
        self.aliases: dict[Source, FromClause] = {}

    def build(self) -> Statement:
        """The statement of all levels that take part."""
        parts: list[Select[Any]] = [self._proof()] if self.proving else []
        active = [level for level in self.layout.levels if level.index in self.bindings]
        for level in active:
            statement = level.select(self, self.bindings[level.index])
            self.made[level] = statement.cte(f"l{level.index}")
            parts.append(self._padded(level))
        whole = union_all(*parts) if len(parts) > 1 else parts[0]
        return self._compiled(whole.limit(literal_column(str(kinds.MOST_ROWS))))

    def _proof(self) -> Select[Any]:
        """A row with the number 0, where the caller's token is still worth something."""
        nothing = [
            literal_column(f"CAST(NULL AS {kind})").label(f"p{n}") for n, kind in enumerate(self.layout.kinds, 1)
        ]
        token = parameter("proof", Id("tok"))
        return select(literal_column("0").label("level"), *nothing).where(identity.still_valid(token))

    def _padded(self, level: Level) -> Select[Any]:
        """A level's rows with its number in front and nulls in the places of others."""
        rows = self.made[level]
        own = {slot.place: rows.c[f"c{n}"] for n, slot in enumerate(level.slots.values())}
        columns: list[ColumnElement[Any]] = [literal_column(str(level.index)).label("level")]
        for place, kind in enumerate(self.layout.kinds, start=1):
            nothing: ColumnElement[Any] = literal_column(f"CAST(NULL AS {kind})")
            columns.append(own.get(place, nothing).label(f"p{place}"))
        return select(*columns).select_from(rows)  # said, because there may be no column of it

    # --- what levels ask for while their statements are made

    def column(self, source: Source, name: str) -> ColumnElement[Any]:
        """A column of a source, as it is called inside the statement."""
        return self.aliases[source].c[name] if source.above else source.table.c[name]

    def computed(self, source: Source, declared: Sql) -> ColumnElement[Any]:
        """A declared expression over the columns of a source."""
        return self.aliases[source].c[f"sql_{declared.name}"] if source.above else declared.expression

    def keys(self, level: Level) -> ColumnElement[Any]:
        """The keys of a level as an array: from the level above, or from the parameter that holds them.

        The parameter is unnested first: then Postgres plans the statement once, and not anew for each number of keys.
        """
        assert isinstance(level, KeyedLevel)
        if level.above is None:
            given = select(func.unnest(level.ids_parameter(), type_=level.key_type))
            return func.array(given.scalar_subquery(), type_=ARRAY(level.key_type))
        return func.array(self._above(level).scalar_subquery(), type_=ARRAY(level.key_type))

    def key_rows(self, level: Level) -> Any:
        """The keys of a level as rows, each once."""
        assert isinstance(level, KeyedLevel)
        if level.above is None:
            return select(func.unnest(level.ids_parameter(), type_=level.key_type).label("id")).subquery("parents")
        return self._above(level).distinct().subquery("parents")

    def _above(self, level: Level) -> Select[Any]:
        """The keys that the level above holds; of a list not that of the row which only shows that there are more."""
        assert level.above is not None
        assert level.above_key is not None
        rows = self.made[level.above]
        keys = select(rows.c[level.above.label(level.above_key)].label("id"))
        if isinstance(level.above, ListLevel):
            shown = keys.limit(literal_column(str(self.bindings[level.above.index].part.size))).subquery()
            return select(shown.c.id)
        return keys

    def selectable(self, level: Level) -> FromClause:
        """The table of a level and what is joined to it."""
        return kinds.selectable(level, self, self.aliases)

    def scope(self, view: View) -> Sequence[ColumnElement[bool]]:
        """Which rows of a view the actor sees."""
        known = self.scopes.get(view)
        return known.conditions if known is not None else ()

    # --- compiling

    def _compiled(self, statement: Any) -> Statement:
        compiled = statement.compile(dialect=DIALECT)
        written = compiled.construct_expanded_state()
        listed = {
            each: (name, n) for name, expanded in written.parameter_expansion.items() for n, each in enumerate(expanded)
        }
        found = self._known_parameters()
        parameters = []
        for place in written.positiontup or ():
            name, n = listed.get(place, (place, None))
            bind = compiled.binds[name]
            binder = _item(binder_of(bind.type), n)
            parameters.append(found[bind.key](binder) if bind.key in found else _constant(binder(bind.effective_value)))
        return Statement(written.statement, tuple(parameters))

    def _known_parameters(self) -> dict[str, Callable[[Any], Callable[["Run", Scopes], Any]]]:
        """Where each parameter that may differ from run to run finds its value, by its key in the statement."""
        found: dict[str, Any] = {"proof": lambda binder: lambda run, _scopes: binder(run.context.proof)}
        for index, binding in self.bindings.items():
            for name in binding.values:
                found[f"{name}_{index}"] = _named(index, name)
            for place, fragment in enumerate(binding.fragments):
                for n, each in enumerate(fragment.parameters):
                    found[each.key] = _of_fragment(index, place, n)
        for view, fragment in self.scopes.items():
            for n, each in enumerate(fragment.parameters):
                found[each.key] = _of_scope(view, n)
        return found


def _item(binder: Callable[[Any], Any], n: int | None) -> Callable[[Any], Any]:
    """The binder of one element of a list after IN, where it is one."""
    return binder if n is None else lambda values: binder(values[n])


def _constant(value: Any) -> Callable[["Run", Scopes], Any]:
    return lambda _run, _scopes: value


def _named(index: int, name: str) -> Callable[[Any], Callable[["Run", Scopes], Any]]:
    def many(value: Any, binder: Any) -> Any:
        return binder(value)

    return lambda binder: lambda run, _scopes: many(run.bindings[index].values[name], binder)


def _of_fragment(index: int, place: int, n: int) -> Callable[[Any], Callable[["Run", Scopes], Any]]:
    return lambda binder: (
        lambda run, _scopes: binder(run.bindings[index].fragments[place].parameters[n].effective_value)
    )


def _of_scope(view: View, n: int) -> Callable[[Any], Callable[["Run", Scopes], Any]]:
    return lambda binder: lambda _run, scopes: binder(scopes[view].parameters[n].effective_value)


def form_of(bindings: Mapping[int, Binding], scopes: Scopes, *, proving: bool) -> Hashable:
    """What decides the text of a round's statement."""
    return (
        proving,
        tuple((index, binding.form) for index, binding in bindings.items()),
        tuple(scope.form for scope in scopes.values()),
    )
