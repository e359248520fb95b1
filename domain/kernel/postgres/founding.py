"""A new cluster: initdb into a draft, renamed when complete; then the roles and the database, again and again the same.

Roles: `postgres` only founds; `waterline_owner` migrates and may create databases (tests clone templates);
`waterline_app` owns nothing; `waterline_auditor` reads the books. They are reached by `peer`, so no password exists.
"""

import shutil
from pathlib import Path

from domain.kernel.errors import Trouble
from domain.kernel.postgres import accounts, binaries, process, troubles
from domain.kernel.postgres.places import Place

SUPERUSER = "postgres"
ROLES = {"app": "waterline_app", "owner": "waterline_owner", "auditor": "waterline_auditor"}
DATABASE = "waterline"

# Written beside the data once the roles are there: the number changes with the script below.
DONE = "waterline-roles-2"

SCRIPT = r"""
SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['waterline_owner', 'waterline_app', 'waterline_auditor']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE waterline_owner LOGIN CREATEDB NOSUPERUSER NOCREATEROLE;
ALTER ROLE waterline_app LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE;
ALTER ROLE waterline_auditor LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE;
ALTER ROLE waterline_auditor SET default_transaction_read_only = on;
ALTER ROLE waterline_auditor SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE waterline_app SET idle_in_transaction_session_timeout = '60s';
SELECT 'CREATE DATABASE waterline OWNER waterline_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'waterline') \gexec
REVOKE ALL ON DATABASE waterline FROM PUBLIC;
GRANT CONNECT ON DATABASE waterline TO waterline_app;
\connect waterline
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO waterline_app;
"""

HBA = "# Nothing listens on TCP; who may be which role is in pg_ident.conf.\nlocal all all peer map=waterline\n"
CONF = "\n# Written again at every start; your own settings go below this line.\ninclude 'waterline.conf'\n"


def found(place: Place, lock: int) -> None:
    """Make the data folder when there is none; refuse one that this Postgres cannot read. `lock` is from `starting`."""
    with troubles.plainly(place.folder):
        if not place.data.exists():
            _initdb(place, lock)
    _check_version(place)


def _check_version(place: Place) -> None:
    try:
        has = (place.data / "PG_VERSION").read_text().strip()
    except OSError:
        raise Trouble(
            f"{place.data} is not a complete Postgres data folder.",
            "Move it away, and restore a backup if it held data.",
        ) from None
    if has != binaries.major():
        raise Trouble(
            f"The data in {place.data} were written by Postgres {has}, and this is Postgres {binaries.major()}.",
            f"With the Waterline that brought Postgres {has} run `waterline backup`, then move that folder away "
            "and run `waterline restore` here.",
        )


def _initdb(place: Place, lock: int) -> None:
    draft = place.folder / "data.draft"  # may be left by a founding that was cut short
    # lc_ctype decides what pg_trgm takes for a letter, and not every system knows C.UTF-8 by that name.
    for letters in ("C.UTF-8", "en_US.UTF-8", "C"):
        if draft.exists():
            shutil.rmtree(draft)
        done = process.run(
            [
                binaries.server("initdb"), "-D", draft, "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={letters}",
                "--data-checksums", "--no-instructions",
            ],
            account=place.account,
            holding=lock,
        )  # fmt: skip
        if done.returncode == 0:
            break
        if "invalid locale name" not in done.stderr:
            shutil.rmtree(draft, ignore_errors=True)
            raise troubles.from_postgres(done.stderr, "A new database could not be made.", place.folder)
    else:
        raise Trouble("This machine has no usable locale for Postgres.", "Install the locale C.UTF-8.")
    write(place, draft / "pg_hba.conf", HBA)
    with (draft / "postgresql.conf").open("a") as conf:
        conf.write(CONF)
    draft.rename(place.data)


def write(place: Place, file: Path, text: str) -> None:
    """Replace a file of the data folder, in one step and for the server's user."""
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(text)
    draft.chmod(0o600)
    accounts.give(draft, place.account)
    draft.replace(file)


def let_in(place: Place) -> bool:
    """Let the user of this process be the roles; True when that is new and the server must read the file again."""
    file = place.data / "pg_ident.conf"
    wanted = [
        f'waterline "{name}" {role}'
        for name in dict.fromkeys([place.account.name, accounts.mine().name])
        for role in (SUPERUSER, *ROLES.values())
    ]
    present = [line for line in file.read_text().splitlines() if line.startswith("waterline ")]
    if all(line in present for line in wanted):
        return False
    lines = "\n".join(dict.fromkeys([*present, *wanted]))
    write(place, file, f"# map, OS user, role\n{lines}\n")
    return True


def ensure_roles(place: Place, url: str) -> None:
    """Roles, database and their rights; the same after once or many times, so a crash in between heals itself."""
    done = place.data / DONE
    if done.exists():
        return
    ran = process.run([binaries.client("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url], text=SCRIPT)
    if ran.returncode != 0:
        raise troubles.from_postgres(ran.stderr, "The roles of the database could not be made.", place.folder)
    write(place, done, "")
