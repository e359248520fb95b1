"""One run of the bench, from an empty server to the table."""

from rich.console import Console

from bench import checks, deep, measuring, results, single
from bench.acts import ACTS
from bench.questions import DEEP_PAGE
from bench.stage import READS, Plan, Stage, open_stage


def run(plan: Plan, console: Console) -> Stage:
    """Start everything, load, check, measure, and stop everything again. Raises Trouble, and Missing for a program.

    The order matters: orders that are placed are newer than those of the data set, so the order page comes before; and
    a million customers more would disturb everything else.
    """
    with open_stage(plan, console) as stage:
        checks.answers(stage)
        if plan.wants(*(each.name for each in READS), DEEP_PAGE.name):
            checks.count_reads(stage)
        for question in READS:
            if plan.wants(question.name):
                measuring.read(stage, question)
        if plan.wants("memory"):
            measuring.watch_memory(stage)
        if plan.wants(*(each.name for each in ACTS)):
            checks.changes(stage)
            checks.count_acts(stage)
        for act in ACTS:
            if plan.wants(act.name):
                measuring.act(stage, act)
        if plan.wants(DEEP_PAGE.name):
            measuring.long_list(stage)
        for part, time_it in single.SINGLE.items():
            if plan.wants(part):
                time_it(stage)
    return stage


def finish(stage: Stage, console: Console) -> None:
    """Write what came of it, and show it."""
    if stage.records or stage.timings:
        results.write([*stage.records, *stage.timings])
    for timing in stage.timings:
        console.print(str(timing), highlight=False)
    if stage.records:
        results.show(stage.records, console)
    for each in stage.records:
        if "reference_forms" in each.extra:
            told = ", ".join(f"{name}: {rate:,.0f}" for name, rate in each.extra["reference_forms"].items())
            console.print(f"{each.name} per second. {told}.", highlight=False)
        if "deep_over_first" in each.extra:
            console.print(
                f"Page {deep.PAGE_NUMBER:,} of {deep.ROWS:,} rows takes {each.extra['deep_over_first']:.2f} times as"
                " long as page 1.",
                highlight=False,
            )
    if stage.memory is not None:
        stage.memory.write()
        console.print(str(stage.memory), highlight=False)
