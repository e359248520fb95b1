"""Nobody leaves a number out, has one twice or chooses one, whatever they say to the database."""

import itertools
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from domain.kernel.ids import new_id
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_years = itertools.count(1900)
YEAR = "(SELECT max(year) FROM number_series WHERE kind = 'INVOICE')"
"""Of the test's own series: each test begins the one of a later year."""
TAKE = f"""
INSERT INTO document_numbers (kind, year, document, recorded_at, act)
VALUES ('INVOICE', {YEAR}, $1, now(), uuid7()) RETURNING n
"""


@pytest.fixture(params=["app", "owner"])
async def sql(request: pytest.FixtureRequest, server: Server, database_name: str) -> AsyncIterator[Connection]:
    """The module's database with three invoices in a series of the test's own, as the application's role and as the
    owner of the tables.
    """
    url = server.app_url(database_name) if request.param == "app" else server.owner_url(database_name)
    connection = await asyncpg.connect(url)
    begin = TAKE.replace(YEAR, str(next(_years)))
    for n in range(1, 4):
        assert await connection.fetchval(begin, new_id("doc")) == n
    yield connection
    await whole(connection)
    await connection.close()


async def whole(sql: Connection) -> list[int]:
    """The numbers, which have no gap whatever was tried; the series says so, and goes on."""
    mine = f"kind = 'INVOICE' AND year = {YEAR}"
    given = [row["n"] for row in await sql.fetch(f"SELECT n FROM document_numbers WHERE {mine} ORDER BY n")]
    assert given == list(range(1, len(given) + 1))
    assert await sql.fetchval(f"SELECT last FROM number_series WHERE {mine}") == len(given)
    assert await sql.fetchval(TAKE, new_id("doc")) == len(given) + 1
    return given


async def second(sql: Connection) -> str:
    """A document that has its number."""
    return await sql.fetchval(f"SELECT document FROM document_numbers WHERE n = 2 AND year = {YEAR}")


@pytest.mark.parametrize("n", ["1", "4", "5", "1000", "0", "-1"])
async def test_a_number_cannot_be_chosen(sql: Connection, n: str) -> None:
    chosen = TAKE.replace("document, ", "document, n, ").replace("$1", f"$1, {n}")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(chosen, new_id("doc"))
    assert refused.value.constraint_name == "document_number_given"


async def test_a_number_cannot_be_brought_in_by_copying(sql: Connection) -> None:
    columns = ["kind", "year", "n", "document", "recorded_at", "act"]
    year, at, act = await sql.fetchrow(f"SELECT {YEAR}, now(), uuid7()")  # type: ignore[misc]  one row
    row = ("INVOICE", year, 9, new_id("doc"), at, act)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.copy_records_to_table("document_numbers", records=[row], columns=columns)
    assert refused.value.constraint_name == "document_number_given"
    rest = [(kind, year, new_id("doc"), *others) for kind, year, _, _, *others in [row] * 3]
    await sql.copy_records_to_table("document_numbers", records=rest, columns=[name for name in columns if name != "n"])
    assert await whole(sql) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("table", ["document_numbers", "number_series"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET year = year + 1",
        "UPDATE {table} SET kind = kind",
        "UPDATE {table} SET kind = kind WHERE false",
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE false",
        "TRUNCATE {table} CASCADE",
        "TRUNCATE document_numbers, number_series",
        "MERGE INTO {table} AS given USING (VALUES (1)) AS one ON true WHEN MATCHED THEN DELETE",
        "MERGE INTO {table} AS given USING (VALUES (1)) AS one ON true WHEN MATCHED THEN UPDATE SET year = 1999",
    ],
)
async def test_numbers_and_their_series_are_permanent(sql: Connection, table: str, statement: str) -> None:
    before = await sql.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute(statement.format(table=table))
    assert await sql.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE number_series SET last = last + 1",
        "UPDATE number_series SET last = last - 1",
        "UPDATE number_series SET last = last",
        "INSERT INTO number_series (kind, year, last) VALUES ('Z_REPORT', 2026, 41)",
        "INSERT INTO number_series (kind, year, last) VALUES ('Z_REPORT', 2026, 0)",
        f"INSERT INTO number_series (kind, year, last) VALUES ('INVOICE', {YEAR}, 9) ON CONFLICT (kind, year)"
        " DO UPDATE SET last = excluded.last",
        "COPY number_series FROM PROGRAM 'echo x'",
        "MERGE INTO number_series AS s USING (VALUES (1)) AS one ON true WHEN MATCHED THEN UPDATE SET last = 9",
        "WITH moved AS (UPDATE number_series SET last = 9 RETURNING 1) SELECT * FROM moved",
    ],
)
async def test_the_counter_cannot_be_moved_by_hand(sql: Connection, statement: str) -> None:
    before = await sql.fetch("SELECT * FROM number_series ORDER BY 1, 2")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute(statement)
    assert await sql.fetch("SELECT * FROM number_series ORDER BY 1, 2") == before


async def test_the_application_cannot_hold_a_series(server: Server, database_name: str) -> None:
    sql = await asyncpg.connect(server.app_url(database_name))
    for lock in ("FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.fetch(f"SELECT * FROM number_series {lock}")
    for statement in (
        "BEGIN; LOCK TABLE number_series IN EXCLUSIVE MODE",
        "ALTER TABLE document_numbers DISABLE TRIGGER ALL",
        "DROP TRIGGER document_numbers_taken ON document_numbers",
        "CREATE OR REPLACE FUNCTION take_document_number() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SELECT take_document_number()",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute(statement)
        await sql.reset()
    await sql.close()


async def test_a_trigger_of_the_application_s_own_moves_no_counter(server: Server, database_name: str) -> None:
    """Within a trigger the table's own refusal is off: there the grants hold."""
    sql = await asyncpg.connect(server.app_url(database_name))
    await sql.execute("""
      CREATE TEMPORARY TABLE mine (n int);
      CREATE FUNCTION pg_temp.cheat() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN UPDATE public.number_series SET last = 9; RETURN NEW; END';
      CREATE TRIGGER cheat BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.cheat();
    """)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute("INSERT INTO mine VALUES (1)")
    await sql.close()


async def test_rows_that_are_left_out_leave_no_gap(sql: Connection) -> None:
    """A counter that moved for each row that comes would lose numbers here."""
    known = await second(sql)
    many = TAKE.replace(
        f"VALUES ('INVOICE', {YEAR}, $1, now(), uuid7())",
        f"SELECT 'INVOICE', {YEAR}, document, now(), uuid7() FROM unnest($1::text[]) AS document"
        " ON CONFLICT (document) DO NOTHING",
    )
    given = await sql.fetch(many, [known, new_id("doc"), known, new_id("doc"), known])
    assert [row["n"] for row in given] == [4, 5]
    assert await sql.fetch(many, [known, known]) == []
    assert await whole(sql) == [1, 2, 3, 4, 5]


async def test_a_row_in_conflict_is_not_changed_instead(sql: Connection) -> None:
    known = await second(sql)
    instead = TAKE.replace("RETURNING n", "ON CONFLICT (document) DO UPDATE SET year = 1999 RETURNING n")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute(instead, known)


async def test_what_is_taken_back_within_a_transaction_leaves_no_gap(sql: Connection) -> None:
    async with sql.transaction():
        assert await sql.fetchval(TAKE, new_id("doc")) == 4
        inner = sql.transaction()
        await inner.start()
        assert await sql.fetchval(TAKE, new_id("doc")) == 5
        await inner.rollback()
        known, again = await second(sql), sql.transaction()
        await again.start()
        with pytest.raises(asyncpg.UniqueViolationError):
            await sql.execute(TAKE, known)
        await again.rollback()
        assert await sql.fetchval(TAKE, new_id("doc")) == 5
    assert await whole(sql) == [1, 2, 3, 4, 5]


async def test_an_error_that_is_caught_leaves_no_gap(sql: Connection) -> None:
    await sql.execute(f"""
      DO $$
      BEGIN
        FOR n IN 1..6 LOOP
          BEGIN
            INSERT INTO document_numbers (kind, year, document, recorded_at, act)
            SELECT 'INVOICE', {YEAR}, 'doc_' || replace(uuid7()::text, '-', ''), now(), uuid7();
            PERFORM 1 / (n % 2);
          EXCEPTION WHEN division_by_zero THEN NULL;
          END;
        END LOOP;
      END $$
    """)
    assert await whole(sql) == [1, 2, 3, 4, 5, 6]


async def test_two_inserts_in_one_statement(sql: Connection) -> None:
    first = TAKE.replace("RETURNING n", "").replace(
        f"VALUES ('INVOICE', {YEAR}, $1, now(), uuid7())",
        f"SELECT 'INVOICE', {YEAR}, 'doc_' || replace(uuid7()::text, '-', ''), now(), uuid7()"
        " FROM generate_series(1, 3)",
    )
    other = first.replace("'INVOICE',", "'Z_REPORT',")
    before = await sql.fetchval("SELECT count(*) FROM document_numbers WHERE kind = 'Z_REPORT'")
    await sql.execute(f"WITH a AS ({first}), b AS ({other}) {first}")
    assert await sql.fetchval("SELECT count(*) FROM document_numbers WHERE kind = 'Z_REPORT'") == before + 3
    assert await whole(sql) == list(range(1, 10))


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_an_older_snapshot_takes_no_number(sql: Connection, isolation: str) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        async with sql.transaction(isolation=isolation):  # type: ignore[arg-type]  one of the driver's words
            await sql.execute(TAKE, new_id("doc"))


@pytest.mark.parametrize(
    ("part", "instead", "constraint"),
    [
        (YEAR, "extract(year FROM now())::int + 2", "document_number_year"),
        (YEAR, "1899", "ck_number_series_year_known"),
        ("('INVOICE'", "('RECEIPT'", "ck_number_series_kind_known"),
        ("$1", "'doc_' || $1", "ck_document_numbers_document_form"),
    ],
)
async def test_what_is_no_series_or_no_document(sql: Connection, part: str, instead: str, constraint: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(TAKE.replace(part, instead), new_id("doc"))
    assert refused.value.constraint_name == constraint
