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


NOT_BY_BALANCE = {
    "1050": "as an open item of who pays it out, a debit on accounts receivable.",
    "1100": "say whose open item the line founds",
    "1150": "as an open item of its customer, a debit on accounts receivable.",
    "1200": "receiving them as opening stock",
    "2010": "say whose open item the line founds",
    "2050": "as an open item of its supplier, a credit on accounts payable.",
    "2100": "as an open item of theirs, a credit on accounts receivable.",
    "3900": "it takes by itself what debits and credits differ by.",
}
"""Control accounts, and what is said to who brings in their balance."""


async def test_accounts_of_documents_say_how_they_are_opened(fresh_api: Api) -> None:
    for code, sentence in NOT_BY_BALANCE.items():
        payload = await shop.act(fresh_api, OPEN, opened(debit(code, 1)))
        (error,) = payload["userErrors"]
        assert (error["code"], error["path"]) == ("CONTROL_ACCOUNT", ["input", "lines", "0", "accountCode"]), code
        assert sentence in error["message"], code
        assert await shop.refused(fresh_api, OPEN, opened(debit(code, 1))) == [
            ("CONTROL_ACCOUNT", "input.lines.0.accountCode")
        ]
    by_hand = books.entry(debit("3900", 1), credit("1020", 1))
    assert await shop.refused(fresh_api, books.POST, {"input": by_hand}) == [
        ("CONTROL_ACCOUNT", "input.lines.0.accountCode")
    ]
    await shop.forbidden(fresh_api, OPEN, opened(debit("1010", 1)), ["ledger:close"])


async def test_what_the_old_books_left_half_done_is_opened_item_by_item_and_settled(fresh_api: Api) -> None:
    """A whole trial balance moves in, with deposits, payouts on their way and receipts without a bill; later the money,
    the goods and the bill come, and each item is settled by an entry by hand.
    """
    customer = "cus_" + "0" * 32
    lines = [
        debit("1020", "900.00"),
        debit("1100", "60.00", opens={"party": "Card payouts", "document": "P-7"}),
        debit("1100", "40.00", opens={"party": customer, "document": "Order 12, not billed"}),
        credit("1100", "25.00", opens={"party": customer, "document": "Deposit of order 14"}),
        credit("2010", "75.00", opens={"party": "Paper & Sons", "document": "Receipt 3, no bill yet"}),
        credit("2200", "100.00"),
        credit("3010", "800.00"),
    ]
    made = await shop.done(fresh_api, OPEN, opened(*lines))
    assert len(made["journalEntry"]["lines"]) == len(lines)
    await shop.done(fresh_api, COMPLETE, {})
    query = "{ openItems { nodes { id document isOwedToUs balance { amount } } } }"
    found = (await fresh_api.data(query))["openItems"]["nodes"]
    items = {each["document"]: each["id"] for each in found}
    assert {(each["document"], each["isOwedToUs"]) for each in found} == {
        ("P-7", True),
        ("Order 12, not billed", True),
        ("Deposit of order 14", False),
        ("Receipt 3, no bill yet", False),
    }

    bill = {"party": "Paper & Sons", "document": "B-8"}
    for entry in (
        books.entry(debit("1020", "60.00"), {"settles": items["P-7"], "credit": books.money("60.00")}),
        books.entry(
            {"settles": items["Deposit of order 14"], "debit": books.money("25.00")},
            debit("1020", "15.00"),
            {"settles": items["Order 12, not billed"], "credit": books.money("40.00")},
        ),
        books.entry(
            {"settles": items["Receipt 3, no bill yet"], "debit": books.money("75.00")},
            credit("2010", "75.00", opens=bill),
        ),
    ):
        await shop.done(fresh_api, books.POST, {"input": entry})
    open_now = "{ openItems(filter: {status: {in: [OPEN]}}) { nodes { document balance { amount } } } }"
    assert (await fresh_api.data(open_now))["openItems"]["nodes"] == [
        {"document": "B-8", "balance": {"amount": "-75.00"}}
    ]
    await shop.invariants_hold(fresh_api)
