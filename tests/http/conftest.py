"""Outside judges of the doors: npm packages of pinned versions, run by node."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "conformance"
CACHE = Path(__file__).parents[2] / ".waterline" / "conformance"

Node = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with the scripts and what they import; filled from the npm registry once per lock file."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("node and npm are not installed")
    sources = sorted(path for path in HERE.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = CACHE / digest
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            for path in sources:
                shutil.copy(path, made)
            command = [npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
            try:
                done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=25, check=False)
            except subprocess.TimeoutExpired:
                pytest.skip("npm did not install the packages within 25 seconds")
            if done.returncode != 0:
                pytest.skip(f"npm could not install the packages: {done.stderr.strip()[-300:]}")
            with contextlib.suppress(OSError):  # another worker was faster
                Path(made).rename(folder)
            Path(made).mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def node(packages: Path) -> Node:
    """Runs a script of the conformance folder and returns the JSON it prints."""

    async def run(script: str, *arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            "node",
            packages / script,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
        )
        try:
            printed, complaints = await asyncio.wait_for(process.communicate(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode == 0, complaints.decode()
        return json.loads(printed)

    return run
