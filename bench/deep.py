"""A list of a million rows, and the place where its page 10,000 begins."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from bench.contestants import RAW, Contestant
from bench.questions import BEFORE_THE_END, DEEP_PAGE_SIZE
from bench.reference.raw import write_cursor
from domain.kernel.errors import Trouble

ROWS = 1_000_000
PAGE_NUMBER = 10_000
LARGEST_PAGE = 250

# Straight into the table: a million customers are no act that anybody does, and nothing here reads their events.
_FILL = """
INSERT INTO customers (id, name, email, created_at, updated_at)
SELECT uuid7(), 'Member ' || n, 'member.' || n || '@example.com', now() + n * interval '1 millisecond', now()
FROM generate_series(1, $1::int) AS n
"""
_PLACE = "SELECT created_at, id FROM customers ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1"


@dataclass(frozen=True)
class Deep:
    """Where page 10,000 begins, for each contestant: the cursor of the row before it."""

    cursors: dict[str, str]

    def variables(self, contestant: Contestant, *, deep: bool) -> dict[str, Any]:
        """The variables of the question for page 1 or page 10,000."""
        return {"first": DEEP_PAGE_SIZE, "after": self.cursors[contestant.name] if deep else None}


async def fill(owner_url: str, rows: int = ROWS) -> None:
    """So many customers more, behind those who are there."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(_FILL, rows, timeout=1_800)
        await connection.execute("VACUUM (ANALYZE) customers", timeout=1_800)
    finally:
        await connection.close()


async def find(owner_url: str, waterline: Contestant, *, page: int = PAGE_NUMBER) -> Deep:
    """The cursors of the row before a page. Waterline's comes from its own API: by paging back from the end."""
    connection = await asyncpg.connect(owner_url)
    try:
        behind = await connection.fetchval("SELECT count(*) FROM customers") - (page - 1) * DEEP_PAGE_SIZE
        at, row = await connection.fetchrow(_PLACE, behind)  # type: ignore[misc]  the list is longer than that
    finally:
        await connection.close()
    return Deep({RAW: write_cursor(at, row), waterline.name: _paged_back(waterline, behind + 1)})


def _paged_back(waterline: Contestant, rows: int) -> str:
    """The cursor of the row that is so many rows from the end."""
    cursor: str | None = None
    with httpx.Client() as client:
        while rows > 0:
            body = BEFORE_THE_END.body({"last": min(rows, LARGEST_PAGE), "before": cursor})
            answer = waterline.ask(client, BEFORE_THE_END, body).json()
            if "errors" in answer:
                raise Trouble(f"The long list cannot be paged backward: {answer}", "Does `make test` pass?")
            cursor = answer["data"]["customers"]["pageInfo"]["startCursor"]
            rows -= LARGEST_PAGE
    assert cursor is not None
    return cursor
