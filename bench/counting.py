"""How many statements and round trips a request costs: counted where they arrive, in the server's own log.

So it does not matter which driver or pool sends them. Waterline is counted on a server without housekeeping. What tails
of event logs and the housekeeping of other servers say meanwhile, on connections that speak when nobody asks, is left
out; the median takes away what slips through.
"""

import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from bench.database import Server

WARM, COUNTED = 8, 7
"""Requests that prepare statements and fill caches first, and requests that are counted."""
QUIET_SECONDS, SETTLE_SECONDS = 2.5, 0.05
"""How long to listen for those who speak unasked: two turns of the housekeeping; and for the echoes of an act."""

_ENTRY = re.compile(r"^\S+ \S+ \S+ \[(?P<pid>[0-9]+)\] LOG:  (?:statement|execute [^:]*): (?P<text>.*)")
_CONTROL = re.compile(r"(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET TRANSACTION)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Count:
    """What one request costs."""

    statements: int
    """Statements, without those that begin and end transactions."""
    round_trips: int
    """Messages that the process waits for, those that begin and end transactions included."""


class Counter:
    """Counts while statements are logged."""

    def __init__(self, server: Server) -> None:
        self._log = server.log
        self._background: set[int] | None = None

    def count(self, ask: Callable[[], object]) -> Count:
        """What one call of `ask` costs: the median of a few, once everything is warm."""
        for _ in range(WARM):
            ask()
        if self._background is None:
            self._background = {pid for pid, _ in self._during(lambda: time.sleep(QUIET_SECONDS))}
        counts = []
        for _ in range(COUNTED):
            texts = [text for pid, text in self._during(ask) if pid not in self._background]
            parts = [part.strip() for text in texts for part in text.split(";") if part.strip()]
            counts.append((sum(not _CONTROL.match(part) for part in parts), len(texts)))
        return Count(*(int(statistics.median(each)) for each in zip(*counts, strict=True)))

    def _during(self, act: Callable[[], object]) -> Iterator[tuple[int, str]]:
        time.sleep(SETTLE_SECONDS)
        begun = self._log.stat().st_size
        act()
        time.sleep(SETTLE_SECONDS)
        with self._log.open("rb") as log:
            log.seek(begun)
            lines = log.read().decode(errors="replace").splitlines()
        entry: tuple[int, str] | None = None
        for line in lines:
            if entry is not None and line.startswith("\t"):
                entry = entry[0], f"{entry[1]}\n{line}"
                continue
            if entry is not None:
                yield entry
            found = _ENTRY.match(line)
            entry = (int(found["pid"]), found["text"]) if found else None
        if entry is not None:
            yield entry


@contextmanager
def logged(server: Server, run: Callable[..., object]) -> Iterator[Counter]:
    """Every statement is logged while the block lasts. `run` runs a coroutine."""
    run(_set(server, "ALTER SYSTEM SET log_statement = 'all'"))
    try:
        yield Counter(server)
    finally:
        run(_set(server, "ALTER SYSTEM RESET log_statement"))


async def _set(server: Server, statement: str) -> None:
    connection = await asyncpg.connect(server.superuser_url)
    try:
        await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    time.sleep(SETTLE_SECONDS)  # noqa: ASYNC251  nothing else runs, and the sessions hear of it meanwhile
