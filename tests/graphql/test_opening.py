"""Opening balances: part by part through an account that must come to nothing."""

import asyncio
from typing import Any

from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import credit, debit, in_base

OPEN = """
mutation Open($input: OpeningBalancesPostInput!) {
  openingBalancesPost(input: $input) {
    journalEntry { id kind source lines { account { code } debitBase { amount } creditBase { amount } } }
    userErrors { code message path }
  }
}"""
COMPLETE = """
mutation Complete {
  openingBalancesComplete {
    openingBalances { balance { amount } completedAt } effects { events { nodes { type } } }
    userErrors { code message path }
  }
}"""
STATE = "{ openingBalances { balance { amount } completedAt } }"
RECEIVE = """
mutation Receive($input: StockReceiveInput!) {
  stockReceive(input: $input) {
    levels { onHand } effects { journalEntries { nodes { kind lines { account { code } } } } }
    userErrors { code message path }
  }
}"""


def opened(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input": {"on": books.today(), "lines": list(lines), **more}}


async def balance(api: Api) -> str:
    return (await api.data(STATE))["openingBalances"]["balance"]["amount"]


async def test_books_are_opened_part_by_part_until_nothing_is_left(api: Api) -> None:
    assert (await api.data(STATE))["openingBalances"] is None
    assert await shop.refused(api, COMPLETE, {}) == [("NOT_ALLOWED_NOW", "")]
    first = await shop.done(api, OPEN, opened(debit("1020", "500.00"), debit("1500", "80.00"), credit("2200", "20.00")))
    assert first["journalEntry"]["kind"] == "OPENING"
    assert in_base(first["journalEntry"])[-1] == ("3900", "0.00", "560.00")
    assert await balance(api) == "-560.00"
    owed = {"party": "Paper & Sons", "document": "B-1", "dueOn": books.today()}
    owes = {"party": "cus_" + "0" * 32, "document": "INV-9"}
    await shop.done(api, OPEN, opened(credit("2010", "30.00", opens=owed), debit("1100", "70.00", opens=owes)))
    assert await balance(api) == "-600.00"
    place, goods = await shop.location(api), await shop.variant(api)
    receipt = shop.receipt(place, [(goods, 4, "2.50")]) | {"isOpening": True}
    (posted,) = (await shop.done(api, RECEIVE, {"input": receipt}))["effects"]["journalEntries"]["nodes"]
    assert posted == {"kind": "OPENING", "lines": [{"account": {"code": "1200"}}, {"account": {"code": "3900"}}]}
    assert await balance(api) == "-610.00"
    assert await shop.refused(api, COMPLETE, {}) == [("NOT_ALLOWED_NOW", "")]
    await shop.invariants_hold(api)

    mistake = await shop.done(api, OPEN, opened(credit("3010", "611.00")))
    await shop.done(api, books.REVERSE, {"id": mistake["journalEntry"]["id"]})
    await shop.done(api, OPEN, opened(credit("3010", "610.00")))
    assert await balance(api) == "0.00"
    late = [shop.act(api, OPEN, opened(debit("1010", "1.00"), credit("3010", "1.00"))) for _ in range(4)]
    answers = await asyncio.gather(*late[:2], shop.act(api, COMPLETE, {}), *late[2:])
    assert answers[2]["userErrors"] == []
    assert answers[2]["openingBalances"]["completedAt"] is not None
    assert await balance(api) == "0.00"
    assert {error["code"] for answer in answers for error in answer["userErrors"]} <= {"NOT_ALLOWED_NOW"}
    await shop.invariants_hold(api)

    assert await shop.refused(api, OPEN, opened(debit("1010", 1))) == [("NOT_ALLOWED_NOW", "")]
    assert await shop.refused(api, RECEIVE, {"input": receipt}) == [("NOT_ALLOWED_NOW", "")]
    assert await shop.refused(api, COMPLETE, {}) == [("NOT_ALLOWED_NOW", "")]
    undone = {"id": first["journalEntry"]["id"]}
    assert [code for code, _ in await shop.refused(api, books.REVERSE, undone)] == ["NOT_ALLOWED_NOW"]


async def test_accounts_of_documents_are_opened_by_their_documents(api: Api) -> None:
    for code in ("1200", "2050", "2100", "3900"):
        refused = await shop.refused(api, OPEN, opened(debit(code, 1)))
        assert refused in ([("CONTROL_ACCOUNT", "input.lines.0.accountCode")], [("NOT_ALLOWED_NOW", "")]), code
    by_hand = books.entry(debit("3900", 1), credit("1020", 1))
    assert await shop.refused(api, books.POST, {"input": by_hand}) == [("CONTROL_ACCOUNT", "input.lines.0.accountCode")]
    await shop.forbidden(api, OPEN, opened(debit("1010", 1)), ["ledger:close"])
