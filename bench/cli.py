"""The command line: `python -m bench --help`."""

import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from bench import program
from bench.dataset import LARGE, STANDARD
from bench.stage import PARTS, Plan
from bench.tools import Missing
from domain.kernel.errors import Trouble

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
told, shown = Console(stderr=True), Console()
WIDTH = 130
"""Columns of the table; where the terminal has fewer, its lines wrap."""
BUSY = 0.25
"""Of all processors; if others keep more of them busy than this, the figures say more of them than of us."""


def main() -> None:
    """Run the bench; whatever is wrong around it ends in one plain sentence and what to do."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    try:
        cli()
    except Trouble as trouble:
        told.print(f"[bold red]{trouble.problem}[/]", highlight=False)
        told.print(trouble.remedy, highlight=False, markup=False)
        sys.exit(2 if isinstance(trouble, Missing) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    *,
    large: Annotated[bool, typer.Option("--large", help="50,000 products instead of 10,000.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds, to see that everything works.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this part; may be repeated. One of {', '.join(PARTS)}.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Turns of each contestant: 5, or 2 with --quick.", min=1)] = None,
    seconds: Annotated[int | None, typer.Option(help="Length of a turn: 4, or 2 with --quick.", min=1)] = None,
) -> None:
    """How fast Waterline is beside its references, in one run on this machine.

    Starts a database and servers of its own, checks that all contestants give the same answers, measures them in
    turn, prints a table and writes bench/results/latest.json. A missed target is printed, and is no failure.
    """
    unknown = sorted(set(only or ()) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"There is no part {unknown[0]}: choose from {', '.join(PARTS)}.")
    plan = Plan(
        size=LARGE if large else STANDARD,
        rounds=rounds or (2 if quick else 5),
        seconds=seconds or (2 if quick else 4),
        memory_seconds=10 if quick else 60,
        only=frozenset(only or ()),
    )
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > BUSY * processors:
        told.print(f"[yellow]This machine is busy: load {load:.1f} on {processors} processors. Expect noise.[/]")
    shown.width = max(shown.width, WIDTH)
    program.finish(program.run(plan, told), shown)
