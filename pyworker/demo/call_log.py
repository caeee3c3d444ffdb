"""What the provider remembers of the calls that it got."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from time import time
from typing import Any

REMEMBERED = 20_000


class CallLog:
    """Counts calls, refusals, and calls for a key while another one for it is in flight."""

    def __init__(self) -> None:
        self.calls = 0
        self.refused = 0
        self.overlapping = 0
        self._in_flight: Counter[tuple[str, str]] = Counter()
        self._arrivals: deque[tuple[str, str, float]] = deque(maxlen=REMEMBERED)

    @contextmanager
    def call(self, path: str, symbol: str) -> Iterator[None]:
        """Note the arrival of a call, and its end."""
        key = (path, symbol)
        self.calls += 1
        self.overlapping += self._in_flight[key] > 0
        self._arrivals.append((path, symbol, time()))
        self._in_flight[key] += 1
        try:
            yield
        finally:
            self._in_flight[key] -= 1

    def figures(self, since: int) -> dict[str, Any]:
        """Return the counts, and the arrivals (by the clock) after the first `since` calls."""
        forgotten = self.calls - len(self._arrivals)
        return {
            "calls": self.calls,
            "refused": self.refused,
            "overlapping": self.overlapping,
            "arrivals": list(islice(self._arrivals, max(since - forgotten, 0), None)),
        }
