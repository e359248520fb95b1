"""Lots: they come in by their numbers, leave by their last days, and are traced, recalled and put aside."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain import stock
from domain.kernel.work import SYSTEM, begin
from domain.stock.operations import recall
from tests.support.api import Api
from tests.support.shelves import RECALL, RELOCATE, bins, lot_of, lying, moving, outlived, received, tracked_variant
from tests.support.shop import (
    ADJUST,
    PLACE,
    POLICY,
    RECEIVE,
    RESERVE,
    SET,
    SETTLE,
    SHIP,
    act,
    announced,
    count,
    differing,
    dollars,
    done,
    figures,
    forbidden,
    invariants_hold,
    level,
    location,
    moved,
    number_of,
    ordered,
    posted,
    receipt,
    refused,
    sent_at_once,
    state,
    stocked,
    variant,
    wrong_ids,
)
from tests.support.transfers import ARRIVE, arrived, dispatched

TODAY = datetime.now(UTC).date()
CUSTOMER = """mutation C($input: CustomerCreateInput!) {
  customerCreate(input: $input) { customer { id } userErrors { message } } }"""


def day(n: int) -> str:
    """So many days from today."""
    return (TODAY + timedelta(days=n)).isoformat()


async def expired(api: Api, *, days: int = 0) -> int:
    """Put aside what is past its day, as if so many more had gone by."""
    now = datetime.now(UTC) + timedelta(days=days)
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM, now=now) as work:
        return await stock.expire_lots(work)


async def ship(api: Api, *lines: tuple[str, Any], **extra: Any) -> str:
    """The id of an order that has left."""
    order = (await done(api, PLACE, {"input": ordered(lines, **extra)}))["order"]["id"]
    await done(api, SHIP, {"id": order})
    return order


# --- lots come in ---------------------------------------------------------------------------------------------------


async def test_a_lot_is_named_when_it_comes_in_and_found_by_its_number(api: Api) -> None:
    here, row = await location(api), await variant(api)
    payload = await received(api, here, row, 4, lot=(" L-17 ", "2031-05-01"))
    events = {each["type"]: each for each in payload["effects"]["events"]["nodes"]}
    await received(api, here, row, 2, lot="l-17")
    await received(api, here, row, 1, lot=("L-17", "2031-05-01"), state="QUALITY_CONTROL")
    query = """query Q($variant: ID!, $id: ID!) {
      byNumber: lot(by: {number: {variantId: $variant, number: " l-17"}}) { id number expiresOn recalledAt version
        variant { id } suppliers contents { nodes { state quantity location { id } } totalCount }
        movements { nodes { quantity lot { number } } } receipts { totalCount } orders { totalCount } }
      byId: lot(by: {id: $id}) { id }
      unknown: lot(by: {number: {variantId: $variant, number: "L-18"}}) { id }
      node(id: $id) { __typename } }"""
    lot = await lot_of(api, row, "L-17")
    assert events["lot.created"]["subject"] == lot
    found = await api.data(query, {"variant": row, "id": lot})
    assert (found["byId"], found["unknown"], found["node"]) == ({"id": lot}, None, {"__typename": "Lot"})
    assert found["byNumber"] == {
        "id": lot,
        "number": "L-17",
        "expiresOn": "2031-05-01",
        "recalledAt": None,
        "version": 1,
        "variant": {"id": row},
        "suppliers": [],
        "contents": {
            "nodes": [
                {"state": None, "quantity": "6", "location": {"id": here}},
                {"state": "QUALITY_CONTROL", "quantity": "1", "location": {"id": here}},
            ],
            "totalCount": 2,
        },
        "movements": {"nodes": [{"quantity": each, "lot": {"number": "L-17"}} for each in ("4", "2", "1")]},
        "receipts": {"totalCount": 3},
        "orders": {"totalCount": 0},
    }
    for each in wrong_ids("var"):
        assert (await api.data(query, {"variant": each, "id": each}))["byNumber"] is None
    await invariants_hold(api)


async def test_two_variants_may_have_lots_of_one_number(api: Api) -> None:
    here, one, two = await location(api), await variant(api), await variant(api)
    await received(api, here, one, 1, lot=("SAME", "2031-01-01"))
    await received(api, here, two, 1, lot=("SAME", "2032-01-01"))
    assert await lot_of(api, one, "same") != await lot_of(api, two, "same")


@pytest.mark.parametrize(
    ("lot", "path"),
    [
        ({"number": "K-1", "expiresOn": "2031-05-02"}, "lot.expiresOn"),
        ({"number": "k-2", "expiresOn": "2031-05-02"}, "lot.expiresOn"),
        ({"number": ""}, "lot.number"),
        ({"number": " "}, "lot.number"),
        ({"number": "x" * 101}, "lot.number"),
        ({"number": "two\nlines"}, "lot.number"),
    ],
)
async def test_a_lot_that_cannot_be_is_refused(api: Api, lot: dict[str, Any], path: str) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 1, lot=("K-1", "2031-05-01"))
    await received(api, here, row, 1, lot="K-2")
    line = {"variantId": row, "quantity": 1, "unitCost": dollars("1"), "lot": lot}
    variables = {"input": {"locationId": here, "lines": [line]}}
    assert await refused(api, RECEIVE, variables) == [("INVALID", f"input.lines.0.{path}")]


async def test_one_receipt_does_not_name_a_lot_with_two_days(api: Api) -> None:
    here, row = await location(api), await variant(api)
    line = {"variantId": row, "quantity": 1, "unitCost": dollars("1")}
    lots = [{"number": "N", "expiresOn": "2031-01-01"}, {"number": "n", "expiresOn": "2031-01-02"}]
    given = {"locationId": here, "lines": [line | {"lot": lot} for lot in lots]}
    assert await refused(api, RECEIVE, {"input": given}) == [("INVALID", "input.lines.1.lot.expiresOn")]
    given["lines"][1]["lot"] = {"number": "n"}
    await done(api, RECEIVE, {"input": given})
    assert await lying(api, row) == {(None, "N", None, "2")}


async def test_what_is_kept_by_lots_comes_in_with_one(api: Api) -> None:
    here, row = await location(api), await tracked_variant(api)
    assert await refused(api, RECEIVE, {"input": receipt(here, [(row, 1, "1")])}) == [("INVALID", "input.lines.0.lot")]
    await received(api, here, row, 5, lot=("A", day(30)))
    await received(api, here, row, 5, lot=("B", day(10)))

    def adjusted(delta: int, **line: Any) -> dict[str, Any]:
        given = [{"variantId": row, "delta": delta, **line}]
        return {"input": {"locationId": here, "reason": "COUNT", "lines": given}}

    def counted(quantity: int, expected: int, **line: Any) -> dict[str, Any]:
        given = [{"variantId": row, "quantity": quantity, "expectedQuantity": expected, **line}]
        return {"input": {"locationId": here, "reason": "COUNT", "lines": given}}

    assert await refused(api, ADJUST, adjusted(1)) == [("INVALID", "input.lines.0.lotId")]
    assert await refused(api, SET, counted(11, 10)) == [("INVALID", "input.lines.0.lotId")]
    first, second = await lot_of(api, row, "A"), await lot_of(api, row, "B")
    await done(api, ADJUST, adjusted(1, lotId=first))
    await done(api, SET, counted(4, 5, lotId=second))
    assert await lying(api, row) == {(None, "A", None, "6"), (None, "B", None, "4")}
    await done(api, ADJUST, adjusted(-5))  # what expires first
    assert await lying(api, row) == {(None, "A", None, "5")}
    for each in (await lot_of(api, await _of_another(api, here), "X"), *wrong_ids("lot")):
        assert await refused(api, ADJUST, adjusted(-1, lotId=each)) == [("NOT_FOUND", "input.lines.0.lotId")]
    await done(api, RELOCATE, moving(here, row, 2, toState="DAMAGED"))
    await ship(api, (row, 3))
    assert await lying(api, row) == {(None, "A", "DAMAGED", "2")}
    await invariants_hold(api)


async def _of_another(api: Api, here: str) -> str:
    other = await variant(api)
    await received(api, here, other, 1, lot="X")
    return other


async def test_of_parallel_receipts_of_a_new_lot_one_makes_it(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await asyncio.gather(*(received(api, here, row, 1, lot=("P" if n % 2 else "p", day(9))) for n in range(20)))
    ((_, number, _, quantity),) = await lying(api, row)
    assert (number in ("P", "p"), quantity) == (True, "20")
    await invariants_hold(api)


async def test_a_known_lot_goes_on_by_its_number_alone_and_lots_are_listed(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    for number in ("b1", "A2", "a1"):
        await received(api, here, row, 1, lot=number)
    query = """query Q($sort: [LotSort!], $search: String, $filter: LotFilter) {
      lots(sort: $sort, search: $search, filter: $filter) { nodes { number } } }"""

    async def numbers(**arguments: Any) -> list[str]:
        return [each["number"] for each in (await api.data(query, arguments))["lots"]["nodes"]]

    assert await numbers() == ["b1", "A2", "a1"]
    assert await numbers(sort=["NUMBER_ASC"]) == ["a1", "A2", "b1"]
    assert await numbers(search="A") == ["A2", "a1"]
    assert await numbers(filter={"number": {"eq": "B1"}}) == ["b1"]
    assert await numbers(filter={"variantId": {"in": [here]}}) == []


# --- what expires first leaves first --------------------------------------------------------------------------------


async def test_what_expires_first_leaves_first_wherever_it_lies(api: Api) -> None:
    here, row = await location(api), await variant(api)
    one, two = await bins(api, here, "A", "B")
    await received(api, here, row, 3, lot="NEVER")
    await received(api, here, row, 3, lot=("LATE", day(60)), binId=one)
    await received(api, here, row, 2, lot=("SOON", day(5)), binId=two)
    await received(api, here, row, 2, lot=("SOON", day(5)), binId=one)
    await received(api, here, row, 2)
    await received(api, here, row, 9, lot=("HELD", day(1)), state="ON_HOLD")
    left = []
    for quantity in (1, 2, 2, 3, 4):
        order = await ship(api, (row, quantity))
        query = """query Q($id: String!) { stockMovements(filter: {source: {eq: $id}}) {
          nodes { quantity bin { path } lot { number } } } }"""
        moves = (await api.data(query, {"id": order}))["stockMovements"]["nodes"]
        taken: dict[tuple[Any, Any], int] = {}
        for each in moves:
            key = each["lot"] and each["lot"]["number"], each["bin"] and each["bin"]["path"]
            taken[key] = taken.get(key, 0) - int(each["quantity"])
        left.append(taken)
    assert left == [
        {("SOON", "A"): 1},
        {("SOON", "A"): 1, ("SOON", "B"): 1},
        {("SOON", "B"): 1, ("LATE", "A"): 1},
        {("LATE", "A"): 2, (None, None): 1},
        {(None, None): 1, ("NEVER", None): 3},
    ]
    assert await lying(api, row) == {(None, "HELD", "ON_HOLD", "9")}
    await invariants_hold(api)


async def test_costs_leave_by_age_and_goods_by_their_last_day(api: Api) -> None:
    here, row = await location(api), await variant(api)
    for cost, lot in (("1.00", ("OLD", day(90))), ("2.00", ("NEW", day(9)))):
        line = {"variantId": row, "quantity": 2, "unitCost": dollars(cost)}
        line["lot"] = {"number": lot[0], "expiresOn": lot[1]}
        await done(api, RECEIVE, {"input": {"locationId": here, "lines": [line]}})
    order = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]["id"]
    payload = await done(api, SHIP, {"id": order})
    assert moved(payload) == [("-2", "-2.00"), ("-1", "-2.00")]
    assert await lying(api, row) == {(None, "OLD", None, "1")}
    await invariants_hold(api)


async def test_what_is_past_its_day_leaves_for_nobody(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 2, lot=("TODAY", day(0)))
    await received(api, here, row, 2, lot=("YESTERDAY", day(3)))
    first, second = [(await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"] for _ in range(2)]
    await outlived(api, row, "YESTERDAY")
    await done(api, SHIP, {"id": first})
    assert await lying(api, row) == {(None, "YESTERDAY", None, "2")}
    assert await refused(api, SHIP, {"id": second}) == [("NOT_FOR_SALE", "id")]
    await received(api, here, row, 2, lot=("FRESH", day(9)))
    await done(api, SHIP, {"id": second})
    assert await lying(api, row) == {(None, "YESTERDAY", None, "2")}


async def test_two_orders_that_share_a_lot_do_not_block_each_other(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 10, lot=("SHARED", day(20)))
    first, second = [(await done(api, PLACE, {"input": ordered([(row, 5)])}))["order"] for _ in range(2)]
    part = {"lines": [{"orderLineId": second["lines"][0]["id"], "quantity": 2}]}
    await done(api, SHIP, {"id": second["id"], "input": part})
    await done(api, SHIP, {"id": first["id"]})
    await done(api, SHIP, {"id": second["id"]})
    assert (await lying(api, row), await figures(api, row)) == (set(), ("0", "0", "0", "0"))


async def test_an_order_of_500_lines_of_lots_in_bins_leaves(
    api: Api, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    here = await location(api)
    shelves = await bins(api, here, *(f"R/{n}" for n in range(20)))
    rows = [await variant(api) for _ in range(500)]
    lines = [
        {
            "variantId": row,
            "quantity": 2,
            "unitCost": dollars("1.00"),
            "binId": shelves[(n + m) % 20],
            "lot": {"number": f"{m}", "expiresOn": day(m)},
        }
        for n, row in enumerate(rows)
        for m in (1, 2)
    ]
    plain = "mutation R($input: StockReceiveInput!) { stockReceive(input: $input) { userErrors { message } } }"
    await done(api, plain, {"input": {"locationId": here, "lines": lines}})
    place = "mutation P($input: OrderPlaceInput!) { orderPlace(input: $input) { order { id } userErrors { message } } }"
    orders = [(await done(api, place, {"input": ordered([(row, 2) for row in rows])}))["order"]["id"] for _ in range(2)]
    send = "mutation H($id: ID!) { orderShip(id: $id) { userErrors { message } } }"
    await asyncio.gather(*(done(api, send, {"id": each}) for each in orders))
    left = await owner.fetchval("SELECT count(*) FROM stock_contents WHERE live AND location_id = $1", here[4:])
    assert left == 0
    took = await owner.fetch(
        "SELECT source, count(DISTINCT lot_id) AS lots, -sum(quantity) AS quantity FROM stock_movements"
        " WHERE kind = 'SHIPMENT' AND location_id = $1 GROUP BY source",
        here[4:],
    )
    assert sorted((each["lots"], int(each["quantity"])) for each in took) == [(500, 1000), (500, 1000)]
    await invariants_hold(api)


# --- what a lot went through ----------------------------------------------------------------------------------------

TRACE = """query Q($id: ID!, $first: Int, $after: String) { lot(by: {id: $id}) {
  suppliers receipts { nodes { reference supplier } totalCount }
  orders(first: $first, after: $after) { nodes { id } totalCount pageInfo { hasNextPage endCursor } }
  customers { nodes { id } totalCount } movements { totalCount } } }"""


async def test_a_lot_tells_its_suppliers_receipts_orders_and_customers(api: Api) -> None:
    here, row, other = await location(api), await variant(api), await variant(api)
    ada, bob, eve = [
        (await done(api, CUSTOMER, {"input": {"name": name}}))["customer"]["id"] for name in ("Ada", "Bob", "Eve")
    ]
    for supplier, reference in (("Zeta", "D1"), ("Acme", "D2"), (None, "D3"), ("Acme", "D4")):
        line = {"variantId": row, "quantity": 3, "unitCost": dollars("1"), "lot": {"number": "T", "expiresOn": day(9)}}
        same = {**line, "quantity": 1}  # the same lot twice in one receipt
        given = {"locationId": here, "lines": [line, same], "supplier": supplier, "reference": reference}
        await done(api, RECEIVE, {"input": given})
    await received(api, here, other, 5, lot=("T", day(9)))
    await received(api, here, row, 50, lot=("U", day(30)))
    first = await ship(api, (row, 2), (row, 1), customerId=ada)
    second = await ship(api, (row, 2), customerId=bob)
    third = await ship(api, (row, 1), customerId=ada)
    nobodys = await ship(api, (row, 3))
    mixed = await ship(api, (row, 10), customerId=eve)  # seven of this lot, three of the next
    await ship(api, (row, 1), customerId=bob)  # of the next one
    await ship(api, (other, 1), customerId=eve)
    lot = await lot_of(api, row, "T")
    found = (await api.data(TRACE, {"id": lot}))["lot"]
    assert found["suppliers"] == ["Acme", "Zeta"]
    assert [(each["reference"], each["supplier"]) for each in found["receipts"]["nodes"]] == [
        ("D1", "Zeta"),
        ("D2", "Acme"),
        ("D3", None),
        ("D4", "Acme"),
    ]
    everybody = [first, second, third, nobodys, mixed]
    assert [each["id"] for each in found["orders"]["nodes"]] == everybody
    assert (found["orders"]["totalCount"], found["receipts"]["totalCount"]) == (5, 4)
    assert {each["id"] for each in found["customers"]["nodes"]} == {ada, bob, eve}
    assert found["customers"]["totalCount"] == 3
    pages, after = [], None
    page: dict[str, Any] = {}
    for _ in range(3):
        page = (await api.data(TRACE, {"id": lot, "first": 2, "after": after}))["lot"]["orders"]
        pages += [each["id"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert (pages, page["pageInfo"]["hasNextPage"]) == (everybody, False)
    narrowed = """query Q($id: ID!, $customer: ID!) { lot(by: {id: $id}) {
      orders(last: 1, filter: {customerId: {in: [$customer]}}) { nodes { id } totalCount } } }"""
    assert (await api.data(narrowed, {"id": lot, "customer": ada}))["lot"]["orders"] == {
        "nodes": [{"id": third}],
        "totalCount": 2,
    }


async def test_the_trace_of_a_lot_needs_the_scopes_of_what_it_names(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 1, lot="S")
    lot = await lot_of(api, row, "S")
    head = "query Q($id: ID!) { lot(by: {id: $id})"
    for field, scope in (("orders", "orders"), ("customers", "customers")):
        document = f"{head} {{ {field} {{ totalCount }} }} }}"
        await forbidden(api, document, {"id": lot}, [f"{scope}:read", f"{scope}:write"])
        assert "errors" not in await api.post(document, {"id": lot}, scopes=["stock:read", f"{scope}:read"])
    for field in ("receipts { totalCount }", "suppliers", "contents { totalCount }", "movements { totalCount }"):
        assert "errors" not in await api.post(f"{head} {{ {field} }} }}", {"id": lot}, scopes=["stock:read"])


async def test_the_traces_of_lots_cost_the_same_statements_for_one_and_for_many(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    buyer = (await done(api, CUSTOMER, {"input": {"name": "Ada"}}))["customer"]["id"]
    query = """{ lots(first: 100) { nodes { number suppliers receipts { nodes { supplier } }
      orders { nodes { number customer { name } } totalCount } customers { nodes { name } totalCount }
      contents { nodes { quantity bin { path } } } movements { nodes { quantity } } } } }"""

    async def made(names: range) -> None:
        for n in names:
            await received(api, here, row, 3, lot=(f"N{n}", day(n + 1)))
            await received(api, here, row, 1, lot=(f"N{n}", day(n + 1)), state="DAMAGED")
            await ship(api, (row, 3), customerId=buyer)

    async def measured() -> tuple[int, int]:
        async with api.counted() as statements:
            found = (await api.data(query))["lots"]["nodes"]
        assert all(each["orders"]["totalCount"] >= 1 for each in found)
        return len(found), number_of(statements)

    await made(range(2))
    await measured()
    few = await measured()
    await made(range(2, 20))
    many = await measured()
    assert (few[0], many[0]) == (2, 20)
    assert few[1] == many[1]


# --- recalls --------------------------------------------------------------------------------------------------------


async def test_a_lot_is_recalled_wherever_it_is(api: Api) -> None:
    here, there, road = await location(api), await location(api), await location(api, kind="TRANSIT")
    row = await variant(api)
    (shelf,) = await bins(api, here, "A")
    for place, quantity, line in (
        (here, 4, {"binId": shelf}),
        (here, 3, {}),
        (here, 2, {"state": "DAMAGED"}),
        (there, 5, {}),
        (road, 1, {}),
    ):
        await received(api, place, row, quantity, lot=("BAD", day(50)), **line)
    await received(api, here, row, 8, lot=("GOOD", day(90)))
    lot = await lot_of(api, row, "BAD")
    payload = await done(api, RECALL, {"id": lot, "reason": " Glass in it "})
    assert payload["lot"] | {"recalledAt": None} == {
        "id": lot,
        "number": "BAD",
        "recalledAt": None,
        "recallReason": "Glass in it",
        "version": 2,
    }
    assert payload["lot"]["recalledAt"] is not None
    events = payload["effects"]["events"]["nodes"]
    assert sorted(announced(payload)) == [("lot.recalled", 2), *[("stock.relocated", n) for n in (2, 2, 5)]]
    (event,) = [each for each in events if each["type"] == "lot.recalled"]
    assert (event["subject"], event["data"]) == (lot, {"variant": row, "quantity": "13"})
    assert posted(payload) == []
    assert {(each["kind"], each["source"]) for each in payload["effects"]["stockMovements"]["nodes"]} == {
        ("RELOCATION", lot)
    }
    assert await lying(api, row) == {
        ("A", "BAD", "ON_HOLD", "4"),
        (None, "BAD", "ON_HOLD", "3"),
        (None, "BAD", "DAMAGED", "2"),
        (None, "BAD", "ON_HOLD", "5"),
        (None, "BAD", "ON_HOLD", "1"),
        (None, "GOOD", None, "8"),
    }
    assert await figures(api, row, here) == ("17", "0", "0", "8")
    assert await figures(api, row, there) == ("5", "0", "0", "0")
    assert await refused(api, RECALL, {"id": lot}) == [("NOT_ALLOWED_NOW", "id")]
    await invariants_hold(api)


@pytest.mark.parametrize("reason", ["", " ", "x" * 256, "two\nlines"])
async def test_a_recall_says_why_and_of_what(api: Api, reason: str) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 1, lot="W")
    assert await refused(api, RECALL, {"id": await lot_of(api, row, "W"), "reason": reason}) == [("INVALID", "reason")]
    for each in wrong_ids("lot"):
        assert await refused(api, RECALL, {"id": each}) == [("NOT_FOUND", "id")]


async def test_what_was_promised_of_a_recalled_lot_gives_way_as_for_a_loss(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 6, lot=("BAD", day(50)))
    await received(api, here, row, 4, lot=("GOOD", day(90)))
    older = (await done(api, PLACE, {"input": ordered([(row, 3)])}))["order"]["id"]
    younger = (await done(api, PLACE, {"input": ordered([(row, 4)])}))["order"]["id"]
    held = (await done(api, RESERVE, {"input": ordered([(row, 2)])}))["reservation"]["id"]
    payload = await done(api, RECALL, {"id": await lot_of(api, row, "BAD")})
    # Five of nine promises cannot be kept: the hold's two, and three of the younger order's four.
    cases = [each for each in payload["effects"]["events"]["nodes"] if each["type"] == "stock_discrepancy.opened"]
    assert [each["data"] for each in cases] == [
        {"kind": "SHORTFALL", "variant": row, "location": here, "quantity": "5"}
    ]
    assert await figures(api, row) == ("10", "4", "0", "0")
    lines = "query Q($id: ID!) { order(by: {id: $id}) { lines { allocated } } }"
    allocated = [(await api.data(lines, {"id": each}))["order"]["lines"][0]["allocated"] for each in (older, younger)]
    assert allocated == ["3", "1"]
    hold = "query Q($id: ID!) { node(id: $id) { ... on StockReservation { lines { held } } } }"
    assert (await api.data(hold, {"id": held}))["node"]["lines"] == [{"held": "0"}]
    waiting = "query Q($id: ID!) { availability(variantId: $id) { backordered } }"
    assert (await api.data(waiting, {"id": row}))["availability"]["backordered"] == "3"
    await invariants_hold(api)
    # What is left goes to those who were promised it; nothing of the recalled lot leaves.
    await done(api, SHIP, {"id": older})
    await done(api, SHIP, {"id": younger})
    assert await lying(api, row) == {(None, "BAD", "ON_HOLD", "6")}
    await received(api, here, row, 3, lot=("GOOD", day(90)))
    await done(api, SHIP, {"id": younger})
    assert await figures(api, row) == ("6", "0", "0", "0")
    await invariants_hold(api)


async def test_nothing_of_a_recalled_lot_is_ever_for_sale_again(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot=("BAD", day(50)))
    await received(api, here, row, 5, lot=("GOOD", day(50)))
    lot, good = await lot_of(api, row, "BAD"), await lot_of(api, row, "GOOD")
    await done(api, RECALL, {"id": lot})
    goods = receipt(here, [(row, 1, "1")])
    goods["lines"][0]["lot"] = {"number": "bad"}
    assert await refused(api, RECEIVE, {"input": goods}) == [("INVALID", "input.lines.0.lot.number")]

    def found(**line: Any) -> dict[str, Any]:
        given = [{"variantId": row, "delta": 2, "lotId": lot, **line}]
        return {"input": {"locationId": here, "reason": "FOUND", "lines": given}}

    assert await refused(api, ADJUST, found()) == [("INVALID", "input.lines.0.state")]
    await done(api, ADJUST, found(state="ON_HOLD"))
    line = {"variantId": row, "lotId": lot, "quantity": 8, "expectedQuantity": 7}
    counted = {"input": {"locationId": here, "reason": "COUNT", "lines": [line]}}
    assert await refused(api, SET, counted) == [("INVALID", "input.lines.0.state")]
    freed = moving(here, row, 1, fromState="ON_HOLD", toState=None)
    assert await refused(api, RELOCATE, freed) == [("NOT_FOR_SALE", "input.lines.0.toState")]
    await done(api, RELOCATE, moving(here, row, 2, fromState="ON_HOLD", toState="DAMAGED"))
    await done(api, RELOCATE, moving(here, row, 1, fromLotId=good, toState="ON_HOLD"))
    await done(api, RELOCATE, freed)  # the good one comes out
    assert await lying(api, row) == {
        (None, "BAD", "ON_HOLD", "5"),
        (None, "BAD", "DAMAGED", "2"),
        (None, "GOOD", None, "5"),
    }
    lost = {"variantId": row, "delta": -7, "lotId": lot}
    await done(api, ADJUST, {"input": {"locationId": here, "reason": "DAMAGE", "lines": [lost]}})
    assert await lying(api, row) == {(None, "GOOD", None, "5")}
    await invariants_hold(api)


async def test_a_recall_sent_20_times_happens_once_and_a_dry_one_not_at_all(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot=("R", day(50)))
    lot = await lot_of(api, row, "R")
    before = await state(api)
    dry = await done(api, RECALL, {"id": lot, "dryRun": True})
    assert dry["lot"]["version"] == 2
    assert await state(api) == before
    await sent_at_once(api, RECALL, {"id": lot})
    assert await lying(api, row) == {(None, "R", "ON_HOLD", "5")}
    other = await _of_another(api, here)
    lot = await lot_of(api, other, "X")
    tries = await asyncio.gather(*(act(api, RECALL, {"id": lot}) for _ in range(10)))
    codes = [each["userErrors"][0]["code"] for each in tries if each["userErrors"]]
    assert codes == ["NOT_ALLOWED_NOW"] * 9


async def test_who_may_not_change_stock_recalls_nothing(api: Api) -> None:
    here, row = await location(api), await variant(api)
    await received(api, here, row, 5, lot="F")
    await forbidden(api, RECALL, {"id": await lot_of(api, row, "F")}, ["stock:write"])


# --- what is past its day -------------------------------------------------------------------------------------------


async def test_what_is_past_its_day_is_put_aside_once(fresh_api: Api) -> None:
    api = fresh_api
    here, road = await location(api), await location(api, kind="TRANSIT")
    row, plain = await variant(api), await stocked(api, 5, place=here)
    (shelf,) = await bins(api, here, "A")
    await received(api, here, row, 2, lot=("OLD", day(9)), binId=shelf)
    await received(api, here, row, 1, lot="OLD", state="DAMAGED")
    await received(api, here, row, 3, lot=("TODAY", day(0)))
    await received(api, here, row, 4, lot=("LATER", day(2)))
    await received(api, here, row, 5, lot="NEVER")
    await received(api, road, row, 6, lot="OLD")
    await outlived(api, row, "OLD")
    assert await expired(api) == 1
    assert await lying(api, row, here) == {
        ("A", "OLD", "EXPIRED", "2"),
        (None, "OLD", "DAMAGED", "1"),
        (None, "TODAY", None, "3"),
        (None, "LATER", None, "4"),
        (None, "NEVER", None, "5"),
    }
    assert await lying(api, row, road) == {(None, "OLD", None, "6")}
    before = await state(api)
    assert await expired(api) == 0
    assert await state(api) == before
    assert await expired(api, days=1) == 1
    assert await expired(api, days=3) == 1
    assert await figures(api, row, here) == ("15", "0", "0", "5")
    assert (await level(api, row, here))["unavailable"] == "10"
    assert await figures(api, plain) == ("5", "0", "0", "5")
    log = "query Q($id: ID!) { events(subject: $id) { nodes { type } } }"
    kinds = [
        each["type"] for each in (await api.data(log, {"id": (await level(api, row, here))["id"]}))["events"]["nodes"]
    ]
    assert kinds[-3:] == ["stock.relocated"] * 3
    # It comes out of its state by no way.
    assert await refused(api, RELOCATE, moving(here, row, 1, fromState="EXPIRED", toState=None, fromBinId=shelf)) == [
        ("NOT_FOR_SALE", "input.lines.0.toState")
    ]
    await invariants_hold(api)


async def test_what_comes_past_its_day_is_for_nobody_from_the_start(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    await done(api, POLICY, {"input": {"variantId": row, "backorders": "LIMIT", "backorderLimit": 2}})
    waiting = (await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"]
    await received(api, here, row, 3, lot=("OLD", day(-1)))
    await received(api, here, row, 1, lot="OLD", state="QUALITY_CONTROL")
    assert await figures(api, row, here) == ("4", "0", "0", "0")
    lot = {"lotId": await lot_of(api, row, "OLD")}
    found = {"variantId": row, "delta": 2, **lot}
    await done(api, ADJUST, {"input": {"locationId": here, "reason": "FOUND", "lines": [found]}})
    counted = {"variantId": row, "quantity": 7, "expectedQuantity": 6, **lot}
    await done(api, SET, {"input": {"locationId": here, "reason": "COUNT", "lines": [counted]}})
    await count(api, here, row, 8)
    case = await differing(api, here, row, 9)
    await done(api, SETTLE, {"id": case, "input": {"resolution": "ADJUSTED", **lot}})
    assert await lying(api, row) == {(None, "OLD", "EXPIRED", "8"), (None, "OLD", "QUALITY_CONTROL", "1")}
    assert await figures(api, row, here) == ("9", "0", "0", "0")
    assert await refused(api, PLACE, {"input": ordered([(row, 1)])}) == [
        ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
    ]
    assert await refused(api, SHIP, {"id": waiting}) != []
    await received(api, here, row, 1, lot=("TODAY", day(0)))  # its last day
    assert await figures(api, row, here) == ("10", "1", "0", "0")
    assert await expired(api) == 0


async def test_what_expires_on_the_way_arrives_expired(fresh_api: Api) -> None:
    api = fresh_api
    here, there, row = await location(api), await location(api, kind="STORE"), await variant(api)
    await received(api, here, row, 5, lot=("OLD", day(1)))
    await received(api, here, row, 1, lot=("NEW", day(9)))
    sent = await dispatched(api, here, there, [(row, 6)])
    await outlived(api, row, "OLD")
    lot = await lot_of(api, row, "OLD")
    await done(api, ARRIVE, arrived(sent, 7, lotId=lot))  # two more than were sent of it
    assert await lying(api, row, there) == {(None, "OLD", "EXPIRED", "7")}
    await done(api, ARRIVE, arrived(sent, 1))
    assert await lying(api, row, there) == {(None, "OLD", "EXPIRED", "7"), (None, "NEW", None, "1")}
    assert await figures(api, row, there) == ("8", "0", "0", "1")
    assert await expired(api) == 0


async def test_promises_of_what_has_expired_give_way(fresh_api: Api) -> None:
    api = fresh_api
    here, row = await location(api), await variant(api)
    await received(api, here, row, 4, lot=("OLD", day(0)))
    await received(api, here, row, 2, lot=("NEW", day(90)))
    order = (await done(api, PLACE, {"input": ordered([(row, 5)])}))["order"]["id"]
    assert await expired(api, days=1) == 1
    assert await figures(api, row) == ("6", "2", "0", "0")
    found = await api.data("{ stockDiscrepancies { nodes { kind quantity } } }")
    assert found["stockDiscrepancies"]["nodes"] == [{"kind": "SHORTFALL", "quantity": "3"}]
    await done(api, SHIP, {"id": order})
    await received(api, here, row, 3, lot=("NEW", day(90)))
    await done(api, SHIP, {"id": order})
    assert await lying(api, row) == {(None, "OLD", "EXPIRED", "4")}
    await invariants_hold(api)


async def test_a_sweep_is_bounded_and_goes_on(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "SWEPT_AT_ONCE", 3)
    api = fresh_api
    here = await location(api)
    rows = [await variant(api) for _ in range(7)]
    for row in rows:
        await received(api, here, row, 1, lot=("OLD", day(9)))
        await outlived(api, row, "OLD")
    assert [await expired(api) for _ in range(4)] == [3, 3, 1, 0]
    assert {(await level(api, row))["unavailable"] for row in rows} == {"1"}


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
