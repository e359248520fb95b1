"""What came of a run: records for machines, a table for people, and which targets were met."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.counting import Count

RESULTS = Path(__file__).with_name("results")

TARGETS = {
    ("catalog_page", "raw handler"): 0.7,
    ("catalog_page", "strawberry"): 20.0,
    ("product_by_id", "raw handler"): 0.5,
    ("order_page", "raw handler"): 0.6,
    ("place_order", "pgbench"): 0.4,
    ("place_order_hot", "pgbench"): 0.4,
    ("post_entry", "pgbench"): 0.4,
}
"""Ratios to reach, by what is asked and whom it is held against."""
MOST_P99_OVER_P50 = 3.0


@dataclass(frozen=True)
class Measured:
    """What one contestant reached with one question: the median of the rounds."""

    rate: float
    """Requests or acts per second."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    rates: list[float] = field(default_factory=list)
    """Of each round."""

    @property
    def tail(self) -> float | None:
        """How many times as long as a request in the middle the slow ones take: p99 over p50."""
        return None if self.p50_ms is None or self.p99_ms is None else self.p99_ms / self.p50_ms

    @classmethod
    def of(cls, rates: Sequence[float], p50_ms: Sequence[float] = (), p99_ms: Sequence[float] = ()) -> "Measured":
        """The medians of several rounds."""
        return cls(
            statistics.median(rates),
            statistics.median(p50_ms) if p50_ms else None,
            statistics.median(p99_ms) if p99_ms else None,
            list(rates),
        )


@dataclass(frozen=True)
class Record:
    """Waterline beside one reference."""

    name: str
    reference: str
    ours: Measured
    theirs: Measured
    unit: str = "requests/s"
    count: Count | None = None
    reference_count: Count | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to say, by its key in the file."""

    @property
    def ratio(self) -> float:
        """Ours over theirs; more is better."""
        return self.ours.rate / self.theirs.rate

    @property
    def target(self) -> float | None:
        """The ratio to reach, where there is one."""
        return TARGETS.get((self.name, self.reference))

    def as_dict(self) -> dict[str, Any]:
        """As `latest.json` has it."""
        said = {
            "name": self.name,
            "reference": self.reference,
            "ours": _short(self.ours.rate),
            "reference_value": _short(self.theirs.rate),
            "unit": self.unit,
            "ratio": _short(self.ratio),
            "target": self.target,
            "p50_ms": _short(self.ours.p50_ms),
            "p99_ms": _short(self.ours.p99_ms),
            "reference_p50_ms": _short(self.theirs.p50_ms),
            "reference_p99_ms": _short(self.theirs.p99_ms),
            "rounds": [_short(each) for each in self.ours.rates],
            "reference_rounds": [_short(each) for each in self.theirs.rates],
        }
        for prefix, count in (("", self.count), ("reference_", self.reference_count)):
            if count is not None:
                said |= {f"{prefix}statements": count.statements, f"{prefix}round_trips": count.round_trips}
        return {**{name: value for name, value in said.items() if value is not None}, **self.extra}


MOST_SECONDS = {"stock_receive_bulk": None, "late_receipt": 1.0, "as_of": 0.1, "trial_balance": 1.0}
"""How long one may take, where that is said."""


@dataclass(frozen=True)
class Timing:
    """How long one took, over HTTP: the median."""

    name: str
    seconds: float
    runs: list[float]
    what: str
    per_second: float | None = None
    """Rows per second, where it is about rows."""

    @property
    def most(self) -> float | None:
        """How long it may take."""
        return MOST_SECONDS[self.name]

    def __str__(self) -> str:
        """What a person wants to know."""
        rate = "" if self.per_second is None else f", {self.per_second:,.0f} rows/s"
        verdict = "" if self.most is None else f" (at most {self.most:g} s: {self._verdict})"
        return f"{self.name}: {self.what}: {self.seconds * 1000:,.1f} ms{rate}{verdict}."

    @property
    def _verdict(self) -> str:
        assert self.most is not None
        return "met" if self.seconds <= self.most else "missed"

    def as_dict(self) -> dict[str, Any]:
        """As `latest.json` has it."""
        return {name: value for name, value in {**asdict(self), "most_seconds": self.most}.items() if value is not None}


def write(records: Iterable[Record | Timing], file: Path = RESULTS / "latest.json") -> None:
    """Keep the records of the latest run."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(orjson.dumps([each.as_dict() for each in records], option=orjson.OPT_INDENT_2) + b"\n")


def show(records: Sequence[Record], console: Console) -> None:
    """Print the records as a table."""
    table = Table(title="Waterline beside its references", title_justify="left", header_style="bold")
    for heading in ("what", "reference"):
        table.add_column(heading, no_wrap=True)
    for heading in ("ours", "theirs", "per second", "ratio", "target", "p50", "p99 ms", "statements", "round trips"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "per second" else "right")
    for each in records:
        tail = each.ours.tail
        table.add_row(
            each.name,
            each.reference,
            f"{each.ours.rate:,.1f}",
            f"{each.theirs.rate:,.1f}",
            each.unit.partition("/")[0],
            f"{each.ratio:.3g}",
            _verdict(each),
            _milliseconds(each.ours.p50_ms),
            "" if tail is None else _marked(_milliseconds(each.ours.p99_ms), met=tail <= MOST_P99_OVER_P50),
            _both(each.count and each.count.statements, each.reference_count and each.reference_count.statements),
            _both(each.count and each.count.round_trips, each.reference_count and each.reference_count.round_trips),
        )
    console.print(table)
    console.print("Statements and round trips per request, ours : theirs. Latencies are ours, at 8 connections.")
    told: set[str] = set()
    for each in records:
        tail, theirs = each.ours.tail, each.theirs.tail
        if tail is not None and tail > MOST_P99_OVER_P50 and each.name not in told:
            told.add(each.name)
            beside = "" if theirs is None else f" ({each.reference}: {theirs:.1f})"
            sentence = f"{each.name}: p99 is {tail:.1f} times p50{beside}, more than {MOST_P99_OVER_P50:g}: missed."
            console.print(sentence, highlight=False)


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _verdict(record: Record) -> str:
    if record.target is None:
        return ""
    met = record.ratio >= record.target
    return _marked(f"{record.target:g} {'met' if met else 'missed'}", met=met)


def _marked(text: str, *, met: bool) -> str:
    return f"[green]{text}[/]" if met else f"[red]{text}[/]"


def _both(ours: int | None, theirs: int | None) -> str:
    return "" if ours is None else f"{ours}" if theirs is None else f"{ours} : {theirs}"


def _short(value: float | None) -> float | None:
    """Four significant digits: the rest is noise."""
    return None if value is None else float(f"{value:.4g}")
