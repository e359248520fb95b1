"""The general ledger, and the statement of an account: every figure of a statement, line by line."""

import base64
import json
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import POST, bill, credit, debit, entry

STATEMENT = """
query Statement($account: ID!, $span: StatementDaysInput!, $first: Int! = 50, $after: String, $party: String,
  $known: DateTime) {
  accountStatement(accountId: $account, span: $span, first: $first, after: $after, party: $party, knownAt: $known) {
    opening { amount } debit { amount } credit { amount } closing { amount }
    lines { on entry { id source } account { code } debit { amount } credit { amount } balance { amount } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""
LEDGER = """
query Ledger($span: StatementDaysInput!) {
  generalLedger(span: $span) {
    rows { account { code } opening { amount } debit { amount } credit { amount } closing { amount } }
    debit { amount } credit { amount }
  }
}"""
TODAY = date.fromisoformat(books.today())
Posted = list[tuple[date, str, Decimal]]
"""Day, account and amount, debits above zero."""


@pytest.fixture(scope="module")
async def posted(api: Api) -> Posted:
    """Sixty entries on days of the last weeks, half of them sealed."""
    chance, lines = random.Random(6), []
    for n in range(60):
        on, amount = TODAY - timedelta(days=chance.randrange(30)), Decimal(chance.randrange(1, 9_999)) / 100
        to, of = chance.sample(("1010", "1020", "6010", "6030"), 2)
        await shop.done(api, POST, {"input": entry(debit(to, amount), credit(of, amount), on=on.isoformat())})
        lines += [(on, to, amount), (on, of, -amount)]
        if n == 30:
            await shop.sealed(api)
    return lines


def span(first: int, last: int) -> dict[str, str]:
    """Days by how many days ago they were."""
    return {"since": (TODAY - timedelta(days=first)).isoformat(), "until": (TODAY - timedelta(days=last)).isoformat()}


def within(posted: Posted, days: dict[str, str], codes: set[str]) -> list[tuple[date, Decimal]]:
    since, until = date.fromisoformat(days["since"]), date.fromisoformat(days["until"])
    return sorted((on, amount) for on, code, amount in posted if code in codes and since <= on <= until)


async def statement(api: Api, code: str, days: dict[str, str], **more: Any) -> dict[str, Any]:
    given = {"account": await books.account_id(api, code), "span": days, **more}
    return (await api.data(STATEMENT, given))["accountStatement"]


@pytest.mark.parametrize(("code", "codes"), [("1020", {"1020"}), ("1000", {"1010", "1020"})])
async def test_pages_of_a_statement_run_on_to_its_closing(api: Api, posted: Posted, code: str, codes: set[str]) -> None:
    days = span(20, 5)
    told = within(posted, days, codes)
    before = sum((amount for _, amount in within(posted, span(100, 21), codes)), Decimal(0))
    balance, after, seen = before, None, 0
    while True:
        page = await statement(api, code, days, first=4, after=after)
        assert Decimal(page["opening"]["amount"]) == before
        assert Decimal(page["debit"]["amount"]) == sum((each for _, each in told if each > 0), Decimal(0))
        assert Decimal(page["closing"]["amount"]) == before + sum((each for _, each in told), Decimal(0))
        for line in page["lines"]:
            balance += Decimal(line["debit"]["amount"]) - Decimal(line["credit"]["amount"])
            assert Decimal(line["balance"]["amount"]) == balance
            assert line["entry"]["source"] is None
        seen += len(page["lines"])
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == len(told)
    assert balance == before + sum((each for _, each in told), Decimal(0))


async def test_a_later_page_costs_one_statement_more(api: Api, posted: Posted) -> None:
    """All sums come at once; a later page asks besides for what stood before it on its first day."""
    assert posted
    given = {"account": await books.account_id(api, "1020"), "span": span(20, 5), "first": 4}
    for party in (None, "Ink Inc"):
        async with api.counted() as first:
            found = (await api.data(STATEMENT, given | {"party": party}))["accountStatement"]
        after = found["pageInfo"]["endCursor"] or place_of(TODAY - timedelta(days=10))
        async with api.counted() as later:
            await api.data(STATEMENT, given | {"party": party, "after": after})
        assert len(later) == len(first) + 1
        for told in (first, later):
            assert sum("journal_days" in each or "json_array_elements" in each for each in told) == 1


async def test_a_cursor_of_other_days_does_not_change_what_stands(api: Api, posted: Posted) -> None:
    days = span(20, 5)
    whole = await statement(api, "1020", days, first=250)
    for cursor in (place_of(date.min), place_of(TODAY - timedelta(days=25))):
        assert (await statement(api, "1020", days, first=250, after=cursor))["lines"] == whole["lines"]
    assert posted


def place_of(on: date) -> str:
    """The cursor of a place on a day."""
    return base64.urlsafe_b64encode(json.dumps([on.isoformat(), "jen_" + "0" * 32, 1]).encode()).decode().rstrip("=")


async def test_the_general_ledger_is_all_accounts(api: Api, posted: Posted) -> None:
    days = span(15, 3)
    found = (await api.data(LEDGER, {"span": days}))["generalLedger"]
    assert found["debit"] == found["credit"]
    for row in found["rows"]:
        codes = {row["account"]["code"]}
        told = [amount for _, amount in within(posted, days, codes)]
        opening = sum((amount for _, amount in within(posted, span(100, 16), codes)), Decimal(0))
        assert Decimal(row["opening"]["amount"]) == opening
        assert Decimal(row["debit"]["amount"]) == sum((each for each in told if each > 0), Decimal(0))
        assert Decimal(row["credit"]["amount"]) == -sum((each for each in told if each < 0), Decimal(0))
        assert Decimal(row["closing"]["amount"]) == opening + sum(told, Decimal(0))


async def test_a_party_has_a_statement_of_its_own(api: Api) -> None:
    for party, amount in (("Ink Inc", "12.00"), ("Glue GmbH", "7.00"), ("Ink Inc", "5.00")):
        await shop.done(api, POST, {"input": bill(party, amount)})
    found = await statement(api, "2010", span(0, 0), party="Ink Inc")
    assert [line["balance"]["amount"] for line in found["lines"]] == ["-12.00", "-17.00"]
    assert found["closing"] == {"amount": "-17.00"}
    later = await statement(
        api,
        "2010",
        span(0, 0) | {"since": (TODAY + timedelta(days=1)).isoformat(), "until": "2099-01-01"},
        party="Ink Inc",
    )
    assert (later["opening"], later["lines"]) == ({"amount": "-17.00"}, [])


async def test_what_was_known_by_then(api: Api, posted: Posted) -> None:
    assert posted
    found = await statement(api, "1020", span(100, 0), known="2020-01-01T00:00:00Z")
    assert (found["lines"], found["closing"]) == ([], {"amount": "0.00"})


async def test_there_is_no_statement_of_nothing(api: Api) -> None:
    given = {"account": "acc_" + "0" * 32, "span": span(1, 0)}
    assert (await api.data(STATEMENT, given)) == {"accountStatement": None}
    account = await books.account_id(api, "1020")
    for more in ({"after": "nonsense"}, {"first": -1}, {"first": 251}, {"span": span(0, 1)}):
        answer = await api.post(STATEMENT, {"account": account, "span": span(1, 0), **more})
        assert answer["errors"][0]["extensions"]["code"] == "INVALID", more
