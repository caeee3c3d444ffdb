"""How the channels learn what happens: they are told, and they look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from pyworker.event_listener import EventListener
from pyworker.events.channels import Channels
from pyworker.job import Key
from pyworker.queue.streams import StreamQueue

FIRST_POLL, LAST_POLL = 0.05, 5.0  # seconds
_MOST_AT_ONCE = 2000


class Following:
    """Has the database tell what becomes of the keys, and looks for what it has not told.

    Args:
        queue: what to ask.
        listener: the one ear of the process.
        channels: the keys, and where the answers go.
        look_each: seconds between two looks while we are told.
    """

    def __init__(
        self, queue: StreamQueue, listener: EventListener, channels: Channels, look_each: float
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._channels = channels
        self._look_each = look_each
        self._poll = FIRST_POLL
        self._forgotten: set[Key] = set()
        # The backend that all channels are told to.
        self._backend: int | None = None

    @property
    def is_told(self) -> bool:
        """Whether all channels are told; else there are only looks."""
        return self._backend is not None

    def lose_ear(self) -> bool:
        """Note it if nothing is heard any more; returns whether that is new."""
        if self._backend is None or self._listener.backend is not None:
            return False
        self._backend = None
        self._poll = FIRST_POLL
        return True

    async def listen_anew(self) -> bool:
        """Have all channels told to a new ear, if there is one; returns whether there was."""
        backend = self._listener.backend
        if backend in (None, self._backend):
            return False
        # It may come after one of ours that was lost.
        await self._queue.forget_lost_listeners()
        await self._follow(self._channels.keys(), backend)
        if backend != self._listener.backend:
            return False
        self._backend = backend
        self._poll = FIRST_POLL
        return True

    async def forget(self, streams: list[str]) -> None:
        """End what streams have watched, and have nothing more told of keys without a stream."""
        self._forgotten.update(self._channels.close_empty())
        forgotten = list(self._forgotten)
        if streams or forgotten:
            await self._queue.close_streams(streams, forgotten, self._listener.backend)
            self._forgotten.difference_update(forgotten)

    async def look(self) -> None:
        """Find what the channels were not told, and say that they still want to be told."""
        has_changed = False
        for some in _batches(self._channels.keys()):
            found = await self._queue.look_at_streams(some, self._listener.backend)
            self._channels.note(found)
            changed = []
            for state in found:
                channel = self._channels.get(Key(state.data_type, state.symbol))
                if channel is not None and not state.says_the_same(channel.state):
                    changed.append(channel.key)
            await self._follow(changed, self._listener.backend)
            has_changed = has_changed or bool(changed)
        self._poll = FIRST_POLL if has_changed else min(2 * self._poll, LAST_POLL)

    def next_look(self, now: float) -> float:
        """Return when to look again: never while nobody streams anything."""
        if not self._channels.keys():
            return float("inf")
        return now + (self._look_each if self.is_told else self._poll)

    async def _follow(self, keys: Iterable[Key], backend: int | None) -> None:
        for some in _batches(keys):
            wanted = [key for key in some if self._channels.get(key)]
            if not wanted:
                continue
            self._channels.asking()
            states = await self._queue.follow_keys(wanted, backend)
            # Some of them may be closed meanwhile.
            self._channels.answered(
                [s for s in states if self._channels.get(Key(s.data_type, s.symbol))]
            )


def _batches(keys: Iterable[Key]) -> Iterator[list[Key]]:
    left = iter(keys)
    while some := list(islice(left, _MOST_AT_ONCE)):
        yield some
