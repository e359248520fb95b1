"""The first five minutes, and what goes wrong in them."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.process import Running, free_port, up, waterline


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    started = up(home, free_port())
    yield started
    started.stop()


def ask(url: str, token: str, query: str) -> dict[str, object]:
    answer = httpx.post(
        f"{url}/graphql", json={"query": query}, headers={"authorization": f"Bearer {token}"}, timeout=30
    )
    return answer.json()


def test_up_answers_with_the_demo_shop(running: Running) -> None:
    answer = ask(running.url, running.token, "{ products(first: 250) { totalCount nodes { name variants { sku } } } }")
    assert answer["data"]["products"]["totalCount"] > 10  # type: ignore[index]
    assert httpx.get(f"{running.url}/health/ready").status_code == 200


def test_token_prints_one_token_and_nothing_else(home: Path, running: Running) -> None:
    printed = waterline(home, "token", "--scope", "products:read")
    assert printed.returncode == 0, printed.stderr
    token = printed.stdout.removesuffix("\n")
    assert token.startswith("wl_token_")
    assert "\n" not in token
    assert ask(running.url, token, "{ viewer { scopes } }") == {"data": {"viewer": {"scopes": ["products:read"]}}}
    refused = ask(running.url, token, "{ events { nodes { id } } }")
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"  # type: ignore[index]


def test_verify_finds_nothing_at_fault(home: Path, running: Running) -> None:
    checked = waterline(home, "verify")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout


def test_demo_credentials_are_for_their_owner_alone(home: Path, running: Running) -> None:
    file = home / "demo.json"
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["token"] == running.token


def test_a_second_up_on_the_same_home_is_told_so(home: Path, running: Running) -> None:
    second = waterline(home, "up", PORT=str(free_port()))
    assert second.returncode == 1
    assert str(running.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_told_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = waterline(tmp_path / "home", "up", PORT=str(taken.getsockname()[1]))
    assert told.returncode == 1
    assert "address already in use" in told.stderr
    assert "PORT=" in told.stderr
    assert not (tmp_path / "home").exists(), "a taken port costs nothing"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "No database answers"),
        ({"DATABASE_URL": "mysql://x"}, "no Postgres address"),
        ({"DATABASE_URL": "postgresql://user@nowhere.invalid/none"}, "No database answers"),
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "70000"}, "ports go from 1 to 65535"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
def test_wrong_settings_are_named_in_one_sentence(tmp_path: Path, settings: dict[str, str], word: str) -> None:
    told = waterline(tmp_path / "home", "up", **settings)
    assert told.returncode == 1, told.stderr
    assert word in told.stderr
    assert "Traceback" not in told.stderr


def test_a_home_that_is_a_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    told = waterline(tmp_path / "home", "token", "--all")
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert told.stdout == ""


def test_scopes_that_do_not_exist_are_named(tmp_path: Path) -> None:
    told = waterline(tmp_path / "home", "token", "--scope", "moon:read")
    assert told.returncode == 1
    assert "moon:read" in told.stderr


def test_backup_and_restore_bring_everything_back_in_a_new_epoch(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    started = up(home, port)
    before = ask(
        started.url,
        started.token,
        "{ products(first: 250) { nodes { id name version } } events(first: 250) { nodes { cursor } } }",
    )
    started.stop()
    assert waterline(home, "backup", str(tmp_path / "shop.dump")).returncode == 0

    changed = up(home, port)
    rename = 'mutation { productUpdate(id: "%s", input: {name: "Changed"}) { product { name } } }'
    product = before["data"]["products"]["nodes"][0]["id"]  # type: ignore[index]
    assert ask(changed.url, changed.token, rename % product)["data"] == {
        "productUpdate": {"product": {"name": "Changed"}}
    }
    lost = ask(changed.url, changed.token, f'{{ events(subject: "{product}") {{ nodes {{ cursor }} }} }}')
    changed.stop()

    restored = waterline(home, "restore", str(tmp_path / "shop.dump"))
    assert restored.returncode == 0, restored.stderr
    again = up(home, port)
    try:
        after = ask(
            again.url,
            again.token,
            "{ products(first: 250) { nodes { id name version } } events(first: 250) { nodes { cursor } } }",
        )
        assert after == before
        cursor = lost["data"]["events"]["nodes"][-1]["cursor"]  # type: ignore[index]
        refused = ask(again.url, again.token, f'{{ events(after: "{cursor}") {{ nodes {{ cursor }} }} }}')
        assert refused["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"  # type: ignore[index]
        assert ask(again.url, again.token, rename % product)["data"] == {
            "productUpdate": {"product": {"name": "Changed"}}
        }
        newest = ask(again.url, again.token, f'{{ events(subject: "{product}") {{ nodes {{ version }} }} }}')
        assert [each["version"] for each in newest["data"]["events"]["nodes"]] == [1, 2]  # type: ignore[index]
    finally:
        again.stop()
    assert waterline(home, "verify").returncode == 0


@pytest.mark.parametrize("command", [("backup", "b.dump"), ("verify",), ("token", "--all"), ("serve",)])
def test_a_home_that_somebody_mistyped_is_no_empty_shop(tmp_path: Path, command: tuple[str, ...]) -> None:
    home = tmp_path / "typo"
    ran = waterline(home, *command, PORT=str(free_port()))
    assert ran.returncode == 1
    assert f"There is no database in {home}" in " ".join(ran.stderr.split())
    assert not home.exists()


def test_what_cannot_be_written_is_told_in_one_sentence(home: Path, running: Running) -> None:
    ran = waterline(home, "export", "ledger", "--format", "csv", "--output", "/nowhere/books.csv")
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert "No such file or directory: /nowhere/books.csv" in " ".join(ran.stderr.split())
    assert waterline(home, "token", "--all", "--expires-in", "999999999999").returncode == 2
