"""A database is brought to the present shape whole or not at all, and nobody who works on it meanwhile notices."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from api.surroundings import demand_founded, demand_migrated
from domain.kernel import grants
from domain.kernel.database import Database
from domain.kernel.errors import Trouble
from migrations.run import migrate, newest
from tests.support.server import Server

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

RIGHTS = "SELECT oid, xmin::text, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
VERSION = "SELECT version_num FROM alembic_version"


@pytest.fixture
async def plain(server: Server, fresh_name: str) -> AsyncIterator[str]:
    """A database with nothing in it."""
    name = f"{fresh_name}_plain"
    async with server.administrator() as admin:
        await admin.execute(f"CREATE DATABASE {name}")
        yield name
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def behind(server: Server, fresh_name: str) -> AsyncIterator[Owner]:
    """The test's own database, as the owner of its tables."""
    connection = await asyncpg.connect(server.owner_url(fresh_name))
    yield connection
    await connection.close()


async def test_a_step_that_fails_leaves_the_database_as_it_was(
    server: Server, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the last step fails")

    urls = server.owner_url(plain), server.app_url(plain)
    with monkeypatch.context() as patch:
        patch.setattr(grants, "give_auditor", broken)
        with pytest.raises(RuntimeError):
            await migrate(*urls)
    connection = await asyncpg.connect(urls[0])
    try:
        count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert await connection.fetchval(count) == 0
        await migrate(*urls)
        assert await connection.fetchval(VERSION) == newest()
    finally:
        await connection.close()


async def test_what_is_right_already_is_not_touched(server: Server, fresh_name: str, behind: Owner) -> None:
    before = await behind.fetch(RIGHTS)
    await migrate(server.owner_url(fresh_name), server.app_url(fresh_name))
    assert await behind.fetch(RIGHTS) == before


async def test_rights_that_somebody_gave_or_took_are_put_right(server: Server, fresh_name: str, behind: Owner) -> None:
    app, auditor = "waterline_app", "waterline_auditor"
    privileges = """SELECT table_name, privilege_type, grantee FROM information_schema.table_privileges
      WHERE table_schema = 'public' UNION ALL SELECT table_name || '.' || column_name, privilege_type, grantee
      FROM information_schema.column_privileges WHERE table_schema = 'public' ORDER BY 1, 2, 3"""
    before = await behind.fetch(privileges)
    for statement in (
        f"REVOKE INSERT ON products FROM {app}",
        f"GRANT UPDATE, TRUNCATE ON journal_entries TO {app}",
        f"GRANT UPDATE (act) ON events TO {app}",
        f"REVOKE SELECT ON journal_lines FROM {auditor}",
        f"GRANT SELECT ON customers TO {auditor}",
    ):
        await behind.execute(statement)
    assert await behind.fetch(privileges) != before
    await migrate(server.owner_url(fresh_name), server.app_url(fresh_name))
    assert await behind.fetch(privileges) == before


async def test_who_only_looks_migrates_nothing(server: Server, fresh_name: str, behind: Owner) -> None:
    database = Database(server.app_url(fresh_name), pool=1)
    await demand_migrated(database)
    await behind.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(Trouble, match="does not have the shape"):
        await demand_migrated(database)
    await demand_founded(database)
    assert await behind.fetchval(VERSION) == "0001"
    await database.close()


async def test_what_is_empty_is_no_shop(server: Server, plain: str) -> None:
    database = Database(server.app_url(plain), pool=1)
    for demand in (demand_migrated, demand_founded):
        with pytest.raises(Trouble):
            await demand(database)
    await database.close()
