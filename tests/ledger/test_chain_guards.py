"""The chain takes the next entry of the log alone, and its digest is computed by the database: whoever inserts."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from domain.kernel.database import Database
from tests.ledger.test_chain import post, sealed, verified
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SEAL = """
INSERT INTO journal_seals (position, entry_id, event_id{digest})
SELECT {position}, entry, event{value} FROM (
  SELECT row_number() OVER (ORDER BY epoch, order_key, seq) AS place, id AS event, substr(subject, 5)::uuid AS entry
  FROM events WHERE type = 'journal_entry.posted') AS posted WHERE place {which} ORDER BY 1
"""


def seal(which: str, *, position: str = "place", value: str | None = None) -> str:
    """Seal the entries at these places of the event log."""
    given = (", digest", f", {value}") if value else ("", "")
    return SEAL.format(position=position, which=which, digest=given[0], value=given[1])


@pytest.fixture
async def journal(fresh_database: Database) -> Database:
    """Two sealed entries, and three that are not sealed yet."""
    for number in range(5):
        await post(fresh_database, f"Number {number}", "1.50")
        if number == 1:
            await sealed(fresh_database)
    return fresh_database


@pytest.fixture(params=["app", "owner"])
async def sql(request: pytest.FixtureRequest, server: Server, fresh_name: str) -> AsyncIterator[Connection]:
    """The test's own database, as the application's role and as the owner of the tables."""
    url = server.app_url(fresh_name) if request.param == "app" else server.owner_url(fresh_name)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


CHEATS = {
    "a digest of nothing": (seal("= 3", value="decode(repeat('00', 32), 'hex')"), "journal_seal_digest"),
    "the digest of the place before": (
        seal("= 3", value="(SELECT digest FROM journal_seals WHERE position = 2)"),
        "journal_seal_digest",
    ),
    "a place too far": (seal("= 3", position="place + 1"), "journal_seal_next"),
    "a place that is taken": (seal("= 3", position="2"), "pk_journal_seals"),
    "a place before the first": (seal("= 3", position="0"), "journal_seal_next"),
    "an entry passed over": (seal("= 4", position="3"), "journal_seal_next"),
    "one of several passed over": (seal("IN (3, 5)", position="3 + row_number() OVER () - 1"), "journal_seal_next"),
    "two exchanged": (seal("IN (3, 4)", position="7 - place"), "journal_seal_next"),
    "an entry twice": (seal("IN (2, 3)", position="place + 1"), "uq_journal_seals_entry_id"),
    "the event of another entry": (
        seal("= 3").replace("entry, event FROM", "entry, (SELECT event_id FROM journal_seals LIMIT 1) FROM"),
        "journal_seal_next",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
async def test_the_chain_takes_nothing_but_what_is_next(journal: Database, sql: Connection, name: str) -> None:
    statement, constraint = CHEATS[name]
    before = await sql.fetch("SELECT * FROM journal_seals ORDER BY position")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await sql.execute(statement)
    assert refused.value.constraint_name == constraint
    assert await sql.fetch("SELECT * FROM journal_seals ORDER BY position") == before
    assert await sealed(journal) == 3
    assert (await verified(journal)).entries == 5


async def test_nothing_is_sealed_that_others_may_still_precede(
    journal: Database, sql: Connection, server: Server, fresh_name: str
) -> None:
    """An act that has begun and announced nothing yet may come before what was committed since."""
    slow = await asyncpg.connect(server.app_url(fresh_name))
    running = slow.transaction()
    await running.start()
    await slow.execute("SELECT pg_current_xact_id()")
    await post(journal, "Later", "1.00")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(seal("BETWEEN 3 AND 6"))
    assert refused.value.constraint_name == "journal_seal_next"
    await running.rollback()
    await slow.close()
    await sql.execute(seal("BETWEEN 3 AND 6"))
    assert (await verified(journal)).fault is None


async def test_whoever_seals_comes_to_the_same_digests(journal: Database, sql: Connection) -> None:
    digests = "SELECT digest FROM journal_seals WHERE position IN (3, 4) ORDER BY position"
    trying = sql.transaction()
    await trying.start()
    await sql.execute(seal("IN (3, 4)"))
    by_hand = await sql.fetch(digests)
    await trying.rollback()
    assert await sealed(journal) == 3
    assert await sql.fetch(digests) == by_hand
    assert (await verified(journal)).entries == 5
