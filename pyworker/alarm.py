"""An alarm clock: rings once, at the earliest moment that it was set to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` at the earliest of the moments that were set since it last did."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._rang_for: float | None = None

    def set_in(self, seconds: float) -> None:
        """Ring after so many seconds, unless it rings earlier anyway."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0)
        if self._timer is not None:
            # Also one that is due but has not run yet: it must not be lost.
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._time_is_up, when)

    def take_ring(self) -> float | None:
        """Return the loop's time that it rang for; None when it has not since the last call."""
        rang_for, self._rang_for = self._rang_for, None
        return rang_for

    def _time_is_up(self, when: float) -> None:
        self._timer = None
        self._rang_for = when
        self._ring()
