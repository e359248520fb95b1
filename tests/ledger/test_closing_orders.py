"""Posting and closing in every order of their steps: no entry in a month that was closed first."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import TypeAlias

import asyncpg
import pytest

from tests.ledger.test_guards import ENTRY, GOOD, LINES
from tests.support import books
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

POSTING = ("begin", "entry", "lines", "commit")
CLOSING = ("begin", "close", "commit")


def orders() -> Iterator[tuple[str, ...]]:
    """Every way in which the steps of both can follow each other: P is a step of posting, C one of closing."""
    many = len(POSTING) + len(CLOSING)
    for places in combinations(range(many), len(CLOSING)):
        yield tuple("C" if n in places else "P" for n in range(many))


class Actor:
    """Somebody whose steps are run one after the other, each begun when its turn comes."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.transaction = connection, connection.transaction()
        self.done: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
        self.committed = False
        self.entry: asyncpg.Record | None = None

    def take(self, step: str, state: str) -> None:
        """Begin a step once the one before is done: it may have to wait for the other one."""
        before = self.done

        async def run() -> None:
            await before
            await self.step(step, state)

        self.done = asyncio.create_task(run())

    async def step(self, step: str, state: str) -> None:
        if step == "begin":
            await self.transaction.start()
        elif step == "entry":
            self.entry = await self.connection.fetchrow(ENTRY.format(manual=False))
        elif step == "lines":
            assert self.entry is not None
            await self.connection.execute(LINES.format(values=GOOD, day="$2::date"), *self.entry.values())
            await self.connection.execute(books.ANNOUNCED)
        elif step == "close":
            await self.connection.execute(
                "UPDATE accounting_periods SET state = $1 WHERE starts_on <= current_date AND state <> 'LOCKED'", state
            )
        else:
            await self.transaction.commit()
            self.committed = True

    async def end(self) -> None:
        with suppress(asyncpg.CheckViolationError):
            await asyncio.wait_for(self.done, 20)
        if not self.committed:
            await self.transaction.rollback()


@pytest.mark.parametrize("state", ["SOFT_CLOSED", "LOCKED"])
async def test_every_order_of_steps(server: Server, fresh_name: str, state: str) -> None:
    url, owner = server.app_url(fresh_name), await asyncpg.connect(server.owner_url(fresh_name))
    first, second = await asyncpg.connect(url), await asyncpg.connect(url)
    posted = refused = 0
    for order in orders():
        await owner.execute("UPDATE accounting_periods SET state = 'OPEN'")
        poster, closer = Actor(first), Actor(second)
        steps = {"P": (poster, iter(POSTING)), "C": (closer, iter(CLOSING))}
        for who in order:
            actor, left = steps[who]
            actor.take(next(left), state)
            await asyncio.sleep(0.004)
        await asyncio.gather(poster.end(), closer.end())
        assert closer.committed, order
        # Whoever came to the month first is the one who had it: the other one waited, and then saw what was done.
        assert poster.committed == (order_of(order, "entry") < order_of(order, "close")), order
        posted, refused = posted + poster.committed, refused + (not poster.committed)
    assert posted > 3
    assert refused > 3
    assert await owner.fetchval("SELECT count(*) FROM journal_entries") == posted
    assert await owner.fetchval("SELECT sum(debit_base) FROM journal_lines") == 5 * posted
    for each in (owner, first, second):
        await each.close()


def order_of(order: tuple[str, ...], step: str) -> int:
    """When a step's turn came."""
    who, steps = ("C", CLOSING) if step in CLOSING and step != "begin" else ("P", POSTING)
    turns = [n for n, each in enumerate(order) if each == who]
    return turns[steps.index(step)]
