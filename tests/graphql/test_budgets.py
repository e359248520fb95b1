"""Budgets: versions, the report beside a reckoning by hand, and entries that would spend more than there is."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import ACTIVATE, BUDGET, credit, debit, entry, money
from tests.support.server import Server

REVISE = """mutation Revise($id: ID!, $input: BudgetReviseInput!) {
  budgetRevise(id: $id, input: $input) {
    budget { version status } effects { events { nodes { type data } } } userErrors { code message path } }
}"""
CLOSE = """mutation Close($id: ID!) {
  budgetClose(id: $id) { budget { status availableActions } userErrors { code message path } }
}"""
FIND = """query Find($id: ID!) { budget(by: {id: $id}) {
  name startsOn endsOn control status availableActions version versions { nodes { version reason lines { nodes {
    account { code } monthStartsOn amount { amount currency } project { code } channel { id } location { id }
    brand { code }
  } } } } } }"""
REPORT = """query Report(
  $id: ID!, $version: Int, $since: Date, $until: Date, $known: DateTime, $about: DimensionsInput
) {
  budgetReport(id: $id, version: $version, since: $since, until: $until, knownAt: $known, dimensions: $about) {
    budget { id } version monthsStartOn
    rows { account { code } level budget { amount } actual { amount } difference { amount } }
  }
}"""
YEAR = int(books.today()[:4])


@pytest.fixture
def api(fresh_api: Api) -> Api:
    """Books in which nothing else is spent."""
    return fresh_api


@pytest.fixture(autouse=True)
async def _invariants_hold(api: Api) -> AsyncIterator[None]:
    yield
    await shop.invariants_hold(api)


def planned(code: str, month: int, amount: Any, **more: Any) -> dict[str, Any]:
    return {"accountCode": code, "month": f"{YEAR}-{month:02}-01", "amount": money(amount), **more}


def plan(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Plan", "startsOn": f"{YEAR}-01-01", "lines": list(lines), **more}


async def created(api: Api, *lines: dict[str, Any], **more: Any) -> str:
    return (await shop.done(api, BUDGET, {"input": plan(*lines, **more)}))["budget"]["id"]


async def active(api: Api, *lines: dict[str, Any], **more: Any) -> str:
    made = await created(api, *lines, **more)
    await shop.done(api, ACTIVATE, {"id": made})
    return made


def spend(code: str, amount: Any, month: int = 3, **more: Any) -> dict[str, Any]:
    return entry(debit(code, amount, **more), credit("1020", amount), on=f"{YEAR}-{month:02}-15")


async def post(api: Api, given: dict[str, Any]) -> dict[str, Any]:
    return await shop.done(api, books.POST, {"input": given})


async def refused(api: Api, given: dict[str, Any]) -> list[tuple[str, str]]:
    return await shop.refused(api, books.POST, {"input": given})


async def project(api: Api, code: str) -> str:
    value = {"dimension": "PROJECT", "code": code, "name": code}
    return (await shop.done(api, books.VALUE, {"input": value}))["dimensionValue"]["id"]


# --- versions ---------------------------------------------------------------------------------------------------------


async def test_every_version_stays_readable(api: Api) -> None:
    shops = await project(api, "SHOPS")
    made = await created(api, planned("6010", 1, "900.00"), planned("6030", 2, "50.00", projectId=shops))
    revision = {"expectedVersion": 1, "reason": "Rent rose", "lines": [planned("6010", 1, "950.00")]}
    payload = await shop.done(api, REVISE, {"id": made, "input": revision})
    assert payload["budget"] == {"version": 2, "status": "DRAFT"}
    assert payload["effects"]["events"]["nodes"] == [
        {"type": "budget.revised", "data": {"version": 2, "reason": "Rent rose"}}
    ]
    found = (await api.data(FIND, {"id": made}))["budget"]
    first, second = found.pop("versions")["nodes"]
    assert found == {
        "name": "Plan",
        "startsOn": f"{YEAR}-01-01",
        "endsOn": f"{YEAR}-12-31",
        "control": "NONE",
        "status": "DRAFT",
        "availableActions": ["ACTIVATE", "CLOSE"],
        "version": 2,
    }
    assert [(each["version"], each["reason"]) for each in (first, second)] == [(1, None), (2, "Rent rose")]
    lines = [
        (each["account"]["code"], each["monthStartsOn"], each["amount"]["amount"]) for each in first["lines"]["nodes"]
    ]
    assert lines == [("6010", f"{YEAR}-01-01", "900.00"), ("6030", f"{YEAR}-02-01", "50.00")]
    assert [each["project"] for each in first["lines"]["nodes"]] == [None, {"code": "SHOPS"}]
    assert [each["amount"]["amount"] for each in second["lines"]["nodes"]] == ["950.00"]
    stale = await shop.refused(api, REVISE, {"id": made, "input": revision})
    assert stale == [("STALE_VERSION", "input.expectedVersion")]


async def test_revisions_at_once_make_one_version(api: Api) -> None:
    made = await created(api, planned("6010", 1, 1))
    revision = {"expectedVersion": 1, "reason": "Again", "lines": [planned("6010", 1, 2)]}
    answers = await asyncio.gather(*(shop.act(api, REVISE, {"id": made, "input": revision}) for _ in range(8)))
    codes = [error["code"] for answer in answers for error in answer["userErrors"]]
    assert codes == ["STALE_VERSION"] * 7


async def test_one_budget_of_a_year_is_active(api: Api) -> None:
    one, other = await active(api, planned("6010", 1, 1)), await created(api, planned("6010", 1, 2))
    assert [code for code, _ in await shop.refused(api, ACTIVATE, {"id": other})] == ["NOT_ALLOWED_NOW"]
    assert [code for code, _ in await shop.refused(api, ACTIVATE, {"id": one})] == ["NOT_ALLOWED_NOW"]
    closed = (await shop.done(api, CLOSE, {"id": one}))["budget"]
    assert closed == {"status": "CLOSED", "availableActions": []}
    await shop.done(api, ACTIVATE, {"id": other})
    revision = {"expectedVersion": 1, "reason": "Late", "lines": [planned("6010", 1, 2)]}
    for document, given in ((CLOSE, {"id": one}), (REVISE, {"id": one, "input": revision})):
        assert [code for code, _ in await shop.refused(api, document, given)] == ["NOT_ALLOWED_NOW"]


async def test_what_cannot_be_is_refused_and_leaves_nothing(api: Api) -> None:
    brand = await project(api, "SHOPS")
    line = planned("6010", 1, 1)
    cases: dict[str, tuple[dict[str, Any], str, str]] = {
        "no fiscal year": ({"startsOn": f"{YEAR}-02-01"}, "INVALID", "startsOn"),
        "no words": ({"name": " "}, "INVALID", "name"),
        "nothing planned": ({"lines": []}, "INVALID", "lines"),
        "an unknown account": ({"lines": [planned("9999", 1, 1)]}, "NOT_FOUND", "lines.0.accountCode"),
        "a group": ({"lines": [planned("6000", 1, 1)]}, "INVALID", "lines.0.accountCode"),
        "no account": ({"lines": [line | {"accountCode": None}]}, "INVALID", "lines.0"),
        "in the middle of a month": ({"lines": [line | {"month": f"{YEAR}-01-02"}]}, "INVALID", "lines.0.month"),
        "another year": ({"lines": [line | {"month": f"{YEAR + 1}-01-01"}]}, "INVALID", "lines.0.month"),
        "another currency": (
            {"lines": [line | {"amount": money(1, "EUR")}]},
            "INVALID",
            "lines.0.amount.currency",
        ),
        "parts of a cent": ({"lines": [line | {"amount": money("0.001")}]}, "INVALID", "lines.0.amount.amount"),
        "twice": ({"lines": [line, line]}, "INVALID", "lines"),
        "about different things": ({"lines": [line, planned("6010", 2, 1, projectId=brand)]}, "INVALID", "lines"),
        "a project that is a brand": ({"lines": [line | {"brandId": brand}]}, "NOT_FOUND", "lines.0.brandId"),
    }
    for name, (changes, code, path) in cases.items():
        assert await shop.refused(api, BUDGET, {"input": plan(line) | changes}) == [(code, f"input.{path}")], name
    made = await created(api, line)
    for wrong in shop.wrong_ids("bdg"):
        revision = {"expectedVersion": 1, "reason": "Why not", "lines": [line]}
        assert await shop.refused(api, REVISE, {"id": wrong, "input": revision}) == [("NOT_FOUND", "id")]
        assert await shop.refused(api, ACTIVATE, {"id": wrong}) == [("NOT_FOUND", "id")]
        assert await shop.refused(api, CLOSE, {"id": wrong}) == [("NOT_FOUND", "id")]
        [error] = (await api.post(REPORT, {"id": wrong}))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("NOT_FOUND", ["id"])
    for document, given in ((BUDGET, {"input": plan(line)}), (ACTIVATE, {"id": made}), (CLOSE, {"id": made})):
        await shop.forbidden(api, document, given, ["ledger:write"])


async def test_the_database_keeps_versions_as_they_were(api: Api, server: Server, fresh_name: str) -> None:
    await created(api, planned("6010", 1, 1))
    connection = await asyncpg.connect(server.app_url(fresh_name))
    add = """INSERT INTO budget_lines (id, version_id, n, account_id, month, currency, amount)
      SELECT uuid7(), version_id, 1, account_id, month + interval '1 month', currency, 1 FROM budget_lines"""
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(add)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await connection.execute(add.replace("version_id, 1,", "version_id, 2,"))
    assert caught.value.constraint_name == "budget_lines_own_version"
    for statement in ("DELETE FROM budget_lines", "UPDATE budget_versions SET reason = 'x'", "DELETE FROM budgets"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


# --- control ----------------------------------------------------------------------------------------------------------


async def test_what_a_budget_does_not_allow_is_refused_and_leaves_nothing(api: Api) -> None:
    lines = [planned("6010", 1, "100.00"), planned("6010", 3, "50.00"), planned("6010", 12, "10.00")]
    made = await active(api, *lines, control="REFUSE")
    await post(api, spend("6010", "120.00"))
    payload = await shop.act(api, books.POST, {"input": spend("6010", "30.01")})
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [
        ("BUDGET_EXCEEDED", ["input", "lines", "0"])
    ]
    assert payload["userErrors"][0]["message"] == (
        f"Up to {YEAR}-03 the budget Plan allows 150.00 USD on account 6010: 120.00 are spent, and 30.01 more are"
        " asked for."
    )
    assert await refused(api, spend("6010", "30.01")) == [("BUDGET_EXCEEDED", "input.lines.0")]
    assert await refused(api, spend("6010", "30.01", month=1)) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await post(api, spend("6010", "30.00", month=1))
    assert await refused(api, spend("6010", "0.01", month=2)) == [("BUDGET_EXCEEDED", "input.lines.0")]
    # What is sealed counts like what is not; what gives back is never refused; what is not planned is not held.
    await shop.sealed(api)
    assert await refused(api, spend("6010", "0.01")) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await post(api, entry(debit("1020", "5.00"), credit("6010", "5.00"), on=f"{YEAR}-03-20"))
    await post(api, spend("6010", "5.00"))
    await post(api, spend("6090", "5000.00"))
    revision = {"expectedVersion": 1, "reason": "More", "lines": [planned("6010", 1, "150.01")]}
    await shop.done(api, REVISE, {"id": made, "input": revision})
    await post(api, spend("6010", "0.01"))
    assert await refused(api, spend("6010", "0.01")) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await shop.done(api, CLOSE, {"id": made})
    await post(api, spend("6010", "100.00"))


async def test_a_later_month_that_is_spent_already_binds_an_earlier_one(api: Api) -> None:
    await active(api, planned("6010", 1, "100.00"), control="REFUSE")
    await post(api, spend("6010", "100.00", month=6))
    assert await refused(api, spend("6010", "0.01", month=1)) == [("BUDGET_EXCEEDED", "input.lines.0")]


async def test_an_accrual_that_is_taken_back_binds_no_later_month(api: Api) -> None:
    await active(api, planned("6010", 1, "100.00"), planned("6010", 2, "1.00"), control="REFUSE")
    accrual = spend("6010", "100.00", month=1)
    await post(api, accrual | {"reverseOn": f"{YEAR}-02-01"})
    assert await refused(api, accrual | {"reverseOn": f"{YEAR}-02-01"}) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await post(api, spend("6010", "101.00", month=2))


async def test_a_warning_posts_and_is_announced(api: Api) -> None:
    made = await active(api, planned("6010", 1, "100.00"), control="WARN")
    quiet = await post(api, spend("6010", "100.00"))
    assert [each["type"] for each in quiet["effects"]["events"]["nodes"]] == ["journal_entry.posted"]
    document = books.POST.replace("nodes { type }", "nodes { type subject data }")
    loud = await shop.done(api, document, {"input": spend("6010", "7.00")})
    told, other = loud["effects"]["events"]["nodes"]
    assert other["type"] == "journal_entry.posted"
    assert [told] == [
        {
            "type": "budget.exceeded",
            "subject": made,
            "data": {
                "account": await books.account_id(api, "6010"),
                "entry": loud["journalEntry"]["id"],
                "month": f"{YEAR}-03",
                "allowed": "100.00",
                "spent": "100.00",
                "asked": "7.00",
            },
        }
    ]


async def test_lines_about_something_bind_what_is_about_it(api: Api) -> None:
    shops, fairs, web = [await project(api, code) for code in ("SHOPS", "FAIRS", "WEB")]
    lines = [planned("6030", 1, "100.00", projectId=shops), planned("6030", 1, "10.00", projectId=fairs)]
    await active(api, *lines, control="REFUSE")
    await post(api, spend("6030", "100.00", projectId=shops))
    assert await refused(api, spend("6030", "0.01", projectId=shops)) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await post(api, spend("6030", "10.00", projectId=fairs))
    await post(api, spend("6030", "500.00"))
    await post(api, spend("6030", "500.00", projectId=web))
    both = [debit("6030", "1.00", projectId=web), debit("6030", "1.00", projectId=fairs)]
    given = entry(*both, credit("1020", "2.00"), on=f"{YEAR}-03-15")
    assert await refused(api, given) == [("BUDGET_EXCEEDED", "input.lines.1")]


async def test_foreign_entries_spend_what_they_are_worth(api: Api) -> None:
    await active(api, planned("6010", 1, "110.00"), control="REFUSE")
    lines = (debit("6010", "100.00", "EUR"), credit("1020", "100.00", "EUR"))
    given = entry(*lines, on=f"{YEAR}-03-15", exchangeRate="1.1001")
    assert await refused(api, given) == [("BUDGET_EXCEEDED", "input.lines.0")]
    await post(api, given | {"exchangeRate": "1.1"})


async def test_other_postings_are_spent_and_never_refused(api: Api) -> None:
    await active(api, planned("5110", 1, "5.00"), planned("5100", 1, "5.00"), control="REFUSE")
    place = await shop.location(api)
    row = await shop.stocked(api, 10, "4.00", place=place)
    loss = {"locationId": place, "reason": "SHRINKAGE", "lines": [{"variantId": row, "delta": -2}]}
    await shop.done(api, shop.ADJUST, {"input": loss})
    given = entry(debit("5100", "0.01"), credit("1020", "0.01"))
    assert await refused(api, given) == [("BUDGET_EXCEEDED", "input.lines.0")]


@pytest.mark.parametrize("sealing", [False, True])
async def test_parallel_entries_never_spend_the_same_rest(api: Api, sealing: bool) -> None:
    """Twenty ask for 10 of 75, of two accounts, in both orders: seven of each fit, and not one more."""
    await active(api, planned("6010", 1, "75.00"), planned("6030", 1, "75.00"), control="REFUSE")

    def both(first: str, second: str) -> dict[str, Any]:
        return entry(debit(first, "10.00"), debit(second, "10.00"), credit("1020", "20.00"), on=f"{YEAR}-03-15")

    async def seal() -> None:
        for _ in range(12 if sealing else 0):
            await shop.sealed(api)
            await asyncio.sleep(0.02)

    orders = [("6010", "6030"), ("6030", "6010")] * 10
    answers, _ = await asyncio.gather(
        shop.crowd(shop.act(api, books.POST, {"input": both(*order)}) for order in orders), seal()
    )
    codes = [[error["code"] for error in answer["userErrors"]] for answer in answers]
    assert sorted(map(len, codes)) == [0] * 7 + [2] * 13
    assert {code for each in codes for code in each} == {"BUDGET_EXCEEDED"}
    query = "query B($on: Date!) { trialBalance(asOf: $on) { rows { account { code } debit { amount } } } }"
    balances = await api.data(query, {"on": f"{YEAR}-12-31"})
    spent = {row["account"]["code"]: row["debit"]["amount"] for row in balances["trialBalance"]["rows"]}
    assert (spent["6010"], spent["6030"]) == ("70.00", "70.00")


async def test_recurring_entries_of_one_act_count_each_other(api: Api) -> None:
    start = date.fromisoformat(books.today()) - timedelta(days=14)
    month = start.replace(day=1)
    year = {"startsOn": f"{month.year}-01-01"}
    line = {"accountCode": "6010", "month": month.isoformat(), "amount": money("25.00")}
    await active(api, line, control="REFUSE", **year)
    lines = [debit("6010", "10.00"), credit("1020", "10.00")]
    given = {"description": "Rent", "schedule": "WEEKLY", "startsOn": start.isoformat(), "lines": lines}
    await shop.done(api, books.RECURRING, {"input": given})
    payload = await shop.done(api, books.RECURRING_POST, {})
    assert (len(payload["entries"]), len(payload["failed"])) == (2, 1)


# --- report -----------------------------------------------------------------------------------------------------------


async def test_the_report_is_what_a_hand_reckons(api: Api) -> None:
    shops = await project(api, "SHOPS")
    plans = [
        ("6010", 1, "100.00", None),
        ("6010", 2, "110.00", None),
        ("6030", 2, "30.00", shops),
        ("4900", 2, "500.00", None),
        ("1500", 3, "70.00", None),
    ]
    made = await created(api, *(planned(code, month, amount, projectId=about) for code, month, amount, about in plans))
    posted = [
        ("6010", 1, "90.00", None),
        ("6010", 1, "15.50", None),
        ("6030", 2, "31.00", shops),
        ("6030", 3, "4.00", None),
        ("6090", 3, "1.00", None),
        ("1500", 3, "60.00", None),
        ("6010", 4, "77.00", None),
    ]
    for code, month, amount, about in posted:
        await post(api, spend(code, amount, month, projectId=about))
    await shop.sealed(api)
    await post(api, entry(debit("1020", "450.00"), credit("4900", "450.00"), on=f"{YEAR}-02-28"))
    parents = {"6010": "6000", "6030": "6000", "6090": "6000", "4900": "4000", "1500": "1000"}

    def reckoned(about: str | None) -> dict[str, list[list[Decimal]]]:
        sums: dict[str, list[list[Decimal]]] = defaultdict(lambda: [[Decimal(0)] * 3, [Decimal(0)] * 3])
        earned = [("4900", 2, "450.00", None)]
        for which, told in enumerate((plans, posted + earned)):
            for code, month, amount, named in told:
                if month <= 3 and (about is None or named == about):
                    for each in (code, parents[code]):
                        sums[each][which][month - 1] += Decimal(amount)
        return sums

    for about in (None, shops):
        given: dict[str, Any] = {"id": made, "since": f"{YEAR}-01-01", "until": f"{YEAR}-03-31"}
        given["about"] = None if about is None else {"projectIds": [about]}
        report = (await api.data(REPORT, given))["budgetReport"]
        assert (report["budget"]["id"], report["version"]) == (made, 1)
        assert report["monthsStartOn"] == [f"{YEAR}-01-01", f"{YEAR}-02-01", f"{YEAR}-03-01"]
        expected = reckoned(about)
        assert [row["account"]["code"] for row in report["rows"]] == sorted(expected)
        for row in report["rows"]:
            budget, actual = expected[row["account"]["code"]]
            assert [Decimal(each["amount"]) for each in row["budget"]] == budget
            assert [Decimal(each["amount"]) for each in row["actual"]] == actual
            assert [Decimal(each["amount"]) for each in row["difference"]] == [
                came - meant for came, meant in zip(actual, budget, strict=True)
            ]
            assert row["level"] == (0 if row["account"]["code"] in parents.values() else 1)


async def test_the_report_tells_older_versions_and_what_was_known(api: Api) -> None:
    made = await created(api, planned("6010", 1, "10.00"))
    await post(api, spend("6010", "1.00", month=1))
    known = (await api.data("{ journalEntries { nodes { recordedAt } } }"))["journalEntries"]["nodes"][0]["recordedAt"]
    await post(api, spend("6010", "2.00", month=1))
    revision = {"expectedVersion": 1, "reason": "More", "lines": [planned("6010", 1, "20.00")]}
    await shop.done(api, REVISE, {"id": made, "input": revision})

    async def first(**given: Any) -> tuple[int, str, str]:
        report = (await api.data(REPORT, {"id": made, **given}))["budgetReport"]
        assert len(report["monthsStartOn"]) == 12
        (row,) = [each for each in report["rows"] if each["account"]["code"] == "6010"]
        return report["version"], row["budget"][0]["amount"], row["actual"][0]["amount"]

    assert await first() == (2, "20.00", "3.00")
    assert await first(version=1) == (1, "10.00", "3.00")
    assert await first(version=1, known=known) == (1, "10.00", "1.00")
    for given, code, argument in (
        ({"version": 3}, "NOT_FOUND", "id"),
        ({"since": f"{YEAR - 1}-12-31"}, "INVALID", "since"),
        ({"until": f"{YEAR + 1}-01-01"}, "INVALID", "until"),
        ({"since": f"{YEAR}-03-01", "until": f"{YEAR}-02-01"}, "INVALID", "since"),
    ):
        [error] = (await api.post(REPORT, {"id": made, **given}))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == (code, [argument])
