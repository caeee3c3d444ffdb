"""One client's stream: what it is still to be sent, the newest of each key."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from pyworker.events.texts import LineText
from pyworker.job import Key

MOST_LINES = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    key: Key
    text: LineText


class Stream:
    """A buffer between what happens and a client that takes as long as it likes.

    It holds one text for each of its keys, the newest, and the 100 newest lines of refreshers:
    never more, however slow the client is. `name` is that of its watch; `keys` are those that it
    was let in for.
    """

    __slots__ = (
        "_is_waiting",
        "_lines",
        "_lost",
        "_pending",
        "keys",
        "name",
        "owner",
        "refused",
        "stopped",
    )

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.owner = owner
        self.keys: set[Key] = set()
        self.refused: Sequence[tuple[Key, str]] = ()
        self.stopped: str | None = None
        # In the order to send. A line is written when it is sent: it says how many were lost.
        self._pending: dict[Key | _Line | None, bytes] = {}
        # Most streams never have one.
        self._lines: deque[_Line] | None = None
        self._lost: Counter[Key] | None = None
        self._is_waiting: asyncio.Future[None] | None = None

    def put(self, key: Key | None, text: bytes) -> None:
        """Leave a text for the client, in place of an older one of the key; None: of no key."""
        self._pending.pop(key, None)
        self._pending[key] = text
        self._wake()

    def say(self, key: Key, text: LineText) -> None:
        """Leave a refresher's line for the client; of too many the oldest is lost."""
        if self._lines is None or self._lost is None:
            self._lines, self._lost = deque(), Counter()
        if len(self._lines) >= MOST_LINES:
            oldest = self._lines.popleft()
            del self._pending[oldest]
            self._lost[oldest.key] += oldest.text.lost
        line = _Line(key, text)
        self._lines.append(line)
        self._pending[line] = b""
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
        if self._lines and self._lost is not None:
            self._write_lines(self._lines, self._lost)
        taken = b"".join(self._pending.values())
        self._pending.clear()
        return taken

    def _write_lines(self, lines: deque[_Line], lost: Counter[Key]) -> None:
        for line in lines:
            self._pending[line] = line.text.after(lost.pop(line.key, 0))
        lines.clear()

    def _wake(self) -> None:
        if self._is_waiting is not None and not self._is_waiting.done():
            self._is_waiting.set_result(None)
