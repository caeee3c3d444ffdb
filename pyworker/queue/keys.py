"""One key, as applications ask for it."""

from __future__ import annotations

from datetime import datetime

from pyworker.job import Key
from pyworker.key_freshness import StoredRows
from pyworker.queue.calls import Calls


class KeyQueue:
    """What asks for a key without waiting."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def request(
        self, key: Key, *, refresh_now: bool = False, priority: int | None = None
    ) -> bool:
        """Ask for a key; True when its job was made or moved."""
        return bool(
            await self._calls.value(
                "select exists (select from freshness.request(%s, array[%s], %s, %s))",
                (key.data_type, key.symbol, refresh_now, priority),
            )
        )

    async def get_or_queue(self, key: Key) -> StoredRows:
        """Return a key's stored rows, and queue a refresh if it is due."""
        found = await self._calls.value(
            "select freshness.get_or_queue(%s, %s)", (key.data_type, key.symbol)
        )
        until = found.pop("fresh_until")
        return StoredRows(**found, fresh_until=until and datetime.fromisoformat(until))
