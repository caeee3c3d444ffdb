"""What the provider remembers of the calls that it got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class CallLog:
    """Counts calls, refusals, and calls for a key while another one for it is in flight."""

    def __init__(self) -> None:
        self.calls = 0
        self.refused = 0
        self.overlapping = 0
        self._in_flight: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def call(self, path: str, symbol: str) -> Iterator[None]:
        """Note the arrival of a call, and its end."""
        key = (path, symbol)
        self.calls += 1
        self.overlapping += self._in_flight[key] > 0
        self._in_flight[key] += 1
        try:
            yield
        finally:
            self._in_flight[key] -= 1

    def figures(self) -> dict[str, int]:
        """Return the counts."""
        return {
            "calls": self.calls,
            "refused": self.refused,
            "overlapping": self.overlapping,
        }
