"""Shops for the model: places, and variants that are kept in every way there is."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.kernel.database import Database
from tests.stock.model import report
from tests.stock.model.driver import Driver
from tests.stock.model.order import Disagreement
from tests.stock.model.world import Location, Lot, Variant, World, found
from tests.support.api import Api
from tests.support.server import Server

LOCATIONS = (
    Location(1, bins=("A", "B")),
    Location(1, oversells=True),
    Location(0, bins=("C",)),
    Location(5, transit=True),
)


def variants(begins: datetime) -> tuple[Variant, ...]:
    """First in, first out; by average, with a limit to waiting; by weight and without one; by lots, of which one
    expires soon; one of the lots is past its last day.
    """
    soon = (begins + timedelta(hours=1)).date()
    expired = Lot("L3", soon - timedelta(days=30))
    return (
        Variant(),
        Variant(averaged=True, waits="LIMIT", limit=6),
        Variant(waits="ALLOW", decimals=3, lots=(Lot("L1", None), Lot("L2", soon + timedelta(days=30)), expired)),
        Variant(tracked=True, lots=(Lot("T1", None), Lot("T2", soon))),
    )


@asynccontextmanager
async def shop(server: Server, name: str, api: Api | None, chance: random.Random) -> AsyncIterator[Driver]:
    """A driver on a database, with places and no variants yet."""
    database = Database(server.app_url(name), pool=26)
    # Months ago, so that the clock of the acts, which runs ahead, does not come to be later than now.
    world = World((), LOCATIONS, datetime.now(UTC) - timedelta(days=60))
    try:
        await found(database, world)
        async with Driver(database, api, server.owner_url(name), world, chance).running() as driver:
            yield driver
    finally:
        await database.close()


async def rounds(driver: Driver, bursts: int, acts: int, *, verify_every: int = 10, **drawn: Any) -> None:
    """Fresh variants, and so many bursts of so many acts. What fails is told so that it can be done again."""
    kept = variants(driver.now)
    await driver.anew(kept)
    try:
        for n in range(1, bursts + 1):
            await driver.burst(driver.draw(acts, **drawn))
            if n % verify_every == 0 or n == bursts:
                await driver.verify()
        assert not driver.deadlocks, driver.deadlocks
    except Disagreement as failure:
        history = list(driver.history)

        async def anew() -> Driver:
            again = Driver(driver.database, None, driver.owner_url, driver.world, random.Random(0))
            again.take_over(driver)
            await again.anew(kept)
            return again

        raise Disagreement(await report.told(history, failure, anew)) from None
