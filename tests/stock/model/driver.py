"""Bursts of acts that run at once, and what becomes of each: most are left alone, some rolled back, cancelled or cut
off amid their work, some go through GraphQL.

The clock is the driver's own: every act has an instant for itself, in the order in which acts were drawn.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.graphql.kit import operations as doors
from domain.kernel import invariants
from domain.kernel.database import Database, collided, raw
from domain.kernel.errors import Overtaken, Refusal, Refusals
from domain.kernel.ids import ID, new_id
from domain.kernel.work import Work, begin
from domain.stock.locked import Level
from tests.stock.model import compare
from tests.stock.model.acts import ACTS, Act, Release, Seen, Sweep
from tests.stock.model.compare import Names
from tests.stock.model.kept import Rule
from tests.stock.model.order import Disagreement, Done, arranged
from tests.stock.model.reference import Model
from tests.stock.model.trials import FATES, Fate, GivenUp, Trial, witnessed
from tests.stock.model.world import Place, World, stock_with_variants
from tests.support.api import Api

STEP = timedelta(seconds=3)
"""Between the instants of two acts."""

MOVED = """
SELECT act, variant_id, location_id, kind, sum(quantity) AS quantity, sum(value_amount) AS value FROM stock_movements
WHERE variant_id = ANY($1) AND act = ANY($2) GROUP BY 1, 2, 3, 4
"""


POSTED = f"""
SELECT entry.act, role, sum(debit_base - credit_base) AS balance FROM journal_entries AS entry
JOIN journal_lines ON entry_id = entry.id JOIN accounts ON accounts.id = account_id
WHERE entry.act = ANY($1) AND role IN {compare.ROLES} GROUP BY 1, 2
"""


CASES = """
SELECT id, act, kind, variant_id, location_id FROM stock_discrepancies
WHERE variant_id = ANY($1) AND act = ANY($2) ORDER BY id
"""


@dataclass
class Driver:
    """A shop, the model of it, and the acts that are done to both."""

    database: Database
    api: Api | None
    owner_url: str
    world: World
    chance: random.Random
    model: Model = field(init=False)
    number: int = 0
    now: datetime = field(init=False)
    outcomes: Counter[str] = field(default_factory=Counter)
    history: list[list[Trial]] = field(default_factory=list)
    """The bursts since the variants are new."""
    deadlocks: list[str] = field(default_factory=list)
    _seq: int = 0
    _keys: dict[str, Trial] = field(default_factory=dict)
    _owner: "asyncpg.Connection[asyncpg.Record] | None" = None

    def __post_init__(self) -> None:
        self.model, self.now = Model(self.world), self.world.begins

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Driver"]:
        """Ready to run bursts."""
        self._owner = await asyncpg.connect(self.owner_url)
        try:
            async with witnessed(self._keys):
                yield self
        finally:
            await self._owner.close()

    def take_over(self, other: "Driver") -> None:
        """Go on where another one stopped, by its connection."""
        self._owner, self.now = other._owner, other.now

    async def anew(self, variants: Sequence[Any]) -> None:
        """Go on with fresh variants. What was posted so far stays in the books."""
        await stock_with_variants(self.database, self.world, variants)
        async with self.database.snapshot() as connection:
            books = await compare.balances(connection)
            query = "SELECT coalesce(max(seq), 0) FROM events"
            self._seq = (await connection.exec_driver_sql(query)).scalar_one()
        self.model, self.history = Model(self.world, books=books), []

    # --- drawing ----------------------------------------------------------------------------------------------------

    def draw(self, many: int, *, fates: bool = True, graphql: float = 0.0) -> list[Trial]:
        """Acts at random."""
        trials: list[Trial] = []
        while len(trials) < many:
            kind = self.chance.choices(list(ACTS), list(ACTS.values()))[0]
            act = kind.draw(self.chance, self.model, self.now + STEP)
            if act is None:
                continue
            trial = self.trial(act)
            if kind.document is not None and self.chance.random() < graphql:
                trial.through_graphql = True
            elif fates:
                trial.fate = self.chance.choices(list(FATES), list(FATES.values()))[0]
                trial.after = self.chance.random() * 0.05
            trials.append(trial)
        return trials

    def trial(self, act: Act) -> Trial:
        """An act, at the next instant."""
        self.number += 1
        self.now += STEP
        return Trial(self.number, act, self.now)

    # --- doing ------------------------------------------------------------------------------------------------------

    async def burst(self, trials: Sequence[Trial]) -> list[Done]:
        """Run acts at once, and see that the model agrees. Returns them in the order in which they took effect."""
        self.history.append(list(trials))
        self.model.began, self.model.began_with = self.model.turn, self.model.versions
        self.model.rules = {key: rules[-1:] for key, rules in self.model.rules.items()}
        await asyncio.gather(*(self._run(trial) for trial in trials))
        await self._settled([trial for trial in trials if trial.ended == "lost"])
        for trial in trials:
            self.outcomes[f"{type(trial.act).__name__} {trial.ended}"] += 1
        instants = compare.some_instants(self.chance, self.now)
        sweeps = [trial.now for trial in trials if isinstance(trial.act, Sweep) and trial.ended == "lost"]
        self.model.unseen_sweep = max(sweeps, default=None)
        async with self.database.snapshot() as connection:
            done = await self._told(connection, trials)
            shop = await compare.said_by_shop(connection, self.world, instants)
        self.model, order = arranged(
            self.model,
            sorted(done, key=lambda each: self._turn(trials, each)),
            lambda model: compare.difference(model, shop, instants),
        )
        self.model = compare.ended_by_sweeps(self.model, shop)
        return order

    async def _settled(self, lost: Sequence[Trial]) -> None:
        """What nobody waits for any more has come to an end in the database, one way or the other."""
        assert self._owner is not None
        pids = [trial.pid for trial in lost]
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1) AND xact_start IS NOT NULL"
        async with asyncio.timeout(20):
            while pids and await self._owner.fetchval(query, pids):
                await asyncio.sleep(0.01)

    @staticmethod
    def _turn(trials: Sequence[Trial], done: Done) -> float:
        return next(trial.turn for trial in trials if trial.number == done.seen.number)

    async def verify(self) -> None:
        """Every rule that `waterline verify` checks holds."""
        async with self.database.snapshot() as connection:
            broken = [(rule.name, faults) async for rule, faults in invariants.check(connection) if faults]
        if broken:
            raise Disagreement(f"Invariants are broken: {broken}")

    async def _run(self, trial: Trial) -> None:
        if not trial.act.possible(self.world):
            trial.ended = "impossible"
        elif trial.through_graphql:
            await self._post(trial)
        elif trial.fate == Fate.CANCELLED:
            task = asyncio.create_task(self._attempts(trial))
            await asyncio.wait({task}, timeout=trial.after)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            trial.ended = trial.ended or "lost"
        else:
            await self._attempts(trial)

    async def _post(self, trial: Trial) -> None:
        assert self.api is not None
        assert trial.act.document is not None
        key = new_id("key")
        self._keys[key] = trial
        answer = await self.api.post(trial.act.document, {**trial.act.variables(self.world), "key": key})
        del self._keys[key]
        if "errors" in answer and answer["errors"][0]["extensions"]["code"] == "OVERLOADED":
            trial.ended = "lost"  # a busy machine: it was not begun, and if it was, its events tell
            return
        if "errors" in answer:
            raise Disagreement(f"{trial} failed: {answer['errors']}")
        (payload,) = answer["data"].values()
        trial.codes = frozenset(error["code"] for error in payload["userErrors"])
        trial.ended = "refused" if trial.codes else "done"
        if not trial.codes:
            trial.result = trial.act.result(payload)

    async def _attempts(self, trial: Trial) -> None:
        for _ in range(doors.TRIES):
            try:
                await self._attempt(trial)
            except GivenUp:
                trial.ended = "rolled back"
            except (Refusal, Refusals) as refusal:
                refusals = refusal.refusals if isinstance(refusal, Refusals) else [refusal]
                trial.codes = frozenset(each.code for each in refusals)
                trial.ended, trial.message = "refused", f"{refusal} {refusal.__cause__ or ''}"
            except Overtaken:
                continue
            except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if collided(error):
                    self.deadlocks.append(f"{trial}: {error}")
                    continue
                if trial.fate != Fate.CUT_OFF:
                    raise Disagreement(f"{trial} failed: {error!r}") from error
                trial.ended = "lost"
            else:
                trial.ended = "done"
            return
        raise Disagreement(f"{trial} collided {doors.TRIES} times")

    async def _attempt(self, trial: Trial) -> None:
        cutting: asyncio.Task[None] | None = None
        try:
            async with (
                self.database.connection() as connection,
                begin(connection, actor=trial.act.actor, now=trial.now) as work,
            ):
                trial.at_work(work)
                if trial.fate == Fate.CUT_OFF:
                    cutting = asyncio.create_task(self._cut(trial.pid, trial.after))
                trial.result = await trial.act.run(work, self.world)
                if trial.fate == Fate.ROLLED_BACK:
                    if trial.number % 2:
                        await work.finish()
                    raise GivenUp
        finally:
            trial.turn = time.monotonic()
            if cutting is not None:
                cutting.cancel()
                with suppress(asyncio.CancelledError):
                    await cutting

    async def _cut(self, pid: int, after: float) -> None:
        await asyncio.sleep(after)
        assert self._owner is not None
        owner = await asyncpg.connect(self.owner_url)
        try:
            await owner.execute("SELECT pg_terminate_backend($1)", pid)
        finally:
            await owner.close()

    # --- what is known of acts --------------------------------------------------------------------------------------

    async def _told(self, connection: AsyncConnection, trials: Sequence[Trial]) -> list[Done]:
        """What locks and events tell of acts. Those that were given up, and left nothing, are left out."""
        driver = await raw(connection)
        by_act = {trial.work.act[4:]: trial for trial in trials if trial.work is not None}
        levels = {
            row["id"]: (row["variant_id"], row["location_id"])
            for row in await driver.fetch(
                "SELECT id, variant_id, location_id FROM stock_levels WHERE variant_id = ANY($1)",
                [each[4:] for each in self.world.variant_ids],
            )
        }
        events = await driver.fetch(
            "SELECT seq, act, subject, version, data FROM events WHERE seq > $1 ORDER BY seq", self._seq
        )
        left: dict[int, dict[Place, tuple[int, Any]]] = {}
        documents: dict[int, dict[str, int]] = {}
        names = Names(self.world)
        for event in events:
            self._seq = max(self._seq, event["seq"])
            trial = by_act.get(event["act"])
            if trial is None:
                if event["subject"][4:] in levels:
                    raise Disagreement(f"An act that failed has left an event: {event}")
                continue
            changed = left.setdefault(trial.number, {})
            documents.setdefault(trial.number, {})[event["subject"]] = event["version"]
            if event["subject"][4:] in levels:  # a sweep comes to levels of earlier variants too
                variant, location = levels[event["subject"][4:]]
                place = names.variants[variant], names.locations[location]
                if place not in changed or changed[place][0] < event["version"]:
                    changed[place] = event["version"], compare.figures(_data(event["data"]))
        moved: dict[int, dict[tuple[Place, str], tuple[Any, int]]] = {}
        for row in await driver.fetch(MOVED, [each[4:] for each in self.world.variant_ids], list(by_act)):
            if row["quantity"] or row["value"]:
                sums = moved.setdefault(by_act[row["act"]].number, {})
                sums[names.place(row), row["kind"]] = Fraction(row["quantity"]), compare.cents(row["value"])
        posted: dict[int, dict[str, int]] = {}
        for row in await driver.fetch(POSTED, list(by_act)):
            if row["balance"]:
                posted.setdefault(by_act[row["act"]].number, {})[row["role"]] = compare.cents(row["balance"])
        silent = await self._silent(driver, trials)
        kept = [trial for trial in trials if self._took_place(trial, left.get(trial.number), silent)]
        for trial in kept:
            if trial.ended != "refused" and trial.result is not None:
                trial.act.keep(self.world, trial.number, trial.result)
        await self._keep_cases(driver, by_act)
        names = Names(self.world)
        return [
            replace(
                _known(trial, names),
                left=left.get(trial.number, {}),
                moved=moved.get(trial.number, {}),
                posted=posted.get(trial.number, {}),
                documents={
                    names.documents[subject]: version
                    for subject, version in documents.get(trial.number, {}).items()
                    if subject in names.documents
                },
            )
            for trial in kept
        ]

    async def _keep_cases(self, driver: Any, by_act: dict[str, Trial]) -> None:
        """Note the ids of the cases that acts opened."""
        names, seen = Names(self.world), Counter[Any]()
        for row in await driver.fetch(CASES, [each[4:] for each in self.world.variant_ids], list(by_act)):
            alike = by_act[row["act"]].number, row["kind"], names.place(row)
            self.world.cases[*alike, seen[alike]] = ID("sdc_" + row["id"])
            seen[alike] += 1

    async def _silent(self, driver: Any, trials: Sequence[Trial]) -> set[int]:
        """Of those whose end nobody saw: the releases that took place, of holds that held nothing any more."""
        released = [(trial, trial.act.hold) for trial in trials if isinstance(trial.act, Release)]
        seen_done = {hold for trial, hold in released if trial.ended == "done"}
        unsure = {
            self.world.made["hold", hold, 0][4:]: trial.number
            for trial, hold in released
            if trial.ended == "lost" and hold not in seen_done and self.model.holds[hold].outcome is None
        }
        query = "SELECT id FROM stock_reservations WHERE id = ANY($1) AND outcome = 'RELEASED'"
        return {unsure[row["id"]] for row in await driver.fetch(query, list(unsure))}

    @staticmethod
    def _took_place(trial: Trial, left: Any, silent: set[int]) -> bool:
        """Whether an act was done, or refused. Raises Disagreement where one that was not has left something."""
        if left is not None and trial.ended in ("refused", "rolled back"):
            raise Disagreement(f"{trial} was {trial.ended}, and has left events")
        if trial.ended in ("rolled back", "impossible") or trial.work is None:
            return False
        return trial.ended != "lost" or left is not None or trial.number in silent


def _known(trial: Trial, names: Names) -> Done:
    """What an act locked and saw."""
    assert trial.work is not None
    found = found_by(trial.work, names)
    known = {"waiting": names.lines, "on hand": names.variants}
    # A sweep looks at what waits for earlier variants too.
    noticed = {
        name: {known[name][ID(row)]: many for row, many in rows.items() if row in known[name]}
        for name, rows in trial.noticed.items()
    }
    last_costs = {names.variants[ID(row)]: cost for row, cost in trial.last_costs.items()}
    told: dict[Any, Any] = trial.work.remembered.get("stock.rules", {})
    rules = {
        (names.channels[channel[4:]], variant and names.variants[variant[4:]]): Rule(
            Fraction(rule.buffer), None if rule.cap is None else Fraction(rule.cap)
        )
        for (channel, variant), rule in told.items()
        if rule is not None and (variant is None or variant[4:] in names.variants)
    }
    actor, ended_hold = trial.work.actor.id, "NOT_ALLOWED_NOW" in trial.codes
    seen = Seen(trial.number, trial.now, frozenset(found), last_costs, rules, actor, ended_hold)
    return Done(trial.act, seen, found, noticed=noticed, codes=trial.codes, message=trial.message)


def found_by(work: Work, names: Names) -> dict[Place, int]:
    """The versions at which an act found the levels that it locked: it raised them once for each of its events."""
    levels: dict[Any, Level] = work.remembered.get("stock.levels", {})
    raised = Counter(event.subject for _, event in work.announced)
    return {
        (names.variants[level.place[0][4:]], names.locations[level.place[1][4:]]): level.version - raised[level.id]
        for level in levels.values()
        if level.place[0][4:] in names.variants  # a sweep comes to those of earlier ones too
    }


def _data(data: Any) -> Any:
    return data if isinstance(data, dict) else json.loads(data)
