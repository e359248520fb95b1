"""The event log: what happened, in the order that every reader may rely on.

An act announces; the announcements are written as the last statement of its transaction; readers follow the log after
commit. Three things make the order hold under any concurrency:

- A *head* per subject gives versions without gaps. Taking it locks the subject's line in the log, so all events of a
  subject are written one transaction after the other.
- Events are read in the order (epoch, order_key, seq) and only below the oldest transaction that is still running.
  A reader that remembered the largest id would lose what commits late.
- The head's `order_key` never falls and is never below its own transaction's id. Ordered by transaction id alone, a
  transaction that started early but got its lock late would be read before the one it waited for.

Transaction ids do not survive a dump and restore; the epoch stands before them and is raised when they start again.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

import asyncpg
import orjson
from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from domain.kernel.constraints import explain
from domain.kernel.database import raw
from domain.kernel.errors import Refusal
from domain.kernel.grants import APPEND_ONLY
from domain.kernel.ids import ID, Id, is_id, new_id
from domain.kernel.invariants import invariant
from domain.kernel.rows import Row, key
from domain.kernel.work import Work
from domain.kernel.writing import Write

CHANNEL = "waterline_events"
"""The NOTIFY channel that wakes readers. It carries nothing; the log is the truth."""


class Xid8(UserDefinedType[int]):
    """A 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "XID8"


class CursorInvalid(Refusal):
    """The log does not hold the event that the cursor names: it was restored, or failed over, to an earlier state."""


@dataclass(frozen=True)
class Event:
    """Base of all announcements. The class name is the type: `ProductCreated` is `product.created`.

    `subject` is a row that the act has locked or inserted; every other field is data. Data is permanent, so it holds
    ids and figures, never names, e-mails or addresses of persons.
    """

    type: ClassVar[str] = ""
    private: ClassVar[Mapping[str, str]] = {}
    """Fields of the data that only tokens with a scope of their own may see: the field's name and that scope."""

    subject: ID

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = re.findall(r"[A-Z][a-z0-9]*", cls.__name__)
        cls.type = "_".join(words[:-1]).lower() + "." + words[-1].lower()
        if cls.private:
            _private[cls.type] = cls.private

    @classmethod
    def data_fields(cls) -> list[str]:
        """The names of what it carries beside its subject."""
        return [each.name for each in fields(cls) if each.name != "subject"]


_private: dict[str, Mapping[str, str]] = {}


def visible_data(kind: str, data: Mapping[str, Any], scopes: Container[str]) -> dict[str, Any]:
    """The data of an event of that type, without what these scopes do not open."""
    private = _private.get(kind)
    if private is None:
        return dict(data)
    return {name: value for name, value in data.items() if name not in private or private[name] in scopes}


class EventEpoch(Row):
    """The one row that says which epoch the log is in."""

    __tablename__ = "event_epoch"
    __table_args__ = (CheckConstraint("one", name="one_row"),)

    one: Mapped[bool] = mapped_column(primary_key=True, default=True, server_default=text("true"))
    epoch: Mapped[int] = mapped_column(Integer)


class EventHead(Row):
    """The latest version and order key of each subject. Updated in place (HOT), hence the fill factor."""

    __tablename__ = "event_heads"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    subject: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(BigInteger)
    order_key: Mapped[int] = mapped_column(Xid8)


class LoggedEvent(Row):
    """One event of the log. Append-only."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("subject", "version"),
        Index("ix_events_order", "epoch", "order_key", "seq", unique=True),
        Index("ix_events_type_order", "type", "epoch", "order_key", "seq"),
        Index(None, "act"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[ID] = key("evt")
    epoch: Mapped[int] = mapped_column(Integer)
    order_key: Mapped[int] = mapped_column(Xid8)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True, cache=1))
    type: Mapped[str] = mapped_column(Text(collation="C"))
    subject: Mapped[str] = mapped_column(Text(collation="C"))
    version: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str | None]
    app: Mapped[str | None]
    cause: Mapped[str | None]
    act: Mapped[ID] = mapped_column(Id("act"))
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


explain("uq_events_subject_version", "Somebody else changed this at the same moment. Try again.")

# One statement, sorted by subject: two announcing statements in a transaction, or unsorted heads, deadlock.
# `behind`: how many events of the same subject follow in this act. `many`: how many there are of it.
_HEADS = """
announced AS (
  SELECT * FROM json_to_recordset($1::json)
    AS a(n int, id uuid, act uuid, subject text, type text, data jsonb, behind int, many int)
), heads AS (
  INSERT INTO event_heads AS head (subject, epoch, version, order_key)
  SELECT subject, (SELECT epoch FROM event_epoch), many, pg_current_xact_id()
  FROM announced WHERE behind = 0 ORDER BY subject
  ON CONFLICT (subject) DO UPDATE SET
    version = head.version + excluded.version,
    epoch = excluded.epoch,
    order_key = CASE WHEN head.epoch = excluded.epoch
      THEN greatest(head.order_key, excluded.order_key) ELSE excluded.order_key END
  RETURNING subject, epoch, version, order_key
)
"""
_EVENTS = """
INSERT INTO events (id, epoch, order_key, type, subject, version, actor, app, cause, act, at, data)
SELECT a.id, h.epoch, h.order_key, a.type, subject, h.version - a.behind, $2, $3, $4, a.act, $5, a.data
FROM heads AS h JOIN announced AS a USING (subject) ORDER BY a.n
"""

# ORDER BY must say events.order_key: the bare name would mean the text that is selected, and "999" sorts after "1000".
_COLUMNS = "id, epoch, order_key::text AS order_key, seq, type, subject, version, actor, app, cause, act, at, data"

READABLE = "(epoch < (SELECT epoch FROM event_epoch) OR order_key < pg_snapshot_xmin(pg_current_snapshot()))"
"""In SQL: an event that none can come before any more, as whoever else is writing has begun after it."""
_READ = f"""
SELECT {_COLUMNS} FROM events
WHERE (epoch, order_key, seq) > ($1, $2::text::xid8, $3)
  AND {READABLE}
  AND ($4::text[] IS NULL OR type = ANY($4)) AND ($5::text IS NULL OR subject = $5)
ORDER BY epoch, events.order_key, seq LIMIT $6
"""  # noqa: S608  no outside text in it


_AHEAD = """
SELECT coalesce((
  SELECT order_key FROM events WHERE epoch = (SELECT epoch FROM event_epoch) ORDER BY order_key DESC LIMIT 1
) >= pg_snapshot_xmax(pg_current_snapshot()), false)
"""


_COUNT = (
    "SELECT count(*) FROM events WHERE ($1::text[] IS NULL OR type = ANY($1)) AND ($2::text IS NULL OR subject = $2)"
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log's order."""

    epoch: int = 0
    order_key: int = 0
    seq: int = 0

    def __lt__(self, other: "Position") -> bool:
        return (self.epoch, self.order_key, self.seq) < (other.epoch, other.order_key, other.seq)


START = Position()
"""Before the first event."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An event as readers get it."""

    id: ID
    position: Position
    type: str
    subject: ID
    version: int
    at: datetime
    actor: ID | None
    app: ID | None
    cause: ID | None
    act: ID
    data: dict[str, Any]

    @property
    def cursor(self) -> str:
        """Where to resume after this event: its own id, so that a log without this event is noticed."""
        return self.id


async def write(work: Work) -> None:
    """What the work announced waits to be written, together with whatever else does. Called once, at its end."""
    announced = work.announced
    if announced:
        many = Counter(event.subject for _, event in announced)
        left = many.copy()
        rows: list[dict[str, Any]] = []
        for n, (act, each) in enumerate(announced):
            left[each.subject] -= 1
            rows.append(
                {
                    "n": n,
                    "id": new_id("evt")[4:],
                    "act": act[4:],
                    "subject": each.subject,
                    "type": each.type,
                    "data": {name: getattr(each, name) for name in _names(type(each))},
                    "behind": left[each.subject],
                    "many": many[each.subject],
                }
            )
        told = orjson.dumps(rows, default=str).decode()
        values = [told, work.actor.id, work.actor.app, work.cause, work.now]
        await work.raw.later(Write(_EVENTS, values, steps=_HEADS))


async def read(
    connection: AsyncConnection,
    *,
    after: Position = START,
    limit: int = 500,
    types: Sequence[str] | None = None,
    subject: str | None = None,
) -> list[Announced]:
    """The next events in the log's order, oldest first, at most `limit`; never one that others may still precede."""
    driver = await raw(connection)
    parameters = (after.epoch, str(after.order_key), after.seq, list(types) if types else None, subject, limit)
    return [_announced(record) for record in await driver.fetch(_READ, *parameters)]


async def count(connection: AsyncConnection, *, types: Sequence[str] | None = None, subject: str | None = None) -> int:
    """How many events there are of these types and this subject, the ones not yet readable included."""
    driver = await raw(connection)
    return await driver.fetchval(_COUNT, list(types) if types else None, subject)


async def position_of(connection: AsyncConnection, cursor: str) -> Position:
    """The place that a cursor names. Refuses with CursorInvalid when the log does not hold that event."""
    if is_id(cursor, "evt"):
        driver = await raw(connection)
        record = await driver.fetchrow(
            "SELECT epoch, order_key::text AS order_key, seq FROM events WHERE id = $1", cursor.partition("_")[2]
        )
        if record is not None:
            return Position(record["epoch"], int(record["order_key"]), record["seq"])
    raise CursorInvalid(
        "This cursor names no event of the log. Read again from the start, or take a snapshot.", path=("after",)
    )


async def end(connection: AsyncConnection) -> tuple[Position, ID | None]:
    """The place and the id of the last event that may be read now; the start of the log while there is none."""
    driver = await raw(connection)
    record = await driver.fetchrow(
        f"SELECT epoch, order_key::text AS order_key, seq, id FROM events WHERE {READABLE}"  # noqa: S608  ours
        " ORDER BY epoch DESC, events.order_key DESC, seq DESC LIMIT 1"
    )
    if record is None:
        return START, None
    return Position(record["epoch"], int(record["order_key"]), record["seq"]), ID("evt_" + record["id"])


async def last_readable(connection: AsyncConnection) -> ID | None:
    """The id of the last event that may be read now; None while there is none."""
    return (await end(connection))[1]


_NOT_YET_READABLE = """
SELECT subject, min(version) AS version FROM events
WHERE epoch = (SELECT epoch FROM event_epoch) AND order_key >= pg_snapshot_xmin(pg_current_snapshot())
  AND subject = ANY($1) GROUP BY subject
"""
_BEFORE = """
SELECT event.subject, event.version, event.data FROM events AS event
JOIN unnest($1::text[], $2::bigint[]) AS wanted(subject, version) USING (subject, version)
"""


async def as_read(connection: AsyncConnection, subjects: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]] | None]:
    """How readers of the log know subjects whose rows are ahead of it: those with events that may not be read yet.

    Gives the version and data of each one's last readable event, or None where it has none. A snapshot of rows that is
    corrected by this is what a reader of the log would have arrived at by its last readable event.
    """
    driver = await raw(connection)
    ahead = {each["subject"]: each["version"] for each in await driver.fetch(_NOT_YET_READABLE, list(subjects))}
    found: dict[str, tuple[int, dict[str, Any]] | None] = dict.fromkeys(ahead)
    if ahead:
        records = await driver.fetch(_BEFORE, list(ahead), [version - 1 for version in ahead.values()])
        found |= {each["subject"]: (each["version"], each["data"]) for each in records}
    return found


async def raise_epoch(connection: "asyncpg.Connection[asyncpg.Record]", *, always: bool = False) -> bool:
    """Raise the epoch when stored order keys are ahead of this cluster's transaction ids; True when it was raised.

    That is so after a dump was restored into another cluster (`always`: `waterline restore` does not even ask). Heads
    are locked meanwhile: raised under running writers, events would be written into an epoch already read past.
    """
    if not always and not await connection.fetchval(_AHEAD):
        return False
    async with connection.transaction():
        await connection.execute("LOCK TABLE event_heads IN EXCLUSIVE MODE")
        if not always and not await connection.fetchval(_AHEAD):
            return False
        await connection.execute("UPDATE event_epoch SET epoch = epoch + 1")
    return True


async def follow(connection: AsyncConnection, *, after: Position, page: int = 500) -> AsyncIterator[list[Announced]]:
    """Everything that may be read now, page by page, after a position."""
    while batch := await read(connection, after=after, limit=page):
        yield batch
        after = batch[-1].position


async def notify(connection: AsyncConnection) -> None:
    """Wake the readers in other processes. Said after the commit, between two transactions of the connection."""
    await (await raw(connection)).execute(f"NOTIFY {CHANNEL}")


@lru_cache(maxsize=256)
def _names(kind: type[Event]) -> tuple[str, ...]:
    return tuple(kind.data_fields())


def _announced(record: asyncpg.Record) -> Announced:
    return Announced(
        id=ID("evt_" + record["id"]),
        position=Position(record["epoch"], int(record["order_key"]), record["seq"]),
        type=record["type"],
        subject=ID(record["subject"]),
        version=record["version"],
        at=record["at"],
        actor=record["actor"],
        app=record["app"],
        cause=record["cause"],
        act=ID("act_" + record["act"]),
        data=record["data"],
    )


invariant(
    "event versions",
    "The versions of each subject's events go from 1 to its head's version, without a gap.",
    """
    SELECT coalesce(head.subject, found.subject) AS subject, head.version AS head, found.events, found.highest
    FROM event_heads AS head
    FULL JOIN (SELECT subject, count(*) AS events, min(version) AS lowest, max(version) AS highest
               FROM events GROUP BY subject) AS found USING (subject)
    WHERE head.version IS DISTINCT FROM found.highest OR found.events <> found.highest OR found.lowest <> 1
    """,
)
