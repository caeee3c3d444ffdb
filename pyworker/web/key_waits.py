"""Requests that wait until keys are fresh; all of a process share one look, and the ear."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from pyworker.errors import DatabaseUnavailable, FreshnessError
from pyworker.event_listener import EventListener
from pyworker.job import Key
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait
from pyworker.waiting_room import WaitingRoom

GOODBYE = 1.0


class KeyWaits:
    """Waits for keys of a process; nobody listens before the first wait.

    Args:
        queue: what to ask.
        listener: the one ear of the process, which streams use too.
    """

    def __init__(self, queue: WaitQueue, listener: EventListener) -> None:
        self._queue = queue
        self._listener = listener
        self._room = WaitingRoom(queue, listener)
        self._running: asyncio.Task[None] | None = None
        self._is_closing = False

    async def __aenter__(self) -> Self:
        """Begin; nothing is connected yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all waits, and the connection."""
        backend = self._listener.backend
        self.close()
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if backend is not None:
            # If that fails: the listener is gone, and is forgotten by the next one.
            with suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._queue.stop_listening(backend)

    def close(self) -> None:
        """End all waits now, so that requests are answered with what is known."""
        self._is_closing = True
        self._room.close()

    async def wait(self, keys: Sequence[Key], seconds: float) -> None:
        """Return when all keys are fresh or set aside, or after `seconds`, whichever is first."""
        if self._is_closing:
            return
        if self._running is None:
            self._running = asyncio.create_task(self._room.run(), name="key waits")
        waits = [Wait(key, refresh_now=False, priority=None) for key in keys]
        ends = await asyncio.gather(
            *(self._room.wait(wait, seconds) for wait in waits), return_exceptions=True
        )
        for end in ends:
            # Time is over, or the process ends, or the key is none: its state says more.
            if isinstance(end, BaseException) and not isinstance(end, FreshnessError):
                raise end
