"""Books that were begun before a role or a guard existed: a migration brings it, and what stands in them stays."""

from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import pytest
from alembic import command

from domain import business, ledger
from domain.kernel import invariants
from domain.kernel.database import Database
from domain.kernel.ids import new_id
from domain.kernel.work import SYSTEM, begin
from domain.ledger import months
from domain.ledger.charts.retail import RETAIL
from domain.ledger.tables import Role
from migrations.run import config, migrate
from tests.support.server import Server

BEFORE_FREIGHT = "0022"
ACCOUNT = """
INSERT INTO accounts (id, code, name, type, parent_id, role, is_control, keeps_items, cash_flow, created_at)
VALUES ($1, $2, $3, $4, (SELECT id FROM accounts WHERE code = $5), $6, $7, $8, $9, now())
"""


@pytest.fixture
async def older(server: Server) -> AsyncIterator[str]:
    """A database as it was before freight had an account, with a chart and an entry in it."""
    async with server.clone("template0") as name:
        database = Database(server.owner_url(name), pool=1)
        async with database.connection() as connection, connection.begin():
            await connection.run_sync(lambda running: command.upgrade(config(running), BEFORE_FREIGHT))
        async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
            await business.found(work)
            for line in RETAIL:
                if line.role != Role.FREIGHT_ABSORBED:
                    values = (line.code, line.name, line.type, line.parent, line.role)
                    kept = (line.is_control, line.keeps_items, line.cash_flow)
                    await work.raw.execute(ACCOUNT, new_id("acc")[4:], *values, *kept)
            today = (await ledger.books(work)).today
            await months.lay_out(work, today, today)
        await posted(database, Role.STOCK_REVALUATION)
        await database.close()
        yield name


async def posted(database: Database, role: Role) -> None:
    """An entry between a role and the cost of goods sold; it is sealed where the books can."""
    lines = [ledger.Posting(Role.COGS, debit=Decimal(5)), ledger.Posting(role, credit=Decimal(5))]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await ledger.post(work, [ledger.Draft("Posted", None, lines)])


FREIGHT = """
SELECT account.code, account.type, beside.role AS beside, account.is_control, account.cash_flow
FROM accounts AS account
JOIN accounts AS beside ON beside.parent_id = account.parent_id AND beside.role = 'STOCK_REVALUATION'
WHERE account.role = 'FREIGHT_ABSORBED'
"""


@pytest.mark.parametrize("taken", [(), ("FREIGHT", "FREIGHT-1")])
async def test_older_books_get_an_account_for_freight(server: Server, older: str, taken: tuple[str, ...]) -> None:
    owner = await asyncpg.connect(server.owner_url(older))
    for code in taken:
        await owner.execute(
            ACCOUNT, new_id("acc")[4:], code, "Ours", "EXPENSE", "6000", None, False, False, "OPERATING"
        )
    before = await owner.fetch("SELECT * FROM accounts ORDER BY id")
    lines = await owner.fetch("SELECT * FROM journal_lines ORDER BY entry_id, n")
    await migrate(server.owner_url(older), server.app_url(older))
    code = "FREIGHT" if not taken else f"FREIGHT-{len(taken)}"
    assert [tuple(row) for row in await owner.fetch(FREIGHT)] == [
        (code, "EXPENSE", "STOCK_REVALUATION", False, "OPERATING")
    ]
    assert (
        await owner.fetch("SELECT * FROM accounts WHERE role IS DISTINCT FROM 'FREIGHT_ABSORBED' ORDER BY id") == before
    )
    assert await owner.fetch("SELECT * FROM journal_lines ORDER BY entry_id, n") == lines

    database = Database(server.app_url(older), pool=1)
    await posted(database, Role.FREIGHT_ABSORBED)
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await ledger.found(work)
        assert await ledger.seal(work) == 2
    async with database.snapshot() as connection:
        assert (await ledger.verify(connection)).entries == 2
        assert [rule.name async for rule, faults in invariants.check(connection) if faults] == []
    await database.close()
    await owner.close()
