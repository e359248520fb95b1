"""GraphQL over server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from domain.kernel.scopes import Scope
from tests.http.test_websocket import followers
from tests.support.api import Api

FEED = "subscription Feed($types: [String!]) { eventFeed(types: $types) { type subject } }"
CREATE = """mutation M($sku: String!) { productCreate(input: {name: $sku, variants: [{sku: $sku}]}) {
  product { id } userErrors { code } } }"""
BOTH = pytest.mark.parametrize("method", ["GET", "POST"])


@asynccontextmanager
async def asked(
    api: Api, method: str, query: str, variables: dict[str, Any] | None = None, *, scopes: Any = Scope
) -> AsyncIterator[httpx.Response]:
    headers = {"authorization": f"Bearer {await api.token(scopes)}", "accept": "text/event-stream"}
    if method == "GET":
        content: dict[str, Any] = {"params": {"query": query, "variables": json.dumps(variables or {})}}
    else:
        content = {"json": {"query": query, "variables": variables or {}}}
    async with api.client.stream(method, "/graphql", headers=headers, timeout=10, **content) as response:
        yield response


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Name and data of each event; comments are passed over."""
    name = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield name, json.loads(value) if value.strip() else None


@BOTH
async def test_a_query_gives_one_answer_and_completes(api: Api, method: str) -> None:
    async with asked(api, method, "{ __typename }") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        seen = [each async for each in events(response)]
    assert seen == [("next", {"data": {"__typename": "Query"}}), ("complete", None)]


async def test_a_mutation_by_post_runs_and_by_get_does_not(api: Api) -> None:
    async with asked(api, "GET", CREATE, {"sku": "SSE-1"}) as response:
        assert response.status_code == 405
        assert response.headers["content-type"].startswith("application/graphql-response+json")
        await response.aread()
    async with asked(api, "POST", CREATE, {"sku": "SSE-1"}) as response:
        seen = [each async for each in events(response)]
    assert seen[0][1]["data"]["productCreate"]["userErrors"] == []
    assert seen[1:] == [("complete", None)]


@BOTH
async def test_a_subscription_streams_until_the_client_leaves(api: Api, method: str) -> None:
    sku = f"SSE-{method}"
    async with asked(api, method, FEED, {"types": ["product.created"]}) as response:
        assert response.status_code == 200
        await followers(api, 1)
        products = [
            (await api.data(CREATE, {"sku": f"{sku}-{number}"}))["productCreate"]["product"]["id"]
            for number in range(2)
        ]
        stream = events(response)
        for product in products:
            name, answer = await asyncio.wait_for(anext(stream), 40)
            assert (name, answer) == ("next", {"data": {"eventFeed": {"type": "product.created", "subject": product}}})
    await followers(api, 0)


@pytest.mark.parametrize(
    ("query", "scopes", "status", "code"),
    [
        ("subscription {", Scope, 400, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", Scope, 400, "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", Scope, 400, "GRAPHQL_VALIDATION_FAILED"),
        (FEED, [Scope.PRODUCTS_READ], 403, "FORBIDDEN"),
    ],
)
async def test_what_is_refused_is_json_with_a_status(api: Api, query: str, scopes: Any, status: int, code: str) -> None:
    async with asked(api, "POST", query, scopes=scopes) as response:
        assert response.status_code == status
        assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        body = json.loads(await response.aread())
    assert body["errors"][0]["extensions"]["code"] == code
    assert api.services.tail.followers == 0


async def test_a_subscription_that_fails_says_why_and_completes(api: Api) -> None:
    async with asked(api, "POST", 'subscription { eventFeed(after: "evt_nothing") { type } }') as response:
        seen = [each async for each in events(response)]
    assert [name for name, _ in seen] == ["next", "complete"]
    assert seen[0][1]["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


async def test_a_silent_stream_is_kept_alive(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.graphql.KEEP_ALIVE_SECONDS", 0.02)
    silent = 'subscription { eventFeed(types: ["nothing.happens"]) { type } }'
    async with asked(api, "POST", silent) as response:
        comments = response.aiter_text()
        for _ in range(3):
            assert set(await asyncio.wait_for(anext(comments), 40)) == {":", "\n"}
    await followers(api, 0)


async def test_a_subscription_without_a_stream_is_told_where_to_go(api: Api) -> None:
    [error] = (await api.post(FEED))["errors"]
    assert "text/event-stream" in error["message"]
