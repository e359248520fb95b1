"""What is timed, part by part."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from bench import acts, deep, equality, memory, numbering, questions, rounds
from bench.acts import Act, Form
from bench.contestants import RAW, STRAWBERRY, WATERLINE, Contestant
from bench.counting import Count
from bench.questions import DEEP_PAGE, Question
from bench.results import Measured, Record
from bench.rounds import Run
from bench.stage import Stage, bar
from bench.traffic import drive


def read(stage: Stage, question: Question) -> None:
    """A question over HTTP, one server process each."""
    file = stage.written(question.name, stage.bodies(question))
    everybody = (stage.waterline, stage.raw, stage.strawberry)
    runs = {f"{question.name}, {each.name}": _asks(stage, each, question, file) for each in everybody}
    ours, *others = _interleaved(stage, question.name, runs).values()
    for reference, theirs in zip((RAW, STRAWBERRY), others, strict=True):
        _record(stage, question.name, reference, ours, theirs)


def act(stage: Stage, done: Act) -> None:
    """An act: through GraphQL over HTTP or by Waterline's own code, and by pgbench in both forms."""
    name, forms = done.name, acts.forms(done)
    runs: dict[str, Run] = {f"{name}, {WATERLINE}": _by_waterline(stage, done)}
    runs |= {f"{name}, {form.name}": _by_hand(stage, form, done.clients) for form in forms}
    ours, *theirs = _interleaved(stage, name, runs).values()
    pairs = list(zip(forms, theirs, strict=True))
    best, reached = max(pairs, key=lambda pair: pair[1].rate)
    _record(
        stage,
        name,
        "pgbench",
        ours,
        reached,
        unit=done.unit,
        reference_count=Count(best.messages - 2, best.messages),  # but BEGIN and COMMIT
        reference_form=best.name,
        reference_forms={form.name: round(each.rate, 1) for form, each in pairs},
    )


def long_list(stage: Stage) -> None:
    """Page 1 and page 10,000 of a million rows."""
    with stage.console.status(f"Adding {deep.ROWS:,} customers …"):
        asyncio.run(deep.fill(stage.server.owner_url))
        place = asyncio.run(deep.find(stage.server.owner_url, stage.waterline))
    runs: dict[str, Run] = {}
    for is_deep in (False, True):
        page = f"page {deep.PAGE_NUMBER:,}" if is_deep else "page 1"
        asked = {each: DEEP_PAGE.body(place.variables(each, deep=is_deep)) for each in (stage.waterline, stage.raw)}
        with httpx.Client() as client:
            answers = {each.name: each.ask(client, DEEP_PAGE, body).json() for each, body in asked.items()}
        equality.compare(DEEP_PAGE, {"page": page}, answers)
        for each, body in asked.items():
            file = stage.written(f"{page}, {each.name}", [body])
            runs[f"{page}, {each.name}"] = _asks(stage, each, DEEP_PAGE, file)
    ours_first, raw_first, ours, theirs = _interleaved(stage, DEEP_PAGE.name, runs).values()
    assert ours.p50_ms is not None
    assert ours_first.p50_ms is not None
    _record(
        stage,
        DEEP_PAGE.name,
        RAW,
        ours,
        theirs,
        page_1=round(ours_first.rate, 1),
        reference_page_1=round(raw_first.rate, 1),
        page_1_p50_ms=ours_first.p50_ms,
        deep_over_first=round(ours.p50_ms / ours_first.p50_ms, 3),
    )


def watch_memory(stage: Stage) -> None:
    """A thousand different documents, over and over."""
    bodies = questions.different_documents(stage.data.products, stage.data.customers, memory.DOCUMENTS)
    file = stage.written("documents", bodies)
    what = f"Measuring memory, with {memory.DOCUMENTS:,} different documents"
    with bar(stage.console, what, stage.plan.memory_seconds) as step:
        memory.warm_up(stage.waterline, bodies)
        stage.memory = memory.watch(
            stage.wrk,
            stage.waterline,
            file,
            seconds=stage.plan.memory_seconds,
            tick=lambda megabytes: step(f"memory, {megabytes:.1f} MB", 1),
        )


def _interleaved(stage: Stage, what: str, runs: Mapping[str, Run]) -> dict[str, Measured]:
    with bar(stage.console, f"Measuring {what}", len(runs) * (stage.plan.rounds + 1)) as step:
        return rounds.interleaved(
            runs,
            rounds=stage.plan.rounds,
            seconds=stage.plan.seconds,
            tick=lambda name: step(name, 1),
            between=lambda: asyncio.run(stage.server.tidy()),
        )


def _asks(stage: Stage, contestant: Contestant, question: Question, file: Path) -> Run:
    return lambda seconds, start: drive(stage.wrk, contestant, question, file, seconds=seconds, start=start)


def _by_waterline(stage: Stage, done: Act) -> Run:
    if done.question is None:
        return lambda seconds, _: numbering.run(stage.server.app_url, clients=done.clients, seconds=seconds)
    return _asks(stage, stage.waterline, done.question, stage.written(done.name, stage.requests(done)))


def _by_hand(stage: Stage, form: Form, clients: int) -> Run:
    url, size = stage.server.owner_url, stage.plan.size
    return lambda seconds, start: acts.run(
        stage.pgbench, url, form, size, clients=clients, seconds=seconds, seed=start + 1
    )


def _record(
    stage: Stage,
    name: str,
    reference: str,
    ours: Measured,
    theirs: Measured,
    *,
    unit: str = "requests/s",
    reference_count: Count | None = None,
    **extra: Any,
) -> None:
    counted = reference_count or stage.counts.get((name, reference))
    stage.records.append(
        Record(name, reference, ours, theirs, unit, stage.counts.get((name, WATERLINE)), counted, extra)
    )
