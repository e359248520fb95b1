"""Everybody in turn, several times over, so that a noisy minute hits all alike. What counts is the median."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.results import Measured
from bench.traffic import Traffic

WARM_SECONDS = 1
ENOUGH, LONGEST = 100, 3
"""Answers that a turn should see, and by how much it becomes longer for that: eight clients of a slow server come in
waves, and a turn that ends between two of them is off by as much as a wave."""
STRIDE = 1_009
"""By how many requests a round starts later in its bodies than the one before; prime, so that rounds rarely meet."""

Run = Callable[[int, int], Traffic | float]
"""Runs for so many seconds, from a place in its bodies on; returns what came of it, or just the rate per second."""


@dataclass
class _Series:
    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    @property
    def last(self) -> float:
        """The rate of the latest turn."""
        return self.rates[-1]

    def add(self, found: Traffic | float) -> None:
        if isinstance(found, Traffic):
            self.rates.append(found.per_second)
            self.p50_ms.append(found.p50_ms)
            self.p99_ms.append(found.p99_ms)
        else:
            self.rates.append(found)


def interleaved(
    runs: Mapping[str, Run], *, rounds: int, seconds: int, tick: Callable[[str], None], between: Callable[[], None]
) -> dict[str, Measured]:
    """What each of the runs reached, by its name. Each is run once briefly before anything counts.

    `tick` hears whose turn it is; `between` is called once, after the warm-up.
    """
    lengths: dict[str, int] = {}
    for name, run in runs.items():
        tick(f"{name}, warm-up")
        warm = _Series()
        warm.add(run(WARM_SECONDS, 0))
        lengths[name] = min(LONGEST * seconds, max(seconds, math.ceil(ENOUGH / warm.last)))
    between()
    series = {name: _Series() for name in runs}
    for number in range(rounds):
        names = list(runs)[:: 1 if number % 2 == 0 else -1]  # nobody always comes behind the same one
        for name in names:
            tick(f"{name}, round {number + 1} of {rounds}")
            series[name].add(runs[name](lengths[name], (number + 1) * STRIDE))
    return {name: Measured.of(each.rates, each.p50_ms, each.p99_ms) for name, each in series.items()}
