"""The running cluster: who comes first starts it, who comes later attaches, who leaves last stops it."""

import os
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres import founding, locks, places, server, settings
from domain.kernel.postgres.places import Place
from domain.kernel.postgres.server import Postmaster

Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Where a line for the person at the command line goes unless the caller knows better."""
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    home: Path
    data: Path
    socket_folder: Path
    port: int = settings.PORT

    def url(self, role: str = "app", database: str = founding.DATABASE) -> str:
        """The address of a database for one of the ROLES, such as `app`. There is no password: the OS user is known."""
        return _address(self.socket_folder, founding.ROLES[role], database)


def _address(socket_folder: Path, user: str, database: str) -> str:
    host = urllib.parse.quote(os.fsencode(socket_folder), safe="/")
    return f"postgresql://{user}@/{urllib.parse.quote(database, safe='')}?host={host}&port={settings.PORT}"


@contextmanager
def running(home: Path, *, say: Say = to_stderr) -> Iterator[Cluster]:
    """The cluster of this home, running for as long as the block lasts and anybody else uses it.

    A use is a lock on a file, so `kill -9` gives it back; it leaves the server running, and the next one attaches.
    """
    home = locks.make_home(home)
    with locks.starting(home) as lock:
        use = locks.Use(home)
        try:
            place, cluster = _enter(home, lock, say)
        except BaseException:
            _leave(home, use)
            raise
    try:
        yield cluster
    finally:
        with locks.starting(home):
            _leave(home, use, place)


def _enter(home: Path, lock: int, say: Say) -> tuple[Place, Cluster]:
    place = places.settle(home, say)
    founding.found(place, lock)
    up = server.wait_settled(place, say)
    if up and not server.answers(up):
        if not server.wait_gone(place, up.pid, 1.0):  # it was not just dying: its socket was deleted or moved
            say("The socket of the database server is gone; starting the server again.")
            server.stop(place)
        up = server.wait_settled(place, say)
    if up is None:
        up = server.start(place, places.socket_folder(place), say)
    elif founding.let_in(place):
        server.reload(up)
    founding.ensure_roles(place, _address(up.socket_folder, founding.SUPERUSER, "postgres"))
    return place, Cluster(home=home, data=place.data, socket_folder=up.socket_folder)


def _leave(home: Path, use: locks.Use, place: Place | None = None) -> None:
    try:
        if not use.is_last():
            return
        if place is None:  # the way in was cut short: stop what may have been started, and keep the first error
            with suppress(Trouble, OSError):
                place = places.settle(home, to_stderr)
                server.stop(place)
            return
        up: Postmaster | None = server.look(place)
        server.stop(place)
        if up:
            places.forget_socket_folder(up.socket_folder)
    finally:
        use.close()


@contextmanager
def keep_alive(cluster: Cluster, *, say: Say = to_stderr, every: float = 0.5) -> Iterator[None]:
    """While the block lasts, start the server again when it dies. Use it inside `running`, in one process."""
    done = threading.Event()

    def watch() -> None:
        pause = every
        ticks = 0
        while not done.wait(pause):
            ticks += 1
            try:
                revived = _revive(cluster, say)
                pause = every
                if ticks % 120 == 0:
                    _rotate(cluster)
            except Trouble as trouble:
                say(f"{trouble.problem} {trouble.remedy}")
                pause = 5.0
            else:
                if revived:
                    say("The database server had died and was started again.")

    thread = threading.Thread(target=watch, name="postgres keep_alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _revive(cluster: Cluster, say: Say) -> bool:
    place = places.known(cluster.home, cluster.data)
    if server.look(place):
        return False
    with locks.starting(cluster.home):
        if server.wait_settled(place, say):  # another user of this home was quicker
            return False
        places.renew_socket_folder(cluster.socket_folder, place)
        server.start(place, cluster.socket_folder, say)
    return True


def _rotate(cluster: Cluster) -> None:
    server.rotate(places.known(cluster.home, cluster.data))
