"""Values that Python functions return, made into what the answer shows: leaves, lists, plain types, references.

A completer does two things with a value. Before the next round of statements it collects the ids and records in it, so
that they are read for the whole place at once; afterwards it completes the value (GraphQL specification, section
6.4.3). Errors keep their paths; in a fast run anything unusual ends it, and the careful run says what it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import GraphQLLeafType, Undefined

from api.graphql.engine.levels import ByIdLevel, GivenLevel
from api.graphql.engine.selection import Selected
from api.graphql.engine.shapes import Path, Shape
from api.graphql.kit.reading import Record
from domain.kernel.ids import is_id

if TYPE_CHECKING:
    from api.graphql.engine.run import Run


class Completer:
    """Makes of a value what the answer shows."""

    def collect(self, value: Any, run: "Run") -> None:
        """Note what has to be read for the value. Whatever is wrong with it is found when it is completed."""

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        """The value as the answer shows it; None where it is null. Raises what is wrong with it."""
        raise NotImplementedError


@dataclass(eq=False)
class Leaf(Completer):
    """A scalar or an enum."""

    kind: GraphQLLeafType

    def complete(self, value: Any, run: "Run", path: Path) -> Any:  # noqa: ARG002
        if value is None or value is Undefined:
            return None
        shown = self.kind.coerce_output_value(value)
        if shown is None or shown is Undefined:
            raise TypeError(f"{self.kind.name} cannot show {value!r}.")
        return shown


@dataclass(eq=False)
class ListOf(Completer):
    """A list, whose items may be null or not."""

    selected: Selected
    item: Completer
    items_nonnull: bool

    def collect(self, value: Any, run: "Run") -> None:
        for each in value or ():
            self.item.collect(each, run)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        if value is None:
            return None
        return [
            run.guarded(
                self.selected,
                (*path, n),
                lambda here, each=each: self.item.complete(each, run, here),
                nonnull=self.items_nonnull,
            )
            for n, each in enumerate(value)
        ]


@dataclass(eq=False)
class Entry:
    """A field of a plain type: where its value is and what becomes of it."""

    selected: Selected
    get: Callable[[Any], Any]
    completer: Completer


@dataclass(eq=False)
class ObjectOf(Completer):
    """A plain type over an object of Python."""

    entries: list[Entry] = field(default_factory=list)

    def collect(self, value: Any, run: "Run") -> None:
        if value is not None:
            for entry in self.entries:
                entry.completer.collect(entry.get(value), run)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        if value is None:
            return None
        made: dict[str, Any] = {}
        for entry in self.entries:
            selected = entry.selected
            made[selected.key] = run.guarded(
                selected,
                (*path, selected.key),
                lambda here, entry=entry: entry.completer.complete(entry.get(value), run, here),
            )
        return made


@dataclass(eq=False)
class Constant(Completer):
    """`__typename`: the same whatever the value."""

    name: str

    def complete(self, value: Any, run: "Run", path: Path) -> Any:  # noqa: ARG002
        return self.name


@dataclass(eq=False)
class OneOf(Completer):
    """An interface or a union: the completer of the type that the value turns out to have."""

    types: Mapping[str, Completer]
    type_of: Callable[[Any], str]

    def collect(self, value: Any, run: "Run") -> None:
        if value is not None:
            self.types[self.type_of(value)].collect(value, run)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        return None if value is None else self.types[self.type_of(value)].complete(value, run, path)


@dataclass(eq=False)
class Reference(Completer):
    """An id, shown as the row of a view that has it; null where there is none in sight."""

    level: ByIdLevel
    shape: Shape

    def collect(self, value: Any, run: "Run") -> None:
        if value is not None and is_id(value, self.level.view.prefix):
            run.want(self.level, value)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        if value is None or not is_id(value, self.level.view.prefix):
            return None
        run.must_be_read(self.level)
        key = value.partition("_")[2]
        if not run.careful:
            return run.built[self.level.index][self.shape.index].get(key)
        found = run.groups(self.level).get(key)
        return None if found is None else self.shape.careful(found[0], run, path)


@dataclass(eq=False)
class References(Completer):
    """Ids of one kind, shown as the rows that have them: each once, in their order, without those out of sight."""

    reference: Reference

    def collect(self, value: Any, run: "Run") -> None:
        for each in value or ():
            self.reference.collect(each, run)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        if value is None:
            return None
        found = run.groups(self.reference.level)
        known = [each for each in dict.fromkeys(value) if each.partition("_")[2] in found]
        return [self.reference.complete(each, run, (*path, n)) for n, each in enumerate(known)]


@dataclass(eq=False)
class GivenRow(Completer):
    """A record that a function or an event brought along."""

    level: GivenLevel
    shape: Shape

    def collect(self, value: Record | None, run: "Run") -> None:
        if value is not None:
            run.give(self.level, value)

    def complete(self, value: Record | None, run: "Run", path: Path) -> Any:
        if value is None:
            return None
        place = run.place_of(self.level, value)
        if not run.careful:
            return run.built[self.level.index][self.shape.index][place]
        return self.shape.careful(run.rows[self.level.index][place], run, path)


def type_name_of(value: Any) -> str:
    """The GraphQL type of a Python object."""
    return value.view.name if isinstance(value, Record) else type(value).__strawberry_definition__.name


def attribute(name: str) -> Callable[[Any], Any]:
    """Reads an attribute."""
    return lambda value: getattr(value, name)


def itself(value: Any) -> Any:
    """The value, where a field shows what its parent is about."""
    return value


__all__ = [
    "Completer",
    "Constant",
    "Entry",
    "GivenRow",
    "Leaf",
    "ListOf",
    "ObjectOf",
    "OneOf",
    "Reference",
    "References",
    "Sequence",
]
