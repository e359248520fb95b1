"""Which OS user the server runs as. Postgres refuses root, and users are never created here."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.kernel.errors import Trouble


@dataclass(frozen=True)
class Account:
    """An OS user with a name: initdb and `peer` both look the name up, so a bare number does not do."""

    name: str
    uid: int
    gid: int

    @property
    def spawn(self) -> dict[str, Any]:
        """The arguments that make `subprocess` run a command as this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def is_root() -> bool:
    """Whether this process may act for other users."""
    return os.geteuid() == 0


def of(uid: int) -> Account:
    """The account with this number."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise Trouble(
            f"The user with number {uid} has no name on this machine, and Postgres needs one.",
            "Add the user to /etc/passwd, or set DATABASE_URL to a Postgres server.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def mine() -> Account:
    """The account of this process."""
    return of(os.geteuid())


def for_new_cluster(preferred: tuple[str, ...] = ("postgres", "nobody")) -> Account:
    """This user; for root the first of the powerless users that exists."""
    if not is_root():
        return mine()
    for name in preferred:
        try:
            return of(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise Trouble(
        "Postgres refuses to run as root, and this machine has neither a user postgres nor a user nobody.",
        "Run Waterline as an ordinary user, or set DATABASE_URL to a Postgres server.",
    )


def give(file: Path, account: Account) -> None:
    """Let a file that was just made here belong to the server's user."""
    if account.uid != os.geteuid():
        os.chown(file, account.uid, account.gid, follow_symlinks=False)
