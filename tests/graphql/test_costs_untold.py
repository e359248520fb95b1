"""Whoever may not know costs learns none from what is accepted and what is refused: nothing that follows from a cost
may fail by its size.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import books, transfers
from tests.support.api import Api
from tests.support.shelves import bins
from tests.support.shop import (
    ADJUST,
    PLACE,
    RECEIVE,
    RECONCILE,
    SETTLE,
    SHIP,
    act,
    count,
    differing,
    dollars,
    done,
    invariants_hold,
    level,
    location,
    receipt,
    refused,
    stocked,
    variant,
)

BLIND = ["stock:read", "stock:write", "orders:read", "orders:write"]
"""Whoever works with goods, and does not know what they cost."""
MOST = 999_999_999
CHEAP, DEAR = "0.01", "99999999999.99"
STATED = ["0", "1.00", "1000.00", "999999999.99", "500000000000.00", "999999999998.99", "999999999999.99"]
FOUND = [1, 9, 11, 1_000, 1_000_000, MOST - 10]


_WHY = "userErrors { code message path }"
ADJUSTED, COUNTED, RECEIVED = (
    f"mutation M($input: {given}!) {{ {name}(input: $input, dryRun: true) {{ {_WHY} }} }}"
    for name, given in (
        ("stockAdjust", "StockAdjustInput"),
        ("stockSet", "StockSetInput"),
        ("stockReceive", "StockReceiveInput"),
    )
)
SETTLED = f"""mutation M($id: ID!) {{
  stockDiscrepancySettle(id: $id, input: {{resolution: ADJUSTED}}, dryRun: true) {{ {_WHY} }} }}"""
APPROVED = f"mutation M($id: ID!) {{ stockCountApprove(id: $id, dryRun: true) {{ {_WHY} }} }}"


@dataclass
class Pair:
    """Two variants of which all is alike but what they cost, and another one of the caller's own."""

    here: str
    there: str
    cheap: str
    dear: str
    own: str

    async def same(self, api: Api, mutation: str, input_: Any) -> list[tuple[str, str, str]]:
        """What a dry run answers for either of them: the very same. `input_` makes the input of one."""
        answers = [await _blind(api, mutation, {"input": input_(row)}, row) for row in (self.cheap, self.dear)]
        assert answers[0] == answers[1]
        return answers[0]


async def _blind(api: Api, mutation: str, given: dict[str, Any], row: str) -> list[tuple[str, str, str]]:
    """Why a dry run of it was refused, told without what names the variant."""
    answer = await api.post(mutation, given, scopes=BLIND)
    assert "errors" not in answer, answer["errors"]
    (payload,) = answer["data"].values()
    sku = (await level(api, row))["variant"]["sku"]
    return [
        (each["code"], ".".join(each["path"]), each["message"].replace(sku, "it")) for each in payload["userErrors"]
    ]


@pytest.fixture
async def pair(api: Api) -> Pair:
    here, there = await location(api), await location(api)
    cheap, dear, own = [await stocked(api, 9, cost, place=here) for cost in (CHEAP, DEAR, "1.00")]
    return Pair(here, there, cheap, dear, own)


def more(place: str, *lines: tuple[str, int, str | None]) -> dict[str, Any]:
    given = [
        {"variantId": row, "delta": many} | ({} if cost is None else {"unitCost": dollars(cost)})
        for row, many, cost in lines
    ]
    return {"locationId": place, "reason": "FOUND", "lines": given}


async def test_found_beside_something_of_a_chosen_cost(api: Api, pair: Pair) -> None:
    for stated in STATED:
        for many in FOUND:
            said = await pair.same(
                api, ADJUSTED, lambda row, s=stated, m=many: more(pair.here, (pair.own, 1, s), (row, m, None))
            )
            assert said == []
            elsewhere = await pair.same(
                api, ADJUSTED, lambda row, s=stated, m=many: more(pair.there, (pair.own, 1, s), (row, m, None))
            )
            assert elsewhere == []
    too_many = await pair.same(api, ADJUSTED, lambda row: more(pair.here, (row, MOST, None)))
    assert [code for code, *_ in too_many] == ["INVALID"]


async def test_found_in_many_bins(api: Api, pair: Pair) -> None:
    places = await bins(api, pair.here, *(f"Z{n}" for n in range(20)))

    def lines(row: str) -> dict[str, Any]:
        given = [{"variantId": row, "delta": 40_000_000, "binId": each} for each in places]
        return {"locationId": pair.here, "reason": "FOUND", "lines": given}

    assert await pair.same(api, ADJUSTED, lines) == []


async def test_counted_to_a_chosen_number(api: Api, pair: Pair) -> None:
    for many in FOUND:

        def counted(row: str, many: int = many) -> dict[str, Any]:
            line = {"variantId": row, "quantity": many + 9, "expectedQuantity": 9}
            return {"locationId": pair.here, "reason": "FOUND", "lines": [line]}

        assert await pair.same(api, COUNTED, counted) == []


async def test_costs_are_told_late_beside_a_chosen_cost(api: Api, pair: Pair) -> None:
    for row in (pair.cheap, pair.dear):
        loss = [{"variantId": row, "delta": -5}]
        await done(api, ADJUST, {"input": {"locationId": pair.here, "reason": "DAMAGE", "lines": loss}})
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for stated in STATED:
        late = {"receivedAt": before}
        told = await pair.same(api, RECEIVED, lambda row, s=stated: receipt(pair.here, [(row, 1, s)], **late))  # noqa: B023
        assert told == []
        found = await pair.same(
            api,
            ADJUSTED,
            lambda row, s=stated: more(pair.here, (pair.own, 1, s), (row, MOST - 10, None)) | {"effectiveAt": before},
        )
        assert found == []


async def test_all_that_a_case_or_a_count_may_find(api: Api, pair: Pair) -> None:
    answers = []
    for row in (pair.cheap, pair.dear):
        case = await differing(api, pair.here, row, MOST)
        counted = await count(api, pair.here, row, MOST, until="SUBMITTED")
        told = [await _blind(api, SETTLED, {"id": case}, row), await _blind(api, APPROVED, {"id": counted}, row)]
        answers.append(told)
    assert answers == [[[], []], [[], []]]


async def test_what_goes_a_long_way_in_great_numbers(api: Api, pair: Pair) -> None:
    """It is found, sent, arrives with freight and with more than was sent, is sold, and lost: at any cost."""
    for row in (pair.cheap, pair.dear):
        await done(api, ADJUST, {"input": more(pair.here, (row, MOST - 9, None))})
        sent = await transfers.dispatched(api, pair.here, pair.there, [(row, 900_000_000)])
        there = transfers.arrived(sent, 950_000_000, freight="999999999999.99")
        await done(api, transfers.ARRIVE, there)
        line = {"variantId": row, "quantity": 900_000_000, "unitPrice": dollars("0.01")}
        order = (await done(api, PLACE, {"input": {"lines": [line]}}))["order"]
        await done(api, SHIP, {"id": order["id"]})
        loss = [{"variantId": row, "delta": -10_000_000}]
        for place in (pair.here, pair.there):
            await done(api, ADJUST, {"input": {"locationId": place, "reason": "THEFT", "lines": loss}})
    await invariants_hold(api)


# --- what is stated -------------------------------------------------------------------------------------------------


async def test_what_somebody_states_comes_to_less_than_a_trillion(api: Api) -> None:
    here, row = await location(api), await variant(api)
    for many, cost, fits in (
        (1_000, "999999999.99", True),
        (1_000, "1000000000", False),
        (MOST, "999999999999", False),
    ):
        given = {"input": receipt(here, [(row, many, cost)]), "dryRun": True}
        payload = await act(api, RECEIVE, given)
        at = ["input", "lines", "0", "unitCost", "amount"]
        assert [(each["code"], each["path"]) for each in payload["userErrors"]] == ([] if fits else [("INVALID", at)])
        payload = await act(api, ADJUST, {"input": more(here, (row, many, cost)), "dryRun": True})
        assert [(each["code"], each["path"]) for each in payload["userErrors"]] == ([] if fits else [("INVALID", at)])
    said = {"locationId": here, "system": "3pl", "lines": [{"variantId": row, "quantity": 1_000}]}
    (case,) = (await done(api, RECONCILE, {"input": said}))["discrepancies"]
    settled = {"id": case["id"], "input": {"resolution": "ADJUSTED", "unitCost": dollars("1000000000")}}
    assert await refused(api, SETTLE, settled) == [("INVALID", "input.unitCost.amount")]


async def test_what_is_stated_in_foreign_money_is_bound_by_what_it_is_worth(api: Api) -> None:
    here, row = await location(api), await variant(api, unit="KG")
    rates = [{"currency": "KWD", "on": books.today(), "rate": "1000"}]
    await done(api, books.RATES, {"input": {"rates": rates}})
    for many, cost, fits in ((1, "999999999.999", True), (1, "1000000000", False), ("0.001", "1000000000", False)):
        line = {"variantId": row, "quantity": many, "unitCost": {"amount": cost, "currency": "KWD"}}
        payload = await act(api, RECEIVE, {"input": {"locationId": here, "lines": [line]}, "dryRun": True})
        at = ["input", "lines", "0", "unitCost", "amount"]
        assert [(each["code"], each["path"]) for each in payload["userErrors"]] == ([] if fits else [("INVALID", at)])
    lines = [books.debit("6090", 1_000_000_000, "KWD"), books.credit("1020", 1_000_000_000, "KWD")]
    payload = await act(api, books.POST, {"input": books.entry(*lines)})
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [("INVALID", ["input", "lines", "0"])]


async def test_freight_is_bound_by_the_quantity_that_bears_it(api: Api) -> None:
    here, there, row = await location(api), await location(api), await variant(api, unit="KG")
    await done(api, RECEIVE, {"input": receipt(here, [(row, "0.002", "1000.00")])})
    sent = await transfers.dispatched(api, here, there, [(row, "0.001")])
    given = transfers.arrived(sent, "0.001", freight="1000000000.00")
    assert await refused(api, transfers.ARRIVE, given) == [("INVALID", "input.freight.amount")]
    await done(api, transfers.ARRIVE, transfers.arrived(sent, "0.001", freight="999999999.99"))
