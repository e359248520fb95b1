"""Where values, searches, filters and documents end, and what lies just beyond."""

import re
from itertools import pairwise
from typing import Any

import pytest
from graphql import GraphQLEnumType, get_named_type

from api.graphql.schema import built
from domain.kernel.scopes import Scope
from tests.graphql.test_ledger import POST, capital, dollars, today
from tests.graphql.test_products import CREATE, created
from tests.support import books, shelves, shop, transfers
from tests.support.api import Api

UPDATE = """mutation U($id: ID!, $input: ProductUpdateInput!) { productUpdate(id: $id, input: $input) {
  product { name version } userErrors { code path } } }"""
CUSTOMER = """mutation C($input: CustomerCreateInput!) { customerCreate(input: $input) {
  customer { id name version } userErrors { code path } } }"""


async def only_error(api: Api, query: str, variables: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
    answer = await api.post(query, variables, **extra)
    assert not any((answer.get("data") or {}).values()), answer
    [error] = answer["errors"]
    return error


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("literal", ['"a\x00b"', '"""a\x00b"""', '"\x00"', '"a\\u0000b"', '"a\\u{0}b"'])
@pytest.mark.parametrize("place", ["{ products(search: %s) { nodes { id } } }", "{ product(by: {slug: %s}) { id } }"])
async def test_a_nul_in_a_literal(api: Api, place: str, literal: str) -> None:
    error = await only_error(api, place % literal)
    assert error["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_PARSE_FAILED")
    if "\\" not in literal:
        assert error["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("name", ["two\nlines", "two\rlines", "a\ttab", "turned \u202eround", "a\u2028b", "a\u0085b"])
async def test_names_are_one_line_of_visible_characters(api: Api, name: str) -> None:
    product = await created(api, name="Visible", variants=[{"sku": f"VIS-{name.encode().hex()}"}])
    refused = {
        "create": await api.data(CREATE, {"input": {"name": name, "variants": [{"sku": "V-1"}]}}),
        "variant": await api.data(CREATE, {"input": {"name": "V", "variants": [{"sku": "V-1", "name": name}]}}),
        "update": await api.data(UPDATE, {"id": product["id"], "input": {"name": name}}),
        "customer": await api.data(CUSTOMER, {"input": {"name": name}}),
    }
    paths = {
        key: [(each["code"], each["path"]) for payload in data.values() for each in payload["userErrors"]]
        for key, data in refused.items()
    }
    here = [("INVALID", ["input", "name"])]
    there = [("INVALID", ["input", "variants", "0", "name"])]
    assert paths == {"create": here, "variant": there, "update": here, "customer": here}


# --- lists ----------------------------------------------------------------------------------------------------------

SEARCH = "query S($s: String) { products(search: $s) { nodes { id } } }"


@pytest.mark.parametrize("words", ["a " * 17, "x" * 256, " ".join(["word"] * 17)])
async def test_a_search_that_is_too_long(api: Api, words: str) -> None:
    error = await only_error(api, SEARCH, {"s": words})
    assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", ["search"])
    for name in ("variants", "customers"):
        error = await only_error(api, SEARCH.replace("products", name), {"s": words})
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", ["search"])


@pytest.mark.parametrize("words", ["a " * 16, "x" * 255])
async def test_the_longest_search(api: Api, words: str) -> None:
    assert "errors" not in await api.post(SEARCH, {"s": words})


FILTER = "query F($f: ProductFilter) { products(filter: $f) { nodes { id } } }"


async def test_a_filter_has_a_hundred_conditions(api: Api) -> None:
    each: dict[str, Any] = {"sku": {"eq": "x"}}
    nested: dict[str, Any] = {"any": [{"any": [each] * 60}, {"any": [each] * 60}]}
    for given in ({"any": [each] * 10_000}, {"any": [each] * 101}, nested):
        error = await only_error(api, FILTER, {"f": given})
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", ["filter"])
    assert "errors" not in await api.post(FILTER, {"f": {"any": [each] * 100}})


def _sorts() -> list[tuple[str, str]]:
    """Every connection of Query and every way in which it can be sorted."""
    query = built().core.query_type
    assert query is not None
    found = []
    for name, field in query.fields.items():
        if "sort" in field.args:
            enum = get_named_type(field.args["sort"].type)
            assert isinstance(enum, GraphQLEnumType)
            found += [(name, value) for value in enum.values]
    return found


RATES = """mutation R($input: ExchangeRatesSetInput!) {
  exchangeRatesSet(input: $input) { rates { id } userErrors { message } } }"""

CLOSE = """mutation Y($on: Date!) { fiscalYearClose(startsOn: $on) { fiscalYear { id } userErrors { message } } }"""


@pytest.fixture(scope="module")
async def seeded(api: Api) -> Api:
    """A few of everything."""
    for number in range(3):
        await created(api, name="Same", variants=[{"sku": f"SORT-{number}"}])
        await api.data(CUSTOMER, {"input": {"name": "Same"}})
        input_ = {"on": await today(api), "description": "Capital", "lines": capital()}
        await api.data(POST, {"input": input_})
    await shop.a_few_of_everything(api)
    await shelves.some_of_each(api)
    await transfers.one_of_each(api)
    place = await shop.location(api)
    counted = await shop.stocked(api, 10, place=place)
    for found in (9, 8, 7):
        await shop.count(api, place, counted, found)
        await shop.revalued(api, place, (counted, f"{found}.00"))
    rates = [{"currency": "EUR", "on": f"2026-01-0{n}", "rate": "1.1"} for n in range(1, 4)]
    await shop.done(api, RATES, {"input": {"rates": rates}})
    for code in ("A", "B", "C"):
        value = {"dimension": "PROJECT", "code": code, "name": "Same"}
        await shop.done(api, books.VALUE, {"input": value})
        await shop.done(api, books.POST, {"input": books.bill("Same", "1.00")})
    await books.recurring_of_each_kind(api)
    await books.budgets_of_each_kind(api)
    this_year = int((await today(api))[:4])
    for year in range(this_year - 4, this_year - 1):
        await shop.done(api, CLOSE, {"on": f"{year}-01-01"})
    return api


def test_there_are_sorts() -> None:
    assert ("journalEntries", "ON_ASC") in _sorts()
    assert len({name for name, _ in _sorts()}) >= 6


@pytest.mark.parametrize(("name", "sort"), _sorts())
async def test_every_sort_pages_by_its_own_cursors(seeded: Api, name: str, sort: str) -> None:
    whole = await seeded.data(f"{{ {name}(first: 6, sort: [{sort}]) {{ edges {{ cursor }} }} }}")
    cursors = [edge["cursor"] for edge in whole[name]["edges"]]
    assert cursors

    async def step(arguments: str, cursor: str) -> list[str]:
        query = f"query P($c: String) {{ {name}({arguments}, sort: [{sort}]) {{ edges {{ cursor }} }} }}"
        return [edge["cursor"] for edge in (await seeded.data(query, {"c": cursor}))[name]["edges"]]

    for before, after in pairwise(cursors):
        assert await step("first: 1, after: $c", before) == [after]
        assert await step("last: 1, before: $c", after) == [before]
    assert await step("last: 1, before: $c", cursors[0]) == []


# --- nodes ----------------------------------------------------------------------------------------------------------

NODES = "query N($ids: [ID!]!) { nodes(ids: $ids) { id ... on Product { name } } }"


def _of_the_doors(statement: str) -> bool:
    """Transactions, the look at the token, the tail that follows the log, and the driver that learns types."""
    words = ("BEGIN", "COMMIT", "ROLLBACK", "SHOW", "SET", "NOTIFY", "LISTEN", "UNLISTEN")
    inside = ("access_tokens", "FROM events", "typeinfo_tree", "jit")
    text = statement.strip()
    if text.startswith("WITH l"):  # levels of a document, even where it proves the token beside them
        return False
    return text == "SELECT 1" or text.startswith(words) or any(word in text for word in inside)


async def test_many_nodes_are_one_statement_a_kind(api: Api) -> None:
    products = [await created(api, name=f"N {n}", variants=[{"sku": f"NODE-{n}"}]) for n in range(30)]
    ids = [product["id"] for product in products]
    asked = [*reversed(ids), ids[0], "prd_" + "0" * 32]
    await api.data(NODES, {"ids": ids[:1]})
    async with api.counted() as statements:
        found = await api.data(NODES, {"ids": asked})
    assert [node and node["id"] for node in found["nodes"]] == [*asked[:-1], None]
    [one] = [each for each in statements if not _of_the_doors(each)]
    assert "FROM products" in one


async def test_nodes_out_of_sight_are_refused_before_any_row(api: Api) -> None:
    product = await created(api, name="Seen", variants=[{"sku": "SEEN-1"}])
    customer = (await api.data(CUSTOMER, {"input": {"name": "Unseen"}}))["customerCreate"]["customer"]
    ids, scopes = [product["id"], customer["id"]], [Scope.PRODUCTS_READ]
    await api.post("query N($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids[:1]}, scopes=scopes)
    async with api.counted() as statements:
        answer = await api.post("query N($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, scopes=scopes)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "customers:read" in error["message"]
    assert [each for each in statements if not _of_the_doors(each)] == []


# --- documents ------------------------------------------------------------------------------------------------------


async def test_only_the_operation_that_runs_needs_its_scopes(api: Api) -> None:
    document = """query A { products { nodes { ...P } } } query B { customers { nodes { id ...C } } }
      fragment P on Product { id } fragment C on Customer { name }"""
    scopes = [Scope.PRODUCTS_READ]
    assert "errors" not in await api.post(document, scopes=scopes, operationName="A")
    [error] = (await api.post(document, scopes=scopes, operationName="B"))["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"


# --- scalars --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["2026-W01-1", "2026-W011", "20260101", "2026-001", "٢٠٢٦-01-01", "2026-02-30"])
async def test_days_are_written_in_one_way(api: Api, day: str) -> None:
    error = await only_error(api, "query D($d: Date) { trialBalance(asOf: $d) { asOf } }", {"d": day})
    assert error["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")
    error = await only_error(api, f'{{ trialBalance(asOf: "{day}") {{ asOf }} }}')
    assert error["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")


@pytest.mark.parametrize(
    "instant",
    ["2026-W01-1T00:00:00Z", "2026W011T000000Z", "20260101T000000Z", "2026-01-01T00:00Z", "2026-01-01 00:00:00Z"],
)
async def test_instants_are_written_in_one_way(api: Api, instant: str) -> None:
    query = "query D($d: DateTime) { products(filter: {createdAt: {after: $d}}) { nodes { id } } }"
    error = await only_error(api, query, {"d": instant})
    assert error["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")
    assert "errors" not in await api.post(query, {"d": "2026-01-01T00:00:00.123456789+02:00"})


@pytest.mark.parametrize(
    ("when", "is_refused"),
    [
        ("0001-01-01T00:00:00Z", True),
        ("1969-12-31T23:59:59.999999Z", True),
        ("1970-01-01T00:00:00+01:00", True),
        ("1970-01-01T00:00:00Z", False),
        ("9999-12-31T23:59:59Z", True),
    ],
)
async def test_goods_come_and_go_neither_in_the_future_nor_before_computers(
    api: Api, when: str, is_refused: bool
) -> None:
    here, row = await shop.location(api), await shop.variant(api)
    line = {"variantId": row, "delta": 1, "unitCost": dollars("1.00")}
    acts = {
        "receivedAt": (shop.RECEIVE, shop.receipt(here, [(row, 1, "1.00")])),
        "effectiveAt": (shop.ADJUST, {"locationId": here, "reason": "FOUND", "lines": [line]}),
        "takenAt": (
            shop.RECONCILE,
            {"locationId": here, "system": "3pl", "lines": [{"variantId": row, "quantity": 1}]},
        ),
    }
    for name, (mutation, given) in acts.items():
        if is_refused:
            refused = await shop.refused(api, mutation, {"input": {**given, name: when}})
            assert refused == [("INVALID", f"input.{name}")]
        else:
            await shop.done(api, mutation, {"input": {**given, name: when}})


async def priced(api: Api, sku: str, amount: Any, currency: str = "EUR") -> dict[str, Any]:
    variant = {"sku": sku, "price": {"amount": amount, "currency": currency}}
    return await api.post(CREATE, {"input": {"name": "Priced", "variants": [variant]}})


@pytest.mark.parametrize("amount", ["1e2", "+1", "１.５", "1E2", "1_0", ".5", "1.", "NaN", "٣"])  # noqa: RUF001
async def test_decimals_are_written_in_one_way(api: Api, amount: str) -> None:
    answer = await priced(api, "DEC-1", amount)
    [error] = answer["errors"]
    assert error["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")
    assert not any((answer.get("data") or {}).values())


@pytest.mark.parametrize("currency", ["XAU", "DEM", "XTS", "eur"])
async def test_currencies_are_money_of_today(api: Api, currency: str) -> None:
    answer = await priced(api, "CUR-1", "1", currency)
    errors = answer.get("errors") or answer["data"]["productCreate"]["userErrors"]
    [error] = errors
    assert re.search(r"currency", str(error), re.IGNORECASE)
    assert (await api.data('{ variant(by: {sku: "CUR-1"}) { id } }')) == {"variant": None}


# --- inputs ---------------------------------------------------------------------------------------------------------


async def test_an_expected_version_of_null_is_none(api: Api) -> None:
    product = await created(api, name="Version", variants=[{"sku": "VER-1"}])
    payload = (await api.data(UPDATE, {"id": product["id"], "input": {"name": "New", "expectedVersion": None}}))[
        "productUpdate"
    ]
    assert payload == {"product": {"name": "New", "version": 2}, "userErrors": []}
    customer = (await api.data(CUSTOMER, {"input": {"name": "Version"}}))["customerCreate"]["customer"]
    update = UPDATE.replace("product", "customer").replace("Product", "Customer")
    given = {"id": customer["id"], "input": {"name": "New", "expectedVersion": None}}
    payload = (await api.data(update, given))["customerUpdate"]
    assert payload == {"customer": {"name": "New", "version": 2}, "userErrors": []}


async def test_an_entry_by_hand_has_at_most_500_lines(api: Api) -> None:
    def lines(count: int) -> list[dict[str, Any]]:
        debits = [{"accountCode": "1020", "debit": dollars("1.00")} for _ in range(count - 1)]
        return [*debits, {"accountCode": "3010", "credit": dollars(f"{count - 1}.00")}]

    given = {"on": await today(api), "description": "Many", "lines": lines(501)}
    payload = (await api.data(POST, {"input": given}))["journalEntryPost"]
    assert payload["journalEntry"] is None
    assert [(each["code"], each["path"]) for each in payload["userErrors"]] == [("INVALID", ["input", "lines"])]
    payload = (await api.data(POST, {"input": {**given, "lines": lines(500)}, "dryRun": True}))["journalEntryPost"]
    assert payload["userErrors"] == []
