"""What `extensions.plan` tells, to whom, and what it never tells: the values that somebody asked with."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_list_type,
    is_required_input_field,
)

from api.graphql.kit.views import view_named
from api.graphql.schema import built
from domain.kernel.scopes import Scope
from tests.support.api import Api
from tests.support.shop import PAY, PLACE, dollars, done, ordered, stocked

SECRET = "7391"
"""A part of every value below: no plan has it, whatever becomes of the value on its way."""
VALUES = {
    "String": f"zebra{SECRET}",
    "DateTime": f"2017-03-09T07:39:10.{SECRET}73Z",
    "Date": "2017-03-09",
}


async def explained(
    api: Api, query: str, variables: dict[str, Any] | None = None, *, scopes: Any = Scope
) -> dict[str, Any]:
    """The whole answer to a document whose plan is asked for."""
    answer = await api.post(query, variables, scopes=scopes, extensions={"explain": True})
    assert "errors" not in answer, answer["errors"]
    return answer


def told(plan: list[dict[str, Any]]) -> list[Any]:
    """A plan without its SQL: the levels and rows of each statement, the keys of each batch."""
    return [
        (each["batch"], each["of"], each["keys"])
        if "batch" in each
        else [(level["of"], level["as"], level["rows"]) for level in each["levels"]]
        for each in plan
    ]


@pytest.fixture(scope="module")
async def order(api: Api) -> str:
    """The id of an order that is paid in two parts."""
    row = await stocked(api, 100)
    placed = (await done(api, PLACE, {"input": ordered([(row, 2)])}))["order"]["id"]
    for _ in range(2):
        await done(api, PAY, {"id": placed, "input": {"amount": dollars("5.00"), "method": "CASH"}})
    return placed


# --- what is told ---------------------------------------------------------------------------------------------------


async def test_rounds_come_in_their_order_with_the_rows_that_each_brought(api: Api, order: str) -> None:
    query = """query($id: ID!) { order(by: {id: $id}) { id payments { id order { id lines { id } } } }
      units(first: 1) { nodes { id } } channels(first: 0) { nodes { id } } }"""
    answer = await explained(api, query, {"id": order})
    plan = answer["extensions"]["plan"]
    assert told(plan) == [
        [("Order", "FindLevel", 1), ("Unit", "ListLevel", 2)],  # one more unit, to know of the next page
        ("_payments_of", "Order", 1),
        [("Payment", "ByIdLevel", 2)],
        ("_order_of", "Payment", 2),
        [("Order", "ByIdLevel", 1), ("OrderLine", "ManyLevel", 1)],
    ]
    numbers = [level["level"] for each in plan for level in each.get("levels", ())]
    assert len(set(numbers)) == len(numbers)
    for each in plan:
        if "batch" not in each:
            assert set(each) == {"statement", "levels"}
            for level in each["levels"]:
                assert f"SELECT {level['level']} AS level" in each["statement"] or len(each["levels"]) == 1
                assert view_named(level["of"]).row.__tablename__ in each["statement"]


async def test_a_plan_does_not_change_the_answer(api: Api, order: str) -> None:
    query = "query($id: ID!) { order(by: {id: $id}) { number payments { id } } events(first: 3) { nodes { id } } }"
    answer = await explained(api, query, {"id": order})
    assert answer["data"] == await api.data(query, {"id": order})
    assert set(answer) == {"data", "extensions"}
    assert set(answer["extensions"]) == {"plan"}


async def test_a_document_that_reads_nothing_has_an_empty_plan(api: Api) -> None:
    assert (await explained(api, "{ __typename }"))["extensions"] == {"plan": []}


async def test_every_act_of_a_mutation_is_told(api: Api, order: str) -> None:
    paid = '{amount: {amount: "1.00", currency: USD}, method: CASH}'
    query = f"""mutation($id: ID!) {{
      a: paymentRecord(orderId: $id, input: {paid}, dryRun: true) {{ order {{ payments {{ id }} }} }}
      b: productArchive(id: "prd_x") {{ product {{ id }} userErrors {{ code }} }}
      c: paymentRecord(orderId: $id, input: {paid}, dryRun: true) {{ payment {{ id }}
        effects {{ events {{ nodes {{ type }} totalCount }} }} }} }}"""
    plan = (await explained(api, query, {"id": order}))["extensions"]["plan"]
    assert told(plan)[:3] == [[("Order", "ByIdLevel", 1)], ("_payments_of", "Order", 1), [("Payment", "ByIdLevel", 3)]]
    (last,) = told(plan)[3:]  # what was refused has nothing to read
    assert [(of, kind) for of, kind, _ in last] == [
        ("Payment", "ByIdLevel"),
        ("Event", "PageLevel"),
        ("Event", "CountLevel"),
    ]


async def test_what_a_refusal_names_is_told(api: Api) -> None:
    row = await stocked(api, 1)
    query = """mutation($input: OrderPlaceInput!) { orderPlace(input: $input) {
      userErrors { ... on InsufficientStock { variant { sku } } } } }"""
    answer = await explained(api, query, {"input": ordered([(row, 9)])})
    assert told(answer["extensions"]["plan"]) == [[("ProductVariant", "ByIdLevel", 1)]]


async def test_sockets_and_streams_tell_it_too(api: Api) -> None:
    payload = {"query": "{ units(first: 1) { nodes { code } } }", "extensions": {"explain": True}}
    async with api.socket() as socket:
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        message = await socket.receive_json()
    headers = {"authorization": f"Bearer {await api.token()}", "accept": "text/event-stream"}
    streamed = (await api.client.post("/graphql", json=payload, headers=headers)).text
    assert told(message["payload"]["extensions"]["plan"]) == [[("Unit", "ListLevel", 2)]]
    assert '"plan":[{"statement":' in streamed


# --- who is told ----------------------------------------------------------------------------------------------------


async def test_a_plan_is_for_whoever_asks_and_may_and_for_this_once(api: Api) -> None:
    query = "{ units(first: 2) { nodes { id } } }"
    few = [Scope.PRODUCTS_READ]
    for _ in range(2):
        assert (await explained(api, query))["extensions"]["plan"]
        assert "extensions" not in await explained(api, query, scopes=few)
        assert "extensions" not in await api.post(query)
        assert "extensions" not in await api.post(query, extensions={"explain": None})
    assert (await explained(api, query, scopes=[*few, Scope.SCHEMA_READ]))["extensions"]["plan"]
    anonymous = await api.client.post("/graphql", json={"query": "{ __typename }", "extensions": {"explain": True}})
    assert anonymous.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ units(first: 1) { nodes { id } } __type(name: "Unit") { name } }',
    ],
)
async def test_what_graphql_core_ran_has_no_plan(api: Api, query: str) -> None:
    for _ in range(2):
        assert set(await explained(api, query)) == {"data"}


# --- what is never told ---------------------------------------------------------------------------------------------


def values_of(kind: Any, prefix: str) -> Iterator[Any]:
    """A value for each thing that an input can say, alone."""
    nullable = get_nullable_type(kind)
    if is_list_type(nullable):
        for value in values_of(nullable.of_type, prefix):
            yield [value, value]
    elif is_enum_type(nullable):
        yield next(iter(nullable.values))
    elif not isinstance(nullable, GraphQLInputObjectType):
        yield f"{prefix}_{SECRET * 8}" if nullable.name == "ID" else VALUES[nullable.name]
        if nullable.name == "String":
            yield SECRET * 2  # what may be the number of something
    elif all(is_required_input_field(each) for each in nullable.fields.values()):
        yield {name: next(values_of(each.type, _PREFIXES.get(name, prefix))) for name, each in nullable.fields.items()}
    else:
        for name, each in nullable.fields.items():
            for value in values_of(each.type, _PREFIXES.get(name, prefix)) if name != "any" else ():
                yield {name: value}


_PREFIXES = {"variantId": "var", "locationId": "loc", "customerId": "cus"}


def written(value: Any) -> str:
    """A value as a document says it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return value if re.fullmatch("[A-Z_]+", value) else json.dumps(value)


def asked() -> Iterator[tuple[str, str, str, list[Any]]]:
    """Every field of Query that can be asked for something: field, argument, its type and the values to try."""
    query: Any = built().core.type_map["Query"]
    for name, field in query.fields.items():
        inner: Any = get_named_type(field.type)
        node = get_named_type(inner.fields["nodes"].type) if inner.name.endswith("Connection") else inner
        view = built().declared.views.get(node.name)
        for argument, definition in field.args.items():
            if argument in ("filter", "by", "search") and view is not None:
                yield name, argument, str(definition.type), list(values_of(definition.type, view.prefix))


ASKED = list(asked())


@pytest.mark.parametrize(("name", "argument", "kind", "values"), ASKED, ids=[f"{each[0]}-{each[1]}" for each in ASKED])
async def test_no_plan_tells_what_was_asked_for(
    api: Api, name: str, argument: str, kind: str, values: list[Any]
) -> None:
    inner = "{ id }" if argument == "by" else "{ nodes { id } totalCount }"
    for value in values:
        by_variable = f"query($value: {kind}) {{ {name}({argument}: $value) {inner} }}"
        literally = f"{{ {name}({argument}: {written(value)}) {inner} }}"
        for query, variables in ((by_variable, {"value": value}), (literally, {})):
            plan = (await explained(api, query, variables))["extensions"]["plan"]
            text = json.dumps(plan)
            assert SECRET not in text
            assert "zebra" not in text
            assert "2017" not in text
            assert not any(f"'{member}'" in text for member in re.findall("[A-Z_]{3,}", str(value)))
            assert plan == [] or "$1" in plan[0]["statement"]
    assert len(values) > 0


async def test_nor_where_somebody_was_in_a_list(api: Api) -> None:
    create = "mutation($i: ProductCreateInput!) { productCreate(input: $i) { product { id } userErrors { code } } }"
    for n in range(2):
        name = f"{VALUES['String']} {n}"
        await done(api, create, {"i": {"name": name, "variants": [{"sku": f"{name}/{n}"}]}})
    query = "query($c: String) { products(first: 1, after: $c, sort: [NAME_DESC]) { edges { cursor node { name } } } }"
    cursor = (await api.data(query))["products"]["edges"][0]["cursor"]
    answer = await explained(api, query, {"c": cursor})
    assert answer["data"]["products"]["edges"][0]["node"]["name"] == f"{VALUES['String']} 0"
    assert SECRET not in json.dumps(answer["extensions"])
    places = "query($ids: [ID!]) { variants(first: 2) { nodes { stockLevels(locationIds: $ids) { id } } } }"
    answer = await explained(api, places, {"ids": [f"loc_{SECRET * 8}"]})
    assert SECRET not in json.dumps(answer["extensions"])
    days = "query($on: Date) { variants(first: 2) { nodes { availability(on: $on) { incoming } } } }"
    answer = await explained(api, days, {"on": VALUES["Date"]})
    assert "2017" not in json.dumps(answer["extensions"])
