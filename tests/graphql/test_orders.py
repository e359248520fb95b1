"""Orders as their callers see them: placing, paying, shipping, calling off."""

from tests.support.api import Api
from tests.support.shop import CANCEL, PAY, PLACE, SHIP, act, dollars, done, invariants_hold, ordered, stocked


async def test_an_order_from_end_to_end(api: Api) -> None:
    mug = await stocked(api, 10, "5.00", price="12.50")
    order = (await done(api, PLACE, {"input": ordered([(mug, 3)])}))["order"]
    assert (order["status"], order["total"]["amount"], order["lines"][0]["allocated"]) == ("OPEN", "37.50", "3")
    assert order["availableActions"] == ["SHIP", "RECORD_PAYMENT", "CANCEL"]
    paid = await done(api, PAY, {"id": order["id"], "input": {"amount": dollars("37.50"), "method": "CARD"}})
    assert (paid["order"]["paymentStatus"], paid["order"]["status"]) == ("PAID", "OPEN")
    shipped = (await done(api, SHIP, {"id": order["id"]}))["order"]
    assert (shipped["fulfillmentStatus"], shipped["status"], shipped["version"]) == ("FULFILLED", "COMPLETED", 3)
    assert shipped["availableActions"] == []
    second = (await done(api, PLACE, {"input": ordered([(mug, 7)])}))["order"]
    refused = (await act(api, PLACE, {"input": ordered([(mug, 1)])}))["userErrors"]
    assert [(each["code"], each["variant"]["id"], each["requested"], each["available"]) for each in refused] == [
        ("INSUFFICIENT_STOCK", mug, "1", "0")
    ]
    cancelled = (await done(api, CANCEL, {"id": second["id"]}))["order"]
    assert (cancelled["status"], cancelled["lines"][0]["allocated"]) == ("CANCELLED", "0")
    await invariants_hold(api)
