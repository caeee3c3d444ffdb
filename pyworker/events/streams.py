"""All streams of a process: one ear, one look and one lease run serve them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

import structlog

from pyworker.errors import DatabaseUnavailable
from pyworker.event_listener import EventListener
from pyworker.events.channels import Channels
from pyworker.events.entrance import (
    TOO_MANY_WATCHED,
    Entrance,
    Joiner,
    Refusal,
    TooManyStreams,
    settle,
)
from pyworker.events.stream import Stream
from pyworker.events.texts import event_text
from pyworker.job import Key
from pyworker.queue.streams import StreamQueue

__all__ = ["Refusal", "Streams", "TooManyStreams"]

# Seconds. Those who listen look each half minute (freshness.forget_lost_listeners).
_LOOK = 25.0
_FIRST_POLL, _LAST_POLL = 0.05, 5.0
# All who join within it are let in by one question.
_JOINING = 0.1
_MOST_AT_ONCE = 2000
# For each user who opens a stream the server holds a lock; it has some thousands for all.
_MOST_JOINERS = 500
_GOODBYE = 2.0
_DEAF_FOR = 60.0


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
        self._lease = lease
        self._entrance = Entrance(most, most_of_one)
        self._channels = Channels()
        self._streams: set[Stream] = set()
        self._joining: list[Joiner] = []
        self._left: list[str] = []
        self._to_follow: set[Key] = set()
        self._forgotten: set[Key] = set()
        # The backend that all channels are told to.
        self._backend: int | None = None
        self._work = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._stopped: str | None = None
        self._poll = _FIRST_POLL
        self._look_at = self._renew_at = float("inf")
        self._joined_at = float("-inf")
        self._log = structlog.get_logger("streams")

    @property
    def mode(self) -> str:
        """How streams learn what happens: `listen`, or `poll` while nothing can be heard."""
        return "poll" if self._backend is None else "listen"

    def queue_sizes(self) -> dict[str, int]:
        """Return for each key, as quote:AAPL, how many of its streams are behind."""
        return self._channels.waiting()

    def version_of(self, stream: Stream) -> int:
        """Return the greatest version of the stream's keys: no greater one was told of them."""
        found = (self._channels.get(key) for key in stream.keys)
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
        joiner = Joiner(stream, keys, role, asyncio.get_running_loop().create_future())
        self._joining.append(joiner)
        self._start()
        try:
            await joiner.is_in
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
        self._joining = [joiner for joiner in self._joining if joiner.stream is not stream]
        self._entrance.go(stream.owner)
        self._streams.discard(stream)
        self._channels.leave(stream)
        self._left.append(stream.name)
        self._work.set()

    def stop(self, reason: str) -> None:
        """End all streams, and those that still come."""
        self._stopped = reason
        for stream in self._streams:
            stream.stop(reason)

    async def close(self) -> None:
        """Listen no more, and end what is watched."""
        if self._running is None:
            return
        backend = self._listener.backend
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        names = [*self._left, *(stream.name for stream in self._streams)]
        # If that fails: leases end by themselves, and so does who listened.
        with suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._queue.close_streams(names, [], None)
                if backend is not None:
                    await self._queue.stop_listening(backend)

    def _start(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="streams")
        self._work.set()

    async def _run(self) -> None:
        hear = asyncio.create_task(self._hear(), name="events")
        try:
            await self._listener.tried.wait()
            pause = _FIRST_POLL
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(self._look_at, self._renew_at)):
                        await self._work.wait()
                self._work.clear()
                try:
                    await self._turn()
                    pause = _FIRST_POLL
                except Exception as error:
                    # Whatever it is, the streams that are open stay open.
                    self._refuse_joiners(error)
                    self._work.set()
                    self._log.warning("streams_not_served", reason=str(error), seconds=pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LAST_POLL)
        finally:
            hear.cancel()
            await asyncio.gather(hear, return_exceptions=True)

    async def _hear(self) -> None:
        while True:
            try:
                await self._listener.run(
                    self._channels.hear, self._listener_changed, self._channels.hear_line
                )
            except Exception as error:
                # Such as a server that is a standby: we poll, and try again some time.
                self._log.warning("listening_refused", reason=str(error), seconds=_DEAF_FOR)
            self._listener.tried.set()
            self._listener_changed()
            await asyncio.sleep(_DEAF_FOR)

    def _listener_changed(self) -> None:
        if self._listener.backend is None and self._backend is not None:
            self._change_to(None)
        self._work.set()

    def _change_to(self, backend: int | None) -> None:
        was = self.mode
        self._backend = backend
        self._poll = _FIRST_POLL
        self._plan_look()
        if self.mode != was:
            text = event_text("mode", {"mode": self.mode})
            for stream in self._streams:
                stream.put(None, text)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        await self._listen_anew()
        await self._close()
        if self._joining and now < self._joined_at + _JOINING:
            await asyncio.sleep(self._joined_at + _JOINING - now)
        await self._open()
        await self._follow()
        if now >= self._look_at:
            await self._look()
        if now >= self._renew_at:
            await self._renew()

    async def _listen_anew(self) -> None:
        backend = self._listener.backend
        if backend is None or backend == self._backend:
            return
        # It may come after one of ours that was lost.
        await self._queue.forget_lost_listeners()
        self._to_follow.update(self._channels.keys())
        await self._follow(backend)
        if backend == self._listener.backend:
            self._change_to(backend)

    async def _close(self) -> None:
        self._forgotten.update(self._channels.close_empty())
        left, forgotten = list(self._left), list(self._forgotten)
        if left or forgotten:
            await self._queue.close_streams(left, forgotten, self._listener.backend)
            del self._left[: len(left)]
            self._forgotten.difference_update(forgotten)

    async def _open(self) -> None:
        batch = self._next_batch()
        if not batch:
            return
        self._channels.asking()
        try:
            opened = await self._queue.open_streams(
                [(joiner.stream.name, key) for joiner in batch for key in joiner.keys],
                [joiner.role for joiner in batch for _ in joiner.keys],
                self._lease,
                self._listener.backend,
            )
        except Exception:
            self._joining[:0] = batch
            raise
        loop = asyncio.get_running_loop()
        self._joined_at = loop.time()
        self._renew_at = min(self._renew_at, loop.time() + self._lease / 3)
        found = iter(sorted(opened, key=lambda key: key.place))
        states = {
            joiner.stream: settle(joiner, [next(found) for _ in joiner.keys]) for joiner in batch
        }
        self._channels.answered([state for some in states.values() for state in some])
        for joiner in batch:
            self._let_in(joiner)
        if self._look_at == float("inf"):
            self._plan_look()

    def _next_batch(self) -> list[Joiner]:
        batch: list[Joiner] = []
        size = 0
        while self._joining and size < _MOST_AT_ONCE and len(batch) < _MOST_JOINERS:
            batch.append(self._joining.pop(0))
            size += len(batch[-1].keys)
        if self._joining:
            self._work.set()
        return batch

    def _refuse_joiners(self, error: Exception) -> None:
        for joiner in self._joining:
            if not joiner.is_in.done():
                joiner.is_in.set_exception(error)
        self._joining = []

    def _let_in(self, joiner: Joiner) -> None:
        stream = joiner.stream
        if joiner.is_in.done():
            # Given up meanwhile: it has left already, and is closed next.
            self._work.set()
        elif not stream.keys:
            statuses = {status for _, status in stream.refused}
            is_full = TOO_MANY_WATCHED in statuses
            error = TooManyStreams(is_owners=True, is_keys=True) if is_full else Refusal(statuses)
            joiner.is_in.set_exception(error)
        else:
            self._streams.add(stream)
            self._channels.enter(stream)
            joiner.is_in.set_result(None)

    async def _follow(self, backend: int | None = None) -> None:
        while self._to_follow:
            keys = [key for key in self._to_follow if self._channels.get(key)][:_MOST_AT_ONCE]
            self._to_follow.intersection_update(keys)
            if keys:
                self._channels.asking()
                states = await self._queue.follow_keys(keys, backend or self._listener.backend)
                known = [s for s in states if self._channels.get(Key(s.data_type, s.symbol))]
                self._channels.answered(known)
                self._to_follow.difference_update(keys)

    async def _look(self) -> None:
        keys = self._channels.keys()
        has_changed = False
        for first in range(0, len(keys), _MOST_AT_ONCE):
            some = keys[first : first + _MOST_AT_ONCE]
            found = await self._queue.look_at_streams(some, self._listener.backend)
            self._channels.note(found)
            for state in found:
                channel = self._channels.get(Key(state.data_type, state.symbol))
                if channel is not None and not state.says_the_same(channel.state):
                    self._to_follow.add(channel.key)
                    has_changed = True
        if has_changed:
            await self._follow()
        self._poll = _FIRST_POLL if has_changed else min(2 * self._poll, _LAST_POLL)
        self._plan_look()

    def _plan_look(self) -> None:
        pause = self._poll if self._backend is None else _LOOK
        now = asyncio.get_running_loop().time()
        self._look_at = now + pause if self._channels.keys() else float("inf")

    async def _renew(self) -> None:
        watches = [(stream.name, key) for stream in self._streams for key in stream.keys]
        for first in range(0, len(watches), _MOST_AT_ONCE):
            await self._queue.renew_streams(watches[first : first + _MOST_AT_ONCE], self._lease)
        now = asyncio.get_running_loop().time()
        self._renew_at = now + self._lease / 3 if watches else float("inf")
