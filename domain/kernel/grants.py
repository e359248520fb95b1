"""What the application's role may do: no more than it needs, said once per table in the table's own declaration.

The role owns nothing. Tables with `info={"append_only": True}` give it SELECT and INSERT; triggers keep everyone else,
their owner included, from changing such rows by ordinary statements. `info={"update": ("state",)}` lets the role insert
rows and change just these columns.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.rows import Row

APPEND_ONLY = {"append_only": True}
"""The `info` of a table whose rows are never changed or deleted."""


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
    for table in Row.metadata.sorted_tables:
        rights = "INSERT" if table.info.get("append_only") else "INSERT, UPDATE, DELETE"
        if "update" in table.info:
            rights = f"INSERT, UPDATE ({', '.join(table.info['update'])})"
        statements.append(f"GRANT {rights} ON {table.name} TO {quoted}")
    for statement in statements:
        await connection.execute(text(statement))
