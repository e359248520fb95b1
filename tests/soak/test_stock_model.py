"""Stock against its reference model, for as long as it is asked."""

import os
import random
import time

import pytest

from tests.stock.model.shops import rounds, shop
from tests.support.api import Api
from tests.support.server import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

SECONDS = 60 * float(os.environ.get("SOAK_MINUTES", "1"))
SEED = int(os.environ.get("SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)


async def test_stock_is_what_the_model_says(server: Server, fresh_name: str, fresh_api: Api) -> None:
    print(f"SOAK_SEED={SEED}")
    chance, ends = random.Random(SEED), time.monotonic() + SECONDS
    async with shop(server, fresh_name, fresh_api, chance) as driver:
        while time.monotonic() < ends:
            await rounds(
                driver, 30, chance.choice([2, 8, 16, 24]), verify_every=30, graphql=chance.choice([0, 0.1, 0.5])
            )
        for outcome, many in sorted(driver.outcomes.items()):
            print(f"{many:>8,} {outcome}")
        print(f"{driver.outcomes.total():,} acts in {SECONDS:.0f} s")
