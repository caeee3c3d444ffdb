"""Jobs that were handed over, as the worker answers that has them."""

from __future__ import annotations

from collections.abc import Sequence

from pyworker.queue.calls import Calls


class HandoverQueue:
    """What a worker says of jobs that were handed to it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def hand_back(self, worker: int, fences: Sequence[int]) -> int:
        """Make due what was handed to a worker that does not begin with it; returns how many."""
        return int(
            await self._calls.value("select freshness.hand_back(%s, %s)", (worker, list(fences)))
        )

    async def taken_up(self, worker: int, data_types: Sequence[str]) -> None:
        """Say that a worker has begun with what was handed to it; another one watches over it."""
        await self._calls.value("select freshness.taken_up(%s, %s)", (worker, list(data_types)))
