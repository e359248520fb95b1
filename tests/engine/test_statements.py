"""The number of statements depends on the document alone, for every list of the schema."""

from typing import Any

import pytest
from graphql import get_named_type

from api.graphql.documents import Documents
from api.graphql.schema import built
from bench import dataset
from tests.engine.whole import NESTED_PAGE, Whole, is_list, lists_of
from tests.graphql.test_lists import is_read
from tests.support import books
from tests.support.api import Api
from tests.support.shop import a_few_of_everything

QUERY = built().core.query_type
assert QUERY is not None
LISTS = sorted(name for name, field in QUERY.fields.items() if is_list(field) and "first" in field.args)
MANY = {"products", "variants", "stockLevels", "stockMovements", "customers", "orders"}
"""Lists of which there are more than a page."""
SIZES = ((2, NESTED_PAGE), (1, NESTED_PAGE), (1, 1))
"""How deep documents go, and how many of each page within: the first that is not too costly."""
ASKED: set[str] = set()
"""The lists of Query that were asked for; behind it all lists within them."""
ANSWERED: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
async def shop(api: Api) -> Api:
    await dataset.load(api.services.database, dataset.Size(products=300, customers=300, orders=300))
    await a_few_of_everything(api)
    await books.budgets_of_each_kind(api)
    return api


def _document(name: str, depth: int, page: int) -> tuple[str, set[tuple[str, str]]]:
    assert QUERY is not None
    whole = Whole(built().core, page=page)
    selected = whole.of(get_named_type(QUERY.fields[name].type), depth)
    return f"query Q($first: Int) {{ {name}(first: $first) {{ {selected} }} }}", whole.lists


def _objects(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_objects, value.values()))
    return sum(map(_objects, value)) if isinstance(value, list) else 0


@pytest.mark.parametrize("name", LISTS)
async def test_as_many_statements_for_ten_rows_as_for_a_thousand(shop: Api, name: str) -> None:
    query, lists = next(found for size in SIZES if _cost((found := _document(name, *size))[0]) <= 100_000)
    for first in (1, 250):  # the driver asks a new connection about its types, once
        await shop.data(query, {"first": first})
    counts, sizes, size = [], [], 0
    for first in (1, 10, 250):
        counted = []
        for _ in range(2):  # the smaller one: the process reads for itself now and then
            async with shop.counted() as statements:
                size = _objects(await shop.data(query, {"first": first}))
            counted.append(len([each for each in statements if is_read(each)]))
        counts.append(min(counted))
        sizes.append(size)
    assert counts[1] == counts[2] > 0
    assert counts[0] <= counts[1]  # a batch function is not called for nothing
    if name in MANY:
        assert sizes[2] > 1_000
        assert sizes[0] < sizes[1] < sizes[2]
    ASKED.add(name)
    ANSWERED.update(lists)


ROWS = "rows { account { code parent { code } } amounts { amount } }"
RESULT = ("income", "expenses", "result")
SHEET = ("assets", "liabilities", "equity", "result")
CASH = ("opening", "result", "operating", "investing", "financing", "closing")


async def test_as_many_statements_for_reports_of_any_length(shop: Api) -> None:
    (budget, *_) = (await shop.data("{ budgets { nodes { id } } }"))["budgets"]["nodes"]
    planned = "rows { account { code } budget { amount } actual { amount } difference { amount } }"
    for selected, key in (
        *(
            (f'budgetReport(id: "{budget["id"]}") {{ monthsStartOn {planned} }}', key)
            for key in (
                ("BudgetReport", "rows"),
                *(("BudgetReportRow", name) for name in ("budget", "actual", "difference")),
            )
        ),
        ("trialBalance { rows { account { code parent { code } } debit { amount } } }", ("TrialBalance", "rows")),
        (
            'generalLedger(span: {since: "2020-01-01", until: "2099-01-01"})'
            " { rows { account { code } closing { amount } } }",
            ("GeneralLedger", "rows"),
        ),
        (
            f'accountStatement(accountId: "{await books.account_id(shop, "1000")}", first: 250,'
            ' span: {since: "2020-01-01", until: "2099-01-01"})'
            " { lines { entry { id } account { code } balance { amount } } }",
            ("AccountStatement", "lines"),
        ),
        ("numberSeries { last count gaps }", ("Query", "numberSeries")),
        ("stockValuation { rows { location { name } value { amount } } }", ("StockValuation", "rows")),
        *(
            (f"{report} {{ {lists} }}", (kind, name))
            for report, kind, names in (
                ('profitAndLoss(spans: [{since: "2020-01-01", until: "2099-01-01"}])', "ProfitAndLoss", RESULT),
                ('balanceSheet(asOf: ["2099-01-01"])', "BalanceSheet", SHEET),
                ('cashFlow(spans: [{since: "2020-01-01", until: "2099-01-01"}])', "CashFlowStatement", CASH),
            )
            for lists in [" ".join([*(f"{each} {{ amount }}" for each in names), ROWS])]
            for name in (*names, "rows")
        ),
        (
            "variants(first: 250) { nodes { availability { terms { kind location { name } } } } }",
            ("Availability", "terms"),
        ),
    ):
        async with shop.counted() as statements:
            await shop.data(f"{{ {selected} }}")
        assert 0 < len([each for each in statements if is_read(each)]) <= 6
        ANSWERED.add(key)
    ANSWERED.add(("StatementRow", "amounts"))


def test_every_list_of_the_schema_was_asked_for() -> None:
    if set(LISTS) - ASKED:
        pytest.skip("only after all of the lists above")
    roots = {("Query", name) for name in LISTS}
    assert lists_of(built().core) - ANSWERED - roots == {("Query", "nodes")}


def _cost(query: str) -> int:
    prepared = Documents(built()).prepare(query, None, {}, hints=False)
    return prepared.cost(built(), {"first": 250})
