"""Before anything is timed: does everybody give the same answer, and what does it cost in statements?"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import asyncpg
import httpx

from bench import acts, contestants, equality, numbering
from bench.acts import ACTS, Act
from bench.contestants import WATERLINE, Contestant
from bench.counting import logged
from bench.questions import DEEP_PAGE, PAGE, Question
from bench.stage import READS, Stage


def answers(stage: Stage) -> None:
    """All contestants answer all inputs alike; raises Trouble with the difference otherwise."""
    asked, everybody = equality.inputs(stage.data.products), (stage.raw, stage.waterline, stage.strawberry)
    with httpx.Client() as client:
        for question, variables in asked:
            body = question.body(variables)
            given = {each.name: each.ask(client, question, body).json() for each in everybody}
            equality.compare(question, variables, given)
    stage.console.print(f"All answers agree: {len(asked)} inputs, {len(everybody)} contestants.", highlight=False)


def changes(stage: Stage) -> None:
    """Every way of doing an act changes the same; raises Trouble otherwise."""
    wanted = [act for act in ACTS if stage.plan.wants(act.name)]
    for act in wanted:
        told: dict[str, dict[str, int]] = {}
        for form in acts.forms(act):
            once = partial(acts.run, stage.pgbench, stage.server.owner_url, form, stage.plan.size, times=1)
            told[form.name] = _changed(stage, "reference", act, once)
        with httpx.Client() as client:
            told[WATERLINE] = _changed(stage, "public", act, _by_waterline(stage, client, act))
        equality.compare_acts(told, act.expected)
    stage.console.print(f"All acts change the same: {', '.join(act.name for act in wanted)}.", highlight=False)


def _by_waterline(stage: Stage, client: httpx.Client, act: Act) -> Callable[[], object]:
    if act.question is None:
        return partial(numbering.run, stage.server.app_url, clients=1, times=1)
    return partial(stage.waterline.ask, client, act.question, stage.requests(act)[0])


def _changed(stage: Stage, schema: str, act: Act, once: Callable[[], object]) -> dict[str, int]:
    before = asyncio.run(_state(stage, schema, act))
    once()
    return equality.difference(before, asyncio.run(_state(stage, schema, act)))


async def _state(stage: Stage, schema: str, act: Act) -> dict[str, int]:
    connection = await asyncpg.connect(stage.server.owner_url)
    try:
        return await acts.state(connection, schema, act)
    finally:
        await connection.close()


def count_reads(stage: Stage) -> None:
    """Statements and round trips of the questions, by contestant."""
    asked = [(each.name, each, stage.bodies(each)[0]) for each in READS]
    page = (DEEP_PAGE.name, DEEP_PAGE, DEEP_PAGE.body({"first": PAGE}))
    with _quiet(stage) as quiet:
        _count(stage, {quiet: [*asked, page], stage.raw: [*asked, page], stage.strawberry: asked})


def count_acts(stage: Stage) -> None:
    """Statements and round trips of the acts that are asked for over HTTP."""
    asked = [(act.name, act.question, stage.requests(act)[0]) for act in ACTS if act.question is not None]
    with _quiet(stage) as quiet:
        _count(stage, {quiet: asked})


def _quiet(stage: Stage) -> AbstractContextManager[Contestant]:
    """A second Waterline, whose connections nothing uses but requests and the tail of the event log."""
    return contestants.waterline(stage.server, stage.folder, housekeeping=False)


def _count(stage: Stage, asked: Mapping[Contestant, list[tuple[str, Question, bytes]]]) -> None:
    wanted = [(each, *what) for each, mine in asked.items() for what in mine if stage.plan.wants(what[0])]
    with (
        logged(stage.server, asyncio.run) as counter,
        httpx.Client() as client,
        stage.console.status("Counting statements …"),
    ):
        for contestant, name, question, body in wanted:
            stage.counts[name, contestant.name] = counter.count(partial(contestant.ask, client, question, body))
