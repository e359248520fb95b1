"""One act, one transaction: through both drivers, with deferred rules, in earnest and in a dry run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import catalog
from domain.catalog import Product, ProductVariant
from domain.kernel import bulk, constraints, writing
from domain.kernel.database import Database, driver_of, raw, snapshot
from domain.kernel.errors import Invalid
from domain.kernel.events import Event
from domain.kernel.external import ExternalReference
from domain.kernel.ids import ID, new_id
from domain.kernel.opening import Condition, Unmet
from domain.kernel.work import SYSTEM, Actor, Work, begin
from domain.kernel.writing import Wanted


@dataclass(frozen=True)
class ThingSeen(Event):
    """A thing of these tests was seen."""


class Rolled(Exception):  # noqa: N818  an order, not an error
    """Thrown to roll a work back."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.connection() as opened:
        yield opened


def reference(mark: str) -> dict[str, Any]:
    return {"noun": "tst", "system": "test", "external_id": mark, "row": new_id("tst")}


async def kept(database: Database, mark: str) -> int:
    """How many rows with that mark another connection sees."""
    async with database.snapshot() as other:
        rows = await other.execute(select(ExternalReference).where(ExternalReference.external_id == mark))
        return len(rows.all())


async def product_with_two_variants(database: Database) -> tuple[ID, list[ID]]:
    mark = new_id("sku")
    async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
        variants = [catalog.NewVariant(sku=f"{mark}-{n}") for n in (1, 2)]
        product = await catalog.create(work, catalog.NewProduct(name="Tee", variants=variants))
    async with database.snapshot() as opened:
        column = ProductVariant.__table__.c
        found = await opened.execute(select(column.id).where(column.product_id == product).order_by(column.position))
        return product, list(found.scalars())


async def by_raw(work: Work, mark: str) -> None:
    await work.raw.execute("INSERT INTO external_references VALUES ('tst', 'test', $1, 'x')", mark)


async def by_core(work: Work, mark: str) -> None:
    await work.connection.execute(insert(ExternalReference), [reference(mark)])


async def by_session(work: Work, mark: str) -> None:
    work.session.add(ExternalReference(**reference(mark)))


async def by_bulk(work: Work, mark: str) -> None:
    await bulk.insert(work, ExternalReference, [reference(mark)])


Write = Callable[[Work, str], Awaitable[None]]
every_way_of_writing = pytest.mark.parametrize("write", [by_raw, by_core, by_session, by_bulk])


@every_way_of_writing
async def test_the_first_write_is_part_of_the_act_whichever_way_it_goes(
    database: Database, connection: AsyncConnection, write: Write
) -> None:
    mark = f"rolled back {write.__name__}"
    with pytest.raises(Rolled):  # noqa: PT012
        async with begin(connection, actor=SYSTEM) as work:
            await write(work, mark)
            raise Rolled
    assert await kept(database, mark) == 0
    async with begin(connection, actor=SYSTEM) as work:
        await write(work, mark)
        assert await kept(database, mark) == 0
    assert await kept(database, mark) == 1


@every_way_of_writing
async def test_a_dry_run_is_seen_inside_and_leaves_nothing(
    database: Database, connection: AsyncConnection, write: Write
) -> None:
    mark = f"dry {write.__name__}"
    async with begin(connection, actor=SYSTEM, commit=False) as work:
        await write(work, mark)
        work.announce(ThingSeen(new_id("tst")))
        await work.finish()
        count = "SELECT count(*) FROM external_references WHERE external_id = $1"
        assert await work.raw.fetchval(count, mark) == 1
        seen = await work.raw.fetchval(
            "SELECT count(*) FROM events WHERE type = 'thing.seen' AND act = $1", work.act[4:]
        )
        assert seen == 1
    assert await kept(database, mark) == 0
    async with database.snapshot() as other:
        seen = await other.execute(text("SELECT count(*) FROM events WHERE type = 'thing.seen'"))
        assert seen.scalar_one() == 0
    assert not connection.in_transaction()


@pytest.mark.parametrize("commit", [True, False], ids=["in earnest", "dry run"])
async def test_a_deferred_rule_is_refused_inside_the_act(
    database: Database, connection: AsyncConnection, commit: bool
) -> None:
    _, variants = await product_with_two_variants(database)
    same_place = update(ProductVariant).where(ProductVariant.__table__.c.id == variants[1]).values(position=1)
    with pytest.raises(Invalid) as refused:
        async with begin(connection, actor=SYSTEM, commit=commit) as work:
            await work.connection.execute(same_place)
    assert refused.value.message == "Two variants cannot have the same place in one product."
    assert refused.value.path == ("input", "variants")
    assert not connection.in_transaction()


async def test_a_deferred_rule_may_be_broken_on_the_way(database: Database, connection: AsyncConnection) -> None:
    product, variants = await product_with_two_variants(database)
    column = ProductVariant.__table__.c
    async with begin(connection, actor=SYSTEM) as work:
        for variant, position in zip(variants, (2, 1), strict=True):
            changed = update(ProductVariant).where(column.id == variant).values(position=position)
            await work.connection.execute(changed)
    async with database.snapshot() as other:
        found = await other.execute(select(column.id).where(column.product_id == product).order_by(column.position))
        assert list(found.scalars()) == variants[::-1]


@every_way_of_writing
async def test_a_broken_constraint_is_the_refusal_that_explains_it(
    database: Database, connection: AsyncConnection, write: Write
) -> None:
    mark = f"taken by {write.__name__}"
    async with begin(connection, actor=SYSTEM) as work:
        await write(work, mark)
    with pytest.raises(Invalid) as refused:
        async with begin(connection, actor=SYSTEM) as work:
            await write(work, mark)
    assert refused.value.message == f"This external id is taken: tst, test, {mark}."
    assert refused.value.path == ("input", "externalId")
    assert refused.value.code == "INVALID"
    assert await kept(database, mark) == 1


async def test_a_broken_constraint_that_nobody_explained_stays_a_loud_error(connection: AsyncConnection) -> None:
    with pytest.raises(Exception, match="fk_product_variants_product_id"):
        async with begin(connection, actor=SYSTEM) as work:
            await work.raw.execute(
                "INSERT INTO product_variants (id, product_id, position, sku, name, unit_id, created_at, updated_at)"
                " SELECT uuid7(), uuid7(), 1, 'orphan', 'x', id, now(), now() FROM units LIMIT 1"
            )
    assert not connection.in_transaction()


def test_a_constraint_is_explained_once() -> None:
    with pytest.raises(ValueError, match="uq_products_slug is explained twice"):
        constraints.explain("uq_products_slug", "Again.")


async def test_every_explained_constraint_exists(connection: AsyncConnection) -> None:
    """As a constraint, as a unique index, or as the name under which a trigger function refuses."""
    query = "SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind = 'i'"
    found = set((await connection.execute(text(query))).scalars())
    query = "SELECT string_agg(prosrc, ' ') FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    functions = (await connection.execute(text(query))).scalar_one()
    assert [name for name in constraints.explained() - found if f"'{name}'" not in functions] == []


async def test_the_database_knows_who_acts_during_the_act_and_only_then(connection: AsyncConnection) -> None:
    actor = Actor(id=new_id("usr"), app=new_id("app"))
    shown = "SELECT current_setting('waterline.actor', true) || ' ' || current_setting('waterline.app', true)"
    shown += " || ' ' || current_setting('waterline.act', true)"
    async with begin(connection, actor=actor) as work:
        assert await work.raw.fetchval(shown) == f"{actor.id} {actor.app} {work.act}"
        assert (await work.connection.execute(text(shown))).scalar_one() == f"{actor.id} {actor.app} {work.act}"
        first = work.act
    async with begin(connection, actor=SYSTEM) as work:
        assert await work.raw.fetchval(shown) == f"  {work.act}"
        assert work.act != first
    async with connection.begin():
        assert (await connection.execute(text(shown))).scalar_one().strip() == ""


async def test_an_act_reads_committed_state_on_a_connection_that_was_a_snapshot_before(
    database: Database, connection: AsyncConnection
) -> None:
    async with snapshot(connection):
        shown = await connection.execute(text("SHOW transaction_isolation"))
        assert shown.scalar_one() == "repeatable read"
        assert (await connection.execute(text("SHOW transaction_read_only"))).scalar_one() == "on"
    async with begin(connection, actor=SYSTEM) as work:
        assert await work.raw.fetchval("SHOW transaction_isolation") == "read committed"
        assert await work.raw.fetchval("SHOW transaction_read_only") == "off"
        assert await kept(database, "seen meanwhile") == 0
        async with database.connection() as other, begin(other, actor=SYSTEM) as second:
            await by_raw(second, "seen meanwhile")
        count = "SELECT count(*) FROM external_references WHERE external_id = 'seen meanwhile'"
        assert await work.raw.fetchval(count) == 1
    async with snapshot(connection):
        assert (await connection.execute(text("SHOW transaction_isolation"))).scalar_one() == "repeatable read"


async def test_a_snapshot_sees_one_state_and_cannot_write(database: Database) -> None:
    count = text("SELECT count(*) FROM external_references WHERE external_id = 'after the snapshot'")
    async with database.snapshot() as reading:
        assert (await reading.execute(count)).scalar_one() == 0
        async with database.connection() as other, begin(other, actor=SYSTEM) as work:
            await by_raw(work, "after the snapshot")
        assert (await reading.execute(count)).scalar_one() == 0
        with pytest.raises(Exception, match="read-only transaction"):
            await reading.execute(insert(ExternalReference), [reference("never")])


async def test_an_act_has_one_clock_reading_and_its_events_bear_it(
    database: Database, connection: AsyncConnection
) -> None:
    now, actor, cause = datetime(2024, 2, 29, 12, tzinfo=UTC), Actor(new_id("usr"), new_id("app")), new_id("evt")
    thing = new_id("tst")
    async with begin(connection, actor=actor, cause=cause, now=now) as work:
        assert work.now == now
        work.announce(ThingSeen(thing))
    async with database.snapshot() as other:
        statement = (
            "SELECT at, actor, app, cause, 'act_' || replace(act::text, '-', ''), data FROM events WHERE subject = "
        )
        row = (await other.execute(text(statement + f"'{thing}'"))).one()
    assert tuple(row) == (now, actor.id, actor.app, cause, work.act, {})


async def test_rows_read_by_the_session_carry_their_typed_values(
    database: Database, connection: AsyncConnection
) -> None:
    product, _ = await product_with_two_variants(database)
    async with begin(connection, actor=SYSTEM) as work:
        row = await work.session.get_one(Product, product)
        assert (row.id, row.status, row.version) == (product, catalog.ProductStatus.ACTIVE, 1)
        row.description = "Changed"
    async with begin(connection, actor=SYSTEM) as work:
        row = await work.session.get_one(Product, product)
        assert row.description == "Changed"
        assert Decimal(row.version) == 1


# --- what waits to be written ---------------------------------------------------------------------------------------

COUNT = "SELECT count(*) FROM external_references WHERE external_id = "


async def seen_by_raw(work: Work, mark: str) -> int:
    return await work.raw.fetchval(f"{COUNT}'{mark}'")


async def seen_by_the_driver(work: Work, mark: str) -> int:
    return await (await raw(work.connection)).fetchval(f"{COUNT}'{mark}'")


async def seen_by_core(work: Work, mark: str) -> int:
    return (await work.connection.execute(text(f"{COUNT}'{mark}'"))).scalar_one()


async def seen_by_session(work: Work, mark: str) -> int:
    return (await work.session.execute(text(f"{COUNT}'{mark}'"))).scalar_one()


@pytest.mark.parametrize("look", [seen_by_raw, seen_by_the_driver, seen_by_core, seen_by_session])
async def test_what_waits_is_seen_by_whoever_speaks_next(
    database: Database, connection: AsyncConnection, look: Callable[[Work, str], Awaitable[int]]
) -> None:
    mark = f"waits for {look.__name__}"
    async with begin(connection, actor=SYSTEM) as work:
        await bulk.insert_later(work, ExternalReference, [reference(mark)])
        assert len(work.raw.waiting) == 1
        assert await look(work, mark) == 1
    assert await kept(database, mark) == 1


async def test_writes_that_wait_are_one_statement_with_the_events(
    database: Database, connection: AsyncConnection
) -> None:
    said: list[str] = []
    driver = driver_of(connection)
    marks = [f"together {n}" for n in range(3)]
    async with begin(connection, actor=SYSTEM) as work:
        driver.add_query_logger(lambda record: said.append(record.query))
        await bulk.insert_later(work, ExternalReference, [reference(mark) for mark in marks[:2]])
        await work.raw.later(
            writing.Write("INSERT INTO external_references VALUES ('tst', 'test', $1, 'x')", [marks[2]])
        )
        work.announce(ThingSeen(new_id("tst")))
    await asyncio.sleep(0)  # the driver tells its loggers in the next turn of the loop
    assert [each.split(maxsplit=1)[0] for each in said if "pg_catalog" not in each] == ["WITH", "SET"]
    assert [await kept(database, mark) for mark in marks] == [1, 1, 1]


ODD = "it's a \\ 'quoted' \\' \"mark\" $1 ; --"
"""What would break out of a literal that is not written with care."""


async def test_what_an_act_writes_last_goes_with_its_commit_once_it_comes_again(
    database: Database, connection: AsyncConnection
) -> None:
    said: list[str] = []
    driver_of(connection).add_query_logger(lambda record: said.append(record.query))
    counts = []
    for n in range(4):
        said.clear()
        async with begin(connection, actor=SYSTEM) as work:
            await bulk.insert_later(work, ExternalReference, [reference(f"{ODD} {n}")])
        await asyncio.sleep(0)  # the driver tells its loggers in the next turn of the loop
        counts.append([each.split(maxsplit=1)[0] for each in said if "pg_catalog" not in each])
        assert await kept(database, f"{ODD} {n}") == 1
    ending = [each[1:] for each in counts]  # behind what begins it
    assert ending == [["INSERT", "SET"], ["PREPARE", "EXECUTE"], ["EXECUTE"], ["EXECUTE"]]


async def test_what_goes_with_the_commit_is_refused_whole(database: Database, connection: AsyncConnection) -> None:
    mark = "refused with the commit"
    for n in range(3):
        async with begin(connection, actor=SYSTEM) as work:
            await bulk.insert_later(work, ExternalReference, [reference(f"{mark} {n}")])
    with pytest.raises(Invalid):
        async with begin(connection, actor=SYSTEM) as work:
            await bulk.insert_later(work, ExternalReference, [reference(f"{mark} {n}") for n in (3, 0)])
    assert not driver_of(connection).is_in_transaction()
    assert await kept(database, f"{mark} 3") == 0


@pytest.mark.parametrize("commit", [True, False])
async def test_a_rule_is_kept_to_by_what_is_written_last_in_a_dry_run_too(
    connection: AsyncConnection, *, commit: bool
) -> None:
    mark = f"twice over, {commit}"
    with pytest.raises(Invalid):
        async with begin(connection, actor=SYSTEM, commit=commit) as work:
            await bulk.insert_later(work, ExternalReference, [reference(mark), reference(mark)])


async def test_writes_of_one_kind_take_turns(database: Database, connection: AsyncConnection) -> None:
    mark = "written twice"
    upsert = """
    INSERT INTO external_references AS present VALUES ('tst', 'test', $1, $2)
    ON CONFLICT (noun, system, external_id) DO UPDATE SET row = present.row || excluded.row
    """
    async with begin(connection, actor=SYSTEM) as work:
        for row in "ab":
            await work.raw.later(writing.Write(upsert, [mark, row]))
        assert await work.raw.fetchval(f"SELECT row FROM external_references WHERE external_id = '{mark}'") == "ab"
    assert await kept(database, mark) == 1


async def test_what_waited_is_forgotten_with_its_act(database: Database, connection: AsyncConnection) -> None:
    mark = "never written"
    with pytest.raises(Rolled):  # noqa: PT012
        async with begin(connection, actor=SYSTEM) as work:
            await bulk.insert_later(work, ExternalReference, [reference(mark)])
            raise Rolled
    async with begin(connection, actor=SYSTEM) as work:
        assert await seen_by_the_driver(work, mark) == 0
    assert await kept(database, mark) == 0


# --- how an act begins and ends -------------------------------------------------------------------------------------


async def test_an_act_does_not_begin_without_its_condition(database: Database, connection: AsyncConnection) -> None:
    entered = False
    for wanted in ("b", "a", "b"):
        try:
            async with begin(connection, actor=SYSTEM, provided=Condition("is_a", "$1::text = 'a'", wanted)) as work:
                assert wanted == "a"
                entered = True
                await by_raw(work, "under a condition")
        except Unmet:
            assert wanted == "b"
        assert not driver_of(connection).is_in_transaction()
    assert entered
    assert await kept(database, "under a condition") == 1


async def said(connection: AsyncConnection, act: Callable[[], Awaitable[None]]) -> list[str]:
    """How what was said meanwhile begins and ends."""
    heard: list[str] = []

    def note(record: Any) -> None:
        heard.append(record.query)

    driver = driver_of(connection)
    driver.add_query_logger(note)
    try:
        await act()
    finally:
        driver.remove_query_logger(note)
    return [f"{each.split(maxsplit=1)[0]} … {each.rsplit(maxsplit=1)[-1]}" for each in heard]


async def test_an_act_that_only_writes_is_one_statement(database: Database, connection: AsyncConnection) -> None:
    async def act() -> None:
        async with begin(connection, actor=SYSTEM, lazily=True) as work:
            await bulk.insert_later(work, ExternalReference, [reference(work.act)])
            work.announce(ThingSeen(ID(work.act)))
        assert await kept(database, work.act) == 1
        assert not driver_of(connection).is_in_transaction()

    for _ in range(2):
        await act()
    assert await said(connection, act) == ["WITH … opened"]


@pytest.mark.parametrize("how", ["writes", "asks first", "wants another table", "is refused"])
async def test_what_is_wanted_of_new_rows_comes_with_the_one_statement(connection: AsyncConnection, how: str) -> None:
    table = "events" if how == "wants another table" else "external_references"
    wanted = Wanted(table, "7 AS level, external_references.external_id AS p1")
    condition = Condition("wanted", "$1::text = 'a'", "x" if how == "is refused" else "a")
    marks = [f"wanted {n} by who {how}" for n in range(3)]

    async def act() -> Work:
        async with begin(connection, actor=SYSTEM, provided=condition, lazily=True, wanted=wanted) as work:
            if how == "asks first":
                await work.raw.fetchval("SELECT 1")
            await bulk.insert_later(work, ExternalReference, [reference(mark) for mark in marks])
            assert work.raw.returned is None
        return work

    if how == "is refused":
        with pytest.raises(Unmet):
            await act()
        return
    returned = (await act()).raw.returned
    assert (returned and [tuple(row) for row in returned]) == (
        [(7, mark) for mark in marks] if how == "writes" else None
    )


async def test_an_act_that_begins_late_begins_with_what_it_asks(
    database: Database, connection: AsyncConnection
) -> None:
    for how in ("driver", "session"):
        async with begin(connection, actor=Actor(ID("usr_late")), lazily=True) as work:
            assert not driver_of(connection).is_in_transaction()
            if how == "driver":
                actor = await work.raw.fetchval("SELECT current_setting('waterline.actor')")
            else:
                actor = (await work.session.execute(text("SELECT current_setting('waterline.actor')"))).scalar_one()
            assert actor == "usr_late"
            assert driver_of(connection).is_in_transaction()
            assert not work.provide(Condition("late", "false", ""))
            await bulk.insert_later(work, ExternalReference, [reference(f"late by {how}")])
        assert await kept(database, f"late by {how}") == 1


async def test_an_act_that_begins_late_and_comes_to_nothing_is_none(connection: AsyncConnection) -> None:
    async def nothing() -> None:
        with pytest.raises(Rolled):  # noqa: PT012
            async with begin(connection, actor=SYSTEM, lazily=True) as work:
                await bulk.insert_later(work, ExternalReference, [reference("never")])
                raise Rolled

    assert await said(connection, nothing) == []
    async with begin(connection, actor=SYSTEM) as work:
        assert await seen_by_the_driver(work, "never") == 0


@pytest.mark.parametrize("asks", [False, True])
async def test_an_act_that_begins_late_does_so_under_all_its_conditions(
    database: Database, connection: AsyncConnection, *, asks: bool
) -> None:
    forgotten: list[str] = []
    for n, (first, second) in enumerate([("a", "b"), ("a", "x"), ("x", "b"), ("a", "b")]):
        mark = f"conditions {n} {asks}"
        one = Condition("first", "$1::text = 'a'", first, lambda: forgotten.append("first"))
        other = Condition("second", "$1::text = 'b'", second, lambda: forgotten.append("second"))
        try:
            async with begin(connection, actor=SYSTEM, provided=one, lazily=True) as work:
                assert work.provide(other)
                if asks:
                    await work.raw.fetchval("SELECT 1")
                await bulk.insert_later(work, ExternalReference, [reference(mark)])
        except Unmet:
            assert await kept(database, mark) == 0
        else:
            assert (first, second) == ("a", "b")
            assert await kept(database, mark) == 1
        assert not driver_of(connection).is_in_transaction()
    assert forgotten == ["second", "first"]


async def test_an_id_cannot_smuggle_anything_into_the_first_message(connection: AsyncConnection) -> None:
    for smuggled in ("x'); DROP TABLE events; --", "usr_\\", "usr_É"):
        with pytest.raises(ValueError, match="is no id"):
            async with begin(connection, actor=Actor(ID(smuggled))):
                raise AssertionError
    async with begin(connection, actor=SYSTEM) as work:
        assert await work.raw.fetchval("SELECT 1") == 1


async def test_a_cancelled_act_leaves_no_transaction_open(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def act() -> None:
        async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
            await by_raw(work, "cancelled")
            await work.raw.execute("SELECT pg_sleep(60)")

    locks = """
    SELECT count(*) FROM pg_locks WHERE relation = 'external_references'::regclass AND pid <> pg_backend_pid()
    """
    for again in (False, True):
        task = asyncio.create_task(act())
        while await owner.fetchval(locks) == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        if again:  # as those do who cancel at every await
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert database.connections.used == 0
        assert await owner.fetchval(locks) == 0
    assert await kept(database, "cancelled") == 0


async def test_a_connection_that_is_lost_in_an_act_is_replaced(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):  # noqa: PT012
        async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
            await by_raw(work, "lost")
            await owner.execute("SELECT pg_terminate_backend($1)", await work.raw.fetchval("SELECT pg_backend_pid()"))
            await work.raw.fetchval("SELECT 1")
    async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
        assert await work.raw.fetchval("SELECT 1") == 1
    assert await kept(database, "lost") == 0
    assert database.connections.used == 0


async def test_a_connection_whose_server_has_said_farewell_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has read the farewell and waits for more, when the act that failed is to be rolled back."""
    execute = asyncpg.Connection.execute

    async def waiting(driver: Any, query: str, *arguments: Any, **options: Any) -> str:
        if query == "ROLLBACK":
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
        return await execute(driver, query, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", waiting)
        with pytest.raises(LookupError):  # noqa: PT012  what went wrong, and not what came of it
            async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
                await by_raw(work, "lost")
                raise LookupError
    async with database.connection() as opened, begin(opened, actor=SYSTEM) as work:
        assert await work.raw.fetchval("SELECT 1") == 1
    assert await kept(database, "lost") == 0
    assert database.connections.used == 0
