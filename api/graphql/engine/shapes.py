"""What an object of an answer is made of, for rows of a level: parts that exist twice.

`code` is the expression that generated code uses for every row, on the assumption that all goes well: a reference is
there, a function returns. Where that does not hold it raises, and the whole answer is put together again by `careful`,
which asks of each field alone, knows its path, and passes nulls up as the specification says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.graphql.engine.levels import GivenLevel, Level, Slot, Unit
from api.graphql.engine.selection import Selected

if TYPE_CHECKING:
    from api.graphql.engine.connections import Pages
    from api.graphql.engine.run import Run
    from api.graphql.engine.values import Completer

Path = tuple[str | int, ...]
Row = Sequence[Any]


class NullError(Exception):
    """Generated code met a null, or anything else, that only careful assembly can deal with."""


class Namespace:
    """The names of objects that generated code uses."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"stop": stop}
        self.lookups: dict[str, str] = {}
        self.temporaries = 0

    def constant(self, value: Any) -> str:
        """A name for an object."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def lookup(self, code: str) -> str:
        """A name for an expression that is worked out once, before the rows are gone through."""
        return self.lookups.setdefault(code, f"g{len(self.lookups)}")

    def temporary(self) -> str:
        """A fresh name for a value that is looked at twice."""
        self.temporaries += 1
        return f"t{self.temporaries}"


def stop() -> Any:
    """Leave the fast way."""
    raise NullError


@dataclass(eq=False)
class Part:
    """One entry of an object."""

    selected: Selected

    def code(self, names: Namespace) -> str:
        """The expression of its value over the row `r` and what is built already, `e`."""
        raise NotImplementedError

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        """Its value, or the error that it comes to."""
        raise NotImplementedError

    def checked(self, code: str, names: Namespace) -> str:
        """The expression, which stops where null may not be."""
        if not self.selected.nonnull:
            return code
        name = names.temporary()
        return f"({name} if ({name} := {code}) is not None else stop())"


@dataclass(eq=False)
class TypeName(Part):
    """`__typename`."""

    name: str

    def code(self, names: Namespace) -> str:  # noqa: ARG002
        return repr(self.name)

    def careful(self, row: Row, run: "Run", path: Path) -> Any:  # noqa: ARG002
        return self.name


@dataclass(eq=False)
class Value(Part):
    """A value that an expression over the row gives. `sure`: the database makes sure that it is not null."""

    expression: Callable[[Namespace], str]
    sure: bool = False
    _function: Any = None

    def code(self, names: Namespace) -> str:
        code = self.expression(names)
        return code if self.sure else self.checked(code, names)

    def careful(self, row: Row, run: "Run", path: Path) -> Any:  # noqa: ARG002
        if self._function is None:
            names = Namespace()
            code = self.expression(names)
            self._function = eval(f"lambda r, e: {code}", names.names)  # noqa: S307  code of our own making
        return self._function(row, run.built)


@dataclass(eq=False)
class Money(Part):
    """An amount and its currency as an object. `only`: the currency that is asked for, by the run's arguments."""

    amount: Slot
    currency: Slot
    fields: list[tuple[str, str]]
    printed: Callable[[str, str], str]
    only: Unit | None = None

    def code(self, names: Namespace) -> str:
        amount, currency, printed = self.amount.code, self.currency.code, names.constant(self.printed)
        forms = {
            "amount": f"{printed}({amount}, {currency})",
            "currency": currency,
            "__typename": "'Money'",
        }
        entries = ", ".join(f"{key!r}: {forms[name]}" for key, name in self.fields)
        other = f" or e[{self.only.index}] not in (None, {currency})" if self.only else ""
        nothing = "stop()" if self.selected.nonnull else "None"
        return f"({nothing} if {amount} is None{other} else {{{entries}}})"

    def careful(self, row: Row, run: "Run", path: Path) -> Any:  # noqa: ARG002
        amount, currency = row[self.amount.place], row[self.currency.place]
        wanted = run.value_of(self.only) if self.only else None
        if amount is None or wanted not in (None, currency):
            return None
        forms = {"amount": self.printed(amount, currency), "currency": currency, "__typename": "Money"}
        return {key: forms[name] for key, name in self.fields}


@dataclass(eq=False)
class Joined(Part):
    """A row that is joined to this one."""

    presence: Slot | None
    """The slot that is null where there is no such row; None: there always is one."""
    shape: "Shape"

    def code(self, names: Namespace) -> str:
        if self.presence is None:
            return self.shape.code(names)
        nothing = "stop()" if self.selected.nonnull else "None"
        return f"({self.shape.code(names)} if {self.presence.code} is not None else {nothing})"

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        missing = self.presence is not None and row[self.presence.place] is None
        return None if missing else self.shape.careful(row, run, path)


@dataclass(eq=False)
class Referred(Part):
    """A row of another level, by its id."""

    key: Slot
    level: Level
    shape: "Shape"

    def code(self, names: Namespace) -> str:
        found = names.lookup(f"e[{self.level.index}][{self.shape.index}].get")
        return self.checked(f"{found}({self.key.code})", names)

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        run.must_be_read(self.level)
        found = run.groups(self.level).get(row[self.key.place])
        return None if found is None else self.shape.careful(found[0], run, path)


@dataclass(eq=False)
class Rows(Part):
    """The rows of another level that belong to this one."""

    key: Slot
    level: Level
    shape: "Shape"

    def code(self, names: Namespace) -> str:
        found = names.lookup(f"e[{self.level.index}][{self.shape.index}].get")
        return f"{found}({self.key.code}, [])"

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        run.must_be_read(self.level)
        found = run.groups(self.level).get(row[self.key.place], ())
        return [self.shape.careful(each, run, (*path, n)) for n, each in enumerate(found)]


@dataclass(eq=False)
class PageOf(Part):
    """A page of the rows of another level that belong to this one."""

    key: Slot
    pages: "Pages"

    def code(self, names: Namespace) -> str:
        return f"{names.constant(self.pages)}.of({self.key.code}, e[0], ())"

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        return self.pages.of(row[self.key.place], run, path)


@dataclass(eq=False)
class Batched(Part):
    """What a batch function found for this row."""

    key: Slot
    batch: Unit
    completer: "Completer"

    def code(self, names: Namespace) -> str:
        return self.checked(f"{names.lookup(f'e[{self.batch.index}].get')}({self.key.code})", names)

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        run.must_be_read(self.batch)
        return self.completer.complete(run.values[self.batch.index].get(row[self.key.place]), run, path)


@dataclass(eq=False)
class Computed(Part):
    """What a function of columns of this row returns."""

    function: Callable[..., Any]
    needs: list[Callable[[Namespace], str]]
    completer: "Completer"
    arguments: Unit | None = None
    for_actor: bool = False
    text: bool = False
    """Whether what it returns is shown as it is, as long as it is text."""
    _compute: Any = None

    def code(self, names: Namespace) -> str:
        complete = f"{names.constant(self.completer)}.complete"
        if not self.text:
            return self.checked(f"{complete}({self._call(names)}, e[0], ())", names)
        name = names.temporary()
        shown = f"({name} if type({name} := {self._call(names)}) is str else {complete}({name}, e[0], ()))"
        return self.checked(shown, names)

    def careful(self, row: Row, run: "Run", path: Path) -> Any:
        if self._compute is None:
            names = Namespace()
            call = self._call(names)
            self._compute = eval(f"lambda r, e: {call}", names.names)  # noqa: S307  code of our own making
        if self.arguments is not None:
            run.value_of(self.arguments)  # raises what is wrong with them
        return self.completer.complete(self._compute(row, run.built), run, path)

    def _call(self, names: Namespace) -> str:
        given = [need(names) for need in self.needs]
        if self.for_actor:
            given.append("e[0].actor")
        if self.arguments is not None:
            given.append(f"**e[{self.arguments.index}]")
        return f"{names.constant(self.function)}({', '.join(given)})"


@dataclass(eq=False)
class Shape:
    """An object of one type over the rows of one level."""

    level: Level
    parts: list[Part] = field(default_factory=list)
    index: int = 0
    """Its place among the shapes of its level: the same rows may be asked for in several ways."""

    def code(self, names: Namespace) -> str:
        """The expression that makes the object from the row `r`."""
        return "{" + ", ".join(f"{part.selected.key!r}: {part.code(names)}" for part in self.parts) + "}"

    def careful(self, row: Row, run: "Run", path: Path) -> dict[str, Any]:
        """The object, field by field. An error goes up from a field that cannot be null."""
        made: dict[str, Any] = {}
        for part in self.parts:
            selected = part.selected
            made[selected.key] = run.guarded(
                selected, (*path, selected.key), lambda here, part=part: part.careful(row, run, here)
            )
        return made

    def source(self, names: Namespace) -> str:
        """The code of a function from rows to objects, in their order or by their key."""
        made = self.code(names)
        head = "def build(rows, e):\n"
        head += "".join(f"    {name} = {code}\n" for code, name in names.lookups.items())
        if self.level.key is None or isinstance(self.level, GivenLevel):
            return f"{head}    return [{made} for r in rows]\n"
        key = self.level.key.code
        if self.level.single:
            return f"{head}    return {{{key}: {made} for r in rows}}\n"
        return (
            f"{head}"
            "    groups, last = {}, None\n"
            "    for r in rows:\n"
            f"        if (key := {key}) != last:\n"  # rows of one parent follow each other
            "            group, last = groups.setdefault(key, []), key\n"
            f"        group.append({made})\n"
            "    return groups\n"
        )
