"""Who is at it: locks on files in the home, which the kernel frees however a process ends.

Three files: `postgres.lock` is held while a server is being started or stopped; `postgres.users` is held shared by
every user of the server, so whoever gets it alone is the last; `serving.lock` is held by the one process that serves.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres.accounts import is_root
from domain.kernel.postgres.troubles import plainly


def make_home(home: Path) -> Path:
    """The home as an absolute path, made when it is missing."""
    with plainly(home):
        home = home.expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise Trouble(f"{home} should be a folder and is a file.", "Move it away, or set WATERLINE_HOME.")
        home.mkdir(parents=True, exist_ok=True)
        return home.resolve()


def opened(file: Path) -> int:
    """A file to lock. Root leaves one that the owner of the home can lock too."""
    with plainly(file):
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        if is_root():
            owner = file.parent.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        return handle


@contextmanager
def starting(home: Path) -> Iterator[int]:
    """One process at a time starts, stops or repairs the server of a home; gives the lock, for a child to hold."""
    handle = opened(home / "postgres.lock")
    try:
        with plainly(home):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


class Use:
    """A share in the running server. Take it and give it back while `starting` is held."""

    def __init__(self, home: Path) -> None:
        self._handle = opened(home / "postgres.users")
        with plainly(home):
            fcntl.flock(self._handle, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether nobody else uses the server. A share is not kept by asking: ask on the way out."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the share back."""
        os.close(self._handle)


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """The claim to be the one process that serves this home."""
    home = make_home(home)
    handle = opened(home / "serving.lock")
    try:
        with plainly(home):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
                who = f"process {pid}" if pid.isdigit() else "another process"
                raise Trouble(
                    f"{home} is already being served by {who}.", "Stop that one first, or set WATERLINE_HOME."
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)
