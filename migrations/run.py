"""Bring a database to the present shape: `waterline migrate`, and every start of the embedded database.

Most of the time it has that shape already. Alembic, which takes a while to import, is for when it has not.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

import domain.tables  # noqa: F401  rights are given for every table that is declared
from domain.kernel import grants
from domain.kernel.database import Database, transaction
from domain.kernel.errors import Trouble

if TYPE_CHECKING:
    from alembic.config import Config

# Two processes that migrate at once take turns on this advisory lock. The number is arbitrary, but the same for all.
_TURN = 5_271_009


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config  # noqa: PLC0415  see above

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


def revisions() -> list[str]:
    """The revisions that this code knows, the oldest first: each file's name begins with its own."""
    return sorted(path.name.partition("_")[0] for path in Path(__file__).parent.glob("versions/[0-9]*.py"))


def newest() -> str:
    """The revision that this code wants."""
    return revisions()[-1]


async def migrate(admin_url: str, app_url: str) -> None:
    """Run what is missing as the owner of the tables, then give the application's role, and the auditor's, exactly what
    they need.

    All steps are one transaction: a failing one leaves the database as it was. Trouble when the database was migrated
    by a newer Waterline.
    """
    database = Database(admin_url, pool=1)
    try:
        await database.check()
        async with database.connection() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:turn)"), {"turn": _TURN})
            await connection.commit()
            try:
                async with transaction(connection):
                    await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
                    await connection.run_sync(_upgrade)
                    role = make_url(app_url).username
                    await grants.give(connection, role)
                    await grants.give_auditor(connection)
            finally:
                await connection.execute(text("SELECT pg_advisory_unlock(:turn)"), {"turn": _TURN})
                await connection.commit()
    except OperationalError as error:
        raise Trouble(
            f"The database could not be migrated: {error.orig}.", "Nothing was changed; try again."
        ) from error
    finally:
        await database.close()


def _upgrade(connection: Connection) -> None:
    there = connection.execute(text("SELECT to_regclass('public.alembic_version') IS NOT NULL")).scalar_one()
    present = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if there else None
    if present == newest():
        return
    if present is not None and present not in revisions():
        raise Trouble(
            f"The database is at revision {present}, which this Waterline does not know: a newer one migrated it.",
            "Run the newer Waterline, or restore a backup made with this one.",
        )
    from alembic import command  # noqa: PLC0415  see above

    command.upgrade(config(connection), "head")
