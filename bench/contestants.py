"""Those who are asked: servers in processes of their own, all on the same database and with the same settings."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.database import ROOT, Server
from bench.questions import Question
from domain.kernel.errors import Trouble

WATERLINE, RAW, STRAWBERRY = "Waterline", "raw handler", "strawberry"
READY_SECONDS, STOP_SECONDS = 60, 15


@dataclass(frozen=True)
class Contestant:
    """A running server."""

    name: str
    url: str
    token: str | None = None
    process: int = 0
    """Its process id."""
    log: Path = Path(os.devnull)
    """Where it writes what it has to say."""

    def path(self, question: Question) -> str:
        """Where the question is asked: the raw handler has an address for each."""
        return f"/{question.name}" if self.name == RAW else "/graphql"

    def ask(self, client: httpx.Client, question: Question, body: bytes) -> httpx.Response:
        """The answer to one request."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        address = f"{self.url}{self.path(question)}"
        try:
            answer = client.post(address, content=body, headers=headers, timeout=60)
        except httpx.HTTPError as error:
            raise Trouble(f"{self.name} does not answer {question.name}: {error}.", last_words(self.log)) from error
        if answer.status_code != 200:
            raise Trouble(f"{self.name} refuses {question.name}: {answer.text}", last_words(self.log))
        return answer


@contextmanager
def waterline(server: Server, logs: Path, *, housekeeping: bool = True) -> Iterator[Contestant]:
    """`waterline serve` as people run it, and a token that may do everything."""
    settings = {
        "DATABASE_URL": server.app_url,
        "DATABASE_ADMIN_URL": server.owner_url,
        **({} if housekeeping else {"HOUSEKEEPING_SECONDS": "0"}),
    }
    command = str(Path(sys.executable).with_name("waterline"))
    token = subprocess.run(
        [command, "token", "--all"], env=_surroundings(settings), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if token.returncode != 0:
        raise Trouble(f"There is no token: {token.stderr.strip()}", "Does `make test` pass?")
    with _running(WATERLINE, [command, "serve"], settings, logs, token=token.stdout.strip()) as contestant:
        yield contestant


@contextmanager
def raw(server: Server, logs: Path) -> Iterator[Contestant]:
    """The raw handler."""
    with _reference(RAW, "bench.reference.raw", server, logs) as contestant:
        yield contestant


@contextmanager
def strawberry(server: Server, logs: Path) -> Iterator[Contestant]:
    """The stock Strawberry server."""
    with _reference(STRAWBERRY, "bench.reference.stock", server, logs) as contestant:
        yield contestant


@contextmanager
def _reference(name: str, module: str, server: Server, logs: Path) -> Iterator[Contestant]:
    with _running(name, [sys.executable, "-m", module], {"DATABASE_URL": server.app_url}, logs) as contestant:
        yield contestant


@contextmanager
def _running(
    name: str, command: list[str], settings: dict[str, str], logs: Path, *, token: str | None = None
) -> Iterator[Contestant]:
    """A server's process on a free port, from its first answer to the end of the block."""
    port = _free_port()
    log = logs / f"{name.lower().replace(' ', '-')}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=_surroundings({**settings, "PORT": str(port)}), cwd=ROOT, stdout=output, stderr=output
        )
        try:
            _wait_ready(name, process, port, log)
            yield Contestant(name, f"http://127.0.0.1:{port}", token, process.pid, log)
        finally:
            _stop(process)


def _surroundings(settings: dict[str, str]) -> dict[str, str]:
    """The settings of a server and nothing that the caller's own Waterline is set to."""
    ours = ("DATABASE_", "WATERLINE_", "HOUSEKEEPING_", "LOG_", "CORS_", "HOST", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_ready(name: str, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            if httpx.get(f"http://127.0.0.1:{port}/", timeout=60).status_code < 500:  # it has started, not only bound
                return
    raise Trouble(f"The server of {name} did not start.", last_words(log))


def last_words(log: Path) -> str:
    """The end of a server's log, for a person."""
    said = log.read_text(errors="replace").strip().splitlines()[-5:]
    return "The end of its log: " + "\n".join(said) if said else "Its log is empty. Does `make test` pass?"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
