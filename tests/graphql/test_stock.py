"""Stock as its callers see it: receive, adjust, set, hold, and what can be promised."""

from tests.support.api import Api
from tests.support.shop import RECEIVE, done, invariants_hold, location, receipt, variant


async def test_goods_come_in(api: Api) -> None:
    here, mug = await location(api), await variant(api)
    given = receipt(here, [(mug, 10, "2.50"), (mug, "3", "1.0005")], reference="DN 1")
    payload = await done(api, RECEIVE, {"input": given})
    (level,) = payload["levels"]
    assert (level["onHand"], level["available"], level["value"]["amount"], level["version"]) == ("13", "13", "28.00", 1)
    moved = payload["effects"]["stockMovements"]["nodes"]
    assert [(each["value"]["amount"], each["source"]) for each in moved] == [
        ("25.00", payload["receipt"]["id"]),
        ("3.00", payload["receipt"]["id"]),
    ]
    (entry,) = payload["effects"]["journalEntries"]["nodes"]
    assert [
        (each["account"]["code"], each["debit"]["amount"], each["credit"]["amount"]) for each in entry["lines"]
    ] == [
        ("1200", "28.00", "0.00"),
        ("2050", "0.00", "28.00"),
    ]
    await invariants_hold(api)
