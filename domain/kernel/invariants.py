"""What must hold in every committed state, as statements that find the rows at fault.

The database keeps most of these by itself; `waterline verify` proves them from the first row, so that nobody has to
take our word for it. A room declares its invariants beside its tables.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SHOWN = 20
"""Rows at fault that are shown per invariant."""


@dataclass(frozen=True)
class Invariant:
    """A rule, and the statement that selects whatever breaks it: nothing, in a sound database."""

    name: str
    rule: str
    at_fault: str


_declared: dict[str, Invariant] = {}


def invariant(name: str, rule: str, at_fault: str) -> None:
    """Declare what must hold."""
    if name in _declared:
        raise ValueError(f"{name} is declared twice")
    _declared[name] = Invariant(name, rule, at_fault)


def declared() -> list[Invariant]:
    """All invariants, in the order of their declaration."""
    return list(_declared.values())


async def check(
    connection: AsyncConnection, *, begin: Callable[[Invariant], None] = lambda _: None
) -> AsyncIterator[tuple[Invariant, list[str]]]:
    """Each invariant with the rows at fault, at most SHOWN of them as text. `begin` is told before each.

    They compare whole tables. Right after an import the server's statistics are those of before it, and it would loop
    over millions of rows where it thinks there are a few: so it may not.
    """
    await connection.execute(text("SET LOCAL enable_nestloop = off"))
    for each in declared():
        begin(each)
        result = await connection.execute(text(f"SELECT * FROM ({each.at_fault}) AS fault LIMIT {SHOWN}"))  # noqa: S608
        yield each, [", ".join(f"{name}={value}" for name, value in row.items()) for row in result.mappings()]
