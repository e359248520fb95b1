"""Entries that come again: each day once, in short months and closed ones, whoever posts them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from api.housekeeping import Housekeeping
from domain.kernel.work import SYSTEM, begin
from domain.ledger import post_due_by_itself
from domain.ledger.recurring import day_of
from domain.ledger.tables import RecurringSchedule
from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import credit, debit, rent
from tests.support.server import Server

FIELDS = """id description schedule startsOn endsOn reversesNextMonth status availableActions nextOn lastProblem
  lines { account { code } debit { amount currency } credit { amount } channel { id } location { id } project { code } }
  occurrences { nodes { dueOn entry { id on source effectiveAt description } } }"""
CREATE = f"""mutation Create($input: RecurringEntryCreateInput!) {{
  recurringEntryCreate(input: $input) {{
    recurringEntry {{ {FIELDS} }} effects {{ events {{ nodes {{ type }} }} }} userErrors {{ code message path }} }}
}}"""
UPDATE = f"""mutation Update($id: ID!, $input: RecurringEntryUpdateInput!) {{
  recurringEntryUpdate(id: $id, input: $input) {{
    recurringEntry {{ {FIELDS} }} effects {{ events {{ nodes {{ type data }} }} }} userErrors {{ code message path }} }}
}}"""
END = f"""mutation End($id: ID!) {{
  recurringEntryEnd(id: $id) {{
    recurringEntry {{ {FIELDS} }} effects {{ events {{ nodes {{ type }} }} }} userErrors {{ code message path }} }}
}}"""
POST = """mutation Post($until: Date) {
  recurringEntriesPost(until: $until) {
    entries { id on source reversedBy { on } } failed { id lastProblem nextOn }
    effects { events { nodes { type data } } } userErrors { code message path } }
}"""
FIND = f"""query Find($id: ID!) {{ node(id: $id) {{ ... on RecurringEntry {{ {FIELDS} }} }} }}"""


@pytest.fixture
def api(fresh_api: Api) -> Api:
    """Books in which nothing else is due."""
    return fresh_api


@pytest.fixture(autouse=True)
async def _invariants_hold(api: Api) -> AsyncIterator[None]:
    yield
    await shop.invariants_hold(api)


def today() -> date:
    return date.fromisoformat(books.today())


async def created(api: Api, **more: Any) -> dict[str, Any]:
    return (await shop.done(api, CREATE, {"input": rent(**more)}))["recurringEntry"]


async def posted(api: Api, **more: Any) -> dict[str, Any]:
    return await shop.done(api, POST, more)


async def found(api: Api, recurring_id: str) -> dict[str, Any]:
    return (await api.data(FIND, {"id": recurring_id}))["node"]


# --- days -------------------------------------------------------------------------------------------------------------


def test_short_months_do_not_shift_the_day() -> None:
    monthly = [day_of(date(2027, 12, 31), RecurringSchedule.MONTHLY, n) for n in range(5)]
    assert [each.isoformat() for each in monthly] == [
        "2027-12-31",
        "2028-01-31",
        "2028-02-29",
        "2028-03-31",
        "2028-04-30",
    ]
    yearly = [day_of(date(2028, 2, 29), RecurringSchedule.YEARLY, n) for n in (0, 1, 4)]
    assert yearly == [date(2028, 2, 29), date(2029, 2, 28), date(2032, 2, 29)]
    quarterly = [day_of(date(2026, 11, 30), RecurringSchedule.QUARTERLY, n) for n in (1, 2)]
    assert quarterly == [date(2027, 2, 28), date(2027, 5, 30)]
    assert day_of(date(2026, 12, 28), RecurringSchedule.WEEKLY, 2) == date(2027, 1, 11)


async def test_days_are_those_that_the_database_counts(server: Server, database_name: str) -> None:
    steps = {"WEEKLY": "7 days", "MONTHLY": "1 month", "QUARTERLY": "3 months", "YEARLY": "1 year"}
    starts = [date(2027, 12, 1) + timedelta(days=n) for n in range(120)]
    connection = await asyncpg.connect(server.owner_url(database_name))
    for schedule, step in steps.items():
        query = "SELECT ($1::date + n * $2::text::interval)::date AS day FROM generate_series(0, 60) AS n ORDER BY n"
        for start in starts:
            counted = [row["day"] for row in await connection.fetch(query, start, step)]
            assert counted == [day_of(start, RecurringSchedule(schedule), n) for n in range(61)]
    await connection.close()


# --- posting ----------------------------------------------------------------------------------------------------------


async def test_what_is_due_is_posted_once(api: Api) -> None:
    start = today() - timedelta(days=21)
    payload = await shop.done(api, CREATE, {"input": rent(schedule="WEEKLY", startsOn=start.isoformat())})
    assert [each["type"] for each in payload["effects"]["events"]["nodes"]] == ["recurring_entry.created"]
    made = payload["recurringEntry"]
    assert (made["status"], made["nextOn"], made["occurrences"]["nodes"]) == ("ACTIVE", start.isoformat(), [])
    assert made["availableActions"] == ["UPDATE", "END"]
    early = await posted(api, until=(start + timedelta(days=7)).isoformat())
    assert [each["on"] for each in early["entries"]] == [(start + timedelta(days=n)).isoformat() for n in (0, 7)]
    rest = await posted(api)
    assert [each["on"] for each in rest["entries"]] == [(start + timedelta(days=n)).isoformat() for n in (14, 21)]
    assert {each["source"] for each in early["entries"] + rest["entries"]} == {made["id"]}
    again = await posted(api)
    assert (again["entries"], again["failed"], again["effects"]["events"]["nodes"]) == ([], [], [])
    kept = await found(api, made["id"])
    assert kept["nextOn"] == (today() + timedelta(days=7)).isoformat()
    assert [each["entry"]["id"] for each in kept["occurrences"]["nodes"]] == [
        each["id"] for each in early["entries"] + rest["entries"]
    ]
    assert [each["entry"]["effectiveAt"][:10] for each in kept["occurrences"]["nodes"]] == [
        each["dueOn"] for each in kept["occurrences"]["nodes"]
    ]
    entry = kept["occurrences"]["nodes"][0]["entry"]["id"]
    await shop.done(api, books.REVERSE, {"id": entry})
    assert (await posted(api))["entries"] == []


async def test_two_runs_at_once_post_once(api: Api) -> None:
    start = (today() - timedelta(days=28)).isoformat()
    made = [await created(api, schedule="WEEKLY", startsOn=start) for _ in range(3)]
    housekeeping = Housekeeping(api.services.database, seconds=0, wake=lambda: None)
    runs = await asyncio.gather(*(shop.act(api, POST, {}) for _ in range(8)), housekeeping.tidy())
    assert [run["userErrors"] for run in runs if run] == [[]] * 8
    for each in made:
        kept = await found(api, each["id"])
        days = [(each["dueOn"], each["entry"]["source"]) for each in kept["occurrences"]["nodes"]]
        assert days == [((today() - timedelta(days=n)).isoformat(), kept["id"]) for n in (28, 21, 14, 7, 0)]
    entries = await api.data("{ journalEntries { totalCount } }")
    assert entries["journalEntries"]["totalCount"] == 15


async def test_what_is_due_posts_by_itself(api: Api) -> None:
    made = await created(api)
    housekeeping = Housekeeping(api.services.database, seconds=0, wake=lambda: None)
    await housekeeping.tidy()
    assert [each["dueOn"] for each in (await found(api, made["id"]))["occurrences"]["nodes"]] == [books.today()]
    second = await created(api)
    await housekeeping.tidy()
    assert (await found(api, second["id"]))["occurrences"]["nodes"] == [], "looked at again within a minute"


async def test_what_is_due_in_a_closed_month_counts_for_the_next_open_day(api: Api) -> None:
    first = today().replace(day=1)
    before = first - timedelta(days=1)
    made = await created(api, startsOn=before.isoformat(), endsOn=before.isoformat())
    period = (await api.data(f'{{ accountingPeriod(by: {{on: "{before}"}}) {{ id }} }}'))["accountingPeriod"]["id"]
    close = "mutation C($id: ID!) { accountingPeriodClose(id: $id) { userErrors { message } } }"
    await shop.done(api, close, {"id": period})
    assert [each["on"] for each in (await posted(api))["entries"]] == [first.isoformat()]
    (occurrence,) = (await found(api, made["id"]))["occurrences"]["nodes"]
    assert (occurrence["dueOn"], occurrence["entry"]["on"]) == (before.isoformat(), first.isoformat())
    assert occurrence["entry"]["effectiveAt"].startswith(before.isoformat())


async def test_an_accrual_is_taken_back_on_the_first_of_the_next_month(api: Api) -> None:
    await created(api, reversesNextMonth=True)
    (entry,) = (await posted(api))["entries"]
    next_month = (today().replace(day=1) + timedelta(days=32)).replace(day=1)
    assert (entry["on"], entry["reversedBy"]) == (books.today(), {"on": next_month.isoformat()})


async def test_what_cannot_be_posted_stops_nobody(api: Api) -> None:
    lines = [debit("6010", "10.00", "CHF"), credit("1020", "10.00", "CHF")]
    foreign = await created(api, lines=lines)
    group = await created(api, lines=[debit("6030", 1), credit("1020", 1)])
    good = await created(api)
    parent = {"code": "6031", "name": "Fairs", "parentId": await books.account_id(api, "6030")}
    await shop.done(api, books.ACCOUNT, {"input": parent})
    payload = await posted(api)
    assert [each["source"] for each in payload["entries"]] == [good["id"]]
    problems = {each["id"]: each["lastProblem"] for each in payload["failed"]}
    assert problems.keys() == {foreign["id"], group["id"]}
    assert problems[foreign["id"]].startswith("There is no rate of CHF")
    assert problems[group["id"]] == "Post to an account without sub-accounts."
    assert {each["nextOn"] for each in payload["failed"]} == {books.today()}
    told = [each["data"] for each in payload["effects"]["events"]["nodes"] if each["type"] == "recurring_entry.failed"]
    assert sorted(told, key=lambda each: each["problem"]) == [
        {"on": books.today(), "problem": problems[each]} for each in sorted(problems, key=lambda key: problems[key])
    ]
    assert await by_itself(api) == 0, "what failed today is left for tomorrow"
    rate = {"currency": "CHF", "on": "2020-01-01", "rate": "1.10"}
    await shop.done(api, books.RATES, {"input": {"rates": [rate]}})
    lines = [debit("6031", 1), credit("1020", 1)]
    changed = (await shop.done(api, UPDATE, {"id": group["id"], "input": {"lines": lines}}))["recurringEntry"]
    assert changed["lastProblem"] is None
    assert await by_itself(api) == 1, "what was put right is tried at once"
    payload = await posted(api)
    assert [each["source"] for each in payload["entries"]] == [foreign["id"]]
    assert (payload["failed"], (await found(api, foreign["id"]))["lastProblem"]) == ([], None)


async def test_demands_of_accounts_made_meanwhile_are_met_or_told(api: Api) -> None:
    bare = await created(api)
    await shop.done(
        api,
        books.ACCOUNT_UPDATE,
        {"id": await books.account_id(api, "6010"), "input": {"requiredDimensions": ["PROJECT"]}},
    )
    assert await shop.refused(api, CREATE, {"input": rent()}) == [("DIMENSION_MISSING", "input.lines.0.projectId")]
    value = {"dimension": "PROJECT", "code": "MOVE", "name": "Moving"}
    project = (await shop.done(api, books.VALUE, {"input": value}))["dimensionValue"]
    lines = [debit("6010", 5, projectId=project["id"]), credit("1020", 5)]
    about = await created(api, lines=lines)
    assert about["lines"][0]["project"] == {"code": "MOVE"}
    payload = await posted(api)
    assert [each["source"] for each in payload["entries"]] == [about["id"]]
    assert [(each["id"], each["lastProblem"]) for each in payload["failed"]] == [
        (bare["id"], "Account 6010 demands a project.")
    ]


async def by_itself(api: Api) -> int:
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        return await post_due_by_itself(work)


# --- changing and ending ----------------------------------------------------------------------------------------------


async def test_changes_are_for_postings_to_come(api: Api) -> None:
    made = await created(api, schedule="WEEKLY", startsOn=(today() - timedelta(days=7)).isoformat())
    await posted(api, until=(today() - timedelta(days=7)).isoformat())
    changes = {"description": "Less rent", "lines": [debit("6010", "10.00"), credit("1010", "10.00")]}
    payload = await shop.done(api, UPDATE, {"id": made["id"], "input": changes})
    assert payload["effects"]["events"]["nodes"] == [
        {"type": "recurring_entry.updated", "data": {"fields": ["description", "lines"]}}
    ]
    assert [each["account"]["code"] for each in payload["recurringEntry"]["lines"]] == ["6010", "1010"]
    await posted(api)
    told = [each["entry"]["description"] for each in (await found(api, made["id"]))["occurrences"]["nodes"]]
    assert told == ["Rent", "Less rent"]
    unchanged = await shop.done(api, UPDATE, {"id": made["id"], "input": {"description": "Less rent"}})
    assert unchanged["effects"]["events"]["nodes"] == []


async def test_it_ends_with_its_last_day_or_when_somebody_ends_it(api: Api) -> None:
    last = await created(api, endsOn=books.today())
    await posted(api)
    kept = await found(api, last["id"])
    assert (kept["status"], kept["nextOn"], kept["availableActions"]) == ("ENDED", None, [])
    cut = await created(api)
    await posted(api)
    payload = await shop.done(api, UPDATE, {"id": cut["id"], "input": {"endsOn": books.today()}})
    assert payload["recurringEntry"]["status"] == "ENDED"
    assert [each["type"] for each in payload["effects"]["events"]["nodes"]] == [
        "recurring_entry.updated",
        "recurring_entry.ended",
    ]
    made = await created(api)
    payload = await shop.done(api, END, {"id": made["id"]})
    assert [each["type"] for each in payload["effects"]["events"]["nodes"]] == ["recurring_entry.ended"]
    assert (await posted(api))["entries"] == []
    assert [code for code, _ in await shop.refused(api, END, {"id": made["id"]})] == ["NOT_ALLOWED_NOW"]
    given = {"id": made["id"], "input": {"description": "Again"}}
    assert [code for code, _ in await shop.refused(api, UPDATE, given)] == ["NOT_ALLOWED_NOW"]


async def test_what_cannot_be_is_refused_and_leaves_nothing(api: Api) -> None:
    made, long_ago = await created(api), (today() - timedelta(days=400)).isoformat()
    cases = {
        "a control account": (
            {"lines": [debit("2010", 1), credit("1020", 1)]},
            "CONTROL_ACCOUNT",
            "lines.0.accountCode",
        ),
        "one line": ({"lines": [debit("6010", 1)]}, "UNBALANCED", "lines"),
        "not balanced": ({"lines": [debit("6010", 1), credit("1020", 2)]}, "UNBALANCED", "lines"),
        "two currencies": (
            {"lines": [debit("6010", 1), credit("1020", 1, "EUR")]},
            "INVALID",
            "lines.1.credit.currency",
        ),
        "an unknown account": ({"lines": [debit("9999", 1), credit("1020", 1)]}, "NOT_FOUND", "lines.0.accountCode"),
        "no words": ({"description": " "}, "INVALID", "description"),
        "long ago": ({"startsOn": long_ago}, "INVALID", "startsOn"),
        "far away": ({"startsOn": "2999-01-01"}, "INVALID", "startsOn"),
        "an end before its beginning": ({"endsOn": long_ago}, "INVALID", "endsOn"),
    }
    for name, (changes, code, path) in cases.items():
        assert await shop.refused(api, CREATE, {"input": rent(**changes)}) == [(code, f"input.{path}")], name
    changes = {"id": made["id"], "input": {"endsOn": long_ago}}
    assert await shop.refused(api, UPDATE, changes) == [("INVALID", "input.endsOn")]
    for wrong in shop.wrong_ids("rec"):
        assert await shop.refused(api, UPDATE, {"id": wrong, "input": {}}) == [("NOT_FOUND", "id")]
        assert await shop.refused(api, END, {"id": wrong}) == [("NOT_FOUND", "id")]
    tomorrow = (today() + timedelta(days=1)).isoformat()
    assert await shop.refused(api, POST, {"until": tomorrow}) == [("INVALID", "until")]
    for document, given in ((CREATE, {"input": rent()}), (POST, {}), (END, {"id": made["id"]})):
        await shop.forbidden(api, document, given, ["ledger:write"])


async def test_the_database_takes_no_other_day_and_no_foreign_entry(api: Api, server: Server, fresh_name: str) -> None:
    made, other = await created(api, endsOn=books.today()), await created(api)
    await posted(api)
    connection = await asyncpg.connect(server.app_url(fresh_name))
    insert = """INSERT INTO recurring_occurrences (id, recurring_id, n, due_on, entry_id, posted_at)
      SELECT uuid7(), $1, n + $3, due_on + $4::int, entry_id, now() FROM recurring_occurrences
      WHERE recurring_id = $2"""
    for recurring, n, days in ((made, 1, 1), (other, 0, 0), (other, 1, 1)):
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await connection.execute(insert, recurring["id"][4:], made["id"][4:], n, days)
        assert caught.value.constraint_name == "recurring_occurrence_due"
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, made["id"][4:], made["id"][4:], 0, 0)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM recurring_occurrences")
    unbalanced = """INSERT INTO recurring_entry_lines (recurring_id, n, account_id, currency, debit, credit)
      SELECT recurring_id, 3, account_id, currency, 1, 0 FROM recurring_entry_lines WHERE n = 1"""
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await connection.execute(unbalanced)
    assert caught.value.constraint_name == "recurring_lines_balanced"
    await connection.close()
