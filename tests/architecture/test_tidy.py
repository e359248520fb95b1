"""Small habits of the code, kept by a test instead of by reminders."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def tracked(*endings: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:  # an unpacked archive has no git
        files = [path for path in ROOT.rglob("*") if ".venv" not in path.parts and ".waterline" not in path.parts]
    else:
        files = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in files if path.suffix in endings and path.is_file()]


def test_no_package_index_is_named_anywhere() -> None:
    hosts = re.compile(r"(pypi\.org|pythonhosted\.org|registry\.npmjs|index-url|extra-index)", re.IGNORECASE)
    here = Path(__file__)
    for path in tracked(".py", ".toml", ".txt", ".in", ".json", ".md", ".cfg", ".yml"):
        if path != here:
            found = [line for line in path.read_text().splitlines() if hosts.search(line) and "--no-emit" not in line]
            assert found == [], f"{path}: {found[0]}"


def test_every_module_says_what_it_is_for() -> None:
    for path in tracked(".py"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in ("api", "domain", "migrations") and path.name != "__init__.py":
            assert path.read_text().startswith('"""'), f"{relative} has no docstring"


def test_domain_never_commits_or_reads_the_clock_below_a_door() -> None:
    forbidden = re.compile(r"\.commit\(\)|datetime\.now\(|datetime\.utcnow\(|date\.today\(")
    allowed = {"work.py"}  # the door itself: begins, reads the clock once, commits
    for path in tracked(".py"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "domain" and path.name not in allowed and "postgres" not in relative.parts:
            assert not forbidden.search(path.read_text()), relative
