"""How the stock of a variant is kept: what may be changed when, and what waiting for stock means."""

import asyncio
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.shop import (
    ADJUST,
    PLACE,
    RECEIVE,
    act,
    announced,
    done,
    forbidden,
    invariants_hold,
    level,
    location,
    ordered,
    receipt,
    refused,
    sent_at_once,
    state,
    stocked,
    variant,
    wrong_ids,
)

POLICY = "id costMethod tracksLots backorders backorderLimit preorderOn version variant { id }"
SET = f"""mutation S($input: StockPolicySetInput!, $dryRun: Boolean! = false, $key: String) {{
  stockPolicySet(input: $input, dryRun: $dryRun, idempotencyKey: $key) {{ policy {{ {POLICY} }}
    effects {{ events {{ nodes {{ type subject version data }} }} }} userErrors {{ code message path }} }} }}"""
OF = f"query Q($id: ID!) {{ variant(by: {{id: $id}}) {{ stockPolicy {{ {POLICY} }} }} }}"


async def kept(api: Api, row: str, **how: Any) -> dict[str, Any]:
    return await done(api, SET, {"input": {"variantId": row, **how}})


async def policy(api: Api, row: str) -> dict[str, Any] | None:
    return (await api.data(OF, {"id": row}))["variant"]["stockPolicy"]


def figures(found: dict[str, Any]) -> tuple[Any, ...]:
    names = ("costMethod", "tracksLots", "backorders", "backorderLimit", "preorderOn", "version")
    return tuple(found[name] for name in names)


async def test_a_policy_is_made_on_first_use_and_what_is_left_out_stays(api: Api) -> None:
    row = await variant(api)
    assert await policy(api, row) is None
    payload = await kept(api, row, backorders="LIMIT", backorderLimit=3)
    made = payload["policy"]
    assert figures(made) == ("FIFO", False, "LIMIT", "3", None, 1)
    assert made["variant"] == {"id": row}
    (event,) = payload["effects"]["events"]["nodes"]
    assert (event["type"], event["subject"], event["version"]) == ("stock_policy.changed", made["id"], 1)
    assert event["data"] == {
        "variant": row,
        "cost_method": "FIFO",
        "tracks_lots": False,
        "backorders": "LIMIT",
        "backorder_limit": "3",
        "preorder_on": None,
    }
    assert await policy(api, row) == made

    changed = (await kept(api, row, costMethod="MOVING_AVERAGE"))["policy"]
    assert figures(changed) == ("MOVING_AVERAGE", False, "LIMIT", "3", None, 2)
    assert changed["id"] == made["id"]
    changed = (await kept(api, row, tracksLots=True, backorderLimit="7"))["policy"]
    assert figures(changed) == ("MOVING_AVERAGE", True, "LIMIT", "7", None, 3)
    # A limit or a day that does not belong to it any more goes by itself.
    changed = (await kept(api, row, backorders="PREORDER", preorderOn="2999-01-01"))["policy"]
    assert figures(changed)[2:] == ("PREORDER", None, "2999-01-01", 4)
    changed = (await kept(api, row, backorders="ALLOW"))["policy"]
    assert figures(changed)[2:] == ("ALLOW", None, None, 5)
    payload = await kept(api, row, backorders="ALLOW", tracksLots=True, backorderLimit=None)
    assert (figures(payload["policy"])[5], announced(payload)) == (5, [])


async def test_policies_are_listed(api: Api) -> None:
    rows = [await variant(api) for _ in range(3)]
    for row in rows:
        await kept(api, row, backorders="ALLOW")
    query = f"""query Q($in: [ID!], $sort: [StockPolicySort!]) {{
      stockPolicies(filter: {{variantId: {{in: $in}}}}, sort: $sort) {{ totalCount nodes {{ {POLICY} }} }} }}"""
    found = (await api.data(query, {"in": rows}))["stockPolicies"]
    assert [each["variant"]["id"] for each in found["nodes"]] == rows
    assert found["totalCount"] == 3
    turned = (await api.data(query, {"in": rows, "sort": ["CREATED_AT_DESC"]}))["stockPolicies"]
    assert turned["nodes"] == found["nodes"][::-1]
    node = "query N($id: ID!) { node(id: $id) { id ... on StockPolicy { version } } }"
    assert await api.data(node, {"id": found["nodes"][0]["id"]}) == {
        "node": {"id": found["nodes"][0]["id"], "version": 1}
    }


@pytest.mark.parametrize(
    ("how", "path"),
    [
        ({"backorders": "LIMIT"}, "input.backorderLimit"),
        ({"backorders": "LIMIT", "backorderLimit": None}, "input.backorderLimit"),
        ({"backorders": "LIMIT", "backorderLimit": 0}, "input.backorderLimit"),
        ({"backorders": "LIMIT", "backorderLimit": -1}, "input.backorderLimit"),
        ({"backorders": "LIMIT", "backorderLimit": "0.5"}, "input.backorderLimit"),
        ({"backorderLimit": 4}, "input.backorderLimit"),
        ({"backorders": "ALLOW", "backorderLimit": 4}, "input.backorderLimit"),
        ({"backorders": "PREORDER"}, "input.preorderOn"),
        ({"backorders": "PREORDER", "preorderOn": "2001-01-01"}, "input.preorderOn"),
        ({"preorderOn": "2999-01-01"}, "input.preorderOn"),
        ({"backorders": None}, "input.backorders"),
        ({"costMethod": None}, "input.costMethod"),
        ({"tracksLots": None}, "input.tracksLots"),
    ],
)
async def test_what_does_not_fit_together_is_refused(api: Api, how: dict[str, Any], path: str) -> None:
    row = await variant(api)
    assert await refused(api, SET, {"input": {"variantId": row, **how}}) == [("INVALID", path)]
    assert await policy(api, row) is None


async def test_all_that_does_not_fit_is_told_at_once(api: Api) -> None:
    row = await variant(api)
    how = {"variantId": row, "backorders": "DENY", "backorderLimit": 1, "preorderOn": "2999-01-01"}
    assert await refused(api, SET, {"input": how}) == [
        ("INVALID", "input.backorderLimit"),
        ("INVALID", "input.preorderOn"),
    ]


@pytest.mark.parametrize("wrong", wrong_ids("var"))
async def test_an_unknown_variant_has_no_policy(api: Api, wrong: str) -> None:
    given = {"input": {"variantId": wrong, "backorders": "ALLOW"}}
    assert await refused(api, SET, given) == [("NOT_FOUND", "input.variantId")]


async def test_whoever_saw_an_older_version_is_told(api: Api) -> None:
    row = await variant(api)
    stale = {"variantId": row, "backorders": "ALLOW", "expectedVersion": 1}
    assert await refused(api, SET, {"input": stale}) == [("STALE_VERSION", "input.expectedVersion")]
    await kept(api, row, backorders="ALLOW", expectedVersion=0)
    await kept(api, row, backorders="DENY", expectedVersion=1)
    assert await refused(api, SET, {"input": stale}) == [("STALE_VERSION", "input.expectedVersion")]
    assert figures((await policy(api, row)) or {})[2:] == ("DENY", None, None, 2)


async def test_costs_are_kept_in_another_way_only_while_nothing_is_on_hand(api: Api) -> None:
    place = await location(api, kind="TRANSIT")
    row = await stocked(api, 2, "4.00", place=place)  # what is on the road is on hand too
    change = {"input": {"variantId": row, "costMethod": "MOVING_AVERAGE", "backorders": "ALLOW"}}
    assert await refused(api, SET, change) == [("NOT_ALLOWED_NOW", "input.costMethod")]
    assert await policy(api, row) is None
    loss = {"locationId": place, "reason": "DAMAGE", "lines": [{"variantId": row, "delta": -2}]}
    await done(api, ADJUST, {"input": loss})
    assert figures((await done(api, SET, change))["policy"])[:3] == ("MOVING_AVERAGE", False, "ALLOW")
    for cost in ("1.00", "2.00"):
        await done(api, RECEIVE, {"input": receipt(place, [(row, 1, cost)])})
    change["input"]["costMethod"] = "FIFO"
    assert await refused(api, SET, change) == [("NOT_ALLOWED_NOW", "input.costMethod")]
    # Said again it changes nothing, so nothing stands in its way.
    await kept(api, row, costMethod="MOVING_AVERAGE", backorders="DENY")
    await invariants_hold(api)


async def test_lots_are_demanded_only_once_all_that_is_there_belongs_to_one(api: Api) -> None:
    place = await location(api)
    row = await stocked(api, 2, place=place)
    named = receipt(place, [(row, 3, "4.00")])
    named["lines"][0]["lot"] = {"number": "L-1"}
    await done(api, RECEIVE, {"input": named})
    change = {"input": {"variantId": row, "tracksLots": True}}
    payload = await act(api, SET, change)
    assert payload["userErrors"][0]["message"].endswith(
        ", 2 on hand belong to no lot: adjust them out, and in again with their lots, or sell them first."
    )
    assert await refused(api, SET, change) == [("NOT_ALLOWED_NOW", "input.tracksLots")]
    loss = {"locationId": place, "reason": "COUNT", "lines": [{"variantId": row, "delta": -2}]}
    await done(api, ADJUST, {"input": loss})  # what lies loose is taken first
    assert (await level(api, row))["onHand"] == "3"
    await done(api, SET, change)
    unnamed = receipt(place, [(row, 1, "4.00")])
    assert await refused(api, RECEIVE, {"input": unnamed}) == [("INVALID", "input.lines.0.lot")]
    await done(api, RECEIVE, {"input": named})
    await kept(api, row, tracksLots=False)
    await done(api, RECEIVE, {"input": unnamed})
    assert await refused(api, SET, change) == [("NOT_ALLOWED_NOW", "input.tracksLots")]
    await invariants_hold(api)


async def test_nobody_keeps_stock_by_a_policy_that_changes_while_goods_come_in(fresh_api: Api) -> None:
    """Goods come in at places that are new while lots begin to be demanded and averages to be kept."""
    api = fresh_api
    for n in range(8):
        row = await variant(api)
        places = [await location(api) for _ in range(2)]
        how = {"tracksLots": True} if n % 2 else {"costMethod": "MOVING_AVERAGE"}
        twice = [receipt(place, [(row, 1, "1.00"), (row, 1, "3.00")]) for place in places]
        acts = [act(api, RECEIVE, {"input": each}) for each in twice]
        acts.insert(n % 3, act(api, SET, {"input": {"variantId": row, **how}}))
        payloads = await asyncio.gather(*acts)
        chosen = payloads[n % 3]
        came = [each for each in payloads if each is not chosen and not each["userErrors"]]
        if chosen["userErrors"]:
            assert [each["code"] for each in chosen["userErrors"]] == ["NOT_ALLOWED_NOW"]
            assert came
        await invariants_hold(api)


async def test_of_many_that_set_a_policy_at_once_each_is_told_after_the_other(api: Api) -> None:
    row = await variant(api)
    inputs = [{"variantId": row, "backorders": "LIMIT", "backorderLimit": n} for n in range(1, 31)]
    payloads = await asyncio.gather(*(act(api, SET, {"input": each}) for each in inputs))
    assert [each["userErrors"] for each in payloads] == [[]] * 30
    assert len({each["policy"]["id"] for each in payloads}) == 1
    versions = sorted(event["version"] for each in payloads for event in each["effects"]["events"]["nodes"])
    assert versions == list(range(1, 31))
    assert (await policy(api, row) or {})["version"] == 30
    expected = [{"variantId": row, "backorders": "ALLOW", "expectedVersion": 30} for _ in range(10)]
    payloads = await asyncio.gather(*(act(api, SET, {"input": each}) for each in expected))
    codes = sorted(error["code"] for each in payloads for error in each["userErrors"])
    assert codes == ["STALE_VERSION"] * 9
    await invariants_hold(api)


async def test_a_policy_is_set_once_however_often_it_is_sent(api: Api) -> None:
    payload = await sent_at_once(api, SET, {"input": {"variantId": await variant(api), "backorders": "ALLOW"}})
    assert payload["policy"]["version"] == 1


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    row = await variant(api)
    before = await state(api)
    payload = await done(api, SET, {"input": {"variantId": row, "backorders": "ALLOW"}, "dryRun": True})
    assert payload["policy"]["backorders"] == "ALLOW"
    assert (await state(api), await policy(api, row)) == (before, None)


async def test_only_who_may_write_stock_sets_a_policy(api: Api) -> None:
    given = {"input": {"variantId": await variant(api), "backorders": "ALLOW"}}
    await forbidden(api, SET, given, ["stock:write"])


async def test_without_a_policy_nothing_is_ordered_beyond_what_is_there(api: Api) -> None:
    row = await stocked(api, 2)
    for how in ({}, {"backorders": "DENY"}):
        if how:
            await kept(api, row, **how)
        assert await refused(api, PLACE, {"input": ordered([(row, 3)])}) == [
            ("INSUFFICIENT_STOCK", "input.lines.0.quantity")
        ]


async def test_every_invariant_holds_after_all_this(api: Api) -> None:
    await invariants_hold(api)
