"""How a transaction begins: the database is told who acts, and under which conditions.

That goes out before the first statement. An act that only writes says nothing before its end; where it may wait so
long, one statement begins, writes and commits (`Statements.write_whole`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncpg import PostgresError, Record

from domain.kernel.ids import ID

if TYPE_CHECKING:
    from domain.kernel.pool import Driver
    from domain.kernel.writing import Prepared


@dataclass(frozen=True)
class Condition:
    """What must be so when an act begins."""

    name: str
    text: str
    """In SQL, with $1 for the value."""
    value: str
    """An id, or its digits."""
    otherwise: Callable[[], None] | None = None
    """What is done where it is not so."""


class Unmet(Exception):  # noqa: N818  a reason to look again, not a fault
    """What an act was to begin under is not so. Nothing was done."""


class Opening:
    """The beginning of one transaction, until it is sent."""

    def __init__(
        self, actor: ID | None, app: ID | None, act: ID, prepared: "Prepared", condition: Condition | None
    ) -> None:
        self._given = [actor or "", app or "", act]
        self._prepared = prepared
        self._conditions = [condition] if condition is not None else []

    def provide(self, condition: Condition) -> None:
        """The transaction is to begin under this condition as well."""
        self._conditions.append(condition)

    @property
    def values(self) -> list[str]:
        """The parameters of its statement."""
        return [*self._given, *(each.value for each in self._conditions)]

    async def send(self, driver: "Driver[Record]") -> None:
        """Begin. What it runs is prepared once for each connection: to plan it costs more than all the rest."""
        statement, values = self.statement, ", ".join(f"'{_plain(each)}'" for each in self.values)
        name = self._prepared.names.get(statement)
        if name is None:
            name = "_".join(["begin", *(each.name for each in self._conditions)])
            try:
                await driver.execute(f"PREPARE {name} AS {statement}")
            except BaseException:
                driver.terminate()  # nobody knows what it has prepared
                raise
            self._prepared.names[statement] = name
        await driver.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; EXECUTE {name}({values})")

    def is_unmet(self, error: BaseException) -> bool:
        """Whether an error says that a condition is not so; what is to be done then has been done."""
        if not isinstance(error, PostgresError):
            return False
        unmet = [each for each in self._conditions if f"provided_{each.name}" == error.constraint_name]
        for each in unmet:
            if each.otherwise is not None:
                each.otherwise()
        return bool(unmet)

    @property
    def statement(self) -> str:
        """What a transaction says first: who acts. It fails unless all conditions are met."""
        demands = [
            f"provided({each.text.replace('$1', f'${n}')}, '{each.name}')" for n, each in enumerate(self._conditions, 4)
        ]
        return ", ".join([_INTRODUCE, *demands])


_INTRODUCE = (
    "SELECT set_config('waterline.actor', $1, true), set_config('waterline.app', $2, true),"
    " set_config('waterline.act', $3, true)"
)


def _plain(value: str) -> str:
    """The value, once it is sure that it can stand in a statement as it is: ids can."""
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"{value!r} is no id")
    return value


_PLAIN = re.compile("[a-z0-9_]*")
