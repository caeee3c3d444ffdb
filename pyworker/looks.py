"""What is due, and how long nothing will be: the worker's looks at the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from pyworker.database_clock import DatabaseClock
from pyworker.job import Ending, Look, Sleeper, Turned
from pyworker.listener import Listener
from pyworker.queue.looks import LookQueue

_FIRST_PAUSE, _LAST_PAUSE = 0.002, 1.0
_READING_LASTS = 30.0


class Looks:
    """Claims jobs, and falls asleep so that no wake is lost: armed, then settled.

    Without a listener nobody can wake us, and the worker has to poll.
    """

    def __init__(
        self, queue: LookQueue, listener: Listener, data_types: Sequence[str], clock: DatabaseClock
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._data_types = data_types
        self._clock = clock
        self._is_armed = False
        # As whom we have settled since we armed; while that lasts we need not do either again.
        self._settled: Sleeper | None = None
        self._usage_read_at = float("-inf")

    @property
    def can_be_woken(self) -> bool:
        """Whether a signal can reach us at the moment."""
        return self._listener.sleeper is not None

    @property
    def is_armed(self) -> bool:
        """Whether we are among those that are told of what is due."""
        return self._is_armed

    @property
    def must_settle(self) -> bool:
        """Whether we have armed, and somebody may not know it yet."""
        return self._is_armed and self._settled is None

    async def turn(
        self,
        worker: int,
        free: int,
        lead: float,
        endings: Sequence[Ending] = (),
        *,
        stays_awake: bool = False,
    ) -> Turned:
        """End refreshes, and take up to `free` jobs due within `lead` (s).

        We are armed if fewer were there, but not when the worker `stays_awake`: until its next
        claim nobody needs to tell it anything.
        """
        sleeper = self._listener.sleeper
        if sleeper is None and self._is_armed and free > 0:
            await self._queue.disarm(self._listener.channel)
        is_settled = sleeper is not None and sleeper is self._settled and not stays_awake
        if sleeper is not None and stays_awake:
            sleeper = Sleeper(sleeper.channel, None)
        if free > 0:
            # Until the answer is here nobody knows.
            self._settled = None
        asked_at = time.monotonic()
        turned = await self._queue.turn(
            worker, self._data_types, free, sleeper, lead, endings=endings, is_settled=is_settled
        )
        if turned.jobs:
            self._clock.note(turned.jobs[-1].started_at, asked_at)
        if free > 0:
            can_be_woken = sleeper is not None and not stays_awake
            self._is_armed = can_be_woken and len(turned.jobs) < free
            self._settled = sleeper if turned.asleep else None
        return turned

    async def doubt(self) -> None:
        """Ask whether the connection still stands; if it does not, it is replaced."""
        await self._queue.calls.doubt()

    async def disarm(self) -> None:
        """Have nobody tell us anything, and let somebody else keep the time: no slot is free."""
        await self._queue.disarm(self._listener.channel)
        self._is_armed, self._settled = False, None

    async def hand_on(self) -> None:
        """Let somebody else keep the time: we have no free slot."""
        await self._queue.hand_on(self._data_types)

    async def rest(self, worker: int, interruption: asyncio.Event, lead: float) -> float | None:
        """Return in how many seconds something is due, when that is certain or it is within `lead`.

        None: nothing is known, or `interruption` was set meanwhile.
        """
        sleeper = self._listener.sleeper
        if sleeper is None or not self._is_armed:
            return await self._queue.next_moment(worker, self._data_types)
        # It may arm anew, and then nobody knows for a while.
        self._settled = None
        look: Look | None = None
        pause = _FIRST_PAUSE
        while True:
            look = await self._settle(worker, sleeper, look)
            is_due = look.seconds is not None and look.seconds <= lead
            if look.settled or is_due:
                self._settled = None if is_due else sleeper
                return look.seconds
            wait = pause if look.seconds is None else min(pause, look.seconds - lead)
            try:
                async with asyncio.timeout(wait):
                    await interruption.wait()
            except TimeoutError:
                pause = min(2 * pause, _LAST_PAUSE)
            else:
                return None

    async def _settle(self, worker: int, sleeper: Sleeper, last: Look | None) -> Look:
        now = asyncio.get_running_loop().time()
        reads = now - self._usage_read_at >= _READING_LASTS
        asked_at = time.monotonic()
        look = await self._queue.settle(
            worker, self._data_types, sleeper, last, reads_queue_usage=reads
        )
        self._clock.note(look.looked_at, asked_at)
        if look.queue_usage is not None:
            self._usage_read_at = now
            self._listener.note_queue_usage(look.queue_usage)
        return look
