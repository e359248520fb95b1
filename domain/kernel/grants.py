"""What the application's role may do: no more than it needs, said once per table in the table's own declaration.

The role owns nothing. Tables with `info={"append_only": True}` give it SELECT and INSERT; triggers keep everyone else,
their owner included, from changing such rows by ordinary statements. `info={"update": ("state",)}` lets the role insert
rows and change just these columns; `"insert"` beside it names the only columns it may fill. `info=READ_ONLY` is for
tables that nothing but triggers write.

Beside it there may be a role for auditors: it reads the tables that say `BOOKS`, and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.postgres.founding import ROLES
from domain.kernel.rows import Row

APPEND_ONLY = {"append_only": True}
"""The `info` of a table whose rows are never changed or deleted."""
READ_ONLY = {"read_only": True}
"""The `info` of a table that follows from others: triggers write it, and nobody else."""
BOOKS = {"books": True}
"""Joined to the `info` of a table that is part of the books: auditors read it. No person is named in it."""


Right = tuple[str, str, str]
"""A table or sequence, what may be done with it, and the one column for which that is said; "" for all of it."""

_PRESENT = """
SELECT relation.relname, given.privilege_type, '' FROM pg_class AS relation
CROSS JOIN LATERAL aclexplode(relation.relacl) AS given
WHERE relation.relnamespace = 'public'::regnamespace AND given.grantee = CAST(:role AS regrole)
UNION ALL
SELECT relation.relname, given.privilege_type, field.attname FROM pg_class AS relation
JOIN pg_attribute AS field ON field.attrelid = relation.oid
CROSS JOIN LATERAL aclexplode(field.attacl) AS given
WHERE relation.relnamespace = 'public'::regnamespace AND given.grantee = CAST(:role AS regrole)
"""
_RELATIONS = """
SELECT relname, relkind = 'S' AS is_sequence FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
"""
_MAY_ENTER = "SELECT has_schema_privilege(:role, 'public', 'USAGE')"
_FUNCTIONS = ("uuid7()", "provided(boolean, text)", "chained(bytea, bytea)")
"""What the application's role calls by name."""
_MAY_CALL = "SELECT has_function_privilege(:role, :function, 'EXECUTE')"


async def give(connection: AsyncConnection, role: str | None) -> None:
    """Give the role its rights, and take away what it no longer needs: what is right already is not touched, so that
    nobody who works meanwhile notices. Nothing to do when the role is the owner.
    """
    owner = (await connection.execute(text("SELECT current_user"))).scalar_one()
    if role is None or role == owner:
        return
    relations = (await connection.execute(text(_RELATIONS))).all()
    wanted = {(name, "USAGE" if is_sequence else "SELECT", "") for name, is_sequence in relations}
    wanted |= {right for table in Row.metadata.sorted_tables for right in _rights(table.name, table.info)}
    await _change(connection, role, wanted)
    quoted = _quote(connection, role)
    for function in _FUNCTIONS:
        if not (await connection.execute(text(_MAY_CALL), {"role": role, "function": function})).scalar_one():
            await connection.execute(text(f"GRANT EXECUTE ON FUNCTION {function} TO {quoted}"))


async def give_auditor(connection: AsyncConnection) -> None:
    """Let the auditor's role read the books and nothing else. Nothing to do on a server that has no such role."""
    role = ROLES["auditor"]
    there = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
    if not (await connection.execute(there, {"role": role})).scalar_one():
        return
    books = [table.name for table in Row.metadata.sorted_tables if table.info.get("books")]
    await _change(connection, role, {(name, "SELECT", "") for name in books})
    database = (await connection.execute(text("SELECT current_database()"))).scalar_one()
    may_connect = text("SELECT has_database_privilege(:role, current_database(), 'CONNECT')")
    if not (await connection.execute(may_connect, {"role": role})).scalar_one():
        await connection.execute(text(f"GRANT CONNECT ON DATABASE {_quote(connection, database)} TO {role}"))


async def _change(connection: AsyncConnection, role: str, wanted: set[Right]) -> None:
    """The role has these rights in the schema, and no others."""
    quoted = _quote(connection, role)
    if not (await connection.execute(text(_MAY_ENTER), {"role": role})).scalar_one():
        await connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {quoted}"))
    rows = (await connection.execute(text(_PRESENT), {"role": quoted})).all()
    present: set[Right] = {(name, right, column) for name, right, column in rows}
    for verb, way, rights in (("REVOKE", "FROM", present - wanted), ("GRANT", "TO", wanted - present)):
        for name, right, column in sorted(rights):
            what = f"{'SEQUENCE ' if right == 'USAGE' else ''}{_quote(connection, name)}"  # nothing else can be used
            said = f"{right} ({_quote(connection, column)})" if column else right
            await connection.execute(text(f"{verb} {said} ON {what} {way} {quoted}"))


def _quote(connection: AsyncConnection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _rights(name: str, info: Mapping[str, Any]) -> set[Right]:
    """What the application's role may do with a table beside reading it."""
    if info.get("read_only"):
        return set()
    if info.get("append_only"):
        return {(name, "INSERT", "")}
    if "update" not in info:
        return {(name, right, "") for right in ("INSERT", "UPDATE", "DELETE")}
    insert = {(name, "INSERT", column) for column in info["insert"]} if "insert" in info else {(name, "INSERT", "")}
    return insert | {(name, "UPDATE", column) for column in info["update"]}
