"""One client's stream: what it is still to be sent, the newest of each key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pyworker.job import Key


class Stream:
    """A buffer between what happens and a client that takes as long as it likes.

    It holds one text for each of its keys, the newest, and so never more than it has keys, however
    slow the client is. `name` is that of its watch; `keys` are those that it was let in for, of the
    number `asked` for.
    """

    __slots__ = ("_is_waiting", "_pending", "asked", "keys", "name", "owner", "refused", "stopped")

    def __init__(self, name: str, owner: str, asked: int) -> None:
        self.name = name
        self.asked = asked
        self.owner = owner
        self.keys: set[Key] = set()
        self.refused: Sequence[tuple[Key, str]] = ()
        self.stopped: str | None = None
        self._pending: dict[Key | None, bytes] = {}
        self._is_waiting: asyncio.Future[None] | None = None

    def put(self, key: Key | None, text: bytes) -> None:
        """Leave a text for the client, in place of an older one of the key; None: of no key."""
        self._pending.pop(key, None)
        self._pending[key] = text
        self._wake()

    def holds(self, key: Key) -> bool:
        """Whether a text of a key waits for the client."""
        return key in self._pending

    def stop(self, reason: str) -> None:
        """Let the stream end after what it still holds, for a reason in one word."""
        if self.stopped is None:
            self.stopped = reason
        self._wake()

    async def take(self, within: float) -> bytes:
        """Return what there is to send as soon as there is something; empty: nothing in time (s).

        Once it was stopped, at once.
        """
        if not self._pending and self.stopped is None:
            loop = asyncio.get_running_loop()
            self._is_waiting = loop.create_future()
            alarm = loop.call_later(within, self._wake)
            try:
                await self._is_waiting
            finally:
                alarm.cancel()
                self._is_waiting = None
        taken = b"".join(self._pending.values())
        self._pending.clear()
        return taken

    def _wake(self) -> None:
        if self._is_waiting is not None and not self._is_waiting.done():
            self._is_waiting.set_result(None)
