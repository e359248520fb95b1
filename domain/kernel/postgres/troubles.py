"""What the operating system and Postgres say, in plain sentences."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.kernel.errors import Trouble

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def full_disk(where: Path) -> Trouble:
    """There is no room left; said by errno here, and by Postgres in its log."""
    return Trouble(f"The disk that holds {where} is full.", "Make room there and start again; nothing was lost.")


def from_postgres(text: str, doing: str, where: Path) -> Trouble:
    """The trouble behind the last lines of a log or of a tool's output (both run with LC_ALL=C, so in English)."""
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return full_disk(where)
    lines = "\n".join(f"  {line}" for line in text.strip().splitlines()[-8:]) or "  (it said nothing)"
    return Trouble(f"{doing} Postgres said:\n{lines}\n", f"Put that right and start again; the data are in {where}.")


@contextmanager
def plainly(where: Path) -> Iterator[None]:
    """Turns the errors that a folder can give into sentences; everything unexpected stays loud."""
    try:
        yield
    except OSError as error:
        at = Path(str(error.filename)) if error.filename else where
        if error.errno in FULL:
            raise full_disk(where) from error
        if error.errno in CLOSED:
            why = "is on a read-only disk" if error.errno == errno.EROFS else "is closed to this user"
            raise Trouble(
                f"{at} {why}.", "Give this user the right to read and write there, or set WATERLINE_HOME."
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise Trouble(f"{at} should be a folder and is a file.", "Move it away, or set WATERLINE_HOME.") from error
        if error.errno == errno.ENAMETOOLONG:
            raise Trouble(
                f"The name of the folder {where} is too long.", "Set WATERLINE_HOME to a shorter one."
            ) from error
        if error.errno in NO_FLOCK:
            raise Trouble(
                f"The disk that holds {where} cannot lock files.", "Set WATERLINE_HOME to a local disk."
            ) from error
        raise
