"""One run of a plan: bind the levels, read them round by round, put the answer together.

Putting together is done twice only when it has to be: generated code builds the whole answer on the assumption that all
goes well; where it stops, the same rows are walked again carefully, with paths, errors and nulls that go up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues

from api.graphql.engine.fragments import Fragment
from api.graphql.engine.levels import Binding, ByIdLevel, GivenLevel, KeyedLevel, Level, Unit
from api.graphql.engine.planner import BatchUnit, Given, Plan, Root
from api.graphql.engine.selection import Selected
from api.graphql.engine.shapes import NullError, Path, Row
from api.graphql.engine.statement import Builder, Layout, Statement, form_of
from api.graphql.kit import resolvers
from api.graphql.kit.context import Context, Unproven
from api.graphql.kit.lists import Page
from api.graphql.kit.reading import Record
from api.graphql.kit.views import ById, View

FORMS = 64
"""Statements that one plan keeps: as many forms of filters, sorts and sizes."""


@dataclass
class Result:
    """What a run came to."""

    data: dict[str, Any] | None
    errors: list[GraphQLError]


class Run:
    """One run of a plan for one caller, with its variables."""

    def __init__(self, plan: Plan, context: Context, variables: VariableValues) -> None:
        self.plan, self.context, self.variables = plan, context, variables
        self.actor = context.caller.actor
        count = len(plan.units) + 1
        self.rows: list[Sequence[Row]] = [()] * count
        self.built: list[Any] = [self, *[{}] * (count - 1)]
        self.bindings: dict[int, Binding] = {}
        self.pages: dict[int, Binding] = {}
        self.ids: dict[int, dict[str, None]] = {}
        self.values: dict[int, Mapping[str, Any]] = {}
        self.roots: list[Any] = [None] * len(plan.roots)
        self.failures: dict[int, Exception] = {}
        self.root_failures: dict[int, Exception] = {}
        self.errors: list[GraphQLError] = []
        self.careful = False
        self._records: dict[int, dict[int, tuple[int, Record]]] = {}
        self._totals: dict[int, Any] = {}
        self._groups: dict[int, dict[Any, list[Row]]] = {}
        self._scopes: dict[View, Fragment] = {}

    # --- reading

    async def read(self) -> Result:
        """Read everything and answer."""
        for place, root in enumerate(self.plan.roots):
            await self._call(place, root)
        return await self._rest()

    async def read_given(self, value: Any) -> Result:
        """Answer the one root field with a value that is there already."""
        self.roots[0] = value
        self._collect(self.plan.roots[0], value)
        return await self._rest()

    async def read_each(self, values: Sequence[Any]) -> list[Result] | None:
        """Answer the one root field with each of several values that are there already, read at once: the answers, or
        None unless all goes well. For plans whose arguments are constant.
        """
        for value in values:
            self._collect(self.plan.roots[0], value)
        await self._rounds()
        try:
            return None if self.failures else self._answer_each(values)
        except Exception:  # whatever it was, a run for each says it
            return None
        finally:
            self.built.clear()

    def answer_written(self, value: Any, rows: Sequence[Row]) -> Result | None:
        """Answer the one root field with a value whose rows were brought along; None where one of them was not."""
        self.roots[0] = value
        self._collect(self.plan.roots[0], value)
        (level,) = self.plan.layouts[0].levels
        assert isinstance(level, ByIdLevel)
        ids = self.ids.get(level.index, {})
        self.rows[level.index] = [row for row in rows if level.id_of(row) in ids]
        return self._answered() if len(self.rows[level.index]) == len(ids) else None

    async def _rest(self) -> Result:
        await self._rounds()
        return self._answered()

    def _answered(self) -> Result:
        try:
            return self._answer()
        finally:
            # What is built begins with this very run: without this only the collector would set all its rows free.
            self.built.clear()

    async def _rounds(self) -> None:
        for number, layout in enumerate(self.plan.layouts):
            await self._round(number, layout)

    async def _call(self, place: int, root: Root) -> None:
        if root.call is None:
            return
        assert root.arguments is not None
        try:
            given = root.arguments.of(self.variables)
            if isinstance(root.call, ById):
                value: Any = self._by_id(given)
            else:
                value = await root.call.function(self.context, **given)
            if isinstance(value, Page):
                await self._count(value, root)
            self._collect(root, value)
            self.roots[place] = value
        except Exception as error:
            self.root_failures[place] = error

    def _by_id(self, given: Mapping[str, Any]) -> Any:
        """The ids of rows of any kind, null for what is none. Scopes are looked at before any row."""
        ids = given.get("ids", [given.get("id")])
        kinds = [resolvers.kind_of(each) for each in ids]
        for kind in kinds:
            if kind is not None:
                self.context.require(kind.scopes)
        known = [row_id if kind else None for row_id, kind in zip(ids, kinds, strict=True)]
        return known if "ids" in given else known[0]

    async def _count(self, page: Page, root: Root) -> None:
        connection = getattr(root.completer, "connection", None)
        if connection is not None and connection.counts:
            try:
                self._totals[id(page)] = await page.count()
            except Exception as error:
                self._totals[id(page)] = error

    def _collect(self, root: Root, value: Any) -> None:
        if value is not None:
            root.completer.collect(value, self)

    async def _round(self, number: int, layout: Layout) -> None:
        """Read the levels of one round in one statement, then call its batch functions."""
        units = self.plan.rounds[number]
        for unit in units:
            if isinstance(unit, GivenLevel):
                self._place_records(unit)
        self._bind(units)
        proving = self.context.proof is not None
        if proving or self.bindings_of(layout):
            await self._fetch(layout, proving=proving)
        for unit in units:
            if isinstance(unit, BatchUnit):
                await self._batch(unit)

    def _place_records(self, level: GivenLevel) -> None:
        records = [record for _, record in self._records.get(level.index, {}).values()]
        self.rows[level.index] = level.rows_of(records)
        for slot, below in self.plan.feeds.get(level, ()):
            prefix = below.key_type.prefix
            for row in self.rows[level.index]:
                if row[slot.place] is not None:
                    self.want(below, f"{prefix}_{row[slot.place]}")

    def _bind(self, units: Sequence[Unit]) -> None:
        for unit in units:
            try:
                if isinstance(unit, Given):
                    given = unit.arguments.of(self.variables)
                    self.built[unit.index] = given.get(unit.pick) if unit.pick else given
                elif isinstance(unit, Level) and not isinstance(unit, GivenLevel):
                    self._bind_level(unit)
            except Exception as error:
                self.failures[unit.index] = error

    def _bind_level(self, level: Level) -> None:
        if isinstance(level, KeyedLevel) and level.above is not None and level.above.index not in self.bindings:
            return
        binding = level.bind(self)
        if binding is not None:
            self.bindings[level.index] = binding
            for view in level.scoped:
                if view not in self._scopes:
                    self._scopes[view] = Fragment(view.visible(self.actor))

    def bindings_of(self, layout: Layout) -> dict[int, Binding]:
        """What this run asks of the levels of a round."""
        return {level.index: self.bindings[level.index] for level in layout.levels if level.index in self.bindings}

    async def _fetch(self, layout: Layout, *, proving: bool) -> None:
        try:
            statement = self._statement(layout, proving=proving)
            arguments = statement.arguments(self, self._scopes)
            rows = await self.context.reading.fetch(statement.text, arguments, alone=self.plan.alone)
        except Exception as error:
            if proving:
                raise Unproven from error  # who asks is to be known before anything is said
            for level in layout.levels:
                self.failures[level.index] = error
            return
        split: list[list[Row]] = [[] for _ in self.rows]
        for row in rows:
            split[row[0]].append(row)
        if proving and not split[0]:
            raise Unproven
        for level in layout.levels:
            self.rows[level.index] = split[level.index]
        if self.context.explained is not None:
            self.context.explained.append(self._explained(layout, statement))

    def _explained(self, layout: Layout, statement: Statement) -> dict[str, Any]:
        levels = [
            {
                "level": level.index,
                "of": level.view.name,
                "as": type(level).__name__,
                "rows": len(self.rows[level.index]),
            }
            for level in layout.levels
            if level.index in self.bindings
        ]
        return {"statement": statement.text, "levels": levels}

    def _statement(self, layout: Layout, *, proving: bool) -> Statement:
        bindings = self.bindings_of(layout)
        scopes = {view: self._scopes[view] for view in layout.scoped if view in self._scopes}
        form = form_of(bindings, scopes, proving=proving)
        known = self.plan.statements.get(form)
        if known is None:
            known = Builder(layout, bindings, scopes, proving=proving).build()
            if len(self.plan.statements) >= FORMS:
                self.plan.statements.pop(next(iter(self.plan.statements)))
            self.plan.statements[form] = known
        return known

    async def _batch(self, unit: BatchUnit) -> None:
        rows = self.rows[unit.level.index]
        place, prefix = unit.key.place, f"{unit.prefix}_"
        ids = list(dict.fromkeys(prefix + row[place] for row in rows if row[place] is not None))
        if not ids:
            return
        if self.context.explained is not None:
            called = getattr(unit.function, "__name__", "a function")
            self.context.explained.append({"batch": called, "of": unit.level.view.name, "keys": len(ids)})
        try:
            given = unit.arguments.of(self.variables)
            found = await unit.function(ids, self.context.reading, **given)
            if not isinstance(found, Mapping):
                found = dict(zip(ids, found, strict=True))
            self.values[unit.index] = {each[len(prefix) :]: found.get(each) for each in ids}
            assert unit.completer is not None
            for value in self.values[unit.index].values():
                unit.completer.collect(value, self)
        except Exception as error:
            self.failures[unit.index] = error

    # --- what completers ask for

    def want(self, level: Level, row_id: str) -> None:
        """Read the row with this id, or the rows that belong to it, in the round of that level."""
        self.ids.setdefault(level.index, {})[row_id] = None

    def give(self, level: GivenLevel, record: Record) -> None:
        """Take a record that was made elsewhere among the rows of a level."""
        known = self._records.setdefault(level.index, {})
        known.setdefault(id(record), (len(known), record))

    def place_of(self, level: GivenLevel, record: Record) -> int:
        """The place of a record among the rows of its level."""
        return self._records[level.index][id(record)][0]

    def total_of(self, page: Page) -> int | None:
        """The total of a page that a function made."""
        total = self._totals[id(page)]
        if isinstance(total, Exception):
            raise total
        return total

    def groups(self, level: Level) -> dict[Any, list[Row]]:
        """The rows of a level by their key."""
        known = self._groups.get(level.index)
        if known is None:
            known = self._groups[level.index] = {}
            assert level.key is not None
            place = level.key.place
            for row in self.rows[level.index]:
                known.setdefault(row[place], []).append(row)
        return known

    def must_be_read(self, unit: Unit) -> None:
        """Raise what went wrong when a unit was read."""
        if unit.index in self.failures:
            raise self.failures[unit.index]

    def value_of(self, unit: Unit) -> Any:
        """The arguments of a computed value. Raises what is wrong with them."""
        self.must_be_read(unit)
        return self.built[unit.index]

    def guarded(
        self, selected: Selected, path: Path, compute: Callable[[Path], Any], *, nonnull: bool | None = None
    ) -> Any:
        """The value of one field or item: an error stays here where null may be, and goes up where it may not."""
        nonnull = selected.nonnull if nonnull is None else nonnull
        if not self.careful:
            value = compute(path)
            if value is None and nonnull:
                raise NullError
            return value
        try:
            value = compute(path)
            if value is None and nonnull:
                raise selected.null_error()
        except Exception as error:
            located = selected.located(error, path)
            if nonnull:
                raise located from None
            self.errors.append(located)
            return None
        return value

    # --- answering

    def _answer(self) -> Result:
        if not self.failures and not self.root_failures:
            try:
                self._build()
                return Result(self._complete(), [])
            except Exception:  # noqa: S110  whatever it was, the careful run says it with its path
                pass
        self.careful = True
        try:
            return Result(self._complete(), self.errors)
        except GraphQLError as error:
            return Result(None, [*self.errors, error])

    def _answer_each(self, values: Sequence[Any]) -> list[Result]:
        self._build()
        answers = []
        for value in values:
            self.roots[0] = value
            answers.append(Result(self._complete(), []))
        return answers

    def _build(self) -> None:
        """Build what is below before what is above it."""
        built, plan = self.built, self.plan
        for unit in reversed(plan.units):
            if isinstance(unit, BatchUnit):
                assert unit.completer is not None
                complete = unit.completer.complete
                values = self.values.get(unit.index, {})
                built[unit.index] = {key: complete(value, self, ()) for key, value in values.items()}
            elif isinstance(unit, Level) and unit.index in plan.builders:
                rows = self.rows[unit.index]
                built[unit.index] = [build(rows, built) for build in plan.builders[unit.index]]

    def _complete(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for place, root in enumerate(self.plan.roots):
            made[root.selected.key] = self.guarded(
                root.selected,
                (root.selected.key,),
                lambda path, place=place, root=root: self._root(place, root, path),
            )
        return made

    def _root(self, place: int, root: Root, path: Path) -> Any:
        if place in self.root_failures:
            raise self.root_failures[place]
        return root.completer.complete(self.roots[place], self, path)
