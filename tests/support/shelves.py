"""Bins, lots and states for tests: made through the API, and looked at."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api
from tests.support.shop import EFFECTS, ERRORS, PLACE, POLICY, RECEIVE, SHIP, dollars, done, location, ordered, variant

BINS = f"""mutation B($input: BinsCreateInput!, $dryRun: Boolean! = false, $key: String) {{
  binsCreate(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    bins {{ id path code kind parent {{ path }} location {{ id }} }} {EFFECTS} {ERRORS} }} }}"""
RELOCATE = f"""mutation M($input: StockRelocateInput!, $dryRun: Boolean! = false, $key: String) {{
  stockRelocate(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{
    levels {{ id onHand allocated reserved unavailable available version }} {EFFECTS} {ERRORS} }} }}"""
RECALL = f"""mutation R($id: ID!, $reason: String! = "Glass in it", $dryRun: Boolean! = false, $key: String) {{
  lotRecall(id: $id, reason: $reason, dryRun: $dryRun, idempotencyKey: $key) {{
    lot {{ id number recalledAt recallReason version }} {EFFECTS} {ERRORS} }} }}"""
_LYING = """query Q($variants: [ID!], $locations: [ID!]) { stockContents(first: 250,
  filter: {variantId: {in: $variants}, locationId: {in: $locations}}) {
  nodes { bin { path } lot { number } state quantity } } }"""
_LOT = "query Q($variant: ID!, $number: String!) { lot(by: {number: {variantId: $variant, number: $number}}) { id } }"


async def bins(api: Api, place: str, *paths: str) -> list[str]:
    """The ids of fresh bins at a location."""
    made = await done(api, BINS, {"input": {"locationId": place, "bins": [{"path": path} for path in paths]}})
    return [each["id"] for each in made["bins"]]


async def received(api: Api, place: str, row: str, quantity: Any, **line: Any) -> dict[str, Any]:
    """Goods come in at 4.00 each; `line` says where they are put. `lot` is a number, or a number and its last day."""
    lot = line.pop("lot", None)
    if lot is not None:
        number, day = lot if isinstance(lot, tuple) else (lot, None)
        line["lot"] = {"number": number, "expiresOn": day}
    supplier = line.pop("supplier", None)
    given = {"variantId": row, "quantity": quantity, "unitCost": dollars("4.00"), **line}
    return await done(api, RECEIVE, {"input": {"locationId": place, "lines": [given], "supplier": supplier}})


async def lot_of(api: Api, row: str, number: str) -> str:
    """The id of a lot."""
    return (await api.data(_LOT, {"variant": row, "number": number}))["lot"]["id"]


async def outlived(api: Api, row: str, number: str) -> None:
    """The last day of a lot is over, and what is there of it was not put aside yet."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        lot = (await lot_of(api, row, number))[4:]
        await work.raw.execute("UPDATE lots SET expires_on = $2 WHERE id = $1", lot, yesterday)


async def lying(api: Api, row: str, place: str | None = None) -> set[tuple[str | None, str | None, str | None, str]]:
    """What lies where of a variant: bin, lot, state and quantity. What is loose is not among it."""
    found = await api.data(_LYING, {"variants": [row], "locations": None if place is None else [place]})
    return {
        (each["bin"] and each["bin"]["path"], each["lot"] and each["lot"]["number"], each["state"], each["quantity"])
        for each in found["stockContents"]["nodes"]
    }


def moving(place: str, row: str, quantity: Any, **line: Any) -> dict[str, Any]:
    """The variables of a relocation of one variant."""
    return {"input": {"locationId": place, "lines": [{"variantId": row, "quantity": quantity, **line}]}}


async def tracked_variant(api: Api) -> str:
    """The id of a fresh variant that is kept by lots."""
    row = await variant(api)
    await done(api, POLICY, {"input": {"variantId": row, "tracksLots": True}})
    return row


async def some_of_each(api: Api) -> None:
    """Goods in bins, of lots and in every state; a lot that was sold from, one recalled and one past its day."""
    place = await location(api, priority=7)
    one, two, _ = await bins(api, place, "A/1", "A/2", "B")
    rows = [await variant(api) for _ in range(2)]
    for number, day, line in (
        ("L1", "2031-01-31", {"binId": one}),
        ("L2", "2032-02-29", {"binId": two}),
        ("L3", "2020-01-01", {"binId": two, "state": "EXPIRED"}),
        ("L4", None, {"state": "QUALITY_CONTROL"}),
    ):
        for row in rows:
            await received(api, place, row, 6, lot=(number, day), supplier="Acme Mills", **line)
    buyer = """mutation C($input: CustomerCreateInput!) {
      customerCreate(input: $input) { customer { id } userErrors { message } } }"""
    known = (await done(api, buyer, {"input": {"name": "Lottie Lot"}}))["customer"]["id"]
    for extra in ({"customerId": known}, {}):
        order = (await done(api, PLACE, {"input": ordered([(row, 1) for row in rows], **extra)}))["order"]["id"]
        await done(api, SHIP, {"id": order})
    await done(api, RECALL, {"id": await lot_of(api, rows[0], "L2")})
    lines = [
        {"variantId": rows[1], "quantity": 1, "fromBinId": one, "toState": "DAMAGED"},
        {"variantId": rows[1], "quantity": 1, "fromBinId": one, "toState": "SAFETY", "toBinId": None},
    ]
    await done(api, RELOCATE, {"input": {"locationId": place, "lines": lines, "reason": "fell off"}})
