"""Closing the books, month by month: `OPEN`, then `SOFT_CLOSED`, then `LOCKED`.

Closing takes a lock per period that everyone who posts shares (the guard of `journal_entries` takes it) before it
changes anything: so whoever was posting is in the books by then, and whoever comes later sees the new state. Nothing
slips into a closed period, and no row is locked by everyone.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from domain.kernel import listing, words
from domain.kernel.errors import NotAllowedNow, NotFound
from domain.kernel.ids import ID, is_id
from domain.kernel.lifecycle import Lifecycle
from domain.kernel.work import Work
from domain.ledger.events import AccountingPeriodClosed, AccountingPeriodLocked, AccountingPeriodReopened
from domain.ledger.months import as_month
from domain.ledger.tables import Period, PeriodState

_period = Period.__table__.c

periods = listing.Listing(
    Period,
    filters={
        "id": listing.identity(_period.id),
        "state": listing.choice(_period.state, PeriodState),
    },
    sorts={"STARTS_ON": _period.starts_on},
)


class PeriodAction(StrEnum):
    """What can be done to a period."""

    CLOSE = "CLOSE"
    """Close it: it takes adjusting entries alone."""
    LOCK = "LOCK"
    """Lock it: it takes no entry at all."""
    REOPEN = "REOPEN"
    """Open it again."""


OPEN, SOFT_CLOSED, LOCKED = PeriodState.OPEN, PeriodState.SOFT_CLOSED, PeriodState.LOCKED
life = Lifecycle(
    noun="period",
    initial=[OPEN],
    actions={
        PeriodAction.CLOSE: ([OPEN], SOFT_CLOSED),
        PeriodAction.LOCK: ([OPEN, SOFT_CLOSED], LOCKED),
        PeriodAction.REOPEN: ([SOFT_CLOSED, LOCKED], OPEN),
    },
)

_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('ledger.periods', 0))"
_FIND = "SELECT id, starts_on, state FROM accounting_periods WHERE id = $1"
_UP_TO = """SELECT id, starts_on, state FROM accounting_periods WHERE starts_on <= $1 AND state = ANY($2::text[])
  ORDER BY starts_on"""
_SHUT = "SELECT pg_advisory_xact_lock(hashtextextended(period::text, 0)) FROM unnest($1::uuid[]) AS period"
_CHANGE = "UPDATE accounting_periods SET state = $2 WHERE id = ANY($1::uuid[])"
_LATER_LOCKED = """SELECT starts_on FROM accounting_periods WHERE starts_on > $1 AND state = 'LOCKED'
  ORDER BY starts_on DESC LIMIT 1"""


async def close_period(work: Work, period_id: str) -> ID:
    """This period, and every open one before it, takes adjusting entries alone from now on.

    What happens from now on counts for the first open day; what really happened when is kept beside it. Refused with
    NotFound, and with NotAllowedNow where it is not open.
    """
    period = await _found(work, period_id, PeriodAction.CLOSE)
    await close_up_to(work, period["starts_on"])
    return ID(period_id)


async def close_up_to(work: Work, starts_on: Any) -> None:
    """Every open period up to the one that starts on a day is closed."""
    changed = await work.raw.fetch(_UP_TO, starts_on, [OPEN])
    await _become(work, changed, SOFT_CLOSED)
    work.announce(*(AccountingPeriodClosed(ID("per_" + each["id"])) for each in changed))


async def lock_period(work: Work, period_id: str) -> ID:
    """This period, and every one before it, takes no entry any more, whoever posts it.

    Refused with NotFound, and with NotAllowedNow where it is locked already.
    """
    period = await _found(work, period_id, PeriodAction.LOCK)
    changed = await work.raw.fetch(_UP_TO, period["starts_on"], [OPEN, SOFT_CLOSED])
    await _become(work, changed, LOCKED)
    work.announce(*(AccountingPeriodLocked(ID("per_" + each["id"])) for each in changed))
    return ID(period_id)


async def reopen_period(work: Work, period_id: str, reason: str) -> ID:
    """The period takes entries again; why is announced with it.

    Refused with NotFound; with NotAllowedNow where it is open, or a later one is locked, which has to be opened first.
    """
    said = words.line(reason, path=("reason",), longest=500)
    period = await _found(work, period_id, PeriodAction.REOPEN)
    if period["state"] == LOCKED:
        later = await work.raw.fetchval(_LATER_LOCKED, period["starts_on"])
        if later is not None:
            raise NotAllowedNow(
                f"Periods are opened from the last locked one back: begin with {as_month(later)}.",
                path=("id",),
            )
    await _become(work, [period], OPEN)
    work.announce(AccountingPeriodReopened(ID(period_id), reason=said))
    return ID(period_id)


async def _found(work: Work, period_id: str, action: PeriodAction) -> Any:
    """The period, where the act is possible."""
    await in_turn(work)
    period = await work.raw.fetchrow(_FIND, period_id[4:]) if is_id(period_id, "per") else None
    if period is None:
        raise NotFound("There is no such period.", path=("id",))
    life.after(PeriodState(period["state"]), action)
    return period


async def in_turn(work: Work) -> None:
    """Who closes or opens periods and years does it one after the other."""
    await work.raw.execute(_TURN)


async def shut(work: Work, periods: Sequence[str]) -> None:
    """Nobody posts into these periods until this act is over; whoever was posting is in the books. By ids without
    their prefix, the earliest first.
    """
    await work.raw.execute(_SHUT, periods)


async def _become(work: Work, changed: Sequence[Any], state: PeriodState) -> None:
    ids = [each["id"] for each in changed]
    await shut(work, ids)
    await work.raw.execute(_CHANGE, ids, state)
