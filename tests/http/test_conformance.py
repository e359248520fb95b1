"""Judged by others: the audits of the GraphQL-over-HTTP working group, and the reference WebSocket client."""

import pytest

from tests.http.conftest import Node
from tests.support.api import Api

AUDITS = 61


@pytest.mark.tool("node")
@pytest.mark.parametrize("authorized", [True, False])
async def test_every_audit_of_graphql_over_http_is_ok(api: Api, node: Node, authorized: bool) -> None:
    authorization = [f"Bearer {await api.token()}"] if authorized else []
    results = await node("audits.mjs", f"{api.url}/graphql", *authorization)
    assert len(results) == AUDITS
    assert [each for each in results if each["status"] != "ok"] == []


@pytest.mark.tool("node")
async def test_the_reference_websocket_client_subscribes_and_mutates_on_one_socket(api: Api, node: Node) -> None:
    subscription = 'subscription { eventFeed(types: ["product.created"]) { type subject } }'
    mutation = """mutation { productCreate(input: {name: "Socket", variants: [{sku: "SOCKET"}]}) {
      product { id } userErrors { code } } }"""
    url = api.url.replace("http", "ws") + "/graphql"
    seen = await node("client.mjs", url, f"Bearer {await api.token()}", subscription, mutation)
    product = seen["mutated"]["data"]["productCreate"]["product"]["id"]
    assert seen["message"] == {"data": {"eventFeed": {"type": "product.created", "subject": product}}}
