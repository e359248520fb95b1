"""The books against their reference model, for as long as it is asked."""

import random
import time
from collections import Counter

import pytest

from domain.kernel.database import Database
from tests.ledger.driver import Driver
from tests.soak.test_stock_model import SECONDS, SEED
from tests.support import shop
from tests.support.api import serving
from tests.support.server import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

BURSTS = 40
"""So many on a database; then new books are begun, because the model looks at all of them after each."""


async def test_books_are_what_the_model_says(server: Server, template: str) -> None:
    print(f"SOAK_SEED={SEED}")
    chance, ends = random.Random(SEED), time.monotonic() + SECONDS
    outcomes: Counter[str] = Counter()
    while time.monotonic() < ends:
        async with server.clone(template) as name, serving(server.app_url(name)) as api:
            database = Database(server.app_url(name))
            driver = Driver(api, database)
            driver.chance = chance
            await driver.prepare()
            for _ in range(BURSTS):
                await driver.burst()
                if time.monotonic() > ends:
                    break
            await shop.invariants_hold(api)
            await database.close()
            outcomes += driver.outcomes
    for outcome, many in sorted(outcomes.items()):
        print(f"{many:>8,} {outcome}")
    print(f"{outcomes.total():,} acts in {SECONDS:.0f} s")
