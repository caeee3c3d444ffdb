"""A value from the database that many ask for: read once, and kept for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pyworker.errors import DatabaseUnavailable

Value = TypeVar("Value")


class Reading(Generic[Value]):
    """Reads with `read`, and answers with what was read, an error too, for `lasts` seconds.

    However many ask, one reading is under way at most: a database in distress gets no more load
    from those who ask whether it is.
    """

    def __init__(self, read: Callable[[], Awaitable[Value]], *, lasts: float, limit: float) -> None:
        self._read = read
        self._lasts = lasts
        self._limit = limit
        self._task: asyncio.Task[Value] | None = None
        self._ended_at = 0.0

    async def latest(self) -> Value:
        """Return the value, at most `lasts` seconds old.

        Raises:
            DatabaseUnavailable: also when the reading takes longer than `limit` seconds; it goes
                on, for those who ask later.
        """
        task = self._task
        if task is None or (task.done() and self._now() - self._ended_at >= self._lasts):
            task = self._task = asyncio.create_task(self._read_once())
        # Not cancelled at the limit: a connection that hangs would hold that up too.
        await asyncio.wait({task}, timeout=self._limit)
        if not task.done():
            raise DatabaseUnavailable(f"the database has not answered within {self._limit:g} s")
        return task.result()

    async def _read_once(self) -> Value:
        try:
            return await self._read()
        finally:
            self._ended_at = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
