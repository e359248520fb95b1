"""The engine plans whatever can be asked, remembers a bounded number of plans, and reads from one snapshot."""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    get_named_type,
    is_leaf_type,
)

from api.graphql import engine
from api.graphql.documents import KEPT_COSTS, KEPT_PLANS, LONGEST_KEPT, Documents, Prepared
from api.graphql.engine.operation import coerced
from api.graphql.engine.run import FORMS
from api.graphql.execution import Request
from api.graphql.schema import built
from domain import ledger
from tests.engine.bench import answer, stranger
from tests.engine.test_counted import called, everything, node_of, page
from tests.support.api import Api
from tests.support.shop import PAY, PLACE, dollars, done, ordered, stocked

TYPENAME = "__typename"
"""Asked for in every selection, save that a subscription has one root field."""
DEEPEST, DEEPEST_OF_NODES = 6, 2
"""Hops from the field down, where the limits allow as many; and from each type that may be asked for by its id: what
is further below them is below the lists of them, too.
"""


def prepared(query: str, **how: Any) -> Prepared:
    """The document as somebody's first request would have it."""
    return Documents(built()).prepare(query, how.get("operation_name"), {}, hints=True)


def planned(document: Prepared, variables: dict[str, Any]) -> engine.Operation:
    """The plan of a document for these variables. Raises Unplannable."""
    values = coerced(built(), document, variables, hints=True)
    assert not isinstance(values, list), values
    return engine.plan(built(), document, values)


# --- everything is planned ------------------------------------------------------------------------------------------


def selections(kind: Any, hops: int) -> Iterator[str]:
    """Selections that cover a type: of an interface with many types, one for each, since not all merge."""
    if is_leaf_type(kind):
        yield ""
    elif kind.name == "Node":
        kinds = built().core.get_possible_types(kind)
        yield f"{{ id {' '.join(f'... on {each.name} {{ id }}' for each in kinds)} }}"
        for each in kinds:
            yield f"{{ ... on {each.name} {{ {everything(each, hops)} }} }}"
    elif node_of(kind) is not kind:
        yield f"{{ {page(everything(node_of(kind), hops))} }}"
    else:
        yield f"{{ {everything(kind, hops)} }}"


def root_fields() -> Iterator[Any]:
    core = built().core
    for operation, kind in (
        ("query", core.query_type),
        ("mutation", core.mutation_type),
        ("subscription", core.subscription_type),
    ):
        assert kind is not None
        for name, field in kind.fields.items():
            yield pytest.param(operation, name, field, id=f"{operation}-{name}")


@pytest.mark.parametrize(("operation", "name", "field"), list(root_fields()))
def test_every_field_is_planned_with_all_that_is_below_it(operation: str, name: str, field: Any) -> None:
    call, declared, given = called(name, field)
    kind: Any = get_named_type(field.type)
    most = DEEPEST if kind.name != "Node" else DEEPEST_OF_NODES
    as_deep = functools.cache(lambda hops: list(selections(kind, hops)))
    for place in range(len(as_deep(1))):
        texts = (as_deep(hops)[place].replace("first: $first", "first: 2") for hops in range(most, 0, -1))
        head = f"{operation}{f'({declared})' if declared else ''} {{ {'' if operation == 'subscription' else TYPENAME}"
        plan = planned(deepest(f"{head} {call} {inner.replace('{', f'{{ {TYPENAME}')} }}" for inner in texts), given)
        assert (plan.plan is None) is (operation != "query")


def deepest(texts: Iterator[str]) -> Prepared:
    """The first of the documents that is not too large."""
    for text in texts:
        try:
            return prepared(text)
        except GraphQLError as refused:
            if not re.search("too large|tokens", refused.message):
                raise
    raise AssertionError("the document is beyond the limits, however shallow it is")


# --- but introspection ----------------------------------------------------------------------------------------------


async def left(api: Api) -> dict[str, int]:
    """How many operations graphql-core has run so far, by reason, as /metrics tells it."""
    text = (await api.client.get("/metrics")).text
    found = re.findall(r'^waterline_graphql_unplanned_total\{reason="([^"]*)"\} (\S+)$', text, re.MULTILINE)
    return {reason: int(float(count)) for reason, count in found}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __schema { queryType { name } } }", {"__schema": {"queryType": {"name": "Query"}}}),
        ('{ __type(name: "Money") { name kind } }', {"__type": {"name": "Money", "kind": "OBJECT"}}),
        (
            '{ __typename viewer { __typename } a: __type(name: "Nothing") { name } }',
            {"__typename": "Query", "viewer": {"__typename": "Viewer"}, "a": None},
        ),
        (
            "{ ...F units(first: 1) { nodes { __typename } } } fragment F on Query { __schema { __typename } }",
            {"__schema": {"__typename": "__Schema"}, "units": {"nodes": [{"__typename": "Unit"}]}},
        ),
    ],
)
async def test_introspection_is_left_to_graphql_core_and_counted(
    api: Api, query: str, expected: dict[str, Any]
) -> None:
    before = await left(api)
    for n in (1, 2):  # the second time it is remembered
        assert await api.data(query) == expected
        assert await left(api) == {**before, "introspection": before.get("introspection", 0) + n}


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        "{ products(first: 1) { totalCount nodes { __typename name } } viewer { name } }",
        "{ __schema @skip(if: true) { description } business { name } }",
        'mutation { productArchive(id: "prd_1") { userErrors { code } } }',
        "{ products(first: -1) { nodes { id } } }",
    ],
)
async def test_nothing_else_is_left_to_it(api: Api, query: str) -> None:
    before = await left(api)
    await api.post(query)
    assert await left(api) == before


async def test_a_directive_without_a_value_is_left_to_it_and_counted(api: Api) -> None:
    before = await left(api)
    query = "query($a: Boolean = true) { business @include(if: $a) { name } }"
    given = await api.post(query, {"a": None})
    assert [error["extensions"]["code"] for error in given["errors"]] == ["BAD_REQUEST"]
    assert await left(api) == {**before, "directive": before.get("directive", 0) + 1}
    assert await api.data(query) == await api.data("{ business { name } }")
    assert await left(api) == {**before, "directive": before.get("directive", 0) + 1}


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_a_long_document_is_not_kept() -> None:
    documents = Documents(built())

    def asked(length: int) -> Prepared:
        text = "{ __typename }"
        return documents.prepare(text + "," * (length - len(text)), None, {}, hints=True)

    assert asked(LONGEST_KEPT) is asked(LONGEST_KEPT)
    assert asked(LONGEST_KEPT + 1) is not asked(LONGEST_KEPT + 1)
    assert len(documents._prepared.kept) == 1


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query A { __typename } query B { __typename }"])
def test_what_is_refused_is_not_kept(query: str) -> None:
    documents = Documents(built())
    with pytest.raises(GraphQLError):
        documents.prepare(query, None, {}, hints=True)
    assert not documents._prepared.kept


def test_the_plans_of_one_document_are_bounded() -> None:
    names = [f"v{n}" for n in range(6)]
    assert 2 ** len(names) > KEPT_PLANS * 2
    asked = " ".join(f"{name}: __typename @include(if: ${name})" for name in names)
    document = prepared(f"query({' '.join(f'${name}: Boolean!' for name in names)}) {{ id: __typename {asked} }}")
    for values in itertools.product((True, False), repeat=len(names)):
        plan = planned(document, dict(zip(names, values, strict=True)))
        assert plan.plan is not None
        shown = [root.selected.key for root in plan.plan.roots]
        assert shown == ["id", *(name for name, value in zip(names, values, strict=True) if value)]
    assert len(document.plans.kept) == KEPT_PLANS


def test_a_plan_is_made_once_whatever_other_variables_say() -> None:
    document = prepared("query($n: Int $a: Boolean!) { products(first: $n) { nodes { id @include(if: $a) name } } }")
    plans = [planned(document, {"n": n, "a": a}) for n in (1, 2, None) for a in (True, False)]
    assert len(set(plans)) == len(document.plans.kept) == 2


def test_the_costs_of_one_document_are_bounded() -> None:
    document = prepared("query($n: Int) { products(first: $n) { nodes { id } } }")
    for n in range(KEPT_COSTS * 2):
        assert document.cost(built(), {"n": n}) == 1 + n
    assert len(document.costs.kept) == KEPT_COSTS


async def test_the_statements_of_one_plan_are_bounded(api: Api) -> None:
    query = "query Sizes($n: Int) { units(first: $n) { nodes { id } totalCount } }"
    total = (await api.data(query, {"n": 0}))["units"]["totalCount"]
    assert total > 5
    for n in [*range(FORMS + 10), 1, 2]:
        found = (await api.data(query, {"n": n}))["units"]
        assert len(found["nodes"]) == min(n, total)
    document = api.services.documents.prepare(query, None, {}, hints=True)
    plan = planned(document, {"n": 1}).plan
    assert plan is not None
    assert len(plan.statements) == FORMS


# --- directives -----------------------------------------------------------------------------------------------------

DECIDED = """query Q($a: Boolean!, $b: Boolean! = true, $n: Int) {
  units(first: $n) { nodes { id name @include(if: $a) ...F @skip(if: $b) } totalCount @include(if: $b) }
  business @skip(if: $a) { name }
}
fragment F on Unit { code dimension @include(if: $a) decimals @skip(if: $b) @include(if: $a) }"""


async def test_a_plan_is_used_for_the_values_that_it_was_made_for_alone(api: Api) -> None:
    who = stranger("Somebody")
    given: list[dict[str, Any]] = [{"a": a, "n": n} for a in (True, False) for n in (1, 2)]
    given += [{**each, "b": b} for each in given for b in (True, False)]
    expected = [await answer(api.services, Request(DECIDED, each), who, oracle=True) for each in given]
    assert len({str(each["data"]) for each in expected}) == 8  # where `b` is left out, it is true
    for _ in range(2):
        for each, wanted in zip(given, expected, strict=True):
            assert await answer(api.services, Request(DECIDED, each), who, oracle=False) == wanted
            assert list(wanted["data"]) == ["units"] + ["business"] * (not each["a"])


async def test_operations_of_one_text_have_plans_of_their_own(api: Api) -> None:
    text = """query A($a: Boolean!) { x: __typename @include(if: $a) units(first: 1) { totalCount } }
      query B($a: Boolean!) { x: __typename @skip(if: $a) business { name } }"""
    for value in (True, False, True):
        first = await api.data(text, {"a": value}, operationName="A")
        second = await api.data(text, {"a": value}, operationName="B")
        assert list(first) == ["x"] * value + ["units"]
        assert list(second) == ["x"] * (not value) + ["business"]


# --- one snapshot ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def order(api: Api) -> str:
    """The id of an order with a payment."""
    row = await stocked(api, 100)
    placed = (await done(api, PLACE, {"input": ordered([(row, 10)])}))["order"]["id"]
    await pay(api, placed)
    return placed


async def pay(api: Api, order: str) -> None:
    await done(api, PAY, {"id": order, "input": {"amount": dollars("1.00"), "method": "CASH"}})


def once(function: Callable[..., Any], *, before: Callable[[], Any], after: Callable[[], Any]) -> Callable[..., Any]:
    """The function, with something that happens elsewhere just before and just after its first call."""
    called_already = False

    async def hooked(*arguments: Any, **options: Any) -> Any:
        nonlocal called_already
        first, called_already = not called_already, True
        if first:
            await before()
        found = await function(*arguments, **options)
        if first:
            await after()
        return found

    return hooked


PAID = """{ paid { amount } version payments { amount { amount }
  order { paid { amount } version payments { id order { paid { amount } } } } } }"""


async def test_rounds_of_a_query_see_one_snapshot(api: Api, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"query Rounds($id: ID!) {{ payments {{ totalCount }} order(by: {{id: $id}}) {PAID} }}"
    before = await api.data(query, {"id": order})
    payments: Any = built().declared.fields["Order", "payments"]

    async def meanwhile() -> None:
        await pay(api, order)

    monkeypatch.setattr(payments, "function", once(payments.function, before=meanwhile, after=meanwhile))
    assert await api.data(query.replace("Rounds", "Hooked"), {"id": order}) == before
    after = await api.data(query, {"id": order})
    assert len(after["order"]["payments"]) == len(before["order"]["payments"]) + 2
    assert after["payments"]["totalCount"] == before["payments"]["totalCount"] + 2


async def test_functions_and_statements_see_one_snapshot(api: Api, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "{ trialBalance { debit { amount } rows { account { code } } } journalEntries { totalCount } }"
    before = await api.data(query)

    async def meanwhile() -> None:
        await pay(api, order)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "trial_balance", once(ledger.trial_balance, before=meanwhile, after=meanwhile))
        assert await api.data(query) == before
    assert (await api.data(query))["journalEntries"]["totalCount"] == before["journalEntries"]["totalCount"] + 2


async def test_rounds_of_a_payload_see_one_snapshot(api: Api, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = await api.data("query($id: ID!) { order(by: {id: $id}) { version payments { id } } }", {"id": order})
    payments: Any = built().declared.fields["Order", "payments"]

    async def meanwhile() -> None:
        await pay(api, order)

    monkeypatch.setattr(payments, "function", once(payments.function, before=meanwhile, after=meanwhile))
    query = f"""mutation Hooked($id: ID!) {{ paymentRecord(orderId: $id,
      input: {{amount: {{amount: "2.00", currency: USD}}, method: CARD}}) {{ order {PAID} userErrors {{ code }} }} }}"""
    shown = (await api.data(query, {"id": order}))["paymentRecord"]["order"]
    assert shown["version"] == known["order"]["version"] + 1
    assert len(shown["payments"]) == len(known["order"]["payments"]) + 1
    for each in shown["payments"]:
        assert (each["order"]["version"], each["order"]["paid"]) == (shown["version"], shown["paid"])
        assert len(each["order"]["payments"]) == len(shown["payments"])
        assert all(other["order"]["paid"] == shown["paid"] for other in each["order"]["payments"])
