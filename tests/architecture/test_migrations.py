"""The migrated database is what the tables say, and what the tables say is guarded."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic.script import ScriptDirectory

from domain.kernel import constraints
from domain.kernel.database import Database
from domain.tables import metadata
from migrations.run import config, migrate, newest, revisions
from tests.support.server import Server

ROOT = Path(__file__).parent.parent.parent

_COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text, co.collname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
LEFT JOIN pg_collation co ON co.oid = a.attcollation
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relname <> 'alembic_version' ORDER BY 1, 2
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype <> 't' AND conrelid::regclass::text <> 'alembic_version'
  AND contype <> 'n' ORDER BY 1, 2
"""
_INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2
"""
_TABLES = """
SELECT relname, relpersistence::text, reloptions FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'alembic_version' ORDER BY 1
"""


async def _shape(url: str) -> dict[str, list[tuple[Any, ...]]]:
    connection = await asyncpg.connect(url)
    try:
        queries = {"tables": _TABLES, "columns": _COLUMNS, "constraints": _CONSTRAINTS, "indexes": _INDEXES}
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in queries.items()}
    finally:
        await connection.close()


GUARDED = {"fk_journal_entries_period_id", "fk_journal_lines_entry_id"}
"""References without a foreign key: guards see to them, which read what is named anyway (decision 19)."""


async def test_migrations_equal_the_tables(server: Server, template: str, fresh_name: str) -> None:
    async with server.administrator() as admin:
        await admin.execute(f"CREATE DATABASE {fresh_name}_plain")
    try:
        plain = Database(server.owner_url(f"{fresh_name}_plain"), pool=1)
        async with plain.connection() as connection, connection.begin():
            await connection.run_sync(metadata.create_all)
        await plain.close()
        declared = await _shape(server.owner_url(f"{fresh_name}_plain"))
        migrated = await _shape(server.owner_url(fresh_name))
        declared["constraints"] = [row for row in declared["constraints"] if row[1] not in GUARDED]
        for what, rows in declared.items():
            assert migrated[what] == rows, f"{what} differ: write a migration"
    finally:
        async with server.administrator() as admin:
            await admin.execute(f"DROP DATABASE {fresh_name}_plain WITH (FORCE)")


async def test_migrating_again_changes_nothing(server: Server, fresh_name: str) -> None:
    before = await _shape(server.owner_url(fresh_name))
    await migrate(server.owner_url(fresh_name), server.app_url(fresh_name))
    assert await _shape(server.owner_url(fresh_name)) == before
    connection = await asyncpg.connect(server.app_url(fresh_name))
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == newest()
    await connection.close()


def test_every_unique_rule_has_a_sentence_for_the_caller() -> None:
    """A race that slips past an operation's own check must still end in a refusal, not in a fault of ours."""
    inner = {"uq_access_tokens_hash", "ix_events_order"}  # 256 random bits; the log's own order
    unique = {index.name for table in metadata.sorted_tables for index in table.indexes if index.unique}
    unique |= {
        str(constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if type(constraint).__name__ == "UniqueConstraint"
    }
    assert unique - inner <= constraints.explained()


def test_every_explanation_names_a_real_constraint() -> None:
    names = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    names |= {
        str(metadata.naming_convention and constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
    }
    raised = " ".join(path.read_text() for path in (ROOT / "migrations" / "versions").glob("*.py"))
    assert {name for name in constraints.explained() - names if f"'{name}'" not in raised} == set()


def test_the_names_of_the_files_are_the_revisions() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert revisions() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert newest() == scripts.get_current_head()
