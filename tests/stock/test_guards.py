"""Every attempt by direct SQL to make stock and books differ is refused by the database, and changes nothing.

Acts are written as statements in which `{here}` and the like stand for ids of the shop; `{entry}` is new in each test.
Honest acts happen `{there}`, so that nothing ever changes `{here}`: 10 on hand, worth 40, of which 2 are allocated.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from domain import ledger
from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, begin
from tests.support import books
from tests.support import shop as shops
from tests.support.api import Api
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Refused = asyncpg.IntegrityConstraintViolationError
Forbidden = asyncpg.InsufficientPrivilegeError

TABLES = (
    "stock_movements stock_levels cost_layers journal_entries journal_lines journal_seals payments accounts business"
)


@dataclass(frozen=True)
class Hand:
    """Somebody who writes SQL by hand."""

    sql: Connection
    ids: dict[str, str]

    async def write(
        self, *statements: str, isolation: Literal["serializable", "repeatable_read", "read_committed"] | None = None
    ) -> None:
        """Commit statements as one act."""
        async with self.sql.transaction(isolation=isolation):
            for statement in statements:
                await self.sql.execute(statement.format_map(self.ids))
            await self.sql.execute(books.ANNOUNCED)

    async def rows(self) -> dict[str, list[asyncpg.Record]]:
        """All that must stay as it was."""
        return {name: await self.sql.fetch(f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES.split()}

    @asynccontextmanager
    async def in_vain(self, *errors: type[Exception]) -> AsyncIterator["pytest.ExceptionInfo[Any]"]:
        """What is tried in here fails, and nothing has changed."""
        before = await self.rows()
        with pytest.raises(errors) as failure:
            yield failure
        assert await self.rows() == before

    async def refused(self, constraint: str, act: Sequence[str]) -> None:
        """A constraint refuses an act."""
        async with self.in_vain(Refused) as failure:
            await self.write(*act)
        assert failure.value.constraint_name == constraint

    async def forbidden(self, *statements: str) -> None:
        """Nobody, or not this role, may do this at all."""
        async with self.in_vain(Forbidden):
            await self.write(*statements)


@pytest.fixture(scope="module")
async def shop(api: Api, database: Database) -> dict[str, str]:
    """A variant on hand at two places, some of it ordered and paid, and a variant that never was in stock."""
    here, there = await shops.location(api, priority=1), await shops.location(api, priority=2)
    variant, stranger = await shops.stocked(api, 10, "4.00", place=here), await shops.variant(api)
    await shops.done(api, shops.RECEIVE, {"input": shops.receipt(there, [(variant, 50, "4.00")])})
    order = (await shops.done(api, shops.PLACE, {"input": shops.ordered([(variant, 2)])}))["order"]["id"]
    await shops.done(api, shops.PAY, {"id": order, "input": {"amount": shops.dollars("20.00"), "method": "CARD"}})
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        assert await ledger.seal(work) == 3
        founded = await work.raw.fetch("SELECT id, entry_id FROM stock_movements ORDER BY recorded_at")
    ids = {"here": here[4:], "there": there[4:], "variant": variant[4:], "stranger": stranger[4:]}
    return ids | {"layer": founded[0]["id"], "other_layer": founded[1]["id"], "older": founded[0]["entry_id"]}


@pytest.fixture(params=["app", "owner"])
async def hand(
    request: pytest.FixtureRequest, server: Server, database_name: str, shop: dict[str, str]
) -> AsyncIterator[Hand]:
    """The module's database, as the application's role and as the owner of the tables."""
    url = server.app_url(database_name) if request.param == "app" else server.owner_url(database_name)
    connection = await asyncpg.connect(url)
    yield Hand(connection, shop | {"entry": uuid4().hex, "other": uuid4().hex})
    await connection.close()


def entry(row: str = "{entry}", *, manual: bool = False) -> str:
    return f"""
    INSERT INTO journal_entries
      (id, posted_on, effective_at, recorded_at, description, currency, manual, period_id, act)
    SELECT '{row}', current_date, now(), now(), 'By hand', 'USD', {manual}, id, uuid7() FROM accounting_periods
    WHERE current_date BETWEEN starts_on AND ends_on"""


USUAL = {
    "id": "uuid7()",
    "variant_id": "'{variant}'",
    "location_id": "'{here}'",
    "layer_id": "NULL",
    "value_currency": "'USD'",
    "account_id": "(SELECT id FROM public.accounts WHERE role = 'INVENTORY')",
    "entry_id": "'{entry}'",
    "kind": "'ADJUSTMENT'",
    "effective_at": "now()",
    "recorded_at": "now()",
    "act": "uuid7()",
}
FREE = {"entry_id": "NULL"}
DRAWN = {"layer_id": "'{layer}'"}
THERE = {"location_id": "'{there}'"}
DRAWN_THERE = THERE | {"layer_id": "'{other_layer}'"}
UNKNOWN = "gen_random_uuid()"


def moves(*moved: tuple[object, object], **unusual: str) -> str:
    """Movements of so much quantity and value; they found layers unless `layer_id` is given."""
    columns = USUAL | unusual
    rows = ", ".join(f"({quantity}, {value}, {', '.join(columns.values())})" for quantity, value in moved)
    return f"INSERT INTO stock_movements (quantity, value_amount, {', '.join(columns)}) VALUES {rows}"


def lines(row: str = "{entry}", *, first: int = 1, **amounts: object) -> str:
    """The lines of an entry: amounts by role, credits with a minus."""
    given = [(role, str(amount)) for role, amount in amounts.items()]
    sides = [(role, "0", text[1:]) if text.startswith("-") else (role, text, "0") for role, text in given]
    values = ", ".join(
        f"({n}, '{role}', '{debit}'::numeric, '{credit}'::numeric)"
        for n, (role, debit, credit) in enumerate(sides, first)
    )
    return f"""
    INSERT INTO journal_lines
      (entry_id, n, account_id, posted_on, currency, debit, credit, base_currency, debit_base, credit_base)
    SELECT '{row}', n, id, current_date, 'USD', debit, credit, 'USD', debit, credit
    FROM (VALUES {values}) AS line(n, role, debit, credit) JOIN public.accounts USING (role)"""


def at_once(*statements: str) -> str:
    """Several statements as one."""
    *others, last = statements
    return f"WITH {', '.join(f'w{n} AS ({other})' for n, other in enumerate(others))} {last}"


def hidden(statement: str) -> str:
    """A function that runs a statement in the midst of another."""
    return f"""CREATE FUNCTION pg_temp.hidden() RETURNS uuid LANGUAGE plpgsql AS
    $$ BEGIN {statement}; RETURN uuid7(); END $$"""


def bait(*statements: str, kind: str = "TRIGGER", when: str = "") -> list[str]:
    """A temporary table whose trigger runs statements."""
    return [
        "CREATE TEMPORARY TABLE bait (n int) ON COMMIT DROP",
        f"""CREATE FUNCTION pg_temp.sprung() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {"; ".join(statements)}; RETURN NULL; END $$""",
        f"CREATE {kind} sprung AFTER INSERT ON bait {when} FOR EACH ROW EXECUTE FUNCTION pg_temp.sprung()",
    ]


RECEIVED = [entry(), moves((5, 20))]
POSTED = lines(INVENTORY=20, SHRINKAGE=-20)
ASIDE = lines(COGS=20, SHRINKAGE=-20)
"""Lines that balance and leave inventory alone."""


def acts(**named: Sequence[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("act", named.values(), ids=named)


@pytest.mark.parametrize(
    ("act", "quantity", "value"),
    [
        ([entry(), moves((5, 20), **THERE), POSTED], 5, 20),
        ([entry(), moves((-2, -8), **DRAWN_THERE), lines(SHRINKAGE=8, INVENTORY=-8)], -2, -8),
        ([entry(), moves((0, 3), **DRAWN_THERE), lines(INVENTORY=3, SHRINKAGE=-3)], 0, 3),
        ([entry(), moves((5, 20), (1, 4), **THERE), lines(INVENTORY=24, SHRINKAGE=-24)], 6, 24),
        ([entry(), moves((5, 20), **THERE), moves((1, 0), **THERE), POSTED], 6, 20),
        ([entry(), moves((5, 20), **THERE), moves((0, -20), **DRAWN_THERE), ASIDE], 5, 0),
        ([moves((5, 0), **FREE, **THERE)], 5, 0),
        (
            [
                entry(),
                at_once(moves((5, 20), **THERE, id="'{other}'"), moves((-1, -4), **THERE, layer_id="'{other}'")),
                lines(INVENTORY=16, SHRINKAGE=-16),
            ],
            4,
            16,
        ),
        (
            [
                at_once(entry(), entry("{other}")),
                at_once(moves((5, 20), **THERE), moves((2, 9), **THERE, entry_id="'{other}'")),
                at_once(POSTED, lines("{other}", INVENTORY=9, SHRINKAGE=-9)),
            ],
            7,
            29,
        ),
    ],
    ids=[
        "goods_come_in",
        "goods_leave",
        "value_alone",
        "two_layers",
        "two_statements_of_movements",
        "value_between_layers",
        "goods_that_cost_nothing",
        "founded_and_drawn_at_once",
        "two_entries_at_once",
    ],
)
async def test_an_honest_act_by_hand_is_accepted(hand: Hand, act: list[str], quantity: int, value: int) -> None:
    level = "SELECT on_hand, value_amount, version FROM stock_levels WHERE location_id = '{there}'"
    before = await hand.sql.fetchrow(level.format_map(hand.ids))
    assert before is not None
    # Movements count the version up, for an event that nobody announces here.
    uncounted = f"UPDATE stock_levels SET version = {before['version']} WHERE location_id = '{{there}}'"
    await hand.write(*act, uncounted)
    after = await hand.sql.fetchrow(level.format_map(hand.ids))
    assert after == (before["on_hand"] + quantity, before["value_amount"] + value, before["version"])


PERMANENT = {
    "stock_movements": "quantity",
    "journal_entries": "posted_on",
    "journal_lines": "debit",
    "journal_seals": "position",
    "payments": "amount",
}


@pytest.mark.parametrize("table", PERMANENT)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {0} SET {1} = {1} + 1",
        "UPDATE {0} SET {1} = {1} WHERE false",
        "DELETE FROM {0}",
        "DELETE FROM {0} WHERE false",
        "TRUNCATE {0} CASCADE",
        "MERGE INTO {0} USING (SELECT) AS nothing ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO {0} TABLE {0} ON CONFLICT ON CONSTRAINT pk_{0} DO UPDATE SET {1} = excluded.{1}",
    ],
)
async def test_what_is_written_is_permanent(hand: Hand, table: str, statement: str) -> None:
    await hand.forbidden(statement.format(table, PERMANENT[table]))


NEW_LEVEL = """
INSERT INTO stock_levels (id, variant_id, location_id, value_currency, created_at, {column})
VALUES (uuid7(), '{{{variant}}}', '{{here}}', 'USD', now(), 1)"""
ANY_LEVEL = "MERGE INTO stock_levels USING (SELECT) AS nothing ON true WHEN MATCHED THEN"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stock_levels SET id = id",
        "UPDATE stock_levels SET variant_id = '{stranger}' WHERE location_id = '{there}'",
        "UPDATE stock_levels SET location_id = location_id",
        "UPDATE stock_levels SET on_hand = on_hand + 1",
        "UPDATE stock_levels SET unavailable = 1",
        "UPDATE stock_levels SET placed = 1",
        "UPDATE stock_months SET quantity = 1",
        "UPDATE stock_contents SET quantity = 1",
        "UPDATE stock_levels SET value_amount = value_amount + 1",
        "UPDATE stock_levels SET value_currency = 'EUR'",
        "UPDATE stock_levels SET (version, on_hand) = (version, on_hand)",
        "UPDATE stock_levels SET on_hand = on_hand WHERE false",
        "DELETE FROM stock_levels",
        "DELETE FROM stock_levels WHERE false",
        "TRUNCATE stock_levels CASCADE",
        "TRUNCATE product_variants CASCADE",
        "TRUNCATE locations CASCADE",
        NEW_LEVEL.format(column="on_hand", variant="stranger"),
        NEW_LEVEL.format(column="value_amount", variant="stranger"),
        NEW_LEVEL.format(column="version", variant="variant")
        + " ON CONFLICT (variant_id, location_id) DO UPDATE SET on_hand = stock_levels.on_hand + 1",
        f"{ANY_LEVEL} UPDATE SET on_hand = on_hand + 1",
        f"{ANY_LEVEL} DELETE",
    ],
)
async def test_a_level_follows_from_its_movements_alone(hand: Hand, statement: str) -> None:
    await hand.forbidden(statement)


NEW_LAYER = """
INSERT INTO cost_layers (id, variant_id, location_id, quantity, value_amount, founded_at)
SELECT uuid7(), variant_id, location_id, 1, 1, now() FROM stock_levels"""


@pytest.mark.parametrize(
    "statement",
    [
        NEW_LAYER,
        f"{NEW_LAYER} WHERE false",
        f"{NEW_LAYER} ON CONFLICT (id) DO UPDATE SET quantity = 1",
        "UPDATE cost_layers SET quantity = quantity + 1, value_amount = value_amount + 1",
        "UPDATE cost_layers SET founded_at = now()",
        "UPDATE cost_layers SET id = id WHERE false",
        "DELETE FROM cost_layers",
        "DELETE FROM cost_layers WHERE false",
        "TRUNCATE cost_layers",
        "MERGE INTO cost_layers USING (SELECT) AS nothing ON true WHEN MATCHED THEN UPDATE SET quantity = 1",
    ],
)
async def test_a_cost_layer_follows_from_its_movements_alone(hand: Hand, statement: str) -> None:
    await hand.forbidden(statement)


PLACE = "SELECT uuid7() AS id, '{stranger}'::uuid AS variant_id, '{here}'::uuid AS location_id, now() AS created_at"


@pytest.mark.parametrize(
    ("table", "rows", "error"),
    [
        (
            "cost_layers",
            "SELECT uuid7() AS id, variant_id, location_id, 1::numeric AS quantity FROM cost_layers",
            Forbidden,
        ),
        ("stock_levels", f"{PLACE}, 'USD' AS value_currency, 1::numeric AS on_hand", Forbidden),
        ("stock_movements", "SELECT * FROM stock_movements WHERE id = '{layer}'", Refused),
        ("journal_lines", "SELECT * FROM journal_lines WHERE entry_id = '{older}'", Refused),
    ],
)
async def test_copying_rows_in_is_no_way_around(hand: Hand, table: str, rows: str, error: type[Exception]) -> None:
    copied = await hand.sql.fetch(rows.format_map(hand.ids))
    async with hand.in_vain(error):
        await hand.sql.copy_records_to_table(table, records=map(tuple, copied), columns=list(copied[0].keys()))


@acts(
    an_entry_without_lines=RECEIVED,
    a_line_alone=[*RECEIVED, lines(INVENTORY=20)],
    lines_in_two_statements=[*RECEIVED, lines(INVENTORY=20), lines(first=2, SHRINKAGE=-20)],
    lines_taken_back=[*RECEIVED, "SAVEPOINT one", POSTED, "ROLLBACK TO one"],
    a_check_that_is_swallowed=[
        *RECEIVED,
        "DO $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; EXCEPTION WHEN check_violation THEN NULL; END $$",
    ],
    an_act_within_the_commit=[
        *bait(*RECEIVED, kind="CONSTRAINT TRIGGER", when="DEFERRABLE INITIALLY DEFERRED"),
        "INSERT INTO bait VALUES (1)",
    ],
)
async def test_movements_without_the_lines_of_their_entry_are_refused(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("journal_entry_two_lines", act)


@acts(
    unbalanced=[*RECEIVED, lines(INVENTORY=20, SHRINKAGE=-19)],
    unbalanced_in_parts=[*RECEIVED, at_once(lines(INVENTORY=20), lines(first=2, SHRINKAGE=-19))],
)
async def test_unbalanced_lines_of_movements_are_refused(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("journal_entry_balanced", act)


@acts(
    more_lines_later=[*RECEIVED, POSTED, lines(first=3, INVENTORY=1, SHRINKAGE=-1)],
    those_that_do_not_collide=[*RECEIVED, POSTED, lines(COGS=1, SAMPLES=1, DAMAGE=-1) + " ON CONFLICT DO NOTHING"],
    lines_of_an_older_entry=[lines("{older}", first=3, COGS=1, SHRINKAGE=-1)],
)
async def test_an_entry_gets_its_lines_once(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("journal_entry_own_transaction", act)


@acts(
    too_much=[*RECEIVED, lines(INVENTORY=21, SHRINKAGE=-21)],
    too_little=[*RECEIVED, lines(INVENTORY=19, SHRINKAGE=-19)],
    the_wrong_way_around=[*RECEIVED, lines(SHRINKAGE=20, INVENTORY=-20)],
    no_movements=[entry(), POSTED],
    no_inventory_lines=[*RECEIVED, ASIDE],
    movements_without_value=[entry(), moves((5, 0)), POSTED],
    one_of_two_statements=[*RECEIVED, moves((1, 4)), POSTED],
    a_millionth=[entry(), moves((5, "0.0000005")), ASIDE],
    each_the_lines_of_the_other=[
        at_once(entry(), entry("{other}")),
        at_once(moves((5, 20)), moves((2, 9), entry_id="'{other}'")),
        at_once(lines("{other}", INVENTORY=20, SHRINKAGE=-20), lines(INVENTORY=9, SHRINKAGE=-9)),
    ],
    movements_taken_back=[entry(), "SAVEPOINT one", moves((5, 20)), "ROLLBACK TO one", POSTED],
    movements_in_the_midst_of_lines=[
        entry(),
        hidden(moves((5, 20))),
        f"{ASIDE} WHERE n = 2 OR pg_temp.hidden() IS NOT NULL",
    ],
    a_table_that_hides_the_movements=[
        *RECEIVED,
        "CREATE TEMPORARY TABLE stock_movements (LIKE stock_movements) ON COMMIT DROP",
        ASIDE,
    ],
    a_table_that_hides_the_lines=[*RECEIVED, "CREATE TEMPORARY TABLE fresh () ON COMMIT DROP", ASIDE],
)
async def test_an_entry_that_differs_from_its_movements_is_refused(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("journal_entry_equals_movements", act)


@acts(
    after_the_lines=[*RECEIVED, POSTED, moves((5, 20))],
    after_the_lines_without_value=[*RECEIVED, POSTED, moves((5, 0))],
    after_lines_that_leave_inventory_alone=[entry(), ASIDE, moves((5, 20))],
    along_with_the_lines=[entry(), at_once(moves((5, 20)), POSTED)],
    along_with_everything=[at_once(entry(), moves((5, 20)), POSTED)],
    around_the_lines=[entry(), hidden(ASIDE), moves((5, 20), id="pg_temp.hidden()")],
    by_a_trigger_after_the_lines=[
        *bait(moves((5, 20))),
        entry(),
        at_once(f"{ASIDE} RETURNING n", "INSERT INTO bait SELECT 1"),
    ],
    an_older_entry=[moves((5, 20), entry_id="'{older}'")],
    an_older_entry_without_value=[moves((5, 0), entry_id="'{older}'")],
    one_entry_of_two=[entry(), at_once(moves((5, 20)), moves((1, 4), entry_id="'{older}'")), POSTED],
    an_entry_by_hand=[entry(manual=True), moves((5, 20)), POSTED],
    an_unknown_entry=[moves((5, 20), entry_id=UNKNOWN)],
    an_entry_taken_back=["SAVEPOINT one", entry(), "ROLLBACK TO one", moves((5, 20))],
)
async def test_a_movement_of_another_entry_or_too_late_is_refused(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("stock_movement_entry", act)


@acts(
    of_another_place=[entry(), moves((-1, -4), layer_id="'{other_layer}'")],
    of_another_variant=[entry(), moves((-1, -4), **DRAWN, variant_id="'{stranger}'")],
    that_is_not_there=[entry(), moves((-1, -4), layer_id=UNKNOWN)],
    that_is_the_movement_itself=[entry(), moves((5, 20), id="'{other}'", layer_id="'{other}'")],
    of_the_right_and_of_another_place=[
        entry(),
        at_once(moves((-1, -4), **DRAWN), moves((-1, -4), **DRAWN | THERE)),
    ],
    that_is_there_and_one_that_is_not=[entry(), at_once(moves((-1, -4), **DRAWN), moves((-1, -4), layer_id=UNKNOWN))],
)
async def test_a_movement_draws_only_from_a_layer_of_its_own_place(hand: Hand, act: Sequence[str]) -> None:
    await hand.refused("stock_movement_layer", act)


@pytest.mark.parametrize(
    ("drawn", "constraint"),
    [
        ([(-11, -40)], "ck_cost_layers_quantity_not_negative"),
        ([(-6, -20), (-5, -20)], "ck_cost_layers_quantity_not_negative"),
        ([(-10, -39)], "ck_cost_layers_value_of_goods"),
        ([(-10, 0)], "ck_cost_layers_value_of_goods"),
        ([(-5, -41)], "ck_cost_layers_value_of_goods"),
        ([(0, -41)], "ck_cost_layers_value_of_goods"),
        ([(-9, -36)], "ck_stock_levels_never_oversold"),
        ([(0, 0)], "ck_stock_movements_moves_something"),
    ],
)
async def test_no_more_is_drawn_than_is_there(hand: Hand, drawn: list[tuple[int, int]], constraint: str) -> None:
    await hand.refused(constraint, [entry(), moves(*drawn, **DRAWN)])


@pytest.mark.parametrize("founding", [(0, 20), (-5, 0), (5, -20), (0, 0)])
async def test_a_layer_is_founded_with_goods(hand: Hand, founding: tuple[int, int]) -> None:
    await hand.refused("ck_stock_movements_founds_with_goods", [entry(), moves(founding)])


@pytest.mark.parametrize(
    ("unusual", "constraint"),
    [
        ({"variant_id": "'{stranger}'"}, "stock_movement_level"),
        ({"location_id": UNKNOWN}, "stock_movement_level"),
        ({"account_id": "(SELECT id FROM accounts WHERE role = 'COGS')"}, "stock_movement_account"),
        ({"account_id": UNKNOWN}, "stock_movement_account"),
        ({"value_currency": "'EUR'"}, "stock_movement_account"),
        ({"entry_id": "NULL"}, "ck_stock_movements_value_is_posted"),
        ({"kind": "'GIFT'"}, "ck_stock_movements_kind_known"),
    ],
)
async def test_a_movement_stands_on_a_level_and_on_an_inventory_account(
    hand: Hand, unusual: dict[str, str], constraint: str
) -> None:
    await hand.refused(constraint, [entry(), moves((5, 20), **unusual), POSTED])


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_an_older_snapshot_cannot_move_stock(
    hand: Hand, isolation: Literal["repeatable_read", "serializable"]
) -> None:
    async with hand.in_vain(asyncpg.ObjectNotInPrerequisiteStateError):
        await hand.write(moves((5, 0), **FREE), isolation=isolation)


CLAIM = "UPDATE stock_levels SET {} WHERE location_id = '{{here}}'"


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        *((CLAIM.format(f"{claim} = on_hand + 1"), "never_oversold") for claim in ("allocated", "reserved")),
        (CLAIM.format("reserved = on_hand - allocated + 0.000001"), "never_oversold"),
        (moves((1, 0), allocated="10", **FREE), "never_oversold"),
        *((CLAIM.format(f"{claim} = -1"), "claims_not_negative") for claim in ("allocated", "reserved")),
        (moves((1, 0), allocated="-3", **FREE), "claims_not_negative"),
        (
            "INSERT INTO stock_levels (id, variant_id, location_id, value_currency, created_at)"
            " SELECT uuid7(), variant_id, location_id, 'USD', now() FROM stock_levels"
            " ON CONFLICT (variant_id, location_id) DO UPDATE SET reserved = 100",
            "never_oversold",
        ),
    ],
)
async def test_no_more_is_promised_than_is_there(hand: Hand, statement: str, constraint: str) -> None:
    await hand.refused(f"ck_stock_levels_{constraint}", [statement])


DOES_NOTHING = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


@pytest.mark.parametrize("hand", ["app"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE stock_movements DISABLE TRIGGER ALL",
        "ALTER TABLE stock_movements DISABLE TRIGGER stock_movements_followed",
        "ALTER TABLE journal_lines DISABLE TRIGGER journal_lines_tied_to_stock",
        "ALTER TABLE stock_levels DROP CONSTRAINT ck_stock_levels_never_oversold",
        "ALTER TABLE cost_layers ENABLE ROW LEVEL SECURITY",
        "DROP TRIGGER stock_levels_follow ON stock_levels",
        "DROP TRIGGER cost_layers_follow ON cost_layers",
        "DROP FUNCTION follow_stock_movements CASCADE",
        f"CREATE OR REPLACE FUNCTION follow_stock_movements() {DOES_NOTHING}",
        f"CREATE OR REPLACE FUNCTION tie_journal_to_stock() {DOES_NOTHING}",
        f"CREATE OR REPLACE FUNCTION refuse_direct_change() {DOES_NOTHING}",
        "ALTER FUNCTION follow_stock_movements RESET ALL",
        "ALTER FUNCTION tie_journal_to_stock SET search_path = pg_temp",
        "CREATE TRIGGER mine BEFORE INSERT ON stock_movements FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE mine AS ON INSERT TO stock_movements DO INSTEAD NOTHING",
        "CREATE TEMPORARY TABLE mine () INHERITS (stock_levels)",
        "SET session_replication_role = replica",
        "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
        "SELECT follow_stock_movements()",
    ],
)
async def test_the_application_cannot_take_the_guards_down(hand: Hand, statement: str) -> None:
    await hand.forbidden(statement)


@pytest.mark.parametrize("hand", ["app"], indirect=True)
async def test_the_function_that_moves_stock_cannot_be_hung_on_a_table_of_the_applications_own(hand: Hand) -> None:
    async with hand.in_vain(Forbidden) as failure:
        await hand.write(
            "CREATE TEMPORARY TABLE mine (LIKE stock_movements) ON COMMIT DROP",
            "CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS fresh"
            " FOR EACH STATEMENT EXECUTE FUNCTION follow_stock_movements()",
        )
    assert "follow_stock_movements" in str(failure.value)


@pytest.mark.parametrize("hand", ["app"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "stock_levels SET on_hand = 99",
        "cost_layers SET quantity = 99",
        "stock_months SET quantity = 99",
        "stock_contents SET quantity = 99",
    ],
)
async def test_a_trigger_of_the_applications_own_has_no_more_rights(hand: Hand, change: str) -> None:
    await hand.forbidden(*bait(f"UPDATE {change}"), "INSERT INTO bait VALUES (1)")


NO_BUSINESS = ["CREATE TEMPORARY TABLE kept ON COMMIT DROP AS TABLE business", "DELETE FROM business"]
BUSINESS_AGAIN = "INSERT INTO business TABLE kept"
ROLE = "UPDATE accounts SET role = {} WHERE code = '{}'"


@acts(
    goods_that_are_no_number=[moves(("'NaN'", 0), **FREE)],
    claims_that_are_no_number=[CLAIM.format("reserved = 'NaN'")],
    lines_that_are_no_number=[entry(), lines(COGS="NaN", SHRINKAGE="-NaN", DAMAGE=777)],
    unbalanced_lines_while_there_is_no_business=[*NO_BUSINESS, entry(), lines(COGS=20, DAMAGE=-1), BUSINESS_AGAIN],
    an_older_entry_twice_while_there_is_no_business=[
        *NO_BUSINESS,
        lines("{older}", first=3, INVENTORY=40, SHRINKAGE=-40),
        BUSINESS_AGAIN,
    ],
    another_currency_for_all_that_is_written=["UPDATE business SET base_currency = 'EUR'"],
    an_inventory_account_for_a_moment=[
        ROLE.format("NULL", "1200"),
        ROLE.format("'INVENTORY'", "1500"),
        *RECEIVED,
        POSTED,
        ROLE.format("NULL", "1500"),
        ROLE.format("'INVENTORY'", "1200"),
    ],
    a_level_that_no_movement_can_move=[
        "INSERT INTO stock_levels (id, variant_id, location_id, value_currency, created_at)"
        " VALUES (uuid7(), '{stranger}', '{here}', 'EUR', now())"
    ],
)
async def test_a_cunning_act_is_refused(hand: Hand, act: Sequence[str]) -> None:
    async with hand.in_vain(Refused, Forbidden), hand.sql.transaction():
        for statement in [*act, "SET CONSTRAINTS ALL IMMEDIATE"]:
            await hand.sql.execute(statement.format_map(hand.ids))
        pytest.fail("nothing refuses it")  # within the transaction, so that it is not committed


async def test_every_invariant_holds_after_all_of_it(api: Api, shop: dict[str, str]) -> None:
    # The entries of these tests are written by SQL, and no event tells of them: they have no place in the journal.
    await shops.invariants_hold(api, but={"entries have a place in the journal"})
