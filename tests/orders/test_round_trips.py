"""What an order costs: few messages, however many lines it has."""

import pytest

from bench.questions import PLACE_ORDER
from tests.support.api import Api
from tests.support.shop import ordered, stocked

PLACED = ["BEGIN", "WITH q0", "EXECUTE conclude_", "WITH l1"]
"""Who acts and whether he may; what there is, locked; all that is written, and the end; the payload."""


@pytest.mark.parametrize("lines", [1, 3, 20])
async def test_an_order_is_four_messages(api: Api, lines: int) -> None:
    given = ordered([(await stocked(api, 10), 1) for _ in range(lines)])
    async with api.counted() as statements:
        for _ in range(2):  # what comes again is prepared
            await api.data(PLACE_ORDER.document, {"input": given})
        statements.clear()
        placed = await api.data(PLACE_ORDER.document, {"input": given})
    assert placed["orderPlace"]["userErrors"] == []
    said = [each.strip() for each in statements if "FROM events" not in each and not each.startswith("NOTIFY")]
    assert [each.startswith(start) for each, start in zip(said, PLACED, strict=True)] == [True] * len(PLACED), said
