"""Whether a worker stays awake between two claims, so that nobody has to tell it anything."""

from __future__ import annotations

import asyncio

LINGER = 0.005
"""Seconds from one claim of a worker that stays awake to the next."""


class Wakefulness:
    """Counts what a worker is told: twice for one claim, and it stays awake.

    That costs less than so many signals.
    """

    def __init__(self) -> None:
        self.stays_awake = False
        self._signals = 0
        self._handed_at = float("-inf")

    @property
    def has_news(self) -> bool:
        """Whether something was told since the last claim began."""
        return self._signals > 0

    def told(self) -> None:
        """Note a signal. Handed one job and told of another is a rush as well."""
        self._signals += 2 if self._is_rush() else 1

    def handed(self) -> bool:
        """Note a job that was handed over; True when it is the second at once."""
        is_rush = self._is_rush()
        self._handed_at = asyncio.get_running_loop().time()
        return is_rush

    def rush(self) -> None:
        """Note that two jobs were handed over at once: what is told is more than one signal."""
        self._signals += 2

    def claims(self) -> bool:
        """Note that a claim begins; True when the worker stays awake after it."""
        signals, self._signals = self._signals, 0
        self.stays_awake = self.stays_awake or signals > 1
        return self.stays_awake

    def falls_asleep(self) -> None:
        """Note that there was nothing to stay awake for, or so much that nothing is awaited."""
        self.stays_awake = False

    def _is_rush(self) -> bool:
        return asyncio.get_running_loop().time() - self._handed_at < LINGER
