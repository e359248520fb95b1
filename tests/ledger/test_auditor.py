"""An auditor reads the books: in the database with a role of their own, over the API with scopes that only read."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

from api.graphql.schema import built
from domain.kernel.scopes import AUDITOR, Scope
from domain.tables import metadata
from tests.support import books, shop
from tests.support.api import Api
from tests.support.process import waterline
from tests.support.server import Server

BOOKS = {
    "accounts",
    "accounting_periods",
    "document_numbers",
    "exchange_rates",
    "fiscal_years",
    "journal_entries",
    "journal_lines",
    "journal_seals",
    "number_series",
    "retention_policies",
}
PERSONS = (
    "customers",
    "customer_addresses",
    "orders",
    "order_addresses",
    "open_items",
    "events",
    "access_tokens",
    "apps",
)
OURS = pytest.mark.skipif("DATABASE_URL" in os.environ, reason="only the embedded server lets in without a password")


# --- in the database ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def shop_with_books(api: Api) -> Api:
    """Somebody bought something, and it is in the books."""
    await shop.a_few_of_everything(api)
    await shop.done(api, books.POST, {"input": books.bill("Paper & Sons", "12.00")})
    await books.budgets_of_each_kind(api)
    await shop.numbered(api)
    await shop.sealed(api)
    return api


@pytest.fixture(params=["as it logs in", "as it likes"])
async def auditor(
    request: pytest.FixtureRequest, shop_with_books: Api, server: Server, database_name: str
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The auditor's role; once more after it said that its transactions may write."""
    assert shop_with_books.url
    connection = await asyncpg.connect(server.auditor_url(database_name))
    assert await connection.fetchval("SHOW transaction_read_only") == "on"
    if request.param == "as it likes":
        await connection.execute("SET default_transaction_read_only = off")
    yield connection
    await connection.close()


def test_the_books_are_these_tables() -> None:
    assert {table.name for table in metadata.sorted_tables if table.info.get("books")} == BOOKS


@OURS
async def test_the_role_reads_the_books_and_nothing_else(auditor: "asyncpg.Connection[asyncpg.Record]") -> None:
    everything = await auditor.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    names = {each["relname"] for each in everything}
    assert names > BOOKS
    assert set(PERSONS) <= names
    for name in names:
        if name in BOOKS:
            assert await auditor.fetchval(f"SELECT count(*) FROM {name}") >= 0
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await auditor.fetch(f"SELECT FROM {name} LIMIT 1")
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            assert not await auditor.fetchval("SELECT has_table_privilege($1, $2)", name, right), (name, right)
        assert not await auditor.fetchval("SELECT has_any_column_privilege($1, 'INSERT, UPDATE, REFERENCES')", name)
    for name in BOOKS - {"fiscal_years", "exchange_rates"}:
        assert await auditor.fetchval(f"SELECT count(*) FROM {name}") > 0, name


@OURS
async def test_the_role_can_add_up_what_it_reads(auditor: "asyncpg.Connection[asyncpg.Record]") -> None:
    balance = """SELECT sum(debit_base), sum(credit_base), count(*) FROM journal_entries AS entry
      JOIN journal_lines AS line ON line.entry_id = entry.id JOIN accounts ON accounts.id = account_id
      JOIN accounting_periods AS period ON period.id = period_id
      LEFT JOIN journal_seals AS seal ON seal.entry_id = entry.id"""
    found = await auditor.fetchrow(balance)
    assert found is not None
    assert found[0] == found[1] > 0
    assert found[2] > 0


@OURS
@pytest.mark.parametrize("table", sorted(BOOKS))
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} DEFAULT VALUES",
        "UPDATE {0} SET {1} = {1}",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "LOCK TABLE {} IN EXCLUSIVE MODE",
        "SELECT FROM {} FOR UPDATE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {}",
    ],
)
async def test_the_role_writes_nothing(
    auditor: "asyncpg.Connection[asyncpg.Record]", table: str, statement: str
) -> None:
    column = next(iter(metadata.tables[table].c)).name
    before = await auditor.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        async with auditor.transaction():  # LOCK wants one
            await auditor.execute(statement.format(table, column))
    assert await auditor.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") == before


@OURS
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events DEFAULT VALUES",
        "DELETE FROM customers",
        "UPDATE business SET name = 'Ours'",
        "SELECT nextval('journal_entry_numbers')",
        "SELECT setval('journal_entry_numbers', 1)",
        "SELECT uuid7()",
        "SELECT promise_retention()",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE mine",
        "COPY accounts TO '/tmp/accounts'",
        "SET ROLE waterline_app",
        "SET ROLE waterline_owner",
        "SET session_replication_role = replica",
    ],
)
async def test_the_role_changes_nothing_else_either(
    auditor: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    refused = (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)
    with pytest.raises(refused):
        await auditor.execute(statement)


@OURS
async def test_the_role_owns_nothing_and_is_nobody_special(auditor: "asyncpg.Connection[asyncpg.Record]") -> None:
    special = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
    assert tuple(await auditor.fetchrow(f"{special} WHERE rolname = current_user") or ()) == (False,) * 5
    assert await auditor.fetch("SELECT FROM pg_class WHERE relowner = current_user::regrole") == []
    assert await auditor.fetch("SELECT FROM pg_auth_members WHERE member = current_user::regrole") == []


# --- over the API ---------------------------------------------------------------------------------------------------


def literal(kind: Any) -> str:
    """Something that a document may say where this type is wanted."""
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{literal(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = {name: each for name, each in kind.fields.items() if is_required_input_field(each)}
        chosen = needed or dict([next(iter(kind.fields.items()))])  # what is one of several
        return f"{{{', '.join(f'{name}: {literal(each.type)}' for name, each in chosen.items())}}}"
    assert isinstance(kind, GraphQLScalarType)
    named = {"Date": f'"{books.today()}"', "DateTime": '"2026-01-01T00:00:00Z"', "Int": "1", "Boolean": "true"}
    more = {"CurrencyCode": '"USD"', "CountryCode": '"US"', "JSON": "{}"}
    return (named | more).get(kind.name, '"1"')


def call(name: str, field: GraphQLField, given: dict[str, str] | None = None) -> str:
    """A field with the arguments that it demands, and `__typename` of what it answers, or as much as there is."""

    def said(argument: str, each: GraphQLArgument) -> str:
        return f"{argument}: {(given or {}).get(argument) or literal(each.type)}"

    arguments = [said(argument, each) for argument, each in field.args.items() if is_required_argument(each)]
    told = f"({', '.join(arguments)})" if arguments else ""
    selection = (
        "" if isinstance(get_named_type(field.type), (GraphQLScalarType, GraphQLEnumType)) else " { __typename }"
    )
    return f"{name}{told}{selection}"


def fields(root: GraphQLObjectType | None) -> dict[str, GraphQLField]:
    assert root is not None
    return dict(root.fields)


MUTATIONS = fields(built().core.mutation_type)
QUERIES = {
    name: field
    for name, field in fields(built().core.query_type).items()
    if Scope.LEDGER_READ in (built().access.needed("Query", name, get_named_type(field.type).name) or ())
}


def test_an_auditor_may_read_everything() -> None:
    assert {scope for scope in Scope if scope.endswith(":read")} == AUDITOR
    assert not any(
        verb in scope for scope in AUDITOR for verb in (":write", ":close", ":reopen", ":refund", ":override")
    )
    assert len(MUTATIONS) > 60
    assert {"journalEntries", "trialBalance", "ledgerVerify", "fiscalYears", "retentionPolicy"} <= set(QUERIES)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_every_mutation_refuses_an_auditor(shop_with_books: Api, name: str) -> None:
    answer = await shop_with_books.post(f"mutation {{ {call(name, MUTATIONS[name])} }}", scopes=AUDITOR)
    assert answer.get("data") is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN", error


@pytest.mark.parametrize("name", QUERIES)
async def test_every_question_about_the_books_is_answered(shop_with_books: Api, name: str) -> None:
    budgets = await shop_with_books.data("{ budgets(first: 1) { nodes { id } } }", scopes=AUDITOR)
    given = {"id": f'"{budgets["budgets"]["nodes"][0]["id"]}"'} if name == "budgetReport" else {}
    answer = await shop_with_books.post(f"{{ {call(name, QUERIES[name], given)} }}", scopes=AUDITOR)
    assert "errors" not in answer, answer["errors"]


async def test_the_command_line_gives_an_auditor_a_token_and_a_client(
    shop_with_books: Api, server: Server, database_name: str, tmp_path: Path
) -> None:
    urls = {"DATABASE_URL": server.app_url(database_name), "DATABASE_ADMIN_URL": server.owner_url(database_name)}
    told = waterline(tmp_path, "token", "--auditor", **urls)
    assert told.returncode == 0, told.stderr
    headers = {"authorization": f"Bearer {told.stdout.strip()}"}
    query = {"query": "{ viewer { scopes } }"}
    answer = (await shop_with_books.client.post("/graphql", json=query, headers=headers)).json()
    assert set(answer["data"]["viewer"]["scopes"]) == AUDITOR
    registered = waterline(tmp_path, "client", "Auditors & Co", "--auditor", **urls)
    assert registered.returncode == 0, registered.stderr
    secret = dict(line.split("=", 1) for line in registered.stdout.split())
    grant = {"grant_type": "client_credentials", **secret}
    token = (await shop_with_books.client.post("/oauth/token", data=grant)).json()
    assert set(token["scope"].split()) == AUDITOR
    wider = (await shop_with_books.client.post("/oauth/token", data={**grant, "scope": "ledger:write"})).json()
    assert wider["error"] == "invalid_scope"
    for more in (("--scope", "ledger:write"), ("--all",)):
        refused = waterline(tmp_path, "token", "--auditor", *more, **urls)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "An auditor reads everything and changes nothing." in refused.stderr
