"""Other processes: run one, look at one. A zombie counts as gone: in many containers nobody reaps the orphans."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from domain.kernel.postgres.accounts import Account


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """What Postgres's programs get to see: no PG* settings of the caller, and English messages."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", **(extra or {})}


def run(
    command: Iterable[str | Path],
    *,
    account: Account | None = None,
    text: str | None = None,
    extra: dict[str, str] | None = None,
    holding: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, out of reach of the terminal's Ctrl-C and of the caller's working folder.

    A lock that it is `holding` stays taken until the program ends, even when this process is killed before.
    """
    ran: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603  programs of the wheel, arguments of our own
        [str(word) for word in command],
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(extra),
        start_new_session=True,
        check=False,
        pass_fds=() if holding is None else (holding,),
        **(account.spawn if account else {}),
    )
    return ran


def piped(
    command: Iterable[str | Path],
    *,
    extra: dict[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """A program that talks to another one while both run."""
    return subprocess.Popen(  # noqa: S603  as above
        [str(word) for word in command],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=False,
        cwd="/",
        env=environment(extra),
        start_new_session=True,
    )


def command_of(pid: int) -> str | None:
    """The command line of a living process; None when there is none or only its zombie.

    /proc/<pid>/cwd would tell more, but root in a container may not read it for another user's process.
    """
    if not sys.platform.startswith("linux"):
        shown = run(["ps", "-o", "stat=,command=", "-p", str(pid)]).stdout.strip()
        state, _, command = shown.partition(" ")
        return command.strip() if shown and not state.startswith("Z") else None
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        if state in "ZX":
            return None
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").replace("\0", " ").strip()
    except (OSError, IndexError):
        return None


def titled(title: str) -> list[int]:
    """The living processes whose command line begins with `title` (backends call themselves by their cluster)."""
    if not sys.platform.startswith("linux"):
        lines = (line.strip().partition(" ") for line in run(["ps", "-axo", "pid=,command="]).stdout.splitlines())
        return [int(pid) for pid, _, command in lines if command.strip().startswith(title)]
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if (command_of(pid) or "").startswith(title)]


def exists(pid: int) -> bool:
    """What Postgres itself would ask: does the number answer to a signal, zombie or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
