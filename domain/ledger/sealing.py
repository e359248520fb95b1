"""The sealing writer: gives every entry its gapless place in the journal and its digest, after its commit.

It reads the event log as any reader does, from the last entry it has sealed, so it misses none and never comes before
one that is still being committed. One writer at a time: others leave at once. The database gives no place to any entry
but the next one of the log, whoever inserts; whether its digest is right is for `chain` to tell.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel import events
from domain.kernel.database import raw
from domain.kernel.ids import ID
from domain.kernel.invariants import invariant
from domain.kernel.work import Work
from domain.ledger import balances, chain
from domain.ledger.events import JournalEntryPosted, JournalEntrySealed

AT_ONCE = 1_000
"""Entries sealed in one act, unless said otherwise."""

_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('ledger.seal', 0))"
_LAST = "SELECT position, event_id, digest FROM journal_seals ORDER BY position DESC LIMIT 1"
_SEAL = f"""
WITH waiting AS (
  SELECT row_number() OVER (ORDER BY epoch, events.order_key, seq) AS n, id AS event_id,
    substr(subject, 5)::uuid AS entry_id
  FROM events WHERE type = '{JournalEntryPosted.type}'
    AND (epoch, order_key, seq) > ($3, $4::text::xid8, $5) AND {events.READABLE}
  ORDER BY epoch, events.order_key, seq LIMIT $6
), sealed AS (
  INSERT INTO journal_seals (position, entry_id, event_id, digest)
  SELECT $1 + n, entry_id, event_id, chained({chain.canonical("waiting.entry_id")}, $2) OVER (ORDER BY n) FROM waiting
  RETURNING position, entry_id, digest
)
SELECT position, entry_id, digest FROM sealed ORDER BY position DESC LIMIT 1
"""  # noqa: S608  no outside text in it
_UNSEALED = f"SELECT count(*) FROM ({balances.UNSEALED}) AS unsealed"  # noqa: S608  no outside text in it


async def seal(work: Work, *, at_once: int = AT_ONCE) -> int:
    """The next committed entries, at most so many, have their places and digests; returns how many.

    0 as well while another writer is at it. The last place and its digest are announced.
    """
    if not await work.raw.fetchval(_TURN):
        return 0
    last = await work.raw.fetchrow(_LAST)
    position, digest, after = 0, chain.START, events.START
    if last is not None:
        position, digest = last["position"], last["digest"]
        after = await events.position_of(work.connection, ID("evt_" + last["event_id"]))
    place = after.epoch, str(after.order_key), after.seq
    sealed = await work.raw.fetchrow(_SEAL, position, digest, *place, at_once)
    if sealed is None:
        return 0
    entry = ID("jen_" + sealed["entry_id"])
    work.announce(JournalEntrySealed(entry, position=sealed["position"], digest=sealed["digest"].hex()))
    return sealed["position"] - position


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
