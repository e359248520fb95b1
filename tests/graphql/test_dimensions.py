"""Channel, location, brand, department, project: lines say what they are about, and statements tell them apart."""

from typing import Any

from tests.support import books, shop
from tests.support.api import Api
from tests.support.books import POST, credit, debit, entry

UPDATE = """
mutation Update($id: ID!, $input: DimensionValueUpdateInput!) {
  dimensionValueUpdate(id: $id, input: $input) { dimensionValue { name isActive } userErrors { code path message } }
}"""
RESULT = """
query Result($spans: [StatementDaysInput!]!) { profitAndLoss(spans: $spans) { expenses { amount } income { amount } } }
"""
EVER = {"since": "2000-01-01", "until": "2099-12-31"}


async def value(api: Api, dimension: str, code: str) -> str:
    given = {"dimension": dimension, "code": code, "name": f"{dimension} {code}"}
    return (await shop.done(api, books.VALUE, {"input": given}))["dimensionValue"]["id"]


async def expenses(api: Api, *wanted: dict[str, Any]) -> list[str]:
    """All expenses, a column for each of the dimensions."""
    spans = [EVER | {"dimensions": each} for each in wanted]
    found = (await api.data(RESULT, {"spans": spans}))["profitAndLoss"]
    return [each["amount"] for each in found["expenses"]]


async def test_statements_tell_dimensions_apart_side_by_side(api: Api) -> None:
    one, other = await value(api, "PROJECT", "FAIR"), await value(api, "PROJECT", "MOVE")
    team = await value(api, "DEPARTMENT", "OPS")
    place = await shop.location(api)
    for amount, about in (
        ("1.00", {}),
        ("2.00", {"projectId": one}),
        ("4.00", {"projectId": other}),
        ("8.00", {"projectId": one, "departmentId": team}),
        ("16.00", {"locationId": place, "departmentId": team}),
    ):
        await shop.done(api, POST, {"input": entry(debit("6010", amount, **about), credit("1020", amount))})
    wanted = [
        {"projectIds": [one]},
        {"projectIds": [one, other]},
        {"departmentIds": [team]},
        {"projectIds": [one], "departmentIds": [team]},
        {"locationIds": [place]},
        {"projectIds": [other], "without": ["PROJECT"]},
        {"without": ["PROJECT", "DEPARTMENT"]},
        {"projectIds": []},
        {},
    ]
    told = ["10.00", "14.00", "24.00", "8.00", "16.00", "21.00", "1.00", "0.00", "31.00"]
    assert await expenses(api, *wanted) == told
    await shop.sealed(api)
    assert await expenses(api, *wanted) == told, "sums of sealed days say the same"
    query = """query T($d: DimensionsInput) {
      trialBalance(asOf: "2099-12-31", dimensions: $d) { rows { account { code } debit { amount } } } }"""
    found = (await api.data(query, {"d": {"projectIds": [one]}}))["trialBalance"]["rows"]
    assert found == [{"account": {"code": "6010"}, "debit": {"amount": "10.00"}}]


async def test_what_business_does_says_where_and_through_which_channel(api: Api) -> None:
    place = await shop.location(api)
    goods = await shop.stocked(api, 5, place=place)
    order = (await shop.done(api, shop.PLACE, {"input": shop.ordered([(goods, 2)])}))["order"]["id"]
    shipped = """mutation S($id: ID!) { orderShip(id: $id) { effects { journalEntries { nodes { lines {
      account { code } channel { isDefault } location { id } } } } } userErrors { code } } }"""
    (posted,) = (await shop.done(api, shipped, {"id": order}))["effects"]["journalEntries"]["nodes"]
    assert {line["account"]["code"] for line in posted["lines"]} >= {"5010", "1200"}
    assert all(line["channel"] == {"isDefault": True} for line in posted["lines"])
    assert all(line["location"] == {"id": place} for line in posted["lines"])


async def test_an_account_demands_what_its_lines_must_name(api: Api) -> None:
    account = await books.account_id(api, "6030")
    given = {"requiredDimensions": ["CHANNEL", "PROJECT"]}
    changed = await shop.done(api, books.ACCOUNT_UPDATE, {"id": account, "input": given})
    assert changed["account"]["requiredDimensions"] == ["CHANNEL", "PROJECT"]
    project, channel = await value(api, "PROJECT", "ADS"), await shop.default_channel(api)
    bare = entry(debit("6030", 1), credit("1020", 1))
    assert await shop.refused(api, POST, {"input": bare}) == [("DIMENSION_MISSING", "input.lines.0.channelId")]
    half = entry(debit("6030", 1, channelId=channel), credit("1020", 1))
    assert await shop.refused(api, POST, {"input": half}) == [("DIMENSION_MISSING", "input.lines.0.projectId")]
    made = await shop.done(
        api, POST, {"input": entry(debit("6030", 1, channelId=channel, projectId=project), credit("1020", 1))}
    )
    line = made["journalEntry"]["lines"][0]
    assert (line["channel"], line["project"]) == ({"id": channel}, {"code": "ADS"})
    await shop.done(api, books.ACCOUNT_UPDATE, {"id": account, "input": {"requiredDimensions": []}})
    await shop.done(api, POST, {"input": bare})


async def test_what_was_posted_before_an_account_demanded_something_can_be_taken_back(api: Api) -> None:
    account = await books.account_id(api, "6020")
    older = (await shop.done(api, POST, {"input": entry(debit("6020", 7), credit("1020", 7))}))["journalEntry"]["id"]
    await shop.done(api, books.ACCOUNT_UPDATE, {"id": account, "input": {"requiredDimensions": ["PROJECT"]}})
    bare = entry(debit("6020", 7), credit("1020", 7))
    assert await shop.refused(api, POST, {"input": bare}) == [("DIMENSION_MISSING", "input.lines.0.projectId")]
    await shop.done(api, books.REVERSE, {"id": older})
    await shop.done(api, books.ACCOUNT_UPDATE, {"id": account, "input": {"requiredDimensions": []}})
    await shop.invariants_hold(api)


async def test_an_exchange_result_is_about_what_the_settlement_is_about(api: Api) -> None:
    rates = [{"currency": "GBP", "on": "2020-01-01", "rate": "1.25"}]
    await shop.done(api, books.RATES, {"input": {"rates": rates}})
    one, other = await value(api, "PROJECT", "ISLE"), await value(api, "PROJECT", "PIER")
    given = {"requiredDimensions": ["PROJECT"]}
    result = await books.account_id(api, "4800")
    await shop.done(api, books.ACCOUNT_UPDATE, {"id": result, "input": given})
    billed = [
        (await shop.done(api, POST, {"input": books.bill("Sons & Paper", 100, "GBP")}))["journalEntry"]["lines"][1]
        for _ in range(2)
    ]

    def paid(*projects: str | None) -> dict[str, Any]:
        lines = [
            {"debit": books.money(100, "GBP"), "settles": item["openItem"]["id"], "projectId": project}
            for item, project in zip(billed, projects, strict=False)
        ]
        return entry(*lines, credit("1020", 100 * len(lines), "GBP"), exchangeRate="1.30")

    for projects in ((None,), (one, None), (one, other)):
        payload = await shop.act(api, POST, {"input": paid(*projects)})
        assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [
            ("DIMENSION_MISSING", ["input", "lines", "0", "projectId"])
        ], projects
        assert "account 4800, which demands a project" in payload["userErrors"][0]["message"]
    made = (await shop.done(api, POST, {"input": paid(one, one)}))["journalEntry"]
    assert [line["project"] and line["project"]["code"] for line in made["lines"]] == ["ISLE", "ISLE", None, "ISLE"]
    assert books.in_base(made)[-1] == ("4800", "10.00", "0.00")
    await shop.done(api, books.ACCOUNT_UPDATE, {"id": result, "input": {"requiredDimensions": []}})
    await shop.invariants_hold(api)


async def test_a_dimension_that_is_none_is_refused(api: Api) -> None:
    project = await value(api, "PROJECT", "OVER")
    await shop.done(api, UPDATE, {"id": project, "input": {"isActive": False}})
    for about, code in (
        ({"projectId": project}, "INVALID"),
        ({"brandId": project}, "NOT_FOUND"),
        ({"projectId": "dmv_" + "0" * 32}, "NOT_FOUND"),
        ({"channelId": project}, "NOT_FOUND"),
        ({"locationId": "loc_" + "0" * 32}, "NOT_FOUND"),
    ):
        (name,) = about
        given = entry(debit("6010", 1, **about), credit("1020", 1))
        assert await shop.refused(api, POST, {"input": given}) == [(code, f"input.lines.0.{name}")], about
    for changes, path in (
        ({"dimension": "CHANNEL"}, "dimension"),
        ({"code": "over"}, "code"),
        ({"code": "OVER"}, "code"),
        ({"name": " "}, "name"),
    ):
        new = {"dimension": "PROJECT", "code": "NEW", "name": "New"} | changes
        assert await shop.refused(api, books.VALUE, {"input": new}) == [("INVALID", f"input.{path}")], changes
    unknown = {"id": "dmv_" + "0" * 32, "input": {"name": "x"}}
    assert await shop.refused(api, UPDATE, unknown) == [("NOT_FOUND", "id")]
