"""What is handed to a worker while it sleeps: what it may begin with, and what goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

import structlog

from pyworker.database_clock import DatabaseClock
from pyworker.errors import DatabaseUnavailable
from pyworker.handed import Handed
from pyworker.membership import Membership
from pyworker.queue.handovers import HandoverQueue

# A transaction may take its time between handing a job over and its commit.
_LONGEST_WAY = 1.0
# What a stopwatch may go wrong by between two looks at the database's clock.
_TOLERANCE = 0.1
_PAUSE = 0.25


class Handovers:
    """Judges jobs that were handed over, and tells the queue about them when nobody waits for it.

    A handed job runs for us since it was written, whether we have heard of it or not; its heartbeat
    limit counts from there. So nothing begins that may be somebody else's by now.
    """

    def __init__(
        self,
        queue: HandoverQueue,
        membership: Membership,
        clock: DatabaseClock,
        *,
        data_types: Sequence[str],
        heartbeat_limit: float,
        begin: Callable[[Handed, Callable[[], bool]], bool],
        look: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._membership = membership
        self._clock = clock
        self._data_types = data_types
        self._longest_way = min(_LONGEST_WAY, heartbeat_limit / 3)
        self._begin = begin
        self._look = look
        self._held: list[Handed] | None = None
        self._refused: list[Handed] = []
        self._others_sleep = False
        self._news = asyncio.Event()
        self._log = structlog.get_logger("worker")

    def hear(self, handed: Handed) -> None:
        """Begin with a job, or have it handed back."""
        if self._held is not None:
            self._held.append(handed)
        elif self._is_ours(handed) and self._begin(handed, partial(self._is_recent, handed)):
            if handed.others_sleep:
                self._begun_unwatched()
        else:
            self._refuse(handed)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is heard wait for the end of a claim, which may need all slots."""
        self._held = []
        try:
            yield
        except BaseException:
            # Nobody knows for whom it runs now.
            for handed in self._held:
                self._refuse(handed)
            raise
        else:
            held, self._held = self._held, None
            for handed in held:
                self.hear(handed)
        finally:
            self._held = None

    def _is_recent(self, handed: Handed) -> bool:
        """Say whether nobody can have taken a job over, nor will before our next heartbeat."""
        return -_TOLERANCE < self._clock.most_since(handed.job.started_at) <= self._longest_way

    def _is_ours(self, handed: Handed) -> bool:
        # Once it has begun, doubt does no harm: we go on with it under a new id.
        return (
            handed.worker == self._membership.id
            and self._membership.is_known
            and not self._membership.is_in_doubt
            and self._is_recent(handed)
        )

    def _refuse(self, handed: Handed) -> None:
        self._refused.append(handed)
        self._news.set()

    def _begun_unwatched(self) -> None:
        # Somebody is to notice if we die with it.
        self._others_sleep = True
        self._news.set()

    async def tell(self) -> NoReturn:
        """Tell the queue what there is to tell, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._refused:
                await self._hand_back(self._refused.pop(0))
            if self._others_sleep:
                # One that begins meanwhile is told of anew.
                self._others_sleep = False
                await self._have_us_watched()

    async def _have_us_watched(self) -> None:
        try:
            await self._queue.taken_up(self._membership.id, self._data_types)
        except DatabaseUnavailable:
            asyncio.get_running_loop().call_later(_PAUSE, self._begun_unwatched)

    async def _hand_back(self, handed: Handed) -> None:
        # One by one: who waits for one job and holds no other waits for nobody in a circle.
        try:
            is_ours = await self._queue.hand_back(handed.worker, [handed.job.fence])
        except DatabaseUnavailable:
            # Or somebody holds its row. What is to be told besides does not wait for that.
            asyncio.get_running_loop().call_later(_PAUSE, self._refuse, handed)
            return
        if not is_ours:
            # Taken over: then we are not among the sleepers any more.
            self._look()
        self._log.info("handed_back", fence=handed.job.fence)
