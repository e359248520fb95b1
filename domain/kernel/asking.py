"""Several questions in one statement: what rooms want to know at the same moment costs one round trip.

A room says what it asks and how it reads the answer (`Ask`); whoever needs several answers asks `together`. Columns of
one name are one column of the whole, so each room reads its rows as if it had asked alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from asyncpg import Record

from domain.kernel.work import Work

Answer = TypeVar("Answer")
AMONG = "ANY(ARRAY(SELECT unnest($1::uuid[])))"
"""`id = AMONG`: one of the first parameter. Said like this Postgres plans once; a bare `ANY($1)` is planned anew for
each execution, because for a short array that seems cheaper, and planning costs more than the rows do."""
_PARAMETER = re.compile(r"\$([0-9]+)")


@dataclass(frozen=True, eq=False)
class Query:
    """A SELECT whose parameters are numbered from 1."""

    text: str
    columns: str
    """What it brings, in its order: names and SQL types, such as "id uuid, sku text"."""

    @property
    def typed(self) -> list[tuple[str, str]]:
        """The columns, each with its type."""
        pairs = (each.split() for each in self.columns.split(","))
        return [(name, kind) for name, kind in pairs]


@dataclass(frozen=True)
class Ask(Generic[Answer]):
    """One question with its parameters, and what its rows mean."""

    query: Query
    parameters: Sequence[Any]
    read: Callable[[Sequence[Record]], Answer]
    needed: bool = True
    """False: the answer is that of no rows at all, and nobody has to be asked."""


async def ask(work: Work, question: Ask[Answer]) -> Answer:
    """The answer to one question."""
    return question.read(await work.raw.fetch(question.query.text, *question.parameters) if question.needed else ())


async def together(work: Work, *questions: Ask[Any]) -> list[Any]:
    """The answers to several questions in the order given, all of one moment.

    A question may lock what it finds. Then the others are answered as things were before the lock was waited for.
    """
    asked = [each for each in questions if each.needed]
    rows: dict[int, list[Record]] = {}
    if asked:
        parameters = [each for question in asked for each in question.parameters]
        for record in await work.raw.fetch(_whole(tuple(each.query for each in asked)), *parameters):
            rows.setdefault(record[0], []).append(record)
    places = iter(range(len(asked)))
    return [each.read(rows.get(next(places), ()) if each.needed else ()) for each in questions]


@lru_cache(maxsize=64)
def _whole(queries: tuple[Query, ...]) -> str:
    """All queries as one statement: each a WITH query, their rows in one UNION ALL with the query's number in front."""
    columns: dict[str, str] = {}
    for query in queries:
        for name, kind in query.typed:
            if columns.setdefault(name, kind) != kind:
                raise TypeError(f"{name} is {columns[name]} here and {kind} there")
    parts, selects, taken = [], [], 0
    for n, query in enumerate(queries):
        shifted = _PARAMETER.sub(lambda found, taken=taken: f"${int(found[1]) + taken}", query.text)
        taken += max((int(each) for each in _PARAMETER.findall(query.text)), default=0)
        own = dict(query.typed)
        parts.append(f"q{n} ({', '.join(own)}) AS ({shifted})")
        values = ", ".join(name if name in own else f"NULL::{kind} AS {name}" for name, kind in columns.items())
        selects.append(f"SELECT {n} AS query, {values} FROM q{n}")  # noqa: S608  names are ours
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(selects)}"
