"""Acts by hand: pgbench with the reference's SQL, in two forms, of which the better one counts."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.dataset import LINES, Size
from bench.questions import PLACE_ORDER, POST_ENTRY, Question
from domain.kernel.errors import Trouble
from domain.kernel.postgres import process

REFERENCE = Path(__file__).with_name("reference")
CLIENTS, THREADS = 8, 2
_RATE = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: ([0-9]+) ", re.MULTILINE)
_SET = re.compile(r"\\set|--")


@dataclass(frozen=True)
class Act:
    """What is done by everybody: through GraphQL, or by Waterline's own code where no door leads there yet."""

    name: str
    unit: str
    told: Mapping[str, str]
    """What it changes, counted: queries, in which `{schema}` stands for Waterline's tables or the reference's."""
    expected: Mapping[str, int]
    """By how much one act changes each of these."""
    question: Question | None = None
    """How it is asked for over HTTP."""
    clients: int = CLIENTS
    """How many do it at once."""


_ORDER = {
    "orders": "SELECT count(*) FROM {schema}.orders",
    "lines": "SELECT count(*) FROM {schema}.order_lines",
    "allocations": "SELECT count(*) FROM {schema}.{allocations}",
    "allocated": "SELECT sum(allocated) FROM {schema}.stock_levels",
    "quantity": "SELECT sum(quantity) FROM {schema}.{allocations}",
    "events": "SELECT count(*) FROM {schema}.events WHERE type IN ('order.placed', 'stock.allocated')",
    "versions": "SELECT sum(version) FROM {schema}.event_heads WHERE subject LIKE 'ord_%' OR subject LIKE 'slv_%'",
    "total": "SELECT sum(total) - (SELECT sum(total) FROM {schema}.order_lines) FROM {schema}.orders",
}
_ENTRY = {
    "entries": "SELECT count(*) FROM {schema}.journal_entries",
    "lines": "SELECT count(*) FROM {schema}.journal_lines",
    "debits": "SELECT count(*) FROM {schema}.journal_lines WHERE debit > 0 AND debit_base = debit",
    "balance": "SELECT sum(debit) - sum(credit) FROM {schema}.journal_lines",
    "events": "SELECT count(*) FROM {schema}.events WHERE type = 'journal_entry.posted'",
    "heads": "SELECT count(*) FROM {schema}.event_heads WHERE subject LIKE 'jen_%'",
}
_NUMBER = {
    "numbers": "SELECT count(*) FROM {schema}.document_numbers",
    "last": "SELECT sum(last) FROM {schema}.number_series",
}


def _order_of(lines: int) -> dict[str, int]:
    """What an order of so many lines, one of each, changes."""
    rows = dict.fromkeys(("lines", "allocations", "allocated", "quantity"), lines)
    return {"orders": 1, **rows, "events": lines + 1, "versions": lines + 1, "total": 0}


PLACE, HOT = (
    Act(name, "orders/s", _ORDER, _order_of(lines), PLACE_ORDER)
    for name, lines in (("place_order", LINES), ("place_order_hot", 1))
)
POST = Act(
    "post_entry",
    "entries/s",
    _ENTRY,
    {"entries": 1, "lines": 4, "debits": 2, "balance": 0, "events": 1, "heads": 1},
    POST_ENTRY,
)
NUMBER = Act("number_series", "numbers/s", _NUMBER, {"numbers": 1, "last": 1}, clients=50)
ACTS = (PLACE, HOT, POST, NUMBER)


@dataclass(frozen=True)
class Form:
    """One way of writing an act in SQL."""

    name: str
    file: Path

    @property
    def messages(self) -> int:
        """What is sent and waited for, BEGIN and COMMIT included: pgbench sends one statement at a time."""
        text = "\n".join(line for line in self.file.read_text().splitlines() if not _SET.match(line))
        return len(re.findall(r";|\\gset", text))


def forms(act: Act) -> list[Form]:
    """The ways in which an act is written: statement by statement, and as one call."""
    return [
        Form("pgbench, statements", REFERENCE / f"{act.name}.sql"),
        Form("pgbench, function", REFERENCE / f"{act.name}_function.sql"),
    ]


async def lay_out(server_url: str) -> None:
    """The reference's own tables are there, filled from the data set."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute((REFERENCE / "tables.sql").read_text(), timeout=600)
    finally:
        await connection.close()


def run(
    pgbench: str,
    owner_url: str,
    form: Form,
    size: Size,
    *,
    clients: int = CLIENTS,
    seconds: int | None = None,
    times: int | None = None,
    seed: int = 1,
) -> float:
    """Acts per second over so many seconds, or so many times by one client. Raises Trouble when one of them failed."""
    how = ["-c", "1", "-t", str(times)] if times else ["-c", str(clients), "-j", str(THREADS), "-T", str(seconds)]
    command = [pgbench, "-n", "-M", "prepared", *how, "--random-seed", str(seed), "-D", f"variants={size.variants}"]
    ran = subprocess.run(
        [*command, "-f", str(form.file), owner_url],
        env=process.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    rate, failed = _RATE.search(ran.stdout), _FAILED.search(ran.stdout)
    if ran.returncode != 0 or rate is None or failed is None or int(failed[1]):
        raise Trouble(
            f"pgbench failed with {form.file.name}: {ran.stderr.strip() or ran.stdout}", "Run the bench again."
        )
    return float(rate[1])


async def state(connection: "asyncpg.Connection[asyncpg.Record]", schema: str, act: Act) -> dict[str, int]:
    """What an act changes, counted: in Waterline's tables (`public`), or in the reference's."""
    names = {"schema": schema, "allocations": "allocations" if schema == "reference" else "stock_allocations"}
    return {name: int(await connection.fetchval(query.format(**names)) or 0) for name, query in act.told.items()}
