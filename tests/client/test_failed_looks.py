"""Looks that fail, seen from those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from pyworker.errors import DatabaseUnavailable
from pyworker.event_listener import EventListener
from pyworker.job import Key
from pyworker.key_freshness import WaitState
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait
from pyworker.waiting_room import WaitingRoom


class Quiet(EventListener):
    """Could hear, and hears nothing."""

    async def run(self, *_: Any) -> NoReturn:
        """Wait for ever."""
        self.backend = 1
        self.tried.set()
        while True:
            await asyncio.Event().wait()


class FailsOnce(WaitQueue):
    """Cannot be reached at the first look; then all is fresh."""

    def __init__(self) -> None:
        self._has_failed = False

    async def wait_for(
        self,
        data_type: str,  # noqa: ARG002
        symbols: Sequence[str],
        since: Sequence[datetime | bool],  # noqa: ARG002
        backend: int | None = None,  # noqa: ARG002
        priority: int | None = None,  # noqa: ARG002
    ) -> list[WaitState]:
        """Look."""
        if not self._has_failed:
            self._has_failed = True
            raise DatabaseUnavailable("the database cannot be reached")
        return [
            WaitState(place, symbol, "fresh", 0, None, None, True, None)
            for place, symbol in enumerate(symbols, 1)
        ]

    async def forget_lost_listeners(self) -> int:
        """There are none."""
        return 0

    async def stop_listening(self, *_: Any, **__: Any) -> None:
        """Nobody does."""


async def test_after_a_failed_look_all_are_looked_at_again_whatever_their_data_type() -> None:
    room = WaitingRoom(FailsOnce(), Quiet("postgresql://nowhere"))
    waits = [
        Wait(Key(data_type, "AAPL"), refresh_now=False, priority=None)
        for data_type in ("quote", "profile", "news")
    ]
    try:
        # Sooner than the look for what nobody was told.
        async with asyncio.timeout(3):
            states = await asyncio.gather(*(room.wait(wait, None) for wait in waits))
        assert all(state.is_fresh for state in states)
    finally:
        await room.end()
