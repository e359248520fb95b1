"""A query of several rounds sees one state of the database, whatever is committed while it reads."""

from typing import Any

import asyncpg
import pytest

from api.graphql.engine.run import Run
from tests.support.api import Api

CREATE = """mutation M($input: ProductCreateInput!) {
  productCreate(input: $input) { product { variants { id } } userErrors { code } } }"""
QUERY = '{ variant(by: {sku: "SNAP-1"}) { name externalIds { system id } } }'
NAMED = "INSERT INTO external_references (noun, system, external_id, row) VALUES ('var', 'late', 'L-1', $1)"


async def test_what_is_committed_between_two_rounds_is_not_seen(
    api: Api, owner: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await api.data(CREATE, {"input": {"name": "Snap", "variants": [{"sku": "SNAP-1", "name": "One"}]}})
    variant = made["productCreate"]["product"]["variants"][0]["id"]
    batch, interruptions = Run._batch, []

    async def interrupted(self: Run, unit: Any) -> None:
        if not interruptions:
            interruptions.append(await owner.execute(NAMED, variant))
        await batch(self, unit)

    monkeypatch.setattr(Run, "_batch", interrupted)
    assert (await api.data(QUERY))["variant"] == {"name": "One", "externalIds": []}
    assert interruptions == ["INSERT 0 1"]
    assert (await api.data(QUERY))["variant"]["externalIds"] == [{"system": "late", "id": "L-1"}]
