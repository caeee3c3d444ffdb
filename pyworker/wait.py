"""One wait for a key, and what is known of it."""

from __future__ import annotations

import asyncio
from datetime import datetime

from pyworker.errors import NotFreshInTime
from pyworker.job import Key
from pyworker.key_freshness import KeyFreshness, WaitState


class Wait:
    """Somebody waits for a key; `future` ends when the wait does.

    `since` is True for "refresh now" that is not yet asked for, and then when it was asked for.
    `key` is as asked for; `canonical` as the database names it, once that is known. A wait that
    `is_leaving` ends with the next look, whatever that says.
    """

    def __init__(self, key: Key, *, refresh_now: bool, priority: int | None) -> None:
        self.key = key
        self.priority = priority
        self.since: datetime | bool = refresh_now
        self.canonical: Key | None = None
        self.state: KeyFreshness | None = None
        self.is_leaving = False
        self.future: asyncio.Future[KeyFreshness]
        self.future = asyncio.get_running_loop().create_future()

    def note(self, found: WaitState) -> None:
        """Take in what a look has found; that may end the wait."""
        self.canonical = Key(self.key.data_type, found.symbol)
        self.state = KeyFreshness(
            self.key.data_type,
            found.symbol,
            found.status,
            found.age,
            found.fresh_until,
            found.error,
        )
        if self.since is not False and found.since is not None:
            self.since = found.since
        if self.future.done():
            return
        if found.is_over:
            self.future.set_result(self.state)
        elif self.is_leaving:
            self.future.set_exception(self.out_of_time())

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        if not self.future.done():
            self.future.set_exception(error)

    def out_of_time(self) -> NotFreshInTime:
        """Say what is known at the limit."""
        name = f"{self.key.data_type} {self.key.symbol}"
        if self.state is None:
            return NotFreshInTime(f"{name}: the database was not reached in time", None)
        return NotFreshInTime(f"{name} is still {self.state.status}", self.state)
