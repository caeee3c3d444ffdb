"""Those who want a stream are let in together: one question to the database for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pyworker.event_listener import EventListener
from pyworker.events.channels import Channels
from pyworker.events.entrance import TOO_MANY_WATCHED, Joiner, Refusal, TooManyStreams, settle
from pyworker.events.stream import Stream
from pyworker.job import Key
from pyworker.queue.streams import StreamQueue

# Seconds. All who come within it are let in by one question.
_TOGETHER = 0.1
_MOST_KEYS = 2000
# For each user who opens a stream the server holds a lock; it has some thousands for all.
_MOST_JOINERS = 500


class Joining:
    """The joiners of a process, from when they come until they are in or refused.

    Args:
        queue: what to ask.
        listener: who is told of the keys from then on.
        channels: where the streams are let in.
        lease: for how many seconds a stream watches its keys.
    """

    def __init__(
        self, queue: StreamQueue, listener: EventListener, channels: Channels, lease: float
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._channels = channels
        self._lease = lease
        self._joiners: list[Joiner] = []
        self._asked_at = float("-inf")

    def __bool__(self) -> bool:
        """Whether somebody waits to be let in."""
        return bool(self._joiners)

    def add(self, stream: Stream, keys: Sequence[Key], role: str) -> asyncio.Future[None]:
        """Return what ends when the stream is in, or with the reason why it is not."""
        is_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._joiners.append(Joiner(stream, keys, role, is_in))
        return is_in

    def give_up(self, stream: Stream) -> None:
        """Forget one who wants no stream any more, unless it is being asked for."""
        self._joiners = [joiner for joiner in self._joiners if joiner.stream is not stream]

    def refuse(self, error: Exception) -> None:
        """Let nobody in who waits now."""
        for joiner in self._joiners:
            if not joiner.is_in.done():
                joiner.is_in.set_exception(error)
        self._joiners = []

    async def open(self) -> list[Stream]:
        """Ask for as many as one question takes; returns the streams that are in now."""
        loop = asyncio.get_running_loop()
        if self._joiners:
            await asyncio.sleep(self._asked_at + _TOGETHER - loop.time())
        batch = self._next_batch()
        if not batch:
            return []
        self._channels.asking()
        try:
            opened = await self._queue.open_streams(
                [(joiner.stream.name, key) for joiner in batch for key in joiner.keys],
                [joiner.role for joiner in batch for _ in joiner.keys],
                self._lease,
                self._listener.backend,
            )
        except Exception:
            self._joiners[:0] = batch
            raise
        self._asked_at = loop.time()
        found = iter(sorted(opened, key=lambda key: key.place))
        states = [settle(joiner, [next(found) for _ in joiner.keys]) for joiner in batch]
        self._channels.answered([state for some in states for state in some])
        return [joiner.stream for joiner in batch if self._let_in(joiner)]

    def _next_batch(self) -> list[Joiner]:
        batch: list[Joiner] = []
        size = 0
        while self._joiners and size < _MOST_KEYS and len(batch) < _MOST_JOINERS:
            batch.append(self._joiners.pop(0))
            size += len(batch[-1].keys)
        return batch

    def _let_in(self, joiner: Joiner) -> bool:
        stream = joiner.stream
        if joiner.is_in.done():
            # Given up meanwhile: it has left already, and is closed next.
            return False
        if not stream.keys:
            statuses = {status for _, status in stream.refused}
            is_full = TOO_MANY_WATCHED in statuses
            error = TooManyStreams(is_owners=True, is_keys=True) if is_full else Refusal(statuses)
            joiner.is_in.set_exception(error)
            return False
        self._channels.enter(stream)
        joiner.is_in.set_result(None)
        return True
