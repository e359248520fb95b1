"""The chart of accounts: a tree by type, whose leaves are posted to."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.graphql.test_ledger import POST, dollars, today
from tests.support.api import Api

CREATE = """mutation Create($input: AccountCreateInput!) {
  accountCreate(input: $input) {
    account { id code name type cashFlow isControl parent { code } }
    effects { events { nodes { type } } } userErrors { code path message }
  }
}"""
UPDATE = """mutation Update($id: ID!, $input: AccountUpdateInput!) {
  accountUpdate(id: $id, input: $input) {
    account { id code name parent { code } cashFlow } effects { events { nodes { type } } } userErrors { code path }
  }
}"""


async def id_of(api: Api, code: str) -> str:
    return (await api.data("query A($c: String!) { account(by: {code: $c}) { id } }", {"c": code}))["account"]["id"]


async def create(api: Api, code: str, parent: str, **more: Any) -> dict[str, Any]:
    given = {"code": code, "name": f"Account {code}", "parentId": await id_of(api, parent), **more}
    return (await api.data(CREATE, {"input": given}))["accountCreate"]


async def update(api: Api, account: str, **changes: Any) -> dict[str, Any]:
    return (await api.data(UPDATE, {"id": await id_of(api, account), "input": changes}))["accountUpdate"]


async def post(api: Api, debit: str, credit: str) -> list[str]:
    lines = [{"accountCode": debit, "debit": dollars("5.00")}, {"accountCode": credit, "credit": dollars("5.00")}]
    given = {"on": await today(api), "description": "By hand", "lines": lines}
    payload = (await api.data(POST, {"input": given}))["journalEntryPost"]
    return [each["code"] for each in payload["userErrors"]]


async def chart(api: Api) -> Any:
    return await api.data(
        "{ accounts(first: 250) { nodes { code name parent { code } } } events(first: 0) { totalCount } }"
    )


async def test_an_account_is_added_and_posted_to(fresh_api: Api) -> None:
    made = await create(fresh_api, "6011", "6000")
    assert made["userErrors"] == []
    assert made["account"] == {
        "id": made["account"]["id"],
        "code": "6011",
        "name": "Account 6011",
        "type": "EXPENSE",
        "cashFlow": "OPERATING",
        "isControl": False,
        "parent": {"code": "6000"},
    }
    assert [each["type"] for each in made["effects"]["events"]["nodes"]] == ["account.created"]
    assert await post(fresh_api, "6011", "1020") == []


async def test_an_account_that_gets_others_is_no_leaf_any_more(fresh_api: Api) -> None:
    assert (await create(fresh_api, "6011", "6010"))["userErrors"] == []
    before = await chart(fresh_api)
    assert await post(fresh_api, "6010", "1020") == ["INVALID"]
    assert await chart(fresh_api) == before
    assert await post(fresh_api, "6011", "1020") == []
    refused = await create(fresh_api, "6012", "6011")
    assert [(each["code"], each["path"]) for each in refused["userErrors"]] == [("INVALID", ["input", "parentId"])]


async def test_accounts_move_and_keep_what_is_posted(fresh_api: Api) -> None:
    await create(fresh_api, "6500", "6000")
    assert await post(fresh_api, "6020", "1020") == []
    moved = await update(fresh_api, "6020", code="6501", name="Salaries", parentId=await id_of(fresh_api, "6500"))
    assert moved["userErrors"] == []
    assert (moved["account"]["code"], moved["account"]["parent"]["code"]) == ("6501", "6500")
    assert [each["type"] for each in moved["effects"]["events"]["nodes"]] == ["account.updated"]
    rows = (await fresh_api.data("{ trialBalance { rows { account { code name } } } }"))["trialBalance"]["rows"]
    assert {"account": {"code": "6501", "name": "Salaries"}} in rows
    again = await update(fresh_api, "6501", name="Salaries")
    assert again["effects"]["events"]["nodes"] == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"code": "1020"}, ["input", "code"]),
        ({"code": "small"}, ["input", "code"]),
        ({"code": ""}, ["input", "code"]),
        ({"name": " "}, ["input", "name"]),
    ],
)
async def test_what_no_account_can_be_is_refused(fresh_api: Api, given: dict[str, Any], path: list[str]) -> None:
    before = await chart(fresh_api)
    refused = await create(fresh_api, **{"code": "6011", "parent": "6000", **given})
    assert [(each["code"], each["path"]) for each in refused["userErrors"]] == [("INVALID", path)]
    changed = await update(fresh_api, "6010", **given)
    assert [(each["code"], each["path"]) for each in changed["userErrors"]] == [("INVALID", path)]
    assert await chart(fresh_api) == before


async def test_a_tree_stays_a_tree(fresh_api: Api) -> None:
    await create(fresh_api, "6500", "6000")
    await create(fresh_api, "6510", "6500")
    before = await chart(fresh_api)
    for code, parent in (("6500", "6510"), ("6500", "6500"), ("6500", "1000"), ("6500", "1200")):
        refused = await update(fresh_api, code, parentId=await id_of(fresh_api, parent))
        assert [(each["code"], each["path"]) for each in refused["userErrors"]] == [("INVALID", ["input", "parentId"])]
    unknown = await update(fresh_api, "6500", parentId="acc_" + "0" * 32)
    assert [each["code"] for each in unknown["userErrors"]] == ["NOT_FOUND"]
    assert await chart(fresh_api) == before


async def test_two_moves_at_once_make_no_circle(fresh_api: Api) -> None:
    for code in ("6500", "6600"):
        await create(fresh_api, code, "6000")
    one, other = await id_of(fresh_api, "6500"), await id_of(fresh_api, "6600")
    done = await asyncio.gather(
        fresh_api.data(UPDATE, {"id": one, "input": {"parentId": other}}),
        fresh_api.data(UPDATE, {"id": other, "input": {"parentId": one}}),
    )
    refused = [each["accountUpdate"]["userErrors"] for each in done if each["accountUpdate"]["userErrors"]]
    assert len(refused) == 1


async def test_of_two_with_one_code_one_is_made(fresh_api: Api) -> None:
    done = await asyncio.gather(*(create(fresh_api, "6011", "6000") for _ in range(6)))
    assert sorted(len(each["userErrors"]) for each in done) == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE accounts SET parent_id = id WHERE code = '6000'", "account_parent_tree"),
        (
            "UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE code = '6010') WHERE code = '6000'",
            "account_parent_tree",
        ),
        (
            "UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE code = '1500') WHERE code = '6010'",
            "account_parent_type",
        ),
    ],
)
async def test_the_database_keeps_the_tree(
    owner: "asyncpg.Connection[asyncpg.Record]", statement: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await owner.execute(statement)
    assert refused.value.constraint_name == constraint
