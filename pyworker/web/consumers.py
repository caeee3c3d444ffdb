"""What polling would have cost in this process's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

INTERVAL = 1.0
"""Seconds between two polls of one consumer: what it takes to be told within a second."""


class Consumers:
    """Counts the queries of consumers that would each poll once a second, but are told instead.

    A worker is one, and so is each open stream.
    """

    def __init__(self) -> None:
        self._now = 0
        self._polls = 0.0
        self._counted_at = monotonic()

    @property
    def polls(self) -> float:
        """How many queries polling would have made so far."""
        self._count()
        return self._polls

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """One consumer more, for the length of a `with`."""
        self._count()
        self._now += 1
        try:
            yield
        finally:
            self._count()
            self._now -= 1

    def _count(self) -> None:
        now = monotonic()
        self._polls += self._now * (now - self._counted_at) / INTERVAL
        self._counted_at = now
