"""Customers below the doors: many at once, brought in from other systems, and nothing personal in the event log."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from domain import customers
from domain.customers import Address, BroughtIn, Customer, CustomerAddress, CustomerChanges, NewCustomer
from domain.kernel import bulk, constraints, invariants
from domain.kernel.countries import CountryCode, country_codes
from domain.kernel.database import Database, driver_of, raw
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, new_id
from domain.kernel.work import SYSTEM, Work, begin
from tests.support.api import Api

Said = Callable[..., Awaitable[Any]]


async def said(database: Database, operation: Said, *arguments: Any) -> Any:
    """One operation as an act of its own."""
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        return await operation(work, *arguments)


async def rows(database: Database, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with database.snapshot() as connection:
        await connection.exec_driver_sql("SELECT 1")  # begins the snapshot
        return [tuple(record) for record in await (await raw(connection)).fetch(statement, *arguments)]


async def state(database: Database) -> list[list[tuple[Any, ...]]]:
    """Every row that customers leave anywhere, with its physical place: what a refusal must leave as it is."""
    tables = ("customers", "customer_addresses", "external_references", "events", "event_heads")
    return [await rows(database, f"SELECT ctid, * FROM {table} ORDER BY ctid") for table in tables]


async def sound(database: Database) -> None:
    async with database.snapshot() as connection:
        assert [(each.name, fault) async for each, fault in invariants.check(connection) if fault] == []


def address(line1: str, **lines: Any) -> Address:
    return Address(line1=line1, country_code=CountryCode("DE"), **lines)


def household(n: int, **values: Any) -> NewCustomer:
    made = NewCustomer(
        name=f"Household {n}",
        email=f"home{n}@till.example",
        addresses=[address(f"Road {n}", city="Cove"), address(f"Box {n}")],
        external_id=ExternalId("till", str(n)),
    )
    return replace(made, **values)


def paths(refusals: Refusals) -> list[tuple[str | int, ...]]:
    return [each.path for each in refusals.refusals]


async def statements_of(database: Database, operation: Said, *arguments: Any) -> int:
    """How many statements an act takes, without those by which a new connection asks about types."""
    seen: list[str] = []

    def note(record: Any) -> None:
        if "pg_catalog" not in record.query and "jit" not in record.query:
            seen.append(record.query)

    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        driver_of(connection).add_query_logger(note)
        try:
            await operation(work, *arguments)
            await work.finish()
        finally:
            driver_of(connection).remove_query_logger(note)
    return len(seen)


async def test_thousands_are_created_in_as_many_statements_as_ten(fresh_database: Database) -> None:
    few = await statements_of(fresh_database, customers.create_many, [household(n) for n in range(10)])
    many = await statements_of(fresh_database, customers.create_many, [household(n) for n in range(10, 2500)])
    assert few == many
    assert await rows(fresh_database, "SELECT count(*) FROM customer_addresses") == [(5000,)]
    ordered = "SELECT array_agg(line1 ORDER BY position) FROM customer_addresses GROUP BY customer_id ORDER BY 1"
    assert (await rows(fresh_database, ordered))[0] == (["Road 0", "Box 0"],)
    await sound(fresh_database)


async def test_ids_come_back_in_the_order_given(fresh_database: Database) -> None:
    news = [household(n) for n in (3, 1, 2)]
    ids: list[ID] = await said(fresh_database, customers.create_many, news)
    found = dict(await rows(fresh_database, "SELECT 'cus_' || replace(id::text, '-', ''), name FROM customers"))
    assert [found[each] for each in ids] == [new.name for new in news]


async def test_all_offences_of_many_are_named_with_their_index(fresh_database: Database) -> None:
    await said(fresh_database, customers.create, household(0))
    before = await state(fresh_database)
    news = [
        household(1, email="not an email"),
        household(2, addresses=[address("ok"), replace(address("far"), country_code=CountryCode("ZZ"))]),
        household(3, name=" ", phone=""),
        household(4),
        household(5, email="HOME4@till.example"),
        household(6, external_id=ExternalId("till", "4")),
    ]
    with pytest.raises(Refusals) as caught:
        await said(fresh_database, customers.create_many, news)
    assert paths(caught.value) == [
        (0, "input", "email"),
        (1, "input", "addresses", 1, "countryCode"),
        (2, "input", "name"),
        (2, "input", "phone"),
        (4, "input", "email"),
        (5, "input", "externalId"),
    ]
    taken = [household(7), household(8, email="HOME0@till.example"), household(9, external_id=ExternalId("till", "0"))]
    with pytest.raises(Refusals) as caught:
        await said(fresh_database, customers.create_many, taken)
    assert paths(caught.value) == [(1, "input", "email"), (2, "input", "externalId")]
    assert await state(fresh_database) == before


async def test_addresses_that_stay_the_same_keep_their_ids(fresh_database: Database) -> None:
    a, b, c, d = (address(letter) for letter in "abcd")
    customer: ID = await said(fresh_database, customers.create, NewCustomer("Mover", addresses=[a, b, b, c]))
    read = "SELECT line1, position, id FROM customer_addresses ORDER BY position"
    before = await rows(fresh_database, read)
    await said(fresh_database, customers.update, customer, CustomerChanges(addresses=[c, d, b, a, a]))
    after = await rows(fresh_database, read)
    assert [(line, position) for line, position, _ in after] == list(zip("cdbaa", range(1, 6), strict=True))
    ids = {number: row for number, (_, _, row) in enumerate(before)}
    assert [after[0][2], after[2][2], after[3][2]] == [ids[3], ids[1], ids[0]]
    assert {after[1][2], after[4][2]}.isdisjoint(ids.values())
    await sound(fresh_database)


async def test_any_list_of_addresses_becomes_any_other(fresh_database: Database) -> None:
    dice = random.Random(5)
    customer: ID = await said(fresh_database, customers.create, NewCustomer("Shuffler"))
    version = 1
    present: list[str] = []
    for _ in range(60):
        wanted = [dice.choice("abcdef") for _ in range(dice.choice([0, 1, 3, 7, 50]))]
        changes = CustomerChanges(addresses=[address(letter) for letter in wanted])
        await said(fresh_database, customers.update, customer, changes)
        version += wanted != present
        present = wanted
        found = await rows(fresh_database, "SELECT line1 FROM customer_addresses ORDER BY position")
        assert [line for (line,) in found] == wanted
    assert await rows(fresh_database, "SELECT version FROM customers") == [(version,)]
    await sound(fresh_database)


async def test_bringing_in_creates_updates_and_leaves_alone(fresh_database: Database) -> None:
    news = [household(n) for n in range(20)]
    first: BroughtIn = await said(fresh_database, customers.bring_in, "till", news)
    assert (len(first.created), first.updated, first.unchanged) == (20, [], 0)
    before = await state(fresh_database)
    again: BroughtIn = await said(fresh_database, customers.bring_in, "till", news)
    assert again == BroughtIn([], [], unchanged=20)
    assert await state(fresh_database) == before

    news[3] = household(3, name="Renamed", email=None)
    news[5] = household(5, addresses=[address("Road 5", city="Cove")])
    mixed: BroughtIn = await said(fresh_database, customers.bring_in, "till", [*news, household(20)])
    assert (len(mixed.created), mixed.updated, mixed.unchanged) == (1, [first.created[3], first.created[5]], 18)
    told = await rows(
        fresh_database, "SELECT subject, data::text FROM events WHERE type = 'customer.updated' ORDER BY seq"
    )
    assert sorted(told) == sorted(
        [(first.created[3], '{"fields": ["name", "email"]}'), (first.created[5], '{"fields": ["addresses"]}')]
    )
    assert await rows(fresh_database, "SELECT count(*) FROM customers WHERE version = 2") == [(2,)]
    await sound(fresh_database)


async def test_emails_may_change_hands_in_one_delivery(fresh_database: Database) -> None:
    await said(fresh_database, customers.bring_in, "till", [household(0), household(1), household(2)])
    await said(fresh_database, customers.create, NewCustomer("Stranger", email="stranger@till.example"))
    swapped = [
        household(0, email="home1@till.example"),
        household(1, email="HOME0@till.example"),
        household(2, email="home2@new.example"),
        household(3, email="home2@till.example"),  # a new one takes what a known one gives up
    ]
    brought: BroughtIn = await said(fresh_database, customers.bring_in, "till", swapped)
    assert (len(brought.created), len(brought.updated)) == (1, 3)
    found = await rows(fresh_database, "SELECT email FROM customers WHERE name LIKE 'Household%' ORDER BY name")
    assert [email for (email,) in found] == [each.email for each in swapped]

    before = await state(fresh_database)
    with pytest.raises(Refusals) as caught:
        await said(
            fresh_database,
            customers.bring_in,
            "till",
            [swapped[0], household(1, email="Stranger@till.example"), household(2, email="home2@till.example")],
        )
    # The second is a stranger's; the third belongs to household 3, which this delivery does not mention.
    assert paths(caught.value) == [(1, "input", "email"), (2, "input", "email")]
    assert await state(fresh_database) == before


async def test_bringing_in_refuses_what_comes_twice(fresh_database: Database) -> None:
    before = await state(fresh_database)
    with pytest.raises(Refusals) as caught:
        await said(fresh_database, customers.bring_in, "till", [household(0), household(0, email=None)])
    assert paths(caught.value) == [(1, "input", "externalId")]
    with pytest.raises(ValueError, match="needs its id in till"):
        await said(fresh_database, customers.bring_in, "till", [NewCustomer("Nameless")])
    assert await state(fresh_database) == before


async def test_bringing_in_takes_as_many_statements_for_hundreds_as_for_ten(fresh_database: Database) -> None:
    async def measured(numbers: range) -> tuple[int, int]:
        fresh = [household(n) for n in numbers]
        changed = [household(n, name=f"New {n}", email=f"new{n}@till.example", addresses=[]) for n in numbers]
        await said(fresh_database, customers.bring_in, "till", fresh)
        return (
            await statements_of(fresh_database, customers.bring_in, "till", fresh),
            await statements_of(fresh_database, customers.bring_in, "till", changed),
        )

    few = await measured(range(10))
    assert await measured(range(10, 510)) == few


async def test_a_delivery_that_waited_for_an_edit_looks_again(fresh_database: Database) -> None:
    brought: BroughtIn = await said(fresh_database, customers.bring_in, "till", [household(0)])
    wanted = household(0, name="Moved", addresses=[address("New road")])
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        # By hand, just what the delivery is going to say.
        changes = CustomerChanges(name=wanted.name, addresses=wanted.addresses)
        await customers.update(work, brought.created[0], changes)
        delivery = asyncio.create_task(said(fresh_database, customers.bring_in, "till", [wanted]))
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL"
        while not await rows(fresh_database, waiting):
            assert not delivery.done()
            await asyncio.sleep(0.01)
    assert await delivery == BroughtIn([], [], unchanged=1)
    assert await rows(fresh_database, "SELECT version FROM customers") == [(2,)]
    assert await rows(fresh_database, "SELECT line1 FROM customer_addresses") == [("New road",)]


async def test_two_deliveries_at_once_create_each_customer_once(fresh_database: Database) -> None:
    news = [household(n) for n in range(50)]
    outcomes: list[BroughtIn] = await asyncio.gather(
        *(said(fresh_database, customers.bring_in, "till", random.Random(n).sample(news, 50)) for n in range(6))
    )
    assert sorted(len(each.created) for each in outcomes) == [0, 0, 0, 0, 0, 50]
    assert await rows(fresh_database, "SELECT count(*) FROM customers") == [(50,)]
    await sound(fresh_database)


async def test_acts_that_want_the_same_emails_wait_and_never_lock_each_other_out(fresh_database: Database) -> None:
    news = [NewCustomer(letter, email=f"{letter}@till.example") for letter in "amz"]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL"
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        await customers.create(work, news[1])
        # Both stop at M, or the second behind the first; had it Z by now, each would end up waiting for the other.
        acts: list[asyncio.Task[Any]] = []
        for order in (news, news[::-1]):
            acts.append(asyncio.create_task(said(fresh_database, customers.create_many, order)))
            while await rows(fresh_database, waiting) != [(len(acts),)]:
                assert not acts[-1].done()
                await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert [type(each) for each in outcomes] == [list, Invalid]
    assert await rows(fresh_database, "SELECT count(*) FROM customers") == [(3,)]


async def test_a_race_between_two_updates_loses_nothing(fresh_database: Database) -> None:
    customer: ID = await said(fresh_database, customers.create, NewCustomer("Both"))
    await asyncio.gather(
        said(fresh_database, customers.update, customer, CustomerChanges(phone="1")),
        said(fresh_database, customers.update, customer, CustomerChanges(email="both@till.example")),
        said(fresh_database, customers.update, customer, CustomerChanges(addresses=[address("a")])),
    )
    read = (
        "SELECT c.phone, email, version, line1 FROM customers AS c JOIN customer_addresses AS a ON a.customer_id = c.id"
    )
    assert await rows(fresh_database, read) == [("1", "both@till.example", 4, "a")]


async def test_whoever_names_a_customer_does_not_wait_for_an_edit(fresh_database: Database) -> None:
    customer: ID = await said(fresh_database, customers.create, NewCustomer("Busy"))

    async def edit(work: Work) -> None:
        await customers.update(work, customer, CustomerChanges(name="Busier", addresses=[address("a")]))
        async with fresh_database.connection() as other, begin(other, actor=SYSTEM) as second:
            # What a foreign key to the customer takes.
            await second.raw.execute("SELECT FROM customers WHERE id = $1 FOR KEY SHARE NOWAIT", customer[4:])

    await said(fresh_database, edit)


# Nothing of these is spelled in hexadecimal digits alone, as an id is.
SECRETS = ("Otto", "Quay", "otto@", "hidden.example", "+49", "Hafenstraße", "Hamburg")


async def test_events_hold_nothing_personal(api: Api, database: Database) -> None:
    create = "mutation M($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { id } } }"
    update = """mutation M($id: ID!, $input: CustomerUpdateInput!) {
      customerUpdate(id: $id, input: $input) { userErrors { code } } }"""
    home = {"name": "Otto Quay", "line1": "Hafenstraße 1", "city": "Hamburg", "countryCode": "DE", "phone": "+49 40 1"}
    person = {"name": "Otto Quay", "email": "otto@hidden.example", "phone": "+49 40 1", "addresses": [home]}
    customer = (await api.data(create, {"input": person}))["customerCreate"]["customer"]["id"]
    changed = {"name": "Otto Quay-Sea", "email": "Otto@hidden.example", "phone": "+49 40 2", "addresses": [home, home]}
    assert (await api.data(update, {"id": customer, "input": changed}))["customerUpdate"]["userErrors"] == []
    imported = NewCustomer("Otto Quay", "otto2@hidden.example", external_id=ExternalId("till", "1"))
    await said(database, customers.bring_in, "till", [imported])
    await said(database, customers.bring_in, "till", [replace(imported, email="otto3@hidden.example")])
    log = await rows(database, "SELECT events::text FROM events WHERE type LIKE 'customer.%'")
    assert len(log) == 4
    log += await rows(database, "SELECT event_heads::text FROM event_heads")
    log += await rows(database, "SELECT idempotency_keys::text FROM idempotency_keys")
    for (text,) in log:
        assert [secret for secret in SECRETS if secret.lower() in text.lower()] == []
    await sound(database)


def test_countries_are_those_of_iso_3166() -> None:
    assert len(country_codes()) == 250  # the 249 of ISO and Kosovo
    assert {"DE", "GB", "US", "XK"} < country_codes()
    assert country_codes().isdisjoint({"EU", "UN", "ZZ", "UK", "AC", "419"})


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"name": " x"}, "ck_customers_name_filled"),
        ({"phone": ""}, "ck_customers_phone_filled"),
        ({"email": "a@b@c"}, "ck_customers_email_form"),
        ({"email": " a@b"}, "ck_customers_email_form"),
        ({"email": "a" * 252 + "@bc"}, "ck_customers_email_form"),
        ({"email": "SOMEBODY@till.example"}, "uq_customers_email"),
        ({"position": 51}, "ck_customer_addresses_position_range"),
        ({"position": 1}, "uq_customer_addresses_customer_id_position"),
        ({"country_code": "de"}, "ck_customer_addresses_country_code_form"),
        ({"line1": ""}, "ck_customer_addresses_line1_filled"),
    ],
)
async def test_the_database_refuses_by_itself(
    fresh_database: Database, values: dict[str, Any], constraint: str
) -> None:
    somebody = NewCustomer("Somebody", "somebody@till.example", addresses=[address("a")])
    customer: ID = await said(fresh_database, customers.create, somebody)

    async def break_it(work: Work) -> None:
        if constraint.startswith(("ck_customers_", "uq_customers_")):
            row = {"id": new_id("cus"), "name": "x", "created_at": work.now, "updated_at": work.now}
            await bulk.insert(work, Customer, [row | values])
        else:
            row = {"id": new_id("adr"), "customer_id": customer, "position": 2, "line1": "x", "country_code": "DE"}
            await bulk.insert(work, CustomerAddress, [row | values])

    with pytest.raises((asyncpg.IntegrityConstraintViolationError, Refusal)) as caught:
        await said(fresh_database, break_it)
    assert getattr(caught.value.__cause__ or caught.value, "constraint_name", None) == constraint
    assert isinstance(caught.value, Refusal) == (constraint in constraints.explained())
