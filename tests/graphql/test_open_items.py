"""Open items: what parties owe and are owed, settled to the cent in every currency."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import REVERSE, bill, credit, debit, entry

ITEMS = """query Items($filter: OpenItemFilter) {
  openItems(filter: $filter) { nodes { id status balance { amount currency } } }
}"""


async def post(api: Api, given: dict[str, Any]) -> dict[str, Any]:
    return (await shop.done(api, books.POST, {"input": given}))["journalEntry"]


async def refused(api: Api, given: dict[str, Any]) -> list[tuple[str, str]]:
    return await shop.refused(api, books.POST, {"input": given})


async def billed(api: Api, amount: Any, currency: str = "USD", **more: Any) -> str:
    """The id of an open item that is owed to a supplier."""
    made = await post(api, bill("Paper & Sons", amount, currency, **more))
    return made["lines"][1]["openItem"]["id"]


async def item(api: Api, item_id: str) -> tuple[str, str, str]:
    (found,) = (await api.data(ITEMS, {"filter": {"id": {"in": [item_id]}}}))["openItems"]["nodes"]
    return found["status"], found["balance"]["amount"], found["balance"]["currency"]


async def rate(api: Api, currency: str, on: str, rate: str) -> None:
    await shop.done(api, books.RATES, {"input": {"rates": [{"currency": currency, "on": on, "rate": rate}]}})


def paid(item_id: str, amount: Any, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return entry({"debit": books.money(amount, currency), "settles": item_id}, credit("1020", amount, currency), **more)


@pytest.fixture(autouse=True)
async def _invariants_hold(api: Api) -> AsyncIterator[None]:
    yield
    await shop.invariants_hold(api)


async def test_a_bill_is_owed_until_it_is_paid(api: Api) -> None:
    made = await post(api, bill("Paper & Sons", "100.00", document="B-7", dueOn="2099-01-31"))
    owed = made["lines"][1]["openItem"]
    assert owed == {
        "id": owed["id"],
        "party": "Paper & Sons",
        "document": "B-7",
        "dueOn": "2099-01-31",
        "status": "OPEN",
        "isOwedToUs": False,
        "balance": {"amount": "-100.00", "currency": "USD"},
        "foundedBy": {"id": made["id"]},
    }
    payload = await shop.done(api, books.POST, {"input": paid(owed["id"], "30.00")})
    assert [each["type"] for each in payload["effects"]["events"]["nodes"]] == [
        "journal_entry.posted",
        "open_item.moved",
    ]
    assert await item(api, owed["id"]) == ("OPEN", "-70.00", "USD")
    assert await refused(api, paid(owed["id"], "70.01")) == [("BEYOND_OPEN_ITEM", "input.lines.0.settles")]
    await post(api, paid(owed["id"], "70.00"))
    assert await item(api, owed["id"]) == ("SETTLED", "0.00", "USD")
    assert await refused(api, paid(owed["id"], "0.01")) == [("BEYOND_OPEN_ITEM", "input.lines.0.settles")]


async def test_what_cannot_be_is_refused_and_leaves_nothing(api: Api) -> None:
    owed = await billed(api, 50)
    opens = {"party": "Paper & Sons"}
    cases = {
        "a control account without an item": (entry(debit("6090", 1), credit("2010", 1)), "CONTROL_ACCOUNT"),
        "an item on an account without": (entry(debit("6090", 1, opens=opens), credit("1020", 1)), "INVALID"),
        "an item of nobody": (entry(debit("6090", 1), credit("2010", 1, opens={"party": " "})), "INVALID"),
        "an unknown item": (paid("itm_" + "0" * 32, 1), "NOT_FOUND"),
        "no item at all": (paid("nothing", 1), "NOT_FOUND"),
        "the wrong side": (
            entry({"credit": books.money(1), "settles": owed}, debit("1020", 1)),
            "INVALID",
        ),
        "another account": (entry(debit("1100", 1, settles=owed), credit("1020", 1)), "INVALID"),
        "another currency": (paid(owed, 1, "EUR", exchangeRate="1.1"), "INVALID"),
        "both at once": (entry(debit("2010", 1, settles=owed, opens=opens), credit("1020", 1)), "INVALID"),
        "due before it began": (bill("Paper & Sons", 1, dueOn="2000-01-01"), "INVALID"),
    }
    for name, (given, code) in cases.items():
        assert [each[0] for each in await refused(api, given)] == [code], name


async def test_a_settlement_at_another_rate_realizes_the_gain_or_loss(api: Api) -> None:
    on = books.today()
    await rate(api, "EUR", on, "1.1")
    owed = await billed(api, "100.00", "EUR")
    # A third of it at 1.20: carried at 36.67, paid with 40.00.
    first = await post(api, paid(owed, "33.34", "EUR", exchangeRate="1.2"))
    assert first["exchangeRate"] == "1.2"
    assert [
        (each["account"]["code"], each["debitBase"]["amount"], each["creditBase"]["amount"]) for each in first["lines"]
    ] == [
        ("2010", "36.67", "0.00"),
        ("1020", "0.00", "40.01"),
        ("4800", "3.34", "0.00"),
    ]
    rest = await post(api, paid(owed, "66.66", "EUR", exchangeRate="1.05"))
    assert [
        (each["account"]["code"], each["debitBase"]["amount"], each["creditBase"]["amount"]) for each in rest["lines"]
    ] == [
        ("2010", "73.33", "0.00"),
        ("1020", "0.00", "69.99"),
        ("4800", "0.00", "3.34"),
    ]
    assert await item(api, owed) == ("SETTLED", "0.00", "EUR")


async def test_each_side_is_worth_what_its_whole_comes_to(api: Api) -> None:
    """Rounded once: equal sides stay equal, and many small lines come to what their sum does."""
    lines = [debit("6090", "0.01", "EUR"), debit("6010", "0.01", "EUR"), debit("6020", "0.01", "EUR")]
    made = await post(api, entry(*lines, credit("1020", "0.03", "EUR"), exchangeRate="1.5"))
    assert [(each["debitBase"]["amount"], each["creditBase"]["amount"]) for each in made["lines"]] == [
        ("0.02", "0.00"),
        ("0.01", "0.00"),
        ("0.02", "0.00"),
        ("0.00", "0.05"),
    ]
    many = [debit("6090", 1, "JPY") for _ in range(499)]
    made = await post(api, entry(*many, credit("1020", 499, "JPY"), exchangeRate="0.0051"))
    assert {each["debitBase"]["amount"] for each in made["lines"]} == {"0.00", "0.01"}
    assert sum(Decimal(each["debitBase"]["amount"]) for each in made["lines"]) == Decimal("2.54")
    assert books.in_base(made)[-1] == ("1020", "0.00", "2.54")


async def test_a_settlement_at_the_same_rate_realizes_nothing(api: Api) -> None:
    """However many payments settle it, and whatever else they pay for."""
    owed = await billed(api, "100.00", "EUR", exchangeRate="1.0842")
    paid_by = [credit("1020", each, "EUR") for each in ("33.33", "33.33", "33.34", "10.01")]
    settling = {"debit": books.money("100.00", "EUR"), "settles": owed}
    made = await post(api, entry(settling, debit("6090", "10.01", "EUR"), *paid_by, exchangeRate="1.0842"))
    assert books.in_base(made) == [
        ("2010", "108.42", "0.00"),
        ("6090", "10.85", "0.00"),
        ("1020", "0.00", "36.14"),
        ("1020", "0.00", "36.13"),
        ("1020", "0.00", "36.15"),
        ("1020", "0.00", "10.85"),
    ]


async def test_a_foreign_entry_needs_a_rate(api: Api) -> None:
    given = entry(debit("6090", 1, "CHF"), credit("1020", 1, "CHF"))
    assert await refused(api, given) == [("INVALID", "input.exchangeRate")]
    assert await refused(api, given | {"exchangeRate": "0"}) == [("INVALID", "input.exchangeRate")]
    dollars = entry(debit("6090", 1), credit("1020", 1), exchangeRate="1")
    assert await refused(api, dollars) == [("INVALID", "input.exchangeRate")]


async def test_a_rate_has_ten_decimals_and_an_amount_has_not(api: Api) -> None:
    lines = debit("6090", 1_000_000, "IDR"), credit("1020", 1_000_000, "IDR")
    made = await post(api, entry(*lines, exchangeRate="0.0000613457"))
    assert (made["exchangeRate"], books.in_base(made)[0]) == ("0.0000613457", ("6090", "61.35", "0.00"))
    await rate(api, "IDR", "2000-01-01", "0.00006134")
    made = await post(api, entry(*lines))
    assert (made["exchangeRate"], books.in_base(made)[0]) == ("0.00006134", ("6090", "61.34", "0.00"))
    for wrong in ("0.00000000001", "1.12345678901"):
        answer = await api.post(books.POST, {"input": entry(*lines, exchangeRate=wrong)})
        assert "10 of them behind the point" in answer["errors"][0]["message"]
    answer = await api.post(books.POST, {"input": entry(debit("6090", "1.0000001"), credit("1020", "1.0000001"))})
    assert "6 of them behind the point" in answer["errors"][0]["message"]


async def test_a_rate_that_is_too_large_is_told_the_limit(api: Api) -> None:
    for given, problem in (
        ({"rate": "10000000000"}, "A rate is more than zero, and one unit is worth less than 10,000,000,000."),
        ({"rate": "0"}, "A rate is more than zero, and one unit is worth less than 10,000,000,000."),
        ({"rate": "0.00000001", "per": 1000}, "A rate has at most ten decimals, counted for one unit."),
    ):
        rates = [{"currency": "IDR", "on": "2001-01-01"} | given]
        payload = await shop.act(api, books.RATES, {"input": {"rates": rates}})
        assert [(each["path"], each["message"]) for each in payload["userErrors"]] == [
            (["input", "rates", "0", "rate"], problem)
        ]
    given = entry(debit("6090", 1, "IDR"), credit("1020", 1, "IDR"), exchangeRate="99999999999")
    payload = await shop.act(api, books.POST, {"input": given})
    assert "less than 10,000,000,000" in payload["userErrors"][0]["message"]
    rates = [{"currency": "IDR", "on": "2001-01-01", "rate": "0.613457", "per": 10_000}]
    await shop.done(api, books.RATES, {"input": {"rates": rates}})


async def test_an_account_in_one_currency_takes_no_other(api: Api) -> None:
    given = {
        "code": "1030",
        "name": "Bank in euros",
        "parentId": await books.account_id(api, "1000"),
        "currency": "EUR",
    }
    await shop.done(api, books.ACCOUNT, {"input": given})
    assert await refused(api, entry(debit("1030", 1), credit("1020", 1))) == [("INVALID", "input.lines")]
    await post(api, entry(debit("1030", 1, "EUR"), credit("1020", 1, "EUR"), exchangeRate="1.1"))
    account = await books.account_id(api, "1030")
    changed = await shop.refused(api, books.ACCOUNT_UPDATE, {"id": account, "input": {"currency": None}})
    assert changed == [("INVALID", "input.currency")]


async def test_taking_back_gives_back_what_was_settled(api: Api) -> None:
    owed = await billed(api, "10.00")
    (founding,) = (
        await api.data("query F($id: ID!) { node(id: $id) { ... on OpenItem { foundedBy { id } } } }", {"id": owed})
    ).values()
    settlement = await post(api, paid(owed, "4.00"))
    assert await shop.refused(api, REVERSE, {"id": founding["foundedBy"]["id"]}) == [("NOT_ALLOWED_NOW", "id")]
    await shop.done(api, REVERSE, {"id": settlement["id"]})
    assert await item(api, owed) == ("OPEN", "-10.00", "USD")
    await shop.done(api, REVERSE, {"id": founding["foundedBy"]["id"]})
    assert await item(api, owed) == ("SETTLED", "0.00", "USD")


async def test_an_accrual_is_taken_back_by_itself(api: Api) -> None:
    on, later = books.today(), f"{int(books.today()[:4]) + 1}-01-01"
    payload = await shop.done(api, books.POST, {"input": entry(debit("6010", 9), credit("1020", 9), reverseOn=later)})
    assert payload["journalEntry"]["on"] == on
    found = await api.data(
        "query E($id: ID!) { node(id: $id) { ... on JournalEntry { reversedBy { on reversalOf { id } } } } }",
        {"id": payload["journalEntry"]["id"]},
    )
    assert found["node"]["reversedBy"] == {"on": later, "reversalOf": {"id": payload["journalEntry"]["id"]}}
    early = entry(debit("6010", 9), credit("1020", 9), reverseOn=on)
    assert await refused(api, early) == [("INVALID", "input.reverseOn")]


async def test_many_settle_one_item_and_no_cent_too_much(api: Api) -> None:
    owed = await billed(api, "10.00")
    answers = await asyncio.gather(*(shop.act(api, books.POST, {"input": paid(owed, "1.00")}) for _ in range(25)))
    codes = [error["code"] for answer in answers for error in answer["userErrors"]]
    assert codes == ["BEYOND_OPEN_ITEM"] * 15
    assert await item(api, owed) == ("SETTLED", "0.00", "USD")


async def test_two_entries_that_settle_two_items_crosswise_do_not_deadlock(api: Api) -> None:
    one, other = await billed(api, "50.00"), await billed(api, "50.00")

    def both(first: str, second: str) -> dict[str, Any]:
        lines = [{"debit": books.money("1.00"), "settles": each} for each in (first, second)]
        return entry(*lines, credit("1020", "2.00"))

    pairs = [(one, other), (other, one)] * 20
    answers = await asyncio.gather(*(shop.act(api, books.POST, {"input": both(*pair)}) for pair in pairs))
    assert [answer["userErrors"] for answer in answers] == [[]] * 40
    assert await item(api, one) == await item(api, other) == ("OPEN", "-10.00", "USD")
