"""Whatever is changed in the sealed journal is found, at its exact place."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeAlias

import asyncpg
import pytest

from domain import ledger
from domain.kernel import invariants
from domain.kernel.database import Database
from domain.kernel.errors import Invalid
from domain.kernel.money import CurrencyCode, Money
from domain.kernel.work import SYSTEM, begin
from domain.ledger import chain
from domain.ledger.tables import Role
from tests.graphql.test_ledger import POST, capital, today
from tests.support.api import Api
from tests.support.server import Server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

VERIFY = """query V($from: Int, $to: Int) { ledgerVerify(from: $from, to: $to) {
  entries head { position digest } fault { position problem } } }"""
ENTRIES = 8
FOREIGN = 3
"""The place of an entry in another currency."""


async def post(database: Database, description: str, amount: str, *, currency: str | None = None) -> None:
    """An entry of two lines; in another currency its document says four fifths of its amount."""
    document = Money(Decimal(amount) / Decimal("1.25"), CurrencyCode(currency)) if currency else None
    lines = [
        ledger.Posting(Role.COGS, debit=Decimal(amount), document=document),
        ledger.Posting(Role.SHRINKAGE, credit=Decimal(amount), document=document),
    ]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await ledger.post(work, [ledger.Draft(description, None, lines, currency=currency)])


async def sealed(database: Database) -> int:
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        return await ledger.seal(work)


async def verified(database: Database, first: int | None = None, last: int | None = None) -> ledger.Verification:
    async with database.snapshot() as connection:
        return await ledger.verify(connection, first, last)


@pytest.fixture
async def journal(fresh_database: Database) -> Database:
    """Eight sealed entries: texts of every kind, another currency, zeros behind the point."""
    texts = ["Plain", "Zoë's café; 5:hello,", "Euros", '"quoted"', "a", "b", "-,", "Last"]
    for n, description in enumerate(texts, 1):
        await post(fresh_database, description, f"{n}.50", currency="EUR" if n == FOREIGN else None)
    assert await sealed(fresh_database) == ENTRIES
    return fresh_database


@pytest.fixture
async def owner_of(server: Server, fresh_name: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.owner_url(fresh_name))
    yield connection
    await connection.close()


@asynccontextmanager
async def unguarded(owner: Connection) -> AsyncIterator[Connection]:
    """The owner of the tables takes all guards down, does something, and puts them up again."""
    tables = ("journal_entries", "journal_lines", "journal_seals", "events")
    async with owner.transaction():
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
        yield owner
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


AT = "(SELECT entry_id FROM journal_seals WHERE position = {0})"
TAMPERING = {
    "an amount": "UPDATE journal_lines SET debit = debit + 1, debit_base = debit_base + 1"
    " WHERE debit > 0 AND entry_id = " + AT,
    "both sides": "UPDATE journal_lines SET debit = debit * 2, debit_base = debit_base * 2, credit = credit * 2,"
    " credit_base = credit_base * 2 WHERE entry_id = " + AT,
    "the worth of another currency": "UPDATE journal_lines SET debit_base = debit_base * 2,"
    " credit_base = credit_base * 2 WHERE entry_id = " + AT,
    "the sides": "UPDATE journal_lines SET debit = credit, credit = debit, debit_base = credit_base,"
    " credit_base = debit_base WHERE entry_id = " + AT,
    "an account": "UPDATE journal_lines SET account_id = (SELECT id FROM accounts WHERE code = '6030')"
    " WHERE n = 1 AND entry_id = " + AT,
    "the order of the lines": "UPDATE journal_lines SET n = 12 - n WHERE entry_id = " + AT,
    "a currency": "UPDATE journal_lines SET currency = 'GBP' WHERE entry_id = " + AT,
    "a description": "UPDATE journal_entries SET description = description || '.' WHERE id = " + AT,
    "the day": "UPDATE journal_entries SET posted_on = posted_on - 1 WHERE id = " + AT,
    "the day of a line": "UPDATE journal_lines SET posted_on = posted_on - 1 WHERE n = 2 AND entry_id = " + AT,
    "an instant": "UPDATE journal_entries SET recorded_at = recorded_at + interval '1 microsecond' WHERE id = " + AT,
    "the number": "UPDATE journal_entries SET number = number + 1000 WHERE id = " + AT,
    "a source out of nothing": "UPDATE journal_entries SET source = '' WHERE id = " + AT,
    "by hand": "UPDATE journal_entries SET manual = NOT manual WHERE id = " + AT,
    "a line taken away": "DELETE FROM journal_lines WHERE n = 2 AND entry_id = " + AT,
    "all lines taken away": "DELETE FROM journal_lines WHERE entry_id = " + AT,
    "a line added": "INSERT INTO journal_lines SELECT entry_id, 3, account_id, posted_on, currency, debit, credit,"
    " base_currency, debit_base, credit_base FROM journal_lines WHERE n = 1 AND entry_id = " + AT,
    "the digest": "UPDATE journal_seals SET digest = sha256(digest) WHERE position = {0}",
    "the seal": "DELETE FROM journal_seals WHERE position = {0}",
}


def switch(first: int, second: int) -> list[str]:
    """Statements that exchange the entries of two places."""
    moves = ((first, 1000), (second, first), (1000, second))
    return [f"UPDATE journal_seals SET position = {to} WHERE position = {place}" for place, to in moves] + [
        f"UPDATE journal_seals AS seal SET digest = other.digest FROM journal_seals AS other"
        f" WHERE seal.position IN ({first}, {second}) AND other.position = {first + second} - seal.position"
    ]


async def test_the_journal_is_what_was_sealed(journal: Database) -> None:
    found = await verified(journal)
    assert (found.entries, found.fault) == (ENTRIES, None)
    assert found.head is not None
    assert found.head.position == ENTRIES
    assert len(found.head.digest) == 64


@pytest.mark.parametrize("place", [1, FOREIGN, ENTRIES])
@pytest.mark.parametrize("what", TAMPERING)
async def test_what_is_changed_is_found_at_its_place(
    journal: Database, owner_of: Connection, what: str, place: int
) -> None:
    async with unguarded(owner_of):
        changed = await owner_of.execute(TAMPERING[what].format(place))
    assert not changed.endswith(" 0")
    found = await verified(journal)
    assert found.fault is not None
    assert (found.fault.position, found.entries) == (place, place - 1)
    assert found.fault.problem.endswith(".")
    for batch in (1, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chain, "AT_ONCE", batch)
            assert await verified(journal) == found


async def test_exchanged_entries_are_found_at_the_first(journal: Database, owner_of: Connection) -> None:
    async with unguarded(owner_of):
        for statement in switch(5, 6):
            await owner_of.execute(statement)
    found = await verified(journal)
    assert found.fault is not None
    assert found.fault.position == 5


async def test_a_deleted_entry_is_found(journal: Database, owner_of: Connection) -> None:
    async with unguarded(owner_of):
        await owner_of.execute("ALTER TABLE journal_seals DROP CONSTRAINT fk_journal_seals_entry_id")
        await owner_of.execute(f"DELETE FROM journal_entries WHERE id = {AT.format(4)}")
    found = await verified(journal)
    assert found.fault == chain.Fault(4, "The entry of this place is missing.")


async def test_the_last_seals_cannot_be_taken_back(journal: Database, owner_of: Connection) -> None:
    async with unguarded(owner_of):
        await owner_of.execute("DELETE FROM journal_seals WHERE position > 6")
    found = await verified(journal)
    assert found.fault == chain.Fault(7, "The seal of this place is missing.")


async def test_who_seals_a_changed_entry_again_is_found_by_what_was_announced(
    journal: Database, owner_of: Connection
) -> None:
    async with unguarded(owner_of):
        await owner_of.execute("UPDATE journal_entries SET description = 'Other' WHERE id = " + AT.format(ENTRIES))
        await owner_of.execute(f"DELETE FROM journal_seals WHERE position = {ENTRIES}")
    assert await sealed(journal) == 1
    found = await verified(journal)
    assert found.fault == chain.Fault(ENTRIES, "The seal of this place is not the one that was announced.")


async def test_who_computes_the_whole_chain_anew_is_found_by_what_was_announced(
    journal: Database, owner_of: Connection
) -> None:
    migration = importlib.import_module("migrations.versions.0015_chained_journal")
    async with unguarded(owner_of):
        await owner_of.execute("UPDATE journal_entries SET description = 'Other' WHERE id = " + AT.format(2))
        await owner_of.execute(migration.CHAINED)
    found = await verified(journal)
    assert found.fault == chain.Fault(ENTRIES, "The seal of this place is not the one that was announced.")


async def test_a_range_is_checked_alone(journal: Database, owner_of: Connection) -> None:
    async with unguarded(owner_of):
        await owner_of.execute(TAMPERING["an amount"].format(4))
    assert (await verified(journal, 1, 3)).fault is None
    assert (await verified(journal, 5)).fault is None
    assert (await verified(journal, 5)).entries == ENTRIES - 4
    assert (await verified(journal, 100)).entries == 0
    found = await verified(journal, 3, 4)
    assert (found.entries, found.fault and found.fault.position) == (1, 4)
    for first, last in ((0, None), (3, 2), (None, 0)):
        with pytest.raises(Invalid):
            await verified(journal, first, last)


async def test_the_rule_of_verify_finds_what_is_changed(journal: Database, owner_of: Connection) -> None:
    (rule,) = [each for each in invariants.declared() if each.name == "journal is what was sealed"]
    assert await owner_of.fetch(rule.at_fault) == []
    async with unguarded(owner_of):
        await owner_of.execute(TAMPERING["an account"].format(2))
        await owner_of.execute(TAMPERING["the day"].format(7))
    assert [row["position"] for row in await owner_of.fetch(rule.at_fault)] == [2, 7]


def field(value: Any) -> bytes:
    """A field as the documentation of the chain has it."""
    if value is None:
        return b"-,"
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        value = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    elif isinstance(value, Decimal):
        value = f"{value:f}".rstrip("0").rstrip(".") if value != value.to_integral() else str(int(value))
    written = str(value).encode()
    return b"%d:%b," % (len(written), written)


async def test_an_auditor_comes_to_the_same_digests(journal: Database, owner_of: Connection) -> None:
    """Recomputed from the rows, in Python, by the words of the documentation alone."""
    digest = bytes(32)
    for seal in await owner_of.fetch("SELECT * FROM journal_seals ORDER BY position"):
        entry = await owner_of.fetchrow("SELECT * FROM journal_entries WHERE id = $1", seal["entry_id"])
        lines = await owner_of.fetch("SELECT * FROM journal_lines WHERE entry_id = $1 ORDER BY n", seal["entry_id"])
        assert entry is not None

        def named(prefix: str, value: Any) -> str | None:
            return None if value is None else f"{prefix}_{value.hex}"

        fields = [
            named("jen", entry["id"]),
            *(entry[name] for name in ("number", "posted_on", "effective_at", "recorded_at", "description")),
            *(entry[name] for name in ("currency", "source", "manual", "kind")),
            named("per", entry["period_id"]),
            named("jen", entry["reversal_of_id"]),
            named("act", entry["act"]),
        ]
        amounts = ("debit", "credit"), ("debit_base", "credit_base")
        for line in lines:
            fields += [line["n"], named("acc", line["account_id"]), line["posted_on"], line["currency"]]
            fields += [
                *(line[name] for name in amounts[0]),
                line["base_currency"],
                *(line[name] for name in amounts[1]),
            ]
        digest = sha256(digest + b"".join(map(field, fields))).digest()
        assert digest == seal["digest"], f"place {seal['position']}"


async def test_an_older_shop_is_chained_by_the_migration(journal: Database, owner_of: Connection) -> None:
    digests = "SELECT digest FROM journal_seals ORDER BY position"
    before = await owner_of.fetch(digests)
    migration = importlib.import_module("migrations.versions.0015_chained_journal")
    async with unguarded(owner_of):
        await owner_of.execute("ALTER TABLE journal_seals ALTER digest DROP NOT NULL")
        await owner_of.execute("UPDATE journal_seals SET digest = NULL")
        await owner_of.execute(migration.CHAINED)
    assert await owner_of.fetch(digests) == before
    await post(journal, "After the migration", "3.00")
    await sealed(journal)
    assert (await verified(journal)).fault is None


async def test_digests_do_not_depend_on_how_a_connection_writes(journal: Database, owner_of: Connection) -> None:
    for setting in ("TimeZone TO 'Asia/Kathmandu'", "DateStyle TO 'German'", "extra_float_digits TO 0"):
        await owner_of.execute(f"SET {setting}")
    (rule,) = [each for each in invariants.declared() if each.name == "journal is what was sealed"]
    assert await owner_of.fetch(rule.at_fault) == []


async def test_fifty_post_while_it_is_sealed(fresh_database: Database) -> None:
    left = 50

    async def one(number: int) -> None:
        nonlocal left
        try:
            for each in range(4):
                await post(fresh_database, f"{number}/{each}", "1.00", currency="EUR" if number % 3 == 0 else None)
        finally:
            left -= 1

    async def sealer() -> None:
        while left:
            await sealed(fresh_database)
            await asyncio.sleep(0)

    await asyncio.gather(sealer(), sealer(), *(one(n) for n in range(50)))
    await sealed(fresh_database)
    found = await verified(fresh_database)
    assert (found.entries, found.fault) == (200, None)
    async with fresh_database.connection() as connection:
        assert await ledger.unsealed(connection) == 0


async def test_sealing_twice_at_once_seals_once(fresh_database: Database) -> None:
    for number in range(5):
        await post(fresh_database, f"Number {number}", "1.00")
    counts = await asyncio.gather(*(sealed(fresh_database) for _ in range(4)))
    assert sum(counts) + await sealed(fresh_database) == 5
    assert (await verified(fresh_database)).entries == 5


async def test_an_empty_journal_holds(fresh_database: Database) -> None:
    assert await sealed(fresh_database) == 0
    assert await verified(fresh_database) == ledger.Verification(0, None, None)


async def test_a_digest_has_32_bytes(journal: Database, owner_of: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        async with unguarded(owner_of):
            await owner_of.execute("UPDATE journal_seals SET digest = '\\x00' WHERE position = 1")
    assert refused.value.constraint_name == "ck_journal_seals_digest_length"
    assert (await verified(journal)).fault is None


# --- through the API ------------------------------------------------------------------------------------------------


async def by_hand(api: Api, count: int) -> None:
    given = {"on": await today(api), "description": "Capital", "lines": capital()}
    for _ in range(count):
        assert (await api.data(POST, {"input": given}))["journalEntryPost"]["userErrors"] == []


async def test_the_api_tells_whether_the_journal_holds(
    fresh_api: Api, fresh_database: Database, owner_of: Connection
) -> None:
    api = fresh_api
    nothing = {"entries": 0, "head": None, "fault": None}
    assert (await api.data(VERIFY))["ledgerVerify"] == nothing
    await by_hand(api, 3)
    metrics = (await api.client.get("/metrics")).text
    assert "waterline_journal_entries_unsealed 3.0" in metrics
    await sealed(fresh_database)
    await by_hand(api, 2)
    assert "waterline_journal_entries_unsealed 2.0" in (await api.client.get("/metrics")).text
    await sealed(fresh_database)
    assert "waterline_journal_entries_unsealed 0.0" in (await api.client.get("/metrics")).text
    found = (await api.data(VERIFY))["ledgerVerify"]
    assert (found["entries"], found["head"]["position"], found["fault"]) == (5, 5, None)
    told = await api.data('{ events(types: ["journal_entry.sealed"]) { nodes { data } } }')
    assert told["events"]["nodes"][-1]["data"] == found["head"]

    async with unguarded(owner_of):
        await owner_of.execute(TAMPERING["a description"].format(3))
    async with api.counted() as statements:
        found = (await api.data(VERIFY))["ledgerVerify"]
    assert (found["entries"], found["fault"]["position"]) == (2, 3)
    assert found["fault"]["problem"].startswith("Entry JE-")
    assert len(statements) < 10
    assert (await api.data(VERIFY, {"from": 4, "to": 5}))["ledgerVerify"]["fault"] is None
    assert (await api.data(VERIFY, {"from": 1, "to": 2}))["ledgerVerify"]["entries"] == 2


async def test_what_cannot_be_checked_and_who_may_not_check(api: Api) -> None:
    for variables, path in (({"from": 0}, ["from"]), ({"from": 3, "to": 2}, ["to"])):
        answer = await api.post(VERIFY, variables)
        assert answer["data"] == {"ledgerVerify": None}
        [error] = answer["errors"]
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", path)
    [error] = (await api.post(VERIFY, scopes=["products:read"]))["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
