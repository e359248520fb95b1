"""The generators make valid documents only, and the same one from the same seed. No database is asked."""

import asyncio
import json
from typing import Any

import pytest
from graphql import get_named_type, is_object_type, parse, print_ast, validate

from api.graphql.kit.views import VIEWS
from api.graphql.schema import built
from tests.engine.acts import Desk, acts
from tests.engine.documents import Document, document
from tests.engine.pool import Pool
from tests.engine.smaller import smaller
from tests.engine.values import Taste

_NEVER = ("__schema", "__type(")
COUNT_STEPS = ("RECORD", "SUBMIT", "RECOUNT", "APPROVE", "CANCEL")
TRANSFER_STEPS = ("READY", "DISPATCH", "RECEIVE", "CLOSE", "CANCEL")


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Names of rows that are nowhere."""
    made = Pool(days=["2026-01-31"])
    query: Any = built().core.query_type
    for view in VIEWS.values():
        if view.is_node:
            made.ids[view.name] = [f"{view.prefix}_{n:032x}" for n in range(3)]
            made.instants[view.name] = ["2026-01-31T08:00:00.123456Z"]
            made.external[view.name] = [("shop", "1")]
            made.texts[view.name, "name"] = ['Tea "green"', "Ångström\nAB", "\\", "$x0"]
    for each in query.fields.values():
        returned: Any = get_named_type(each.type)
        if is_object_type(returned) and "edges" in returned.fields and "sort" in each.args:
            sort: Any = get_named_type(each.args["sort"].type)
            for name in ("", *sort.values):
                made.cursors[get_named_type(returned.fields["nodes"].type).name, name] = ["W10"]
    return made


@pytest.fixture(scope="module")
def desk(pool: Pool) -> Desk:
    """What a clerk would know of them."""
    level = {"variant": {"id": "var_1"}, "location": {"id": "loc_1"}, "onHand": "3"}
    order = {"id": "ord_1", "availableActions": ["SHIP"], "lines": [{"id": "oln_1"}]}
    entry = {"id": "jen_1", "description": "By hand", "reversedBy": None}
    lists = {
        "orders": [order],
        "stockLevels": [level],
        "variants": [{"sku": "A"}],
        "products": [{"id": "prd_1", "availableActions": ["ACTIVATE", "ARCHIVE"]}],
        "journalEntries": [entry],
        "stockTransfers": [{"id": "trf_1", "availableActions": [*TRANSFER_STEPS], "lines": [{"id": "trl_1"}]}],
        "stockCounts": [{"id": "cnt_1", "availableActions": [*COUNT_STEPS], "lines": {"nodes": [{"id": "cnl_1"}]}}],
        "stockRevaluations": [{"id": "srv_1", "availableActions": ["APPROVE", "REJECT"]}],
        "openCases": [{"id": "sdc_1"}],
        "stockBackorders": [{"source": "oln_1"}],
        "locations": [{"id": "loc_1"}],
        "channels": [{"id": "chn_1"}],
        "accountingPeriods": [{"id": "per_1", "availableActions": ["CLOSE", "LOCK", "REOPEN"]}],
        "budgets": [{"id": "bdg_1", "availableActions": ["ACTIVATE", "CLOSE"], "version": 1}],
        "recurringEntries": [{"id": "rec_1", "availableActions": ["UPDATE", "END"]}],
        "fiscalYears": [{"id": "fsy_1", "closedAt": "2026-01-01T00:00:00Z"}],
    }
    single = {"trialBalance": {"asOf": "2026-01-31"}, "account": {"id": "acc_1"}}
    return Desk({name: {"nodes": rows} for name, rows in lists.items()} | single)


def test_queries_are_valid_and_come_again_from_their_seed(pool: Pool) -> None:
    for seed in range(600):
        made = document(built(), pool, seed)
        assert validate(built().core, parse(made.query)) == [], str(made)
        assert document(built(), pool, seed) == made
        assert not any(word in made.query for word in _NEVER)
        json.dumps(made.variables)
    assert document(built(), pool, 1) != document(built(), pool, 2)


def test_queries_stay_valid_when_almost_everything_is_a_variable(pool: Pool) -> None:
    for seed in range(150):
        made = document(built(), pool, seed, Taste(variable=0.9, null=0.3, left_out=0.1))
        assert validate(built().core, parse(made.query)) == [], str(made)


def test_acts_are_valid_dry_runs(pool: Pool, desk: Desk) -> None:
    for seed in range(300):
        made = acts(built(), pool, desk, seed)
        assert validate(built().core, parse(made.query)) == [], str(made)
        assert acts(built(), pool, desk, seed) == made
        operations: list[Any] = [each for each in parse(made.query).definitions if each.kind == "operation_definition"]
        (operation,) = [each for each in operations if each.operation.value == "mutation"]
        for act in operation.selection_set.selections:
            (dry,) = [each.value for each in act.arguments if each.name.value == "dryRun"]
            assert _is_true(dry, operation, made.variables), str(made)


def _is_true(value: Any, operation: Any, variables: dict[str, Any]) -> bool:
    """Whether an argument can be nothing but true, whatever else may be wrong with the variables."""
    if value.kind != "variable":
        return value.value is True
    name = value.name.value
    (declared,) = [each for each in operation.variable_definitions if each.variable.name.value == name]
    default = declared.default_value.value if declared.default_value else None
    return default is not False and variables.get(name) is not False


def test_a_document_becomes_as_small_as_its_fault(pool: Pool) -> None:
    shown = Document(
        1,
        """query Q($n: Int = 3, $s: String) { ...All other: __typename }
        fragment All on Query { products(first: $n, search: $s) { nodes { name ...Some } totalCount } }
        fragment Some on Product { variants { sku price { amount } } slug }""",
        {"s": "tea"},
    )

    async def fails(candidate: Document) -> bool:
        return "price" in candidate.query

    small = asyncio.run(smaller(built().core, shown, fails))
    assert print_ast(parse(small.query)) == print_ast(
        parse("query Q { products { nodes { variants { price { amount } } } } }")
    )
    assert small.variables == {}
