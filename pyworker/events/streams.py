"""All streams of a process: one ear, one look and one lease run serve them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from pyworker.errors import DatabaseUnavailable
from pyworker.event_listener import EventListener
from pyworker.events.entrance import Entrance
from pyworker.events.stream import Stream
from pyworker.events.turns import Turns
from pyworker.job import Key
from pyworker.queue.streams import StreamQueue

# Seconds. Those who listen look each half minute (freshness.forget_lost_listeners).
_LOOK = 25.0
_GOODBYE = 2.0


class Streams:
    """Opens and closes streams, and keeps them told.

    What happens to a key comes as a notification, and goes to its streams without a query. Each
    25 seconds one look for all says that we listen, and finds what nobody was told. While nothing
    can be heard such looks come each 50 ms, and less often, up to each 5 s, while nothing happens.
    All that is remembered here can be read again: the database has it.

    Args:
        queue: what to ask.
        listener: the one ear of the process.
        lease: for how many seconds a stream watches its keys unless it goes on.
        most: streams of this process.
        most_of_one: of these, of one owner. The owner's keys are counted in the database.
    """

    def __init__(
        self,
        queue: StreamQueue,
        listener: EventListener,
        *,
        lease: float,
        most: int = 10_000,
        most_of_one: int = 100,
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._entrance = Entrance(most, most_of_one)
        self._turns = Turns(queue, listener, lease, _LOOK)
        self._running: asyncio.Task[None] | None = None
        self._stopped: str | None = None

    @property
    def mode(self) -> str:
        """How streams learn what happens: `listen`, or `poll` while nothing can be heard."""
        return self._turns.mode

    def queue_sizes(self) -> dict[str, int]:
        """Return for each key, as quote:AAPL, how many of its streams are behind."""
        return self._turns.channels.waiting()

    def version_of(self, stream: Stream) -> int:
        """Return the greatest version of the stream's keys: no greater one was told of them."""
        found = (self._turns.channels.get(key) for key in stream.keys)
        return max((channel.state.version for channel in found if channel), default=0)

    async def join(
        self, keys: Sequence[Key], role: str, owner: str, *, is_limited: bool = True
    ) -> Stream:
        """Return a stream that holds the latest state of each key that `role` may see.

        Raises:
            TooManyStreams: there is no room.
            Refusal: it may see none of them.
            DatabaseUnavailable: nothing can be said at the moment.
        """
        self._entrance.come(owner, is_limited=is_limited)
        # Whose it is, is read from its name (freshness.lease_owner).
        stream = Stream(f"stream:{uuid4().hex}:{owner}", owner)
        is_in = self._turns.join(stream, keys, role)
        if self._running is None:
            self._running = asyncio.create_task(self._turns.run(), name="streams")
        try:
            await is_in
        except BaseException:
            self.leave(stream)
            raise
        if self._stopped is not None:
            stream.stop(self._stopped)
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream at once; its watch ends with the next question to the database.

        To be called once for each stream that `join` has returned.
        """
        self._entrance.go(stream.owner)
        self._turns.leave(stream)

    def stop(self, reason: str) -> None:
        """End all streams, and those that still come."""
        self._stopped = reason
        for stream in self._turns.streams:
            stream.stop(reason)

    async def close(self) -> None:
        """Listen no more, and end what is watched."""
        if self._running is None:
            return
        backend = self._listener.backend
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        names = [*self._turns.left, *(stream.name for stream in self._turns.streams)]
        # If that fails: leases end by themselves, and so does who listened.
        with suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._queue.close_streams(names, [], None)
                if backend is not None:
                    await self._queue.stop_listening(backend)
