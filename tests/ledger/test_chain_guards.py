"""A place goes to the next entry of the log alone, whoever inserts; a false digest is named by who verifies."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from domain.kernel.database import Database
from tests.ledger.test_chain import post, sealed, verified
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SEAL = """
INSERT INTO journal_seals (position, entry_id, event_id, digest)
SELECT {position}, entry, event, sha256(event::text::bytea) FROM (
  SELECT row_number() OVER (ORDER BY epoch, order_key, seq) AS place, id AS event, substr(subject, 5)::uuid AS entry
  FROM events WHERE type = 'journal_entry.posted') AS posted WHERE place {which} ORDER BY 1
"""


def seal(which: str, *, position: str = "place") -> str:
    """Seal the entries at these places of the event log, with digests of nothing."""
    return SEAL.format(position=position, which=which)


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
    "a place too far": (seal("= 3", position="place + 1"), "journal_seal_next"),
    "a place that is taken": (seal("= 3", position="2"), "pk_journal_seals"),
    "a place before the first": (seal("= 3", position="0"), "journal_seal_next"),
    "an entry passed over": (seal("= 4", position="3"), "journal_seal_next"),
    "one of several passed over": (seal("IN (3, 5)", position="3 + row_number() OVER () - 1"), "journal_seal_next"),
    "two exchanged": (seal("IN (3, 4)", position="7 - place"), "journal_seal_next"),
    "an entry twice": (seal("IN (2, 3)", position="place + 1"), "uq_journal_seals_entry_id"),
    "the event of another entry": (
        seal("= 3").replace("entry, event, ", "entry, (SELECT event_id FROM journal_seals LIMIT 1), "),
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
    assert await sealed(journal) == 4
    assert (await verified(journal)).fault is None


async def test_a_false_digest_is_named_and_the_chain_goes_on(journal: Database, sql: Connection) -> None:
    """Whoever inserts can say a wrong digest, and no place but that one is at fault."""
    await sql.execute(seal("= 3"))
    assert await sealed(journal) == 2
    found = await verified(journal)
    assert found.fault is not None
    assert (found.entries, found.fault.position) == (2, 3)
    assert "not what was sealed" in found.fault.problem
    assert (await verified(journal, 4)).fault is None
