"""A provider's rate limit: a bucket of calls that fills steadily."""

from __future__ import annotations

from collections.abc import Callable


class RateLimit:
    """Allows `per_second` calls a second, and up to `burst` at once.

    Args:
        per_second: how fast the bucket fills.
        burst: how many calls it holds.
        clock: returns seconds.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._level = float(burst)
        self._filled_at = clock()

    def take(self) -> float:
        """Take one call; returns 0 when it is allowed, else the seconds until one will be."""
        now = self._clock()
        filled = self._level + (now - self._filled_at) * self._per_second
        self._level, self._filled_at = min(filled, self._burst), now
        if self._level < 1:
            return (1 - self._level) / self._per_second
        self._level -= 1
        return 0.0
