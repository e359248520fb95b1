"""The report of the numbers that may have no gap."""

import asyncpg

from tests.support import shop
from tests.support.api import Api
from tests.support.server import Server

SERIES = """query S($kind: DocumentKind, $since: Int) { numberSeries(kind: $kind, since: $since) {
  kind year first last count gaps } }"""


async def test_each_series_tells_where_it_begins_and_ends(fresh_api: Api) -> None:
    assert await fresh_api.data(SERIES) == {"numberSeries": []}
    await shop.numbered(fresh_api, 12)
    whole = (await fresh_api.data(SERIES))["numberSeries"]
    assert whole == [
        {
            "kind": kind,
            "year": year,
            "first": f"{prefix}-{year}-000001",
            "last": f"{prefix}-{year}-000012",
            "count": 12,
            "gaps": [],
        }
        for kind, prefix in (("CREDIT_NOTE", "CN"), ("INVOICE", "INV"), ("Z_REPORT", "Z"))
        for year in (2025, 2026)
    ]
    narrowed = (await fresh_api.data(SERIES, {"kind": "INVOICE", "since": 2026}))["numberSeries"]
    assert narrowed == [whole[3]]
    assert (await fresh_api.data(SERIES, {"since": 2027}))["numberSeries"] == []


async def test_a_gap_is_told(fresh_api: Api, server: Server, fresh_name: str) -> None:
    await shop.numbered(fresh_api, 9)
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    await owner.execute("ALTER TABLE document_numbers DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM document_numbers WHERE n IN (1, 5, 9) AND kind = 'Z_REPORT' AND year = 2026")
    await owner.close()
    found = (await fresh_api.data(SERIES))["numberSeries"]
    assert [each["gaps"] for each in found[:-1]] == [[]] * 5
    assert found[-1] == {
        "kind": "Z_REPORT",
        "year": 2026,
        "first": "Z-2026-000002",
        "last": "Z-2026-000009",
        "count": 6,
        "gaps": ["Z-2026-000001", "Z-2026-000005", "Z-2026-000009"],
    }


async def test_the_number_of_statements_does_not_depend_on_the_numbers(fresh_api: Api) -> None:
    counts = []
    await shop.numbered(fresh_api, 1)
    for _ in range(2):
        await fresh_api.data(SERIES)
        async with fresh_api.counted() as statements:
            await fresh_api.data(SERIES)
        counts.append(shop.number_of(statements))
        await shop.numbered(fresh_api, 200)
    assert counts[0] == counts[1]


async def test_who_may_not_ask(fresh_api: Api) -> None:
    [error] = (await fresh_api.post(SERIES, scopes=["products:read"]))["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
