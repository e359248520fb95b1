"""Stock as its callers see it: receive, adjust, set, hold, and what can be promised."""

from typing import Any

from tests.support.api import Api
from tests.support.shop import invariants_hold, variant, warehouse

LEVEL = "id onHand allocated reserved unavailable available version value { amount currency } variant { sku } location { name }"
RECEIVE = (
    "mutation R($input: StockReceiveInput!, $dryRun: Boolean! = false) { stockReceive(input: $input, dryRun: $dryRun) {"
    f" levels {{ {LEVEL} }} receipt {{ id reference }} userErrors {{ code path message }}"
    " effects { stockMovements { nodes { quantity value { amount } kind source } }"
    " journalEntries { nodes { lines { account { code } debit { amount } credit { amount } } } }"
    " events { nodes { type version data } } } } }"
)


async def receive(api: Api, location: str, lines: list[tuple[str, Any, str]], **extra: Any) -> dict[str, Any]:
    given = [
        {"variantId": row, "quantity": quantity, "unitCost": {"amount": cost, "currency": "USD"}}
        for row, quantity, cost in lines
    ]
    variables = {"input": {"locationId": location, "lines": given, **extra}}
    return (await api.data(RECEIVE, variables))["stockReceive"]


async def test_goods_come_in(api: Api) -> None:
    here, mug = await warehouse(api), await variant(api)
    payload = await receive(api, here, [(mug, 10, "2.50"), (mug, "3", "1.0005")], reference="DN 1")
    assert payload["userErrors"] == []
    (level,) = payload["levels"]
    assert (level["onHand"], level["available"], level["value"]["amount"], level["version"]) == ("13", "13", "28.00", 1)
    assert [each["value"]["amount"] for each in payload["effects"]["stockMovements"]["nodes"]] == ["25.00", "3.00"]
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert [(line["account"]["code"], line["debit"]["amount"], line["credit"]["amount"]) for line in entry["lines"]] == [
        ("1200", "28.00", "0.00"),
        ("2050", "0.00", "28.00"),
    ]
    await invariants_hold(api)
