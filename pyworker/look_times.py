"""When to look for those who wait, though nobody was told of anything."""

from __future__ import annotations

import asyncio

_FIRST_LOOK, _LAST_LOOK = 5.0, 30.0
FIRST_POLL, LAST_POLL = 0.1, 2.0


class LookTimes:
    """The moment of the next look (`at`, of the loop's clock); each pause is twice the one before.

    From 5 to 30 seconds while we are told, from 0.1 to 2 seconds while we are not.
    """

    def __init__(self) -> None:
        self.at = float("inf")
        self._pause = _FIRST_LOOK

    def is_due(self) -> bool:
        """Whether it is time."""
        return asyncio.get_running_loop().time() >= self.at

    def within(self, seconds: float) -> None:
        """Look in so many seconds at the latest."""
        self.at = min(self.at, asyncio.get_running_loop().time() + seconds)

    def somebody_came(self) -> None:
        """Look for somebody who waits since now."""
        self.within(_FIRST_LOOK)

    def nobody_waits(self) -> None:
        """Look no more: the look for who has left is none for who comes next."""
        self.at = float("inf")

    def begin_anew(self) -> None:
        """Let the next pause be a short one."""
        self._pause = FIRST_POLL

    def plan(self, *, is_told: bool, is_needed: bool) -> None:
        """Choose the next moment, if one is needed."""
        first, last = (_FIRST_LOOK, _LAST_LOOK) if is_told else (FIRST_POLL, LAST_POLL)
        self._pause = max(first, min(self._pause, last))
        self.at = float("inf")
        if is_needed:
            self.within(self._pause)
        self._pause *= 2
