"""A real Postgres for every test: one template per run, a clone per module, the API on a real port.

The embedded server is used unless DATABASE_URL and DATABASE_ADMIN_URL name another one, whose roles must be two: one
that may create databases, and the application's.
"""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import uvloop

from api import logs
from api.graphql.documents import Documents
from api.graphql.schema import built
from domain import business, ledger
from domain.kernel.database import Database
from domain.kernel.postgres import running
from domain.kernel.work import SYSTEM, begin
from migrations.run import migrate
from tests.support.api import Api, serving
from tests.support.server import Server

ROOT = Path(__file__).parent.parent
logs.configure("error", "text")
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the loop that `waterline serve` runs on


LONG = (
    "kernel/test_postgres",
    "journeys/test_import_baskets",
    "journeys/test_crash",
    "engine/test_counted",
    "engine/test_differential",
    "journeys/test_up",
    "journeys/test_tour",
    "stock/test_races",
    "ledger/test_chain",
    "engine/test_plans",
    "journeys/test_stopping",
    "stock/test_model_mutants",
    "engine/test_acts",
    "stock/test_content_races",
    "ledger/test_exports",
)
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers begin with the files that take long: at the end, none waits for one that is at such a file."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        names = [str(ROOT / "tests" / f"{name}.py") for name in LONG]
        items.sort(key=lambda item: names.index(str(item.path)) if str(item.path) in names else len(names))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A Postgres server of this worker's own: on a shared one, an open write anywhere delays every event log."""
    if os.environ.get("DATABASE_URL"):
        yield Server(os.environ["DATABASE_ADMIN_URL"], os.environ["DATABASE_URL"])
        return
    home = Path(os.environ.get("WATERLINE_TEST_HOME") or ROOT / ".waterline" / "test")
    home = home.with_name(home.name + os.environ.get("PYTEST_XDIST_WORKER", ""))
    with running(home, say=lambda _: None) as cluster:
        _hurry(home / "postgres" / "data")
        yield Server(cluster.url("owner"), cluster.url("app"))


HURRY = "fsync = off\nfull_page_writes = off\nfile_copy_method = clone\n"
"""What is lost with the machine may be lost here: it is most of what a database for a test costs. Whatever kills
servers starts some of its own.
"""


def _hurry(data: Path) -> None:
    """Have the tests' own server write no more carefully than its tests need."""
    settings = data / "postgresql.conf"
    if HURRY not in settings.read_text():
        with settings.open("a") as added:
            added.write(HURRY)
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)


@pytest.fixture(scope="session")
async def template(server: Server) -> str:
    """A migrated database with the foundation in it, made once for each state of the migrations."""
    sources = sorted((ROOT / "migrations").rglob("*.py")) + sorted((ROOT / "domain").rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    name = f"waterline_template_{digest}"
    async with server.administrator() as admin:
        await admin.execute("SELECT pg_advisory_lock(815)")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await server.drop_leftovers(admin)
            await admin.execute(f"CREATE DATABASE {name}_raw")
            await _prepare(server, f"{name}_raw")
            await admin.execute(f"ALTER DATABASE {name}_raw RENAME TO {name}")
        await admin.execute("SELECT pg_advisory_unlock(815)")
    return name


async def _prepare(server: Server, name: str) -> None:
    await migrate(server.owner_url(name), server.app_url(name))
    database = Database(server.app_url(name), pool=1)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await business.found(work)
        await ledger.found(work)
    await database.close()


@pytest.fixture(scope="module")
async def database_name(server: Server, template: str) -> AsyncIterator[str]:
    """A database of this module's own."""
    async with server.clone(template) as name:
        yield name


@pytest.fixture
async def fresh_name(server: Server, template: str) -> AsyncIterator[str]:
    """A database of this test's own."""
    async with server.clone(template) as name:
        yield name


@pytest.fixture(scope="module")
async def database(server: Server, database_name: str) -> AsyncIterator[Database]:
    """The module's database, as the application's role."""
    opened = Database(server.app_url(database_name))
    yield opened
    await opened.close()


@pytest.fixture
async def fresh_database(server: Server, fresh_name: str) -> AsyncIterator[Database]:
    """The test's own database, as the application's role."""
    opened = Database(server.app_url(fresh_name))
    yield opened
    await opened.close()


@pytest.fixture
async def owner(server: Server, database_name: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The module's database, as the owner of its tables."""
    connection = await asyncpg.connect(server.owner_url(database_name))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def documents() -> Documents:
    """What the APIs of all modules remember of documents, none of which depends on a database."""
    return Documents(built())


@pytest.fixture(scope="module")
async def api(server: Server, database_name: str, documents: Documents) -> AsyncIterator[Api]:
    """The API on the module's database, on a real port."""
    async with serving(server.app_url(database_name), documents=documents) as running_api:
        yield running_api


@pytest.fixture
async def fresh_api(server: Server, fresh_name: str, documents: Documents) -> AsyncIterator[Api]:
    """The API on the test's own database, on a real port."""
    async with serving(server.app_url(fresh_name), documents=documents) as running_api:
        yield running_api
