"""Taking numbers without gaps by Waterline's own code: what rooms that issue documents will call."""

import asyncio
import time
from datetime import date

from domain import ledger
from domain.kernel.database import Database
from domain.kernel.ids import new_id
from domain.kernel.work import SYSTEM, begin
from domain.ledger import DocumentKind

YEAR = date(2026, 1, 1)


def run(app_url: str, *, clients: int, seconds: int | None = None, times: int | None = None) -> float:
    """Numbers per second, over so many seconds or so many times by each client: one act each, all of one series."""
    return asyncio.run(_run(app_url, clients, seconds, times))


async def _run(app_url: str, clients: int, seconds: int | None, times: int | None) -> float:
    database = Database(app_url, pool=clients)
    try:
        await asyncio.gather(*(_connect(database) for _ in range(clients)))
        began = time.perf_counter()
        ends = began + (seconds or float("inf"))
        taken = await asyncio.gather(*(_writer(database, ends, times) for _ in range(clients)))
        return sum(taken) / (time.perf_counter() - began)
    finally:
        await database.close()


async def _connect(database: Database) -> None:
    """Everybody has a connection before the clock runs, as pgbench's clients have."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM):
        await asyncio.sleep(0.2)


async def _writer(database: Database, ends: float, times: int | None) -> int:
    taken = 0
    async with database.connection() as connection:
        while time.perf_counter() < ends and (times is None or taken < times):
            async with begin(connection, actor=SYSTEM) as work:
                ledger.number(work, DocumentKind.INVOICE, [new_id("doc")], on=YEAR)
            taken += 1
    return taken
