"""The sealing writer: gives every entry its gapless place in the journal, after its commit.

It reads the event log as any reader does, from the last entry it has sealed, so it misses none and never comes before
one that is still being committed. One writer at a time: others leave at once.
"""

from domain.kernel import bulk, events
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.ledger.events import JournalEntryPosted
from domain.ledger.tables import JournalSeal

AT_ONCE = 1_000
"""Entries sealed in one act."""

_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('ledger.seal', 0))"
_LAST = "SELECT position, event_id FROM journal_seals ORDER BY position DESC LIMIT 1"


async def seal(work: Work) -> int:
    """The next committed entries have their places; returns how many. 0 as well while another writer is at it."""
    if not await work.raw.fetchval(_TURN):
        return 0
    last = await work.raw.fetchrow(_LAST)
    position, after = 0, events.START
    if last is not None:
        position, after = last["position"], await events.position_of(work.connection, ID("evt_" + last["event_id"]))
    posted = await events.read(work.connection, after=after, limit=AT_ONCE, types=[JournalEntryPosted.type])
    rows = [
        {"position": place, "entry_id": event.subject, "event_id": event.id}
        for place, event in enumerate(posted, position + 1)
    ]
    await bulk.insert(work, JournalSeal, rows)
    return len(rows)
