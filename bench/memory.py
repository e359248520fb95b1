"""Whether a server's memory stays where it is while a thousand different documents are asked for again and again."""

import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import orjson

from bench.contestants import Contestant
from bench.questions import Question
from bench.results import RESULTS
from bench.traffic import CONNECTIONS, Traffic, drive
from domain.kernel.errors import Trouble

DOCUMENTS = 1_000
SAMPLE_SECONDS = 1.0
MOST_GROWTH = 0.05
"""By how much the last fifth of a run may be above the first and still count as flat."""

ANYTHING = Question("a thousand documents", "", '{"data":{"')


@dataclass(frozen=True)
class Memory:
    """The resident memory of Waterline's process under load."""

    documents: int
    seconds: int
    requests: int
    samples_mb: list[float]
    """The resident memory, in megabytes, about once a second."""

    @property
    def first_mb(self) -> float:
        """The mean of the first fifth of the run."""
        return statistics.mean(self.samples_mb[: max(1, len(self.samples_mb) // 5)])

    @property
    def last_mb(self) -> float:
        """The mean of the last fifth of the run."""
        return statistics.mean(self.samples_mb[-max(1, len(self.samples_mb) // 5) :])

    @property
    def growth(self) -> float:
        """By what share the last fifth is above the first."""
        return self.last_mb / self.first_mb - 1

    @property
    def flat(self) -> bool:
        """Whether it stayed where it was."""
        return self.growth <= MOST_GROWTH

    def __str__(self) -> str:
        """What a person wants to know."""
        return (
            f"Memory: {self.first_mb:.1f} MB at first and {self.last_mb:.1f} MB at last ({self.growth:+.1%}) over"
            f" {self.seconds} s and {self.requests:,} requests of {self.documents:,} different documents:"
            f" {'flat' if self.flat else 'not flat'}."
        )

    def write(self, file: Path = RESULTS / "memory.json") -> None:
        """Keep what the latest run found."""
        file.parent.mkdir(exist_ok=True)
        said = {"first_mb": round(self.first_mb, 1), "last_mb": round(self.last_mb, 1), "growth": round(self.growth, 4)}
        found = {**said, "flat": self.flat, **asdict(self)}
        file.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")


def warm_up(contestant: Contestant, bodies: Sequence[bytes]) -> None:
    """Every document has been asked for once. Raises Trouble when one of them has no good answer."""
    with httpx.Client() as client, ThreadPoolExecutor(CONNECTIONS) as pool:

        def ask(body: bytes) -> None:
            answer = contestant.ask(client, ANYTHING, body).json()
            if "errors" in answer or not answer.get("data"):
                raise Trouble(f"{body.decode()} has no answer: {answer}", "Does `make test` pass?")

        list(pool.map(ask, bodies))


def watch(
    wrk: str,
    contestant: Contestant,
    bodies: Path,
    *,
    seconds: int,
    tick: Callable[[float], None] = lambda _: None,
) -> Memory:
    """Ask for all documents in turn for so many seconds. `tick` hears the memory in megabytes, about once a second."""
    samples: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            samples.append(resident_mb(contestant.process))
            tick(samples[-1])

    watcher = threading.Thread(target=sample, name="memory")
    watcher.start()
    try:
        traffic: Traffic = drive(wrk, contestant, ANYTHING, bodies, seconds=seconds)
    finally:
        over.set()
        watcher.join()
    return Memory(DOCUMENTS, seconds, traffic.requests, [round(each, 1) for each in samples])


def resident_mb(process: int) -> float:
    """The resident memory of a process, in megabytes."""
    if sys.platform.startswith("linux"):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)  # noqa: S607
    return int(shown.stdout) / 1024
