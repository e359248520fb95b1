"""Numbers have no gap and no double, however many take them at once, give up or die over it."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import ledger
from domain.kernel import events, invariants
from domain.kernel.database import Database, driver_of
from domain.kernel.errors import Invalid
from domain.kernel.events import Event
from domain.kernel.ids import ID, new_id
from domain.kernel.work import SYSTEM, Work, begin
from domain.ledger import DocumentKind
from tests.support.server import Server

WRITERS, ACTS = 50, 6
DEAD = (
    asyncpg.AdminShutdownError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the end of the line is still on its way
)
"""How a connection says that it is no more."""
SERIES = [
    (DocumentKind.INVOICE, date(2025, 12, 31)),
    (DocumentKind.INVOICE, date(2026, 1, 1)),
    (DocumentKind.CREDIT_NOTE, date(2026, 3, 1)),
    (DocumentKind.Z_REPORT, date(2026, 3, 2)),
]


@dataclass(frozen=True)
class ThingIssued(Event):
    """A document of these tests is out."""


class GaveUp(Exception):  # noqa: N818  an order, not an error
    """Thrown to roll an act back."""


@pytest.fixture
async def crowded(server: Server, fresh_name: str) -> AsyncIterator[Database]:
    """A database with a connection for each writer."""
    opened = Database(server.app_url(fresh_name), pool=WRITERS + 2)
    yield opened
    await opened.close()


async def take(database: Database, kind: DocumentKind, many: int = 1, *, on: date = date(2026, 5, 1)) -> list[ID]:
    """So many documents have numbers, in one act."""
    documents = [new_id("doc") for _ in range(many)]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        ledger.number(work, kind, documents, on=on)
    return documents


async def numbers(database: Database, documents: Sequence[ID]) -> list[str | None]:
    async with database.connection() as connection:
        found = await ledger.numbers_of(connection, documents)
    return [found.get(document) for document in documents]


async def kill(database: Database, connection: AsyncConnection) -> None:
    """The server's side of a connection is gone, amid whatever it was at."""
    async with database.connection() as other:
        pid = driver_of(connection).get_server_pid()
        assert await driver_of(other).fetchval("SELECT pg_terminate_backend($1, 5000)", pid)


async def sound(database: Database) -> None:
    """The invariant holds, and no gap is reported."""
    async with database.connection() as connection:
        assert [each.gaps for each in await ledger.number_series(connection) if each.gaps] == []
        (rule,) = [each for each in invariants.declared() if each.name == "document numbers have no gaps"]
        assert await driver_of(connection).fetch(rule.at_fault) == []


# --- one at a time --------------------------------------------------------------------------------------------------


async def test_each_kind_and_year_has_a_series_of_its_own(fresh_database: Database) -> None:
    taken = [await take(fresh_database, kind, on=day) for kind, day in [*SERIES, *SERIES[:2]]]
    assert await numbers(fresh_database, [each for one in taken for each in one]) == [
        "INV-2025-000001",
        "INV-2026-000001",
        "CN-2026-000001",
        "Z-2026-000001",
        "INV-2025-000002",
        "INV-2026-000002",
    ]


async def test_documents_of_an_act_follow_each_other_in_the_order_given(fresh_database: Database) -> None:
    await take(fresh_database, DocumentKind.INVOICE)
    bills, notes = [new_id("inv") for _ in range(12)], [new_id("cnt") for _ in range(2)]
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        ledger.number(work, DocumentKind.INVOICE, bills[:5], on=date(2026, 1, 1))
        ledger.number(work, DocumentKind.CREDIT_NOTE, notes, on=date(2026, 1, 1))
        ledger.number(work, DocumentKind.INVOICE, bills[5:], on=date(2026, 1, 2))
    assert await numbers(fresh_database, bills) == [f"INV-2026-{n:06d}" for n in range(2, 14)]
    assert await numbers(fresh_database, notes) == ["CN-2026-000001", "CN-2026-000002"]


async def test_numbers_and_events_are_one_statement_and_the_last(fresh_database: Database) -> None:
    said: list[str] = []
    async with fresh_database.connection() as connection:
        async with begin(connection, actor=SYSTEM) as work:
            driver_of(connection).add_query_logger(lambda record: said.append(record.query))

            async def speak(work: Work) -> None:
                await work.raw.execute("SELECT 'a room that writes at the end'")

            ledger.number(work, DocumentKind.INVOICE, [new_id("inv") for _ in range(300)], on=date(2026, 1, 1))
            work.announce(ThingIssued(new_id("doc")))
            work.closing["a room"] = speak
        await asyncio.sleep(0)  # the driver tells afterwards
        assert len(said) == 3
        assert "at the end" in said[0]
        assert "INSERT INTO document_numbers" in said[1]
        assert "INSERT INTO events" in said[1]
        assert said[2].endswith("COMMIT")
        assert await events.count(connection, types=[ThingIssued.type]) == 1
        [series] = await ledger.number_series(connection)
        assert (series.first, series.last, series.count, list(series.gaps)) == (1, 300, 300, [])


async def test_a_dry_run_takes_no_number(fresh_database: Database) -> None:
    document = new_id("inv")
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        ledger.number(work, DocumentKind.INVOICE, [document], on=date(2026, 1, 1))
        await work.finish()
        assert await ledger.numbers_of(connection, [document]) == {document: "INV-2026-000001"}
    assert await numbers(fresh_database, [document, *await take(fresh_database, DocumentKind.INVOICE)]) == [
        None,
        "INV-2026-000001",
    ]


async def test_a_document_has_one_number(fresh_database: Database) -> None:
    documents = await take(fresh_database, DocumentKind.INVOICE)
    with pytest.raises(Invalid, match="has its number already"):
        async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            ledger.number(work, DocumentKind.CREDIT_NOTE, documents, on=date(2026, 1, 1))
    assert await numbers(fresh_database, documents) == ["INV-2026-000001"]
    await sound(fresh_database)


async def test_a_series_does_not_begin_before_its_year(fresh_database: Database) -> None:
    with pytest.raises(Invalid, match="begins with its year"):
        await take(fresh_database, DocumentKind.INVOICE, on=date(datetime.now(UTC).year + 2, 1, 1))
    async with fresh_database.connection() as connection:
        assert await ledger.number_series(connection) == []


async def test_many_documents_in_one_act_cost_as_much_each_as_few(fresh_database: Database) -> None:
    """Ten thousand versions of one row, each looked through for the next, would take longer than this."""
    began = time.perf_counter()
    await take(fresh_database, DocumentKind.INVOICE, 10_000)
    assert time.perf_counter() - began < 20
    await sound(fresh_database)


async def test_series_are_listed_by_kind_and_from_a_year_on(fresh_database: Database) -> None:
    for kind, day in SERIES:
        await take(fresh_database, kind, 2, on=day)
    async with fresh_database.connection() as connection:
        whole = await ledger.number_series(connection)
        bills = await ledger.number_series(connection, kind=DocumentKind.INVOICE)
        late = await ledger.number_series(connection, since=2026)
    assert [(each.kind.value, each.year, each.count) for each in whole] == [
        ("CREDIT_NOTE", 2026, 2),
        ("INVOICE", 2025, 2),
        ("INVOICE", 2026, 2),
        ("Z_REPORT", 2026, 2),
    ]
    assert bills == whole[1:3]
    assert late == [each for each in whole if each.year == 2026]


async def test_gaps_are_named_where_the_guards_were_down(
    fresh_database: Database, server: Server, fresh_name: str
) -> None:
    await take(fresh_database, DocumentKind.INVOICE, 210)
    owner = await asyncpg.connect(server.owner_url(fresh_name))
    await owner.execute("ALTER TABLE document_numbers DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM document_numbers WHERE n IN (3, 4) OR n > 208")
    await owner.execute("ALTER TABLE document_numbers ENABLE TRIGGER USER")
    async with fresh_database.connection() as connection:
        [series] = await ledger.number_series(connection)
        assert (series.first, series.last, series.count, list(series.gaps)) == (1, 210, 206, [3, 4, 209, 210])
    with pytest.raises(Invalid, match="tampered"):  # 209 was out once: it is not given again
        await take(fresh_database, DocumentKind.INVOICE)
    await owner.execute("ALTER TABLE document_numbers DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM document_numbers")
    await owner.close()
    async with fresh_database.connection() as connection:
        [series] = await ledger.number_series(connection)
        assert (series.first, series.last, series.count, list(series.gaps)) == (None, 210, 0, list(range(1, 101)))


# --- several at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["commit", "rollback", "crash"])
async def test_whoever_waits_takes_what_becomes_free(crowded: Database, end: str) -> None:
    await take(crowded, DocumentKind.INVOICE)
    holder, waiting = new_id("inv"), None
    ways = {"commit": nullcontext(), "rollback": pytest.raises(GaveUp), "crash": pytest.raises(DEAD)}
    with ways[end]:
        async with crowded.connection() as connection, begin(connection, actor=SYSTEM) as work:
            ledger.number(work, DocumentKind.INVOICE, [holder], on=date(2026, 1, 1))
            await work.finish()
            waiting = asyncio.create_task(take(crowded, DocumentKind.INVOICE))
            other = asyncio.create_task(take(crowded, DocumentKind.CREDIT_NOTE))
            await asyncio.wait_for(other, 10)  # another series, another lock
            await asyncio.sleep(0.2)
            assert not waiting.done()
            if end == "crash":
                await kill(crowded, connection)
            if end == "rollback":
                raise GaveUp
    assert waiting is not None
    documents = await asyncio.wait_for(waiting, 10)
    expected = ["INV-2026-000002", "INV-2026-000003"] if end == "commit" else [None, "INV-2026-000002"]
    assert await numbers(crowded, [holder, *documents]) == expected
    await sound(crowded)


async def test_the_first_two_of_a_year_at_once(crowded: Database) -> None:
    for year in range(1950, 1990):
        taken = await asyncio.gather(*(take(crowded, DocumentKind.Z_REPORT, on=date(year, 1, 1)) for _ in range(4)))
        found = await numbers(crowded, [each for one in taken for each in one])
        assert sorted(map(str, found)) == [f"Z-{year}-{n:06d}" for n in range(1, 5)]
    await sound(crowded)


@dataclass
class Told:
    """What writers know of their acts."""

    documents: dict[ID, tuple[DocumentKind, int]] = field(default_factory=dict)
    """Those of acts that were committed."""
    acts: list[tuple[float, float, list[ID]]] = field(default_factory=list)
    """When each began to be, and had been, committed; and its documents."""
    ends: Counter[str] = field(default_factory=Counter)


async def _write(database: Database, told: Told, dice: random.Random) -> None:
    for _ in range(ACTS):
        end = dice.choices(["commit", "refused", "rolled back", "cut off", "killed"], [12, 2, 2, 1, 1])[0]
        wanted = dice.sample(SERIES, dice.randint(1, 3))
        documents = {each: [new_id("doc") for _ in range(dice.randint(1, 4))] for each in wanted}
        began = time.perf_counter()
        try:
            async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
                for (kind, day), ids in documents.items():
                    ledger.number(work, kind, ids, on=day)
                    work.announce(*map(ThingIssued, ids))
                if end == "refused":
                    raise GaveUp
                await asyncio.sleep(dice.random() / 100)
                began = time.perf_counter()
                if end != "commit":
                    await work.finish()
                    if end == "cut off":
                        driver_of(connection).terminate()
                    if end == "killed":
                        await kill(database, connection)
                    raise GaveUp
        except GaveUp:
            told.ends[end] += 1
            continue
        assert end == "commit"
        told.ends[end] += 1
        for (kind, day), ids in documents.items():
            told.acts.append((began, time.perf_counter(), ids))
            told.documents |= dict.fromkeys(ids, (kind, day.year))


@pytest.mark.timeout(240)
async def test_fifty_writers_leave_no_gap_and_no_double(crowded: Database) -> None:
    seed = random.randrange(1_000_000)
    told = Told()
    await asyncio.gather(*(_write(crowded, told, random.Random(seed + n)) for n in range(WRITERS)))
    assert set(told.ends) == {"commit", "refused", "rolled back", "cut off", "killed"}, seed
    async with crowded.connection() as connection:
        rows = await driver_of(connection).fetch("SELECT kind, year, n, document FROM document_numbers")
    place = {ID(row["document"]): row["n"] for row in rows}
    assert place.keys() == told.documents.keys(), seed  # what was committed, and nothing else
    assert len(place) == len(rows)
    given: dict[tuple[DocumentKind, int], list[int]] = defaultdict(list)
    for row in rows:
        given[DocumentKind(row["kind"]), row["year"]].append(row["n"])
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in given.values()), seed
    assert set(given) == {(kind, day.year) for kind, day in SERIES}
    for row in rows:
        assert told.documents[ID(row["document"])] == (row["kind"], row["year"]), seed
    for _, _, ids in told.acts:  # those of an act follow each other
        assert [place[each] for each in ids] == list(range(place[ids[0]], place[ids[0]] + len(ids))), seed
    # Whoever began when another one was done has a higher number.
    for began, _, ids in told.acts:
        series = told.documents[ids[0]]
        before = [
            place[other[-1]] for _, ended, other in told.acts if ended < began and told.documents[other[0]] == series
        ]
        assert max(before, default=0) < place[ids[0]], seed
    await sound(crowded)
