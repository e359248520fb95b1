"""The charts that a business may begin with: each is a tree by type, has every role, and can be worked with."""

from decimal import Decimal

import pytest

from domain import ledger
from domain.kernel.database import Database
from domain.kernel.work import SYSTEM, begin
from domain.ledger.charts import CHARTS, Line
from domain.ledger.tables import Role
from tests.support.server import Server


@pytest.mark.parametrize("chart", ledger.Template)
def test_a_chart_is_a_tree_with_every_role(chart: ledger.Template) -> None:
    lines = CHARTS[chart]
    by_code: dict[str, Line] = {}
    for line in lines:
        assert line.code not in by_code
        if line.parent is not None:
            assert by_code[line.parent].type == line.type  # which comes before it
        by_code[line.code] = line
    inner = {line.parent for line in lines}
    with_roles = [line for line in lines if line.role is not None]
    assert sorted(line.role for line in with_roles if line.role) == sorted(Role)
    assert not [line for line in lines if line.code in inner and (line.role or line.is_control)]
    assert [line for line in lines if line.cash_flow == ledger.CashFlow.CASH and line.code not in inner]


@pytest.mark.parametrize("chart", ledger.Template)
async def test_a_business_can_begin_with_it(server: Server, fresh_name: str, chart: ledger.Template) -> None:
    owner = Database(server.owner_url(fresh_name))
    async with owner.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await work.raw.execute("DELETE FROM accounts")
    await owner.close()
    database = Database(server.app_url(fresh_name))
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await ledger.found(work, chart)
        sides = [ledger.Posting(Role.COGS, debit=Decimal(3)), ledger.Posting(Role.SHRINKAGE, credit=Decimal(3))]
        await ledger.post(work, [ledger.Draft("Both", None, sides)])
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        found = await work.raw.fetch("SELECT code FROM accounts ORDER BY code")
        await ledger.found(work, ledger.Template.RETAIL)  # a chart that is there stays
        assert await work.raw.fetch("SELECT code FROM accounts ORDER BY code") == found
    await database.close()
    assert [row["code"] for row in found] == sorted(line.code for line in CHARTS[chart])
