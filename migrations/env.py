"""Alembic's entry: runs the steps on the connection that `migrations.run` hands over."""

from typing import Any, Literal

from alembic import context

from domain.kernel.events import Xid8
from domain.kernel.ids import Id
from domain.kernel.rows import Choice
from domain.tables import metadata


def render(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Steps name plain database types, so that they keep their meaning when our classes change."""
    plain = {Id: "sa.UUID()", Choice: "sa.Text()", Xid8: "XID8()"}
    return plain.get(type(item), False) if kind == "type" else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
