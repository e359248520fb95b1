"""Products through the API, as a client sees them."""

from typing import Any

import pytest

from tests.support.api import Api

CREATE = """
mutation Create($input: ProductCreateInput!, $key: String, $dryRun: Boolean! = false) {
  productCreate(input: $input, idempotencyKey: $key, dryRun: $dryRun) {
    product { id name slug description status version variants { id sku name barcode price { amount currency } unit { code } } }
    effects { events { nodes { type subject version } } }
    userErrors { __typename code message path }
  }
}
"""


async def created(api: Api, **product: Any) -> dict[str, Any]:
    payload = (await api.data(CREATE, {"input": product}))["productCreate"]
    assert payload["userErrors"] == []
    return payload["product"]


async def test_create_and_read_back(api: Api) -> None:
    variants = [
        {"sku": "TEE-S", "name": "Small", "price": {"amount": "19.90", "currency": "EUR"}},
        {"sku": "TEE-M", "name": "Medium", "barcode": "4006381333931"},
    ]
    payload = (await api.data(CREATE, {"input": {"name": " Tee ", "variants": variants}}))["productCreate"]
    product = payload["product"]
    assert product["name"] == "Tee"
    assert product["slug"] == "tee"
    assert product["status"] == "ACTIVE"
    assert product["version"] == 1
    small, medium = product["variants"]
    assert small["price"] == {"amount": "19.90", "currency": "EUR"}
    assert (medium["price"], medium["barcode"], medium["unit"]) == (None, "4006381333931", {"code": "EA"})
    assert payload["effects"]["events"]["nodes"] == [{"type": "product.created", "subject": product["id"], "version": 1}]

    query = """query Find($id: ID!) {
      byId: product(by: {id: $id}) { id } bySlug: product(by: {slug: "tee"}) { id }
      bySku: variant(by: {sku: "tee-s"}) { id product { id } } byBarcode: variant(by: {barcode: "4006381333931"}) { sku }
      node(id: $id) { __typename id ... on Product { name } }
    }"""
    found = await api.data(query, {"id": product["id"]})
    assert found["byId"] == found["bySlug"] == {"id": product["id"]}
    assert found["bySku"] == {"id": small["id"], "product": {"id": product["id"]}}
    assert found["byBarcode"] == {"sku": "TEE-M"}
    assert found["node"] == {"__typename": "Product", "id": product["id"], "name": "Tee"}


@pytest.mark.parametrize("wrong", ["", "prd_", "prd_" + "0" * 32, "var_" + "0" * 32, "1", "prd_" + "G" * 32, "🦆"])
async def test_an_unknown_id_is_null_in_a_query_and_not_found_in_a_mutation(api: Api, wrong: str) -> None:
    query = "query Q($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } product(by: {id: $id}) { id } }"
    assert await api.data(query, {"id": wrong}) == {"node": None, "nodes": [None], "product": None}
    update = "mutation M($id: ID!) { productUpdate(id: $id, input: {name: \"x\"}) { product { id } userErrors { code path } } }"
    payload = (await api.data(update, {"id": wrong}))["productUpdate"]
    assert payload == {"product": None, "userErrors": [{"code": "NOT_FOUND", "path": ["id"]}]}
