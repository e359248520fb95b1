"""Waterline as people run it: the command line in a process of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from api.cli import main; main()"]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The surroundings of a command: its own home, and no server but the embedded one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    ours = {"WATERLINE_HOME": str(home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    return inherited | ours | settings


def waterline(home: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end. The long ones are longest on a busy machine."""
    surroundings = environment(home, **settings)
    return subprocess.run(
        [*COMMAND, *arguments],
        env=surroundings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Running:
    """`waterline up`, ready for requests."""

    process: "subprocess.Popen[bytes]"
    url: str
    token: str
    seconds: float

    def kill(self) -> None:
        """kill -9: no goodbye of any kind."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)


def up(home: Path, port: int, **settings: str) -> Running:
    """Start `waterline up` and wait until it says that it is ready."""
    started = time.monotonic()
    said = Path(tempfile.mkstemp(suffix=".log")[1])
    with said.open("w") as output:
        surroundings = environment(home, PORT=str(port), **settings)
        process = subprocess.Popen([*COMMAND, "up"], env=surroundings, cwd=ROOT, stdout=output, stderr=output)
    while "Stop it with" not in said.read_text():
        if process.poll() is not None or time.monotonic() - started > 60:
            process.kill()
            process.wait()
            raise AssertionError(f"waterline up did not come up: {said.read_text()}")
        time.sleep(0.02)
    token = re.search(r"(wl_token_\S+)", said.read_text())
    assert token is not None
    return Running(process, f"http://127.0.0.1:{port}", token[1], time.monotonic() - started)


def path_of(tool: str) -> str | None:
    """Where a tool is: what a variable of its name says (BEAN_CHECK for bean-check), or what PATH finds."""
    return os.environ.get(tool.upper().replace("-", "_")) or shutil.which(tool)
