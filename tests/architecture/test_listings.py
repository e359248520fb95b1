"""Every list of every room is read by an index: each way it can be sorted, and each column it can be narrowed by."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Column, Table, select, text

from api.graphql.kit import views
from api.graphql.kit.views import Pages
from api.graphql.schema import built
from domain.kernel import listing
from domain.kernel.database import Database
from domain.kernel.listing import Listing, Order, Slice
from tests.support.server import Server


def _listings() -> dict[str, Listing]:
    """The lists of Query, by the name of what they list."""
    built()
    found: dict[str, Listing] = {}
    for name, cls in views.EXTENSIONS:
        declared = [each for each in vars(cls).values() if isinstance(each, Pages)]
        found |= {each.listing.row.__tablename__: each.listing for each in declared if name == "Query"}
    return found


LISTINGS = _listings()
SORTS = [(name, sort) for name, each in LISTINGS.items() for sort in each.sorts]
SMALL = {("locations", "kind"), ("accounts", "type")}
"""A few hundred rows at most, and never more."""
FILTERS = [(name, each) for name, found in LISTINGS.items() for each in found.filters if (name, each) not in SMALL]


def test_there_are_lists() -> None:
    assert {"products", "customers", "orders", "stock_levels", "stock_movements", "journal_entries"} <= set(LISTINGS)


@pytest.fixture(scope="module")
async def plans(server: Server, template: str) -> AsyncIterator[Any]:
    """A connection that would rather do anything than sort, or read a whole table."""
    async with server.clone(template) as name:
        database = Database(server.app_url(name), pool=1)
        async with database.snapshot() as connection:
            for way in ("seqscan", "sort", "bitmapscan", "incremental_sort"):
                await connection.execute(text(f"SET LOCAL enable_{way} = off"))
            yield connection
        await database.close()


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize(("name", "sort"), SORTS)
async def test_a_page_comes_from_an_index_unsorted(plans: Any, name: str, sort: str, descending: bool) -> None:
    each = LISTINGS[name]
    base = select(*each.row.__table__.c)
    statement = listing.keyset(each, [Order(sort, descending)], Slice(50), base=base)
    compiled = statement.compile(dialect=plans.dialect, compile_kwargs={"literal_binds": True})
    rows = (await plans.exec_driver_sql(f"EXPLAIN {compiled}")).scalars().all()
    plan = "\n".join(rows)
    assert "Index" in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize(("name", "field"), FILTERS)
def test_a_filter_has_an_index(name: str, field: str) -> None:
    column: Column[Any] = LISTINGS[name].filters[field].column  # type: ignore[assignment]
    table: Table = column.table  # type: ignore[assignment]
    first = [next(iter(index.columns), None) for index in table.indexes]
    first += [next(iter(table.primary_key.columns))]
    assert any(each is column for each in first), f"{table.name}.{column.name} has no index"
