"""Customers through the API, as a client sees them."""

import asyncio
from typing import Any

import pytest

from tests.support.api import Api

CREATE = """
mutation Create($input: CustomerCreateInput!, $key: String, $dryRun: Boolean! = false) {
  customerCreate(input: $input, idempotencyKey: $key, dryRun: $dryRun) {
    customer {
      id name email phone version externalIds { system id }
      addresses { name company line1 line2 city region postalCode countryCode phone }
    }
    effects { events { nodes { type subject version data } } }
    userErrors { __typename code message path }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $input: CustomerUpdateInput!, $dryRun: Boolean! = false) {
  customerUpdate(id: $id, input: $input, dryRun: $dryRun) {
    customer { name email phone version addresses { line1 countryCode } }
    effects { events { nodes { type version data } } }
    userErrors { code message path }
  }
}
"""
STATE = """{ customers(first: 250, sort: [CREATED_AT_ASC]) { totalCount nodes {
  id name email phone version updatedAt externalIds { system id }
  addresses { name company line1 line2 city region postalCode countryCode phone } } } }"""
HOME = {"line1": "Hafenstraße 1", "postalCode": "20459", "city": "Hamburg", "countryCode": "DE"}
WORK = {"company": "Tide Ltd", "line1": "2 Quay Rd", "line2": "3rd floor", "city": "Cork", "countryCode": "IE"}


async def created(api: Api, **customer: Any) -> dict[str, Any]:
    payload = (await api.data(CREATE, {"input": customer}))["customerCreate"]
    assert payload["userErrors"] == []
    return payload["customer"]


async def update(api: Api, customer_id: str, **changes: Any) -> dict[str, Any]:
    return (await api.data(UPDATE, {"id": customer_id, "input": changes}))["customerUpdate"]


async def state(api: Api) -> tuple[dict[str, Any], int]:
    """Everything about customers, and how many events there are: what a refusal must leave as it is."""
    events = await api.data("{ events(first: 0) { totalCount } }")
    return await api.data(STATE), events["events"]["totalCount"]


def offences(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    assert payload["customer"] is None
    assert payload["effects"] is None
    return [(each["code"], each["path"]) for each in payload["userErrors"]]


async def test_create_and_read_back(api: Api) -> None:
    customer = {
        "name": " Ada Quay ",
        "email": " Ada@Quay.example ",
        "phone": "+49 40 123456",
        "addresses": [HOME, {**WORK, "name": "Front desk", "region": "Munster", "phone": "1"}],
        "externalId": {"system": "shop", "id": "77"},
    }
    payload = (await api.data(CREATE, {"input": customer}))["customerCreate"]
    ada = payload["customer"]
    assert (ada["name"], ada["email"], ada["phone"]) == ("Ada Quay", "Ada@Quay.example", "+49 40 123456")
    assert (ada["version"], ada["externalIds"]) == (1, [{"system": "shop", "id": "77"}])
    empty = dict.fromkeys(ada["addresses"][0])
    assert ada["addresses"] == [
        empty | HOME,
        empty | WORK | {"name": "Front desk", "region": "Munster", "phone": "1"},
    ]
    assert payload["effects"]["events"]["nodes"] == [
        {"type": "customer.created", "subject": ada["id"], "version": 1, "data": {}}
    ]
    assert ada["id"].startswith("cus_")

    query = """query Find($id: ID!) {
      byId: customer(by: {id: $id}) { id }
      byEmail: customer(by: {email: "ADA@quay.EXAMPLE"}) { id }
      byExternal: customer(by: {external: {system: "shop", id: "77"}}) { id }
      unknown: customer(by: {email: "nobody@quay.example"}) { id }
      node(id: $id) { __typename id ... on Customer { name } }
    }"""
    found = await api.data(query, {"id": ada["id"]})
    assert found["byId"] == found["byEmail"] == found["byExternal"] == {"id": ada["id"]}
    assert found["unknown"] is None
    assert found["node"] == {"__typename": "Customer", "id": ada["id"], "name": "Ada Quay"}


async def test_a_name_is_enough(api: Api) -> None:
    walk_in = await created(api, name="Walk-in")
    assert (walk_in["email"], walk_in["phone"], walk_in["addresses"]) == (None, None, [])
    await created(api, name="Walk-in")  # neither a name nor a missing email is unique


@pytest.mark.parametrize("wrong", ["", "cus_", "cus_" + "0" * 32, "prd_" + "0" * 32, "cus_" + "G" * 32, "🦆"])
async def test_an_unknown_id_is_null_in_a_query_and_not_found_in_a_mutation(api: Api, wrong: str) -> None:
    query = "query Q($id: ID!) { node(id: $id) { id } customer(by: {id: $id}) { id } }"
    assert await api.data(query, {"id": wrong}) == {"node": None, "customer": None}
    assert offences(await update(api, wrong, name="x")) == [("NOT_FOUND", ["id"])]


@pytest.mark.parametrize(
    ("customer", "path"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "R", "email": ""}, ["email"]),
        ({"name": "R", "email": "nobody"}, ["email"]),
        ({"name": "R", "email": "@b.example"}, ["email"]),
        ({"name": "R", "email": "a@"}, ["email"]),
        ({"name": "R", "email": "a@b@c.example"}, ["email"]),
        ({"name": "R", "email": "a b@c.example"}, ["email"]),
        ({"name": "R", "email": "a\u2003b@c.example"}, ["email"]),
        ({"name": "R", "email": "x" * 245 + "@x.example"}, ["email"]),
        ({"name": "R", "email": "TAKEN@quay.example"}, ["email"]),
        ({"name": "R", "phone": "1" * 51}, ["phone"]),
        ({"name": "R", "addresses": [HOME] * 51}, ["addresses"]),
        ({"name": "R", "addresses": [HOME, {**HOME, "line1": " "}]}, ["addresses", "1", "line1"]),
        ({"name": "R", "addresses": [{**HOME, "city": "x" * 256}]}, ["addresses", "0", "city"]),
        ({"name": "R", "addresses": [{**HOME, "postalCode": "x" * 33}]}, ["addresses", "0", "postalCode"]),
        ({"name": "R", "externalId": {"system": "shop", "id": "taken"}}, ["externalId"]),
        ({"name": "R", "externalId": {"system": "", "id": "1"}}, ["externalId", "system"]),
    ],
)
async def test_a_refused_customer_leaves_nothing(api: Api, customer: dict[str, Any], path: list[str]) -> None:
    taken = {"name": "Taken", "email": "Taken@quay.example", "externalId": {"system": "shop", "id": "taken"}}
    await api.data(CREATE, {"input": taken})  # the first time it is created, then it is refused itself
    before = await state(api)
    payload = (await api.data(CREATE, {"input": customer}))["customerCreate"]
    assert offences(payload) == [("INVALID", ["input", *path])]
    assert await state(api) == before


async def test_all_offences_are_named_at_once(api: Api) -> None:
    customer = {"name": "", "email": "x", "addresses": [HOME, {**HOME, "line1": "", "city": ""}]}
    payload = (await api.data(CREATE, {"input": customer}))["customerCreate"]
    assert [path[1:] for _, path in offences(payload)] == [
        ["name"],
        ["email"],
        ["addresses", "1", "line1"],
        ["addresses", "1", "city"],
    ]


@pytest.mark.parametrize("code", ["", "de", "DEU", "EU", "UN", "ZZ", "XA", "QQ", "049", 49])
async def test_a_country_is_one_of_iso_3166(api: Api, code: Any) -> None:
    before = await state(api)
    answer = await api.post(CREATE, {"input": {"name": "Far", "addresses": [{**HOME, "countryCode": code}]}})
    assert "country code of ISO 3166" in answer["errors"][0]["message"]
    assert await state(api) == before


async def test_update_tells_absent_from_null(api: Api) -> None:
    customer = await created(api, name="Nulls", email="nulls@quay.example", phone="1", addresses=[HOME])
    kept = await update(api, customer["id"], name="Kept")
    assert kept["customer"] == {
        "name": "Kept",
        "email": "nulls@quay.example",
        "phone": "1",
        "version": 2,
        "addresses": [{"line1": "Hafenstraße 1", "countryCode": "DE"}],
    }
    emptied = await update(api, customer["id"], email=None, phone=None, addresses=[])
    assert emptied["customer"] == {"name": "Kept", "email": None, "phone": None, "version": 3, "addresses": []}
    assert emptied["effects"]["events"]["nodes"] == [
        {"type": "customer.updated", "version": 3, "data": {"fields": ["email", "phone", "addresses"]}}
    ]
    before = await state(api)
    assert offences(await update(api, customer["id"], name=None)) == [("INVALID", ["input", "name"])]
    assert offences(await update(api, customer["id"], addresses=None)) == [("INVALID", ["input", "addresses"])]
    assert await state(api) == before


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": " "}, ["name"]),
        ({"email": "nobody"}, ["email"]),
        ({"email": "HELD@quay.example"}, ["email"]),
        ({"phone": ""}, ["phone"]),
        ({"addresses": [HOME] * 51}, ["addresses"]),
        ({"addresses": [{**HOME, "region": ""}]}, ["addresses", "0", "region"]),
    ],
)
async def test_a_refused_update_leaves_everything(api: Api, changes: dict[str, Any], path: list[str]) -> None:
    await api.data(CREATE, {"input": {"name": "Holder", "email": "held@quay.example"}})
    customer = await created(api, name="Refused", addresses=[HOME])
    before = await state(api)
    payload = await update(api, customer["id"], **{"phone": "2", **changes})
    assert offences(payload) == [("INVALID", ["input", *path])]
    assert await state(api) == before


async def test_an_update_that_changes_nothing_changes_nothing(api: Api) -> None:
    customer = await created(api, name="Same", email="same@quay.example", addresses=[HOME, WORK])
    before = await state(api)
    again = await update(api, customer["id"], name=" Same", email="same@quay.example ", addresses=[HOME, WORK])
    assert (again["customer"]["version"], again["effects"]["events"]["nodes"]) == (1, [])
    assert await state(api) == before


async def test_an_email_may_change_its_case(api: Api) -> None:
    customer = await created(api, name="Case", email="case@quay.example")
    changed = await update(api, customer["id"], email="Case@Quay.example")
    assert (changed["userErrors"], changed["customer"]["email"]) == ([], "Case@Quay.example")


async def test_a_stale_version_is_refused(api: Api) -> None:
    customer = await created(api, name="Stale")
    assert (await update(api, customer["id"], name="Newer", expectedVersion=1))["userErrors"] == []
    before = await state(api)
    refused = await update(api, customer["id"], name="Older", expectedVersion=1)
    assert offences(refused) == [("STALE_VERSION", ["input", "expectedVersion"])]
    assert await state(api) == before


async def test_50_parallel_updates_with_one_expected_version_let_one_through(api: Api) -> None:
    customer = await created(api, name="Race")
    results = await asyncio.gather(
        *(update(api, customer["id"], name=f"Race {n}", addresses=[HOME] * n, expectedVersion=1) for n in range(50))
    )
    refused = [result["userErrors"][0]["code"] for result in results if result["userErrors"]]
    assert refused == ["STALE_VERSION"] * 49


async def test_of_30_parallel_customers_with_one_email_one_is_created(api: Api) -> None:
    _, events = await state(api)
    tries = [{"name": f"Twin {n}", "email": "Twin@quay.example" if n % 2 else "twin@QUAY.example"} for n in range(30)]
    answers = await asyncio.gather(*(api.data(CREATE, {"input": each}) for each in tries))
    refused = [answer["customerCreate"] for answer in answers if answer["customerCreate"]["userErrors"]]
    assert [offences(payload) for payload in refused] == [[("INVALID", ["input", "email"])]] * 29
    found = await api.data('{ customers(filter: {email: {eq: "TWIN@quay.example"}}) { totalCount } }')
    assert found == {"customers": {"totalCount": 1}}
    assert (await state(api))[1] == events + 1


async def test_a_dry_run_answers_like_the_act_and_leaves_nothing(api: Api) -> None:
    before = await state(api)
    customer = {"name": "Dry", "email": "dry@quay.example", "addresses": [HOME]}
    dry = (await api.data(CREATE, {"input": customer, "dryRun": True}))["customerCreate"]
    assert await state(api) == before
    real = (await api.data(CREATE, {"input": customer}))["customerCreate"]
    customer_id = real["customer"]["id"]
    for payload in (dry, real):
        for event in payload["effects"]["events"]["nodes"]:
            assert event.pop("subject") == payload["customer"]["id"]
        del payload["customer"]["id"]
    assert dry == real
    before = await state(api)
    changes = {"id": customer_id, "input": {"name": "Wet", "addresses": [WORK]}}
    dry = (await api.data(UPDATE, {**changes, "dryRun": True}))["customerUpdate"]
    assert await state(api) == before
    assert dry == (await api.data(UPDATE, changes))["customerUpdate"]


async def test_a_key_sent_twice_has_one_effect(api: Api) -> None:
    variables = {"input": {"name": "Once", "email": "once@quay.example", "addresses": [HOME]}, "key": "once"}
    first = (await api.data(CREATE, variables))["customerCreate"]
    before = await state(api)
    again = await api.post(CREATE, variables)
    assert again["data"]["customerCreate"] == first
    assert again["extensions"]["idempotentReplay"] is True
    other = (await api.data(CREATE, {**variables, "input": {"name": "Other"}}))["customerCreate"]
    assert [code for code, _ in offences(other)] == ["IDEMPOTENCY_KEY_REUSED"]
    assert await state(api) == before


LIST = """query List($first: Int, $after: String, $filter: CustomerFilter, $search: String, $sort: [CustomerSort!]) {
  customers(first: $first, after: $after, filter: $filter, search: $search, sort: $sort) {
    nodes { id name } pageInfo { hasNextPage endCursor } totalCount
  }
}"""


async def names(api: Api, **arguments: Any) -> list[str]:
    return [node["name"] for node in (await api.data(LIST, arguments))["customers"]["nodes"]]


async def test_lists_page_filter_sort_and_search(fresh_api: Api) -> None:
    api = fresh_api
    people = ["Zoë Ash", "adam Birch", "Eve Cedar", "Adam Dogwood", "O'Neill \\ Elm"]
    ids = [
        (await created(api, name=name, email=None if n == 4 else f"{'XYZW'[n]}{n}@list.example"))["id"]
        for n, name in enumerate(people)
    ]
    assert await names(api) == people
    by_name = ["adam Birch", "Adam Dogwood", "Eve Cedar", "O'Neill \\ Elm", "Zoë Ash"]
    assert await names(api, sort=["NAME_ASC"]) == by_name
    walked, page = [], {"pageInfo": {"endCursor": None}}
    for _ in range(3):
        after = page["pageInfo"]["endCursor"]
        page = (await api.data(LIST, {"first": 2, "after": after, "sort": ["NAME_DESC"]}))["customers"]
        walked += [node["name"] for node in page["nodes"]]
        assert page["totalCount"] == 5
    assert walked == by_name[::-1]
    assert page["pageInfo"]["hasNextPage"] is False

    assert await names(api, filter={"id": {"in": [ids[2], "prd_" + "0" * 32]}}) == ["Eve Cedar"]
    assert await names(api, filter={"email": {"eq": "Y1@LIST.example"}}) == ["adam Birch"]
    assert await names(api, filter={"email": {"startsWith": "z"}}) == ["Eve Cedar"]
    assert await names(api, filter={"name": {"startsWith": "ADAM"}}) == ["adam Birch", "Adam Dogwood"]
    born = (await api.data("query Q($id: ID!) { customer(by: {id: $id}) { createdAt } }", {"id": ids[2]}))["customer"]
    assert await names(api, filter={"createdAt": {"after": born["createdAt"]}}) == people[3:]
    either = {"any": [{"name": {"eq": "zoë ash"}}, {"id": {"in": [ids[3]]}}]}
    assert await names(api, filter=either) == ["Zoë Ash", "Adam Dogwood"]

    assert await names(api, search="dog ADA") == ["Adam Dogwood"]
    assert await names(api, search="Y1@List") == ["adam Birch"]
    assert await names(api, search="o'neill") == ["O'Neill \\ Elm"]
    assert await names(api, search="list.example") == []
    assert await names(api, search="' & | \\ %") == []


async def test_a_list_costs_the_same_statements_at_10_and_at_300_rows(fresh_api: Api) -> None:
    api = fresh_api
    query = """{ customers(first: 250) { totalCount nodes { name addresses { line1 } externalIds { id } } } }"""

    async def measured() -> tuple[int, int]:
        async with api.counted() as statements:
            found = (await api.data(query))["customers"]
        assert all(len(node["addresses"]) == 2 for node in found["nodes"])
        return found["totalCount"], len(statements)

    async def make(numbers: range) -> None:
        await asyncio.gather(*(created(api, name=f"Many {n}", addresses=[HOME, WORK]) for n in numbers))

    await api.token()
    await make(range(10))
    await measured()  # a process asks about some things once
    few, few_statements = await measured()
    await make(range(10, 300))
    many, many_statements = await measured()
    assert (few, many) == (10, 300)
    assert few_statements == many_statements


async def test_customers_need_their_own_scope(api: Api) -> None:
    customer = await created(api, name="Private", email="private@quay.example", addresses=[HOME])
    others = ["products:read", "products:write", "orders:write", "events:read", "stock:read"]
    for query in (
        "query Q($id: ID!) { customer(by: {id: $id}) { name } }",
        "query Q($id: ID!) { node(id: $id) { id } }",
        "query Q($id: ID!) { customers(filter: {id: {in: [$id]}}) { totalCount } }",
    ):
        answer = await api.post(query, {"id": customer["id"]}, scopes=others)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert "Private" not in str(answer)
        assert "errors" not in await api.post(query, {"id": customer["id"]}, scopes=["customers:read"])
    await api.token(["customers:read", "events:read"])  # registers an app, which is an event
    before = await state(api)
    for document, variables in (
        (CREATE, {"input": {"name": "Forbidden"}}),
        (UPDATE, {"id": customer["id"], "input": {"name": "Forbidden"}}),
    ):
        answer = await api.post(document, variables, scopes=["customers:read", "events:read"])
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert await state(api) == before
