"""CONTRIBUTING is right: the capability on its page is built word by word, works, and is small."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("api", "domain", "migrations", "tests")
BLOCK = re.compile(r"^ *```python title=(\S+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MOST_LINES = 100


def test_the_capability_of_the_page_works_and_takes_less_than_100_lines(tmp_path: Path) -> None:
    for name in ROOMS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ("pyproject.toml", "schema.graphql", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    blocks = {name: textwrap.dedent(code) for name, code in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())}
    assert len(blocks) == 4
    newest = max(path.stem.split("_")[0] for path in (ROOT / "migrations" / "versions").glob("0*.py"))
    lines = 3  # its place in the layers, and its two imports
    for name, code in blocks.items():
        (tmp_path / name).write_text(code.replace("NEWEST", newest))
        lines += len(code.splitlines())
    assert lines < MOST_LINES, f"{lines} lines: the example has grown out of its purpose"
    for name, module in (("domain/tables.py", "domain.brands"), ("api/graphql/schema.py", "api.graphql.brands")):
        file = tmp_path / name
        file.write_text(file.read_text().replace("\nimport ", f"\nimport {module}\nimport ", 1))

    # A server of its own: on a shared one, two runs would take each other's template for a leftover.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PYTEST_"))}
    home = ROOT / ".waterline" / "contributing"
    surroundings = inherited | {"PYTHONPATH": str(tmp_path), "WATERLINE_TEST_HOME": str(home)}
    python = [sys.executable, "-c"]
    printing = [*python, "from api.graphql.schema import print_schema; print(print_schema(), end='')"]
    printed = subprocess.run(printing, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=True)
    (tmp_path / "schema.graphql").write_text(printed.stdout)
    tests = [
        "tests/graphql/test_brands.py",
        "tests/architecture/test_migrations.py",
        "tests/architecture/test_schema.py",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    ran = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:]
    for verb in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *verb, "--no-cache", *blocks]
        checked = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


def test_every_room_has_its_place_in_the_layers() -> None:
    layers = (ROOT / "pyproject.toml").read_text().split('name = "calls go down"')[1].split("[[tool")[0]
    rooms = {path.stem for path in (ROOT / "domain").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    rooms |= {path.stem for path in (ROOT / "domain").glob("*.py")} - {"__init__", "tables"}
    assert {room for room in rooms if f"domain.{room}" not in layers} == set()
