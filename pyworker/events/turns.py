"""The one task that serves all streams of a process, turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from pyworker.event_listener import EventListener
from pyworker.events.channels import Channels
from pyworker.events.following import FIRST_POLL, LAST_POLL, Following
from pyworker.events.joining import Joining
from pyworker.events.stream import Stream
from pyworker.events.texts import event_text
from pyworker.job import Key
from pyworker.queue.streams import StreamQueue

_DEAF_FOR = 60.0  # seconds
_MOST_AT_ONCE = 2000


class Turns:
    """Ends what was left, lets in who joins, looks and renews leases, whenever one of it is due.

    Args:
        queue: what to ask.
        listener: the one ear of the process.
        lease: for how many seconds a stream watches its keys unless it goes on.
        look_each: seconds between two looks while we are told what happens.
    """

    def __init__(
        self, queue: StreamQueue, listener: EventListener, lease: float, look_each: float
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._lease = lease
        self.channels = Channels()
        self.following = Following(queue, listener, self.channels, look_each)
        self._joining = Joining(queue, listener, self.channels, lease)
        self.streams: set[Stream] = set()
        # The names of streams whose watches are to end.
        self.left: list[str] = []
        self._work = asyncio.Event()
        self._look_at = self._renew_at = float("inf")
        self._log = structlog.get_logger("streams")

    @property
    def mode(self) -> str:
        """`listen`, or `poll` while nothing can be heard."""
        return "listen" if self.following.is_told else "poll"

    def join(self, stream: Stream, keys: Sequence[Key], role: str) -> asyncio.Future[None]:
        """Let a stream in with the next turn; what is returned ends then."""
        self._work.set()
        return self._joining.add(stream, keys, role)

    def leave(self, stream: Stream) -> None:
        """Forget a stream at once; its watch ends with the next turn."""
        self._joining.give_up(stream)
        self.streams.discard(stream)
        self.channels.leave(stream)
        self.left.append(stream.name)
        self._work.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        hear = asyncio.create_task(self._hear(), name="events")
        try:
            await self._listener.tried.wait()
            pause = FIRST_POLL
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(self._look_at, self._renew_at)):
                        await self._work.wait()
                self._work.clear()
                try:
                    await self._turn()
                    pause = FIRST_POLL
                except Exception as error:
                    # Whatever it is, the streams that are open stay open.
                    self._joining.refuse(error)
                    self._work.set()
                    self._log.warning("streams_not_served", reason=str(error), seconds=pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LAST_POLL)
        finally:
            hear.cancel()
            await asyncio.gather(hear, return_exceptions=True)

    async def _hear(self) -> None:
        while True:
            try:
                await self._listener.run(
                    self.channels.hear, self._listener_changed, self.channels.hear_line
                )
            except Exception as error:
                # Such as a server that is a standby: we poll, and try again some time.
                self._log.warning("listening_refused", reason=str(error), seconds=_DEAF_FOR)
            self._listener.tried.set()
            self._listener_changed()
            await asyncio.sleep(_DEAF_FOR)

    def _listener_changed(self) -> None:
        if self.following.lose_ear():
            self._tell_mode()
        self._work.set()

    def _tell_mode(self) -> None:
        self._plan_look()
        text = event_text("mode", {"mode": self.mode})
        for stream in self.streams:
            stream.put(None, text)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        was = self.mode
        if await self.following.listen_anew():
            self._plan_look()
            if self.mode != was:
                self._tell_mode()
        await self._close()
        # First: whatever becomes of those who join, who is in goes on watching.
        if now >= self._renew_at:
            await self._renew()
        await self._open()
        if now >= self._look_at:
            await self.following.look()
            self._plan_look()

    async def _close(self) -> None:
        left = list(self.left)
        await self.following.forget(left)
        del self.left[: len(left)]

    async def _open(self) -> None:
        opened = await self._joining.open()
        if self._joining:
            self._work.set()
        if opened:
            self.streams.update(opened)
            now = asyncio.get_running_loop().time()
            self._renew_at = min(self._renew_at, now + self._lease / 3)
        if self._look_at == float("inf"):
            self._plan_look()

    def _plan_look(self) -> None:
        self._look_at = self.following.next_look(asyncio.get_running_loop().time())

    async def _renew(self) -> None:
        watches = [(stream.name, key) for stream in self.streams for key in stream.keys]
        for first in range(0, len(watches), _MOST_AT_ONCE):
            await self._queue.renew_streams(watches[first : first + _MOST_AT_ONCE], self._lease)
        now = asyncio.get_running_loop().time()
        self._renew_at = now + self._lease / 3 if watches else float("inf")
