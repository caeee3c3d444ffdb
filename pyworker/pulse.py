"""Whether a worker was heard of all the time, as far as it can tell by its own stopwatch."""

from __future__ import annotations


class Pulse:
    """Notes when the database was last told that we live; moments are those of one stopwatch.

    A process that was stopped, or cut off, for longer than its heartbeat limit has lost what it
    had claimed before, although its next heartbeat is taken as if nothing had happened.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._last = float("-inf")
        self._since = float("-inf")

    def beat(self, moment: float) -> None:
        """Note a claim or a heartbeat that was answered, begun at this moment."""
        if moment - self._last > self._limit:
            self._since = moment
        self._last = max(self._last, moment)

    def has_lasted(self, claimed_at: float, now: float) -> bool:
        """Say whether nobody can have taken over what was claimed at that moment."""
        return claimed_at >= self._since and now - self._last <= self._limit
