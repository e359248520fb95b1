"""The application's role may do what it needs and nothing else."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.kernel.rows import Row
from tests.support.server import Server

OURS = "pronamespace = 'public'::regnamespace"


@pytest.fixture
async def app(server: Server, database_name: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The module's database, as the application's role, on a bare connection."""
    connection = await asyncpg.connect(server.app_url(database_name))
    yield connection
    await connection.close()


async def test_the_application_owns_nothing_and_is_nobody_special(app: "asyncpg.Connection[asyncpg.Record]") -> None:
    owned = """
        SELECT relname FROM pg_class WHERE relowner = current_user::regrole
        UNION SELECT proname FROM pg_proc WHERE proowner = current_user::regrole
        UNION SELECT nspname FROM pg_namespace WHERE nspowner = current_user::regrole
        UNION SELECT datname FROM pg_database WHERE datdba = current_user::regrole
        UNION SELECT typname FROM pg_type WHERE typowner = current_user::regrole
    """
    assert await app.fetch(owned) == []
    special = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
    assert tuple(await app.fetchrow(f"{special} WHERE rolname = current_user") or ()) == (False,) * 5
    member = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = current_user::regrole"
    assert await app.fetch(member) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW mine AS SELECT 1",
        "ALTER TABLE products ADD COLUMN mine int",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE products",
        "DROP TRIGGER events_permanent ON events",
        "CREATE TRIGGER mine AFTER INSERT ON products EXECUTE FUNCTION refuse_change()",
        "TRUNCATE products",
        "CREATE INDEX ON products (version)",
        "SELECT refuse_change()",
        "UPDATE alembic_version SET version_num = 'x'",
        "INSERT INTO alembic_version VALUES ('x')",
        "COPY products TO PROGRAM 'true'",
        "COPY products TO '/tmp/products'",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
    ],
)
async def test_the_application_cannot_change_the_shape_of_things(
    app: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


async def test_the_application_cannot_pass_its_rights_on(app: "asyncpg.Connection[asyncpg.Record]") -> None:
    warnings: list[str] = []
    app.add_log_listener(lambda _, message: warnings.append(message.message))
    await app.execute("GRANT SELECT ON products TO PUBLIC")  # without a grant option this only warns
    assert warnings == ['no privileges were granted for "products"']
    assert not await app.fetchval("SELECT has_table_privilege('public', 'products', 'SELECT')")


COLUMN = "SELECT has_column_privilege($1, $2, $3)"


async def _columns(app: "asyncpg.Connection[asyncpg.Record]", table: str, right: str) -> set[str]:
    """The columns for which the application holds a right."""
    names = [each.name for each in Row.metadata.tables[table].c]
    return {name for name in names if await app.fetchval(COLUMN, table, name, right)}


async def test_each_table_gives_the_application_exactly_the_rights_it_declares(
    app: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    everything = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    tables = await app.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    for table in (record["relname"] for record in tables):
        held = {right for right in everything if await app.fetchval("SELECT has_table_privilege($1, $2)", table, right)}
        declared = Row.metadata.tables.get(table)
        if declared is None:
            assert held == {"SELECT"}, table
        elif declared.info.get("append_only"):
            assert held == {"SELECT", "INSERT"}, table
        elif declared.info.get("read_only"):
            assert held == {"SELECT"}, table
            assert await _columns(app, table, "UPDATE") == await _columns(app, table, "INSERT") == set()
        elif "update" in declared.info:
            assert held == {"SELECT"} | ({"INSERT"} if "insert" not in declared.info else set()), table
            assert await _columns(app, table, "UPDATE") == set(declared.info["update"]), table
            filled = set(declared.info.get("insert", declared.c.keys()))
            assert await _columns(app, table, "INSERT") == filled, table
        else:
            assert held == {"SELECT", "INSERT", "UPDATE", "DELETE"}, table
    assert {record["relname"] for record in tables} == {*Row.metadata.tables, "alembic_version"}


PERMANENT = [table.name for table in Row.metadata.sorted_tables if table.info.get("append_only")]


@pytest.mark.parametrize("table", PERMANENT)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_what_is_only_added_to_is_permanent_for_its_owner_too(
    owner: "asyncpg.Connection[asyncpg.Record]", table: str, statement: str
) -> None:
    column = next(iter(Row.metadata.tables[table].c)).name
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with owner.transaction():
            await owner.execute(statement.format(table, column))


async def test_nobody_but_who_was_told_may_call_our_functions(app: "asyncpg.Connection[asyncpg.Record]") -> None:
    # An access list without an entry for PUBLIC (grantee 0); an empty list would mean the default, which is PUBLIC.
    public = f"""
        SELECT proname FROM pg_proc WHERE {OURS} AND (proacl IS NULL
          OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))
    """
    assert await app.fetch(public) == []
    mine = f"SELECT proname FROM pg_proc WHERE {OURS} AND has_function_privilege(oid, 'EXECUTE') ORDER BY proname"
    assert [record["proname"] for record in await app.fetch(mine)] == ["chained", "provided", "uuid7"]


async def test_functions_that_are_made_later_are_closed_to_the_public_too(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert not await owner.fetchval("SELECT has_function_privilege('public', 'later()', 'EXECUTE')")
    await transaction.rollback()


async def test_every_function_pins_where_it_looks_for_names(app: "asyncpg.Connection[asyncpg.Record]") -> None:
    loose = f"""
        SELECT proname FROM pg_proc
        WHERE {OURS} AND prokind <> 'a' AND NOT coalesce(array_to_string(proconfig, ',') LIKE '%search_path=%', false)
    """
    assert await app.fetch(loose) == []


async def test_a_trigger_function_cannot_be_hung_on_a_temporary_table(
    app: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await app.execute("CREATE TEMPORARY TABLE mine (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TRIGGER mine AFTER INSERT ON mine EXECUTE FUNCTION refuse_change()")
