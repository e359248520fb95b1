"""A shop for tests: products, locations and stock through the API, and a look at every invariant."""

import itertools
from typing import Any

from domain.kernel import invariants
from tests.support.api import Api

_numbers = itertools.count(1)


async def variant(api: Api, *, price: str | None = "10.00", **product: Any) -> str:
    """The id of a fresh variant on sale."""
    sku = f"SKU-{next(_numbers)}"
    money = None if price is None else {"amount": price, "currency": "USD"}
    given = {"name": f"Thing {sku}", **product, "variants": [{"sku": sku, "price": money}]}
    query = "mutation P($input: ProductCreateInput!) { productCreate(input: $input) { product { variants { id } } } }"
    return (await api.data(query, {"input": given}))["productCreate"]["product"]["variants"][0]["id"]


async def warehouse(api: Api, *, priority: int | None = None, kind: str = "WAREHOUSE") -> str:
    """The id of a fresh location."""
    query = "mutation L($input: LocationCreateInput!) { locationCreate(input: $input) { location { id } } }"
    given = {"name": f"Place {next(_numbers)}", "kind": kind, "priority": priority}
    return (await api.data(query, {"input": given}))["locationCreate"]["location"]["id"]


async def invariants_hold(api: Api) -> None:
    """Every rule that `waterline verify` checks holds in the API's database."""
    async with api.services.database.snapshot() as connection:
        broken = [(rule.name, faults) async for rule, faults in invariants.check(connection) if faults]
    assert broken == []
