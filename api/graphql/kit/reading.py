"""How declarations are read from the database: one statement per level of a document, however many rows there are.

A `Reading` is one snapshot and its loaders. Fields ask it for one thing at a time; whatever is asked for in the same
turn of the event loop is fetched together (DataLoader), so the number of statements depends on the document alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Executable, Select, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.dataloader import DataLoader

from api.graphql.kit.errors import request_error
from api.graphql.kit.limits import COST
from domain.kernel.database import Database, raw, snapshot
from domain.kernel.ids import is_id
from domain.kernel.work import Actor

if TYPE_CHECKING:
    from api.graphql.kit.views import View


MOST_ROWS = 10 * COST
"""Rows that one operation may read: lists that are longer than they are taken to be end here."""


class Record:
    """A row of a level: the columns of its view as attributes."""

    def __init__(self, view: "View", values: dict[str, Any]) -> None:
        self.view = view
        self.__dict__.update(values)


class Reading:
    """A consistent view of the database for one operation, one payload or one message.

    It opens its snapshot with the first statement, so a document that asks for nothing stored costs no connection. A
    payload is read on the connection of its act: after commit in a snapshot of its own, in a dry run inside the act.
    """

    def __init__(
        self, database: Database, actor: Actor, *, connection: AsyncConnection | None = None, inside: bool = False
    ) -> None:
        self.actor = actor
        self.statements = 0
        self._rows = 0
        self._database = database
        self._connection = connection
        self._ready = inside
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    async def aclose(self) -> None:
        """End the snapshot. A connection that was handed in stays with its owner."""
        await self._stack.aclose()

    async def execute(self, statement: Executable) -> list[dict[str, Any]]:
        """Run a statement in the snapshot and return its rows."""
        async with self._lock:
            connection = await self._snapshot()
            self.statements += 1
            result = await connection.execute(statement)
            rows = [dict(row) for row in result.mappings()]
        self._counted(rows)
        return rows

    def _counted(self, rows: Sequence[Any]) -> Sequence[Any]:
        self._rows += len(rows)
        if self._rows > MOST_ROWS:
            raise request_error(f"The answer has more than {MOST_ROWS:,} rows. Ask for smaller pages.", "TOO_COSTLY")
        return rows

    async def run(self, read: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        """Run a query function of the domain in the snapshot."""
        async with self._lock:
            connection = await self._snapshot()
            self.statements += 1
            return await read(connection)

    async def fetch(self, statement: str, arguments: Sequence[Any], *, alone: bool) -> Sequence[Any]:
        """Run a compiled statement through the driver. `alone`: nothing else is read, so it is a snapshot by itself."""
        async with self._lock:
            self.statements += 1
            if alone and not self._ready:
                if self._connection is None:
                    return self._counted(await self._database.readers.fetch(statement, arguments))
                return self._counted(await (await raw(self._connection)).fetch(statement, *arguments))
            driver = await raw(await self._snapshot())
            return self._counted(await driver.fetch(statement, *arguments))

    async def find(self, view: "View", condition: ColumnElement[bool]) -> Record | None:
        """The one row that meets the condition, or None."""
        rows = await self.execute(columns_of(view).where(condition, *view.visible(self.actor)).limit(1))
        return Record(view, rows[0]) if rows else None

    async def by_id(self, view: "View", row_id: str) -> Record | None:
        """The row with that id, or None when the id is malformed, unknown or out of sight."""
        if not is_id(row_id, view.prefix):
            return None

        async def load(ids: list[str]) -> list[Record | None]:
            column = view.row.__table__.c.id
            rows = await self.execute(columns_of(view).where(among(column, ids), *view.visible(self.actor)))
            found = {row["id"]: Record(view, row) for row in rows}
            return [found.get(each) for each in ids]

        return await self.loader(("id", view.name), load).load(row_id)

    async def several(self, view: "View", ids: Sequence[str]) -> dict[str, Record]:
        """The rows with these ids, by id; those not in sight are left out."""
        found = await asyncio.gather(*(self.by_id(view, each) for each in ids))
        return {row_id: record for row_id, record in zip(ids, found, strict=True) if record is not None}

    def loader(self, key: Hashable, load: Callable[[list[Any]], Awaitable[Sequence[Any]]]) -> DataLoader[Any, Any]:
        """The loader of that key, made on first use. It lives as long as the snapshot does."""
        if key not in self._loaders:
            self._loaders[key] = DataLoader(load_fn=load)
        return self._loaders[key]

    async def _snapshot(self) -> AsyncConnection:
        if not self._ready:
            if self._connection is None:
                self._connection = await self._stack.enter_async_context(self._database.snapshot())
            else:
                await self._stack.enter_async_context(snapshot(self._connection))
            self._ready = True
        assert self._connection is not None
        return self._connection


def columns_of(view: "View") -> Select[Any]:
    """The rows of a view, with the columns that its fields read."""
    statement: Any = select(*view.columns)
    return statement


def among(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """`column = ANY(values)`: the same statement text for one value and for a thousand."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def first_per_parent(
    statement: Select[Any], parent: ColumnElement[Any], ordering: Sequence[ColumnElement[Any]], size: int
) -> Select[Any]:
    """At most `size` rows for each parent, each parent's in order: a window over the whole level, in one statement."""
    place = func.row_number().over(partition_by=parent, order_by=list(ordering)).label("_place")
    numbered = statement.add_columns(parent.label("_parent"), place).subquery()
    return select(numbered).where(numbered.c["_place"] <= size).order_by(numbered.c["_parent"], numbered.c["_place"])
