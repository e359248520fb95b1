"""A process remembers its callers, and is not fooled by it: a token that is worth nothing opens nothing."""

import hashlib
from typing import Any

import asyncpg
import httpx
import pytest

from domain.kernel.scopes import Scope
from tests.support.api import Api

QUERY = "{ products(first: 1) { nodes { id } } }"
SEVERAL_ROUNDS = "{ products(first: 1) { nodes { externalIds { id } } } viewer { name } }"
MUTATION = 'mutation { customerCreate(input: {name: "Nobody"}) { userErrors { code } } }'
FORBIDDEN = "{ orders { nodes { id } } }"

WORTHLESS = {
    "revoked": "UPDATE access_tokens SET revoked_at = now() WHERE hash = $1",
    "expired": "UPDATE access_tokens SET created_at = now() - interval '2 days',"
    " expires_at = now() - interval '1 day' WHERE hash = $1",
    "of a disabled app": "UPDATE apps SET disabled_at = now()"
    " WHERE id = (SELECT app_id FROM access_tokens WHERE hash = $1)",
    "gone": "DELETE FROM access_tokens WHERE hash = $1",
}


async def ask(api: Api, token: str, query: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
    return await api.client.post("/graphql", json={"query": query}, headers=headers)


@pytest.mark.parametrize(
    "query", [QUERY, SEVERAL_ROUNDS, MUTATION, FORBIDDEN, "{ nonsense }", "{ __schema { description } }"]
)
@pytest.mark.parametrize("why", WORTHLESS)
async def test_a_token_that_another_process_made_worthless_is_refused_at_once(
    api: Api, owner: "asyncpg.Connection[asyncpg.Record]", why: str, query: str
) -> None:
    scopes = [Scope.PRODUCTS_READ, Scope.CUSTOMERS_WRITE, Scope.SCHEMA_READ]
    token = await api.token(scopes)
    api.tokens.clear()
    for _ in range(2):
        assert (await ask(api, token, QUERY)).status_code == 200
    before = await owner.fetchval("SELECT count(*) FROM customers")
    await owner.execute(WORTHLESS[why], hashlib.sha256(token.encode()).digest())
    for _ in range(2):
        answer = await ask(api, token, query)
        assert answer.status_code == 401
        body: dict[str, Any] = answer.json()
        assert "data" not in body
        assert [each["extensions"]["code"] for each in body["errors"]] == ["UNAUTHENTICATED"]
    assert await owner.fetchval("SELECT count(*) FROM customers") == before


async def test_a_remembered_caller_costs_no_statement(api: Api) -> None:
    token = await api.token([Scope.PRODUCTS_READ])
    await ask(api, token, QUERY)
    async with api.counted() as statements:
        assert (await ask(api, token, QUERY)).status_code == 200
    assert len([each for each in statements if "FROM events" not in each]) == 1
    assert "access_tokens" in statements[0]
    assert "products" in statements[0]


async def test_what_is_forbidden_stays_forbidden(api: Api) -> None:
    token = await api.token([Scope.PRODUCTS_READ])
    for query in (QUERY, FORBIDDEN, QUERY, FORBIDDEN):
        answer = await ask(api, token, query)
        assert answer.status_code == (200 if query is QUERY else 403)
