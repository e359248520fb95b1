"""What acts bring along for their payloads is what a query answers, and spares one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.graphql.test_basis import MANY, ON, learned
from tests.support import shop
from tests.support.api import Api
from tests.support.books import POST, credit, debit, entry

SHOWN = "id number on description kind source exchangeRate effectiveAt recordedAt"
"""All that stands in an entry's own row."""
TOLD = "fragment Told on JournalEntry { description day: on }"


@pytest.fixture(autouse=True)
async def _invariants_hold(fresh_api: Api) -> AsyncIterator[None]:
    yield
    await shop.invariants_hold(fresh_api)


def posting(shown: str) -> str:
    return (
        "mutation Post($input: JournalEntryPostInput!, $with: Boolean! = true) { journalEntryPost(input: $input) {"
        f" journalEntry {{ {shown} ...Told }} userErrors {{ code }} __typename @include(if: $with) }} }} {TOLD}"
    )


async def posted(api: Api, documents: Sequence[str], **variables: Any) -> list[dict[str, Any]]:
    """What the documents answer that are sent at the same moment, each with an entry of its own."""
    given = [entry(debit("6010", f"{n + 1}.00"), credit("1020", f"{n + 1}.00"), on=ON) for n in range(len(documents))]
    answers = await asyncio.gather(
        *(api.data(document, {"input": each, **variables}) for document, each in zip(documents, given, strict=True))
    )
    return [each["journalEntryPost"]["journalEntry"] for each in answers]


async def found(api: Api, shown: str, entry_id: str) -> dict[str, Any]:
    """What a query answers."""
    document = f"query Find($id: ID!) {{ node(id: $id) {{ ... on JournalEntry {{ {shown} ...Told }} }} }} {TOLD}"
    return (await api.data(document, {"id": entry_id}))["node"]


def reads(statements: Sequence[str]) -> list[str]:
    """The statements that read entries."""
    return [each for each in statements if "FROM journal_entries" in each]


async def test_nothing_is_read_of_what_was_brought_along(fresh_api: Api) -> None:
    await learned(fresh_api)
    async with fresh_api.counted() as statements:
        shown = await posted(fresh_api, [posting(SHOWN)] * MANY)
    together = [each for each in statements if each.startswith("WITH opened")]
    assert together
    assert all("RETURNING" in each for each in together)
    alone = len([each for each in statements if each.startswith("BEGIN")])
    assert len(reads(statements)) <= alone, "only who came alone has asked"
    assert len({each["id"] for each in shown}) == MANY


async def test_it_is_what_a_query_answers(fresh_api: Api) -> None:
    await learned(fresh_api)
    for each in await posted(fresh_api, [posting(SHOWN)] * MANY):
        assert await found(fresh_api, SHOWN, each["id"]) == each


async def test_each_gets_what_it_asked_for(fresh_api: Api) -> None:
    await learned(fresh_api)
    asked = [
        "id number",
        "number id",
        "id other: number on same: on",
        "__typename id ... on Node { again: id }",
        "id lines { account { code } }",
        "id reversedBy { id }",
    ] * 3
    answers = await posted(fresh_api, [posting(shown) for shown in asked])
    for shown, each in zip(asked, answers, strict=True):
        assert await found(fresh_api, shown, each["id"]) == each


@pytest.mark.parametrize("including", [True, False])
async def test_what_a_variable_leaves_out_is_left_out(fresh_api: Api, *, including: bool) -> None:
    await learned(fresh_api)
    shown = "id number @include(if: $with) lines @skip(if: $with) { account { code } }"
    for each in await posted(fresh_api, [posting(shown)] * MANY, **{"with": including}):
        assert each.keys() == {"id", "description", "day", "number" if including else "lines"}


async def test_one_that_comes_alone_is_one_statement_too(fresh_api: Api) -> None:
    await learned(fresh_api)
    async with fresh_api.counted() as statements:
        (shown,) = await posted(fresh_api, [posting(SHOWN)])
    assert len(statements) == 1
    assert await found(fresh_api, SHOWN, shown["id"]) == shown


async def test_one_that_is_refused_alone_leaves_nothing_behind(fresh_api: Api) -> None:
    await learned(fresh_api)
    before = await shop.state(fresh_api)
    crooked = entry(debit("6010", "5.00"), credit("1020", "6.00"), on=ON)
    payload = await shop.act(fresh_api, POST, {"input": crooked})
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [("UNBALANCED", ["input", "lines"])]
    assert await shop.state(fresh_api) == before
