"""Set-based writes: one statement, however many rows."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text

from domain.catalog import Product, ProductStatus, ProductVariant
from domain.kernel import bulk
from domain.kernel.database import Database, driver_of
from domain.kernel.errors import Invalid
from domain.kernel.events import LoggedEvent
from domain.kernel.idempotency import IdempotencyKey
from domain.kernel.ids import new_id
from domain.kernel.work import SYSTEM, Work, begin

NOW = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)


def product(n: int, mark: str) -> dict[str, Any]:
    return {
        "id": new_id("prd"),
        "name": f"Thing {n} of {mark}",
        "slug": f"{mark}-{n}",
        "description": None if n % 2 else 'It\'s 50 % "off", {really} \\ 🦆',
        "status": ProductStatus.DRAFT,
        "version": 1,
        "created_at": NOW + timedelta(microseconds=n),
        "updated_at": NOW,
    }


async def stored(work: Work, mark: str) -> list[dict[str, Any]]:
    names = list(product(0, mark))
    columns = [Product.__table__.c[name] for name in names]
    statement = select(*columns).where(Product.slug.startswith(f"{mark}-")).order_by(Product.created_at)
    return [dict(row) for row in (await work.connection.execute(statement)).mappings()]


async def counted(work: Work, write: Any) -> list[str]:
    """The statements that a write runs, beside what the driver asks once about types it has not met before."""
    statements: list[str] = []

    def note(record: Any) -> None:
        if record.query.startswith(("INSERT", "UPDATE")):
            statements.append(record.query)

    driver = driver_of(work.connection)
    driver.add_query_logger(note)
    await write
    await asyncio.sleep(0)  # the driver tells its loggers in the next turn of the loop
    driver.remove_query_logger(note)
    return statements


async def test_ten_thousand_rows_are_one_statement_and_come_back_as_given(database: Database) -> None:
    rows = [product(n, "many") for n in range(10_000)]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert len(await counted(work, bulk.insert(work, Product, rows))) == 1
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert await stored(work, "many") == rows
        changed = [{"id": row["id"], "name": row["name"] + "!", "version": 2} for row in rows[::2]]
        assert len(await counted(work, bulk.update(work, Product, changed))) == 1
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        wanted = [row | {"name": row["name"] + "!", "version": 2} if n % 2 == 0 else row for n, row in enumerate(rows)]
        assert await stored(work, "many") == wanted


async def test_one_row_and_many_share_the_text_of_the_statement(database: Database) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        one = await counted(work, bulk.insert(work, Product, [product(0, "one")]))
        three = await counted(work, bulk.insert(work, Product, [product(n, "three") for n in range(3)]))
        assert one == three


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert await counted(work, bulk.insert(work, Product, [])) == []
        assert await counted(work, bulk.update(work, Product, [])) == []


async def test_numbers_and_emptiness_are_stored_exactly(database: Database) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        parent = product(0, "exact")
        await bulk.insert(work, Product, [parent])
        unit = await work.raw.fetchval("SELECT 'uom_' || replace(id::text, '-', '') FROM units WHERE code = 'EA'")
        amounts = [Decimal("999999999999.999999"), Decimal("0.000001"), Decimal(0), None]
        rows = [
            {
                "id": new_id("var"),
                "product_id": parent["id"],
                "position": n,
                "sku": f"EXACT-{n}",
                "name": "x",
                "price_amount": amount,
                "price_currency": None if amount is None else "EUR",
                "unit_id": unit,
                "created_at": NOW,
                "updated_at": NOW,
            }
            for n, amount in enumerate(amounts, 1)
        ]
        await bulk.insert(work, ProductVariant, rows)
        column = ProductVariant.__table__.c
        found = await work.connection.execute(
            select(column.price_amount).where(column.product_id == parent["id"]).order_by(column.position)
        )
        assert list(found.scalars()) == amounts


async def test_documents_and_bytes_travel_too(database: Database) -> None:
    outcomes = [{"nouns": {"product": "prd_1"}, "quoted": 'a "b" {c}, \\d'}, None, {}]
    rows = [
        {
            "actor": "bulk",
            "mutation": "test",
            "key": str(n),
            "input_hash": bytes([0, 255, n]),
            "outcome": outcome,
            "created_at": NOW,
        }
        for n, outcome in enumerate(outcomes)
    ]
    async with database.connection() as connection, begin(connection, actor=SYSTEM, commit=False) as work:
        await bulk.insert(work, IdempotencyKey, rows)
        statement = select(IdempotencyKey.input_hash, IdempotencyKey.outcome).where(IdempotencyKey.actor == "bulk")
        found = (await work.connection.execute(statement.order_by(IdempotencyKey.key))).all()
        assert [tuple(row) for row in found] == [(row["input_hash"], row["outcome"]) for row in rows]


async def test_one_broken_row_refuses_them_all(database: Database) -> None:
    rows = [product(n, "broken") for n in range(3)]
    rows[2]["slug"] = rows[0]["slug"]
    with pytest.raises(Invalid, match="This slug is taken: broken-0"):
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            await bulk.insert(work, Product, rows)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert await stored(work, "broken") == []


async def test_an_update_touches_no_other_row(database: Database) -> None:
    rows = [product(n, "others") for n in range(4)]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await bulk.insert(work, Product, rows)
        await bulk.update(work, Product, [{"id": rows[1]["id"], "description": None, "status": ProductStatus.ACTIVE}])
        await bulk.update(work, Product, [{"id": new_id("prd"), "name": "Nobody"}])
        wanted = [dict(row) for row in rows]
        wanted[1] |= {"description": None, "status": ProductStatus.ACTIVE}
        assert await stored(work, "others") == wanted


async def test_ids_of_another_kind_are_not_written(database: Database) -> None:
    row = product(0, "kind") | {"id": new_id("var")}
    with pytest.raises(ValueError, match="is no prd_ id"):
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            await bulk.insert(work, Product, [row])


async def test_permanent_rows_may_be_inserted_but_not_updated(database: Database) -> None:
    async with database.connection() as connection:
        event = (await connection.execute(select(LoggedEvent.id).limit(1))).scalar_one()
        await connection.rollback()
        with pytest.raises(Exception, match="permission denied for table events"):
            async with begin(connection, actor=SYSTEM) as work:
                await bulk.update(work, LoggedEvent, [{"id": event, "type": "x"}])
        assert (await connection.execute(text("SELECT count(*) FROM events WHERE type = 'x'"))).scalar_one() == 0
