"""A Postgres of the bench's own: new for every run, durable as in production, gone afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from domain.kernel.postgres import Cluster, running

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Server:
    """A running server with one empty database, and its addresses by role."""

    app_url: str
    owner_url: str
    superuser_url: str
    """For what only a superuser may do: have statements logged."""
    log: Path
    """Where the server writes its log."""

    async def tidy(self) -> None:
        """Give the planner statistics and the readers clean pages, so that no run pays for the loading."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute("VACUUM (ANALYZE, SKIP_LOCKED)", timeout=600)
        finally:
            await connection.close()


@contextmanager
def server() -> Iterator[Server]:
    """A new server, with fsync and synchronous_commit on, for as long as the block lasts.

    Its data are in the project's folder and not in /tmp, which is memory on many systems: there a commit costs nothing.
    """
    parent = ROOT / ".waterline"
    parent.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    home.chmod(0o711)  # root's server runs as another user, who must pass through
    cluster: Cluster | None = None
    try:
        with running(home, say=lambda _: None) as cluster:
            owner = cluster.url("owner")
            superuser = make_url(owner).set(username="postgres").render_as_string(hide_password=False)
            yield Server(cluster.url("app"), owner, superuser, cluster.data.parent / "server.log")
    finally:
        if cluster is not None:  # root's server may keep its data elsewhere
            shutil.rmtree(cluster.data.parent, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
