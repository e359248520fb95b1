"""Where the database is: the embedded Postgres of a home, or the server that DATABASE_URL names."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from domain import business, ledger
from domain.kernel import events
from domain.kernel.database import Database, raw
from domain.kernel.errors import Trouble
from domain.kernel.postgres import Cluster, is_there, running
from domain.kernel.settings import Settings
from domain.kernel.work import SYSTEM, begin
from migrations.run import migrate, newest


@dataclass(frozen=True)
class Place:
    """The addresses of one database: for the application, and for the owner of the tables."""

    app_url: str
    admin_url: str
    cluster: Cluster | None = None
    """The embedded server, where it is that."""
    chart: ledger.Template = ledger.Template.RETAIL
    """The chart of accounts that the business begins with, where it has none yet."""


@contextmanager
def place(settings: Settings, *, may_be_new: bool = False) -> Iterator[Place]:
    """The database of these settings, running. The embedded one is started, and stopped by its last user.

    Trouble where there is none and it may not be made: what somebody mistyped is no empty shop.
    """
    chart = ledger.Template(settings.chart)
    with ExitStack() as stack:
        if settings.database_url is None:
            cluster = stack.enter_context(running(home_of(settings, may_be_new=may_be_new)))
            yield Place(cluster.url("app"), cluster.url("owner"), cluster, chart)
            return
        if settings.database_admin_url is None:
            sys.stderr.write(
                "DATABASE_ADMIN_URL is not set: the application's own role owns the tables, so only triggers protect"
                " the ledgers from it.\n"
            )
        yield Place(settings.database_url, settings.database_admin_url or settings.database_url, chart=chart)


def home_of(settings: Settings, *, may_be_new: bool = False) -> Path:
    """The folder of the embedded database. Trouble where it has none and it may not be made."""
    home = settings.waterline_home.expanduser().absolute()
    if not may_be_new and not is_there(home):
        remedy = "Check WATERLINE_HOME, or make one: `waterline up` with a demo shop, `waterline migrate` without."
        raise Trouble(f"There is no database in {home}.", remedy)
    return home


async def demand_migrated(database: Database) -> None:
    """Make sure that the database has the shape this code wants; Trouble otherwise. Who looks at a database, or adds a
    token to it, never changes its shape in passing: others work on it, perhaps with an older Waterline.
    """
    if await _revision_of(database) != newest():
        raise Trouble("The database does not have the shape this Waterline wants.", "Run `waterline migrate` first.")


async def demand_founded(database: Database) -> None:
    """Make sure that there is a shop in the database, of whatever shape; Trouble otherwise."""
    if await _revision_of(database) is None:
        raise Trouble("There is no shop in this database.", "Check DATABASE_URL, or make one: `waterline migrate`.")


async def _revision_of(database: Database) -> str | None:
    """The revision that the database is at; None where there is nothing in it yet."""
    async with database.connection() as connection:
        known = await connection.execute(text("SELECT to_regclass('public.alembic_version') IS NOT NULL"))
        if not known.scalar_one():
            return None
        return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()


async def prepare(where: Place) -> None:
    """Bring the database to the present shape and lay the foundation. Whatever is there already stays."""
    await migrate(where.admin_url, where.app_url)
    database = Database(where.app_url, pool=1)
    try:
        await database.check()
        async with database.connection() as connection:
            await events.raise_epoch(await raw(connection))
            async with begin(connection, actor=SYSTEM) as work:
                await business.found(work)
                await ledger.found(work, where.chart)
    finally:
        await database.close()
