"""Ten thousand lines are one act, and fast."""

import os
import time

from domain import catalog
from domain.catalog import NewProduct, NewVariant
from domain.kernel.ids import ID
from domain.kernel.work import SYSTEM, begin
from tests.support import shop
from tests.support.api import Api

LINES = 10_000
SECONDS = 3.0

RECEIVE = """mutation R($input: StockReceiveInput!) { stockReceive(input: $input) {
  receipt { id } userErrors { code message path }
  effects { journalEntries { nodes { lines { debit { amount } } } } stockMovements(first: 1) { totalCount } } } }"""


async def _variants(api: Api) -> list[ID]:
    products = [
        NewProduct(name=f"Bulk {n}", variants=[NewVariant(sku=f"BULK-{n}-{v}") for v in range(250)])
        for n in range(LINES // 250)
    ]
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await catalog.create_many(work, products)
        rows = await work.raw.fetch("SELECT id FROM product_variants WHERE sku LIKE 'BULK-%'")
    return [ID("var_" + row["id"]) for row in rows]


async def test_a_receipt_of_ten_thousand_lines_is_one_act_in_under_three_seconds(fresh_api: Api) -> None:
    rows = await _variants(fresh_api)
    place = await shop.location(fresh_api)
    best, payload = float("inf"), {}
    for _ in range(3):  # that a busy machine was slow once proves nothing
        given = shop.receipt(place, [(row, n % 9 + 1, "1.37") for n, row in enumerate(rows)])
        began = time.monotonic()
        payload = await shop.done(fresh_api, RECEIVE, {"input": given})
        best = min(best, time.monotonic() - began)
        if best < SECONDS:
            break
    total = sum(round((n % 9 + 1) * 137) for n in range(LINES))
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert [line["debit"]["amount"] for line in entry["lines"]] == [f"{total / 100:.2f}", "0.00"]
    assert payload["effects"]["stockMovements"]["totalCount"] == LINES
    # Where others compute too, it gets its share and no more; and client, API and Postgres wait for one another, so
    # that even a core that nobody else uses does not make up for it.
    assert best < SECONDS * max(1.0, os.getloadavg()[0])
    await shop.invariants_hold(fresh_api)


async def test_one_line_more_is_refused(api: Api) -> None:
    place, row = await shop.location(api), await shop.variant(api)
    given = shop.receipt(place, [(row, 1, "1.00")] * (LINES + 1))
    answer = await api.post(RECEIVE, {"input": given})
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TOO_COSTLY"]
