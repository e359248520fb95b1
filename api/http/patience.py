"""How long somebody is waited for: one timer for all who are, as to set one for each costs more than their request."""

import asyncio
from types import TracebackType


class Patience:
    """Waits the same time for everybody."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> "Wait":
        """What is done within it is cancelled when the time is over, and TimeoutError raised."""
        return Wait(self)

    def begin(self, wait: "Wait") -> None:
        """Somebody is waited for. Those who came first are the first whose time is over."""
        loop = asyncio.get_running_loop()
        self._waiting[wait] = until = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(until, self._end)

    def leave(self, wait: "Wait") -> None:
        """Nobody waits for him any more. The timer finds out by itself."""
        self._waiting.pop(wait, None)

    def stop(self) -> None:
        """Nobody is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        for wait, until in list(self._waiting.items()):
            if until > loop.time():
                self._timer = loop.call_at(until, self._end)
                break
            del self._waiting[wait]
            wait.end()


class Wait:
    """One wait, as a context."""

    __slots__ = ("_cancelled", "_is_over", "_patience", "_task")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._is_over = False

    def end(self) -> None:
        """The time is over."""
        self._is_over = True
        self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelled = task, task.cancelling()
        self._patience.begin(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._patience.leave(self)
        # Whoever else cancels the task is heard, too: then it stays cancelled.
        if self._is_over and self._task.uncancel() <= self._cancelled and kind is asyncio.CancelledError:
            raise TimeoutError from error
