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


async def give(connection: AsyncConnection, role: str | None) -> None:
    """Give the role its rights, and take away what it no longer needs. Nothing to do when the role is the owner."""
    owner = (await connection.execute(text("SELECT current_user"))).scalar_one()
    if role is None or role == owner:
        return
    quoted = connection.dialect.identifier_preparer.quote_identifier(role)
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
        f"GRANT EXECUTE ON FUNCTION uuid7() TO {quoted}",
    ]
    rights = {table.name: _rights(table.info) for table in Row.metadata.sorted_tables}
    statements += [f"GRANT {given} ON {name} TO {quoted}" for name, given in rights.items() if given]
    for statement in statements:
        await connection.execute(text(statement))


async def give_auditor(connection: AsyncConnection) -> None:
    """Let the auditor's role read the books and nothing else. Nothing to do on a server that has no such role."""
    role = ROLES["auditor"]
    there = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
    if not (await connection.execute(there, {"role": role})).scalar_one():
        return
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = (await connection.execute(text("SELECT current_database()"))).scalar_one()
    books = ", ".join(table.name for table in Row.metadata.sorted_tables if table.info.get("books"))
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}",
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM {role}",
        f"GRANT CONNECT ON DATABASE {quote(database)} TO {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON {books} TO {role}",
    ]
    for statement in statements:
        await connection.execute(text(statement))


def _rights(info: Mapping[str, Any]) -> str:
    """What the role may do with a table beside reading it."""
    if info.get("read_only"):
        return ""
    if info.get("append_only"):
        return "INSERT"
    if "update" not in info:
        return "INSERT, UPDATE, DELETE"
    insert = f"INSERT ({', '.join(info['insert'])})" if "insert" in info else "INSERT"
    return f"{insert}, UPDATE ({', '.join(info['update'])})"
