"""The engine plans whatever the schema has; introspection alone is left to graphql-core, and counted."""

from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from api.graphql import engine
from api.graphql.documents import KEPT_CHARACTERS, KEPT_DOCUMENTS, LONGEST_KEPT, Cache, Documents
from api.graphql.engine.operation import coerced
from api.graphql.execution import UNPLANNED
from api.graphql.schema import built
from tests.engine.whole import Whole
from tests.support.api import Api

SCHEMA = built().core
ROOTS = [
    (kind.name, name)
    for kind in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    if kind is not None
    for name in kind.fields
]
KINDS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}


def _literal(kind: Any) -> str:
    """Something that is valid for an argument."""
    named = get_named_type(kind)
    if is_list_type(get_nullable_type(kind)):
        return f"[{_literal(get_nullable_type(kind).of_type)}]"
    if isinstance(named, GraphQLInputObjectType):
        needed = {name: each for name, each in named.fields.items() if is_non_null_type(each.type)}
        if named.is_one_of:
            needed = dict(list(named.fields.items())[:1])
        return "{" + ", ".join(f"{name}: {_literal(each.type)}" for name, each in needed.items()) + "}"
    examples = {
        "Int": "1", "Boolean": "true", "Quantity": "1", "Decimal": '"1"', "Rate": '"1"',
        "Date": '"2026-01-01"',
        "DateTime": '"2026-01-01T00:00:00Z"', "CurrencyCode": '"EUR"', "CountryCode": '"DE"',
    }  # fmt: skip
    values = getattr(named, "values", None)
    return next(iter(values)) if values else examples.get(named.name, '"x"')


def _document(parent: str, name: str) -> str:
    root: Any = SCHEMA.get_type(parent)
    field = root.fields[name]
    arguments = ", ".join(
        f"{each}: {_literal(it.type)}" for each, it in field.args.items() if is_non_null_type(it.type)
    )
    inner = get_named_type(field.type)
    below = "" if is_leaf_type(inner) else f" {{ {Whole(SCHEMA).of(inner, 0 if name in ('node', 'nodes') else 1)} }}"
    return f"{KINDS[parent]} {{ {name}{f'({arguments})' if arguments else ''}{below} }}"


def planned(text: str, **variables: Any) -> engine.Operation:
    """The planned operation of a document. Raises Unplannable, and GraphQLError for one that is not valid."""
    prepared = Documents(built()).prepare(text, None, {}, hints=False)
    given = coerced(built(), prepared, variables, hints=False)
    assert not isinstance(given, list), given
    return engine.plan(built(), prepared, given)


@pytest.mark.parametrize(("parent", "name"), ROOTS)
def test_every_field_of_the_schema_is_planned(parent: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("DEPTH", "ALIASES", "FIELDS", "TOKENS", "REPEATED_PAIRS"):  # this is about plans, not about prices
        monkeypatch.setattr(f"api.graphql.kit.limits.{limit}", 1_000_000)
    assert planned(_document(parent, name)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { description } }",
        '{ __type(name: "Order") { name } }',
        "{ viewer { name } __schema { description } }",
    ],
)
def test_introspection_is_left_to_graphql_core(text: str) -> None:
    with pytest.raises(engine.Unplannable, match="introspection"):
        planned(text)


async def test_what_graphql_core_ran_is_counted(api: Api) -> None:
    def counted() -> float:
        return UNPLANNED.labels("introspection")._value.get()

    before = counted()
    await api.data("{ viewer { name } units(first: 1) { nodes { id } } }")
    assert counted() == before
    answer = await api.data("{ viewer { name } __schema { queryType { name } } }")
    assert answer["__schema"] == {"queryType": {"name": "Query"}}
    assert counted() == before + 1
    metrics = (await api.client.get("/metrics")).text
    assert 'waterline_graphql_unplanned_total{reason="introspection"}' in metrics


async def test_a_plan_belongs_to_the_values_of_its_directives(api: Api) -> None:
    query = (
        "query Q($a: Boolean!, $b: Boolean! = true) { viewer { id @include(if: $a) name @skip(if: $b) __typename } }"
    )
    for _ in range(2):
        for given, fields in (
            ({"a": True}, ["id", "__typename"]),
            ({"a": False}, ["__typename"]),
            ({"a": True, "b": False}, ["id", "name", "__typename"]),
            ({"a": False, "b": False}, ["name", "__typename"]),
        ):
            assert list((await api.data(query, given))["viewer"]) == fields


async def test_one_form_of_a_statement_serves_other_values(api: Api) -> None:
    query = "query Q($n: Int, $codes: [String!]) { units(first: $n, filter: {code: {in: $codes}}) { nodes { code } } }"
    for codes in (["EA"], ["KG", "EA"], [], ["nothing"]):
        for size in (1, 5):
            found = (await api.data(query, {"n": size, "codes": codes}))["units"]["nodes"]
            assert {each["code"] for each in found} <= set(codes)
            assert len(found) == min(size, len(set(codes) & {"EA", "KG"}))


def test_documents_that_are_kept_are_few_and_short() -> None:
    documents = Documents(built())
    for n in range(KEPT_DOCUMENTS + 5):
        documents.prepare(f"query Q{n} {{ viewer {{ name }} }}", None, {}, hints=False)
    kept = documents._prepared.kept
    assert len(kept) == KEPT_DOCUMENTS
    documents.prepare("{ viewer { name } }" + "#" * LONGEST_KEPT, None, {}, hints=False)
    assert len(kept) == KEPT_DOCUMENTS
    for n in range(KEPT_CHARACTERS // 40_000 + 5):
        documents.prepare(f"query R{n} {{ viewer {{ name }} }}" + "#" * 40_000, None, {}, hints=False)
    assert documents._prepared.held <= KEPT_CHARACTERS
    assert documents._prepared.held == sum(len(text) for text, *_ in kept)


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    cache: Cache[str] = Cache(2)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")
