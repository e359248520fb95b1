"""Many rows in one statement: the set-based writes of hot paths.

Rows travel as one JSON text, so a statement has the same text for one row and for ten thousand, is prepared once, and
never meets the limit of bind parameters. (One array per column does that too, but to encode them costs the driver twice
as much for a row and four times as much for thousands.)
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB, asyncpg

from domain.kernel.rows import Row
from domain.kernel.work import Work
from domain.kernel.writing import Write

_dialect = asyncpg.dialect()
_encoder = msgspec.json.Encoder()  # writes decimals by itself; orjson asks Python about each, which costs twice as much


async def insert(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, now. A broken constraint refuses them all."""
    if values:
        write = inserting(row, values)
        await work.raw.execute(write.text, *write.values)


async def insert_later(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows together with what else waits to be written: nobody in this act looks at them yet."""
    if values:
        await work.raw.later(inserting(row, values))


async def update(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of rows by their `id`, now. They must be locked already: this statement takes no lock order."""
    if values:
        write = updating(row, values)
        await work.raw.execute(write.text, *write.values)


async def update_later(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of locked rows together with what else waits to be written."""
    if values:
        await work.raw.later(updating(row, values))


def inserting(row: type[Row], values: Sequence[Mapping[str, Any]]) -> Write:
    """The statement that inserts rows."""
    columns = tuple(values[0])
    return Write(_insert(row, columns), [_rows(row, columns, values)], into=row.__tablename__)


def updating(row: type[Row], values: Sequence[Mapping[str, Any]]) -> Write:
    """The statement that sets columns of rows."""
    columns = tuple(values[0])
    return Write(_update(row, columns), [_rows(row, columns, values)])


def as_json(rows: Any) -> str:
    """Rows as a statement takes them: decimals keep every digit, as strings."""
    return _encoder.encode(rows).decode()


@lru_cache(maxsize=256)
def _insert(row: type[Row], columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {row.__tablename__} ({names}) SELECT * FROM {_given(row, columns)}"  # noqa: S608  names are ours


@lru_cache(maxsize=256)
def _update(row: type[Row], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = given.{name}" for name in columns if name != "id")
    source = _given(row, columns)
    return f"UPDATE {row.__tablename__} AS target SET {changes} FROM {source} WHERE target.id = given.id"  # noqa: S608


def _given(row: type[Row], columns: tuple[str, ...]) -> str:
    types = (row.__table__.c[name].type.compile(_dialect).partition(" COLLATE")[0] for name in columns)
    return f"json_to_recordset($1::json) AS given({', '.join(map(' '.join, zip(columns, types, strict=True)))})"


def _rows(row: type[Row], columns: tuple[str, ...], values: Sequence[Mapping[str, Any]]) -> str:
    binders = [(name, bind) for name, bind in zip(columns, _binders(row, columns), strict=True) if bind is not None]
    rows = [dict(each) for each in values]
    for each in rows:
        for name, bind in binders:
            value = each[name]
            if value is not None:
                each[name] = bind(value)
    return as_json(rows)


@lru_cache(maxsize=256)
def _binders(row: type[Row], columns: tuple[str, ...]) -> list[Callable[[Any], Any] | None]:
    """How the values of each column become what is stored; None: they are that already."""
    return [_binder(row.__table__.c[name]) for name in columns]


def _binder(column: ColumnElement[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, JSONB):
        return None
    if isinstance(column.type, LargeBinary):
        return lambda value: "\\x" + value.hex()
    # The type as asyncpg's dialect knows it: the plain Numeric would send decimals by way of floats.
    return column.type.dialect_impl(_dialect).bind_processor(_dialect)
