"""Each cheat is stopped by the guard that claims to stop it: with the guard it is refused, without it goes through.

So no guard stands idle behind another one, and no test passes because something else refused. The owner of the tables
takes one guard down at a time, inside a transaction that is rolled back.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from tests.support import books, shop
from tests.support.api import Api
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
ENTRY = "'00000000-0000-7000-8000-000000000001'"
CHECKED = "SET CONSTRAINTS ALL IMMEDIATE"


def posted(lines: str, *, kind: str = "ORDINARY", manual: bool = False, more: str = "", value: str = "") -> list[str]:
    """Statements that post an entry of today: the entry, its lines, its event. A line: n, code, debit, credit, item."""
    return [
        f"""INSERT INTO journal_entries
          (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act, kind{more})
        SELECT {ENTRY}, current_date, now(), now(), 'Cheat', 'USD', {manual}, id, uuid7(), '{kind}'{value}
        FROM accounting_periods WHERE current_date BETWEEN starts_on AND ends_on""",
        f"""INSERT INTO journal_lines (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency,
          debit_base, credit_base, item_id)
        SELECT {ENTRY}, line.n, (SELECT id FROM accounts WHERE code = line.code), current_date, 'USD', line.debit,
          line.credit, 'USD', line.debit, line.credit, line.item::uuid
        FROM (VALUES {lines}) AS line(n, code, debit, credit, item)""",
        books.ANNOUNCED,
    ]


def taking_back(description: str, lines: str) -> list[str]:
    """Statements that post an entry of today as the reversal of another."""
    named = f", (SELECT id FROM journal_entries WHERE description = '{description}')"
    return posted(lines, more=", reversal_of_id", value=named)


GOOD = "(1, '6010', 5::numeric, 0::numeric, NULL), (2, '1020', 0, 5, NULL)"
BACK = "(1, '6090', 0::numeric, 3::numeric, NULL), (2, '1020', 3, 0, NULL)"
NO_REVERSALS = [
    taking_back("Standing", BACK.replace("3", "2")),
    taking_back("Standing", BACK.replace("6090", "6030")),
    taking_back("Standing", "(1, '6090', 3::numeric, 0::numeric, NULL), (2, '1020', 0, 3, NULL)"),
    taking_back("Standing", BACK.replace("3, 0, NULL)", "2, 0, NULL), (3, '1020', 1, 0, NULL)")),
    taking_back("Standing", "(1, '1020', 3::numeric, 0::numeric, NULL), (2, '6090', 0, 3, NULL)"),
    taking_back("Of a project", BACK),
    taking_back("Of tomorrow", BACK),
    posted(GOOD, more=", reversal_of_id", value=f", {ENTRY}"),
]
"""Other amounts, another account, the same sides, a line more, another order, no dimension, too early, itself."""
LAST = "starts_on = (SELECT max(starts_on) FROM accounting_periods)"
NUMBER = """INSERT INTO document_numbers (kind, year, document, recorded_at, act{more})
  SELECT 'INVOICE', extract(year FROM now()), 'inv_' || replace(uuid7()::text, '-', ''), now(), uuid7(){value}"""
OPENING = "INSERT INTO opening_balances (id, started_at, completed_at) VALUES (uuid7(), now(), {completed})"
YEAR = """INSERT INTO fiscal_years (id, starts_on, ends_on, closed_at)
  SELECT uuid7(), make_date(y - 1, 1, 1), make_date(y - 1, 12, 31), now()
  FROM CAST(extract(year FROM now()) AS int) AS y"""
WAITING = """
INSERT INTO journal_seals (position, entry_id, event_id, digest)
SELECT (SELECT max(position) + 1 FROM journal_seals), substr(subject, 5)::uuid, id, sha256('no') FROM events
WHERE type = 'journal_entry.posted' AND substr(subject, 5)::uuid NOT IN (SELECT entry_id FROM journal_seals)
ORDER BY epoch DESC, order_key DESC, seq DESC LIMIT 1
"""


@dataclass(frozen=True)
class Guard:
    """A trigger or a constraint of a table, what it stops, and what has to be there before."""

    table: str
    name: str
    cheat: Sequence[str]
    before: Sequence[str] = field(default_factory=list)

    @property
    def down(self) -> str:
        """The statement that takes it down."""
        if self.name.startswith("uq_"):
            return f"DROP INDEX {self.name}"
        if self.name.startswith(("ck_", "ex_")):
            return f"ALTER TABLE {self.table} DROP CONSTRAINT {self.name}"
        return f"ALTER TABLE {self.table} DISABLE TRIGGER {self.name}"


GUARDS = [
    Guard(
        "journal_entries",
        "journal_entry_guard",
        posted(GOOD),
        ["UPDATE accounting_periods SET state = 'LOCKED' WHERE starts_on <= current_date"],
    ),
    Guard(
        "journal_entries",
        "journal_entry_guard",
        [each.replace(" id, uuid7(),", " uuid7(), uuid7(),") for each in posted(GOOD)],
    ),
    Guard("journal_entries", "journal_entry_demands_lines", [posted(GOOD)[0], books.ANNOUNCED]),
    Guard("journal_entries", "journal_entry_demands_lines", posted(GOOD)[:2]),
    Guard("journal_entries", "journal_entries_permanent", ["UPDATE journal_entries SET description = 'Other'"]),
    Guard(
        "journal_entries",
        "journal_entry_opening_guard",
        posted(GOOD, kind="OPENING"),
        [OPENING.format(completed="now()")],
    ),
    Guard(
        "journal_entries",
        "ck_journal_entries_description_filled",
        [each.replace("'Cheat'", "''") for each in posted(GOOD)],
    ),
    Guard("journal_entries", "ck_journal_entries_rate_positive", posted(GOOD, more=", exchange_rate", value=", 0")),
    Guard("journal_entries", "ck_journal_entries_kind_known", posted(GOOD, kind="OTHER")),
    Guard(
        "journal_entries",
        "ck_journal_entries_currency_code",
        [each.replace("'USD'", "'usd'", 1) for each in posted(GOOD)],
    ),
    Guard(
        "journal_entries",
        "uq_journal_entries_reversal_of_id",
        taking_back("Taken back", BACK),
    ),
    *(Guard("journal_entries", "journal_entry_takes_back", cheat) for cheat in NO_REVERSALS),
    Guard("journal_lines", "journal_lines_guard", posted(GOOD.replace("0, 5", "0, 4"))),
    Guard("journal_lines", "journal_lines_guard", posted(GOOD)[1:2]),
    Guard("journal_lines", "journal_lines_tied_to_stock", posted(GOOD.replace("6010", "1200"))),
    Guard("journal_lines", "journal_lines_permanent", ["UPDATE journal_lines SET project_id = NULL"]),
    Guard(
        "journal_lines",
        "ck_journal_lines_one_side",
        posted(GOOD.replace("5::numeric, 0::numeric", "5, 5").replace("0, 5", "5, 5")),
    ),
    Guard("journal_lines", "ck_journal_lines_numbers", posted(GOOD.replace("5", "'NaN'").replace("''NaN'", "'5"))),
    Guard("journal_seals", "journal_seals_guard", [WAITING]),
    Guard("journal_seals", "journal_seals_permanent", ["UPDATE journal_seals SET digest = sha256(digest)"]),
    Guard("journal_days", "journal_days_follow", ["UPDATE journal_days SET debit = debit + 1"]),
    Guard("journal_days", "journal_days_stay", ["DELETE FROM journal_days"]),
    Guard(
        "accounts",
        "account_parent_guard",
        ["UPDATE accounts SET parent_id = (SELECT id FROM accounts WHERE code = '6090') WHERE code = '6030'"],
    ),
    Guard("accounts", "account_use_guard", ["UPDATE accounts SET type = 'ASSET' WHERE code = '6090'"]),
    Guard("business", "business_guard", ["UPDATE business SET base_currency = 'EUR'"]),
    Guard("business", "business_stays", ["DELETE FROM business WHERE false"]),
    Guard(
        "accounting_periods", "period_days_guard", [f"UPDATE accounting_periods SET ends_on = ends_on - 1 WHERE {LAST}"]
    ),
    Guard("accounting_periods", "period_order_guard", [f"UPDATE accounting_periods SET state = 'LOCKED' WHERE {LAST}"]),
    Guard("accounting_periods", "periods_keep_their_ids", [f"UPDATE accounting_periods SET id = uuid7() WHERE {LAST}"]),
    Guard("accounting_periods", "periods_stay", [f"DELETE FROM accounting_periods WHERE {LAST}"]),
    Guard(
        "accounting_periods",
        "ex_accounting_periods_overlap",
        [f"INSERT INTO accounting_periods SELECT uuid7(), starts_on + 1, ends_on FROM accounting_periods WHERE {LAST}"],
    ),
    Guard(
        "document_numbers",
        "document_numbers_taken",
        [NUMBER.format(more=", n", value=", 2")],
        [NUMBER.format(more="", value="")],
    ),
    Guard(
        "document_numbers",
        "document_numbers_permanent",
        ["UPDATE document_numbers SET recorded_at = now() - interval '1 day'"],
        [NUMBER.format(more="", value="")],
    ),
    Guard(
        "number_series",
        "number_series_follow",
        ["UPDATE number_series SET last = last + 1"],
        [NUMBER.format(more="", value="")],
    ),
    Guard("number_series", "number_series_stay", ["DELETE FROM number_series"], [NUMBER.format(more="", value="")]),
    Guard(
        "open_items",
        "open_items_founded",
        [
            """INSERT INTO open_items
              (id, account_id, party, currency, is_debit, opened_on, due_on, entry_id, created_at)
            SELECT uuid7(), account_id, 'No', 'USD', false, opened_on, due_on, entry_id, now()
            FROM open_items LIMIT 1"""
        ],
    ),
    Guard("open_items", "open_items_follow", ["UPDATE open_items SET balance = -1, balance_base = -1"]),
    Guard("open_items", "open_items_stay", ["DELETE FROM open_items WHERE false"]),
    Guard(
        "open_items",
        "ck_open_items_not_beyond_zero",
        [
            each.replace("line.item::uuid", "(SELECT id FROM open_items WHERE line.n = 1 LIMIT 1)")
            for each in posted("(1, '2010', 11::numeric, 0::numeric, NULL), (2, '1020', 0, 11, NULL)")
        ],
    ),
    Guard("dimension_values", "dimension_values_stay", ["DELETE FROM dimension_values"]),
    Guard(
        "opening_balances",
        "opening_balances_guard",
        ["UPDATE opening_balances SET completed_at = now()"],
        [OPENING.format(completed="NULL"), *posted(GOOD.replace("6010", "3900"), kind="OPENING"), CHECKED],
    ),
    Guard(
        "opening_balances",
        "opening_balances_stay",
        ["DELETE FROM opening_balances"],
        [OPENING.format(completed="NULL")],
    ),
    Guard(
        "recurring_entry_lines",
        "recurring_entry_lines_guard",
        [
            """INSERT INTO recurring_entry_lines (recurring_id, n, account_id, currency, debit, credit)
            SELECT recurring_id, 3, account_id, currency, debit, credit FROM recurring_entry_lines LIMIT 1"""
        ],
    ),
    Guard(
        "recurring_occurrences",
        "recurring_occurrences_guard",
        [
            """INSERT INTO recurring_occurrences (id, recurring_id, n, due_on, entry_id, posted_at)
            SELECT uuid7(), recurring_id, 7, due_on + 1, (SELECT id FROM journal_entries ORDER BY id LIMIT 1), now()
            FROM recurring_occurrences LIMIT 1"""
        ],
    ),
    Guard(
        "recurring_occurrences",
        "recurring_occurrences_permanent",
        ["UPDATE recurring_occurrences SET posted_at = now() - interval '1 day'"],
    ),
    Guard("recurring_entries", "recurring_entries_stay", ["DELETE FROM recurring_entries WHERE false"]),
    Guard(
        "budget_lines",
        "budget_lines_guard",
        [
            """INSERT INTO budget_lines (id, version_id, n, account_id, month, currency, amount)
            SELECT uuid7(), version_id, 99, account_id, month + interval '5 months', currency, 1
            FROM budget_lines LIMIT 1"""
        ],
    ),
    Guard("budget_lines", "budget_lines_permanent", ["UPDATE budget_lines SET amount = amount + 1"]),
    Guard(
        "budget_versions",
        "budget_versions_permanent",
        ["UPDATE budget_versions SET created_at = now() - interval '1 day'"],
    ),
    Guard("budgets", "budgets_stay", ["DELETE FROM budgets WHERE false"]),
    Guard(
        "budgets",
        "ex_budgets_active",
        [
            """INSERT INTO budgets (id, name, starts_on, ends_on, control, status, created_at, updated_at)
            SELECT uuid7(), 'Other', starts_on, ends_on, 'NONE', 'ACTIVE', now(), now()
            FROM budgets WHERE status = 'ACTIVE'"""
        ],
    ),
    Guard("fiscal_years", "fiscal_years_promised", ["UPDATE fiscal_years SET retention_years = 1"], [YEAR]),
    Guard("fiscal_years", "fiscal_years_stay", ["DELETE FROM fiscal_years"], [YEAR]),
    Guard("retention_policies", "retention_policies_guard", ["UPDATE retention_policies SET years = 1"], [YEAR]),
    Guard("retention_policies", "retention_policies_stay", ["DELETE FROM retention_policies"]),
]
NO_REFUSAL = {
    "journal_seals_followed": "keeps the sums by day",
    "open_items_begin": "an item begins at zero",
    "budget_versions_begin": "stamps the transaction of a version",
    "period_state_guard": "waits for whoever is posting",
    "budgets_await_postings": "waits for whoever is posting",
    "document_numbers_followed": "moves the counter along with the numbers",
    **dict.fromkeys(
        (f"{each}_renew_posting_basis" for each in ("business", "accounts", "accounting_periods", "budgets")),
        "renews the mark of what postings rest on",
    ),
}
"""Triggers that write or wait; tests of what they do are elsewhere."""


@pytest.fixture(scope="module")
async def in_use(api: Api, server: Server, database_name: str) -> str:
    """Books with something of each kind in them; two entries wait to be sealed. Gives the owner's address."""
    await shop.done(api, books.POST, {"input": books.bill("Paper & Sons", "10.00")})
    taken_back = await shop.done(api, books.POST, {"input": books.bill("Ink Inc", "7.00")})
    await shop.done(api, books.REVERSE, {"id": taken_back["journalEntry"]["id"]})
    value = {"dimension": "PROJECT", "code": "P", "name": "P"}
    project = (await shop.done(api, books.VALUE, {"input": value}))["dimensionValue"]["id"]
    tomorrow = (date.fromisoformat(books.today()) + timedelta(days=1)).isoformat()
    for description in ("Taken back", "Standing", "Of a project", "Of tomorrow"):
        about = {"projectId": project} if description == "Of a project" else {}
        on = tomorrow if description == "Of tomorrow" else books.today()
        lines = books.debit("6090", 3, **about), books.credit("1020", 3)
        made = await shop.done(api, books.POST, {"input": books.entry(*lines, description=description, on=on)})
        if description == "Taken back":
            await shop.done(api, books.REVERSE, {"id": made["journalEntry"]["id"]})
    await books.recurring_of_each_kind(api)
    await books.budgets_of_each_kind(api)
    await shop.sealed(api)
    for _ in range(2):
        await shop.done(api, books.POST, {"input": books.entry(books.debit("6090", 1), books.credit("1020", 1))})
    return server.owner_url(database_name)


@pytest.fixture
async def sql(in_use: str) -> AsyncIterator[Connection]:
    """The owner of the tables, in a transaction that is taken back."""
    connection = await asyncpg.connect(in_use)
    running = connection.transaction()
    await running.start()
    yield connection
    await running.rollback()
    await connection.close()


async def _cheat(sql: Connection, guard: Guard) -> None:
    for statement in (*guard.cheat, CHECKED):
        await sql.execute(statement)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
async def test_a_guard_is_what_stops_the_cheat(sql: Connection, guard: Guard) -> None:
    for statement in guard.before:
        await sql.execute(statement)
    tried = sql.transaction()
    await tried.start()
    with pytest.raises((asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)):
        await _cheat(sql, guard)
    await tried.rollback()
    await sql.execute(guard.down)
    await _cheat(sql, guard)


async def test_every_trigger_of_the_books_is_tried(sql: Connection) -> None:
    tables = {guard.table for guard in GUARDS}
    found = await sql.fetch(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY($1::text[])",
        list(tables),
    )
    assert {row["tgname"] for row in found} == {
        guard.name for guard in GUARDS if not guard.name.startswith(("ck_", "ex_", "uq_"))
    } | NO_REFUSAL.keys()
