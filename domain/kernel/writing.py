"""What an act says to the database: writes that can wait go out together, as one statement.

Whoever writes rows that nobody looks at yet says `later`. They are sent before whatever is said next, or at the end of
the act with its events, whichever side of the connection speaks: as one statement, with a WITH query for each write. So
an order, its lines, what is allocated for them and the levels that change with it are one round trip, though rooms that
know nothing of each other write them.

What still waits when the act ends is written by the message that commits it: that is no round trip at all. Where
nothing was said before, it is the only one, a statement that is a transaction by itself. That one can bring along what
somebody wants to see of the rows that it inserts (`Wanted`), who need not ask for them then.

The writes of one statement do not see each other, and its triggers fire when all are done (foreign keys as well). What
a trigger must see written before, as the books demand, is said at once (`execute`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Any

from asyncpg import Record

from domain.kernel.opening import Opening
from domain.kernel.pool import Driver

_PARAMETER = re.compile(r"\$([0-9]+)")


@dataclass(frozen=True)
class Write:
    """An INSERT, UPDATE or DELETE, its parameters numbered from 1, and their values."""

    text: str
    values: Sequence[Any]
    steps: str = ""
    """The WITH queries that it stands on, if any, by names of their own."""
    into: str = ""
    """The table, where it does nothing but insert rows."""


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to see of the rows that an act inserts into a table."""

    table: str
    columns: str
    """In SQL, each with a name of its own, over nothing but the columns of the row."""


MOST_PREPARED = 32
"""Statements that a connection keeps for `conclude`: the ends of those acts that come again and again."""


class Prepared:
    """What was prepared by hand on a connection, by its text; and the texts that were seen once."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.seen: set[str] = set()


class Statements:
    """The driver's connection of an act, with what waits to be written."""

    def __init__(self, driver: "Driver[Record]", prepared: Prepared | None = None) -> None:
        self._driver = driver
        self._prepared = prepared or Prepared()
        self.waiting: list[Write] = []
        self.opening: Opening | None = None
        """How the transaction begins, until it does."""
        self.wanted: Wanted | None = None
        self.returned: list[Record] | None = None
        """What was wanted, once it is committed; None where the act has said too much for that."""

    async def open(self) -> None:
        """Begin the transaction, if that has not been done."""
        if self.opening is not None:
            opening, self.opening = self.opening, None
            await opening.send(self._driver)

    async def later(self, write: Write) -> None:
        """To be written before whatever is said next. Two writes of one kind might meet in a row: they take turns."""
        if any(each.text == write.text for each in self.waiting):
            await self.flush()
        self.waiting.append(write)

    async def flush(self) -> None:
        """Begin, and write what waits, in one statement."""
        await self.open()
        if self.waiting:
            text, values = self._taken()
            await self._driver.execute(text, *values)

    async def conclude(self, ending: str) -> None:
        """Write what waits and say `ending`, in one message where the same was written before on this connection."""
        if self.waiting:
            text, values = self._taken()
            name = await self._name_of(text)
            if name is not None and all(isinstance(value, _LITERAL) for value in values):
                ending = f"EXECUTE {name}({', '.join(map(_literal, values))}); {ending}"
            else:
                await self._driver.execute(text, *values)
        await self._driver.execute(ending)

    async def write_whole(self) -> None:
        """Nothing was said yet, and what waits is all there is to say: one statement, which is a transaction by itself.

        The connection's own settings say what transaction: one that reads what is committed, and may write.
        """
        assert self.opening is not None
        opening, self.opening = self.opening, None
        writes, self.waiting = self.waiting, []
        parts = tuple((each.steps, each.text, len(each.values)) for each in writes)
        values = [*opening.values, *(value for each in writes for value in each.values)]
        inserts = [n for n, each in enumerate(writes) if self.wanted is not None and each.into == self.wanted.table]
        if self.wanted is None or len(inserts) != 1:
            await self._driver.execute(_by_itself(opening.statement, len(opening.values), parts), *values)
        else:
            text = _by_itself(opening.statement, len(opening.values), parts, inserts[0], self.wanted.columns)
            self.returned = await self._driver.fetch(text, *values)

    def _taken(self) -> tuple[str, list[Any]]:
        """What waits, as one statement and its values; it waits no longer."""
        writes, self.waiting = self.waiting, []
        text = _whole(tuple((each.steps, each.text, len(each.values)) for each in writes))
        return text, [value for each in writes for value in each.values]

    async def _name_of(self, text: str) -> str | None:
        """The name under which the statement is prepared on this connection; None where it is not. What comes up for
        the second time is prepared: that is a message more, once.
        """
        names, seen = self._prepared.names, self._prepared.seen
        if text in names or len(names) >= MOST_PREPARED:
            return names.get(text)
        if text not in seen:
            if len(seen) >= MOST_PREPARED:
                seen.clear()
            seen.add(text)
            return None
        name = f"conclude_{len(names)}"
        try:
            await self._driver.execute(f"PREPARE {name} AS {text}")
        except BaseException:
            self._driver.terminate()  # nobody knows what it has prepared
            raise
        names[text] = name
        return name

    async def execute(self, statement: str, *values: Any) -> str:
        """Run a statement, or without values several; returns the status of the last."""
        await self.flush()
        return await self._driver.execute(statement, *values)

    async def fetch(self, statement: str, *values: Any) -> list[Record]:
        """The rows of a statement."""
        await self.flush()
        return await self._driver.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: Any) -> Record | None:
        """The first row of a statement; None where there is none."""
        await self.flush()
        return await self._driver.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first value of the first row of a statement; None where there is none."""
        await self.flush()
        return await self._driver.fetchval(statement, *values)


_LITERAL = (str, datetime, NoneType)
"""What can stand in a message as it is."""


def _literal(value: str | datetime | None) -> str:
    """A value as SQL writes it. Connections have standard_conforming_strings on, so only quotes must be doubled."""
    if value is None:
        return "NULL"
    text = value if isinstance(value, str) else value.isoformat()
    if "\0" in text:
        raise ValueError("no message can hold this character")
    return "'" + text.replace("'", "''") + "'"


@lru_cache(maxsize=256)
def _whole(writes: tuple[tuple[str, str, int], ...]) -> str:
    """All writes as one statement, the last one in front: the others are its WITH queries."""
    parts: list[str] = []
    taken, last = 0, ""
    for n, (steps, text, values) in enumerate(writes, 1):
        parts += [_shifted(steps, taken)] if steps else []
        last = _shifted(text, taken)
        taken += values
        if n < len(writes):
            parts.append(f"write_{n} AS ({last})")
    return f"WITH {', '.join(parts)} {last}" if parts else last


@lru_cache(maxsize=256)
def _by_itself(
    opening: str, values: int, writes: tuple[tuple[str, str, int], ...], insert: int = -1, columns: str = ""
) -> str:
    """All writes as one statement that opens its own transaction. Its WITH queries write only when it has read the one
    in front, which says who acts. `insert`: the write of whose rows it returns these columns.
    """
    parts, taken = [f"opened AS MATERIALIZED ({opening})"], values
    for n, (steps, text, many) in enumerate(writes):
        parts += [_shifted(steps, taken)] if steps else []
        returning = f" RETURNING {columns}" if n == insert else ""
        parts.append(f"write_{n} AS ({_shifted(text, taken)}{returning})")
        taken += many
    # A left join, so that what stands at its left is read first.
    shown = f"written.* FROM opened LEFT JOIN write_{insert} AS written ON true" if columns else "FROM opened"
    return f"WITH {', '.join(parts)} SELECT {shown}"


def _shifted(text: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", text)
