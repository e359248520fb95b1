"""The sealing writer: gives every entry its gapless place in the journal and its digest, after its commit.

It reads the event log as any reader does, from the last entry it has sealed, so it misses none and never comes before
one that is still being committed. One writer at a time: others leave at once. The database takes nothing but the next
entries of the log, and computes their digests itself, whoever inserts.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import events
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.kernel.invariants import invariant
from domain.kernel.work import Work
from domain.ledger import balances
from domain.ledger.events import JournalEntryPosted, JournalEntrySealed

AT_ONCE = 1_000
"""Entries sealed in one act, unless said otherwise."""

_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('ledger.seal', 0))"
_LAST = "SELECT position, event_id FROM journal_seals ORDER BY position DESC LIMIT 1"
_SEAL = """
INSERT INTO journal_seals (position, entry_id, event_id)
SELECT $1 + n, entry, event FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS given(entry, event, n) ORDER BY n
RETURNING digest
"""
_UNSEALED = f"SELECT count(*) FROM ({balances.UNSEALED}) AS unsealed"  # noqa: S608  no outside text in it


async def seal(work: Work, *, at_once: int = AT_ONCE) -> int:
    """The next committed entries, at most so many, have their places and digests; returns how many.

    0 as well while another writer is at it. The last place and its digest are announced.
    """
    if not await work.raw.fetchval(_TURN):
        return 0
    last = await work.raw.fetchrow(_LAST)
    position, after = 0, events.START
    if last is not None:
        position, after = last["position"], await events.position_of(work.connection, ID("evt_" + last["event_id"]))
    posted = await events.read(work.connection, after=after, limit=at_once, types=[JournalEntryPosted.type])
    if not posted:
        return 0
    entries = [event.subject[4:] for event in posted]
    sealed = await work.raw.fetch(_SEAL, position, entries, [event.id[4:] for event in posted])
    digest = sealed[-1]["digest"].hex()
    work.announce(JournalEntrySealed(ID(posted[-1].subject), position=position + len(sealed), digest=digest))
    return len(sealed)


invariant(
    "entries have a place in the journal",
    "Every entry is sealed, or is announced behind the last one that is: none is passed over.",
    f"""
    SELECT id, number FROM journal_entries AS entry
    WHERE NOT EXISTS (SELECT FROM journal_seals AS seal WHERE seal.entry_id = entry.id)
      AND id NOT IN ({balances.UNSEALED})
    """,  # noqa: S608  no outside text in it
)


async def unsealed(connection: AsyncConnection) -> int:
    """How many entries stand in the books and have no place in the journal yet."""
    return await (await raw(connection)).fetchval(_UNSEALED)
