"""Where the parts of a cluster lie: its folder (data, log, socket), and the socket when that path is too long.

As an ordinary user everything lies in `home/postgres`. Root runs the server as another user; when that user cannot
enter the home, the cluster lies in the system folder and `home/postgres.json` says where. Permissions of folders that
were not made here are never changed.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres import accounts, process
from domain.kernel.postgres.accounts import Account
from domain.kernel.postgres.binaries import owned_by_root, system_folder
from domain.kernel.postgres.troubles import plainly

SOCKET_PATH_LIMIT = 103  # bytes; 107 on Linux, 103 on macOS
SOCKET_FILE = ".s.PGSQL.5432"
TEMPORARY = Path("/tmp")  # noqa: S108  the folder in it is private and checked; TMPDIR may be longer than a socket's path


@dataclass(frozen=True)
class Place:
    """The folder of a cluster and the user that it belongs to."""

    home: Path
    folder: Path
    account: Account

    @property
    def data(self) -> Path:
        """Postgres's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.folder / "server.log"

    @property
    def mark(self) -> str:
        """A short name for this cluster: in the titles of its processes and in the socket's folder."""
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]


def pointer(home: Path) -> Path:
    """The file that says where the cluster lies when it is not in the home."""
    return home / "postgres.json"


def is_there(home: Path) -> bool:
    """Whether this home has a cluster already."""
    return pointer(home).exists() or (home / "postgres").exists()


def settle(home: Path, say: Callable[[str], None]) -> Place:
    """The place of this home's cluster, made when it is new. Call while `starting` is held."""
    with plainly(home):
        if pointer(home).exists():
            return _pointed(home)
        inside = home / "postgres"
        if inside.exists():
            return _inside(home, inside)
        account = accounts.for_new_cluster()
        if account.uid == os.geteuid() or can_enter(account, home):
            return Place(home, _given(inside, account), account)
        folder = _outside(home, say)
        _write_pointer(home, folder)
        return Place(home, _given(folder, account), account)


def _inside(home: Path, inside: Path) -> Place:
    owner = inside.stat().st_uid
    if accounts.is_root() and owner == 0:  # a crash between making it and giving it away; root never owns data
        return Place(home, _given(inside, accounts.for_new_cluster()), accounts.for_new_cluster())
    account = accounts.of(owner)
    if not accounts.is_root() and owner != os.geteuid():
        raise Trouble(f"{inside} belongs to the user {account.name}.", f"Run Waterline as {account.name} or as root.")
    if not can_enter(account, inside):
        raise Trouble(
            f"The user {account.name}, to whom {inside} belongs, cannot enter it.",
            f"Let {account.name} pass through the folders above it again.",
        )
    return Place(home, inside, account)


def _pointed(home: Path) -> Place:
    file = pointer(home)
    try:
        found = json.loads(file.read_text())
        folder, of_home = Path(found["folder"]), Path(found["home"])
    except (ValueError, KeyError, TypeError):
        raise Trouble(
            f"{file} does not say where the data of this home are.", "Restore that file; the data were not touched."
        ) from None
    if not accounts.is_root():
        raise Trouble(f"The data of {home} are in {folder}, kept by root.", "Run Waterline as root here.")
    if not folder.is_dir():
        raise Trouble(
            f"The data of {home} should be in {folder}, and that folder is gone.",
            f"Put it back, or delete {file} to begin with an empty database.",
        )
    if of_home != home:
        if pointer(of_home).exists() and not pointer(of_home).samefile(file):
            raise Trouble(
                f"{home} is a copy of {of_home}, and the data of both would be the same folder {folder}.",
                f"Delete {file} to begin with an empty database here, then restore a backup into it.",
            )
        _write_pointer(home, folder)  # the home was moved
    owner = folder.stat().st_uid
    return Place(home, folder, accounts.of(owner) if owner else _give_again(folder))


def _give_again(folder: Path) -> Account:
    account = accounts.for_new_cluster()
    _given(folder, account)
    return account


def _outside(home: Path, say: Callable[[str], None]) -> Path:
    system = owned_by_root(system_folder())
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    folder, number = system / name, 1
    while folder.exists() and any(folder.iterdir()):  # of a home that was deleted here; nobody asked to delete its data
        say(f"The data of an earlier home at {home} are still in {folder}.")
        number += 1
        folder = system / f"{name}-{number}"
    return folder


def _write_pointer(home: Path, folder: Path) -> None:
    draft = home / "postgres.json.draft"
    draft.write_text(json.dumps({"folder": str(folder), "home": str(home)}) + "\n")
    draft.replace(pointer(home))


def _given(folder: Path, account: Account) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return folder


def can_enter(account: Account, folder: Path) -> bool:
    """Asked by going there: permission bits alone do not know of access lists."""
    if account.uid == os.geteuid():
        return os.access(folder, os.X_OK)
    return process.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder], account=account).returncode == 0


def socket_folder(place: Place) -> Path:
    """A private folder for the socket: beside the data when that path is plain and short, else in /tmp.

    Beside the data it is found from every session and every mount namespace; a runtime folder vanishes at logout.
    """
    with plainly(place.folder):
        beside = place.folder / "socket"
        plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(beside))  # a comma would read as two hosts
        if plain and len(os.fsencode(beside / SOCKET_FILE)) <= SOCKET_PATH_LIMIT:
            beside.mkdir(mode=0o700, exist_ok=True)
            if place.account.uid != os.geteuid() and beside.stat().st_uid == os.geteuid():
                os.chown(beside, place.account.uid, place.account.gid, follow_symlinks=False)
            if is_private(beside, place.account) and takes_sockets(beside):
                return beside
    for number in range(1, 10):
        folder = TEMPORARY / f"waterline-{place.account.uid}-{place.mark}{f'-{number}' if number > 1 else ''}"
        with plainly(TEMPORARY):
            try:
                folder.mkdir(mode=0o700)
                if place.account.uid != os.geteuid():
                    os.chown(folder, place.account.uid, place.account.gid, follow_symlinks=False)
            except FileExistsError:
                pass
        if is_private(folder, place.account):
            return folder
    raise Trouble(
        f"Every folder {TEMPORARY}/waterline-{place.account.uid}-{place.mark}… belongs to somebody else.",
        "Remove those folders, or set WATERLINE_HOME to a path short enough to hold the socket itself.",
    )


def is_private(folder: Path, account: Account) -> bool:
    """A real folder of that user which nobody else can enter: anyone may have made one of that name in /tmp."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077


def takes_sockets(folder: Path) -> bool:
    """Some mounted disks hold files but no sockets."""
    probe = folder / ".probe"
    try:
        probe.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(probe))
        probe.unlink()
    except OSError:
        return False
    return True


def forget_socket_folder(folder: Path) -> None:
    """Leave nothing in /tmp after the server stopped."""
    if folder.parent == TEMPORARY:
        shutil.rmtree(folder, ignore_errors=True)


def known(home: Path, data: Path) -> Place:
    """The place of a cluster that was started before: nothing is decided anew."""
    with plainly(data):
        return Place(home, data.parent, accounts.of(data.stat().st_uid))


def renew_socket_folder(folder: Path, place: Place) -> None:
    """The folder that clients know, made again when something swept it away."""
    with plainly(folder):
        _given(folder, place.account)
    if not is_private(folder, place.account):
        raise Trouble(f"{folder} belongs to somebody else.", "Remove it and start Waterline again.")
