"""The event log under random writers for as long as it is asked: nothing lost, nothing twice, versions in order."""

import asyncio
import os
import random
import time
from dataclasses import dataclass

import pytest

from domain.kernel import events
from domain.kernel.database import Database, snapshot
from domain.kernel.events import Event
from domain.kernel.ids import ID, new_id
from domain.kernel.work import SYSTEM, begin

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

SECONDS = 60 * float(os.environ.get("SOAK_MINUTES", "1")) / 2


@dataclass(frozen=True)
class SoakHappened(Event):
    """Something for the test."""


class _Given(Exception):  # noqa: N818
    """An act that is given up."""


async def test_readers_get_every_event_once_and_in_order(fresh_database: Database) -> None:
    subjects = [ID(new_id("prd")) for _ in range(20)]
    committed: dict[str, int] = dict.fromkeys(subjects, 0)
    ends = time.monotonic() + SECONDS

    async def writer(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < ends:
            chosen = chance.choices(subjects, k=chance.randint(1, 4))
            try:
                async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                    if chance.random() < 0.5:  # a transaction id long before the lock
                        await work.raw.fetchval("SELECT pg_current_xact_id()")
                        await asyncio.sleep(chance.random() * 0.02)
                    work.announce(*(SoakHappened(subject) for subject in chosen))
                    await work.finish()
                    if chance.random() < 0.1:
                        raise _Given
                    await asyncio.sleep(chance.random() * 0.01)
            except _Given:
                continue
            for subject in chosen:
                committed[subject] += 1

    async def reader(done: asyncio.Event) -> dict[str, int]:
        seen: dict[str, int] = dict.fromkeys(subjects, 0)
        position, quiet = events.START, 0
        while quiet < 3:
            async with fresh_database.connection() as connection, snapshot(connection):
                page = await events.read(connection, after=position, limit=random.randint(1, 50))
            for event in page:
                if event.type == SoakHappened.type:
                    assert event.version == seen[event.subject] + 1
                    seen[event.subject] = event.version
                position = event.position
            quiet = quiet + 1 if done.is_set() and not page else 0
            await asyncio.sleep(0 if page else 0.01)
        return seen

    done = asyncio.Event()
    reading = asyncio.create_task(reader(done))
    await asyncio.gather(*(writer(seed) for seed in range(8)))
    done.set()
    assert await reading == committed
    print(f"{sum(committed.values()):,} events in {SECONDS:.0f} s")
