"""Products through the API, as a client sees them."""

from typing import Any

import pytest

from tests.support.api import Api

CREATE = """
mutation Create($input: ProductCreateInput!, $key: String, $dryRun: Boolean! = false) {
  productCreate(input: $input, idempotencyKey: $key, dryRun: $dryRun) {
    product {
      id name slug description status version
      variants { id sku name barcode price { amount currency } unit { code } }
    }
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
    assert payload["effects"]["events"]["nodes"] == [
        {"type": "product.created", "subject": product["id"], "version": 1}
    ]

    query = """query Find($id: ID!) {
      byId: product(by: {id: $id}) { id } bySlug: product(by: {slug: "tee"}) { id }
      bySku: variant(by: {sku: "tee-s"}) { id product { id } }
      byBarcode: variant(by: {barcode: "4006381333931"}) { sku }
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
    update = """mutation M($id: ID!) {
      productUpdate(id: $id, input: {name: "x"}) { product { id } userErrors { code path } }
    }"""
    payload = (await api.data(update, {"id": wrong}))["productUpdate"]
    assert payload == {"product": None, "userErrors": [{"code": "NOT_FOUND", "path": ["id"]}]}


UPDATE = """
mutation Update($id: ID!, $input: ProductUpdateInput!) {
  productUpdate(id: $id, input: $input) {
    product { name slug description version variants { id sku name barcode price { amount } } }
    effects { events { nodes { type version data } } }
    userErrors { code message path }
  }
}
"""

STATE = """{ products(first: 250, sort: [CREATED_AT_ASC]) { totalCount nodes {
  id name slug description status version updatedAt externalIds { system id }
  variants { id sku name barcode price { amount currency } } } } }"""


async def state(api: Api) -> tuple[dict[str, Any], int]:
    """Everything about products, and how many events there are: what a refusal must leave as it is."""
    events = await api.data("{ events(first: 0) { totalCount } }")
    return await api.data(STATE), events["events"]["totalCount"]


async def update(api: Api, product_id: str, **changes: Any) -> dict[str, Any]:
    return (await api.data(UPDATE, {"id": product_id, "input": changes}))["productUpdate"]


@pytest.mark.parametrize(
    ("product", "path"),
    [
        ({"name": " ", "variants": [{"sku": "R-1"}]}, ["input", "name"]),
        ({"name": "x" * 256, "variants": [{"sku": "R-1"}]}, ["input", "name"]),
        ({"name": "R", "variants": []}, ["input", "variants"]),
        ({"name": "R", "variants": [{"sku": f"R-{n}"} for n in range(251)]}, ["input", "variants"]),
        ({"name": "R", "variants": [{"sku": "R-1"}, {"sku": "r-1"}]}, ["input", "variants", "1", "sku"]),
        ({"name": "R", "variants": [{"sku": "Taken"}]}, ["input", "variants", "0", "sku"]),
        ({"name": "R", "variants": [{"sku": "R-1", "barcode": "TAKEN-CODE"}]}, ["input", "variants", "0", "barcode"]),
        ({"name": "R", "slug": "Not A Slug", "variants": [{"sku": "R-1"}]}, ["input", "slug"]),
        ({"name": "R", "slug": "taken", "variants": [{"sku": "R-1"}]}, ["input", "slug"]),
        ({"name": "R", "variants": [{"sku": "R-1", "unit": "MOON"}]}, ["input", "variants", "0", "unit"]),
        (
            {"name": "R", "variants": [{"sku": "R-1", "price": {"amount": "-1", "currency": "EUR"}}]},
            ["input", "variants", "0", "price", "amount"],
        ),
        (
            {"name": "R", "variants": [{"sku": "R-1", "price": {"amount": "1.005", "currency": "EUR"}}]},
            ["input", "variants", "0", "price", "amount"],
        ),
        (
            {"name": "R", "variants": [{"sku": "R-1"}], "externalId": {"system": "shop", "id": "taken"}},
            ["input", "externalId"],
        ),
        (
            {"name": "R", "variants": [{"sku": "R-1"}], "externalId": {"system": "", "id": "1"}},
            ["input", "externalId", "system"],
        ),
    ],
)
async def test_a_refused_product_leaves_nothing(api: Api, product: dict[str, Any], path: list[str]) -> None:
    taken = {
        "name": "Taken",
        "variants": [{"sku": "TAKEN", "barcode": "TAKEN-CODE"}],
        "externalId": {"system": "shop", "id": "taken"},
    }
    await api.data(CREATE, {"input": taken})  # the first time it is created, then it is refused itself
    before = await state(api)
    payload = (await api.data(CREATE, {"input": product}))["productCreate"]
    assert payload["product"] is None
    assert payload["effects"] is None
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [("INVALID", path)]
    assert payload["userErrors"][0]["message"].endswith((".", "characters."))
    assert await state(api) == before


async def test_all_offences_are_named_at_once(api: Api) -> None:
    variants = [
        {"sku": "ALL-1", "unit": "MOON"},
        {"sku": ""},
        {"sku": "ALL-3", "price": {"amount": "1.5", "currency": "JPY"}},
    ]
    payload = (await api.data(CREATE, {"input": {"name": "All", "variants": variants}}))["productCreate"]
    paths = [error["path"][2:] for error in payload["userErrors"]]
    assert paths == [["0", "unit"], ["1", "sku"], ["2", "price", "amount"]]


async def test_slugs_made_from_equal_names_differ(api: Api) -> None:
    first = await created(api, name="Ünïque Näme", variants=[{"sku": "SLUG-1"}])
    second = await created(api, name="Unique name!", variants=[{"sku": "SLUG-2"}])
    unnamed = await created(api, name="漢字", variants=[{"sku": "SLUG-3"}])
    assert first["slug"] == "unique-name"
    assert second["slug"].startswith("unique-name-")
    assert unnamed["slug"] == "product"


async def test_update_tells_absent_from_null(api: Api) -> None:
    product = await created(
        api, name="Nulls", description="Long", variants=[{"sku": "NULL-1", "price": {"amount": "1", "currency": "EUR"}}]
    )
    variant = product["variants"][0]["id"]
    kept = await update(api, product["id"], name="Kept")
    assert (kept["product"]["description"], kept["product"]["version"]) == ("Long", 2)
    emptied = await update(api, product["id"], description=None, updateVariants=[{"id": variant, "price": None}])
    assert emptied["product"]["description"] is None
    assert emptied["product"]["variants"][0]["price"] is None
    assert emptied["effects"]["events"]["nodes"] == [
        {"type": "product.updated", "version": 3, "data": {"fields": ["description"], "variants": [variant]}}
    ]
    refused = await update(api, product["id"], name=None)
    assert [(each["code"], each["path"]) for each in refused["userErrors"]] == [("INVALID", ["input", "name"])]


async def test_an_update_that_changes_nothing_changes_nothing(api: Api) -> None:
    product = await created(api, name="Same", variants=[{"sku": "SAME-1", "name": "One"}])
    before = await state(api)
    again = await update(
        api, product["id"], name="Same", updateVariants=[{"id": product["variants"][0]["id"], "name": "One"}]
    )
    assert (again["product"]["version"], again["effects"]["events"]["nodes"]) == (1, [])
    assert await state(api) == before


async def test_a_stale_version_is_refused(api: Api) -> None:
    product = await created(api, name="Stale", variants=[{"sku": "STALE-1"}])
    assert (await update(api, product["id"], name="Newer", expectedVersion=1))["userErrors"] == []
    before = await state(api)
    refused = await update(api, product["id"], name="Older", expectedVersion=1)
    assert [(each["code"], each["path"]) for each in refused["userErrors"]] == [
        ("STALE_VERSION", ["input", "expectedVersion"])
    ]
    assert await state(api) == before


async def test_variants_are_added_changed_and_refused(api: Api) -> None:
    product = await created(api, name="Grow", variants=[{"sku": "GROW-1"}])
    grown = await update(
        api,
        product["id"],
        addVariants=[{"sku": "GROW-2"}, {"sku": "GROW-3"}],
        updateVariants=[{"id": product["variants"][0]["id"], "sku": "GROW-0", "barcode": "5901234123457"}],
    )
    assert [each["sku"] for each in grown["product"]["variants"]] == ["GROW-0", "GROW-2", "GROW-3"]
    before = await state(api)
    taken = await update(api, product["id"], addVariants=[{"sku": "grow-2"}])
    assert [(each["code"], each["path"]) for each in taken["userErrors"]] == [
        ("INVALID", ["input", "addVariants", "0", "sku"])
    ]
    foreign = await update(api, product["id"], updateVariants=[{"id": "var_" + "0" * 32, "name": "x"}])
    assert [(each["code"], each["path"]) for each in foreign["userErrors"]] == [
        ("NOT_FOUND", ["input", "updateVariants", "0", "id"])
    ]
    renamed = await update(
        api, product["id"], updateVariants=[{"id": grown["product"]["variants"][1]["id"], "sku": "Grow-3"}]
    )
    assert [each["code"] for each in renamed["userErrors"]] == ["INVALID"]
    assert await state(api) == before


async def test_a_dry_run_answers_like_the_act_and_leaves_nothing(api: Api) -> None:
    before = await state(api)
    product = {"name": "Dry", "variants": [{"sku": "DRY-1", "price": {"amount": "3", "currency": "EUR"}}]}
    dry = (await api.data(CREATE, {"input": product, "dryRun": True}))["productCreate"]
    assert await state(api) == before
    real = (await api.data(CREATE, {"input": product}))["productCreate"]
    for payload in (dry, real):
        for event in payload["effects"]["events"]["nodes"]:
            assert event.pop("subject") == payload["product"]["id"]
        del payload["product"]["id"]
        for variant in payload["product"]["variants"]:
            del variant["id"]
    assert dry == real


async def test_each_mutation_field_is_its_own_act(api: Api) -> None:
    document = """mutation {
      one: productCreate(input: {name: "One", variants: [{sku: "EACH-1"}]}) { product { name } userErrors { code } }
      two: productCreate(input: {name: "Two", variants: [{sku: "EACH-1"}]}) { product { name } userErrors { code } }
      dry: productCreate(dryRun: true, input: {name: "Dry", variants: [{sku: "EACH-2"}]}) {
        product { name } userErrors { code }
      }
      three: productCreate(input: {name: "Three", variants: [{sku: "EACH-2"}]}) { product { name } userErrors { code } }
    }"""
    answer = await api.data(document)
    assert list(answer) == ["one", "two", "dry", "three"]
    assert answer["one"] == {"product": {"name": "One"}, "userErrors": []}
    assert answer["two"] == {"product": None, "userErrors": [{"code": "INVALID"}]}
    assert answer["dry"] == {"product": {"name": "Dry"}, "userErrors": []}
    assert answer["three"] == {"product": {"name": "Three"}, "userErrors": []}


async def test_a_payload_that_cannot_be_read_says_that_the_act_is_committed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.graphql.kit.reading import Reading  # noqa: PLC0415

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patched:
        patched.setattr(Reading, "fetch", broken)
        answer = await api.post(CREATE, {"input": {"name": "Committed", "variants": [{"sku": "COMMITTED-1"}]}})
    assert answer["errors"][0]["extensions"]["committed"] is True
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(answer)
    assert answer["data"]["productCreate"]["product"] is None
    found = await api.data('{ variant(by: {sku: "COMMITTED-1"}) { product { name } } }')
    assert found == {"variant": {"product": {"name": "Committed"}}}


MOVES = {"ACTIVATE": "productActivate", "DISCONTINUE": "productDiscontinue", "ARCHIVE": "productArchive"}
ALLOWED = {
    ("DRAFT", "ACTIVATE"): "ACTIVE",
    ("DRAFT", "ARCHIVE"): "ARCHIVED",
    ("ACTIVE", "DISCONTINUE"): "DISCONTINUED",
    ("DISCONTINUED", "ACTIVATE"): "ACTIVE",
    ("DISCONTINUED", "ARCHIVE"): "ARCHIVED",
}


@pytest.mark.parametrize("start", ["DRAFT", "ACTIVE", "DISCONTINUED", "ARCHIVED"])
@pytest.mark.parametrize("action", sorted(MOVES))
async def test_the_life_of_a_product(api: Api, start: str, action: str) -> None:
    product = await created(api, name="Life", status=start, variants=[{"sku": f"LIFE-{start}-{action}"}])
    before = await state(api)
    move = f"""mutation M($id: ID!) {{ moved: {MOVES[action]}(id: $id) {{
      product {{ status version availableActions }} userErrors {{ code path }}
      effects {{ events {{ nodes {{ type }} }} }} }} }}"""
    moved = (await api.data(move, {"id": product["id"]}))["moved"]
    target = ALLOWED.get((start, action))
    if target is None:
        assert moved == {"product": None, "userErrors": [{"code": "NOT_ALLOWED_NOW", "path": []}], "effects": None}
        assert await state(api) == before
    else:
        assert moved["product"]["status"] == target
        assert moved["product"]["version"] == 2
        assert [action for (state_, action), _ in ALLOWED.items() if state_ == target] == moved["product"][
            "availableActions"
        ]
        assert [each["type"] for each in moved["effects"]["events"]["nodes"]] == [
            f"product.{target.lower()}".replace("active", "activated")
        ]


async def test_100_parallel_updates_with_one_expected_version_let_one_through(api: Api) -> None:
    import asyncio  # noqa: PLC0415

    product = await created(api, name="Race", variants=[{"sku": "RACE-1"}])
    results = await asyncio.gather(
        *(update(api, product["id"], name=f"Race {n}", expectedVersion=1) for n in range(100))
    )
    assert sum(not result["userErrors"] for result in results) == 1
    refused = [result["userErrors"][0]["code"] for result in results if result["userErrors"]]
    assert refused == ["STALE_VERSION"] * 99


async def test_of_what_is_found_one_may_ask_nothing_but_whether_there_is_more(api: Api) -> None:
    query = (
        '{ variants(search: "zzz") { pageInfo { hasNextPage } } products(search: "zzz") { pageInfo { endCursor } } }'
    )
    assert await api.data(query) == {
        "variants": {"pageInfo": {"hasNextPage": False}},
        "products": {"pageInfo": {"endCursor": None}},
    }
