"""Requests that wait until keys are fresh; all of a process share one look, and the ear."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from pyworker.errors import FreshnessError
from pyworker.event_listener import EventListener
from pyworker.job import Key
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait
from pyworker.waiting_room import WaitingRoom


class KeyWaits:
    """Waits for keys of a process; nobody listens before the first wait.

    Args:
        queue: what to ask.
        listener: the one ear of the process, which streams use too.
    """

    def __init__(self, queue: WaitQueue, listener: EventListener) -> None:
        self._room = WaitingRoom(queue, listener)

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
        await self._room.end()

    def close(self) -> None:
        """End all waits now, so that requests are answered with what is known."""
        self._room.close()

    async def wait(self, keys: Sequence[Key], seconds: float) -> None:
        """Return when all keys are fresh or set aside, or after `seconds`, whichever is first."""
        waits = [Wait(key, refresh_now=False, priority=None) for key in keys]
        ends = await asyncio.gather(
            *(self._room.wait(wait, seconds) for wait in waits), return_exceptions=True
        )
        for end in ends:
            # Time is over, or the process ends, or the key is none: its state says more.
            if isinstance(end, BaseException) and not isinstance(end, FreshnessError):
                raise end
