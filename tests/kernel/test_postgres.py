"""The embedded Postgres, with real servers: founding, attaching, crashes, closed doors, backup and restore."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from domain.kernel.errors import Trouble
from domain.kernel.postgres import (
    Cluster,
    accounts,
    backup,
    binaries,
    dump,
    founding,
    keep_alive,
    places,
    process,
    restore,
    running,
    server,
    serving,
    settings,
)

REPOSITORY = Path(__file__).parents[2]
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root")
BINARIES = Path(sysconfig.get_path("purelib"))
anyone_may_run = pytest.mark.skipif(
    not all(folder.stat().st_mode & 0o001 for folder in (BINARIES, *BINARIES.parents)),
    reason="an ordinary user cannot enter this checkout",
)

# What another process does: use the home, say so, wait for a line. It becomes the other user after its imports, because
# that user may not be able to read this Python.
USER = """
import os, pwd, sys
from pathlib import Path
from domain.kernel.errors import Trouble
from domain.kernel.postgres import binaries, running, serving
binaries.site(), binaries.version()
if len(sys.argv) > 2:
    entry = pwd.getpwnam(sys.argv[2])
    os.setgroups([]), os.setgid(entry.pw_gid), os.setuid(entry.pw_uid)
try:
    with running(Path(sys.argv[1])) as cluster:
        print("up", (cluster.data / "postmaster.pid").read_text().split()[0], cluster.url(), flush=True)
        sys.stdin.readline()
    print("down", flush=True)
except Trouble as trouble:
    print("trouble", trouble.problem, trouble.remedy, flush=True)
"""
SERVER = USER.replace("with running(", "with serving(Path(sys.argv[1])), running(")


@pytest.fixture(scope="module", autouse=True)
def system_folder() -> Iterator[Path]:
    """Root's folder for programs and data, apart from the machine's real one."""
    folder = Path(tempfile.mkdtemp(prefix="wl-system-", dir="/tmp"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATERLINE_SYSTEM_FOLDER", str(folder))
        yield folder
    shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="wl-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(open_folder: Path) -> Path:
    return open_folder / "home"


@pytest.fixture(scope="module")
def shared(system_folder: Path) -> Iterator[Cluster]:
    """One running cluster for the tests that only look."""
    folder = Path(tempfile.mkdtemp(prefix="wl-", dir="/tmp"))
    folder.chmod(0o755)
    with running(folder / "home") as up:
        yield up
    shutil.rmtree(folder)


def sql(url: str, text: str) -> str:
    ran = process.run([binaries.client("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text])
    if ran.returncode:
        raise AssertionError(ran.stderr)
    return ran.stdout.strip()


def refused(url: str, text: str) -> str:
    with pytest.raises(AssertionError) as caught:
        sql(url, text)
    return str(caught.value)


def postmaster(up: Cluster) -> int:
    return int((up.data / "postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    return process.command_of(pid) is not None


def until(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@contextmanager
def another(home: Path, script: str = USER, user: str | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Another process, in the role that `script` gives it."""
    process_ = subprocess.Popen(
        [sys.executable, "-c", script, str(home), *([user] if user else [])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    with process_:
        try:
            yield process_
        finally:
            process_.kill()


def line(of: "subprocess.Popen[str]") -> list[str]:
    assert of.stdout
    return of.stdout.readline().split()


def finish(of: "subprocess.Popen[str]") -> list[str]:
    assert of.stdin
    of.stdin.write("\n")
    of.stdin.flush()
    return line(of)


# Roles and doors


def test_the_app_owns_nothing_and_the_owner_is_no_superuser(shared: Cluster) -> None:
    app, owner = shared.url(), shared.url("owner")
    assert sql(app, "SELECT current_user, current_database()") == "waterline_app|waterline"
    assert sql(owner, "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = user") == "f|t|f"
    assert sql(app, "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = user") == "f|f|f"
    assert sql(app, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'waterline'") == "waterline_owner"
    assert "permission denied" in refused(app, "CREATE TABLE public.t ()")
    assert "permission denied" in refused(app, "CREATE TEMP TABLE t ()")
    assert "permission denied" in refused(app, "CREATE SCHEMA s")
    assert "permission denied" in refused(app, "CREATE DATABASE d")
    assert sql(app, "SHOW idle_in_transaction_session_timeout") == "1min"
    sql(owner, "CREATE DATABASE cloned TEMPLATE waterline")
    assert sql(shared.url("owner", "cloned"), "SELECT 1") == "1"
    sql(owner, "DROP DATABASE cloned")


def test_the_settings(shared: Cluster) -> None:
    owner = shared.url("owner")
    for name, value in {
        "listen_addresses": "", "fsync": "on", "jit": "off", "max_connections": "100", "data_checksums": "on",
        "server_encoding": "UTF8", "unix_socket_permissions": "0700",
    }.items():  # fmt: skip
        assert sql(owner, f"SHOW {name}") == value
    assert sql(owner, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'waterline'") == "b|C.UTF-8"
    assert stat.S_IMODE(shared.socket_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.data.stat().st_mode) == 0o700


def test_trigrams_take_an_umlaut_for_a_letter(shared: Cluster) -> None:
    with suppress(AssertionError):
        sql(shared.url("owner"), "CREATE EXTENSION pg_trgm")
    assert sql(shared.url("owner"), "SELECT array_length(show_trgm('Äpfel'), 1)") == "6"


async def test_asyncpg_takes_the_address(shared: Cluster) -> None:
    connection = await asyncpg.connect(shared.url())
    assert await connection.fetchval("SELECT current_user") == "waterline_app"
    await connection.close()


@as_root
def test_another_os_user_is_kept_out(shared: Cluster) -> None:
    ran = process.run(["ls", shared.socket_folder], account=accounts.of(pwd.getpwnam("nobody").pw_uid))
    assert "Permission denied" in ran.stderr
    # and were the folder open, `peer` would still ask who it is
    assert "nobody" not in (shared.data / "pg_ident.conf").read_text()


# Coming and going


def test_the_last_one_out_stops_the_server(home: Path) -> None:
    with running(home) as first:
        pid = postmaster(first)
        with running(home) as second:
            assert second == first
            assert postmaster(second) == pid
        assert alive(pid)
        assert sql(first.url(), "SELECT 1") == "1"
        assert os.getsid(pid) not in (os.getsid(0), os.getpid())
    assert not alive(pid)
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_others_attach_and_a_killed_app_leaves_the_server(home: Path) -> None:
    with another(home) as app:
        said = line(app)
        assert said[0] == "up"
        pid = int(said[1])
        app.send_signal(signal.SIGKILL)
        app.wait()
    assert alive(pid)
    with running(home) as up:
        assert postmaster(up) == pid
    assert not alive(pid)


def test_many_at_once_get_one_server(home: Path) -> None:
    with another(home) as a, another(home) as b, another(home) as c, another(home) as d:
        pids = {tuple(line(each)) for each in (a, b, c, d)}
        assert len(pids) == 1
        pid = int(pids.pop()[1])
        for each in (a, b, c):
            assert finish(each) == ["down"]
            assert alive(pid)
        assert finish(d) == ["down"]
    assert not alive(pid)


def test_two_homes_run_at_once(open_folder: Path) -> None:
    with running(open_folder / "a") as a, running(open_folder / "b") as b:
        assert a.socket_folder != b.socket_folder
        sql(a.url("owner"), "CREATE TABLE only_here ()")
        assert "does not exist" in refused(b.url("owner"), "SELECT FROM only_here")


def test_the_end_comes_amid_the_start(home: Path) -> None:
    data = home / "postgres" / "data"
    for moment in (data.with_name("data.draft") / "global", data / "postmaster.pid", None):
        with another(home) as app:
            until(moment.exists) if moment else time.sleep(0.2)
            app.send_signal(signal.SIGTERM)
            app.wait()
        if moment and moment.is_relative_to(data):  # the server comes up alone, and the next one takes it over
            with running(home) as up:
                pid = postmaster(up)
            assert not alive(pid)
    with running(home) as up:
        assert sql(up.url(), "SELECT 1") == "1"
    assert not list(home.rglob("*.draft"))


def test_a_second_serving_is_refused_by_name(home: Path) -> None:
    with another(home, SERVER) as first:
        assert line(first)[0] == "up"
        with pytest.raises(Trouble, match=f"already being served by process {first.pid}"), serving(home):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        with serving(home), running(home):
            pass


# Crashes


def test_a_killed_server_is_started_again(home: Path) -> None:
    said: list[str] = []
    with running(home) as up, keep_alive(up, say=said.append, every=0.05):
        sql(up.url("owner"), "CREATE TABLE kept ()")
        for time_ in (1, 2):
            pid = postmaster(up)
            os.kill(pid, signal.SIGKILL)
            until(lambda expected=time_: len(said) == expected)
            assert postmaster(up) != pid
        assert sql(up.url("owner"), "SELECT count(*) FROM kept") == "0"
        assert said == ["The database server had died and was started again."] * 2
    assert not alive(pid)


def test_a_killed_server_with_a_busy_orphan(home: Path) -> None:
    said: list[str] = []
    with running(home, say=said.append) as up:
        # an orphan that computes does not notice the postmaster's death
        busy = "SELECT count(*) FROM generate_series(1, 100000000000) a"
        with process.piped(
            [binaries.client("psql"), "-Xc", busy, "-d", up.url()], stderr=None, stdout=subprocess.DEVNULL
        ) as psql:
            try:
                mine = f"postgres: {settings.title(places.known(up.home, up.data))}: waterline_app"
                until(lambda: any("SELECT" in (process.command_of(pid) or "") for pid in process.titled(mine)))
                orphans = process.titled(mine)
                os.kill(pid := postmaster(up), signal.SIGKILL)
                until(lambda: not alive(pid))
                with running(home, say=said.append) as again:
                    assert sql(again.url(), "SELECT 1") == "1"
                assert said == ["Ending what the old database server left behind."]
                assert not any(alive(orphan) for orphan in orphans)
            finally:
                psql.kill()


@contextmanager
def sleeper(user: int | None = None) -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"], user=user) as stranger:
        try:
            yield stranger.pid
        finally:
            stranger.kill()


def stale(home: Path, pid: int) -> None:
    """What a machine that lost its power leaves behind."""
    place = places.settle(home, print)
    folder = places.socket_folder(place)
    text = f"{pid}\n{place.data}\n1700000000\n5432\n{folder}\n\n  5432001  99999\nready   \n"
    founding.write(place, place.data / "postmaster.pid", text)
    lock = folder / f"{places.SOCKET_FILE}.lock"
    founding.write(place, lock, text)
    (folder / places.SOCKET_FILE).touch()


def test_an_old_pid_file_names_a_stranger(home: Path) -> None:
    with running(home) as up:
        owner = up.data.stat().st_uid
    with sleeper(owner if ROOT else None) as stranger:
        stale(home, stranger)
        with running(home) as up:
            assert postmaster(up) != stranger
            assert sql(up.url(), "SELECT 1") == "1"
        assert alive(stranger)


def test_an_old_pid_file_names_a_zombie(home: Path) -> None:
    with running(home):
        pass
    with subprocess.Popen(["true"]) as zombie:
        until(lambda: not alive(zombie.pid))  # ended, and not waited for
        stale(home, zombie.pid)
        with running(home) as up:
            assert sql(up.url(), "SELECT 1") == "1"


def test_a_copied_home_does_not_attach_to_the_original(open_folder: Path) -> None:
    with running(open_folder / "a") as a:
        subprocess.run(["cp", "-a", open_folder / "a", open_folder / "b"], check=True)
        with running(open_folder / "b") as b:
            assert postmaster(a) != postmaster(b)
            assert b.data != a.data
            sql(a.url("owner"), "CREATE TABLE only_in_a ()")
        with running(open_folder / "b") as b:
            assert "does not exist" in refused(b.url("owner"), "TABLE only_in_a")


def test_a_crash_between_founding_and_roles_heals(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(founding, "ensure_roles", crash)
        with pytest.raises(KeyboardInterrupt), running(home):
            pass
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()
    (home / "postgres" / "data.draft").mkdir()
    with running(home) as up:
        assert sql(up.url(), "SELECT 1") == "1"


def test_roles_half_made_heal(home: Path) -> None:
    with running(home) as up:
        sql(up.url("owner", "postgres"), "DROP DATABASE waterline")
        (up.data / founding.DONE).unlink()
    with running(home) as up:
        assert "permission denied" in refused(up.url(), "CREATE TABLE public.t ()")


def test_a_deleted_socket_comes_back(home: Path) -> None:
    with running(home) as up:
        (up.socket_folder / places.SOCKET_FILE).unlink()
        with running(home, say=lambda _: None) as again:
            assert sql(again.url(), "SELECT 1") == "1"


# Homes of all kinds


@pytest.mark.parametrize("name", ["with space, comma", "größe $HOME `x` \"q\" 'q' %41 \\", "long" * 50])
def test_odd_names(open_folder: Path, name: str) -> None:
    with running(open_folder / name) as up:
        assert sql(up.url(), "SELECT 1") == "1"
        assert up.socket_folder.parent == Path("/tmp")
        assert asyncio.run(_ask(up.url())) == 1
    assert not up.socket_folder.exists()


async def _ask(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


@pytest.mark.parametrize("mask", [0o077, 0o000])
def test_whatever_the_umask(open_folder: Path, system_folder: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    system = open_folder / "system"
    monkeypatch.setenv("WATERLINE_SYSTEM_FOLDER", str(system))
    old = os.umask(mask)
    try:
        with running(open_folder / "home") as up:
            assert sql(up.url(), "SELECT 1") == "1"
            assert stat.S_IMODE(up.data.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE((up.home / "postgres.users").stat().st_mode) == 0o600
    finally:
        os.umask(old)
    if ROOT:
        assert stat.S_IMODE(system.stat().st_mode) == 0o755


def test_a_relative_home(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(open_folder)
    with running(Path(".waterline")) as up:
        assert up.home == open_folder / ".waterline"


@as_root
def test_a_folder_of_another_user_in_tmp_is_not_used(open_folder: Path) -> None:
    home = open_folder / ("long" * 50)
    with running(home) as up:
        taken = up.socket_folder
    taken.mkdir(mode=0o700)
    os.chown(taken, 1, 1)
    try:
        with running(home) as up:
            assert up.socket_folder == taken.with_name(f"{taken.name}-2")
            assert sql(up.url(), "SELECT 1") == "1"
        taken.rmdir()
        taken.symlink_to(open_folder)
        with running(home) as up:
            assert up.socket_folder == taken.with_name(f"{taken.name}-2")
    finally:
        if taken.is_symlink():
            taken.unlink()
        else:
            taken.rmdir()


@as_root
def test_a_home_that_only_root_can_enter(tmp_path: Path, system_folder: Path) -> None:
    (closed := tmp_path / "closed").mkdir(mode=0o700)
    above = [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in (closed, *closed.parents)]
    home = closed / ".waterline"
    with running(home) as up:
        assert up.data.is_relative_to(system_folder)
        assert sql(up.url(), "SELECT current_user") == "waterline_app"
        assert process.command_of(postmaster(up)).startswith(str(system_folder / "bin"))  # pyright: ignore
        sql(up.url("owner"), "CREATE TABLE kept ()")
    assert [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder, *_ in above] == above
    with running(home) as again:
        assert again == up
        sql(up.url("owner"), "TABLE kept")

    # a copy of the home must not share the data; a moved home takes them along
    shutil.copytree(home, closed / "copy")
    with pytest.raises(Trouble, match="is a copy of"), running(closed / "copy"):
        pass
    home.rename(moved := closed / "moved")
    with running(moved) as again:
        assert again.data == up.data

    # a new home at an old path begins anew, and says what is left
    shutil.move(moved, home)
    with running(home):
        pass
    shutil.rmtree(home)
    said: list[str] = []
    with running(home, say=said.append) as anew:
        assert anew.data != up.data
        assert str(up.data.parent) in said[0]
    shutil.rmtree(anew.data.parent)
    with pytest.raises(Trouble, match="that folder is gone"), running(home):
        pass


@as_root
@anyone_may_run
def test_root_uses_the_data_of_an_ordinary_user_as_that_user(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    with another(home, user="nobody") as app:
        said = line(app)
        assert said[0] == "up", said
        with running(home) as up:
            assert sql(up.url("owner"), "CREATE TABLE kept (); SELECT current_user") == "waterline_owner"
        assert finish(app) == ["down"]
    with running(home) as up:
        assert process.run(["stat", "-c", "%U", f"/proc/{postmaster(up)}"]).stdout.strip() == "nobody"
        sql(up.url("owner"), "TABLE kept")
    with another(home, user="nobody") as app:
        assert line(app)[0] == "up"
        assert finish(app) == ["down"]


@as_root
def test_an_ordinary_user_is_told_of_roots_data(tmp_path: Path, home: Path) -> None:
    with running(home):
        pass
    with another(home, user="nobody") as app:
        said = " ".join(line(app))
    assert said.startswith("trouble")
    assert "closed to this user" in said


@as_root
def test_nobody_serves_where_there_is_no_postgres(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = accounts.for_new_cluster
    monkeypatch.setattr(accounts, "for_new_cluster", lambda: found(("no-such-user", "nobody")))
    with running(home) as up:
        assert sql(up.url(), "SELECT 1") == "1"
        assert up.data.owner() == "nobody"
    with pytest.raises(Trouble, match="refuses to run as root"):
        found(("no-such-user",))


# Plain sentences


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A small disk."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@as_root
def test_a_full_disk(open_folder: Path) -> None:
    with tmpfs(open_folder / "disk", "20m") as disk:
        home = disk / "home"
        with pytest.raises(Trouble, match="is full"), running(home):
            pass
        assert not (home / "postgres" / "data").exists()
        subprocess.run(["mount", "-o", "remount,size=120m", disk], check=True)
        with running(home) as up:
            sql(up.url("owner"), "CREATE TABLE kept ()")
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"0" * 4096):
                pass
        with pytest.raises(Trouble, match="is full"), running(home):
            pass
        (disk / "filler").unlink()
        with running(home) as up:
            sql(up.url("owner"), "TABLE kept")


@as_root
def test_a_full_system_folder(open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tmpfs(open_folder / "disk", "10m") as disk:
        monkeypatch.setenv("WATERLINE_SYSTEM_FOLDER", str(disk))
        with pytest.raises(Trouble, match=r"could not be copied.*No space left"), running(tmp_path / "home"):
            pass
        assert not list((disk / "bin").iterdir())


@as_root
def test_a_system_folder_that_others_can_change(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder.chmod(0o777)
    monkeypatch.setenv("WATERLINE_SYSTEM_FOLDER", str(open_folder))
    with pytest.raises(Trouble, match="other users than root"), running(tmp_path / "home"):
        pass


@as_root
def test_a_read_only_disk(open_folder: Path) -> None:
    with tmpfs(open_folder / "disk", "20m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(Trouble, match="read-only disk"), running(disk / "home"):
            pass
        with pytest.raises(Trouble, match="read-only disk"), running(disk):
            pass


@as_root
def test_a_home_closed_to_an_ordinary_user(open_folder: Path) -> None:
    with another(open_folder, user="nobody") as app:
        assert "closed to this user" in " ".join(line(app))


def test_a_home_that_is_a_file(open_folder: Path) -> None:
    (open_folder / "home").touch()
    for home in (open_folder / "home", open_folder / "home" / "below"):
        with pytest.raises(Trouble, match="is a file"), running(home):
            pass
        with pytest.raises(Trouble, match="is a file"), serving(home):
            pass


def test_data_of_another_major_version(home: Path) -> None:
    with running(home) as up:
        pass
    (up.data / "PG_VERSION").write_text("15\n")
    with (
        pytest.raises(Trouble, match=r"were written by Postgres 15, and this is Postgres 18.*waterline backup"),
        running(home),
    ):
        pass


def test_a_data_folder_that_is_none(home: Path) -> None:
    with running(home) as up:
        pass
    (up.data / "PG_VERSION").unlink()
    with pytest.raises(Trouble, match="not a complete Postgres data folder"), running(home):
        pass


def test_no_programs_for_this_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setenv("WATERLINE_SYSTEM_FOLDER", str(home.parent / "system"))
    binaries.site.cache_clear()
    try:
        with pytest.raises(Trouble, match="no programs for this machine"), running(home):
            pass
    finally:
        binaries.site.cache_clear()


def test_a_server_that_does_not_come_up_shows_its_log(home: Path) -> None:
    with running(home) as up:
        pass
    with (up.data / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(Trouble, match='unrecognized configuration parameter "no_such_setting"'), running(home):
        pass


def test_the_log_stays_within_bounds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOG_LIMIT", 100)
    with running(home) as up:
        log = up.data.parent / "server.log"
        assert log.stat().st_size > 100
        server.rotate(places.known(up.home, up.data))
        assert log.stat().st_size == 0
        assert "ready to accept" in log.with_name("server.log.1").read_text()
        refused(up.url(), "SELECT no_such_column")
        until(lambda: b"no_such_column" in log.read_bytes())
        assert b"\0" not in log.read_bytes()


def test_the_cache_shrinks_where_memory_is_scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.available() > 0
    monkeypatch.setattr(settings, "available", lambda: 500)
    assert settings.shared_buffers() == 64


# Backup and restore

TABLES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO waterline_app;
CREATE TABLE shop.item (id bigint PRIMARY KEY, name text);
CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
REVOKE ALL ON FUNCTION shop.f() FROM PUBLIC;
GRANT SELECT, INSERT ON shop.item TO waterline_app;
INSERT INTO shop.item VALUES (1, 'before');
ALTER DATABASE waterline SET work_mem = '5MB';
"""


@pytest.fixture
def shop(home: Path) -> Iterator[Cluster]:
    with running(home) as up:
        sql(up.url("owner"), TABLES)
        yield up


def names(up: Cluster) -> str:
    return sql(up.url("owner"), "SELECT string_agg(name, ',' ORDER BY id) FROM shop.item")


@pytest.mark.parametrize("by_url", [False, True])
def test_there_and_back(shop: Cluster, tmp_path: Path, by_url: bool) -> None:
    target = shop.url("owner").replace("postgresql://", "postgresql+asyncpg://") if by_url else shop
    backup(target, file := tmp_path / "shop.backup")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["shop.backup"]
    sql(shop.url("owner"), "INSERT INTO shop.item VALUES (2, 'after')")

    def epoch(url: str) -> None:
        sql(url, "INSERT INTO shop.item VALUES (3, 'epoch')")
        assert names(shop) == "before,after"

    assert restore(target, file, after_restore=epoch) == "waterline_before_restore"
    assert names(shop) == "before,epoch"
    assert sql(shop.url("owner", "waterline_before_restore"), "SELECT count(*) FROM shop.item") == "2"
    # the app's rights are what they were
    app = shop.url()
    assert sql(app, "INSERT INTO shop.item VALUES (4, 'app'); SELECT count(*) FROM shop.item") == "3"
    assert "permission denied" in refused(app, "DELETE FROM shop.item")
    assert "permission denied" in refused(app, "SELECT shop.f()")
    assert "permission denied" in refused(app, "CREATE TABLE public.t ()")
    assert "permission denied" in refused(app, "CREATE TEMP TABLE t ()")
    assert sql(app, "SHOW work_mem") == "5MB"
    assert sql(app, "SELECT tableowner FROM pg_tables WHERE tablename = 'item'") == "waterline_owner"
    assert restore(target, file) == "waterline_before_restore"  # and again
    assert names(shop) == "before"


def test_a_backup_overwrites_nothing(shop: Cluster, tmp_path: Path) -> None:
    (file := tmp_path / "shop.backup").write_text("precious")
    with pytest.raises(Trouble, match="exists already"):
        backup(shop, file)
    assert file.read_text() == "precious"
    backup(shop, file, overwrite=True)
    assert file.read_bytes().startswith(b"PGDMP")
    with pytest.raises(Trouble, match="no folder"):
        backup(shop, tmp_path / "no" / "folder")


def databases(up: Cluster) -> set[str]:
    return set(sql(up.url("owner"), "SELECT datname FROM pg_database WHERE NOT datistemplate").split())


def test_a_failed_restore_changes_nothing(shop: Cluster, tmp_path: Path) -> None:
    backup(shop, file := tmp_path / "shop.backup")
    sql(shop.url("owner"), "INSERT INTO shop.item VALUES (2, 'after')")
    before = databases(shop)

    (none := tmp_path / "none").write_text("not a backup")
    with pytest.raises(Trouble, match="not a backup that can be read"):
        restore(shop, none)
    with pytest.raises(Trouble, match="There is no backup"):
        restore(shop, tmp_path / "missing")

    def fail(_: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        restore(shop, file, after_restore=fail)

    (cut := tmp_path / "cut").write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(Trouble):
        restore(shop, cut)
    assert names(shop) == "before,after"
    assert databases(shop) == before


@contextmanager
def busy(up: Cluster) -> Iterator[None]:
    """A connection that lasts."""
    words = [binaries.client("psql"), "-Xc", "SELECT pg_sleep(60)", "-d", up.url()]
    with process.piped(words, stdout=subprocess.DEVNULL) as psql:
        try:
            until(lambda: sql(up.url("owner", "postgres"), dump.COMPANY.replace(":'old'", "'waterline'")) != "0")
            yield
        finally:
            psql.kill()


def test_a_restore_wants_to_be_alone(shop: Cluster, tmp_path: Path) -> None:
    backup(shop, file := tmp_path / "shop.backup")
    with serving(shop.home), pytest.raises(Trouble, match=f"served by process {os.getpid()}"):
        restore(shop, file)

    with busy(shop), pytest.raises(Trouble, match="1 connection is using the database waterline"):
        restore(shop, file)
    with ExitStack() as late, pytest.raises(Trouble, match="1 connection is using the database waterline"):
        restore(shop, file, after_restore=lambda _: late.enter_context(busy(shop)))
    assert names(shop) == "before"


def test_a_password_stays_out_of_the_command_line() -> None:
    found = dump.Server.of("postgresql+asyncpg://ann:s%40cret@db.example:6543/shop?sslmode=require")
    assert found.address == "postgresql://ann@db.example:6543/shop?sslmode=require"
    assert found.secrets["PGPASSWORD"] == "s@cret"
    assert found.url == "postgresql://ann:s%40cret@db.example:6543/shop?sslmode=require"
    assert dump.Server.of("postgres:///shop?host=/run/db").address == "postgresql:///shop?host=/run/db"
    with pytest.raises(Trouble, match="not the address"):
        dump.Server.of("mysql://x/y")


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    """A server of the machine's own, older than the wheel's, with a password and over TCP."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no other Postgres on this machine")
    folder = Path(tempfile.mkdtemp(prefix="wl-", dir="/tmp"))
    account = accounts.for_new_cluster()
    accounts.give(folder, account)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (password := folder / "password").write_text("s@ cret")
    accounts.give(password, account)
    data, tools = folder / "data", found[0].parent
    try:
        words = ["-U", "boss", "-E", "UTF8", "--locale=C", "-A", "scram-sha-256", f"--pwfile={password}", "-N"]
        assert process.run([tools / "initdb", "-D", data, *words], account=account).returncode == 0
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        words = ["-w", "-l", folder / "log", "-o", options, "start"]
        assert process.run([tools / "pg_ctl", "-D", data, *words], account=account).returncode == 0
        yield f"postgresql://boss:s%40%20cret@127.0.0.1:{port}/shop"
        process.run([tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"], account=account)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("own_tools", [True, False])
def test_there_and_back_on_an_older_server(
    foreign: str, tmp_path: Path, own_tools: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not own_tools:
        monkeypatch.setattr(dump.shutil, "which", lambda _: None)
    sql(foreign.replace("/shop", "/postgres"), "DROP DATABASE IF EXISTS shop WITH (FORCE)")
    sql(foreign.replace("/shop", "/postgres"), "CREATE DATABASE shop")
    sql(foreign, "CREATE ROLE app_" + str(own_tools))
    sql(foreign, f"CREATE TABLE t (n int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO app_{own_tools}")
    backup(foreign, file := tmp_path / "shop.backup")
    sql(foreign, "UPDATE t SET n = 2")
    restore(foreign, file, after_restore=lambda url: sql(url, "INSERT INTO t VALUES (3)"))
    assert sql(foreign, "SELECT n FROM t ORDER BY n") == "1\n3"
    assert sql(foreign, f"SELECT has_table_privilege('app_{own_tools}'::regrole, 't', 'SELECT')".lower()) == "t"
    with pytest.raises(Trouble, match="password authentication failed"):
        backup(foreign.replace("cret", "wrong"), tmp_path / "other.backup")
    assert [each.name for each in tmp_path.iterdir()] == ["shop.backup"]
