"""One timer for all who are waited for: each has their own time, and nobody is cancelled for another's sake."""

import asyncio
import time

import pytest

from api.http.patience import Patience


async def waited(patience: Patience, seconds: float) -> float:
    """How long somebody waited who takes so many seconds. Raises TimeoutError."""
    began = time.monotonic()
    with patience():
        await asyncio.sleep(seconds)
    return time.monotonic() - began


async def test_each_is_given_their_own_time() -> None:
    patience = Patience(1)
    first = asyncio.create_task(waited(patience, 60))
    await asyncio.sleep(0.6)
    began = time.monotonic()
    second, third = asyncio.create_task(waited(patience, 60)), asyncio.create_task(waited(patience, 0.1))
    with pytest.raises(TimeoutError):
        await first
    assert not second.done()
    assert await third > 0.09  # timers are a little early at times
    with pytest.raises(TimeoutError):
        await second
    assert time.monotonic() - began > 0.9
    await waited(patience, 0)
    patience.stop()


async def test_what_is_over_in_time_is_not_cancelled_later() -> None:
    patience = Patience(0.5)
    for _ in range(3):
        await waited(patience, 0.01)
        await asyncio.sleep(0.51)
    patience.stop()


async def test_who_is_cancelled_by_others_stays_so() -> None:
    patience = Patience(0.05)
    task = asyncio.create_task(waited(patience, 60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def both() -> None:
        with patience():
            asyncio.get_running_loop().call_later(0.04, asyncio.current_task().cancel)  # type: ignore[union-attr]
            time.sleep(0.06)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(both())
    patience.stop()


async def test_an_error_of_ones_own_is_told() -> None:
    patience = Patience(60)
    with pytest.raises(ValueError, match="mine"), patience():
        raise ValueError("mine")
    patience.stop()
