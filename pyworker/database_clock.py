"""The database's clock, seen from a process whose own clock may be wrong."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import datetime

_READING_LASTS = 0.1


class DatabaseClock:
    """Waits for moments of the database's clock, and never returns before them.

    Each answer of the database carries a moment that its clock had reached before we received it.
    From then on a stopwatch goes along: what it shows is behind the clock by the time that the
    answer took. The quickest of the last answers counts. A reading lasts for a tenth of a second,
    so that neither a stopwatch that runs wrong nor a clock that was set matters.
    """

    def __init__(self) -> None:
        self._offset = float("-inf")
        self._read_at = float("-inf")
        # The same by the other end of the answers: what the clock cannot have passed.
        self._most = float("inf")
        self._most_read_at = float("-inf")
        self._sharper = asyncio.Event()

    def note(self, moment: datetime, asked_at: float | None = None) -> None:
        """Note that the database's clock has reached `moment`.

        `asked_at` is when it had not yet (`time.monotonic`).
        """
        now = time.monotonic()
        if asked_at is not None:
            most = moment.timestamp() - asked_at
            if most < self._most or now - self._most_read_at > _READING_LASTS:
                self._most, self._most_read_at = most, now
        offset = moment.timestamp() - now
        if offset > self._offset or now - self._read_at > _READING_LASTS:
            self._offset, self._read_at = offset, now
            # Who waits has less to wait than it thought.
            self._sharper.set()
            self._sharper.clear()

    async def wait_until(self, moment: datetime) -> None:
        """Return when the database's clock has surely reached `moment`; it was read just now."""
        end = float("inf")
        # A clock that is set back meanwhile makes nobody wait longer.
        while (end := min(end, moment.timestamp() - self._offset)) > time.monotonic():
            with suppress(TimeoutError):
                async with asyncio.timeout(end - time.monotonic()):
                    await self._sharper.wait()

    def seconds_until(self, moment: datetime) -> float:
        """Return how long it will take until `moment`, as far as is known; infinity: unknown."""
        return moment.timestamp() - self._offset - time.monotonic()

    def most_since(self, moment: datetime) -> float:
        """Return how long ago `moment` was at the most (s); infinity: unknown.

        Negative: it is yet to come, or the clock was set since it was read.
        """
        return time.monotonic() + self._most - moment.timestamp()
