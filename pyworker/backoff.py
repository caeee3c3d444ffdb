"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random

_SPREAD = 1.25


class Backoff:
    """Waits of 2, 4, 8, 16, 32 and then 60 s, for ever; each spread by a quarter.

    All stay within `first` and `last` (s).
    """

    def __init__(self, first: float = 2.0, last: float = 60.0) -> None:
        self._first = first
        self._last = last
        self._step = first

    def next(self) -> float:
        """Return the next wait (s)."""
        lowest = min(self._step, self._last / _SPREAD)
        self._step = min(2 * self._step, self._last)
        return random.uniform(lowest, _SPREAD * lowest)  # noqa: S311 - spreads attempts

    def reset(self) -> None:
        """Begin anew."""
        self._step = self._first
