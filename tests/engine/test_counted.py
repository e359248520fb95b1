"""The number of statements depends on the document alone: for every list that the schema has, wherever it stands.

The documents are made from the schema, so a list that is added tomorrow is in them, or a test here says that it is not.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import asyncpg
import pytest
from graphql import (
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
    parse,
    visit,
)

from api import callers
from api.graphql.engine import operation as engine_operation
from api.graphql.kit import limits
from api.graphql.kit.errors import as_user_errors
from api.graphql.kit.operations import Payload
from api.graphql.kit.reading import Reading
from api.graphql.schema import built
from domain import stock
from domain.kernel.database import Database
from domain.kernel.errors import Invalid, Refusal, Refusals
from domain.kernel.ids import ID
from domain.ledger.charts import CHARTS, Template
from tests.engine.crowd import PAGE, SIZES, Crowd, fill
from tests.support.api import Api
from tests.support.server import Server
from tests.support.shop import number_of

Place = tuple[str, str]
"""A field: the name of its type, and its own."""

HOPS, BELOW_ACTS = 3, 2
"""How many references and lists a document follows, one below the other; and below what an act brought: that is what
queries bring, too.
"""
LARGEST = {"first": PAGE, "ids": ["x"] * PAGE}
"""The variables that say how long lists are, at their largest."""
SALES = [line.code for line in CHARTS[Template.RETAIL]].index("4010")
"""Where the account for sales stands in the chart: each of its lines belongs to an entry with several."""
SAMPLES = {
    "Boolean": False,
    "CountryCode": "DE",
    "CurrencyCode": "USD",
    "Date": "2030-01-01",
    "DateTime": "2030-01-01T00:00:00Z",
    "Decimal": "1.00",
    "ID": "nothing",
    "Int": 1,
    "Quantity": "1",
    "Rate": "1.00",
    "String": "x",
}


# --- selections -----------------------------------------------------------------------------------------------------


def plain(kind: Any) -> list[str]:
    """What of a type needs no hop: its leaves, and amounts of money."""
    made = ["__typename"] if is_abstract_type(kind) else []
    for name, each in _fields(kind).items():
        inner = get_named_type(each.type)
        if is_leaf_type(inner):
            made.append(name)
        elif inner.name == "Money":
            made.append(f"{name} {{ amount currency }}")
    return made


def below(kind: Any, hops: int, above: frozenset[str] = frozenset()) -> dict[str, str]:
    """The other fields of a type, with everything so many hops below them. No type comes up below itself."""
    if is_abstract_type(kind):
        return {each.name: _narrowed(kind, each, hops, above) for each in built().core.get_possible_types(kind)}
    made = {}
    for name, each in _fields(kind).items():
        inner: Any = get_named_type(each.type)
        node = node_of(inner)
        if is_leaf_type(inner) or node.name == "Money" or node.name in above or not hops:
            continue
        selection = everything(node, hops - 1, above | {kind.name})
        size = "$first" if kind.name == "Effects" else "2"
        made[name] = (
            f"{name}(first: {size}) {{ {page(selection)} }}" if inner is not node else f"{name} {{ {selection} }}"
        )
    return made


def everything(kind: Any, hops: int, above: frozenset[str] = frozenset()) -> str:
    """A selection of everything that a type has, so many hops deep; without its braces."""
    return " ".join([*plain(kind), *below(kind, hops, above).values()]) or "__typename"


def page(nodes: str) -> str:
    """A selection of everything that a connection has."""
    info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    return f"totalCount {info} edges {{ cursor }} nodes {{ {nodes} }}"


def node_of(kind: Any) -> Any:
    """The type that a connection lists; any other type stands for itself."""
    return get_named_type(kind.fields["nodes"].type) if kind.name.endswith("Connection") else kind


def _narrowed(general: Any, kind: Any, hops: int, above: frozenset[str]) -> str:
    own = [part for part in plain(kind) if part not in plain(general)]
    selection = " ".join([*own, *below(kind, hops, above).values()])
    return f"... on {kind.name} {{ {selection or '__typename'} }}"


def _fields(kind: Any) -> dict[str, Any]:
    return {name: each for name, each in kind.fields.items() if not any(map(is_required_argument, each.args.values()))}


def sample(kind: Any) -> Any:
    """A value that an argument may have: as little as there can be."""
    nullable: Any = get_nullable_type(kind)
    if is_list_type(nullable):
        return [sample(nullable.of_type)]
    if is_enum_type(nullable):
        return next(iter(nullable.values))
    if not is_input_object_type(nullable):
        return SAMPLES[nullable.name]
    wanted = {name: each for name, each in nullable.fields.items() if is_required_input_field(each)}
    if nullable.extensions["strawberry-definition"].is_one_of:
        wanted = dict([next(iter(nullable.fields.items()))])
    return {name: sample(each.type) for name, each in wanted.items()}


def called(name: str, field: Any) -> tuple[str, str, dict[str, Any]]:
    """A call of a field with the arguments that it needs, the variables for them, and values of those."""
    needed = {each: argument.type for each, argument in field.args.items() if is_required_argument(argument)}
    arguments = ", ".join(f"{each}: ${each}" for each in needed)
    declared = "".join(f"${each}: {kind} " for each, kind in needed.items())
    return f"{name}({arguments})" if needed else name, declared, {each: sample(kind) for each, kind in needed.items()}


# --- documents ------------------------------------------------------------------------------------------------------

Variables = Callable[[int, Crowd], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A document, the list that it is about, and the variables that make that list so long."""

    name: str
    query: str
    about: Place
    variables: Variables

    def __str__(self) -> str:
        return self.name


def case(
    name: str, whole: Callable[[str], str], kind: Any, about: Place, variables: Variables, deepest: int = HOPS
) -> Case:
    """A document with everything of a type, as deep as the limits let it. `whole` puts a selection where it belongs."""
    for hops in range(deepest, 0, -1):
        query = whole(everything(kind, hops))
        if is_affordable(query):
            return Case(name, query, about, variables)
    raise AssertionError(f"{name}: everything one hop deep is beyond the limits, so it takes several documents by now")


def is_affordable(query: str) -> bool:
    """Whether a document passes the limits when its lists are at their largest."""
    document = parse(query)
    operation = get_operation_ast(document)
    assert operation is not None
    limits.check_document(document)
    return limits.cost_of(built().core, built().costs, document, operation, LARGEST) <= limits.COST


def cases() -> Iterator[Case]:
    """Every list of the schema in documents: those of Query, those below them, those of payloads."""
    core, views = built().core, built().declared.views
    query, mutation, node = core.type_map["Query"], core.type_map["Mutation"], core.type_map["Node"]
    assert is_object_type(query)
    assert is_object_type(mutation)
    assert is_interface_type(node)
    for name, field in query.fields.items():
        kind = get_named_type(field.type)
        if node_of(kind) is not kind:
            yield case(
                name,
                lambda inner, name=name: f"query($first: Int) {{ {name}(first: $first) {{ {page(inner)} }} }}",
                node_of(kind),
                ("Query", name),
                lambda size, _: {"first": size},
            )
    for each in core.get_possible_types(node):
        yield case(
            f"nodes-{each.name}",
            lambda inner, on=each.name: (
                f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename ... on {on} {{ {inner} }} }} }}"
            ),
            each,
            ("Query", "nodes"),
            lambda size, crowd, prefix=views[each.name].prefix: {"ids": crowd.ids[prefix][:size]},
        )
    yield case(
        "availability",
        lambda inner: f"query($row: ID!) {{ availability(variantId: $row) {{ {inner} }} }}",
        core.type_map["Availability"],
        ("Availability", "terms"),
        lambda size, crowd: {"row": crowd.wide[size]},
    )
    yield case(
        "trialBalance",
        lambda inner: f"query($on: Date) {{ trialBalance(asOf: $on) {{ {inner} }} }}",
        core.type_map["TrialBalance"],
        ("TrialBalance", "rows"),
        lambda size, crowd: {"on": crowd.days[size].isoformat()},
    )
    yield case(
        "numberSeries",
        lambda inner: f"query($since: Int) {{ numberSeries(since: $since) {{ {inner} }} }}",
        core.type_map["NumberSeries"],
        ("Query", "numberSeries"),
        lambda size, crowd: {"since": crowd.years[size]},
    )
    for name, kind, amounts in (
        ("profitAndLoss", "ProfitAndLoss", "result"),
        ("cashFlow", "CashFlowStatement", "closing"),
    ):
        yield case(
            name,
            lambda inner, name=name: f"query($spans: [StatementDaysInput!]!) {{ {name}(spans: $spans) {{ {inner} }} }}",
            core.type_map[kind],
            (kind, amounts),
            lambda size, _: {"spans": [{"since": "2020-01-01", "until": "2099-12-31"}] * size},
        )
    yield case(
        "balanceSheet",
        lambda inner: f"query($on: [Date!]!) {{ balanceSheet(asOf: $on) {{ {inner} }} }}",
        core.type_map["BalanceSheet"],
        ("BalanceSheet", "assets"),
        lambda size, _: {"on": ["2099-12-31"] * size},
    )
    yield case(
        "budgetReport",
        lambda inner: (
            f"query($id: ID!, $of: [ID!]) {{ budgetReport(id: $id, dimensions: {{locationIds: $of}}) {{ {inner} }} }}"
        ),
        core.type_map["BudgetReport"],
        ("BudgetReport", "rows"),
        lambda size, crowd: {"id": crowd.ids["bdg"][0], "of": crowd.ids["loc"][:size]},
    )
    yield case(
        "generalLedger",
        lambda inner: f"query($span: StatementDaysInput!) {{ generalLedger(span: $span) {{ {inner} }} }}",
        core.type_map["GeneralLedger"],
        ("GeneralLedger", "rows"),
        lambda size, crowd: {"span": {"since": "2020-01-01", "until": crowd.days[size].isoformat()}},
    )
    yield case(
        "accountStatement",
        lambda inner: (
            "query($of: ID!, $first: Int!) { accountStatement(accountId: $of, first: $first,"
            f' span: {{since: "2020-01-01", until: "2099-12-31"}}) {{ {inner} }} }}'
        ),
        core.type_map["AccountStatement"],
        ("AccountStatement", "lines"),
        lambda size, crowd: {"of": crowd.ids["acc"][SALES], "first": size},
    )
    yield case(
        "stockValuation",
        lambda inner: f"query($places: [ID!]) {{ stockValuation(locationIds: $places) {{ {inner} }} }}",
        core.type_map["StockValuation"],
        ("StockValuation", "rows"),
        lambda size, crowd: {"places": crowd.ids["loc"][:size]},
    )
    for name, field in mutation.fields.items():
        call, declared, given = called(name, field)
        payload = get_named_type(field.type)
        yield case(
            name,
            lambda inner, head=f"mutation({declared}$first: Int)", call=call: f"{head} {{ {call} {{ {inner} }} }}",
            payload,
            (payload.name, "userErrors"),
            lambda size, _, given=given: {**given, "first": size},
            BELOW_ACTS,
        )


CASES = list(cases())


def is_list(parent: Any, field: Any) -> bool:
    """Whether a field shows a list of objects, by pages or whole. What pages consist of counts with their field."""
    inner: Any = get_named_type(field.type)
    if parent.name.endswith("Connection") or not is_composite_type(inner):
        return False
    return is_list_type(get_nullable_type(field.type)) or node_of(inner) is not inner


def lists_in(query: str) -> set[Place]:
    """The lists that a document asks for."""
    info = TypeInfo(built().core)

    found: set[Place] = set()

    class Finder(Visitor):
        def enter_field(self, node: Any, *_: Any) -> None:
            parent, field = info.get_parent_type(), info.get_field_def()
            if parent is not None and field is not None and is_list(parent, field):
                found.add((parent.name, node.name.value))

    visit(parse(query), TypeInfoVisitor(info, Finder()))
    return found


def rows_in(value: Any, kind: Any) -> Counter[Place]:
    """How many rows each list of an answer brought."""
    found: Counter[Place] = Counter()
    if is_abstract_type(kind):
        kind = built().core.type_map[value["__typename"]]
    below = _below(kind.name)
    for name, shown in value.items():
        if not shown or name not in below:
            continue
        inner, several = below[name]
        rows = [each for each in (shown if isinstance(shown, list) else [shown]) if each is not None]
        if several:
            found[kind.name, name] += len(shown["nodes"]) if isinstance(shown, dict) else len(rows)
        for each in rows:
            found.update(rows_in(each, inner))
    return found


@cache
def _below(kind: str) -> dict[str, tuple[Any, bool]]:
    """The fields of a type with something below them: of what type that is, and whether it is a list."""
    of: Any = built().core.type_map[kind]
    inner = {name: get_named_type(field.type) for name, field in of.fields.items()}
    return {name: (inner[name], is_list(of, of.fields[name])) for name in inner if is_composite_type(inner[name])}


# --- the shop -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def crowd(api: Api, server: Server, database_name: str, database: Database) -> AsyncIterator[Crowd]:
    """The shop. Callers are remembered as long as it takes: to look one up again is a statement more."""
    owner = await asyncpg.connect(server.owner_url(database_name))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(callers, "REMEMBERED_SECONDS", 3_600)
        await api.data("{ viewer { id } }")
        yield await fill(database, owner)
    await owner.close()


async def counted(api: Api, query: str, variables: dict[str, Any]) -> tuple[Counter[Place], list[str]]:
    """The rows of each list in the answer, and the statements that it took."""
    async with api.counted() as statements:
        data = await api.data(query, variables)
    operation: Any = get_operation_ast(parse(query))
    return rows_in(data, built().core.get_root_type(operation.operation)), statements


# --- tests ----------------------------------------------------------------------------------------------------------


def test_every_list_of_the_schema_is_in_a_document_here() -> None:
    kinds: list[Any] = [each for each in built().core.type_map.values() if not each.name.startswith("__")]
    wanted = {
        (kind.name, name)
        for kind in kinds
        if is_object_type(kind)
        for name, field in kind.fields.items()
        if is_list(kind, field)
    }
    assert set().union(*(lists_in(each.query) for each in CASES)) == wanted
    assert len(wanted) > 50


@pytest.mark.parametrize("each", CASES, ids=str)
async def test_one_row_takes_as_many_statements_as_a_page_of_them(
    api: Api, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, each: Case
) -> None:
    counts, found = [], []
    for size in SIZES:
        acted(monkeypatch, crowd, size)
        rows, statements = await counted(api, each.query, each.variables(size, crowd))
        counts.append(number_of(statements))
        found.append(rows)
    assert counts[0] <= counts[1] == counts[2]  # of one row something may be missing, and then it is not asked for
    lengths = [rows[each.about] for rows in found]
    assert lengths == [size * max(1, lengths[0]) for size in SIZES]
    lists = lists_in(each.query)
    assert set(found[-1]) == lists  # none of them was empty
    assert sum(found[-1].values()) > 1_000 or lists == {each.about}


async def test_a_statement_for_each_row_would_be_noticed(
    api: Api, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared: Any = built().declared.fields["Product", "externalIds"]
    names = declared.function

    async def one_by_one(ids: list[ID], reading: Reading) -> dict[ID, Any]:
        found = {}
        for each in ids:
            found |= await names([each], reading)
        return found

    monkeypatch.setattr(declared, "function", one_by_one)
    query = "query Slow($first: Int) { products(first: $first) { nodes { externalIds { id } } } }"
    counts = [number_of((await counted(api, query, {"first": size}))[1]) for size in (1, 10)]
    assert counts[1] == counts[0] + 9


def acted(monkeypatch: pytest.MonkeyPatch, crowd: Crowd, size: int) -> None:
    """Mutations do nothing, and answer as an act that changed so many rows, and was refused as often in each way."""
    refusals: list[Refusal] = [Invalid("Wrong.")] * size
    for row in crowd.ids["var"][:size]:
        refusals.append(stock.InsufficientStock("Less.", variant=row, requested=Decimal(2)))
        refusals.append(stock.StaleQuantity("Other.", variant=row, present=Decimal(1)))

    async def perform(
        _context: Any, _operation: Any, _noun: Any, _given: Any, *, response_key: str, **_: Any
    ) -> Payload:
        mutations: Any = built().core.type_map["Mutation"]
        payload = get_named_type(mutations.fields[response_key].type)
        nouns = built().declared.payloads[payload.name].items()
        return Payload(
            {
                name: crowd.ids[view.prefix][:size] if several else crowd.ids[view.prefix][0]
                for name, (view, several) in nouns
            },
            act=crowd.act,
            user_errors=as_user_errors(Refusals(refusals)),
        )

    monkeypatch.setattr(engine_operation, "perform", perform)
