"""Documents by their hash: Apollo's automatic persisted queries."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from api.graphql.documents import KEPT_DOCUMENTS
from tests.support.api import Api

MODERN = "application/graphql-response+json"


def extension(text: str) -> dict[str, Any]:
    """What names a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


async def send(api: Api, body: dict[str, Any], *, accept: str = MODERN) -> httpx.Response:
    headers = {"authorization": f"Bearer {await api.token()}", "accept": accept}
    return await api.client.post("/graphql", json=body, headers=headers)


def code(response: httpx.Response) -> str:
    [error] = response.json()["errors"]
    return error["extensions"]["code"]


@pytest.mark.parametrize("accept", [MODERN, "application/json"])
async def test_a_document_is_sent_once(api: Api, accept: str) -> None:
    text = f"query Once{len(accept)}($first: Int) {{ units(first: $first) {{ nodes {{ code }} }} }}"
    variables, named = {"first": 1}, extension(text)
    unknown = await send(api, {"extensions": named, "variables": variables}, accept=accept)
    assert (unknown.status_code, code(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    first = await send(api, {"query": text, "extensions": named, "variables": variables}, accept=accept)
    again = await send(api, {"extensions": named, "variables": variables}, accept=accept)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert len(again.json()["data"]["units"]["nodes"]) == 1


async def test_a_document_is_asked_for_by_get(api: Api) -> None:
    text = "query ByGet { viewer { name } }"
    await send(api, {"query": text, "extensions": extension(text)})
    asked = urlencode({"extensions": json.dumps(extension(text))})
    answer = await api.client.get(f"/graphql?{asked}", headers={"authorization": f"Bearer {await api.token()}"})
    assert answer.json()["data"]["viewer"]["name"]


async def test_an_act_by_get_is_refused_by_its_hash_too(api: Api) -> None:
    text = 'mutation { customerCreate(input: {name: "X"}, dryRun: true) { userErrors { code } } }'
    assert (await send(api, {"query": text, "extensions": extension(text)})).status_code == 200
    asked = urlencode({"extensions": json.dumps(extension(text))})
    answer = await api.client.get(f"/graphql?{asked}", headers={"authorization": f"Bearer {await api.token()}"})
    assert answer.status_code == 405


async def test_a_wrong_hash_and_an_invalid_document_are_not_kept(api: Api) -> None:
    right, wrong = "query Right { viewer { name } }", "query Wrong { viewer { nothing } }"
    mixed = await send(api, {"query": wrong, "extensions": extension(right)})
    assert (mixed.status_code, code(mixed)) == (400, "BAD_REQUEST")
    invalid = await send(api, {"query": wrong, "extensions": extension(wrong)})
    assert code(invalid) == "GRAPHQL_VALIDATION_FAILED"
    for text in (right, wrong):
        assert code(await send(api, {"extensions": extension(text)})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "persisted",
    [None, 7, "x", [], {}, {"version": 1}, {"version": 2, "sha256Hash": "a" * 64}, {"version": 1, "sha256Hash": 5}],
)
async def test_what_names_nothing_is_refused(api: Api, persisted: Any) -> None:
    answer = await send(api, {"extensions": {"persistedQuery": persisted}})
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("body", [{}, {"extensions": {}}, {"query": None}, {"query": " "}, {"variables": {}}])
async def test_without_a_document_there_is_no_answer(api: Api, body: dict[str, Any]) -> None:
    answer = await send(api, body)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


async def test_scopes_are_looked_at_each_time(api: Api) -> None:
    text = "query Scoped { orders(first: 1) { nodes { id } } }"
    assert "data" in (await send(api, {"query": text, "extensions": extension(text)})).json()
    headers = {"authorization": f"Bearer {await api.token(['products:read'])}", "accept": MODERN}
    answer = await api.client.post("/graphql", json={"extensions": extension(text)}, headers=headers)
    assert (answer.status_code, code(answer)) == (403, "FORBIDDEN")


async def test_a_socket_knows_them_too(api: Api) -> None:
    text = "query Socket { viewer { name } }"
    async with api.socket() as socket:
        for n, payload in enumerate(({"query": text, "extensions": extension(text)}, {"extensions": extension(text)})):
            await socket.send_json({"id": str(n), "type": "subscribe", "payload": payload})
            assert (await socket.receive_json())["payload"]["data"]["viewer"]["name"]
            assert (await socket.receive_json())["type"] == "complete"


async def test_few_are_kept(api: Api) -> None:
    documents = api.services.documents
    for n in range(KEPT_DOCUMENTS + 3):
        text = f"query Many{n} {{ viewer {{ name }} }}"
        documents.prepare(text, None, extension(text), hints=True)
    assert len(documents._texts.kept) == KEPT_DOCUMENTS
