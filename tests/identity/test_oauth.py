"""Apps ask for tokens, give them back and ask about them, as any OAuth client does."""

import asyncio
import base64
import logging
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from domain import identity
from domain.kernel.database import Database
from domain.kernel.ids import ID, new_id
from domain.kernel.scopes import Scope
from domain.kernel.work import SYSTEM, begin
from tests.support.api import Api, exhausted

CREDENTIALS = {"grant_type": "client_credentials"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Client(NamedTuple):
    """An app as its programmers know it."""

    id: ID
    secret: str

    @property
    def form(self) -> dict[str, str]:
        return {"client_id": self.id, "client_secret": self.secret}


async def registered(database: Database, *scopes: str) -> Client:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        app, secret = await identity.register_app(work, name=f"App {new_id('app')}", scopes=scopes)
    return Client(app.id, secret)


@pytest.fixture
async def client(database: Database) -> Client:
    return await registered(database, "orders:write", "stock:read")


async def granted(api: Api, client: Client, **form: str) -> dict[str, Any]:
    answer = await api.client.post("/oauth/token", data=CREDENTIALS | form, auth=client)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def viewer(api: Api, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return await api.client.post("/graphql", json={"query": "{ viewer { id scopes } }"}, headers=headers)


async def scopes_of(api: Api, token: str) -> list[str]:
    return (await viewer(api, token)).json()["data"]["viewer"]["scopes"]


async def worthless(api: Api, token: str) -> bool:
    answer = await viewer(api, token)
    return answer.status_code == 401 and answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def assert_refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["error_description"].isascii()
    assert len(answer.content) < 1000
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_token_by_basic_authentication(api: Api, client: Client) -> None:
    answer = await api.client.post("/oauth/token", data=CREDENTIALS, auth=client)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    token = body.pop("access_token")
    assert token.startswith("wl_token_")
    assert body == {"token_type": "Bearer", "expires_in": 3600, "scope": "orders:write stock:read"}
    seen = (await viewer(api, token)).json()["data"]["viewer"]
    assert seen == {"id": client.id, "scopes": ["orders:read", "orders:write", "stock:read"]}


async def test_a_token_by_the_form(api: Api, client: Client) -> None:
    answer = await api.client.post("/oauth/token", data=CREDENTIALS | client.form)
    assert await scopes_of(api, answer.json()["access_token"]) == ["orders:read", "orders:write", "stock:read"]


@pytest.mark.parametrize("scope", ["orders:read", "stock:read", "stock:read orders:read", " stock:read  stock:read "])
async def test_scopes_can_be_narrowed_to_implied_ones(api: Api, client: Client, scope: str) -> None:
    body = await granted(api, client, scope=scope)
    assert body["scope"].split() == sorted(set(scope.split()))
    assert await scopes_of(api, body["access_token"]) == sorted(set(scope.split()))


async def test_a_parameter_without_value_counts_as_missing(api: Api, client: Client) -> None:
    assert (await granted(api, client, scope=""))["scope"] == "orders:write stock:read"


async def test_works_behind_any_host_name_without_tls(api: Api, client: Client) -> None:
    headers = {"host": "waterline.example"}
    answer = await api.client.post("/oauth/token", data=CREDENTIALS, auth=client, headers=headers)
    assert answer.status_code == 200


async def test_twenty_at_once(api: Api, client: Client) -> None:
    bodies = await asyncio.gather(*(granted(api, client) for _ in range(20)))
    assert len({body["access_token"] for body in bodies}) == 20
    assert [await scopes_of(api, body["access_token"]) for body in bodies[:2]] == 2 * [
        ["orders:read", "orders:write", "stock:read"]
    ]


async def test_parallel_requests_of_several_apps_are_not_mixed_up(api: Api, database: Database) -> None:
    clients = [await registered(database, scope) for scope in ("costs:read", "events:read", "ledger:read")]
    bodies = await asyncio.gather(*(granted(api, each) for each in clients * 5))
    assert [body["scope"] for body in bodies] == ["costs:read", "events:read", "ledger:read"] * 5


# Who may not


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_clients_that_are_not_who_they_say(api: Api, database: Database, client: Client, path: str) -> None:
    disabled = await registered(database, "stock:read")
    async with database.connection() as connection, connection.begin():
        await connection.exec_driver_sql(f"UPDATE apps SET disabled_at = now() WHERE id = '{disabled.id[4:]}'")
    form = CREDENTIALS | {"token": "wl_token_x"}
    descriptions = set()
    for app_id, secret in [
        (client.id, "wrong"),
        (client.id, ""),
        (client.id, disabled.secret),
        (new_id("app"), client.secret),
        ("nobody", client.secret),
        ("prd_" + client.id[4:], client.secret),
        ("", ""),
        ("%00", "%ff"),
        disabled,
    ]:
        by_header = await api.client.post(path, data=form, auth=(app_id, secret))
        by_form = await api.client.post(path, data=form | {"client_id": app_id, "client_secret": secret})
        assert_refused(by_header, "invalid_client", 401)
        assert_refused(by_form, "invalid_client", 401)
        assert by_header.headers["www-authenticate"].startswith('Basic realm="')
        descriptions |= {by_header.json()["error_description"], by_form.json()["error_description"]}
    assert_refused(await api.client.post(path, data=form), "invalid_client", 401)
    assert len(descriptions) == 1


@pytest.mark.parametrize(
    "header",
    [
        b"Basic",
        b"Basic \xa0",
        b"Basic !!!",
        b"Basic \xff\xfe",
        b"Basic " + base64.b64encode(b"\xff\xfe:\xff"),
        b"Basic " + base64.b64encode(b"no colon"),
        b"Basic " + base64.b64encode(b"\0:\0"),
        b"Bearer wl_token_x",
        b"Negotiate",
        b"\xe4",
    ],
)
async def test_headers_that_are_no_credentials(api: Api, header: bytes) -> None:
    answer = await api.client.post("/oauth/token", data=CREDENTIALS, headers={b"authorization": header})
    assert_refused(answer, "invalid_client", 401)


async def test_a_client_authenticates_once(api: Api, client: Client) -> None:
    both = await api.client.post("/oauth/token", data=CREDENTIALS | client.form, auth=client)
    assert_refused(both, "invalid_request")
    basic = "Basic " + base64.b64encode(":".join(client).encode()).decode()
    twice = [("authorization", basic), ("authorization", basic)]
    assert_refused(await api.client.post("/oauth/token", data=CREDENTIALS, headers=twice), "invalid_request")
    other = CREDENTIALS | {"client_id": new_id("app")}
    assert_refused(await api.client.post("/oauth/token", data=other, auth=client), "invalid_request")
    same = CREDENTIALS | {"client_id": client.id}
    assert (await api.client.post("/oauth/token", data=same, auth=client)).status_code == 200


# What may not be asked


@pytest.mark.parametrize(
    "scope",
    [
        "stock:write",
        "orders:read stock:write",
        "payments:read",
        "nonsense",
        " ",
        "ORDERS:READ",
        'a"b\\c',
        "käse",
        "*",
        "orders:read " * 1000 + "payments:refund",
    ],
)
async def test_too_wide_a_scope(api: Api, database: Database, client: Client, scope: str) -> None:
    answer = await api.client.post("/oauth/token", data=CREDENTIALS | {"scope": scope}, auth=client)
    assert_refused(answer, "invalid_scope")
    async with database.snapshot() as connection:
        query = f"SELECT count(*) FROM access_tokens WHERE app_id = '{client.id[4:]}'"
        assert (await connection.exec_driver_sql(query)).scalar_one() == 0


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", 'x"\\é', "y" * 9000])
async def test_unknown_grants(api: Api, client: Client, grant: str) -> None:
    answer = await api.client.post("/oauth/token", data={"grant_type": grant}, auth=client)
    assert_refused(answer, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"grant_type=",
        b"scope=stock:read",
        b"\xff\xfe",
        b"grant_type=%ff",
        b"grant_type=%ED%A0%80",
        b"grant_type=client_credentials&scope=%00",
        b"grant_type=client_credentials&\0=1",
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=&scope=",
        b"grant_type=client_credentials" + b"&a=1" * 100,
    ],
)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_forms_that_are_none(api: Api, client: Client, path: str, body: bytes) -> None:
    answer = await api.client.post(path, content=body, headers=FORM, auth=client)
    assert_refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data; boundary=x", f"{FORM['content-type']}; charset=utf-16"]
)
async def test_other_content_types(api: Api, client: Client, kind: str) -> None:
    body = b"grant_type=client_credentials"
    answer = await api.client.post("/oauth/token", content=body, headers={"content-type": kind}, auth=client)
    assert_refused(answer, "invalid_request")


async def test_enormous_forms(api: Api, client: Client) -> None:
    for size in (20_000, 4_000_000, 6_000_000):
        form = CREDENTIALS | {"scope": "s" * size}
        answer = await api.client.post("/oauth/token", data=form, auth=client)
        assert_refused(answer, "invalid_request", 413)


async def test_credentials_in_the_address_count_for_nothing(api: Api, client: Client) -> None:
    answer = await api.client.post("/oauth/token", params=CREDENTIALS | client.form, data=CREDENTIALS)
    assert_refused(answer, "invalid_client", 401)
    assert (await api.client.get("/oauth/token", params=CREDENTIALS | client.form)).status_code == 405


# The end of a token


async def test_an_expired_token(api: Api, database: Database, client: Client) -> None:
    token = (await granted(api, client))["access_token"]
    assert await active(api, client, token)
    async with database.connection() as connection, connection.begin():
        await connection.exec_driver_sql(
            "UPDATE access_tokens SET created_at = created_at - interval '2 hours', expires_at = now()"
            f" WHERE app_id = '{client.id[4:]}'"
        )
    assert await worthless(api, token)
    assert not await active(api, client, token)


async def test_a_revoked_token(api: Api, client: Client) -> None:
    token, other = [(await granted(api, client))["access_token"] for _ in range(2)]
    for hint in ({}, {"token_type_hint": "access_token"}, {"token_type_hint": "refresh_token"}):
        answer = await api.client.post("/oauth/revoke", data={"token": token} | hint, auth=client)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert await worthless(api, token)
        assert not await active(api, client, token)
    assert not await worthless(api, other)


async def test_only_ones_own_tokens_can_be_revoked(api: Api, database: Database, client: Client) -> None:
    stranger = await registered(database, "stock:read")
    token = (await granted(api, client))["access_token"]
    for text in (token, "unknown"):
        answer = await api.client.post("/oauth/revoke", data={"token": text} | stranger.form)
        assert (answer.status_code, answer.json()) == (200, {})
    assert not await worthless(api, token)


async def active(api: Api, client: Client, token: str) -> bool:
    answer = await api.client.post("/oauth/introspect", data={"token": token}, auth=client)
    assert answer.status_code == 200
    if not answer.json()["active"]:
        assert answer.json() == {"active": False}
    return answer.json()["active"]


async def test_introspection(api: Api, database: Database, client: Client) -> None:
    token = (await granted(api, client, scope="orders:read"))["access_token"]
    answer = await api.client.post("/oauth/introspect", data={"token": token} | client.form)
    body = answer.json()
    assert body.pop("exp") - body.pop("iat") == 3600
    assert body == {
        "active": True,
        "token_type": "Bearer",
        "client_id": client.id,
        "sub": client.id,
        "scope": "orders:read",
    }
    assert answer.headers["cache-control"] == "no-store"
    stranger = await registered(database, "stock:read")
    assert not await active(api, stranger, token)
    assert not await active(api, client, "unknown")
    assert not await active(api, client, client.secret)


async def test_a_command_line_token_can_be_introspected_too(api: Api, database: Database) -> None:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        app, secret = await identity.register_app(work, name="Terminal", scopes=["stock:read"])
        _, text = await identity.issue_token(work, app, scopes=["stock:read"], lifetime=timedelta(days=1))
    assert await active(api, Client(app.id, secret), text)


# What stays behind


async def test_nothing_is_stored_or_logged_in_clear(
    api: Api, owner: "asyncpg.Connection[asyncpg.Record]", client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        token = (await granted(api, client))["access_token"]
        await active(api, client, token)
        await api.client.post("/oauth/revoke", data={"token": token}, auth=client)
    # The test's own client logs nothing of bodies and headers.
    assert client.secret not in caplog.text
    assert token not in caplog.text
    tables = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert any(table["name"].endswith(".access_tokens") for table in tables)
    for clear in (client.secret, token):
        for trace in (clear, clear.encode().hex()):
            for table in tables:
                query = f"SELECT count(*) FROM {table['name']} AS t WHERE position($1 IN t::text) > 0"
                assert await owner.fetchval(query, trace) == 0, table["name"]


async def test_the_metadata_document(api: Api) -> None:
    answer = await api.client.get("/.well-known/oauth-authorization-server")
    both = ["client_secret_basic", "client_secret_post"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "issuer": api.url,
        "token_endpoint": f"{api.url}/oauth/token",
        "token_endpoint_auth_methods_supported": both,
        "revocation_endpoint": f"{api.url}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": both,
        "introspection_endpoint": f"{api.url}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": both,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": list(Scope),
    }


@pytest.mark.parametrize("host", ["[", "[::1", "a b", 'x"><script>', "é".encode(), "a:99999999"])
async def test_the_metadata_document_under_strange_names(api: Api, host: str | bytes) -> None:
    answer = await api.client.get("/.well-known/oauth-authorization-server", headers={b"host": host})  # type: ignore[dict-item]
    assert answer.status_code in (200, 400)
    assert "script" not in answer.text


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
async def test_a_busy_database_is_told_as_oauth_does(
    api: Api, client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret, "token": "x"}
    async with exhausted(api.services, monkeypatch):
        response = await api.client.post(f"/oauth/{path}", data=form)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["error"] == "temporarily_unavailable"
