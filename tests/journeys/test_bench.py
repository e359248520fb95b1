"""The bench's contestants give the same answers: else it would compare what cannot be compared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from bench import acts, dataset, deep, equality, numbering, questions
from bench.acts import ACTS, Act
from bench.contestants import RAW, STRAWBERRY, WATERLINE
from bench.dataset import TINY, Dataset
from bench.questions import DEEP_PAGE, Question
from bench.reference import raw, stock
from bench.tools import pgbench
from domain.kernel.database import Database
from tests.support.api import Api
from tests.support.server import Server


@pytest.fixture(scope="module")
async def data(database: Database) -> Dataset:
    return await dataset.load(database, TINY)


@pytest.fixture(scope="module")
async def references(server: Server, database_name: str) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """The reference servers, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", server.app_url(database_name))
        async with AsyncExitStack() as stack:
            clients = {}
            for name, app in ((RAW, raw.app), (STRAWBERRY, stock.app)):
                await stack.enter_async_context(app.router.lifespan_context(app))
                client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://reference")
                clients[name] = await stack.enter_async_context(client)
            patch.undo()
            yield clients


async def _ask(client: httpx.AsyncClient, path: str, question: Question, variables: dict[str, Any]) -> Any:
    response = await client.post(path, content=question.body(variables), headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    return response.json()


async def test_everybody_answers_alike(api: Api, data: Dataset, references: dict[str, httpx.AsyncClient]):
    for question, variables in equality.inputs(data.products):
        equality.compare(
            question,
            variables,
            {
                WATERLINE: await api.post(question.document, variables),
                RAW: await _ask(references[RAW], f"/{question.name}", question, variables),
                STRAWBERRY: await _ask(references[STRAWBERRY], "/graphql", question, variables),
            },
        )


async def test_pages_deep_in_a_list_are_the_same(api: Api, data: Dataset, references: dict[str, httpx.AsyncClient]):
    cursors: tuple[str | None, str | None] = (None, None)
    seen = 0
    while seen < len(data.customers):
        asked = [{"first": 7, "after": each} for each in cursors]
        ours = await api.post(DEEP_PAGE.document, asked[0])
        theirs = await _ask(references[RAW], "/deep_page", DEEP_PAGE, asked[1])
        equality.compare(DEEP_PAGE, {"after": seen}, {WATERLINE: ours, RAW: theirs})
        pages = [each["data"]["customers"] for each in (ours, theirs)]
        cursors = pages[0]["pageInfo"]["endCursor"], pages[1]["pageInfo"]["endCursor"]
        seen += len(pages[0]["nodes"])
        assert pages[0]["nodes"]
    assert seen == len(data.customers)


async def test_an_act_changes_the_same(
    api: Api, data: Dataset, server: Server, database_name: str, owner: "asyncpg.Connection[asyncpg.Record]"
):
    if owner.get_server_version().major < 18:
        pytest.skip("the reference's tables make their ids with uuidv7()")
    url = server.owner_url(database_name)
    await acts.lay_out(url)
    for act in ACTS:
        told = {}
        for form in acts.forms(act):
            before = await acts.state(owner, "reference", act)
            await asyncio.to_thread(acts.run, pgbench(), url, form, TINY, times=1)
            told[form.name] = equality.difference(before, await acts.state(owner, "reference", act))
        before = await acts.state(owner, "public", act)
        if act.question is None:
            await asyncio.to_thread(numbering.run, server.app_url(database_name), clients=1, times=1)
        else:
            answer = await api.data(act.question.document, _variables(act, data))
            assert next(iter(answer.values()))["userErrors"] == []
        told[WATERLINE] = equality.difference(before, await acts.state(owner, "public", act))
        equality.compare_acts(told, act.expected)


def _variables(act: Act, data: Dataset) -> dict[str, Any]:
    if act is acts.POST:
        assert len(data.accounts) == dataset.ACCOUNTS
        return questions.entry_of(data.accounts[:4], datetime.now(UTC).date(), [Decimal(5), Decimal("2.25")])
    return questions.order_of(data.variants[: act.expected["lines"]])


async def test_the_documents_of_the_memory_test_are_good_ones(api: Api, data: Dataset):
    for body in questions.different_documents(data.products, data.customers, 12):
        answer = (await api.client.post("/graphql", content=body, headers=await _headers(api))).json()
        assert "errors" not in answer, (body, answer)


async def _headers(api: Api) -> dict[str, str]:
    return {"content-type": "application/json", "authorization": f"Bearer {await api.token()}"}


def test_the_forms_of_an_act_are_counted():
    assert [[form.messages for form in acts.forms(act)] for act in ACTS] == [[8, 3], [8, 3], [4, 3], [4, 3]]


def test_the_place_of_a_customer_survives_its_cursor():
    at, row = raw.read_cursor(raw.write_cursor(*raw.START))
    assert (at, row) == raw.START
    assert deep.PAGE_NUMBER * questions.DEEP_PAGE_SIZE <= deep.ROWS
