"""What can be promised, and why: every figure is the sum of documents that can be looked up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.housekeeping import Housekeeping
from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    AVAILABILITY,
    EXPECT,
    PLACE,
    RECEIVE,
    RELEASE,
    RESERVE,
    SHIP,
    act,
    done,
    invariants_hold,
    location,
    number_of,
    ordered,
    receipt,
    stocked,
    variant,
    wrong_ids,
)

Term = tuple[str, str, str | None, str | None]
"""Kind, quantity, document, location."""


async def asked(api: Api, row: str, **arguments: Any) -> dict[str, Any]:
    """An availability that adds up."""
    found = (await api.data(AVAILABILITY, {"variant": row, **arguments}))["availability"]
    sums: dict[str, Decimal] = {}
    for term in found["terms"]:
        sums[term["kind"]] = sums.get(term["kind"], Decimal(0)) + Decimal(term["quantity"])
    names = {"ON_HAND": "onHand", "BACKORDERED": "backordered", "INCOMING": "incoming"} | {
        name.upper(): name for name in ("allocated", "reserved", "unavailable")
    }
    assert {name: abs(sums.get(kind, Decimal(0))) for kind, name in names.items()} == {
        name: Decimal(found[name]) for name in names.values()
    }
    assert sum(sums.values()) == Decimal(found["availableToPromise"])
    present = [each for kind, each in sums.items() if kind not in ("INCOMING", "BACKORDERED")]
    assert sum(present) == Decimal(found["available"])
    return found


def terms(found: dict[str, Any]) -> list[Term]:
    return [
        (each["kind"], each["quantity"], each["source"], each["location"] and each["location"]["id"])
        for each in found["terms"]
    ]


async def expected(api: Api, place: str, row: str, quantity: Any, on: str, **extra: Any) -> str:
    """The id of goods that are announced."""
    given = {"locationId": place, "dueOn": on, "lines": [{"variantId": row, "quantity": quantity}], **extra}
    return (await done(api, EXPECT, {"input": given}))["incoming"][0]["id"]


async def placed(api: Api, *lines: tuple[str, Any]) -> str:
    return (await done(api, PLACE, {"input": ordered(lines)}))["order"]["id"]


async def hold(api: Api, row: str, quantity: Any, **extra: Any) -> str:
    return (await done(api, RESERVE, {"input": ordered([(row, quantity)], **extra)}))["reservation"]["id"]


async def test_every_document_is_a_term_with_its_sign_and_they_sum_to_what_can_be_promised(api: Api) -> None:
    near, far = await location(api, priority=1), await location(api, priority=2)
    row = await variant(api)
    await done(api, RECEIVE, {"input": receipt(near, [(row, 10, "1")])})
    await done(api, RECEIVE, {"input": receipt(far, [(row, 4, "1")])})
    older, younger = await placed(api, (row, 3), (row, 2)), await placed(api, (row, 4))
    held = await hold(api, row, 2, reference="cart 7", expiresInSeconds=86_400)
    loss = {"locationId": near, "reason": "THEFT", "lines": [{"variantId": row, "delta": -3}]}
    await done(api, ADJUST, {"input": loss})
    soon = await expected(api, far, row, 5, "2040-01-01", reference="PO 1")
    late = await expected(api, near, row, 6, "2040-02-01")

    found = await asked(api, row)
    assert terms(found) == [
        *sorted([("ON_HAND", "7", None, near), ("ON_HAND", "4", None, far)], key=lambda each: each[3]),
        ("ALLOCATED", "-5", older, near),
        ("ALLOCATED", "-2", younger, near),
        ("RESERVED", "-2", held, far),
        ("INCOMING", "5", soon, far),
        ("INCOMING", "6", late, near),
        ("BACKORDERED", "-2", younger, None),
    ]
    today = datetime.now(UTC).date()
    said = {(each["kind"], each["source"]): (each["on"], each["note"]) for each in found["terms"]}
    assert said["ALLOCATED", older] == (today.isoformat(), None)
    assert said["RESERVED", held] == ((today + timedelta(days=1)).isoformat(), "cart 7")
    assert said["INCOMING", soon] == ("2040-01-01", "PO 1")
    assert said["INCOMING", late] == ("2040-02-01", None)
    assert said["BACKORDERED", younger] == (today.isoformat(), None)
    figures = {name: each for name, each in found.items() if name not in ("terms", "nextChange")}
    assert figures == {
        "onHand": "11",
        "allocated": "7",
        "reserved": "2",
        "unavailable": "0",
        "available": "2",
        "incoming": "11",
        "backordered": "2",
        "availableToPromise": "11",
    }

    for on, incoming, promise in (
        ("2039-12-31", "0", "0"),
        ("2040-01-01", "5", "5"),
        ("2040-01-31", "5", "5"),
        ("2040-02-01", "11", "11"),
        ("9999-12-31", "11", "11"),
    ):
        by_then = await asked(api, row, on=on)
        # What comes next is what comes after that day.
        coming = next((each for each, day in ((soon, "2040-01-01"), (late, "2040-02-01")) if day > on), None)
        assert (by_then["nextChange"] and by_then["nextChange"]["source"]) == coming
        assert (by_then["incoming"], by_then["availableToPromise"], by_then["available"]) == (incoming, promise, "2")

    assert found["nextChange"] == {
        "kind": "INCOMING",
        "quantity": "5",
        "source": soon,
        "on": "2040-01-01",
        "note": "PO 1",
        "location": {"id": far},
    }
    assert (await asked(api, row, locations=[near]))["nextChange"]["source"] == late
    assert (await asked(api, row, locations=[near], on="2040-02-01"))["nextChange"] is None

    # Whoever waits for goods waits for them anywhere, so that counts over all places only.
    there = await asked(api, row, locations=[far])
    assert terms(there) == [
        ("ON_HAND", "4", None, far),
        ("RESERVED", "-2", held, far),
        ("INCOMING", "5", soon, far),
    ]
    both = await asked(api, row, locations=[near, far, near, "loc_x", row])
    assert (both["available"], both["backordered"], both["availableToPromise"]) == ("2", "0", "13")
    assert terms(await asked(api, row, locations=[near], on="2040-01-01"))[-1][0] == "ALLOCATED"
    for nowhere in ([], ["loc_" + "0" * 32], [row]):
        assert terms(await asked(api, row, locations=nowhere)) == []


async def test_terms_go_as_their_documents_do(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 5, place=place)
    order, held = await placed(api, (row, 3)), await hold(api, row, 1)
    coming = await expected(api, place, row, 4, "2040-01-01")
    assert [kind for kind, *_ in terms(await asked(api, row))] == ["ON_HAND", "ALLOCATED", "RESERVED", "INCOMING"]
    await done(api, SHIP, {"id": order})
    await done(api, RELEASE, {"id": held})
    given = receipt(place, [(row, 3, "1")])
    given["lines"][0]["incomingId"] = coming
    await done(api, RECEIVE, {"input": given})
    assert terms(await asked(api, row)) == [("ON_HAND", "5", None, place), ("INCOMING", "1", coming, place)]
    await done(api, RECEIVE, {"input": given})
    assert terms(await asked(api, row)) == [("ON_HAND", "8", None, place)]


async def test_goods_by_weight_are_promised_to_the_gram(api: Api) -> None:
    place, row = await location(api), await variant(api, unit="KG")
    await done(api, RECEIVE, {"input": receipt(place, [(row, "2.500", "1")])})
    await placed(api, (row, "0.125"))
    found = await asked(api, row)
    assert (found["onHand"], found["allocated"], found["available"]) == ("2.5", "0.125", "2.375")


async def test_a_variant_that_never_came_in_can_be_promised_when_it_comes(api: Api) -> None:
    row = await variant(api)
    assert terms(await asked(api, row)) == []
    await expected(api, await location(api), row, 3, "2040-01-01")
    found = await asked(api, row)
    assert (found["available"], found["availableToPromise"]) == ("0", "3")
    payload = await act(api, PLACE, {"input": ordered([(row, 1)])})  # what is promised is not there to be sold yet
    assert [each["code"] for each in payload["userErrors"]] == ["INSUFFICIENT_STOCK"]


async def test_a_hold_counts_until_house_is_kept(api: Api, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    row = await stocked(api, 5)
    held = await hold(api, row, 3)
    await owner.execute("UPDATE stock_reservations SET expires_at = now() WHERE id = $1", UUID(held[4:]))
    assert (await asked(api, row))["reserved"] == "3"
    await Housekeeping(api.services.database, seconds=0, wake=lambda: None).tidy()
    assert terms(await asked(api, row))[1:] == []


CHANNEL = """query Q($variant: ID!, $channel: ID) {
  availability(variantId: $variant, channelId: $channel) { available } }"""


@pytest.mark.parametrize("wrong", wrong_ids("var"))
async def test_of_an_unknown_variant_nothing_is_said(api: Api, wrong: str) -> None:
    assert await api.data(CHANNEL, {"variant": wrong}) == {"availability": None}


async def test_every_channel_sells_from_all_places_but_an_unknown_one_from_none(api: Api) -> None:
    row = await stocked(api, 5)
    (channel,) = (await api.data("{ channels { nodes { id } } }"))["channels"]["nodes"]
    known = await api.data(CHANNEL, {"variant": row, "channel": channel["id"]})
    assert known == await api.data(CHANNEL, {"variant": row}) == {"availability": {"available": "5"}}
    for wrong in ("", "chn_", "chn_" + "0" * 32, row):
        assert await api.data(CHANNEL, {"variant": row, "channel": wrong}) == {"availability": None}


BATCH = """query Q($first: Int!, $on: Date) { variants(first: $first) { totalCount nodes {
  id availability(on: $on) { availableToPromise terms { quantity location { name } } }
  stockLevels(first: 5) { onHand location { name } } } } }"""


async def test_a_list_of_variants_shows_what_the_query_does(api: Api) -> None:
    places = [await location(api, priority=n) for n in (30, 10, 20)]
    row, other = await variant(api), await variant(api)
    for n, place in enumerate(places, 1):
        await done(api, RECEIVE, {"input": receipt(place, [(row, n, "1")])})
    await expected(api, places[0], row, 7, "2040-01-01")
    query = """query Q($ids: [ID!]!, $first: Int!, $in: [ID!], $on: Date) { nodes(ids: $ids) { ... on ProductVariant {
      availability(on: $on) { availableToPromise } stockLevels(first: $first, locationIds: $in) { onHand } } } }"""

    async def listed(first: int = 50, places: list[str] | None = None, on: str | None = None) -> list[Any]:
        nodes = (await api.data(query, {"ids": [row, other], "first": first, "in": places, "on": on}))["nodes"]
        assert (nodes[1]["availability"], nodes[1]["stockLevels"]) == ({"availableToPromise": "0"}, [])
        return [nodes[0]["availability"]["availableToPromise"], *(each["onHand"] for each in nodes[0]["stockLevels"])]

    assert await listed() == ["13", "2", "3", "1"]  # by priority
    assert await listed(on="2039-12-31") == ["6", "2", "3", "1"]
    assert await listed(first=2) == ["13", "2", "3"]
    assert await listed(first=0) == ["13"]
    assert await listed(places=[places[0], places[2], "x"]) == ["13", "3", "1"]
    assert await listed(places=[]) == ["13"]
    for first in (-1, 251):
        answer = await api.post(query, {"ids": [row], "first": first})
        assert answer["errors"][0]["extensions"]["code"] in ("INVALID", "BAD_REQUEST"), answer


async def test_a_list_of_variants_costs_the_same_statements_at_10_and_at_100_rows(fresh_api: Api) -> None:
    api = fresh_api
    place = await location(api)
    create = """mutation P($input: ProductCreateInput!) {
      productCreate(input: $input) { product { variants { id } } userErrors { message } } }"""

    async def make(many: int) -> None:
        skus = [{"sku": f"V{many}-{n}", "price": {"amount": "1", "currency": "USD"}} for n in range(many)]
        product = (await done(api, create, {"input": {"name": f"Of {many}", "variants": skus}}))["product"]
        rows = [each["id"] for each in product["variants"]]
        await done(api, RECEIVE, {"input": receipt(place, [(row, 3, "1.50") for row in rows])})
        await placed(api, *((row, 1) for row in rows))
        lines = [{"variantId": row, "quantity": 4} for row in rows]
        await done(api, EXPECT, {"input": {"locationId": place, "dueOn": "2040-01-01", "lines": lines}})

    async def measured() -> tuple[int, int]:
        async with api.counted() as statements:
            found = (await api.data(BATCH, {"first": 100}))["variants"]
        for each in found["nodes"]:
            assert each["availability"]["availableToPromise"] == "6"
            assert [term["quantity"] for term in each["availability"]["terms"]] == ["3", "-1", "4"]
            assert [level["onHand"] for level in each["stockLevels"]] == ["3"]
        return found["totalCount"], number_of(statements)

    await make(10)
    await measured()  # a process asks about some things once
    few, few_statements = await measured()
    await make(90)
    many, many_statements = await measured()
    assert (few, many) == (10, 100)
    assert few_statements == many_statements


# --- known to be wrong ----------------------------------------------------------------------------------------------


async def test_what_is_on_the_road_is_not_available(api: Api) -> None:
    row = await stocked(api, 5, place=await location(api, kind="TRANSIT"))
    refusal = (await act(api, PLACE, {"input": ordered([(row, 1)])}))["userErrors"][0]
    assert refusal["available"] == (await asked(api, row))["available"]


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
