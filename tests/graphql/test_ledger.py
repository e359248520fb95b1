"""The books through the API."""

import asyncio
from typing import Any

import pytest

from tests.support.api import Api

POST = """
mutation Post($input: JournalEntryPostInput!, $dryRun: Boolean! = false) {
  journalEntryPost(input: $input, dryRun: $dryRun) {
    journalEntry {
      id number on description source reversalOf { id } reversedBy { id }
      lines { account { code } debit { amount currency } credit { amount } debitBase { amount } creditBase { amount } }
    }
    effects { journalEntries { nodes { id } } events { nodes { type subject } } }
    userErrors { code message path }
  }
}
"""
REVERSE = """
mutation Reverse($id: ID!) {
  journalEntryReverse(id: $id) {
    journalEntry {
      id description reversalOf { id reversedBy { id } }
      lines { account { code } debit { amount } credit { amount } }
    }
    userErrors { code path }
  }
}
"""


def dollars(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def capital(amount: str = "100.00") -> list[dict[str, Any]]:
    return [{"accountCode": "1020", "debit": dollars(amount)}, {"accountCode": "3010", "credit": dollars(amount)}]


async def today(api: Api) -> str:
    return (await api.data("{ trialBalance { asOf } }"))["trialBalance"]["asOf"]


async def posted(api: Api, lines: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    given = {"on": await today(api), "description": "Capital", "lines": lines, **changes}
    return (await api.data(POST, {"input": given}))["journalEntryPost"]


async def state(api: Api) -> Any:
    return await api.data("""{
      journalEntries(first: 0) { totalCount } events(first: 0) { totalCount }
      trialBalance { debit { amount } credit { amount } rows { account { code } debit { amount } credit { amount } } }
    }""")


async def test_an_entry_by_hand_is_posted_and_read_back(api: Api) -> None:
    payload = await posted(api, capital())
    entry = payload["journalEntry"]
    assert payload["userErrors"] == []
    assert entry["number"].startswith("JE-")
    assert entry["lines"] == [
        {
            "account": {"code": "1020"},
            "debit": {"amount": "100.00", "currency": "USD"},
            "credit": {"amount": "0.00"},
            "debitBase": {"amount": "100.00"},
            "creditBase": {"amount": "0.00"},
        },
        {
            "account": {"code": "3010"},
            "debit": {"amount": "0.00", "currency": "USD"},
            "credit": {"amount": "100.00"},
            "debitBase": {"amount": "0.00"},
            "creditBase": {"amount": "100.00"},
        },
    ]
    assert payload["effects"]["journalEntries"]["nodes"] == [{"id": entry["id"]}]
    assert payload["effects"]["events"]["nodes"] == [{"type": "journal_entry.posted", "subject": entry["id"]}]
    balance = (await state(api))["trialBalance"]
    assert balance["debit"] == balance["credit"]
    found = await api.data(
        "query Q($id: ID!) { node(id: $id) { ... on JournalEntry { description } } }", {"id": entry["id"]}
    )
    assert found == {"node": {"description": "Capital"}}


@pytest.mark.parametrize(
    ("lines", "code", "path"),
    [
        ([capital()[0]], "UNBALANCED", ["input", "lines"]),
        ([capital()[0], capital("99.99")[1]], "UNBALANCED", ["input", "lines"]),
        (
            [{"accountCode": "1200", "debit": dollars("1")}, capital("1")[1]],
            "CONTROL_ACCOUNT",
            ["input", "lines", "0", "accountCode"],
        ),
        ([{"accountCode": "1000", "debit": dollars("1")}, capital("1")[1]], "INVALID", ["input", "lines"]),
        (
            [{"accountCode": "9999", "debit": dollars("1")}, capital("1")[1]],
            "NOT_FOUND",
            ["input", "lines", "0", "accountCode"],
        ),
        ([{"debit": dollars("1")}, capital("1")[1]], "INVALID", ["input", "lines", "0"]),
        ([{"accountCode": "1020"}, capital("1")[1]], "INVALID", ["input", "lines", "0"]),
        (
            [{"accountCode": "1020", "debit": dollars("-1")}, capital("1")[1]],
            "INVALID",
            ["input", "lines", "0", "debit", "amount"],
        ),
        (
            [{"accountCode": "1020", "debit": dollars("0.001")}, capital("1")[1]],
            "INVALID",
            ["input", "lines", "0", "debit", "amount"],
        ),
        (
            [{"accountCode": "1020", "debit": {"amount": "1", "currency": "EUR"}}, capital("1")[1]],
            "INVALID",
            ["input", "lines", "0", "debit", "currency"],
        ),
    ],
)
async def test_a_refused_entry_leaves_nothing(
    api: Api, lines: list[dict[str, Any]], code: str, path: list[str]
) -> None:
    before = await state(api)
    payload = await posted(api, lines)
    assert payload["journalEntry"] is None
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [(code, path)]
    assert await state(api) == before


async def test_a_day_without_an_open_period_is_refused(api: Api) -> None:
    before = await state(api)
    payload = await posted(api, capital(), on="1999-12-31")
    assert [each["code"] for each in payload["userErrors"]] == ["PERIOD_LOCKED"]
    assert await state(api) == before


async def test_the_months_to_come_are_made_when_they_are_needed(api: Api) -> None:
    payload = await posted(api, capital("1.00"), on="2049-02-28")
    assert payload["userErrors"] == []
    assert payload["journalEntry"]["on"] == "2049-02-28"


async def test_a_reversal_links_both_ways_and_happens_once(api: Api) -> None:
    entry = (await posted(api, capital("7.00")))["journalEntry"]
    before = await state(api)
    results = await asyncio.gather(*(api.data(REVERSE, {"id": entry["id"]}) for _ in range(8)))
    payloads = [result["journalEntryReverse"] for result in results]
    (done,) = [payload["journalEntry"] for payload in payloads if payload["journalEntry"]]
    refused = [payload["userErrors"][0]["code"] for payload in payloads if payload["userErrors"]]
    assert set(refused) <= {"NOT_ALLOWED_NOW", "INVALID"}
    assert len(refused) == 7
    assert done["reversalOf"] == {"id": entry["id"], "reversedBy": {"id": done["id"]}}
    assert done["description"] == f"Reversal of {entry['number']}"
    assert [line["credit"]["amount"] for line in done["lines"]] == ["7.00", "0.00"]
    after = await state(api)
    assert after["journalEntries"]["totalCount"] == before["journalEntries"]["totalCount"] + 1
    again = (await api.data(REVERSE, {"id": done["id"]}))["journalEntryReverse"]
    assert [each["code"] for each in again["userErrors"]] == ["NOT_ALLOWED_NOW"]


async def test_a_dry_run_posts_nothing(api: Api) -> None:
    before = await state(api)
    given = {"on": await today(api), "description": "Dry", "lines": capital("5.00")}
    dry = (await api.data(POST, {"input": given, "dryRun": True}))["journalEntryPost"]
    assert dry["journalEntry"]["lines"][0]["debit"]["amount"] == "5.00"
    assert len(dry["effects"]["journalEntries"]["nodes"]) == 1
    assert await state(api) == before


async def test_the_trial_balance_of_a_day_knows_nothing_of_the_next(api: Api) -> None:
    query = "query Q($on: Date) { trialBalance(asOf: $on) { debit { amount } credit { amount } } }"
    await posted(api, capital("3.00"), on="2048-05-05")
    day_before, day = [(await api.data(query, {"on": on}))["trialBalance"] for on in ("2048-05-04", "2048-05-05")]
    assert day_before["debit"] == day_before["credit"]
    assert float(day["debit"]["amount"]) - float(day_before["debit"]["amount"]) == pytest.approx(3)


async def test_accounts_are_found_and_listed(api: Api) -> None:
    found = await api.data('{ account(by: {code: "1200"}) { name type isControl parent { code } } }')
    assert found["account"] == {"name": "Inventory", "type": "ASSET", "isControl": True, "parent": {"code": "1000"}}
    listed = await api.data("{ accounts(first: 250, filter: {type: {in: [EQUITY]}}) { nodes { code } totalCount } }")
    assert listed["accounts"] == {
        "nodes": [{"code": code} for code in ("3000", "3010", "3100", "3900")],
        "totalCount": 4,
    }


async def test_the_books_need_their_own_scope(api: Api) -> None:
    answer = await api.post("{ trialBalance { asOf } }", scopes=["orders:read", "products:read"])
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
