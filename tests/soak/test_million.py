"""A list of a million products costs the same on its first page and deep inside, whichever way it is read."""

import statistics
import time
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.server import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PRODUCTS = 1_000_000
_FILL = (
    """
    INSERT INTO products (id, name, slug, status, version, created_at, updated_at)
    SELECT uuid7(), 'Product ' || md5(n::text), 'p-' || n, 'ACTIVE', 1,
      now() - random() * interval '1000 days', now() - random() * interval '1000 days'
    FROM generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO product_variants (id, product_id, position, sku, name, unit_id, created_at, updated_at)
    SELECT uuid7(), id, 1, 'S-' || slug, 'Only', (SELECT id FROM units WHERE code = 'EA'), created_at, updated_at
    FROM products WHERE $1::int > 0
    """,
)
PAGE = """query ($first: Int, $last: Int, $after: String, $before: String, $sort: [ProductSort!]) {
  products(first: $first, last: $last, after: $after, before: $before, sort: $sort) {
    nodes { id name } pageInfo { startCursor endCursor } } }"""


@pytest.fixture(scope="module")
async def million(server: Server, database_name: str, api: Api) -> Api:
    owner = await asyncpg.connect(server.owner_url(database_name))
    for statement in _FILL:
        await owner.execute(statement, PRODUCTS, timeout=600)
    await owner.execute("VACUUM ANALYZE", timeout=600)
    await owner.close()
    return api


async def _page(api: Api, **arguments: Any) -> tuple[float, dict[str, str]]:
    """The median time of a page in milliseconds, and its cursors."""
    times = []
    answer: dict[str, Any] = {}
    for _ in range(15):
        started = time.perf_counter()
        answer = await api.data(PAGE, arguments)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), answer["products"]["pageInfo"]


@pytest.mark.parametrize("sort", ["CREATED_AT", "UPDATED_AT", "NAME"])
@pytest.mark.parametrize("way", ["ASC", "DESC"])
async def test_page_one_and_page_ten_thousand_cost_the_same(million: Api, sort: str, way: str) -> None:
    order = [f"{sort}_{way}"]
    first, cursors = await _page(million, first=50, sort=order)
    middle = cursors["endCursor"]
    for _ in range(60):  # 15,000 rows on, by the largest pages
        middle = (await million.data(PAGE, {"first": 250, "after": middle, "sort": order}))["products"]["pageInfo"][
            "endCursor"
        ]
    last, _ = await _page(million, last=50, sort=order)
    forward, _ = await _page(million, first=50, after=middle, sort=order)
    backward, _ = await _page(million, last=50, before=middle, sort=order)
    print(
        f"{order[0]}: first {first:.1f} ms, last {last:.1f}, deep forward {forward:.1f}, deep backward {backward:.1f}"
    )
    for deep in (last, forward, backward):
        assert deep < 2 * first + 2, (first, last, forward, backward)
