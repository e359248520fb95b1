"""Acts that want the same at once: one gets it, the others are told so, and nobody sees a deadlock."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api, serving
from tests.support.server import Server

CREATE = """mutation M($input: ProductCreateInput!) { productCreate(input: $input) {
  product { id slug } userErrors { code path } } }"""


@pytest.fixture
async def two(server: Server, fresh_name: str) -> AsyncIterator[tuple[Api, Api]]:
    """Two processes' worth of the API on one database."""
    async with serving(server.app_url(fresh_name)) as one, serving(server.app_url(fresh_name)) as other:
        yield one, other


SLOWLY = """
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END';
CREATE TRIGGER take_time BEFORE INSERT ON product_variants FOR EACH ROW EXECUTE FUNCTION take_time();
"""
"""A row takes a moment, so that acts which are in the middle of writing do meet."""


async def create(api: Api, **product: Any) -> dict[str, Any]:
    return (await api.data(CREATE, {"input": product}))["productCreate"]


async def test_one_of_those_who_want_the_same_skus_wins(server: Server, fresh_name: str, two: tuple[Api, Api]) -> None:
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    await owner.execute(SLOWLY)
    await owner.close()
    for each in two:
        await each.token()
    for number in range(8):
        skus = [f"R{number}-{n:03}" for n in range(100)]
        payloads = await asyncio.gather(
            *(
                create(
                    two[n % 2],
                    name=f"Round {number} of {n}",
                    variants=[{"sku": sku} for sku in (skus if n < 2 else reversed(skus))],
                )
                for n in range(4)
            )
        )
        won = [payload for payload in payloads if payload["product"]]
        lost = [payload for payload in payloads if not payload["product"]]
        assert (len(won), len(lost)) == (1, 3)
        assert won[0]["userErrors"] == []
        assert {error["code"] for payload in lost for error in payload["userErrors"]} == {"INVALID"}
        assert all(payload["userErrors"] for payload in lost)
    count = await two[0].data("{ products(first: 0) { totalCount } variants(first: 0) { totalCount } }")
    assert count == {"products": {"totalCount": 8}, "variants": {"totalCount": 800}}


async def test_made_slugs_of_one_name_differ(two: tuple[Api, Api]) -> None:
    for each in two:
        await each.token()
    payloads = await asyncio.gather(
        *(create(two[n % 2], name="Blue Mug", variants=[{"sku": f"MUG-{n}"}]) for n in range(10))
    )
    assert [payload["userErrors"] for payload in payloads] == [[]] * 10
    slugs = {payload["product"]["slug"] for payload in payloads}
    assert len(slugs) == 10
    assert "blue-mug" in slugs
