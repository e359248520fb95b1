"""The stage of a run: a database with the data set, the servers on it, and what has been found out so far."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.surroundings import Place, prepare
from bench import acts, contestants, database, dataset, questions, tools
from bench.acts import ACTS, HOT, Act
from bench.contestants import Contestant
from bench.counting import Count
from bench.database import Server
from bench.dataset import Dataset, Size
from bench.memory import Memory
from bench.questions import CATALOG_PAGE, DEEP_PAGE, ORDER_PAGE, PAGE, PLACE_ORDER, PRODUCT_BY_ID, Question
from bench.results import Record, Timing
from domain.kernel.database import Database

READS = (CATALOG_PAGE, PRODUCT_BY_ID, ORDER_PAGE)
ONCE = ("stock_receive_bulk", "late_receipt", "as_of", "trial_balance")
"""What is done once in a while, and timed by itself."""
PARTS = (*(each.name for each in READS), "memory", *(each.name for each in ACTS), DEEP_PAGE.name, *ONCE)
"""What can be run by itself."""


@dataclass(frozen=True)
class Plan:
    """What to run, and how long."""

    size: Size
    rounds: int
    seconds: int
    """Of each turn."""
    memory_seconds: int
    only: frozenset[str] = frozenset()
    """The parts to run; all of them, when empty."""

    def wants(self, *parts: str) -> bool:
        """Whether any of these parts is to be run."""
        return not self.only or any(part in self.only for part in parts)


@dataclass
class Stage:
    """Everything that a run needs."""

    plan: Plan
    server: Server
    data: Dataset
    folder: Path
    """For requests and logs."""
    console: Console
    """For the person who waits."""
    wrk: str
    pgbench: str
    waterline: Contestant
    raw: Contestant
    strawberry: Contestant
    records: list[Record] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    memory: Memory | None = None
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    """By what is asked, and who is."""

    def bodies(self, question: Question) -> list[bytes]:
        """The requests of a question that is only read."""
        variables: list[dict[str, Any]] = [{"first": PAGE}]
        if question is PRODUCT_BY_ID:
            variables = [{"id": product} for product in dataset.shuffled(self.data.products)]
        return [question.body(each) for each in variables]

    def requests(self, act: Act) -> list[bytes]:
        """The requests of an act: orders and entries by the dice, or orders of the one variant that everybody wants."""
        if act is HOT:
            return [PLACE_ORDER.body(questions.order_of([self.data.hot]))]
        if act is acts.POST:
            return questions.entries_over(self.data.accounts, datetime.now(UTC).date(), seed=20_260_505)
        return questions.orders_over(self.data.variants, seed=20_260_404)

    def written(self, name: str, bodies: list[bytes]) -> Path:
        """Requests in a file."""
        return questions.write(bodies, self.folder / f"{name}.jsonl")


@contextmanager
def open_stage(plan: Plan, console: Console) -> Iterator[Stage]:
    """Start everything, and stop it again at the end. Raises Missing where a program is, and Trouble."""
    wrk, pgbench = tools.wrk(), tools.pgbench()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waterline-bench-")))
        with console.status("Starting a database …"):
            server = stack.enter_context(database.server())
            asyncio.run(prepare(Place(server.app_url, server.owner_url)))
        data = _loaded(server, plan.size, console)
        with console.status("Starting the servers …"):
            waterline = stack.enter_context(contestants.waterline(server, folder))
            raw = stack.enter_context(contestants.raw(server, folder))
            strawberry = stack.enter_context(contestants.strawberry(server, folder))
        yield Stage(plan, server, data, folder, console, wrk, pgbench, waterline, raw, strawberry)


def _loaded(server: Server, size: Size, console: Console) -> Dataset:
    async def load(report: dataset.Report) -> Dataset:
        opened = Database(server.app_url, pool=2)
        try:
            made = await dataset.load(opened, size, report=report)
        finally:
            await opened.close()
        await acts.lay_out(server.owner_url)
        await server.tidy()
        return made

    with bar(console, f"Loading {size.products:,} products", dataset.steps(size)) as step:
        return asyncio.run(load(step))


@contextmanager
def bar(console: Console, what: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """A progress bar: hears what is being done, and how many steps that is. Only a line where nobody watches."""
    if not console.is_terminal:
        console.print(f"{what} …", highlight=False)
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)

        def step(noun: str, many: int) -> None:
            progress.update(task, description=noun, advance=many)

        yield step
