"""What is too much is refused at once, with one clear error, before any SQL."""

import asyncio
import gc
import json
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query, parse

from api.graphql.kit import limits
from domain import identity
from domain.kernel.ids import new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api

PARSE, INVALID = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"


def _fast() -> float:
    """Seconds in which a refusal must be there: a few times what it takes on this machine, and while it is as busy as
    it is, to parse a document as large as the limits let it be.
    """
    document, best = "{ " + "id " * 4_990 + "}", float("inf")
    for _ in range(5):
        began = time.process_time()
        parse(document)
        best = min(best, time.process_time() - began)
    return max(0.05, 4 * best)


FAST = _fast()


async def send(api: Api, query: str, variables: Any = None, *, scopes: Any = Scope, **extra: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {await api.token(scopes)}", "accept": "application/graphql-response+json"}
    body = json.dumps({"query": query, "variables": variables or {}, **extra})
    return await api.client.post("/graphql", content=body, headers={**headers, "content-type": "application/json"})


async def timed(api: Api, query: str, variables: Any = None, **extra: Any) -> tuple[httpx.Response, float]:
    """The answer, and the best time of a few that this process, server and client, computed for it.

    What others on the machine do meanwhile is not counted, and nothing is waited for: a refusal asks no database.
    """
    gc.collect()
    best = float("inf")
    for _ in range(9):
        began = time.process_time()
        await send(api, query, variables, **extra)
        best = min(best, time.process_time() - began)
        if best < FAST:
            break
    return await send(api, query, variables, **extra), best


async def refused(api: Api, query: str, variables: Any = None, *, within: float = FAST) -> dict[str, Any]:
    """The one error of a document that is refused fast and without SQL (but for the look at the token)."""
    await send(api, "{ __typename }")  # the token exists, the connection is warm
    async with api.counted() as statements:
        response, best = await timed(api, query, variables)
    assert [each for each in statements if not _of_the_doors(each)] == []
    assert response.status_code == 400
    assert best < within
    answer = response.json()
    assert "data" not in answer
    [error] = answer["errors"]
    assert len(error["message"]) < 300
    return error


def _of_the_doors(statement: str) -> bool:
    """Transactions, the look at the token, and the tail that follows the log meanwhile."""
    words = ("BEGIN", "COMMIT", "ROLLBACK", "SHOW", "SET", "NOTIFY", "LISTEN", "UNLISTEN")
    text = statement.strip()
    if text.startswith("WITH l"):  # levels of a document, even where it proves the token beside them
        return False
    return text == "SELECT 1" or text.startswith(words) or "access_tokens" in text or "FROM events" in text


def nested(levels: int, opening: str, inside: str = "id") -> str:
    return opening * levels + inside + " }" * levels


def aliases(count: int) -> str:
    return " ".join(f"a{number}: __typename" for number in range(count))


@pytest.mark.parametrize(
    ("name", "query", "code", "message"),
    [
        ("depth", "{ " + nested(20, "product { ") + " }", "TOO_COSTLY", "depth 21, at most 15"),
        ("depth", "{ " + nested(80, "a {") + " }", "TOO_COSTLY", "depth 81"),
        ("depth", "{ " + nested(300, "a {") + " }", PARSE, "deep"),
        ("depth", "{ " + nested(1_600, "a {") + " }", PARSE, "deep"),
        ("fragments", "{ " + nested(1_200, "... {") + " }", PARSE, "deep"),
        ("lists", "{ a(x: " + "[" * 2_400 + "]" * 2_400 + ") }", PARSE, "deep"),
        ("objects", "{ a(x: " + "{a:" * 1_600 + "1" + "}" * 1_600 + ") }", PARSE, "deep"),
        ("types", "query Q($a: " + "[" * 2_400 + "Int" + "]" * 2_400 + ") { a }", PARSE, "deep"),
        ("aliases", "{ " + aliases(101) + " }", "TOO_COSTLY", "aliases 101, at most 100"),
        ("aliases", "{ " + aliases(10_000) + " }", PARSE, "5000 tokens"),
        ("tokens", "{ " + "id " * 5_000 + "}", PARSE, "5000 tokens"),
        ("directives", "{ __typename " + "@include(if: true) " * 51 + "}", "TOO_COSTLY", "directives 51, at most 50"),
        ("directives", "{ __typename " + "@nothing " * 1_000 + "}", "TOO_COSTLY", "directives 1,000, at most 50"),
        ("directives", "query " + "@nothing " * 60 + "{ __typename }", "TOO_COSTLY", "directives 60, at most 50"),
        ("directives", "query Q($a: Int " + "@nothing " * 60 + ") { __typename }", "TOO_COSTLY", "directives 60"),
        ("directives", "{ ...F } fragment F on Query " + "@nothing " * 60 + "{ a }", "TOO_COSTLY", "directives 60"),
        ("unused", "{ __typename } fragment F on Query " + "@nothing " * 60 + "{ a }", "TOO_COSTLY", "directives 60"),
        ("unused", "{ __typename } fragment F on Query { " + nested(80, "a {") + " }", "TOO_COSTLY", "depth"),
        ("other", "query A { __typename } query B { " + nested(80, "a {") + " }", "BAD_REQUEST", "name it"),
        ("cycle", "{ ...A } fragment A on Query { ...A }", INVALID, "within itself"),
        ("cycle", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", INVALID, "within itself"),
    ],
)  # fmt: skip
async def test_a_document_that_says_too_much(api: Api, name: str, query: str, code: str, message: str) -> None:
    error = await refused(api, query)
    assert error["extensions"]["code"] == code
    assert message in error["message"]


def multiplying(levels: int, width: int, leaf: str) -> str:
    """Fragments of which each spreads the next several times: width ** levels in all."""
    parts = [f"fragment F{n} on Query {{ {f'...F{n + 1} ' * width} }}" for n in range(levels)]
    return "{ ...F0 } " + " ".join(parts) + f" fragment F{levels} on Query {{ {leaf} }}"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (multiplying(60, 10, "a: __typename"), "a great many"),
        (multiplying(300, 4, "__typename @include(if: true)"), "a great many"),
        (multiplying(10, 2, "a: business { name }"), "aliases"),
    ],
)
async def test_fragments_that_multiply(api: Api, query: str, word: str) -> None:
    assert word in (await refused(api, query))["message"]


def joined(count: int, part: str) -> str:
    """The part as often as asked, each # in it replaced by its number and each % by the next."""
    return " ".join(part.replace("#", str(number)).replace("%", str(number + 1)) for number in range(count))


def pairs(levels: int) -> str:
    return "name" if levels == 0 else f"business {{ {pairs(levels - 1)} }} business {{ {pairs(levels - 1)} }}"


REPETITIVE = {
    "fields": "{ " + "business { name } " * 1_200 + "}",
    "arguments": "{ " + "node(id: 1) { id } " * 500 + "}",
    "inline": "{ " + "... { business { name } } " * 600 + "}",
    "two levels": "{ " + ("products { " + "nodes { id } " * 10 + "} ") * 100 + "}",
    "pairs of pairs": "{ " + pairs(8) + " }",
    "fragments": "{ " + joined(250, "...F#") + " } " + joined(250, "fragment F# on Query { business { name } }"),
    "chain": "{ ...F0 } " + joined(200, "fragment F# on Query { business { ...G } ...F% }")
    + " fragment F200 on Query { __typename } fragment G on Business { name }",
    "operations": joined(400, "query Q# { ...F }") + " fragment F on Query { " + "__typename " * 1_000 + "}",
    "unused": "{ __typename } fragment F on Query { " + "business { name } " * 1_200 + "}",
    "spreads": "{ ...F0 } " + joined(6, "fragment F# on Query { a: business { ...B } b: __typename ...F% ...F% }")
    + " fragment F6 on Query { __typename } fragment B on Business { name }",
    "tree": "{ ...F0 } " + joined(13, "fragment F# on Query { x { ...F% } y { ...F% } z { ...F% } }")
    + " fragment F13 on Query { __typename }",
}  # fmt: skip
"""Documents of at most 5,000 tokens that make the comparison of overlapping fields slow: up to a second."""


@pytest.mark.parametrize("name", REPETITIVE)
async def test_validation_cannot_be_made_slow(api: Api, name: str) -> None:
    body = {"operationName": "Q1"} if name == "operations" else {}
    await send(api, "{ __typename }")
    response, best = await timed(api, REPETITIVE[name], **body)
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "TOO_COSTLY"
    assert best < FAST


async def test_a_field_may_be_repeated_as_often_as_a_program_does(api: Api) -> None:
    response = await send(api, "{ " + "business { name } " * 60 + "}")
    assert list(response.json()["data"]) == ["business"]


async def test_lists_of_more_than_ten_thousand(api: Api) -> None:
    query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    error = await refused(api, query, {"ids": ["x"] * 10_001}, within=0.1)
    assert (error["extensions"]["code"], error["extensions"]["limit"]) == ("TOO_COSTLY", 10_000)
    assert "10,001" in error["message"]
    inner = "mutation M($input: ProductCreateInput!) { productCreate(input: $input) { userErrors { code } } }"
    error = await refused(api, inner, {"input": {"name": "x", "variants": [{"sku": "x"}] * 10_001}}, within=0.1)
    assert error["extensions"]["code"] == "TOO_COSTLY"


DEAR = "{ products(first: 250) { nodes { variants { product { variants { product { variants { id } } } } } } } }"


async def test_static_cost_over_the_limit(api: Api) -> None:
    error = await refused(api, DEAR)
    assert error["extensions"]["code"] == "TOO_COSTLY"
    assert error["extensions"]["limit"] == limits.COST
    assert error["extensions"]["requested"] > limits.COST
    by_variable = DEAR.replace("{ products(first: 250)", "query Q($n: Int = 250) { products(first: $n)")
    assert (await refused(api, by_variable))["extensions"]["requested"] == error["extensions"]["requested"]
    assert (await refused(api, by_variable, {"n": 249}))["extensions"]["requested"] < error["extensions"]["requested"]
    nulled = await send(api, "query Q($n: Int = 250) { products(first: $n) { nodes { id } } }", {"n": None})
    assert nulled.status_code == 200


async def test_introspection_needs_a_token_but_no_scope(api: Api) -> None:
    query = "{ __schema { types { name fields { name type { name ofType { name } } } } } }"
    anonymous = await api.client.post("/graphql", json={"query": query})
    assert anonymous.status_code == 401
    for type_query in (
        '{ __type(name: "Product") { fields { name } } }',
        "{ ...F } fragment F on Query { __schema { types { name } } }",
    ):
        assert (await api.client.post("/graphql", json={"query": type_query})).status_code == 401
    response = await send(api, query, scopes=[])
    assert response.status_code == 200
    assert "ProductVariant" in [each["name"] for each in response.json()["data"]["__schema"]["types"]]


async def test_introspection_costs_what_it_tells(api: Api) -> None:
    """Asked for once, as every tool does, it fits; asked for again and again it is refused before it is made."""
    query = get_introspection_query(input_value_deprecation=True)
    response = await send(api, query, scopes=[], extensions={"cost": True})
    cost = response.json()["extensions"]["cost"]
    assert cost["actual"] < cost["requested"] < limits.COST / 2
    block = "__schema { types { name fields { name args { name } } } }"
    many = "{ " + " ".join(f"a{n}: {block}" for n in range(99)) + " }"
    assert (await refused(api, many))["extensions"]["code"] == "TOO_COSTLY"


NEW = "mutation M($i: ProductCreateInput!) { productCreate(input: $i) { userErrors { code } } }"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ busines { name } }", {}),
        ("{ business { nam } }", {}),
        ("{ product(byy: {id: 1}) { id } }", {}),
        ("{ product(by: {slog: 1}) { id } }", {}),
        ("query Q($a: Strin) { product(by: {slug: $a}) { id } }", {"a": 1}),
        (NEW, {"i": {"nam": 1, "variants": []}}),
        (NEW, {"i": {"name": "x", "variants": [], "status": "DRAFTT"}}),
    ],
)
async def test_suggestions_are_for_those_who_may_read_the_schema(api: Api, query: str, variables: Any) -> None:
    reader = await send(api, query, variables, scopes=[Scope.SCHEMA_READ, Scope.PRODUCTS_WRITE])
    other = await send(api, query, variables, scopes=[Scope.PRODUCTS_WRITE])
    assert reader.status_code == other.status_code == 400
    assert "Did you mean" in reader.text
    assert "Did you mean" not in other.text


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        "{ business { name } }",
        "{ products(first: 3) { nodes { id variants { sku price { amount } product { name } } } } }",
        "{ products(last: 5) { edges { cursor node { id } } pageInfo { hasNextPage } totalCount } }",
        "{ variants { nodes { id unit { code } } } }",
        "{ ...F a: products(first: 2) { ...P } } fragment F on Query { business { name } } "
        "fragment P on ProductConnection { nodes { id variants { id } } edges { node { id } } }",
        "{ events(first: 10) { nodes { id subject } edges { node { id } } } }",
        "{ units { nodes { code } } channels { nodes { id } } }",
        'mutation { productCreate(input: {name: "Cost", variants: [{sku: "COST-X"}]}, dryRun: true) '
        "{ product { id variants { id } } userErrors { code } effects { events { nodes { id } } } } }",
    ],
)
async def test_the_static_cost_bounds_the_actual(api: Api, query: str) -> None:
    create = (
        "mutation C($s: String!) { productCreate(input: {name: $s, variants: [{sku: $s}]}) { userErrors { code } } }"
    )
    for number in range(3):
        await api.data(create, {"s": f"COST-{number}"}, scopes=Scope)
    answer = (await send(api, query, extensions={"cost": True})).json()
    assert "errors" not in answer
    cost = answer["extensions"]["cost"]
    assert cost["requested"] >= cost["actual"] >= 0
    assert cost["available"] is None  # this token has no limit
    assert "extensions" not in (await send(api, "{ business { name } }")).json()


async def limited_token(api: Api, rate: int) -> str:
    async with api.services.database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        app, _ = await identity.register_app(work, name=f"Limited {new_id('app')}", scopes=list(Scope))
        app.cost_per_second = rate
        _, token = await identity.issue_token(work, app, scopes=list(Scope), lifetime=timedelta(hours=1), limited=True)
        return token


async def test_a_bucket_throttles_and_refills(api: Api) -> None:
    token = await limited_token(api, rate=30)  # holds 300, and takes seven seconds to win 202 back

    async def ask() -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        body = {"query": "{ products(first: 250) { nodes { id } } }", "extensions": {"cost": True}}
        return await api.client.post("/graphql", json=body, headers=headers)

    first = await ask()
    cost = first.json()["extensions"]["cost"]
    assert cost["requested"] == 251
    assert cost["available"] == 300 - 251
    throttled = await ask()
    assert throttled.status_code == 429
    assert int(throttled.headers["retry-after"]) >= 1
    [error] = throttled.json()["errors"]
    assert error["extensions"]["code"] == "THROTTLED"
    assert error["extensions"]["requested"] == 251
    async with api.services.database.connection() as connection, connection.begin():
        await connection.exec_driver_sql("UPDATE cost_buckets SET at = at - interval '8 seconds'")
    assert (await ask()).status_code == 200


async def test_parallel_requests_share_one_bucket(api: Api) -> None:
    token = await limited_token(api, rate=10)  # holds 100

    async def ask() -> int:
        body = {"query": "{ products(first: 19) { nodes { id } } }"}  # 20 points
        return (await api.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})).status_code

    statuses = await asyncio.gather(*(ask() for _ in range(12)))
    assert sorted(statuses) == [200] * 5 + [429] * 7


async def test_what_costs_more_than_a_full_bucket_needs_a_full_one(api: Api) -> None:
    token = await limited_token(api, rate=1)  # holds 10
    headers = {"authorization": f"Bearer {token}"}
    body = {"query": "{ products(first: 200) { nodes { id } } }"}
    assert (await api.client.post("/graphql", json=body, headers=headers)).status_code == 200
    again = await api.client.post("/graphql", json=body, headers=headers)
    assert again.status_code == 429
