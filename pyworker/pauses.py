"""How long to wait before the next look while nothing says when it is worth while."""

from __future__ import annotations

import random
import time

_SHORTEST = 0.01
_JITTER = 0.1


class Pauses:
    """Short pauses while the worker is aggressive, then each twice the last.

    A wake, work that was found or a first error makes it aggressive: for `duration` seconds, and
    for `threshold` empty looks in a row at most.
    """

    def __init__(self, duration: float, threshold: int) -> None:
        self._duration = duration
        self._threshold = threshold
        self._until = 0.0
        self._empty = 0
        self._grown = _SHORTEST
        self._is_failing = False
        self.stir()

    @property
    def is_aggressive(self) -> bool:
        """Whether the worker looks again at once."""
        return self._empty < self._threshold and time.monotonic() < self._until

    def stir(self) -> None:
        """Begin anew: there was a wake, or work."""
        self._until = time.monotonic() + self._duration
        self._empty = 0
        self._grown = _SHORTEST

    def looked(self, *, found: bool) -> None:
        """Note a look, and whether it found work."""
        self._is_failing = False
        if found:
            self.stir()
        else:
            self._empty += 1

    def failed(self) -> None:
        """Note a look that failed: the first after a success is worth trying again at once."""
        if not self._is_failing:
            self.stir()
        self._is_failing = True
        self._empty += 1

    def next(self, longest: float) -> float:
        """Return the next pause (s): at most `longest`, and a little less for each its own."""
        if self.is_aggressive:
            return min(_SHORTEST, longest)
        self._grown = min(2 * self._grown, longest)
        return self._grown * (1 - _JITTER * random.random())  # noqa: S311 - spreads looks
