"""How Waterline ends when it is told to, and how it refuses to begin."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from domain.kernel import postgres as embedded
from tests.support.process import free_port, up, waterline

FEED = "subscription { eventFeed { type } }"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_subscriber_does_not_keep_it_from_stopping(home: Path, told: signal.Signals) -> None:
    started = up(home, free_port())
    headers = {"authorization": f"Bearer {started.token}", "accept": "text/event-stream"}
    try:
        with embedded.running(home, say=lambda _: None) as cluster:
            pid_file = cluster.data / "postmaster.pid"
            postmaster = int(pid_file.read_text().splitlines()[0])
        with httpx.stream("POST", f"{started.url}/graphql", json={"query": FEED}, headers=headers, timeout=20) as feed:
            assert feed.status_code == 200
            lines = feed.iter_lines()
            assert next(lines) == ":"
            began = time.monotonic()
            started.process.send_signal(told)
            started.process.wait(timeout=20)
            assert time.monotonic() - began < 8
    finally:
        started.stop()
    patience = time.monotonic() + 10
    while alive(postmaster) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not alive(postmaster)
    assert not pid_file.exists()
    checked = waterline(home, "verify")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


def test_serve_on_an_empty_home_says_what_to_run(tmp_path: Path) -> None:
    told = waterline(tmp_path / "home", "serve", PORT=str(free_port()))
    assert told.returncode == 1
    assert "There is no database" in told.stderr
    assert "waterline migrate" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_token_cannot_have_more_scopes_than_its_app(home: Path) -> None:
    assert waterline(home, "client", "Partner", "--scope", "products:read").returncode == 0
    told = waterline(home, "token", "--client", "Partner", "--all")
    assert (told.returncode, told.stdout) == (1, "")
    assert "may not have" in told.stderr
    assert "products:write" in told.stderr
    assert "Traceback" not in told.stderr
    allowed = waterline(home, "token", "--client", "Partner", "--scope", "products:read")
    assert (allowed.returncode, allowed.stdout.startswith("wl_token_")) == (0, True)
