"""The sweep, where workers run it."""

from __future__ import annotations

from pyworker.queue.calls import Calls


class SweepQueue:
    """What brings the tables back to what they should be."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def sweep_if_due(self, interval: float) -> bool:
        """Run the sweep if none has run for `interval` seconds; True when it ran."""
        return bool(
            await self._calls.value(
                "select freshness.sweep_if_due(make_interval(secs => %s))", (interval,), limit=None
            )
        )
