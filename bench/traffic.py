"""Load over HTTP, by wrk: one thread, eight connections that each send the next request when they have an answer."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.contestants import Contestant
from bench.questions import Question
from domain.kernel.errors import Trouble

CONNECTIONS = 8
_SCRIPT = Path(__file__).with_name("traffic.lua")


@dataclass(frozen=True)
class Traffic:
    """What came of a few seconds of load. Latencies are of single requests, as the client saw them."""

    per_second: float
    p50_ms: float
    p99_ms: float
    requests: int


def drive(
    wrk: str, contestant: Contestant, question: Question, bodies: Path, *, seconds: int, start: int = 0
) -> Traffic:
    """Send the bodies in turn for so many seconds, from the `start`-th on.

    Raises Trouble when a single answer was not a good one, or did not come.
    """
    ran = subprocess.run(
        [
            wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), contestant.url,
            "--", contestant.path(question), contestant.token or "-", str(bodies), str(start), question.begins,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    said = dict(line.split(" ", 1) for line in ran.stdout.splitlines() if line.startswith(("traffic ", "refusal ")))
    if ran.returncode != 0 or "traffic" not in said:
        raise Trouble(f"wrk failed: {ran.stderr.strip() or ran.stdout.strip()}", "Run the bench again.")
    found = orjson.loads(said["traffic"])
    if found["lost"] or found["refused"] or not found["requests"]:
        raise Trouble(
            f"{contestant.name} refused {found['refused']:,} and lost {found['lost']:,} of {found['requests']:,}"
            f" requests of {question.name}. The last refusal: {said.get('refusal', '').strip() or 'none'}",
            "Nothing is measured of answers that are none.",
        )
    return Traffic(
        per_second=found["requests"] / found["microseconds"] * 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        requests=found["requests"],
    )
