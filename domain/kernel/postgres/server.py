"""One server process: see it, start it, stop it. Everything here is called while `starting` is held.

The server is nobody's child: a shell starts it in a session of its own and ends, so neither Ctrl-C nor the end of the
app reaches it. What is known of it is its postmaster.pid, believed only when the process it names is this server.
"""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres import binaries, founding, process, settings, troubles
from domain.kernel.postgres.places import SOCKET_FILE, Place

PATIENCE = (
    60.0  # seconds for a stop, and for a start that says nothing; replaying the log after a crash may take longer
)
RECOVERY = 1800.0
ORPHANS = 10.0
LOG_LIMIT = 10 * 1024**2


@dataclass(frozen=True)
class Postmaster:
    """A living server: its process, where its socket is, and whether it is `ready`, `starting` or `stopping`."""

    pid: int
    socket_folder: Path
    state: str


def look(place: Place) -> Postmaster | None:
    """The server of this data folder, when it lives."""
    lines = _pid_file(place)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if not _is_postmaster(place, pid, lines[1] if len(lines) > 1 else ""):
        return None
    return Postmaster(
        pid=pid,
        socket_folder=Path(lines[4].strip()) if len(lines) > 4 else Path(),
        state=lines[7].strip() if len(lines) > 7 else "starting",
    )


def _pid_file(place: Place) -> list[str]:
    try:
        return (place.data / "postmaster.pid").read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []


def _is_postmaster(place: Place, pid: int, data: str) -> bool:
    """Whether that process is the server of this data folder, and not a stranger with the number of a dead one.

    The file names the folder as it was at the start: the folder may have been moved since (then that name is gone),
    but when it still exists and is another one, this folder is a copy and the server is not ours.
    """
    command = process.command_of(pid)
    if command is None or f"postgres -D {data} " not in f"{command} ":
        return False
    return not Path(data).exists() or place.data.samefile(data)


def start(place: Place, socket_folder: Path, say: Callable[[str], None]) -> Postmaster:
    """Start the server and wait until it takes connections."""
    _clear_up(place, socket_folder, say)
    memory = settings.shared_buffers()
    for buffers in (memory, 32):
        with troubles.plainly(place.folder):
            founding.write(place, place.data / "waterline.conf", settings.text(place, socket_folder, buffers))
            founding.let_in(place)
            begun = rotate(place)
        pid = _spawn(place)
        if up := _wait_ready(place, pid, say):
            return up
        said = tail(place, begun)
        if "could not map anonymous shared memory" not in said:
            break
    raise troubles.from_postgres(said, "The database did not start.", place.folder)


def _spawn(place: Place) -> int:
    # The paths are arguments of the shell, not part of its script: no name of a folder needs quoting.
    script = '"$1" -D "$2" </dev/null >>"$3" 2>&1 & echo $!'
    words = ["/bin/sh", "-c", script, "sh", binaries.server("postgres"), place.data, place.log]
    ran = process.run(words, account=place.account)
    if not ran.stdout.strip().isdigit():
        raise troubles.from_postgres(ran.stderr, "The database did not start.", place.folder)
    return int(ran.stdout)


def _wait_ready(place: Place, pid: int, say: Callable[[str], None]) -> Postmaster | None:
    began = time.monotonic()
    told = False
    while (waited := time.monotonic() - began) < RECOVERY:
        found = look(place)
        if found and found.state == "ready":
            return found
        if process.command_of(pid) is None:
            if found is None:
                return None
            pid = found.pid  # one that a killed starter left starting was quicker than ours
        if found is None and waited > PATIENCE:
            break
        if waited > 5 and not told:
            told = True
            say("The database is putting itself in order after it was cut off.")
        time.sleep(0.01 if waited < 1 else 0.1)
    raise troubles.from_postgres(
        tail(place, 0), f"The database was not ready after {waited:.0f} seconds.", place.folder
    )


def wait_settled(place: Place, say: Callable[[str], None]) -> Postmaster | None:
    """The living server once it is ready; None when there is none, or when it was on its way out."""
    found = look(place)
    if found is None:
        return None
    if found.state == "stopping":
        wait_gone(place, found.pid, PATIENCE)
        return look(place)
    return found if found.state == "ready" else _wait_ready(place, found.pid, say)


def _clear_up(place: Place, socket_folder: Path, say: Callable[[str], None]) -> None:
    """Make way after a crash: Postgres refuses while an old backend lives or its old number answers."""
    deadline = time.monotonic() + ORPHANS
    mine = f"postgres: {settings.title(place)}: "
    signals = [signal.SIGTERM, signal.SIGKILL]
    pause = time.monotonic() + 1
    while orphans := process.titled(mine):
        if time.monotonic() > deadline:
            raise Trouble(
                f"Processes of the old database server do not end: {', '.join(map(str, orphans))}.",
                "End them and start again.",
            )
        if signals and time.monotonic() > pause:
            say("Ending what the old database server left behind.")
            chosen = signals.pop(0)
            for pid in orphans:
                _signal(pid, chosen)
            pause = time.monotonic() + 3
        time.sleep(0.02)
    with troubles.plainly(place.folder):
        # Postgres clears these away itself unless the number in them belongs to a zombie or a stranger.
        for file in (place.data / "postmaster.pid", socket_folder / f"{SOCKET_FILE}.lock"):
            number = file.read_text(errors="replace").partition("\n")[0].strip() if file.exists() else ""
            if number.lstrip("-").isdigit() and process.exists(abs(int(number))) and not look(place):
                file.unlink()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(place: Place) -> None:
    """Stop the server: sessions are ended, what is committed is kept. A server that does not listen is cut off."""
    for how, patience in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 10.0)):
        found = look(place)
        if found is None:
            return
        _signal(found.pid, how)
        if wait_gone(place, found.pid, patience):
            return
    raise Trouble(f"The database server of {place.home} does not stop.", f"Its log is {place.log}.")


def wait_gone(place: Place, pid: int, patience: float) -> bool:
    """Whether that process ended within so many seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.command_of(pid) is None:
            return True
        time.sleep(0.01)
    return look(place) is None


def answers(found: Postmaster) -> bool:
    """Whether the server takes connections where it says it does."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        try:
            door.connect(str(found.socket_folder / SOCKET_FILE))
        except OSError:
            return False
    return True


def reload(found: Postmaster) -> None:
    """Have the server read its files again."""
    _signal(found.pid, signal.SIGHUP)


def tail(place: Place, begin: int) -> str:
    """What the log says from that byte on, at most the last few thousand."""
    try:
        with place.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(begin, size - 4000))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def rotate(place: Place) -> int:
    """Keep the log within bounds; its present size. It is opened for appending, so it may be cut while in use."""
    try:
        size = place.log.stat().st_size
    except FileNotFoundError:
        return 0
    if size <= LOG_LIMIT:
        return size
    old = place.log.with_name("server.log.1")
    shutil.copyfile(place.log, old)
    old.chmod(0o600)
    os.truncate(place.log, 0)
    return 0
