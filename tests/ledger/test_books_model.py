"""The books against their reference model: random entries, settlements, reversals, closings, rates, many at once."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.kernel.database import Database
from tests.ledger.driver import Driver
from tests.support import shop
from tests.support.api import Api

pytestmark = pytest.mark.timeout(600)

BURSTS, MOST_BURSTS = 8, 300
OUTCOMES = (
    "post done",
    "post dry done",
    "settle done",
    "reverse done",
    "reverse NOT_ALLOWED_NOW",
    "rate done",
    "close done",
    "reopen done",
    "revalue done",
    "realize done",
    "post PERIOD_CLOSED",
)


@pytest.fixture(scope="module")
async def driver(api: Api, database: Database) -> Driver:
    made = Driver(api, database)
    await made.prepare()
    return made


@settings(
    derandomize=True,
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10**6))
async def test_books_are_what_the_model_says(driver: Driver, seed: int) -> None:
    driver.chance = random.Random(seed)
    for _ in range(BURSTS):
        await driver.burst()
    await shop.invariants_hold(driver.api)


async def test_everything_happened(driver: Driver) -> None:
    """The model was asked about every kind of act, and refusals among them: some are rare, and are waited for."""
    for _ in range(MOST_BURSTS):
        if all(driver.outcomes[each] for each in OUTCOMES):
            break
        await driver.burst()
    assert [each for each in OUTCOMES if not driver.outcomes[each]] == []
