"""A worker's place among those that the database knows: announced, heard of, and left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog

from pyworker.errors import DatabaseUnavailable
from pyworker.pulse import Pulse
from pyworker.queue.members import MemberQueue
from pyworker.running import Running

# A claim says again that we live when that was last said longer ago than this (s).
_REPEATED = 5.0
# A heartbeat that comes so much later than planned (s) is worth a word.
_STALLED = 1.0


class Membership:
    """Under which id a worker is known, and whether it still is.

    `id` changes when it is announced anew or renewed. `is_known` is False once the database has
    taken it for dead. `is_in_doubt`: a claim ended in an error, and what it took, if anything,
    runs for nobody until the worker goes on under a new id.
    """

    def __init__(
        self, queue: MemberQueue, *, name: str, heartbeat_limit: float, data_types: Sequence[str]
    ) -> None:
        self._queue = queue
        self._name = name
        self._heartbeat_limit = heartbeat_limit
        self._data_types = data_types
        self._log = structlog.get_logger("worker").bind(worker=name)
        # The last word of us that a claim leaves standing may be that much older than the claim.
        self._pulse = Pulse(heartbeat_limit - min(heartbeat_limit / 8, _REPEATED))
        self.id = 0
        self.is_known = False
        self.is_in_doubt = False

    async def announce(self) -> None:
        """Become known, under a new id."""
        self.id = await self._queue.announce_worker(
            self._name, self._heartbeat_limit, takes_jobs=True
        )
        self.is_known = True
        self.is_in_doubt = False
        self._log.info("worker_started", id=self.id, data_types=self._data_types)

    async def _renew(self, fences: Sequence[int]) -> None:
        # What the claim that failed has taken would stay ours, and nobody would fetch it.
        self.id = await self._queue.renew_worker(self.id, fences)
        self.is_in_doubt = False
        self._log.info("worker_renewed", id=self.id, running=len(fences))

    async def be_known(self, running: Running) -> None:
        """Announce the worker anew, or renew it, if it has to be before its next claim.

        Raises:
            WorkerUnknown: it was taken for dead.
        """
        if not self.is_known:
            # What runs has lost its fences, so its results would be refused.
            self._log.warning("taken_for_dead", dropped=len(running))
            await running.cancel()
            await self.announce()
        elif self.is_in_doubt:
            await self._renew(running.fences)

    def heard(self, asked_at: float) -> None:
        """Note that the database has heard of us by what we asked at this moment of the loop."""
        self._pulse.beat(asked_at)

    def has_lasted_since(self, claimed_at: float) -> bool:
        """Say whether nobody can have taken over what we claimed at this moment of the loop."""
        return self._pulse.has_lasted(claimed_at, asyncio.get_running_loop().time())

    async def beat(self, is_busy: Callable[[], bool], lost: Callable[[], None]) -> NoReturn:
        """Be heard of while busy, for ever; calls `lost` when it was taken for dead."""
        loop = asyncio.get_running_loop()
        while True:
            planned_at = loop.time() + self._heartbeat_limit / 3
            await asyncio.sleep(self._heartbeat_limit / 3)
            late = loop.time() - planned_at
            if late > _STALLED:
                self._log.warning(
                    "stalled",
                    seconds=round(late, 1),
                    hint="the process was stopped, or an async refresher calls what does not await",
                )
            if not is_busy():
                continue
            worker, asked_at = self.id, loop.time()
            try:
                alive = await self._queue.heartbeat(worker)
            except DatabaseUnavailable:
                continue
            self.heard(asked_at)
            # Renewed meanwhile: that it is not known any more is as it should be.
            if not alive and worker == self.id and not self.is_in_doubt:
                self.is_known = False
                lost()

    async def leave(self) -> None:
        """Hand back what still runs, and be forgotten; without a database, by its heartbeat."""
        try:
            handed_back = await self._queue.dismiss_worker(self.id)
        except DatabaseUnavailable as error:
            self._log.warning("left_without_goodbye", reason=error.message)
        else:
            self._log.info("worker_stopped", handed_back=handed_back)
