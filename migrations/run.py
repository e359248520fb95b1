"""Bring a database to the present shape: `waterline migrate`, and every start of the embedded database."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from domain.kernel import grants
from domain.kernel.database import Database
from domain.kernel.errors import Trouble

# Two processes that migrate at once take turns on this advisory lock. The number is arbitrary, but the same for all.
_TURN = 5_271_009


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


def newest() -> str:
    """The revision that this code wants."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None
    return head


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
                async with connection.begin():
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
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if present is not None and present not in known:
        raise Trouble(
            f"The database is at revision {present}, which this Waterline does not know: a newer one migrated it.",
            "Run the newer Waterline, or restore a backup made with this one.",
        )
    command.upgrade(config(connection), "head")
