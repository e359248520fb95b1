"""Acts and questions that are done once in a while, and must not take long: how long one of them takes."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import httpx

from bench import long_books, long_past
from bench.contestants import Contestant
from bench.questions import AS_OF, STOCK_RECEIVE, TRIAL_BALANCE, Question
from bench.results import Timing
from bench.stage import Stage, bar
from domain.kernel.errors import Trouble

BULK_LINES, BULK_RUNS, AS_OF_RUNS, TRIAL_BALANCES = 10_000, 5, 25, 21


def receive_bulk(stage: Stage) -> None:
    """A receipt of ten thousand lines in one act."""
    place = asyncio.run(_new_location(stage.server.owner_url))
    variants = (stage.data.variants * (BULK_LINES // len(stage.data.variants) + 1))[:BULK_LINES]
    bodies = [_receipt(place, variants) for _ in range(BULK_RUNS + 1)]
    with stage.console.status("Measuring a receipt of 10,000 lines …"):
        runs = _timed(stage.waterline, STOCK_RECEIVE, bodies)
    seconds = statistics.median(runs)
    what = f"a receipt of {BULK_LINES:,} lines"
    stage.timings.append(Timing("stock_receive_bulk", seconds, runs, what, BULK_LINES / seconds))


def late_receipt(stage: Stage) -> None:
    """A receipt that was told after a hundred thousand movements of the same place had happened since."""
    bodies = []
    with bar(stage.console, "Writing a long past", (long_past.LATE_RUNS + 1) * long_past.LATER) as step:
        for variant in stage.data.variants[: long_past.LATE_RUNS + 1]:
            past = asyncio.run(_past(stage, [variant], long_past.LATER, step))
            told = (past.began - timedelta(days=1)).isoformat()
            bodies.append(_receipt(f"loc_{past.location}", [variant], receivedAt=told))
    runs = _timed(stage.waterline, STOCK_RECEIVE, bodies)
    what = f"a receipt before {long_past.LATER:,} later movements of its place"
    stage.timings.append(Timing("late_receipt", statistics.median(runs), runs, what))


def as_of(stage: Stage) -> None:
    """What was there, and what it was worth, at instants in a past of a million movements."""
    with bar(stage.console, "Writing a longer past", long_past.MOVEMENTS) as step:
        past = asyncio.run(_past(stage, list(stage.data.variants[: long_past.PLACES]), long_past.MOVEMENTS, step))
    instants = [past.began + timedelta(days=730 * n / AS_OF_RUNS, hours=n) for n in range(AS_OF_RUNS)]
    bodies = [AS_OF.body({"place": f"loc_{past.location}", "asOf": instant.isoformat()}) for instant in instants]
    runs = _timed(stage.waterline, AS_OF, bodies)
    what = f"a page of 50 levels as of an instant, in a past of {long_past.MOVEMENTS:,} movements"
    stage.timings.append(Timing("as_of", statistics.median(runs), runs, what))


def trial_balance(stage: Stage) -> None:
    """What all accounts come to at the end of days in books of ten million lines."""
    with bar(stage.console, "Writing long books", long_books.LINES) as step:
        first = asyncio.run(long_books.write(stage.server, tick=lambda many: step("lines", many)))
    days = [first + timedelta(days=30 * n) for n in range(TRIAL_BALANCES)]
    runs = _timed(stage.waterline, TRIAL_BALANCE, [TRIAL_BALANCE.body({"asOf": day.isoformat()}) for day in days])
    what = f"a trial balance over {long_books.LINES:,} lines"
    stage.timings.append(Timing("trial_balance", statistics.median(runs), runs, what))


SINGLE: dict[str, Callable[[Stage], None]] = {
    "stock_receive_bulk": receive_bulk,
    "late_receipt": late_receipt,
    "as_of": as_of,
    "trial_balance": trial_balance,
}


async def _past(
    stage: Stage, variants: Sequence[str], movements: int, step: Callable[[str, int], None]
) -> long_past.Past:
    place = await _new_location(stage.server.owner_url)
    return await long_past.write(
        stage.server.owner_url,
        place,
        [each[4:] for each in variants],
        movements,
        tick=lambda many: step("movements", many),
    )


async def _new_location(owner_url: str) -> str:
    """The hexadecimal id of a location that is only for this."""
    connection = await asyncpg.connect(owner_url)
    try:
        made = await connection.fetchval(
            "INSERT INTO locations (id, name, kind, priority, created_at, updated_at)"
            " SELECT uuid7(), 'Place ' || count(*), 'WAREHOUSE', 900, now(), now() FROM locations RETURNING id"
        )
    finally:
        await connection.close()
    return made.hex


def _receipt(place: str, variants: Sequence[str], **extra: Any) -> bytes:
    location = place if place.startswith("loc_") else f"loc_{place}"
    cost = {"amount": "2.50", "currency": "USD"}
    lines = [{"variantId": variant, "quantity": 3, "unitCost": cost} for variant in variants]
    return STOCK_RECEIVE.body({"input": {"locationId": location, "lines": lines, **extra}})


def _timed(waterline: Contestant, question: Question, bodies: Sequence[bytes]) -> list[float]:
    """How long each request took, but the first, which prepares statements."""
    runs: list[float] = []
    with httpx.Client() as client:
        for body in bodies:
            began = time.perf_counter()
            answer = waterline.ask(client, question, body)
            runs.append(time.perf_counter() - began)
            if not answer.text.startswith(question.begins):
                raise Trouble(f"{question.name} went wrong: {answer.text[:500]}", "Does `make test` pass?")
    return runs[1:]
