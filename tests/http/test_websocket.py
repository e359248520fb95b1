"""The protocol graphql-transport-ws, message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws
from structlog.testing import capture_logs

from api import callers
from api.graphql.kit.reading import Reading
from api.http import websocket
from domain import identity
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM
from domain.kernel.work import begin as begin_act
from tests.support.api import Api, exhausted

FEED = "subscription { eventFeed { type subject } }"


@asynccontextmanager
async def opened(
    api: Api, *, protocol: str = "graphql-transport-ws", headers: dict[str, str] | None = None
) -> AsyncIterator[AsyncWebSocketSession]:
    """A socket on which nothing has been said yet."""
    url = f"{api.url}/graphql"
    async with aconnect_ws(url, api.client, subprotocols=[protocol], headers=headers or {}) as socket:
        yield socket


async def closed(socket: AsyncWebSocketSession, *, within: float = 20) -> tuple[int, str]:
    """Code and reason with which the server closes the socket; whatever it says before is passed over."""
    async with asyncio.timeout(within):
        while True:
            try:
                await socket.receive_text()
            except WebSocketDisconnect as end:
                return end.code, end.reason or ""


async def heard(socket: AsyncWebSocketSession) -> Any:
    return await asyncio.wait_for(socket.receive_json(), 40)


async def begin(socket: AsyncWebSocketSession, key: str, query: str, **variables: Any) -> None:
    await socket.send_json({"id": key, "type": "subscribe", "payload": {"query": query, "variables": variables}})


async def followers(api: Api, count: int) -> None:
    """Wait until that many subscriptions follow the log."""
    async with asyncio.timeout(40):
        while api.services.tail.followers != count:
            await asyncio.sleep(0.005)


async def created(socket: AsyncWebSocketSession, key: str, sku: str) -> None:
    create = """mutation M($sku: String!) { productCreate(input: {name: $sku, variants: [{sku: $sku}]}) {
      product { id } userErrors { code } } }"""
    await begin(socket, key, create, sku=sku)


@pytest.mark.parametrize("protocol", ["graphql-ws", "mqtt"])
async def test_another_protocol_is_not_acceptable(api: Api, protocol: str) -> None:
    async with opened(api, protocol=protocol) as socket:
        assert (await closed(socket))[0] == 4406


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        '{"type": 1}',
        '{"type": "start"}',
        "[" * 100_000,
        '{"type": "ping", "payload": "\\ud800"}',
    ],
)
async def test_what_is_no_message_closes_the_socket(api: Api, text: str) -> None:
    async with opened(api) as socket:
        await socket.send_text(text)
        assert (await closed(socket))[0] == 4400


async def test_bytes_close_the_socket(api: Api) -> None:
    async with opened(api) as socket:
        await socket.send_bytes(b'{"type": "ping"}')
        assert (await closed(socket))[0] == 4400


async def test_a_message_of_more_than_five_megabytes_closes_the_socket(api: Api) -> None:
    async with opened(api) as socket:
        await socket.send_text('{"type": "ping", "payload": "' + "x" * 5_000_000 + '"}')
        assert (await closed(socket))[0] == 1009


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "payload": {"query": "{ __typename }"}},
        {"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}},
        {"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}},
    ],
)
async def test_a_subscribe_without_its_parts_closes_the_socket(api: Api, message: Any) -> None:
    async with api.socket() as socket:
        await socket.send_json(message)
        assert (await closed(socket))[0] == 4400


async def test_operations_before_the_acknowledgement_are_unauthorized(api: Api) -> None:
    async with opened(api) as socket:
        await begin(socket, "1", "{ __typename }")
        assert await closed(socket) == (4401, "Unauthorized")


@pytest.mark.parametrize("header", ["Bearer nonsense", "nonsense", "Bearer", "Basic eDp5"])
async def test_an_invalid_token_is_forbidden(api: Api, header: str) -> None:
    async with opened(api) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": header}})
        assert (await closed(socket))[0] == 4403
    async with opened(api, headers={"authorization": header}) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await closed(socket))[0] == 4403


async def test_silence_after_opening_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.05)
    async with opened(api) as socket:
        await socket.send_json({"type": "ping"})
        assert await closed(socket) == (4408, "Connection initialisation timeout")


async def test_an_id_in_use_is_taken(api: Api) -> None:
    async with api.socket() as socket:
        await begin(socket, "1", FEED)
        await begin(socket, "1", FEED)
        assert await closed(socket) == (4409, "Subscriber for 1 already exists")
    await followers(api, 0)


async def test_a_second_initialisation_is_too_many(api: Api) -> None:
    async with api.socket() as socket:
        await socket.send_json({"type": "connection_init"})
        assert await closed(socket) == (4429, "Too many initialisation requests")


async def test_operations_on_one_socket_are_limited(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "OPERATIONS", 2)
    async with api.socket() as socket:
        for key in ("1", "2", "3"):
            await begin(socket, key, FEED)
        assert await closed(socket) == (4429, "At most 2 operations at a time")
    await followers(api, 0)


async def test_ping_is_answered_at_any_time(api: Api) -> None:
    async with opened(api) as socket:
        await socket.send_json({"type": "ping", "payload": {"a": 1}})
        assert await heard(socket) == {"type": "pong"}
        await socket.send_json({"type": "pong"})
        await socket.send_json({"type": "connection_init"})
        assert await heard(socket) == {"type": "connection_ack"}
        await socket.send_json({"type": "ping"})
        assert await heard(socket) == {"type": "pong"}


@pytest.mark.parametrize("where", ["payload", "lower-case payload", "header"])
async def test_the_token_comes_in_the_payload_or_in_the_header(api: Api, where: str) -> None:
    token = f"Bearer {await api.token()}"
    async with opened(api, headers={"authorization": token} if where == "header" else {}) as socket:
        name = "authorization" if where == "lower-case payload" else "Authorization"
        payload = {} if where == "header" else {"payload": {name: token}}
        await socket.send_json({"type": "connection_init", **payload})
        assert await heard(socket) == {"type": "connection_ack"}
        await begin(socket, "q", "{ viewer: __typename business { name } }")
        assert (await heard(socket))["payload"]["data"]["business"]
        assert await heard(socket) == {"id": "q", "type": "complete"}


async def test_without_a_token_a_socket_may_ask_what_anybody_may(api: Api) -> None:
    async with opened(api) as socket:
        await socket.send_json({"type": "connection_init"})
        await heard(socket)
        await begin(socket, "1", "{ __typename }")
        assert (await heard(socket))["payload"] == {"data": {"__typename": "Query"}}
        await heard(socket)
        await begin(socket, "1", FEED)
        message = await heard(socket)
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")


async def test_a_query_and_a_mutation_over_the_socket_while_a_subscription_runs(api: Api) -> None:
    async with api.socket() as socket:
        await begin(socket, "feed", FEED.replace("eventFeed", 'eventFeed(types: ["product.created"])'))
        await followers(api, 1)
        await created(socket, "act", "WS-1")
        messages = [await heard(socket) for _ in range(3)]
        by_key = {key: [each for each in messages if each["id"] == key] for key in ("feed", "act")}
        assert [each["type"] for each in by_key["act"]] == ["next", "complete"]
        product = by_key["act"][0]["payload"]["data"]["productCreate"]["product"]["id"]
        [event] = by_key["feed"]
        assert event["payload"]["data"]["eventFeed"] == {"type": "product.created", "subject": product}


async def test_two_subscriptions_run_side_by_side_and_complete_stops_one(api: Api) -> None:
    async with api.socket() as socket:
        await begin(socket, "a", FEED)
        await begin(socket, "b", 'subscription { eventFeed(types: ["product.created"]) { type } }')
        await followers(api, 2)
        await created(socket, "act", "WS-2")
        assert {(await heard(socket))["id"] for _ in range(4)} == {"a", "b", "act"}
        await socket.send_json({"id": "a", "type": "complete"})
        await socket.send_json({"id": "never", "type": "complete"})
        await followers(api, 1)
        await created(socket, "act", "WS-3")
        assert {(await heard(socket))["id"] for _ in range(3)} == {"b", "act"}
        await begin(socket, "a", FEED)  # the id is free again
        await followers(api, 2)
    await followers(api, 0)


async def test_a_client_that_vanishes_frees_its_followers(api: Api) -> None:
    async with api.socket() as socket:
        await begin(socket, "1", FEED)
        await followers(api, 1)
        await socket.stream.aclose()
        await followers(api, 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { eventFeed(after: "evt_nothing") { type } }', "CURSOR_INVALID"),
        ("subscription { a: eventFeed { type } b: eventFeed { type } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query Q($id: ID!) { node(id: $id) { id } }", "BAD_REQUEST"),
    ],
)
async def test_what_is_refused_is_an_error_message_and_the_socket_goes_on(api: Api, query: str, code: str) -> None:
    async with api.socket() as socket:
        await begin(socket, "1", query)
        message = await heard(socket)
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == code
        await begin(socket, "1", "{ __typename }")
        assert (await heard(socket))["type"] == "next"


async def test_a_missing_scope_is_an_error_message(api: Api) -> None:
    async with api.socket([Scope.PRODUCTS_READ]) as socket:
        await begin(socket, "1", FEED)
        message = await heard(socket)
        assert message["type"] == "error"
        assert "events:read" in message["payload"][0]["message"]


async def test_a_bug_in_a_subscription_is_masked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> Any:
        raise ZeroDivisionError("the secret of our insides")

    monkeypatch.setattr(api.services.tail, "follow", broken)
    with capture_logs() as logs:
        async with api.socket() as socket:
            await begin(socket, "1", FEED)
            message = await heard(socket)
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(message)
    assert "bug" in [each["event"] for each in logs]


async def test_a_bug_in_an_answer_is_masked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("the secret of our insides")

    monkeypatch.setattr(Reading, "aclose", broken)
    with capture_logs() as logs:
        async with api.socket() as socket:
            await begin(socket, "1", "{ __typename }")
            message = await heard(socket)
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "INTERNAL")
    assert "bug" in [each["event"] for each in logs]


async def test_a_busy_database_asks_to_come_again_later(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await api.token()
    async with exhausted(api.services, monkeypatch), opened(api) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert (await closed(socket))[0] == 1013


async def test_a_socket_ends_with_its_token(api: Api) -> None:
    scopes = [Scope.EVENTS_READ]
    token = await api.token(scopes, lifetime=timedelta(milliseconds=300))
    async with opened(api) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert await heard(socket) == {"type": "connection_ack"}
        await begin(socket, "1", FEED)
        await followers(api, 1)
        assert await closed(socket) == (4403, "Token expired")
    await followers(api, 0)
    del api.tokens[frozenset(scopes)]


async def revoked(api: Api, token: str) -> None:
    async with api.services.database.connection() as connection, begin_act(connection, actor=SYSTEM) as work:
        await identity.revoke_token(work, token)


async def test_a_socket_ends_soon_after_its_token_is_revoked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "FOLLOWED_SECONDS", 0.05)
    scopes = [Scope.EVENTS_READ, Scope.PRODUCTS_READ]
    token = await api.token(scopes)
    del api.tokens[frozenset(scopes)]
    async with opened(api) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert await heard(socket) == {"type": "connection_ack"}
        await begin(socket, "1", FEED)
        await followers(api, 1)
        await revoked(api, token)
        assert await closed(socket) == (4403, "Token revoked")
    await followers(api, 0)


@pytest.mark.parametrize("query", ["{ viewer { name } }", 'mutation { productDelete(id: "x") { __typename } }', FEED])
async def test_nothing_more_is_done_for_a_token_that_was_revoked(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(callers, "FOLLOWED_SECONDS", 60)
    scopes = list(Scope)[:-1]
    token = await api.token(scopes)
    del api.tokens[frozenset(scopes)]
    async with opened(api) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert await heard(socket) == {"type": "connection_ack"}
        await begin(socket, "1", "{ viewer { name } }")
        assert (await heard(socket))["type"] == "next"
        assert (await heard(socket))["type"] == "complete"
        await revoked(api, token)
        await begin(socket, "2", query)
        message = await heard(socket)
        assert (message["id"], message["type"]) == ("2", "error")
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_socket_that_is_slow_to_close_keeps_nobody_from_being_followed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one whose token is lost says goodbye, others lose theirs."""
    monkeypatch.setattr(callers, "FOLLOWED_SECONDS", 0.05)
    close = websocket._Connection._close

    async def slowly(self: Any, code: int, reason: str) -> None:
        await asyncio.sleep(0.5)
        await close(self, code, reason)

    monkeypatch.setattr(websocket._Connection, "_close", slowly)
    wanted = [Scope.EVENTS_READ, Scope.STOCK_READ], [Scope.EVENTS_READ, Scope.LEDGER_READ]
    tokens = [await api.token(scopes) for scopes in wanted]
    for scopes in wanted:
        del api.tokens[frozenset(scopes)]
    async with opened(api) as one, opened(api) as other:
        for socket, token in ((one, tokens[0]), (other, tokens[1])):
            await socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
            assert await heard(socket) == {"type": "connection_ack"}
        for socket, token in ((one, tokens[0]), (other, tokens[1])):
            await revoked(api, token)
            assert await closed(socket) == (4403, "Token revoked")
