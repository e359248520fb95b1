"""GraphQL over HTTP with whatever comes in: clear answers, never a stack trace."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from api.graphql.kit.errors import outage
from api.graphql.kit.reading import Reading
from api.http.patience import Patience
from domain.kernel.scopes import Scope
from tests.support.api import Api, exhausted, serving
from tests.support.server import Server

MODERN = "application/graphql-response+json"
CREATE = """mutation M($input: ProductCreateInput!) { productCreate(input: $input) {
  product { id name variants { price { amount currency } } } userErrors { code message path } } }"""
BUSINESS = "{ business { name } }"


async def send(api: Api, query: str, variables: Any = None, *, accept: str = MODERN, **extra: Any) -> httpx.Response:
    """One document from somebody with all scopes."""
    body = json.dumps({"query": query, "variables": variables or {}, **extra})
    return await raw(api, body.encode(), accept=accept)


async def raw(api: Api, body: bytes, *, accept: str = MODERN, content_type: str = "application/json") -> httpx.Response:
    headers = {"authorization": f"Bearer {await api.token()}", "accept": accept, "content-type": content_type}
    return await api.client.post("/graphql", content=body, headers=headers, timeout=20)


def only_error(response: httpx.Response) -> dict[str, Any]:
    """The one error of an answer, which shows nothing of our insides."""
    [error] = response.json()["errors"]
    assert "Traceback" not in response.text
    assert "asyncpg" not in response.text
    return error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request has no body."),
        (b"  \n", "The request has no body."),
        (b'{"query": ', "The body is no JSON"),
        (b"\xff\xfe{}", "The body is no JSON"),
        (b'[{"query": "{ __typename }"}]', "Batches"),
        (b'"{ __typename }"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{}", "`query` must be given"),
        (b'{"query": 1}', "`query` must be given"),
        (b'{"query": "  "}', "`query` must be given"),
        (b'{"query": "{ __typename }", "variables": []}', "`variables` must be an object"),
        (b'{"query": "{ __typename }", "variables": "{}"}', "`variables` must be an object"),
        (b'{"query": "{ __typename }", "operationName": 7}', "`operationName` must be a string"),
        (b'{"query": "{ __typename }", "extensions": "cost"}', "`extensions` must be an object"),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', "The body is no JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}', "The body is no JSON"),
        (b"[" * 100_000, "The body is no JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "no JSON"),
    ],
)
async def test_what_is_no_request_is_refused_with_a_reason(api: Api, body: bytes, message: str) -> None:
    for accept in (MODERN, "application/json"):
        response = await raw(api, body, accept=accept)
        assert response.status_code == 400
        error = only_error(response)
        assert message in error["message"]
        assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_a_body_of_ten_megabytes_is_refused(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    headers = {"content-type": "application/json"}
    whole = await api.client.post("/graphql", content=b" " * 10_000_000, headers=headers)
    chunked = await api.client.post("/graphql", content=chunks(), headers=headers)
    for response in (whole, chunked):
        assert response.status_code == 413
        assert only_error(response)["message"] == "The body is larger than 5 MB."


async def test_a_body_that_stops_halfway_harms_nobody(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    with capture_logs() as logs:
        assert (await send(api, BUSINESS)).status_code == 200
        await asyncio.sleep(0.05)
    assert [each for each in logs if each["event"] == "bug"] == []


@pytest.mark.parametrize("kind", ["text/plain", "application/graphql", "application/json; charset=utf-16", ""])
async def test_a_wrong_content_type_is_refused(api: Api, kind: str) -> None:
    response = await raw(api, b'{"query": "{ __typename }"}', content_type=kind)
    assert response.status_code == 415
    only_error(response)


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.5", "application/json;q=0"])
async def test_what_nobody_can_read_is_not_acceptable(api: Api, accept: str) -> None:
    assert (await send(api, "{ __typename }", accept=accept)).status_code == 406


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*;q=0.1", "application/json;q=\xb2", "application/json;q=1.2.3"]
)
async def test_strange_wishes_get_plain_json(api: Api, accept: str) -> None:
    headers = {b"content-type": b"application/json", b"accept": accept.encode("latin-1")}
    response = await api.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json; charset=utf-8")


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nothing }",
        "{ business { nothing } }",
        "query A { __typename } query B { __typename }",
        "\x00",
        '{ a(x: "\\uD800") }',
    ],
)
async def test_a_document_that_cannot_run_is_400_for_modern_clients_and_200_for_old_ones(api: Api, query: str) -> None:
    modern, plain = await send(api, query), await send(api, query, accept="application/json")
    assert (modern.status_code, plain.status_code) == (400, 200)
    assert only_error(modern)["extensions"]["code"] in (
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_REQUEST",
    )
    assert "data" not in plain.json()


async def test_an_unknown_operation_name_is_named(api: Api) -> None:
    response = await send(api, "query A { __typename }", operationName="B")
    assert (response.status_code, only_error(response)["message"]) == (400, "The document has no operation named 'B'.")


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer", "Basic eDp5", "", "Bearer \xb2\xb2", "Bearer wl_token_ x"]
)
async def test_an_invalid_token_is_401_whatever_was_asked(api: Api, header: str) -> None:
    for accept in (MODERN, "application/json", "text/event-stream"):
        headers = {b"authorization": header.encode("latin-1"), b"accept": accept.encode()}
        response = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="waterline"'
        assert only_error(response)["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_expired_token_says_so(api: Api) -> None:
    token = await api.token([Scope.PRODUCTS_READ], lifetime=timedelta(milliseconds=1))
    await asyncio.sleep(0.01)
    headers = {"authorization": f"Bearer {token}"}
    response = await api.client.post("/graphql", json={"query": BUSINESS}, headers=headers)
    assert response.status_code == 401
    assert "has expired" in only_error(response)["message"]


async def test_without_a_token_nothing_but_the_name_of_the_root_is_told(api: Api) -> None:
    assert (await api.client.post("/graphql", json={"query": "{ __typename }"})).json() == {
        "data": {"__typename": "Query"}
    }
    for query in (BUSINESS, "{ __schema { description } }", '{ __type(name: "Product") { name kind } }'):
        response = await api.client.post("/graphql", json={"query": query})
        assert response.status_code == 401
        assert only_error(response)["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_missing_scope_is_named(api: Api) -> None:
    answer = await api.post("{ products { nodes { id } } }", scopes=[Scope.EVENTS_READ])
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "products:read" in error["message"]
    assert "data" not in answer
    headers = {"authorization": f"Bearer {await api.token([Scope.EVENTS_READ])}", "accept": MODERN}
    response = await api.client.post("/graphql", json={"query": "{ products { nodes { id } } }"}, headers=headers)
    assert response.status_code == 403


async def test_get_runs_queries_and_no_mutations(api: Api) -> None:
    headers = {"authorization": f"Bearer {await api.token()}"}
    read = {"query": "query Q($id: ID!) { node(id: $id) { id } }", "variables": '{"id": "x"}', "operationName": "Q"}
    assert (await api.client.get("/graphql", params=read, headers=headers)).json() == {"data": {"node": None}}
    write = {"query": CREATE, "variables": '{"input": {"name": "GET", "variants": [{"sku": "GET"}]}}'}
    response = await api.client.get("/graphql", params=write, headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert await api.data('{ variant(by: {sku: "GET"}) { id } }') == {"variant": None}
    assert (
        await api.client.get("/graphql", params={"query": BUSINESS, "variables": "{"}, headers=headers)
    ).status_code == 400
    assert (await api.client.put("/graphql", json={}, headers=headers)).status_code == 405


async def test_browsers_may_ask_from_anywhere(api: Api) -> None:
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    headers["access-control-request-headers"] = "authorization,content-type,x-request-id"
    response = await api.client.options("/graphql", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    for name in ("authorization", "x-request-id"):
        assert name in response.headers["access-control-allow-headers"]
    answered = await api.client.post("/graphql", json={"query": BUSINESS}, headers={"origin": "https://shop.example"})
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (401, "*")


def product(**changes: Any) -> dict[str, Any]:
    return {"input": {"name": "Odd", "variants": [{"sku": "ODD", **changes.pop("variant", {})}], **changes}}


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        (product(name="a\x00b"), "NUL"),
        (product(unknown=1), "unknown"),
        (product(name=7), "name"),
        (product(name=None), "name"),
        (product(variant={"price": {"amount": "one", "currency": "EUR"}}), "amount"),
        (product(variant={"price": {"amount": True, "currency": "EUR"}}), "amount"),
        (product(variant={"price": {"amount": "NaN", "currency": "EUR"}}), "amount"),
        (product(variant={"price": {"amount": "Infinity", "currency": "EUR"}}), "amount"),
        (product(variant={"price": {"amount": "1e999999999", "currency": "EUR"}}), "amount"),
        (product(variant={"price": {"amount": "1", "currency": "euro"}}), "currency"),
        (product(variant={"price": {"amount": "1", "currency": "XXQ"}}), "currency"),
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
    ],
)
async def test_variables_of_the_wrong_shape_are_named(api: Api, variables: Any, word: str) -> None:
    response = await send(api, CREATE, variables)
    error = only_error(response)
    assert word.lower() in error["message"].lower()
    assert error["extensions"]["code"] != "INTERNAL"
    assert response.status_code == 400
    assert await api.data('{ variant(by: {sku: "ODD"}) { id } }') == {"variant": None}


@pytest.mark.parametrize(
    "amount",
    ["9" * 40, 10**40, "0." + "1" * 40, "-1", "1e30", "1e-30", "1.2345678", Decimal("12345678901234567890.12")],
)
async def test_prices_out_of_range_are_refused_as_data(api: Api, amount: Any) -> None:
    number = str(amount) if isinstance(amount, (int, Decimal)) else json.dumps(amount)
    variables = json.dumps(product(variant={"price": {"amount": "AMOUNT", "currency": "EUR"}}))
    body = f'{{"query": {json.dumps(CREATE)}, "variables": {variables.replace(chr(34) + "AMOUNT" + chr(34), number)}}}'
    answer = (await raw(api, body.encode())).json()
    codes = [each["extensions"]["code"] for each in answer.get("errors", ())]
    assert "INTERNAL" not in codes
    assert codes or answer["data"]["productCreate"]["userErrors"]
    assert await api.data('{ variant(by: {sku: "ODD"}) { id } }') == {"variant": None}


async def test_a_json_number_is_exact(api: Api) -> None:
    variables = json.dumps({"input": {"name": "Exact", "variants": [{"sku": "EXACT"}]}})
    priced = variables.replace('"EXACT"}', '"EXACT", "price": {"amount": 8.10, "currency": "EUR"}}')
    answer = (await raw(api, f'{{"query": {json.dumps(CREATE)}, "variables": {priced}}}'.encode())).json()
    [variant] = answer["data"]["productCreate"]["product"]["variants"]
    assert variant["price"] == {"amount": "8.10", "currency": "EUR"}


@pytest.mark.parametrize("first", [2**31, 10**30, 10**400, 1.5, "1", -1, 0, 251, True])
async def test_page_sizes_that_are_none(api: Api, first: Any) -> None:
    query = "query Q($n: Int) { products(first: $n) { nodes { variants { product { variants { id } } } } } }"
    response = await send(api, query, {"n": first})
    error = response.json().get("errors", [{"extensions": {"code": "none"}}])[0]
    assert error["extensions"]["code"] != "INTERNAL"
    assert (first == 0) == (error["extensions"]["code"] == "none")


@pytest.mark.parametrize(
    "query",
    [
        r'{ product(by: {slug: "a\u0000b"}) { id } }',
        r'{ products(search: "a\u0000b") { nodes { id } } }',
        r'{ products(after: "\u0000") { nodes { id } } }',
        r'{ events(after: "\u0000") { nodes { id } } }',
        r'{ events(types: ["\u0000"]) { nodes { id } } }',
        r'mutation { productCreate(input: {name: "a\u0000", variants: [{sku: "NUL"}]}) { userErrors { code } } }',
        r'mutation { productDiscontinue(id: "prd_1", idempotencyKey: "\u{0}") { userErrors { code } } }',
    ],
)
async def test_nul_in_a_literal_is_the_callers_fault(api: Api, query: str) -> None:
    answer = (await send(api, query)).json()
    assert "INTERNAL" not in [each["extensions"]["code"] for each in answer.get("errors", ())]
    assert await api.data('{ variant(by: {sku: "NUL"}) { id } }') == {"variant": None}


async def test_a_bug_is_masked_and_can_be_found_in_the_log(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("the secret of our insides")

    monkeypatch.setattr(Reading, "run", broken)
    monkeypatch.setattr(Reading, "execute", broken)
    with capture_logs() as logs:
        response = await send(api, BUSINESS)
    error = only_error(response)
    assert "secret" not in response.text
    assert error["extensions"]["code"] == "INTERNAL"
    correlation = error["extensions"]["correlationId"]
    assert correlation in error["message"]
    [logged] = [each for each in logs if each["event"] == "bug"]
    assert logged["correlation_id"] == correlation
    assert isinstance(logged["exc_info"], ZeroDivisionError)


async def test_a_bug_outside_graphql_is_masked_as_well(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("the secret of our insides")

    monkeypatch.setattr("api.http.graphql._respond", broken)
    with capture_logs() as logs:
        response = await send(api, BUSINESS)
    assert response.status_code == 500
    error = only_error(response)
    assert "secret" not in response.text
    [logged] = [each for each in logs if each["event"] == "bug"]
    assert logged["correlation_id"] == error["extensions"]["correlationId"]


async def test_an_exhausted_pool_is_overload_and_passes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.token()
    async with exhausted(api.services, monkeypatch):
        for accept in (MODERN, "application/json", "text/event-stream"):
            response = await send(api, BUSINESS, accept=accept)
            assert (response.status_code, response.headers["retry-after"]) == (503, "2")
            assert only_error(response)["extensions"]["code"] == "OVERLOADED"
        assert (await api.client.get("/health/ready")).status_code == 503
        assert (await api.client.get("/health/live")).status_code == 200
    assert (await send(api, BUSINESS)).status_code == 200
    assert (await api.client.get("/health/ready")).status_code == 200


async def test_a_pool_exhausted_on_the_way_is_overload_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.token()
    pool = api.services.database.connections
    monkeypatch.setattr(pool, "_patience", 0.05)
    stack = AsyncExitStack()

    async def hold_all_then_admit(*_: Any) -> None:
        for _number in range(pool.size - pool.used):
            await stack.enter_async_context(api.services.database.connection())

    monkeypatch.setattr(api.services.throttle, "take", hold_all_then_admit)
    async with stack:
        response = await send(api, BUSINESS)
        assert response.status_code == 503
        assert only_error(response)["extensions"]["code"] == "OVERLOADED"


async def test_a_database_that_goes_away_is_unavailable_until_it_returns(server: Server, fresh_name: str) -> None:
    async with serving(server.app_url(fresh_name)) as api, server.administrator() as admin:
        assert (await send(api, BUSINESS)).status_code == 200
        await server.disconnect_app(fresh_name, before=f"ALTER DATABASE {fresh_name} ALLOW_CONNECTIONS false")
        for _ in range(3):
            response = await send(api, BUSINESS)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"
            assert only_error(response)["extensions"]["code"] == "UNAVAILABLE"
        ready = await api.client.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "The database does not answer.")
        await admin.execute(f"ALTER DATABASE {fresh_name} ALLOW_CONNECTIONS true")
        assert (await send(api, BUSINESS)).status_code == 200


async def test_a_database_lost_in_the_middle_of_an_act_is_unavailable(
    server: Server, fresh_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(server.app_url(fresh_name)) as api:
        await api.token()
        fetch = Reading.fetch

        async def lost(self: Reading, *arguments: Any, **options: Any) -> Any:
            await self.run(lambda connection: connection.exec_driver_sql("SELECT 1"))
            await server.disconnect_app(fresh_name)
            return await fetch(self, *arguments, **options)

        monkeypatch.setattr(Reading, "fetch", lost)
        with capture_logs() as logs:
            response = await send(api, '{ product(by: {slug: "x"}) { id } }')
        assert only_error(response)["extensions"]["code"] == "UNAVAILABLE"
        assert [each for each in logs if each["event"] == "bug"] == []
        monkeypatch.undo()
        assert (await send(api, BUSINESS)).status_code == 200


async def test_health_and_metrics(api: Api) -> None:
    assert (await api.client.get("/health/live")).json() == {"status": "ok"}
    ready = await api.client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
    await send(api, BUSINESS)
    text = (await api.client.get("/metrics")).text
    assert 'waterline_http_requests_total{path="/graphql",status="200"}' in text
    assert "waterline_database_connections_in_use 1.0" in text  # the tail's
    assert "waterline_live_followers 0.0" in text


async def test_a_body_that_does_not_come_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(api.state._state, "patience", Patience(0.1))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within" in answer
    writer.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"), "UNAVAILABLE"),
        (asyncpg.QueryCanceledError("canceling statement due to statement timeout"), "OVERLOADED"),
        (asyncpg.LockNotAvailableError("canceling statement due to lock timeout"), "OVERLOADED"),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"), "UNAVAILABLE"),
        (asyncpg.InternalClientError("anything else"), None),
    ],
)
def test_what_the_driver_says_of_a_database_in_trouble_is_no_bug_of_ours(error: Exception, code: str | None) -> None:
    told = outage(error)
    assert (told and told[0]) == code
