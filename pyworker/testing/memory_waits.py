"""How long the in-memory queue waits; see sql/515_backoff.sql."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SET_ASIDE = timedelta(hours=1)
LONGEST_ASKED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class MemoryWaits:
    """The waits of one data type, each as long as it can be: none has a random part."""

    ttl: timedelta
    first: timedelta
    longest: timedelta

    def failed(self, attempts: int) -> timedelta:
        """Return the wait after so many failures in a row."""
        grown: timedelta = self.first * 2 ** (min(attempts, 20) - 1)
        return min(grown, self.longest)

    def stale(self, stale_for: timedelta) -> timedelta:
        """Return the wait after a source repeated rows that have been stale for so long."""
        return min(max(stale_for, self.ttl / 16, self.first), max(self.ttl, self.longest))

    def asked(self, retry_after: float | datetime | None, now: datetime) -> timedelta | None:
        """Return the wait that a source asked for; None when that moment is past."""
        if isinstance(retry_after, datetime):
            wait = retry_after - now
        else:
            wait = timedelta(seconds=min(retry_after or 0, LONGEST_ASKED.total_seconds()))
        return min(wait, LONGEST_ASKED) if wait > timedelta(0) else None
