"""A limit of time that many tasks share."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class TimeLimit:
    """Gives each block that it is held for so many seconds, as `asyncio.timeout` does.

    One timer serves all blocks: they have the same limit, so that the one which began first is over
    first, and nearly all have ended by then.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # In the order in which they began.
        self._running: dict[Limited, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Limited:
        """Return the block's context; raises `TimeoutError` at the block's end if it took longer.

        Has to be entered at once, in a task.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be given a limit")
        limited = Limited(self._running, task, loop.time() + self.seconds)
        self._running[limited] = None
        if self._timer is None:
            self._timer = loop.call_at(limited.ends_at, self._time_is_up)
        return limited

    def _time_is_up(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        # A timer may ring early by the clock's resolution.
        now = loop.time() + 1e-3
        for limited in list(self._running):
            if limited.ends_at > now:
                self._timer = loop.call_at(limited.ends_at, self._time_is_up)
                return
            limited.stop()


class Limited:
    """A block that runs under a limit; `is_over` says whether it was stopped for it."""

    __slots__ = ("_cancelled_before", "_running", "_task", "ends_at", "is_over")

    def __init__(
        self, running: dict[Limited, None], task: asyncio.Task[object], ends_at: float
    ) -> None:
        self._running = running
        self._task = task
        self._cancelled_before = task.cancelling()
        self.ends_at = ends_at
        self.is_over = False

    def stop(self) -> None:
        """Cancel the block: its time is over."""
        del self._running[self]
        self.is_over = True
        self._task.cancel()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End; a cancelling that was ours becomes a `TimeoutError`."""
        if not self.is_over:
            del self._running[self]
        elif self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error
