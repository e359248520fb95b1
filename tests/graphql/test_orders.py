"""Orders as their callers see them: placing, paying, shipping, calling off."""

from typing import Any

from tests.graphql.test_stock import receive
from tests.support.api import Api
from tests.support.shop import invariants_hold, variant, warehouse

ORDER = """id number status paymentStatus fulfillmentStatus version availableActions total { amount }
  subtotal { amount } discount { amount } lines { id sku name quantity unitPrice { amount } total { amount } allocated shipped }"""
EFFECTS = """effects { stockMovements { nodes { quantity kind value { amount } source } }
  journalEntries { nodes { description source lines { account { code } debit { amount } credit { amount } } } }
  events { nodes { type subject version } } }"""
ERRORS = """userErrors { code message path ... on InsufficientStock { variant { id } requested available } }"""
PLACE = f"mutation P($input: OrderPlaceInput!, $dryRun: Boolean! = false) {{ orderPlace(input: $input, dryRun: $dryRun) {{ order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"
SHIP = f"mutation S($id: ID!, $input: OrderShipInput) {{ orderShip(id: $id, input: $input) {{ order {{ {ORDER} }} shipments {{ number lines {{ quantity revenue {{ amount }} }} }} {EFFECTS} {ERRORS} }} }}"
PAY = f"mutation Y($id: ID!, $input: PaymentRecordInput!) {{ paymentRecord(orderId: $id, input: $input) {{ payment {{ id amount {{ amount }} order {{ id }} }} order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"
CANCEL = f"mutation C($id: ID!) {{ orderCancel(id: $id, reason: CUSTOMER) {{ order {{ {ORDER} }} {EFFECTS} {ERRORS} }} }}"


async def place(api: Api, lines: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    return (await api.data(PLACE, {"input": {"lines": lines, **extra}}))["orderPlace"]


async def test_an_order_from_end_to_end(api: Api) -> None:
    here, mug = await warehouse(api), await variant(api, price="12.50")
    await receive(api, here, [(mug, 10, "5.00")])
    placed = await place(api, [{"variantId": mug, "quantity": 3}])
    assert placed["userErrors"] == []
    order = placed["order"]
    assert (order["status"], order["total"]["amount"], order["lines"][0]["allocated"]) == ("OPEN", "37.50", "3")
    paid = (await api.data(PAY, {"id": order["id"], "input": {"amount": {"amount": "37.50", "currency": "USD"}, "method": "CARD"}}))["paymentRecord"]
    assert paid["order"]["paymentStatus"] == "PAID"
    shipped = (await api.data(SHIP, {"id": order["id"]}))["orderShip"]
    assert shipped["userErrors"] == []
    assert shipped["order"]["status"] == "COMPLETED"
    print(shipped["effects"])
    second = (await place(api, [{"variantId": mug, "quantity": 7}]))["order"]
    refused = await place(api, [{"variantId": mug, "quantity": 1}])
    print(refused["userErrors"])
    cancelled = (await api.data(CANCEL, {"id": second["id"]}))["orderCancel"]
    assert cancelled["order"]["status"] == "CANCELLED"
    await invariants_hold(api)
