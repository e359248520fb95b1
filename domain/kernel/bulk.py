"""Many rows in one statement: the set-based writes of hot paths.

Values travel as one array per column (`unnest`), so a statement has the same text for one row and for ten thousand,
is prepared once, and never meets the limit of bind parameters.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import JSONB, asyncpg

from domain.kernel.rows import Row
from domain.kernel.work import Work

_dialect = asyncpg.dialect()


async def insert(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns. A broken constraint refuses them all."""
    if not values:
        return
    columns = tuple(values[0])
    await work.raw.execute(_insert(row, columns), *_arrays(row, columns, values))


async def update(work: Work, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of rows by their `id`. The rows must be locked already: this statement takes no lock order."""
    if not values:
        return
    columns = tuple(values[0])
    await work.raw.execute(_update(row, columns), *_arrays(row, columns, values))


@lru_cache(maxsize=256)
def _insert(row: type[Row], columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {row.__tablename__} ({names}) SELECT * FROM {_unnest(row, columns)}"  # noqa: S608  names are ours


@lru_cache(maxsize=256)
def _update(row: type[Row], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = given.{name}" for name in columns if name != "id")
    source = f"{_unnest(row, columns)} AS given({', '.join(columns)})"
    return f"UPDATE {row.__tablename__} AS target SET {changes} FROM {source} WHERE target.id = given.id"  # noqa: S608


def _unnest(row: type[Row], columns: tuple[str, ...]) -> str:
    types = (row.__table__.c[name].type.compile(_dialect).partition(" COLLATE")[0] for name in columns)
    return "unnest(" + ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1)) + ")"


def _arrays(row: type[Row], columns: tuple[str, ...], values: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    return [_bound(row.__table__.c[name], [each[name] for each in values]) for name in columns]


def _bound(column: ColumnElement[Any], values: list[Any]) -> list[Any]:
    """A column's values as the driver wants them."""
    if isinstance(column.type, JSONB):
        return [None if value is None else orjson.dumps(value).decode() for value in values]
    # The type as asyncpg's dialect knows it: the plain Numeric would send decimals by way of floats.
    processor = column.type.dialect_impl(_dialect).bind_processor(_dialect)
    return [None if value is None else processor(value) for value in values] if processor else values
