"""Stock against its reference model: thousands of random acts, many at once, some of them broken off.

`make soak` does the same for as long as it is asked (`tests/soak/test_stock_model.py`).
"""

import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stock.model.acts import ACTS, NEVER_DONE
from tests.stock.model.driver import Driver
from tests.stock.model.shops import rounds, shop, variants
from tests.support.api import Api
from tests.support.server import Server

pytestmark = pytest.mark.timeout(600)

SEEDS, MORE_SEEDS = (1, 2, 3), range(4, 12)
BURSTS = 25
AT_ONCE = 16


@pytest.fixture(scope="module")
async def driver(server: Server, database_name: str, api: Api) -> AsyncIterator[Driver]:
    async with shop(server, database_name, api, random.Random(0)) as made:
        yield made


@settings(
    derandomize=True,
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(chance=st.randoms(use_true_random=False))
async def test_acts_one_after_the_other(driver: Driver, chance: random.Random) -> None:
    """Each alone, so that what fails is the same each time, and is made smaller."""
    driver.chance = chance
    await driver.anew(variants(driver.now))
    for _ in range(15):
        await driver.burst(driver.draw(1, fates=False))


async def test_acts_at_once(driver: Driver) -> None:
    """Twelve hundred acts in bursts: what some order of them would make is what is there. A few more, where by chance
    some kind of act was always refused: what is drawn depends on what the acts before it came to.
    """
    driver.outcomes = Counter()
    kinds, done = {kind.__name__ for kind in ACTS if kind not in NEVER_DONE}, set[str]()
    for seed in (*SEEDS, *MORE_SEEDS):
        if seed in MORE_SEEDS and done == kinds:
            break
        driver.chance = random.Random(seed)
        await rounds(driver, BURSTS, AT_ONCE, graphql=0.1)
        done = {name.split()[0] for name in driver.outcomes if name.endswith(" done")}
    assert done == kinds, "some kind of act was never done"
    ended = Counter[str]()
    for name, many in driver.outcomes.items():
        ended[name.partition(" ")[2]] += many
    assert ended["done"] > ended.total() / 3
    assert ended["refused"] > ended.total() / 20
    assert ended["rolled back"]
    assert ended["lost"]
