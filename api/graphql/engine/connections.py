"""Connections: `edges`, `nodes`, `pageInfo` and `totalCount` over rows of a level, or over a page a function made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from api.graphql.engine.levels import CountLevel, GivenLevel, ListLevel, PageLevel
from api.graphql.engine.selection import Selected
from api.graphql.engine.shapes import Path, Shape
from api.graphql.engine.values import Completer
from api.graphql.kit.lists import Page
from domain.kernel import listing as keyset
from domain.kernel.ids import Id
from domain.kernel.listing import Order

if TYPE_CHECKING:
    from api.graphql.engine.run import Run


class Shown(Protocol):
    """A page, wherever it comes from."""

    has_next: bool
    has_previous: bool

    def size(self) -> int: ...
    def nodes(self, shape: Shape, path: Callable[[int], Path]) -> list[Any]: ...
    def cursor(self, place: int) -> str: ...
    def total(self) -> int | None: ...


@dataclass(eq=False)
class Connection:
    """What a document asks of a connection."""

    name: str
    node_nonnull: bool = True
    entries: list[tuple[Selected, str, list["Connection"] | Shape | None]] = field(default_factory=list)
    """Each with what it is (`edges`, `nodes`, …) and, where it shows nodes, how."""
    edges: dict[int, list[tuple[Selected, Shape | None]]] = field(default_factory=dict)
    infos: dict[int, list[Selected]] = field(default_factory=dict)
    """What is asked of edges and of page infos, by the place of the entry."""

    @property
    def counts(self) -> bool:
        """Whether the total is asked for."""
        return any(what == "totalCount" for _, what, _ in self.entries)

    @property
    def rows(self) -> bool:
        """Whether any row has to be read."""
        return any(what in ("edges", "nodes", "pageInfo") for _, what, _ in self.entries)

    @property
    def cursors(self) -> bool:
        """Whether cursors are asked for."""
        of_edges = any(each.name == "cursor" for edge in self.edges.values() for each, _ in edge)
        return of_edges or any(each.name.endswith("Cursor") for info in self.infos.values() for each in info)

    def complete(self, page: Shown, run: "Run", path: Path) -> dict[str, Any]:
        """The connection as the answer shows it."""
        made: dict[str, Any] = {}
        for place, (selected, what, shape) in enumerate(self.entries):
            made[selected.key] = run.guarded(
                selected,
                (*path, selected.key),
                lambda here, place=place, what=what, shape=shape: self._entry(place, what, shape, page, here),
            )
        return made

    def _entry(self, place: int, what: str, shape: Any, page: Shown, path: Path) -> Any:
        if what == "nodes":
            return page.nodes(shape, lambda n: (*path, n))
        if what == "edges":
            return self._edges(self.edges[place], page, path)
        if what == "pageInfo":
            return {each.key: self._info(each.name, page) for each in self.infos[place]}
        return page.total() if what == "totalCount" else self.name

    def _edges(self, asked: list[tuple[Selected, Shape | None]], page: Shown, path: Path) -> list[Any]:
        made: list[dict[str, Any]] = [{} for _ in range(page.size())]
        for selected, shape in asked:
            if shape is not None:
                key = selected.key
                for edge, node in zip(made, page.nodes(shape, lambda n, key=key: (*path, n, key)), strict=True):
                    edge[key] = node
                continue
            for n, edge in enumerate(made):
                edge[selected.key] = (
                    page.cursor(n) if selected.name == "cursor" else f"{self.name[: -len('Connection')]}Edge"
                )
        return made

    def _info(self, name: str, page: Shown) -> Any:
        match name:
            case "hasNextPage":
                return page.has_next
            case "hasPreviousPage":
                return page.has_previous
            case "startCursor":
                return page.cursor(0) if page.size() else None
            case "endCursor":
                return page.cursor(page.size() - 1) if page.size() else None
            case _:
                return "PageInfo"


@dataclass(eq=False)
class Pages(Completer):
    """A connection over rows of a level: of the whole list, or of those that belong to a parent."""

    level: ListLevel | PageLevel
    count: CountLevel | None
    connection: Connection

    def collect(self, value: Any, run: "Run") -> None:
        """The value is the id of the parent."""
        for level in (self.level, self.count):
            if level is not None and level.above is None and isinstance(level, (PageLevel, CountLevel)):
                run.want(level, value)

    def complete(self, value: Any, run: "Run", path: Path) -> Any:
        return self.of(None if value is None else value.partition("_")[2], run, path)

    def of(self, key: str | None, run: "Run", path: Path) -> Any:
        """The page of the parent with this key, as the driver gives keys; of the whole list without one."""
        run.must_be_read(self.level)
        return self.connection.complete(_RowsPage(self, key, run), run, path)


class _RowsPage:
    """A page of rows of a level."""

    def __init__(self, pages: Pages, key: str | None, run: "Run") -> None:
        self.pages, self.key, self.run = pages, key, run
        level = pages.level
        binding = run.pages[level.index]
        part = self.part = binding.part
        self.orders: Sequence[Order] = binding.orders
        rows = run.rows[level.index] if level.key is None else run.groups(level).get(key, [])
        more, beyond = len(rows) > part.size, part.cursor is not None
        self.rows = self._shown(rows)
        self.has_next, self.has_previous = (beyond, more) if part.backward else (more, beyond)
        if level.key is None and not part.size:  # nothing of a whole list is read for a page of nothing
            self.has_next, self.has_previous = False, beyond

    def _shown(self, rows: Sequence[Any]) -> list[Any]:
        shown = list(rows[: self.part.size])
        if self.part.backward:
            shown.reverse()
        return shown

    def size(self) -> int:
        return len(self.rows)

    def nodes(self, shape: Shape, path: Callable[[int], Path]) -> list[Any]:
        run, level = self.run, self.pages.level
        if run.careful:
            return [shape.careful(row, run, path(n)) for n, row in enumerate(self.rows)]
        built = run.built[level.index][shape.index]
        return self._shown(built if level.key is None else built.get(self.key, []))

    def cursor(self, place: int) -> str:
        row = self.rows[place]
        values = []
        for slot, column in self.pages.level.sort_slots(self.orders):
            value = row[slot.place]
            values.append(f"{column.type.prefix}_{value}" if isinstance(column.type, Id) else value)
        return keyset.write_cursor(self.orders, values)

    def total(self) -> int | None:
        count = self.pages.count
        assert count is not None
        self.run.must_be_read(count)
        if count.key is None:
            return self.run.rows[count.index][0][count.total.place]
        found = self.run.groups(count).get(self.key)
        return found[0][count.total.place] if found else 0


@dataclass(eq=False)
class FunctionPages(Completer):
    """A connection over a page that a function made, of records."""

    level: GivenLevel
    connection: Connection

    def collect(self, value: Page, run: "Run") -> None:
        for edge in value.edges:
            run.give(self.level, edge.node)

    def complete(self, value: Page | None, run: "Run", path: Path) -> Any:
        return None if value is None else self.connection.complete(_FunctionPage(self, value, run), run, path)


class _FunctionPage:
    """A page that a function made."""

    def __init__(self, pages: FunctionPages, page: Page, run: "Run") -> None:
        self.pages, self.page, self.run = pages, page, run
        self.has_next, self.has_previous = page.has_next_page, page.has_previous_page

    def size(self) -> int:
        return len(self.page.edges)

    def nodes(self, shape: Shape, path: Callable[[int], Path]) -> list[Any]:
        run, level = self.run, self.pages.level
        places = [run.place_of(level, edge.node) for edge in self.page.edges]
        if run.careful:
            rows = run.rows[level.index]
            return [shape.careful(rows[place], run, path(n)) for n, place in enumerate(places)]
        built = run.built[level.index][shape.index]
        return [built[place] for place in places]

    def cursor(self, place: int) -> str:
        return self.page.edges[place].cursor

    def total(self) -> int | None:
        return self.run.total_of(self.page)
