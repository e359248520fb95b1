"""The model would notice: a shop that is broken on purpose, one guard at a time, disagrees with it within a few bursts.

An honest act looks first, so by honest acts alone nobody would notice that a CHECK is gone: it is taken away together
with the look that makes it idle, or alone, and then those who write without looking (`Overwrite`) get their way. What
each CHECK refuses by itself is in `test_guards.py`.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from typing import Any

import asyncpg
import pytest

from domain.kernel.work import Work
from domain.stock import costs, locked
from domain.stock.costs import Layer
from domain.stock.locked import Level, Levels
from domain.stock.operations import backorders
from domain.stock.shares import EVERYTHING, Shares
from domain.stock.tables import Place
from tests.stock.model.acts import ACTS, Act
from tests.stock.model.acts.arrivals import Receive
from tests.stock.model.acts.channels import SetPool, SetRule
from tests.stock.model.acts.holds import Reserve
from tests.stock.model.acts.sales import PlaceOrder
from tests.stock.model.shops import shop, variants
from tests.support.server import Server

pytestmark = pytest.mark.timeout(300)

AT_ONCE = 16
MOST_BURSTS, ANEW = 240, 20
"""Bursts until a mutant must be found, and after how many the shop begins anew: what is full says little."""

Break = Callable[[pytest.MonkeyPatch], None]


def without_locks(patch: pytest.MonkeyPatch) -> None:
    """Levels are read and not locked."""
    part = " FOR NO KEY UPDATE OF level"
    places, everywhere = locked._LOCK_PLACES, locked._LOCK_VARIANTS
    assert part in places
    assert part in everywhere.text
    patch.setattr(locked, "_LOCK_PLACES", places.replace(part, ""))
    patch.setattr(locked, "_LOCK_VARIANTS", replace(everywhere, text=everywhere.text.replace(part, "")))


def layers_read_before_the_lock(patch: pytest.MonkeyPatch) -> None:
    """Look, then lock: layers are those from before whatever the act waited for."""
    lock, live = Levels.lock.__func__, costs.live_layers  # type: ignore[attr-defined]

    async def looking_first(cls: type[Levels], work: Work, places: Collection[Place], **options: Any) -> Levels:
        seen: dict[Place, list[Layer]] = work.remembered.setdefault("test.layers", {})
        fresh = [place for place in set(places) if place not in seen]
        if fresh:
            seen.update(await live(work, fresh))
        return await lock(cls, work, places, **options)

    async def as_seen(work: Work, places: Collection[Place]) -> dict[Place, list[Layer]]:
        seen: dict[Place, list[Layer]] = work.remembered.get("test.layers", {})
        missing = [place for place in places if place not in seen]
        found = await live(work, missing) if missing else {}
        return {place: seen[place] if place in seen else found[place] for place in places}

    patch.setattr(Levels, "lock", classmethod(looking_first))
    patch.setattr(costs, "live_layers", as_seen)


def expired_holds_freed_twice(patch: pytest.MonkeyPatch) -> None:
    """A hold whose time is over is freed, and stays open to be freed again."""
    reserving = import_module("domain.stock.operations.reserve")  # the room's face has a function of this name
    statement = reserving._FREE_EXPIRED
    assert "SET held = 0" in statement
    patch.setattr(reserving, "_FREE_EXPIRED", statement.replace("SET held = 0", "SET held = line.held"))


def who_waits_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    """What expired holds held, and what orders leave of theirs or give up, is free and serves nobody who waits."""
    reserving, allocating = [import_module(f"domain.stock.operations.{each}") for each in ("reserve", "allocate")]

    async def nobody(*_: Any) -> None:
        pass

    patch.setattr(reserving, "fill_backorders", nobody)
    patch.setattr(allocating, "serve_waiting", nobody)
    _more_often(patch, Reserve, PlaceOrder)


def the_youngest_is_served_first(patch: pytest.MonkeyPatch) -> None:
    """Who waits shortest is served first."""
    statement = backorders._WAITING
    assert "priority, since, source" in statement
    patch.setattr(backorders, "_WAITING", statement.replace("priority, since, source", "priority, since DESC, source"))


def the_youngest_leaves_first(patch: pytest.MonkeyPatch) -> None:
    """Last in, first out."""
    statement = costs._LIVE
    assert "layer.founded_at, layer.id" in statement
    ordered = statement.replace("layer.founded_at, layer.id", "layer.founded_at DESC, layer.id DESC")
    patch.setattr(costs, "_LIVE", ordered)


def a_cent_is_lost(patch: pytest.MonkeyPatch) -> None:
    """What is left of a layer is rounded down."""
    worth_of = Layer.worth_of

    def rounded_down(self: Layer, quantity: Any, digits: int) -> Any:
        exact = self.base_value * quantity / self.base_quantity
        return min(worth_of(self, quantity, digits), exact.quantize(worth_of(self, quantity, digits), "ROUND_FLOOR"))

    patch.setattr(Layer, "worth_of", rounded_down)


def holds_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    """What is held counts as available."""
    patch.setattr(Level, "available", property(lambda self: self.on_hand - self.allocated - self.unavailable))


def rules_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    """Every channel is offered all that is available to everybody: no buffer is kept, and no cap."""
    patch.setattr(Shares, "rule", lambda *_: EVERYTHING)
    _more_often(patch, Receive, SetRule, PlaceOrder)


def rules_bind_nobody_who_waits(patch: pytest.MonkeyPatch) -> None:
    """Who waits gets what comes in, whatever his channel is offered."""
    patch.setattr(backorders._Offered, "offers", lambda _, record, here, taken: here)
    _more_often(patch, Receive, SetRule, PlaceOrder)


def pools_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    """A channel does not take from what it has for itself."""
    patch.setattr(Shares, "pooled", lambda *_: Decimal(0))
    _more_often(patch, Receive, SetPool, PlaceOrder)


def _more_often(patch: pytest.MonkeyPatch, *kinds: type[Act]) -> None:
    """Acts that tell of it are drawn more often: it is found soon."""
    for kind in kinds:
        patch.setitem(ACTS, kind, 4 * ACTS[kind])


def nothing(_: pytest.MonkeyPatch) -> None:
    """The program is as it should be."""


@dataclass(frozen=True)
class Mutant:
    """What is broken: in the program, and in the database."""

    code: Break = nothing
    database: Sequence[str] = ()
    at_once: int = AT_ONCE
    """Acts in a burst. Few, where one alone would tell: that no order explains them is known soon."""


NEVER_OVERSOLD = "ALTER TABLE stock_levels DROP CONSTRAINT ck_stock_levels_never_oversold"
MUTANTS = {
    "the lock of levels": Mutant(without_locks),
    "lock, then look": Mutant(layers_read_before_the_lock),
    "holds freed once": Mutant(expired_holds_freed_twice),
    "who waits served before anybody new": Mutant(who_waits_is_passed_over, at_once=4),
    "the oldest served first": Mutant(the_youngest_is_served_first),
    "first in, first out": Mutant(the_youngest_leaves_first),
    "the last cent": Mutant(a_cent_is_lost),
    "a look at holds, and the CHECK behind it": Mutant(holds_are_overlooked, [NEVER_OVERSOLD]),
    "buffers and caps of channels": Mutant(rules_are_overlooked, at_once=4),
    "buffers and caps of who waits": Mutant(rules_bind_nobody_who_waits, at_once=4),
    "pools of channels": Mutant(pools_are_overlooked, at_once=4),
    "the lock of levels, and the CHECK behind it": Mutant(without_locks, [NEVER_OVERSOLD]),
    "the CHECK that nothing is oversold": Mutant(database=[NEVER_OVERSOLD]),
    "the CHECK that no pool holds less than nothing": Mutant(
        database=["ALTER TABLE stock_pools DROP CONSTRAINT ck_stock_pools_held_not_negative"]
    ),
    "levels follow movements": Mutant(
        database=["ALTER TABLE stock_movements DISABLE TRIGGER stock_movements_followed"]
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_what_is_taken_away_is_missed(
    server: Server, fresh_name: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mutant = MUTANTS[name]
    async with shop(server, fresh_name, None, random.Random(7)) as driver:
        await driver.anew(variants(driver.now))
        owner = await asyncpg.connect(server.owner_url(fresh_name))
        for statement in mutant.database:
            await owner.execute(statement)
        await owner.close()
        mutant.code(monkeypatch)
        bursts = 0
        with pytest.raises(AssertionError):  # noqa: PT012  until it is found
            for bursts in range(1, MOST_BURSTS + 1):
                if bursts % ANEW == 0:
                    await driver.anew(variants(driver.now))
                await driver.burst(driver.draw(mutant.at_once, fates=False))
                if bursts % 10 == 0:
                    await driver.verify()
        monkeypatch.undo()
    assert bursts <= MOST_BURSTS
