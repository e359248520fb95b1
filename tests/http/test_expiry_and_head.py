"""A stream ends with its token, and what asks for nothing but headers changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api import callers
from tests.http.test_sse import events
from tests.http.test_websocket import followers, revoked
from tests.support.api import Api

FEED = 'subscription { eventFeed(types: ["product.created"]) { type } }'
CREATE = 'mutation { productCreate(input: {name: "Head", variants: [{sku: "HEAD-1"}]}) { userErrors { code } } }'


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stream_ends_when_its_token_expires(api: Api, method: str) -> None:
    token = await api.token(["events:read"], lifetime=timedelta(seconds=2))
    api.tokens.clear()  # nobody else is to get this one
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    given: dict[str, Any] = {"params": {"query": FEED}} if method == "GET" else {"json": {"query": FEED}}
    async with asyncio.timeout(40), api.client.stream(method, "/graphql", headers=headers, **given) as response:
        assert response.status_code == 200
        seen = [each async for each in events(response)]
    assert [name for name, _ in seen][:1] == ["next"]
    [error] = seen[0][1]["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert "expired" in error["message"]
    assert seen[1:] == [("complete", None)]
    await followers(api, 0)


async def test_a_stream_ends_soon_after_its_token_is_revoked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "FOLLOWED_SECONDS", 0.05)
    token = await api.token(["events:read", "orders:read"])
    api.tokens.clear()  # nobody else is to get this one
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    asked = {"query": FEED}
    async with asyncio.timeout(40), api.client.stream("POST", "/graphql", headers=headers, json=asked) as response:
        await followers(api, 1)
        await revoked(api, token)
        seen = [each async for each in events(response)]
    [error] = seen[0][1]["errors"]
    assert (error["extensions"]["code"], "not valid any more" in error["message"]) == ("UNAUTHENTICATED", True)
    assert seen[1:] == [("complete", None)]
    await followers(api, 0)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("where", ["body", "query"])
async def test_head_does_not_run_a_mutation(api: Api, where: str, accept: str) -> None:
    headers = {"authorization": f"Bearer {await api.token()}", "accept": accept}
    given: dict[str, Any] = {"json": {"query": CREATE}} if where == "body" else {"params": {"query": CREATE}}
    asked = '{ variant(by: {sku: "HEAD-1"}) { id } events(first: 0, types: ["product.created"]) { totalCount } }'
    response = await api.client.request("HEAD", "/graphql", headers=headers, **given)
    assert response.status_code in (400, 405)
    assert await api.data(asked) == {"variant": None, "events": {"totalCount": 0}}
