"""The same request twice, the effect once.

A caller marks a mutation with a key. The first one through keeps its outcome under (actor, mutation, key) in the
transaction of the act itself, so an outcome exists exactly when the act does; a refusal keeps nothing, and the key may
be tried again. Whoever comes later with the same key and the same input gets the kept outcome, with another input a
refusal.

Within a process duplicates wait for each other without holding a connection (`Turns`); across processes they wait on
the unique key in the database, for a bounded time.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
from sqlalchemy import CheckConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.kernel.constraints import explain
from domain.kernel.errors import Apart, Refusal
from domain.kernel.rows import Row
from domain.kernel.work import Work
from domain.kernel.writing import Write

KEPT = timedelta(days=7)
WAIT_SECONDS = 10
"""How long a duplicate waits for the first one, in seconds."""


class IdempotencyKeyReused(Refusal):
    """The key was used before, with another input."""


class IdempotencyInProgress(Refusal):
    """The first request with this key is still running. Try again in a moment."""


class IdempotencyKey(Row):
    """The outcome of one act, under the key its caller gave it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("actor", "mutation", "key"),
        Index(None, "created_at"),
        CheckConstraint("char_length(key) BETWEEN 1 AND 255", name="key_filled"),
    )

    actor: Mapped[str] = mapped_column(Text(collation="C"))
    mutation: Mapped[str] = mapped_column(Text(collation="C"))
    key: Mapped[str] = mapped_column(Text(collation="C"))
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime]


explain("ck_idempotency_keys_key_filled", "An idempotency key has 1 to 255 characters.", path=("idempotencyKey",))


@dataclass(frozen=True)
class Claim:
    """A caller's key for one act: who, which mutation, which key, and a hash of the coerced input."""

    actor: str
    mutation: str
    key: str
    input_hash: bytes


def hash_of(coerced_input: Any) -> bytes:
    """A hash of the input's meaning: how the document spelled it does not count."""
    return hashlib.sha256(orjson.dumps(coerced_input, option=orjson.OPT_SORT_KEYS, default=str)).digest()


_CLAIM = """
INSERT INTO idempotency_keys AS kept (actor, mutation, key, input_hash, outcome, created_at)
VALUES ($1, $2, $3, $4, NULL, $5)
ON CONFLICT (actor, mutation, key) DO UPDATE
SET input_hash = excluded.input_hash, outcome = NULL, created_at = excluded.created_at
WHERE kept.created_at < $6
RETURNING true
"""
_KEPT = "SELECT input_hash, outcome FROM idempotency_keys WHERE actor = $1 AND mutation = $2 AND key = $3"
_CLAIM_ALL = """
INSERT INTO idempotency_keys (actor, mutation, key, input_hash, outcome, created_at)
SELECT actor, mutation, key, input_hash, NULL, $5
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS claim(actor, mutation, key, input_hash)
ORDER BY actor, mutation, key
ON CONFLICT (actor, mutation, key) DO NOTHING
"""
_KEEP = """
UPDATE idempotency_keys AS kept SET outcome = given.outcome
FROM json_to_recordset($1::json) AS given(actor text, mutation text, key text, outcome jsonb)
WHERE kept.actor = given.actor AND kept.mutation = given.mutation AND kept.key = given.key
"""


async def claim(work: Work, claim: Claim) -> dict[str, Any] | None:
    """Take the key for this act, or return the outcome that is kept under it.

    Refuses with IdempotencyKeyReused when the input differs, and with IdempotencyInProgress when another process has
    held the key for too long.
    """
    identity = (claim.actor, claim.mutation, claim.key)
    await work.raw.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
    try:
        claimed = await work.raw.fetchval(_CLAIM, *identity, claim.input_hash, work.now, work.now - KEPT)
    except asyncpg.LockNotAvailableError:
        raise _in_progress() from None
    await work.raw.execute("SET LOCAL lock_timeout = DEFAULT")
    if claimed:
        return None
    kept = await work.raw.fetchrow(_KEPT, *identity)
    if kept is None or kept["outcome"] is None:  # swept between the two statements
        raise _in_progress()
    if kept["input_hash"] != claim.input_hash:
        raise IdempotencyKeyReused(
            "This idempotency key was used with another input. Use a new key for a new act.", path=("idempotencyKey",)
        )
    return kept["outcome"]


async def claim_all(work: Work, claims: Sequence[Claim]) -> None:
    """Take the keys of several acts that are committed together. Raises Apart where one of them was taken before."""
    if claims:
        columns = zip(*((each.actor, each.mutation, each.key, each.input_hash) for each in claims), strict=True)
        if await work.raw.execute(_CLAIM_ALL, *map(list, columns), work.now) != f"INSERT 0 {len(claims)}":
            raise Apart


async def keep(work: Work, outcomes: Sequence[tuple[Claim, dict[str, Any]]]) -> None:
    """Keep the outcomes of acts under their keys, with what else they write: ids of nouns, never their content."""
    if outcomes:
        rows = [
            {"actor": claim.actor, "mutation": claim.mutation, "key": claim.key, "outcome": outcome}
            for claim, outcome in outcomes
        ]
        await work.raw.later(Write(_KEEP, [orjson.dumps(rows).decode()]))


async def sweep(work: Work) -> int:
    """Forget the keys that are older than KEPT; returns how many."""
    status = await work.raw.execute("DELETE FROM idempotency_keys WHERE created_at < $1", work.now - KEPT)
    return int(status.rpartition(" ")[2])


class Turns:
    """One at a time per key within this process; the others wait on a lock and hold no connection."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str, str], tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def turn(self, claim: Claim) -> AsyncIterator[None]:
        """Wait for the requests with the same key that came before. IdempotencyInProgress after a while."""
        identity = (claim.actor, claim.mutation, claim.key)
        lock, waiting = self._locks.setdefault(identity, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await lock.acquire()
            except TimeoutError:
                raise _in_progress() from None
            try:
                yield
            finally:
                lock.release()
        finally:
            waiting.pop()
            if not waiting:
                self._locks.pop(identity, None)


def _in_progress() -> IdempotencyInProgress:
    return IdempotencyInProgress(
        "The first request with this idempotency key is still running. Try again in a moment.", path=("idempotencyKey",)
    )
