"""Plans are told to those who may read the schema, and tell nothing of what was asked for."""

from domain.kernel.scopes import Scope
from tests.support.api import Api

QUERY = """query Q($secret: String!) {
  products(first: 3, search: $secret) {
    nodes { name variants { sku unit { code } externalIds { id } } } totalCount } }"""


async def test_a_plan_says_statements_levels_and_batches(api: Api) -> None:
    sku = [{"sku": "EXPLAINED"}]
    await api.data(
        "mutation M($input: ProductCreateInput!) { productCreate(input: $input) { userErrors { code } } }",
        {"input": {"name": "Hidden treasure", "variants": sku}},
    )
    answer = await api.post(QUERY, {"secret": "treasure"}, extensions={"explain": True})
    assert answer["data"]["products"]["totalCount"] == 1
    statement, batch = answer["extensions"]["plan"]
    assert [(each["of"], each["as"], each["rows"]) for each in statement["levels"]] == [
        ("Product", "ListLevel", 1),
        ("ProductVariant", "ManyLevel", 1),
        ("Product", "CountLevel", 1),
    ]
    assert "LEFT OUTER JOIN" not in statement["statement"]  # every variant has a unit
    assert "units" in statement["statement"]
    assert batch == {"batch": "external_ids_of", "of": "ProductVariant", "keys": 1}
    assert "treasure" not in str(answer["extensions"])


async def test_payloads_have_plans_too(api: Api) -> None:
    mutation = 'mutation { customerCreate(input: {name: "X"}, dryRun: true) { customer { name } userErrors { code } } }'
    plan = (await api.post(mutation, extensions={"explain": True}))["extensions"]["plan"]
    assert [[each["of"] for each in part["levels"]] for part in plan] == [["Customer"]]


async def test_without_the_scope_or_the_engine_there_is_no_plan(api: Api) -> None:
    scopes = set(Scope) - {Scope.SCHEMA_READ}
    assert "extensions" not in await api.post(QUERY, {"secret": "x"}, scopes=scopes, extensions={"explain": True})
    assert "extensions" not in await api.post("{ __schema { description } }", extensions={"explain": True})
    assert "extensions" not in await api.post(QUERY, {"secret": "x"}, extensions={"explain": False})
