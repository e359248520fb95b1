"""The database of one business: a pool of connections, and the snapshot that a query reads.

SQLAlchemy builds statements and keeps the pool; asyncpg runs them. The two share one connection and one transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.kernel.errors import Trouble
from domain.kernel.readers import Readers

OLDEST_POSTGRES = 15
POOL_SECONDS = 5
"""How long to wait for a connection while all are in use."""
STATEMENTS = 200
"""Prepared statements that a reader keeps."""
_SERVER_SETTINGS = {"application_name": "waterline", "jit": "off"}
# A statement of several levels relies on the order of its parts, which parallel workers would mix.
_READER_SETTINGS = {"default_transaction_read_only": "on", "max_parallel_workers_per_gather": "0"}


class Database:
    """One pool on one database, for one role."""

    def __init__(self, url: str, *, pool: int = 12, readers: int = 8) -> None:
        self.url = async_url(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool,
            max_overflow=0,
            hide_parameters=True,  # what people searched for is nobody's business in a log
            pool_timeout=POOL_SECONDS,
            json_serializer=_json,
            json_deserializer=orjson.loads,
            connect_args={"timeout": 10, "server_settings": _SERVER_SETTINGS},
        )
        event.listen(self.engine.sync_engine, "connect", _hex_uuids)
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self.readers = Readers(self._reader, size=readers, patience=POOL_SECONDS)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self.engine.dispose()
        await self.readers.close()

    async def _reader(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A new connection for `readers`."""
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self.url.set(drivername="postgresql").render_as_string(hide_password=False),
            statement_cache_size=STATEMENTS,
            max_cacheable_statement_size=0,
            timeout=10,
            server_settings=_SERVER_SETTINGS | _READER_SETTINGS,
        )
        await _prepare_reader(connection)
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection from the pool, with no transaction on it yet."""
        async with self.engine.connect() as connection:
            yield connection

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
            reason = str(cause).partition(": ")[2] if isinstance(error, DBAPIError) else str(cause)
            where = self.url.render_as_string(hide_password=True).replace("+asyncpg", "")
            raise Trouble(
                f"No database answers at {where}: {reason or type(cause).__name__}.",
                "Check DATABASE_URL and that the server runs, or unset it to use the embedded Postgres.",
            ) from None
        if int(version) // 10000 < OLDEST_POSTGRES:
            raise Trouble(
                f"The server is Postgres {int(version) // 10000}.", f"Waterline needs {OLDEST_POSTGRES} or newer."
            )


@asynccontextmanager
async def snapshot(connection: AsyncConnection) -> AsyncIterator[None]:
    """A read-only REPEATABLE READ transaction on a connection that is between transactions."""
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with connection.begin():
        # SQLAlchemy's adapter sends BEGIN with its first statement: what the driver ran before would be no part of it.
        await connection.exec_driver_sql("SELECT 1")
        yield


async def raw(connection: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The asyncpg connection underneath, in the same transaction.

    The transaction must have been begun through SQLAlchemy's side first: its adapter sends BEGIN with the first
    statement, and a statement sent past it before that would commit on its own.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return driver


def collided(error: BaseException) -> bool:
    """Whether the database ended a transaction because it and another one waited for each other."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "sqlstate", None) in ("40P01", "40001"):
            return True
        cause = getattr(cause, "orig", None) or cause.__cause__
    return False


def async_url(url: str) -> URL:
    """The address as SQLAlchemy wants it."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def _hex_uuids(dbapi_connection: Any, _record: object) -> None:
    """Read and write uuids as 32 hexadecimal digits: what `Id` needs, and cheaper than UUID objects."""
    dbapi_connection.run_async(_prepare)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=bytes.fromhex, decoder=bytes.hex, format="binary"
    )


async def _prepare_reader(connection: Any) -> None:
    """Readers bring the same values as the engine's connections do."""
    await _prepare(connection)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_json, decoder=orjson.loads, format="text")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _refuse_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """A connection whose server went away is replaced at once, without asking the server each time."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError
