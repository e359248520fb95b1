"""A failure, told so that somebody can do it again: the acts, and whether they fail one after the other, too."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.stock.model.driver import Driver
from tests.stock.model.order import Disagreement
from tests.stock.model.trials import Trial

SECONDS = 30.0
"""Spent at most on leaving acts out, one after the other."""

Anew = Callable[[], Awaitable[Driver]]
"""A driver of fresh variants like those of the failure."""


async def told(history: Sequence[Sequence[Trial]], failure: AssertionError, anew: Anew) -> str:
    """The failure, the acts since the variants were new, and what becomes of them when each waits for the last."""
    trials = [trial for burst in history for trial in sorted(burst, key=lambda each: each.turn)]
    alone = await _disagreement(trials, anew)
    if alone is None:
        verdict = "One after the other the model and the shop agree: it takes acts at the same time."
        shown = [f"at once:\n{_lines(burst)}" for burst in history]
    else:
        few = await _fewest(trials, anew)
        verdict = f"One after the other they disagree, too. These acts suffice:\n{alone}"
        shown = [_lines(few)]
    return plain("\n".join([str(failure), "", verdict, *shown]))


async def one_after_the_other(trials: Sequence[Trial], driver: Driver) -> None:
    """Do the acts again, each alone, at their instants. Raises Disagreement."""
    for trial in trials:
        await driver.burst([Trial(trial.number, trial.act, trial.now)])


async def _disagreement(trials: Sequence[Trial], anew: Anew) -> str | None:
    try:
        await one_after_the_other(trials, await anew())
    except Disagreement as failure:
        return str(failure)
    return None


async def _fewest(trials: Sequence[Trial], anew: Anew) -> list[Trial]:
    """Fewer acts that disagree still: halves are left out first, then quarters, at last single ones."""
    few, ends = list(trials), time.monotonic() + SECONDS
    size = max(len(few) // 2, 1)
    while True:
        begin = 0
        while begin < len(few):
            if time.monotonic() > ends:
                return few
            rest = few[:begin] + few[begin + size :]
            if rest and await _disagreement(rest, anew) is not None:
                few = rest
            else:
                begin += size
        if size == 1:
            return few
        size //= 2


def _lines(trials: Sequence[Trial]) -> str:
    return "\n".join(f"  {trial}" for trial in trials)


def plain(text: str) -> str:
    """Shorter, and Python still."""
    for long, short in (
        (r"Fraction\((\d+), 1\)", r"Many(\1)"),
        (r"Content\(bin=None, lot=None, state=None\)", "LOOSE"),
        (r", (?:unit_cost|effective_at|received_at|announced|location|hold|lines)=None", ""),
        (r", by_sku=False", ""),
    ):
        text = re.sub(long, short, text)
    return text
