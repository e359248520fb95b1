"""Closing the books: periods, late events, the end of a year; and the statements of both."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import ledger
from domain.kernel import invariants
from domain.kernel.database import Database
from domain.kernel.ids import ID
from domain.kernel.work import SYSTEM, begin
from domain.ledger.tables import Role
from tests.support import books, shop
from tests.support.api import Api

POST = """
mutation Post($input: JournalEntryPostInput!) {
  journalEntryPost(input: $input) { journalEntry { id on kind } userErrors { code path } }
}"""
ACT = """
mutation Act($id: ID!) {
  %s(id: $id %s) { accountingPeriod { state } effects { events { nodes { type } } } userErrors { code path message } }
}"""
CLOSE, LOCK = ACT % ("accountingPeriodClose", ""), ACT % ("accountingPeriodLock", "")
REOPEN = ACT % ("accountingPeriodReopen", ', reason: "An invoice was forgotten"')
YEAR = """
mutation Close($on: Date!) {
  fiscalYearClose(startsOn: $on) {
    fiscalYear { id closedAt }
    effects { journalEntries { nodes { on kind source lines {
      account { code } debit { amount } credit { amount }
    } } } } userErrors { code path message }
  }
}"""
YEAR_REOPEN = """
mutation Reopen($id: ID!) {
  fiscalYearReopen(id: $id, reason: "An invoice was forgotten") {
    fiscalYear { closedAt reopenedFor } effects { journalEntries { nodes { kind } } } userErrors { code path }
  }
}"""
RESULT = """query Result($spans: [StatementDaysInput!]!) {
  profitAndLoss(spans: $spans) {
    rows { account { code } level amounts { amount } }
    income { amount } expenses { amount } result { amount }
  }
}"""
SHEET = """query Sheet($on: [Date!]!, $known: DateTime) {
  balanceSheet(asOf: $on, knownAt: $known) {
    assets { amount } liabilities { amount } equity { amount } result { amount }
    rows { account { code } level amounts { amount } }
  }
}"""
CASH = """query Cash($spans: [StatementDaysInput!]!) {
  cashFlow(spans: $spans) {
    opening { amount } result { amount } operating { amount } investing { amount } financing { amount }
    closing { amount } rows { account { code } amounts { amount } }
  }
}"""


@pytest.fixture
def api(fresh_api: Api) -> Api:
    """A shop whose books nobody else closes."""
    return fresh_api


async def broken(database: Database) -> list[Any]:
    """The rules that do not hold."""
    async with database.snapshot() as connection:
        return [(rule.name, faults) async for rule, faults in invariants.check(connection) if faults]


def dollars(amount: Any) -> dict[str, str]:
    return {"amount": f"{Decimal(amount):.2f}", "currency": "USD"}


async def post(api: Api, on: date, debit: str, credit: str, amount: Any = 100, **more: Any) -> dict[str, Any]:
    lines = [{"accountCode": debit, "debit": dollars(amount)}, {"accountCode": credit, "credit": dollars(amount)}]
    given = {"on": on.isoformat(), "description": "By hand", "lines": lines, **more}
    return (await api.data(POST, {"input": given}))["journalEntryPost"]


def codes(answer: Any) -> list[str]:
    return [each["code"] for each in answer["userErrors"]]


async def period(api: Api, on: date) -> dict[str, Any]:
    query = "query P($on: Date!) { accountingPeriod(by: {on: $on}) { id state startsOn endsOn availableActions } }"
    return (await api.data(query, {"on": on.isoformat()}))["accountingPeriod"]


async def today_of(api: Api) -> date:
    return date.fromisoformat((await api.data("{ trialBalance { asOf } }"))["trialBalance"]["asOf"])


async def of_document(database: Database, amount: str = "5") -> ID:
    """An entry of a document, as capabilities post them."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        lines = [
            ledger.Posting(Role.COGS, debit=Decimal(amount)),
            ledger.Posting(Role.SHRINKAGE, credit=Decimal(amount)),
        ]
        return (await ledger.post(work, [ledger.Draft("Of a document", None, lines)]))[0]


async def day_of(api: Api, entry: ID) -> Any:
    query = "query E($id: ID!) { node(id: $id) { ... on JournalEntry { on effectiveAt } } }"
    return (await api.data(query, {"id": entry}))["node"]


def months_ago(day: date, n: int) -> date:
    for _ in range(n):
        day = day.replace(day=1) - timedelta(days=1)
    return day.replace(day=1)


async def test_a_period_closes_then_locks_then_opens_again(api: Api) -> None:
    last = months_ago(await today_of(api), 1)
    found = await period(api, last)
    assert (found["state"], found["availableActions"]) == ("OPEN", ["CLOSE", "LOCK"])
    closed = (await api.data(CLOSE, {"id": found["id"]}))["accountingPeriodClose"]
    assert closed["accountingPeriod"]["state"] == "SOFT_CLOSED"
    assert {each["type"] for each in closed["effects"]["events"]["nodes"]} == {"accounting_period.closed"}
    assert (await period(api, months_ago(last, 3)))["state"] == "SOFT_CLOSED"  # so are all before it

    assert codes(await post(api, last, "1020", "3010")) == ["PERIOD_CLOSED"]
    adjusted = await post(api, last, "1020", "3010", isAdjusting=True)
    assert adjusted["journalEntry"]["kind"] == "ADJUSTING"
    again = (await api.data(CLOSE, {"id": found["id"]}))["accountingPeriodClose"]
    assert codes(again) == ["NOT_ALLOWED_NOW"]

    locked = (await api.data(LOCK, {"id": found["id"]}))["accountingPeriodLock"]
    assert locked["accountingPeriod"]["state"] == "LOCKED"
    assert codes(await post(api, last, "1020", "3010", isAdjusting=True)) == ["PERIOD_LOCKED"]
    earlier = await period(api, months_ago(last, 1))
    refused = (await api.data(REOPEN, {"id": earlier["id"]}))["accountingPeriodReopen"]
    assert codes(refused) == ["NOT_ALLOWED_NOW"]
    assert f"{last:%Y-%m}" in refused["userErrors"][0]["message"]
    opened = (await api.data(REOPEN, {"id": found["id"]}))["accountingPeriodReopen"]
    assert opened["accountingPeriod"]["state"] == "OPEN"
    assert codes(await post(api, last, "1020", "3010")) == []


async def test_scopes_of_closing(api: Api) -> None:
    last = months_ago(await today_of(api), 1)
    found = await period(api, last)
    clerk = {"scopes": ["ledger:write"]}
    answer = await api.post(CLOSE, {"id": found["id"]}, **clerk)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    closer = {"scopes": ["ledger:close", "ledger:read", "events:read"]}
    assert codes((await api.data(CLOSE, {"id": found["id"]}, **closer))["accountingPeriodClose"]) == []
    assert (await api.post(REOPEN, {"id": found["id"]}, **closer))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    lines = [{"accountCode": "1020", "debit": dollars(1)}, {"accountCode": "3010", "credit": dollars(1)}]
    given = {"on": last.isoformat(), "description": "Mine", "lines": lines, "isAdjusting": True}
    refused = await api.post(POST, {"input": given}, **clerk)
    assert "FORBIDDEN" in str(refused)
    assert (await api.data("{ journalEntries { totalCount } }"))["journalEntries"]["totalCount"] == 0


async def test_what_happens_in_a_closed_month_counts_for_the_next_open_day(api: Api, fresh_database: Database) -> None:
    today = await today_of(api)
    found = await period(api, today)
    for lock in (False, True):
        await api.data(LOCK if lock else CLOSE, {"id": found["id"]})
        entry = await day_of(api, await of_document(fresh_database))
        assert date.fromisoformat(entry["on"]) == date.fromisoformat(found["endsOn"]) + timedelta(days=1)
        assert date.fromisoformat(entry["effectiveAt"][:10]) <= today
    assert not await broken(fresh_database)


async def test_taking_back_never_goes_into_a_closed_month(api: Api, fresh_database: Database) -> None:
    """The entry stays where it is; its reversal counts for the first open day, unless another one is named."""
    today = await today_of(api)
    day = months_ago(today, 1)
    entries = [(await post(api, day, "1020", "3010", amount))["journalEntry"]["id"] for amount in (100, 50)]
    told = f'{{ trialBalance(asOf: "{day}") {{ debit {{ amount }} }} }}'
    before = await api.data(told)
    found = await period(api, day)
    accrual = books.entry(
        books.debit("6010", 1),
        books.credit("1020", 1),
        on=(day - timedelta(days=1)).isoformat(),
        reverseOn=day.isoformat(),
        isAdjusting=True,
    )
    await shop.done(api, CLOSE, {"id": found["id"]})
    assert await shop.refused(api, books.POST, {"input": accrual}) == [("PERIOD_CLOSED", "input.reverseOn")]
    own_day = {"id": entries[0], "on": day.isoformat()}
    assert await shop.refused(api, books.REVERSE, own_day) == [("PERIOD_CLOSED", "on")]
    await shop.done(api, LOCK, {"id": found["id"]})
    assert await shop.refused(api, books.REVERSE, own_day) == [("PERIOD_LOCKED", "on")]

    back = (await shop.done(api, books.REVERSE, {"id": entries[0]}))["journalEntry"]
    assert (back["on"], back["reversalOf"]) == (today.isoformat(), {"id": entries[0]})
    await shop.done(api, CLOSE, {"id": (await period(api, today))["id"]})
    back = (await shop.done(api, books.REVERSE, {"id": entries[1]}))["journalEntry"]
    assert back["on"] == (today.replace(day=1) + timedelta(days=32)).replace(day=1).isoformat()
    assert await api.data(told) == before
    assert not await broken(fresh_database)


async def test_the_month_after_the_last_one_is_made_when_all_are_closed(api: Api, fresh_database: Database) -> None:
    periods = await api.data("{ accountingPeriods(last: 1) { nodes { id endsOn } } }")
    (last,) = periods["accountingPeriods"]["nodes"]
    await api.data(LOCK, {"id": last["id"]})
    entry = await day_of(api, await of_document(fresh_database))
    assert date.fromisoformat(entry["on"]) == date.fromisoformat(last["endsOn"]) + timedelta(days=1)


async def test_closing_amid_postings_leaves_none_behind(api: Api, fresh_database: Database) -> None:
    """Whatever got in first is in the books of the month; whatever came later counts for the next one."""
    found = await period(api, await today_of(api))

    async def lock_amid() -> None:
        await asyncio.sleep(0.02)
        answer = (await api.data(LOCK, {"id": found["id"]}))["accountingPeriodLock"]
        assert answer["accountingPeriod"]["state"] == "LOCKED"

    async def late(n: int) -> ID:
        await asyncio.sleep(n * 0.002)
        for _ in range(5):
            try:
                return await of_document(fresh_database, str(n + 1))
            except Exception as error:  # what collides begins anew, as at every door
                if "meanwhile" not in str(error):
                    raise
        raise AssertionError("it never got in")

    entries = (await asyncio.gather(lock_amid(), *(late(n) for n in range(40))))[1:]
    days = {(await day_of(api, entry))["on"] for entry in entries if entry}
    assert len(days) <= 2
    query = "query T($on: Date) { trialBalance(asOf: $on) { debit { amount } } }"
    before = await api.data(query, {"on": found["endsOn"]})
    await of_document(fresh_database)
    assert await api.data(query, {"on": found["endsOn"]}) == before
    assert not await broken(fresh_database)


async def test_the_result_of_a_year_is_carried_once(api: Api, fresh_database: Database) -> None:
    today = await today_of(api)
    year = today.year - 1
    first, last = date(year, 1, 1), date(year, 12, 31)
    await post(api, date(year, 3, 1), "1020", "4010", 1000)
    await post(api, date(year, 4, 1), "6010", "1020", 300)
    await post(api, today, "1020", "4010", 7)
    spans = {"spans": [{"since": first.isoformat(), "until": last.isoformat()}]}
    before = await api.data(RESULT, spans)
    assert before["profitAndLoss"]["result"] == [{"amount": "700.00"}]

    early = (await api.data(YEAR, {"on": date(today.year, 1, 1).isoformat()}))["fiscalYearClose"]
    assert codes(early) == ["INVALID"]
    for day in (f"{year}-02-01", "0001-01-01", "9999-01-01"):
        assert codes((await api.data(YEAR, {"on": day}))["fiscalYearClose"]) == ["INVALID"]
    closed = (await api.data(YEAR, {"on": first.isoformat()}))["fiscalYearClose"]
    assert codes(closed) == []
    (entry,) = closed["effects"]["journalEntries"]["nodes"]
    assert entry["source"] == closed["fiscalYear"]["id"]
    assert (entry["on"], entry["kind"]) == (last.isoformat(), "CLOSING")
    moved = {
        line["account"]["code"]: Decimal(line["debit"]["amount"]) - Decimal(line["credit"]["amount"])
        for line in entry["lines"]
    }
    assert moved == {"4010": 1000, "6010": -300, "3100": -700}
    assert await api.data(RESULT, spans) == before  # what was earned stays told
    sheet = (await api.data(SHEET, {"on": [last.isoformat()]}))["balanceSheet"]
    assert (sheet["equity"], sheet["result"]) == ([{"amount": "700.00"}], [{"amount": "0.00"}])

    again = (await api.data(YEAR, {"on": first.isoformat()}))["fiscalYearClose"]
    assert again["effects"]["journalEntries"]["nodes"] == []
    assert again["fiscalYear"]["id"] == closed["fiscalYear"]["id"]
    await post(api, date(year, 12, 1), "6010", "1020", 50, isAdjusting=True)
    third = (await api.data(YEAR, {"on": first.isoformat()}))["fiscalYearClose"]
    assert len(third["effects"]["journalEntries"]["nodes"]) == 1
    sheet = (await api.data(SHEET, {"on": [last.isoformat()]}))["balanceSheet"]
    assert (sheet["equity"], sheet["result"]) == ([{"amount": "650.00"}], [{"amount": "0.00"}])

    opened = (await api.data(YEAR_REOPEN, {"id": closed["fiscalYear"]["id"]}))["fiscalYearReopen"]
    assert codes(opened) == []
    assert opened["fiscalYear"] == {"closedAt": None, "reopenedFor": "An invoice was forgotten"}
    sheet = (await api.data(SHEET, {"on": [last.isoformat()]}))["balanceSheet"]
    assert (sheet["equity"], sheet["result"]) == ([{"amount": "0.00"}], [{"amount": "650.00"}])
    twice = (await api.data(YEAR_REOPEN, {"id": closed["fiscalYear"]["id"]}))["fiscalYearReopen"]
    assert codes(twice) == ["NOT_ALLOWED_NOW"]
    assert not await broken(fresh_database)


async def test_a_year_closed_at_once_by_many_is_carried_once(api: Api) -> None:
    year = (await today_of(api)).year - 1
    await post(api, date(year, 3, 1), "1020", "4010", 10)
    done = await asyncio.gather(*(api.data(YEAR, {"on": f"{year}-01-01"}) for _ in range(8)))
    posted = [entry for each in done for entry in each["fiscalYearClose"]["effects"]["journalEntries"]["nodes"]]
    assert len(posted) == 1


async def test_statements_side_by_side_and_as_they_were_known(api: Api, fresh_database: Database) -> None:
    """They are the same before and after sealing, which sums them by day."""
    today = await today_of(api)
    year = today.year - 1
    await post(api, date(year, 1, 10), "1020", "3010", 500)
    await post(api, date(year, 2, 10), "1020", "4010", 80)
    known = (await api.data("{ journalEntries(last: 1) { nodes { recordedAt } } }"))["journalEntries"]["nodes"][0]
    await post(api, date(year, 2, 20), "5190", "1020", 30)
    await post(api, date(year, 3, 1), "1500", "1020", 200)
    spans = {
        "spans": [
            {"since": f"{year}-01-01", "until": f"{year}-01-31"},
            {"since": f"{year}-02-01", "until": f"{year}-03-31"},
        ]
    }
    days = {"on": [f"{year}-01-31", f"{year}-03-31"]}
    always = {"spans": [{"since": "0001-01-01", "until": "9999-12-31"}]}
    for sealed in (False, True):
        if sealed:
            async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                assert await ledger.seal(work) == 4
        result = (await api.data(RESULT, spans))["profitAndLoss"]
        assert result["income"] == [{"amount": "0.00"}, {"amount": "80.00"}]
        assert result["result"] == [{"amount": "0.00"}, {"amount": "50.00"}]
        assert [(row["account"]["code"], row["level"], row["amounts"][1]["amount"]) for row in result["rows"]] == [
            ("4000", 0, "80.00"),
            ("4010", 1, "80.00"),
            ("5000", 0, "30.00"),
            ("5190", 1, "30.00"),
        ]
        sheet = (await api.data(SHEET, days))["balanceSheet"]
        assert sheet["assets"] == [{"amount": "500.00"}, {"amount": "550.00"}]
        assert sheet["equity"] == [{"amount": "500.00"}, {"amount": "500.00"}]
        assert sheet["result"] == [{"amount": "0.00"}, {"amount": "50.00"}]
        then = (await api.data(SHEET, {**days, "known": known["recordedAt"]}))["balanceSheet"]
        assert then["assets"] == [{"amount": "500.00"}, {"amount": "580.00"}]
        cash = (await api.data(CASH, spans))["cashFlow"]
        assert {name: [each["amount"] for each in amounts] for name, amounts in cash.items() if name != "rows"} == {
            "opening": ["0.00", "500.00"],
            "result": ["0.00", "50.00"],
            "operating": ["0.00", "50.00"],
            "investing": ["0.00", "-200.00"],
            "financing": ["500.00", "0.00"],
            "closing": ["500.00", "350.00"],
        }
        assert (await api.data(CASH, always))["cashFlow"]["closing"] == [{"amount": "350.00"}]
        assert (await api.data(RESULT, always))["profitAndLoss"]["result"] == [{"amount": "50.00"}]
        sheet = (await api.data(SHEET, {"on": ["0001-01-01", "9999-12-31"]}))["balanceSheet"]
        assert sheet["assets"] == [{"amount": "0.00"}, {"amount": "550.00"}]
    assert not await broken(fresh_database)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (RESULT, {"spans": []}),
        (RESULT, {"spans": [{"since": "2026-02-01", "until": "2026-01-01"}]}),
        (SHEET, {"on": ["2026-01-01"] * 401}),
    ],
)
async def test_what_no_statement_can_show_is_refused(api: Api, query: str, variables: dict[str, Any]) -> None:
    answer = await api.post(query, variables)
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"
