"""Plans that were made for an almost empty table do not outlive its growth."""

import asyncio

import asyncpg

from domain.kernel.pool import PLANNED_ANEW, Readers
from tests.support.server import Server


async def test_what_is_prepared_is_planned_anew_ever_more_seldom(server: Server, database_name: str) -> None:
    said: list[str] = []

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        driver = await asyncpg.connect(server.app_url(database_name))
        driver.add_query_logger(lambda record: said.append(record.query))
        return driver

    readers = Readers(connect, size=1, patience=5)
    found = []
    for use in range(1, 300):
        await readers.fetch("SELECT $1::int", [use])
        await asyncio.sleep(0)  # the driver tells what was said a moment later
        found += [use] if PLANNED_ANEW in said[-2:] and (not found or use > found[-1] + 1) else []
    await readers.close()
    assert found == [4, 16, 64, 256]


async def test_a_foreign_key_is_looked_up_by_its_index_once_there_are_rows(server: Server, fresh_name: str) -> None:
    """Postgres keeps the plan by which it checks a foreign key for as long as the connection lives."""

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(server.owner_url(fresh_name))

    owner = await connect()
    await owner.execute("""
        CREATE TABLE above (id int PRIMARY KEY); CREATE TABLE below (above int REFERENCES above);
        INSERT INTO above VALUES (0); ANALYZE above;
        ALTER TABLE above SET (autovacuum_enabled = off)""")
    readers = Readers(connect, size=1, patience=5)
    for _ in range(10):  # Postgres keeps a plan that was as good as others a few times
        await readers.fetch("INSERT INTO below VALUES (0)", [])
    await owner.execute("INSERT INTO above SELECT generate_series(1, 20000)")
    for _ in range(10):  # the 16th use among them
        await readers.fetch("INSERT INTO below VALUES (19999)", [])

    async def read_from_end_to_end() -> int:
        await owner.execute("SELECT pg_stat_force_next_flush()")
        return await owner.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'above'")

    async with readers.use() as driver:
        await driver.execute("SELECT pg_stat_force_next_flush()")
    before = await read_from_end_to_end()
    for _ in range(20):
        await readers.fetch("INSERT INTO below VALUES (19999)", [])
    async with readers.use() as driver:
        await driver.execute("SELECT pg_stat_force_next_flush()")
    assert await read_from_end_to_end() == before
    await readers.close()
    await owner.close()
