"""The schema keeps its own habits, whoever adds to it."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_non_null_type,
)

from api.graphql.kit import operations
from api.graphql.schema import built, print_schema

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return built().core


def own_types(schema: GraphQLSchema) -> list[object]:
    return [kind for name, kind in schema.type_map.items() if not name.startswith("__") and name not in _BUILT_IN]


_BUILT_IN = {"String", "Int", "Boolean", "ID", "Float"}


def test_the_printed_schema_is_the_committed_one() -> None:
    assert print_schema() == (ROOT / "schema.graphql").read_text(), "run: waterline schema print > schema.graphql"


def test_everything_has_a_description(schema: GraphQLSchema) -> None:
    missing: list[str] = []
    for kind in own_types(schema):
        if not kind.description:  # type: ignore[attr-defined]
            missing.append(kind.name)  # type: ignore[attr-defined]
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for name, field in kind.fields.items():
                missing += [f"{kind.name}.{name}"] if not field.description else []
                missing += [f"{kind.name}.{name}({arg}:)" for arg, each in field.args.items() if not each.description]
        elif isinstance(kind, GraphQLInputObjectType):
            missing += [f"{kind.name}.{name}" for name, field in kind.fields.items() if not field.description]
        elif isinstance(kind, GraphQLEnumType):
            missing += [f"{kind.name}.{name}" for name, value in kind.values.items() if not value.description]
    assert missing == []


def test_every_door_names_its_scope_and_every_type_its_own(schema: GraphQLSchema) -> None:
    book = built().access
    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            assert book.needed(root.name, name, get_named_type(field.type).name) is not None, f"{root.name}.{name}"
    assert schema.mutation_type is not None
    for operation in operations.MUTATIONS:
        assert operation.scopes, f"{operation.name} may be called by anyone"


def test_mutations_keep_their_shape(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        payload = get_nullable_type(field.type)
        assert not is_non_null_type(field.type), f"{name}: a failure must not hide what other fields committed"
        assert {"idempotencyKey", "dryRun"} <= set(field.args), name
        assert isinstance(payload, GraphQLObjectType)
        assert {"effects", "userErrors"} < set(payload.fields), name
        assert str(payload.fields["userErrors"].type) == "[UserError!]!"
        arguments = set(field.args) - {"idempotencyKey", "dryRun"}
        assert len(arguments) <= 3, f"{name}: more than three arguments want one input"
        assert "status" not in arguments, f"{name}: name the act, do not take a status"


def test_money_and_quantities_are_never_floats(schema: GraphQLSchema) -> None:
    assert "Float" not in schema.type_map


def test_instants_end_in_at_and_dates_in_on(schema: GraphQLSchema) -> None:
    for kind in own_types(schema):
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                wanted = {"DateTime": "At", "Date": "On"}.get(get_named_type(field.type).name)
                allowed = name in ("at", "on", "asOf")
                assert wanted is None or allowed or name.endswith(wanted), f"{kind.name}.{name}"
