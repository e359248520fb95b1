"""The database of one business: its connections, and the snapshot that a query reads.

SQLAlchemy builds statements, asyncpg runs them, and the transaction is always the driver's: here alone it is begun and
ended. SQLAlchemy's side of a connection is in AUTOCOMMIT mode, in which it says neither BEGIN nor COMMIT, so whatever
runs on either side is part of the transaction that is open, from the first statement on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import orjson
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from domain.kernel.errors import Overtaken, Trouble
from domain.kernel.pool import BROKEN, Driver, Pool, Readers, Use, cut_off
from domain.kernel.writing import Prepared

OLDEST_POSTGRES = 15
POOL_SECONDS = 5
"""How long to wait for a connection while all are in use."""
STATEMENTS = 200
"""Prepared statements that a connection keeps."""
_CONNECT: dict[str, Any] = {
    "timeout": 10,
    "statement_cache_size": STATEMENTS,
    "max_cacheable_statement_size": 0,
    "max_cached_statement_lifetime": 0,
}
_SERVER_SETTINGS = {"application_name": "waterline", "jit": "off", "standard_conforming_strings": "on"}
# A statement that is a transaction by itself relies on them.
_WRITER_SETTINGS = {"default_transaction_isolation": "read committed", "default_transaction_read_only": "off"}
# A statement of several levels relies on the order of its parts, which parallel workers would mix.
_READER_SETTINGS = {"default_transaction_read_only": "on", "max_parallel_workers_per_gather": "0"}


class Database:
    """The connections to one database, for one role."""

    def __init__(self, url: str, *, pool: int = 12, readers: int = 8) -> None:
        self.url = async_url(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # what people searched for is nobody's business in a log
            json_serializer=_json,
            json_deserializer=orjson.loads,
            connect_args={**_CONNECT, "server_settings": _SERVER_SETTINGS | _WRITER_SETTINGS},
        )
        event.listen(self.engine.sync_engine, "connect", _get_ready)
        event.listen(self.engine.sync_engine, "begin", _begun)
        event.listen(self.engine.sync_engine, "before_cursor_execute", _flushed)
        self.connections: Pool[AsyncConnection] = Pool(
            self._connected, driver_of=_driver_of, close=_end, settle=settle, size=pool, patience=POOL_SECONDS
        )
        self.readers = Readers(self._reader, size=readers, patience=POOL_SECONDS)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self.connections.close()
        await self.readers.close()
        await self.engine.dispose()

    async def _connected(self) -> AsyncConnection:
        """A new connection for `connections`."""
        return await self.engine.connect()

    async def _reader(self) -> "Driver[asyncpg.Record]":
        """A new connection for `readers`. A server that turns us away by name, by password or by order is no server."""
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                self.url.set(drivername="postgresql").render_as_string(hide_password=False),
                **_CONNECT,
                server_settings=_SERVER_SETTINGS | _READER_SETTINGS,
            )
        except asyncpg.PostgresError as error:
            if str(error.sqlstate).startswith(("28", "3D", "55")):
                raise ConnectionRefusedError(str(error)) from error
            raise
        await _prepare_reader(connection)
        return connection

    def connection(self) -> Use[AsyncConnection]:
        """A connection with no transaction on it yet: what runs on it commits by itself until one is begun."""
        return self.connections.use()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement sees the same committed state, and none can write."""
        async with self.connection() as connection, snapshot(connection):
            yield connection

    async def check(self) -> None:
        """Make sure that there is a database of the right age behind the address; Trouble otherwise."""
        try:
            async with self.connection() as connection:
                version = (await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()
        except (TimeoutError, OSError, DBAPIError, asyncpg.PostgresError) as error:
            cause = getattr(error, "orig", None) or error
            reason = _without_its_class(str(cause))
            where = self.url.render_as_string(hide_password=True).replace("+asyncpg", "")
            raise Trouble(
                f"No database answers at {where}: {reason or type(cause).__name__}.",
                "Check DATABASE_URL and that the server runs, or unset it to use the embedded Postgres.",
            ) from None
        if int(version) // 10000 < OLDEST_POSTGRES:
            raise Trouble(
                f"The server is Postgres {int(version) // 10000}.", f"Waterline needs {OLDEST_POSTGRES} or newer."
            )


def _without_its_class(said: str) -> str:
    """What an error of the driver says. SQLAlchemy puts its class in front: `<class 'asyncpg.…'>: …`."""
    return said.partition(">: ")[2] if said.startswith("<class ") else said


@asynccontextmanager
async def snapshot(connection: AsyncConnection) -> AsyncIterator[None]:
    """A read-only REPEATABLE READ transaction on a connection that is between transactions."""
    driver = driver_of(connection)
    try:
        # What a snapshot shows is settled by its first statement, not by BEGIN.
        await driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1")
        yield
        await _end_snapshot(driver)
    except BaseException:
        await roll_back(driver)
        raise
    finally:
        await settle(connection)


@asynccontextmanager
async def transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """What is done on a connection that is between transactions is done whole or not at all. For what is no act: those
    begin with `work.begin`. SQLAlchemy's own `begin` would begin nothing.
    """
    driver = driver_of(connection)
    try:
        await driver.execute("BEGIN")
        yield
        await driver.execute("COMMIT")
    except BaseException:
        await roll_back(driver)
        raise
    finally:
        await settle(connection)


async def _end_snapshot(driver: "Driver[asyncpg.Record]") -> None:
    """Nothing was written, so a connection on which a statement that was cut off is still under way may go."""
    try:
        await driver.execute("COMMIT")
    except asyncpg.InterfaceError:
        driver.terminate()


async def roll_back(driver: "Driver[asyncpg.Record]") -> None:
    """No transaction is open any more, whatever was the matter: a connection that cannot say so is closed.

    Whoever cancels may do so again at every await; this is seen through all the same, by a task of its own.
    """
    leaving = asyncio.ensure_future(_rolled_back(driver))
    while not leaving.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(leaving)


async def _rolled_back(driver: "Driver[asyncpg.Record]") -> None:
    try:
        async with asyncio.timeout(POOL_SECONDS):
            if not driver.is_closed():
                await driver.execute("ROLLBACK")
    except BROKEN:
        driver.terminate()


async def settle(connection: AsyncConnection) -> None:
    """SQLAlchemy takes its first statement for the start of a transaction; that one is over too. Nothing is sent."""
    kept = _kept_with(connection)
    if kept is None:
        return
    kept.flush = None
    if kept.begun:
        kept.begun = False
        if connection.in_transaction():
            await connection.rollback()


def driver_of(connection: AsyncConnection) -> "Driver[asyncpg.Record]":
    """The asyncpg connection underneath, for those who begin and end transactions; others take it with `raw`."""
    driver = _driver_of(connection)
    if driver is None:
        raise ConnectionResetError("this connection to the database is lost")
    return driver


async def raw(connection: AsyncConnection) -> "Driver[asyncpg.Record]":
    """The asyncpg connection underneath, in the same transaction. What waits to be written has been sent."""
    kept = _kept_with(connection)
    if kept is not None and kept.flush is not None:
        await kept.flush()
    return driver_of(connection)


def flush_first(connection: AsyncConnection, flush: Callable[[], Awaitable[None]]) -> None:
    """Until it is settled, call this before anything is run on the connection, whichever way it goes."""
    kept = _kept_with(connection)
    if kept is not None:
        kept.flush = flush


def prepared_on(connection: AsyncConnection) -> Prepared:
    """What was prepared by hand on a connection, to be added to by who prepares something."""
    kept = _kept_with(connection)
    return Prepared() if kept is None else kept.prepared


def memory_of(connection: AsyncConnection) -> dict[str, Any]:
    """What this process keeps in mind of the database, from one act to the next, by names that rooms choose."""
    sync_connection = connection.sync_connection
    assert sync_connection is not None
    return vars(sync_connection.engine).setdefault(_MEMORY, {})


class _Kept:
    """What we know of a connection. To ask SQLAlchemy for its driver, `info` or transaction goes through a dozen
    properties each time, and an act asks a dozen times.
    """

    __slots__ = ("begun", "driver", "flush", "prepared")

    def __init__(self, driver: "Driver[asyncpg.Record]") -> None:
        self.driver = driver
        self.prepared = Prepared()
        self.flush: Callable[[], Awaitable[None]] | None = None
        self.begun = True  # nobody knows what it did before


def _kept_with(connection: AsyncConnection) -> _Kept | None:
    """What we know of a connection; None where it is lost. SQLAlchemy may have got another one from the server."""
    sync_connection = connection.sync_connection  # the other one is a proxy, and keeps nothing
    kept: _Kept | None = vars(sync_connection).get(_KEPT) if sync_connection is not None else None
    if kept is not None and not kept.driver.is_closed():
        return kept
    driver = None if connection.invalidated or connection.closed else connection.info.get(_DRIVER)
    if driver is None or sync_connection is None:
        return None
    if kept is None or kept.driver is not driver:
        kept = vars(sync_connection)[_KEPT] = _Kept(driver)
    return kept


def _begun(connection: Connection) -> None:
    kept: _Kept | None = vars(connection).get(_KEPT)
    if kept is not None:
        kept.begun = True


def _flushed(connection: Connection, *_: object) -> None:
    kept: _Kept | None = vars(connection).get(_KEPT)
    if kept is not None and kept.flush is not None:
        await_only(kept.flush())


def _driver_of(connection: AsyncConnection) -> "Driver[asyncpg.Record] | None":
    kept = _kept_with(connection)
    return None if kept is None else kept.driver


_DRIVER, _KEPT, _MEMORY = "waterline.driver", "waterline.kept", "waterline.memory"


async def _end(connection: AsyncConnection) -> None:
    """A connection is closed. Whoever cancels must not stop it halfway: SQLAlchemy would keep half of it."""
    driver = _driver_of(connection)
    if driver is not None:
        await cut_off(driver)
    await asyncio.shield(asyncio.ensure_future(connection.close()))


def collided(error: BaseException) -> bool:
    """Whether an act is to begin anew: another one was faster, or the database ended it because they waited for each
    other.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Overtaken) or getattr(cause, "sqlstate", None) in ("40P01", "40001"):
            return True
        cause = getattr(cause, "orig", None) or cause.__cause__
    return False


def async_url(url: str) -> URL:
    """The address as SQLAlchemy wants it."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def _get_ready(dbapi_connection: Any, record: Any) -> None:
    """Remember the driver's side: to ask SQLAlchemy for it each time costs as much as half a statement."""
    record.info[_DRIVER] = dbapi_connection.driver_connection
    dbapi_connection.run_async(_prepare)


async def _prepare(connection: Any) -> None:
    """Read and write uuids as 32 hexadecimal digits: what `Id` needs, and cheaper than UUID objects."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=bytes.fromhex, decoder=bytes.hex, format="binary"
    )


async def _prepare_reader(connection: Any) -> None:
    """Readers bring the same values as the engine's connections do."""
    await _prepare(connection)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_json, decoder=orjson.loads, format="text")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
