"""For how long the books must be kept, and that nobody takes back what a closed year was promised."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from domain.kernel.database import Database
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from tests.support import books, shop
from tests.support.api import Api
from tests.support.server import Server

SET = """
mutation Keep($years: Int!) {
  retentionPolicySet(years: $years) {
    retentionPolicy { years updatedAt } effects { events { nodes { type subject } } }
    userErrors { code message path }
  }
}"""
CLOSE = """
mutation Close($on: Date!) {
  fiscalYearClose(startsOn: $on) { fiscalYear { id retentionEndsOn } userErrors { code message } }
}"""
REOPEN = """
mutation Reopen($id: ID!) {
  fiscalYearReopen(id: $id, reason: "An invoice was forgotten") {
    fiscalYear { retentionEndsOn } userErrors { code message }
  }
}"""
STATE = "{ retentionPolicy { years updatedAt } fiscalYears { nodes { startsOn retentionEndsOn } } }"
THIS_YEAR = int(books.today()[:4])
LAST_YEAR = THIS_YEAR - 1


async def keep(api: Api, years: int) -> dict[str, Any]:
    return await shop.done(api, SET, {"years": years})


async def refusal(api: Api, years: int) -> tuple[str, str]:
    """What a refusal says; nothing changed by it."""
    before = await api.data(STATE)
    assert await shop.refused(api, SET, {"years": years})
    (error,) = (await api.data(SET, {"years": years}))["retentionPolicySet"]["userErrors"]
    assert await api.data(STATE) == before
    assert error["path"] == ["years"]
    return error["code"], error["message"]


async def close(api: Api, year: int) -> dict[str, Any]:
    return (await shop.done(api, CLOSE, {"on": f"{year}-01-01"}))["fiscalYear"]


async def ends(api: Api) -> list[str]:
    return [each["retentionEndsOn"] for each in (await api.data(STATE))["fiscalYears"]["nodes"]]


async def test_books_are_kept_for_ten_years_unless_somebody_says_otherwise(fresh_api: Api) -> None:
    before = (await fresh_api.data(STATE))["retentionPolicy"]
    assert before["years"] == 10
    assert (await keep(fresh_api, 10))["effects"]["events"]["nodes"] == []
    assert (await fresh_api.data(STATE))["retentionPolicy"] == before
    kept = await keep(fresh_api, 7)
    assert kept["retentionPolicy"]["years"] == 7
    assert [each["type"] for each in kept["effects"]["events"]["nodes"]] == ["retention_policy.set"]
    for wrong in (0, -1, 100, 2**31 - 1):
        assert await refusal(fresh_api, wrong) == ("INVALID", "Books are kept for 1 to 99 years.")
    await shop.forbidden(fresh_api, SET, {"years": 30}, [Scope.LEDGER_CLOSE])
    await shop.forbidden(fresh_api, STATE, {}, [Scope.LEDGER_READ, Scope.LEDGER_WRITE])


async def test_a_closed_year_keeps_what_it_was_promised(fresh_api: Api) -> None:
    year = await close(fresh_api, LAST_YEAR)
    assert year["retentionEndsOn"] == f"{LAST_YEAR + 10}-12-31"
    code, message = await refusal(fresh_api, 9)
    assert code == "RETENTION_PROMISED"
    assert f"{LAST_YEAR}-01-01" in message
    assert f"{LAST_YEAR + 10}-12-31" in message
    await keep(fresh_api, 30)
    assert await ends(fresh_api) == [f"{LAST_YEAR + 30}-12-31"]
    await keep(fresh_api, 12)  # nothing was closed meanwhile: it was promised ten
    assert await ends(fresh_api) == [f"{LAST_YEAR + 12}-12-31"]
    reopened = await shop.done(fresh_api, REOPEN, {"id": year["id"]})
    assert reopened["fiscalYear"]["retentionEndsOn"] == f"{LAST_YEAR + 12}-12-31"
    assert (await refusal(fresh_api, 9))[0] == "RETENTION_PROMISED"  # that it is open again takes nothing back
    await close(fresh_api, LAST_YEAR)
    assert "choose 12 years or more" in (await refusal(fresh_api, 11))[1]  # closed again, with the new promise


async def test_what_is_over_binds_nobody(fresh_api: Api) -> None:
    await keep(fresh_api, 3)
    await close(fresh_api, THIS_YEAR - 5)
    assert await ends(fresh_api) == [f"{THIS_YEAR - 2}-12-31"]
    await keep(fresh_api, 1)
    assert await ends(fresh_api) == [f"{THIS_YEAR - 2}-12-31"]
    await keep(fresh_api, 5)
    assert await ends(fresh_api) == [f"{THIS_YEAR}-12-31"]


async def test_a_year_of_29_february_ends_in_time(fresh_api: Api, server: Server, fresh_name: str) -> None:
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    year = "INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at) VALUES ($1, '2023-03-01', '2024-02-29', now())"
    await owner.execute(year, new_id("fsy")[4:])
    await owner.close()
    await keep(fresh_api, 11)
    assert await ends(fresh_api) == ["2035-02-28"]


async def test_closing_and_shortening_at_once_never_break_a_promise(fresh_api: Api, fresh_database: Database) -> None:
    for n in range(4):
        await keep(fresh_api, 40)
        closing = shop.done(fresh_api, CLOSE, {"on": f"{LAST_YEAR - 3 + n}-01-01"})
        shortened, _ = await asyncio.gather(fresh_api.data(SET, {"years": 39 - n}), closing)
        errors = [each["code"] for each in shortened["retentionPolicySet"]["userErrors"]]
        assert errors in ([], ["RETENTION_PROMISED"])
        async with fresh_database.connection() as connection:
            found = await connection.exec_driver_sql(
                "SELECT years, max(retention_years) FROM retention_policies, fiscal_years GROUP BY 1"
            )
            years, promised = tuple(found.one())
        assert years == (40 if errors else 39 - n)
        assert years >= promised
        if promised == 40:
            break


@pytest.fixture(params=["app", "owner"])
async def sql(
    request: pytest.FixtureRequest, server: Server, fresh_name: str
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The test's own database, as the application's role and as the owner of the tables."""
    url = server.app_url(fresh_name) if request.param == "app" else server.owner_url(fresh_name)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


PROMISES = """
SELECT policy.years, year.starts_on, year.ends_on, year.retention_years
FROM retention_policies AS policy LEFT JOIN fiscal_years AS year ON true
"""


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE retention_policies SET years = 9", "retention_promised"),
        ("UPDATE retention_policies SET years = 100", "ck_retention_policies_years_range"),
        (
            "INSERT INTO retention_policies (id, years, updated_at) VALUES (uuid7(), 1, now())",
            "uq_retention_policies_one",
        ),
        (
            "INSERT INTO retention_policies (id, one, updated_at) VALUES (uuid7(), false, now())",
            "ck_retention_policies_one_row",
        ),
        ("UPDATE fiscal_years SET retention_years = 9", "fiscal_year_retention"),
        ("UPDATE fiscal_years SET retention_years = NULL", "fiscal_years"),
        ("UPDATE fiscal_years SET ends_on = ends_on - 3000", "fiscal_year_days"),
        ("UPDATE fiscal_years SET starts_on = starts_on - 1", "fiscal_year_days"),
        ("DELETE FROM fiscal_years", ""),
        ("TRUNCATE fiscal_years", ""),
        ("DELETE FROM retention_policies", ""),
        ("TRUNCATE retention_policies", ""),
    ],
)
async def test_the_database_keeps_the_promise(
    sql: "asyncpg.Connection[asyncpg.Record]", statement: str, constraint: str
) -> None:
    year = "INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at) VALUES ($1, $2::date, $2::date + 364, now())"
    await sql.execute(year, new_id("fsy")[4:], (await sql.fetchval("SELECT date_trunc('year', now())::date - 365")))
    before = await sql.fetch(PROMISES)
    assert [each["retention_years"] for each in before] == [10]
    refusals = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
    with pytest.raises(refusals) as refused:
        await sql.execute(statement)
    if not isinstance(refused.value, asyncpg.InsufficientPrivilegeError):
        assert constraint in (refused.value.constraint_name or refused.value.table_name or "")
    assert await sql.fetch(PROMISES) == before


async def test_what_is_promised_is_said_by_the_database(server: Server, fresh_name: str) -> None:
    sql = await asyncpg.connect(server.owner_url(fresh_name))
    try:
        chosen = """INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at, retention_years)
          VALUES (uuid7(), '2020-01-01', '2020-12-31', now(), 1) RETURNING retention_years"""
        assert await sql.fetchval(chosen) == 10
        await sql.execute("UPDATE retention_policies SET years = 15")
        for change, promised in (
            ("reopened_for = 'x'", 10),
            ("closed_at = NULL", 10),
            ("closed_at = now()", 15),
            ("retention_years = 20", 20),
        ):
            assert await sql.fetchval(f"UPDATE fiscal_years SET {change} RETURNING retention_years") == promised
    finally:
        await sql.close()
