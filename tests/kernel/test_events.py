"""The order of the event log, which every reader relies on, under the concurrency that breaks simpler orders."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import pytest

from domain.kernel import events
from domain.kernel.database import Database, raw
from domain.kernel.events import START, Announced, CursorInvalid, Event
from domain.kernel.ids import ID, new_id
from domain.kernel.work import SYSTEM, Work, begin
from tests.support.server import Server

FOUNDED = "sales_channel.created"
"""The type of the one event that every database starts with."""


@dataclass(frozen=True)
class ThingMoved(Event):
    """A thing of these tests is somewhere else now."""

    mark: str = ""


class Rolled(Exception):  # noqa: N818  an order, not an error
    """Thrown to roll a work back."""


@pytest.fixture
async def log(server: Server, fresh_name: str) -> AsyncIterator[Database]:
    """A log of this test's own, and a pool for many writers beside its reader."""
    opened = Database(server.app_url(fresh_name), pool=20)
    yield opened
    await opened.close()


def subjects(number: int) -> list[ID]:
    return [new_id("thg") for _ in range(number)]


async def announce(database: Database, *announced: Event) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        work.announce(*announced)


async def everything(database: Database, *, subject: str | None = None) -> list[Announced]:
    """The log from its start, once nobody writes and nobody else on the server holds its horizon back."""
    for _ in range(400):
        async with database.snapshot() as connection:
            found = await events.read(connection, limit=100_000, subject=subject)
            if len(found) == await events.count(connection, subject=subject):
                return [event for event in found if event.type != FOUNDED]
        await asyncio.sleep(0.02)
    raise AssertionError("the log did not become readable")


async def stored(database: Database) -> set[str]:
    """The ids of all committed events, however they are ordered."""
    async with database.connection() as connection, connection.begin():
        rows = await connection.exec_driver_sql("SELECT replace(id::text, '-', '') FROM events")
        return {"evt_" + row[0] for row in rows}


class Reader:
    """Follows the log while others write, resuming from a cursor each time as a client would."""

    def __init__(self, database: Database, seed: int = 1) -> None:
        self.database = database
        self.seen: list[Announced] = []
        self._chance = random.Random(seed)

    async def page(self) -> int:
        """Read one page of a random size behind the last cursor; returns how many events it had."""
        async with self.database.snapshot() as connection:
            after = await events.position_of(connection, self.seen[-1].cursor) if self.seen else START
            found = await events.read(connection, after=after, limit=self._chance.randint(1, 40))
        self.seen.extend(found)
        return len(found)

    async def until(self, written: asyncio.Event) -> None:
        """Page on until the writers are done and a while passes without news."""
        idle = 0
        while idle < 20:
            found = await self.page()
            idle = 0 if found or not written.is_set() else idle + 1
            if not found:
                await asyncio.sleep(0.005)


def misordered(seen: Sequence[Announced]) -> list[tuple[ID, int]]:
    """Where a subject's version was not read right after the one before it."""
    versions: dict[ID, int] = defaultdict(int)
    faults = []
    for event in seen:
        if event.version != versions[event.subject] + 1:
            faults.append((event.subject, event.version))
        versions[event.subject] = event.version
    return faults


def assert_complete(seen: Sequence[Announced], committed: set[str]) -> None:
    assert len({event.id for event in seen}) == len(seen), "an event was read twice"
    assert {event.id for event in seen} == committed
    assert misordered(seen) == []


# --- the order ------------------------------------------------------------------------------------------------------

OWN_TRANSACTION = ("_HEADS", "greatest(head.order_key, excluded.order_key)", "excluded.order_key")
SEQUENCE_ONLY = (
    "_READ",
    events._READ,
    f"""SELECT {events._COLUMNS} FROM events
    WHERE seq > $3 AND ($1::int, $2::text) IS NOT NULL
      AND ($4::text[] IS NULL OR type = ANY($4)) AND ($5::text IS NULL OR subject = $5)
    ORDER BY seq LIMIT $6""",
)
NO_HORIZON = ("_READ", "order_key < pg_snapshot_xmin(pg_current_snapshot())", "order_key > '0'::xid8")


async def noise(database: Database, things: Sequence[ID], seed: int, rounds: int) -> None:
    """Acts on several subjects each, some of which roll back, wholly or to a savepoint."""
    chance = random.Random(seed)
    for n in range(rounds):
        try:
            async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                if chance.random() < 0.5:
                    await work.raw.fetchval("SELECT pg_current_xact_id()::text")
                if chance.random() < 0.3:
                    await savepoint_rolled_back(work)
                await asyncio.sleep(chance.random() * 0.004)
                picked = chance.choices(things, k=chance.randint(1, 4))
                work.announce(*(ThingMoved(thing, mark=f"{seed}.{n}") for thing in picked))
                if chance.random() < 0.15:
                    await work.finish()
                    raise Rolled
        except Rolled:
            pass


async def savepoint_rolled_back(work: Work) -> None:
    inner = await work.connection.begin_nested()
    await work.connection.exec_driver_sql("INSERT INTO event_heads VALUES ('savepoint', 1, 1, pg_current_xact_id())")
    await inner.rollback()


async def crossing(database: Database, reader: Reader, contested: ID, early: ID) -> None:
    """Two acts that take the contested head in the order opposite to that of their transaction ids.

    The first takes its id and a sequence number (by writing the `early` event), and is overtaken by the second, which
    writes the contested subject and commits. The reader looks, then the first writes the contested subject too.
    """
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(database.connection())
        first = await stack.enter_async_context(begin(connection, actor=SYSTEM))
        first_id = int(await first.raw.fetchval("SELECT pg_current_xact_id()::text"))
        first.announce(ThingMoved(early, mark="early"))
        await events.write(first)
        await first.raw.flush()
        first.announced.clear()
        async with database.connection() as other, begin(other, actor=SYSTEM) as second:
            assert int(await second.raw.fetchval("SELECT pg_current_xact_id()::text")) > first_id
            second.announce(ThingMoved(contested, mark="overtook"))
        await reader.page()
        first.announce(ThingMoved(contested, mark="overtaken"))


async def scenario(database: Database) -> tuple[list[Announced], set[str]]:
    """Crossings among other writers, then one alone; what a reader beside them read, and what was committed."""
    reader, written, things = Reader(database), asyncio.Event(), subjects(5)
    following = asyncio.create_task(reader.until(written))
    others = [asyncio.create_task(noise(database, things, seed, rounds=12)) for seed in range(6)]
    for _ in range(8):
        await crossing(database, Reader(database), *subjects(2))
    await asyncio.gather(*others)
    await drained(database)
    written.set()
    await following
    # Alone, nobody else's transaction can hide what a wrong order does.
    await crossing(database, reader, *subjects(2))
    await drained(database)
    while await reader.page():
        pass
    return reader.seen, await stored(database)


async def drained(database: Database) -> None:
    """Wait until no older transaction runs on the server, so that a correct reader can see all there is."""
    async with database.connection() as connection, connection.begin():
        await connection.exec_driver_sql("SELECT pg_current_xact_id()")
        mine = int((await connection.exec_driver_sql("SELECT pg_current_xact_id()::text")).scalar_one())
    for _ in range(400):
        async with database.snapshot() as connection:
            horizon = await connection.exec_driver_sql("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
            if int(horizon.scalar_one()) > mine:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("another transaction runs on this server and does not end")


async def test_every_event_is_read_once_and_each_subject_in_order_however_locks_and_transaction_ids_cross(
    log: Database,
) -> None:
    seen, committed = await scenario(log)
    assert_complete(seen, committed)
    # From any cursor on, the log reads the same again.
    chance = random.Random(3)
    for start in chance.sample(range(len(seen)), 10):
        async with log.snapshot() as connection:
            after = await events.position_of(connection, seen[start].cursor)
            again = [e async for page in events.follow(connection, after=after, page=17) for e in page]
        assert [event.id for event in again] == [event.id for event in seen[start + 1 :]]


async def test_ordered_by_their_own_transactions_events_of_a_subject_come_in_the_wrong_order(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, *OWN_TRANSACTION)
    seen, committed = await scenario(log)
    assert {event.id for event in seen} == committed
    assert len(misordered(seen)) >= 2 * 9  # each crossing shows its second version before its first


@pytest.mark.parametrize("mutation", [SEQUENCE_ONLY, NO_HORIZON], ids=["sequence only", "no horizon"])
async def test_read_by_number_or_without_the_horizon_events_are_lost(
    log: Database, monkeypatch: pytest.MonkeyPatch, mutation: tuple[str, str, str]
) -> None:
    mutate(monkeypatch, *mutation)
    seen, committed = await scenario(log)
    lost = committed - {event.id for event in seen}
    assert "early" in {event.data["mark"] for event in await everything(log) if event.id in lost}


def mutate(monkeypatch: pytest.MonkeyPatch, name: str, right: str, wrong: str) -> None:
    statement = getattr(events, name)
    assert statement.count(right) == 1
    monkeypatch.setattr(events, name, statement.replace(right, wrong))


async def test_what_commits_late_is_neither_lost_nor_read_twice(log: Database) -> None:
    reader, written = Reader(log, seed=5), asyncio.Event()
    following = asyncio.create_task(reader.until(written))

    async def writer(seed: int) -> None:
        chance = random.Random(seed)
        for n in range(25):
            async with log.connection() as connection, begin(connection, actor=SYSTEM) as work:
                work.announce(*(ThingMoved(thing, mark=f"{seed}.{n}") for thing in subjects(chance.randint(1, 3))))
                await work.finish()
                await asyncio.sleep(chance.choice([0, 0, 0.001, 0.03]))

    await asyncio.gather(*(writer(seed) for seed in range(8)))
    written.set()
    await drained(log)
    await following
    assert_complete(reader.seen, await stored(log))


async def test_eight_writers_of_the_same_subjects_in_any_order_never_deadlock(log: Database) -> None:
    things = subjects(6)

    async def writer(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            await announce(log, *(ThingMoved(thing) for thing in chance.sample(things, 5)))

    await asyncio.gather(*(writer(seed) for seed in range(8)))  # a deadlock would raise here
    found = await everything(log)
    assert len(found) == 8 * 30 * 5
    assert misordered(found) == []


async def test_versions_have_no_gaps_when_acts_roll_back(log: Database) -> None:
    thing = subjects(1)[0]

    async def act(n: int) -> None:
        try:
            async with log.connection() as connection, begin(connection, actor=SYSTEM) as work:
                work.announce(ThingMoved(thing, mark=str(n)), ThingMoved(thing, mark=f"{n} again"))
                await work.finish()
                if n % 3 == 0:
                    raise Rolled
        except Rolled:
            pass

    await asyncio.gather(*(act(n) for n in range(30)))
    found = await everything(log)
    assert [event.version for event in found] == list(range(1, 41))
    marks = [event.data["mark"] for event in found]
    assert marks[1::2] == [f"{mark} again" for mark in marks[::2]]
    assert {int(mark) for mark in marks[::2]} == {n for n in range(30) if n % 3}


async def test_several_events_of_one_act_keep_the_order_in_which_they_were_announced(log: Database) -> None:
    first, second = subjects(2)
    await announce(log, *(ThingMoved(thing, mark=mark) for thing, mark in [(second, "a"), (first, "b"), (second, "c")]))
    found = await everything(log)
    assert [(e.subject, e.version, e.data["mark"]) for e in found] == [
        (second, 1, "a"),
        (first, 1, "b"),
        (second, 2, "c"),
    ]
    assert {event.type for event in found} == {"thing.moved"}
    assert len({event.act for event in found}) == 1


async def test_reading_can_be_narrowed_to_types_and_to_a_subject(log: Database) -> None:
    @dataclass(frozen=True)
    class ThingLost(Event):
        """It is gone."""

    first, second = subjects(2)
    await announce(log, ThingMoved(first), ThingLost(first), ThingMoved(second))
    await everything(log)
    async with log.snapshot() as connection:
        lost = await events.read(connection, types=["thing.lost"])
        of_second = await events.read(connection, subject=second)
        assert [(e.type, e.subject, e.version) for e in lost] == [("thing.lost", first, 2)]
        assert [(e.type, e.version) for e in of_second] == [("thing.moved", 1)]
        assert await events.count(connection, types=["thing.moved"]) == 2
        assert await events.read(connection, types=["thing.moved"], subject=second, limit=1) == of_second
        assert await events.end(connection) == (of_second[-1].position, of_second[-1].id)


async def test_transaction_ids_are_compared_as_numbers_when_they_gain_a_digit(
    log: Database, server: Server, fresh_name: str
) -> None:
    things = subjects(4)
    owner = await owner_of(server, fresh_name)
    for thing, key in zip(things, (100, 9, 10, 99), strict=True):
        await owner.execute(WITH_KEY, thing, str(key))
    await owner.close()
    wanted = [things[1], things[2], things[3], things[0]]
    async with log.snapshot() as connection:
        pages = [page async for page in events.follow(connection, after=START, page=1)]
        assert [event.subject for page in pages for event in page if event.type != FOUNDED] == wanted
        last, _ = await events.end(connection)
        assert last == pages[-1][-1].position


async def test_a_page_is_read_by_the_index_of_the_order_without_sorting(log: Database) -> None:
    await announce(log, *(ThingMoved(thing) for thing in subjects(5_000)))
    middle = (await everything(log))[2_500].position
    async with log.connection() as connection, connection.begin():
        await connection.exec_driver_sql("SELECT 1")
        driver = await raw(connection)
        explained = await driver.fetch(
            "EXPLAIN " + events._READ, middle.epoch, str(middle.order_key), middle.seq, None, None, 100
        )
    plan = "\n".join(record[0] for record in explained)
    assert "using ix_events_order" in plan
    assert "Sort" not in plan


# --- epochs and cursors ---------------------------------------------------------------------------------------------


async def raised(database: Database, *, always: bool = False) -> bool:
    async with database.connection() as connection:
        return await events.raise_epoch(await raw(connection), always=always)


async def epoch(database: Database) -> int:
    async with database.connection() as connection:
        return (await connection.exec_driver_sql("SELECT epoch FROM event_epoch")).scalar_one()


async def owner_of(server: Server, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(server.owner_url(name))


WITH_KEY = """
INSERT INTO events (id, epoch, order_key, type, subject, version, act, at, data)
VALUES (gen_random_uuid(), 1, $2::text::xid8, 'thing.moved', $1, 1, gen_random_uuid(), now(), '{}')
"""
AHEAD = """
INSERT INTO events (id, epoch, order_key, type, subject, version, act, at, data)
VALUES (gen_random_uuid(), 1, (pg_current_xact_id()::text::bigint + 1000000)::text::xid8, 'thing.moved', $1, 2,
        gen_random_uuid(), now(), '{"mark": "restored"}')
"""


async def test_a_healthy_log_keeps_its_epoch(log: Database) -> None:
    assert not await raised(log)  # an empty one too
    await announce(log, *(ThingMoved(thing) for thing in subjects(3)))
    assert not await raised(log)
    assert await epoch(log) == 1


async def test_keys_ahead_of_the_server_raise_the_epoch_once_and_what_follows_is_read_behind(
    log: Database, server: Server, fresh_name: str
) -> None:
    thing, other = subjects(2)
    await announce(log, ThingMoved(thing, mark="before"))
    before = (await everything(log))[-1]
    owner = await owner_of(server, fresh_name)
    await owner.execute(AHEAD, thing)
    await owner.execute(
        "UPDATE event_heads SET version = 2, order_key = (SELECT max(order_key::text::bigint)::text::xid8 FROM events)"
    )
    await owner.close()
    async with log.snapshot() as connection:
        assert (await events.end(connection))[0].epoch == 1
        assert await events.read(connection, after=before.position) == []  # and nothing for the next million acts

    assert await raised(log)
    assert not await raised(log)
    assert await epoch(log) == 2

    await announce(log, ThingMoved(thing, mark="after"), ThingMoved(other, mark="new"))
    found = await everything(log)
    assert [(e.data["mark"], e.version, e.position.epoch) for e in found] == [
        ("before", 1, 1),
        ("restored", 2, 1),
        ("after", 3, 2),
        ("new", 1, 2),
    ]
    assert found[2].position.order_key < found[1].position.order_key
    async with log.snapshot() as connection:
        behind = await events.read(connection, after=await events.position_of(connection, before.cursor))
        assert [event.data["mark"] for event in behind] == ["restored", "after", "new"]
        behind = await events.read(connection, after=await events.position_of(connection, found[1].cursor))
        assert [event.data["mark"] for event in behind] == ["after", "new"]
        assert await events.end(connection) == (found[-1].position, found[-1].id)


async def test_an_epoch_raised_under_running_writers_loses_nothing(log: Database) -> None:
    reader, written, things = Reader(log, seed=9), asyncio.Event(), subjects(8)
    following = asyncio.create_task(reader.until(written))
    writers = [asyncio.create_task(noise(log, things, seed, rounds=40)) for seed in range(8)]
    for _ in range(6):
        await asyncio.sleep(0.05)
        assert await raised(log, always=True)
    await asyncio.gather(*writers)
    written.set()
    await drained(log)
    await following
    assert await epoch(log) == 7
    assert len({event.position.epoch for event in reader.seen}) > 2  # the writers did run meanwhile
    assert_complete(reader.seen, await stored(log))


async def test_raising_the_epoch_waits_for_whoever_has_written_and_holds_off_who_has_not(log: Database) -> None:
    thing, other = subjects(2)
    async with log.connection() as connection, begin(connection, actor=SYSTEM) as work:
        work.announce(ThingMoved(thing))
        await work.finish()
        raising = asyncio.create_task(raised(log, always=True))
        await asyncio.sleep(0.2)
        assert not raising.done()
        late = asyncio.create_task(announce(log, ThingMoved(other)))
        await asyncio.sleep(0.1)
        assert not late.done()
    assert await raising
    await late
    assert [(e.subject, e.position.epoch) for e in await everything(log)] == [(thing, 1), (other, 2)]


@pytest.mark.parametrize("cursor", ["", "evt_", "evt_" + "0" * 32, "prd_" + "0" * 32, "1", "evt_" + "G" * 32, "🦆"])
async def test_a_cursor_that_names_no_event_of_the_log_is_refused(database: Database, cursor: str) -> None:
    async with database.snapshot() as connection:
        with pytest.raises(CursorInvalid) as refused:
            await events.position_of(connection, cursor)
    assert refused.value.code == "CURSOR_INVALID"
    assert refused.value.path == ("after",)


# --- permanence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["application", "owner"])
@pytest.mark.parametrize("change", ["UPDATE events SET type = 'x'", "DELETE FROM events", "TRUNCATE events"])
async def test_events_are_never_changed_or_deleted(
    database: Database, server: Server, database_name: str, who: str, change: str
) -> None:
    await announce(database, ThingMoved(subjects(1)[0]))
    url = server.owner_url(database_name) if who == "owner" else server.app_url(database_name)
    connection = await asyncpg.connect(url)
    before = await connection.fetch("SELECT * FROM events ORDER BY id")
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
        await connection.execute(change)
    reason = "its rows are permanent" if who == "owner" else "permission denied"
    assert reason in str(refused.value)
    assert await connection.fetch("SELECT * FROM events ORDER BY id") == before
    await connection.close()


async def test_a_dry_run_and_a_failed_act_leave_no_event_and_no_head(log: Database) -> None:
    thing = subjects(1)[0]
    async with log.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        work.announce(ThingMoved(thing))
    with pytest.raises(Rolled):  # noqa: PT012
        async with log.connection() as connection, begin(connection, actor=SYSTEM) as work:
            work.announce(ThingMoved(thing))
            await work.finish()
            raise Rolled
    async with log.snapshot() as connection:
        heads = await connection.exec_driver_sql(f"SELECT count(*) FROM event_heads WHERE subject = '{thing}'")
        assert heads.scalar_one() == 0
        assert await events.count(connection, subject=thing) == 0
    await announce(log, ThingMoved(thing))
    assert [event.version for event in await everything(log, subject=thing)] == [1]
