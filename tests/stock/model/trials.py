"""Acts on their way: what becomes of each, and what is seen of it while it works."""

import time
from collections import ChainMap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from api.graphql.kit import operations as doors
from domain.kernel.database import driver_of
from domain.kernel.work import Work, begin
from domain.stock import costs
from domain.stock.operations import backorders
from tests.stock.model.acts import Act

reconciling = import_module("domain.stock.operations.reconcile")  # the room's face has a function of this name


class Fate(StrEnum):
    """What becomes of an act."""

    LEFT_ALONE = "left alone"
    ROLLED_BACK = "rolled back"
    """It is given up when all is done but the commit."""
    CANCELLED = "cancelled"
    """Its task is cancelled at some moment."""
    CUT_OFF = "cut off"
    """Its connection is, at some moment."""


FATES = {Fate.LEFT_ALONE: 88, Fate.ROLLED_BACK: 6, Fate.CANCELLED: 3, Fate.CUT_OFF: 3}


class GivenUp(Exception):  # noqa: N818  not an error
    """An act is rolled back."""


@dataclass
class Trial:
    """An act on its way."""

    number: int
    act: Act
    now: datetime
    fate: Fate = Fate.LEFT_ALONE
    through_graphql: bool = False
    after: float = 0.0
    """Seconds, until its fate comes over it."""
    work: Work | None = None
    """Its last attempt."""
    result: Any = None
    codes: frozenset[str] = frozenset()
    ended: str = ""
    """How: done, refused, rolled back or lost."""
    pid: int = 0
    """The server's process that worked for it last."""
    message: str = ""
    noticed: dict[str, dict[str, Fraction]] = field(default_factory=dict)
    """Where it looked: who it found waiting, by their lines, and what it found elsewhere."""
    last_costs: dict[str, Fraction] = field(default_factory=dict)
    turn: float = 0.0
    """When it was over in the database, by the process's clock: what others waited for came earlier."""

    def __str__(self) -> str:
        fate = "" if self.fate == Fate.LEFT_ALONE else f" [{self.fate}]"
        told = f" -> {self.ended} {self.message}"
        return f"#{self.number}{' over GraphQL' if self.through_graphql else ''}{fate} {self.act}{told}"

    def at_work(self, work: Work) -> None:
        """It is tried (again) by this work."""
        self.work, self.pid = work, driver_of(work.connection).get_server_pid()
        self.noticed, self.last_costs = {}, {}
        work.raw = _Watched(work.raw, self)  # type: ignore[assignment]  in its place


class _Watched:
    """A connection that notes what an act is told of who waits, of what was there, and of what came in last."""

    def __init__(self, driver: Any, trial: Trial) -> None:
        self._driver, self._trial = driver, trial
        self._looks: list[dict[str, Fraction]] = []
        self._just_looked = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def execute(self, statement: str, *arguments: Any) -> str:
        """The status. Whoever locks the queue that he has looked at looks again: that counts."""
        if statement == backorders._LOCK_QUEUES and self._just_looked:
            self._looks.pop()
        self._just_looked = False
        return await self._driver.execute(statement, *arguments)

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """The rows. Who serves several times counts each who waited as he was when he was seen first: while nobody
        waits nothing is locked, so somebody may come to wait between two looks.
        """
        rows = await self._driver.fetch(query, *arguments)
        self._just_looked = query == backorders._WAITING
        if query == backorders._WAITING:
            self._looks.append({row["source"]: Fraction(row["quantity"]) for row in rows})
            self._trial.noticed["waiting"] = dict(ChainMap(*self._looks))
        elif query == reconciling._ON_HAND:
            self._trial.noticed["on hand"] = {row["variant_id"]: Fraction(row["on_hand"]) for row in rows}
        elif query == costs._LAST_IN:
            self._trial.last_costs = {
                row["variant_id"]: Fraction(row["value_amount"]) * 100 / Fraction(row["quantity"]) for row in rows
            }
        return rows


current: ContextVar[Trial] = ContextVar("current")
"""The trial that a mutation serves."""


@asynccontextmanager
async def witnessed(trials: dict[str, Trial]) -> AsyncIterator[None]:
    """Mutations whose idempotency key is that of a trial act in its name, at its instant."""
    patch = pytest.MonkeyPatch()
    act = doors.act

    async def act_in_its_name(
        context: Any, operation: doors.Operation, *arguments: Any, idempotency_key: str | None, **options: Any
    ) -> Any:
        if idempotency_key in trials:
            current.set(trials[idempotency_key])
            operation = replace(operation, each=None)  # in a transaction of its own, by which it is followed
        return await act(context, operation, *arguments, idempotency_key=idempotency_key, **options)

    @asynccontextmanager
    async def begin_at_its_instant(connection: AsyncConnection, **options: Any) -> AsyncIterator[Work]:
        trial = current.get(None)
        if trial is None:
            async with begin(connection, **options) as work:
                yield work
            return
        try:
            async with begin(connection, **options, now=trial.now) as work:
                trial.at_work(work)
                yield work
        finally:
            trial.turn = time.monotonic()

    patch.setattr(doors, "act", act_in_its_name)
    patch.setattr(doors, "begin", begin_at_its_instant)
    try:
        yield
    finally:
        patch.undo()
